//! The worker's session: it becomes the launcher's for a job, and between two jobs it is made as new.
//!
//! [`Session`] has the launcher's side: settings and users. [`baseline::Baseline`] has the worker's: what must be true
//! for the next launcher not to notice that others were here before. A session is in one of three states:
//!
//! ```text
//!               first job
//!     New ──┬──────────────▶ ByDifference ──┬─▶ ByDifference   other settings, reached by setting and resetting
//!           │                               └─▶ the process ends    ... which cannot be reached so
//!           └──────────────▶ Wholesale ─────┬─▶ Wholesale      the very same settings
//!            differences are                └─▶ the process ends    any other settings
//!            not enough
//! ```
//!
//! A launcher that meets a session which cannot become its own is refused, and its job goes to another process. After
//! each job, [`Session::take_back_changes`] brings back the settings and users that the session had when the job began;
//! if that is not possible, the process ends.

pub mod baseline;
pub mod given;
mod restore;
mod users;

use crate::pg::error::Result;
use crate::pg::{guc_state, identity, leftovers, xact};
use logic::segment::header::{Identity, Reply};
use users::Users;

/// Whether the session has become the launcher's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Restored {
    Yes,
    /// This session cannot become the launcher's: the job needs another process, and this one must end.
    Refused,
}

/// How the session came to its settings, which decides what it can become next.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// No launcher's yet: the process has just connected. Next: `ByDifference` or `Wholesale`.
    #[default]
    New,
    /// The settings in which the launcher differed were set one by one, so that RESET gives what it gives in any
    /// session. Next: `ByDifference` again, for a launcher whose settings can be reached from here.
    ByDifference,
    /// All settings were restored by the server's own function (`RestoreGUCState`), so their RESET values are this
    /// launcher's. Next: `Wholesale` again, for a launcher with the very same settings.
    Wholesale,
}

/// How many jobs a process is for.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub enum Serves {
    /// The one that it was started for. It is never made as new, so it need not know what it was like when it was new.
    OneJob,
    #[default]
    Several,
}

/// Whose session this process has been last.
#[derive(Default)]
pub struct Session {
    serves: Serves,
    state: State,
    /// The settings that the session began with, over which those of launchers in other databases are laid. Empty if
    /// they are not known: before the first job, and once configuration files were read anew.
    own: Vec<u8>,
    /// The last launcher's settings, serialized.
    launcher: Vec<u8>,
    /// The hash by which a launcher with the same settings knows this session. 0 if there is none: no launcher was
    /// here, or configuration files were read since, and the session may have other settings than that launcher.
    launcher_hash: u64,
    /// The settings right after they became the launcher's.
    restored: guc_state::SerializedSettings,
    /// Room for the settings as they are, to be compared with `restored`.
    now: guc_state::SerializedSettings,
    /// The names of the settings whose RESET value came from a launcher.
    defaults: Vec<Vec<u8>>,
    /// Is the role that RESET ROLE gives a launcher's? By its name it may be the one with which this session began, and
    /// be another role all the same: one that a launcher whose own default is not known cannot take.
    has_launchers_role: bool,
    /// The role with which this session began; 0 is none.
    own_role: u32,
    /// The users right after they became the launcher's.
    users: Users,
    /// What SYSTEM_USER was made of, which cannot be changed.
    client_info: Vec<u8>,
}

impl Session {
    /// Makes this the launcher's session: SYSTEM_USER, settings, session user, SET ROLE. `reply` is what the launcher
    /// expects. Called when a job was taken, outside a transaction. An error, of a new process in particular, is the
    /// job's.
    ///
    /// A warm session is compared with what the launcher has, most often byte for byte the same, and nothing is done
    /// then. Otherwise it switches; if it cannot, the launcher is refused and finds another process. A launcher that
    /// awaits no reply cannot be refused: it has returned the job's handle. It has found the hash of its settings here,
    /// so it does not come this far, but for one case. Suppose that this worker was idle and read the configuration
    /// files again after the launcher had looked. The settings in the segment are then those of a session that had not
    /// read the files yet; the worker's are those of one that has. The job runs with these: had the launcher looked a
    /// moment later, it would have had them itself.
    pub fn restore(
        &mut self,
        settings: &[u8],
        client_info: &[u8],
        identity: &Identity,
        reply: Reply,
    ) -> Result<Restored> {
        if self.state == State::New {
            // whatever comes of the first job, the second does not find a new session
            self.state = State::ByDifference;
            self.client_info = client_info.to_vec();
            if !client_info.is_empty() {
                identity::restore_client_info(client_info)?;
            }
            self.first_restore(settings, identity)?;
            return Ok(Restored::Yes);
        }
        // the launcher went by a hash; what SYSTEM_USER says cannot be changed
        if self.client_info != client_info {
            return Ok(Restored::Refused);
        }
        // Before the roles are looked up: a change from here on is seen next time.
        let same_users = !leftovers::roles_changed()? && self.has_users_of(identity);
        let had_these = self.launcher == settings;
        if had_these && self.launcher_hash != 0 {
            if !same_users {
                self.adopt_users(identity)?;
            }
            return Ok(Restored::Yes);
        }
        if matches!(self.switch_to(settings, identity), Ok(true)) {
            return Ok(Restored::Yes);
        }
        xact::abort()?;
        if had_these && reply == Reply::NotAwaited {
            self.adopt_users(identity)?;
            return Ok(Restored::Yes);
        }
        Ok(Restored::Refused)
    }

    /// The hash by which a launcher with the same settings knows this session; 0 if there is none.
    pub fn hash(&self) -> u64 {
        self.launcher_hash
    }

    /// Takes note that configuration files were read. Between two jobs.
    pub fn note_reload(&mut self) -> Result<()> {
        self.launcher_hash = 0;
        self.own = Vec::new();
        self.restored.take()
    }

    /// Has the last launcher all of these settings? The names have their NULs.
    pub fn has_all(&self, names: &[Vec<u8>]) -> bool {
        if names.is_empty() {
            return true;
        }
        let Some(settings) = guc_state::parse(&self.launcher) else {
            return false;
        };
        names.iter().all(|name| settings.has(name))
    }
}
