//! A worker process's entry in the registry.

use super::area::{Registry, get};
use super::key;
use crate::pg::dsm::{self, Segment};
use crate::pg::error::{self, PgError, Result, level, with_names};
use crate::pg::{encoding, shmem, signals, xact};
use crate::point;
use logic::registry::jobs::End;
use logic::registry::layout::{Key, LIBRARY_SIZE};
use logic::registry::locked::Locked;
use logic::registry::tables::OfferedJob;
use logic::segment::header::Identity;
use logic::sqlstate;
use logic::wire::report::{Field, Report};
use std::sync::{Arc, OnceLock};

#[derive(Clone, Copy)]
pub struct Registration {
    pub registry: &'static Registry,
    /// The number of this process's slot.
    pub worker: u32,
}

static MINE: OnceLock<Registration> = OnceLock::new();

impl Registration {
    /// Registers this process as a worker; `None` without a registry. Once.
    pub fn new(identity: &Identity) -> Result<Option<Self>> {
        let Some(registry) = get()? else {
            return Ok(None);
        };
        // of the connection that is about to be made; its versions are known when it is there
        let key = Key { database: identity.database, user: identity.authenticated_user, ..Key::default() };
        let Some(worker) = registry.exclusive(|r| r.register_worker(&key))? else {
            return Ok(None);
        };
        let registration = Self { registry, worker };
        let _ = MINE.set(registration);
        if let Some((activity, handle)) = registry.signals(worker) {
            signals::watch_slot(activity, handle);
        }
        Ok(Some(registration))
    }

    /// This process's, if it is a registered worker.
    pub fn mine() -> Option<Self> {
        MINE.get().copied()
    }

    /// Changes the tables as [`Registry::exclusive`] does, with the number of this worker's slot.
    pub fn exclusive<R>(self, change: impl FnOnce(&mut Locked, u32) -> R) -> Result<R> {
        self.registry.exclusive(|r| change(r, self.worker))
    }

    /// Shows what later launchers must have in common with the first. Once connected.
    pub fn show_key(self, identity: &Identity, client_info: &[u8]) -> Result<()> {
        xact::begin_own()?;
        let key = key(identity, client_info)?;
        xact::commit()?;
        // without one the connection would have been refused, or is about to be
        let key = key.unwrap_or_default();
        self.exclusive(|r, me| r.set_versions(me, &key))
    }

    /// Would the job's own connection, made now, be as this worker's, by the same rows of the catalogs? The launcher
    /// has compared what it knew when it was called. Outside a transaction.
    pub fn is_key_current(self, identity: &Identity, client_info: &[u8]) -> Result<bool> {
        xact::begin_own()?;
        let key = key(identity, client_info)?;
        xact::commit()?;
        Ok(key.is_some() && key == self.registry.key_of(self.worker))
    }

    /// Says that this worker leaves after its job because of that library: in the view, and once in the log.
    pub fn show_library(self, name: &[u8]) -> Result<()> {
        let shown = &name[..encoding::clip(name, LIBRARY_SIZE)];
        self.exclusive(|r, me| r.show_library(me, shown))?;
        if !self.registry.note_said(shmem::hash(name)) {
            return Ok(());
        }
        let message = with_names("background workers end after each job because of library \"{}\"", &[name]);
        let mut report = Report::new(level::LOG, sqlstate::SUCCESSFUL_COMPLETION, message);
        report.set(Field::Detail, "It is preloaded, and may keep what a job leaves in it for a later job.");
        report.set(
            Field::Hint,
            "If it keeps nothing that a later job could see, add its name to pg_background.stateless_libraries.",
        );
        error::raise(&report)
    }

    /// The offered job's segment, which need not be pinned any more; `kept` if it is mapped still. `None`: the segment
    /// is gone, with the job, as the offer was taken back.
    pub fn map(self, kept: Option<Arc<Segment>>, job: OfferedJob) -> Result<Option<Arc<Segment>>> {
        let segment = match kept {
            Some(segment) => Some(segment),
            None => point::reach("map").and_then(|()| Segment::attach(job.handle))?,
        };
        if job.is_pinned {
            self.registry.mark_unpinned(self.worker);
            dsm::unpin(job.handle)?;
        }
        match &segment {
            Some(segment) => segment.check()?,
            None if self.registry.is_taken_back(self.worker) => {}
            None => return Err(PgError::new(sqlstate::INTERNAL_ERROR, "shared memory segment of a job is gone")),
        }
        Ok(segment)
    }

    /// The process ends: frees its slot, and unpins the segment that was pinned for it. `end`: see
    /// `Locked::worker_exits`.
    pub fn exit(self, end: &End) -> Result<()> {
        loop {
            let (pinned, wakes) = self.registry.change(|r| r.worker_exits(self.worker, end))?;
            let Some(handle) = pinned else {
                // The slots may be given to others here, before the launcher is woken: a test holds the process.
                point::reach("exited")?;
                wakes.deliver();
                return Ok(());
            };
            wakes.deliver();
            dsm::unpin(handle)?;
        }
    }
}
