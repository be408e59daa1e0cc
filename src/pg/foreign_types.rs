//! Types of columns that come from another database of the cluster.
//!
//! A type that every database has by the same OID travels as it is. Types of users have other OIDs elsewhere, and so
//! have the values of their enums and the headers of their rows: they travel as text, with a description
//! ([`TypeTree`]). The reader takes its own type of that name if it has the same description, and otherwise text.
//!
//! Shared are the types that initdb has made: every database of a cluster is a copy of a copy of what initdb has left,
//! and no user can make a type with such an OID. This holds for those of information_schema, too, whose OIDs differ
//! from cluster to cluster; where a superuser has made that schema anew, its types are types of users.
//!
//! The values of `regclass` and the like are OIDs of one database's objects. They travel as text, and are text to the
//! reader: an OID that belongs to no object there, or to another one, would be wrong without a word. An `oid` is a
//! number, and stays one.
//!
//! Where the two databases have different encodings, all that has characters in it travels as text, and is converted by
//! the reader.

use super::catalog::row;
use super::error::{PgError, Result};
use super::guard::guard;
use super::latch::check_for_interrupts;
use super::types::{self, TEXT};
use super::{encoding, sys};
use logic::sqlstate;
use logic::wire::columns::{Column, Foreign, Form};
use logic::wire::type_tree::{Definition, TypeTree};
use std::ffi::{CStr, CString, c_char, c_int};

/// Who reads the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    SameDatabase,
    /// A session of a database with this encoding.
    OtherDatabase {
        encoding: i32,
    },
}

/// Has every database of the cluster the type by this OID?
fn is_shared(type_id: u32) -> bool {
    type_id < sys::FirstNormalObjectId
}

/// Is a value text to another database: is it the OID of an object of this one, or has it such OIDs in it? (Roles
/// belong to the cluster.) Of the second kind are types that no text can be read as.
fn is_text_elsewhere(type_id: u32) -> bool {
    matches!(
        type_id,
        sys::REGPROCOID
            | sys::REGPROCEDUREOID
            | sys::REGOPEROID
            | sys::REGOPERATOROID
            | sys::REGCLASSOID
            | sys::REGTYPEOID
            | sys::REGCONFIGOID
            | sys::REGDICTIONARYOID
            | sys::REGNAMESPACEOID
            | sys::REGCOLLATIONOID
            | sys::PG_NODE_TREEOID
            | sys::PG_NDISTINCTOID
            | sys::PG_DEPENDENCIESOID
            | sys::PG_MCV_LISTOID
            | sys::PG_BRIN_BLOOM_SUMMARYOID
            | sys::PG_BRIN_MINMAX_MULTI_SUMMARYOID
    )
}

/// What is read of a row of pg_type.
#[derive(Clone, Copy)]
struct Type {
    kind: u8,
    len: i16,
    base: u32,
    /// Of a true array; 0 otherwise.
    element: u32,
    schema: u32,
    name: sys::NameData,
}

fn look_up(type_id: u32) -> Result<Option<Type>> {
    // SAFETY: `row` gives a row.
    let read = |found: *const sys::FormData_pg_type| unsafe {
        let is_array = (*found).typelem != 0 && (*found).typsubscript == sys::F_ARRAY_SUBSCRIPT_HANDLER;
        Type {
            kind: (*found).typtype as u8,
            len: (*found).typlen,
            base: (*found).typbasetype,
            element: if is_array { (*found).typelem } else { 0 },
            schema: (*found).typnamespace,
            name: (*found).typname,
        }
    };
    row(type_id, read)
}

fn text_of(name: *const c_char) -> Vec<u8> {
    // SAFETY: a C string of the server.
    unsafe { CStr::from_ptr(name) }.to_bytes().to_vec()
}

/// How many types can be described still: of all columns of a result, or all parameters of a job. A row type counts
/// with the types of its columns, each time that it is met, so a few row types within row types can have any number.
pub(super) struct Room(u32);

impl Room {
    const MAX: u32 = 100_000;

    pub(super) fn new() -> Self {
        Self(Self::MAX)
    }

    fn take(&mut self) -> Result<()> {
        self.0 = self.0.checked_sub(1).ok_or_else(too_many_types)?;
        Ok(())
    }
}

#[cold]
fn too_many_types() -> PgError {
    PgError::new(sqlstate::PROGRAM_LIMIT_EXCEEDED, "row types are too large to be described to another database")
        .detail(format!("With the columns of their columns, and so on, they have more than {} types.", Room::MAX))
}

