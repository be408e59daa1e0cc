//! Facts of this process that one part of it learns, and another needs: the launching side for the worker's (a job can
//! launch jobs), the job for its worker.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Has this session launched a job, or counted one?
static LAUNCHED: AtomicBool = AtomicBool::new(false);

/// Has a job of this process read the configuration files?
static RELOADED: AtomicBool = AtomicBool::new(false);

/// Does this process run a job?
static IN_JOB: AtomicBool = AtomicBool::new(false);

/// Records that this session has launched a job, or has counted what becomes of its jobs. If the session is a
/// worker's, the worker is retired after its present job, so that the next launcher does not see the job as tracked,
/// or the count.
pub fn note_launch() {
    LAUNCHED.store(true, Relaxed);
}

/// Has this session launched a job, or counted one?
pub fn has_launched() -> bool {
    LAUNCHED.load(Relaxed)
}

/// Records that the configuration was read again in the middle of a job. The worker is retired after the job: what the
/// files have changed, and what the job, can no longer be told apart.
pub fn note_reload_in_job() {
    RELOADED.store(true, Relaxed);
}

/// Was the configuration read again in the middle of a job?
pub fn has_reloaded_in_job() -> bool {
    RELOADED.load(Relaxed)
}

/// Records that a job of a worker begins or ends here.
pub fn set_in_job(is_in_job: bool) {
    IN_JOB.store(is_in_job, Relaxed);
}

/// What runs until the value is dropped counts as a job's: SQL that runs in its launcher's transaction.
pub struct AsJob {
    before: bool,
}

impl AsJob {
    pub fn begin() -> Self {
        Self { before: IN_JOB.swap(true, Relaxed) }
    }
}

impl Drop for AsJob {
    fn drop(&mut self) {
        set_in_job(self.before);
    }
}

/// Does this process run a job? A load.
pub fn is_in_job() -> bool {
    IN_JOB.load(Relaxed)
}
