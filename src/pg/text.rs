//! Text in the database encoding.

use super::sys;

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
