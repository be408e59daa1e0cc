//! A jsonb object, read member by member (utils/jsonb.h).

use super::error::Result;
use super::guard::guard;
use super::sys;
use super::value::{Datum, slice_or_empty};
use std::ffi::{CStr, c_char};
use std::mem::MaybeUninit;
use std::ptr;

/// The value of a member of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Member {
    Text(Vec<u8>),
    /// In decimal digits, as it was written.
    Number(Vec<u8>),
    Bool(bool),
    Null,
    /// An array or an object.
    Nested,
}

/// Names and values.
pub type Members = Vec<(Vec<u8>, Member)>;

/// The members of an object, name and value, in the order in which jsonb keeps them; `None` if the value is no object.
///
/// # Safety
/// `datum` must be a jsonb. What is read is copied.
#[allow(clippy::cast_ptr_alignment)] // what is detoasted is allocated aligned
pub(super) unsafe fn members(datum: Datum) -> Result<Option<Members>> {
    let mut iterator = ptr::null_mut();
    let iterator_at = &raw mut iterator;
    // SAFETY: promised by the caller; the iterator is allocated in the current memory context.
    guard(|| unsafe {
        let whole = sys::pg_detoast_datum(datum as *mut sys::varlena).cast::<sys::Jsonb>();
        *iterator_at = sys::JsonbIteratorInit(&raw mut (*whole).root);
    })?;
    // SAFETY: an iterator that has just been made.
    let next = || unsafe { advance(iterator_at) };
    if next()?.0 != sys::JsonbIteratorToken_WJB_BEGIN_OBJECT {
        return Ok(None);
    }
    let mut members = Vec::new();
    loop {
        let (token, key) = next()?;
        if token != sys::JsonbIteratorToken_WJB_KEY {
            return Ok(Some(members));
        }
        // SAFETY: a key is a string; what follows it is its value.
        let member = unsafe {
            let name = text(&key);
            (name, member(&next()?.1)?)
        };
        members.push(member);
    }
}

/// The next token, and the value that belongs to it. Arrays and objects inside the object are one value.
///
/// # Safety
/// The iterator must not have come to its end.
unsafe fn advance(
    iterator: *mut *mut sys::JsonbIterator,
) -> Result<(sys::JsonbIteratorToken, MaybeUninit<sys::JsonbValue>)> {
    let mut value = MaybeUninit::<sys::JsonbValue>::zeroed();
    let to = value.as_mut_ptr();
    // SAFETY: promised by the caller; a place for the value.
    let token = guard(|| unsafe { sys::JsonbIteratorNext(iterator, to, true) })?;
    Ok((token, value))
}

/// # Safety
/// The value must be a string.
unsafe fn text(value: &MaybeUninit<sys::JsonbValue>) -> Vec<u8> {
    // SAFETY: promised by the caller: pointer and length of one string, in the jsonb.
    unsafe {
        let string = &(*value.as_ptr()).val.string;
        slice_or_empty(string.val.cast_const().cast::<u8>(), string.len.max(0) as usize).to_vec()
    }
}

/// # Safety
/// The value must have been set by the iterator.
unsafe fn member(value: &MaybeUninit<sys::JsonbValue>) -> Result<Member> {
    // SAFETY: promised by the caller.
    let kind = unsafe { (*value.as_ptr()).type_ };
    // SAFETY: the kind says which field of the union was set.
    unsafe {
        Ok(match kind {
            sys::jbvType_jbvNull => Member::Null,
            sys::jbvType_jbvBool => Member::Bool((*value.as_ptr()).val.boolean),
            sys::jbvType_jbvString => Member::Text(text(value)),
            sys::jbvType_jbvNumeric => Member::Number(digits((*value.as_ptr()).val.numeric)?),
            _ => Member::Nested,
        })
    }
}

/// # Safety
/// A numeric of the server.
unsafe fn digits(numeric: sys::Numeric) -> Result<Vec<u8>> {
    let datum = numeric as Datum;
    // SAFETY: promised by the caller; the function returns a C string in the current memory context.
    let text = guard(|| unsafe { sys::DirectFunctionCall1Coll(Some(sys::numeric_out), 0, datum) })?;
    // SAFETY: as above.
    Ok(unsafe { CStr::from_ptr(text as *const c_char) }.to_bytes().to_vec())
}
