//! A job of another session, as the registry knows it.

use crate::errors;
use crate::launcher::wait;
use crate::pg::error::Result;
use crate::pg::identity;
use crate::registry::{self, Registry};
use logic::job::state::Stop;
use std::time::Instant;

pub struct RemoteJob {
    registry: &'static Registry,
    /// The job's slot; `None` if the job has ended.
    slot: Option<u32>,
    pid: i32,
    cookie: i64,
    /// The role that it runs as.
    role: u32,
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

    /// Asks the job to stop. For callers with the privileges of its role, and for those that may signal backends.
    pub fn stop(&self, stop: Stop) -> Result<()> {
        if !identity::may_signal(self.role)? {
            return Err(errors::permission_denied(self.pid));
        }
        self.slot.map_or(Ok(()), |slot| self.registry.shared(|r| r.stop(slot, self.cookie, stop)))
    }

    /// Waits until the job has ended. For callers with the privileges of its role. False if the deadline passed first.
    pub fn wait(&self, deadline: Option<Instant>) -> Result<bool> {
        if !identity::has_privileges_of(self.role)? {
            return Err(errors::permission_denied(self.pid));
        }
        self.wait_for_end(deadline)
    }

    /// The same without a check of rights: for a caller that has been allowed to stop the job.
    pub fn wait_for_end(&self, deadline: Option<Instant>) -> Result<bool> {
        self.slot.map_or(Ok(true), |slot| wait::for_end(self.registry, slot, self.cookie, deadline))
    }
}
