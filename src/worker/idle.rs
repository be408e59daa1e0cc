//! Between two jobs: an idle worker waits for the next one, and goes when it is in anybody's way.
//!
//! It leaves when it is told to (SIGTERM, without a word in the log), when it is unfit for later jobs (the registry's
//! generation changed, a standby was promoted), when its slot is wanted, when there are too many like it, and after
//! `pg_background.idle_timeout`; never once a launcher has claimed it.

use super::mapped_segments::MappedSegments;
use super::session::baseline::Baseline;
use crate::pg::error::Result;
use crate::pg::latch::Event;
use crate::pg::{bgworker, dsm, identity, signals};
use crate::registry::{self, Registration};
use crate::settings;
use std::time::{Duration, Instant};

/// How long those stay that are more than are to be kept: a job may come for them in the middle of a rush.
const SURPLUS: Duration = Duration::from_millis(100);
/// After so long the segments of earlier jobs are let go.
const REST: Duration = Duration::from_secs(1);
/// A standby's promotion wakes nobody: a worker that began in recovery looks now and then.
const RECOVERY: Duration = Duration::from_secs(1);
/// Where not every session has the library, nobody may tell an idle worker that it is in the way; DROP DATABASE waits
/// five seconds.
const UNTOLD: Duration = Duration::from_secs(1);

pub enum Next {
    /// A segment, and whether it was pinned for the way.
    Job(u32, bool),
    Leave,
}

pub fn wait(
    registration: Registration,
    baseline: &mut Baseline,
    kept: &mut MappedSegments,
    began_in_recovery: bool,
) -> Result<Next> {
    let since = Instant::now();
    let mut rested = false;
    loop {
        if let Some((handle, pinned)) = registration.registry.offered(registration.worker) {
            return Ok(Next::Job(handle, pinned));
        }
        let now = Instant::now();
        let idle = now - since;
        let longest = if registration.registry.preloaded {
            settings::idle_timeout()
        } else {
            settings::idle_timeout().min(UNTOLD)
        };
        let max_idle = settings::max_idle_workers();
        let surplus = registration.registry.has_surplus(max_idle);
        let must = signals::is_asked_to_leave()
            || registration.registry.is_dismissed(registration.worker)
            // the configuration has changed: nobody vouches for that library any more
            || baseline.stateful_library().is_some()
            || max_idle == 0
            || idle >= longest
            || began_in_recovery && !identity::is_in_recovery();
        let leave = |surplus| registration.exclusive(|r, me| r.try_leave(me, surplus));
        if (must && leave(None)?) || (surplus && idle >= SURPLUS && leave(Some(max_idle))?) {
            return Ok(Next::Leave);
        }
        if registration.registry.is_claimed(registration.worker) {
            // the launcher is about to say for what
            registry::wait(Event::Idle, None)?;
            continue;
        }
        if bgworker::serve_idle()? {
            baseline.note_reload()?;
            let settings = baseline.settings_hash();
            registration.exclusive(|r, me| r.show_settings(me, settings))?;
            continue;
        }
        if !rested && idle >= REST {
            // of sessions that may be gone
            if registration.exclusive(|r, me| r.forget_mappings(me))? {
                kept.clear();
            }
            rested = true;
        }
        let mut deadline = since + longest;
        if surplus {
            deadline = deadline.min((since + SURPLUS).max(now));
        }
        if !rested {
            deadline = deadline.min(since + REST);
        }
        if began_in_recovery {
            deadline = deadline.min(now + RECOVERY);
        }
        registry::wait(Event::Idle, Some(deadline))?;
    }
}

/// Leaves; a launcher that has claimed this worker meanwhile is told that it must find another.
pub fn decline(registration: Registration) -> Result<()> {
    while !registration.exclusive(|r, me| r.try_leave(me, None))? {
        if let Some((handle, pinned)) = registration.registry.offered(registration.worker) {
            if pinned {
                dsm::unpin(handle)?;
            }
            return registration.exclusive(|r, me| r.refuse(me));
        }
        // the launcher is about to say for what
        registry::wait(Event::Idle, None)?;
    }
    Ok(())
}
