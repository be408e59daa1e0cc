//! One job in a worker: the worker takes it, then runs or refuses it.
//!
//! ```text
//! take ──▶ the session becomes the launcher's ──▶ accept ──▶ run ──▶ success ─┐
//!   │                    │       │ an error ──────────────────▶ fail ─────────┼──▶ outcome published
//!   ▼                    ▼                                                    │
//!  given up            refuse: another worker runs the job                  leave (by the caller)
//! ```
//!
//! Nothing of the job has been done before it is accepted. From the moment that it is taken, other sessions see the job
//! with this process's pid, so a cancel or termination of the process is meant for the job.

use super::current::{self, Current, Start};
use super::session::baseline::Baseline;
use super::session::{Restored, given};
use super::statements::{self, Done};
use super::{autocommit, outcome, transaction};
use crate::channel::{Audience, Full, Sender};
use crate::pg::dsm::Segment;
use crate::pg::error::{PgError, Result};
use crate::pg::latch;
use crate::pg::memory::Context;
use crate::pg::mq::Queue;
use crate::pg::parts::Parts;
use crate::pg::signals::Cancellable;
use crate::pg::{identity, leftovers, procs, timeout, xact};
use crate::point;
use crate::registry::{AfterJob, Registration};
use crate::settings;
use logic::segment::header::{Identity, Reply};
use logic::sqlstate;
use logic::wire::report::Field;
use std::sync::Arc;

/// What became of a job that this worker had taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Performed {
    /// The job has an outcome. [`outcome::end_job`] has not been called yet.
    Ended,
    /// Another worker runs the job, or none. This process has left the job and must end.
    Refused,
}

/// Makes the job in the segment this process's current one. `None` if its launcher has given the job up. `start` says
/// whether the process was started for the job.
///
/// The order of the steps differs between the two ways to a job, because their launchers wait for different things.
///
/// A *new* process takes the job in the registry first and attaches to the queue last. Its launcher waits for exactly
/// that, a writer of the queue, and returns the job's handle then. Suppose that the process fails in between: the
/// launcher finds that the process is gone without having attached, sees by the pid in the header that it had the job,
/// and the job's outcome is the error of the exit.
///
/// A *warm* worker attaches first and takes the job last, so that all that can fail comes before the take: a job that
/// is not taken yet can be given to another process, or at least be ended with a reason. Between the attachment and the
/// take nothing is allocated in Rust, because a failed allocation ends the process by FATAL, without destructors.
/// Suppose that happened there. The exit callback gives the job back, the launcher makes the queue anew and starts
/// another process, and only then the dying process's mapping goes. The server would detach it from what is the new
/// queue by now, and that job's reader would see the end of its queue.
///
/// A warm worker attaches to the queue of a job that starts at a commit only when it is sure to run the job
/// ([`attach_late`]): its reader is not the process that launches it, and may look at the queue at any time, so nobody
/// could make the queue anew.
pub fn take(segment: &Arc<Segment>, registration: Option<Registration>, start: Start) -> Result<Option<Arc<Current>>> {
    let header = segment.header();
    let has_reader = header.identity.wants_results != Identity::WANTS_NOTHING;
    let audience = if has_reader { Audience::Present } else { Audience::Absent };
    // Read once: a dispatcher may give the job another one.
    let place = header.slot();
    let slot = match (registration, place) {
        (Some(registration), Some(place)) => registration.registry.job(place),
        _ => None,
    };
    let current = Current::new(Arc::clone(segment), slot, registration, Sender::new(audience));
    let attach = |queue| {
        current.with_sender(|sender| {
            sender.attach(queue);
            Ok(())
        })
    };
    let is_at_commit = header.identity.at_commit != 0;
    if is_at_commit && registration.is_none() {
        return Ok(None);
    }
    if start == Start::Warm && !is_at_commit {
        attach(Queue::appointed_writer(segment)?)?;
    }
    if let (Some(registration), Some(place)) = (registration, place) {
        let cookie = header.identity.cookie;
        if !registration.exclusive(|r, me| r.take_job(me, place, cookie))? {
            return Ok(None);
        }
    }
    header.set_worker_pid(identity::process_id());
    current::set(&current, start);
    if start == Start::New {
        point::reach("attach")?;
        attach(Queue::writer(segment)?)?;
    }
    Ok(Some(current))
}

