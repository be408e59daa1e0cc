//! The worker's main function: the job that it was started for, and those that come after it.

use super::current::{self, Current, Start};
use super::idle::{self, Next};
use super::mapped_segments::MappedSegments;
use super::registration::{self, Registration};
use super::session::baseline::{Baseline, Verdict};
use super::session::restore::Restored;
use super::{outcome, statements};
use crate::channel::{Full, Sender};
use crate::errors;
use crate::pg::bgworker::{Cancellable, Hooks};
use crate::pg::dsm::Segment;
use crate::pg::error::{PgError, Result, level};
use crate::pg::latch;
use crate::pg::memory::Context;
use crate::pg::mq::Queue;
use crate::pg::{bgworker, entry, identity, shmem, statement};
use crate::point;
use crate::registry::{Rest, Then};
use crate::settings;
use logic::job::state::State;
use logic::registry::layout::MAPPED;
use logic::segment::header::Reply;
use logic::sqlstate;
use logic::wire::report::{Field, Report};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// The last words of a FATAL error, which has no other way to the outcome.
static LAST_WORDS: Mutex<Option<Report>> = Mutex::new(None);

/// The segment of a job that was offered to this worker, as long as it is not its current one: should the process end then, its
/// launcher hears of what.
static OFFERED: Mutex<Option<Arc<Segment>>> = Mutex::new(None);

/// `handle` names the first job's segment. The launcher keeps it mapped until the queue has a writer, so a segment that is gone
/// means a launcher that gave up: it has told nobody of the job.
pub fn run(handle: u32) -> Result<()> {
    run_jobs(handle).inspect_err(|error| *LAST_WORDS.lock() = Some(error.report()))
}

fn run_jobs(handle: u32) -> Result<()> {
    bgworker::accept_signals()?;
    entry::install_panic_hook();
    let Some(segment) = Segment::attach(handle)? else {
        return Ok(());
    };
    bgworker::install_hooks(Hooks { message, exit })?;
    let place = if segment.header().slot().is_some() { Registration::take(&segment.header().identity)? } else { None };
    let Some(current) = take(&segment, place, Start::New)? else {
        return Ok(());
    };
    let trees = Context::new(c"pg_background statements")?;
    let mut kept = MappedSegments::default();
    kept.put(&segment);
    let Some(mut session) = first(&current, &trees, kept.handles())? else {
        return Ok(());
    };
    drop(current);
    let Some(place) = place else {
        return Ok(());
    };
    drop(segment);
    while session.is_ready(place, kept.handles())? {
        let next = idle::wait(place, &mut session.baseline, &mut kept, session.began_in_recovery)?;
        let Next::Job(handle, pinned) = next else {
            break;
        };
        let segment = place.map(kept.take(handle), handle, pinned)?;
        *OFFERED.lock() = Some(Arc::clone(&segment));
        kept.put(&segment);
        point::reach("take")?;
        let current = take(&segment, Some(place), Start::Warm)?;
        *OFFERED.lock() = None;
        if let Some(current) = current {
            if !session.work(&current, &trees, kept.handles())? {
                break;
            }
        }
    }
    Ok(())
}

