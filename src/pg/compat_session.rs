//! What differs between major versions of the server in settings, and in what a job leaves in its session. All other
//! differences that Rust sees are in `compat`; only these two files have `cfg(pgNN_up)`.

use super::error::Result;
use super::sys;
use logic::session::settings::Roles;
use std::ffi::{CStr, c_char, c_int, c_void};

/// What the server was built as.
pub const MAJOR: u32 = sys::PG_VERSION_NUM / 10_000;

/// 15: the serialized state of a setting says which role set it.
pub const SETTINGS_HAVE_ROLE: Roles = if cfg!(pg15_up) { Roles::Written } else { Roles::NotWritten };

/// 15: a setting knows which role has set it. Before, it is nobody's, which is 0.
///
/// # Safety
/// The setting must be one of the server's.
pub unsafe fn setting_role(setting: *const sys::config_generic) -> sys::Oid {
    #[cfg(pg15_up)]
    // SAFETY: promised by the caller.
    return unsafe { (*setting).srole };
    #[cfg(not(pg15_up))]
    {
        let _ = setting;
        0
    }
}

/// 15: as [`setting_role`], for the value that RESET gives.
///
/// # Safety
/// The setting must be one of the server's.
pub unsafe fn setting_reset_role(setting: *const sys::config_generic) -> sys::Oid {
    #[cfg(pg15_up)]
    // SAFETY: promised by the caller.
    return unsafe { (*setting).reset_srole };
    #[cfg(not(pg15_up))]
    {
        let _ = setting;
        0
    }
}

/// 15: a setting has been set by whom RESET's value was set by.
///
/// # Safety
/// The setting must be one of the server's.
pub unsafe fn forget_setting_role(setting: *mut sys::config_generic) {
    #[cfg(pg15_up)]
    // SAFETY: promised by the caller.
    unsafe {
        (*setting).srole = (*setting).reset_srole;
    }
    #[cfg(not(pg15_up))]
    let _ = setting;
}

/// 15: the role is set with the value. For [`super::guard`].
///
/// # Safety
/// As of the server's function: two C strings, the value may be NULL.
pub unsafe fn set_option(
    name: *const c_char,
    value: *const c_char,
    context: sys::GucContext,
    source: sys::GucSource,
    role: sys::Oid,
    level: u32,
) -> c_int {
    let (action, level) = (sys::GucAction_GUC_ACTION_SET, level as c_int);
    #[cfg(pg15_up)]
    // SAFETY: promised by the caller.
    return unsafe { sys::set_config_option_ext(name, value, context, source, role, action, true, level, true) };
    #[cfg(not(pg15_up))]
    {
        let _ = role;
        // SAFETY: promised by the caller.
        unsafe { sys::set_config_option(name, value, context, source, action, true, level, true) }
    }
}

/// 19: what a setting of one type has is a field of the setting; before, the setting is the first field of that.
macro_rules! setting_of_type {
    ($($function:ident: $type:ty, $field:ident;)*) => { $(
        /// # Safety
        /// The setting must be one of the server's, and of this type.
        pub unsafe fn $function(setting: *const sys::config_generic) -> *const $type {
            #[cfg(pg19_up)]
            // SAFETY: promised by the caller.
            return unsafe { &raw const (*setting).__bindgen_anon_1.$field };
            #[cfg(not(pg19_up))]
            setting.cast()
        }
    )* };
}
setting_of_type! {
    bool_setting: sys::config_bool, _bool;
    int_setting: sys::config_int, _int;
    real_setting: sys::config_real, _real;
    string_setting: sys::config_string, _string;
    enum_setting: sys::config_enum, _enum;
}

/// 19: the word for an enum's value is looked up by the setting, and before by the enum in it.
#[cfg(pg19_up)]
pub type EnumSetting = sys::config_generic;
#[cfg(not(pg19_up))]
pub type EnumSetting = sys::config_enum;

/// 16: settings are in a hash table, of which a list is made in the current memory context. For [`super::guard`].
///
/// # Safety
/// As of the server's function. [`free_settings`] frees the list.
pub unsafe fn all_settings() -> (*mut *mut sys::config_generic, c_int) {
    #[cfg(pg16_up)]
    {
        let mut n = 0;
        // SAFETY: a place for the answer.
        let list = unsafe { sys::get_guc_variables(&raw mut n) };
        (list, n)
    }
    #[cfg(not(pg16_up))]
    // SAFETY: the server's own array.
    unsafe {
        (sys::get_guc_variables(), sys::GetNumConfigOptions())
    }
}

/// # Safety
/// The list must be from [`all_settings`], and is not used again.
pub unsafe fn free_settings(list: *mut *mut sys::config_generic) {
    #[cfg(pg16_up)]
    // SAFETY: promised by the caller.
    unsafe {
        sys::pfree(list.cast());
    }
    #[cfg(not(pg16_up))]
    let _ = list;
}

