//! Pids that no other job may get while a query runs.
//!
//! Suppose that a query launches jobs and reads each by its pid alone, and that the planner puts a Memoize node
//! between the two. The first job is read and its worker becomes idle. If the second launch got that worker, its pid
//! would be the same, and Memoize would answer with the rows of the first job. So a job that is launched and given up
//! in one execution of a query uses its pid up: no later job of this execution gets it.

use super::Job;
use crate::pg::error::Result;
use crate::pg::memory::Execution;
use parking_lot::Mutex;

static USED: Mutex<Vec<(Execution, i32)>> = Mutex::new(Vec::new());

/// The pids that the execution has used up.
pub fn pids_of(execution: Option<Execution>) -> Vec<i32> {
    let Some(execution) = execution else {
        return Vec::new();
    };
    USED.lock().iter().filter(|(by, _)| *by == execution).map(|(_, pid)| *pid).collect()
}

/// Records that `execution` is about to give the job up. The pid is used up if the job was launched in the same
/// execution.
pub fn note_release(execution: Execution, job: &Job) -> Result<()> {
    if job.execution != Some(execution) {
        return Ok(());
    }
    let is_first = {
        let mut used = USED.lock();
        let is_first = !used.iter().any(|(by, _)| *by == execution);
        used.push((execution, job.pid));
        is_first
    };
    if is_first { execution.at_end(forget) } else { Ok(()) }
}

/// Called when the execution's memory is freed. Suppose that memory ran out while this session held the lock: the
/// session ends, and its open portals are freed on the way. Then the lock is not waited for, and the list ends with the
/// process.
fn forget(execution: Execution) {
    if let Some(mut used) = USED.try_lock() {
        used.retain(|(by, _)| *by != execution);
    }
}
