//! Being admitted: the limits on running jobs, and the server's limit on processes.
//!
//! A launch that must wait takes a ticket in a queue, and gives it back when it is admitted, fails or ends. There are
//! two queues: of launches that wait for a slot, and of launches that have a slot and wait for a process.

use super::{Launch, cold};
use crate::errors;
use crate::launcher::wait;
use crate::pg::bgworker::Handle;
use crate::pg::dsm::Segment;
use crate::pg::error::{PgError, Result};
use crate::pg::identity;
use crate::registry::{Admission, Claim, LaunchEvent, NewJob, Queue, Registry, door};
use crate::settings;
use logic::registry::quota::Scope;
use std::sync::Arc;
use std::time::Instant;

/// What a launch that has a slot gets its worker by.
pub enum WayIn {
    /// A new process.
    Process(Handle),
    /// A claim on a warm worker that has become free.
    Worker(Claim),
}

impl<'a> Launch<'a> {
    /// Waits until the limits allow the job, at most until `pg_background.launch_timeout` is over. Returns with the
    /// job's slot and, if a warm worker fits, the claim on it. After an error, no worker has seen the segment.
    pub(super) fn admit(registry: &'static Registry, segment: &'a Arc<Segment>, new: &'a NewJob<'a>) -> Result<Self> {
        let (slot, claim) = wait_for_slot(registry, new).inspect_err(|_| segment.mark_reusable())?;
        Ok(Self { registry, segment, new, slot, claim })
    }

    /// No slot of `max_worker_processes` is free. In order of arrival, waits until a fitting warm worker can be
    /// claimed or a new process can be registered, dismissing idle workers to make room. Gives up with the launch's
    /// timeout, but not before a second: the postmaster frees slots late.
    pub(super) fn wait_for_way_in(&self) -> Result<WayIn> {
        let (registry, new) = (self.registry, self.new);
        let give_up = new.give_up.max(Instant::now() + cold::SLOT_WAIT);
        let mut found = Ok(None);
        if let Some(ticket) = registry.exclusive(|r| r.join(new, Queue::ForProcess))? {
            count(registry, new, LaunchEvent::Waits)?;
            found = self.wait_in_queue(ticket, give_up);
            registry.exclusive(|r| r.quit(ticket))?;
        }
        if matches!(found, Ok(None)) {
            count(registry, new, LaunchEvent::Rejected)?;
        }
        found?.ok_or_else(errors::no_process_slot)
    }

    /// The registry tells of workers and launches, but only the postmaster knows when the slot of a process that has
    /// exited is free again. So a launch looks now and then.
    ///
    /// After the first pause an idle worker is dismissed, and another after each of the longest pauses, if that did
    /// not help: dismissing all at once would cost later launches their warm workers.
    pub(super) fn wait_in_queue(&self, ticket: u64, give_up: Instant) -> Result<Option<WayIn>> {
        let registry = self.registry;
        let is_next = || is_next_for_process(registry, Some(ticket));
        let mut try_now = || {
            door::check()?;
            if !is_next()? {
                return Ok(None);
            }
            match registry.exclusive(|r| r.claim_for(self.slot, self.new))? {
                Some(claim) => Ok(Some(WayIn::Worker(claim))),
                None => Ok(cold::register(self.segment)?.map(WayIn::Process)),
            }
        };
        let wait = |until| wait::for_room(registry, until, &mut try_now);
        wait::in_pauses(give_up, wait, |pause| {
            if (pause == wait::SHORTEST_PAUSE || pause == wait::LONGEST_PAUSE) && is_next()? {
                registry.exclusive(|r| r.dismiss_one())?;
            }
            Ok(())
        })
    }
}

/// The job's slot, and the claim on a warm worker if one fits.
fn wait_for_slot(registry: &Registry, new: &NewJob) -> Result<(u32, Option<Claim>)> {
    let mut refused_by = match registry.exclusive(|r| r.admit(new, None))? {
        Admission::Admitted(slot, claim) => return Ok((slot, claim)),
        Admission::Refused(scope) => scope,
    };
    if Instant::now() < new.give_up {
        if let Some(ticket) = registry.exclusive(|r| r.join(new, Queue::ForSlot))? {
            count(registry, new, LaunchEvent::Waits)?;
            let waited = wait::for_room(registry, new.give_up, || {
                door::check()?;
                Ok(match registry.exclusive(|r| r.admit(new, Some(ticket)))? {
                    Admission::Admitted(slot, claim) => Some((slot, claim)),
                    Admission::Refused(scope) => {
                        refused_by = scope;
                        None
                    }
                })
            });
            registry.exclusive(|r| r.quit(ticket))?;
            if let Some(admitted) = waited? {
                return Ok(admitted);
            }
        }
    }
    count(registry, new, LaunchEvent::Rejected)?;
    Err(refusal(registry, new, refused_by)?)
}

/// May this launch ask for a process now? With its ticket: are all launches that came before it gone? Without a
/// ticket: does no launch wait for a process?
pub fn is_next_for_process(registry: &Registry, ticket: Option<u64>) -> Result<bool> {
    // Most often no launch waits: the lock is not taken then.
    if registry.has_waiters() { registry.shared(|r| r.is_next_for_process(ticket)) } else { Ok(true) }
}

fn count(registry: &Registry, new: &NewJob, event: LaunchEvent) -> Result<()> {
    registry.exclusive(|r| r.count_launch(new.database, new.role, event))
}

/// The error of a launch that a limit has kept out.
fn refusal(registry: &Registry, new: &NewJob, scope: Scope) -> Result<PgError> {
    let running = registry.shared(|r| r.running_within(scope, new))?;
    let (whose, setting, limit) = match scope {
        Scope::Total => (String::new(), "max_workers_total", new.limits.total),
        Scope::Database => {
            let name = identity::database_name(new.database)?;
            (format!(" in database \"{name}\""), "max_workers_per_database", new.limits.per_database)
        }
        Scope::Role => {
            let name = identity::role_name(new.role)?;
            (format!(" for role \"{name}\""), "max_workers_per_role", new.limits.per_role)
        }
        Scope::Slots => (String::new(), "max_jobs", settings::max_jobs()),
    };
    Ok(errors::server_limit(running, &whose, setting, limit))
}
