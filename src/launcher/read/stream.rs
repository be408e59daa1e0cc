//! A job's frames, from the first that is unread to the end of the queue.

use super::messages;
use super::rows::{JobRows, rows_without_columns};
use crate::channel::{Frame, Places, Received, Receiver};
use crate::launcher::job::{Gone, Job, Reading};
use crate::launcher::wait::{self, Awaited, Look};
use crate::pg::error::{self, Result};
use logic::segment::spill::Attention;
use logic::wire::report::Report;
use logic::wire::tags;

/// Receives all frames, and waits for them: rows go into `rows`, messages are raised, and what the outcome had no
/// room for goes into `reading`. Returns when the worker has left the queue, or is gone.
pub fn receive(job: &Job, reading: &mut Reading, rows: &mut JobRows) -> Result<()> {
    receive_columns(job, reading)?;
    if let Some(columns) = reading.receiver.columns() {
        if rows.must_wait(columns)? {
            wait_for_end(job, &mut reading.receiver)?;
        }
    }
    if let Some(columns) = reading.receiver.columns() {
        rows.fit(columns)?;
    }
    let Reading { receiver, error, tags, gone, .. } = reading;
    let _reading = job.attend(Attention::Reads);
    wait::on_latch(Awaited::Job(job.awaited()), None, |_| {
        let received = receiver.next(|frame| match frame {
            Frame::Rows(count, body) => rows.put(count, body, gone),
            other => receive_other(job, other, error, tags),
        })?;
        Ok(look(job, received))
    })?;
    receiver.columns().map_or(Ok(()), |columns| rows.hold_types(columns))
}

/// What comes beside columns and rows: a message is raised, the rest is kept.
pub fn receive_other(
    job: &Job,
    frame: Frame,
    error: &mut Option<Report>,
    long_tags: &mut Option<Vec<Vec<u8>>>,
) -> Result<()> {
    match frame {
        Frame::Notice(message) => return raise(job, message),
        Frame::Error(body) => *error = Some(job.readable(Report::decode(body)?)?),
        Frame::Tags(body) => *long_tags = Some(tags::decode(body)?.into_iter().map(<[u8]>::to_vec).collect()),
        Frame::Rows(..) => {}
    }
    Ok(())
}

fn raise(job: &Job, message: &[u8]) -> Result<()> {
    error::raise(&messages::notice(job, message)?)
}

/// What becomes of the messages that come while something else is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Messages {
    Raised,
    /// A later read raises them.
    PutAside,
}

/// Waits until the columns are known, or the job has ended without any. Nothing is read.
pub fn wait_for_columns(job: &Job, receiver: &mut Receiver) -> Result<()> {
    put_aside_until(job, receiver, Places::QueueAndFiles, Messages::PutAside, |receiver| receiver.columns().is_some())
}

/// Waits until `max` rows are at hand, or the job has ended with fewer.
pub fn wait_for_rows(job: &Job, receiver: &mut Receiver, max: u64) -> Result<()> {
    put_aside_until(job, receiver, Places::QueueAndFiles, Messages::Raised, |receiver| receiver.rows_at_hand() >= max)
}

/// Waits until the job has ended.
pub fn wait_for_end(job: &Job, receiver: &mut Receiver) -> Result<()> {
    put_aside_until(job, receiver, Places::Queue, Messages::Raised, |_| false)
}

/// Puts frames aside, and waits for them, until `enough` or until the worker has left the queue, or is gone.
fn put_aside_until(
    job: &Job,
    receiver: &mut Receiver,
    places: Places,
    messages: Messages,
    enough: impl Fn(&Receiver) -> bool,
) -> Result<()> {
    let _attending = job.attend(match places {
        Places::Queue => Attention::Waits,
        Places::QueueAndFiles => Attention::Reads,
    });
    wait::on_latch(Awaited::Job(job.awaited()), None, |_| {
        if enough(receiver) {
            return Ok(Look::Found(()));
        }
        let found = match messages {
            Messages::Raised => receiver.put_rows_aside(places, |message| raise(job, message))?,
            Messages::PutAside => receiver.put_aside(places)?,
        };
        Ok(look(job, found))
    })
    .map(drop)
}

/// Receives frames until the columns are known, or the job has ended without any. No row comes before.
pub fn receive_columns(job: &Job, reading: &mut Reading) -> Result<()> {
    let Reading { receiver, error, tags, .. } = reading;
    let _reading = job.attend(Attention::Reads);
    wait::on_latch(Awaited::Job(job.awaited()), None, |_| {
        if receiver.columns().is_some() {
            return Ok(Look::Found(()));
        }
        let received = receiver.next(|frame| match frame {
            Frame::Rows(..) if !job.has_failed() => Err(rows_without_columns()),
            other => receive_other(job, other, error, tags),
        })?;
        Ok(look(job, received))
    })
    .map(drop)
}

/// Receives all frames; rows are dropped.
pub fn receive_without_rows(job: &Job, reading: &mut Reading) -> Result<()> {
    if reading.gone == Gone::None {
        reading.gone = Gone::Dropped;
    }
    let Reading { receiver, error, tags, .. } = reading;
    let _reading = job.attend(Attention::Reads);
    wait::on_latch(Awaited::Job(job.awaited()), None, |_| {
        let received = receiver.next(|frame| receive_other(job, frame, error, tags))?;
        Ok(look(job, received))
    })
    .map(drop)
}

fn look(job: &Job, received: Received) -> Look<()> {
    match received {
        Received::Frame(_) => Look::More,
        Received::Nothing if job.is_lost() => Look::Found(()),
        Received::Nothing => Look::Nothing,
        Received::End => Look::Found(()),
    }
}
