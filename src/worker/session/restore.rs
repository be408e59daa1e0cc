//! From one launcher's settings and users to another's, and back to them after a job.

use super::users::Users;
use super::{Serves, Session, State};
use crate::pg::error::Result;
use crate::pg::{frontend, guc_state, guc_table, xact};
use logic::segment::header::Identity;
use logic::session::change::{self, OfTransaction};
use logic::session::overlay::overlay;
use logic::session::settings::Settings;

impl Session {
    /// Makes the new session the launcher's, whose settings come `serialized`. An error leaves it between the two; the
    /// job fails then, and [`Self::take_back_changes`] finds that nothing can be taken back. A process that serves one
    /// job does not remember what it was like before and after.
    ///
    /// This has a transaction of its own, which the job's follows. The launcher's settings include what its transaction
    /// was begun with (isolation level, READ ONLY), and the end of this transaction forgets that: the job begins with
    /// the defaults.
    pub(super) fn first_restore(&mut self, serialized: &[u8], identity: &Identity) -> Result<()> {
        xact::begin_own()?;
        frontend::feign_client()?;
        self.own_role = Users::now()?.role();
        self.now.take_once()?;
        let only_differences = guc_state::restore(&self.now, serialized, identity)?;
        self.state = if only_differences { State::ByDifference } else { State::Wholesale };
        xact::commit()?;
        guc_table::forget_transaction_settings();
        if self.serves == Serves::OneJob {
            return Ok(());
        }
        self.own = self.now.bytes().to_vec();
        let before = guc_state::parse(&self.own).unwrap_or_default();
        let theirs = guc_state::wanted(&before, serialized).unwrap_or_default();
        self.defaults = theirs.defaults_beyond(&before).map(|s| s.name.to_vec()).collect();
        self.restored.take()?;
        self.note_launcher(serialized)
    }

    /// Makes the session, which was another launcher's, the launcher's with the settings `serialized`. False, or an
    /// error, if it cannot: the caller must then abort the transaction, and the process must end unless the launcher's
    /// settings are those that the session had.
    ///
    /// Setting and resetting one by one is enough if the session was never restored wholesale, and if the launcher
    /// brings all the RESET values that earlier launchers have brought: those cannot be taken back. What the server
    /// made of it is compared with what the launcher has. Suppose that a setting's check hook refuses or changes the
    /// value in this session, because the role has no right to it or another one stands in the way: the comparison
    /// finds out, and the job goes to another process.
    pub(super) fn switch_to(&mut self, serialized: &[u8], identity: &Identity) -> Result<bool> {
        let own = self.own.clone();
        let Some(sent) = guc_state::parse(serialized) else {
            return Ok(false);
        };
        let theirs = match guc_state::parse(&own) {
            _ if !sent.is_overlay => sent.clone(),
            Some(own) => overlay(&own, &sent),
            // what a new session would have is not known any more
            None => return Ok(false),
        };
        if self.state == State::Wholesale || !change::replaces_defaults(&self.defaults, &theirs) {
            return Ok(false);
        }
        if self.has_launchers_role && !sent.has_default_role() {
            return Ok(false);
        }
        xact::begin_own()?;
        if !guc_state::change_to(&theirs, &sent, identity)? {
            return Ok(false);
        }
        xact::commit()?;
        self.now.take()?;
        let now = guc_state::parse(self.now.bytes()).unwrap_or_default();
        let theirs = guc_state::in_words_of(&now, &theirs)?;
        if !change::same(&now, &theirs, OfTransaction::Ignored) {
            return Ok(false);
        }
        let before = guc_state::parse(self.restored.bytes()).unwrap_or_default();
        let changed = theirs.defaults_beyond(&before).map(|s| s.name.to_vec());
        self.defaults.extend(changed.filter(|name| !self.defaults.contains(name)).collect::<Vec<_>>());
        std::mem::swap(&mut self.restored, &mut self.now);
        self.note_launcher(serialized)?;
        Ok(true)
    }

    fn note_launcher(&mut self, serialized: &[u8]) -> Result<()> {
        self.launcher.clear();
        self.launcher.extend_from_slice(serialized);
        self.launcher_hash = guc_state::settings_hash(serialized);
        self.users = Users::now()?;
        let is_default = || guc_state::parse(serialized).is_some_and(|sent| sent.has_default_role());
        self.has_launchers_role |= self.users.role() != self.own_role && is_default();
        Ok(())
    }

    /// Takes back what the job has changed of settings and users. False if it cannot: the process must end. After a
    /// job, outside a transaction.
    pub fn take_back_changes(&mut self) -> Result<bool> {
        Ok(self.look_unchanged()? || self.undo_changes()?)
    }

    /// Looks at settings and users: true if the job has changed none. After a job, outside a transaction.
    pub fn look_unchanged(&mut self) -> Result<bool> {
        self.now.take()?;
        Ok(self.now.bytes() == self.restored.bytes() && self.users.are_unchanged()?)
    }

    /// The settings that the server serializes may differ in their order alone, or in their words: a library that the
    /// job has loaded gives the text of its settings a meaning ("1000" has become "1s"). So the values are compared
    /// first, and set only if they differ; and are compared again, as an assign hook may have its own mind.
    #[cold]
    fn undo_changes(&mut self) -> Result<bool> {
        let wanted = guc_state::parse(self.restored.bytes()).unwrap_or_default();
        let is_back = |now: &guc_state::SerializedSettings| {
            let now = guc_state::parse(now.bytes()).unwrap_or_default();
            guc_state::in_words_of(&now, &wanted)
                .map(|wanted| change::same(&now, &wanted, OfTransaction::ComparedBySource))
        };
        if !is_back(&self.now)? || !self.users.are_unchanged()? {
            if !matches!(self.switch_back(&wanted), Ok(true)) {
                xact::abort()?;
                return Ok(false);
            }
            self.now.take()?;
            if !is_back(&self.now)? || !self.users.are_unchanged()? {
                return Ok(false);
            }
        }
        // the same values, in another order now
        std::mem::swap(&mut self.restored, &mut self.now);
        Ok(true)
    }

    fn switch_back(&self, wanted: &Settings) -> Result<bool> {
        xact::begin_own()?;
        if !self.users.is_role_unchanged()? {
            guc_state::reset_role()?;
        }
        let sent = guc_state::parse(&self.launcher).unwrap_or_default();
        if !guc_state::change_to(wanted, &sent, &self.users.identity())? {
            return Ok(false);
        }
        xact::commit()?;
        Ok(true)
    }
}
