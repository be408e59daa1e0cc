//! Reading a job: its rows or command tags, or its error.
//!
//! `stream` receives the frames, `rows` and `tags` make a result set of them, `fetch` takes some rows at a time,
//! `messages` raises what the job had to say.

mod fetch;
mod inline;
mod messages;
mod rows;
mod stream;
mod tags;

pub use self::inline::inline;

use self::fetch::Left;
use self::rows::JobRows;
use crate::errors;
use crate::launcher::job::tracker::{self, Lookup, Purpose};
use crate::launcher::job::{self, Gone, Job, Reading, note_release};
use crate::launcher::launch::Results;
use crate::pg::call::Call;
use crate::pg::error::{PgError, Result};
use crate::pg::memory::Execution;
use crate::pg::result_set::ResultSet;
use crate::pg::value::{Datum, void};
use logic::job::released::Release;
use logic::job::state::State;
use logic::wire::columns::Column;
use logic::wire::report::Report;
use std::sync::Arc;

/// What becomes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A row of the declared columns, as 1.8 has it: all but length and precision must agree.
    Exact,
    /// The same, with assignment casts.
    Assigned,
    /// A value of type jsonb.
    Json,
}

/// The result of the job that is named by pid alone (v1) or by handle. The job is released then.
pub fn result(call: &Call, pid: i32, cookie: Option<i64>) -> Result<Datum> {
    let job = match tracker::find(pid, cookie, Purpose::Read)? {
        Lookup::Tracked(job) => job,
        Lookup::Released(release) => return Err(released(release, pid)),
    };
    note_release(call.execution(), &job)?;
    let mut set = call.rows()?;
    read(&job, &mut set, Wanted::Exact)?;
    set.finish();
    Ok(void())
}

/// All rows of the job with that handle that are unread, into `set`. The job is released then.
pub fn rows(execution: Execution, pid: i32, cookie: i64, set: &mut ResultSet, wanted: Wanted) -> Result<()> {
    let job = match job::find_to_read(pid, cookie)? {
        Lookup::Tracked(job) => job,
        Lookup::Released(release) => return Err(released(release, pid)),
    };
    note_release(execution, &job)?;
    read(&job, set, wanted)
}

/// The next rows of the job with that handle, at most `max`, into `set`. The fetch that finds the end releases the job;
/// a later one finds no rows.
pub fn fetch(execution: Execution, pid: i32, cookie: i64, set: &mut ResultSet, max: u64) -> Result<()> {
    let job = match job::find_to_read(pid, cookie)? {
        Lookup::Tracked(job) => job,
        Lookup::Released(Release::Fetched) => return Ok(()),
        Lookup::Released(release) => return Err(released(release, pid)),
    };
    let mut reading = take(&job)?;
    let fetched = fetch::fetch(&job, &mut reading, set, max);
    match settle(&job, reading, fetched)? {
        (reading, Left::Perhaps) => job.put_back(reading),
        (_, Left::Nothing) => {
            note_release(execution, &job)?;
            tracker::release(&job, Release::Fetched);
        }
    }
    Ok(())
}

/// The columns of the job with that handle, as the readers give them: waits until they are known, and reads nothing.
/// `None`: the job has ended without any. Of a job that failed before it had any, the error; it can be read again.
pub fn columns(pid: i32, cookie: i64) -> Result<Option<Vec<Column>>> {
    let job = match job::find_to_read(pid, cookie)? {
        Lookup::Tracked(job) => job,
        Lookup::Released(release) => return Err(released(release, pid)),
    };
    let mut reading = take(&job)?;
    let waited = stream::wait_for_columns(&job, &mut reading.receiver);
    let columns = reading.receiver.columns().map(<[Column]>::to_vec);
    put_back(&job, reading);
    waited?;
    match job.error()? {
        Some(report) if columns.is_none() => Err(PgError::of(messages::error(&job, report))),
        _ => Ok(columns),
    }
}

/// The error for a job that the session has given up.
fn released(release: Release, pid: i32) -> PgError {
    match release {
        Release::Read | Release::Fetched => errors::already_consumed(pid),
        Release::Detached => errors::not_attached(pid),
        Release::MadeRoom => errors::results_disabled(pid, "its results were not wanted"),
    }
}

