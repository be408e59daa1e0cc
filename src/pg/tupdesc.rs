//! The columns of a result: what a worker sends, what a caller declared, and how one becomes the other.

use super::compat;
use super::error::{PgError, Result};
use super::guard::guard;
use super::memory::Context;
use super::result_set::Rows;
use super::sys;
use super::types;
use super::value::{received, text_datum};
use logic::sqlstate;
use logic::wire::columns::{Column, Form, RowType};
use logic::wire::frame;
use logic::wire::tuple::{self, Attribute};
use std::ffi::{CStr, c_char, c_int};
use std::ptr;

/// A column of the caller's column definition list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Declared {
    pub type_id: u32,
    pub typmod: i32,
}

pub const TEXT: u32 = sys::TEXTOID;

/// What Rust asks of an attribute.
pub(super) struct RawColumn {
    /// A C string inside the descriptor.
    name: *const c_char,
    pub(super) type_id: u32,
    typmod: i32,
    len: i16,
    /// In bytes.
    align: u8,
}

impl RawColumn {
    /// # Safety
    /// The descriptor that it is of must still be there.
    pub(super) unsafe fn name(&self) -> &[u8] {
        // SAFETY: promised by the caller.
        unsafe { CStr::from_ptr(self.name) }.to_bytes()
    }
}

/// # Safety
/// `desc` must be a valid descriptor.
pub(super) unsafe fn raw_columns(desc: sys::TupleDesc) -> Vec<RawColumn> {
    // SAFETY: promised by the caller.
    let attributes = (0..unsafe { (*desc).natts }).map(|i| unsafe { compat::attribute(desc, i) });
    attributes
        .map(|attribute| RawColumn {
            name: attribute.attname.data.as_ptr(),
            type_id: attribute.atttypid,
            typmod: attribute.atttypmod,
            len: attribute.attlen,
            align: match attribute.attalign as u8 {
                sys::TYPALIGN_CHAR => 1,
                sys::TYPALIGN_SHORT => 2,
                sys::TYPALIGN_INT => 4,
                _ => 8,
            },
        })
        .collect()
}

/// # Safety
/// `desc` must be a valid descriptor.
pub(super) unsafe fn declared(desc: sys::TupleDesc) -> Vec<Declared> {
    // SAFETY: promised by the caller.
    unsafe { raw_columns(desc) }.iter().map(|c| Declared { type_id: c.type_id, typmod: c.typmod }).collect()
}

/// The columns of a result as they will be sent.
///
/// # Safety
/// `desc` must be a valid descriptor.
pub(super) unsafe fn describe(desc: sys::TupleDesc) -> Result<Vec<Column>> {
    // SAFETY: promised by the caller.
    let raw = unsafe { raw_columns(desc) };
    let mut columns = Vec::with_capacity(raw.len());
    for column in raw {
        // A pseudo-type's value (void, an anonymous record) means nothing in another process; and what has one in it,
        // as some row types of the catalogs have, cannot be declared.
        let mut row_types = Vec::new();
        let text = !types::examine(column.type_id, &mut row_types)?;
        let attribute = if text { Attribute::new(-1, 4) } else { Attribute::new(column.len, column.align) };
        columns.push(Column {
            type_id: column.type_id,
            typmod: column.typmod,
            form: if text { Form::Text } else { Form::Native },
            attribute: attribute?,
            // SAFETY: of the descriptor.
            name: unsafe { column.name() }.to_vec(),
            row_types: if text { Vec::new() } else { shapes(&row_types)? },
        });
    }
    Ok(columns)
}

/// The row types as they are now.
fn shapes(row_types: &[u32]) -> Result<Vec<RowType>> {
    row_types
        .iter()
        .map(|&type_id| {
            let (natts, shape) = types::row_type_shape(type_id)?;
            Ok(RowType { type_id, natts: natts as i32, shape })
        })
        .collect()
}

/// Refuses rows whose bytes are not what this session would take them for, because a row type in them has been altered
/// since they were made. Until the transaction ends no other session can alter one.
///
/// Not before the job's own transaction has ended: it may have altered them itself, and holds them until then.
pub fn hold_row_types(columns: &[Column]) -> Result<()> {
    for row_type in columns.iter().flat_map(|column| &column.row_types) {
        let natts = usize::try_from(row_type.natts).unwrap_or(usize::MAX);
        if types::hold_row_type(row_type.type_id, natts)? != Some(row_type.shape) {
            return Err(altered(row_type.type_id));
        }
    }
    Ok(())
}

#[cold]
fn altered(type_id: u32) -> PgError {
    PgError::new(
        sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("row type {} has been altered since the job returned values of it", type_name(type_id)),
    )
    .detail("The values cannot be read as what the type is now.")
    .hint("Launch the job again.")
}

fn typtype(type_id: u32) -> Result<u8> {
    // SAFETY: a catalog lookup; 0 when there is no such type.
    Ok(guard(|| unsafe { sys::get_typtype(type_id) })? as u8)
}

