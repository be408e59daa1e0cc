//! The time of each node and what it has done of it, worked out from the leaves to the top.
//!
//! Times are of one execution of a node, but for what a nested loop or a subplan repeats: its parent multiplies.

use super::cost;
use super::node::{Grouping, Kind, Node, Plan, Role, Seen};
use super::rows::{refine, softly};

/// What is known of a node after a reading.
#[derive(Clone, Copy, Debug, Default)]
pub struct State {
    /// Rows of one execution.
    pub rows: f64,
    /// The part of them that has come out.
    pub fraction: f64,
    /// Time until the first row can come out, and how much of it is over.
    pub before: f64,
    pub before_done: f64,
    /// Time that goes by with the rows.
    pub along: f64,
    /// A hash table of groups that did not fit in memory.
    pub has_spilled: bool,
}

impl State {
    pub fn total(&self) -> f64 {
        self.before + self.along
    }

    pub fn done(&self) -> f64 {
        self.before_done + self.along * self.fraction
    }
}

/// How far below the top: a plan that is deeper than the stack of a signal handler allows for is cut.
#[derive(Clone, Copy)]
pub struct Depth(usize);

impl Depth {
    pub const TOP: Self = Self(0);
    const MOST: usize = 150;
}

pub struct Model<'a> {
    pub plan: &'a Plan,
    pub seen: &'a [Seen],
    pub states: &'a mut [State],
}

/// Can anything be known of the time that the plan takes?
pub fn is_known(plan: &Plan) -> bool {
    !plan.nodes.is_empty() && plan.nodes.iter().all(|node| node.kind != Kind::Unknown) && is_driven(plan, 0, Depth::TOP)
}

/// Is the node driven by something whose end is known?
fn is_driven(plan: &Plan, at: usize, depth: Depth) -> bool {
    if depth.0 >= Depth::MOST {
        return false;
    }
    let depth = Depth(depth.0 + 1);
    let node = &plan.nodes[at];
    let mut children = node.children.iter().copied();
    match node.kind {
        Kind::Leaf { is_known } => is_known || children.any(|child| is_driven(plan, child, depth)),
        Kind::Scan | Kind::Index { .. } | Kind::Bitmap => true,
        Kind::Append { .. } | Kind::MergeAppend | Kind::HashedSetOp => {
            children.any(|child| is_driven(plan, child, depth))
        }
        _ => children.any(|child| plan.nodes[child].role != Role::Inner && is_driven(plan, child, depth)),
    }
}

