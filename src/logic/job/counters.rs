//! What a session's jobs came to.

use crate::job::state::{State, Stop};

/// Counters since the session's start. A job is counted once: as it ended, or when it is detached.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counters {
    pub launched: i64,
    pub completed: i64,
    pub failed: i64,
    pub canceled: i64,
    /// Waits that the session's own code has given up, as it says: not a count of jobs.
    pub timed_out: i64,
    timed: i64,
    total_ms: f64,
}

impl Counters {
    pub const fn new() -> Self {
        Self { launched: 0, completed: 0, failed: 0, canceled: 0, timed_out: 0, timed: 0, total_ms: 0.0 }
    }

    /// Counts a job that has ended, with its run time in microseconds when it ran.
    pub fn ended(&mut self, state: State, run_time: Option<i64>) {
        match state {
            State::Error => self.failed += 1,
            State::Canceled => self.canceled += 1,
            State::Stopped | State::Starting | State::Running => self.completed += 1,
        }
        if let Some(us) = run_time {
            self.timed += 1;
            #[allow(clippy::cast_precision_loss)] // exact up to 285 years
            let ms = us as f64 / 1000.0;
            self.total_ms += ms;
        }
    }

    /// Counts a job that the session gives up while it runs, with what it was asked. A job that was cancelled cannot
    /// end well any more. How any other job will end is not known: it counts as completed.
    pub fn let_go(&mut self, asked: Stop) {
        match asked {
            Stop::Now => self.canceled += 1,
            // the statement that runs may be the last
            Stop::No | Stop::AfterStatement => self.completed += 1,
        }
    }

    /// Microseconds in all, of the jobs that ran and ended.
    pub fn run_time(&self) -> i64 {
        (self.total_ms * 1000.0).round() as i64
    }

    /// Mean run time of the jobs that ran and ended, in milliseconds; 0 without any.
    pub fn average_ms(&self) -> f64 {
        #[allow(clippy::cast_precision_loss)] // exact up to 2^53 jobs
        let jobs = self.timed.max(1) as f64;
        self.total_ms / jobs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_outcome_and_averages_what_ran() {
        let mut counters = Counters::new();
        assert!(counters.average_ms().abs() < f64::EPSILON);
        counters.ended(State::Stopped, Some(1000));
        counters.ended(State::Error, Some(3000));
        counters.ended(State::Canceled, None);
        counters.let_go(Stop::No);
        assert_eq!((counters.completed, counters.failed, counters.canceled), (2, 1, 1));
        assert!((counters.average_ms() - 2.0).abs() < 1e-9);
    }

    #[test]
    fn a_cancelled_job_that_is_let_go_is_canceled() {
        let mut counters = Counters::new();
        counters.let_go(Stop::AfterStatement);
        assert_eq!((counters.completed, counters.canceled), (1, 0));
        counters.let_go(Stop::Now);
        assert_eq!((counters.completed, counters.canceled), (1, 1));
    }
}
