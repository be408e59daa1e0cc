//! What differs between major versions of the server, as far as Rust sees it: the one file with `cfg(pgNN_up)`, which build.rs
//! sets. Each item says what changed, and since when. What only C sees is in c_shim/compat.h.

#[cfg(pg18_up)]
use super::bgworker;
use super::error::Result;
use super::guard::guard;
use super::sys;
use std::ffi::{CStr, c_char, c_int, c_long, c_void};
use std::ptr;
#[cfg(pg17_up)]
use std::sync::OnceLock;

/// 15: the serialized state of a setting says which role set it.
pub const SETTINGS_HAVE_ROLE: bool = cfg!(pg15_up);

/// 18: a connection keeps the text of its own address, for the log; `[none]` where it has none.
///
/// # Safety
/// The port is zeroed, or has another text there.
pub(super) unsafe fn set_local_host(port: *mut sys::Port) {
    #[cfg(pg18_up)]
    // SAFETY: promised by the caller.
    bgworker::copy_text(unsafe { &mut (*port).local_host }, b"[none]");
    #[cfg(not(pg18_up))]
    let _ = port;
}

/// 19: a signal handler is told who sent the signal. Makes a handler of a function that may return the server's handler to go on with.
macro_rules! signal_handler {
    ($name:ident, $body:ident) => {
        #[cfg(not(pg19_up))]
        unsafe extern "C-unwind" fn $name(signal: std::ffi::c_int) {
            if let Some(server) = $body() {
                // SAFETY: the server's handler for such a signal, with what this one was given.
                unsafe { server(signal) };
            }
        }

        #[cfg(pg19_up)]
        unsafe extern "C-unwind" fn $name(signal: std::ffi::c_int, sender: *const sys::pg_signal_info) {
            if let Some(server) = $body() {
                // SAFETY: as above.
                unsafe { server(signal, sender) };
            }
        }
    };
}
pub(super) use signal_handler;

/// 15: shared memory is asked for in a hook. Returns the hook that was there, which `ask` is to call. Before, `ask` is called here.
#[allow(clippy::unnecessary_wraps)] // before 15 it can fail
pub(super) fn set_request_hook(ask: unsafe extern "C-unwind" fn()) -> Result<Option<unsafe extern "C-unwind" fn()>> {
    #[cfg(pg15_up)]
    // SAFETY: the server's variable, in this one thread.
    return Ok(unsafe { (&raw mut sys::shmem_request_hook).replace(Some(ask)) });
    #[cfg(not(pg15_up))]
    // SAFETY: while the postmaster loads libraries.
    return guard(|| unsafe { ask() }).map(|()| None);
}

/// 16: one function checks the privileges on objects of any kind. For [`guard`].
///
/// # Safety
/// Inside a transaction.
pub(super) unsafe fn may_connect(database: sys::Oid, role: sys::Oid) -> bool {
    let mode = sys::AclMode::from(sys::ACL_CONNECT);
    #[cfg(pg16_up)]
    // SAFETY: a catalog lookup.
    let result = unsafe { sys::object_aclcheck(sys::DatabaseRelationId, database, role, mode) };
    #[cfg(not(pg16_up))]
    // SAFETY: as above.
    let result = unsafe { sys::pg_database_aclcheck(database, role, mode) };
    result == sys::AclResult_ACLCHECK_OK
}

/// 17: segments that are found by name, for as long as the server lives; `None` before. `init` fills a new one: it gets the segment's
/// start, and may throw. An ERROR leaves a lock of the server held.
///
/// 19: the callback of the server takes an argument.
#[allow(clippy::unnecessary_wraps)] // since 17 it can fail
pub(super) fn named_segment(
    name: &'static CStr,
    size: usize,
    init: unsafe fn(*mut c_void),
) -> Result<Option<*mut c_void>> {
    #[cfg(pg17_up)]
    {
        static INIT: OnceLock<unsafe fn(*mut c_void)> = OnceLock::new();

        #[cfg(not(pg19_up))]
        unsafe extern "C-unwind" fn on_new(base: *mut c_void) {
            if let Some(init) = INIT.get() {
                // SAFETY: the segment that the caller has asked for.
                unsafe { init(base) };
            }
        }

        #[cfg(pg19_up)]
        unsafe extern "C-unwind" fn on_new(base: *mut c_void, _argument: *mut c_void) {
            if let Some(init) = INIT.get() {
                // SAFETY: as above.
                unsafe { init(base) };
            }
        }

        let _ = INIT.set(init);
        let name = name.as_ptr();
        let mut found = false;
        let found = &raw mut found;
        // SAFETY: a C string, and a place for the answer.
        #[cfg(not(pg19_up))]
        return guard(|| unsafe { sys::GetNamedDSMSegment(name, size, Some(on_new), found) }).map(Some);
        // SAFETY: as above.
        #[cfg(pg19_up)]
        return guard(|| unsafe { sys::GetNamedDSMSegment(name, size, Some(on_new), found, ptr::null_mut()) })
            .map(Some);
    }
    #[cfg(not(pg17_up))]
    {
        let _ = (name, size, init);
        Ok(None)
    }
}

