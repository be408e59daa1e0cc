//! What SIGINT, SIGTERM and SIGUSR2 do to a worker, and the job that they mean.
//!
//! A signal names a process; its sender means what that process does. So the handlers look where everybody else
//! looks: in the worker's slot in the registry. From the moment that the slot shows a job (its handle is set) until
//! the job has ended there (the worker is not busy any more) a signal means that job, whatever the worker has come to
//! by then.
//!
//! - Suppose a launcher is sure of an idle worker: its launch has returned, the view shows the worker's pid, and the
//!   worker has not woken up. `pg_cancel_backend` comes. The slot says *claimed*, with a handle: the signal is the
//!   coming job's. It is noted, and [`begin_job`] makes it a cancel that the first statement finds.
//! - Suppose the worker has taken its job in the registry and is on its way to `begin_job`. The slot says *busy*: the
//!   same.
//! - Suppose `pg_terminate_backend` comes when the job has committed, and the registry does not know yet. The slot
//!   still says *busy*: the signal is the job's. It comes too late to end it; [`end_job`] turns it into a wish that
//!   the process leaves, so that it does not end the next job.
//! - Suppose the worker resets its session or is idle. There is no job: SIGINT does nothing, SIGTERM asks the process
//!   to leave.
//! - Suppose the job is gone before its worker could take it. [`forget_coming_job`] drops the cancel that was noted
//!   for it, and turns a termination into the wish to leave.
//!
//! Without a registry there is no slot, and a worker runs one job: a signal means the job from `begin_job` to
//! `end_job`.
//!
//! Handlers interrupt this one thread anywhere. They touch atomics, set the latch or go on in the server's own
//! handler, and do nothing else: no allocation, no lock, no guard, nothing that can panic.

use super::compat::signal_handler;
use super::dsm::Segment;
use super::error::Result;
use super::exit;
use super::guard::guard;
use super::sys;
use logic::job::state::Stop;
use logic::registry::layout::Activity;
use parking_lot::Mutex;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering::SeqCst};

/// A word of shared memory that the handlers read; none, or one that stays mapped until it is replaced here, at the
/// latest by `forget_words`.
struct Word(AtomicPtr<AtomicU32>);

impl Word {
    const fn none() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    fn set(&self, word: Option<&AtomicU32>) {
        self.0.store(word.map_or(ptr::null_mut(), |word| ptr::from_ref(word).cast_mut()), SeqCst);
    }

    fn is_set(&self) -> bool {
        !self.0.load(SeqCst).is_null()
    }

    fn value(&self) -> Option<u32> {
        // SAFETY: null, or mapped: see above.
        unsafe { self.0.load(SeqCst).as_ref() }.map(|word| word.load(SeqCst))
    }
}

/// This worker's slot in the registry: what it does, and the job that it was given. None before it has a slot.
static ACTIVITY: Word = Word::none();
static HANDLE: Word = Word::none();

/// Where the running job's launcher, and where other sessions ask it to stop. The first is there from `begin_job` to
/// `end_job`.
static STOP: Word = Word::none();
static OTHER_STOP: Word = Word::none();

/// True while a job's statements run.
static IS_CANCELLABLE: AtomicBool = AtomicBool::new(false);
/// A cancel came for the running job while no statement ran; the next one finds it.
static CANCEL_WAITS: AtomicBool = AtomicBool::new(false);
/// A cancel came for the job that the worker was given and has not begun.
static COMING_CANCEL: AtomicBool = AtomicBool::new(false);
/// Likewise a termination.
static COMING_TERMINATION: AtomicBool = AtomicBool::new(false);
/// The first of a lock timeout's two SIGINTs has come.
static SECOND_COMES: AtomicBool = AtomicBool::new(false);
/// The process was told to end while it had no job.
static LEAVE_ASKED: AtomicBool = AtomicBool::new(false);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    /// There is no job, or it has ended.
    Process,
    /// The job that runs.
    Job,
    /// The job that the worker was given and has not begun.
    ComingJob,
}

/// Whom a signal means that comes now.
fn target() -> Target {
    let has_begun = STOP.is_set();
    let Some(activity) = ACTIVITY.value() else {
        return if has_begun { Target::Job } else { Target::Process };
    };
    if activity == Activity::Busy as u32 {
        return if has_begun { Target::Job } else { Target::ComingJob };
    }
    // The handle is set after the activity and reset before it, and is read after it.
    let is_given = activity == Activity::Claimed as u32 && HANDLE.value().is_some_and(|handle| handle != 0);
    if is_given { Target::ComingJob } else { Target::Process }
}