/// What the type is. One that is not there any more is text.
pub(super) fn describe(type_id: u32, room: &mut Room) -> Result<TypeTree> {
    // SAFETY: throws when the stack is too deep.
    guard(|| unsafe { sys::check_stack_depth() })?;
    room.take()?;
    if is_text_elsewhere(type_id) {
        return Ok(TypeTree::Shared(TEXT));
    }
    let Some(found) = look_up(type_id)? else { return Ok(TypeTree::Shared(TEXT)) };
    if found.element != 0 && found.kind == sys::TYPTYPE_BASE {
        let element = describe(found.element, room)?;
        let is_same = is_shared(type_id) && element.is(found.element);
        return Ok(if is_same { TypeTree::Shared(type_id) } else { TypeTree::Array(Box::new(element)) });
    }
    let definition = match found.kind {
        sys::TYPTYPE_DOMAIN => Definition::Domain(Box::new(describe(found.base, room)?)),
        sys::TYPTYPE_RANGE => {
            // SAFETY: a catalog lookup.
            let subtype = guard(|| unsafe { sys::get_range_subtype(type_id) })?;
            Definition::Range(Box::new(describe(subtype, room)?))
        }
        sys::TYPTYPE_MULTIRANGE => {
            // SAFETY: a catalog lookup.
            let range = guard(|| unsafe { sys::get_multirange_range(type_id) })?;
            Definition::Multirange(Box::new(describe(range, room)?))
        }
        sys::TYPTYPE_COMPOSITE => {
            check_for_interrupts()?;
            let mut columns = Vec::new();
            let mut is_same = true;
            for (name, type_id) in types::row_type_columns(type_id)? {
                let tree = describe(type_id, room)?;
                is_same &= tree.is(type_id);
                columns.push((name, tree));
            }
            if is_same && is_shared(type_id) {
                return Ok(TypeTree::Shared(type_id));
            }
            Definition::Composite(columns)
        }
        sys::TYPTYPE_ENUM => Definition::Enum,
        _ => Definition::Base,
    };
    if is_shared(type_id) && found.kind != sys::TYPTYPE_COMPOSITE {
        return Ok(TypeTree::Shared(type_id));
    }
    // SAFETY: NULL for one that is gone; otherwise a copy in the current memory context.
    let schema = guard(|| unsafe { sys::get_namespace_name(found.schema) })?;
    let schema = if schema.is_null() { Vec::new() } else { text_of(schema) };
    Ok(TypeTree::Named { schema, name: text_of(found.name.data.as_ptr()), definition })
}

/// Have the values of a shared type no characters in them that an encoding could change?
fn has_no_characters(type_id: u32) -> Result<bool> {
    if matches!(type_id, sys::NUMERICOID | sys::BYTEAOID | sys::BITOID | sys::VARBITOID | sys::INETOID | sys::CIDROID) {
        return Ok(true);
    }
    if matches!(type_id, sys::NAMEOID | sys::CHAROID) {
        return Ok(false);
    }
    let Some(found) = look_up(type_id)? else { return Ok(false) };
    Ok(match found.kind {
        sys::TYPTYPE_BASE if found.element != 0 => has_no_characters(found.element)?,
        sys::TYPTYPE_BASE => found.len > 0,
        sys::TYPTYPE_DOMAIN => has_no_characters(found.base)?,
        // SAFETY: a catalog lookup.
        sys::TYPTYPE_RANGE => has_no_characters(guard(|| unsafe { sys::get_range_subtype(type_id) })?)?,
        sys::TYPTYPE_MULTIRANGE => {
            // SAFETY: a catalog lookup.
            has_no_characters(guard(|| unsafe { sys::get_multirange_range(type_id) })?)?
        }
        _ => false,
    })
}

/// Are values of the type, which a column can have, stored alike in every database of the cluster, in any encoding?
pub(super) fn is_stored_alike(type_id: u32) -> Result<bool> {
    Ok(describe(type_id, &mut Room::new())?.is(type_id) && has_no_characters(type_id)?)
}

/// How values of the type, which a column can have, travel to a session of another database.
pub(super) fn form(type_id: u32, readers_encoding: i32, room: &mut Room) -> Result<Form> {
    let tree = describe(type_id, room)?;
    let encoding = encoding::of_database();
    let is_native = tree.is(type_id) && (encoding == readers_encoding || has_no_characters(type_id)?);
    Ok(if is_native { Form::Native } else { Form::Foreign(Foreign { encoding, tree }) })
}

