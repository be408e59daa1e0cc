//! Waiting for jobs, stopping them, asking about them, by handle: what 3.0 adds.

use super::views::{TextAccess, time};
use crate::errors;
use crate::launcher::job::outcome::Outcome;
use crate::launcher::job::{self, Target, Wish, await_any, several};
use crate::launcher::join;
use crate::pg::arguments::Interval;
use crate::pg::call::Call;
use crate::pg::error::Result;
use crate::pg::value::{Datum, Value, boolean, int4, void};
use crate::pg::{encoding, identity};
use crate::worker::current;
use logic::job::state::Stop;
use logic::sqlstate;
use logic::wire::report::Field;
use std::time::{Duration, Instant};

/// `pg_background_await(job, timeout)`: true when the job has ended, false when the time was over first.
pub fn pg_background_await(call: &Call) -> Result<Datum> {
    let deadline = deadline(call, 1, "timeout")?;
    let Some((pid, cookie)) = call.handle(0)? else {
        return Ok(call.null());
    };
    Ok(boolean(Target::find_for(Wish::Wait, pid, cookie)?.wait(deadline)?))
}

/// `pg_background_await_any(jobs, timeout)`: the handle of the first job in the array that has ended. NULL when the
/// time was over before any had ended, and for an array without elements.
pub fn pg_background_await_any(call: &Call) -> Result<Datum> {
    let deadline = deadline(call, 1, "timeout")?;
    let Some(handles) = handles(call)? else {
        return Ok(call.null());
    };
    let ended = await_any::any(&to_await(&handles)?, deadline)?;
    match ended.and_then(|index| handles.get(index)) {
        Some((pid, cookie)) => call.composite([Value::Int4(*pid), Value::Int8(*cookie)]),
        None => Ok(call.null()),
    }
}

/// `pg_background_await_all(jobs, timeout)`: true when all of them have ended, also when there are none; false when the
/// time was over first.
pub fn pg_background_await_all(call: &Call) -> Result<Datum> {
    let deadline = deadline(call, 1, "timeout")?;
    let Some(handles) = handles(call)? else {
        return Ok(call.null());
    };
    Ok(boolean(await_any::all(&to_await(&handles)?, deadline)?))
}

/// `CALL pg_background_join(job, timeout)`: returns when the job has ended, in a new transaction.
pub fn pg_background_join(call: &Call) -> Result<Datum> {
    if call.is_atomic() {
        return Err(errors::join_in_transaction());
    }
    let deadline = deadline(call, 1, "timeout")?;
    let (pid, cookie) = call.handle(0)?.ok_or_else(|| errors::argument_is_null("job"))?;
    join::join(&Target::find_for(Wish::Wait, pid, cookie)?, pid, deadline)?;
    Ok(void())
}

/// `pg_background_stop(job, grace)`: true when the job was asked to stop, false when it had ended already.
pub fn pg_background_stop(call: &Call) -> Result<Datum> {
    // NULL is no grace, as the default is. The grace begins with the call, before the job is looked up.
    let now = Some(Instant::now());
    let deadline = if call.is_null(1) { now } else { deadline(call, 1, "grace")? };
    let Some((pid, cookie)) = call.handle(0)? else {
        return Ok(call.null());
    };
    let job = Target::find_for(Wish::Stop, pid, cookie)?;
    let has_grace = deadline.is_none_or(|deadline| deadline > Instant::now());
    Ok(boolean(if has_grace { job.stop_gracefully(deadline)? } else { job.stop(Stop::Now)? }))
}

/// `pg_background_forget(job)`
pub fn pg_background_forget(call: &Call) -> Result<Datum> {
    if let Some((pid, cookie)) = call.handle(0)? {
        job::detach(call.execution(), pid, Some(cookie))?;
    }
    Ok(void())
}

