//! Background worker processes: registering one, and being one.

use super::dsm::Segment;
use super::entry::callback;
use super::error::{self, Result};
use super::guard::guard;
use super::memory::Entered;
use super::sys;
use logic::wire::report::Report;
use parking_lot::Mutex;
use std::ffi::{c_char, c_int};
use std::ptr::{self, NonNull};
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, OnceLock};

/// The library and the function that the postmaster's child calls.
const LIBRARY: &[u8] = b"pg_background";
pub const BACKEND_TYPE: &[u8] = b"pg_background";

/// A registered worker, as its launcher knows it.
pub struct Handle(NonNull<sys::BackgroundWorkerHandle>);

// SAFETY: a backend is one thread.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Drop for Handle {
    fn drop(&mut self) {
        let handle = self.0.as_ptr();
        // SAFETY: allocated by the registration, freed once.
        let _ = guard(|| unsafe { sys::pfree(handle.cast()) });
    }
}

fn copy_name(to: &mut [c_char], from: &[u8]) {
    let len = from.len().min(to.len() - 1);
    for (to, from) in to.iter_mut().zip(&from[..len]) {
        *to = *from as c_char;
    }
}

impl Handle {
    /// Asks the postmaster for a worker that runs `function` of this library with `argument`. `None`: no slot is free.
    /// This process's latch is set when the worker has started and when its slot is free again.
    pub fn register(name: &[u8], function: &[u8], argument: u32) -> Result<Option<Self>> {
        // SAFETY: all-zero is a valid BackgroundWorker.
        let mut worker: sys::BackgroundWorker = unsafe { std::mem::zeroed() };
        worker.bgw_flags = (sys::BGWORKER_SHMEM_ACCESS | sys::BGWORKER_BACKEND_DATABASE_CONNECTION) as c_int;
        // also on a hot standby
        worker.bgw_start_time = sys::BgWorkerStartTime_BgWorkerStart_ConsistentState;
        worker.bgw_restart_time = sys::BGW_NEVER_RESTART;
        copy_name(&mut worker.bgw_library_name, LIBRARY);
        copy_name(&mut worker.bgw_function_name, function);
        copy_name(&mut worker.bgw_name, name);
        copy_name(&mut worker.bgw_type, BACKEND_TYPE);
        worker.bgw_main_arg = argument as sys::Datum;
        // SAFETY: reads a variable.
        worker.bgw_notify_pid = unsafe { sys::MyProcPid };
        let (worker, mut handle) = (&raw mut worker, ptr::null_mut());
        let session = Entered::session();
        // SAFETY: the server copies the struct.
        let registered = guard(|| unsafe { sys::RegisterDynamicBackgroundWorker(worker, &raw mut handle) })?;
        drop(session);
        Ok(if registered { NonNull::new(handle).map(Self) } else { None })
    }

    pub(super) fn as_ptr(&self) -> *mut sys::BackgroundWorkerHandle {
        self.0.as_ptr()
    }

    /// Has the postmaster given the slot to nobody or to somebody else since?
    pub fn is_gone(&self) -> bool {
        let (handle, mut pid) = (self.0.as_ptr(), 0);
        // SAFETY: a live handle.
        let status = guard(|| unsafe { sys::GetBackgroundWorkerPid(handle, &raw mut pid) });
        !matches!(status, Ok(sys::BgwHandleStatus_BGWH_STARTED | sys::BgwHandleStatus_BGWH_NOT_YET_STARTED))
    }

    /// Sends the worker SIGTERM through the postmaster, or keeps it from starting.
    pub fn terminate(&self) {
        let handle = self.0.as_ptr();
        // SAFETY: a live handle.
        let _ = guard(|| unsafe { sys::TerminateBackgroundWorker(handle) });
    }
}

/// Tells a worker that a job was asked to stop; it looks whether it is the one that it runs.
pub fn interrupt(pid: i32) {
    // SAFETY: a signal to another process of ours.
    unsafe { libc::kill(pid, libc::SIGUSR2) };
}

/// The segment in which the signal handlers look.
static JOB: Mutex<Option<Arc<Segment>>> = Mutex::new(None);

/// This process's slot in the registry: signal handlers find out there whom a signal means. `activity` and `handle`: see
/// `logic/registry/layout.rs`. Once.
pub fn watch_slot(activity: &'static AtomicU32, handle: &'static AtomicU32) {
    // SAFETY: shared memory that stays mapped as long as the process lives.
    unsafe { sys::pgbg_watch_slot(activity.as_ptr().cast_const(), handle.as_ptr().cast_const()) };
}

/// A termination that came while this process had no job, and before anybody could have seen it with one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum EarlyTermination {
    /// Is the job's as well: the process was started for it, or somebody needs the database empty.
    EndsJob,
    /// Was meant for the idle worker, which leaves after the job.
    Waits,
}

