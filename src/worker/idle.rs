//! The wait between two jobs: an idle worker waits for an offer, and decides whether it is still wanted.
//!
//! It leaves when it is asked to (SIGTERM, which an idle worker obeys without a line in the log), when it is dismissed
//! or could serve no later job (no jobs may be launched, the registry's generation or the configuration has changed, a
//! standby was promoted), when there are more idle workers than `pg_background.max_idle_workers`, when jobs wait for a
//! process that launches them and there is no slot of `max_worker_processes` for it but this one (unless it is the last
//! worker, so that nobody would be left to ask for the process), and after `pg_background.idle_timeout`.
//!
//! Invariant: a worker that a launcher has claimed does not leave. Both happen under the registry's lock, so one of
//! them comes first: the launcher finds no idle worker, or the worker finds that it is claimed and waits for the offer,
//! or for the claim's end.

use super::mapped_segments::MappedSegments;
use super::session::baseline::Baseline;
use crate::pg::error::Result;
use crate::pg::latch::Event;
use crate::pg::{bgworker, dsm, identity, signals};
use crate::point;
use crate::registry::{self, OfferedJob, Registration};
use crate::settings;
use logic::registry::door::Door;
use std::time::{Duration, Instant};

/// Workers beyond `max_idle_workers` stay idle this long, so that a burst of launches still finds them.
const SURPLUS_STAY: Duration = Duration::from_millis(100);
/// After so long the segments of earlier jobs are unmapped: their sessions may be gone, and the memory with them.
const UNMAP_AFTER: Duration = Duration::from_secs(1);
/// The end of recovery wakes no process: a worker that began in recovery looks this often.
const RECOVERY_CHECK: Duration = Duration::from_secs(1);
/// Without preloading, sessions that have not loaded the library cannot dismiss idle workers, so these leave after a
/// second by themselves. (DROP DATABASE waits five seconds for others.)
const UNPRELOADED_STAY: Duration = Duration::from_secs(1);
/// As long as jobs wait for a process that launches them (`Registry::ensure_dispatcher`), an idle worker tries to get
/// one so often. It is woken for that when somebody else has tried in vain.
const DISPATCHER_RETRY: Duration = Duration::from_millis(64);
/// The shortest stay of the last worker for that.
const LINGER: Duration = Duration::from_millis(128);

/// What the wait has come to.
pub enum NextJob {
    /// A launcher has offered the job.
    Offered(OfferedJob),
    /// None: the worker has left the registry's idle workers, and the process must end.
    Leave,
}

/// Waits for the next job. Called when the worker is idle, or claimed already, in the registry.
pub fn wait(
    registration: Registration,
    baseline: &mut Baseline,
    mapped: &mut MappedSegments,
    began_in_recovery: bool,
) -> Result<NextJob> {
    let since = Instant::now();
    let mut has_unmapped = false;
    loop {
        if let Some(job) = registration.registry.offered(registration.worker) {
            return Ok(NextJob::Offered(job));
        }

        // Is the worker still wanted?
        let now = Instant::now();
        let idle = now - since;
        let stay = longest_stay(registration);
        let max_idle = settings::max_idle_workers();
        let is_surplus = registration.registry.has_surplus(max_idle);
        let must_leave = signals::is_asked_to_leave()
            || registration.registry.is_dismissed(registration.worker)
            || baseline.is_outdated()
            || max_idle == 0
            || registration.registry.door() == Door::Closed
            || idle >= stay
            || began_in_recovery && !identity::is_in_recovery()?;
        let leave = |surplus| registration.exclusive(|r, me| r.try_leave(me, surplus));
        if (must_leave && leave(None)?) || (is_surplus && idle >= SURPLUS_STAY && leave(Some(max_idle))?) {
            return Ok(NextJob::Leave);
        }
        if registration.registry.is_claimed(registration.worker) {
            // The offer follows at once, or the claim's end: either sets the latch.
            registry::wait(Event::Idle, None)?;
            continue;
        }

        // Serve what other sessions expect of an idle one. After a reload of the configuration this is another session.
        if bgworker::serve_idle()? {
            point::reach("reloaded")?;
            registration.registry.tell_configuration()?;
            baseline.note_reload()?;
            let settings = baseline.settings_hash();
            registration.exclusive(|r, me| r.show_settings(me, settings))?;
            continue;
        }
        if !has_unmapped && idle >= UNMAP_AFTER {
            // False: a launcher that has claimed the worker meanwhile counts on its mapping.
            if registration.exclusive(|r, me| r.forget_mappings(me))? {
                mapped.clear();
            }
            has_unmapped = true;
        }

        // Sleep until the next of these moments, at most.
        let mut deadline = since + stay;
        if !registration.registry.ensure_dispatcher()? {
            if registration.exclusive(|r, me| r.make_way(me))? {
                return Ok(NextJob::Leave);
            }
            // The slot of another that leaves is free a moment after its end.
            deadline = deadline.min(now + DISPATCHER_RETRY);
        }
        if is_surplus {
            deadline = deadline.min((since + SURPLUS_STAY).max(now));
        }
        if !has_unmapped {
            deadline = deadline.min(since + UNMAP_AFTER);
        }
        if began_in_recovery {
            deadline = deadline.min(now + RECOVERY_CHECK);
        }
        registry::wait(Event::Idle, Some(deadline))?;
    }
}

/// The last of the workers that leave stays a moment, if jobs wait for a process that launches them and there is no
/// slot of `max_worker_processes` for it. Called when this process has left the idle workers.
///
/// Suppose that all slots are taken by jobs when a transaction commits that has asked for jobs, that all end in one
/// moment, and that no worker stays idle. Each holds its own slot until the postmaster has seen its end, so none of
/// them finds a free one. So the last one waits for the slots of the others. Should several take themselves for the
/// last, they wait for different times.
pub fn linger() -> Result<()> {
    let Some(Registration { registry, worker }) = Registration::mine() else {
        return Ok(());
    };
    let give_up = Instant::now() + LINGER * (1 + worker % 16);
    while !registry.ensure_dispatcher()?
        && !registry.has_other_workers(worker)
        && !signals::is_asked_to_leave()
        && Instant::now() < give_up
    {
        registry::wait(Event::Idle, Some(Instant::now() + DISPATCHER_RETRY))?;
    }
    Ok(())
}

fn longest_stay(registration: Registration) -> Duration {
    let timeout = settings::idle_timeout();
    if registration.registry.preloaded { timeout } else { timeout.min(UNPRELOADED_STAY) }
}

/// Leaves without waiting for a job, because the session could not be made as new. Called while the worker is
/// resetting, or claimed since then.
///
/// Suppose that a launcher has claimed the worker while it was resetting. The worker cannot leave then. It waits for
/// the offer, and refuses it: the launcher awaits a reply, for nothing was promised to it, and looks for another
/// worker. If the launcher withdraws the claim instead, the worker leaves at the next try.
pub fn decline(registration: Registration) -> Result<()> {
    while !registration.exclusive(|r, me| r.try_leave(me, None))? {
        if let Some(job) = registration.registry.offered(registration.worker) {
            if job.is_pinned {
                dsm::unpin(job.handle)?;
            }
            return registration.exclusive(|r, me| r.refuse(me));
        }
        registry::wait(Event::Idle, None)?;
    }
    Ok(())
}
