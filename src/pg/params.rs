//! Parameters of a job's statement: from a row in the launcher to bytes, and from these to what the executor wants.
//!
//! Values travel as they are stored, whole: nothing of them lies in another table, none is compressed, none is of a
//! form that only one process knows. The worker uses them where they lie, in the job's segment, which it has mapped for
//! as long as the job runs.
//!
//! A stored value is read by what the catalogs say of its type, and between launch and run they may change. Types that
//! are gone, or that the launcher has made and not committed, are refused; row types anywhere in a value are held and
//! compared, as for the rows of a result ([`types::hold_row_type`]).

use super::call::Call;
use super::catalog::row;
use super::error::{PgError, Result, with_names};
use super::foreign_types::Room;
use super::guard::guard;
use super::memory::Context;
use super::splitter::greatest_parameter;
use super::tupdesc::type_name;
use super::value::{Datum, slice_or_empty, text_datum};
use super::{foreign_types, foreign_values, sys, types};
use logic::sqlstate;
use logic::wire::columns::RowType;
use logic::wire::params::{ALIGNMENT, Encoder, MAX_PARAMS, Param, Params, Value, decode};
use std::ffi::{CStr, CString, c_char};
use std::marker::PhantomData;
use std::ptr;

/// Where a job's parameters go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    SameDatabase,
    /// Only what every database has, in any encoding, goes as it is stored; all else by the type's name, as text.
    OtherDatabase,
}

impl Call {
    /// The columns of a row, as parameters of a job (`logic::wire::params`); empty when the row is NULL. Errors: a
    /// value that means nothing to another process.
    pub fn params(&self, n: usize, to: Destination) -> Result<Vec<u8>> {
        let (datum, is_null) = self.arg(n);
        // SAFETY: the argument is a row by the function's declaration.
        if is_null { Ok(Vec::new()) } else { unsafe { encode(datum, to) } }
    }
}

/// # Safety
/// `datum` must be a row. For a call: what must be detoasted is allocated in the current memory context.
unsafe fn encode(datum: Datum, to: Destination) -> Result<Vec<u8>> {
    // SAFETY: a row's Datum points to a varlena, whose flat form has the row's type and size in its header.
    let (desc, row, len) = guard(|| unsafe {
        let row = sys::pg_detoast_datum(datum as *mut sys::varlena) as Datum as sys::HeapTupleHeader;
        let of = (*row).t_choice.t_datum;
        (sys::lookup_rowtype_tupdesc(of.datum_typeid, of.datum_typmod), row, sys::pgbg_varsize(row.cast()))
    })?;
    // SAFETY: just looked up.
    let desc = unsafe { types::RowType::new(desc) };
    let natts = desc.attributes().count();
    let (mut values, mut nulls) = (vec![Datum::default(); natts], vec![true; natts]);
    let (values_at, nulls_at, desc_at) = (values.as_mut_ptr(), nulls.as_mut_ptr(), desc.as_ptr());
    // SAFETY: the row is of the descriptor, for whose attributes there is room; all-zero is a valid HeapTupleData.
    guard(|| unsafe {
        let mut tuple: sys::HeapTupleData = std::mem::zeroed();
        tuple.t_len = len as u32;
        tuple.t_data = row;
        sys::heap_deform_tuple(&raw mut tuple, desc_at, values_at, nulls_at);
    })?;
    let columns = || desc.attributes().enumerate().filter(|(_, attribute)| !attribute.attisdropped);
    // SAFETY: reads a variable.
    let encoding = unsafe { sys::GetDatabaseEncoding() } as u32;
    let mut encoder = Encoder::new(columns().count(), encoding).map_err(|_| too_many())?;
    let (mut row_types, mut examined) = (Vec::new(), 0);
    let mut room = Room::new();
    for (number, (i, attribute)) in (1..).zip(columns()) {
        let (value, is_null) = (values[i], nulls[i]);
        let type_id = attribute.atttypid;
        if type_id == sys::UNKNOWNOID {
            // a literal that was given no type: a C string
            // SAFETY: as above.
            let text = if is_null { Datum::default() } else { text_datum(unsafe { c_string(value) })? };
            // SAFETY: a text.
            unsafe { push(&mut encoder, sys::TEXTOID, -1, false, (!is_null).then_some(text)) }?;
            continue;
        }
        if type_id != examined {
            if !types::examine(type_id, &mut row_types)? {
                return Err(cannot_travel(number, type_id));
            }
            examined = type_id;
        }
        let value = (!is_null).then_some(value);
        if to == Destination::OtherDatabase && !foreign_types::is_stored_alike(type_id)? {
            // SAFETY: the value is of the attribute's type.
            unsafe { push_named(&mut encoder, type_id, value, &mut room) }?;
        } else {
            // SAFETY: the value is of the attribute's type.
            unsafe { push(&mut encoder, type_id, attribute.attlen, attribute.attbyval, value) }?;
        }
    }
    // no native value for another database has a row in it
    let row_types = if to == Destination::SameDatabase { shapes(&row_types)? } else { Vec::new() };
    encoder.finish(&row_types).map_err(|_| too_large())
}

