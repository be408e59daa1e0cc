//! Waiting: on this process's latch, and nothing else.

use super::error::Result;
use super::guard::guard;
use super::sys;
use std::time::Instant;

/// Sleeps until the latch is set, the deadline has passed or the postmaster has died (the process then exits), and serves
/// interrupts. The caller checks its condition before each call: a set latch is no promise.
pub fn wait(deadline: Option<Instant>) -> Result<()> {
    let mut events = sys::WL_LATCH_SET | sys::WL_EXIT_ON_PM_DEATH;
    let mut timeout = -1;
    if let Some(deadline) = deadline {
        events |= sys::WL_TIMEOUT;
        let left = deadline.saturating_duration_since(Instant::now());
        // rounded up, so that a wake-up finds the deadline passed; capped, the caller's loop waits again
        timeout = i64::try_from(left.as_micros().div_ceil(1000)).unwrap_or(i64::MAX).min(i64::from(i32::MAX));
    }
    // SAFETY: the latch is this process's own.
    guard(|| unsafe {
        sys::WaitLatch(sys::MyLatch, events as i32, timeout, sys::pgbg_wait_event());
        sys::ResetLatch(sys::MyLatch);
        sys::pgbg_check_for_interrupts();
    })
}
