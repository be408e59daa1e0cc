//! Waiting for what another process does in a moment: awake first, if that pays.

use super::area::{Registry, known};
use crate::pg::error::Result;
use crate::pg::latch::{self, Event};
use crate::pg::procs;
use crate::settings;
use logic::registry::claims::Claim;
use logic::spin::Spin;
use parking_lot::Mutex;
use std::time::Instant;

static SPIN: Mutex<Spin> = Mutex::new(Spin::new());

/// The machine's processor cores, as far as the server may use them: also a container's quota counts, for which files
/// are read. So who makes the registry looks, and tells the other processes ([`Tables::cores`]).
///
/// [`Tables::cores`]: logic::registry::tables::Tables::cores
pub(super) fn count_cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1))
}

/// Sleeps until the latch is set, or the deadline has passed; serves interrupts. See [`latch::wait`].
pub fn wait(event: Event, deadline: Option<Instant>) -> Result<()> {
    spin(deadline);
    latch::wait(event, deadline)
}

/// May this process wait awake? On one core, the process that is waited for could not run meanwhile.
fn may_spin(registry: &Registry) -> bool {
    !settings::spin().is_zero() && registry.cores() > 1
}

/// Wakes the worker of an earlier claim, which will be wanted in a moment: a core that sleeps takes longer to wake than
/// a launch takes to get there. A worker that sleeps in another session's job is left alone: the wake-up would cost two
/// switches of processes, and, while that job waits for a lock, a line in the log (`log_lock_waits`).
pub fn wake_early(claim: &Claim) {
    if let Some(registry) = known() {
        if procs::is_asleep(claim.proc)
            && may_spin(registry)
            && registry.is_between_jobs(claim.index, claim.pid)
            && procs::is_alive(claim.proc, claim.pid)
        {
            procs::wake(claim.proc);
        }
    }
}

/// Waits awake for a moment, where that pays. If the wait ends within it, the other process has no process to wake.
fn spin(deadline: Option<Instant>) {
    // without a registry each job is a new process, which takes milliseconds
    let Some(registry) = known() else {
        return;
    };
    // a latch that is set already teaches nothing
    if !latch::is_set() && may_spin(registry) && SPIN.lock().wants() {
        let outcome = latch::spin(settings::spin(), deadline);
        SPIN.lock().learn(outcome);
    }
}
