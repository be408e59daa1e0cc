//! What a job leaves behind in its session, settings aside.

use super::error::Result;
use super::guard::guard;
use super::sys;
use std::ffi::CStr;

/// Remembers what the session is like. Once per process, outside a transaction.
pub fn watch() -> Result<()> {
    // SAFETY: registers a callback that lives as long as the process.
    guard(|| unsafe { sys::pgbg_session_watch() })
}

/// Why nobody else may have this session.
pub fn left() -> Result<Option<&'static str>> {
    // SAFETY: no arguments.
    let reason = guard(|| unsafe { sys::pgbg_session_left() })?;
    if reason.is_null() {
        return Ok(None);
    }
    // SAFETY: a literal in C.
    Ok(Some(unsafe { CStr::from_ptr(reason) }.to_str().unwrap_or("unknown")))
}

/// Forgets what the server can forget. Outside a transaction.
pub fn forget() -> Result<()> {
    // SAFETY: no arguments.
    guard(|| unsafe { sys::pgbg_session_forget() })
}

/// Forgets what SET TRANSACTION has said in a transaction that has ended; see [`forget`], which does, too.
pub fn forget_transaction_settings() {
    // SAFETY: writes to settings that the server has for as long as the process lives; throws nothing.
    unsafe { sys::pgbg_forget_transaction_settings() }
}

/// Has any role changed since the last call? Outside a transaction.
pub fn roles_changed() -> Result<bool> {
    // SAFETY: no arguments.
    guard(|| unsafe { sys::pgbg_roles_changed() })
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

/// Passes on what SET ROLE has said last; not every minor version serializes it with the other settings.
pub fn with_role_setting<R>(use_it: impl FnOnce(&[u8]) -> R) -> Result<R> {
    // SAFETY: looks up a setting that every server has.
    let role = guard(|| unsafe { sys::pgbg_role_setting() })?;
    // SAFETY: the setting's own string, which stays until the setting changes.
    Ok(use_it(if role.is_null() { b"" } else { unsafe { CStr::from_ptr(role) }.to_bytes() }))
}

/// Bytes that the server's functions have allocated.
pub fn memory() -> Result<usize> {
    // SAFETY: no arguments.
    guard(|| unsafe { sys::pgbg_memory_allocated() })
}

/// Another number whenever a setting came into being, and most often the same when none did.
pub fn settings_mark() -> Result<u64> {
    // SAFETY: no arguments.
    guard(|| unsafe { sys::pgbg_settings_mark() })
}

/// The names, with their NULs, of the settings that are there because somebody has set them, and that no library has defined.
pub fn placeholders() -> Result<Vec<Vec<u8>>> {
    let mut names = vec![0; 1024];
    loop {
        let (start, room) = (names.as_mut_ptr(), names.len());
        // SAFETY: writes at most as many bytes.
        let len = guard(|| unsafe { sys::pgbg_placeholders(start.cast(), room) })?;
        names.resize(len, 0);
        if len <= room {
            return Ok(names.split_inclusive(|byte| *byte == 0).map(<[u8]>::to_vec).collect());
        }
    }
}

/// Loads what `session_preload_libraries` names, as a client's session does. Inside a transaction: a library's settings may
/// need the catalogs.
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

/// This library's file.
pub fn own_library() -> &'static [u8] {
    // SAFETY: the loader's string, which lives as long as the library, or a literal.
    unsafe { CStr::from_ptr(sys::pgbg_own_library()) }.to_bytes()
}

/// Where the server's own libraries are.
pub fn library_directory() -> &'static [u8] {
    // SAFETY: a string that lives as long as the process.
    unsafe { CStr::from_ptr(sys::pgbg_library_directory()) }.to_bytes()
}
