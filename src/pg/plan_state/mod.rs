//! What can be read of a plan that runs.
//!
//! A [`Watch`] is made after ExecutorStart, and dropped when the execution ends: in ExecutorEnd, or by a reset callback
//! of its memory (`es_query_cxt`), for an ERROR skips everything else. A cursor's execution ends when it is closed, not
//! with the statement that opened it: nodes count into slots that are free again after the drop.
//!
//! What is read may be in the middle of a change in a signal handler, or gone. So a plan is read between two calls of
//! its nodes, where all of it is whole; or while a node waits for other processes, where that node is.
#![allow(clippy::cast_precision_loss)] // counts, which a float has exactly up to 2^53

mod build;
mod counters;
mod inspect;
mod read;

use super::error::Result;
use super::sys;
use counters::Counter;
use logic::estimate::Estimate;
use logic::estimate::plan::Estimator;
use logic::estimate::plan::node::{Plan, Reading, Seen};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

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
    sources: Vec<Source>,
    description: NonNull<sys::QueryDesc>,
    /// Runs of all plans when this one had returned its last row.
    runs_before: Option<u64>,
}

/// Runs of plans in this process. Those in a trigger are counted by it.
static RUNS: AtomicU64 = AtomicU64::new(0);

/// A plan begins to run.
pub fn count_run() {
    // One process, one thread: no other writes it.
    RUNS.store(RUNS.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// Where a node is read.
#[derive(Default)]
struct Source {
    tag: sys::NodeTag,
    counter: Option<Counter>,
    /// The Gather above.
    gather: Option<NonNull<sys::PlanState>>,
    /// A scan's table has pages in the server's own format.
    is_heap: bool,
    /// The table of a scan that is the only one of that table.
    table: Option<Counted>,
    /// The index that the bitmap comes from, if it is one.
    index: Option<Counted>,
    /// A subplan that runs once: the parameters that it sets.
    sets: Vec<i32>,
    /// Of a hash table: the join that has it.
    join: Option<NonNull<sys::PlanState>>,
}

/// A relation whose rows the server counts for its statistics, and the counts when the execution began.
#[derive(Clone, Copy)]
struct Counted {
    relation: sys::Relation,
    returned: i64,
    fetched: i64,
}

impl Shape {
    /// Allocates. Of a plan of more than some hundred nodes nothing is known.
    ///
    /// # Safety
    /// After ExecutorStart has succeeded for it, before ExecutorRun. The value is dropped before the execution's
    /// memory goes, and while no tripwire is armed there.
    pub unsafe fn new(description: NonNull<sys::QueryDesc>) -> Result<Self> {
        // SAFETY: promised by the caller.
        unsafe { build::shape(description) }
    }

    /// All nodes, those of subplans too; none of a plan of which nothing is known.
    pub fn states(&self) -> &[NonNull<sys::PlanState>] {
        &self.states
    }

    fn new_reading(&self) -> Reading {
        Reading { nodes: vec![Seen::default(); self.plan.nodes.len()], ..Reading::default() }
    }

    fn read(&self, moment: Moment, reading: &mut Reading) {
        // SAFETY: the execution is there as long as this value; the moment is one at which its nodes may be read.
        unsafe {
            reading.processed = (*(*self.description.as_ptr()).estate).es_processed as i64;
            for (at, seen) in reading.nodes.iter_mut().enumerate() {
                *seen = read::node(self, at);
            }
        }
        reading.trigger_runs = self.runs_before.map_or(0.0, |before| (RUNS.load(Ordering::Relaxed) - before) as f64);
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
    /// Allocates.
    ///
    /// # Safety
    /// As [`Shape::new`].
    pub unsafe fn new(description: NonNull<sys::QueryDesc>) -> Result<Self> {
        // SAFETY: promised by the caller.
        let shape = unsafe { Shape::new(description)? };
        let (reading, estimator) = (shape.new_reading(), Estimator::new(&shape.plan));
        Ok(Self { shape, reading, estimator })
    }

    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// It has returned its last row, and its triggers run.
    pub fn finish(&mut self) {
        self.shape.runs_before.get_or_insert(RUNS.load(Ordering::Relaxed));
    }

    /// The plan is about to run: where its rows go is known only now.
    pub fn begin(&mut self) {
        // SAFETY: the execution is there as long as this value.
        self.shape.plan.output_ns = unsafe { build::output_ns(self.shape.description.as_ref()) };
    }

    /// Reads the plan and estimates. Between ExecutorStart and ExecutorEnd.
    pub fn sample(&mut self, moment: Moment) -> Estimate {
        self.shape.read(moment, &mut self.reading);
        self.estimator.update(&self.shape.plan, &self.reading)
    }
}
