//! The registry's lock as types: who holds it may change the tables, and collects whom to wake when it is released.
//!
//! Nothing in `impl Locked` and `impl Shared` can fail, allocate or wait. Processes are woken after the release, so
//! that the first thing that they meet is not the lock. What must happen inside the lock goes through [`Server`]: a
//! signal to the worker of a job that is to stop, for the worker cannot turn to another job meanwhile, and forgetting a
//! job that is gone, for no launcher can claim the worker for another meanwhile.

use super::layout::ConditionVariable;
use super::tables::Tables;
use std::ops::Deref;

/// A process, by its pid and its number among the server's processes. Either alone may be another process's by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    pub pid: i32,
    pub proc: u32,
}

/// What the rules need of the server. Nothing of it can fail, allocate or wait.
pub trait Server {
    /// This process.
    fn me(&self) -> Process;
    /// Microseconds since 2000-01-01.
    fn now(&self) -> i64;
    fn is_alive(&self, process: Process) -> bool;
    /// Tells the worker with that pid that a job was asked to stop; it looks whether that is its own. Under the lock.
    fn interrupt(&self, pid: i32);
    /// Drops what this process was sent for the job that it was offered and that is gone. Under the lock.
    fn forget_coming_job(&self);
    /// Sets the latch of the process with that number.
    fn wake(&self, proc: u32);
    fn broadcast(&self, condition: &ConditionVariable);
}

/// The tables under the lock, held shared or exclusively: what can be read as a whole.
pub struct Shared<'a> {
    pub(super) tables: &'a Tables<'a>,
    pub(super) server: &'a dyn Server,
}

impl<'a> Shared<'a> {
    /// The caller holds the lock as long as this value lives.
    pub fn new(tables: &'a Tables<'a>, server: &'a dyn Server) -> Self {
        Self { tables, server }
    }
}

impl<'a> Deref for Shared<'a> {
    type Target = Tables<'a>;

    fn deref(&self) -> &Tables<'a> {
        self.tables
    }
}

/// The tables under the exclusive lock: the only way to change them.
pub struct Locked<'a> {
    shared: Shared<'a>,
    pub(super) wakes: Wakes,
}

impl<'a> Locked<'a> {
    /// The caller holds the lock exclusively as long as this value lives, and then delivers the wakes.
    pub fn new(tables: &'a Tables<'a>, server: &'a dyn Server) -> Self {
        Self { shared: Shared::new(tables, server), wakes: Wakes::default() }
    }

    /// To be delivered when the lock has been released.
    pub fn into_wakes(self) -> Wakes {
        self.wakes
    }

    /// Wakes the process when the lock is released. Without room for it: now, which is allowed (setting a latch is
    /// short and cannot fail).
    pub(super) fn wake(&mut self, proc: u32) {
        if !self.wakes.add(proc) {
            self.server.wake(proc);
        }
    }
}

impl<'a> Deref for Locked<'a> {
    type Target = Shared<'a>;

    fn deref(&self) -> &Shared<'a> {
        &self.shared
    }
}

/// Latches that one change sets; more than a few only when several launches can go on at once.
const PROCS: usize = 8;

/// Whom a change of the tables concerns.
#[derive(Default)]
#[must_use = "processes would sleep on"]
#[allow(clippy::struct_excessive_bools)] // each is a set of processes
pub struct Wakes {
    procs: [u32; PROCS],
    len: usize,
    /// Idle workers that are dismissed.
    pub(super) dismissed: bool,
    /// Sessions that wait for the end of the job that had this slot.
    pub(super) ended: Option<u32>,
    /// Sessions that wait for the end of any job.
    pub(super) all_ended: bool,
    /// Sessions that wait for the end of one of several jobs.
    pub(super) some_ended: bool,
    /// All launches that wait. Most often those that can go on now are enough: `Locked::wake_next`.
    pub(super) all_waiters: bool,
    /// Sessions that wait until a worker process is gone, or a job that starts at a commit is settled or has left its
    /// queue.
    pub(super) departed: bool,
}

impl Wakes {
    fn add(&mut self, proc: u32) -> bool {
        let Some(entry) = self.procs.get_mut(self.len) else {
            return false;
        };
        *entry = proc;
        self.len += 1;
        true
    }

    /// After the lock's release. Slots may belong to other jobs and workers by now: these are woken for nothing, and
    /// look.
    pub fn deliver(&self, tables: &Tables, server: &dyn Server) {
        for proc in &self.procs[..self.len] {
            server.wake(*proc);
        }
        if self.dismissed {
            tables.idle_and_dismissed().for_each(|proc| server.wake(proc));
        }
        if self.all_ended {
            tables.jobs.iter().for_each(|job| server.broadcast(&job.done));
        } else if let Some(job) = self.ended.and_then(|slot| tables.job(slot)) {
            server.broadcast(&job.done);
        }
        if self.some_ended {
            server.broadcast(&tables.head.some_ended);
        }
        if self.all_waiters {
            tables.waiting().for_each(|proc| server.wake(proc));
        }
        if self.departed {
            server.broadcast(&tables.head.departed);
        }
    }
}
