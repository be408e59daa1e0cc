//! The part of a plan's time that is over, from what is read of its nodes.
//!
//! A plan is a chain of stages. A node that must have its whole input before it returns a row (a sort, a hash table)
//! closes a stage; all other nodes move along with the one scan that drives theirs. The time of each stage is foretold
//! from the rows that go through it and what a row costs in a node ([`cost`]). Both become better while the plan runs:
//! rows that have been counted replace those that the planner had expected ([`model`]).

pub mod bitmap;
mod blocking;
mod cost;
mod joins;
mod model;
pub mod node;
mod phase;
mod rows;
#[cfg(test)]
mod tests;

use super::Estimate;
use model::{Depth, Model};
use node::{Plan, Reading};

/// A statement that has not ended is not done.
const ALMOST: f64 = 0.999;

/// Estimates one execution of a plan, reading by reading. After `new`, nothing allocates: a reading may be taken, and
/// estimated, in a signal handler.
pub struct Estimator {
    nodes: Vec<model::State>,
    /// The greatest fraction so far: an estimate never goes backwards.
    shown: f64,
    is_known: bool,
}

impl Estimator {
    pub fn new(plan: &Plan) -> Self {
        let nodes = vec![model::State::default(); plan.nodes.len()];
        Self { nodes, shown: 0.0, is_known: model::is_known(plan) }
    }

    /// `plan` is the one that the estimator was made for, and the reading has as many nodes.
    pub fn update(&mut self, plan: &Plan, reading: &Reading) -> Estimate {
        let rows = Some(reading.processed);
        if plan.nodes.is_empty() || plan.nodes.len() != reading.nodes.len() || plan.nodes.len() != self.nodes.len() {
            return Estimate { rows, ..Estimate::default() };
        }
        let mut model = Model { plan, seen: &reading.nodes, states: &mut self.nodes };
        model.work_out(0, 1.0, Depth::TOP);
        let top = self.nodes[0];
        let output = plan.output_ns * top.rows;
        let triggers = plan.triggers * top.rows;
        let fired = (reading.trigger_runs / triggers.max(1.0)).min(1.0);
        let total = top.total() + output + triggers * cost::TRIGGER;
        let done = top.done() + output * top.fraction + triggers * cost::TRIGGER * fired;
        if total > 0.0 && done.is_finite() && total.is_finite() {
            self.shown = self.shown.max((done / total).clamp(0.0, ALMOST));
        }
        let is_countable = top.rows.is_finite() && top.rows < 9e18;
        let rows_estimated = is_countable.then_some((top.rows.round() as i64).max(reading.processed));
        let phase = phase::of(plan, reading, &self.nodes);
        Estimate { fraction: self.is_known.then_some(self.shown), rows, rows_estimated, phase }
    }
}
