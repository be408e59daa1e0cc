//! The registry's lock.

use super::error::Result;
use super::guard::guard;
use super::sys;
use std::ptr::NonNull;

#[derive(Clone, Copy)]
pub struct Lock(NonNull<sys::LWLock>);

// SAFETY: a lock in shared memory, made for all processes.
unsafe impl Send for Lock {}
// SAFETY: as above.
unsafe impl Sync for Lock {}

/// Released when dropped. While it is held no interrupt is served, and nothing may be called that can throw: no guard,
/// no allocation.
pub struct Held(NonNull<sys::LWLock>);

impl Lock {
    pub(super) fn new(lock: NonNull<sys::LWLock>) -> Self {
        Self(lock)
    }

    pub(super) fn as_ptr(self) -> *mut sys::LWLock {
        self.0.as_ptr()
    }

    pub fn exclusive(self) -> Result<Held> {
        self.acquire(sys::LWLockMode_LW_EXCLUSIVE)
    }

    pub fn shared(self) -> Result<Held> {
        self.acquire(sys::LWLockMode_LW_SHARED)
    }

    fn acquire(self, mode: sys::LWLockMode) -> Result<Held> {
        let lock = self.0.as_ptr();
        // SAFETY: initialized by the server, in memory that stays.
        guard(|| unsafe { sys::LWLockAcquire(lock, mode) })?;
        Ok(Held(self.0))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: acquired by this value, released once.
        unsafe { sys::LWLockRelease(self.0.as_ptr()) };
    }
}
