//! What a job can leave in its session, settings aside. A warm worker looks for it after each job.
//!
//! What the server can forget is forgotten always, for nothing tells whether there is any. What the server cannot
//! forget is looked for, and ends the worker.

use super::catalog::accept_changes;
use super::compat_session::{self as compat, Hook, SysCacheId};
use super::error::Result;
use super::guard::guard;
use super::{compat_timeout, guc_table, identity, plan_cache, sys};
use std::ffi::{CStr, c_void};
use std::mem::MaybeUninit;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where libraries change what a session does.
fn hooks() -> Vec<*const Hook> {
    let mut hooks: Vec<*const Hook> = vec![
        (&raw const sys::ClientAuthentication_hook).cast(),
        (&raw const sys::ExecutorCheckPerms_hook).cast(),
        (&raw const sys::ExecutorEnd_hook).cast(),
        (&raw const sys::ExecutorFinish_hook).cast(),
        (&raw const sys::ExecutorRun_hook).cast(),
        (&raw const sys::ExecutorStart_hook).cast(),
        (&raw const sys::ExplainOneQuery_hook).cast(),
        (&raw const sys::ProcessUtility_hook).cast(),
        (&raw const sys::check_password_hook).cast(),
        (&raw const sys::create_upper_paths_hook).cast(),
        (&raw const sys::emit_log_hook).cast(),
        (&raw const sys::explain_get_index_name_hook).cast(),
        (&raw const sys::fmgr_hook).cast(),
        (&raw const sys::get_attavgwidth_hook).cast(),
        (&raw const sys::get_index_stats_hook).cast(),
        (&raw const sys::get_relation_stats_hook).cast(),
        (&raw const sys::join_search_hook).cast(),
        (&raw const sys::needs_fmgr_hook).cast(),
        (&raw const sys::object_access_hook).cast(),
        (&raw const sys::planner_hook).cast(),
        (&raw const sys::post_parse_analyze_hook).cast(),
        (&raw const sys::row_security_policy_hook_permissive).cast(),
        (&raw const sys::row_security_policy_hook_restrictive).cast(),
        (&raw const sys::set_join_pathlist_hook).cast(),
        (&raw const sys::set_rel_pathlist_hook).cast(),
    ];
    hooks.extend(compat::more_hooks());
    hooks
}

/// The session as it was when it was new.
struct First {
    /// The variables of the hooks, and what each held.
    hooks: Vec<(*const Hook, Hook)>,
    error_context: *mut sys::ErrorContextCallback,
    interrupt_holdoff: u32,
    in_recovery: bool,
}

// SAFETY: a backend is one thread.
unsafe impl Send for First {}
// SAFETY: as above.
unsafe impl Sync for First {}

static FIRST: OnceLock<First> = OnceLock::new();

/// Set by the server's invalidation messages, cleared by [`roles_changed`].
static ROLES_CHANGED: AtomicBool = AtomicBool::new(false);

unsafe extern "C-unwind" fn role_changed(_arg: sys::Datum, _cache: SysCacheId, _hash: u32) {
    ROLES_CHANGED.store(true, Ordering::Relaxed);
}

/// Remembers what the session is like. Once per process, outside a transaction, before the first job.
pub fn watch() -> Result<()> {
    // SAFETY: variables of the server, of one pointer each.
    let hooks = hooks().into_iter().map(|at| (at, unsafe { *at })).collect();
    // SAFETY: reads variables. The guard leaves the error contexts as they are.
    let (error_context, interrupt_holdoff) = unsafe { (sys::error_context_stack, sys::InterruptHoldoffCount) };
    let in_recovery = identity::is_in_recovery()?;
    FIRST.get_or_init(|| First { hooks, error_context, interrupt_holdoff, in_recovery });
    let cache = sys::SysCacheIdentifier_AUTHOID as SysCacheId;
    // SAFETY: the callback only writes to a variable, and lives as long as the process.
    guard(|| unsafe { sys::CacheRegisterSyscacheCallback(cache, Some(role_changed), sys::Datum::default()) })
}

/// Why no other job may have this session; `None` when nothing is known against it. Outside a transaction, after
/// [`watch`].
pub fn left() -> Result<Option<&'static str>> {
    let Some(first) = FIRST.get() else {
        return Ok(Some("it was not watched"));
    };
    // SAFETY: reads variables.
    unsafe {
        if sys::IsTransactionOrTransactionBlock() {
            return Ok(Some("a transaction is open"));
        }
        let held_off = sys::InterruptHoldoffCount != first.interrupt_holdoff;
        if held_off || sys::QueryCancelHoldoffCount != 0 || sys::CritSectionCount != 0 {
            return Ok(Some("interrupts are held off"));
        }
        if sys::error_context_stack != first.error_context {
            return Ok(Some("an error context was left"));
        }
    }
    let (mut temp, mut temp_toast) = (0, 0);
    let (temp_at, temp_toast_at) = (&raw mut temp, &raw mut temp_toast);
    // SAFETY: two places for the answers, and variables.
    let (buffers, backup, in_recovery) = guard(|| unsafe {
        sys::GetTempNamespaceState(temp_at, temp_toast_at);
        (sys::NLocBuffer, sys::get_backup_status(), sys::RecoveryInProgress())
    })?;
    // buffers: temp_buffers cannot be changed any more, even if the table was rolled back
    if temp != 0 || buffers != 0 {
        return Ok(Some("it has used temporary tables"));
    }
    if backup != sys::SessionBackupState_SESSION_BACKUP_NONE {
        return Ok(Some("a backup is in progress"));
    }
    if compat::has_session_origin() {
        return Ok(Some("it has a replication origin"));
    }
    if in_recovery != first.in_recovery {
        return Ok(Some("recovery has ended"));
    }
    // SAFETY: variables of the server, of one pointer each.
    if first.hooks.iter().any(|(at, was)| unsafe { **at } != *was) {
        return Ok(Some("a library has installed a hook"));
    }
    Ok(None)
}

