//! The errors of jobs that start at a commit.

use crate::pg::error::PgError;
use logic::sqlstate;

/// A job is to start at the commit, and there is no registry.
#[cold]
pub fn at_commit_without_registry() -> PgError {
    PgError::new(sqlstate::FEATURE_NOT_SUPPORTED, "starting a job at the commit requires the registry of jobs")
        .hint("Add pg_background to shared_preload_libraries and restart the server.")
}

#[cold]
pub fn prepare_with_jobs() -> PgError {
    PgError::new(
        sqlstate::FEATURE_NOT_SUPPORTED,
        "cannot PREPARE a transaction that has background jobs to start at its commit",
    )
}

/// A wait for, or a read of, a job that cannot start before the present transaction has ended.
#[cold]
pub fn not_committed() -> PgError {
    PgError::new(sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE, "background job has not started yet")
        .detail("It starts when the current transaction commits.")
}
