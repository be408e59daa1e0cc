//! The job that this process runs, for code that the server calls and that is handed nothing: message and exit
//! callbacks, and `pg_background_progress()`.
//!
//! No lock here is held while the server is called: what it calls back would wait for it forever, and an ERROR would
//! leave it locked.

use super::usage::Meter;
use crate::channel::Sender;
use crate::pg::dsm::Segment;
use crate::pg::encoding::clip;
use crate::pg::error::Result;
use crate::pg::signal_cell::SignalCell;
use crate::pg::signals::{self, EarlyTermination};
use crate::pg::ticks;
use crate::process;
use crate::registry::Registration;
use crate::settings;
use logic::decimal;
use logic::estimate::Estimate;
use logic::estimate::job::{JobProgress, Shown};
use logic::job::automatic::PHASE_SIZE;
use logic::job::progress::Progress;
use logic::job::state::Stop;
use logic::job::usage::Usage;
use logic::registry::layout::JobSlot;
use logic::segment::header::Identity;
use logic::wire::extras::Extras;
use logic::wire::report::Report;
use parking_lot::Mutex;
use std::ffi::CString;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::Relaxed};

/// A job that this process has taken, or is about to take.
pub struct Current {
    pub segment: Arc<Segment>,
    /// The job's slot in the registry, if there is one.
    pub slot: Option<&'static JobSlot>,
    /// This process's entry in the registry, if there is one.
    pub registration: Option<Registration>,
    /// `None` while it is used: a send can throw, can wait, and can raise a message that is to be sent.
    sender: Mutex<Option<Box<Sender>>>,
    /// Messages that were raised while the sender was in use, to be sent after that.
    missed: Mutex<Vec<Vec<u8>>>,
    /// How many characters of the job's text lie before the statement that runs, where that is a text of its own:
    /// positions in its errors and messages count from there.
    start: AtomicI32,
    /// Automatic progress: what was shown so far.
    progress: SignalCell<JobProgress>,
    meter: Meter,
    /// The log has its line of the job's end, or need not have it.
    pub is_end_logged: AtomicBool,
    /// Names the job in log lines.
    pub detail: CString,
}

static CURRENT: Mutex<Option<Arc<Current>>> = Mutex::new(None);

/// The same, for a signal handler, which may not wait for a lock.
static OBSERVED: SignalCell<Option<Arc<Current>>> = SignalCell::new(None);

/// Does a job run that shows its progress, by what its settings were at its beginning?
static IS_OBSERVABLE: AtomicBool = AtomicBool::new(false);

/// Does this process run a job that shows its progress? A load.
pub fn is_observable() -> bool {
    IS_OBSERVABLE.load(Relaxed)
}

/// Observes the job from now on, if its settings want that: they are the job's own by now, and it keeps what they say.
pub fn observe() {
    IS_OBSERVABLE.store(settings::auto_progress(), Relaxed);
}

static IS_COMMITTING: AtomicBool = AtomicBool::new(false);

/// Is the job at its commit, or at that of a statement of its own? What runs then, as checks that were deferred do, is
/// none of its statements.
pub fn is_committing() -> bool {
    IS_COMMITTING.load(Relaxed)
}

/// Runs `commit`, which is the commit.
pub fn committing(commit: impl FnOnce() -> Result<()>) -> Result<()> {
    IS_COMMITTING.store(true, Relaxed);
    let done = commit();
    IS_COMMITTING.store(false, Relaxed);
    done
}

/// Shows what was observed of the job that this process runs, if there is one. Allocates, locks and throws nothing.
pub fn show_estimate(estimate: &Estimate) {
    OBSERVED.with(|current| {
        if let Some(current) = current {
            current.show(|progress| Some(progress.update(estimate)));
        }
    });
}

/// The job that this process runs; `None` between two jobs, and in a process that is no worker.
pub fn get() -> Option<Arc<Current>> {
    CURRENT.lock().clone()
}

