//! The server's table of settings: what each setting has now, and what RESET would give it.
//!
//! Everything here reads the structs of guc.c, as bindgen has seen them. A pointer to a setting is good until a library
//! defines a setting of the same name; so none is kept but those of [`find`] for settings of the server's own. Texts
//! are borrowed from the server until the setting is set again: what is kept of them is copied.

use super::compat_session as compat;
use super::error::Result;
use super::guard::guard;
use super::sys;
use logic::session::change::Which;
use logic::session::kind::{Kind, Value};
use logic::session::settings::{append_reset, real_text};
use std::ffi::{CStr, c_char, c_int};
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

pub(super) type Setting = *const sys::config_generic;

/// Settings that begin with a transaction. After a SET TRANSACTION that was committed, the server calls them the
/// session's.
const OF_TRANSACTION: [&CStr; 3] = [c"transaction_isolation", c"transaction_read_only", c"transaction_deferrable"];

/// Those of [`OF_TRANSACTION`], looked up once: they are in the server's own data, and stay.
static TRANSACTION_SETTINGS: [AtomicPtr<sys::config_generic>; OF_TRANSACTION.len()] =
    [const { AtomicPtr::new(ptr::null_mut()) }; OF_TRANSACTION.len()];

/// The head of guc.c's list of changed settings: the only link that is not inside a setting. NULL before it was looked
/// for, and before 16, where there is no such list.
static CHANGED: AtomicPtr<sys::dlist_node> = AtomicPtr::new(ptr::null_mut());

/// Where settings have their memory, since 16.
static MEMORY: AtomicPtr<sys::MemoryContextData> = AtomicPtr::new(ptr::null_mut());

/// Calls `look` with all settings.
fn with_all<R>(look: impl FnOnce(&[*mut sys::config_generic]) -> Result<R>) -> Result<R> {
    // SAFETY: makes a list, or shows the server's own.
    let (list, n) = guard(|| unsafe { compat::all_settings() })?;
    // SAFETY: so many settings; while `look` runs nothing is defined.
    let answer = look(unsafe { std::slice::from_raw_parts(list, n.max(0) as usize) });
    // SAFETY: the list is not used again.
    guard(|| unsafe { compat::free_settings(list) })?;
    answer
}

/// # Safety
/// `setting` must be one of the server's; the name lives as long as it does.
unsafe fn name<'a>(setting: Setting) -> &'a CStr {
    // SAFETY: promised by the caller: every setting has a name.
    unsafe { CStr::from_ptr((*setting).name) }
}

fn find(wanted: &CStr) -> Result<Option<*mut sys::config_generic>> {
    let wanted = wanted.to_bytes();
    let first = wanted.first().map(u8::to_ascii_lowercase);
    with_all(|all| {
        // SAFETY: settings of the server. Most names begin with another letter, and are not looked at as a whole.
        let is_it = |setting: &&*mut sys::config_generic| unsafe {
            first == Some((*(***setting).name as u8).to_ascii_lowercase())
                && name(**setting).to_bytes().eq_ignore_ascii_case(wanted)
        };
        Ok(all.iter().find(is_it).copied())
    })
}

/// Has a client, a role or a database given one of these settings a value that RESET would give it, so that what the
/// configuration says of it is not known to this process? They need not be defined.
pub fn are_hidden(names: &[&CStr]) -> Result<bool> {
    with_all(|all| {
        // SAFETY: settings of the server.
        let is_hidden = |setting: &&*mut sys::config_generic| unsafe {
            (***setting).reset_source > sys::GucSource_PGC_S_ARGV
                && names.iter().any(|wanted| name(**setting).to_bytes().eq_ignore_ascii_case(wanted.to_bytes()))
        };
        Ok(all.iter().any(|setting| is_hidden(&setting)))
    })
}

/// # Safety
/// `setting` must be one of the server's.
pub(super) unsafe fn kind(setting: Setting) -> Kind {
    // SAFETY: promised by the caller.
    match unsafe { (*setting).context } {
        sys::GucContext_PGC_POSTMASTER | sys::GucContext_PGC_INTERNAL => Kind::OfServer,
        _ => Kind::OfSession,
    }
}

/// # Safety
/// A C string that lives as long as the result is used, or NULL.
unsafe fn text<'a>(text: *const c_char) -> Option<&'a [u8]> {
    // SAFETY: promised by the caller.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_bytes())
}