fn shapes(row_types: &[u32]) -> Result<Vec<RowType>> {
    let shape = |type_id: &u32| {
        let (natts, shape) = types::row_type_shape(*type_id)?;
        Ok(RowType { type_id: *type_id, natts: natts as i32, shape })
    };
    row_types.iter().map(shape).collect()
}

/// Adds a value as it is stored; `None` is NULL.
///
/// # Safety
/// A value of a type with this length, passed by value or not.
unsafe fn push(encoder: &mut Encoder, type_id: u32, len: i16, by_value: bool, value: Option<Datum>) -> Result<()> {
    let value = match value {
        None => Value::Null,
        Some(value) if by_value => Value::ByValue(value as u64),
        Some(value) => {
            let mut size = len.max(0) as usize;
            let size_at = &raw mut size;
            // SAFETY: promised by the caller: other than a varlena, it is so many bytes.
            let start = guard(|| unsafe {
                if len != -1 {
                    return value as *const u8;
                }
                let flat = sys::pg_detoast_datum_packed(value as *mut sys::varlena);
                *size_at = sys::pgbg_varsize(flat.cast());
                flat.cast_const().cast()
            })?;
            // SAFETY: as above, in the memory of the call.
            Value::Stored(unsafe { slice_or_empty(start, size) })
        }
    };
    encoder.push(Param::Native { type_id, len, value }).map_err(|_| too_large())
}

/// Adds a value as text, with what its type is.
///
/// # Safety
/// A value of that type.
unsafe fn push_named(encoder: &mut Encoder, type_id: u32, value: Option<Datum>, room: &mut Room) -> Result<()> {
    // SAFETY: promised by the caller.
    let (tree, text) = unsafe { foreign_values::write(type_id, value, room) }?;
    encoder.push(Param::Named { tree: &tree, text: text.as_deref() }).map_err(|_| too_large())
}

/// # Safety
/// A Datum that points to a C string.
unsafe fn c_string<'a>(datum: Datum) -> &'a [u8] {
    // SAFETY: promised by the caller.
    unsafe { CStr::from_ptr(datum as *const c_char) }.to_bytes()
}

#[cold]
fn cannot_travel(number: usize, type_id: u32) -> PgError {
    let hint = if type_id == sys::RECORDOID || type_id == sys::RECORDARRAYOID {
        "Cast the row to a composite type."
    } else {
        "Cast the value to another type."
    };
    let message = format!("parameter ${number} of type {{}} cannot be passed to a background job");
    let message = with_names(&message, &[&type_name(type_id)]);
    PgError::new(sqlstate::FEATURE_NOT_SUPPORTED, message)
        .detail("Values of this type have a meaning only in the session that made them.")
        .hint(hint)
}

