//! What the views show: copies of one row each, taken under the lock.
//!
//! A row is copied in two steps, for the lock allows no allocation: `Shared::…_row` fills buffers of fixed size under
//! the lock, and `into_row` makes the row's texts of them afterwards.

use super::layout::{Activity, JobSlot, LABEL_SIZE, LIBRARY_SIZE, QUERY_SIZE, Totals};
use super::locked::Shared;
use super::tables::Tables;
use crate::job::automatic::Figures;
use crate::job::state::State;
use crate::job::usage::Usage;
use crate::shared_text::{Copied, WORD};
use std::sync::atomic::AtomicU32;
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
    /// It was to start at a commit: pid 0 names it, too.
    pub is_at_commit: bool,
    pub state: State,
    /// Microseconds since 2000-01-01, like all times here; 0 when it has not come.
    pub launched_at: i64,
    pub started_at: i64,
    pub statement: i32,
    pub statements: i32,
    /// The running statement's command tag, as the server numbers them; 0 is none.
    pub command: u32,
    pub progress: Option<(i32, Vec<u8>)>,
    /// What its worker observes of it; `None` when it does not, or has not yet.
    pub automatic: Option<Figures>,
    pub query: Vec<u8>,
    /// Bytes of results that were put into files.
    pub spooled: i64,
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
    /// Of all its jobs, the memory the most of one; `None` where that is not summed up.
    pub used: Option<Usage>,
}

/// What a job goes by beside its cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobName {
    /// Its worker's; 0 before one has the job.
    pub pid: i32,
    pub role: u32,
    pub is_at_commit: bool,
}

impl JobName {
    /// Is that the pid of the job's handle? The handle of a job that starts at a commit has pid 0, whatever worker has
    /// the job later. Any other job has no handle before it has a worker.
    pub fn has(&self, pid: i32) -> bool {
        if pid == 0 { self.is_at_commit } else { pid == self.pid }
    }
}

impl JobRow {
    pub fn name(&self) -> JobName {
        JobName { pid: self.pid, role: self.role, is_at_commit: self.is_at_commit }
    }
}

/// A job's row without its texts, and these.
pub struct CopiedJob(JobRow, Copied<{ LABEL_SIZE / WORD }>, Copied<{ QUERY_SIZE / WORD }>);
pub struct CopiedWorker(WorkerRow, Copied<{ LIBRARY_SIZE / WORD }>);

impl Shared<'_> {
    pub fn copy_job(&self, slot: u32) -> Option<CopiedJob> {
        let job = self.job(slot)?;
        Some(CopiedJob(job_row(job), job.label.copy(), job.query.copy()))
    }

    pub fn copy_worker(&self, index: u32) -> Option<CopiedWorker> {
        let worker = self.worker(index).filter(|worker| worker.activity() != Activity::Free)?;
        let key = worker.key();
        let is_idle = matches!(worker.activity(), Activity::Idle | Activity::Leaving);
        let row = WorkerRow {
            pid: worker.pid.load(Relaxed),
            database: key.database,
            user: key.user,
            idle: is_idle,
            jobs_run: worker.jobs_run.load(Relaxed),
            started_at: worker.started_at.load(Relaxed),
            idle_since: if is_idle { worker.idle_since.load(Relaxed) } else { 0 },
            library: Vec::new(),
        };
        Some(CopiedWorker(row, worker.library.copy()))
    }
}

impl Tables<'_> {
    /// After the lock's release. `None` when the slot was given to another job before its progress was read.
    pub fn job_row(&self, slot: u32, copied: CopiedJob) -> Option<JobRow> {
        let CopiedJob(mut row, label, query) = copied;
        row.label = label.bytes().to_vec();
        row.query = query.bytes().to_vec();
        let job = self.job(slot)?;
        row.progress = job.progress.get();
        row.automatic = job.automatic.get();
        (row.cookie != 0 && job.cookie.load(Acquire) == row.cookie).then_some(row)
    }

    /// The slot of the job with that cookie. A look without the lock, at all slots in use.
    pub fn slot_of(&self, cookie: i64) -> Option<u32> {
        self.used().find(|(_, job)| job.cookie.load(Acquire) == cookie).map(|(slot, _)| slot)
    }

    pub fn worker_slots(&self) -> std::ops::Range<u32> {
        0..self.workers.len() as u32
    }

    /// Totals of the roles that launched anything since the last reset, and when that was.
    pub fn totals(&self) -> (Vec<TotalsRow>, i64) {
        let used = self.totals.iter().filter(|totals| totals.counters().iter().any(|n| n.load(Relaxed) != 0));
        (used.map(totals_row).collect(), self.head.reset_at.load(Relaxed))
    }
}

impl CopiedWorker {
    pub fn into_row(self) -> WorkerRow {
        let Self(mut row, library) = self;
        row.library = library.bytes().to_vec();
        row
    }
}

fn job_row(job: &JobSlot) -> JobRow {
    let number = |n: &AtomicU32| i32::try_from(n.load(Relaxed)).unwrap_or(0);
    JobRow {
        pid: job.worker_pid.load(Relaxed),
        cookie: job.cookie.load(Relaxed),
        label: Vec::new(),
        database: job.database.load(Relaxed),
        role: job.role.load(Relaxed),
        launcher_pid: job.session_pid.load(Relaxed),
        is_at_commit: job.at_commit.load(Relaxed) != 0,
        state: State::from_u32(job.state.load(Relaxed)).unwrap_or(State::Starting),
        launched_at: job.launched_at.load(Relaxed),
        started_at: job.started_at.load(Relaxed),
        statement: number(&job.statement),
        statements: number(&job.statements),
        command: job.command.load(Relaxed),
        progress: None,
        automatic: None,
        query: Vec::new(),
        spooled: job.spooled.load(Relaxed),
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
        used: Some(totals.used.get()),
    }
}