/// The value that a setting has.
///
/// # Safety
/// `setting` must be one of the server's; the value lives until the setting is set.
unsafe fn value<'a>(setting: Setting) -> Value<&'a [u8]> {
    // SAFETY: promised by the caller; the type says what stands there.
    unsafe {
        match (*setting).vartype {
            sys::config_type_PGC_BOOL => Value::Number(u64::from(*(*compat::bool_setting(setting)).variable)),
            sys::config_type_PGC_INT => Value::Number(*(*compat::int_setting(setting)).variable as u64),
            sys::config_type_PGC_ENUM => Value::Number(*(*compat::enum_setting(setting)).variable as u64),
            sys::config_type_PGC_REAL => Value::Number((*(*compat::real_setting(setting)).variable).to_bits()),
            _ => Value::Text(text(*(*compat::string_setting(setting)).variable)),
        }
    }
}

/// The value that RESET gives a setting.
///
/// # Safety
/// As of [`value`].
unsafe fn reset_value<'a>(setting: Setting) -> Value<&'a [u8]> {
    // SAFETY: promised by the caller; the type says what stands there.
    unsafe {
        match (*setting).vartype {
            sys::config_type_PGC_BOOL => Value::Number(u64::from((*compat::bool_setting(setting)).reset_val)),
            sys::config_type_PGC_INT => Value::Number((*compat::int_setting(setting)).reset_val as u64),
            sys::config_type_PGC_ENUM => Value::Number((*compat::enum_setting(setting)).reset_val as u64),
            sys::config_type_PGC_REAL => Value::Number((*compat::real_setting(setting)).reset_val.to_bits()),
            _ => Value::Text(text((*compat::string_setting(setting)).reset_val)),
        }
    }
}

/// # Safety
/// `setting` must be one of the server's.
unsafe fn has_reset(setting: Setting) -> bool {
    // SAFETY: promised by the caller.
    unsafe { kind(setting).has_reset(name(setting).to_bytes(), (*setting).source, (*setting).reset_source) }
}

/// Finds the list of changed settings; once per process, before [`changed`].
pub(super) fn prepare() -> Result<()> {
    if compat::number_of_settings().is_some() || !CHANGED.load(Ordering::Relaxed).is_null() {
        return Ok(());
    }
    let head = with_all(|all| {
        // SAFETY: settings of the server.
        let link_of = |setting: &*mut sys::config_generic| unsafe { compat::changed_link(*setting) };
        // SAFETY: as above.
        let is_changed =
            |setting: &&*mut sys::config_generic| unsafe { (***setting).source != sys::GucSource_PGC_S_DEFAULT };
        let Some(first) = all.iter().find(is_changed).map(link_of) else {
            return Ok(ptr::null());
        };
        let mut link = first;
        while all.iter().any(|setting| link_of(setting) == link) {
            // SAFETY: a link of the list, which is a ring.
            link = unsafe { (*link).next };
        }
        Ok(link)
    })?;
    CHANGED.store(head.cast_mut(), Ordering::Relaxed);
    Ok(())
}

/// The settings that are not at their built-in defaults, in the server's order. After [`prepare`]; throws nothing.
/// While the iterator is used nothing may be set, added or removed.
pub(super) fn changed() -> impl Iterator<Item = Setting> {
    // SAFETY: the callers set nothing meanwhile; the head is what `prepare` has found, or NULL.
    unsafe { compat::changed_settings(CHANGED.load(Ordering::Relaxed)) }
}

/// A number that is another one when settings were added, and most often the same when none was. Throws nothing.
///
/// Since 16 it is the bytes in use, and can come out equal when as much was freed as was added. What is missed then is
/// a customized option of a job: later jobs know its name, and find it empty.
pub fn mark() -> u64 {
    if let Some(number) = compat::number_of_settings() {
        return number;
    }
    if MEMORY.load(Ordering::Relaxed).is_null() {
        MEMORY.store(find_memory(), Ordering::Relaxed);
    }
    let context = MEMORY.load(Ordering::Relaxed);
    if context.is_null() {
        static UNKNOWN: AtomicU64 = AtomicU64::new(0);
        return UNKNOWN.fetch_sub(1, Ordering::Relaxed).wrapping_sub(1);
    }
    // SAFETY: all-zero counters are counters; a live memory context, of whatever kind, only counts what it has.
    unsafe {
        let mut counters: sys::MemoryContextCounters = std::mem::zeroed();
        if let Some(stats) = (*(*context).methods).stats {
            stats(context, None, ptr::null_mut(), &raw mut counters, false);
        }
        (counters.totalspace as u64).wrapping_sub(counters.freespace as u64)
    }
}