/// Makes the session the launcher's and runs the job, or refuses it. Called once for each job that was taken, outside a
/// transaction. An error of the job is its outcome; one that is returned ends the process.
pub fn perform(current: &Current, baseline: &mut Baseline, trees: &Context) -> Result<Performed> {
    settings::hide_configuration();
    let restored = match may_connect(current, baseline) {
        Ok(true) => baseline.restore(&current.segment),
        Ok(false) => Ok(Restored::Refused),
        Err(error) => Err(error),
    };
    let ran = match restored {
        Ok(Restored::Yes) => attach_late(current)
            .and_then(|()| accept(current))
            .and_then(|()| run(current, trees, baseline.launcher_settings())),
        Ok(Restored::Refused) => match serve_signals() {
            Ok(()) => {
                refuse(current)?;
                return Ok(Performed::Refused);
            }
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    if let Err(error) = ran {
        attach_late(current)?;
        fail(current, &error)?;
    }
    Ok(Performed::Ended)
}

/// May this warm worker stand for the connection that a new process would make for the job?
///
/// Of any other job the launcher has just seen that it may. A job that starts at a commit may have waited since then.
/// Suppose that its role has lost CONNECT meanwhile, or that the database lets nobody in: the job goes to a new
/// process, which the server refuses.
fn may_connect(current: &Current, baseline: &Baseline) -> Result<bool> {
    let header = current.segment.header();
    match current.registration {
        Some(registration) if header.identity.at_commit != 0 && baseline.has_served() => {
            registration.is_key_current(&header.identity, current.segment.bytes(header.client_info))
        }
        _ => Ok(true),
    }
}

/// Attaches to the queue of a job that starts at a commit, unless this worker has done so when it took the job.
pub fn attach_late(current: &Current) -> Result<()> {
    if current.segment.header().identity.at_commit == 0 || has_queue(current)? {
        return Ok(());
    }
    let queue = Queue::writer(&current.segment)?;
    current
        .with_sender(|sender| {
            sender.attach(queue);
            Ok(())
        })
        .map(drop)
}

/// True also while the sender is in use.
fn has_queue(current: &Current) -> Result<bool> {
    Ok(current.with_sender(|sender| Ok(sender.has_queue()))?.unwrap_or(true))
}

/// Tells a launcher that awaits a reply that this worker runs its job. Of a job that starts at a commit the registry is
/// told, whatever the header says: the dispatcher that made the offer may have ended, and the next one has made the
/// header anew for a process that awaits none.
fn accept(current: &Current) -> Result<()> {
    let header = current.segment.header();
    if header.reply() == Reply::Awaited {
        point::reach("accept")?;
        header.accept();
        if let Some(slot) = current.slot {
            procs::wake(slot.launcher_proc());
        }
    }
    match current.registration {
        Some(registration) if header.identity.at_commit != 0 => registration.exclusive(|r, me| r.accept_job(me)),
        _ => Ok(()),
    }
}

/// Serves what signals have asked for while this worker had the job, before it refuses the job: an error if they have
/// cancelled or terminated it.
///
/// Suppose that another session saw the job with this worker's pid and called `pg_cancel_backend` before the worker
/// knew that it would refuse. The call has returned true, so the job must not run in another worker as if nothing had
/// happened.
fn serve_signals() -> Result<()> {
    point::reach("refuse")?;
    let cancellable = Cancellable::new();
    let served = latch::check_for_interrupts();
    drop(cancellable);
    served
}

/// Gives the job back, because this session cannot become the launcher's: another worker is to run it. Nothing of it
/// has been done.
///
/// The order matters. The worker leaves the queue first, forgets the job, and only then says in the registry that it
/// refuses. Suppose that it said so first: the launcher could make the queue anew and offer the job to another worker
/// while this one is still attached to it. If the launcher has ended meanwhile, the registry frees the job's slot.
///
/// A launcher that awaits no reply has compared its settings with this session's and found them equal, so this is not
/// reached; if it were, the job would fail, as its launcher has returned the handle. (Of a job that starts at a commit
/// the reply means nothing, as in [`accept`].)
fn refuse(current: &Current) -> Result<()> {
    let header = current.segment.header();
    let is_at_commit = header.identity.at_commit != 0;
    if header.reply() == Reply::NotAwaited && !is_at_commit {
        let error = PgError::new(sqlstate::INTERNAL_ERROR, "worker could not take over the session's settings");
        fail(current, &error)?;
        return outcome::end_job(current, AfterJob::Leave);
    }
    current.with_sender(Sender::leave)?;
    current::clear();
    if is_at_commit {
        // its session goes by that
        header.set_worker_pid(0);
    }
    current.registration.map_or(Ok(()), |registration| registration.exclusive(|r, me| r.refuse(me)))
}

/// Runs the job's statements and publishes their outcome. An error comes from before the commit, but for one of the
/// sending or the logging after it, which cannot change the outcome any more.
fn run(current: &Current, trees: &Context, settings: u64) -> Result<()> {
    // A cancel that came before is found before the first statement; from here on the server serves cancels.
    let cancellable = Cancellable::new();
    timeout::forget_earlier_transactions();
    current.start(identity::now());
    transaction::adopt_user(current)?;
    given::set(&current.segment)?;
    settings::note_start_of_job();
    current::observe();
    transaction::bound(current)?;
    let header = current.segment.header();
    // a job with parameters is one statement, and so one transaction anyway
    if header.identity.autocommit != 0 && header.params.len == 0 {
        let mut parts = Parts::new(current.segment.sql()?, trees)?;
        let done = autocommit::run(current, &mut parts)?;
        transaction::leave_user();
        succeed(current, cancellable, &done, || parts.log_duration(&current.detail))
    } else {
        let script = transaction::begin(current, trees, settings)?;
        let done = statements::run(current, &script)?;
        transaction::leave_user();
        succeed(current, cancellable, &done, || script.log_duration(&current.detail))
    }
}

/// Publishes the outcome. Nothing between the commit and the outcome serves an interrupt: a job that has committed is
/// never called failed.
fn succeed(
    current: &Current,
    cancellable: Cancellable,
    done: &Done,
    log_duration: impl FnOnce() -> Result<()>,
) -> Result<()> {
    drop(cancellable);
    let sent = outcome::success(current, done);
    timeout::stop()?;
    log_duration()?;
    sent
}

/// Logs the error, rolls back, and publishes the error as the job's outcome, unless it has one. Also for a job that has
/// not started: the connection failed, or the session could not become the launcher's.
pub fn fail(current: &Current, error: &PgError) -> Result<()> {
    let mut report = error.report();
    current.place(&mut report);
    if outcome::timed_out(current, &report) {
        // the server only knows of a statement's timeout
        let identity = &current.segment.header().identity;
        let setting = if identity.has_own_timeout == 0 { "pg_background.worker_timeout" } else { "its timeout" };
        report.set(Field::Detail, format!("The job ran longer than {setting} ({} ms).", identity.timeout));
    }
    // The log first, as a session does: the statement is still known.
    error.log(&current.detail);
    timeout::forget_interrupts()?;
    xact::abort()?;
    let released = leftovers::release_slots();
    transaction::leave_user();
    // the job's own error is what its launcher gets, whatever comes after it
    outcome::failure(current, report, Full::Wait)?;
    released
}
