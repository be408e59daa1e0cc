//! This process's place in the registry.

use super::outcome;
use crate::pg::dsm::{self, Segment};
use crate::pg::error::{self, PgError, Result, level};
use crate::pg::{bgworker, encoding, identity, statement};
use crate::point;
use crate::registry::{self, Registry, Rest, Then};
use logic::registry::layout::{End, JobSlot, Key, LIBRARY_SIZE, MAPPED, MESSAGE_SIZE};
use logic::segment::header::Identity;
use logic::sqlstate;
use logic::wire::report::{Field, Report};
use std::sync::{Arc, OnceLock};

#[derive(Clone, Copy)]
pub struct Registration {
    registry: &'static Registry,
    index: u32,
}

static PLACE: OnceLock<Registration> = OnceLock::new();

impl Registration {
    /// `None` without a registry.
    pub fn take(identity: &Identity) -> Result<Option<Self>> {
        let Some(registry) = registry::get()? else {
            return Ok(None);
        };
        // of the connection that is about to be made; its versions are known when it is there
        let key = Key { database: identity.database, user: identity.authenticated_user, ..Key::default() };
        let Some(index) = registry.enter(&key)? else {
            return Ok(None);
        };
        let place = Self { registry, index };
        let _ = PLACE.set(place);
        if let Some((activity, handle)) = registry.signals(index) {
            bgworker::watch_slot(activity, handle);
        }
        Ok(Some(place))
    }

    /// Once connected: what later launchers must have in common with the first.
    pub fn show_key(self, identity: &Identity, client_info: &[u8]) -> Result<()> {
        statement::begin()?;
        let key = registry::key(identity, client_info)?;
        statement::commit()?;
        // without one the connection would have been refused, or is about to be
        self.registry.set_versions(self.index, &key.unwrap_or_default())
    }

    /// This worker leaves after its job because of that library: in the view, and once in the log.
    pub fn show_library(self, name: &[u8]) -> Result<()> {
        self.registry.show_library(self.index, &name[..encoding::clip(name, LIBRARY_SIZE)])?;
        if !self.registry.is_first_to_say(name) {
            return Ok(());
        }
        let name = String::from_utf8_lossy(name);
        let message = format!("background workers end after each job because of library \"{name}\"");
        let mut report = Report::new(level::LOG, sqlstate::SUCCESSFUL_COMPLETION, message);
        report.set(Field::Detail, "It is preloaded, and may keep what a job leaves in it for a later job.");
        report.set(
            Field::Hint,
            "If it keeps nothing that a later job could see, add its name to pg_background.stateless_libraries.",
        );
        error::raise(&report)
    }

    pub fn registry(self) -> &'static Registry {
        self.registry
    }

    pub fn job(self, slot: u32) -> Option<&'static JobSlot> {
        self.registry.job(slot)
    }

    /// See [`Registry::take`].
    pub fn take_job(self, slot: u32, cookie: i64) -> Result<bool> {
        self.registry.take(self.index, slot, cookie)
    }

    pub fn end(self, slot: u32, cookie: i64, end: &End, then: Then) -> Result<()> {
        self.registry.end(self.index, slot, cookie, end, then)
    }

    pub fn rest(self, settings: u64, mapped: [u32; MAPPED]) -> Result<Rest> {
        self.registry.rest(self.index, settings, mapped)
    }

    /// See [`Registry::show_settings`].
    pub fn show_settings(self, hash: u64) -> Result<()> {
        self.registry.show_settings(self.index, hash)
    }

    pub fn offered(self) -> Option<(u32, bool)> {
        self.registry.offered(self.index)
    }

    /// The offered job's segment; `kept` if it is mapped still.
    pub fn map(self, kept: Option<Arc<Segment>>, handle: u32, pinned: bool) -> Result<Arc<Segment>> {
        let segment = match kept {
            Some(segment) => Some(segment),
            None => point::reach("map").and_then(|()| Segment::attach(handle))?,
        };
        if pinned {
            self.registry.set_mapped(self.index);
            dsm::unpin(handle)?;
        }
        let segment =
            segment.ok_or_else(|| PgError::new(sqlstate::INTERNAL_ERROR, "shared memory segment of a job is gone"))?;
        segment.check()?;
        Ok(segment)
    }

    pub fn is_claimed(self) -> bool {
        self.registry.is_claimed(self.index)
    }

    pub fn unmap(self) -> Result<bool> {
        self.registry.unmap(self.index)
    }

    pub fn is_dismissed(self) -> bool {
        self.registry.is_dismissed(self.index)
    }

    pub fn leave(self, surplus: Option<u32>) -> Result<bool> {
        self.registry.leave(self.index, surplus)
    }

    pub fn refuse(self) -> Result<()> {
        self.registry.refuse(self.index)
    }
}

/// The process ends: its place is given back. A job that it was promised to, and has not taken, ends with `words`, of
/// which its launcher hears when the segment is there (`offered`); what else it was offered goes to another process.
pub fn give_back(offered: Option<&Segment>, words: impl FnOnce() -> Report) -> Result<()> {
    let Some(place) = PLACE.get() else {
        return Ok(());
    };
    // Before it is asked what was promised: nothing more is, from here on.
    place.registry.close(place.index)?;
    let now = identity::now();
    let report = place.registry.is_promised(place.index).then(words);
    let message = report.as_ref().map_or(&b""[..], Report::message);
    let end = match &report {
        Some(report) => End {
            sqlstate: report.sqlstate,
            message: &message[..encoding::clip(message, MESSAGE_SIZE)],
            ..End::lost_worker(now)
        },
        None => End::lost_worker(now),
    };
    if let (Some(segment), Some(report)) = (offered, &report) {
        outcome::publish_untaken(segment, report);
    }
    while let Some(handle) = place.registry.exit(place.index, &end)? {
        dsm::unpin(handle)?;
    }
    Ok(())
}
