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

/// 17: the server's own wait events are spelled out. A wait for a message, as of a Gather Merge for its workers.
#[cfg(pg17_up)]
pub(super) const WAIT_FOR_MESSAGE: sys::WaitEventIPC = sys::WaitEventIPC_WAIT_EVENT_MESSAGE_QUEUE_RECEIVE;
#[cfg(not(pg17_up))]
pub(super) const WAIT_FOR_MESSAGE: sys::WaitEventIPC = sys::WaitEventIPC_WAIT_EVENT_MQ_RECEIVE;