/// 19: the name of a tranche of locks is said when it is made, and known in all processes; before, each process says it.
///
/// # Safety
/// For code that the server calls: may throw.
pub(super) unsafe fn new_tranche(name: &'static CStr) -> c_int {
    #[cfg(pg19_up)]
    // SAFETY: a C string.
    return unsafe { sys::LWLockNewTrancheId(name.as_ptr()) };
    #[cfg(not(pg19_up))]
    {
        let _ = name;
        // SAFETY: no arguments.
        unsafe { sys::LWLockNewTrancheId() }
    }
}

/// See [`new_tranche`].
#[allow(clippy::unnecessary_wraps)] // before 19 it can fail
pub(super) fn name_tranche(tranche: u16, name: &'static CStr) -> Result<()> {
    #[cfg(not(pg19_up))]
    {
        let name = name.as_ptr();
        // SAFETY: a string that lives as long as the process.
        guard(|| unsafe { sys::LWLockRegisterTranche(c_int::from(tranche), name) })
    }
    #[cfg(pg19_up)]
    {
        let _ = (tranche, name);
        Ok(())
    }
}

/// 15: the reader can be left asleep until more has been written.
///
/// # Safety
/// As of the server's function, which may throw. For [`guard`].
pub(super) unsafe fn mq_send(
    handle: *mut sys::shm_mq_handle,
    len: usize,
    data: *const c_void,
    nowait: bool,
    flush: bool,
) -> sys::shm_mq_result {
    #[cfg(pg15_up)]
    // SAFETY: promised by the caller.
    return unsafe { sys::shm_mq_send(handle, len, data, nowait, flush) };
    #[cfg(not(pg15_up))]
    {
        let _ = flush;
        // SAFETY: promised by the caller.
        unsafe { sys::shm_mq_send(handle, len, data, nowait) }
    }
}

/// 19: CLUSTER is a form of REPACK.
#[cfg(not(pg19_up))]
pub const CLUSTER: sys::NodeTag = sys::NodeTag_T_ClusterStmt;
#[cfg(pg19_up)]
pub const CLUSTER: sys::NodeTag = sys::NodeTag_T_RepackStmt;

/// 15: a name in a parse tree is a node of its own.
///
/// # Safety
/// `node` must be what the server's strVal takes.
pub unsafe fn string_of(node: *const c_void) -> *const c_char {
    // SAFETY: promised by the caller.
    #[cfg(pg15_up)]
    unsafe {
        (*node.cast::<sys::String>()).sval
    }
    // SAFETY: as above.
    #[cfg(not(pg15_up))]
    unsafe {
        (*node.cast::<sys::Value>()).val.str_
    }
}

/// 16: one function checks who owns an object of any kind.
///
/// # Safety
/// May throw: to be called in a guard.
pub unsafe fn owns_database(database: sys::Oid, role: sys::Oid) -> bool {
    // SAFETY: a catalog lookup.
    #[cfg(pg16_up)]
    unsafe {
        sys::object_ownercheck(sys::DatabaseRelationId, database, role)
    }
    // SAFETY: as above.
    #[cfg(not(pg16_up))]
    unsafe {
        sys::pg_database_ownercheck(database, role)
    }
}

/// 15: analysing was split by the kind of a statement's parameters. It has none here.
///
/// # Safety
/// As for the server's function, which may throw: to be called in a guard.
pub unsafe fn analyze(raw: *mut sys::RawStmt, sql: *const c_char) -> *mut sys::List {
    // SAFETY: promised by the caller.
    #[cfg(pg15_up)]
    unsafe {
        sys::pg_analyze_and_rewrite_fixedparams(raw, sql, ptr::null(), 0, ptr::null_mut())
    }
    // SAFETY: as above.
    #[cfg(not(pg15_up))]
    unsafe {
        sys::pg_analyze_and_rewrite(raw, sql, ptr::null_mut(), 0, ptr::null_mut())
    }
}

/// 18: PortalRun, here of all rows, lost `run_once`.
///
/// # Safety
/// As for the server's function, which may throw: to be called in a guard.
pub unsafe fn run_portal(
    portal: sys::Portal,
    is_top_level: bool,
    dest: *mut sys::DestReceiver,
    other_dest: *mut sys::DestReceiver,
    done: *mut sys::QueryCompletion,
) {
    // SAFETY: promised by the caller.
    #[cfg(pg18_up)]
    unsafe {
        sys::PortalRun(portal, c_long::MAX, is_top_level, dest, other_dest, done);
    }
    // SAFETY: as above.
    #[cfg(not(pg18_up))]
    unsafe {
        sys::PortalRun(portal, c_long::MAX, is_top_level, true, dest, other_dest, done);
    }
}

/// 18: a descriptor's attributes lie behind a short form of each.
///
/// # Safety
/// `desc` must be a valid descriptor that has that attribute, counted from 0.
pub unsafe fn attribute<'a>(desc: sys::TupleDesc, i: c_int) -> &'a sys::FormData_pg_attribute {
    // SAFETY: promised by the caller.
    #[cfg(pg18_up)]
    unsafe {
        let short = &raw const (*desc).compact_attrs;
        let behind = short.cast::<sys::CompactAttribute>().add((*desc).natts as usize);
        &*behind.cast::<sys::FormData_pg_attribute>().add(i as usize)
    }
    // SAFETY: as above.
    #[cfg(not(pg18_up))]
    unsafe {
        let attributes = &raw const (*desc).attrs;
        &*attributes.cast::<sys::FormData_pg_attribute>().add(i as usize)
    }
}
