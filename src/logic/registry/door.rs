//! The door: whether jobs may be launched, as all processes see it.
//!
//! `pg_background.enabled` is read from the configuration by each process at a time of its own. What counts is what was
//! read last. So the door is a time and a state in one word, which only a later time replaces. Where one process alone
//! writes it, nothing is compared: a clock that is set back does no harm.

use super::locked::Locked;
use super::tables::Tables;
use std::sync::atomic::Ordering::SeqCst;

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
}

impl Locked<'_> {
    /// Launches that wait look again.
    pub fn wake_launches(&mut self) {
        self.wakes.all_waiters = true;
        self.wake_dispatcher();
    }
}
