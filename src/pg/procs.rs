//! The server's processes, by their number in the server's array of them. The number is one that the process itself
//! has given; once the process is gone, another may have its place.

use super::sys;
use std::ptr::NonNull;

/// This process's number.
pub fn my_number() -> u32 {
    // SAFETY: reads variables.
    unsafe { sys::pgbg_proc_number() }
}

/// The latch of the process with that number; `None` if there can be no such process.
fn latch(number: u32) -> Option<NonNull<sys::Latch>> {
    // SAFETY: shared memory, within its bounds, which stays mapped.
    NonNull::new(unsafe { sys::pgbg_proc_latch(number) })
}

/// Is the process with that number and pid still there?
pub fn is_alive(number: u32, pid: i32) -> bool {
    // A process that ends gives up its latch. Its pid stays in the array, before 17.
    // SAFETY: another process's latch, of which this reads one word.
    pid != 0
        && latch(number).is_some_and(|latch| unsafe { (&raw const (*latch.as_ptr()).owner_pid).read_volatile() } == pid)
}

/// Wakes the process with that number: sets its latch. Should it be gone, the process that has its place by now wakes
/// for nothing.
pub fn wake(number: u32) {
    if let Some(latch) = latch(number) {
        // SAFETY: setting a latch does not throw.
        unsafe { sys::SetLatch(latch.as_ptr()) };
    }
}

/// Would setting its latch have to wake the process? By the time that one knows, it may be otherwise.
pub fn is_asleep(number: u32) -> bool {
    // SAFETY: as in `is_alive`.
    latch(number).is_some_and(|latch| unsafe { (&raw const (*latch.as_ptr()).maybe_sleeping).read_volatile() } != 0)
}
