//! The second interface: a job is named by a handle, pid and cookie.

use crate::errors;
use crate::launcher::job::{self, Target, tracker};
use crate::launcher::launch::{Options, Results, launch};
use crate::launcher::read;
use crate::pg::call::Call;
use crate::pg::error::Result;
use crate::pg::memory::Context;
use crate::pg::types;
use crate::pg::value::{Datum, Value, boolean, void};
use crate::worker::current;
use logic::job::state::Stop;
use std::time::{Duration, Instant};

/// Milliseconds.
const MAX_GRACE: i32 = 3_600_000;
const MAX_WAIT: i32 = 86_400_000;

fn start(call: &Call, results: Results) -> Result<Datum> {
    let options = Options { queue_size: call.int4(1), results, ..Options::default() };
    let job = launch(call.text(0)?, &options, None)?;
    call.composite([Value::Int4(job.pid), Value::Int8(job.cookie)])
}

/// `pg_background_launch_v2(sql, queue_size)`
pub fn pg_background_launch_v2(call: &Call) -> Result<Datum> {
    start(call, Results::Kept)
}

/// `pg_background_submit_v2(sql, queue_size)`
pub fn pg_background_submit_v2(call: &Call) -> Result<Datum> {
    start(call, Results::Submitted)
}

/// `pg_background_result_v2(pid, cookie)`
pub fn pg_background_result_v2(call: &Call) -> Result<Datum> {
    read::result(call, call.int4(0), Some(call.int8(1)))
}

/// `pg_background_detach_v2(pid, cookie)`
pub fn pg_background_detach_v2(call: &Call) -> Result<Datum> {
    job::detach(call.execution(), call.int4(0), Some(call.int8(1)))?;
    Ok(void())
}

/// The job that the first two arguments name.
pub fn target(call: &Call) -> Result<Target> {
    Target::find(call.int4(0), call.int8(1))
}

/// The instant in so many milliseconds.
fn after(milliseconds: i32, max: i32) -> Instant {
    Instant::now() + Duration::from_millis(milliseconds.clamp(0, max).unsigned_abs().into())
}

/// `pg_background_cancel_v2(pid, cookie)`
pub fn pg_background_cancel_v2(call: &Call) -> Result<Datum> {
    target(call)?.stop(Stop::Now)?;
    Ok(void())
}

/// `pg_background_cancel_v2_grace(pid, cookie, grace_ms)`
pub fn pg_background_cancel_v2_grace(call: &Call) -> Result<Datum> {
    // The grace begins with the call, before the job is looked up.
    let deadline = after(call.int4(2), MAX_GRACE);
    target(call)?.stop_gracefully(Some(deadline))?;
    Ok(void())
}

/// `pg_background_wait_v2(pid, cookie)`
pub fn pg_background_wait_v2(call: &Call) -> Result<Datum> {
    let job = target(call)?;
    job.check_may_wait()?;
    job.wait(None)?;
    Ok(void())
}

/// `pg_background_wait_v2_timeout(pid, cookie, timeout_ms)`
pub fn pg_background_wait_v2_timeout(call: &Call) -> Result<Datum> {
    let deadline = after(call.int4(2), MAX_WAIT);
    let job = target(call)?;
    job.check_may_wait()?;
    Ok(boolean(job.wait(Some(deadline))?))
}

/// The columns of the list. The label is the last, and was not there before 1.9: the caller may leave it out.
const LIST: [u32; 10] = [
    types::INT4,
    types::INT8,
    types::TIMESTAMPTZ,
    types::OID,
    types::INT4,
    types::TEXT,
    types::TEXT,
    types::TEXT,
    types::BOOL,
    types::TEXT,
];

/// `pg_background_list_v2()`: the session's jobs, as far as they were launched by roles whose privileges the caller
/// has.
pub fn pg_background_list_v2(call: &Call) -> Result<Datum> {
    let mut rows = call.rows()?;
    let scratch = Context::new(c"pg_background list")?;
    let declared: Vec<u32> = rows.declared().iter().map(|column| column.type_id).collect();
    if declared.len() < LIST.len() - 1 || !LIST.starts_with(&declared) {
        return Err(errors::list_declared_differently());
    }
    for job in tracker::jobs() {
        if !job.is_callers()? {
            continue;
        }
        let label = if job.label.is_empty() { Value::Null } else { Value::Text(job.label.clone()) };
        let mut row = vec![
            Value::Int4(job.pid),
            Value::Int8(job.cookie),
            Value::Timestamp(job.launched_at),
            Value::Oid(job.user),
            Value::Int4(job.queue_size),
            Value::Text(job.state().name().into()),
            Value::Text(job.sql_preview.clone()),
            job.error()?.map_or(Value::Null, |error| Value::Text(error.message().to_vec())),
            Value::Bool(job.is_consumed()),
            label,
        ];
        row.truncate(declared.len());
        rows.put(&scratch, row)?;
    }
    rows.finish();
    Ok(void())
}

/// `pg_background_progress(pct, msg)`: called in a job. A NULL pct leaves the percentage as it was.
pub fn pg_background_progress(call: &Call) -> Result<Datum> {
    let Some(job) = current::get() else {
        return Err(errors::progress_outside_of_a_job());
    };
    let percent = (!call.is_null(0)).then(|| call.int4(0));
    job.report_progress(percent, call.text(1)?);
    Ok(void())
}

/// `pg_background_get_progress_v2(pid, cookie)`: NULL for a handle that this session does not track, and for a job
/// that has not reported any progress.
pub fn pg_background_get_progress_v2(call: &Call) -> Result<Datum> {
    if call.is_null(0) || call.is_null(1) {
        return Ok(call.null());
    }
    let (pid, cookie) = (call.int4(0), call.int8(1));
    let Some(job) = tracker::tracked(pid, cookie) else {
        return Ok(call.null());
    };
    job.check_rights()?;
    match job.progress()? {
        Some((percent, message)) => {
            let message = if message.is_empty() { Value::Null } else { Value::Text(message) };
            call.composite([Value::Int4(percent), message])
        }
        None => Ok(call.null()),
    }
}