#[cold]
fn too_many() -> PgError {
    let message = format!("a background job can have at most {MAX_PARAMS} parameters");
    PgError::new(sqlstate::PROGRAM_LIMIT_EXCEEDED, message)
}

#[cold]
fn too_large() -> PgError {
    PgError::new(sqlstate::PROGRAM_LIMIT_EXCEEDED, "parameters of a background job are too large")
}

/// Parameters for a statement. They point into the bytes that they were made of.
pub struct Bound<'a> {
    list: sys::ParamListInfo,
    types: Vec<u32>,
    bytes: PhantomData<&'a [u8]>,
}

impl<'a> Bound<'a> {
    /// None: of a text that has no parameters.
    pub fn none() -> Self {
        Self { list: ptr::null_mut(), types: Vec::new(), bytes: PhantomData }
    }

    /// The parameters in `bytes`, for statements that run in this transaction and those after it. What is made of
    /// them is in `context`. An error if a type is not what the launcher knew. Inside a transaction.
    pub fn new(bytes: &'a [u8], context: &Context) -> Result<Self> {
        if bytes.is_empty() {
            return Ok(Self::none());
        }
        let Params { params, encoding, row_types } = decode(bytes).map_err(|why| malformed(why.0))?;
        if bytes.as_ptr().align_offset(ALIGNMENT) != 0 {
            return Err(malformed("the parameters are not aligned"));
        }
        let count = params.len();
        let entered = context.enter();
        // SAFETY: allocates a list for so many.
        let list = guard(|| unsafe { sys::makeParamList(count as i32) })?;
        drop(entered);
        let mut types = Vec::with_capacity(count);
        let mut looked_up = (0, (0, false));
        for (i, param) in params.iter().enumerate() {
            let (type_id, value) = match *param {
                Param::Native { type_id, len, value } => {
                    if looked_up.0 != type_id {
                        looked_up = (type_id, storage(i + 1, type_id)?);
                    }
                    (type_id, native(looked_up.1, len, value)?)
                }
                Param::Named { tree, text } => named(tree, text, encoding, context)?,
            };
            types.push(type_id);
            // SAFETY: the list has so many elements.
            unsafe {
                let to = &mut *(*list).params.as_mut_ptr().add(i);
                to.value = value.unwrap_or_default();
                to.isnull = value.is_none();
                to.pflags = sys::PARAM_FLAG_CONST as u16;
                to.ptype = type_id;
            }
        }
        hold(&row_types)?;
        Ok(Self { list, types, bytes: PhantomData })
    }

    /// NULL if there is no value.
    pub(super) fn as_ptr(&self) -> sys::ParamListInfo {
        if self.types.is_empty() { ptr::null_mut() } else { self.list }
    }

    pub(super) fn types(&self) -> &[u32] {
        &self.types
    }

    /// An error if the text that the parser has taken, of so many statements, cannot have these parameters: it has
    /// several statements, or more values are given than it refers to. (A row without columns makes no parameters, and
    /// still allows one statement only.) The analysis has an error for a parameter without a value, with its position.
    pub fn check_text(&self, sql: &CStr, statements: usize) -> Result<()> {
        if self.list.is_null() {
            return Ok(());
        }
        if statements > 1 {
            let message = "cannot insert multiple commands into a job with parameters";
            return Err(PgError::new(sqlstate::SYNTAX_ERROR, message)
                .hint("Launch a job for each statement, or call a function."));
        }
        let given = self.types.len();
        let used = if given == 0 { 0 } else { greatest_parameter(sql)? as usize };
        if used < given {
            return Err(PgError::new(sqlstate::SYNTAX_ERROR, "wrong number of parameters for a background job")
                .detail(format!("Parameters of the statement: {used}; values given: {given}.")));
        }
        Ok(())
    }