/// From here on this process has a job, which its launcher asks to stop in the segment, and others at `other`.
pub fn begin_job(segment: Arc<Segment>, other: Option<&'static AtomicU32>, early: EarlyTermination) {
    let stop = segment.header().stop_flag().as_ptr().cast_const();
    let other = other.map_or(ptr::null(), |flag| flag.as_ptr().cast_const());
    *JOB.lock() = Some(segment);
    // SAFETY: the segment is kept until `end_job`.
    unsafe { sys::pgbg_begin_job(stop, other) };
    if is_asked_to_leave() && (early == EarlyTermination::EndsJob || is_server_stopping()) {
        // SAFETY: writes variables of this process.
        unsafe { sys::pgbg_die_with_job() };
    }
}

/// The job that this process was given is gone before it has begun. Under the registry's lock: nobody can give it another
/// meanwhile.
pub fn forget_coming_job() {
    // SAFETY: writes variables of this process.
    unsafe { sys::pgbg_forget_coming_job() };
}

/// After the job has ended in the registry.
pub fn end_job() {
    // SAFETY: writes variables of this process.
    unsafe { sys::pgbg_end_job() };
    let segment = JOB.lock().take();
    drop(segment);
}

/// Has the postmaster begun to shut down? It says so in its file before it signals anybody. A file that cannot be read is no reason
/// to be in the way.
fn is_server_stopping() -> bool {
    // a server process works in the data directory
    let status = std::fs::read_to_string("postmaster.pid");
    status.map_or(true, |status| status.lines().any(|line| line.trim() == "stopping"))
}

/// Was this process told to end?
pub fn is_asked_to_leave() -> bool {
    // SAFETY: reads variables of this process.
    unsafe { sys::pgbg_is_asked_to_leave() }
}

/// What a session does between commands: catches up with invalidations, reads the configuration again. Outside a
/// transaction. True when the configuration was read.
pub fn serve_idle() -> Result<bool> {
    // SAFETY: no transaction is open.
    guard(|| unsafe { sys::pgbg_serve_idle() })
}

/// In the process title.
pub fn show_idle() -> Result<()> {
    // SAFETY: a static string.
    guard(|| unsafe { sys::pgbg_ps_display(c"idle".as_ptr()) })
}

/// Calls `callback` when this process ends, in the order of the last first.
pub fn at_exit(callback: fn() -> Result<()>) -> Result<()> {
    let argument = callback as usize as sys::Datum;
    // SAFETY: the function gets back what it is given here.
    guard(|| unsafe { sys::before_shmem_exit(Some(exit_callback), argument) })
}

unsafe extern "C-unwind" fn exit_callback(_code: c_int, argument: sys::Datum) {
    // SAFETY: `at_exit` passed such a function.
    #[allow(clippy::unnecessary_cast)] // of another type since 19
    let function = unsafe { std::mem::transmute::<usize, fn() -> Result<()>>(argument as usize) };
    // SAFETY: the server's callback has no destructor.
    unsafe { callback(function) };
}

/// Lets cancels through, until dropped.
pub struct Cancellable(());

impl Cancellable {
    pub fn new() -> Self {
        // SAFETY: writes a flag of this process.
        unsafe { sys::pgbg_set_cancellable(true) };
        Self(())
    }
}

impl Drop for Cancellable {
    fn drop(&mut self) {
        // SAFETY: writes flags of this process.
        unsafe { sys::pgbg_set_cancellable(false) };
    }
}

/// Sets the signal handlers and lets signals in.
pub fn accept_signals() -> Result<()> {
    // SAFETY: handlers that are async-signal-safe.
    guard(|| unsafe { sys::pgbg_accept_signals() })
}

/// What to do with the job's messages, and at exit.
pub struct Hooks {
    pub message: fn(Report) -> Result<()>,
    pub exit: fn() -> Result<()>,
}

static HOOKS: OnceLock<Hooks> = OnceLock::new();

unsafe extern "C-unwind" fn on_message(message: *const sys::ErrorData) {
    // SAFETY: the server's callback has no destructor; the message lives as long as the call.
    unsafe {
        callback(|| match HOOKS.get() {
            Some(hooks) => (hooks.message)(error::report_of(&*message)),
            None => Ok(()),
        });
    }
}

/// Once per process. The exit hook runs after the server has aborted the job's transaction, before it detaches from
/// shared memory: callbacks run last in, first out, and this one is registered before the connection is made.
pub fn install_hooks(hooks: Hooks) -> Result<()> {
    let _ = HOOKS.set(hooks);
    // SAFETY: functions that live as long as the process. The first cannot throw, and must not be guarded: a guard's end
    // takes back the error context that it sets.
    unsafe { sys::pgbg_capture_messages(Some(on_message)) };
    HOOKS.get().map_or(Ok(()), |hooks| at_exit(hooks.exit))
}

/// Lets a process that was just woken have this processor: what is left to do here, an exit, takes longer than what the
/// woken one has waited for.
pub fn yield_processor() {
    // SAFETY: no arguments.
    unsafe { libc::sched_yield() };
}

/// The body of the worker's main function.
///
/// # Safety
/// Called by the server, in a new background worker.
pub unsafe fn main(argument: sys::Datum, body: fn(u32) -> Result<()>) {
    // SAFETY: the server's frame has no destructor.
    unsafe { callback(|| body(argument as u32)) };
}
