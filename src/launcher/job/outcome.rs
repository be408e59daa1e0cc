//! How a job stands or has ended: what this session knows of its own jobs, and the registry of all.

use super::{Job, tracker};
use crate::launcher::launch::at_commit;
use crate::pg::error::{Result, level};
use crate::registry::{self, EndedRow, JobRow};
use logic::job::state::State;
use logic::wire::report::Report;

/// Times are microseconds since 2000-01-01, 0 when they have not come.
pub struct Outcome {
    /// The role that the job runs as.
    pub role: u32,
    /// The database that it runs in, in whose encoding the texts are.
    pub database: u32,
    pub state: State,
    /// Of the last statement, of a job that ended well; `None` where that is not known.
    pub command_tag: Option<Vec<u8>>,
    /// Rows that the last statement returned or changed, of a job that ended well.
    pub row_count: Option<i64>,
    /// Of a job that failed or was canceled.
    pub error: Option<Report>,
    /// The statement that failed, counted from 1; 0 where that is not known.
    pub statement: i32,
    pub launched_at: i64,
    pub started_at: i64,
    pub finished_at: i64,
}

impl Outcome {
    /// Of the job with that handle; `None` if neither this session nor the registry knows the job. Rights are not
    /// checked, nothing is waited for, and nothing that the job has sent is read.
    pub fn of(pid: i32, cookie: i64) -> Result<Option<Self>> {
        if let Some(job) = tracker::tracked(pid, cookie) {
            return Self::of_own(&job).map(Some);
        }
        let Some(registry) = registry::get()? else {
            return Ok(None);
        };
        if cookie == 0 {
            return Ok(None);
        }
        if let Some(job) = at_commit::requested(cookie) {
            return Ok(job.name().has(pid).then(|| Self::of_active(&job)));
        }
        // In this order: a job that starts meanwhile moves from the queue into a slot, and one that ends moves from its
        // slot into the history; there it is found.
        let mut active = registry.job_with(cookie)?;
        if active.is_none() {
            active = registry.pending_with(cookie)?;
        }
        if active.is_none() {
            active = registry.job_with(cookie)?;
        }
        if let Some(job) = active {
            return Ok(job.name().has(pid).then(|| Self::of_active(&job)));
        }
        let ended = registry.ended_with(cookie)?;
        Ok(ended.filter(|job| job.name().has(pid)).map(|job| Self::of_ended(&job)))
    }

    /// Of a job that this session has launched, tracked or not.
    pub fn of_own(job: &Job) -> Result<Self> {
        // Read once, for it may change at any moment. What the worker wrote before a final one is there then.
        let state = job.state();
        let has_failed = matches!(state, State::Error | State::Canceled);
        let tag = if state == State::Stopped { job.command_tag() } else { Vec::new() };
        Ok(Self {
            role: job.user,
            database: job.database(),
            state,
            command_tag: (!tag.is_empty()).then_some(tag),
            row_count: (state == State::Stopped).then(|| job.row_count()),
            error: if has_failed { job.error()? } else { None },
            statement: if has_failed { job.statement() } else { 0 },
            launched_at: job.launched_at,
            started_at: job.started_at(),
            finished_at: job.finished_at(),
        })
    }

    fn of_active(job: &JobRow) -> Self {
        Self {
            role: job.role,
            database: job.database,
            state: job.state,
            command_tag: None,
            row_count: None,
            error: None,
            statement: 0,
            launched_at: job.launched_at,
            started_at: job.started_at,
            finished_at: 0,
        }
    }

    fn of_ended(job: &EndedRow) -> Self {
        let has_failed = job.state != State::Stopped;
        Self {
            role: job.role,
            database: job.database,
            state: job.state,
            command_tag: None,
            row_count: (!has_failed).then_some(job.row_count),
            error: has_failed.then(|| Report::new(level::ERROR, job.sqlstate, job.message.clone())),
            statement: 0,
            launched_at: job.launched_at,
            started_at: job.started_at,
            finished_at: job.finished_at,
        }
    }
}
