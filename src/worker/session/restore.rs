//! Making this process the session that its launcher was at launch.

use crate::pg::error::Result;
use crate::pg::{guc, identity, leftovers, statement};
use logic::segment::header::{Identity, Reply};
use logic::session::settings::{self, Settings};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Restored {
    Yes,
    /// This session cannot become the launcher's: the job needs a new process, and this one has no further use.
    Refused,
}

/// Whose session this process has last been.
#[derive(Default)]
pub struct Session {
    /// The last launcher's settings.
    launcher: Vec<u8>,
    /// What they are known by; 0 before there are any.
    launcher_hash: u64,
    /// Configuration files were read since: what that launcher has may not be what this session has.
    stale: bool,
    /// The settings right after they were restored.
    restored: guc::State,
    /// Room for the next.
    now: guc::State,
    /// Settings whose RESET value came from a launcher.
    defaults: Vec<Vec<u8>>,
    /// Session user, SET ROLE, current user.
    users: [u32; 3],
    /// What SET ROLE has said, which is not among the settings everywhere.
    role: Vec<u8>,
    /// Every setting came from the launcher, so that RESET gives what it gives for no other.
    whole: bool,
    /// A launcher has been here.
    warm: bool,
    /// What SYSTEM_USER was made of.
    client_info: Vec<u8>,
}

impl Session {
    /// Settings, session user, SET ROLE. A new process ends with FATAL or an error when it cannot have them. `reply`: of the
    /// launcher that has found its settings here none is awaited.
    pub fn restore(&mut self, state: &[u8], client_info: &[u8], identity: &Identity, reply: Reply) -> Result<Restored> {
        if !self.warm {
            self.warm = true;
            self.client_info = client_info.to_vec();
            if !client_info.is_empty() {
                identity::restore_client_info(client_info)?;
            }
            self.begin(state, identity)?;
            return Ok(Restored::Yes);
        }
        // the launcher went by a hash; what SYSTEM_USER says cannot be changed
        if self.client_info != client_info {
            return Ok(Restored::Refused);
        }
        // before the roles are looked up: what changes from here on is seen next time
        let same_users = !leftovers::roles_changed()? && self.is(identity);
        let had_these = self.launcher == state;
        if had_these && !self.stale {
            if !same_users {
                self.adopt(identity)?;
            }
            return Ok(Restored::Yes);
        }
        if matches!(self.change(state, identity), Ok(true)) {
            return Ok(Restored::Yes);
        }
        statement::abort()?;
        if had_these && reply == Reply::NotAwaited {
            // configuration files were read after it had looked: its job has what any session has that reads them
            self.adopt(identity)?;
            return Ok(Restored::Yes);
        }
        Ok(Restored::Refused)
    }

    fn adopt(&mut self, identity: &Identity) -> Result<()> {
        // should it fail, the next job's is looked up again
        self.users = Default::default();
        statement::begin()?;
        identity::adopt_session(identity)?;
        statement::commit()?;
        self.keep_users()
    }

    /// In a transaction of its own: its end forgets what of the launcher's transaction came with the settings (isolation level,
    /// READ ONLY), so that the job begins with the defaults.
    fn begin(&mut self, state: &[u8], identity: &Identity) -> Result<()> {
        self.now.take()?;
        statement::begin()?;
        identity::feign_client()?;
        self.whole = !guc::restore(state)?;
        identity::adopt_session(identity)?;
        statement::commit()?;
        leftovers::forget_transaction_settings();
        let before = guc::parse(self.now.bytes()).unwrap_or_default();
        let theirs = guc::parse(state).unwrap_or_default();
        self.defaults = theirs.defaults_beyond(&before).map(|s| s.name.to_vec()).collect();
        self.restored.take()?;
        self.keep(state)
    }

