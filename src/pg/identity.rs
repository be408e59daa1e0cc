//! Who this process is, and as whom it acts.

use super::compat;
use super::error::Result;
use super::guard::guard;
use super::sys;
use logic::segment::header::Identity;
use std::ffi::{CStr, c_int};

pub fn current_user() -> u32 {
    // SAFETY: reads variables.
    unsafe { sys::GetUserId() }
}

pub fn session_user() -> u32 {
    // SAFETY: reads a variable.
    unsafe { sys::GetSessionUserId() }
}

pub fn process_id() -> i32 {
    // SAFETY: reads a variable.
    unsafe { sys::MyProcPid }
}

/// Is this the postmaster, from which all other processes come?
pub fn is_postmaster() -> bool {
    // SAFETY: reads variables.
    unsafe { sys::IsPostmasterEnvironment && !sys::IsUnderPostmaster }
}

/// Has this process made the server's shared memory? The postmaster, or a server of one user.
pub fn owns_memory() -> bool {
    // SAFETY: reads a variable.
    unsafe { !sys::IsUnderPostmaster }
}

/// The server's major version.
pub const SERVER_MAJOR: u32 = super::compat_session::MAJOR;

/// The cluster's system identifier. The server reads its control file before it loads a library, and again after a
/// crash before it makes shared memory.
pub fn cluster() -> u64 {
    // SAFETY: reads the control file's copy, which is there.
    unsafe { sys::GetSystemIdentifier() }
}

pub fn now() -> i64 {
    // SAFETY: reads the clock.
    unsafe { sys::GetCurrentTimestamp() }
}

pub fn database() -> u32 {
    // SAFETY: reads a variable.
    unsafe { sys::MyDatabaseId }
}

/// May the current user see the texts of that role's sessions, as pg_stat_activity has it?
pub fn may_read_stats_of(role: u32) -> Result<bool> {
    Ok(has_privileges_of(role)? || has_privileges_of(sys::ROLE_PG_READ_ALL_STATS)?)
}

/// May the session's user see them, whoever acts in it (a SECURITY DEFINER function)?
pub fn may_session_read_stats_of(role: u32) -> Result<bool> {
    // SAFETY: catalog lookups.
    guard(|| unsafe {
        let user = sys::GetSessionUserId();
        user == role || sys::has_privs_of_role(user, role) || sys::has_privs_of_role(user, sys::ROLE_PG_READ_ALL_STATS)
    })
}

pub fn is_in_recovery() -> Result<bool> {
    // SAFETY: reads shared memory; before 15 it allocates when it sees first that recovery has ended.
    guard(|| unsafe { sys::RecoveryInProgress() })
}

/// Has the current user the privileges of that role?
pub fn has_privileges_of(role: u32) -> Result<bool> {
    gives_privileges(role, current_user())
}

/// Has `member` the privileges of that role?
pub fn gives_privileges(role: u32, member: u32) -> Result<bool> {
    // SAFETY: a catalog lookup.
    guard(|| unsafe { sys::has_privs_of_role(member, role) })
}

/// Is the current user a superuser?
pub fn is_superuser() -> Result<bool> {
    // SAFETY: a catalog lookup, kept by the server.
    guard(|| unsafe { sys::superuser() })
}

/// May the current user stop what that role runs? As `pg_cancel_backend` has it.
pub fn may_signal(role: u32) -> Result<bool> {
    // SAFETY: catalog lookups.
    guard(|| unsafe {
        sys::has_privs_of_role(sys::GetUserId(), role)
            || (!sys::superuser_arg(role) && sys::has_privs_of_role(sys::GetUserId(), sys::ROLE_PG_SIGNAL_BACKEND))
    })
}

/// The role's name; `None` if the role is gone.
pub fn name_of_role(role: u32) -> Result<Option<Vec<u8>>> {
    // SAFETY: NULL for one that is gone; otherwise a copy in the current memory context.
    let name = guard(|| unsafe { sys::GetUserNameFromId(role, true) })?;
    // SAFETY: a C string of the server.
    Ok((!name.is_null()).then(|| unsafe { CStr::from_ptr(name) }.to_bytes().to_vec()))
}

/// The name as it is stored, in whatever encoding; the OID if there is none.
pub fn role_name(role: u32) -> Result<Vec<u8>> {
    Ok(name_of_role(role)?.unwrap_or_else(|| role.to_string().into_bytes()))
}

/// Likewise.
pub fn database_name(database: u32) -> Result<Vec<u8>> {
    // SAFETY: NULL for one that is gone; otherwise a copy in the current memory context.
    let name = guard(|| unsafe { sys::get_database_name(database) })?;
    // SAFETY: a C string of the server.
    Ok(if name.is_null() {
        database.to_string().into_bytes()
    } else {
        unsafe { CStr::from_ptr(name) }.to_bytes().to_vec()
    })
}

/// This session's, with nothing of a job in it yet.
pub fn capture() -> Identity {
    let (mut user, mut context) = (0, 0);
    // SAFETY: reads variables.
    unsafe {
        sys::GetUserIdAndSecContext(&raw mut user, &raw mut context);
        Identity {
            launcher_pid: sys::MyProcPid,
            database: sys::MyDatabaseId,
            encoding: sys::GetDatabaseEncoding(),
            launcher_database: sys::MyDatabaseId,
            launcher_encoding: sys::GetDatabaseEncoding(),
            authenticated_user: sys::GetAuthenticatedUserId(),
            session_user: sys::GetSessionUserId(),
            outer_role: sys::GetCurrentRoleId(),
            current_user: user,
            security_context: context,
            ..Identity::default()
        }
    }
}

