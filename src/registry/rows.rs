//! What the views show: copies, taken under the lock.

use super::area::Registry;
use crate::pg::condvar::Condition;
use crate::pg::error::Result;
use crate::pg::{identity, statement};
use logic::job::state::State;
use logic::registry::layout::{Activity, Ended, JobSlot, Totals};
use std::sync::atomic::Ordering::{Acquire, Relaxed};

/// A job that has not ended.
pub struct JobRow {
    /// The worker's; 0 before one has the job.
    pub pid: i32,
    pub cookie: i64,
    pub label: Vec<u8>,
    pub database: u32,
    pub role: u32,
    pub launcher_pid: i32,
    pub state: State,
    /// Microseconds since 2000-01-01, like all times here; 0 when it has not come.
    pub launched_at: i64,
    pub started_at: i64,
    pub statement: i32,
    pub statements: i32,
    pub command: Option<&'static [u8]>,
    pub progress: Option<(i32, Vec<u8>)>,
    pub query: Vec<u8>,
}

pub struct EndedRow {
    pub pid: i32,
    pub cookie: i64,
    pub label: Vec<u8>,
    pub database: u32,
    pub role: u32,
    pub launcher_pid: i32,
    pub state: State,
    /// As the server packs it; 0 without an error.
    pub sqlstate: i32,
    pub message: Vec<u8>,
    pub launched_at: i64,
    pub started_at: i64,
    pub finished_at: i64,
    pub row_count: i64,
    pub query: Vec<u8>,
}

pub struct WorkerRow {
    pub pid: i32,
    pub database: u32,
    pub user: u32,
    pub idle: bool,
    pub jobs_run: i64,
    pub started_at: i64,
    /// 0 while it is busy.
    pub idle_since: i64,
    /// For which it leaves after its job; empty without one.
    pub library: Vec<u8>,
}

/// Database and role are 0 in the row of all that found no room.
pub struct TotalsRow {
    pub database: u32,
    pub role: u32,
    pub launched: i64,
    pub completed: i64,
    pub failed: i64,
    pub canceled: i64,
    pub timed_out: i64,
    pub rejected: i64,
    pub queue_waits: i64,
    pub warm_starts: i64,
    pub cold_starts: i64,
    /// Microseconds.
    pub run_time: i64,
}

impl Registry {
    /// Jobs that have not ended, in the order of their launch.
    pub fn jobs(&self) -> Result<Vec<JobRow>> {
        self.look_for_the_dead()?;
        let mut rows = Vec::new();
        for (_, job) in self.used() {
            let held = self.lock.shared()?;
            let mut row = job_row(job);
            let (label, query) = (job.label.copy(), job.query.copy());
            drop(held);
            row.label = label.bytes().to_vec();
            row.query = query.bytes().to_vec();
            row.progress = job.progress.get();
            // the slot may have been given to another job before its progress was read
            if row.cookie != 0 && job.cookie.load(Acquire) == row.cookie {
                rows.push(row);
            }
        }
        rows.sort_by_key(|row| (row.launched_at, row.cookie));
        Ok(rows)
    }

    /// The job with that cookie, if it has not ended: its slot, worker's pid and role. Looks without the lock, which it takes
    /// only for what it finds.
    pub fn find(&self, cookie: i64) -> Result<Option<(u32, i32, u32)>> {
        let Some((slot, job)) = self.used().find(|(_, job)| job.cookie.load(Acquire) == cookie) else {
            return Ok(None);
        };
        let held = self.lock.shared()?;
        let found = (slot, job.worker_pid.load(Relaxed), job.role.load(Relaxed));
        let there = job.cookie.load(Relaxed) == cookie;
        drop(held);
        Ok(there.then_some(found))
    }

    /// The ended job with that cookie: its worker's pid and role.
    pub fn find_ended(&self, cookie: i64) -> Result<Option<(i32, u32)>> {
        let Some(entry) = self.history.iter().find(|entry| entry.cookie.load(Acquire) == cookie) else {
            return Ok(None);
        };
        let held = self.lock.shared()?;
        let found = (entry.worker_pid.load(Relaxed), entry.role.load(Relaxed));
        let there = entry.cookie.load(Relaxed) == cookie;
        drop(held);
        Ok(there.then_some(found))
    }

    /// The last jobs that ended, newest first.
    pub fn history(&self) -> Result<Vec<EndedRow>> {
        let mut rows = Vec::new();
        for entry in self.history {
            if entry.cookie.load(Relaxed) == 0 {
                continue;
            }
            let held = self.lock.shared()?;
            let mut row = ended_row(entry);
            let (label, message, query) = (entry.label.copy(), entry.message.copy(), entry.query.copy());
            drop(held);
            row.label = label.bytes().to_vec();
            row.message = message.bytes().to_vec();
            row.query = query.bytes().to_vec();
            rows.push(row);
        }
        rows.sort_by_key(|row| std::cmp::Reverse((row.finished_at, row.cookie)));
        Ok(rows)
    }

