//! Values of SQL: from Rust, from text, and as text.

use super::error::Result;
use super::guard::guard;
use super::memory::Context;
use super::sys;
use super::tupdesc::Declared;
use std::ffi::{CStr, CString, c_char, c_int};
use std::mem::MaybeUninit;

pub use super::sys::Datum;

/// A value of a composite result.
pub enum Value {
    Null,
    Int4(i32),
    Int8(i64),
    Float8(f64),
    Bool(bool),
    Oid(u32),
    /// A type, by its OID.
    Type(u32),
    /// Microseconds since 2000-01-01.
    Timestamp(i64),
    /// Microseconds.
    Interval(i64),
    Text(Vec<u8>),
    /// Of an object of the catalog.
    Name(Vec<u8>),
}

impl Value {
    /// The type that a column must have to take it; NULL fits all.
    fn type_id(&self) -> Option<u32> {
        Some(match self {
            Self::Null => return None,
            Self::Int4(_) => sys::INT4OID,
            Self::Int8(_) => sys::INT8OID,
            Self::Float8(_) => sys::FLOAT8OID,
            Self::Bool(_) => sys::BOOLOID,
            Self::Oid(_) => sys::OIDOID,
            Self::Type(_) => sys::REGTYPEOID,
            Self::Timestamp(_) => sys::TIMESTAMPTZOID,
            Self::Interval(_) => sys::INTERVALOID,
            Self::Text(_) => sys::TEXTOID,
            Self::Name(_) => sys::NAMEOID,
        })
    }

    /// Texts, names and intervals are allocated in the current memory context.
    pub(super) fn into_datum(self) -> Result<(Datum, bool)> {
        let datum = match self {
            Self::Null => return Ok((Datum::default(), true)),
            Self::Int4(value) => value as Datum,
            Self::Int8(value) | Self::Timestamp(value) => value as Datum,
            Self::Float8(value) => value.to_bits() as Datum,
            Self::Bool(value) => Datum::from(value),
            Self::Oid(value) | Self::Type(value) => value as Datum,
            Self::Interval(microseconds) => interval_datum(microseconds)?,
            Self::Text(text) => text_datum(&text)?,
            Self::Name(name) => name_datum(&name)?,
        };
        Ok((datum, false))
    }
}

/// Has each value the type of its column?
pub(super) fn fits(values: &[Value], columns: &[Declared]) -> bool {
    values.len() == columns.len()
        && values.iter().zip(columns).all(|(value, column)| value.type_id().is_none_or(|id| id == column.type_id))
}

/// A text in the current memory context.
pub(super) fn text_datum(text: &[u8]) -> Result<Datum> {
    let (start, len) = (text.as_ptr().cast::<c_char>(), text.len() as i32);
    // SAFETY: copies the slice.
    Ok(guard(|| unsafe { sys::cstring_to_text_with_len(start, len) })? as Datum)
}

/// A name in the current memory context, cut where the server cuts names.
fn name_datum(name: &[u8]) -> Result<Datum> {
    let owned = CString::new(name).unwrap_or_default();
    let name = owned.as_ptr() as Datum;
    // SAFETY: copies the C string.
    guard(|| unsafe { sys::DirectFunctionCall1Coll(Some(sys::namein), 0, name) })
}

/// An interval in the current memory context.
fn interval_datum(microseconds: i64) -> Result<Datum> {
    // SAFETY: the server allocates so many bytes, zeroed, or throws.
    guard(|| unsafe {
        let interval = sys::palloc0(size_of::<sys::Interval>()).cast::<sys::Interval>();
        (*interval).time = microseconds;
        interval as Datum
    })
}

/// The result of a function that returns void.
pub fn void() -> Datum {
    Datum::default()
}

/// A text in the current memory context.
pub fn text(value: &[u8]) -> Result<Datum> {
    text_datum(value)
}

pub fn int4(value: i32) -> Datum {
    value as Datum
}

pub fn boolean(value: bool) -> Datum {
    Datum::from(value)
}

/// The bytes of a varlena, detoasted. They live as long as the call.
///
/// # Safety
/// `datum` must be a varlena.
pub(super) unsafe fn varlena<'a>(datum: Datum) -> Result<&'a [u8]> {
    let mut len = 0;
    let len_at = &raw mut len;
    // SAFETY: promised by the caller.
    let start = guard(|| unsafe {
        let flat = sys::pg_detoast_datum_packed(datum as *mut sys::varlena);
        sys::pgbg_varlena(flat.cast(), len_at)
    })?;
    // SAFETY: the server says that so many bytes stand there, in the memory of the call.
    Ok(unsafe { slice_or_empty(start.cast::<u8>(), len) })
}

/// # Safety
/// When `len` is not 0, `start` must point to so many elements that live as long as the result is used.
pub(super) unsafe fn slice_or_empty<'a, T>(start: *const T, len: usize) -> &'a [T] {
    if len == 0 || start.is_null() {
        &[]
    } else {
        // SAFETY: promised by the caller.
        unsafe { std::slice::from_raw_parts(start, len) }
    }
}

/// The value as the receive function makes it of what the send function wrote.
///
/// # Safety
/// Functions of the value's type, and of the type that is wanted. For [`guard`].
pub(super) unsafe fn received(
    send: *mut sys::FmgrInfo,
    receive: *mut sys::FmgrInfo,
    value: sys::Datum,
    typioparam: sys::Oid,
    typmod: i32,
) -> sys::Datum {
    let (mut len, mut copy) = (0, MaybeUninit::<sys::StringInfoData>::uninit());
    // SAFETY: promised by the caller; what is sent is a varlena.
    unsafe {
        let bytes = sys::pgbg_varlena(sys::SendFunctionCall(send, value).cast(), &raw mut len);
        // a copy: receive functions expect a NUL behind the data, and array_recv writes there
        sys::initStringInfo(copy.as_mut_ptr());
        sys::appendBinaryStringInfo(copy.as_mut_ptr(), bytes.cast(), len as c_int);
        sys::ReceiveFunctionCall(receive, copy.as_mut_ptr(), typioparam, typmod)
    }
}

/// A function by its OID, ready to be called for as long as the context lives.
pub(super) fn function(id: u32, context: &Context) -> Result<sys::FmgrInfo> {
    // SAFETY: all-zero is a valid FmgrInfo to fill.
    let mut info: sys::FmgrInfo = unsafe { std::mem::zeroed() };
    let (at, context) = (&raw mut info, context.as_ptr());
    // SAFETY: fills the struct; what it caches lives in our context, which outlives the struct.
    guard(|| unsafe { sys::fmgr_info_cxt(id, at, context) })?;
    Ok(info)
}

/// The output function of a type.
pub(super) fn output(type_id: u32, context: &Context) -> Result<sys::FmgrInfo> {
    let (mut id, mut is_varlena) = (0, false);
    let (id_at, varlena_at) = (&raw mut id, &raw mut is_varlena);
    // SAFETY: a catalog lookup.
    guard(|| unsafe { sys::getTypeOutputInfo(type_id, id_at, varlena_at) })?;
    function(id, context)
}

/// A value as a text, in the current memory context.
///
/// # Safety
/// `out` must be the output function of the value's type.
pub(super) unsafe fn output_text(out: &mut sys::FmgrInfo, value: Datum) -> Result<Datum> {
    let out: *mut _ = out;
    // SAFETY: promised by the caller.
    let text = guard(|| unsafe { sys::OutputFunctionCall(out, value) })?;
    // SAFETY: a C string of the server.
    text_datum(unsafe { CStr::from_ptr(text) }.to_bytes())
}
