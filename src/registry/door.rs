//! The door: whether jobs may be launched (`pg_background.enabled`).
//!
//! A session reads the configuration between two statements of its client, so its own value may be old: that of a
//! launch that waits, that of a function that launches jobs for hours. So the registry has the door, too.
//!
//! - *Preloaded*: the postmaster reads the configuration before it tells any other process to, and writes the door. No
//!   other process does.
//! - *In a segment* (17 and later): the postmaster does not know this library. Each process tells what it has read when
//!   it comes by: a launch, an idle worker, a view.
//! - *Without a registry* a process knows its own value alone.
//!
//! Who looks: each launch, before anything else and whenever it wakes from a wait for its turn; idle workers, which
//! leave. The signal that has a process read the configuration sets its latch, so a launch that waits wakes then.

use super::area::{self, Registry};
use crate::errors;
use crate::pg::error::Result;
use crate::pg::{guc, identity};
use crate::settings;
use logic::registry::door::Door;

fn door_of(enabled: bool) -> Door {
    if enabled { Door::Open } else { Door::Closed }
}

/// This process has read a value of the setting. In the postmaster nothing else happens than that one word in shared
/// memory is written.
pub fn note(enabled: bool) {
    if let Some(registry) = area::known().filter(|_| identity::is_postmaster()) {
        registry.set_door(door_of(enabled), identity::now());
    }
}

/// An error if no jobs may be launched.
pub fn check() -> Result<()> {
    let is_open = match area::get()? {
        Some(registry) => registry.is_open()?,
        None => settings::enabled(),
    };
    if is_open { Ok(()) } else { Err(errors::disabled()) }
}

impl Registry {
    /// May jobs be launched?
    pub fn is_open(&self) -> Result<bool> {
        if !self.preloaded && self.tell_door(door_of(settings::enabled()), guc::read_at()) {
            self.exclusive(|r| r.wake_launches())?;
        }
        Ok(self.door() == Door::Open)
    }
}
