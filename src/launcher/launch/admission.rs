//! Being let in: the limits on running jobs, and the server's on processes.

use crate::errors;
use crate::pg::error::{PgError, Result};
use crate::pg::{bgworker, identity};
use crate::registry::{Admission, Claim, LaunchEvent, NewJob, Queue, Registry};
use crate::settings;
use logic::registry::quota::Scope;
use std::time::{Duration, Instant};

/// How long a launch waits for the process slot of a worker that has exited, at least.
pub const SLOT_WAIT: Duration = Duration::from_secs(1);
/// Between two tries of one that nobody tells when the postmaster has freed the slot.
const MAX_PAUSE: Duration = Duration::from_millis(64);

/// The job's slot, and a warm worker where one was fit.
pub struct Admitted {
    pub slot: u32,
    pub claim: Option<Claim>,
}

/// Waits for its turn as long as `pg_background.launch_timeout` says.
pub fn wait(registry: &Registry, new: &NewJob) -> Result<Admitted> {
    let mut refused_by = match registry.exclusive(|r| r.admit(new, None))? {
        Admission::Admitted(slot, claim) => return Ok(Admitted { slot, claim }),
        Admission::Refused(scope) => scope,
    };
    if Instant::now() < new.give_up {
        if let Some(ticket) = registry.exclusive(|r| r.join(new, Queue::ForSlot))? {
            count(registry, new, LaunchEvent::Waits)?;
            let waited = registry.wait_for_room(Some(new.give_up), || {
                Ok(match registry.exclusive(|r| r.admit(new, Some(ticket)))? {
                    Admission::Admitted(slot, claim) => Some(Admitted { slot, claim }),
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

fn count(registry: &Registry, new: &NewJob, event: LaunchEvent) -> Result<()> {
    registry.exclusive(|r| r.count_launch(new.database, new.role, event))
}

/// Is it this launch's turn to ask for a process? Without a ticket: does no other launch wait for one?
pub fn is_next_for_process(registry: &Registry, ticket: Option<u64>) -> Result<bool> {
    // most often no launch waits: no lock then
    if registry.has_waiters() { registry.shared(|r| r.is_next_for_process(ticket)) } else { Ok(true) }
}

fn refusal(registry: &Registry, new: &NewJob, scope: Scope) -> Result<PgError> {
    let running = registry.shared(|r| r.running_within(scope, new))?;
    let (whose, name, limit) = match scope {
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
    Ok(errors::server_limit(running, &whose, name, limit))
}

/// What there is room in.
pub enum Room {
    /// A new process.
    Process(bgworker::Handle),
    /// A warm one that has become free.
    Worker(Claim),
}

/// Every process slot is taken: waits for a worker that is fit, or for room for a new process, which an idle worker makes if
/// there is one. Those who came first are first.
pub fn wait_for_worker(
    registry: &Registry,
    new: &NewJob,
    slot: u32,
    mut register: impl FnMut() -> Result<Option<bgworker::Handle>>,
) -> Result<Room> {
    let give_up = new.give_up.max(Instant::now() + SLOT_WAIT);
    let mut found = Ok(None);
    if let Some(ticket) = registry.exclusive(|r| r.join(new, Queue::ForProcess))? {
        count(registry, new, LaunchEvent::Waits)?;
        let try_now = || {
            if !is_next_for_process(registry, Some(ticket))? {
                return Ok(None);
            }
            match registry.exclusive(|r| r.claim_for(slot, new))? {
                Some(claim) => Ok(Some(Room::Worker(claim))),
                None => Ok(register()?.map(Room::Process)),
            }
        };
        found = until(registry, ticket, give_up, try_now);
        registry.exclusive(|r| r.quit(ticket))?;
    }
    if matches!(found, Ok(None)) {
        count(registry, new, LaunchEvent::Rejected)?;
    }
    found?.ok_or_else(errors::no_process_slot)
}

fn until(
    registry: &Registry,
    ticket: u64,
    give_up: Instant,
    mut try_now: impl FnMut() -> Result<Option<Room>>,
) -> Result<Option<Room>> {
    let mut pause = Duration::from_millis(1);
    loop {
        let next = Instant::now() + pause;
        let found = registry.wait_for_room(Some(next.min(give_up)), &mut try_now)?;
        if found.is_some() || Instant::now() >= give_up {
            return Ok(found);
        }
        // one at first, and another each time that this did not help
        if (pause == Duration::from_millis(1) || pause == MAX_PAUSE) && is_next_for_process(registry, Some(ticket))? {
            registry.exclusive(|r| r.dismiss_one())?;
        }
        pause = (pause * 2).min(MAX_PAUSE);
    }
}
