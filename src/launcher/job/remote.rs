//! A job of another session, as the registry knows it.

use crate::errors;
use crate::launcher::deadlock::{AwaitedJob, Awaits};
use crate::launcher::wait;
use crate::pg::error::Result;
use crate::pg::identity;
use crate::registry::{self, Registry};
use logic::job::state::Stop;
use std::time::Instant;

pub struct RemoteJob {
    pub registry: &'static Registry,
    /// The job's slot; `None` if the job has ended.
    slot: Option<u32>,
    pub pid: i32,
    cookie: i64,
    /// The role that it runs as.
    pub role: u32,
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
        let found = match registry.find(cookie)? {
            Some((slot, worker, role)) => Some((Some(slot), worker, role)),
            None => registry.find_ended(cookie)?.map(|(worker, role)| (None, worker, role)),
        };
        let job = found.map(|(slot, worker, role)| Self { registry, slot, pid: worker, cookie, role });
        // A job whose pid is 0 has no worker yet, and so no handle: its launch has not returned.
        Ok(job.filter(|job| job.pid == pid && pid != 0))
    }

    /// Asks the job to stop; false if it has ended. For callers with the privileges of its role, and for those that may
    /// signal backends.
    pub fn stop(&self, stop: Stop) -> Result<bool> {
        if !identity::may_signal(self.role)? {
            return Err(errors::permission_denied(self.pid));
        }
        self.slot.map_or(Ok(false), |slot| self.registry.shared(|r| r.stop(slot, self.cookie, stop)))
    }

    /// Waits until the job has ended. False if the deadline passed first. Rights are not checked here: a caller that
    /// has been allowed to stop the job may see it end.
    pub fn wait(&self, awaits: Awaits, deadline: Option<Instant>) -> Result<bool> {
        self.slot.map_or(Ok(true), |slot| wait::for_end(self.registry, slot, self.cookie, awaits, deadline))
    }

    /// As one that is waited for.
    pub fn awaited(&self) -> AwaitedJob {
        AwaitedJob { pid: self.pid, cookie: self.cookie }
    }

    /// Has the job ended?
    pub fn has_ended(&self) -> bool {
        self.slot.is_none_or(|slot| !self.registry.is_running(slot, self.cookie))
    }

    /// Marks the job as awaited among others, if it has not ended.
    pub fn mark_awaited(&self) -> Result<()> {
        self.slot.map_or(Ok(()), |slot| self.registry.shared(|r| r.mark_awaited(slot, self.cookie)).map(drop))
    }
}