/// How this process has come to the job.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The process was started for the job.
    New,
    /// The process was idle, or at the end of another job, and was offered the job.
    Warm,
}

impl Current {
    /// All that a job needs, made before it is taken: from then on nothing may fail because memory is short.
    pub fn new(
        segment: Arc<Segment>,
        slot: Option<&'static JobSlot>,
        registration: Option<Registration>,
        sender: Sender,
    ) -> Arc<Self> {
        let detail = detail(&segment);
        Arc::new(Self {
            segment,
            slot,
            registration,
            sender: Mutex::new(Some(Box::new(sender))),
            missed: Mutex::new(Vec::new()),
            start: AtomicI32::new(0),
            progress: SignalCell::new(JobProgress::new()),
            meter: Meter::default(),
            is_end_logged: AtomicBool::new(false),
            detail: CString::new(detail).unwrap_or_default(),
        })
    }
}

/// The line that names a job in the log, with its label in quotes.
fn detail(segment: &Segment) -> Vec<u8> {
    let header = segment.header();
    let (cookie, launcher) = (header.identity.cookie, header.identity.launcher_pid);
    let label = Extras::decode(segment.bytes(header.extras)).map_or(&b""[..], |extras| extras.label);
    // with the longest numbers, and the NUL
    let mut detail = Vec::with_capacity(96 + label.len());
    detail.extend_from_slice(b"pg_background job ");
    decimal::append(cookie, &mut detail);
    if !label.is_empty() {
        for part in [b" \"", label, b"\""] {
            detail.extend_from_slice(part);
        }
    }
    detail.extend_from_slice(b" launched by process ");
    decimal::append(launcher.into(), &mut detail);
    detail
}

/// Makes the job, which was taken, the one that this process runs. Cancels, terminations and stop requests reach it
/// from here on.
///
/// A termination that came before is the job's if the process was started for it: the process is to end. It is the
/// job's also in a worker that was dismissed, for a command (DROP DATABASE, say) waits for all its processes. Otherwise
/// it was meant for the idle worker, which ends after the job.
pub fn set(current: &Arc<Current>, start: Start) {
    let has_to_end = start == Start::New
        || current.registration.is_some_and(|registration| registration.registry.is_dismissed(registration.worker));
    let early = if has_to_end { EarlyTermination::EndsJob } else { EarlyTermination::Waits };
    let other = current.slot.map(JobSlot::stop_flag);
    *CURRENT.lock() = Some(Arc::clone(current));
    process::set_in_job(true);
    OBSERVED.with(|observed| *observed = Some(Arc::clone(current)));
    signals::begin_job(Arc::clone(&current.segment), other, early);
}

/// Forgets the job. After the sender has left the queue; the segment is its launcher's alone from that moment on.
pub fn clear() {
    signals::end_job();
    // It fails where no timer can be had at all, and then there is none.
    let _ = ticks::stop();
    process::set_in_job(false);
    IS_OBSERVABLE.store(false, Relaxed);
    let job = (CURRENT.lock().take(), OBSERVED.with(Option::take));
    drop(job);
}

impl Current {
    /// What the launcher or another session asks of the job: the stronger of the two requests.
    pub fn stop(&self) -> Stop {
        let others = self.slot.map_or(Stop::No, JobSlot::stop);
        self.segment.header().stop().max(others)
    }

    /// Notes where the statement begins that runs from now on, in characters of the job's text.
    pub fn set_start(&self, characters: i32) {
        self.start.store(characters, Relaxed);
    }

    /// Makes the position in a message of the statement one in the job's text.
    pub fn place(&self, report: &mut Report) {
        if report.cursor > 0 {
            report.cursor += self.start.load(Relaxed);
        }
    }

    /// Who launched the job.
    pub fn identity(&self) -> &Identity {
        &self.segment.header().identity
    }

    /// The job's label; empty without one.
    pub fn label(&self) -> Result<Vec<u8>> {
        let extras = self.segment.bytes(self.segment.header().extras);
        Ok(Extras::decode(extras)?.label.to_vec())
    }