/// 16: settings are found by a hash. Before, they are in an array, and the server sorts it anew for each one that is
/// added: with a library that has two dozen, loaded by each worker, that is most of what the loading takes. So while
/// one is added, the array shows settings without a name in the place of all others. They are in order, with the new
/// one at the end, which then goes to its place among the others.
///
/// `define` defines the setting `name`, and looks up no other. Where a file or a session has set it already, the server
/// adds none, and nothing is hidden. After an error all are shown again; a FATAL one ends the process while they are
/// hidden: code that runs at its exit must not look settings up by name.
pub fn add_setting(name: &CStr, define: impl FnOnce() -> Result<()>) -> Result<()> {
    #[cfg(not(pg16_up))]
    let _hidden = HiddenSettings::around(name);
    #[cfg(pg16_up)]
    let _ = name;
    define()
}

/// What [`add_setting`] hides, until it is dropped.
#[cfg(not(pg16_up))]
struct HiddenSettings {
    all: Vec<*mut sys::config_generic>,
    /// Before this one the new one belongs.
    place: usize,
    _nameless: Box<sys::config_generic>,
}

#[cfg(not(pg16_up))]
impl HiddenSettings {
    /// Hides all settings, unless there is one of that name.
    fn around(name: &CStr) -> Option<Self> {
        /// As the server compares: as characters of C, without the case of letters in ASCII.
        fn key(name: &CStr) -> impl Iterator<Item = c_char> {
            name.to_bytes().iter().map(|byte| byte.to_ascii_lowercase() as c_char)
        }
        let shown = Self::shown();
        // SAFETY: settings of the server, which have names.
        let order =
            |setting: &*mut sys::config_generic| key(unsafe { CStr::from_ptr((**setting).name) }).cmp(key(name));
        let place = shown.binary_search_by(order).err()?;
        let all = shown.to_vec();
        // SAFETY: nothing but its name is looked at.
        let mut nameless: Box<sys::config_generic> = Box::new(unsafe { std::mem::zeroed() });
        nameless.name = c"".as_ptr();
        shown.fill(&raw mut *nameless);
        Some(Self { all, place, _nameless: nameless })
    }

    /// The server's array.
    fn shown<'a>() -> &'a mut [*mut sys::config_generic] {
        // SAFETY: so many settings; the callers here hold none while something is defined.
        unsafe { std::slice::from_raw_parts_mut(sys::get_guc_variables(), sys::GetNumConfigOptions().max(0) as usize) }
    }
}

#[cfg(not(pg16_up))]
impl Drop for HiddenSettings {
    fn drop(&mut self) {
        let shown = Self::shown();
        let (before, after) = self.all.split_at(self.place);
        // the one that was added, or none after an error
        let added = shown.len().saturating_sub(self.all.len());
        shown.copy_within(self.all.len().., self.place);
        shown[..self.place].copy_from_slice(before);
        shown[self.place + added..].copy_from_slice(after);
    }
}

/// 16: how many settings there are is not told any more.
#[allow(clippy::unnecessary_wraps)] // in one major, that is
pub fn number_of_settings() -> Option<u64> {
    #[cfg(pg16_up)]
    return None;
    #[cfg(not(pg16_up))]
    // SAFETY: reads a variable.
    return Some(unsafe { sys::GetNumConfigOptions() } as u64);
}

/// 16: a setting that is not at its built-in default has a link in a list; NULL before.
///
/// # Safety
/// The setting must be one of the server's.
pub unsafe fn changed_link(setting: *const sys::config_generic) -> *const sys::dlist_node {
    #[cfg(pg16_up)]
    // SAFETY: promised by the caller.
    return unsafe { &raw const (*setting).nondef_link };
    #[cfg(not(pg16_up))]
    {
        let _ = setting;
        std::ptr::null()
    }
}

/// The settings that are not at their built-in defaults, in an order that stays while nothing is set. Reads what the
/// server has, and calls nothing that can throw. 16: from the list, whose `head` is in no setting; before, from all,
/// and the head is not used.
///
/// # Safety
/// While the iterator is used no setting may be set, added or removed; `head` must be the list's, or NULL for no
/// settings.
pub unsafe fn changed_settings(head: *const sys::dlist_node) -> impl Iterator<Item = *const sys::config_generic> {
    #[cfg(pg16_up)]
    {
        // SAFETY: promised by the caller: each link but the head is in a setting.
        let after = move |link: *const sys::dlist_node| unsafe {
            let next: *const sys::dlist_node = if head.is_null() { head } else { (*link).next };
            (next != head).then_some(next)
        };
        let at = std::mem::offset_of!(sys::config_generic, nondef_link);
        std::iter::successors(after(head), move |link| after(*link))
            .map(move |link| link.wrapping_byte_sub(at).cast::<sys::config_generic>())
    }
    #[cfg(not(pg16_up))]
    {
        let _ = head;
        // SAFETY: an array of so many pointers to settings, which stays as it is, as the caller promises.
        let (mut at, mut left) = unsafe { (sys::get_guc_variables().cast_const(), sys::GetNumConfigOptions()) };
        // Hundreds of settings, of which few are changed: five instructions each.
        std::iter::from_fn(move || {
            while left > 0 {
                // SAFETY: as above.
                let (setting, source) = unsafe { (*at, (**at).source) };
                // SAFETY: at most the end of the array.
                at = unsafe { at.add(1) };
                left -= 1;
                if source != sys::GucSource_PGC_S_DEFAULT {
                    return Some(setting.cast_const());
                }
            }
            None
        })
    }
}

