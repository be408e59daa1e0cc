//! A current user and a security context that the transactions of a job begin and end with.
//!
//! The server sets both within a transaction alone: a function's, which it takes back with the function. A job that a
//! SECURITY DEFINER function has launched has them from its first transaction to its last, also where a procedure or a
//! VACUUM ends one and begins the next.
//!
//! So they are set before the first transaction begins. StartTransaction (access/transam/xact.c) remembers user and
//! context, an abort restores what it has remembered, and a commit leaves them. Nothing else touches them: what could
//! (SET ROLE, SET SESSION AUTHORIZATION, their RESET) the server refuses in such a context. No moment is left in which
//! the job's code could run without.
//!
//! A server with assertions does not let a transaction begin in a context. There the context alone is *hidden* at the
//! end of each transaction, after the last of the job's code, and *shown* again while the next begins, before the first
//! of it. The server has no callback for a begin. But a transaction that begins reads invalidation messages, and has
//! callbacks for these: whoever hides the context sends a message, of a row that no catalog has.

use super::entry::contain;
use super::error::Result;
use super::guard::guard;
use super::sys;
use std::ffi::{CStr, c_int, c_void};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32};

/// The user that lasts; 0 is none.
static USER: AtomicU32 = AtomicU32::new(0);
static CONTEXT: AtomicI32 = AtomicI32::new(0);
/// The current user before.
static BEFORE: AtomicU32 = AtomicU32::new(0);
/// No transaction has begun since the context was hidden.
static IS_HIDDEN: AtomicBool = AtomicBool::new(false);

/// The cache that the message is of. Its rows change hardly ever.
const CACHE: sys::SysCacheIdentifier = sys::SysCacheIdentifier_TSTEMPLATEOID;
/// Which row of it.
const HASH: u32 = 0x7067_6267;

/// From now on the process acts as that user, in that context, until [`leave`]. Outside a transaction, where no context
/// is set.
pub fn adopt(user: u32, context: i32) -> Result<()> {
    let hides = context != 0 && has_assertions()?;
    if hides {
        watch()?;
    }
    // SAFETY: reads a variable.
    BEFORE.store(unsafe { sys::GetUserId() }, Relaxed);
    USER.store(user, Relaxed);
    CONTEXT.store(if hides { context } else { 0 }, Relaxed);
    if hides {
        hide();
    } else {
        // SAFETY: writes variables.
        unsafe { sys::SetUserIdAndSecContext(user, context) };
    }
    Ok(())
}

/// Acts as the process did before [`adopt`]. Outside a transaction. Does nothing without an `adopt`.
pub fn leave() {
    if USER.swap(0, Relaxed) == 0 {
        return;
    }
    CONTEXT.store(0, Relaxed);
    IS_HIDDEN.store(false, Relaxed);
    // SAFETY: writes variables.
    unsafe { sys::SetUserIdAndSecContext(BEFORE.load(Relaxed), 0) };
}

fn has_assertions() -> Result<bool> {
    // SAFETY: a setting of the server that cannot be set; its text.
    let text = guard(|| unsafe { sys::GetConfigOption(c"debug_assertions".as_ptr(), true, false) })?;
    // SAFETY: NULL, or a C string of the server.
    Ok(!text.is_null() && unsafe { CStr::from_ptr(text) } == c"on")
}

/// Registers the callbacks, once.
fn watch() -> Result<()> {
    static WATCHES: AtomicBool = AtomicBool::new(false);
    if !WATCHES.load(Relaxed) {
        // SAFETY: two functions that live as long as the process, and need no argument.
        guard(|| unsafe {
            sys::RegisterXactCallback(Some(ended), std::ptr::null_mut());
            sys::CacheRegisterSyscacheCallback(CACHE as c_int, Some(message_read), 0 as sys::Datum);
        })?;
        WATCHES.store(true, Relaxed);
    }
    Ok(())
}

/// Takes the context away until a transaction begins. No code of users runs before.
fn hide() {
    IS_HIDDEN.store(true, Relaxed);
    // SAFETY: writes variables. A message as the server sends it to all its processes; each finds no such row.
    unsafe {
        sys::SetUserIdAndSecContext(USER.load(Relaxed), 0);
        let mut message: sys::SharedInvalidationMessage = std::mem::zeroed();
        message.cc = sys::SharedInvalCatcacheMsg { id: CACHE as i8, dbId: sys::MyDatabaseId, hashValue: HASH };
        sys::SendSharedInvalidMessages(&raw const message, 1);
    }
}

/// A transaction has ended, and has run all of its code.
unsafe extern "C-unwind" fn ended(event: sys::XactEvent, _: *mut c_void) {
    let has_ended = matches!(
        event,
        sys::XactEvent_XACT_EVENT_COMMIT | sys::XactEvent_XACT_EVENT_ABORT | sys::XactEvent_XACT_EVENT_PREPARE
    );
    if has_ended && CONTEXT.load(Relaxed) != 0 {
        let _ = contain(|| {
            hide();
            Ok(())
        });
    }
}

/// Invalidation messages are read: a transaction begins, if the context is hidden. 0 stands for all rows, when messages
/// were lost.
unsafe extern "C-unwind" fn message_read(_: sys::Datum, _: c_int, hash: u32) {
    if (hash == HASH || hash == 0) && IS_HIDDEN.swap(false, Relaxed) {
        // SAFETY: writes variables.
        unsafe { sys::SetUserIdAndSecContext(USER.load(Relaxed), CONTEXT.load(Relaxed)) };
    }
}
