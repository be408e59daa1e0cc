//! Being admitted: the limits on running jobs, and the server's limit on processes.
//!
//! A launch that must wait takes a ticket in a queue, and gives it back when it is admitted, fails or ends. There are
//! two queues: of launches that wait for a slot, and of launches that have a slot and wait for a process.

use super::{Launch, StartedJob, cold, warm};
use crate::channel::Receiver;
use crate::errors;
use crate::launcher::wait;
use crate::pg::bgworker::Handle;
use crate::pg::dsm::Segment;
use crate::pg::error::{PgError, Result, with_names};
use crate::pg::identity;
use crate::pg::mq::{self, Queue};
use crate::registry::{self, Admission, Claim, LaunchEvent, NewJob, Registry, door};
use crate::settings;
use logic::registry::quota::Scope;
use logic::segment::header::Reply;
use std::sync::Arc;
use std::time::Instant;

/// What a launch that has a slot gets its worker by.
pub enum WayIn {
    /// A new process.
    Process(Handle),
    /// A claim on a warm worker that has become free.
    Worker(Claim),
}

/// What a launch that is admitted has come to.
pub enum Admitted<'a> {
    /// A warm worker has its offer, and can only take the job.
    Offered(StartedJob),
    /// The job needs a worker.
    Launch(Launch<'a>),
}

