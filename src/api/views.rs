//! The functions beneath the views: what the registry knows of the jobs of all sessions, or, where there is none, what
//! this session knows of its own.
//!
//! Everybody may call them and gets all rows. Texts are for those with the privileges of the job's role, and for
//! pg_read_all_stats: NULL for all others.

use crate::launcher::job::{Job, tracker};
use crate::pg::error::{self, Result, level};
use crate::pg::memory::Context;
use crate::pg::value::{Call, Datum, Value, void};
use crate::pg::{encoding, identity, statement};
use crate::registry::{self, EndedRow, JobRow, TotalsRow, WorkerRow};
use logic::job::state::State;
use logic::sqlstate;
use logic::wire::report::{Field, Report};
use std::sync::atomic::{AtomicBool, Ordering};

/// A count that nobody keeps.
const UNKNOWN: i64 = -1;

/// `pg_background_get_jobs()`
pub fn pg_background_get_jobs(call: &Call) -> Result<Datum> {
    let jobs = match registry::get()? {
        Some(registry) => registry.jobs()?,
        None => session::jobs()?,
    };
    answer(call, jobs, |job| {
        let show = Show::of(job.role, job.database)?;
        let (percent, message) = job.progress.map_or((None, Vec::new()), |(percent, message)| (Some(percent), message));
        Ok(vec![
            positive(job.pid),
            Value::Int8(job.cookie),
            show.unless_empty(job.label)?,
            Value::Oid(job.database),
            Value::Oid(job.role),
            Value::Int4(job.launcher_pid),
            Value::Text(job.state.name().into()),
            Value::Timestamp(job.launched_at),
            time(job.started_at),
            positive(job.statement),
            positive(job.statements),
            statement::tag_name(job.command).map_or(Value::Null, |tag| Value::Text(tag.to_vec())),
            // rows_processed, rows_estimated
            Value::Null,
            Value::Null,
            percent.map_or(Value::Null, Value::Int4),
            // progress_phase
            Value::Null,
            show.unless_empty(message)?,
            percent.map_or(Value::Null, |_| Value::Text(b"manual".to_vec())),
            show.text(job.query)?,
        ])
    })
}

/// `pg_background_get_history()`
pub fn pg_background_get_history(call: &Call) -> Result<Datum> {
    let ended = match registry::get()? {
        Some(registry) => registry.history()?,
        None => session::history()?,
    };
    answer(call, ended, |job| {
        let show = Show::of(job.role, job.database)?;
        Ok(vec![
            Value::Int4(job.pid),
            Value::Int8(job.cookie),
            show.unless_empty(job.label)?,
            Value::Oid(job.database),
            Value::Oid(job.role),
            Value::Int4(job.launcher_pid),
            Value::Text(job.state.name().into()),
            if job.sqlstate == 0 { Value::Null } else { Value::Text(sqlstate::unpack(job.sqlstate).to_vec()) },
            show.unless_empty(job.message)?,
            Value::Timestamp(job.launched_at),
            time(job.started_at),
            time(job.finished_at),
            count(job.row_count),
            show.text(job.query)?,
        ])
    })
}

/// `pg_background_get_workers()`
pub fn pg_background_get_workers(call: &Call) -> Result<Datum> {
    let workers = match registry::get()? {
        Some(registry) => registry.workers()?,
        None => session::workers()?,
    };
    answer(call, workers, |worker| {
        Ok(vec![
            Value::Int4(worker.pid),
            Value::Oid(worker.database),
            Value::Oid(worker.user),
            Value::Text(if worker.idle { b"idle".to_vec() } else { b"busy".to_vec() }),
            Value::Int8(worker.jobs_run),
            time(worker.started_at),
            time(worker.idle_since),
            if worker.library.is_empty() {
                Value::Null
            } else {
                let reason = [b"library \"".as_slice(), &worker.library, b"\" may keep state"].concat();
                Value::Text(encoding::made_valid(reason)?)
            },
        ])
    })
}

/// `pg_background_get_totals()`
pub fn pg_background_get_totals(call: &Call) -> Result<Datum> {
    let (totals, reset_at) = match registry::get()? {
        Some(registry) => registry.totals(),
        None => (session::totals()?, 0),
    };
    answer(call, totals, |row| {
        Ok(vec![
            Value::Oid(row.database),
            Value::Oid(row.role),
            Value::Int8(row.launched),
            Value::Int8(row.completed),
            Value::Int8(row.failed),
            Value::Int8(row.canceled),
            count(row.timed_out),
            count(row.rejected),
            Value::Int8(row.queue_waits),
            Value::Int8(row.warm_starts),
            Value::Int8(row.cold_starts),
            Value::Int8(row.run_time),
            time(reset_at),
        ])
    })
}

fn answer<T>(call: &Call, items: Vec<T>, mut values: impl FnMut(T) -> Result<Vec<Value>>) -> Result<Datum> {
    let mut rows = call.rows()?;
    let scratch = Context::new(c"pg_background view")?;
    for item in items {
        rows.put(&scratch, values(item)?)?;
    }
    rows.finish();
    Ok(void())
}

