//! How jobs began and ended, counted apart from the registry's totals.

use crate::job::state::State;
use crate::registry::jobs::End;
use crate::registry::layout::Totals;
use crate::registry::totals::Start;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering::Relaxed;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub completed: i64,
    pub failed: i64,
    pub canceled: i64,
    pub timed_out: i64,
    pub rejected: i64,
    pub queue_waits: i64,
    pub warm_starts: i64,
    pub cold_starts: i64,
    pub run_time: i64,
}

impl Sums {
    /// What the registry has counted, of all databases and roles.
    pub fn of(totals: &[Totals]) -> Self {
        let sum = |counter: fn(&Totals) -> &AtomicI64| totals.iter().map(|t| counter(t).load(Relaxed)).sum();
        Self {
            completed: sum(|t| &t.completed),
            failed: sum(|t| &t.failed),
            canceled: sum(|t| &t.canceled),
            timed_out: sum(|t| &t.timed_out),
            rejected: sum(|t| &t.rejected),
            queue_waits: sum(|t| &t.queue_waits),
            warm_starts: sum(|t| &t.warm_starts),
            cold_starts: sum(|t| &t.cold_starts),
            run_time: sum(|t| &t.run_time),
        }
    }

    fn starts(&mut self, start: Start) -> &mut i64 {
        match start {
            Start::Cold => &mut self.cold_starts,
            Start::Warm => &mut self.warm_starts,
        }
    }
}

/// What the totals should be.
#[derive(Default)]
pub struct Counts {
    pub sums: Sums,
    /// By cookie: how the job came to the worker that has it, or had it.
    starts: BTreeMap<i64, Start>,
    /// By cookie: how its worker says that it ends.
    ends: BTreeMap<i64, (State, bool, i64)>,
}

impl Counts {
    /// Of jobs that are over.
    pub fn after(totals: &[Totals]) -> Self {
        Self { sums: Sums::of(totals), ..Self::default() }
    }

    /// A worker has the job, or has ended and was promised it.
    pub fn start(&mut self, cookie: i64, start: Start) {
        self.starts.insert(cookie, start);
        *self.sums.starts(start) += 1;
    }

    /// The worker that has taken the job refuses it.
    pub fn refuse(&mut self, cookie: i64) {
        let start = self.starts.remove(&cookie).expect("a job that was taken");
        *self.sums.starts(start) -= 1;
    }

    /// The worker that has the job ends it.
    pub fn end(&mut self, cookie: i64, end: &End) {
        let run_time = if end.started_at == 0 { 0 } else { end.finished_at - end.started_at };
        self.ends.insert(cookie, (end.state, end.timed_out, run_time));
    }

    /// The job is in the history; returns how it ended. One that no worker has ended is lost, and one that was reaped
    /// and that no worker has taken counts as a cold start.
    pub fn ended(&mut self, cookie: i64) -> State {
        if !self.starts.contains_key(&cookie) {
            self.start(cookie, Start::Cold);
        }
        let (state, timed_out, run_time) = self.ends.remove(&cookie).unwrap_or((State::Error, false, 0));
        self.sums.run_time += run_time;
        *match state {
            State::Canceled => &mut self.sums.canceled,
            State::Error if timed_out => &mut self.sums.timed_out,
            State::Error => &mut self.sums.failed,
            _ => &mut self.sums.completed,
        } += 1;
        state
    }
}