    /// From one launcher's session to another's.
    fn change(&mut self, state: &[u8], identity: &Identity) -> Result<bool> {
        let Some(theirs) = guc::parse(state) else {
            return Ok(false);
        };
        if self.whole || !settings::replaces_defaults(&self.defaults, &theirs) {
            return Ok(false);
        }
        statement::begin()?;
        if !guc::change_to(&theirs)? {
            return Ok(false);
        }
        identity::adopt_session(identity)?;
        statement::commit()?;
        self.now.take()?;
        let now = guc::parse(self.now.bytes()).unwrap_or_default();
        let theirs = guc::in_words_of(&now, &theirs)?;
        if !settings::same(&now, &theirs, true) {
            return Ok(false);
        }
        let before = guc::parse(self.restored.bytes()).unwrap_or_default();
        let changed = theirs.defaults_beyond(&before).map(|s| s.name.to_vec());
        self.defaults.extend(changed.filter(|name| !self.defaults.contains(name)).collect::<Vec<_>>());
        std::mem::swap(&mut self.restored, &mut self.now);
        self.keep(state)?;
        Ok(true)
    }

    fn keep(&mut self, state: &[u8]) -> Result<()> {
        self.stale = false;
        self.launcher.clear();
        self.launcher.extend_from_slice(state);
        self.launcher_hash = guc::settings_hash(state);
        self.keep_users()
    }

    fn keep_users(&mut self) -> Result<()> {
        self.users = leftovers::users().unwrap_or_default();
        self.role = leftovers::with_role_setting(<[u8]>::to_vec)?;
        Ok(())
    }

    fn is(&self, identity: &Identity) -> bool {
        self.users[..2] == [identity.session_user, identity.outer_role]
    }

    /// Takes back what the job has set; false when it cannot. Outside a transaction.
    pub fn settle(&mut self) -> Result<bool> {
        Ok(self.is_settled()? || self.take_back()?)
    }

    /// Has the job set nothing?
    pub fn is_settled(&mut self) -> Result<bool> {
        self.now.take()?;
        Ok(self.now.bytes() == self.restored.bytes() && self.has_users()?)
    }

    fn has_users(&self) -> Result<bool> {
        Ok(leftovers::users() == Some(self.users) && leftovers::with_role_setting(|role| role == self.role.as_slice())?)
    }

    #[cold]
    fn take_back(&mut self) -> Result<bool> {
        let wanted = guc::parse(self.restored.bytes()).unwrap_or_default();
        let is_back = |now: &guc::State| {
            let now = guc::parse(now.bytes()).unwrap_or_default();
            // a library may have come, which has given the text of its settings a meaning
            guc::in_words_of(&now, &wanted).map(|wanted| settings::same(&now, &wanted, false))
        };
        if !is_back(&self.now)? || !self.has_users()? {
            if !matches!(self.change_back(&wanted), Ok(true)) {
                statement::abort()?;
                return Ok(false);
            }
            self.now.take()?;
            if !is_back(&self.now)? || !self.has_users()? {
                return Ok(false);
            }
        }
        // in another order now
        std::mem::swap(&mut self.restored, &mut self.now);
        Ok(true)
    }

    fn change_back(&self, wanted: &Settings) -> Result<bool> {
        statement::begin()?;
        if !leftovers::with_role_setting(|role| role == self.role.as_slice())? {
            guc::reset_role()?;
        }
        if !guc::change_to(wanted)? {
            return Ok(false);
        }
        // a SET SESSION AUTHORIZATION that was taken back has taken SET ROLE with it
        let [session_user, outer_role, _] = self.users;
        identity::adopt_session(&Identity { session_user, outer_role, ..Identity::default() })?;
        statement::commit()?;
        Ok(true)
    }

    /// The settings that a launcher may know this session by; 0 when there are none.
    pub fn hash(&self) -> u64 {
        if self.stale { 0 } else { self.launcher_hash }
    }

    /// Configuration files were read, between two jobs.
    pub fn reloaded(&mut self) -> Result<()> {
        self.stale = true;
        self.restored.take()
    }

    /// Has the last launcher all of these settings? The names have their NULs.
    pub fn has_all(&self, names: &[Vec<u8>]) -> bool {
        if names.is_empty() {
            return true;
        }
        let Some(settings) = guc::parse(&self.launcher) else {
            return false;
        };
        names.iter().all(|name| settings.has(name))
    }
}
