//! The functions beneath the views: what the registry knows of the jobs of all sessions, or, where there is no
//! registry, what this session knows of its own jobs.
//!
//! Every role may call them and gets all rows. Texts are shown to roles with the privileges of the job's role, and to
//! members of pg_read_all_stats; to other roles they are NULL.

use crate::launcher::job::own_rows::{self, UNKNOWN};
use crate::pg::call::Call;
use crate::pg::error::Result;
use crate::pg::memory::Context;
use crate::pg::value::{Datum, Value, void};
use crate::pg::{encoding, identity, statement};
use crate::registry::{self, EndedRow};
use logic::job::usage::{AMOUNTS, Usage};
use logic::sqlstate;

/// `pg_background_get_jobs()`
pub fn pg_background_get_jobs(call: &Call) -> Result<Datum> {
    let jobs = match registry::get()? {
        Some(registry) => {
            // Who looks what still runs has just closed the door, perhaps: where the postmaster cannot tell, this does.
            registry.tell_configuration()?;
            registry.jobs()?
        }
        None => own_rows::jobs()?,
    };
    answer(call, jobs.into_iter().map(Ok), |job| {
        let texts = TextAccess::of(job.role, job.database)?;
        // what the job reports wins over what its worker observes
        let source = match (&job.progress, &job.automatic) {
            (Some(_), _) => Some("manual"),
            (None, Some(_)) => Some("automatic"),
            (None, None) => None,
        };
        let automatic = job.automatic.unwrap_or_default();
        let (percent, message) = match job.progress {
            Some((percent, message)) => (Some(percent), message),
            None => (automatic.percent(), Vec::new()),
        };
        Ok(vec![
            positive(job.pid),
            Value::Int8(job.cookie),
            texts.unless_empty(job.label)?,
            Value::Oid(job.database),
            Value::Oid(job.role),
            Value::Int4(job.launcher_pid),
            Value::Text(job.state.name().into()),
            Value::Timestamp(job.launched_at),
            time(job.started_at),
            positive(job.statement),
            positive(job.statements),
            statement::tag_name(job.command).map_or(Value::Null, |tag| Value::Text(tag.to_vec())),
            automatic.rows.map_or(Value::Null, Value::Int8),
            automatic.rows_estimated.map_or(Value::Null, Value::Int8),
            percent.map_or(Value::Null, Value::Int4),
            texts.unless_empty(automatic.phase)?,
            texts.unless_empty(message)?,
            source.map_or(Value::Null, |source| Value::Text(source.into())),
            texts.text(job.query)?,
            Value::Int8(job.spooled),
        ])
    })
}

/// `pg_background_get_history()`
pub fn pg_background_get_history(call: &Call) -> Result<Datum> {
    match registry::get()? {
        Some(registry) => answer(call, registry.history(), ended),
        None => answer(call, own_rows::history()?.into_iter().map(Ok), ended),
    }
}

fn ended(job: EndedRow) -> Result<Vec<Value>> {
    let texts = TextAccess::of(job.role, job.database)?;
    Ok([
        Value::Int4(job.pid),
        Value::Int8(job.cookie),
        texts.unless_empty(job.label)?,
        Value::Oid(job.database),
        Value::Oid(job.role),
        Value::Int4(job.launcher_pid),
        Value::Text(job.state.name().into()),
        if job.sqlstate == 0 { Value::Null } else { Value::Text(sqlstate::unpack(job.sqlstate).to_vec()) },
        texts.unless_empty(job.message)?,
        Value::Timestamp(job.launched_at),
        time(job.started_at),
        time(job.finished_at),
        count(job.row_count),
        texts.text(job.query)?,
        Value::Int8(job.spooled),
    ]
    .into_iter()
    .chain(usage(Some(job.used).filter(Usage::is_known)))
    .collect())
}

/// `pg_background_get_workers()`
pub fn pg_background_get_workers(call: &Call) -> Result<Datum> {
    let workers = match registry::get()? {
        Some(registry) => registry.workers()?,
        None => own_rows::workers()?,
    };
    answer(call, workers.into_iter().map(Ok), |worker| {
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
        None => (own_rows::totals()?, 0),
    };
    answer(call, totals.into_iter().map(Ok), |row| {
        Ok([
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
        ]
        .into_iter()
        .chain(usage(row.used))
        .collect())
    })
}

fn answer<T>(
    call: &Call,
    items: impl Iterator<Item = Result<T>>,
    mut values: impl FnMut(T) -> Result<Vec<Value>>,
) -> Result<Datum> {
    let mut rows = call.rows()?;
    let scratch = Context::new(c"pg_background view")?;
    for item in items {
        rows.put(&scratch, values(item?)?)?;
    }
    rows.finish();
    Ok(void())
}

/// A time that may not have come yet.
pub(super) fn time(microseconds: i64) -> Value {
    if microseconds == 0 { Value::Null } else { Value::Timestamp(microseconds) }
}

/// What jobs have used: the last columns of history and totals. NULLs where it is not known.
fn usage(used: Option<Usage>) -> [Value; AMOUNTS] {
    let Some(used) = used else {
        return [const { Value::Null }; AMOUNTS];
    };
    [
        Value::Interval(used.cpu_user),
        Value::Interval(used.cpu_system),
        Value::Int8(used.shared_blks_hit),
        Value::Int8(used.shared_blks_read),
        Value::Int8(used.shared_blks_dirtied),
        Value::Int8(used.temp_blks_written),
        Value::Int8(used.wal_bytes),
        if used.is_known() { Value::Int8(used.max_rss_kb) } else { Value::Null },
    ]
}

fn count(n: i64) -> Value {
    if n == UNKNOWN { Value::Null } else { Value::Int8(n) }
}

/// 0 is none.
fn positive(n: i32) -> Value {
    if n > 0 { Value::Int4(n) } else { Value::Null }
}

/// What the caller may see of a job's texts.
pub(super) struct TextAccess {
    readable: bool,
    /// The text is in the encoding of another database.
    foreign: bool,
}

impl TextAccess {
    pub(super) fn of(role: u32, database: u32) -> Result<Self> {
        Ok(Self { readable: identity::may_read_stats_of(role)?, foreign: database != identity::database() })
    }

    /// `None` where the caller may not see it.
    pub(super) fn bytes(&self, text: Vec<u8>) -> Result<Option<Vec<u8>>> {
        if !self.readable {
            return Ok(None);
        }
        if self.foreign { encoding::made_valid(text).map(Some) } else { Ok(Some(text)) }
    }

    fn text(&self, text: Vec<u8>) -> Result<Value> {
        Ok(self.bytes(text)?.map_or(Value::Null, Value::Text))
    }

    pub(super) fn unless_empty(&self, text: Vec<u8>) -> Result<Value> {
        if text.is_empty() { Ok(Value::Null) } else { self.text(text) }
    }
}
