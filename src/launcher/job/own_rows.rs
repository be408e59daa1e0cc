//! The rows of the views where there is no registry: what this session knows of its own jobs.

use super::{Job, tracker};
use crate::pg::error::{self, Result, level};
use crate::pg::{encoding, identity};
use crate::registry::{EndedRow, JobRow, TotalsRow, WorkerRow};
use logic::job::state::State;
use logic::registry::layout::QUERY_SIZE;
use logic::sqlstate;
use logic::wire::report::{Field, Report};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// A count that is not kept without a registry.
pub const UNKNOWN: i64 = -1;

/// The tracked jobs that have not ended.
pub fn jobs() -> Result<Vec<JobRow>> {
    say_once()?;
    active().map(|(job, state)| job_row(&job, state)).collect()
}

/// The tracked jobs that have ended.
pub fn history() -> Result<Vec<EndedRow>> {
    say_once()?;
    let ended = with_states().filter(|(_, state)| state.is_final());
    ended.map(|(job, state)| ended_row(&job, state)).collect()
}

/// The workers of the tracked jobs that have not ended.
pub fn workers() -> Result<Vec<WorkerRow>> {
    say_once()?;
    Ok(active().map(|(job, _)| worker_row(&job)).collect())
}

/// The session's counters.
pub fn totals() -> Result<Vec<TotalsRow>> {
    say_once()?;
    let (counters, _) = tracker::counters();
    Ok(vec![TotalsRow {
        database: identity::database(),
        role: identity::current_user(),
        launched: counters.launched,
        completed: counters.completed,
        failed: counters.failed,
        canceled: counters.canceled,
        timed_out: UNKNOWN,
        rejected: UNKNOWN,
        queue_waits: 0,
        warm_starts: 0,
        cold_starts: counters.launched,
        run_time: counters.run_time(),
        used: None,
    }])
}

/// The jobs with their states. A state is read once, for it may change at any moment.
fn with_states() -> impl Iterator<Item = (Arc<Job>, State)> {
    tracker::jobs().into_iter().map(|job| {
        let state = job.state();
        (job, state)
    })
}

fn active() -> impl Iterator<Item = (Arc<Job>, State)> {
    with_states().filter(|(_, state)| !state.is_final())
}

/// Tells the user, once in a session, that other sessions may have jobs.
fn say_once() -> Result<()> {
    static SAID: AtomicBool = AtomicBool::new(false);
    if SAID.swap(true, Relaxed) {
        return Ok(());
    }
    let mut report = Report::new(level::NOTICE, sqlstate::SUCCESSFUL_COMPLETION, "only jobs of this session are shown");
    report.set(Field::Detail, "Before PostgreSQL 17, only a preloaded library can know the jobs of all sessions.");
    report.set(Field::Hint, "Add pg_background to shared_preload_libraries and restart the server.");
    error::raise(&report)
}

fn query(job: &Job) -> Result<Vec<u8>> {
    let mut sql = job.sql()?;
    sql.truncate(encoding::clip(&sql, QUERY_SIZE));
    Ok(sql)
}

fn job_row(job: &Job, state: State) -> Result<JobRow> {
    Ok(JobRow {
        pid: job.pid,
        cookie: job.cookie,
        label: job.label.clone(),
        database: job.database(),
        role: job.user,
        launcher_pid: identity::process_id(),
        is_at_commit: false,
        state,
        launched_at: job.launched_at,
        started_at: job.started_at(),
        statement: 0,
        statements: 0,
        command: 0,
        progress: job.progress()?,
        automatic: job.automatic()?,
        query: query(job)?,
        spooled: job.spooled(),
    })
}

fn ended_row(job: &Job, state: State) -> Result<EndedRow> {
    let error = job.error()?;
    Ok(EndedRow {
        pid: job.pid,
        cookie: job.cookie,
        label: job.label.clone(),
        database: job.database(),
        role: job.user,
        launcher_pid: identity::process_id(),
        is_at_commit: false,
        state,
        sqlstate: error.as_ref().map_or(0, |error| error.sqlstate),
        message: error.map_or_else(Vec::new, |error| error.message().to_vec()),
        launched_at: job.launched_at,
        started_at: job.started_at(),
        finished_at: job.finished_at(),
        row_count: UNKNOWN,
        query: query(job)?,
        spooled: job.spooled(),
        used: job.used(),
    })
}

fn worker_row(job: &Job) -> WorkerRow {
    WorkerRow {
        pid: job.pid,
        database: job.database(),
        user: identity::capture().authenticated_user,
        idle: false,
        jobs_run: 0,
        started_at: job.launched_at,
        idle_since: 0,
        library: Vec::new(),
    }
}
