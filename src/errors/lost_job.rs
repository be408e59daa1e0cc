//! The errors of jobs whose worker process ended without an outcome: the outcomes that they get then.

use crate::pg::error::level;
use logic::sqlstate;
use logic::wire::report::{Field, Report};

#[cold]
pub fn lost_worker(pid: i32) -> Report {
    let message = format!("lost connection to worker process with PID {pid}");
    Report::new(level::ERROR, sqlstate::CONNECTION_FAILURE, message)
}

/// The worker had no memory to keep the error that ended it.
#[cold]
pub fn no_memory_for_error() -> Report {
    let mut report = Report::new(level::ERROR, sqlstate::OUT_OF_MEMORY, "out of memory");
    report.set(Field::Detail, "The background worker had no memory to keep the error that ended it.");
    report
}
