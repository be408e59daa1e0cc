//! Deadlocks of a launcher with its job.

use crate::pg::error::{PgError, level};
use logic::sqlstate;
use logic::wire::report::{Field, Report};

/// What a wait was for that would never have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadlockedWait {
    /// A job whose handle the caller has.
    Job,
    /// The same, and somebody waits for the end of a transaction that may have an old snapshot.
    JobAfterSnapshots,
    /// A job that is stopped when its call fails.
    Synchronous,
    /// The start of a job.
    Launch,
    /// Jobs that wait for each other, without any lock.
    OfJobsAlone,
}

/// `detail`: the processes, what each waits for, and their statements.
#[cold]
pub fn deadlock(wait: DeadlockedWait, detail: Vec<u8>) -> PgError {
    let (doing, hint) = match wait {
        DeadlockedWait::Job => (
            "waiting for a background job",
            "The job has not been stopped: it goes on when the lock is released. End this transaction, or release the lock, before waiting for the job.",
        ),
        DeadlockedWait::JobAfterSnapshots => (
            "waiting for a background job",
            "The job has not been stopped: it goes on when the snapshot that it waits for is gone. End this transaction, or wait with CALL pg_background_join(), which holds none.",
        ),
        DeadlockedWait::Synchronous => (
            "waiting for a background job",
            "The job has been canceled. End the transaction that holds the lock before the call, or let the job do what needs the lock.",
        ),
        DeadlockedWait::Launch => (
            "launching a background job",
            "The job has not been launched. End the transaction that holds the lock before the launch.",
        ),
        DeadlockedWait::OfJobsAlone => (
            "waiting for a background job",
            "The job has not been stopped. A job cannot wait for itself, nor for a job that waits for it.",
        ),
    };
    let mut report = Report::new(level::ERROR, sqlstate::DEADLOCK_DETECTED, format!("deadlock detected while {doing}"));
    report.set(Field::Detail, detail);
    report.set(Field::Hint, hint);
    PgError::of(report)
}
