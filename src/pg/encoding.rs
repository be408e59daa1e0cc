//! Text in the database encoding, and in that of other databases.

use super::error::Result;
use super::guard::guard;
use super::sys;
use logic::wire::report::{Field, Report};
use std::ffi::{c_char, c_int};

/// The encoding of a database whose texts are any bytes.
const SQL_ASCII: sys::pg_enc = sys::pg_enc_PG_SQL_ASCII;

/// The number of this database's encoding.
pub fn of_database() -> i32 {
    // SAFETY: reads a variable.
    unsafe { sys::GetDatabaseEncoding() }
}

/// A text in another encoding, `None` where it is the same bytes; an ERROR if it cannot be written in that encoding. In
/// a transaction.
pub fn converted(text: &[u8], from: i32, to: i32) -> Result<Option<Vec<u8>>> {
    // all encodings that a database can have contain ASCII
    if from == to || text.is_ascii() {
        return Ok(None);
    }
    let (start, len) = (text.as_ptr(), text.len() as c_int);
    // SAFETY: the pointer and length are those of one slice, which is not written to.
    let result = guard(|| unsafe { sys::pg_do_encoding_conversion(start.cast_mut(), len, from, to) })?;
    if result.cast_const() == start {
        return Ok(None);
    }
    // SAFETY: a C string of the server's making.
    let converted = unsafe { std::ffi::CStr::from_ptr(result.cast()) }.to_bytes().to_vec();
    // SAFETY: nothing points there any more.
    guard(|| unsafe { sys::pfree(result.cast()) })?;
    Ok(Some(converted))
}

/// A text of a database with that encoding, for this one: where it cannot be converted, all but ASCII becomes `?`. For
/// messages and names, which are better read so than not at all. In a transaction.
pub fn readable(text: Vec<u8>, from: i32) -> Result<Vec<u8>> {
    readable_as(text, from, of_database())
}

/// A text of this database as Unicode: where it cannot be converted, all but ASCII becomes `?`. In a transaction.
pub fn as_utf8(text: Vec<u8>) -> Result<String> {
    let text = match of_database() {
        // any bytes: most likely UTF-8
        from if from == SQL_ASCII as i32 => text,
        from => readable_as(text, from, sys::pg_enc_PG_UTF8 as i32)?,
    };
    let text = String::from_utf8(text).or_else(|error| String::from_utf8(ascii_of(error.into_bytes())));
    Ok(text.unwrap_or_default())
}

fn readable_as(text: Vec<u8>, from: i32, to: i32) -> Result<Vec<u8>> {
    if from == to || text.is_ascii() || to == SQL_ASCII as i32 {
        return Ok(text);
    }
    if from == SQL_ASCII as i32 {
        return made_valid(text);
    }
    let (start, len) = (text.as_ptr(), text.len());
    let mut result = vec![0u8; len * sys::MAX_CONVERSION_GROWTH as usize + 1];
    let (room, room_len) = (result.as_mut_ptr(), result.len() as c_int);
    // SAFETY: reads one slice and writes at most `room_len` bytes to another; `true`: it answers how far it has come.
    let done = guard(|| unsafe {
        let function = sys::FindDefaultConversionProc(from, to);
        if function == 0 {
            return 0;
        }
        sys::pg_do_encoding_conversion_buf(function, from, to, start.cast_mut(), len as c_int, room, room_len, true)
    })?;
    if done as usize != len {
        return Ok(ascii_of(text));
    }
    result.truncate(memchr::memchr(0, &result).unwrap_or(result.len()));
    Ok(result)
}

/// All texts of a report of a database with that encoding, for this one. In a transaction.
pub fn make_readable(report: &mut Report, from: i32) -> Result<()> {
    if from == of_database() {
        return Ok(());
    }
    for field in Field::ALL {
        if let Some(text) = report.get(field) {
            let text = readable(text.to_vec(), from)?;
            report.set(field, text);
        }
    }
    Ok(())
}

fn ascii_of(mut text: Vec<u8>) -> Vec<u8> {
    text.iter_mut().filter(|byte| !byte.is_ascii()).for_each(|byte| *byte = b'?');
    text
}

/// A text from another database, which may have another encoding: bytes that make no sense in this one's become `?`.
pub fn made_valid(text: Vec<u8>) -> Result<Vec<u8>> {
    let (start, len) = (text.as_ptr(), text.len() as i32);
    // SAFETY: the pointer and length are those of one slice; `true`: it answers instead of raising an error.
    let valid = guard(|| unsafe { sys::pg_verifymbstr(start.cast(), len, true) })?;
    Ok(if valid { text } else { ascii_of(text) })
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

/// The same for a text in that encoding.
pub fn clip_as(text: &[u8], max: usize, encoding: i32) -> usize {
    if text.len() <= max {
        return text.len();
    }
    // SAFETY: as above; an encoding that a database has.
    let len = unsafe { sys::pg_encoding_mbcliplen(encoding, text.as_ptr().cast(), text.len() as i32, max as i32) };
    (len.max(0) as usize).min(max)
}

/// How many characters the text has.
pub fn characters(text: &[u8]) -> i32 {
    // SAFETY: the pointer and length are those of one slice; texts are under 1 GB.
    unsafe { sys::pg_mbstrlen_with_len(text.as_ptr().cast(), text.len() as i32) }
}

/// Copies a text into zeroed memory, cut where the room ends before its NUL.
pub(super) fn copy_text(to: &mut [c_char], from: &[u8]) {
    let len = from.len().min(to.len() - 1);
    for (to, from) in to.iter_mut().zip(&from[..len]) {
        *to = *from as c_char;
    }
}
