//! The timeout of a statement, and interrupts that came too late for it.

use super::error::Result;
use super::guard::guard;
use super::{compat_timeout, sys};

/// Cancels what runs after so many milliseconds, with the server's own message; 0 is never.
pub fn start(milliseconds: i32) -> Result<()> {
    if milliseconds <= 0 {
        return Ok(());
    }
    // SAFETY: the server registered this timeout when the worker connected.
    guard(|| unsafe { sys::enable_timeout_after(sys::TimeoutId_STATEMENT_TIMEOUT, milliseconds) })
}

/// Stops it, if it runs; and forgets that it has come.
pub fn stop() -> Result<()> {
    let id = sys::TimeoutId_STATEMENT_TIMEOUT;
    // SAFETY: looks at the timeout's state.
    if unsafe { !sys::get_timeout_active(id) && !sys::get_timeout_indicator(id, false) } {
        return Ok(());
    }
    // SAFETY: as above.
    guard(|| unsafe { sys::disable_timeout(sys::TimeoutId_STATEMENT_TIMEOUT, false) })
}

/// After an error: no timeout or cancel of the failed statement reaches what follows.
pub fn forget_interrupts() -> Result<()> {
    // SAFETY: as above; a plain flag of this process.
    guard(|| unsafe {
        sys::disable_all_timeouts(false);
        sys::QueryCancelPending = 0;
        compat_timeout::forget_transaction_timeout();
    })
}

/// Before a job: 17's `transaction_timeout` may have passed in a transaction that was none of the job's.
pub fn forget_earlier_transactions() {
    compat_timeout::forget_transaction_timeout();
}
