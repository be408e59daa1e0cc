//! The state of all of a session's settings but `seed`: taken, and given to another session.

use super::error::{PgError, Result, with_names};
use super::guard::guard;
use super::guc_copy::SettingsCopy;
use super::{compat_session as compat, encoding, guc_table, identity, sys};
use logic::segment::header::Identity;
use logic::session::change;
use logic::session::overlay;
use logic::session::settings::{self, FILE, Setting, Settings};
use logic::sqlstate;
use std::ffi::CStr;
use std::ptr;

pub fn parse(state: &[u8]) -> Option<Settings<'_>> {
    settings::parse(state, compat::SETTINGS_HAVE_ROLE).ok()
}

/// Bytes in which the settings of most sessions have room, three times over.
const USUAL_ROOM: usize = 4096;

/// This session's settings, serialized. The room is used again, and what is in it stays as long as the settings are the
/// same.
#[derive(Default)]
pub struct SerializedSettings {
    room: Vec<u8>,
    len: usize,
    /// The settings that are serialized in `room`, and [`guc_table::mark`] then; `None` before there are any.
    taken: Option<(u64, SettingsCopy)>,
}

impl SerializedSettings {
    /// Takes the settings as they are now.
    pub fn take(&mut self) -> Result<()> {
        if self.is_current() {
            return Ok(());
        }
        self.take_once()?;
        self.taken = Some((guc_table::mark(), SettingsCopy::new()));
        Ok(())
    }

    /// The same, without what a later [`Self::take`] compares.
    pub fn take_once(&mut self) -> Result<()> {
        self.taken = None;
        self.len = 0;
        guc_table::prepare()?;
        // This, or what it took last time, will do most often: an estimate takes as long as to serialize.
        if self.room.is_empty() {
            self.room = vec![0; USUAL_ROOM];
        }
        if self.serialize().is_err() {
            self.room = vec![0; estimate()? + 1024];
            self.serialize()?;
        }
        let len = settings::whole(&self.room).map_or(0, <[u8]>::len);
        self.len = settings::remove_seed(&mut self.room[..len], compat::SETTINGS_HAVE_ROLE).unwrap_or(len);
        let mut resets = Vec::new();
        guc_table::append_resets(&mut resets)?;
        let len = self.len + resets.len();
        self.room.resize(self.room.len().max(len), 0);
        self.room[self.len..len].copy_from_slice(&resets);
        self.len = len;
        Ok(())
    }

    /// Would [`Self::take`] find what it found last time? To look throws nothing.
    fn is_current(&self) -> bool {
        self.taken.as_ref().is_some_and(|(mark, copy)| guc_table::mark() == *mark && copy.is_same())
    }

    fn serialize(&mut self) -> Result<()> {
        let (start, len) = (self.room.as_mut_ptr(), self.room.len());
        // SAFETY: writes at most `len` bytes, or throws.
        guard(|| unsafe { sys::SerializeGUCState(len, start.cast()) })
    }

    pub fn bytes(&self) -> &[u8] {
        &self.room[..self.len]
    }
}

/// Bytes that the settings need at most.
fn estimate() -> Result<usize> {
    // SAFETY: no arguments.
    guard(|| unsafe { sys::EstimateGUCStateSpace() })
}

/// The settings that a session in another database, whose encoding is `encoding`, is to get of a session's `state`. See
/// [`overlay`].
pub fn for_other_database(state: &[u8], encoding: i32) -> Result<Vec<u8>> {
    let settings = parse(state).ok_or_else(|| PgError::new(sqlstate::INTERNAL_ERROR, "settings cannot be read"))?;
    overlay::beyond_defaults(&settings, compat::SETTINGS_HAVE_ROLE, |value| {
        Ok(encoding::converted(value, encoding::of_database(), encoding)?.unwrap_or_else(|| value.to_vec()))
    })
}

/// All settings that a session which began with `own` is to have by a launcher's `state`.
pub fn wanted<'a>(own: &Settings<'a>, state: &'a [u8]) -> Option<Settings<'a>> {
    let theirs = parse(state)?;
    Some(if theirs.is_overlay { overlay::overlay(own, &theirs) } else { theirs })
}

