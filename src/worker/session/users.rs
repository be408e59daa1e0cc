//! As whom a session acts.

use super::Session;
use crate::pg::error::Result;
use crate::pg::{guc_state, leftovers, xact};
use logic::segment::header::Identity;

/// A session's users at one moment.
#[derive(Default)]
pub struct Users {
    /// Session user, role of SET ROLE (0: none), current user.
    ids: [u32; 3],
    /// What SET ROLE has said, which not every minor version has among the settings.
    role: Vec<u8>,
}

impl Users {
    /// As they are now. Outside a security context.
    pub(super) fn now() -> Result<Self> {
        Ok(Self { ids: leftovers::users().unwrap_or_default(), role: guc_state::with_role_setting(<[u8]>::to_vec)? })
    }

    /// The role of SET ROLE; 0 is none.
    pub(super) fn role(&self) -> u32 {
        self.ids[1]
    }

    /// Is everything still as it was then?
    pub(super) fn are_unchanged(&self) -> Result<bool> {
        Ok(leftovers::users() == Some(self.ids) && self.is_role_unchanged()?)
    }

    pub(super) fn is_role_unchanged(&self) -> Result<bool> {
        guc_state::with_role_setting(|role| role == self.role.as_slice())
    }

    /// Session user and SET ROLE, to be adopted.
    pub(super) fn identity(&self) -> Identity {
        let [session_user, outer_role, _] = self.ids;
        Identity { session_user, outer_role, ..Identity::default() }
    }
}

impl Session {
    /// Were the launcher's users this session's when its last job began?
    pub(super) fn has_users_of(&self, identity: &Identity) -> bool {
        self.users.ids[..2] == [identity.session_user, identity.outer_role]
    }

    /// Takes over the launcher's users, in a transaction of its own. Where the settings are the same already: the names
    /// of users among them may be those of others now.
    pub(super) fn adopt_users(&mut self, identity: &Identity) -> Result<()> {
        // should it fail, the next job's are looked up again
        self.users.ids = Default::default();
        xact::begin_own()?;
        let sent = guc_state::parse(&self.launcher).unwrap_or_default();
        guc_state::adopt_users(&sent, identity)?;
        xact::commit()?;
        self.users = Users::now()?;
        Ok(())
    }
}
