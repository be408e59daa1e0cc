//! Arguments and results of SQL functions.

use super::error::{PgError, Result};
use super::guard::guard;
use super::memory::Execution;
use super::result_set::Rows;
use super::sys;
use super::tupdesc::Declared;
use logic::sqlstate;
use std::ffi::{c_char, c_int};
use std::mem::MaybeUninit;
use std::ptr;

pub use super::sys::Datum;

/// One call of an SQL function. Arguments are read by their position and declared type.
pub struct Call {
    fcinfo: sys::FunctionCallInfo,
    /// The type of its rows, where the function's declaration has them.
    desc: Option<sys::TupleDesc>,
}

/// A value of a composite result.
pub enum Value {
    Null,
    Int4(i32),
    Int8(i64),
    Float8(f64),
    Bool(bool),
    Oid(u32),
    /// Microseconds since 2000-01-01.
    Timestamp(i64),
    Text(Vec<u8>),
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
            Self::Timestamp(_) => sys::TIMESTAMPTZOID,
            Self::Text(_) => sys::TEXTOID,
        })
    }

    /// Text values are allocated in the current memory context.
    pub(super) fn into_datum(self) -> Result<(Datum, bool)> {
        let datum = match self {
            Self::Null => return Ok((Datum::default(), true)),
            Self::Int4(value) => value as Datum,
            Self::Int8(value) | Self::Timestamp(value) => value as Datum,
            Self::Float8(value) => value.to_bits() as Datum,
            Self::Bool(value) => Datum::from(value),
            Self::Oid(value) => value as Datum,
            Self::Text(text) => text_datum(&text)?,
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

/// The result of a function that returns void.
pub fn void() -> Datum {
    Datum::default()
}

pub fn int4(value: i32) -> Datum {
    value as Datum
}

pub fn boolean(value: bool) -> Datum {
    Datum::from(value)
}

impl Call {
    /// # Safety `fcinfo` must be a valid call that outlives this value, of a function with the argument types that
    /// are asked for; `desc` one of its descriptors.
    pub(super) unsafe fn new(fcinfo: sys::FunctionCallInfo, desc: Option<sys::TupleDesc>) -> Self {
        Self { fcinfo, desc }
    }

    fn arg(&self, n: usize) -> (Datum, bool) {
        // SAFETY: `new` was promised a valid call; the slice covers the arguments it has.
        unsafe {
            let args = (*self.fcinfo).args.as_slice((*self.fcinfo).nargs.max(0) as usize);
            let args = args.get(n).filter(|arg| !arg.isnull);
            args.map_or((Datum::default(), true), |arg| (arg.value, false))
        }
    }

    /// The execution of the query that makes the call.
    pub fn execution(&self) -> Execution {
        // SAFETY: `new` was promised a valid call.
        Execution::new(unsafe { (*(*self.fcinfo).flinfo).fn_mcxt })
    }

    pub fn is_null(&self, n: usize) -> bool {
        self.arg(n).1
    }

    /// 0 when NULL.
    pub fn int4(&self, n: usize) -> i32 {
        self.arg(n).0 as i32
    }

    /// 0 when NULL.
    pub fn int8(&self, n: usize) -> i64 {
        self.arg(n).0 as i64
    }

    /// A text, detoasted; empty when NULL. It lives as long as the call.
    pub fn text(&self, n: usize) -> Result<&[u8]> {
        let (datum, is_null) = self.arg(n);
        if is_null {
            return Ok(&[]);
        }
        let mut len = 0;
        // SAFETY: the argument is a varlena by the function's declaration.
        let start = guard(|| unsafe {
            let flat = sys::pg_detoast_datum_packed(datum as *mut sys::varlena);
            sys::pgbg_varlena(flat.cast(), &raw mut len)
        })?;
        // SAFETY: the server says that so many bytes stand there, in the memory of the call.
        Ok(unsafe { slice_or_empty(start.cast::<u8>(), len) })
    }

    /// SQL NULL.
    pub fn null(&self) -> Datum {
        // SAFETY: `new` was promised a valid call.
        unsafe { (*self.fcinfo).isnull = true };
        Datum::default()
    }

    /// The row type that the function returns, or that the caller's column definition list gives it.
    fn row_type(&self) -> Result<sys::TupleDesc> {
        if let Some(desc) = self.desc {
            return Ok(desc);
        }
        // SAFETY: `new` was promised a valid call.
        unsafe { result_type(self.fcinfo) }?.ok_or_else(no_column_list)
    }

    /// A row of the function's declared composite type.
    pub fn composite<const N: usize>(&self, values: [Value; N]) -> Result<Datum> {
        let desc = self.row_type()?;
        // SAFETY: the descriptor is valid as long as the call.
        if !fits(&values, &unsafe { super::tupdesc::declared(desc) }) {
            return Err(PgError::new(sqlstate::DATATYPE_MISMATCH, "a row does not have the declared types"));
        }
        let mut datums = [Datum::default(); N];
        let mut nulls = [true; N];
        for (i, value) in values.into_iter().enumerate() {
            (datums[i], nulls[i]) = value.into_datum()?;
        }
        let (datums, nulls) = (datums.as_mut_ptr(), nulls.as_mut_ptr());
        // SAFETY: the arrays have as many elements as the descriptor has attributes.
        guard(|| unsafe {
            let tuple = sys::heap_form_tuple(sys::BlessTupleDesc(desc), datums, nulls);
            sys::HeapTupleHeaderGetDatum((*tuple).t_data)
        })
    }

    /// The column definition list of a set-returning call, and where its rows go.
    pub fn rows(&self) -> Result<Rows> {
        let desc = self.row_type()?;
        // SAFETY: `new` was promised a valid call.
        #[allow(clippy::cast_ptr_alignment)] // nodes are allocated aligned
        let info = unsafe { (*self.fcinfo).resultinfo }.cast::<sys::ReturnSetInfo>();
        // SAFETY: the server passes a ReturnSetInfo, or NULL, or another node that its tag tells.
        let is_set = !info.is_null() && unsafe { (*info).type_ } == sys::NodeTag_T_ReturnSetInfo;
        if !is_set {
            return Err(PgError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                "set-valued function called in context that cannot accept a set",
            ));
        }
        // SAFETY: checked above that it is one; it outlives the call.
        unsafe { Rows::new(info, desc) }
    }
}

/// The row type that a call returns; `None` if it returns no row, or nobody said which columns it has.
///
/// # Safety
/// `fcinfo` must be a valid call.
pub(super) unsafe fn result_type(fcinfo: sys::FunctionCallInfo) -> Result<Option<sys::TupleDesc>> {
    let mut desc = ptr::null_mut();
    let to = &raw mut desc;
    // SAFETY: promised by the caller; and a place for the answer.
    let class = guard(|| unsafe { sys::get_call_result_type(fcinfo, ptr::null_mut(), to) })?;
    Ok((class == sys::TypeFuncClass_TYPEFUNC_COMPOSITE && !desc.is_null()).then_some(desc))
}

#[cold]
fn no_column_list() -> PgError {
    PgError::new(
        sqlstate::FEATURE_NOT_SUPPORTED,
        "function returning record called in context that cannot accept type record",
    )
    .hint("Try calling the function in the FROM clause using a column definition list.")
}

/// # Safety
/// When `len` is not 0, `start` must point to so many bytes that live as long as the result is used.
pub(super) unsafe fn slice_or_empty<'a>(start: *const u8, len: usize) -> &'a [u8] {
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
