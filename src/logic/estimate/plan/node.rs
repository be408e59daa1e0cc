//! A plan's nodes: what stands from the start, and what is read of them while they run.

/// Bytes of a relation's name.
const NAME_SIZE: usize = 63;

/// What stays as it is during an execution.
#[derive(Default)]
pub struct Plan {
    /// A parent stands before its children; the first is the top. None: nothing is known of the plan.
    pub nodes: Vec<Node>,
    /// The top's rows go to a table or a client, and each costs so many nanoseconds.
    pub output_ns: f64,
    /// Triggers that run for each row after the last, such as checks of foreign keys.
    pub triggers: f64,
}

/// How a node works on its input.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Kind {
    /// A scan of a table from its first page to its last.
    Scan,
    /// A scan of an index; `is_whole`: without a condition.
    Index {
        is_whole: bool,
        is_only: bool,
    },
    /// The heap pages of a bitmap, with what makes the bitmap below it.
    Bitmap,
    /// What makes a bitmap; of no interest by itself.
    BitmapSource,
    /// Rows from elsewhere: functions, VALUES, other servers. `is_known`: their number is more than a guess.
    Leaf {
        is_known: bool,
    },
    /// Hands rows on, each at the cost of so many nanoseconds.
    Pass {
        ns: f64,
    },
    Sort,
    Material,
    Memoize,
    Hash,
    HashJoin,
    MergeJoin,
    NestLoop,
    Agg(Grouping),
    /// `is_filtered`: not all rows that come in go out.
    Window {
        is_filtered: bool,
    },
    /// Of two inputs, both read before it returns a row.
    HashedSetOp,
    Limit,
    /// Its children, one after the other; `is_parallel`: in no order.
    Append {
        is_parallel: bool,
    },
    MergeAppend,
    Gather,
    /// INSERT, UPDATE, DELETE or MERGE, at so many nanoseconds for a row.
    Modify {
        ns: f64,
    },
    /// WITH RECURSIVE: how often it goes around is not known.
    #[default]
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// One row, or a row for each of several sets, of input that is not sorted.
    Plain,
    Sorted,
    Hashed,
}

/// What a node is to its parent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// The first input, or the only one.
    #[default]
    Outer,
    Inner,
    /// One of an Append's.
    Member,
    /// Runs once, before or while the parent runs.
    Once,
    /// Runs for each row of the parent.
    EachRow,
    /// Fills a hash table that the parent's rows are looked up in.
    HashedSubplan,
}

/// A node, as the planner has left it.
#[derive(Clone, Default)]
pub struct Node {
    pub kind: Kind,
    pub role: Role,
    pub children: Vec<usize>,
    /// Rows that the planner expects of one execution.
    pub rows: f64,
    /// Bytes of a row.
    pub width: f64,
    /// Conditions that each row is tested with.
    pub quals: f64,
    /// Nanoseconds of a row for aggregates, beside the grouping.
    pub aggregates_ns: f64,
    /// Pages and rows of the table that is scanned.
    pub pages: f64,
    pub tuples: f64,
    /// Below a Gather: other processes run it, too.
    pub is_partial: bool,
    /// Rows of this process among `rows` below a Gather, where all take the same part; 0 elsewhere.
    pub fair_part: f64,
    /// A hash table, or groups, that do not fit in memory, as far as can be expected.
    pub is_external: bool,
    /// Bytes that a sort may keep in memory.
    pub memory: f64,
    /// Aggregates that sort their input, for DISTINCT or ORDER BY, when all of it is there.
    pub sorting_aggregates: f64,
    /// Grouping sets by sorting: how often the input is sorted and read again, after the first time.
    pub further_passes: f64,
    /// Nanoseconds of a row from elsewhere to store it, where all are stored before the first comes out.
    pub storing_ns: f64,
    /// [`Node::set_name`]
    pub name: Name,
}

/// The name of a relation.
#[derive(Clone, Copy)]
pub struct Name([u8; NAME_SIZE], usize);

impl Default for Name {
    fn default() -> Self {
        Self([0; NAME_SIZE], 0)
    }
}

impl Node {
    /// The relation that is read or written; a longer name is cut.
    pub fn set_name(&mut self, name: &[u8]) {
        let length = name.len().min(NAME_SIZE);
        self.name.0[..length].copy_from_slice(&name[..length]);
        self.name.1 = length;
    }

    pub fn name(&self) -> &[u8] {
        &self.name.0[..self.name.1]
    }
}

/// What was read of a node at one moment. What could not be read is `None`, or as before the node's start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Of a scan: the part of the pages that is behind it.
    pub position: Option<f64>,
    /// Rows that came out of it, in all executions.
    pub rows: Option<f64>,
    /// Sorted, hashed, built, read to its end.
    pub is_filled: bool,
    /// A scan that has ended; a subplan that need not run (again).
    pub is_over: bool,
    /// Pages of the table as it is now.
    pub pages: Option<f64>,
    /// Of a hash join: batches, and the one it is at. Of an aggregate that spilled: its batches, and those done.
    pub batches: Option<(f64, f64)>,
    /// Groups in the hash table.
    pub groups: Option<f64>,
    /// Rows until a Limit is done; those that a sort keeps for one.
    pub limit: Option<f64>,
    /// Of an Append: which child it is at, among those it has.
    pub member: Option<usize>,
    /// Of grouping sets by sorting: how often the input has been read to its end.
    pub passes: f64,
    /// Of a cache: the part of its look-ups that were misses.
    pub misses: Option<f64>,
}

/// What was read of a plan at one moment.
#[derive(Default)]
pub struct Reading {
    /// As many as the plan has.
    pub nodes: Vec<Seen>,
    /// Rows that the statement has returned or changed.
    pub processed: i64,
    /// Statements that triggers have run since the last row.
    pub trigger_runs: f64,
    /// The process waits for its parallel workers.
    pub is_waiting: bool,
}
