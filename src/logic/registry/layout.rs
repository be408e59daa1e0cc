//! What the sessions and workers of the whole server know of each other: the contents of the registry.
//!
//! Everything is atomics, so that a reader never needs more than a look; what belongs together is written under the registry's
//! lock (see `registry`). All-zero memory holds valid values, but no registry yet: `registry::attach` has still to link the free
//! slots and to make the condition variables.

use crate::job::progress::Progress;
use crate::job::state::State;
use crate::registry::quota::{MAX_WAITERS, Request};
use crate::shared_text::SharedText;
use crate::sqlstate;
use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed};

pub const MAGIC: u64 = 0x7067_5f62_6772_6567;
/// Counts changes of this file's layout: a library that finds another number refuses the registry.
pub const LAYOUT: u32 = 2;

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
#[repr(C, align(8))]
pub struct ConditionVariable(pub [AtomicU64; 4]);

/// The one head of the registry.
#[repr(C)]
pub struct Head {
    pub magic: AtomicU64,
    pub layout: AtomicU32,
    pub jobs: AtomicU32,
    pub workers: AtomicU32,
    pub history: AtomicU32,
    /// Counts what makes workers that have begun before unfit for later jobs. Changed under the lock.
    pub generation: AtomicU32,
    /// Index + 1 of the first free job slot, 0 when none is. Under the lock.
    pub free_job: AtomicU32,
    /// Free job slots. Under the lock.
    pub free_jobs: AtomicU32,
    /// Workers that are idle. Under the lock.
    pub idle: AtomicU32,
    /// Processes that wait awake for an answer.
    pub spinning: AtomicU32,
    /// Launches that wait. Under the lock.
    pub waiting: AtomicU32,
    /// Under the lock.
    pub next_ticket: AtomicU64,
    /// Jobs that ended since the start: the next entry of the history is this modulo its size. Under the lock.
    pub ended: AtomicU64,
    pub reset_at: AtomicI64,
    /// Hashes of what was said in the log, once for all processes.
    pub said: [AtomicU64; SAID],
    /// Something was freed that a launch may wait for.
    pub freed: ConditionVariable,
    pub waiters: [Waiter; MAX_WAITERS],
}

/// A launch that waits to be let in. Under the lock.
#[repr(C)]
pub struct Waiter {
    /// Its place in the queue; 0 in a free entry.
    pub ticket: AtomicU64,
    pub pid: AtomicI32,
    pub proc: AtomicU32,
    /// 1: it has a job slot and waits for a process to run the job.
    pub wants_process: AtomicU32,
    pub database: AtomicU32,
    pub role: AtomicU32,
    pub per_role: AtomicU32,
}

