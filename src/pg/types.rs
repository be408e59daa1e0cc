//! What values of a type are made of.

use super::catalog::row;
use super::compat;
use super::error::Result;
use super::guard::guard;
use super::sys;
use std::ffi::CStr;

/// The types that functions with a fixed result name.
pub const ANYELEMENT: u32 = sys::ANYELEMENTOID;
pub const BOOL: u32 = sys::BOOLOID;
pub const FLOAT8: u32 = sys::FLOAT8OID;
pub const INT4: u32 = sys::INT4OID;
pub const INT8: u32 = sys::INT8OID;
pub const INTERVAL: u32 = sys::INTERVALOID;
pub const JSONB: u32 = sys::JSONBOID;
pub const NAME: u32 = sys::NAMEOID;
pub const OID: u32 = sys::OIDOID;
pub const RECORD: u32 = sys::RECORDOID;
pub const REGTYPE: u32 = sys::REGTYPEOID;
pub const TEXT: u32 = sys::TEXTOID;
pub const TEXT_ARRAY: u32 = sys::TEXTARRAYOID;
pub const TIMESTAMPTZ: u32 = sys::TIMESTAMPTZOID;
pub const VOID: u32 = sys::VOIDOID;

/// Can a column be of the type? Not if there is a pseudo-type anywhere in it: the server then refuses it, as it does in
/// CheckAttributeType. The row types in it are added to the list.
pub(super) fn examine(type_id: u32, row_types: &mut Vec<u32>) -> Result<bool> {
    // SAFETY: throws when the stack is too deep.
    guard(|| unsafe { sys::check_stack_depth() })?;
    // SAFETY: `row` gives a row.
    let read = |found: *const sys::FormData_pg_type| unsafe {
        let is_true_array = (*found).typelem != 0 && (*found).typsubscript == sys::F_ARRAY_SUBSCRIPT_HANDLER;
        ((*found).typtype as u8, (*found).typbasetype, if is_true_array { (*found).typelem } else { 0 })
    };
    // of a column that was dropped with its type, say
    let Some((kind, base, element)) = row(type_id, read)? else { return Ok(true) };
    let inside = match kind {
        sys::TYPTYPE_PSEUDO => return Ok(false),
        sys::TYPTYPE_DOMAIN => base,
        // SAFETY: a catalog lookup.
        sys::TYPTYPE_RANGE => guard(|| unsafe { sys::get_range_subtype(type_id) })?,
        // SAFETY: a catalog lookup.
        sys::TYPTYPE_MULTIRANGE => guard(|| unsafe { sys::get_multirange_range(type_id) })?,
        sys::TYPTYPE_COMPOSITE => {
            if row_types.contains(&type_id) {
                return Ok(true);
            }
            row_types.push(type_id);
            for attribute in RowType::of(type_id)?.attribute_types() {
                if !examine(attribute, row_types)? {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        _ => element,
    };
    if inside == 0 { Ok(true) } else { examine(inside, row_types) }
}

/// The descriptor of a row type, held as long as this value.
pub(super) struct RowType(sys::TupleDesc);

impl Drop for RowType {
    fn drop(&mut self) {
        let desc = self.0;
        // SAFETY: looked up by `of`, given back once; -1: one that is not counted.
        let _ = guard(|| unsafe {
            if (*desc).tdrefcount >= 0 {
                sys::DecrTupleDescRefCount(desc);
            }
        });
    }
}

impl RowType {
    fn of(type_id: u32) -> Result<Self> {
        // SAFETY: a catalog lookup.
        guard(|| unsafe { sys::lookup_rowtype_tupdesc(type_id, -1) }).map(Self)
    }

    /// # Safety
    /// A descriptor that was looked up for this value.
    pub(super) unsafe fn new(desc: sys::TupleDesc) -> Self {
        Self(desc)
    }

    pub(super) fn as_ptr(&self) -> sys::TupleDesc {
        self.0
    }

    pub(super) fn attributes(&self) -> impl Iterator<Item = &sys::FormData_pg_attribute> {
        // SAFETY: the descriptor is held, and has so many attributes.
        (0..unsafe { (*self.0).natts }).map(|i| unsafe { compat::attribute(self.0, i) })
    }

    /// The types of those that have not been dropped.
    fn attribute_types(&self) -> Vec<u32> {
        self.attributes().filter(|a| !a.attisdropped).map(|a| a.atttypid).collect()
    }

    /// Of the first attributes, all that it takes to find one's way in a stored row.
    fn shape(&self, natts: usize) -> u64 {
        self.attributes().take(natts).fold(natts as u64, |shape, attribute| {
            // also of a dropped one, whose values are still there
            let type_id = if attribute.attisdropped { 0 } else { attribute.atttypid };
            let part = [
                type_id as i32,
                i32::from(attribute.attlen),
                i32::from(attribute.attalign),
                i32::from(attribute.attbyval),
            ];
            // SAFETY: reads so many bytes.
            unsafe { sys::hash_bytes_extended(part.as_ptr().cast(), size_of_val(&part) as i32, shape) }
        })
    }
}

/// Names and types of a row type's columns.
pub(super) fn row_type_columns(type_id: u32) -> Result<Vec<(Vec<u8>, u32)>> {
    let row_type = RowType::of(type_id)?;
    let columns = row_type.attributes().filter(|a| !a.attisdropped);
    // SAFETY: a C string of the descriptor.
    Ok(columns.map(|a| (unsafe { CStr::from_ptr(a.attname.data.as_ptr()) }.to_bytes().to_vec(), a.atttypid)).collect())
}

/// The number of a row type's attributes, and its shape.
pub(super) fn row_type_shape(type_id: u32) -> Result<(usize, u64)> {
    let row_type = RowType::of(type_id)?;
    let natts = row_type.attributes().count();
    Ok((natts, row_type.shape(natts)))
}

/// The shape of a row type's first attributes as they are now; until this transaction ends they stay so. `None` when
/// they are not there. (A value that lacks the last ones is fine: they have been added since.)
pub(super) fn hold_row_type(type_id: u32, natts: usize) -> Result<Option<u64>> {
    // SAFETY: a catalog lookup.
    let relation_of = || guard(|| unsafe { sys::get_typ_typrelid(type_id) });
    let relation = relation_of()?;
    if relation == 0 {
        return Ok(None);
    }
    // what ALTER TABLE and ALTER TYPE wait for; afterwards the caches know what others did
    // SAFETY: the transaction's end gives the lock back.
    guard(|| unsafe { sys::LockRelationOid(relation, sys::AccessShareLock as sys::LOCKMODE) })?;
    if relation_of()? != relation {
        return Ok(None);
    }
    let row_type = RowType::of(type_id)?;
    Ok((row_type.attributes().count() >= natts).then(|| row_type.shape(natts)))
}

/// Can another session be sent a value of the type?
pub(super) fn has_receive(type_id: u32) -> Result<bool> {
    // SAFETY: `row` gives a row.
    let read = |found: *const sys::FormData_pg_type| unsafe { (*found).typreceive != 0 };
    row(type_id, read)?.ok_or_else(|| super::catalog::missing("type", type_id))
}