    pub fn workers(&self) -> Result<Vec<WorkerRow>> {
        self.look_for_the_dead()?;
        let mut rows = Vec::with_capacity(self.workers.len());
        let mut unfit = Vec::with_capacity(self.workers.len());
        let held = self.lock.shared()?;
        for worker in self.workers {
            let activity = worker.activity();
            if activity == Activity::Free {
                continue;
            }
            let key = worker.key();
            let is_idle = matches!(activity, Activity::Idle | Activity::Leaving);
            rows.push(WorkerRow {
                pid: worker.pid.load(Relaxed),
                database: key.database,
                user: key.user,
                idle: is_idle,
                jobs_run: worker.jobs_run.load(Relaxed),
                started_at: worker.started_at.load(Relaxed),
                idle_since: if is_idle { worker.idle_since.load(Relaxed) } else { 0 },
                library: Vec::new(),
            });
            unfit.push(worker.library.copy());
        }
        drop(held);
        for (row, library) in rows.iter_mut().zip(unfit) {
            row.library = library.bytes().to_vec();
        }
        Ok(rows)
    }

    /// Totals of those who launched anything since the last reset, and when that was.
    pub fn totals(&self) -> (Vec<TotalsRow>, i64) {
        let used = self.totals.iter().filter(|totals| totals.counters().iter().any(|n| n.load(Relaxed) != 0));
        (used.map(totals_row).collect(), self.head.reset_at.load(Relaxed))
    }

    /// Starts the totals anew.
    pub fn reset(&self) -> Result<()> {
        let now = identity::now();
        let held = self.lock.exclusive()?;
        for totals in self.totals {
            totals.key.store(0, Relaxed);
            totals.counters().into_iter().for_each(|counter| counter.store(0, Relaxed));
        }
        self.head.reset_at.store(now, Relaxed);
        drop(held);
        Ok(())
    }

    fn look_for_the_dead(&self) -> Result<()> {
        let held = self.lock.exclusive()?;
        let found = self.reap();
        drop(held);
        if found {
            self.tell_of_the_dead();
        }
        Ok(())
    }

    /// Those who wait for a job, or for a place, look again.
    pub(super) fn tell_of_the_dead(&self) {
        self.jobs.iter().for_each(|job| job.done.broadcast());
        self.head.freed.broadcast();
    }
}

/// Without texts. Under the lock.
fn job_row(job: &JobSlot) -> JobRow {
    let number = |n: &std::sync::atomic::AtomicU32| i32::try_from(n.load(Relaxed)).unwrap_or(0);
    JobRow {
        pid: job.worker_pid.load(Relaxed),
        cookie: job.cookie.load(Relaxed),
        label: Vec::new(),
        database: job.database.load(Relaxed),
        role: job.role.load(Relaxed),
        launcher_pid: job.launcher_pid.load(Relaxed),
        state: State::from_u32(job.state.load(Relaxed)).unwrap_or(State::Starting),
        launched_at: job.launched_at.load(Relaxed),
        started_at: job.started_at.load(Relaxed),
        statement: number(&job.statement),
        statements: number(&job.statements),
        command: statement::tag_name(job.command.load(Relaxed)),
        progress: None,
        query: Vec::new(),
    }
}

/// Without texts. Under the lock.
fn ended_row(entry: &Ended) -> EndedRow {
    EndedRow {
        pid: entry.worker_pid.load(Relaxed),
        cookie: entry.cookie.load(Relaxed),
        label: Vec::new(),
        database: entry.database.load(Relaxed),
        role: entry.role.load(Relaxed),
        launcher_pid: entry.launcher_pid.load(Relaxed),
        state: State::from_u32(entry.state.load(Relaxed)).unwrap_or(State::Error),
        sqlstate: entry.sqlstate.load(Relaxed),
        message: Vec::new(),
        launched_at: entry.launched_at.load(Relaxed),
        started_at: entry.started_at.load(Relaxed),
        finished_at: entry.finished_at.load(Relaxed),
        row_count: entry.row_count.load(Relaxed),
        query: Vec::new(),
    }
}

fn totals_row(totals: &Totals) -> TotalsRow {
    let key = totals.key.load(Relaxed);
    TotalsRow {
        database: (key >> 32) as u32,
        role: key as u32,
        launched: totals.launched.load(Relaxed),
        completed: totals.completed.load(Relaxed),
        failed: totals.failed.load(Relaxed),
        canceled: totals.canceled.load(Relaxed),
        timed_out: totals.timed_out.load(Relaxed),
        rejected: totals.rejected.load(Relaxed),
        queue_waits: totals.queue_waits.load(Relaxed),
        warm_starts: totals.warm_starts.load(Relaxed),
        cold_starts: totals.cold_starts.load(Relaxed),
        run_time: totals.run_time.load(Relaxed),
    }
}