/// Connects to the job's database as the user that its session was authenticated as. The server checks what it
/// checks for any session (LOGIN, CONNECT), and ends the process with FATAL when that fails.
pub fn connect(identity: &Identity) -> Result<()> {
    let (database, user) = (identity.database, identity.authenticated_user);
    // SAFETY: once per process, before any transaction.
    guard(|| unsafe { sys::BackgroundWorkerInitializeConnectionByOid(database, user, 0) })
}

/// Takes over session user and SET ROLE, as a parallel worker does: the launcher's session had the right to both.
/// Inside a transaction. The settings `role` and `session_authorization` are `guc_state`'s.
pub fn adopt_session(identity: &Identity) -> Result<()> {
    let (session, outer) = (identity.session_user, identity.outer_role);
    // SAFETY: a superuser flag comes from the catalog, not from the segment.
    guard(|| unsafe {
        sys::SetSessionAuthorization(session, sys::superuser_arg(session));
        let role = if outer == 0 { session } else { outer };
        sys::SetCurrentRoleId(outer, sys::superuser_arg(role));
    })
}

/// Calls `act` as the superuser that every cluster has. Inside a transaction.
pub fn as_superuser<R>(act: impl FnOnce() -> Result<R>) -> Result<R> {
    let (mut user, mut context) = (0, 0);
    // SAFETY: reads and writes variables; the transaction's abort takes it back, too.
    unsafe {
        sys::GetUserIdAndSecContext(&raw mut user, &raw mut context);
        sys::SetUserIdAndSecContext(sys::BOOTSTRAP_SUPERUSERID, context);
    }
    let result = act();
    // SAFETY: writes variables. An ERROR came back as the result.
    unsafe { sys::SetUserIdAndSecContext(user, context) };
    result
}

/// Does the job act as another than its session does: a SECURITY DEFINER function's owner, or restricted?
pub fn is_adopted(identity: &Identity) -> bool {
    identity.security_context != 0 || identity.current_user != user_of_session(identity)
}

/// Until this is dropped, users' code runs as another user, restricted. Settings that it makes go with it. A restricted
/// operation forbids only those of role and session user: a search path that stayed would have the reader call
/// functions of the other user's choice afterwards.
pub struct Acting {
    user: u32,
    context: i32,
    settings: c_int,
}

/// Makes the code of users that a job's values bring with them (a cast of their type, say) run as the job's user, when
/// a superuser reads them and the job's user is none: `None` otherwise, and nothing is done.
///
/// Only this way round: a reader never gets rights by it, for a superuser has all of them.
pub fn act_for_values_of(job_user: u32) -> Result<Option<Acting>> {
    let user = current_user();
    // SAFETY: catalog lookups.
    if user == job_user || !guard(|| unsafe { sys::superuser_arg(user) && !sys::superuser_arg(job_user) })? {
        return Ok(None);
    }
    // SAFETY: counts a level.
    let settings = guard(|| unsafe { sys::NewGUCNestLevel() })?;
    let mut acting = Acting { user, context: 0, settings };
    let restricted = (sys::SECURITY_RESTRICTED_OPERATION | sys::SECURITY_LOCAL_USERID_CHANGE) as i32;
    // SAFETY: reads and writes variables; the transaction's abort takes it back, too.
    unsafe {
        sys::GetUserIdAndSecContext(&raw mut acting.user, &raw mut acting.context);
        sys::SetUserIdAndSecContext(job_user, acting.context | restricted);
    }
    Ok(Some(acting))
}

impl Drop for Acting {
    fn drop(&mut self) {
        let settings = self.settings;
        // SAFETY: the level that was begun, and any that an error has left in it; before the user is back, as in the
        // server.
        let _ = guard(|| unsafe { sys::AtEOXact_GUC(false, settings) });
        // SAFETY: writes variables.
        unsafe { sys::SetUserIdAndSecContext(self.user, self.context) };
    }
}

/// Inside an operation that runs users' code restricted (an index function under ANALYZE, say)?
pub fn is_restricted() -> bool {
    capture().security_context & sys::SECURITY_RESTRICTED_OPERATION as i32 != 0
}

fn user_of_session(identity: &Identity) -> u32 {
    if identity.outer_role == 0 { identity.session_user } else { identity.outer_role }
}

/// Text for the launcher's SYSTEM_USER; empty before 16.
pub fn client_info_size() -> usize {
    // SAFETY: no arguments.
    guard(|| unsafe { compat::client_info_size() }).unwrap_or(0)
}

pub fn save_client_info(filler: &mut super::dsm::Filler, region: logic::segment::header::Region) -> Result<()> {
    let (start, len) = (filler.start(region), region.len as usize);
    // SAFETY: writes at most `len` bytes.
    guard(|| unsafe { compat::client_info_save(len, start.cast()) })
}

pub fn restore_client_info(state: &[u8]) -> Result<()> {
    let start = state.as_ptr();
    // SAFETY: the state is what `save_client_info` wrote in a process of the same server.
    guard(|| unsafe { compat::client_info_restore(start.cast_mut().cast()) })
}
