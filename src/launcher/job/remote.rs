//! A job of another session, as the registry knows it.

use crate::errors;
use crate::pg::error::Result;
use crate::pg::identity;
use crate::registry::{self, Registry};
use logic::job::state::Stop;
use std::time::Instant;

pub struct RemoteJob {
    registry: &'static Registry,
    /// `None` when it has ended.
    slot: Option<u32>,
    pid: i32,
    cookie: i64,
    /// That it runs as.
    role: u32,
}

impl RemoteJob {
    /// `None` when the registry knows no such job, or is not there.
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
        // A job that has no worker yet, whose pid is 0, has no handle either: its launch has not returned.
        Ok(job.filter(|job| job.pid == pid && pid != 0))
    }

    /// Asks the job to stop: who has the privileges of its role, or may signal backends.
    pub fn stop(&self, stop: Stop) -> Result<()> {
        if !identity::may_signal(self.role)? {
            return Err(errors::permission_denied(self.pid));
        }
        self.slot.map_or(Ok(()), |slot| self.registry.shared(|r| r.stop(slot, self.cookie, stop)))
    }

    /// Waits for the job's end: who has the privileges of its role. False when the deadline passed first.
    pub fn wait(&self, deadline: Option<Instant>) -> Result<bool> {
        if !identity::has_privileges_of(self.role)? {
            return Err(errors::permission_denied(self.pid));
        }
        self.wait_for_end(deadline)
    }

    /// For those who may stop it.
    pub fn wait_for_end(&self, deadline: Option<Instant>) -> Result<bool> {
        self.slot.map_or(Ok(true), |slot| self.registry.wait_for_end(slot, self.cookie, deadline))
    }
}
