//! What a job uses: the difference of what its process has used at the job's end and at its start.
//!
//! The start is where the job is shown as running, the end where its outcome is published: after its commit or
//! rollback, and before what the worker does for itself. So it is in warm workers, too, whatever their earlier jobs
//! have used. The most memory (`max_rss_kb`) is the process's: the kernel does not count it from a moment on.
//!
//! Blocks and WAL are read from variables. Processor time and memory are the kernel's to tell, which is asked where the
//! clock does not tell as much: see [`logic::job::clocked`].

use crate::pg::{latch, resources};
use logic::job::clocked::Asked;
use logic::job::usage::Usage;
use parking_lot::Mutex;
use std::time::Instant;

/// The kernel's last answer.
static LAST: Mutex<Option<Asked>> = Mutex::new(None);

/// Of one job: its start. The lock is held for moments, and not while the server is called.
#[derive(Default)]
pub struct Meter(Mutex<Option<Asked>>);

impl Meter {
    /// The job begins.
    pub fn start(&self) {
        let last = *LAST.lock();
        let known = last.and_then(|last| last.until(Instant::now(), latch::pauses(), &resources::counters()));
        *self.0.lock() = Some(known.unwrap_or_else(ask));
    }

    /// The job ends: what it has used. Nothing is known of one that has not begun.
    pub fn end(&self) -> Usage {
        let start = *self.0.lock();
        start.map_or_else(Usage::default, |start| {
            let by_clock = start.end(Instant::now(), &resources::counters());
            by_clock.unwrap_or_else(|| ask().used.since(&start.used))
        })
    }
}

/// Asks the kernel.
fn ask() -> Asked {
    let (at, pauses) = (Instant::now(), latch::pauses());
    let asked = Asked { used: resources::used(), at, pauses };
    *LAST.lock() = Some(asked);
    asked
}
