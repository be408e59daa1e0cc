//! The job's last word: into the header, readable from then on; into the registry; and only then out of the queue.

use super::current::{self, Current};
use super::statements::Done;
use crate::channel::Full;
use crate::pg::dsm::Segment;
use crate::pg::error::{Result, level};
use crate::pg::{encoding, identity, statement};
use crate::point;
use crate::registry::{AfterJob, End, Registration};
use logic::job::state::{State, Stop};
use logic::registry::layout::MESSAGE_SIZE;
use logic::segment::header::OUTCOME_SIZE;
use logic::sqlstate;
use logic::wire::frame::Kind;
use logic::wire::report::Report;
use logic::wire::tags;

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
        sender.finish(Full::Wait)
    })?;
    Ok(())
}

/// Rolled back. The job's messages, and an error that does not fit into the outcome, still go to the reader; `full`
/// says whether they wait for room. Nobody waits for what is left of a job that was cancelled.
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
        if sender.drop_rows() { sender.finish(if canceled { Full::Leave } else { full }) } else { Ok(()) }
    })?;
    Ok(())
}

fn publish(current: &Current, state: State, body: &[u8]) {
    current.segment.header().finish(state, identity::now(), body);
}

/// The worker process ends: frees its entry in the registry. A job that was promised to this worker, and that it has
/// not taken, ends with `words`, of which its launcher hears if the worker has mapped the segment (`offered`). Any other
/// job that it was offered goes to another process.
pub fn give_back(offered: Option<&Segment>, words: impl FnOnce() -> Report) -> Result<()> {
    let Some(registration) = Registration::mine() else {
        return Ok(());
    };
    // Before it is asked what was promised: nothing more is, from here on.
    registration.exclusive(|r, me| r.close(me))?;
    let now = identity::now();
    let report = registration.registry.is_promised(registration.worker).then(words);
    let message = report.as_ref().map_or(&b""[..], Report::message);
    let end = match &report {
        Some(report) => End {
            sqlstate: report.sqlstate,
            message: &message[..encoding::clip(message, MESSAGE_SIZE)],
            ..End::lost_worker(now)
        },
        None => End::lost_worker(now),
    };
    if let (Some(segment), Some(report)) = (offered, &report) {
        publish_untaken(segment, report);
    }
    registration.exit(&end)
}

/// Why the process ends that was to run the job, and has done nothing of it.
fn publish_untaken(segment: &Segment, report: &Report) {
    let mut report = report.clone();
    report.level = report.level.min(level::ERROR);
    report.fit(OUTCOME_SIZE, encoding::clip);
    let mut body = Vec::new();
    report.encode(&mut body);
    segment.header().finish(State::Error, identity::now(), &body);
}

/// Did the job run out of its own time?
pub fn timed_out(current: &Current, report: &Report) -> bool {
    let limit = i64::from(current.segment.header().identity.worker_timeout);
    let ran = || identity::now().saturating_sub(current.segment.header().started_at()) / 1000;
    limit > 0 && report.sqlstate == sqlstate::QUERY_CANCELED && current.stop() == Stop::No && ran() >= limit
}

/// The job is over, for the registry, and then for its launcher: from here on the segment is not touched any more. The
/// process has nothing to do with a job any more, and may be claimed for another unless it leaves.
pub fn leave(current: &Current, then: AfterJob) -> Result<()> {
    statement::report_idle();
    point::reach("end")?;
    let told = tell(current, then);
    point::reach("ended")?;
    current.with_sender(|sender| {
        sender.leave();
        Ok(())
    })?;
    current::clear();
    told
}

fn tell(current: &Current, then: AfterJob) -> Result<()> {
    let header = current.segment.header();
    let (Some(registration), Some(slot)) = (current.registration, header.slot()) else {
        return Ok(());
    };
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
    };
    registration.exclusive(|r, me| r.end_job(me, slot, header.identity.cookie, &end, then))
}
