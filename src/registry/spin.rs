//! Waiting for what another process does in a moment: awake first, if that pays.

use super::area::{Registry, known};
use crate::pg::error::Result;
use crate::pg::latch::{self, Event};
use crate::pg::procs;
use crate::settings;
use logic::spin::{self, Spin};
use parking_lot::Mutex;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

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
    spin();
    latch::wait(event, deadline)
}

/// How long a worker that waits awake may take to see the job that it was offered.
const TO_NOTICE: Duration = Duration::from_micros(3);

/// Is there a core for waiting awake, which no job needs?
fn may_spin(registry: &Registry) -> bool {
    !settings::spin().is_zero() && has_room(registry)
}

fn has_room(registry: &Registry) -> bool {
    spin::has_room(registry.cores(), registry.running(), registry.spinning().load(Relaxed))
}

/// Wakes a worker that will be wanted in a moment: a core that sleeps takes longer to wake than a launch takes to get
/// there.
pub fn wake_early(proc: u32, pid: i32) {
    if let Some(registry) = known() {
        if procs::is_asleep(proc) && may_spin(registry) && procs::is_alive(proc, pid) {
            procs::wake(proc);
        }
    }
}

/// Waits awake for a moment, where that pays. If the wait ends within it, the other process has no process to wake.
fn spin() {
    // without a registry each job is a new process, which takes milliseconds
    let Some(registry) = known() else {
        return;
    };
    // a latch that is set already teaches nothing
    if latch::is_set() || settings::spin().is_zero() || !finds_room(registry) || !SPIN.lock().wants() {
        return;
    }
    registry.spinning().fetch_add(1, Relaxed);
    let paid = latch::spin(settings::spin());
    registry.spinning().fetch_sub(1, Relaxed);
    SPIN.lock().learn(paid);
}

/// Is there room, or will there be in a moment?
///
/// Suppose that a session has just offered a job to a worker that waits awake, and now waits for it. Until the worker
/// has seen the offer it counts twice, as one that waits and as one that works: on two cores there seems to be no room,
/// and the session would sleep, to be woken after a job that takes less time than the waking. Where no process waits
/// awake nothing counts twice, and nothing is waited for.
fn finds_room(registry: &Registry) -> bool {
    if has_room(registry) {
        return true;
    }
    if registry.cores() == 1 || registry.spinning().load(Relaxed) == 0 {
        return false;
    }
    let begun = Instant::now();
    while begun.elapsed() < TO_NOTICE && !latch::is_set() {
        std::hint::spin_loop();
        if has_room(registry) {
            return true;
        }
    }
    false
}
