//! Facts of this process that its worker side needs of its launching side: a job can launch jobs.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Has this session launched a job?
static LAUNCHED: AtomicBool = AtomicBool::new(false);

/// Records that this session has launched a job. If the session is a worker's, the worker is retired after its present
/// job, so that the next launcher does not see the job as tracked.
pub fn note_launch() {
    LAUNCHED.store(true, Relaxed);
}

/// Has this session launched a job?
pub fn has_launched() -> bool {
    LAUNCHED.load(Relaxed)
}
