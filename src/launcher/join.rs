//! Waiting for a job between two transactions.

use crate::errors;
use crate::launcher::job::Target;
use crate::pg::error::Result;
use crate::pg::procedure::Procedure;
use std::time::Instant;

/// Commits, waits until the job has ended, and goes on in a new transaction. An error when the deadline passes first.
/// For a procedure that was not called in an atomic context. Rights have been checked.
///
/// Suppose that the job is CREATE INDEX CONCURRENTLY, which waits for all snapshots that are older than its own. The
/// statement that calls the procedure has one, so it must be given back before the wait; so must the transaction's
/// locks. The wait is in a transaction all the same, for SPI knows no place outside of one, but in one that holds
/// nothing. A second commit ends this one: what comes next has the time of now, not of the wait's beginning.
pub fn join(job: &Target, pid: i32, deadline: Option<Instant>) -> Result<()> {
    let procedure = Procedure::connect()?;
    procedure.commit_to_wait()?;
    if !job.wait(deadline)? {
        return Err(errors::not_ended_in_time(pid));
    }
    procedure.commit()?;
    procedure.finish()
}