fn take(job: &Job) -> Result<Reading> {
    match job.results {
        Results::Kept => {}
        Results::Submitted => return Err(errors::results_disabled(job.pid, "submitted via submit_v2")),
        Results::Discarded | Results::Messages => {
            return Err(errors::results_disabled(job.pid, "started with results => false"));
        }
    }
    job.check_committed()?;
    job.take_reading().ok_or_else(|| errors::already_consumed(job.pid))
}

/// Keeps the reading for another read, if nothing of it has been given away or lost.
fn put_back(job: &Job, reading: Reading) {
    if reading.gone != Gone::Given && !reading.receiver.has_lost() {
        job.put_back(reading);
    }
}

/// All rows of the job, or its error; the job is released with either.
pub fn read(job: &Arc<Job>, set: &mut ResultSet, wanted: Wanted) -> Result<()> {
    let mut reading = take(job)?;
    let read = read_to_end(job, &mut reading, set, wanted);
    settle(job, reading, read)?;
    tracker::release(job, Release::Read);
    Ok(())
}

/// Waits for the job, raises its messages, and returns its last command tag, or its error; the tag is empty if the job
/// has no statement. The job is released with either. Rows are dropped. For a job that this session has just launched.
pub fn last_tag(job: &Arc<Job>) -> Result<Vec<u8>> {
    let mut reading = job.take_reading().ok_or_else(|| errors::already_consumed(job.pid))?;
    stream::receive_without_rows(job, &mut reading)?;
    let tag = match job.state() {
        State::Stopped => Ok(tags::last(job, &reading)?),
        _ => Err(failure(job, &mut reading)?),
    };
    let (_, tag) = settle(job, reading, tag)?;
    tracker::release(job, Release::Read);
    Ok(tag)
}

/// Ends a read. The job's error releases the job.
///
/// A read that fails by itself does not. Suppose that the column definition list is wrong or missing, or that the wait
/// for the job's end is cancelled: as long as no row has been given away, the reading is put back, and the job can be
/// read again. Rows that were given away with this query cannot come again: the reading is dropped then, and the worker
/// goes on without a reader.
fn settle<T>(job: &Arc<Job>, reading: Reading, read: std::result::Result<T, Failure>) -> Result<(Reading, T)> {
    match read {
        Ok(read) => Ok((reading, read)),
        Err(Failure::Job(report)) => {
            drop(reading);
            tracker::release(job, Release::Read);
            Err(PgError::of(*report))
        }
        Err(Failure::Read(error)) => {
            put_back(job, reading);
            Err(error)
        }
    }
}

pub enum Failure {
    /// The read failed, whatever the job does.
    Read(PgError),
    /// The job failed.
    Job(Box<Report>),
}

impl From<PgError> for Failure {
    fn from(error: PgError) -> Self {
        Self::Read(error)
    }
}

/// Fills the result set until the worker has left the queue. Then the job's outcome decides.
fn read_to_end(
    job: &Job,
    reading: &mut Reading,
    set: &mut ResultSet,
    wanted: Wanted,
) -> std::result::Result<(), Failure> {
    let mut rows = JobRows::new(job, set, wanted);
    stream::receive(job, reading, &mut rows)?;
    let has_columns = rows.has_columns();
    match job.state() {
        State::Stopped if has_columns || wanted == Wanted::Json => Ok(()),
        State::Stopped => {
            let all = tags::of(job, reading)?;
            Ok(tags::put(all.get(reading.fetched_tags..).unwrap_or_default(), set, wanted)?)
        }
        _ => Err(failure(job, reading)?),
    }
}

/// The failure of a job that has ended, but not well.
fn failure(job: &Job, reading: &mut Reading) -> Result<Failure> {
    let report = match job.state() {
        State::Error | State::Canceled => {
            stream::receive_without_rows(job, reading)?;
            let report = match reading.error.take() {
                Some(report) => Some(report),
                None => job.error()?,
            };
            messages::error(job, report.unwrap_or_else(|| job.lost()))
        }
        State::Stopped | State::Starting | State::Running => job.lost(),
    };
    Ok(Failure::Job(Box::new(report)))
}