impl<'a> Launch<'a> {
    /// Waits until the limits allow the job, at most until `pg_background.launch_timeout` is over. Returns with the
    /// job's slot and, if a warm worker fits, the claim on it. After an error, no worker has seen the segment.
    ///
    /// This session attaches to the queue first: from a sure offer on nothing may fail.
    pub(super) fn admit(
        registry: &'static Registry,
        segment: &'a Arc<Segment>,
        new: &'a NewJob<'a>,
    ) -> Result<Admitted<'a>> {
        let admitted = Queue::reader(segment, None).and_then(|queue| {
            let receiver = Receiver::new(queue);
            Ok((receiver, wait_for_slot(registry, segment, new)?))
        });
        let (receiver, place) = admitted.inspect_err(|_| segment.mark_reusable())?;
        Ok(match place {
            Place::Offered(claim) => Admitted::Offered(warm::started(receiver, &claim)),
            Place::Slot(slot, claim) => {
                Admitted::Launch(Self { registry, segment, new, slot, claim, receiver: Some(receiver) })
            }
        })
    }

    /// No slot of `max_worker_processes` is free. In order of arrival, waits until a fitting warm worker can be
    /// claimed or a new process can be registered, dismissing idle workers to make room. Gives up with the launch's
    /// timeout, but not before a second: the postmaster frees slots late.
    pub(super) fn wait_for_way_in(&self) -> Result<WayIn> {
        let (registry, new) = (self.registry, self.new);
        let give_up = new.give_up.max(Instant::now() + cold::SLOT_WAIT);
        let mut found = Ok(None);
        if let Some(ticket) = registry.exclusive(|r| r.join(new, registry::Queue::ForProcess))? {
            count(registry, new, LaunchEvent::Waits)?;
            found = self.wait_in_queue(ticket, give_up, || Ok(false));
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
    ///
    /// `None`: the time is over, or `is_over` says so, which is asked at each look.
    pub(super) fn wait_in_queue(
        &self,
        ticket: u64,
        give_up: Instant,
        mut is_over: impl FnMut() -> Result<bool>,
    ) -> Result<Option<WayIn>> {
        let registry = self.registry;
        let is_next = || is_next_for_process(registry, Some(ticket));
        let mut try_now = || {
            door::check()?;
            if is_over()? {
                return Ok(Some(None));
            }
            if !is_next()? {
                return Ok(None);
            }
            match registry.exclusive(|r| r.claim_for(self.slot, self.new))? {
                Some(claim) => Ok(Some(Some(WayIn::Worker(claim)))),
                None => Ok(cold::register(self.segment)?.map(|worker| Some(WayIn::Process(worker)))),
            }
        };
        let wait = |until| wait::for_turn(until, &mut try_now);
        let found = wait::in_pauses(give_up, wait, |pause| {
            if (pause == wait::SHORTEST_PAUSE || pause == wait::LONGEST_PAUSE) && is_next()? {
                registry.exclusive(|r| r.dismiss_one())?;
            }
            Ok(())
        })?;
        Ok(found.flatten())
    }
}

/// What a launch has when it is admitted.
enum Place {
    /// A worker that takes the job.
    Offered(Claim),
    /// The job's slot and, if a warm worker fits, the claim on it.
    Slot(u32, Option<Claim>),
}

/// What keeps a launch out.
struct Refused {
    by: Scope,
    /// In the queue, where it waits; `None` when it may not wait, or there is no room.
    ticket: Option<u64>,
}

/// Asks to be admitted. A claim that is sure becomes an offer in the same hold of the lock; a launch that is refused
/// and may wait joins the queue, if it is not there.
fn ask(
    registry: &Registry,
    segment: &Segment,
    new: &NewJob,
    ticket: Option<u64>,
) -> Result<std::result::Result<Place, Refused>> {
    let handle = segment.handle();
    let may_wait = Instant::now() < new.give_up;
    registry.exclusive(|r| match r.admit(new, ticket) {
        Admission::Refused(by) => {
            let joins = ticket.is_none() && may_wait;
            let joined = joins.then(|| r.join(new, registry::Queue::ForSlot)).flatten();
            if joined.is_some() {
                r.count_launch(new.database, new.role, LaunchEvent::Waits);
            }
            Err(Refused { by, ticket: ticket.or(joined) })
        }
        Admission::Admitted(slot, Some(claim)) if claim.is_sure => {
            segment.header().prepare_offer(Some(slot), Reply::NotAwaited);
            mq::appoint_writer(segment, claim.proc);
            r.offer(&claim, slot, new.cookie, handle);
            Ok(Place::Offered(claim))
        }
        Admission::Admitted(slot, claim) => Ok(Place::Slot(slot, claim)),
    })
}

fn count(registry: &Registry, new: &NewJob, event: LaunchEvent) -> Result<()> {
    registry.exclusive(|r| r.count_launch(new.database, new.role, event))
}

fn wait_for_slot(registry: &Registry, segment: &Segment, new: &NewJob) -> Result<Place> {
    let mut refused_by = match ask(registry, segment, new, None)? {
        Ok(place) => return Ok(place),
        Err(refused) => refused,
    };
    if let Some(ticket) = refused_by.ticket {
        // in the hold of the lock in which it joined: whoever frees a place has woken it since
        let mut has_just_asked = true;
        let waited = wait::for_turn(new.give_up, || {
            door::check()?;
            if std::mem::take(&mut has_just_asked) {
                return Ok(None);
            }
            Ok(match ask(registry, segment, new, Some(ticket))? {
                Ok(place) => Some(place),
                Err(refused) => {
                    refused_by = refused;
                    None
                }
            })
        });
        match waited {
            // and so is in the queue no more
            Ok(Some(place)) => return Ok(place),
            other => {
                registry.exclusive(|r| r.quit(ticket))?;
                other?;
            }
        }
    }
    count(registry, new, LaunchEvent::Rejected)?;
    Err(refusal(registry, new, refused_by.by)?)
}

/// May this launch ask for a process now? With its ticket: are all launches that came before it gone? Without a
/// ticket: does no launch wait for a process?
pub fn is_next_for_process(registry: &Registry, ticket: Option<u64>) -> Result<bool> {
    // Most often no launch waits: the lock is not taken then.
    if registry.has_waiters() { registry.shared(|r| r.is_next_for_process(ticket)) } else { Ok(true) }
}

/// The error of a launch that a limit has kept out.
fn refusal(registry: &Registry, new: &NewJob, scope: Scope) -> Result<PgError> {
    let running = registry.shared(|r| r.running_within(scope, new))?;
    let common = registry.common_limits();
    let (whose, setting, limit) = match scope {
        Scope::Total => (Vec::new(), "max_workers_total", common.total),
        Scope::Database => {
            let name = identity::database_name(new.database)?;
            (with_names(" in database \"{}\"", &[&name]), "max_workers_per_database", common.per_database)
        }
        Scope::Role => {
            let name = identity::role_name(new.role)?;
            (with_names(" for role \"{}\"", &[&name]), "max_workers_per_role", new.per_role)
        }
        Scope::Slots => (Vec::new(), "max_jobs", settings::max_jobs()),
    };
    Ok(errors::server_limit(running, &whose, setting, limit))
}
