//! The registry's memory: in main shared memory where the library is preloaded, else in a segment that lives as long
//! as the server.

use super::compat;
use super::dsm;
use super::entry::callback;
use super::error::{PgError, Result};
use super::lwlock::Lock;
use super::sys;
use logic::registry::history::HistoryEntry;
use logic::registry::layout::{Head, JobSlot, ShownWait, Totals, WorkerSlot};
use logic::sqlstate;
use std::ffi::{CStr, c_int, c_void};
use std::ptr::NonNull;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;

/// The memory, for as long as the server runs.
#[derive(Clone, Copy)]
pub struct Area {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: shared memory, mapped until the exit callbacks of this process have run; after them only signal handlers run
// code of ours, and those have been told to forget it (`signals::forget_words`).
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
unsafe impl Shared for ShownWait {}
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

/// What is in the area when `ready` is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Zero bytes: `ready` is to fill it, and is told of it once more afterwards.
    Zero,
    /// What `ready` has filled it with, here or in another process.
    Filled,
}

/// Is told of the area and its lock.
pub type Ready = fn(Area, Content, Lock) -> Result<()>;

/// The area's length, and whom to tell.
static READY: OnceLock<(usize, Ready)> = OnceLock::new();

/// Of the memory and of its lock's tranche.
const NAME: &CStr = c"pg_background";

fn len() -> usize {
    READY.get().map_or(0, |(len, _)| *len)
}

/// What the server has made, as `ready` is told of it.
fn area(base: *mut c_void, lock: *mut sys::LWLock) -> Result<(Area, Lock)> {
    match (NonNull::new(base.cast()), NonNull::new(lock)) {
        (Some(base), Some(lock)) => Ok((Area { base, len: len() }, Lock::new(lock))),
        _ => Err(PgError::new(sqlstate::INTERNAL_ERROR, "registry has no memory")),
    }
}

/// # Safety
/// The area and its lock, in shared memory that stays. No destructor is pending in the calling frame.
unsafe fn tell(base: *mut c_void, content: Content, lock: *mut sys::LWLock) {
    // SAFETY: promised by the caller.
    unsafe {
        callback(|| {
            let (area, lock) = area(base, lock)?;
            READY.get().map_or(Ok(()), |(_, ready)| ready(area, content, lock))
        });
    }
}

/// Is the postmaster loading libraries, before it makes shared memory?
pub fn can_request() -> bool {
    // SAFETY: reads a variable.
    unsafe { sys::process_shared_preload_libraries_in_progress }
}

static PREVIOUS_REQUEST: OnceLock<Option<unsafe extern "C-unwind" fn()>> = OnceLock::new();
static PREVIOUS_STARTUP: OnceLock<sys::shmem_startup_hook_type> = OnceLock::new();

/// Asks for `len` bytes of main shared memory, while the postmaster loads libraries. `ready` is told of them each
/// time that the server makes shared memory: also after a crash.
pub fn request(len: usize, ready: Ready) -> Result<()> {
    let _ = READY.set((len, ready));
    // SAFETY: the server's variables, in this one thread.
    unsafe {
        let _ = PREVIOUS_STARTUP.set(sys::shmem_startup_hook);
        sys::shmem_startup_hook = Some(startup);
    }
    let _ = PREVIOUS_REQUEST.set(compat::set_request_hook(ask)?);
    Ok(())
}

/// Says to the server what it has to make room for.
unsafe extern "C-unwind" fn ask() {
    // SAFETY: called while the server adds up what extensions need.
    unsafe {
        if let Some(Some(previous)) = PREVIOUS_REQUEST.get() {
            previous();
        }
        sys::RequestAddinShmemSpace(len());
        sys::RequestNamedLWLockTranche(NAME.as_ptr(), 1);
    }
}

/// Shared memory is there.
unsafe extern "C-unwind" fn startup() {
    let mut found = false;
    // SAFETY: what the server has been asked for; an ERROR leaves this frame, which has no destructor.
    unsafe {
        if let Some(Some(previous)) = PREVIOUS_STARTUP.get() {
            previous();
        }
        let server = sys::pgbg_addin_shmem_init_lock();
        sys::LWLockAcquire(server, sys::LWLockMode_LW_EXCLUSIVE);
        let base = sys::ShmemInitStruct(NAME.as_ptr(), len(), &raw mut found);
        let lock = sys::GetNamedLWLockTranche(NAME.as_ptr()).cast();
        if !found {
            base.cast::<u8>().write_bytes(0, len());
            tell(base, Content::Zero, lock);
        }
        tell(base, Content::Filled, lock);
        sys::LWLockRelease(server);
    }
}

/// In a segment of the server the lock lies behind the area.
const fn lock_at(len: usize) -> usize {
    len.next_multiple_of(8)
}

/// # Safety
/// A segment of that layout.
unsafe fn lock_of(base: *mut c_void) -> *mut sys::LWLock {
    // SAFETY: promised by the caller.
    unsafe { base.byte_add(lock_at(len())).cast() }
}

/// A segment is new.
unsafe fn init_segment(base: *mut c_void) {
    // SAFETY: the server has made the segment, of the size that `attach` has said.
    unsafe {
        base.cast::<u8>().write_bytes(0, len());
        let lock = lock_of(base);
        sys::LWLockInitialize(lock, compat::new_tranche(NAME));
        tell(base, Content::Zero, lock);
    }
}

/// The same in a segment of that name, at any time and in any process; false before 17, where there are none.
pub fn attach(name: &'static CStr, len: usize, ready: Ready) -> Result<bool> {
    let _ = READY.set((len, ready));
    let found = compat::named_segment(name, lock_at(len) + size_of::<sys::LWLockPadded>(), init_segment).inspect_err(
        |error| {
            // Suppose the segment cannot be made for want of memory. The server throws with the lock of its directory
            // of segments held; a caller that goes on would keep every process out of the directory. We hold no other
            // lock here.
            // SAFETY: as the server does at the end of a transaction that failed.
            unsafe { sys::LWLockReleaseAll() };
            // Or that it cannot be mapped: a later call in the same transaction would be given it, at no address.
            dsm::forget_named(error);
        },
    )?;
    let Some(base) = found else {
        return Ok(false);
    };
    // SAFETY: such a segment, mapped as above.
    let lock = unsafe { lock_of(base) };
    // SAFETY: an initialized lock, which knows its tranche.
    compat::name_tranche(unsafe { (*lock).tranche }, NAME)?;
    // not before the mapping is there to stay
    let (area, lock) = area(base, lock)?;
    ready(area, Content::Filled, lock)?;
    Ok(true)
}

/// As many background workers as there can be.
pub fn max_workers() -> u32 {
    // SAFETY: reads a variable.
    unsafe { sys::max_worker_processes }.max(0).unsigned_abs()
}

/// A hash of bytes, the same in all processes of the server.
pub fn hash(bytes: &[u8]) -> u64 {
    // SAFETY: reads the slice.
    unsafe { sys::hash_bytes_extended(bytes.as_ptr(), bytes.len() as c_int, 0) }
}
