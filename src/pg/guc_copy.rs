//! A copy of the settings as they stand in the server's table, by which one sees whether any has changed.
//!
//! Each warm call looks several times, so to look must be cheap: the fields that the serialized state is made of are
//! compared where they stand, and no text is made of a value. What a setting is beside these is not looked at: the
//! values that a function's SET clause has put aside, say, which have another address each time.
//!
//! A setting of the server's own stays where it is. One of a library, or without a library, can go, and another come in
//! its place: so its name is compared as well.

use super::compat_session as compat;
use super::guc_table::{Setting, changed, kind};
use super::sys;
use logic::session::kind::Kind;
use std::ffi::{CStr, c_char};
use std::ptr;

#[derive(Default)]
pub(super) struct SettingsCopy {
    settings: Vec<Copied>,
    /// With their NULs.
    texts: Vec<u8>,
}

struct Copied {
    setting: Setting,
    fields: Fields,
    value: Value,
    /// If it can change.
    name: Text,
    file: Text,
}

/// What is compared as it is.
#[derive(PartialEq)]
struct Fields {
    kind: u32,
    source: u32,
    reset_source: u32,
    context: u32,
    reset_context: u32,
    role: u32,
    reset_role: u32,
    line: i32,
}

/// The value, and the one that RESET gives.
enum Value {
    /// Their bits.
    Numbers(u64, u64),
    Texts(Text, Text),
}

/// Where the copy of a text is; `None` of a text that is NULL, or that is not compared.
type Text = Option<usize>;

// SAFETY: a backend is one thread.
unsafe impl Send for SettingsCopy {}

/// The settings of which a session can have its own, and that are not at their defaults.
fn of_session() -> impl Iterator<Item = Setting> {
    // SAFETY: settings of the server; nothing is set while this module looks.
    changed().filter(|setting| unsafe { kind(*setting) } == Kind::OfSession)
}

impl Fields {
    /// # Safety
    /// A setting of the server.
    unsafe fn of(setting: Setting) -> Self {
        // SAFETY: promised by the caller.
        unsafe {
            Self {
                kind: (*setting).vartype,
                source: (*setting).source,
                reset_source: (*setting).reset_source,
                context: (*setting).scontext,
                reset_context: (*setting).reset_scontext,
                role: compat::setting_role(setting),
                reset_role: compat::setting_reset_role(setting),
                line: (*setting).sourceline,
            }
        }
    }
}

/// The bits of a value and of RESET's, or the two texts.
enum Now {
    Numbers(u64, u64),
    Texts(*const c_char, *const c_char),
}

/// # Safety
/// A setting of the server.
unsafe fn value(setting: Setting) -> Now {
    // SAFETY: promised by the caller; the type says what stands there.
    unsafe {
        match (*setting).vartype {
            sys::config_type_PGC_BOOL => {
                let this = compat::bool_setting(setting);
                Now::Numbers((*(*this).variable).into(), (*this).reset_val.into())
            }
            sys::config_type_PGC_INT => {
                let this = compat::int_setting(setting);
                Now::Numbers(*(*this).variable as u64, (*this).reset_val as u64)
            }
            sys::config_type_PGC_ENUM => {
                let this = compat::enum_setting(setting);
                Now::Numbers(*(*this).variable as u64, (*this).reset_val as u64)
            }
            sys::config_type_PGC_REAL => {
                let this = compat::real_setting(setting);
                Now::Numbers((*(*this).variable).to_bits(), (*this).reset_val.to_bits())
            }
            _ => {
                let this = compat::string_setting(setting);
                Now::Texts(*(*this).variable, (*this).reset_val)
            }
        }
    }
}

impl SettingsCopy {
    /// Of the settings as they are now. After [`super::guc_table::prepare`].
    pub(super) fn new() -> Self {
        let mut copy = Self::default();
        for setting in of_session() {
            // SAFETY: a setting of the server, whose texts are C strings.
            unsafe {
                let value = match value(setting) {
                    Now::Numbers(now, reset) => Value::Numbers(now, reset),
                    Now::Texts(now, reset) => Value::Texts(copy.add(now), copy.add(reset)),
                };
                let is_of_server = (*setting).group != sys::config_group_CUSTOM_OPTIONS;
                let name = if is_of_server { None } else { copy.add((*setting).name) };
                let file = copy.add((*setting).sourcefile);
                copy.settings.push(Copied { setting, fields: Fields::of(setting), value, name, file });
            }
        }
        copy
    }

    /// # Safety
    /// A C string, or NULL.
    unsafe fn add(&mut self, text: *const c_char) -> Text {
        if text.is_null() {
            return None;
        }
        let start = self.texts.len();
        // SAFETY: promised by the caller.
        self.texts.extend_from_slice(unsafe { CStr::from_ptr(text) }.to_bytes_with_nul());
        Some(start)
    }

    /// Are the settings, and their order, those that were copied?
    pub(super) fn is_same(&self) -> bool {
        let mut were = self.settings.iter();
        for setting in of_session() {
            // SAFETY: a setting of the server.
            if !were.next().is_some_and(|was| ptr::eq(was.setting, setting) && unsafe { self.has(was) }) {
                return false;
            }
        }
        were.next().is_none()
    }

    /// # Safety
    /// `was.setting` is a setting of the server, that one or another in its place.
    unsafe fn has(&self, was: &Copied) -> bool {
        let setting = was.setting;
        // SAFETY: promised by the caller; its texts are C strings.
        unsafe {
            if Fields::of(setting) != was.fields {
                return false;
            }
            let has_value = match (value(setting), &was.value) {
                (Now::Numbers(now, reset), Value::Numbers(was, was_reset)) => now == *was && reset == *was_reset,
                (Now::Texts(now, reset), Value::Texts(was, was_reset)) => {
                    self.is(now, *was) && self.is(reset, *was_reset)
                }
                _ => false,
            };
            has_value
                && self.is((*setting).sourcefile, was.file)
                && (was.name.is_none() || self.is((*setting).name, was.name))
        }
    }

    /// # Safety
    /// A C string, or NULL.
    unsafe fn is(&self, text: *const c_char, was: Text) -> bool {
        match was {
            // SAFETY: promised by the caller; the copy has its NUL.
            Some(start) => !text.is_null() && unsafe { libc::strcmp(text, self.texts.as_ptr().add(start).cast()) == 0 },
            None => text.is_null(),
        }
    }
}