/// A job that has not ended.
#[repr(C)]
pub struct JobSlot {
    /// 0 in a free slot. Launcher, then whoever ends the job; under the lock.
    pub cookie: AtomicI64,
    /// Index + 1 of the next free slot.
    pub next_free: AtomicU32,
    /// Anybody who may: what is asked of the worker (`Stop`). Under the lock, with the cookie compared.
    pub stop: AtomicU32,
    // Launcher, under the lock:
    pub launcher_pid: AtomicI32,
    pub launcher_proc: AtomicU32,
    pub database: AtomicU32,
    pub role: AtomicU32,
    pub launched_at: AtomicI64,
    pub label: SharedText<LABEL_SIZE>,
    pub query: SharedText<QUERY_SIZE>,
    // Worker:
    /// The worker's; 0 until it is certain which. Launcher, when a worker was promised; worker, when it takes the job. Under the
    /// lock.
    pub worker_pid: AtomicI32,
    pub state: AtomicU32,
    pub started_at: AtomicI64,
    pub row_count: AtomicI64,
    /// Which statement of how many runs, from 1.
    pub statement: AtomicU32,
    pub statements: AtomicU32,
    /// The running statement's command tag, as the server numbers them; 0 is none.
    pub command: AtomicU32,
    /// Launcher: 1 when its launch has failed, but a worker has the job. Under the lock.
    pub abandoned: AtomicU32,
    /// 1 once a worker has taken the job. Under the lock.
    pub taken: AtomicU32,
    reserved: AtomicU32,
    pub progress: Progress,
    /// The slot is free again: those who wait for a job of another session.
    pub done: ConditionVariable,
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
    /// An unknown number is a worker that nobody should talk to.
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
#[repr(C)]
pub struct WorkerSlot {
    pub activity: AtomicU32,
    pub pid: AtomicI32,
    pub proc: AtomicU32,
    /// The registry's generation when it began.
    pub generation: AtomicU32,
    database: AtomicU32,
    user: AtomicU32,
    user_version: AtomicU64,
    database_version: AtomicU64,
    client: AtomicU64,
    /// A hash of the settings that its session has when it is idle; before that, of those that it will have, probably.
    pub settings: AtomicU64,
    pub jobs_run: AtomicI64,
    pub started_at: AtomicI64,
    /// 0 while it is not idle.
    pub idle_since: AtomicI64,
    /// The segments that it keeps mapped; 0 is none. (The server's handles are never 0.)
    pub mapped: [AtomicU32; MAPPED],
    /// Launcher: the claimed worker's job: its segment, 0 until it is ready.
    pub handle: AtomicU32,
    /// The slot of the job that it is claimed for or has; only as long as that job's cookie is `cookie`. A launcher at the claim,
    /// then the worker.
    pub job: AtomicU32,
    /// That job's; 0 is none.
    pub cookie: AtomicI64,
    /// Launcher: 1 when the segment is pinned for the way.
    pub pinned: AtomicU32,
    /// Anybody: 1 when an idle worker is asked to leave.
    pub dismissed: AtomicU32,
    /// 1 when it will be idle in a moment, for sure, and with these settings.
    pub promised: AtomicU32,
    /// Launcher: 1 when it does not wait to hear whether the worker takes the job.
    pub sure: AtomicU32,
    /// The library for which it leaves after its job; empty without one.
    pub library: SharedText<LIBRARY_SIZE>,
}

impl WorkerSlot {
    pub fn activity(&self) -> Activity {
        Activity::from_u32(self.activity.load(std::sync::atomic::Ordering::Acquire))
    }

    pub fn set_job(&self, slot: u32, cookie: i64) {
        self.job.store(slot, Relaxed);
        self.cookie.store(cookie, Relaxed);
    }

    pub fn has_mapped(&self, handle: u32) -> bool {
        self.mapped.iter().any(|mapped| mapped.load(Relaxed) == handle)
    }

    pub fn set_mapped(&self, handles: [u32; MAPPED]) {
        for (mapped, handle) in self.mapped.iter().zip(handles) {
            mapped.store(handle, Relaxed);
        }
    }

    pub fn set_activity(&self, activity: Activity) {
        self.activity.store(activity as u32, std::sync::atomic::Ordering::Release);
    }

    pub fn key(&self) -> Key {
        Key {
            database: self.database.load(Relaxed),
            user: self.user.load(Relaxed),
            user_version: self.user_version.load(Relaxed),
            database_version: self.database_version.load(Relaxed),
            client: self.client.load(Relaxed),
        }
    }

    pub fn set_key(&self, key: &Key) {
        self.database.store(key.database, Relaxed);
        self.user.store(key.user, Relaxed);
        self.user_version.store(key.user_version, Relaxed);
        self.database_version.store(key.database_version, Relaxed);
        self.client.store(key.client, Relaxed);
    }
}

/// A job that has ended: an entry of the history. Under the lock.
#[repr(C)]
pub struct Ended {
    /// 0 in an entry that was never used.
    pub cookie: AtomicI64,
    pub worker_pid: AtomicI32,
    pub launcher_pid: AtomicI32,
    pub database: AtomicU32,
    pub role: AtomicU32,
    pub state: AtomicU32,
    /// As the server packs it; 0 without an error.
    pub sqlstate: AtomicI32,
    pub launched_at: AtomicI64,
    pub started_at: AtomicI64,
    pub finished_at: AtomicI64,
    pub row_count: AtomicI64,
    pub label: SharedText<LABEL_SIZE>,
    pub message: SharedText<MESSAGE_SIZE>,
    pub query: SharedText<QUERY_SIZE>,
}

/// Counters of the jobs of a role in a database. Under the lock.
#[repr(C)]
pub struct Totals {
    /// Database and role; 0 in a free entry, and in the last one.
    pub key: AtomicU64,
    pub launched: AtomicI64,
    pub completed: AtomicI64,
    pub failed: AtomicI64,
    pub canceled: AtomicI64,
    pub timed_out: AtomicI64,
    pub rejected: AtomicI64,
    pub queue_waits: AtomicI64,
    pub warm_starts: AtomicI64,
    pub cold_starts: AtomicI64,
    /// Microseconds.
    pub run_time: AtomicI64,
}

impl Totals {
    pub fn key(database: u32, role: u32) -> u64 {
        u64::from(database) << 32 | u64::from(role)
    }

