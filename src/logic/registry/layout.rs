//! The registry's memory, field by field.
//!
//! All fields are atomics, so a look without the lock is defined. Fields that belong together are written under the
//! registry's lock, by [`super::locked::Locked`] alone: they are visible in this crate only. What a worker alone writes
//! of its job, without the lock, has a setter here.
//!
//! Fresh memory is all zero. Any bytes are valid field values, but an *empty registry* needs `area::make`
//! (`src/registry/area.rs`), which links the free job slots, clears the progress and initializes the condition
//! variables. An entry of the history is in [`super::history`].

use crate::job::automatic::Automatic;
use crate::job::progress::Progress;
use crate::job::state::{State, Stop};
use crate::job::usage::SharedUsage;
use crate::registry::door::SharedLimits;
use crate::registry::pending::Pending;
use crate::registry::queue::Waiter;
use crate::registry::quota::MAX_WAITERS;
use crate::shared_text::{SharedText, WORD};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU32, AtomicU64};

pub const MAGIC: u64 = 0x7067_5f62_6772_6567;
/// Counts changes of this file's layout: a library that finds another number refuses the registry.
pub const LAYOUT: u32 = 11;

/// `pg_background.max_jobs` at most, and words of 64 bits for as many job slots.
pub const MAX_JOBS: u32 = 65_536;
pub const SLOT_WORDS: usize = MAX_JOBS as usize / 64;

/// Bytes of a job's text, label and error message.
pub const QUERY_SIZE: usize = 1024;
pub const LABEL_SIZE: usize = 64;
pub const MESSAGE_SIZE: usize = 512;
/// Entries of the totals; the last is for all that find no room.
pub const TOTALS: usize = 512;

/// Bytes of a library's name.
pub const LIBRARY_SIZE: usize = 64;
/// As many different things are said once in the log.
pub const SAID: usize = 16;

/// Room for one of the server's condition variables.
#[derive(Default)]
#[repr(C, align(8))]
pub struct ConditionVariable(pub [AtomicU64; 4]);

/// The one head of the registry.
#[repr(C)]
pub struct Head {
    pub(crate) magic: AtomicU64,
    pub(crate) layout: AtomicU32,
    pub(crate) jobs: AtomicU32,
    pub(crate) workers: AtomicU32,
    pub(crate) history: AtomicU32,
    /// Counts what makes workers that have begun before unfit for later jobs. Changed under the lock.
    pub(crate) generation: AtomicU32,
    /// Index + 1 of the first free job slot, 0 when none is. Under the lock.
    pub(crate) free_job: AtomicU32,
    /// Free job slots. Under the lock.
    pub(crate) free_jobs: AtomicU32,
    /// Workers that are idle. Under the lock.
    pub(crate) idle: AtomicU32,
    /// Launches that wait. Under the lock.
    pub(crate) waiting: AtomicU32,
    /// Waits for jobs that are shown. Under the lock.
    pub(crate) shown_waits: AtomicU32,
    /// Processor cores, as far as the server may use them. Before any other process knows of the registry.
    pub(crate) cores: AtomicU32,
    /// Under the lock.
    pub(crate) next_ticket: AtomicU64,
    /// Jobs that ended since the start: the next entry of the history is this modulo its size. Under the lock.
    pub(crate) ended: AtomicU64,
    pub(crate) reset_at: AtomicI64,
    /// Whether jobs may be launched, and as of when: [`Tables::tell_door`](super::tables::Tables::tell_door). Any
    /// process, the postmaster among them, without the lock.
    pub(crate) door: AtomicI64,
    /// The limits that all jobs have in common: the postmaster, without the lock; where it does not know this library,
    /// any process, under the lock.
    pub(crate) limits: SharedLimits,
    /// Hashes of what was said in the log, once for all processes.
    pub(crate) said: [AtomicU64; SAID],
    /// A worker process is gone, or a job that starts at a commit is settled or has left its queue: sessions wait here
    /// for that.
    pub(crate) departed: ConditionVariable,
    /// A job has ended that is marked (`JobSlot::awaited`): sessions wait here for the end of one of several jobs.
    pub(crate) some_ended: ConditionVariable,
    pub(crate) waiters: [Waiter; MAX_WAITERS],
    /// A bit for each job slot: is it in use? Under the lock.
    pub(crate) used: [AtomicU64; SLOT_WORDS],
    pub(crate) pending: Pending,
}

/// As many jobs of one wait are shown.
pub const SHOWN_JOBS: usize = 8;

/// A wait for jobs that has lasted so long that others may have to know of it. Under the lock.
#[derive(Default)]
#[repr(C)]
pub struct ShownWait {
    /// Tells it from all other waits; 0 in a free entry.
    pub(crate) number: AtomicU64,
    /// Who waits.
    pub(crate) pid: AtomicI32,
    pub(crate) proc: AtomicU32,
    /// 1 when the end of any of the jobs is enough.
    pub(crate) for_any: AtomicU32,
    /// The jobs' cookies; 0 is none.
    pub(crate) jobs: [AtomicI64; SHOWN_JOBS],
}