// ---- what a job leaves in its session ----

/// Hooks that not every major has. 15, 18 and 19 added some; 19 took one away and has another in its place.
pub fn more_hooks() -> Vec<*const Hook> {
    vec![
        #[cfg(pg15_up)]
        (&raw const sys::object_access_hook_str).cast(),
        #[cfg(not(pg19_up))]
        (&raw const sys::get_relation_info_hook).cast(),
        #[cfg(pg18_up)]
        (&raw const sys::explain_per_node_hook).cast(),
        #[cfg(pg18_up)]
        (&raw const sys::explain_per_plan_hook).cast(),
        #[cfg(pg18_up)]
        (&raw const sys::explain_validate_options_hook).cast(),
        #[cfg(pg19_up)]
        (&raw const sys::build_simple_rel_hook).cast(),
        #[cfg(pg19_up)]
        (&raw const sys::join_path_setup_hook).cast(),
        #[cfg(pg19_up)]
        (&raw const sys::joinrel_setup_hook).cast(),
        #[cfg(pg19_up)]
        (&raw const sys::planner_setup_hook).cast(),
        #[cfg(pg19_up)]
        (&raw const sys::planner_shutdown_hook).cast(),
    ]
}

/// 19: strings conform to the standard, always.
pub fn follow_standard_strings(lexer: &mut sys::core_yy_extra_type) {
    #[cfg(pg19_up)]
    let _ = lexer;
    #[cfg(not(pg19_up))]
    // SAFETY: reads a variable.
    unsafe {
        lexer.standard_conforming_strings = sys::standard_conforming_strings;
    }
}

/// 19: each type of process has a level of its own for the log.
pub fn log_level() -> *mut c_int {
    #[cfg(pg19_up)]
    // SAFETY: reads a variable; the array has an element for each type of process.
    return unsafe { (&raw mut sys::log_min_messages).cast::<c_int>().add(sys::MyBackendType as usize) };
    #[cfg(not(pg19_up))]
    return &raw mut sys::log_min_messages;
}

/// What a hook's variable holds: a function, or NULL.
pub type Hook = *const c_void;

/// 19: callbacks of the system caches are told which by an enum.
#[cfg(pg19_up)]
pub type SysCacheId = sys::SysCacheIdentifier;
#[cfg(not(pg19_up))]
pub type SysCacheId = c_int;

/// 19: the session's replication origin is part of a struct.
pub fn has_session_origin() -> bool {
    #[cfg(pg19_up)]
    // SAFETY: reads a variable.
    return unsafe { sys::replorigin_xact_state.origin } != 0;
    #[cfg(not(pg19_up))]
    // SAFETY: reads a variable.
    return unsafe { sys::replorigin_session_origin } != 0;
}

/// 17: the function can be for synchronized slots only. For [`super::guard`].
///
/// # Safety
/// Outside a transaction.
pub unsafe fn drop_temporary_replication_slots() {
    #[cfg(pg17_up)]
    // SAFETY: promised by the caller.
    unsafe {
        sys::ReplicationSlotCleanup(false);
    }
    #[cfg(not(pg17_up))]
    // SAFETY: promised by the caller.
    unsafe {
        sys::ReplicationSlotCleanup();
    }
}

/// 15: SPI cleans up with the transaction. For [`super::guard`].
///
/// # Safety
/// Outside a transaction.
pub unsafe fn clean_up_spi() {
    #[cfg(not(pg15_up))]
    // SAFETY: promised by the caller.
    unsafe {
        sys::SPICleanup();
    }
}

/// A random number from 0 to 1. 15: generators have a state of their own; before, it is the C library's.
pub fn random_fraction() -> f64 {
    #[cfg(pg15_up)]
    // SAFETY: the server's generator, in the server's one thread.
    return unsafe { sys::pg_prng_double(&raw mut sys::pg_global_prng_state) };
    #[cfg(not(pg15_up))]
    // SAFETY: changes the state of the library's generator, in this one thread.
    return unsafe { sys::random() } as f64 / (f64::from(i32::MAX) + 1.0);
}

/// 15: statistics are in shared memory; before, they are sent to a process that collects them.
pub const STATISTICS_ARE_MESSAGES: bool = cfg!(not(pg15_up));