/// Does what DISCARD ALL and a session's error recovery do, settings and temporary tables aside. Outside a transaction.
pub fn forget() -> Result<()> {
    // SAFETY: each may be called between two transactions, also if there is nothing to forget.
    guard(|| unsafe {
        sys::disable_all_timeouts(false);
        compat_timeout::forget_transaction_timeout();
        sys::PortalHashTableDeleteAll();
        sys::DropAllPreparedStatements();
        sys::LockReleaseAll(sys::USER_LOCKMETHOD as sys::LOCKMETHODID, true);
        sys::ResetSequenceCaches();
        compat::clean_up_spi();
        give_slots_back();
    })?;
    plan_cache::forget_others()?;
    guc_table::forget_transaction_settings();
    let seed = compat::random_fraction().to_bits() as sys::Datum;
    // the next job's random() must not go on with this job's setseed()
    // SAFETY: `setseed` takes a float8, which is a Datum's bits.
    guard(|| unsafe {
        sys::jit_reset_after_error();
        sys::DirectFunctionCall1Coll(Some(sys::setseed), 0, seed);
    })
}

/// Gives replication slots back, which the end of a transaction leaves; a session's own go. Outside a transaction.
pub fn release_slots() -> Result<()> {
    // SAFETY: as in `forget`.
    guard(|| unsafe { give_slots_back() })
}

/// # Safety
/// Outside a transaction, in a guard.
unsafe fn give_slots_back() {
    // SAFETY: promised by the caller.
    unsafe {
        if !sys::MyReplicationSlot.is_null() {
            sys::ReplicationSlotRelease();
        }
        if sys::max_replication_slots > 0 {
            compat::drop_temporary_replication_slots();
        }
    }
}

/// Has any role changed since the last call? Outside a transaction.
pub fn roles_changed() -> Result<bool> {
    accept_changes()?;
    Ok(ROLES_CHANGED.swap(false, Ordering::Relaxed))
}

/// Session user, SET ROLE, current user; `None` in a security context.
pub fn users() -> Option<[u32; 3]> {
    let (mut user, mut context) = (0, 0);
    // SAFETY: reads variables.
    unsafe {
        sys::GetUserIdAndSecContext(&raw mut user, &raw mut context);
        (context == 0).then(|| [sys::GetSessionUserId(), sys::GetCurrentRoleId(), user])
    }
}

/// Bytes that the server's functions have allocated, plans apart that are kept for jobs to come.
pub fn memory() -> Result<usize> {
    // SAFETY: a live context.
    let allocated = guard(|| unsafe { sys::MemoryContextMemAllocated(sys::TopMemoryContext, true) })?;
    Ok(allocated.saturating_sub(plan_cache::memory()))
}

/// What there is for [`load_session_libraries`] to load: `session_preload_libraries` and `local_preload_libraries`.
pub fn session_libraries() -> [Vec<u8>; 2] {
    // SAFETY: settings' own strings, which stay until the settings change; null before they are set.
    let names = unsafe { [sys::session_preload_libraries_string, sys::local_preload_libraries_string] };
    // SAFETY: as above.
    names.map(|names| if names.is_null() { Vec::new() } else { unsafe { CStr::from_ptr(names) }.to_bytes().to_vec() })
}

/// Loads what `session_preload_libraries` names, as a client's session does. Inside a transaction: a library's settings
/// may need the catalogs.
pub fn load_session_libraries() -> Result<()> {
    // SAFETY: once per process.
    guard(|| unsafe { sys::process_session_preload_libraries() })
}

/// How long the list of loaded libraries is, which only grows.
pub fn libraries_len() -> Result<usize> {
    // SAFETY: no arguments.
    guard(|| unsafe { sys::EstimateLibraryStateSpace() })
}

/// The files of the libraries that were loaded since the list was so long.
pub fn libraries_since(len: usize) -> Result<Vec<Vec<u8>>> {
    let mut list = vec![0; libraries_len()?];
    let (start, room) = (list.as_mut_ptr(), list.len());
    // SAFETY: writes as many bytes.
    guard(|| unsafe { sys::SerializeLibraryState(room, start.cast()) })?;
    // the list has a NUL at its end that its length counts, where the next name goes
    let added = list.get(len.saturating_sub(1)..).unwrap_or(&[]);
    Ok(added.split(|byte| *byte == 0).filter(|path| !path.is_empty()).map(<[u8]>::to_vec).collect())
}

/// This library's file, as the server has opened it.
pub fn own_library() -> &'static [u8] {
    let mut info = MaybeUninit::<libc::Dl_info>::uninit();
    // SAFETY: an address of this library's; the answer is written if it is not 0.
    let known = unsafe { libc::dladdr((&raw const ROLES_CHANGED).cast::<c_void>(), info.as_mut_ptr()) } != 0;
    // SAFETY: written, as it says.
    let path = if known { unsafe { info.assume_init() }.dli_fname } else { std::ptr::null() };
    // SAFETY: the loader's string, which lives as long as the library.
    if path.is_null() { b"" } else { unsafe { CStr::from_ptr(path) }.to_bytes() }
}

/// Where the server's own libraries are: what $libdir means.
pub fn library_directory() -> &'static [u8] {
    // SAFETY: a string that lives as long as the process.
    unsafe { CStr::from_ptr((&raw const sys::pkglib_path).cast()) }.to_bytes()
}
