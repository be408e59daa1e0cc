//! Background worker processes: registering one, and being one.

use super::entry::callback;
use super::error::{self, Result};
use super::guard::guard;
use super::memory::Entered;
use super::sys;
use crate::wire::report::Report;
use std::ffi::{c_char, c_int};
use std::ptr::{self, NonNull};
use std::sync::OnceLock;

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

/// Sends SIGINT to a worker that was alive a moment ago. Should the pid belong to another process of the server by
/// now, its statement is cancelled: the race that pg_cancel_backend has, too.
pub fn interrupt(pid: i32) {
    // SAFETY: a signal to another process of ours.
    unsafe { libc::kill(pid, libc::SIGINT) };
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

unsafe extern "C-unwind" fn on_exit(_code: c_int, _arg: sys::Datum) {
    // SAFETY: as above.
    unsafe { callback(|| HOOKS.get().map_or(Ok(()), |hooks| (hooks.exit)())) }
}

/// Once per process. The exit hook runs after the server has aborted the job's transaction, before it detaches from
/// shared memory: callbacks run last in, first out, and this one is registered before the connection is made.
pub fn install_hooks(hooks: Hooks) -> Result<()> {
    let _ = HOOKS.set(hooks);
    // SAFETY: functions that live as long as the process. The first cannot throw, and must not be guarded: a guard's end
    // takes back the error context that it sets.
    unsafe { sys::pgbg_capture_messages(Some(on_message)) };
    // SAFETY: as above.
    guard(|| unsafe { sys::before_shmem_exit(Some(on_exit), sys::Datum::default()) })
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