/// `pg_background_outcome(job)`: a row of NULLs for a handle that neither the session nor the registry knows.
pub fn pg_background_outcome(call: &Call) -> Result<Datum> {
    let found = call.handle(0)?.map_or(Ok(None), |(pid, cookie)| Outcome::of(pid, cookie))?;
    let Some(outcome) = found else {
        return call.composite([const { Value::Null }; 17]);
    };
    let texts = TextAccess::of(outcome.role, outcome.database)?;
    let error = outcome.error.as_ref();
    let text = |field| match error.and_then(|error| error.get(field)) {
        Some(text) => texts.unless_empty(text.to_vec()),
        None => Ok(Value::Null),
    };
    call.composite([
        Value::Text(outcome.state.name().into()),
        outcome.command_tag.map_or(Value::Null, Value::Text),
        outcome.row_count.map_or(Value::Null, Value::Int8),
        error.map_or(Value::Null, |error| Value::Text(sqlstate::unpack(error.sqlstate).to_vec())),
        text(Field::Message)?,
        text(Field::Detail)?,
        text(Field::Hint)?,
        text(Field::Context)?,
        text(Field::Schema)?,
        text(Field::Table)?,
        text(Field::Column)?,
        text(Field::Constraint)?,
        if outcome.statement > 0 { Value::Int4(outcome.statement) } else { Value::Null },
        // No job runs in its caller's transaction.
        Value::Bool(false),
        time(outcome.launched_at),
        time(outcome.started_at),
        time(outcome.finished_at),
    ])
}

/// `pg_background_stop_all(label_pattern)`: how many jobs of this session were asked to stop.
pub fn pg_background_stop_all(call: &Call) -> Result<Datum> {
    several::stop_all(call.text(0)?).map(int4)
}

/// `pg_background_forget_all(label_pattern)`: how many jobs this session has forgotten.
pub fn pg_background_forget_all(call: &Call) -> Result<Datum> {
    several::forget_all(call.execution(), call.text(0)?).map(int4)
}

/// `pg_background_forget_ended()`: how many jobs this session has forgotten.
pub fn pg_background_forget_ended(call: &Call) -> Result<Datum> {
    several::forget_ended(call.execution()).map(int4)
}

/// `pg_background_current()`: a row of NULLs where no job runs.
pub fn pg_background_current(call: &Call) -> Result<Datum> {
    let Some(current) = current::get() else {
        return call.composite([const { Value::Null }; 5]);
    };
    let launcher = current.identity();
    // Where the launcher is in another database, the label may be in another encoding.
    let label = encoding::made_valid(current.label()?)?;
    call.composite([
        Value::Int4(identity::process_id()),
        Value::Int8(launcher.cookie),
        if label.is_empty() { Value::Null } else { Value::Text(label) },
        Value::Int4(launcher.launcher_pid),
        identity::name_of_role(launcher.session_user)?.map_or(Value::Null, Value::Name),
    ])
}

/// The instant at which the time is over that an argument gives, counted from now. `None`, for ever: the argument is
/// NULL, or infinite, or longer than the clock can count. An error if it is negative.
fn deadline(call: &Call, n: usize, name: &str) -> Result<Option<Instant>> {
    let length = length(call, n, name)?;
    Ok(length.and_then(|length| Instant::now().checked_add(Duration::from_micros(length))))
}

/// The microseconds that an argument gives. `None`, for ever: it is NULL, or infinite. An error if it is negative.
pub(super) fn length(call: &Call, n: usize, name: &str) -> Result<Option<u64>> {
    match call.interval(n) {
        None | Some(Interval::Infinite) => Ok(None),
        Some(Interval::Microseconds(length)) if length >= 0 => Ok(Some(u64::try_from(length).unwrap_or(u64::MAX))),
        Some(Interval::Microseconds(_) | Interval::NegativeInfinite) => Err(errors::negative_interval(name)),
    }
}

/// The handles in the first argument; `None` if it is NULL. An error if an element is NULL, or has a NULL.
fn handles(call: &Call) -> Result<Option<Vec<(i32, i64)>>> {
    let Some(handles) = call.handles(0)? else {
        return Ok(None);
    };
    handles.into_iter().map(|handle| handle.ok_or_else(errors::null_handle)).collect::<Result<_>>().map(Some)
}

/// The jobs with these handles. An error if there is none, or the caller may not wait for it.
fn to_await(handles: &[(i32, i64)]) -> Result<Vec<Target>> {
    handles.iter().map(|(pid, cookie)| Target::find_for(Wish::Wait, *pid, *cookie)).collect()
}
