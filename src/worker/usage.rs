//! What a job uses: the difference of what its process has used at the job's end and at its start.
//!
//! The start is where the job is shown as running, the end where its outcome is published: after its commit or
//! rollback, and before what the worker does for itself. So it is in warm workers, too, whatever their earlier jobs
//! have used. The most memory (`max_rss_kb`) is the process's: the kernel does not count it from a moment on.

use crate::pg::resources;
use logic::job::usage::Usage;
use parking_lot::Mutex;

/// Of one job. The lock is held for moments, and not while the server is called.
#[derive(Default)]
pub struct Meter(Mutex<Option<Usage>>);

impl Meter {
    /// The job begins.
    pub fn start(&self) {
        *self.0.lock() = Some(resources::used());
    }

    /// What the job has used so far; nothing is known of a job that has not begun.
    pub fn used(&self) -> Usage {
        let start = *self.0.lock();
        start.map_or_else(Usage::default, |start| resources::used().since(&start))
    }
}