/// A job that has not ended.
#[derive(Default)]
#[repr(C)]
pub struct JobSlot {
    /// 0 in a free slot. The launcher, then the process that ends the job; under the lock.
    pub(crate) cookie: AtomicI64,
    /// Index + 1 of the next free slot.
    pub(crate) next_free: AtomicU32,
    /// What is asked of the worker (`Stop`), by any session that may. Under the lock, with the cookie compared.
    pub(crate) stop: AtomicU32,
    // Launcher, under the lock:
    pub(crate) launcher_pid: AtomicI32,
    pub(crate) launcher_proc: AtomicU32,
    pub(crate) database: AtomicU32,
    pub(crate) role: AtomicU32,
    pub(crate) launched_at: AtomicI64,
    pub(crate) label: SharedText<{ LABEL_SIZE / WORD }>,
    pub(crate) query: SharedText<{ QUERY_SIZE / WORD }>,
    // Worker:
    /// The worker's; 0 until it is certain which. Launcher, when a worker was promised; worker, when it takes the job.
    /// Under the lock.
    pub(crate) worker_pid: AtomicI32,
    pub(crate) state: AtomicU32,
    pub(crate) started_at: AtomicI64,
    pub(crate) row_count: AtomicI64,
    /// Bytes of results that were put into files.
    pub spooled: AtomicI64,
    /// Which statement of how many runs, from 1.
    pub(crate) statement: AtomicU32,
    pub(crate) statements: AtomicU32,
    /// The running statement's command tag, as the server numbers them; 0 is none.
    pub(crate) command: AtomicU32,
    /// Launcher: 1 when its launch has failed, but a worker has the job. Under the lock.
    pub(crate) abandoned: AtomicU32,
    /// 1 once a worker has taken the job. Under the lock.
    pub(crate) taken: AtomicU32,
    /// 1 once some session waits for the job among others. Such a session, under the lock held shared, with the cookie
    /// compared.
    pub(crate) awaited: AtomicU32,
    /// Launcher: 1 if the job was to start at a commit. Under the lock.
    pub(crate) at_commit: AtomicU32,
    /// Launcher: the session that asked for the job: itself, or, of a job that starts at a commit, another one. Under
    /// the lock.
    pub(crate) session_pid: AtomicI32,
    /// As the job reports it.
    pub progress: Progress,
    /// As the worker observes it.
    pub automatic: Automatic,
    /// Broadcast when the job has ended: sessions wait here for this job alone, which another session launched.
    pub(crate) done: ConditionVariable,
}

impl JobSlot {
    /// The launcher's number among the server's processes.
    pub fn launcher_proc(&self) -> u32 {
        self.launcher_proc.load(Relaxed)
    }

    /// What sessions other than the launcher ask of the job.
    pub fn stop(&self) -> Stop {
        Stop::from_u32(self.stop.load(SeqCst))
    }

    /// Where the worker's signal handlers read it.
    pub fn stop_flag(&self) -> &AtomicU32 {
        &self.stop
    }

    /// By the worker that has the job, as are the others: its first statement begins.
    pub fn start(&self, now: i64) {
        self.started_at.store(now, Relaxed);
        self.state.store(State::Running as u32, Relaxed);
    }

    /// Statement `n` of `of` begins, with that command tag.
    pub fn show_statement(&self, n: u32, of: u32, command: u32) {
        self.statement.store(n, Relaxed);
        self.statements.store(of, Relaxed);
        self.command.store(command, Relaxed);
    }

    /// Rows that the last statement returned or changed.
    pub fn show_rows(&self, rows: i64) {
        self.row_count.store(rows, Relaxed);
    }
}

/// What a worker process is doing.
///
/// ```text
/// free ─▶ busy ─▶ resetting ─▶ idle ─▶ claimed ─▶ busy
///                     └──────────────────▲   │      (a claimed one that refuses its job leaves)
///           any but a claimed one ─▶ leaving ─▶ free
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Activity {
    /// No worker has the slot.
    Free = 0,
    Busy = 1,
    /// Its job has ended; it makes its session as new. May be claimed.
    Resetting = 2,
    Idle = 3,
    /// A launcher has a job for it, in a moment or at once (`handle`).
    Claimed = 4,
    Leaving = 5,
}

impl Activity {
    /// An unknown number is a worker that is not to be claimed.
    pub fn from_u32(value: u32) -> Self {
        match value {
            0 => Self::Free,
            1 => Self::Busy,
            2 => Self::Resetting,
            3 => Self::Idle,
            4 => Self::Claimed,
            _ => Self::Leaving,
        }
    }
}

/// What makes a worker fit for a launcher's job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Key {
    pub database: u32,
    /// Whom the session was authenticated as.
    pub user: u32,
    /// The rows of `pg_authid` and `pg_database` that the connection was made with.
    pub user_version: u64,
    pub database_version: u64,
    /// A hash of SYSTEM_USER, which a process can be given once.
    pub client: u64,
}

/// As many segments stay mapped while their worker is idle: of as many sessions it may run jobs in turn.
pub const MAPPED: usize = 8;

