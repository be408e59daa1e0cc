//! What the sessions and workers of the whole server share: jobs, workers, the history of ended jobs, totals.
//!
//! It is in main shared memory when the library is preloaded, in a named segment since 17 when it is not, and otherwise
//! it is not there: a session then knows of its own jobs only, and each job gets a process of its own.
//!
//! The rules are in `logic::registry`, which runs without a server. Here is what a process does with them: it finds the
//! memory (`area`), takes the lock and wakes others (`lock`), waits (`waits`, `spin`), is registered as a worker
//! (`registration`), and asks whether jobs may be launched at all (`door`).
//!
//! # Locking
//!
//! One LWLock, "pg_background". The tables change in [`Registry::exclusive`] alone, which wakes whom the change
//! concerns after the release. Nothing that can throw, allocate or wait is called while the lock is held; no other lock
//! is taken under it.
//!
//! By field:
//!
//! | what | who changes it | under the lock |
//! |---|---|---|
//! | a job slot's cookie, launcher, texts, stop flag, worker pid, bit in `used` | launcher, worker, who cancels | yes (stop flag: shared) |
//! | its mark (`awaited`) | a session that waits for it among others; a launcher that fills the slot | yes (shared) |
//! | its state, times, statement, progress | its worker | no: atomics, progress by its sequence number |
//! | a worker slot's activity | the worker; a launcher, idle or resetting → claimed and back | yes |
//! | its claimed job (`handle`, written last) | the launcher that claimed it | yes |
//! | `pinned` | the launcher at the offer; the worker, when it has mapped the segment | yes; no |
//! | history | who ends a job | yes |
//! | totals | the worker at a start and an end, a launch that waits or is refused | yes |
//! | waiting launches | the launch itself | yes |
//! | shown waits | the session that waits; one that needs the entry of a process that is gone | yes |
//! | jobs that wait for their start after a commit | the commit adds; the dispatcher takes out (`pending`) | yes |
//! | which of them is in flight, and done | the dispatcher; its worker | yes |
//! | `door` | the postmaster; where it does not know the library, any process (`door`) | no |
//! | limits that all jobs have in common | the same | no, by the postmaster; yes |
//!
//! By operation (rules in `logic/registry`; exclusive unless said otherwise; "wakes" is after the release):
//!
//! - *Admit* a job (`admit`): fills a free slot, the cookie last, and claims a fitting worker. A launch that is refused
//!   reaps first; if that frees anything, those who wait for it are woken. If it may wait, it joins the queue in the
//!   same hold. One that has waited leaves the queue, and may have to wake others: see `admit`.
//! - *Claim* a worker (`admit`, `claim_for`): *idle* or *resetting* → *claimed*. No wake: the worker has nothing
//!   to do yet.
//! - *Offer* it the job (`offer`): of a sure claim the job's worker pid, in the hold that claimed; `pinned`, `sure`,
//!   and `handle` last. Wakes the worker.
//! - *Drop* the claim (`withdraw`): *claimed* → what it was. Wakes the worker.
//! - *Take* the job (`take_job`): the job's `taken` and worker pid, *claimed* → *busy*; *resetting* if the job is gone.
//!   No wake: the launcher hears from the segment or the queue.
//! - *See* whether the worker is on its way (`is_on_its_way`): shared.
//! - *Refuse* the job (`refuse`): the job has no worker, or is freed if abandoned; → *leaving*. Wakes the launcher; if
//!   the job is freed, also who waits for it or for a slot.
//! - *Stop* a job (`stop`): shared. The stop flag only grows. The worker gets a signal, under the lock.
//! - *Mark* a job as awaited among others (`mark_awaited`): shared. No wake; the process that ends the job sees the
//!   mark.
//! - *End* a job (`end_job`): slot → history and totals, *busy* → *resetting* or *leaving*. Wakes who waits for the
//!   job, alone or among others, or for a slot; the launcher hears from the queue.
//! - *Become idle* (`become_idle`): *resetting* → *idle*. *Leave* (`try_leave`): any but *claimed* → *leaving*. No
//!   wake.
//! - *Exit* as a worker (`close`, then `worker_exits`): a claim without an offer is dropped; a job that no launcher
//!   finds another worker for → history; → *free*. Wakes the launcher, who waits for the job, and launches that wait.
//! - *Exit* or *fail* as a launcher (`launcher_exits`, `give_up`): frees the job's slot, or abandons the job and asks
//!   it to stop. Wakes who waits for the job or for a slot, and a worker that was claimed.
//! - *Queue* jobs at a commit (`queue_pending`): wakes the dispatcher. The dispatcher sets one *in flight* with its
//!   admission; it is *settled* (`settle_in_flight`) by the take of a new process, by a warm worker's `accept_job`, or
//!   by the job's end, which wake the dispatcher and who waits for the job; or *released* (`release_in_flight`), by
//!   this dispatcher or the next, with the claim on a worker or the offer to it. A job that has never had a worker ends
//!   (`end_pending`) in the hold that takes it out of the queue.
//! - *Wait* in line (`join`, `quit`): an entry of the queue. `quit` wakes launches that can go on now. So does all
//!   above that wakes who waits for a slot (`wake_next`).
//! - *Tell* the limits of the configuration (`tell_limits`), where the postmaster does not: wakes launches that can go
//!   on.
//! - *Show* a wait for jobs that has lasted, or *hide* it (`show_wait`, `hide_wait`): its entry. No wake: others read
//!   it (`wait_of`, shared) when they look for a deadlock.
//! - *Dismiss* workers (`dismiss`, `dismiss_one`): their mark, and the generation if all are meant. Wakes those that
//!   are idle.
//! - *Look* (views, `find`): shared, for a row at a time; the views reap first. Single fields: no lock (`Tables`).
//!
//! # Processes that die
//!
//! A process that ends, by whatever error, runs its exit callback, which gives back what it holds. One that is killed
//! takes the whole server down, and shared memory is made anew. What a process could not give back is reaped by
//! launches that are refused and by the views: see `logic/registry/departed.rs`.