/// How values travel that are text to any reader.
pub(super) fn text_form() -> Form {
    Form::Foreign(Foreign { encoding: encoding::of_database(), tree: TypeTree::Shared(TEXT) })
}

/// Gives columns of another database names in this one's encoding, and types of this one. Their values are still text
/// (`foreign_values`).
///
/// The type of a user is taken here only if it runs no code of users. Suppose that the job returns values of the domain
/// `public.email`, and that a user of this database has made a domain of that name, whose check calls a function. The
/// caller, who has not even named the domain, would run that function. So a domain is the type beneath, and what else
/// runs such code is text; but see [`as_declared`].
pub fn localized(mut columns: Vec<Column>) -> Result<Vec<Column>> {
    for column in &mut columns {
        let Form::Foreign(Foreign { encoding, tree }) = &mut column.form else { continue };
        let from = *encoding;
        column.name = encoding::readable(std::mem::take(&mut column.name), from)?;
        *tree = tree.clone().try_map(&mut |name| encoding::readable(name, from))?;
        (column.type_id, column.typmod) = match undeclared(tree)? {
            Some(type_id) => (type_id, column.typmod),
            None => (TEXT, -1),
        };
    }
    Ok(columns)
}

/// The column as one of the type that the caller has declared, if that is the very type that the job returned: the
/// caller wants its code to run.
pub(super) fn as_declared(column: &Column, declared: u32) -> Result<Column> {
    let mut column = column.clone();
    if let Form::Foreign(Foreign { tree, .. }) = &column.form {
        if column.type_id != declared && declared != TEXT && local(tree)? == Some(declared) {
            column.type_id = declared;
        }
    }
    Ok(column)
}

/// The type with that description, of a value whose sender has named it; text if there is none.
pub(super) fn resolved(tree: &TypeTree) -> Result<u32> {
    Ok(match local(tree)? {
        Some(type_id) => type_id,
        None => undeclared(tree)?.unwrap_or(TEXT),
    })
}

/// The type with that description, as far as it runs no code of users; of a domain, the type beneath.
fn undeclared(tree: &TypeTree) -> Result<Option<u32>> {
    match tree {
        TypeTree::Array(element) => array_of(undeclared(element)?),
        TypeTree::Named { definition: Definition::Domain(base), .. } => undeclared(base),
        tree if tree.is_inert() => local(tree),
        _ => Ok(None),
    }
}

/// This database's type with that description.
fn local(tree: &TypeTree) -> Result<Option<u32>> {
    match tree {
        TypeTree::Shared(type_id) => Ok(Some(*type_id)),
        TypeTree::Array(element) => array_of(local(element)?),
        TypeTree::Named { schema, name, .. } => match find(schema, name)? {
            Some(type_id) if is_described_by(type_id, tree)? => Ok(Some(type_id)),
            _ => Ok(None),
        },
    }
}

/// A type that cannot be described is none that the other database has described.
fn is_described_by(type_id: u32, tree: &TypeTree) -> Result<bool> {
    match describe(type_id, &mut Room::new()) {
        Ok(here) => Ok(here == *tree),
        Err(error) if error.own_sqlstate() == Some(sqlstate::PROGRAM_LIMIT_EXCEEDED) => Ok(false),
        Err(error) => Err(error),
    }
}

fn array_of(element: Option<u32>) -> Result<Option<u32>> {
    let Some(element) = element else { return Ok(None) };
    // SAFETY: a catalog lookup.
    let array = guard(|| unsafe { sys::get_array_type(element) })?;
    Ok((array != 0).then_some(array))
}

fn find(schema: &[u8], name: &[u8]) -> Result<Option<u32>> {
    // that session's temporary types, not ours
    if schema.starts_with(b"pg_temp") {
        return Ok(None);
    }
    let (Ok(schema), Ok(name)) = (CString::new(schema), CString::new(name)) else { return Ok(None) };
    let (schema, name) = (schema.as_ptr(), name.as_ptr());
    // SAFETY: catalog lookups with C strings.
    let found = guard(|| unsafe {
        let schema = sys::get_namespace_oid(schema, true);
        if schema == 0 {
            return 0;
        }
        let (cache, column) = (sys::SysCacheIdentifier_TYPENAMENSP as c_int, sys::Anum_pg_type_oid as i16);
        sys::GetSysCacheOid(cache, column, name as sys::Datum, schema as sys::Datum, 0, 0)
    })?;
    Ok((found != 0).then_some(found))
}
