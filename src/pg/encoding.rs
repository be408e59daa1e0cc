//! Text in the database encoding.

use super::error::Result;
use super::guard::guard;
use super::sys;
use std::ffi::c_char;

/// A text from another database, which may have another encoding: bytes that make no sense in this one's become `?`.
pub fn made_valid(mut text: Vec<u8>) -> Result<Vec<u8>> {
    let (start, len) = (text.as_ptr(), text.len() as i32);
    // SAFETY: the pointer and length are those of one slice; `true`: it answers instead of raising an error.
    let valid = guard(|| unsafe { sys::pg_verifymbstr(start.cast(), len, true) })?;
    if !valid {
        text.iter_mut().filter(|byte| !byte.is_ascii()).for_each(|byte| *byte = b'?');
    }
    Ok(text)
}

/// The length, at most `max`, at which `text` can be cut without breaking a character.
pub fn clip(text: &[u8], max: usize) -> usize {
    if text.len() <= max {
        return text.len();
    }
    // pg_mbcliplen reads no further than the limit and one character; texts are under 1 GB.
    // SAFETY: the pointer and length are those of one slice, and the limit lies inside.
    let len = unsafe { sys::pg_mbcliplen(text.as_ptr().cast(), text.len() as i32, max as i32) };
    (len.max(0) as usize).min(max)
}

/// Copies a text into zeroed memory, cut where the room ends before its NUL.
pub(super) fn copy_text(to: &mut [c_char], from: &[u8]) {
    let len = from.len().min(to.len() - 1);
    for (to, from) in to.iter_mut().zip(&from[..len]) {
        *to = *from as c_char;
    }
}
