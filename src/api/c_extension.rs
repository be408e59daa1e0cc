//! What the C extension has beyond 1.8: the functions that its catalogs of 1.9, 1.10 and 2.0 declare, as they behave
//! there. Types have grown from one version to the next, so a composite is built by the names of its columns.

use super::v2;
use crate::launcher::job::tracker::{self, Lookup, Purpose};
use crate::launcher::job::{self, Job};
use crate::launcher::launch::{Options, Results, launch};
use crate::pg::call::Call;
use crate::pg::error::Result;
use crate::pg::value::{Datum, Value, boolean, int4, text, void};
use crate::{errors, settings};
use logic::job::state::{State, Stop};
use logic::sqlstate;
use logic::wire::report::Field;
use logic::wire::tags;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// `pg_background_launch(sql, queue_size, label)` and `pg_background_submit(sql, queue_size, label)`: NULL, and no
/// job, if one of the first two is NULL.
fn start(call: &Call, results: Results) -> Result<Datum> {
    if call.is_null(0) || call.is_null(1) {
        return Ok(call.null());
    }
    let options = Options { label: call.text(2)?, queue_size: call.int4(1), results, ..Options::default() };
    let job = launch(call.text(0)?, &options, None)?;
    call.composite([Value::Int4(job.pid), Value::Int8(job.cookie)])
}

/// `pg_background_launch(sql, queue_size, label)`
pub fn pg_background_launch(call: &Call) -> Result<Datum> {
    start(call, Results::Kept)
}

/// `pg_background_submit(sql, queue_size, label)`
pub fn pg_background_submit(call: &Call) -> Result<Datum> {
    start(call, Results::Submitted)
}

/// `pg_background_wait(pid, cookie, timeout_ms)`: true when the job has ended. 0 and below: for ever.
pub fn pg_background_wait(call: &Call) -> Result<Datum> {
    let milliseconds = u64::try_from(call.int4(2)).unwrap_or(0);
    let deadline = (milliseconds > 0).then(|| Instant::now() + Duration::from_millis(milliseconds));
    let job = v2::target(call)?;
    job.check_may_wait()?;
    Ok(boolean(job.wait(deadline)?))
}

/// The session's jobs that were launched by roles whose privileges the caller has.
fn callers_jobs() -> Result<Vec<Arc<Job>>> {
    let mut jobs = Vec::new();
    for job in tracker::jobs() {
        if job.is_callers()? {
            jobs.push(job);
        }
    }
    Ok(jobs)
}

/// `pg_background_cancel_all()`: how many jobs it has asked to stop.
pub fn pg_background_cancel_all(_: &Call) -> Result<Datum> {
    let mut count = 0;
    for job in callers_jobs()? {
        if !job.state().is_final() {
            job.stop(Stop::Now)?;
            count += 1;
        }
    }
    Ok(int4(count))
}

/// `pg_background_detach_all()`: how many jobs it has given up.
pub fn pg_background_detach_all(call: &Call) -> Result<Datum> {
    let jobs = callers_jobs()?;
    for job in &jobs {
        job::detach(call.execution(), job.pid, Some(job.cookie))?;
    }
    Ok(int4(jobs.len() as i32))
}

/// The tracked job that the first two arguments name.
fn tracked(call: &Call) -> Result<Arc<Job>> {
    let pid = call.int4(0);
    match tracker::find(pid, Some(call.int8(1)), Purpose::Read)? {
        Lookup::Tracked(job) => Ok(job),
        Lookup::Released(_) => Err(errors::not_attached(pid)),
    }
}

/// A point in time that is known once it is not 0.
fn time(at: i64) -> Value {
    if at == 0 { Value::Null } else { Value::Timestamp(at) }
}

/// `pg_background_result_info(pid, cookie)`: of a job that has not ended, no more than that.
pub fn pg_background_result_info(call: &Call) -> Result<Datum> {
    let job = tracked(call)?;
    let state = job.state();
    let well = state == State::Stopped;
    let tag = if well { job.command_tag() } else { Vec::new() };
    let (started_at, finished_at) = if state.is_final() { (job.started_at(), job.finished_at()) } else { (0, 0) };
    call.composite_by_name(vec![
        ("row_count", Value::Int8(if well { job.row_count() } else { 0 })),
        ("command_tag", Value::Text(tags::command(&tag).to_vec())),
        ("completed", Value::Bool(state.is_final())),
        ("has_error", Value::Bool(matches!(state, State::Error | State::Canceled))),
        ("started_at", time(started_at)),
        ("finished_at", time(finished_at)),
    ])
}

/// `pg_background_error_info(pid, cookie)`: NULL without an error.
pub fn pg_background_error_info(call: &Call) -> Result<Datum> {
    let Some(report) = tracked(call)?.error()? else {
        return Ok(call.null());
    };
    let field = |field| report.get(field).map_or(Value::Null, |text| Value::Text(text.to_vec()));
    call.composite_by_name(vec![
        ("sqlstate", Value::Text(sqlstate::unpack(report.sqlstate).to_vec())),
        ("message", field(Field::Message)),
        ("detail", field(Field::Detail)),
        ("hint", field(Field::Hint)),
        ("context", field(Field::Context)),
        ("schema_name", field(Field::Schema)),
        ("table_name", field(Field::Table)),
        ("column_name", field(Field::Column)),
        ("constraint_name", field(Field::Constraint)),
    ])
}

/// `pg_background_full_sql(pid, cookie)`
pub fn pg_background_full_sql(call: &Call) -> Result<Datum> {
    text(&tracked(call)?.sql()?)
}

/// `pg_background_stats()`
pub fn pg_background_stats(call: &Call) -> Result<Datum> {
    let (counters, active) = tracker::counters();
    call.composite_by_name(vec![
        ("workers_launched", Value::Int8(counters.launched)),
        ("workers_completed", Value::Int8(counters.completed)),
        ("workers_failed", Value::Int8(counters.failed)),
        ("workers_canceled", Value::Int8(counters.canceled)),
        ("workers_timed_out", Value::Int8(counters.timed_out)),
        ("workers_active", Value::Int4(active)),
        ("avg_execution_ms", Value::Float8(counters.average_ms())),
        ("max_workers", Value::Int4(settings::max_workers())),
    ])
}

/// `pg_background_record_timeout()`: the session's own code has given up waiting.
#[allow(clippy::unnecessary_wraps)] // a body, as the others
pub fn pg_background_record_timeout(_: &Call) -> Result<Datum> {
    tracker::count_timeout();
    Ok(void())
}
