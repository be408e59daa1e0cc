//! Nodes that have read all of their input before they return a row.

use super::cost;
use super::model::{Depth, Model, State};
use super::node::{Grouping, Node, Role};
use super::rows::{groups, softly};

impl Model<'_> {
    pub(super) fn sort(&mut self, at: usize, node: &Node, loops: f64, depth: Depth) -> State {
        let seen = self.seen[at];
        let Some((child, input)) = self.child(node, Role::Outer, loops, depth) else { return State::default() };
        let (feed, sorting, out) = cost::sort(node, seen.limit, input.rows);
        let rows = seen.limit.map_or(input.rows, |bound| bound.min(input.rows));
        let before = input.total() + feed + sorting;
        if !seen.is_filled {
            let before_done = input.done() + feed * input.fraction;
            return State { rows, fraction: 0.0, before, before_done, along: out * rows, ..State::default() };
        }
        let fraction = match (seen.rows, self.seen[child].rows) {
            (Some(count), None) if loops <= 1.0 => softly(count, rows),
            _ => self.output(at, rows),
        };
        State { rows, fraction, before, before_done: before, along: out * rows, ..State::default() }
    }

    pub(super) fn agg(&mut self, at: usize, node: &Node, grouping: Grouping, loops: f64, depth: Depth) -> State {
        let seen = self.seen[at];
        let Some((child, input)) = self.child(node, Role::Outer, loops, depth) else { return State::default() };
        let expected = self.scaled(node, &[child]).min(input.rows.max(1.0));
        let rows = match grouping {
            Grouping::Plain => node.rows.max(1.0),
            Grouping::Sorted => self.rows(at, expected, input.fraction, loops),
            Grouping::Hashed if seen.batches.is_some() => self.spilled_groups(at, expected),
            Grouping::Hashed => match seen.groups {
                Some(count) if seen.is_filled => count.max(1.0),
                Some(count) if loops <= 1.0 => {
                    let found = groups(count, input.rows * input.fraction, input.rows);
                    let trust = (input.fraction / 0.05).min(1.0);
                    expected * (1.0 - trust) + found * trust
                }
                _ => expected,
            },
        };
        let own = cost::group(node, grouping, rows) * input.rows;
        if grouping == Grouping::Sorted {
            let (along, fraction) = passes(node, seen.passes, &input, own);
            return State { rows, fraction, along, ..input };
        }
        let sorting = node.sorting_aggregates * cost::sorting(input.rows);
        let before = input.total() + own + sorting;
        let before_done = if seen.is_filled { before } else { input.done() + own * input.fraction };
        if grouping == Grouping::Plain {
            return State {
                rows,
                fraction: f64::from(u8::from(seen.is_filled)),
                before,
                before_done,
                along: 0.0,
                ..State::default()
            };
        }
        let mut along = rows * cost::GROUP_OUT;
        let mut fraction = self.output(at, rows);
        match seen.batches {
            Some((all, over)) => {
                along += input.rows * cost::BATCHED_ROW;
                fraction = over / all.max(1.0);
            }
            None if node.is_external && !seen.is_filled => along += input.rows * cost::BATCHED_ROW,
            None => {}
        }
        let has_spilled = seen.batches.is_some();
        State { rows, fraction: if seen.is_filled { fraction } else { 0.0 }, before, before_done, along, has_spilled }
    }

    /// A table that spilled has not all groups. What it had when it was full says less than it seems to, where only the
    /// first rows had been read: so it is weighed with what the planner expects, until groups come out.
    fn spilled_groups(&self, at: usize, expected: f64) -> f64 {
        let seen = self.seen[at];
        let (all, over) = seen.batches.unwrap_or((1.0, 0.0));
        let (last, count) = (self.states[at].rows.max(1.0), seen.rows.unwrap_or(0.0));
        let part = over / all.max(1.0);
        if seen.is_filled && part > 0.1 {
            return (count / part.min(1.0)).max(count);
        }
        // Held, once it is weighed.
        if self.states[at].has_spilled { last } else { (last * expected.max(1.0)).sqrt() }
    }
}

/// Groups of sorted input, and of each further sort of it: the time that goes by with the rows, and the part of it that
/// is over. `own`: the grouping of all rows. Nothing is seen of a further pass before its end.
fn passes(node: &Node, ended: f64, input: &State, own: f64) -> (f64, f64) {
    let (first, further) = (input.along + own, cost::sorting(input.rows) + own);
    let along = first + node.further_passes * further;
    if node.further_passes <= 0.0 || along <= 0.0 {
        return (first, input.fraction);
    }
    let done = if ended >= 1.0 { first + (ended - 1.0) * further } else { first * input.fraction };
    (along, done / along)
}