/// A time that may not have come yet.
fn time(microseconds: i64) -> Value {
    if microseconds == 0 { Value::Null } else { Value::Timestamp(microseconds) }
}

fn count(n: i64) -> Value {
    if n == UNKNOWN { Value::Null } else { Value::Int8(n) }
}

/// 0 is none.
fn positive(n: i32) -> Value {
    if n > 0 { Value::Int4(n) } else { Value::Null }
}

/// What the caller may see of a job's texts.
struct Show {
    readable: bool,
    /// The text is in the encoding of another database.
    foreign: bool,
}

impl Show {
    fn of(role: u32, database: u32) -> Result<Self> {
        Ok(Self { readable: identity::may_read_stats_of(role)?, foreign: database != identity::database() })
    }

    fn text(&self, text: Vec<u8>) -> Result<Value> {
        if !self.readable {
            return Ok(Value::Null);
        }
        Ok(Value::Text(if self.foreign { encoding::made_valid(text)? } else { text }))
    }

    fn unless_empty(&self, text: Vec<u8>) -> Result<Value> {
        if text.is_empty() { Ok(Value::Null) } else { self.text(text) }
    }
}

/// Without a registry: the jobs that this session tracks.
mod session {
    use super::{
        AtomicBool, EndedRow, Field, Job, JobRow, Ordering, Report, Result, State, TotalsRow, UNKNOWN, WorkerRow,
    };
    use super::{encoding, error, identity, level, sqlstate, tracker};
    use logic::registry::layout::QUERY_SIZE;

    /// The jobs with their states, which may change while one looks. Says, once, that there may be others.
    fn tracked(ended: bool) -> Result<Vec<(std::sync::Arc<Job>, State)>> {
        static SAID: AtomicBool = AtomicBool::new(false);
        if !SAID.swap(true, Ordering::Relaxed) {
            let message = "only jobs of this session are shown";
            let mut report = Report::new(level::NOTICE, sqlstate::SUCCESSFUL_COMPLETION, message);
            report.set(
                Field::Detail,
                "Before PostgreSQL 17, only a preloaded library can know the jobs of all sessions.",
            );
            report.set(Field::Hint, "Add pg_background to shared_preload_libraries and restart the server.");
            error::raise(&report)?;
        }
        let jobs = tracker::jobs().into_iter().map(|job| {
            let state = job.state();
            (job, state)
        });
        Ok(jobs.filter(|(_, state)| state.is_final() == ended).collect())
    }

    fn query(job: &Job) -> Result<Vec<u8>> {
        let sql = job.sql()?.to_bytes();
        Ok(sql[..encoding::clip(sql, QUERY_SIZE)].to_vec())
    }

    pub fn jobs() -> Result<Vec<JobRow>> {
        let row = |(job, state): (std::sync::Arc<Job>, State)| {
            Ok(JobRow {
                pid: job.pid,
                cookie: job.cookie,
                label: Vec::new(),
                database: identity::database(),
                role: job.user,
                launcher_pid: identity::process_id(),
                state,
                launched_at: job.launched_at,
                started_at: job.started_at(),
                statement: 0,
                statements: 0,
                command: 0,
                progress: job.progress(),
                query: query(&job)?,
            })
        };
        tracked(false)?.into_iter().map(row).collect()
    }

    pub fn history() -> Result<Vec<EndedRow>> {
        let row = |(job, state): (std::sync::Arc<Job>, State)| {
            let error = job.error();
            Ok(EndedRow {
                pid: job.pid,
                cookie: job.cookie,
                label: Vec::new(),
                database: identity::database(),
                role: job.user,
                launcher_pid: identity::process_id(),
                state,
                sqlstate: error.as_ref().map_or(0, |error| error.sqlstate),
                message: error.map_or_else(Vec::new, |error| error.message().to_vec()),
                launched_at: job.launched_at,
                started_at: job.started_at(),
                finished_at: job.finished_at(),
                row_count: UNKNOWN,
                query: query(&job)?,
            })
        };
        tracked(true)?.into_iter().map(row).collect()
    }

    pub fn workers() -> Result<Vec<WorkerRow>> {
        let row = |(job, _): (std::sync::Arc<Job>, State)| WorkerRow {
            pid: job.pid,
            database: identity::database(),
            user: identity::capture().authenticated_user,
            idle: false,
            jobs_run: 0,
            started_at: job.launched_at,
            idle_since: 0,
            library: Vec::new(),
        };
        Ok(tracked(false)?.into_iter().map(row).collect())
    }

    pub fn totals() -> Result<Vec<TotalsRow>> {
        tracked(true)?;
        let (stats, _) = tracker::stats();
        Ok(vec![TotalsRow {
            database: identity::database(),
            role: identity::current_user(),
            launched: stats.launched,
            completed: stats.completed,
            failed: stats.failed,
            canceled: stats.canceled,
            timed_out: UNKNOWN,
            rejected: UNKNOWN,
            queue_waits: 0,
            warm_starts: 0,
            cold_starts: stats.launched,
            run_time: stats.run_time(),
        }])
    }
}
