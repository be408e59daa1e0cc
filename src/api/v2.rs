//! The second interface: a job is a handle, pid and cookie.

use super::v1;
use crate::errors;
use crate::launcher::job::tracker::{self, Found};
use crate::launcher::job::{Job, RemoteJob};
use crate::launcher::launch::{Kind, launch};
use crate::pg::error::Result;
use crate::pg::memory::Context;
use crate::pg::tupdesc::types;
use crate::pg::value::{Call, Datum, Value, boolean, void};
use crate::{settings, worker};
use logic::job::released::How;
use logic::job::state::Stop;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Milliseconds.
const MAX_GRACE: i32 = 3_600_000;
const MAX_WAIT: i32 = 86_400_000;

fn start(call: &Call, kind: Kind) -> Result<Datum> {
    let job = launch(call.text(0)?, call.int4(1), kind, None)?;
    call.composite([Value::Int4(job.pid), Value::Int8(job.cookie)])
}

/// `pg_background_launch_v2(sql, queue_size)`
pub fn pg_background_launch_v2(call: &Call) -> Result<Datum> {
    start(call, Kind::Launch)
}

/// `pg_background_submit_v2(sql, queue_size)`
pub fn pg_background_submit_v2(call: &Call) -> Result<Datum> {
    start(call, Kind::Submit)
}

/// `pg_background_result_v2(pid, cookie)`
pub fn pg_background_result_v2(call: &Call) -> Result<Datum> {
    v1::read(call, call.int4(0), Some(call.int8(1)))
}

/// `pg_background_detach_v2(pid, cookie)`
pub fn pg_background_detach_v2(call: &Call) -> Result<Datum> {
    v1::detach(call, call.int4(0), Some(call.int8(1)))
}

/// What a call's first two arguments name.
enum Named {
    Here(Arc<Job>),
    RemoteJob(RemoteJob),
    /// It was read and released: it has ended, there is nothing to do.
    Ended,
}

fn job(call: &Call) -> Result<Named> {
    let (pid, cookie) = (call.int4(0), call.int8(1));
    match tracker::find(pid, Some(cookie), false) {
        Ok(Found::Job(job)) => Ok(Named::Here(job)),
        Ok(Found::Released(How::Read)) => Ok(Named::Ended),
        // it may still run, but this session wanted to hear no more of it
        Ok(Found::Released(How::Detached)) => Err(errors::not_attached(pid)),
        Err(denied) if tracker::tracked(pid, cookie).is_some() => Err(denied),
        Err(unknown) => RemoteJob::find(pid, cookie)?.map(Named::RemoteJob).ok_or(unknown),
    }
}

fn after(milliseconds: i32, max: i32) -> Instant {
    Instant::now() + Duration::from_millis(milliseconds.clamp(0, max).unsigned_abs().into())
}

/// `pg_background_cancel_v2(pid, cookie)`
pub fn pg_background_cancel_v2(call: &Call) -> Result<Datum> {
    match job(call)? {
        Named::Here(job) => job.stop(Stop::Now)?,
        Named::RemoteJob(job) => job.stop(Stop::Now)?,
        Named::Ended => {}
    }
    Ok(void())
}

/// `pg_background_cancel_v2_grace(pid, cookie, grace_ms)`
pub fn pg_background_cancel_v2_grace(call: &Call) -> Result<Datum> {
    let deadline = Some(after(call.int4(2), MAX_GRACE));
    // a wait that is itself cancelled leaves the softer request standing
    match job(call)? {
        Named::Here(job) => {
            job.stop(Stop::AfterStatement)?;
            if !job.wait(deadline)? {
                job.stop(Stop::Now)?;
            }
        }
        Named::RemoteJob(job) => {
            job.stop(Stop::AfterStatement)?;
            if !job.wait_for_end(deadline)? {
                job.stop(Stop::Now)?;
            }
        }
        Named::Ended => {}
    }
    Ok(void())
}

fn wait(call: &Call, deadline: Option<Instant>) -> Result<bool> {
    match job(call)? {
        Named::Here(job) => job.wait(deadline),
        Named::RemoteJob(job) => job.wait(deadline),
        Named::Ended => Ok(true),
    }
}

/// `pg_background_wait_v2(pid, cookie)`
pub fn pg_background_wait_v2(call: &Call) -> Result<Datum> {
    wait(call, None)?;
    Ok(void())
}

/// `pg_background_wait_v2_timeout(pid, cookie, timeout_ms)`
pub fn pg_background_wait_v2_timeout(call: &Call) -> Result<Datum> {
    Ok(boolean(wait(call, Some(after(call.int4(2), MAX_WAIT)))?))
}

/// The columns of the list.
const LIST: [u32; 9] = [
    types::INT4,
    types::INT8,
    types::TIMESTAMPTZ,
    types::OID,
    types::INT4,
    types::TEXT,
    types::TEXT,
    types::TEXT,
    types::BOOL,
];

/// `pg_background_list_v2()`: the caller's own, and those of roles whose privileges it has.
pub fn pg_background_list_v2(call: &Call) -> Result<Datum> {
    let mut rows = call.rows()?;
    let scratch = Context::new(c"pg_background list")?;
    if !rows.declared().iter().map(|column| column.type_id).eq(LIST) {
        return Err(errors::list_declared_differently());
    }
    for job in tracker::jobs() {
        if !job.is_callers()? {
            continue;
        }
        rows.put(
            &scratch,
            vec![
                Value::Int4(job.pid),
                Value::Int8(job.cookie),
                Value::Timestamp(job.launched_at),
                Value::Oid(job.user),
                Value::Int4(job.queue_size),
                Value::Text(job.state().name().into()),
                Value::Text(job.sql_preview.clone()),
                tracker::last_error(&job).map_or(Value::Null, Value::Text),
                Value::Bool(job.is_consumed()),
            ],
        )?;
    }
    rows.finish();
    Ok(void())
}

/// `pg_background_stats_v2()`
pub fn pg_background_stats_v2(call: &Call) -> Result<Datum> {
    let (stats, active) = tracker::stats();
    call.composite([
        Value::Int8(stats.launched),
        Value::Int8(stats.completed),
        Value::Int8(stats.failed),
        Value::Int8(stats.canceled),
        Value::Int4(active),
        Value::Float8(stats.average_ms()),
        Value::Int4(settings::max_workers()),
    ])
}

/// `pg_background_progress(pct, msg)`: from within a job. A NULL pct leaves the percentage as it was.
pub fn pg_background_progress(call: &Call) -> Result<Datum> {
    let Some(current) = worker::current::get() else {
        return Err(errors::progress_outside_of_a_job());
    };
    let percent = (!call.is_null(0)).then(|| call.int4(0));
    current.report_progress(percent, call.text(1)?);
    Ok(void())
}

/// `pg_background_get_progress_v2(pid, cookie)`: NULL for a handle that this session does not track, or did not hear from.
pub fn pg_background_get_progress_v2(call: &Call) -> Result<Datum> {
    if call.is_null(0) || call.is_null(1) {
        return Ok(call.null());
    }
    let (pid, cookie) = (call.int4(0), call.int8(1));
    let Some(job) = tracker::tracked(pid, cookie) else {
        return Ok(call.null());
    };
    job.check_rights()?;
    match job.progress() {
        Some((percent, message)) => {
            let message = if message.is_empty() { Value::Null } else { Value::Text(message) };
            call.composite([Value::Int4(percent), message])
        }
        None => Ok(call.null()),
    }
}