/// Gives this process, whose session has just begun, another session's settings. Inside a transaction that has no
/// snapshot yet. The server's own function sets every setting anew, some two hundred microseconds' worth; most are the
/// same already. True when only differences were set, so that RESET gives what it gave before.
///
/// A session of another database may have a value that is none here: a text search configuration that this database
/// lacks, a client encoding for which there is no conversion. Such a setting stays what it is.
///
/// `mine` are the settings that the session has; `users` are those of the other session, which are taken over as well.
pub fn restore(mine: &SerializedSettings, state: &[u8], users: &Identity) -> Result<bool> {
    let mine = parse(mine.bytes()).unwrap_or_default();
    let Some(sent) = parse(state) else {
        restore_all(state)?;
        return identity::adopt_session(users).map(|()| false);
    };
    let is_overlay = sent.is_overlay;
    let theirs = if is_overlay { overlay::overlay(&mine, &sent) } else { sent.clone() };
    let theirs = in_words_of(&mine, &theirs)?;
    let changes = change::difference(&mine.now, &theirs.now);
    let only_differences = changes.is_some();
    match changes {
        Some(changes) => set_all(&changes, if is_overlay { set_if_valid } else { set }, &sent, users)?,
        None if is_overlay => {
            return Err(PgError::new(sqlstate::INTERNAL_ERROR, "settings cannot be laid over those of the database"));
        }
        None => {
            // the server's function would set these with the rights of whoever acts at that moment
            let is_apart = |setting: &Setting| setting.needs_right() && setting.source > FILE;
            let mut state = settings::whole(state).unwrap_or_default().to_vec();
            settings::remove(&mut state, compat::SETTINGS_HAVE_ROLE, is_apart).unwrap_or_default();
            restore_all(&state)?;
            adopt_users(&sent, users)?;
            sent.now.iter().filter(|setting| is_apart(setting)).try_for_each(set)?;
        }
    }
    set_resets(&theirs, if is_overlay { set_if_valid } else { set_reset })?;
    Ok(only_differences)
}

/// Gives this session, which has had others before, another session's settings and users; false when it cannot. Inside
/// a transaction, which is to be aborted then. `theirs` are all that it is to have, `sent` what the launcher has sent.
pub fn change_to(theirs: &Settings, sent: &Settings, users: &Identity) -> Result<bool> {
    let mut state = SerializedSettings::default();
    state.take()?;
    let Some(mine) = parse(state.bytes()) else {
        return Ok(false);
    };
    let theirs = &in_words_of(&mine, theirs)?;
    let resets = change::resets(&mine.now, &theirs.now);
    resets.iter().try_for_each(reset)?;
    let mut after = SerializedSettings::default();
    let mine = if resets.is_empty() {
        mine
    } else {
        after.take()?;
        parse(after.bytes()).unwrap_or_default()
    };
    let Some(changes) = change::difference(&mine.now, &theirs.now) else {
        return Ok(false);
    };
    set_all(&changes, set, sent, users)?;
    set_resets(theirs, set_reset)?;
    Ok(true)
}

/// Sets the changes that make this session's settings theirs, and makes it act as those users: they come first, as a
/// library may ask for rights where its settings are set.
fn set_all(changes: &[Setting], set: fn(&Setting) -> Result<()>, launcher: &Settings, users: &Identity) -> Result<()> {
    identity::adopt_session(users)?;
    changes.iter().filter(|setting| !setting.is_of_users()).try_for_each(set)?;
    adopt_users(launcher, users)
}

/// Makes the session act as those users, and gives the settings that stand for them, as far as the launcher has sent
/// them, their values, also if they have them already. Inside a transaction.
///
/// What this session began with in the launcher's stead, in another database, is no name for those users: RESET ROLE
/// would give them to later launchers.
///
/// To the server such a value is a name and what it has found under that name, which RESET and the end of a SET LOCAL
/// take up again. Here the users are known by their OIDs; under the name there can be none any more, or another role,
/// or one that the session could not take now. So the server is told, as in a parallel worker, to look for nothing and
/// to take what the session has, which is what `users` say.
///
/// A minor version of before November 2024 looks for the name all the same, and asks for the right to that role, as it
/// does in parallel workers. It has not `role` among the settings; and `session_authorization` stays what it is where
/// there is no such role.
pub fn adopt_users(sent: &Settings, users: &Identity) -> Result<()> {
    identity::adopt_session(users)?;
    for setting in sent.now.iter().filter(|setting| setting.is_of_users()) {
        without_lookup(|| set_if_valid(setting))?;
    }
    identity::adopt_session(users)
}

/// Calls `set` while the server takes the values of settings for what was valid elsewhere: it does not look names of
/// users up.
fn without_lookup<R>(set: impl FnOnce() -> Result<R>) -> Result<R> {
    // SAFETY: a variable of the server. An ERROR comes back as the result.
    unsafe { sys::InitializingParallelWorker = true };
    let result = set();
    // SAFETY: as above.
    unsafe { sys::InitializingParallelWorker = false };
    result
}

/// Their settings in the words that this session has for the same values; see [`change::in_words_of`].
pub fn in_words_of<'a>(mine: &Settings<'a>, theirs: &Settings<'a>) -> Result<Settings<'a>> {
    change::in_words_of(mine, theirs, |setting, which| {
        guc_table::means(c_string(setting.name), c_string(setting.value), which)
    })
}

/// A text of a setting, which has its NUL.
fn c_string(text: &[u8]) -> &CStr {
    CStr::from_bytes_with_nul(text).unwrap_or_default()
}

