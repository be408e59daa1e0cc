//! Background worker processes: registering one, being one between two jobs.

use super::encoding::copy_text;
use super::entry::callback;
use super::error::Result;
use super::guard::guard;
use super::memory::Entered;
use super::sys;
use std::ffi::c_int;
use std::ptr::{self, NonNull};

/// The library that the postmaster's child loads, and what the process is called in `pg_stat_activity`.
const LIBRARY: &[u8] = b"pg_background";

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

fn new_worker(name: &[u8], function: &[u8]) -> sys::BackgroundWorker {
    // SAFETY: all-zero is a valid BackgroundWorker.
    let mut worker: sys::BackgroundWorker = unsafe { std::mem::zeroed() };
    // also on a hot standby
    worker.bgw_start_time = sys::BgWorkerStartTime_BgWorkerStart_ConsistentState;
    copy_text(&mut worker.bgw_library_name, LIBRARY);
    copy_text(&mut worker.bgw_function_name, function);
    copy_text(&mut worker.bgw_name, name);
    copy_text(&mut worker.bgw_type, LIBRARY);
    worker
}

/// Asks the postmaster for a process that runs `function` of this library, without a database, and that is started
/// again after a second whenever it fails. False: no slot is free. Allocates nothing, and so may be called in the midst
/// of a transaction's end.
pub fn register_steady(name: &[u8], function: &[u8]) -> Result<bool> {
    let mut worker = new_worker(name, function);
    worker.bgw_flags = sys::BGWORKER_SHMEM_ACCESS as c_int;
    worker.bgw_restart_time = 1;
    let worker = &raw mut worker;
    // SAFETY: the server copies the struct.
    guard(|| unsafe { sys::RegisterDynamicBackgroundWorker(worker, ptr::null_mut()) })
}

/// In a process that [`register_steady`] has asked for: a termination, and a shutdown, end it at the next check for
/// interrupts.
pub fn accept_termination() -> Result<()> {
    // SAFETY: handlers of the server that are async-signal-safe.
    guard(|| unsafe {
        sys::pgbg_set_handler(libc::SIGTERM, Some(sys::die));
        sys::pgbg_set_handler(libc::SIGHUP, Some(sys::SignalHandlerForConfigReload));
        sys::BackgroundWorkerUnblockSignals();
    })
}

impl Handle {
    /// Asks the postmaster for a worker that runs `function` of this library with `argument`. `None`: no slot is free.
    /// This process's latch is set when the worker has started and when its slot is free again.
    pub fn register(name: &[u8], function: &[u8], argument: u32) -> Result<Option<Self>> {
        let mut worker = new_worker(name, function);
        worker.bgw_flags = (sys::BGWORKER_SHMEM_ACCESS | sys::BGWORKER_BACKEND_DATABASE_CONNECTION) as c_int;
        worker.bgw_restart_time = sys::BGW_NEVER_RESTART;
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

/// What a session does between commands: catches up with invalidations, reads the configuration again. Outside a
/// transaction. True when the configuration was read.
pub fn serve_idle() -> Result<bool> {
    // SAFETY: no transaction is open; flags that signal handlers set.
    guard(|| unsafe {
        let reload = (&raw const sys::ConfigReloadPending).read_volatile() != 0;
        if (&raw const sys::catchupInterruptPending).read_volatile() != 0 {
            sys::ProcessCatchupInterrupt();
        }
        if reload {
            (&raw mut sys::ConfigReloadPending).write_volatile(0);
            sys::ProcessConfigFile(sys::GucContext_PGC_SIGHUP);
        }
        reload
    })
}

/// In the process title.
pub fn show_idle() -> Result<()> {
    // SAFETY: a static string.
    guard(|| unsafe { sys::pgbg_ps_display(c"idle".as_ptr()) })
}

/// The body of the worker's main function.
///
/// # Safety
/// Called by the server, in a new background worker.
pub unsafe fn main(argument: sys::Datum, body: fn(u32) -> Result<()>) {
    // SAFETY: the server's frame has no destructor.
    unsafe { callback(|| body(argument as u32)) };
}
