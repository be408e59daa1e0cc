//! Looking into the catalogs, through the server's caches. Inside a transaction.

use super::compat;
use super::error::{PgError, Result};
use super::guard::guard;
use super::parse_tree::Role;
use super::sys;
use logic::sqlstate;
use std::ffi::{CStr, c_int};

/// Takes note of what other sessions have committed. The caches remember also what they have not found: a type, say,
/// that a job has made since. A statement that waits does not hear of it by itself. Inside a transaction or outside.
pub fn accept_changes() -> Result<()> {
    // SAFETY: no arguments.
    guard(|| unsafe { sys::AcceptInvalidationMessages() })
}

/// A catalog's row, as the server's headers describe it.
///
/// # Safety
/// `CACHE` must be the system cache that finds rows of this catalog by OID.
pub(super) unsafe trait Row {
    const CACHE: sys::SysCacheIdentifier;
}

// SAFETY: pg_type by OID.
unsafe impl Row for sys::FormData_pg_type {
    const CACHE: sys::SysCacheIdentifier = sys::SysCacheIdentifier_TYPEOID;
}

// SAFETY: pg_proc by OID.
unsafe impl Row for sys::FormData_pg_proc {
    const CACHE: sys::SysCacheIdentifier = sys::SysCacheIdentifier_PROCOID;
}

// SAFETY: pg_authid by OID.
unsafe impl Row for sys::FormData_pg_authid {
    const CACHE: sys::SysCacheIdentifier = sys::SysCacheIdentifier_AUTHOID;
}

// SAFETY: pg_database by OID.
unsafe impl Row for sys::FormData_pg_database {
    const CACHE: sys::SysCacheIdentifier = sys::SysCacheIdentifier_DATABASEOID;
}

/// What `read` takes of the row with that OID; `None` if there is no such row. The row is there only for `read`, which
/// may not throw.
pub(super) fn row<T: Row, R: Copy>(oid: u32, read: fn(*const T) -> R) -> Result<Option<R>> {
    // SAFETY: a tuple of the catalog, whose row starts at t_hoff; it is pinned until it is released.
    guard(|| unsafe {
        let tuple = sys::SearchSysCache1(T::CACHE as c_int, oid as sys::Datum);
        if tuple.is_null() {
            return None;
        }
        let header = (*tuple).t_data;
        let value = read(header.byte_add(usize::from((*header).t_hoff)).cast());
        sys::ReleaseSysCache(tuple);
        Some(value)
    })
}

/// The OID of what bears the name, `None` if nothing does.
fn found(oid: Result<u32>) -> Result<Option<u32>> {
    oid.map(|oid| (oid != 0).then_some(oid))
}

pub fn database(name: &CStr) -> Result<Option<u32>> {
    let name = name.as_ptr();
    // SAFETY: a C string.
    found(guard(|| unsafe { sys::get_database_oid(name, true) }))
}

/// The connection limit of a database whose DROP was interrupted. (Headers of older minor versions do not name it.)
const INVALID: i32 = -2;

/// What a database says of connections to it.
#[derive(Clone, Copy)]
pub struct Connectable {
    pub allows_connections: bool,
    /// A DROP DATABASE of it was interrupted.
    pub is_invalid: bool,
    pub encoding: i32,
}

/// `None` if there is no such database.
pub fn connectable(database: u32) -> Result<Option<Connectable>> {
    // SAFETY: `row` gives a row.
    row(database, |found: *const sys::FormData_pg_database| unsafe {
        Connectable {
            allows_connections: (*found).datallowconn,
            is_invalid: (*found).datconnlimit == INVALID,
            encoding: (*found).encoding,
        }
    })
}

pub fn role(name: &CStr) -> Result<Option<u32>> {
    let name = name.as_ptr();
    // SAFETY: a C string.
    found(guard(|| unsafe { sys::get_role_oid(name, true) }))
}

/// The role that a statement names, be it as CURRENT_USER. An error for PUBLIC.
pub fn role_of(role: Role) -> Result<Option<u32>> {
    let role = role.as_ptr();
    // SAFETY: part of a parse tree.
    found(guard(|| unsafe { sys::get_rolespec_oid(role, true) }))
}

pub fn extension(name: &CStr) -> Result<Option<u32>> {
    let name = name.as_ptr();
    // SAFETY: a C string.
    found(guard(|| unsafe { sys::get_extension_oid(name, true) }))
}

/// Does the current user own the database, or is a superuser?
pub fn owns_database(database: u32) -> Result<bool> {
    // SAFETY: a catalog lookup.
    guard(|| unsafe { compat::owns_database(database, sys::GetUserId()) })
}

/// May the current user make databases?
pub fn may_create_databases() -> Result<bool> {
    // SAFETY: a catalog lookup.
    let (user, is_superuser) = guard(|| unsafe { (sys::GetUserId(), sys::superuser()) })?;
    // SAFETY: `row` gives a row.
    Ok(is_superuser || row::<sys::FormData_pg_authid, _>(user, |role| unsafe { (*role).rolcreatedb })? == Some(true))
}

/// May everybody who can make databases copy this one?
pub fn is_template(database: u32) -> Result<bool> {
    // SAFETY: `row` gives a row.
    let read = |database: *const sys::FormData_pg_database| unsafe { (*database).datistemplate };
    Ok(row(database, read)? == Some(true))
}

/// What the server says of a row that must be there.
#[cold]
pub(super) fn missing(what: &str, oid: u32) -> PgError {
    PgError::new(sqlstate::INTERNAL_ERROR, format!("cache lookup failed for {what} {oid}"))
}
