//! A job of another session, as the registry knows it; or one of this session that it does not track, which starts at a
//! commit.

use crate::errors;
use crate::launcher::deadlock::{AwaitedJob, Awaits};
use crate::launcher::launch::at_commit;
use crate::launcher::wait;
use crate::pg::error::Result;
use crate::pg::identity;
use crate::registry::{self, JobName, Registry};
use logic::job::state::Stop;
use std::time::Instant;

pub struct RemoteJob {
    pub registry: &'static Registry,
    place: Place,
    pub pid: i32,
    cookie: i64,
    /// The role that it runs as.
    pub role: u32,
    is_at_commit: bool,
}

/// Where the job was found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The open transaction of this session has asked for it.
    Requested,
    /// Its transaction has committed, and it waits for its start.
    Pending,
    /// In a slot of the registry.
    Slot(u32),
    /// It has ended.
    History,
}

/// The place of the job with that cookie, and its name; `None` if the registry does not know the job.
///
/// Suppose that the job moves on while this looks: from the queue to a slot, or from there to the history. So the slots
/// are looked at before the queue and after it, and the history last. From a slot a job goes back to the queue, where
/// it has stayed, when the worker that was to run it does not.
fn find(registry: &Registry, cookie: i64) -> Result<Option<(Place, JobName)>> {
    if let Some(job) = at_commit::requested(cookie) {
        return Ok(Some((Place::Requested, job.name())));
    }
    let in_slot = || -> Result<_> { Ok(registry.find(cookie)?.map(|(slot, name)| (Place::Slot(slot), name))) };
    if let Some(found) = in_slot()? {
        return Ok(Some(found));
    }
    if let Some(job) = registry.pending_with(cookie)? {
        return Ok(Some((Place::Pending, job.name())));
    }
    match in_slot()? {
        Some(found) => Ok(Some(found)),
        None => Ok(registry.find_ended(cookie)?.map(|name| (Place::History, name))),
    }
}

impl RemoteJob {
    /// The job with that handle. `None` if the registry knows no such job, or if there is no registry.
    pub fn find(pid: i32, cookie: i64) -> Result<Option<Self>> {
        let Some(registry) = registry::get()? else {
            return Ok(None);
        };
        if cookie == 0 {
            return Ok(None);
        }
        // A job that has no worker yet, and is not to start at a commit, has no handle: its launch has not returned.
        let found = find(registry, cookie)?.filter(|(_, name)| name.has(pid));
        Ok(found.map(|(place, name)| Self {
            registry,
            place,
            pid,
            cookie,
            role: name.role,
            is_at_commit: name.is_at_commit,
        }))
    }

    /// Where the job is now. One that is nowhere has ended, and the history has forgotten it.
    fn place(&self) -> Result<Place> {
        if !self.is_at_commit {
            return Ok(self.place);
        }
        Ok(find(self.registry, self.cookie)?.map_or(Place::History, |(place, _)| place))
    }

    /// Asks the job to stop; false if it has ended. For callers with the privileges of its role, and for those that may
    /// signal backends.
    pub fn stop(&self, stop: Stop) -> Result<bool> {
        if !identity::may_signal(self.role)? {
            return Err(errors::permission_denied(self.pid));
        }
        if at_commit::ask_to_stop(self.cookie) {
            return Ok(true);
        }
        // A job in the queue may get a worker meanwhile: the flag there is set first.
        let is_pending = self.is_at_commit && self.registry.stop_pending(self.cookie)?;
        match self.place()? {
            Place::Slot(slot) => Ok(self.registry.shared(|r| r.stop(slot, self.cookie, stop))? || is_pending),
            Place::Requested | Place::Pending => Ok(true),
            Place::History => Ok(is_pending),
        }
    }

    /// Waits until the job has ended. False if the deadline passed first. Rights are not checked here: a caller that
    /// has been allowed to stop the job may see it end.
    pub fn wait(&self, awaits: Awaits, deadline: Option<Instant>) -> Result<bool> {
        loop {
            match self.place()? {
                Place::History => return Ok(true),
                Place::Requested => return Err(errors::not_committed()),
                Place::Pending => {
                    let has_left = || Ok((self.place()? != Place::Pending).then_some(()));
                    if wait::for_departure(self.registry, deadline, has_left)?.is_none() {
                        return Ok(false);
                    }
                }
                Place::Slot(slot) => {
                    let ended = wait::for_end(self.registry, slot, self.cookie, awaits, deadline)?;
                    if !ended || !self.is_at_commit {
                        return Ok(ended);
                    }
                }
            }
        }
    }

    /// As one that is waited for.
    pub fn awaited(&self) -> AwaitedJob {
        AwaitedJob { pid: self.pid, cookie: self.cookie }
    }

    /// Does the job start when the open transaction commits?
    pub fn is_requested(&self) -> bool {
        at_commit::check_committed(self.cookie).is_err()
    }

    /// Has the job ended?
    pub fn has_ended(&self) -> Result<bool> {
        Ok(match self.place()? {
            Place::History => true,
            Place::Slot(slot) => !self.is_at_commit && !self.registry.is_running(slot, self.cookie),
            Place::Requested => return Err(errors::not_committed()),
            Place::Pending => false,
        })
    }

    /// Marks the job as awaited among others, if it has not ended. One that starts at a commit is marked anyway.
    pub fn mark_awaited(&self) -> Result<()> {
        match self.place {
            Place::Slot(slot) if !self.is_at_commit => {
                self.registry.shared(|r| r.mark_awaited(slot, self.cookie)).map(drop)
            }
            _ => Ok(()),
        }
    }
}
