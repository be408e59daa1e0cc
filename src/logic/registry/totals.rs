//! Counters by database and role: a hash table in which an entry is never moved. Only [`Locked::reset_totals`] frees
//! entries.

use super::jobs::End;
use super::layout::{JobSlot, Totals};
use super::locked::Locked;
use crate::job::state::State;
use crate::job::usage::Usage;
use std::sync::atomic::Ordering::Relaxed;

/// How a job came to its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The process was started for it.
    Cold,
    Warm,
}

/// What befell a launch before it had a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaunchEvent {
    Waits,
    Rejected,
}

/// The entry for that database and role, made when there is none; the last one when there is no room. Under the lock.
fn totals_of(table: &[Totals], database: u32, role: u32) -> Option<&Totals> {
    let key = Totals::key(database, role);
    let (last, entries) = table.split_last()?;
    let start = usize::try_from(key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40).unwrap_or(0);
    for i in 0..entries.len() {
        let entry = &entries[(start + i) % entries.len()];
        let found = entry.key.load(Relaxed);
        if found == 0 {
            entry.key.store(key, Relaxed);
        }
        if found == 0 || found == key {
            return Some(entry);
        }
    }
    Some(last)
}

impl<'a> Locked<'a> {
    fn totals_of(&self, job: &JobSlot) -> Option<&'a Totals> {
        totals_of(self.totals, job.database.load(Relaxed), job.role.load(Relaxed))
    }

    /// Counts what befell a launch of that role in that database.
    pub fn count_launch(&mut self, database: u32, role: u32, event: LaunchEvent) {
        if let Some(totals) = totals_of(self.totals, database, role) {
            let counter = match event {
                LaunchEvent::Waits => &totals.queue_waits,
                LaunchEvent::Rejected => &totals.rejected,
            };
            counter.fetch_add(1, Relaxed);
        }
    }

    /// The job has a worker now. Its launcher may be gone the next moment, so this is counted where the job's end is.
    pub(super) fn count_start(&self, job: &JobSlot, start: Start) {
        if let Some(totals) = self.totals_of(job) {
            totals.launched.fetch_add(1, Relaxed);
            let starts = match start {
                Start::Warm => &totals.warm_starts,
                Start::Cold => &totals.cold_starts,
            };
            starts.fetch_add(1, Relaxed);
        }
    }

    /// The warm worker that took the job refuses it. Suppose that the counters were set to zero in between: one start
    /// that came later may be missing then, but no counter is negative.
    pub(super) fn uncount_start(&self, job: &JobSlot) {
        if let Some(totals) = self.totals_of(job) {
            for counter in [&totals.launched, &totals.warm_starts] {
                counter.store((counter.load(Relaxed) - 1).max(0), Relaxed);
            }
        }
    }

    pub(super) fn count_end(&self, database: u32, role: u32, end: &End) {
        if let Some(totals) = totals_of(self.totals, database, role) {
            let counter = match end.state {
                State::Canceled => &totals.canceled,
                State::Error if end.timed_out => &totals.timed_out,
                State::Error => &totals.failed,
                State::Stopped | State::Starting | State::Running => &totals.completed,
            };
            counter.fetch_add(1, Relaxed);
            if end.started_at != 0 {
                totals.run_time.fetch_add((end.finished_at - end.started_at).max(0), Relaxed);
            }
            totals.used.add(&end.used);
        }
    }

    /// Starts the totals anew.
    pub fn reset_totals(&mut self) {
        for totals in self.totals {
            totals.key.store(0, Relaxed);
            totals.counters().into_iter().for_each(|counter| counter.store(0, Relaxed));
            totals.used.set(&Usage::default());
        }
        self.head.reset_at.store(self.server.now(), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_found_again_and_overflow_into_the_last() {
        let table: Vec<Totals> = (0..4).map(|_| Totals::default()).collect();
        for role in [10, 11, 12, 13, 14] {
            totals_of(&table, 1, role).unwrap().launched.fetch_add(1, Relaxed);
        }
        totals_of(&table, 1, 11).unwrap().launched.fetch_add(1, Relaxed);
        let mut launched: Vec<_> =
            table.iter().map(|t| (t.key.load(Relaxed) as u32, t.launched.load(Relaxed))).collect();
        launched.sort_unstable();
        assert_eq!(launched, [(0, 2), (10, 1), (11, 2), (12, 1)]);
        assert!(totals_of(&[], 1, 1).is_none());
    }
}
