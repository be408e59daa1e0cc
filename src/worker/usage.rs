//! What a job uses: the difference of what its process has used at the job's end and at its start.
//!
//! The start is where the job is shown as running, the end where its outcome is published: after its commit or
//! rollback, and before what the worker does for itself. So it is in warm workers, too, whatever their earlier jobs
//! have used. The most memory (`max_rss_kb`) is the process's: the kernel does not count it from a moment on.
//!
//! Blocks and WAL are read from variables. Processor time is the kernel's to tell, and to ask it twice is a sixth of a
//! short job ([`resources::used`]). So it is not asked where the clock tells as much:
//!
//! - At the start, if it was asked less than [`KNOWN`] ago, and the worker has not slept since: then all that has
//!   passed was processor time. Should another process have had the processor meanwhile, it had it for less than a
//!   time slice, and a long job is charged with so much too little.
//! - At the end, if the job was shorter than [`SHORT`], and has neither read a block nor written WAL, so that it has
//!   not waited for a disk: then all its time counts. What it may have waited, for a lock say, is less than that.

use crate::pg::{latch, resources};
use logic::job::usage::Usage;
use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// For so long the kernel's last answer serves. Time slices are longer.
const KNOWN: Duration = Duration::from_millis(1);
/// A job that is shorter is charged with its time. Longer than most jobs that find all they need in memory.
const SHORT: Duration = Duration::from_micros(50);

/// What this process had used at an instant.
#[derive(Clone, Copy)]
struct Measured {
    used: Usage,
    at: Instant,
    /// How often it had slept.
    sleeps: u32,
}

/// The kernel's last answer.
static LAST: Mutex<Option<Measured>> = Mutex::new(None);

/// Of one job. The lock is held for moments, and not while the server is called.
#[derive(Default)]
pub struct Meter(Mutex<Option<Measured>>);

impl Meter {
    /// The job begins.
    pub fn start(&self) {
        let last = *LAST.lock();
        *self.0.lock() = Some(last.and_then(Measured::until_now).unwrap_or_else(Measured::now));
    }

    /// The job ends: what it has used. Nothing is known of one that has not begun.
    pub fn end(&self) -> Usage {
        let Some(start) = *self.0.lock() else {
            return Usage::default();
        };
        let passed = start.at.elapsed();
        let by_clock = start.after(passed).used.since(&start.used);
        if passed < SHORT && by_clock.shared_blks_read == 0 && by_clock.wal_bytes == 0 {
            return by_clock;
        }
        Measured::now().used.since(&start.used)
    }
}

impl Measured {
    /// Asks the kernel.
    fn now() -> Self {
        let at = Instant::now();
        let now = Self { used: resources::used(), at, sleeps: latch::sleeps() };
        *LAST.lock() = Some(now);
        now
    }

    /// What the process has used by now, if the clock tells.
    fn until_now(self) -> Option<Self> {
        let passed = self.at.elapsed();
        (passed < KNOWN && latch::sleeps() == self.sleeps).then(|| self.after(passed))
    }

    /// After so much time, all of it processor time.
    fn after(self, passed: Duration) -> Self {
        let used = resources::with_own_counters(self.used.after(passed));
        Self { used, at: self.at + passed, ..self }
    }
}
