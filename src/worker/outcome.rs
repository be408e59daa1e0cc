//! The outcome of a job: published, then told to the registry, then to the launcher.
//!
//! The order is what other processes rely on. The outcome is in the segment's header before the job ends in the
//! registry, so a session that has waited for that end finds the outcome there; and both come before the worker leaves
//! the queue, so a launcher that has read up to the queue's end does, too. After it has left the queue the worker does
//! not touch the segment any more: the launcher may use it for its next job.

use super::current::{self, Current};
use super::job;
use super::statements::Done;
use crate::channel::{Full, Sender};
use crate::pg::dsm::Segment;
use crate::pg::error::{Result, level};
use crate::pg::{activity, encoding, identity};
use crate::point;
use crate::registry::{self, AfterJob, End};
use logic::job::state::{State, Stop};
use logic::registry::layout::MESSAGE_SIZE;
use logic::segment::header::OUTCOME_SIZE;
use logic::sqlstate;
use logic::wire::extras::Extras;
use logic::wire::frame::Kind;
use logic::wire::report::Report;
use logic::wire::tags;
use std::sync::atomic::Ordering::Relaxed;

/// Bytes that the tags of most jobs need.
const TAGS_ROOM: usize = 64;

/// Publishes that the job has committed, and sends what the queue still lacks, waiting for room. Right after the
/// commit. An error of the sending does not change the outcome.
///
/// The tags are the result of a job without rows: all of them are published, or sent. The last one is published in any
/// case.
pub fn success(current: &Current, done: &Done) -> Result<()> {
    let shown = if done.has_rows { done.tags.len().saturating_sub(1) } else { 0 };
    let mut all = Vec::with_capacity(TAGS_ROOM);
    tags::encode(done.tags[shown..].iter().map(Vec::as_slice), &mut all);
    let are_whole = !done.has_rows && all.len() <= OUTCOME_SIZE;
    if are_whole || done.has_rows {
        publish(current, State::Stopped, &all);
    } else {
        let mut last = Vec::with_capacity(TAGS_ROOM);
        tags::encode(done.tags.last().map(Vec::as_slice), &mut last);
        publish(current, State::Stopped, &last);
    }
    current.with_sender(|sender| {
        if !are_whole && !done.has_rows {
            sender.last(Kind::Tags, &all);
        }
        sender.finish(Full::Wait)
    })?;
    Ok(())
}

/// Publishes that the job has failed, or was canceled if the error is a cancel that was asked for. After the rollback.
///
/// The job's messages, and an error that does not fit into the header, still go to the reader; rows that are not sent
/// yet are dropped. `full` says whether that waits for room in the queue. It never waits after a cancel: the session
/// that has cancelled the job need not be reading.
pub fn failure(current: &Current, mut report: Report, full: Full) -> Result<()> {
    let canceled = report.sqlstate == sqlstate::QUERY_CANCELED && current.stop() != Stop::No;
    report.level = report.level.min(level::ERROR);
    let mut whole = Vec::new();
    report.encode(&mut whole);
    let cut = report.fit(OUTCOME_SIZE, encoding::clip);
    let mut body = Vec::new();
    report.encode(&mut body);
    publish(current, if canceled { State::Canceled } else { State::Error }, &body);
    current.with_sender(|sender| {
        if cut {
            sender.last(Kind::Error, &whole);
        }
        if sender.drop_rows() { sender.finish(if canceled { full.min(Full::Spill) } else { full }) } else { Ok(()) }
    })?;
    Ok(())
}

fn publish(current: &Current, state: State, body: &[u8]) {
    let header = current.segment.header();
    if !header.is_final() {
        header.used.set(&current.measure());
    }
    header.finish(state, identity::now(), body);
}

/// Publishes the error that ends this process as the outcome of a job that the process was to take, and has not.
pub fn publish_untaken(segment: &Segment, report: &Report) {
    let mut report = report.clone();
    report.level = report.level.min(level::ERROR);
    report.fit(OUTCOME_SIZE, encoding::clip);
    let mut body = Vec::new();
    report.encode(&mut body);
    segment.header().finish(State::Error, identity::now(), &body);
}

/// The log's line of such a job.
pub fn log_untaken(segment: &Segment, end: &End) -> Result<()> {
    if !registry::logs_end(end) {
        return Ok(());
    }
    let header = segment.header();
    let label = Extras::decode(segment.bytes(header.extras)).map_or(&b""[..], |extras| extras.label);
    registry::log_end(header.identity.cookie, label, segment.sql()?.to_bytes(), end)
}

/// Is this the error of a job that ran longer than its timeout? The server has only cancelled a statement.
pub fn timed_out(current: &Current, report: &Report) -> bool {
    let limit = i64::from(current.segment.header().identity.timeout);
    let ran = || identity::now().saturating_sub(current.segment.header().started_at()) / 1000;
    limit > 0 && report.sqlstate == sqlstate::QUERY_CANCELED && current.stop() == Stop::No && ran() >= limit
}

/// Ends the job in the registry, then leaves the queue, which wakes the launcher. After the outcome was published,
/// outside a transaction. From here on this process has no job; it may be claimed for another unless `after` says that
/// it leaves.
pub fn end_job(current: &Current, after: AfterJob) -> Result<()> {
    activity::report_idle();
    point::reach("end")?;
    if job::attach_late(current).is_err() {
        // The job's session finds no end of the queue; so it must see that the job has no worker.
        current.segment.header().set_worker_pid(0);
    }
    let told = tell_of_end(current, after);
    point::reach("ended")?;
    let left = current.with_sender(Sender::leave);
    current::clear();
    told.and(left.map(drop))
}

/// Writes the line in the log, once, whether or not the job's end is told once more: when the process ends before it
/// has left the job.
fn log_end(current: &Current, end: &End) -> Result<()> {
    if current.is_end_logged.swap(true, Relaxed) || !registry::logs_end(end) {
        return Ok(());
    }
    registry::log_end(current.identity().cookie, &current.label()?, current.segment.sql()?.to_bytes(), end)
}

fn tell_of_end(current: &Current, after: AfterJob) -> Result<()> {
    let header = current.segment.header();
    let state = header.state().unwrap_or(State::Error);
    let report = match state {
        State::Error | State::Canceled => Report::decode(&header.outcome()).ok(),
        State::Starting | State::Running | State::Stopped => None,
    };
    let message = report.as_ref().map_or(&b""[..], |report| report.message());
    let end = End {
        state,
        sqlstate: report.as_ref().map_or(0, |report| report.sqlstate),
        message: &message[..encoding::clip(message, MESSAGE_SIZE)],
        started_at: header.started_at(),
        finished_at: header.finished_at(),
        timed_out: report.as_ref().is_some_and(|report| timed_out(current, report)),
        used: header.used.get(),
    };
    let logged = log_end(current, &end);
    let (Some(registration), Some(slot)) = (current.registration, header.slot()) else {
        return logged;
    };
    registration.exclusive(|r, me| r.end_job(me, slot, header.identity.cookie, &end, after)).and(logged)
}
