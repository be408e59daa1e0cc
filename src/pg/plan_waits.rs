//! Waits in which a plan may be read from a signal handler.

use super::compat_executor as compat;
use super::sys;

/// Does this process wait, in a node of a plan, for processes that help it? Then nothing of the plan is being changed:
/// the handler has interrupted a call of WaitLatch.
///
/// Suppose a Gather without work of its own, whose workers take a minute to send their first row: no node is called,
/// and no tripwire. The list has no wait that is also part of a plan's end: in `BGWORKER_SHUTDOWN` the shared memory of
/// the parallel workers is gone already, and the Gather still points to it.
pub fn are_in_node() -> bool {
    // SAFETY: a word of this process's own, which it alone writes.
    let event = unsafe { *(&raw const sys::my_wait_event_info).read_volatile() };
    [
        sys::WaitEventIPC_WAIT_EVENT_EXECUTE_GATHER,
        sys::WaitEventIPC_WAIT_EVENT_HASH_BUILD_HASH_INNER,
        sys::WaitEventIPC_WAIT_EVENT_HASH_BUILD_HASH_OUTER,
        sys::WaitEventIPC_WAIT_EVENT_HASH_BUILD_ALLOCATE,
        sys::WaitEventIPC_WAIT_EVENT_HASH_BATCH_LOAD,
        sys::WaitEventIPC_WAIT_EVENT_PARALLEL_FINISH,
        compat::WAIT_FOR_MESSAGE,
    ]
    .into_iter()
    .any(|wait| wait == event)
}
