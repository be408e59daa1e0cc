//! Pids that must not come back while a query runs.
//!
//! A query that launches jobs and reads each by its pid alone may have a Memoize node between the two, which would answer
//! for the second job of a worker with the rows of the first. So a job that is launched and given up in the same execution of
//! a query spends its pid: no other job of that execution gets it.

use crate::pg::error::Result;
use crate::pg::memory::Execution;
use parking_lot::Mutex;

static SPENT: Mutex<Vec<(Execution, i32)>> = Mutex::new(Vec::new());

/// Those that the execution has used_pids.
pub fn pids(execution: Option<Execution>) -> Vec<i32> {
    let Some(execution) = execution else {
        return Vec::new();
    };
    SPENT.lock().iter().filter(|(by, _)| *by == execution).map(|(_, pid)| *pid).collect()
}

/// The job with that pid was launched and is given up in this execution.
pub fn add(execution: Execution, pid: i32) -> Result<()> {
    let is_first = {
        let mut used_pids = SPENT.lock();
        let is_first = !used_pids.iter().any(|(by, _)| *by == execution);
        used_pids.push((execution, pid));
        is_first
    };
    if is_first { execution.at_end(forget) } else { Ok(()) }
}

fn forget(execution: Execution) {
    SPENT.lock().retain(|(by, _)| *by != execution);
}
