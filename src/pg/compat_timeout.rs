//! What differs between versions of the server, of timeouts: since 17, `transaction_timeout`.

#[cfg(pg17_up)]
use super::sys;

/// 17: a transaction may have a timeout: it has none from now on. For [`super::guard`].
///
/// # Safety
/// In a backend.
pub unsafe fn disable_transaction_timeout() {
    #[cfg(pg17_up)]
    // SAFETY: promised by the caller; the server registers the timeout when a session begins.
    unsafe {
        sys::disable_timeout(sys::TimeoutId_TRANSACTION_TIMEOUT, false);
    }
}

/// 17: `transaction_timeout`, in milliseconds; 0 is never.
pub fn transaction_timeout() -> i32 {
    #[cfg(pg17_up)]
    // SAFETY: a plain variable of this one thread.
    return unsafe { sys::TransactionTimeout };
    #[cfg(not(pg17_up))]
    0
}

/// 17: forgets that the time of a transaction is over. The server serves a cancel first, which may come at the same
/// time, and would end the process when it next looks.
pub fn forget_transaction_timeout() {
    #[cfg(pg17_up)]
    // SAFETY: a plain flag of this process.
    unsafe {
        sys::TransactionTimeoutPending = 0;
    }
}