/// A worker process. Fields belong to the worker, and change under the lock, unless they say otherwise.
#[derive(Default)]
#[repr(C)]
pub struct WorkerSlot {
    pub(crate) activity: AtomicU32,
    pub(crate) pid: AtomicI32,
    pub(crate) proc: AtomicU32,
    /// The registry's generation when it began.
    pub(crate) generation: AtomicU32,
    database: AtomicU32,
    user: AtomicU32,
    user_version: AtomicU64,
    database_version: AtomicU64,
    client: AtomicU64,
    /// A hash of the settings that its session has when it is idle; before that, of those that it will have, probably.
    pub(crate) settings: AtomicU64,
    pub(crate) jobs_run: AtomicI64,
    pub(crate) started_at: AtomicI64,
    /// 0 while it is not idle.
    pub(crate) idle_since: AtomicI64,
    /// The segments that it keeps mapped; 0 is none. (The server's handles are never 0.)
    pub(crate) mapped: [AtomicU32; MAPPED],
    /// Launcher: the claimed worker's job: its segment, 0 until it is ready.
    pub(crate) handle: AtomicU32,
    /// The slot of the job that it is claimed for or has; only as long as that job's cookie is `cookie`. A launcher at
    /// the claim, then the worker.
    pub(crate) job: AtomicU32,
    /// That job's; 0 is none.
    pub(crate) cookie: AtomicI64,
    /// Launcher: 1 when the segment is pinned for the way.
    pub(crate) pinned: AtomicU32,
    /// 1 when the worker is to run no further job, and to leave when it is idle. By any session that may.
    pub(crate) dismissed: AtomicU32,
    /// 1 when it will be idle in a moment, for sure, and with these settings.
    pub(crate) promised: AtomicU32,
    /// Launcher: 1 when it does not wait to hear whether the worker takes the job.
    pub(crate) sure: AtomicU32,
    /// The library for which it leaves after its job; empty without one.
    pub(crate) library: SharedText<{ LIBRARY_SIZE / WORD }>,
}

impl WorkerSlot {
    pub(crate) fn activity(&self) -> Activity {
        Activity::from_u32(self.activity.load(Acquire))
    }

    pub(crate) fn set_job(&self, slot: u32, cookie: i64) {
        self.job.store(slot, Relaxed);
        self.cookie.store(cookie, Relaxed);
    }

    pub(crate) fn has_mapped(&self, handle: u32) -> bool {
        self.mapped.iter().any(|mapped| mapped.load(Relaxed) == handle)
    }

    pub(crate) fn set_mapped(&self, handles: [u32; MAPPED]) {
        for (mapped, handle) in self.mapped.iter().zip(handles) {
            mapped.store(handle, Relaxed);
        }
    }

    pub(crate) fn set_activity(&self, activity: Activity) {
        self.activity.store(activity as u32, Release);
    }

    pub(crate) fn key(&self) -> Key {
        Key {
            database: self.database.load(Relaxed),
            user: self.user.load(Relaxed),
            user_version: self.user_version.load(Relaxed),
            database_version: self.database_version.load(Relaxed),
            client: self.client.load(Relaxed),
        }
    }

    pub(crate) fn set_key(&self, key: &Key) {
        self.database.store(key.database, Relaxed);
        self.user.store(key.user, Relaxed);
        self.user_version.store(key.user_version, Relaxed);
        self.database_version.store(key.database_version, Relaxed);
        self.client.store(key.client, Relaxed);
    }
}

/// Counters of the jobs of a role in a database. Under the lock.
#[derive(Default)]
#[repr(C)]
pub struct Totals {
    /// Database and role; 0 in a free entry, and in the last one.
    pub(crate) key: AtomicU64,
    pub(crate) launched: AtomicI64,
    pub(crate) completed: AtomicI64,
    pub(crate) failed: AtomicI64,
    pub(crate) canceled: AtomicI64,
    pub(crate) timed_out: AtomicI64,
    pub(crate) rejected: AtomicI64,
    pub(crate) queue_waits: AtomicI64,
    pub(crate) warm_starts: AtomicI64,
    pub(crate) cold_starts: AtomicI64,
    /// Microseconds.
    pub(crate) run_time: AtomicI64,
    /// Sums of what the jobs have used, but for the memory: the most of one.
    pub(crate) used: SharedUsage,
}

impl Totals {
    pub(crate) fn key(database: u32, role: u32) -> u64 {
        u64::from(database) << 32 | u64::from(role)
    }

    pub(crate) fn counters(&self) -> [&AtomicI64; 10] {
        [
            &self.launched,
            &self.completed,
            &self.failed,
            &self.canceled,
            &self.timed_out,
            &self.rejected,
            &self.queue_waits,
            &self.warm_starts,
            &self.cold_starts,
            &self.run_time,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_leaving() {
        for n in 0..6 {
            assert_eq!(Activity::from_u32(n) as u32, n);
        }
        assert_eq!(Activity::from_u32(99), Activity::Leaving);
    }
}