/// Takes the job in the segment; `None` when its launcher has given it up.
///
/// What can fail comes before: a job that a warm worker has not taken yet can still be given back with a word, or goes to another
/// process. In a new process the queue comes last, for its being attached tells the launcher that the worker has the job.
fn take(segment: &Arc<Segment>, place: Option<Registration>, start: Start) -> Result<Option<Arc<Current>>> {
    let header = segment.header();
    let muted = header.identity.wants_results != 1;
    let slot = match (place, header.slot()) {
        (Some(place), Some(slot)) => place.job(slot),
        _ => None,
    };
    let current = Current::new(Arc::clone(segment), slot, place, Sender::new(None, muted));
    let attach = |queue| {
        current.with_sender(|sender| {
            sender.attach(queue);
            Ok(())
        })
    };
    if start == Start::Warm {
        // Nothing of Rust's is allocated from here until the job is taken: that ends the process without a detachment, which
        // would come when the launcher has made the queue anew for another.
        attach(Queue::appointed_writer(segment)?)?;
    }
    if let (Some(place), Some(slot)) = (place, header.slot()) {
        if !place.take_job(slot, header.identity.cookie)? {
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

/// The session of a worker that may run more than one job.
struct Session {
    baseline: Baseline,
    jobs: i64,
    began_in_recovery: bool,
}

/// Connects and runs the first job. `None` when the process is of no use for another.
fn first(current: &Current, trees: &Context, mapped: [u32; MAPPED]) -> Result<Option<Session>> {
    match connect(current) {
        Ok(mut session) => Ok(session.work(current, trees, mapped)?.then_some(session)),
        Err(error) => {
            failed(current, &error)?;
            outcome::leave(current, Then::Leave)?;
            Ok(None)
        }
    }
}

fn connect(current: &Current) -> Result<Session> {
    let header = current.segment.header();
    identity::connect(&header.identity)?;
    if let Some(place) = current.place {
        place.show_key(&header.identity, current.segment.bytes(header.client_info))?;
    }
    let baseline = Baseline::new()?;
    if let (Some(place), Some(library)) = (current.place, baseline.unfit_library()) {
        place.show_library(library)?;
    }
    Ok(Session { baseline, jobs: 0, began_in_recovery: identity::is_in_recovery() })
}

impl Session {
    /// Runs the job to its end, and hands over what became of it. False when the process must end.
    fn work(&mut self, current: &Current, trees: &Context, mapped: [u32; MAPPED]) -> Result<bool> {
        self.jobs += 1;
        let ran = match self.baseline.restore(&current.segment) {
            Ok(Restored::Refused) => match serve_signals() {
                Ok(()) => return refuse(current).map(|()| false),
                Err(error) => Err(error),
            },
            Ok(Restored::Yes) => {
                accept(current);
                job(current, trees)
            }
            Err(error) => Err(error),
        };
        if let Err(error) = ran {
            failed(current, &error)?;
        }
        let goes_on = current.slot.is_some()
            && self.jobs < settings::worker_max_jobs()
            && settings::max_idle_workers() > 0
            && self.baseline.unfit_library().is_none()
            && !bgworker::is_asked_to_leave();
        let then = if goes_on { self.then(current, mapped)? } else { Then::Leave };
        outcome::leave(current, then)?;
        // with other jobs about, the processor goes round anyway
        if current.place.is_none_or(|place| place.registry().running() == 0) {
            outcome::make_way();
        }
        trees.reset()?;
        Ok(goes_on)
    }

    /// A launcher that sleeps is worth a look before it is woken: it need not hear from this worker when its next job comes.
    fn then(&mut self, current: &Current, mapped: [u32; MAPPED]) -> Result<Then> {
        let sleeps = current.slot.is_some_and(|slot| shmem::is_asleep(slot.launcher_proc.load(Relaxed)));
        Ok(Then::Reset {
            promised: sleeps && self.baseline.is_clean()?,
            settings: self.baseline.settings_hash(),
            mapped,
        })
    }

    /// Makes the session as new, and says so. False when that cannot be, or when nobody wants another job of this worker.
    fn is_ready(&mut self, place: Registration, mapped: [u32; MAPPED]) -> Result<bool> {
        if let Verdict::Retire(reason) = self.baseline.reset()? {
            statement::debug(&format!("background worker ends: {reason}"))?;
            idle::decline(place)?;
            return Ok(false);
        }
        // all of them: the next job would find what is held back in pg_stat_xact_...
        statement::send_statistics()?;
        bgworker::show_idle()?;
        Ok(place.rest(self.baseline.settings_hash(), mapped)? != Rest::Leave)
    }
}

/// The launcher that waits to hear it is told that this worker runs its job.
fn accept(current: &Current) {
    let header = current.segment.header();
    if header.reply() == Reply::Awaited {
        header.accept();
        wake_launcher(current);
    }
}

/// Who has seen this process with the job and has cancelled or terminated it means the job, which is not to run elsewhere then.
fn serve_signals() -> Result<()> {
    point::reach("refuse")?;
    let cancellable = Cancellable::new();
    let served = latch::check_for_interrupts();
    drop(cancellable);
    served
}

/// This session cannot become the launcher's. Nothing of the job has been done.
fn refuse(current: &Current) -> Result<()> {
    let header = current.segment.header();
    if header.reply() == Reply::NotAwaited {
        // the launcher compared its settings with this session's, and found them equal
        let error = PgError::new(sqlstate::INTERNAL_ERROR, "worker could not take over the session's settings");
        failed(current, &error)?;
        return outcome::leave(current, Then::Leave);
    }
    current.with_sender(|sender| {
        sender.leave();
        Ok(())
    })?;
    current::clear();
    // The launcher needs no other word. From here on the segment is its own.
    current.place.map_or(Ok(()), Registration::refuse)
}

fn wake_launcher(current: &Current) {
    if let Some(slot) = current.slot {
        shmem::wake(slot.launcher_proc.load(Relaxed));
    }
}

fn job(current: &Current, trees: &Context) -> Result<()> {
    // From here on a cancel is the server's business; one that came before is found before the first statement.
    let cancellable = Cancellable::new();
    current.start(identity::now());
    let script = statements::begin(current, trees)?;
    let done = statements::run(current, &script)?;
    drop(cancellable);
    // Nothing between the commit and here serves an interrupt: a job that has committed is never called failed.
    let sent = outcome::success(current, &done);
    statement::stop_timeout()?;
    script.log_duration(current.detail())?;
    sent
}

fn failed(current: &Current, error: &PgError) -> Result<()> {
    let mut report = error.report();
    if outcome::timed_out(current, &report) {
        // the server only knows of a statement's timeout
        let limit = current.segment.header().identity.worker_timeout;
        report.set(Field::Detail, format!("The job ran longer than pg_background.worker_timeout ({limit} ms)."));
    }
    // The log first, as a session does: the statement is still known.
    error.log(current.detail());
    statement::forget_interrupts()?;
    statement::abort()?;
    outcome::failure(current, report, Full::Wait)
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

/// The process ends. If its job has no outcome yet, it is what the process died of.
fn exit() -> Result<()> {
    let words = LAST_WORDS.lock().take();
    let report = || words.clone().unwrap_or_else(|| errors::lost_worker(identity::process_id()));
    let last_job = current::get().map_or(Ok(()), |current| {
        if !current.segment.header().is_final() {
            outcome::failure(&current, report(), Full::Leave)?;
        }
        outcome::leave(&current, Then::Leave)
    });
    let offered = OFFERED.lock().take();
    registration::give_back(offered.as_deref(), report)?;
    last_job
}