fn is_job_asked_to_stop() -> bool {
    [&STOP, &OTHER_STOP].iter().any(|word| word.value().is_some_and(|stop| stop >= Stop::Now as u32))
}

/// SIGINT, which is `pg_cancel_backend`'s: cancels the job while its statements run. One that comes earlier waits for
/// the first statement, one that comes later does nothing. Returns the server's handler that is to go on.
///
/// SIGINT is also what this process sends itself when `lock_timeout` passes. Suppose that it waits for a lock on its
/// way to the next job, to look up a role say: that is no statement of the job, and the job is not cancelled for it.
fn on_interrupt() -> sys::pqsigfunc {
    let target = target();
    if target == Target::Job && IS_CANCELLABLE.load(SeqCst) {
        return Some(sys::StatementCancelHandler);
    }
    if !take_lock_timeout_signal() {
        match target {
            Target::Job => CANCEL_WAITS.store(true, SeqCst),
            Target::ComingJob => COMING_CANCEL.store(true, SeqCst),
            Target::Process => {}
        }
    }
    None
}

/// Is this SIGINT one of those that the server sends when `lock_timeout` passes? They are two, one to the group of the
/// process and one to the process, which is the group's leader; both come before the timeout's handler has returned.
/// That handler does not interrupt this one (see `pgbg_set_handler`), so a cancel that comes with them is noted first.
fn take_lock_timeout_signal() -> bool {
    // SAFETY: reads and writes a flag of this process; async-signal-safe.
    let is_first = unsafe { sys::get_timeout_indicator(sys::TimeoutId_LOCK_TIMEOUT, true) };
    SECOND_COMES.swap(is_first, SeqCst) || is_first
}

/// SIGUSR2, which is this library's: some job was asked to stop. It may be one that has ended by now; the flags of
/// the running job say whether it is this one.
fn on_stop() -> sys::pqsigfunc {
    if IS_CANCELLABLE.load(SeqCst) && is_job_asked_to_stop() { Some(sys::StatementCancelHandler) } else { None }
}

/// SIGTERM, which is `pg_terminate_backend`'s, `DROP DATABASE … WITH (FORCE)`'s and the postmaster's.
fn on_terminate() -> sys::pqsigfunc {
    match target() {
        Target::Job => return Some(sys::die),
        Target::ComingJob => COMING_TERMINATION.store(true, SeqCst),
        Target::Process => LEAVE_ASKED.store(true, SeqCst),
    }
    // SAFETY: async-signal-safe, and leaves errno as it was.
    unsafe { sys::pgbg_set_my_latch() };
    None
}

signal_handler!(handle_interrupt, on_interrupt);
signal_handler!(handle_stop, on_stop);
signal_handler!(handle_terminate, on_terminate);

/// Sets the handlers and lets signals in. They were blocked since the process began, so none was lost.
pub fn accept() -> Result<()> {
    // Registered before all others, and so called after them, also when one of them ends in an ERROR.
    exit::at_exit(forget_words)?;
    // SAFETY: handlers that are async-signal-safe.
    guard(|| unsafe {
        sys::pgbg_set_handler(libc::SIGINT, Some(handle_interrupt));
        sys::pgbg_set_handler(libc::SIGTERM, Some(handle_terminate));
        sys::pgbg_set_handler(libc::SIGHUP, Some(sys::SignalHandlerForConfigReload));
        sys::pgbg_set_handler(libc::SIGUSR2, Some(handle_stop));
        sys::BackgroundWorkerUnblockSignals();
    })
}

/// The process ends. Suppose the registry is in a segment of its own (17 and later, not preloaded), or an ERROR has
/// kept the exit from ending the job: the server is about to unmap what the words point to, and signals may come until
/// the process is gone.
#[allow(clippy::unnecessary_wraps)] // as the exit's callbacks are
fn forget_words() -> Result<()> {
    for word in [&STOP, &OTHER_STOP, &ACTIVITY, &HANDLE] {
        word.set(None);
    }
    Ok(())
}

/// Tells the handlers this process's slot in the registry, which stays mapped until the process ends. Once.
pub fn watch_slot(activity: &'static AtomicU32, handle: &'static AtomicU32) {
    HANDLE.set(Some(handle));
    ACTIVITY.set(Some(activity));
}

/// The segment that holds the job's flag, kept mapped while the handlers look there.
static JOB: Mutex<Option<Arc<Segment>>> = Mutex::new(None);

/// What becomes of a termination that came while this process had no job, and before anybody could have seen it with
/// one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum EarlyTermination {
    /// It ends the job as well: the process was started for this job, or its database must be left.
    EndsJob,
    /// It was meant for the idle worker, which leaves after the job.
    Waits,
}

