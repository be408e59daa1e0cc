//! Waiting for what another process does in a moment: awake first, if that pays.

use super::attach::known;
use crate::model::spin::{self, Spin};
use crate::pg::error::Result;
use crate::pg::latch::{self, Event};
use crate::settings;
use parking_lot::Mutex;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

static SPIN: Mutex<Spin> = Mutex::new(Spin::new());

/// The machine's, as far as this process may use them.
fn cores() -> u32 {
    static CORES: OnceLock<u32> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1)))
}

/// Sleeps until the latch is set, or the deadline has passed; serves interrupts. See [`latch::wait`].
pub fn wait(event: Event, deadline: Option<Instant>) -> Result<()> {
    spin();
    latch::wait(event, deadline)
}

/// A wait that ends in a few microseconds ends before anybody must be woken.
fn spin() {
    let longest = settings::spin();
    // without a registry each job is a new process, which takes milliseconds
    let Some(registry) = known() else {
        return;
    };
    let room = || spin::has_room(cores(), registry.running(), registry.head.spinning.load(Relaxed));
    if longest.is_zero() || !room() || !SPIN.lock().wants() {
        return;
    }
    registry.head.spinning.fetch_add(1, Relaxed);
    let paid = latch::spin(longest);
    registry.head.spinning.fetch_sub(1, Relaxed);
    SPIN.lock().learn(paid);
}