/// A descriptor of rows as they are sent, in the current memory context.
pub(super) fn sent_desc(columns: &[Column]) -> Result<sys::TupleDesc> {
    let natts = columns.len() as c_int;
    // SAFETY: makes a descriptor.
    let desc = guard(|| unsafe { sys::CreateTemplateTupleDesc(natts) })?;
    for (i, column) in (1i16..).zip(columns) {
        let (type_id, typmod) = match column.form {
            Form::Native => (column.type_id, column.typmod),
            Form::Text => (TEXT, -1),
        };
        // SAFETY: the attribute number is within the template.
        guard(|| unsafe { sys::TupleDescInitEntry(desc, i, ptr::null(), type_id, typmod, 0) })?;
    }
    // SAFETY: all attributes are set.
    guard(|| unsafe { compat::finish_desc(desc) })?;
    Ok(desc)
}

/// What must be done to a column's values.
enum Conversion {
    None,
    /// Sent by one type's function and received by another's, which applies a declared length or precision.
    Receive {
        send: sys::FmgrInfo,
        receive: sys::FmgrInfo,
        typioparam: u32,
        typmod: i32,
    },
    /// Out by the type's function: for a type that other sessions cannot receive.
    ToText {
        out: sys::FmgrInfo,
    },
}

/// From what is sent to what was declared.
pub struct Conversions {
    columns: Vec<Conversion>,
    attributes: Vec<Attribute>,
    slot: *mut sys::TupleTableSlot,
    all_none: bool,
    /// Freed after each message.
    scratch: Context,
    /// Holds slot, descriptor and function caches.
    context: Context,
}

impl Drop for Conversions {
    fn drop(&mut self) {
        let slot = self.slot;
        let _entered = self.context.enter();
        // SAFETY: made by `new`, dropped once.
        let _ = guard(|| unsafe { sys::ExecDropSingleTupleTableSlot(slot) });
    }
}

#[cold]
fn mismatch() -> PgError {
    PgError::new(
        sqlstate::DATATYPE_MISMATCH,
        "remote query result rowtype does not match the specified FROM clause rowtype",
    )
}

impl Conversions {
    /// An error when the declared columns do not fit. Nothing of the result has been read then.
    pub fn new(sent: &[Column], declared: &[Declared]) -> Result<Self> {
        if sent.len() != declared.len() {
            return Err(mismatch().detail(&format!(
                "The query returns {} columns, but {} are declared.",
                sent.len(),
                declared.len()
            )));
        }
        let context = Context::new(c"pg_background conversions")?;
        let scratch = Context::new(c"pg_background conversion")?;
        let mut columns = Vec::with_capacity(sent.len());
        for (i, (from, to)) in sent.iter().zip(declared).enumerate() {
            columns.push(conversion(i, from, *to, &context)?);
        }
        let entered = context.enter();
        let desc = sent_desc(sent)?;
        // SAFETY: a descriptor of ours.
        let lie = unsafe { raw_columns(desc) };
        let attributes: Vec<_> = sent.iter().map(|column| column.attribute).collect();
        if lie.iter().zip(&attributes).any(|(here, there)| (here.len, here.align) != (there.len, there.align)) {
            return Err(PgError::new(sqlstate::DATA_CORRUPTED, "background worker sent columns of another shape"));
        }
        // SAFETY: a descriptor of ours, which lives as long as the slot.
        let slot = guard(|| unsafe { sys::MakeSingleTupleTableSlot(desc, &raw const sys::TTSOpsMinimalTuple) })?;
        drop(entered);
        let all_none = columns.iter().all(|column| matches!(column, Conversion::None));
        Ok(Self { columns, attributes, slot, all_none, scratch, context })
    }

    pub(super) fn put_all(&mut self, rows: &mut Rows, tuples: frame::BatchRows) -> Result<()> {
        let (slot, store) = (self.slot, rows.store());
        // Rows that need no conversion go to the server in one call, once all are checked.
        let (mut first, mut count) = (None, 0);
        for tuple in tuples {
            let tuple = tuple?;
            tuple::check(tuple, &self.attributes)?;
            let start = tuple.as_ptr();
            if start.align_offset(8) != 0 {
                return Err(PgError::new(sqlstate::INTERNAL_ERROR, "a row is not aligned"));
            }
            if self.all_none {
                first = first.or(Some(start));
                count += 1;
                continue;
            }
            // SAFETY: a checked, aligned tuple of the slot's descriptor, which the slot borrows until it is cleared or
            // given the next one; the server only reads it.
            guard(|| unsafe {
                sys::pgbg_check_for_interrupts();
                sys::ExecStoreMinimalTuple(start.cast_mut().cast(), slot, false);
                sys::pgbg_slot_deform(slot);
            })?;
            self.convert(rows)?;
        }
        if let Some(first) = first {
            // SAFETY: the same for all of them; a batch's rows lie one after the other, each padded to eight bytes.
            guard(|| unsafe { sys::pgbg_store_tuples(store, slot, first.cast(), count) })?;
        }
        // SAFETY: the tuple's memory is about to go.
        guard(|| unsafe { sys::pgbg_slot_clear(slot) })
    }

