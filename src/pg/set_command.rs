//! SET, as the command of a user: with the rights of the current user, and with the errors of the server.

use super::error::Result;
use super::guard::guard;
use super::{guc_table, sys};
use logic::session::given::is_custom_name;
use std::ffi::{CStr, CString, c_int};

/// Would SET be allowed, with this value? An error, in the words of SET, if not. Nothing is set. Inside a transaction.
///
/// A customized setting that is not known here is not tried, unless SET could refuse its name. To try it would make it
/// known for the rest of the session: `current_setting('my.var', true)` would be empty and not NULL from then on.
pub fn check(name: &[u8], value: &[u8]) -> Result<()> {
    let name = CString::new(name).unwrap_or_default();
    if is_unknown_custom(&name)? {
        return Ok(());
    }
    set_option(&name, value, sys::GucAction_GUC_ACTION_SET, Try::Only)
}

/// SET. Inside a transaction, whose end decides.
pub fn set(name: &[u8], value: &[u8]) -> Result<()> {
    set_option(&CString::new(name).unwrap_or_default(), value, sys::GucAction_GUC_ACTION_SET, Try::AndSet)
}

/// Settings that hold until an end, as those in a function's declaration do. An error ends the scope with its
/// (sub)transaction.
pub struct Scope(c_int);

impl Scope {
    pub fn begin() -> Result<Self> {
        // SAFETY: counts a level.
        guard(|| unsafe { sys::NewGUCNestLevel() }).map(Self)
    }

    #[allow(clippy::unused_self)] // only where there is a scope
    pub fn set(&self, name: &[u8], value: &[u8]) -> Result<()> {
        set_option(&CString::new(name).unwrap_or_default(), value, sys::GucAction_GUC_ACTION_SAVE, Try::AndSet)
    }

    /// Takes the scope's settings back. What else was set in it stays.
    pub fn end(self) -> Result<()> {
        let level = self.0;
        // SAFETY: the level that `begin` has made; those above it have ended.
        guard(|| unsafe { sys::AtEOXact_GUC(true, level) })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Try {
    Only,
    AndSet,
}

fn set_option(name: &CStr, value: &[u8], action: sys::GucAction, what: Try) -> Result<()> {
    let value = CString::new(value).unwrap_or_default();
    let (name, value, changes) = (name.as_ptr(), value.as_ptr(), what == Try::AndSet);
    // SAFETY: C strings, which the server copies.
    guard(|| unsafe {
        let context = if sys::superuser() { sys::GucContext_PGC_SUSET } else { sys::GucContext_PGC_USERSET };
        let (source, level) = (sys::GucSource_PGC_S_SESSION, sys::ERROR as c_int);
        sys::set_config_option(name, value, context, source, action, changes, level, false);
    })
}

/// Is there no such setting, and would SET make it known, with any value? Where a library has defined settings with the
/// same prefix, it may have reserved the prefix, which only the server knows.
fn is_unknown_custom(name: &CStr) -> Result<bool> {
    let at = name.as_ptr();
    // SAFETY: a C string; no error if there is no such setting.
    let is_known = !guard(|| unsafe { sys::GetConfigOption(at, true, false) })?.is_null();
    if is_known || !is_custom_name(name.to_bytes()) {
        return Ok(false);
    }
    Ok(!guc_table::has_defined(prefix(name.to_bytes()))?)
}

fn prefix(name: &[u8]) -> &[u8] {
    name.split(|byte| *byte == b'.').next().unwrap_or_default()
}