impl Model<'_> {
    /// Works out the node and all below it. `loops`: how often it has been executed so far.
    pub fn work_out(&mut self, at: usize, loops: f64, depth: Depth) {
        let plan = self.plan;
        let node = &plan.nodes[at];
        if depth.0 >= Depth::MOST {
            self.states[at] = State { rows: node.rows, ..State::default() };
            return;
        }
        let depth = Depth(depth.0 + 1);
        let mut state = self.own(at, node, loops, depth);
        for &child in &node.children {
            self.add_subplan(&mut state, node, child, depth);
        }
        state.fraction = if state.fraction.is_finite() { state.fraction.clamp(0.0, 1.0) } else { 0.0 };
        state.before_done = state.before_done.min(state.before);
        self.states[at] = state;
    }

    fn add_subplan(&mut self, state: &mut State, node: &Node, child: usize, depth: Depth) {
        let role = self.plan.nodes[child].role;
        if !matches!(role, Role::Once | Role::EachRow | Role::HashedSubplan) {
            return;
        }
        // A filter runs for the rows that are scanned, not for those that are left.
        let calls = if node.quals > 0.0 { node.tuples.max(state.rows) } else { state.rows };
        let loops = if role == Role::EachRow { calls * state.fraction } else { 1.0 };
        self.work_out(child, loops, depth);
        let sub = self.states[child];
        if role == Role::EachRow {
            state.along += calls * sub.total();
        } else {
            state.before += sub.total();
            state.before_done += if self.seen[child].is_over { sub.total() } else { sub.done() };
        }
    }

    /// The first child in that role, worked out.
    pub(super) fn child(&mut self, node: &Node, role: Role, loops: f64, depth: Depth) -> Option<(usize, State)> {
        let child = node.children.iter().copied().find(|&child| self.plan.nodes[child].role == role)?;
        self.work_out(child, loops, depth);
        Some((child, self.states[child]))
    }

    /// What comes out, as the planner would say it had it known what goes in.
    pub(super) fn scaled(&self, node: &Node, inputs: &[usize]) -> f64 {
        let ratio = |&input: &usize| self.states[input].rows.max(1.0) / self.plan.nodes[input].rows.max(1.0);
        node.rows * inputs.iter().map(ratio).product::<f64>()
    }

    /// Rows of one execution, where so many were expected and `fraction` of the input is read.
    pub(super) fn rows(&self, at: usize, expected: f64, fraction: f64, loops: f64) -> f64 {
        let count = self.seen[at].rows;
        if loops > 1.0 {
            return count.filter(|_| loops >= 10.0).map_or(expected, |count| count / loops);
        }
        let refined = refine(expected, count, fraction);
        // The rows of this process alone were counted, and its share is not exactly what the planner takes it for.
        let is_share = self.plan.nodes[at].is_partial && refined < 4.0 * expected && refined * 4.0 > expected;
        if is_share { expected } else { refined }
    }

    /// The part of a known number of rows that has come out.
    pub(super) fn output(&self, at: usize, rows: f64) -> f64 {
        self.seen[at].rows.map_or(0.0, |count| (count / rows.max(1.0)).min(1.0))
    }

    fn own(&mut self, at: usize, node: &Node, loops: f64, depth: Depth) -> State {
        let seen = self.seen[at];
        let last = self.states[at];
        match node.kind {
            Kind::Scan | Kind::Bitmap => {
                let held = if loops > 1.0 { 0.0 } else { last.fraction };
                let fraction = if seen.is_over { 1.0 } else { seen.position.unwrap_or(held) };
                let rows = self.rows(at, node.rows, fraction, loops);
                // The bitmap is made before its first page is read.
                let before = self.child(node, Role::Outer, loops, depth).map_or(0.0, |(_, source)| source.total());
                let before_done = if seen.position.is_some() || fraction > 0.0 { before } else { 0.0 };
                State {
                    rows,
                    fraction,
                    before,
                    before_done,
                    along: cost::scan(node, rows, seen.pages),
                    ..State::default()
                }
            }
            Kind::Index { .. } | Kind::Leaf { .. } | Kind::Unknown | Kind::BitmapSource => {
                let planned = if node.fair_part > 0.0 { node.rows * node.fair_part } else { node.rows };
                let expected = if loops > 1.0 { self.rows(at, node.rows, 1.0, loops) } else { planned };
                let count = seen.rows.unwrap_or(0.0);
                let fraction = if loops > 1.0 { 0.0 } else { softly(count, expected) };
                let rows =
                    if count > 0.8 * expected && fraction > 0.0 && loops <= 1.0 { count / fraction } else { expected };
                let fraction = if seen.is_over { 1.0 } else { fraction };
                let before = rows * node.storing_ns;
                let before_done = if fraction > 0.0 { before } else { 0.0 };
                State { rows, fraction, before, before_done, along: cost::scan(node, rows, None), ..State::default() }
            }
            Kind::Pass { ns } | Kind::Modify { ns } => {
                let Some((child, input)) = self.child(node, Role::Outer, loops, depth) else {
                    return State { rows: node.rows, along: ns, ..State::default() };
                };
                let is_modify = matches!(node.kind, Kind::Modify { .. });
                let rows = if is_modify {
                    input.rows
                } else {
                    let expected = self.scaled(node, &[child]);
                    self.rows(at, expected, input.fraction, loops)
                };
                State { rows, along: input.along + ns * input.rows, ..input }
            }
            Kind::Sort => self.sort(at, node, loops, depth),
            Kind::Material => {
                let Some((_, input)) = self.child(node, Role::Outer, 1.0, depth) else { return State::default() };
                let stored = input.rows * cost::MATERIAL;
                if node.role != Role::Inner {
                    return State { along: input.along + stored, ..input };
                }
                let before = input.total() + stored;
                let before_done = if seen.is_filled { before } else { input.done() + stored * input.fraction };
                State { rows: input.rows, fraction: 0.0, before, before_done, along: stored, ..State::default() }
            }
            Kind::Memoize => {
                let missed = seen.misses.unwrap_or(0.5);
                let Some((_, input)) = self.child(node, Role::Outer, loops * missed, depth) else {
                    return State::default();
                };
                State { rows: input.rows, along: cost::GROUP_OUT + missed * input.total(), ..State::default() }
            }
            Kind::Hash => {
                let Some((_, input)) = self.child(node, Role::Outer, 1.0, depth) else { return State::default() };
                let rows = self.rows(at, input.rows, if seen.is_filled { 1.0 } else { input.fraction }, 1.0);
                let own = cost::hash(node, rows);
                let before = input.total() + own;
                let before_done = if seen.is_filled { before } else { input.done() + own * input.fraction };
                State {
                    rows,
                    fraction: f64::from(u8::from(seen.is_filled)),
                    before,
                    before_done,
                    along: 0.0,
                    ..State::default()
                }
            }
            Kind::HashJoin => self.hash_join(at, node, loops, depth),
            Kind::MergeJoin => self.merge_join(at, node, loops, depth),
            Kind::NestLoop => self.nest_loop(at, node, loops, depth),
            Kind::Agg(grouping) => self.agg(at, node, grouping, loops, depth),
            Kind::Window { is_filtered } => {
                let Some((_, input)) = self.child(node, Role::Outer, loops, depth) else { return State::default() };
                // rows come out a partition at a time, or later still
                let out = match seen.rows {
                    Some(_) if !is_filtered => self.output(at, input.rows),
                    _ => input.fraction,
                };
                let along = input.along + (cost::WINDOW + node.aggregates_ns) * input.rows;
                State { along, fraction: f64::midpoint(input.fraction, out), ..input }
            }
            Kind::HashedSetOp => self.hashed_set_op(at, node, loops, depth),
            Kind::Limit => self.limit(at, node, loops, depth),
            Kind::Append { .. } | Kind::MergeAppend => self.append(node, seen, loops, depth),
            Kind::Gather => self.gather(at, node, depth),
        }
    }

    fn hashed_set_op(&mut self, at: usize, node: &Node, loops: f64, depth: Depth) -> State {
        let seen = self.seen[at];
        let (mut before, mut before_done, mut rows) = (0.0, 0.0, 0.0);
        for &child in node.children.iter().filter(|&&child| is_input(self.plan, child)) {
            self.work_out(child, loops, depth);
            let input = self.states[child];
            let own = input.rows * cost::group(node, Grouping::Hashed, node.rows);
            before += input.total() + own;
            before_done += input.done() + own * input.fraction;
            rows += input.rows;
        }
        let rows = node.rows.min(rows);
        let (fraction, before_done) = if seen.is_filled { (self.output(at, rows), before) } else { (0.0, before_done) };
        State { rows, fraction, before, before_done, along: rows * cost::GROUP_OUT, ..State::default() }
    }
}

/// Does the node get rows from it?
pub(super) fn is_input(plan: &Plan, child: usize) -> bool {
    matches!(plan.nodes[child].role, Role::Outer | Role::Inner | Role::Member)
}
