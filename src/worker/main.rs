//! The worker's main function.

use super::current::{self, Current};
use super::{execute, outcome, session};
use crate::channel::Sender;
use crate::model::sqlstate;
use crate::model::state::State;
use crate::pg::dsm::Segment;
use crate::pg::error::{PgError, Result, level};
use crate::pg::memory::Context;
use crate::pg::mq::Queue;
use crate::pg::worker::{Cancellable, Hooks};
use crate::pg::{entry, identity, query, worker};
use crate::wire::report::{Field, Report};
use parking_lot::Mutex;

/// The last words of a FATAL error, which has no other way to the outcome.
static LAST_WORDS: Mutex<Option<Report>> = Mutex::new(None);

/// `handle` names the job's segment. The launcher keeps it mapped until the queue has a writer, so a segment that is gone
/// means a launcher that gave up: it has told nobody of the job.
pub fn run(handle: u32) -> Result<()> {
    worker::accept_signals()?;
    entry::install_panic_hook();
    let Some(segment) = Segment::attach(handle)? else {
        return Ok(());
    };
    let header = segment.header();
    header.set_worker_pid(identity::process_id());
    // From here on the launcher knows of the job.
    let queue = Queue::writer(&segment)?;
    let muted = header.identity.wants_results != 1;
    let Some(current) = current::set(segment, Sender::new(queue, muted)) else {
        return Err(PgError::new(sqlstate::INTERNAL_ERROR, "worker has a job already"));
    };
    worker::install_hooks(Hooks { message, exit })?;
    let trees = Context::new(c"pg_background statements")?;
    if let Err(error) = job(current, &trees) {
        failed(current, &error)?;
    }
    query::report_idle();
    Ok(())
}

fn job(current: &Current, trees: &Context) -> Result<()> {
    identity::connect(&current.segment.header().identity)?;
    session::restore(&current.segment)?;
    // From here on a cancel is the server's business; one that came before is found before the first statement.
    let cancellable = Cancellable::new();
    current.segment.header().start(identity::now());
    let script = execute::begin(current, trees)?;
    let done = execute::run(current, &script)?;
    drop(cancellable);
    // Nothing between the commit and here serves an interrupt: a job that has committed is never called failed.
    let sent = outcome::success(current, &done);
    query::stop_timeout()?;
    script.log_duration(current.detail())?;
    sent
}

fn failed(current: &Current, error: &PgError) -> Result<()> {
    let mut report = error.report();
    let limit = current.segment.header().identity.worker_timeout;
    if limit > 0 && report.sqlstate == sqlstate::QUERY_CANCELED && ran_for_ms(current) >= i64::from(limit) {
        // the server only knows of a statement's timeout
        report.set(Field::Detail, format!("The job ran longer than pg_background.worker_timeout ({limit} ms)."));
    }
    // The log first, as a session does: the statement is still known.
    error.log(current.detail());
    query::forget_interrupts()?;
    query::abort()?;
    outcome::failure(current, report, true)
}

fn ran_for_ms(current: &Current) -> i64 {
    identity::now().saturating_sub(current.segment.header().started_at()) / 1000
}

/// A message below ERROR goes to the launcher; FATAL is kept for [`exit`].
fn message(report: Report) -> Result<()> {
    if report.level >= level::FATAL {
        *LAST_WORDS.lock() = Some(report);
        return Ok(());
    }
    let Some(current) = current::get() else {
        return Ok(());
    };
    // What the connection says (a collation version, say) is no message of the job.
    if current.segment.header().state() != Some(State::Running) {
        return Ok(());
    }
    let mut body = Vec::new();
    report.encode(&mut body);
    current.notice(body)
}

/// The process ends. If the job has no outcome yet, it is what the process died of.
fn exit() -> Result<()> {
    let Some(current) = current::get() else {
        return Ok(());
    };
    if current.segment.header().is_final() {
        return Ok(());
    }
    let report = LAST_WORDS.lock().take().unwrap_or_else(|| {
        Report::new(
            level::ERROR,
            sqlstate::CONNECTION_FAILURE,
            format!("lost connection to worker process with PID {}", identity::process_id()),
        )
    });
    outcome::failure(current, report, false)
}
