//! The definition of our own settings, for the table in `settings`.

use super::compat;
use super::compat_session;
use super::compat_timeout;
use super::entry::contain;
use super::error::Result;
use super::guard::guard;
use super::sys;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU64, Ordering};

/// The value of an integer setting; the server writes it, in this one thread.
pub struct Int(AtomicI32);

impl Int {
    pub const fn new() -> Self {
        Self(AtomicI32::new(0))
    }

    pub fn get(&self) -> i32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The value of a setting that is a number, as its bits; the server writes it, in this one thread.
pub struct Real(AtomicU64);

impl Real {
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

/// The value of a text setting; the server writes it, in this one thread.
pub struct Str(AtomicPtr<c_char>);

impl Str {
    pub const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    pub fn get(&self) -> Vec<u8> {
        let value = self.0.load(Ordering::Relaxed);
        // SAFETY: the setting's own string, which stays until the setting changes; null before it is defined.
        if value.is_null() { Vec::new() } else { unsafe { CStr::from_ptr(value) }.to_bytes().to_vec() }
    }
}

/// The value of a setting that is on or off; the server writes it, in this one thread.
pub struct Bool(AtomicBool);

impl Bool {
    pub const fn new(default: bool) -> Self {
        Self(AtomicBool::new(default))
    }

    pub fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Clone, Copy)]
pub enum Unit {
    None,
    Bytes,
    Kilobytes,
    Milliseconds,
}

/// Who may set a setting, and when.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Set {
    /// At the server's start. Where the library comes later, never.
    AtStart,
    /// In the configuration file.
    InFile,
    Superuser,
    User,
}

impl Set {
    fn context(self) -> sys::GucContext {
        match self {
            Self::AtStart if super::shmem::can_request() => sys::GucContext_PGC_POSTMASTER,
            Self::AtStart => sys::GucContext_PGC_INTERNAL,
            Self::InFile => sys::GucContext_PGC_SIGHUP,
            Self::Superuser => sys::GucContext_PGC_SUSET,
            Self::User => sys::GucContext_PGC_USERSET,
        }
    }
}

/// Lets the server define the setting of that name.
fn add(name: &'static CStr, define: impl FnOnce()) -> Result<()> {
    compat_session::add_setting(name, || guard(define))
}

/// Who is told of each value of a setting, before it holds, in each process that reads it.
pub trait Assigned<V> {
    /// May neither fail nor wait.
    fn assigned(value: V);
}

/// The server is about to write a value of the setting.
unsafe extern "C-unwind" fn assigned<V, A: Assigned<V>>(value: V, _: *mut c_void) {
    let _ = contain(|| {
        A::assigned(value);
        Ok(())
    });
}

/// Defines an integer setting: default, least and greatest value.
pub fn define_int(
    variable: &'static Int,
    name: &'static CStr,
    description: &'static CStr,
    values: [i32; 3],
    unit: Unit,
    set: Set,
) -> Result<()> {
    add_int(variable, name, description, values, unit, set, None)
}

/// Defines a setting that limits something, and that is 0, no limit, by default; `A` is told of each value.
pub fn define_limit<A: Assigned<i32>>(
    variable: &'static Int,
    name: &'static CStr,
    description: &'static CStr,
    set: Set,
) -> Result<()> {
    add_int(variable, name, description, [0, 0, i32::MAX], Unit::None, set, Some(assigned::<i32, A>))
}

fn add_int(
    variable: &'static Int,
    name: &'static CStr,
    description: &'static CStr,
    [default, min, max]: [i32; 3],
    unit: Unit,
    set: Set,
    assigned: sys::GucIntAssignHook,
) -> Result<()> {
    let value: *mut c_int = variable.0.as_ptr();
    let (name_at, description) = (name.as_ptr(), description.as_ptr());
    let flags = match unit {
        Unit::None => 0,
        Unit::Bytes => sys::GUC_UNIT_BYTE as c_int,
        Unit::Kilobytes => sys::GUC_UNIT_KB as c_int,
        Unit::Milliseconds => sys::GUC_UNIT_MS as c_int,
    };
    let context = set.context();
    // SAFETY: all pointers are to statics.
    add(name, || unsafe {
        sys::DefineCustomIntVariable(
            name_at,
            description,
            ptr::null(),
            value,
            default,
            min,
            max,
            context,
            flags,
            None,
            assigned,
            None,
        );
    })
}