/// From here on this process has a job, which its launcher asks to stop in the segment, and other sessions at
/// `other`. What came for the job before is its own.
pub fn begin_job(segment: Arc<Segment>, other: Option<&'static AtomicU32>, early: EarlyTermination) {
    OTHER_STOP.set(other);
    STOP.set(Some(segment.header().stop_flag()));
    // the flag's address stays the same
    *JOB.lock() = Some(segment);
    if COMING_CANCEL.swap(false, SeqCst) {
        CANCEL_WAITS.store(true, SeqCst);
    }
    if COMING_TERMINATION.swap(false, SeqCst) {
        die_with_job();
    }
    if is_asked_to_leave() && (early == EarlyTermination::EndsJob || is_server_stopping()) {
        die_with_job();
    }
}

/// The termination of the process is the job's as well: the next interrupt check ends both.
fn die_with_job() {
    // SAFETY: flags of this process, which the server's handlers write too.
    unsafe {
        (&raw mut sys::ProcDiePending).write_volatile(1);
        (&raw mut sys::InterruptPending).write_volatile(1);
    }
}

/// The job that this process was given is gone before it has begun. Under the registry's lock: nobody can give it
/// another meanwhile.
pub fn forget_coming_job() {
    COMING_CANCEL.store(false, SeqCst);
    if COMING_TERMINATION.swap(false, SeqCst) {
        LEAVE_ASKED.store(true, SeqCst);
    }
}

/// After the job has ended in the registry: a signal that comes from then on is not this job's.
pub fn end_job() {
    STOP.set(None);
    OTHER_STOP.set(None);
    CANCEL_WAITS.store(false, SeqCst);
    if is_dying() {
        // SAFETY: a flag of this process.
        unsafe { (&raw mut sys::ProcDiePending).write_volatile(0) };
        LEAVE_ASKED.store(true, SeqCst);
    }
    serve_barrier();
    let segment = JOB.lock().take();
    drop(segment);
}

/// Makes the next interrupt check accept a barrier that waits to be accepted.
///
/// Suppose that the job's cancel and the barrier of another session's DROP DATABASE come in one moment.
/// `ProcessInterrupts` clears `InterruptPending` and throws the cancel's error before it comes to the barrier. Without
/// this, the worker would be idle, and DROP DATABASE would wait, until something else interrupts the worker.
fn serve_barrier() {
    // SAFETY: flags of this process, which the server's handlers write too.
    unsafe {
        if (&raw const sys::ProcSignalBarrierPending).read_volatile() != 0 {
            (&raw mut sys::InterruptPending).write_volatile(1);
        }
    }
}

fn is_dying() -> bool {
    // SAFETY: a flag of this process.
    unsafe { (&raw const sys::ProcDiePending).read_volatile() != 0 }
}

/// Has the postmaster begun to shut down? It says so in its file before it signals anybody. When the file cannot be
/// read, the answer is yes: the process is not to be in the way.
fn is_server_stopping() -> bool {
    // a server process works in the data directory
    let status = std::fs::read_to_string("postmaster.pid");
    status.map_or(true, |status| status.lines().any(|line| line.trim() == "stopping"))
}

/// Was this process told to end?
pub fn is_asked_to_leave() -> bool {
    LEAVE_ASKED.load(SeqCst) || is_dying()
}

/// Lets cancels through, until dropped.
pub struct Cancellable(());

impl Cancellable {
    pub fn new() -> Self {
        IS_CANCELLABLE.store(true, SeqCst);
        if CANCEL_WAITS.load(SeqCst) || is_job_asked_to_stop() {
            // SAFETY: as in `die_with_job`.
            unsafe {
                (&raw mut sys::QueryCancelPending).write_volatile(1);
                (&raw mut sys::InterruptPending).write_volatile(1);
            }
        }
        Self(())
    }
}

impl Drop for Cancellable {
    fn drop(&mut self) {
        IS_CANCELLABLE.store(false, SeqCst);
        SECOND_COMES.store(false, SeqCst);
        // SAFETY: as above. A lock timeout that was too late for the last statement is not found at the next cancel.
        unsafe {
            (&raw mut sys::QueryCancelPending).write_volatile(0);
            sys::get_timeout_indicator(sys::TimeoutId_LOCK_TIMEOUT, true);
        }
    }
}

/// Tells a worker that a job was asked to stop; it looks whether that is the job that it runs.
pub fn interrupt(pid: i32) {
    // SAFETY: a signal to a process of this server.
    unsafe { libc::kill(pid, libc::SIGUSR2) };
}
