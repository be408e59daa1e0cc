//! What can be read of a plan that runs.
//!
//! A [`Watch`] is made after ExecutorStart, and dropped no later than the memory of the execution (`es_query_cxt`) is:
//! by a reset callback of that memory, for an ERROR skips everything else.

use super::sys;
use logic::estimate::Estimate;
use logic::estimate::plan::Estimator;
use logic::estimate::plan::node::{Plan, Reading, Seen};
use std::ptr::NonNull;

/// When a plan is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Between two calls of nodes, as in the tripwire or a hook.
    Running,
    /// In a signal handler, while a node of the plan waits for other processes. Nothing allocates, throws or locks.
    Waiting,
}

/// An execution of a plan: its nodes, and where what is read of each stands.
pub struct Shape {
    plan: Plan,
    states: Vec<NonNull<sys::PlanState>>,
    description: NonNull<sys::QueryDesc>,
}

impl Shape {
    /// Allocates, and does not throw.
    ///
    /// # Safety
    /// After ExecutorStart has succeeded for it. The value is gone before the execution's memory is.
    pub unsafe fn new(description: NonNull<sys::QueryDesc>) -> Self {
        Self { plan: Plan::default(), states: Vec::new(), description }
    }

    /// All nodes, those of subplans too.
    pub fn states(&self) -> &[NonNull<sys::PlanState>] {
        &self.states
    }

    fn new_reading(&self) -> Reading {
        Reading { nodes: vec![Seen::default(); self.plan.nodes.len()], ..Reading::default() }
    }

    fn read(&self, moment: Moment, reading: &mut Reading) {
        // SAFETY: the execution is there as long as this value.
        let processed = unsafe { (*(*self.description.as_ptr()).estate).es_processed };
        reading.processed = processed as i64;
        reading.is_waiting = moment == Moment::Waiting;
    }
}

/// A plan that is read again and again.
pub struct Watch {
    shape: Shape,
    reading: Reading,
    estimator: Estimator,
}

impl Watch {
    /// Allocates, and does not throw.
    ///
    /// # Safety
    /// As [`Shape::new`].
    pub unsafe fn new(description: NonNull<sys::QueryDesc>) -> Self {
        // SAFETY: promised by the caller.
        let shape = unsafe { Shape::new(description) };
        let (reading, estimator) = (shape.new_reading(), Estimator::new(&shape.plan));
        Self { shape, reading, estimator }
    }

    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Reads the plan and estimates. Between ExecutorStart and ExecutorEnd.
    pub fn sample(&mut self, moment: Moment) -> Estimate {
        self.shape.read(moment, &mut self.reading);
        self.estimator.update(&self.shape.plan, &self.reading)
    }
}
