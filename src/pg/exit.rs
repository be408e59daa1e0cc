//! The end of a process: what is done then in its place.

use super::entry::{callback, contain};
use super::error::Result;
use super::guard::guard;
use super::sys;
use parking_lot::{Mutex, MutexGuard};
use std::ffi::c_int;

/// Calls `function` when this process ends: after the server has aborted its transaction, before it detaches from
/// shared memory. Of several functions the last one that was registered is called first.
pub fn at_exit(function: fn() -> Result<()>) -> Result<()> {
    let argument = function as usize as sys::Datum;
    // SAFETY: the callback gets back what it is given here.
    guard(|| unsafe { sys::before_shmem_exit(Some(exit_callback), argument) })
}

/// The value behind the lock, for a function that is called when the process ends. Suppose that memory runs out while
/// the process adds something to a list, and that it ends by that: the lock is held for ever, and whoever waits for it
/// waits for ever, too.
pub fn seize<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.try_lock().unwrap_or_else(|| {
        // SAFETY: a process is one thread, so the holder is a frame that does not go on. A list to which it could not
        // add is as it was before.
        unsafe { mutex.force_unlock() };
        mutex.lock()
    })
}

unsafe extern "C-unwind" fn exit_callback(_code: c_int, argument: sys::Datum) {
    // SAFETY: `at_exit` passed such a function.
    #[allow(clippy::unnecessary_cast)] // of another type since 19
    let function = unsafe { std::mem::transmute::<usize, fn() -> Result<()>>(argument as usize) };
    // SAFETY: the server's callback has no destructor.
    unsafe { callback(function) };
}

/// Calls `function` when the server stops, in the process that has made its shared memory ([`owns_memory`]), when that
/// memory is about to go. Not after a crash. It must not throw: an ERROR would be FATAL there.
///
/// [`owns_memory`]: super::identity::owns_memory
pub fn when_memory_goes(function: fn()) -> Result<()> {
    let argument = function as usize as sys::Datum;
    // SAFETY: the callback gets back what it is given here.
    guard(|| unsafe { sys::on_shmem_exit(Some(memory_goes), argument) })
}

unsafe extern "C-unwind" fn memory_goes(code: c_int, argument: sys::Datum) {
    if code != 0 {
        return;
    }
    // SAFETY: `when_memory_goes` passed such a function.
    #[allow(clippy::unnecessary_cast)] // of another type since 19
    let function = unsafe { std::mem::transmute::<usize, fn()>(argument as usize) };
    let _ = contain(|| {
        function();
        Ok(())
    });
}
