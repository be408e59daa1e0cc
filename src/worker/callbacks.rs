//! What the server calls in a worker process: for each message that a statement raises, and when the process ends.
//!
//! The exit callback is what makes a promise hold: the job that this process has, or has promised to take, gets an
//! outcome, whatever ends the process. The cause may be an ERROR on the way, which [`super::process::run`] leaves here;
//! a FATAL error, which comes as a message and unwinds no Rust frame; or a termination, which the server turns into a
//! FATAL error.

use super::current;
use super::notify::Notification;
use super::{outcome, transaction};
use crate::channel::Full;
use crate::errors;
use crate::pg::dsm::Segment;
use crate::pg::error::{Result, level};
use crate::pg::{encoding, exit, frontend, identity};
use crate::registry::{self, AfterJob, End, Registration};
use logic::job::state::State;
use logic::registry::layout::MESSAGE_SIZE;
use logic::wire::report::Report;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The error that ends this process, for the exit callback.
static CAUSE_OF_EXIT: Mutex<Option<Report>> = Mutex::new(None);

/// The segment of the job that this worker was offered and has not taken yet.
static OFFERED: Mutex<Option<Arc<Segment>>> = Mutex::new(None);

/// Is this process connected to a database, so that a transaction is possible in the exit callback?
static IS_CONNECTED: AtomicBool = AtomicBool::new(false);

/// Notes that the process is connected to its database.
pub fn note_connection() {
    IS_CONNECTED.store(true, Relaxed);
}

/// Sets both callbacks. Once per process, before it connects to the database: the exit callback of the connection,
/// which aborts the transaction, is then registered later, and so called before ours.
pub fn install() -> Result<()> {
    frontend::capture_messages(message)?;
    exit::at_exit(at_exit)
}

/// Keeps the error that ends this process, for the exit callback.
pub fn keep_cause_of_exit(report: Report) {
    *CAUSE_OF_EXIT.lock() = Some(report);
}

/// Keeps the segment of the job that this worker was offered; `None` once the job is taken, or known to be given up.
pub fn keep_offered(segment: Option<&Arc<Segment>>) {
    *OFFERED.lock() = segment.map(Arc::clone);
}

/// Sends a message below ERROR to the launcher, and keeps a FATAL one for the exit callback. (An ERROR comes as the
/// result of the call that raised it.)
fn message(mut report: Report) -> Result<()> {
    if report.level >= level::FATAL {
        keep_cause_of_exit(report);
        return Ok(());
    }
    let Some(current) = current::get() else {
        return Ok(());
    };
    // A message of the connection (about a collation version, say) is no message of the job, which is not running then.
    if current.segment.header().state() != Some(State::Running) {
        return Ok(());
    }
    current.place(&mut report);
    let mut body = Vec::new();
    report.encode(&mut body);
    current.notice(body)
}

/// Ends, with the process, the job that it has or has promised to take, and gives back its slot in the registry.
///
/// Suppose that the process ends by a FATAL error in the middle of a statement. The server has aborted the transaction
/// before it calls this; the job has no outcome yet, so the FATAL error becomes its outcome, as an ERROR. Suppose that
/// the process is terminated right after the job's commit: the outcome has been published and stands, and what is left
/// to do is to leave the registry and the queue. Suppose, last, that memory is short while a warm worker maps the
/// segment of a job that it was offered. The launcher of that job has either awaited a reply, and then finds that the
/// worker is gone and gives the job to another; or it has returned the handle already, because the worker had promised
/// to take the job. The job ends with the worker then, and its outcome is written into the segment if that is mapped.
///
/// Rows and messages that the queue has no room for are dropped: a process that ends does not wait for a reader.
fn at_exit() -> Result<()> {
    transaction::leave_user();
    let cause = CAUSE_OF_EXIT.lock().take();
    let report = || cause.clone().unwrap_or_else(|| errors::lost_worker(identity::process_id()));
    let mut notification = None;
    let last_job = current::get().map_or(Ok(()), |current| {
        if !current.segment.header().is_final() {
            outcome::failure(&current, report(), Full::Leave)?;
        }
        notification = Notification::of(&current)?;
        outcome::end_job(&current, AfterJob::Leave)
    });
    // Also after an error: the slot must not stay behind.
    let offered = OFFERED.lock().take();
    leave_registry(offered.as_deref(), report)?;
    last_job?;
    // The last thing, as an ERROR ends it: see there.
    match notification {
        Some(notification) if IS_CONNECTED.load(Relaxed) => notification.tell_at_exit(),
        _ => Ok(()),
    }
}

/// Frees this worker's slot in the registry. A job that the worker had promised to take, and has not taken, ends with
/// `report`; it is in the segment, too, if the worker has that mapped (`offered`). Any other job that the worker was
/// offered goes to another process.
fn leave_registry(offered: Option<&Segment>, report: impl FnOnce() -> Report) -> Result<()> {
    let Some(registration) = Registration::mine() else {
        return Ok(());
    };
    // First of all no launcher may claim this worker any more: what was promised does not change from here on.
    registration.exclusive(|r, me| r.close(me))?;
    let now = identity::now();
    let report = registration.registry.is_promised(registration.worker).then(report);
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
        // without a line the job ends all the same
        let _ = outcome::log_untaken(segment, &end);
        outcome::publish_untaken(segment, report);
    }
    registration.exit(&end)?;
    registry::ensure_dispatcher().map(drop)
}
