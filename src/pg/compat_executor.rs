//! What differs between major versions in the executor's hooks, and in the timer that observes it. See `compat`.

use super::sys;

/// How far a plan is to be run: what ExecutorRun is given besides it.
#[derive(Clone, Copy)]
pub(super) struct Count {
    direction: sys::ScanDirection,
    rows: u64,
    /// 18: gone.
    #[cfg(not(pg18_up))]
    once: bool,
}

impl Count {
    /// Goes on with the hook that was there before, or the server's own function.
    ///
    /// # Safety
    /// What ExecutorRun was given.
    pub(super) unsafe fn run(self, query: *mut sys::QueryDesc, previous: sys::ExecutorRun_hook_type) {
        let run = previous.unwrap_or(sys::standard_ExecutorRun);
        // SAFETY: promised by the caller.
        unsafe {
            #[cfg(pg18_up)]
            run(query, self.direction, self.rows);
            #[cfg(not(pg18_up))]
            run(query, self.direction, self.rows, self.once);
        }
    }
}

/// What a hook around ExecutorRun does.
pub(super) trait Run {
    /// # Safety
    /// What ExecutorRun was given.
    unsafe fn run(query: *mut sys::QueryDesc, count: Count);
}

/// The hook.
#[cfg(pg18_up)]
pub(super) unsafe extern "C-unwind" fn executor_run<R: Run>(
    query: *mut sys::QueryDesc,
    direction: sys::ScanDirection,
    rows: u64,
) {
    // SAFETY: called as ExecutorRun.
    unsafe { R::run(query, Count { direction, rows }) };
}

/// The hook.
#[cfg(not(pg18_up))]
pub(super) unsafe extern "C-unwind" fn executor_run<R: Run>(
    query: *mut sys::QueryDesc,
    direction: sys::ScanDirection,
    rows: u64,
    once: bool,
) {
    // SAFETY: as above.
    unsafe { R::run(query, Count { direction, rows, once }) };
}

/// 15: a timeout can fire again and again. Before, its handler starts it again: [`tick_again`]. For [`guard`].
///
/// # Safety
/// A registered timeout.
pub(super) unsafe fn enable_ticks(id: sys::TimeoutId, milliseconds: std::ffi::c_int) {
    #[cfg(pg15_up)]
    // SAFETY: promised by the caller.
    unsafe {
        let first = sys::GetCurrentTimestamp() + i64::from(milliseconds) * 1000;
        sys::enable_timeout_every(id, first, milliseconds);
    }
    #[cfg(not(pg15_up))]
    // SAFETY: as above.
    unsafe {
        sys::enable_timeout_after(id, milliseconds);
    }
}

/// See [`enable_ticks`]. In the timeout's handler: `handle_sig_alarm` has taken the timeout off its list, and looks at
/// the list again when the handler returns.
///
/// # Safety
/// A registered timeout, in its handler.
pub(super) unsafe fn tick_again(id: sys::TimeoutId, milliseconds: std::ffi::c_int) {
    #[cfg(not(pg15_up))]
    // SAFETY: promised by the caller.
    unsafe {
        sys::enable_timeout_after(id, milliseconds);
    }
    #[cfg(pg15_up)]
    let _ = (id, milliseconds);
}

/// 17: the server's own wait events are spelled out. A wait for a message, as of a Gather Merge for its workers.
#[cfg(pg17_up)]
pub(super) const WAIT_FOR_MESSAGE: sys::WaitEventIPC = sys::WaitEventIPC_WAIT_EVENT_MESSAGE_QUEUE_RECEIVE;
#[cfg(not(pg17_up))]
pub(super) const WAIT_FOR_MESSAGE: sys::WaitEventIPC = sys::WaitEventIPC_WAIT_EVENT_MQ_RECEIVE;
