//! Memory contexts.

use super::error::Result;
use super::guard::guard;
use super::sys;
use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::CStr;
use std::ptr::NonNull;

/// A context of our own under the session's, deleted when dropped.
pub struct Context(NonNull<sys::MemoryContextData>);

// SAFETY: a backend is one thread.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

impl Context {
    pub fn new(name: &'static CStr) -> Result<Self> {
        let name = name.as_ptr();
        // SAFETY: the top context lives as long as the process, and so does the name.
        let context = guard(|| unsafe {
            sys::AllocSetContextCreateInternal(
                sys::TopMemoryContext,
                name,
                sys::ALLOCSET_SMALL_MINSIZE as usize,
                sys::ALLOCSET_SMALL_INITSIZE as usize,
                sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
            )
        })?;
        // creation throws rather than return NULL
        Ok(Self(NonNull::new(context).unwrap_or(NonNull::dangling())))
    }

    pub(super) fn as_ptr(&self) -> sys::MemoryContext {
        self.0.as_ptr()
    }

    /// Frees all that is in it.
    pub fn reset(&self) -> Result<()> {
        let context = self.as_ptr();
        // SAFETY: a live context of ours.
        guard(|| unsafe { sys::MemoryContextReset(context) })
    }

    /// Makes it the current one until the value is dropped.
    pub fn enter(&self) -> Entered {
        // SAFETY: a live context of ours, which the borrower keeps while entered.
        unsafe { Entered::new(self.as_ptr()) }
    }
}

/// The memory of one execution of a query, by which calls in the same one are known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Execution(usize);

impl Execution {
    pub(super) fn new(context: sys::MemoryContext) -> Self {
        Self(context as usize)
    }

    /// Calls `callback` when the execution ends, which it has not yet.
    pub fn at_end(self, callback: fn(Self)) -> Result<()> {
        let context = self.0 as sys::MemoryContext;
        let (function, argument) = (callback as usize, self.0);
        // SAFETY: the context of a call that is being made; it frees what is allocated in it after its callbacks.
        guard(|| unsafe {
            let place = sys::MemoryContextAlloc(context, size_of::<AtEnd>()).cast::<AtEnd>();
            (*place).argument = argument;
            (*place).function = function;
            (*place).callback.func = Some(at_end);
            (*place).callback.arg = place.cast();
            sys::MemoryContextRegisterResetCallback(context, &raw mut (*place).callback);
        })
    }
}

#[repr(C)]
struct AtEnd {
    callback: sys::MemoryContextCallback,
    function: usize,
    argument: usize,
}

unsafe extern "C-unwind" fn at_end(place: *mut std::ffi::c_void) {
    // SAFETY: `Execution::at_end` made it.
    let (function, argument) = unsafe {
        let place = &*place.cast::<AtEnd>();
        (std::mem::transmute::<usize, fn(Execution)>(place.function), Execution(place.argument))
    };
    function(argument);
}

impl Drop for Context {
    fn drop(&mut self) {
        let context = self.as_ptr();
        // SAFETY: ours, and no longer the current one: `Entered` has been dropped before.
        let _ = guard(|| unsafe { sys::MemoryContextDelete(context) });
    }
}

/// Restores the memory context that was current before.
pub struct Entered(sys::MemoryContext);

impl Entered {
    /// # Safety
    /// The context must outlive this value.
    pub(super) unsafe fn new(context: sys::MemoryContext) -> Self {
        // SAFETY: a plain variable of this one thread.
        unsafe {
            let old = sys::CurrentMemoryContext;
            sys::CurrentMemoryContext = context;
            Self(old)
        }
    }

    /// For what lives as long as the session.
    pub fn session() -> Self {
        // SAFETY: the top context lives as long as the process.
        unsafe { Self::new(sys::TopMemoryContext) }
    }

    /// Makes the transaction's context current, not the one from before; the session's, where there is none. Suppose
    /// that a procedure has ended the transaction in which this value was made: the context from before went with it.
    /// An error may have come before the next transaction began.
    pub(super) fn leave_for_transaction(self) {
        std::mem::forget(self);
        // SAFETY: as in `new`; a transaction's context lives as long as the transaction, the top one always.
        unsafe {
            let of_transaction = sys::CurTransactionContext;
            sys::CurrentMemoryContext = if of_transaction.is_null() { sys::TopMemoryContext } else { of_transaction };
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        // SAFETY: as in `new`; the old context is the caller's.
        unsafe { sys::CurrentMemoryContext = self.0 };
    }
}

/// Memory comes from the system, and is never simply missing: Rust would abort, and the postmaster restart the whole
/// cluster. The session ends instead, if what is kept for errors does not help.
struct Allocator;

impl Allocator {
    /// The second attempt, out of the way of the first, which is made for each piece of memory.
    #[cold]
    #[inline(never)]
    fn again(allocate: impl Fn() -> *mut u8) -> *mut u8 {
        // SAFETY: gives back what belongs to nobody.
        if unsafe { sys::pgbg_give_reserve() } {
            let memory = allocate();
            if !memory.is_null() {
                return memory;
            }
        }
        super::error::out_of_memory()
    }
}

// SAFETY: the system's allocator, whose promises stay as they are.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: promised by the caller.
        let memory = unsafe { System.alloc(layout) };
        if memory.is_null() {
            // SAFETY: promised by the caller.
            return Self::again(|| unsafe { System.alloc(layout) });
        }
        memory
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: promised by the caller.
        unsafe { System.dealloc(memory, layout) };
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: promised by the caller.
        let moved = unsafe { System.realloc(memory, layout, size) };
        if moved.is_null() {
            // SAFETY: promised by the caller; what has failed has left the memory as it was.
            return Self::again(|| unsafe { System.realloc(memory, layout, size) });
        }
        moved
    }
}

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;