/// Defines a setting that is a number: default, least and greatest value.
pub fn define_real(
    variable: &'static Real,
    name: &'static CStr,
    description: &'static CStr,
    [default, min, max]: [f64; 3],
    set: Set,
) -> Result<()> {
    let (value, context) = (variable.0.as_ptr().cast::<f64>(), set.context());
    let (name_at, description) = (name.as_ptr(), description.as_ptr());
    // SAFETY: all pointers are to statics; the variable has a double's size and alignment.
    add(name, || unsafe {
        sys::DefineCustomRealVariable(
            name_at,
            description,
            ptr::null(),
            value,
            default,
            min,
            max,
            context,
            0,
            None,
            None,
            None,
        );
    })
}

/// The words of a setting that has one of some: for [`define_words`], a static each.
pub struct Words<const N: usize>([sys::config_enum_entry; N]);

// SAFETY: names that are static, and are only read.
unsafe impl<const N: usize> Sync for Words<N> {}

impl<const N: usize> Words<N> {
    /// The last of `words` must be NULL, which ends the list. A word's value is its number, from 0.
    pub const fn new(words: [*const c_char; N]) -> Self {
        let mut entries = [sys::config_enum_entry { name: ptr::null(), val: 0, hidden: false }; N];
        let mut i = 0;
        while i < N {
            entries[i].name = words[i];
            entries[i].val = i as c_int;
            i += 1;
        }
        Self(entries)
    }
}

/// Defines a setting that is on by default, and can be turned off; `A` is told of each value.
pub fn define_switch<A: Assigned<bool>>(
    variable: &'static Bool,
    name: &'static CStr,
    description: &'static CStr,
    set: Set,
) -> Result<()> {
    let (value, context) = (variable.0.as_ptr(), set.context());
    let (name_at, description) = (name.as_ptr(), description.as_ptr());
    // SAFETY: all pointers are to statics.
    add(name, || unsafe {
        sys::DefineCustomBoolVariable(
            name_at,
            description,
            ptr::null(),
            value,
            true,
            context,
            0,
            None,
            Some(assigned::<bool, A>),
            None,
        );
    })
}

/// Defines a setting that is on or off; its default is the variable's value.
pub fn define_bool(variable: &'static Bool, name: &'static CStr, description: &'static CStr, set: Set) -> Result<()> {
    let (value, context, default) = (variable.0.as_ptr(), set.context(), variable.get());
    let (name_at, description) = (name.as_ptr(), description.as_ptr());
    // SAFETY: all pointers are to statics.
    add(name, || unsafe {
        sys::DefineCustomBoolVariable(name_at, description, ptr::null(), value, default, context, 0, None, None, None);
    })
}

/// When this process read the configuration last, in microseconds since 2000-01-01; one that has not read it by itself,
/// when the postmaster had done so that it comes from.
pub fn read_at() -> i64 {
    // SAFETY: reads a variable.
    unsafe { sys::PgReloadTime }
}

/// Defines a setting that has one of the words; the first is the default.
pub fn define_words<const N: usize>(
    variable: &'static Int,
    name: &'static CStr,
    description: &'static CStr,
    words: &'static Words<N>,
    set: Set,
) -> Result<()> {
    let (value, context, words) = (variable.0.as_ptr(), set.context(), words.0.as_ptr());
    let (name_at, description) = (name.as_ptr(), description.as_ptr());
    // SAFETY: all pointers are to statics; a NULL ends the words.
    add(name, || unsafe {
        sys::DefineCustomEnumVariable(name_at, description, ptr::null(), value, 0, words, context, 0, None, None, None);
    })
}

/// Defines a setting that is a list of names, empty by default.
pub fn define_list(variable: &'static Str, name: &'static CStr, description: &'static CStr, set: Set) -> Result<()> {
    let (value, context, flags) = (variable.0.as_ptr(), set.context(), sys::GUC_LIST_INPUT as c_int);
    let (name_at, description) = (name.as_ptr(), description.as_ptr());
    // SAFETY: all pointers are to statics.
    add(name, || unsafe {
        sys::DefineCustomStringVariable(
            name_at,
            description,
            ptr::null(),
            value,
            c"".as_ptr(),
            context,
            flags,
            None,
            None,
            None,
        );
    })
}

/// No other setting may bear the prefix.
pub fn reserve_prefix(prefix: &'static CStr) -> Result<()> {
    let prefix = prefix.as_ptr();
    // SAFETY: a static string.
    guard(|| unsafe { compat::reserve_prefix(prefix) })
}

/// Milliseconds; 0 is never. As in any session, there is none where `transaction_timeout` comes first.
pub fn statement_timeout() -> i32 {
    // SAFETY: a plain variable of this one thread.
    let timeout = unsafe { sys::StatementTimeout };
    let ends_transaction = compat_timeout::transaction_timeout();
    if ends_transaction > 0 && ends_transaction <= timeout { 0 } else { timeout }
}
