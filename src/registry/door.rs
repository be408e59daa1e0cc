//! The door: whether jobs may be launched (`pg_background.enabled`), and how many may run at a time
//! (`pg_background.max_workers_total`, `pg_background.max_workers_per_database`).
//!
//! A session reads the configuration between two statements of its client, so its own values may be old: those of a
//! launch that waits, those of a function that launches jobs for hours. So the registry has the door and the limits.
//!
//! - *Preloaded*: the postmaster reads the configuration before it tells any other process to, and writes both. No
//!   other process does.
//! - *In a segment* (17 and later): the postmaster does not know this library. Each process tells what it has read when
//!   it comes by: a launch, an idle worker, a look at the jobs. It tells nothing where its settings are not what was
//!   read ([`settings::read_at`]).
//! - *Without a registry* a process knows its own value alone.
//!
//! Who looks: each launch, before anything else and whenever it wakes from a wait for its turn; idle workers, which
//! leave. The signal that has a process read the configuration sets its latch, so a launch that waits wakes then, after
//! the postmaster has written.

use super::area::{self, Registry};
use crate::errors;
use crate::pg::error::Result;
use crate::pg::guc::Assigned;
use crate::pg::identity;
use crate::settings;
use logic::registry::door::Door;

fn door_of(enabled: bool) -> Door {
    if enabled { Door::Open } else { Door::Closed }
}

/// The settings, as a process reads them. In the postmaster nothing else happens than that one word in shared memory is
/// written.
pub struct Enabled;
pub struct MaxTotal;
pub struct MaxPerDatabase;

impl Assigned<bool> for Enabled {
    fn assigned(enabled: bool) {
        if let Some(registry) = written_by_me() {
            registry.set_door(door_of(enabled), identity::now());
        }
    }
}

impl Assigned<i32> for MaxTotal {
    fn assigned(limit: i32) {
        if let Some(registry) = written_by_me() {
            registry.set_max_total(limit.unsigned_abs());
        }
    }
}

impl Assigned<i32> for MaxPerDatabase {
    fn assigned(limit: i32) {
        if let Some(registry) = written_by_me() {
            registry.set_max_per_database(limit.unsigned_abs());
        }
    }
}

/// The registry, in the postmaster.
fn written_by_me() -> Option<&'static Registry> {
    area::known().filter(|_| identity::is_postmaster())
}

/// An error if no jobs may be launched.
pub fn check() -> Result<()> {
    let is_open = match area::get()? {
        Some(registry) => {
            registry.tell_configuration()?;
            registry.door() == Door::Open
        }
        None => settings::enabled(),
    };
    if is_open { Ok(()) } else { Err(errors::disabled()) }
}

impl Registry {
    /// Tells what this process has read of the configuration, where the postmaster cannot.
    pub fn tell_configuration(&self) -> Result<()> {
        let Some(at) = settings::read_at().filter(|_| !self.preloaded) else {
            return Ok(());
        };
        if self.tell_door(door_of(settings::enabled()), at) {
            self.exclusive(|r| r.wake_launches())?;
        }
        if self.has_older_limits(at) {
            self.exclusive(|r| r.tell_limits(settings::common_limits(), at))?;
        }
        Ok(())
    }
}
