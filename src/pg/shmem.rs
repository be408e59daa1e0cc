//! The registry's memory, and the processes that it names.

use super::entry::callback;
use super::error::{PgError, Result};
use super::guard::guard;
use super::lwlock::Lock;
use super::sys;
use logic::registry::layout::{Head, HistoryEntry, JobSlot, Totals, WorkerSlot};
use logic::sqlstate;
use std::ffi::{CStr, c_void};
use std::ptr::NonNull;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;

/// The memory, for as long as the server runs.
#[derive(Clone, Copy)]
pub struct Area {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: shared memory, mapped as long as the process lives.
unsafe impl Send for Area {}
// SAFETY: only types that are atomics throughout are made of it.
unsafe impl Sync for Area {}

/// # Safety
/// Valid when all bytes are zero, and nothing but atomics.
pub unsafe trait Shared {}
// SAFETY: atomics throughout.
unsafe impl Shared for Head {}
// SAFETY: as above.
unsafe impl Shared for JobSlot {}
// SAFETY: as above.
unsafe impl Shared for WorkerSlot {}
// SAFETY: as above.
unsafe impl Shared for HistoryEntry {}
// SAFETY: as above.
unsafe impl Shared for Totals {}
// SAFETY: as above.
unsafe impl Shared for AtomicU64 {}

impl Area {
    /// `count` values at `offset`.
    pub fn slice<T: Shared>(&self, offset: usize, count: usize) -> Result<&'static [T]> {
        let end = count.checked_mul(size_of::<T>()).and_then(|len| len.checked_add(offset));
        // SAFETY: a pointer inside the area, or one past it, is only compared.
        let start = self.base.as_ptr().wrapping_add(offset).cast::<T>();
        if end.is_none_or(|end| end > self.len) || !start.is_aligned() {
            return Err(PgError::new(sqlstate::INTERNAL_ERROR, "registry does not fit its memory"));
        }
        // SAFETY: inside, aligned, zeroed or written by this library (the trait), and never unmapped.
        Ok(unsafe { std::slice::from_raw_parts(start, count) })
    }
}

/// Is told of the area and its lock; first, when it is new, only to fill it.
pub type Ready = fn(Area, bool, Lock) -> Result<()>;

static READY: OnceLock<(usize, Ready)> = OnceLock::new();

unsafe extern "C-unwind" fn on_area(base: *mut c_void, is_new: bool, lock: *mut sys::LWLock) {
    // SAFETY: the server's frame has no destructor.
    unsafe {
        callback(|| match (READY.get(), NonNull::new(base.cast()), NonNull::new(lock)) {
            (Some((len, ready)), Some(base), Some(lock)) => ready(Area { base, len: *len }, is_new, Lock::new(lock)),
            _ => Err(PgError::new(sqlstate::INTERNAL_ERROR, "registry has no memory")),
        });
    }
}

/// Is the postmaster loading libraries, before it makes shared memory?
pub fn can_request() -> bool {
    // SAFETY: reads a variable.
    unsafe { sys::process_shared_preload_libraries_in_progress }
}

/// Asks for `len` bytes of main shared memory.
pub fn request(len: usize, ready: Ready) -> Result<()> {
    let _ = READY.set((len, ready));
    // SAFETY: a function that lives as long as the process.
    guard(|| unsafe { sys::pgbg_request_area(len, Some(on_area)) })
}

/// The same in a segment of that name; false before 17, where there is none.
pub fn attach(name: &'static CStr, len: usize, ready: Ready) -> Result<bool> {
    let _ = READY.set((len, ready));
    let name = name.as_ptr();
    // SAFETY: as above.
    guard(|| unsafe { sys::pgbg_attach_area(name, len, Some(on_area)) })
}

/// As many background workers as there can be.
pub fn max_workers() -> u32 {
    // SAFETY: reads a variable.
    unsafe { sys::max_worker_processes }.max(0).unsigned_abs()
}

/// This process's place among the server's processes.
pub fn my_proc() -> u32 {
    // SAFETY: reads variables.
    unsafe { sys::pgbg_my_proc_number() }
}

/// Is the process with that place and pid still there?
pub fn is_alive(proc: u32, pid: i32) -> bool {
    // SAFETY: reads shared memory, within its bounds.
    unsafe { sys::pgbg_is_alive(proc, pid) }
}

/// Sets the latch of the process with that place.
pub fn wake(proc: u32) {
    // SAFETY: as above; setting a latch does not throw.
    unsafe { sys::pgbg_wake(proc) };
}

/// Would setting that latch have to wake the process?
pub fn is_asleep(proc: u32) -> bool {
    // SAFETY: reads shared memory, within its bounds.
    unsafe { sys::pgbg_is_asleep(proc) }
}

/// Versions of the catalog rows that a connection of `user` to this database would be made with; `None` when it would be
/// refused. Inside a transaction.
pub fn connection_versions(user: u32) -> Result<Option<(u64, u64)>> {
    let (mut user_version, mut database_version) = (0, 0);
    // SAFETY: catalog lookups, and places for the answers.
    let allowed =
        guard(|| unsafe { sys::pgbg_connection_versions(user, &raw mut user_version, &raw mut database_version) })?;
    Ok(allowed.then_some((user_version, database_version)))
}

/// A hash of bytes, the same in all processes of the server.
pub fn hash(bytes: &[u8]) -> u64 {
    // SAFETY: reads the slice.
    unsafe { sys::pgbg_hash(bytes.as_ptr().cast(), bytes.len()) }
}
