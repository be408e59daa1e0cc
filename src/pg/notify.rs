//! NOTIFY (commands/async.h), and the JSON in which a program is told something.

use super::error::{PgError, Result};
use super::guard::guard;
use super::sys;
use super::value::slice_or_empty;
use logic::sqlstate;
use std::ffi::CString;
use std::mem::MaybeUninit;

/// Would NOTIFY on this channel be allowed here? An error, in the server's words, if not.
pub fn check(channel: &[u8]) -> Result<()> {
    // SAFETY: a C string.
    guard(|| unsafe { sys::PreventCommandDuringRecovery(c"NOTIFY".as_ptr()) })?;
    let problem = match channel.len() {
        0 => "channel name cannot be empty",
        len if len < sys::NAMEDATALEN as usize => return Ok(()),
        _ => "channel name too long",
    };
    Err(PgError::new(sqlstate::INVALID_PARAMETER_VALUE, problem))
}

/// Takes the turn that transactions with a NOTIFY have at their commit, one at a time; false if another transaction has
/// it. Inside a transaction, which keeps it until its end. Without this the commit waits for the turn, and with it for
/// whatever the other one waits for at its commit: for a standby, say.
pub fn try_turn() -> Result<bool> {
    // as in async.c: the lock is on "database 0"
    let tag = sys::LOCKTAG {
        locktag_field1: 0,
        locktag_field2: sys::DatabaseRelationId,
        locktag_field3: 0,
        locktag_field4: 0,
        locktag_type: sys::LockTagType_LOCKTAG_OBJECT as u8,
        locktag_lockmethodid: sys::DEFAULT_LOCKMETHOD as u8,
    };
    let tag = &raw const tag;
    // SAFETY: a transaction is open; the server copies the tag.
    let taken = guard(|| unsafe { sys::LockAcquire(tag, sys::AccessExclusiveLock as sys::LOCKMODE, false, true) })?;
    Ok(taken != sys::LockAcquireResult_LOCKACQUIRE_NOT_AVAIL)
}

/// Notifies those who listen on the channel, when the transaction commits that is open.
pub fn notify(channel: &[u8], payload: &[u8]) -> Result<()> {
    let (channel, payload) = (CString::new(channel).unwrap_or_default(), CString::new(payload).unwrap_or_default());
    let (channel, payload) = (channel.as_ptr(), payload.as_ptr());
    // SAFETY: C strings, which the server copies.
    guard(|| unsafe { sys::Async_Notify(channel, payload) })
}

/// The text as a string of JSON, with its quotes.
pub fn json_string(text: &[u8]) -> Result<Vec<u8>> {
    let text = CString::new(text).unwrap_or_default();
    let text = text.as_ptr();
    let mut buffer = MaybeUninit::<sys::StringInfoData>::uninit();
    let to = buffer.as_mut_ptr();
    // SAFETY: a C string, and a buffer in the current memory context.
    guard(|| unsafe {
        sys::initStringInfo(to);
        sys::escape_json(to, text);
    })?;
    // SAFETY: the buffer was filled above.
    Ok(unsafe { slice_or_empty((*to).data.cast_const().cast::<u8>(), (*to).len.max(0) as usize).to_vec() })
}
