//! Descriptors of rows: the columns that a worker sends, and those that a caller has declared.

use super::compat;
use super::error::{PgError, Result, with_names};
use super::foreign_types::{self, Reader, Room};
use super::guard::guard;
use super::sys;
use super::types;
use logic::sqlstate;
use logic::wire::columns::{Column, Form, RowType};
use logic::wire::tuple::Attribute;
use std::ffi::{CStr, CString, c_char, c_int};

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
    pub(super) len: i16,
    /// In bytes.
    pub(super) align: u8,
    pub(super) is_dropped: bool,
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
            is_dropped: attribute.attisdropped,
        })
        .collect()
}

/// Its columns, dropped attributes left out.
///
/// # Safety
/// `desc` must be a valid descriptor.
pub(super) unsafe fn declared(desc: sys::TupleDesc) -> Vec<Declared> {
    // SAFETY: promised by the caller.
    let all = unsafe { raw_columns(desc) };
    all.iter().filter(|c| !c.is_dropped).map(|c| Declared { type_id: c.type_id, typmod: c.typmod }).collect()
}

/// The columns of a result as they will be sent to that reader.
///
/// # Safety
/// `desc` must be a valid descriptor.
pub(super) unsafe fn describe(desc: sys::TupleDesc, reader: Reader) -> Result<Vec<Column>> {
    // SAFETY: promised by the caller.
    let raw = unsafe { raw_columns(desc) };
    let mut columns = Vec::with_capacity(raw.len());
    let mut room = Room::new();
    for column in raw {
        // A pseudo-type's value (void, an anonymous record) means nothing in another process; and what has one in it,
        // as some row types of the catalogs have, cannot be declared.
        let mut row_types = Vec::new();
        let is_column_type = types::examine(column.type_id, &mut row_types)?;
        let form = match (reader, is_column_type) {
            (Reader::SameDatabase, true) => Form::Native,
            (Reader::SameDatabase, false) => Form::Text,
            (Reader::OtherDatabase { encoding }, true) => foreign_types::form(column.type_id, encoding, &mut room)?,
            (Reader::OtherDatabase { .. }, false) => foreign_types::text_form(),
        };
        let is_native = form == Form::Native;
        let attribute = if is_native { Attribute::new(column.len, column.align) } else { Attribute::new(-1, 4) };
        columns.push(Column {
            type_id: column.type_id,
            typmod: column.typmod,
            form,
            attribute: attribute?,
            // SAFETY: of the descriptor.
            name: unsafe { column.name() }.to_vec(),
            row_types: if is_native { shapes(&row_types)? } else { Vec::new() },
        });
    }
    Ok(columns)
}

/// A single column of a base type that every database has, as it will be sent to that reader.
pub(super) fn describe_one(name: &CStr, type_id: u32, reader: Reader) -> Result<Column> {
    let form = match reader {
        Reader::SameDatabase => Form::Native,
        Reader::OtherDatabase { encoding } => foreign_types::form(type_id, encoding, &mut Room::new())?,
    };
    let (name, attribute) = (name.to_bytes().to_vec(), Attribute { len: -1, align: 4 });
    Ok(Column { type_id, typmod: -1, form, attribute, name, row_types: Vec::new() })
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
    let message =
        with_names("row type {} has been altered since the job returned values of it", &[&type_name(type_id)]);
    PgError::new(sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
        .detail("The values cannot be read as what the type is now.")
        .hint("Launch the job again.")
}

/// A descriptor of rows as they are sent, in the current memory context.
pub(super) fn sent_desc(columns: &[Column]) -> Result<sys::TupleDesc> {
    named_desc(columns, |column| match column.form {
        Form::Native => (column.type_id, column.typmod),
        Form::Text | Form::Foreign(_) => (TEXT, -1),
    })
}

/// A descriptor of rows as they are read: with the types that columns of another database have here.
pub(super) fn row_desc(columns: &[Column]) -> Result<sys::TupleDesc> {
    named_desc(columns, |column| match column.form {
        Form::Native | Form::Foreign(_) => (column.type_id, column.typmod),
        Form::Text => (TEXT, -1),
    })
}

fn named_desc(columns: &[Column], type_of: impl Fn(&Column) -> (u32, i32)) -> Result<sys::TupleDesc> {
    let natts = columns.len() as c_int;
    // SAFETY: makes a descriptor.
    let desc = guard(|| unsafe { sys::CreateTemplateTupleDesc(natts) })?;
    for (i, column) in (1i16..).zip(columns) {
        let (type_id, typmod) = type_of(column);
        let name = CString::new(&*column.name).unwrap_or_default();
        let name = name.as_ptr();
        // SAFETY: the attribute number is within the template, which gets a copy of the name.
        guard(|| unsafe { sys::TupleDescInitEntry(desc, i, name, type_id, typmod, 0) })?;
    }
    // SAFETY: all attributes are set.
    guard(|| unsafe { compat::finish_desc(desc) })?;
    Ok(desc)
}

/// A type's name as messages show it, in the database encoding.
pub(super) fn type_name(type_id: u32) -> Vec<u8> {
    // SAFETY: a catalog lookup; a text also for a type that does not exist.
    let name = guard(|| unsafe { sys::format_type_be(type_id) });
    // SAFETY: a C string of the server.
    name.map_or_else(|_| b"?".to_vec(), |n| unsafe { CStr::from_ptr(n) }.to_bytes().to_vec())
}
