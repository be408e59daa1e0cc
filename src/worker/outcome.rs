//! The job's last word: into the header, readable from then on, and only then out of the queue.

use super::current::Current;
use super::execute::Done;
use crate::model::header::OUTCOME_SIZE;
use crate::model::sqlstate;
use crate::model::state::{State, Stop};
use crate::pg::error::{Result, level};
use crate::pg::{identity, text, worker};
use crate::wire::frame::Kind;
use crate::wire::report::Report;
use crate::wire::tags;

/// Committed, which nothing that happens from now on can change.
pub fn success(current: &Current, done: &Done) -> Result<()> {
    let mut body = Vec::new();
    if !done.has_rows {
        tags::encode(done.tags.iter().map(Vec::as_slice), &mut body);
    }
    let fits = body.len() <= OUTCOME_SIZE;
    publish(current, State::Stopped, if fits { &body } else { &[] });
    current.with_sender(|sender| {
        if !fits {
            sender.last(Kind::Tags, &body);
        }
        sender.finish(true)
    })?;
    leave(current)
}

/// Rolled back. The job's messages, and an error that does not fit into the outcome, still go to the reader; `wait` for the
/// room they take. Nobody waits for what is left of a job that was cancelled.
pub fn failure(current: &Current, mut report: Report, wait: bool) -> Result<()> {
    let canceled = report.sqlstate == sqlstate::QUERY_CANCELED && current.segment.header().stop() != Stop::No;
    report.level = report.level.min(level::ERROR);
    let mut whole = Vec::new();
    report.encode(&mut whole);
    let cut = report.fit(OUTCOME_SIZE, text::clip);
    let mut body = Vec::new();
    report.encode(&mut body);
    publish(current, if canceled { State::Canceled } else { State::Error }, &body);
    current.with_sender(|sender| {
        if cut {
            sender.last(Kind::Error, &whole);
        }
        if sender.drop_rows() { sender.finish(wait && !canceled) } else { Ok(()) }
    })?;
    leave(current)
}

fn publish(current: &Current, state: State, body: &[u8]) {
    current.segment.header().finish(state, identity::now(), body);
}

fn leave(current: &Current) -> Result<()> {
    current.with_sender(|sender| {
        sender.leave();
        Ok(())
    })?;
    worker::yield_processor();
    Ok(())
}
