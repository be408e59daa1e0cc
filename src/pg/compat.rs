//! What differs between major versions of the server, as far as Rust sees it. This file and `compat_session` are the
//! only ones with `cfg(pgNN_up)`, which build.rs sets. Each item says what changed, and since when. What only C sees is
//! in c_shim/compat.h.

#[cfg(pg18_up)]
use super::encoding;
use super::error::Result;
use super::guard::guard;
use super::sys;
use std::ffi::{CStr, c_char, c_int, c_long, c_void};
use std::ptr;
#[cfg(pg17_up)]
use std::sync::OnceLock;
use std::sync::atomic::AtomicU32;

/// 18: a connection keeps the text of its own address, for the log; `[none]` where it has none.
///
/// # Safety
/// The port is zeroed, or has another text there.
pub(super) unsafe fn set_local_host(port: *mut sys::Port) {
    #[cfg(pg18_up)]
    // SAFETY: promised by the caller.
    encoding::copy_text(unsafe { &mut (*port).local_host }, b"[none]");
    #[cfg(not(pg18_up))]
    let _ = port;
}

/// 19: a signal handler is told who sent the signal. Makes a handler of a function that may return the server's
/// handler to go on with.
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

/// 15: shared memory is asked for in a hook. Returns the hook that was there, which `ask` is to call. Before, `ask`
/// is called here.
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

/// 17: segments that are found by name, for as long as the server lives; `None` before. `init` fills a new one: it
/// gets the segment's start, and may throw. An ERROR leaves a lock of the server held.
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

/// 19: a tranche of locks has its name from the beginning, in all processes; before, each process says it.
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

/// 15: analysing was split by the kind of a statement's parameters. Here their types are given.
///
/// # Safety
/// As for the server's function, which may throw: to be called in a guard.
pub unsafe fn analyze(raw: *mut sys::RawStmt, sql: *const c_char, types: *const u32, n: c_int) -> *mut sys::List {
    // SAFETY: promised by the caller.
    #[cfg(pg15_up)]
    unsafe {
        sys::pg_analyze_and_rewrite_fixedparams(raw, sql, types, n, ptr::null_mut())
    }
    // SAFETY: as above.
    #[cfg(not(pg15_up))]
    unsafe {
        sys::pg_analyze_and_rewrite(raw, sql, types.cast_mut(), n, ptr::null_mut())
    }
}

/// 18: PortalRun, here of all rows, lost `run_once`.
///
/// # Safety
/// As for the server's function, which may throw: to be called in a guard.
pub unsafe fn run_portal(
    portal: sys::Portal,
    dest: *mut sys::DestReceiver,
    other_dest: *mut sys::DestReceiver,
    done: *mut sys::QueryCompletion,
) {
    // SAFETY: promised by the caller.
    #[cfg(pg18_up)]
    unsafe {
        sys::PortalRun(portal, c_long::MAX, true, dest, other_dest, done);
    }
    // SAFETY: as above.
    #[cfg(not(pg18_up))]
    unsafe {
        sys::PortalRun(portal, c_long::MAX, true, true, dest, other_dest, done);
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

/// 17: the server's own wait events are spelled out. A wait for room in a queue, as if shm_mq waited itself.
#[cfg(pg17_up)]
pub(super) const WAIT_FOR_ROOM: sys::WaitEventIPC = sys::WaitEventIPC_WAIT_EVENT_MESSAGE_QUEUE_SEND;
#[cfg(not(pg17_up))]
pub(super) const WAIT_FOR_ROOM: sys::WaitEventIPC = sys::WaitEventIPC_WAIT_EVENT_MQ_SEND;

/// 17: wait events of extensions have names; before, they are one. The first use of a name asks the server for its
/// number, which `number` keeps.
#[allow(clippy::unnecessary_wraps)] // in some majors
pub(super) fn wait_event(name: &'static CStr, number: &AtomicU32) -> Result<u32> {
    #[cfg(pg17_up)]
    {
        use std::sync::atomic::Ordering::Relaxed;
        if number.load(Relaxed) == 0 {
            let name = name.as_ptr();
            // SAFETY: a C string.
            number.store(guard(|| unsafe { sys::WaitEventExtensionNew(name) })?, Relaxed);
        }
        Ok(number.load(Relaxed))
    }
    #[cfg(not(pg17_up))]
    {
        let _ = (name, number);
        Ok(sys::PG_WAIT_EXTENSION)
    }
}

/// 15: no other setting may bear the prefix; before, one that does is warned of. For [`guard`].
///
/// # Safety
/// A C string.
pub(super) unsafe fn reserve_prefix(prefix: *const c_char) {
    #[cfg(pg15_up)]
    // SAFETY: promised by the caller.
    unsafe {
        sys::MarkGUCPrefixReserved(prefix);
    }
    #[cfg(not(pg15_up))]
    // SAFETY: as above.
    unsafe {
        sys::EmitWarningsOnPlaceholders(prefix);
    }
}

/// 19: a descriptor made by hand is to be finished before it is used. For [`guard`].
///
/// # Safety
/// All attributes are set.
pub(super) unsafe fn finish_desc(desc: sys::TupleDesc) {
    #[cfg(pg19_up)]
    // SAFETY: promised by the caller.
    unsafe {
        sys::TupleDescFinalize(desc);
    }
    #[cfg(not(pg19_up))]
    let _ = desc;
}

/// 18: room can be kept before the tuple. For [`guard`].
///
/// # Safety
/// As many values as the descriptor has attributes.
pub(super) unsafe fn form_minimal_tuple(
    desc: sys::TupleDesc,
    values: *mut sys::Datum,
    nulls: *mut bool,
) -> sys::MinimalTuple {
    #[cfg(pg18_up)]
    // SAFETY: promised by the caller.
    return unsafe { sys::heap_form_minimal_tuple(desc, values, nulls, 0) };
    #[cfg(not(pg18_up))]
    // SAFETY: as above.
    return unsafe { sys::heap_form_minimal_tuple(desc, values, nulls) };
}

/// 16: SYSTEM_USER, which is part of what the server knows of a client's connection. Bytes that it takes; 0 before.
///
/// # Safety
/// For [`guard`].
pub(super) unsafe fn client_info_size() -> usize {
    #[cfg(pg16_up)]
    // SAFETY: no arguments.
    return unsafe { sys::EstimateClientConnectionInfoSpace() };
    #[cfg(not(pg16_up))]
    0
}

/// See [`client_info_size`].
///
/// # Safety
/// Room for so many bytes. For [`guard`].
pub(super) unsafe fn client_info_save(len: usize, to: *mut c_char) {
    #[cfg(pg16_up)]
    // SAFETY: promised by the caller.
    unsafe {
        sys::SerializeClientConnectionInfo(len, to);
    }
    #[cfg(not(pg16_up))]
    let _ = (len, to);
}

/// See [`client_info_size`].
///
/// # Safety
/// What [`client_info_save`] has written. For [`guard`].
pub(super) unsafe fn client_info_restore(from: *mut c_char) {
    #[cfg(pg16_up)]
    // SAFETY: promised by the caller.
    unsafe {
        sys::RestoreClientConnectionInfo(from);
        let info = &raw const sys::MyClientConnectionInfo;
        if !(*info).authn_id.is_null() {
            sys::InitializeSystemUser((*info).authn_id, sys::hba_authname((*info).auth_method));
        }
    }
    #[cfg(not(pg16_up))]
    let _ = from;
}
