//! Waiting until something in the registry has changed, on its condition variables.

use super::area::Registry;
use crate::pg::condvar::{Condition, Joined};
use crate::pg::error::Result;
use crate::pg::latch::Event;
use std::time::{Duration, Instant};

/// How long a command that dismisses idle workers waits until they are gone.
const LEAVERS: Duration = Duration::from_secs(1);

impl Registry {
    /// Sleeps until `ready` gives something, looking each time that a job which starts at a commit is settled or has
    /// left its queue, or that a worker process is gone. `None`: the deadline passed first.
    pub fn wait_for_departure<T>(
        &self,
        deadline: Option<Instant>,
        ready: impl FnMut() -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        self.departed().wait(Event::Launch, deadline, ready)
    }

    /// Waits, for a moment, until the workers of the database that are dismissed and not busy are gone.
    pub(super) fn wait_for_leavers(&self, database: u32) -> Result<()> {
        let gone = || Ok((!self.has_leavers(database)).then_some(()));
        self.departed().wait(Event::Launch, Some(Instant::now() + LEAVERS), gone)?;
        Ok(())
    }

    /// Sleeps until the job has ended; false when the deadline passed first.
    pub fn wait_for_end(&self, slot: u32, cookie: i64, deadline: Option<Instant>) -> Result<bool> {
        let Some(done) = self.done(slot) else {
            return Ok(true);
        };
        let ended = || Ok((!self.is_running(slot, cookie)).then_some(()));
        Ok(done.wait(Event::Job, deadline, ended)?.is_some())
    }

    /// As long as the value lives, the end of any job that is marked as awaited sets this process's latch.
    pub fn hear_of_ends(&self) -> Result<Joined<'_>> {
        self.some_ended().join()
    }
}