fn find_memory() -> sys::MemoryContext {
    // SAFETY: walks over live memory contexts.
    unsafe {
        let mut child = (*sys::TopMemoryContext).firstchild;
        while !child.is_null() && CStr::from_ptr((*child).name) != c"GUCMemoryContext" {
            child = (*child).nextchild;
        }
        child
    }
}

/// # Safety
/// `setting` must be one of the server's.
unsafe fn is_placeholder(setting: Setting) -> bool {
    // SAFETY: promised by the caller.
    unsafe { (*setting).flags & sys::GUC_CUSTOM_PLACEHOLDER as c_int != 0 }
}

/// The names, with their NULs, of the settings that are there because a session or a file has set them, and that no
/// library has defined.
pub fn placeholders() -> Result<Vec<Vec<u8>>> {
    with_all(|all| {
        // SAFETY: settings of the server.
        let found = all.iter().filter(|setting| unsafe { is_placeholder(**setting) });
        // SAFETY: as above.
        Ok(found.map(|setting| unsafe { name(*setting) }.to_bytes_with_nul().to_vec()).collect())
    })
}

/// Has a library, or the server, defined a setting whose name begins with this and a dot?
pub(super) fn has_defined(prefix: &[u8]) -> Result<bool> {
    with_all(|all| {
        Ok(all.iter().any(|setting| {
            // SAFETY: settings of the server.
            let (name, is_placeholder) = unsafe { (name(*setting).to_bytes(), is_placeholder(*setting)) };
            let is_of_prefix = || {
                name.split_at_checked(prefix.len())
                    .is_some_and(|(begin, rest)| begin.eq_ignore_ascii_case(prefix) && rest.first() == Some(&b'.'))
            };
            !is_placeholder && is_of_prefix()
        }))
    })
}

/// Appends what the server does not serialize: the values that RESET would give where nothing else tells them, and the
/// settings that belong to no library and have no value. After [`prepare`].
pub(super) fn append_resets(state: &mut Vec<u8>) -> Result<()> {
    /// The mark at which no setting was without a library: to look at all settings takes time.
    static PLAIN: AtomicU64 = AtomicU64::new(0);
    // SAFETY: settings of the server.
    for setting in changed().filter(|setting| unsafe { has_reset(*setting) }) {
        // SAFETY: as above.
        unsafe { append_value(state, setting) }?;
    }
    if PLAIN.load(Ordering::Relaxed) == mark() {
        return Ok(());
    }
    let is_plain = with_all(|all| {
        // SAFETY: settings of the server.
        let mut placeholders = all.iter().filter(|setting| unsafe { is_placeholder(**setting) }).peekable();
        let is_plain = placeholders.peek().is_none();
        for setting in placeholders {
            // SAFETY: as above.
            unsafe {
                if (**setting).source == sys::GucSource_PGC_S_DEFAULT {
                    append_reset(state, name(*setting).to_bytes(), b"", sys::GucSource_PGC_S_DEFAULT, 0, 0);
                }
            }
        }
        Ok(is_plain)
    })?;
    if is_plain {
        PLAIN.store(mark(), Ordering::Relaxed);
    }
    Ok(())
}

