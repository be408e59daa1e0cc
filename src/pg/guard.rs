//! Calls into the server that may throw.

use super::error::{PgError, Result};
use super::sys;
use std::ffi::c_void;
use std::mem::{MaybeUninit, needs_drop};
use std::ptr::{self, NonNull};

struct Call<F, R> {
    function: MaybeUninit<F>,
    value: MaybeUninit<R>,
}

/// The one Rust frame that an ERROR skips. `extern "C"`: a panic in it aborts, cleanly, instead of leaving the server's
/// exception stack pointing at a dead frame.
extern "C" fn trampoline<F: FnOnce() -> R, R>(arg: *mut c_void) {
    let call = arg.cast::<Call<F, R>>();
    // SAFETY: `guard` passes its own Call, initialised, and calls once.
    unsafe {
        let function = (*call).function.assume_init_read();
        (*call).value.write(function());
    }
}

/// Runs a call into the server; an ERROR comes back as `Err`, copied.
///
/// The closure owns nothing and computes nothing, because the ERROR leaves it by longjmp. What the server acquired
/// before it threw (locks, pins) stays acquired until the transaction ends: go on only to throw again, or at the top
/// level of a worker that aborts the transaction.
pub fn guard<F: FnOnce() -> R, R>(function: F) -> Result<R> {
    const { assert!(!needs_drop::<F>() && !needs_drop::<R>()) };
    let mut call = Call { function: MaybeUninit::new(function), value: MaybeUninit::uninit() };
    let mut error: *mut sys::ErrorData = ptr::null_mut();
    // SAFETY: only the ABI string differs, C-unwind and C are the same otherwise; see `trampoline` for why it is C.
    let body = unsafe {
        std::mem::transmute::<extern "C" fn(*mut c_void), unsafe extern "C-unwind" fn(*mut c_void)>(trampoline::<F, R>)
    };
    // SAFETY: the body is given the Call that it expects, which outlives it.
    let ok = unsafe { sys::pgbg_try(Some(body), (&raw mut call).cast(), &raw mut error) };
    if ok {
        // SAFETY: the body returned, so the value was written.
        return Ok(unsafe { call.value.assume_init() });
    }
    Err(NonNull::new(error)
        .map_or_else(|| PgError::new(logic::sqlstate::INTERNAL_ERROR, "lost an error"), PgError::caught))
}

/// Is this a place where waiting, which serves interrupts, is allowed? Not while an LWLock is held or in a critical
/// section.
pub fn may_wait() -> bool {
    // SAFETY: plain variables of this one thread.
    unsafe { sys::InterruptHoldoffCount == 0 && sys::CritSectionCount == 0 }
}
