//! The end of a process: what is done then in its place.

use super::entry::callback;
use super::error::Result;
use super::guard::guard;
use super::sys;
use std::ffi::c_int;

/// Calls `function` when this process ends: after the server has aborted its transaction, before it detaches from
/// shared memory. Of several functions the last one that was registered is called first.
pub fn at_exit(function: fn() -> Result<()>) -> Result<()> {
    let argument = function as usize as sys::Datum;
    // SAFETY: the callback gets back what it is given here.
    guard(|| unsafe { sys::before_shmem_exit(Some(exit_callback), argument) })
}

unsafe extern "C-unwind" fn exit_callback(_code: c_int, argument: sys::Datum) {
    // SAFETY: `at_exit` passed such a function.
    #[allow(clippy::unnecessary_cast)] // of another type since 19
    let function = unsafe { std::mem::transmute::<usize, fn() -> Result<()>>(argument as usize) };
    // SAFETY: the server's callback has no destructor.
    unsafe { callback(function) };
}