/// # Safety
/// `setting` must be one of the server's.
unsafe fn append_value(state: &mut Vec<u8>, setting: Setting) -> Result<()> {
    // SAFETY: promised by the caller.
    let (this, value) = unsafe { (&*setting, reset_value(setting)) };
    let owned;
    let text: &[u8] = match (value, this.vartype) {
        (Value::Text(text), _) => text.unwrap_or_default(),
        (Value::Number(number), sys::config_type_PGC_BOOL) => {
            if number == 0 {
                b"false"
            } else {
                b"true"
            }
        }
        (Value::Number(number), sys::config_type_PGC_ENUM) => {
            let record = setting.cast_mut().cast::<compat::EnumSetting>();
            // SAFETY: an enum, which has a word for each value that it can have.
            let word = guard(|| unsafe { sys::config_enum_lookup_by_value(record, number as c_int) })?;
            // SAFETY: the enum's own word.
            unsafe { self::text(word) }.unwrap_or_default()
        }
        (Value::Number(number), sys::config_type_PGC_REAL) => {
            owned = real_text(f64::from_bits(number));
            owned.as_bytes()
        }
        (Value::Number(number), _) => {
            owned = (number as i32).to_string();
            owned.as_bytes()
        }
    };
    // SAFETY: promised by the caller.
    let (name, role) = unsafe { (name(setting).to_bytes(), compat::setting_reset_role(setting)) };
    append_reset(state, name, text, this.reset_source, this.reset_scontext, role);
    Ok(())
}

/// Is `text`, which was written where the setting's library was not loaded, another word for the value that the setting
/// has here, or that RESET gives here?
pub(super) fn means(name: &CStr, text: &CStr, which: Which) -> Result<bool> {
    let Some(setting) = find(name)? else {
        return Ok(false);
    };
    // SAFETY: a setting of the server.
    let (value, flags, kind) = unsafe {
        let value = if which == Which::Now { value(setting) } else { reset_value(setting) };
        (value, (*setting).flags, (*setting).vartype)
    };
    let Value::Number(number) = value else {
        return Ok(false);
    };
    let text = text.as_ptr();
    let (mut boolean, mut integer, mut real) = (false, 0, 0.0);
    let (boolean_at, integer_at, real_at) = (&raw mut boolean, &raw mut integer, &raw mut real);
    // SAFETY: a C string, and a place for the answer; the enum is asked only if the setting is one.
    let is_valid = guard(|| unsafe {
        match kind {
            sys::config_type_PGC_BOOL => sys::parse_bool(text, boolean_at),
            sys::config_type_PGC_INT => sys::parse_int(text, integer_at, flags, ptr::null_mut()),
            sys::config_type_PGC_REAL => sys::parse_real(text, real_at, flags, ptr::null_mut()),
            _ => sys::config_enum_lookup_by_name(compat::enum_setting(setting).cast_mut(), text, integer_at),
        }
    })?;
    let number_here = match kind {
        sys::config_type_PGC_BOOL => u64::from(boolean),
        sys::config_type_PGC_REAL => real.to_bits(),
        _ => integer as u64,
    };
    Ok(is_valid && number_here == number)
}

/// What SET ROLE has said last; `None` where the setting was never given a value.
pub(super) fn role<'a>() -> Result<Option<&'a [u8]>> {
    /// A setting of the server's own, which stays.
    static ROLE: AtomicPtr<sys::config_generic> = AtomicPtr::new(ptr::null_mut());
    if ROLE.load(Ordering::Relaxed).is_null() {
        ROLE.store(find(c"role")?.unwrap_or(ptr::null_mut()), Ordering::Relaxed);
    }
    let setting = ROLE.load(Ordering::Relaxed);
    if setting.is_null() {
        return Ok(None);
    }
    // SAFETY: a setting of the server's whose value is a text.
    Ok(unsafe { text(*(*compat::string_setting(setting)).variable) })
}

/// Looks up the settings that begin with a transaction; once per process, before [`forget_transaction_settings`].
pub fn find_transaction_settings() -> Result<()> {
    for (name, setting) in OF_TRANSACTION.iter().zip(&TRANSACTION_SETTINGS) {
        setting.store(find(name)?.unwrap_or(ptr::null_mut()), Ordering::Relaxed);
    }
    Ok(())
}

/// Forgets who has set isolation level and the like of a transaction that has ended. The next one begins with the
/// defaults anyway. (The server cannot: RESET of them is an error since 16.) Outside a transaction; throws nothing.
pub fn forget_transaction_settings() {
    for setting in &TRANSACTION_SETTINGS {
        let setting = setting.load(Ordering::Relaxed);
        if setting.is_null() {
            continue;
        }
        // SAFETY: a setting of the server's own, which lives as long as the process; no call into guc.c is running.
        unsafe {
            if (*setting).source != (*setting).reset_source {
                (*setting).source = (*setting).reset_source;
                (*setting).scontext = (*setting).reset_scontext;
                compat::forget_setting_role(setting);
            }
        }
    }
}