    /// Uses the sender, then sends the messages that came meanwhile. `None` if a function further up the stack is using
    /// the sender.
    pub fn with_sender<R>(&self, body: impl FnOnce(&mut Sender) -> Result<R>) -> Result<Option<R>> {
        let Some(mut sender) = self.sender.lock().take() else {
            return Ok(None);
        };
        let mut result = body(&mut sender);
        if result.is_ok() {
            let missed = std::mem::take(&mut *self.missed.lock());
            for report in missed {
                if let Err(error) = sender.notice(&report) {
                    result = Err(error);
                    break;
                }
            }
        }
        if let Some(slot) = self.slot.filter(|_| sender.spooled() > 0) {
            slot.spooled.store(i64::try_from(sender.spooled()).unwrap_or(i64::MAX), Relaxed);
        }
        *self.sender.lock() = Some(sender);
        result.map(Some)
    }

    /// Sends a message of the job, at once or when the present use of the sender ends.
    pub fn notice(&self, report: Vec<u8>) -> Result<()> {
        if self.with_sender(|sender| sender.notice(&report))?.is_none() {
            // it grows outside of the lock: memory that runs out ends the process, and then its callbacks ask for it
            let mut missed = std::mem::take(&mut *self.missed.lock());
            missed.push(report);
            *self.missed.lock() = missed;
        }
        Ok(())
    }

    /// Shows the job's progress to the launcher and in the view; `None` keeps the percentage.
    pub fn report_progress(&self, percent: Option<i32>, message: &[u8]) {
        let message = &message[..clip(message, Progress::MAX_MESSAGE)];
        self.segment.header().progress.set(percent, message);
        if let Some(slot) = self.slot {
            slot.progress.set(percent, message);
        }
    }

    /// A statement has ended well: with its rows, if they are known.
    pub fn end_statement(&self, rows: Option<u64>) {
        let rows = rows.and_then(|rows| i64::try_from(rows).ok());
        self.show(|progress| progress.end(rows));
    }

    fn show(&self, what: impl FnOnce(&mut JobProgress) -> Option<Shown>) {
        self.progress.with(|progress| {
            if let Some(shown) = what(progress) {
                self.show_automatic(shown.hundredths, shown.rows, shown.rows_estimated, shown.phase.bytes());
            }
        });
    }

    /// Shows what was observed of the job. Allocates nothing and does not throw.
    fn show_automatic(&self, hundredths: Option<i32>, rows: Option<i64>, estimated: Option<i64>, phase: &[u8]) {
        let phase = &phase[..clip(phase, PHASE_SIZE)];
        self.segment.header().automatic.set(hundredths, rows, estimated, phase);
        if let Some(slot) = self.slot {
            slot.automatic.set(hundredths, rows, estimated, phase);
        }
    }

    /// Notes that the job runs, since `now`.
    pub fn start(&self, now: i64) {
        self.meter.start();
        self.segment.header().start(now);
        if let Some(slot) = self.slot {
            slot.start(now);
        }
    }

    /// Measures what the job has used, at its end.
    pub fn measure(&self) -> Usage {
        self.meter.end()
    }

    /// Shows that statement `n` of `of` begins, by its command tag.
    pub fn show_statement(&self, n: usize, of: usize, command: u32) {
        self.progress.with(|progress| progress.begin(n as u32, of as u32));
        self.segment.header().show_statement(n as u32, of as u32);
        if let Some(slot) = self.slot {
            slot.show_statement(n as u32, of as u32, command);
        }
    }

    /// Shows how many rows the last statement returned or changed.
    pub fn show_rows(&self, rows: u64) {
        let rows = i64::try_from(rows).unwrap_or(i64::MAX);
        self.segment.header().show_rows(rows);
        if let Some(slot) = self.slot {
            slot.show_rows(rows);
        }
    }
}