/// What RESET gives where something else is set, and settings that are only known. After all others.
fn set_resets(theirs: &Settings, set_reset: fn(&Setting) -> Result<()>) -> Result<()> {
    if theirs.resets.is_empty() {
        return Ok(());
    }
    let mut state = SerializedSettings::default();
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

/// Sets what RESET gives, while another value is set, which stays.
fn set_reset(setting: &Setting) -> Result<()> {
    // the answer is that the setting itself has not changed
    set_value(setting, sys::ERROR)?;
    Ok(())
}

/// Makes a setting known that belongs to no library and has no value. Nothing is left of who has set it.
fn make_placeholder(setting: &Setting) -> Result<()> {
    let role = sys::BOOTSTRAP_SUPERUSERID;
    if option(c_string(setting.name))?.is_none() {
        let (context, source) = (sys::GucContext_PGC_USERSET, sys::GucSource_PGC_S_SESSION);
        set(&Setting { value: b"\0", context, source, role, ..*setting })?;
        reset_option(c_string(setting.name), role)?;
    }
    Ok(())
}

fn reset(setting: &Setting) -> Result<()> {
    reset_option(c_string(setting.name), setting.role)
}

/// RESET ROLE. Inside a transaction.
pub fn reset_role() -> Result<()> {
    // the role is that of the bootstrap superuser, as for all that no user has set
    reset_option(c"role", sys::BOOTSTRAP_SUPERUSERID)
}

/// Gives a setting its reset value, whoever may set it. Inside a transaction.
fn reset_option(name: &CStr, role: u32) -> Result<()> {
    if set_option(name, None, sys::GucContext_PGC_SUSET, sys::GucSource_PGC_S_SESSION, role, sys::ERROR)? {
        Ok(())
    } else {
        Err(not_done(name, "reset"))
    }
}

/// As the server sets one setting of a serialized state. Inside a transaction.
fn set(setting: &Setting) -> Result<()> {
    if set_value(setting, sys::ERROR)? { Ok(()) } else { Err(not_done(c_string(setting.name), "set")) }
}

/// The same, but a value that is none here is left out.
fn set_if_valid(setting: &Setting) -> Result<()> {
    set_value(setting, sys::DEBUG1)?;
    Ok(())
}

/// Sets a setting; false when it has not changed. Where the server would refuse the value, the other session has it all
/// the same, whoever had the right to it, most often not the user as whom it acts now: so no right is asked for here.
/// The server asks for it where the value is used. (It does not where RESET, or the end of a SET LOCAL, takes up what
/// was found when the value was set. So what the server would only leave out is set with the user's rights.)
fn set_value(setting: &Setting, level: u32) -> Result<bool> {
    let Setting { context, source, role, .. } = *setting;
    let set = || set_option(c_string(setting.name), Some(c_string(setting.value)), context, source, role, level);
    if setting.needs_right() { identity::as_superuser(set) } else { set() }
}

#[cold]
fn not_done(name: &CStr, what: &str) -> PgError {
    let message = format!("parameter \"{{}}\" could not be {what}");
    PgError::new(sqlstate::INTERNAL_ERROR, with_names(&message, &[name.to_bytes()]))
}

/// Sets a setting, or with no value resets it; false when the setting has not changed.
fn set_option(name: &CStr, value: Option<&CStr>, context: u32, source: u32, role: u32, level: u32) -> Result<bool> {
    let (name, value) = (name.as_ptr(), value.map_or(ptr::null(), CStr::as_ptr));
    // SAFETY: C strings, which the server copies.
    Ok(guard(|| unsafe { compat::set_option(name, value, context, source, role, level) })? > 0)
}

/// The text of a setting, if there is such a setting. It stays until the setting changes, or the next call.
fn option<'a>(name: &CStr) -> Result<Option<&'a CStr>> {
    let name = name.as_ptr();
    // SAFETY: a C string.
    let value = guard(|| unsafe { sys::GetConfigOption(name, true, false) })?;
    // SAFETY: the server's string.
    Ok((!value.is_null()).then(|| unsafe { CStr::from_ptr(value) }))
}

/// Passes on what SET ROLE has said last; not every minor version serializes it with the other settings.
pub fn with_role_setting<R>(use_it: impl FnOnce(&[u8]) -> R) -> Result<R> {
    Ok(use_it(guc_table::role()?.unwrap_or_default()))
}

/// Users are to be adopted afterwards: the server resets what they are known by first.
fn restore_all(state: &[u8]) -> Result<()> {
    let start = state.as_ptr();
    // On a standby a transaction begins read-only, and the server would refuse the reset of that setting. The next
    // transaction sets its own.
    // SAFETY: the state is what `save` wrote in a process of the same server; it is only read. A flag of this
    // transaction.
    let restore = || unsafe {
        sys::XactReadOnly = false;
        sys::RestoreGUCState(start.cast_mut().cast());
    };
    without_lookup(|| guard(restore))
}

/// What a launcher's settings are known by, to it and to the worker that has them; never 0.
pub fn settings_hash(state: &[u8]) -> u64 {
    super::shmem::hash(state).max(1)
}