use crate::pg::error::Result;
use crate::pg::{connection, shmem};
use logic::registry::layout::Key;
use logic::segment::header::Identity;

mod area;
pub mod door;
mod ended_log;
mod lock;
mod pending;
mod registration;
mod rows;
mod saved;
mod spin;
mod waits;

pub use area::{Registry, get, known, request};
pub use ended_log::{log_end, logs_end};
pub use logic::registry::claims::{Claim, WorkerRequirements};
pub use logic::registry::history::EndedRow;
pub use logic::registry::jobs::{Admission, End, NewJob};
pub use logic::registry::pending::InFlight;
pub use logic::registry::queue::Queue;
pub use logic::registry::rows::{JobName, JobRow, TotalsRow, WorkerRow};
pub use logic::registry::tables::OfferedJob;
pub use logic::registry::totals::LaunchEvent;
pub use logic::registry::workers::{AfterJob, Call, IdleOutcome};
pub use pending::{PendingNode, ensure_dispatcher};
pub use registration::Registration;
pub use spin::{wait, wake_early};

/// What a warm worker must have in common with the launcher; `None` when no connection like its own could be made now.
/// Inside a transaction.
pub fn key(identity: &Identity, client_info: &[u8]) -> Result<Option<Key>> {
    let user = identity.authenticated_user;
    let client = shmem::hash(client_info);
    Ok(connection::versions(identity.database, user)?.map(|(user_version, database_version)| Key {
        database: identity.database,
        user,
        user_version,
        database_version,
        client,
    }))
}

/// Before DROP DATABASE and the like: dismisses the workers of `database` and waits up to a second for those that are
/// not busy. With 0 it dismisses none and only finds the registry, so that [`dismiss_at_commit`], during the commit,
/// cannot fail.
pub fn dismiss_before(database: u32) -> Result<()> {
    match get()? {
        Some(registry) if database != 0 => {
            registry.exclusive(|r| r.dismiss(database, 0))?;
            registry.wait_for_leavers(database)
        }
        _ => Ok(()),
    }
}

/// Dismisses the present workers of `database` and `role` (0: any): they take no further job. Called during a commit;
/// may neither fail nor wait.
pub fn dismiss_at_commit(database: u32, role: u32) -> Result<()> {
    known().map_or(Ok(()), |registry| registry.exclusive(|r| r.dismiss(database, role)))
}
