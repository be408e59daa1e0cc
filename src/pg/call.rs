//! One call of an SQL function: its arguments, and what it returns.

use super::error::{PgError, Result};
use super::guard::guard;
use super::memory::Execution;
use super::result_set::ResultSet;
use super::value::{Datum, Value, fits, varlena};
use super::{sys, tupdesc};
use logic::sqlstate;
use std::{mem, ptr};

/// One call of an SQL function. Arguments are read by their position and declared type.
pub struct Call {
    fcinfo: sys::FunctionCallInfo,
    /// The type of its rows, where the function's declaration has them.
    desc: Option<sys::TupleDesc>,
}

impl Call {
    /// # Safety `fcinfo` must be a valid call that outlives this value, of a function with the argument types that
    /// are asked for; `desc` one of its descriptors.
    pub(super) unsafe fn new(fcinfo: sys::FunctionCallInfo, desc: Option<sys::TupleDesc>) -> Self {
        Self { fcinfo, desc }
    }

    pub(super) fn arg(&self, n: usize) -> (Datum, bool) {
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
        // SAFETY: the argument is a varlena by the function's declaration.
        unsafe { varlena(datum) }
    }

    /// Is the call part of a transaction that it cannot end? That of a procedure is not when CALL, and the DO block or
    /// procedures that led to it, run outside of transaction blocks, functions and blocks that catch exceptions.
    pub fn is_atomic(&self) -> bool {
        // SAFETY: `new` was promised a valid call; its context is a node, whose tag tells what it is, or NULL.
        #[allow(clippy::cast_ptr_alignment)] // nodes are allocated aligned
        unsafe {
            let context = (*self.fcinfo).context;
            context.is_null()
                || (*context).type_ != sys::NodeTag_T_CallContext
                || (*context.cast::<sys::CallContext>()).atomic
                || sys::IsSubTransaction()
        }
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

    /// A row of the function's declared composite type: of the values, those that its columns are named after.
    pub fn composite_by_name(&self, mut values: Vec<(&str, Value)>) -> Result<Datum> {
        // SAFETY: the descriptor is valid as long as the call.
        let columns = unsafe { tupdesc::raw_columns(self.row_type()?) };
        let mut take = |name: &[u8]| {
            let found = values.iter_mut().find(|(of, _)| of.as_bytes() == name);
            found.map_or(Value::Null, |(_, value)| mem::replace(value, Value::Null))
        };
        // SAFETY: as above.
        self.composite(columns.iter().map(|column| take(unsafe { column.name() })))
    }

    /// A row of the function's declared composite type.
    pub fn composite(&self, values: impl IntoIterator<Item = Value>) -> Result<Datum> {
        let values: Vec<Value> = values.into_iter().collect();
        let desc = self.row_type()?;
        // SAFETY: the descriptor is valid as long as the call.
        if !fits(&values, &unsafe { tupdesc::declared(desc) }) {
            return Err(PgError::new(sqlstate::DATATYPE_MISMATCH, "a row does not have the declared types"));
        }
        let (mut datums, mut nulls) = (Vec::with_capacity(values.len()), Vec::with_capacity(values.len()));
        for value in values {
            let (datum, is_null) = value.into_datum()?;
            datums.push(datum);
            nulls.push(is_null);
        }
        let (datums, nulls) = (datums.as_mut_ptr(), nulls.as_mut_ptr());
        // SAFETY: the arrays have as many elements as the descriptor has attributes.
        guard(|| unsafe {
            let tuple = sys::heap_form_tuple(sys::BlessTupleDesc(desc), datums, nulls);
            sys::HeapTupleHeaderGetDatum((*tuple).t_data)
        })
    }

    /// The column definition list of a set-returning call, and where its rows go.
    pub fn rows(&self) -> Result<ResultSet> {
        let desc = self.row_type()?;
        let info = self.set_info()?;
        // SAFETY: they are the call's, which outlives the result.
        unsafe { ResultSet::new(info, desc) }
    }

    /// Where the rows of a call go that returns a set of values of that type, which is not a row type.
    pub fn values(&self, type_id: u32) -> Result<ResultSet> {
        let info = self.set_info()?;
        // SAFETY: the call's, which outlives the result.
        unsafe { ResultSet::of_scalar(info, type_id) }
    }

    /// Where the rows of a call go that returns a set of `anyelement`, and what it is this time: the type of argument
    /// `n`.
    pub fn rows_as(&self, n: usize) -> Result<ResultSet> {
        let info = self.set_info()?;
        let (mut type_id, mut desc) = (0, ptr::null_mut());
        let (type_at, desc_at) = (&raw mut type_id, &raw mut desc);
        // SAFETY: `new` was promised a valid call.
        let class = guard(|| unsafe { sys::get_call_result_type(self.fcinfo, type_at, desc_at) })?;
        // SAFETY: they are the call's, which outlives the result.
        unsafe {
            match class {
                sys::TypeFuncClass_TYPEFUNC_SCALAR => ResultSet::of_scalar(info, type_id),
                sys::TypeFuncClass_TYPEFUNC_COMPOSITE => ResultSet::new(info, desc),
                sys::TypeFuncClass_TYPEFUNC_COMPOSITE_DOMAIN => ResultSet::of_row_domain(info, desc, type_id),
                sys::TypeFuncClass_TYPEFUNC_RECORD => ResultSet::new(info, self.record_type(n)?),
                _ => Err(PgError::new(sqlstate::DATATYPE_MISMATCH, "cannot return rows of a pseudo-type")),
            }
        }
    }

    /// The row type of an argument that is declared as a record, by its value.
    fn record_type(&self, n: usize) -> Result<sys::TupleDesc> {
        let (datum, is_null) = self.arg(n);
        if is_null {
            return Err(PgError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                "could not determine the row type of the result",
            )
            .hint(
                "Provide a value of a named type, a non-null record, or call the function in the FROM clause \
                     using a column definition list.",
            ));
        }
        // SAFETY: the argument is a row, whose head names its type.
        #[allow(clippy::cast_ptr_alignment)] // detoasted values are allocated aligned
        guard(|| unsafe {
            let row = sys::pg_detoast_datum(datum as *mut sys::varlena).cast::<sys::HeapTupleHeaderData>();
            let head = (*row).t_choice.t_datum;
            sys::lookup_rowtype_tupdesc_copy(head.datum_typeid, head.datum_typmod)
        })
    }

    fn set_info(&self) -> Result<*mut sys::ReturnSetInfo> {
        // SAFETY: `new` was promised a valid call.
        #[allow(clippy::cast_ptr_alignment)] // nodes are allocated aligned
        let info = unsafe { (*self.fcinfo).resultinfo }.cast::<sys::ReturnSetInfo>();
        // SAFETY: the server passes a ReturnSetInfo, or NULL, or another node that its tag tells.
        let is_set = !info.is_null() && unsafe { (*info).type_ } == sys::NodeTag_T_ReturnSetInfo;
        if is_set {
            return Ok(info);
        }
        Err(PgError::new(
            sqlstate::FEATURE_NOT_SUPPORTED,
            "set-valued function called in context that cannot accept a set",
        ))
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
