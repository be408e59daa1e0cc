//! Settings: our own, and the state of all of a session's.

use super::compat;
use super::error::Result;
use super::guard::guard;
use super::sys;
use logic::session::settings::{self, Setting, Settings, Which};
use std::ffi::{CStr, c_char, c_int};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

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

#[derive(Clone, Copy)]
pub enum Unit {
    None,
    Bytes,
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

/// Defines an integer setting: default, least and greatest value.
pub fn define_int(
    variable: &'static Int,
    name: &'static CStr,
    description: &'static CStr,
    [default, min, max]: [i32; 3],
    unit: Unit,
    set: Set,
) -> Result<()> {
    let value: *mut c_int = variable.0.as_ptr();
    let (name, description) = (name.as_ptr(), description.as_ptr());
    let flags = match unit {
        Unit::None => 0,
        Unit::Bytes => sys::GUC_UNIT_BYTE as c_int,
        Unit::Milliseconds => sys::GUC_UNIT_MS as c_int,
    };
    let context = set.context();
    // SAFETY: all pointers are to statics.
    guard(|| unsafe {
        sys::DefineCustomIntVariable(
            name,
            description,
            ptr::null(),
            value,
            default,
            min,
            max,
            context,
            flags,
            None,
            None,
            None,
        );
    })
}

/// Defines a setting that is a list of names, empty by default.
pub fn define_list(variable: &'static Str, name: &'static CStr, description: &'static CStr, set: Set) -> Result<()> {
    let (value, context, flags) = (variable.0.as_ptr(), set.context(), sys::GUC_LIST_INPUT as c_int);
    let (name, description) = (name.as_ptr(), description.as_ptr());
    // SAFETY: all pointers are to statics.
    guard(|| unsafe {
        sys::DefineCustomStringVariable(
            name,
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

/// Bytes that the settings need at most.
fn estimate() -> Result<usize> {
    // SAFETY: no arguments.
    guard(|| unsafe { sys::EstimateGUCStateSpace() })
}

pub fn parse(state: &[u8]) -> Option<Settings<'_>> {
    settings::parse(state, compat::SETTINGS_HAVE_ROLE).ok()
}

/// This session's settings, serialized; the room is used again.
#[derive(Default)]
pub struct State {
    room: Vec<u8>,
    len: usize,
    taken: Option<Remembered>,
}

/// Settings as they were once: looking whether they are the same still takes less than serializing them.
struct Remembered(NonNull<sys::PgbgSettings>);

// SAFETY: a backend is one thread.
unsafe impl Send for Remembered {}

impl Remembered {
    fn new() -> Result<Option<Self>> {
        // SAFETY: no arguments.
        Ok(NonNull::new(guard(|| unsafe { sys::pgbg_remember_settings() })?).map(Self))
    }

    fn are(&self) -> bool {
        // SAFETY: made by `new`; only looks, and throws nothing.
        unsafe { sys::pgbg_settings_are(self.0.as_ptr()) }
    }
}

impl Drop for Remembered {
    fn drop(&mut self) {
        let settings = self.0.as_ptr();
        // SAFETY: made by `new`, freed once.
        let _ = guard(|| unsafe { sys::pgbg_forget_settings(settings) });
    }
}

impl State {
    /// Takes the settings as they are now.
    pub fn take(&mut self) -> Result<()> {
        if self.taken.as_ref().is_some_and(Remembered::are) {
            return Ok(());
        }
        self.taken = None;
        self.len = 0;
        // what it took last time will do, most often
        if self.room.is_empty() || self.serialize().is_err() {
            self.room = vec![0; estimate()? + 1024];
            self.serialize()?;
        }
        self.len = settings::whole(&self.room).map_or(0, <[u8]>::len);
        self.append_resets()?;
        self.taken = Remembered::new()?;
        Ok(())
    }

    fn serialize(&mut self) -> Result<()> {
        let (start, len) = (self.room.as_mut_ptr(), self.room.len());
        // SAFETY: writes at most `len` bytes, or throws.
        guard(|| unsafe { sys::SerializeGUCState(len, start.cast()) })
    }

    fn append_resets(&mut self) -> Result<()> {
        loop {
            let rest = &mut self.room[self.len..];
            let (start, room) = (rest.as_mut_ptr(), rest.len());
            // SAFETY: writes at most as many bytes.
            let needed = guard(|| unsafe { sys::pgbg_serialize_resets(start.cast(), room) })?;
            if needed <= room {
                self.len += needed;
                return Ok(());
            }
            self.room.resize(self.len + needed, 0);
        }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.room[..self.len]
    }
}

/// Gives this process, whose session has just begun, another session's settings. Inside a transaction that has no snapshot
/// yet. The server's own function sets every setting anew, some two hundred microseconds' worth; most are the same
/// already. True when only differences were set, so that RESET gives what it gave before.
pub fn restore(state: &[u8]) -> Result<bool> {
    let Some(theirs) = parse(state) else {
        return restore_all(state).map(|()| false);
    };
    let mut mine = State::default();
    mine.take()?;
    let mine = parse(mine.bytes()).unwrap_or_default();
    let theirs = in_words_of(&mine, &theirs)?;
    let changes = settings::difference(&mine.now, &theirs.now);
    let only_differences = changes.is_some();
    match changes {
        Some(changes) => changes.iter().try_for_each(set)?,
        None => restore_all(state)?,
    }
    set_resets(&theirs)?;
    Ok(only_differences)
}

/// Gives this session, which has had others before, another session's settings; false when it cannot. Inside a transaction, which
/// is to be aborted then.
pub fn change_to(theirs: &Settings) -> Result<bool> {
    let mut state = State::default();
    state.take()?;
    let Some(mine) = parse(state.bytes()) else {
        return Ok(false);
    };
    let theirs = &in_words_of(&mine, theirs)?;
    let resets = settings::resets(&mine.now, &theirs.now);
    resets.iter().try_for_each(reset)?;
    let mut after = State::default();
    let mine = if resets.is_empty() {
        mine
    } else {
        after.take()?;
        parse(after.bytes()).unwrap_or_default()
    };
    let Some(changes) = settings::difference(&mine.now, &theirs.now) else {
        return Ok(false);
    };
    changes.iter().try_for_each(set)?;
    set_resets(theirs)?;
    Ok(true)
}

/// Their settings in the words that this session has for the same values; see [`settings::in_words_of`].
pub fn in_words_of<'a>(mine: &Settings<'a>, theirs: &Settings<'a>) -> Result<Settings<'a>> {
    settings::in_words_of(mine, theirs, |setting, which| {
        let (name, text) = (setting.name.as_ptr().cast(), setting.value.as_ptr().cast());
        let reset = c_int::from(which == Which::Reset);
        // SAFETY: two NUL-terminated strings, which are only read.
        guard(|| unsafe { sys::pgbg_setting_means(name, text, reset) })
    })
}

/// What RESET gives where something else is set, and settings that are only known. After all others.
fn set_resets(theirs: &Settings) -> Result<()> {
    if theirs.resets.is_empty() {
        return Ok(());
    }
    let mut state = State::default();
    state.take()?;
    let mine = parse(state.bytes()).unwrap_or_default();
    for wanted in theirs.resets.iter().filter(|wanted| !mine.resets.contains(wanted)) {
        if wanted.has_value() {
            set_reset(wanted)?;
        } else {
            make_placeholder(wanted)?;
        }
    }
    Ok(())
}

fn set_reset(setting: &Setting) -> Result<()> {
    let (name, value) = (setting.name.as_ptr().cast(), setting.value.as_ptr().cast());
    let (context, source, role) = (setting.context, setting.source, setting.role);
    // SAFETY: two NUL-terminated strings, which the server copies.
    guard(|| unsafe { sys::pgbg_set_reset(name, value, context, source, role) })
}

fn make_placeholder(setting: &Setting) -> Result<()> {
    let name = setting.name.as_ptr().cast();
    // SAFETY: a NUL-terminated string; whoever set it, nothing of that is left.
    guard(|| unsafe { sys::pgbg_make_placeholder(name, sys::BOOTSTRAP_SUPERUSERID) })
}

fn reset(setting: &Setting) -> Result<()> {
    let (name, role) = (setting.name.as_ptr().cast(), setting.role);
    // SAFETY: a NUL-terminated string.
    guard(|| unsafe { sys::pgbg_reset_option(name, role) })
}

/// RESET ROLE. Inside a transaction.
pub fn reset_role() -> Result<()> {
    // SAFETY: as above; the role is that of the bootstrap superuser, as for all that no user has set.
    guard(|| unsafe { sys::pgbg_reset_option(c"role".as_ptr(), sys::BOOTSTRAP_SUPERUSERID) })
}

fn set(setting: &Setting) -> Result<()> {
    let (name, value) = (setting.name.as_ptr().cast(), setting.value.as_ptr().cast());
    let (context, source, role) = (setting.context, setting.source, setting.role);
    // SAFETY: two NUL-terminated strings, which the server copies.
    guard(|| unsafe { sys::pgbg_set_option(name, value, context, source, role) })
}

fn restore_all(state: &[u8]) -> Result<()> {
    let start = state.as_ptr();
    // On a standby a transaction begins read-only, and the server would refuse the reset of that setting. The next
    // transaction sets its own.
    // SAFETY: the state is what `save` wrote in a process of the same server; it is only read. A flag of this transaction.
    guard(|| unsafe {
        sys::XactReadOnly = false;
        sys::RestoreGUCState(start.cast_mut().cast());
    })
}

pub fn statement_timeout() -> i32 {
    // SAFETY: a plain variable of this one thread.
    unsafe { sys::StatementTimeout }
}

/// What a launcher's settings are known by, to it and to the worker that has them; never 0.
pub fn settings_hash(state: &[u8]) -> u64 {
    super::shmem::hash(state).max(1)
}
