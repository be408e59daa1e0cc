//! A value that this one thread shares with its own signal handlers.
//!
//! A handler interrupts the thread anywhere, also while the thread uses the value. Whoever comes second, which can only
//! be the handler, or code that a use of the value calls back, is turned away. No lock is waited for.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, Ordering, compiler_fence};

pub struct SignalCell<T> {
    is_used: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: one use at a time, see `with`; and a backend is one thread.
unsafe impl<T> Sync for SignalCell<T> {}
// SAFETY: as above.
unsafe impl<T> Send for SignalCell<T> {}

/// Ends the use, also when it panics.
struct Use<'a>(&'a AtomicBool);

impl Drop for Use<'_> {
    fn drop(&mut self) {
        compiler_fence(Ordering::SeqCst);
        self.0.store(false, Ordering::Release);
    }
}

impl<T> SignalCell<T> {
    pub const fn new(value: T) -> Self {
        Self { is_used: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    /// Uses the value; `None` while it is in use further up the stack. `body` may not leave by longjmp: server
    /// functions that can throw are called through the guard, as everywhere.
    pub fn with<R>(&self, body: impl FnOnce(&mut T) -> R) -> Option<R> {
        if self.is_used.swap(true, Ordering::Acquire) {
            return None;
        }
        compiler_fence(Ordering::SeqCst);
        let _use = Use(&self.is_used);
        // SAFETY: the flag admits one use at a time.
        Some(body(unsafe { &mut *self.value.get() }))
    }
}