    pub fn counters(&self) -> [&AtomicI64; 10] {
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

/// The entry for that database and role, made when there is none; the last one when there is no room.
pub fn totals_of(table: &[Totals], database: u32, role: u32) -> Option<&Totals> {
    let key = Totals::key(database, role);
    let (last, entries) = table.split_last()?;
    let start = usize::try_from(key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40).unwrap_or(0);
    for i in 0..entries.len() {
        let entry = &entries[(start + i) % entries.len()];
        match entry.key.compare_exchange(0, key, Relaxed, Relaxed) {
            Ok(_) => return Some(entry),
            Err(found) if found == key => return Some(entry),
            Err(_) => {}
        }
    }
    Some(last)
}

/// How a job ended, for the history and the totals.
pub struct End<'a> {
    pub state: State,
    pub sqlstate: i32,
    pub message: &'a [u8],
    pub started_at: i64,
    pub finished_at: i64,
    /// It ran out of its own time.
    pub timed_out: bool,
}

impl End<'static> {
    /// Of a job whose worker is gone without a word.
    pub fn lost_worker(now: i64) -> Self {
        Self {
            state: State::Error,
            sqlstate: sqlstate::CONNECTION_FAILURE,
            message: b"lost connection to worker process",
            started_at: 0,
            finished_at: now,
            timed_out: false,
        }
    }
}

impl Waiter {
    pub fn request(&self, total: u32, per_database: u32) -> Request {
        Request {
            database: self.database.load(Relaxed),
            role: self.role.load(Relaxed),
            limits: crate::registry::quota::Limits { total, per_database, per_role: self.per_role.load(Relaxed) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_found_again_and_overflow_into_the_last() {
        // SAFETY-free way to zeroed entries
        let entry = || Totals {
            key: AtomicU64::new(0),
            launched: AtomicI64::new(0),
            completed: AtomicI64::new(0),
            failed: AtomicI64::new(0),
            canceled: AtomicI64::new(0),
            timed_out: AtomicI64::new(0),
            rejected: AtomicI64::new(0),
            queue_waits: AtomicI64::new(0),
            warm_starts: AtomicI64::new(0),
            cold_starts: AtomicI64::new(0),
            run_time: AtomicI64::new(0),
        };
        let table: Vec<Totals> = (0..4).map(|_| entry()).collect();
        for role in [10, 11, 12, 13, 14] {
            totals_of(&table, 1, role).unwrap().launched.fetch_add(1, Relaxed);
        }
        totals_of(&table, 1, 11).unwrap().launched.fetch_add(1, Relaxed);
        let mut launched: Vec<_> =
            table.iter().map(|t| (t.key.load(Relaxed) as u32, t.launched.load(Relaxed))).collect();
        launched.sort_unstable();
        assert_eq!(launched, [(0, 2), (10, 1), (11, 2), (12, 1)]);
        assert!(totals_of(&[], 1, 1).is_none());
    }

    #[test]
    fn strangers_are_leaving() {
        for n in 0..6 {
            assert_eq!(Activity::from_u32(n) as u32, n);
        }
        assert_eq!(Activity::from_u32(99), Activity::Leaving);
    }
}
