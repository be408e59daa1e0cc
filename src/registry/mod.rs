//! What the sessions and workers of the whole server share: jobs, workers, the history of ended jobs, totals.
//!
//! It is in main shared memory when the library is preloaded, in a named segment since 17 when it is not, and otherwise it is
//! not there: a session then knows of its own jobs only, and each job gets a process of its own.
//!
//! # Locking
//!
//! One LWLock, "pg_background". Nothing that can throw, allocate or wait is called while it is held; no other lock is taken
//! under it.
//!
//! | what | who changes it | under the lock |
//! |---|---|---|
//! | a job slot's cookie, launcher, texts, stop flag, worker pid | launcher, worker, who cancels | yes |
//! | its state, times, statement, progress | its worker | no: atomics, progress by its sequence number |
//! | a worker slot's activity | the worker; a launcher, idle → claimed | yes |
//! | its claimed job (`handle`, written last) | the launcher that claimed it | yes |
//! | history | who ends a job | yes |
//! | totals | the worker at a start and an end, a launch that waits or is refused | yes |
//! | waiting launches | the launch itself | yes |
//!
//! Readers of the views take the lock shared and copy. Latches and condition variables are set after it has been released.
//!
//! # Processes that die
//!
//! A process that ends, by whatever error, runs its exit callback, which gives back what it holds. One that is killed takes
//! the whole server down, and shared memory is made anew. What a process could not give back because it died before it could
//! (a worker that could not be started for a launcher that is gone) is reaped by those who meet it: see `Registry::reap`.

use crate::pg::error::Result;

mod access;
mod area;
mod queue;
mod rows;
mod spin;

pub use access::{Admission, Claim, NewJob, Rest, Then, Wanted, key};
pub use area::{Registry, get, known, request};
pub use rows::{EndedRow, JobRow, TotalsRow, WorkerRow};
pub use spin::{rouse, wait};

/// Idle workers of the database leave, and busy ones after their job. For a command that they would be in the way of. Of
/// none, with 0: only finds the registry for [`renew`], where nothing may fail any more.
pub fn empty(database: u32) -> Result<()> {
    match get()? {
        Some(registry) if database != 0 => registry.dismiss_from(database),
        _ => Ok(()),
    }
}

/// No worker in the database and of the role (0: of any) that has begun before runs another job. In the midst of a commit.
pub fn renew(database: u32, role: u32) -> Result<()> {
    known().map_or(Ok(()), |registry| registry.dismiss(database, role))
}
