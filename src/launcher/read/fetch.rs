//! Some of a job's rows at a time.
//!
//! A fetch waits until as many rows as it wants have come, or the job has ended; converts them; and only then counts
//! them as read. So a fetch that fails, or is cancelled, has taken nothing, and can be made again (unless a row could
//! not be put aside, for lack of disk space: then the rest is lost).
//!
//! The rows that it does not want stay in the queue, and in the files into which the worker puts what the queue has no
//! room for until the next fetch: the session's memory holds no more than one batch beyond the rows of a fetch.
//!
//! Rows come in the job's order, and so does the end. Suppose that a job has failed after a thousand rows: the fetches
//! give these, and the one that would need more throws the error. Suppose that this one is cancelled while it drops
//! what is left, on the way to the error: the next one throws the error, whatever it wants.

use super::rows::{conversions, put_all, rows_without_columns};
use super::{Failure, Wanted, failure, stream, tags};
use crate::channel::Frame;
use crate::launcher::job::{Gone, Job, Reading};
use crate::pg::convert::are_types_known;
use crate::pg::error::Result;
use crate::pg::latch;
use crate::pg::result_set::ResultSet;
use crate::pg::tupdesc::hold_row_types;
use logic::job::state::State;
use logic::wire::frame;

/// What is left of a job after a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// More rows, perhaps.
    Perhaps,
    Nothing,
}

/// Appends the next rows, at most `max`.
pub fn fetch(job: &Job, reading: &mut Reading, set: &mut ResultSet, max: u64) -> std::result::Result<Left, Failure> {
    if reading.gone == Gone::Dropped {
        return Err(failure(job, reading)?);
    }
    stream::receive_columns(job, reading)?;
    if wait_for_types(job, reading)? == Types::OfFailedJob {
        return Err(failure(job, reading)?);
    }
    let mut conversions = match reading.receiver.columns() {
        Some(columns) => {
            let conversions = conversions(job, columns, set, Wanted::Assigned)?;
            hold_row_types(columns)?;
            Some(conversions)
        }
        None => None,
    };
    stream::wait_for_rows(job, &mut reading.receiver, max)?;
    let has_more = reading.receiver.rows_at_hand() >= max;
    if !has_more && job.state() != State::Stopped {
        return Err(failure(job, reading)?);
    }
    let Some(conversions) = &mut conversions else {
        return Ok(fetch_tags(job, reading, set, max)?);
    };
    let Reading { receiver, error, tags, .. } = reading;
    receiver.take_rows(max, |frame| match frame {
        Frame::Rows(count, rows) => {
            latch::check_for_interrupts()?;
            put_all(job, conversions, set, frame::rows(count, rows))
        }
        other => stream::receive_other(job, other, error, tags),
    })?;
    Ok(if has_more { Left::Perhaps } else { Left::Nothing })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Types {
    Known,
    /// They may be those of a transaction that was rolled back.
    OfFailedJob,
}

/// Waits until the types of the columns can be known for sure.
///
/// A job that runs may have made or altered a type, which this session sees when the job has committed. And it may
/// hold the table of a row type until then: to wait for that lock here, while the job waits for room in the queue,
/// would be a deadlock. So rows with row types in them are fetched once the job has ended; until then they are put
/// aside.
fn wait_for_types(job: &Job, reading: &mut Reading) -> Result<Types> {
    let Some(columns) = reading.receiver.columns() else {
        return Ok(Types::Known);
    };
    if columns.iter().all(|column| column.row_types.is_empty()) && are_types_known(columns)? {
        return Ok(Types::Known);
    }
    stream::wait_for_end(job, &mut reading.receiver)?;
    Ok(if job.state() == State::Stopped { Types::Known } else { Types::OfFailedJob })
}

/// The same for a job without columns: its rows are its command tags.
fn fetch_tags(job: &Job, reading: &mut Reading, set: &mut ResultSet, max: u64) -> Result<Left> {
    reading.receiver.take_rows(max, |frame| match frame {
        Frame::Rows(..) => Err(rows_without_columns()),
        other => stream::receive_other(job, other, &mut reading.error, &mut reading.tags),
    })?;
    let all = tags::of(job, reading)?;
    let rest = all.get(reading.fetched_tags..).unwrap_or_default();
    let next = &rest[..rest.len().min(usize::try_from(max).unwrap_or(usize::MAX))];
    tags::put(next, set, Wanted::Assigned)?;
    reading.fetched_tags += next.len();
    Ok(if next.len() < rest.len() || next.len() as u64 == max { Left::Perhaps } else { Left::Nothing })
}