    /// The row in the slot, value by value.
    fn convert(&mut self, rows: &mut Rows) -> Result<()> {
        let entered = self.scratch.enter();
        let natts = self.columns.len();
        // SAFETY: the slot has been deformed: both arrays have that many elements.
        let (values, nulls) = unsafe {
            let slot = &*self.slot;
            (std::slice::from_raw_parts(slot.tts_values, natts), std::slice::from_raw_parts(slot.tts_isnull, natts))
        };
        let mut converted = Vec::with_capacity(natts);
        for (i, conversion) in self.columns.iter_mut().enumerate() {
            let value = values[i];
            converted.push(match conversion {
                _ if nulls[i] => value,
                Conversion::None => value,
                Conversion::ToText { out } => {
                    let out: *mut _ = out;
                    // SAFETY: the output function of the value's type.
                    let text = guard(|| unsafe { sys::OutputFunctionCall(out, value) })?;
                    // SAFETY: a C string of the server.
                    text_datum(unsafe { CStr::from_ptr(text) }.to_bytes())?
                }
                Conversion::Receive { send, receive, typioparam, typmod } => {
                    let (send, receive, typioparam, typmod): (*mut _, *mut _, _, _) =
                        (send, receive, *typioparam, *typmod);
                    // SAFETY: send function of the value's type, receive function of the declared one.
                    guard(|| unsafe { received(send, receive, value, typioparam, typmod) })?
                }
            });
        }
        rows.put_datums(&converted, nulls)?;
        drop(entered);
        self.scratch.reset()
    }
}

fn conversion(position: usize, from: &Column, to: Declared, context: &Context) -> Result<Conversion> {
    if from.form == Form::Text {
        return if to.type_id == TEXT { Ok(Conversion::None) } else { Err(wrong_type(position, from, to)) };
    }
    if from.type_id == to.type_id && (to.typmod == -1 || to.typmod == from.typmod) {
        return Ok(Conversion::None);
    }
    // A type that this transaction cannot see yet is not one that the caller could declare.
    let kind = typtype(from.type_id)?;
    if kind == 0 {
        return Err(mismatch());
    }
    let (mut base, mut base_typmod) = (from.type_id, from.typmod);
    if kind == sys::TYPTYPE_DOMAIN {
        let typmod = &raw mut base_typmod;
        // SAFETY: a catalog lookup of a type that exists.
        base = guard(|| unsafe { sys::getBaseTypeAndTypmod(from.type_id, typmod) })?;
    }
    if to.type_id == from.type_id || to.type_id == base {
        if to.typmod == -1 || to.typmod == base_typmod {
            return Ok(Conversion::None);
        }
        let (mut send, mut receive, mut typioparam, mut is_varlena) = (0, 0, 0, false);
        let (send_at, varlena_at) = (&raw mut send, &raw mut is_varlena);
        let (receive_at, typioparam_at) = (&raw mut receive, &raw mut typioparam);
        // SAFETY: catalog lookups of types that exist.
        guard(|| unsafe {
            sys::getTypeBinaryOutputInfo(from.type_id, send_at, varlena_at);
            sys::getTypeBinaryInputInfo(to.type_id, receive_at, typioparam_at);
        })?;
        return Ok(Conversion::Receive {
            send: function(send, context)?,
            receive: function(receive, context)?,
            typioparam,
            typmod: to.typmod,
        });
    }
    if to.type_id == TEXT && !types::has_receive(from.type_id)? {
        return Ok(Conversion::ToText { out: output(from.type_id, context)? });
    }
    Err(wrong_type(position, from, to))
}

#[cold]
fn wrong_type(position: usize, from: &Column, to: Declared) -> PgError {
    mismatch().detail(&format!(
        "Column {} is of type {}, but is declared as {}.",
        position + 1,
        type_name(from.type_id),
        type_name(to.type_id)
    ))
}

fn type_name(type_id: u32) -> String {
    // SAFETY: a catalog lookup; a text also for a type that does not exist.
    let name = guard(|| unsafe { sys::format_type_be(type_id) });
    // SAFETY: a C string of the server.
    name.map_or_else(|_| String::from("?"), |n| unsafe { CStr::from_ptr(n) }.to_string_lossy().into_owned())
}

fn function(id: u32, context: &Context) -> Result<sys::FmgrInfo> {
    // SAFETY: all-zero is a valid FmgrInfo to fill.
    let mut info: sys::FmgrInfo = unsafe { std::mem::zeroed() };
    let (at, context) = (&raw mut info, context.as_ptr());
    // SAFETY: fills the struct; what it caches lives in our context, which outlives the struct.
    guard(|| unsafe { sys::fmgr_info_cxt(id, at, context) })?;
    Ok(info)
}

pub(super) fn output(type_id: u32, context: &Context) -> Result<sys::FmgrInfo> {
    let (mut id, mut is_varlena) = (0, false);
    let (id_at, varlena_at) = (&raw mut id, &raw mut is_varlena);
    // SAFETY: a catalog lookup.
    guard(|| unsafe { sys::getTypeOutputInfo(type_id, id_at, varlena_at) })?;
    function(id, context)
}
