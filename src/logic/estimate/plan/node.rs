//! A plan's nodes: what stands from the start, and what is read of them while they run.

/// What stays as it is during an execution.
#[derive(Default)]
pub struct Plan {
    /// A parent stands before its children; the first is the top.
    pub nodes: Vec<Node>,
}

/// A node, as the planner has left it.
#[derive(Clone, Default)]
pub struct Node {
    pub parent: Option<usize>,
}

/// What was read of a node.
#[derive(Clone, Copy, Default)]
pub struct Seen {
    pub rows: Option<f64>,
}

/// What was read of a plan at one moment.
#[derive(Default)]
pub struct Reading {
    /// As many as the plan has.
    pub nodes: Vec<Seen>,
    /// Rows that the statement has returned or changed.
    pub processed: i64,
    /// The process waits for its parallel workers.
    pub is_waiting: bool,
}