    /// The values as the server's log has them, each cut to `max` bytes unless that is negative. `None` without
    /// parameters. Inside a transaction.
    pub fn log_text(&self, max: i32) -> Result<Option<CString>> {
        let list = self.list;
        if self.types.is_empty() {
            return Ok(None);
        }
        // SAFETY: output functions of the values' types, some of which want a snapshot.
        let text = guard(|| unsafe {
            sys::PushActiveSnapshot(sys::GetTransactionSnapshot());
            let text = sys::BuildParamLogString(list, ptr::null_mut(), max);
            sys::PopActiveSnapshot();
            text
        })?;
        // SAFETY: a C string of the server; NULL in an aborted transaction.
        Ok((!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_owned()))
    }

    /// Makes errors of the statement name the values, as `log_parameter_max_length_on_error` has it. Inside a
    /// transaction.
    pub fn name_in_errors(&self, context: &Context) -> Result<()> {
        // SAFETY: reads a variable.
        let max = unsafe { sys::log_parameter_max_length_on_error };
        if max == 0 || self.types.is_empty() {
            return Ok(());
        }
        let Some(text) = self.log_text(max)? else {
            return Ok(());
        };
        let (list, context, text) = (self.list, context.as_ptr(), text.as_ptr());
        // SAFETY: a copy that lives as long as the list.
        guard(|| unsafe { (*list).paramValuesStr = sys::MemoryContextStrdup(context, text) })
    }
}

#[cold]
fn malformed(why: &str) -> PgError {
    PgError::new(sqlstate::DATA_CORRUPTED, format!("invalid parameters of a background job: {why}"))
}

/// How the type's values are stored: length, and whether they are passed by value. An error if there is no such type.
fn storage(number: usize, type_id: u32) -> Result<(i16, bool)> {
    // SAFETY: `row` gives a row.
    let read = |found: *const sys::FormData_pg_type| unsafe { ((*found).typlen, (*found).typbyval) };
    row(type_id, read)?.ok_or_else(|| {
        PgError::new(sqlstate::UNDEFINED_OBJECT, format!("type of parameter ${number} does not exist"))
            .detail("The type was dropped, or the transaction that creates it has not been committed.")
    })
}

/// The Datum of a value that is stored as its type has it.
fn native(storage: (i16, bool), len: i16, value: Value) -> Result<Option<Datum>> {
    match value {
        Value::Null => Ok(None),
        Value::ByValue(datum) if storage.1 => Ok(Some(datum as Datum)),
        // not NULL, and aligned: `decode` has seen to it
        Value::Stored(bytes) if !storage.1 && storage.0 == len => Ok(Some(bytes.as_ptr() as Datum)),
        _ => Err(malformed("a value is not stored as its type has it")),
    }
}

/// The value of the type with that description, made of its text; where there is no such type, the text. In the
/// memory of `context`.
fn named(tree: &[u8], text: Option<&[u8]>, encoding: u32, context: &Context) -> Result<(u32, Option<Datum>)> {
    // SAFETY: an input function may want a snapshot; an error ends the transaction.
    guard(|| unsafe { sys::PushActiveSnapshot(sys::GetTransactionSnapshot()) })?;
    let read = foreign_values::read(tree, text, encoding as i32, context)?;
    // SAFETY: the one that was pushed.
    guard(|| unsafe { sys::PopActiveSnapshot() })?;
    Ok(read)
}

/// Holds the row types until the transaction ends. An error if one is not what it was when the values were made.
fn hold(row_types: &[RowType]) -> Result<()> {
    for row_type in row_types {
        let natts = usize::try_from(row_type.natts).unwrap_or(usize::MAX);
        if types::hold_row_type(row_type.type_id, natts)? != Some(row_type.shape) {
            let name = type_name(row_type.type_id);
            let message = with_names("row type {} has been altered since the job was launched", &[&name]);
            return Err(PgError::new(sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
                .detail("A parameter of the job cannot be read as what the type is now.")
                .hint("Launch the job again."));
        }
    }
    Ok(())
}
