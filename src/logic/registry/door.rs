//! The door: whether jobs may be launched, and how many may run at a time, as all processes see it.
//!
//! `pg_background.enabled` and the limits that are set in the configuration alone are read by each process at a time of
//! its own. What counts, for all, is what was read last. Suppose that a limit is raised while launches wait, and that
//! each were judged by what its own session has read: launches that come later would overtake those that wait.
//!
//! So the door is a time and a state in one word, which only a later time replaces; the limits have a time beside them,
//! under the lock. Where one process alone writes them, no times are compared: a clock that is set back does no harm.

use super::locked::Locked;
use super::quota::Limits;
use super::tables::Tables;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicI64, AtomicU32};

/// The limits that the configuration sets for all jobs alike; 0 is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommonLimits {
    pub total: u32,
    pub per_database: u32,
}

impl CommonLimits {
    /// Those of a launch whose role may run so many jobs.
    pub fn with(self, per_role: u32) -> Limits {
        Limits { total: self.total, per_database: self.per_database, per_role }
    }
}

/// What the registry's head has of them.
#[derive(Default)]
#[repr(C)]
pub struct SharedLimits {
    pub(crate) total: AtomicU32,
    pub(crate) per_database: AtomicU32,
    /// When they were read from the configuration. Under the lock.
    pub(crate) read_at: AtomicI64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Jobs may be launched.
    Open,
    /// Each launch is refused, also one that waits.
    Closed,
}

fn word(door: Door, at: i64) -> i64 {
    at.max(0) << 1 | i64::from(door == Door::Closed)
}

impl Tables<'_> {
    /// Sets the door: for the one process that writes it, or before any other knows of the registry. Needs no lock, so
    /// the postmaster may call it.
    pub fn set_door(&self, door: Door, at: i64) {
        self.head.door.store(word(door, at), SeqCst);
    }

    /// Tells what the configuration says, as it was read at that time (microseconds since 2000-01-01). True if the door
    /// is closed by this: launches that wait are to be woken. Needs no lock.
    pub fn tell_door(&self, door: Door, at: i64) -> bool {
        let word = word(door, at);
        let before = self.head.door.fetch_max(word, SeqCst);
        before < word && before & 1 == 0 && door == Door::Closed
    }

    pub fn door(&self) -> Door {
        if self.head.door.load(SeqCst) & 1 == 0 { Door::Open } else { Door::Closed }
    }

    /// Sets one of the limits, as [`Self::set_door`] does the door. Launches that wait and may go on by it are not
    /// woken.
    pub fn set_max_total(&self, limit: u32) {
        self.head.limits.total.store(limit, SeqCst);
    }

    pub fn set_max_per_database(&self, limit: u32) {
        self.head.limits.per_database.store(limit, SeqCst);
    }

    /// Sets both, as they were read at that time: under the lock, or before any other process knows of the registry.
    pub fn set_limits(&self, limits: CommonLimits, at: i64) {
        self.head.limits.read_at.store(at, Relaxed);
        self.set_max_total(limits.total);
        self.set_max_per_database(limits.per_database);
    }

    pub fn common_limits(&self) -> CommonLimits {
        let limits = &self.head.limits;
        CommonLimits { total: limits.total.load(SeqCst), per_database: limits.per_database.load(SeqCst) }
    }

    /// Were the limits read before that time?
    pub fn has_older_limits(&self, at: i64) -> bool {
        self.head.limits.read_at.load(Relaxed) < at
    }
}

impl Locked<'_> {
    /// Launches that wait look again.
    pub fn wake_launches(&mut self) {
        self.wakes.all_waiters = true;
        self.wake_dispatcher();
    }

    /// Tells the limits that the configuration has, as they were read at that time, unless later ones are known.
    pub fn tell_limits(&mut self, limits: CommonLimits, at: i64) {
        if self.has_older_limits(at) {
            self.set_limits(limits, at);
            self.wake_next();
        }
    }
}
