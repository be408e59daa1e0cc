//! Whether a connection could be made now, and by which rows of the catalogs.

use super::error::Result;
use super::guard::guard;
use super::{catalog, compat, compat_session, sys};
use parking_lot::Mutex;
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The versions of a role's row and of a database's.
pub type Versions = (u64, u64);

/// What was found last, and of which database and user: most often the next launch asks the same.
static FOUND: Mutex<Option<(u32, u32, Option<Versions>)>> = Mutex::new(None);

/// Has no role, database or membership changed since it was found?
static IS_CURRENT: AtomicBool = AtomicBool::new(false);

unsafe extern "C-unwind" fn changed(_arg: sys::Datum, _cache: compat_session::SysCacheId, _hash: u32) {
    IS_CURRENT.store(false, Relaxed);
}

/// From now on the server's invalidation messages tell of changes.
fn watch() -> Result<()> {
    static WATCHED: AtomicBool = AtomicBool::new(false);
    if WATCHED.load(Relaxed) {
        return Ok(());
    }
    let caches =
        [sys::SysCacheIdentifier_AUTHOID, sys::SysCacheIdentifier_DATABASEOID, sys::SysCacheIdentifier_AUTHMEMROLEMEM];
    // SAFETY: once in a process; the server has room for them, or ends the session.
    guard(|| unsafe {
        for cache in caches {
            sys::CacheRegisterSyscacheCallback(cache as _, Some(changed), sys::Datum::default());
        }
    })?;
    WATCHED.store(true, Relaxed);
    Ok(())
}

/// Versions of the catalog rows that a connection of `user` to `database` would be made with, the role's and the
/// database's: another number whenever the row was changed. `None` when the connection would be refused. Inside a
/// transaction.
///
/// The answer is kept until one of these catalogs changes. Suppose that it changes while the caches are read: the
/// answer may be the old one, and is not kept.
pub fn versions(database: u32, user: u32) -> Result<Option<Versions>> {
    watch()?;
    catalog::accept_changes()?;
    if IS_CURRENT.load(Relaxed) {
        if let Some((_, _, found)) = FOUND.lock().filter(|(of, by, _)| (*of, *by) == (database, user)) {
            return Ok(found);
        }
    }
    IS_CURRENT.store(true, Relaxed);
    let found = look_up(database, user).inspect_err(|_| IS_CURRENT.store(false, Relaxed))?;
    *FOUND.lock() = Some((database, user, found));
    Ok(found)
}

fn look_up(database: u32, user: u32) -> Result<Option<Versions>> {
    let (roles, databases) = (sys::SysCacheIdentifier_AUTHOID, sys::SysCacheIdentifier_DATABASEOID);
    // SAFETY: a row of pg_authid.
    let role = look(roles, user, |row| unsafe { (*row.cast::<sys::FormData_pg_authid>()).rolcanlogin })?;
    // SAFETY: a row of pg_database.
    let place = look(databases, database, |row| unsafe { (*row.cast::<sys::FormData_pg_database>()).datallowconn })?;
    let (Some((role_version, true)), Some((database_version, true))) = (role, place) else {
        return Ok(None);
    };
    Ok(may_connect(database, user)?.then_some((role_version, database_version)))
}

/// Has the role CONNECT there? Inside a transaction.
pub fn may_connect(database: u32, role: u32) -> Result<bool> {
    // SAFETY: inside a transaction.
    guard(|| unsafe { compat::may_connect(database, role) })
}

/// The version of the row that the cache has under that OID, and what `allows` says of the row; `None` when there is
/// none.
fn look(cache: sys::SysCacheIdentifier, oid: u32, allows: fn(*const c_void) -> bool) -> Result<Option<(u64, bool)>> {
    // SAFETY: the cache has a copy of the row with its header, until it is released; the columns begin at `t_hoff`.
    guard(|| unsafe {
        let tuple = sys::SearchSysCache1(cache as _, oid as sys::Datum);
        if tuple.is_null() {
            return None;
        }
        let header = (*tuple).t_data;
        let allowed = allows(header.byte_add(usize::from((*header).t_hoff)).cast());
        let (writer, place) = ((*header).t_choice.t_heap.t_xmin, (*tuple).t_self);
        let block = (u64::from(place.ip_blkid.bi_hi) << 16) | u64::from(place.ip_blkid.bi_lo);
        let version = (u64::from(writer) << 32) ^ (block << 16) ^ u64::from(place.ip_posid);
        sys::ReleaseSysCache(tuple);
        Some((version, allowed))
    })
}
