//! Nodes that have several inputs, or hand on less than they get.

use super::cost;
use super::model::{Depth, Model, State, is_input};
use super::node::{Kind, Node, Role, Seen};
use super::rows::{softly, tame};

impl Model<'_> {
    pub(super) fn hash_join(&mut self, at: usize, node: &Node, loops: f64, depth: Depth) -> State {
        let seen = self.seen[at];
        let Some((first, outer)) = self.child(node, Role::Outer, loops, depth) else { return State::default() };
        let Some((second, inner)) = self.child(node, Role::Inner, 1.0, depth) else { return State::default() };
        let batches = seen.batches.filter(|(all, _)| *all > 1.0);
        let read = if seen.is_filled { outer.fraction } else { 0.0 };
        let expected = tame(self.scaled(node, &[first, second]), outer.rows.max(inner.rows));
        let built = if seen.is_filled { inner.before } else { inner.before_done };
        let (before, before_done) = (outer.before + inner.before, outer.before_done + built);
        if let Some((all, current)) = batches.filter(|_| seen.is_filled) {
            // The first pass reads all of the outer rows, and joins those of one batch: the others go to files.
            let pass = outer.along + outer.rows * cost::BATCHED_ROW / 2.0;
            let over = (read + if current > 0.0 { current - 0.5 } else { 0.0 }) / all;
            let rows = self.rows(at, expected, over, loops);
            let (least, most) = (current / all, (current + 1.0) / all);
            let fraction = self.seen[at].rows.map_or(over, |count| (count / rows.max(1.0)).max(least).min(most));
            let each = cost::BATCHED_ROW / 2.0 + cost::probe(inner.rows / all);
            let along = outer.rows * each + inner.rows * cost::BATCHED_ROW + rows * cost::RESULT;
            return State {
                rows,
                fraction,
                before: before + pass,
                before_done: before_done + pass * read,
                along,
                ..State::default()
            };
        }
        let rows = self.rows(at, expected, read, loops);
        let mut along = outer.along + outer.rows * cost::probe(inner.rows) + rows * cost::RESULT;
        if self.plan.nodes[second].is_external && !seen.is_filled {
            along += 0.75 * (outer.rows + inner.rows) * cost::BATCHED_ROW;
        }
        State { rows, fraction: read, before, before_done, along, ..State::default() }
    }

    pub(super) fn merge_join(&mut self, at: usize, node: &Node, loops: f64, depth: Depth) -> State {
        let Some((first, outer)) = self.child(node, Role::Outer, loops, depth) else { return State::default() };
        let Some((second, inner)) = self.child(node, Role::Inner, loops, depth) else { return State::default() };
        let fraction = outer.fraction.max(inner.fraction);
        let expected = tame(self.scaled(node, &[first, second]), outer.rows.max(inner.rows));
        let rows = self.rows(at, expected, fraction, loops);
        // One side may end early, and the other is then not read to its end.
        let trust = (fraction / 0.1).min(1.0);
        let part = |side: &State| {
            let reached = if fraction > 0.0 { side.fraction / fraction } else { 1.0 };
            (side.along + cost::MERGE * side.rows) * (trust * reached + (1.0 - trust))
        };
        let along = part(&outer) + part(&inner) + rows * cost::RESULT;
        let before_done = outer.before_done + inner.before_done;
        State { rows, fraction, before: outer.before + inner.before, before_done, along, ..State::default() }
    }

    pub(super) fn nest_loop(&mut self, at: usize, node: &Node, loops: f64, depth: Depth) -> State {
        let Some((first, outer)) = self.child(node, Role::Outer, loops, depth) else { return State::default() };
        let passes = outer.rows * outer.fraction;
        let Some((second, inner)) = self.child(node, Role::Inner, passes.max(1.0) * loops, depth) else {
            return State::default();
        };
        let is_kept = self.plan.nodes[second].kind == Kind::Material;
        let (once, once_done, each) =
            if is_kept { (inner.before, inner.before_done, inner.along) } else { (0.0, 0.0, inner.total()) };
        let fraction = match self.seen[first].rows {
            Some(count) if outer.rows < 50.0 && loops <= 1.0 => {
                let inner_fraction = self.seen[second].position.unwrap_or(0.0);
                ((count - 1.0).max(0.0) + inner_fraction) / outer.rows.max(count).max(1.0)
            }
            _ => outer.fraction,
        };
        let expected = tame(self.scaled(node, &[first, second]), outer.rows.max(inner.rows));
        let rows = self.rows(at, expected, fraction, loops);
        let along = outer.along + outer.rows * each + rows * cost::RESULT;
        State {
            rows,
            fraction,
            before: outer.before + once,
            before_done: outer.before_done + once_done,
            along,
            ..State::default()
        }
    }

    pub(super) fn limit(&mut self, at: usize, node: &Node, loops: f64, depth: Depth) -> State {
        let seen = self.seen[at];
        let Some((_, input)) = self.child(node, Role::Outer, loops, depth) else { return State::default() };
        let wanted = seen.limit.unwrap_or(node.rows).max(1.0);
        if wanted >= input.rows {
            return input;
        }
        let expected = wanted / input.rows;
        let part = self.output(at, wanted);
        // The input may have its rows at its end, or all at once.
        let share = if part > 0.05 && input.fraction > 0.0 { input.fraction / part } else { expected };
        let along = input.along * share.min(1.0);
        State { rows: wanted, fraction: part.max(input.fraction), along, ..input }
    }

    pub(super) fn append(&mut self, node: &Node, seen: Seen, loops: f64, depth: Depth) -> State {
        let mut sum = State::default();
        let (mut done, mut number) = (0.0, 0);
        let in_turn = node.kind == Kind::Append { is_parallel: false };
        for &child in node.children.iter().filter(|&&child| is_input(self.plan, child)) {
            self.work_out(child, loops, depth);
            let input = self.states[child];
            sum.rows += input.rows;
            if node.kind == Kind::MergeAppend {
                sum.before += input.before;
                sum.before_done += input.before_done;
                sum.along += input.along;
                done += input.along * input.fraction;
            } else {
                sum.along += input.total();
                done += match seen.member {
                    Some(current) if in_turn && number < current => input.total(),
                    Some(current) if in_turn && number > current => 0.0,
                    _ => input.done(),
                };
            }
            number += 1;
        }
        sum.fraction = if sum.along > 0.0 { done / sum.along } else { 0.0 };
        sum
    }

    pub(super) fn gather(&mut self, at: usize, node: &Node, depth: Depth) -> State {
        let Some((child, input)) = self.child(node, Role::Outer, 1.0, depth) else { return State::default() };
        let rows = self.rows(at, self.scaled(node, &[child]), input.fraction, 1.0);
        let mut state = State { rows, along: input.along + cost::GATHER * rows, ..input };
        let came = self.seen[at].rows.unwrap_or(0.0);
        // The leader has not taken part, and knows of the plan below only what comes out of it.
        if input.fraction == 0.0 && came > 0.0 && rows > 100.0 {
            state.fraction = softly(came, rows);
            state.before_done = state.before;
        }
        state
    }
}
