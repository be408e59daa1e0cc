//! Reading a job: its rows or command tags, or its error.
//!
//! `stream` receives the frames, `rows` and `tags` make a result set of them, `messages` raises what the job had to
//! say.

mod messages;
mod rows;
mod stream;
mod tags;

use self::rows::JobRows;
use self::stream::Rows;
use crate::errors;
use crate::launcher::job::tracker::{self, Lookup, Purpose};
use crate::launcher::job::{Job, Reading, note_release};
use crate::launcher::launch::Results;
use crate::pg::call::Call;
use crate::pg::error::{PgError, Result};
use crate::pg::result_set::ResultSet;
use crate::pg::value::{Datum, void};
use logic::job::released::Release;
use logic::job::state::State;
use logic::wire::columns::Column;
use logic::wire::frame::BatchRows;
use logic::wire::report::Report;
use std::sync::Arc;

/// The result of the job that is named by pid alone (v1) or by handle. The job is released then.
pub fn result(call: &Call, pid: i32, cookie: Option<i64>) -> Result<Datum> {
    match tracker::find(pid, cookie, Purpose::Read)? {
        Lookup::Tracked(job) => {
            note_release(call.execution(), &job)?;
            read(call, &job)
        }
        Lookup::Released(Release::Read) => Err(errors::already_consumed(pid)),
        Lookup::Released(Release::Detached) => Err(errors::not_attached(pid)),
    }
}

/// All rows of the job, or its error; the job is released with either.
///
/// A read that fails by itself does not release the job. Suppose that the column definition list is wrong or missing,
/// or that the wait for the job's end is cancelled: as long as no row has been given away, the reading is put back,
/// and the job can be read again. Rows that were given away with this query cannot come again: the reading is dropped
/// then, and the worker goes on without a reader.
pub fn read(call: &Call, job: &Arc<Job>) -> Result<Datum> {
    let mut set = call.rows()?;
    if job.results != Results::Kept {
        return Err(errors::results_discarded(job.pid));
    }
    let mut reading = job.take_reading().ok_or_else(|| errors::already_consumed(job.pid))?;
    match read_to_end(job, &mut reading, &mut set) {
        Ok(()) => {
            drop(reading);
            tracker::release(job, Release::Read);
            set.finish();
            Ok(void())
        }
        Err(Failure::Job(report)) => {
            drop(reading);
            tracker::release(job, Release::Read);
            Err(PgError::of(*report))
        }
        Err(Failure::Read(error)) => {
            if !reading.begun {
                job.put_back(reading);
            }
            Err(error)
        }
    }
}

/// Waits for the job, raises its messages, and returns its last command tag, or its error; the job is released with
/// either. Rows are dropped. For a job that this session has just launched.
pub fn last_tag(job: &Arc<Job>) -> Result<Vec<u8>> {
    let mut reading = job.take_reading().ok_or_else(|| errors::already_consumed(job.pid))?;
    stream::receive(job, &mut reading, &mut NoRows)?;
    let outcome = check_outcome(job, &reading);
    let tag = outcome.map(|()| tags::last(job, &reading));
    drop(reading);
    tracker::release(job, Release::Read);
    match tag {
        Ok(tag) => tag,
        Err(Failure::Job(report)) => Err(PgError::of(*report)),
        Err(Failure::Read(error)) => Err(error),
    }
}

/// Rows that are dropped.
struct NoRows;

impl Rows for NoRows {
    fn fit(&mut self, _columns: &[Column]) -> Result<()> {
        Ok(())
    }

    fn put(&mut self, _batch: BatchRows, _begun: &mut bool) -> Result<()> {
        Ok(())
    }

    fn hold_types(&self, _columns: &[Column]) -> Result<()> {
        Ok(())
    }
}

enum Failure {
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
fn read_to_end(job: &Job, reading: &mut Reading, set: &mut ResultSet) -> std::result::Result<(), Failure> {
    let mut rows = JobRows::new(job, set);
    stream::receive(job, reading, &mut rows)?;
    let has_columns = rows.has_columns();
    check_outcome(job, reading)?;
    if has_columns { Ok(()) } else { Ok(tags::put(job, reading, set)?) }
}

/// Of a job whose worker has left the queue: its error, if it has failed.
fn check_outcome(job: &Job, reading: &Reading) -> std::result::Result<(), Failure> {
    let failed = |report| Err(Failure::Job(Box::new(report)));
    match job.state() {
        State::Stopped => Ok(()),
        State::Error | State::Canceled => {
            let report = match &reading.error {
                Some(report) => Some(report.clone()),
                None => job.error()?,
            };
            let report = report.unwrap_or_else(|| job.lost());
            failed(messages::error(job, report))
        }
        State::Starting | State::Running => failed(job.lost()),
    }
}
