//! Between two jobs: a session that the next job cannot tell from a new one, or none.
//!
//! What the server can forget is forgotten, settings and roles go back to what the last launcher had, and what neither can undo
//! (temporary tables, libraries) retires the worker. Settings without a library stay known: such a worker is for sessions that know
//! them, too.

use super::restore::{Restored, Session};
use crate::pg::dsm::Segment;
use crate::pg::error::Result;
use crate::pg::{leftovers, statement};
use crate::{process, settings};
use logic::session::libraries::{self, Loaded};

/// After how many jobs the worker's memory is looked at.
const MEMORY_INTERVAL: u32 = 64;
/// By how much it may have grown.
const MEMORY_GROWTH: usize = 32 << 20;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    Clean,
    /// The reason is for a debug message.
    Retire(&'static str),
}

/// The session when it was new, and whose it has been since.
pub struct Baseline {
    session: Session,
    jobs: u32,
    /// What [`Self::is_clean`] has said of the last job.
    is_clean: bool,
    memory: usize,
    libraries: usize,
    /// How long the list of libraries was at the start.
    first_libraries: usize,
    /// The name of a library that may keep state, which makes this session unfit for another job.
    unfit: Option<Vec<u8>>,
    mark: u64,
    /// Settings without a library that every new session has, by a file or ALTER ROLE.
    placeholders: Vec<Vec<u8>>,
    /// Those that a launcher or a job has brought.
    brought: Vec<Vec<u8>>,
}

impl Baseline {
    /// Once per process, connected, outside a transaction, before any job. Loads what `session_preload_libraries` names, as a
    /// client's session does: before settings are restored, so that theirs are known.
    pub fn new() -> Result<Self> {
        statement::begin()?;
        statement::load_session_libraries()?;
        statement::commit()?;
        leftovers::watch()?;
        let first_libraries = leftovers::libraries_len()?;
        Ok(Self {
            session: Session::default(),
            jobs: 0,
            is_clean: false,
            memory: leftovers::memory()?,
            libraries: first_libraries,
            first_libraries,
            unfit: unfit_library(first_libraries)?,
            mark: leftovers::settings_mark()?,
            placeholders: leftovers::placeholders()?,
            brought: Vec::new(),
        })
    }

    /// Makes this the session of the job's launcher. Refused: nothing has happened to the job, but this process must leave.
    pub fn restore(&mut self, segment: &Segment) -> Result<Restored> {
        let header = segment.header();
        let (settings, client_info) = (segment.bytes(header.settings), segment.bytes(header.client_info));
        let restored = self.session.restore(settings, client_info, &header.identity, header.reply())?;
        self.look_for_placeholders()?;
        // a new process has what the launcher and the files have, and no more
        if restored == Restored::Yes && self.jobs > 0 && !self.session.has_all(&self.brought) {
            return Ok(Restored::Refused);
        }
        Ok(restored)
    }

    /// The name of a library that may keep what a job leaves in it.
    pub fn unfit_library(&self) -> Option<&[u8]> {
        self.unfit.as_deref()
    }

    /// What a launcher's `leftovers::settings_hash` must be to find its settings here; 0 for no launcher's.
    /// Nor for one that lacks a setting which a job has made here: it must ask, and is refused.
    pub fn settings_hash(&self) -> u64 {
        if self.session.has_all(&self.brought) { self.session.hash() } else { 0 }
    }

    /// Will [`Self::reset`] find nothing to take back, and nothing that retires the worker? After a job has ended, and outside a
    /// transaction.
    pub fn is_clean(&mut self) -> Result<bool> {
        self.is_clean = !process::has_launched()
            && self.unfit.is_none()
            && leftovers::left()?.is_none()
            && leftovers::libraries_len()? == self.libraries
            && self.session.is_settled()?
            && leftovers::settings_mark()? == self.mark
            && (self.jobs + 1) % MEMORY_INTERVAL != 0;
        Ok(self.is_clean)
    }

    /// After a job has ended, however, and outside a transaction.
    pub fn reset(&mut self) -> Result<Verdict> {
        self.jobs += 1;
        if std::mem::take(&mut self.is_clean) {
            leftovers::forget()?;
            return Ok(Verdict::Clean);
        }
        if process::has_launched() {
            return Ok(Verdict::Retire("it has launched jobs of its own"));
        }
        if let Some(reason) = leftovers::left()? {
            return Ok(Verdict::Retire(reason));
        }
        if leftovers::libraries_len()? != self.libraries {
            self.judge_libraries()?;
        }
        if self.unfit.is_some() {
            return Ok(Verdict::Retire("it has loaded a library"));
        }
        leftovers::forget()?;
        if !self.session.settle()? {
            return Ok(Verdict::Retire("its settings cannot be taken back"));
        }
        self.look_for_placeholders()?;
        if self.jobs % MEMORY_INTERVAL == 0 && leftovers::memory()? > self.memory.saturating_add(MEMORY_GROWTH) {
            return Ok(Verdict::Retire("it has used much memory"));
        }
        Ok(Verdict::Clean)
    }

    /// After the configuration files were read again, between two jobs.
    pub fn config_reloaded(&mut self) -> Result<()> {
        // what the files have brought, a new session has as well
        let new = leftovers::placeholders()?.into_iter().filter(|name| !self.brought.contains(name));
        self.placeholders = new.collect();
        self.mark = leftovers::settings_mark()?;
        self.judge_libraries()?;
        self.session.reloaded()
    }

    fn judge_libraries(&mut self) -> Result<()> {
        self.libraries = leftovers::libraries_len()?;
        self.unfit = unfit_library(self.first_libraries)?;
        Ok(())
    }

    /// A setting without a library is never forgotten: a later job would see it, if only as empty.
    fn look_for_placeholders(&mut self) -> Result<()> {
        if leftovers::settings_mark()? == self.mark {
            return Ok(());
        }
        let new = leftovers::placeholders()?.into_iter().filter(|name| !self.placeholders.contains(name));
        self.brought = new.collect();
        // last: the list may have taken memory
        self.mark = leftovers::settings_mark()?;
        Ok(())
    }
}

/// The name of a library that is not known to keep nothing; `first`: how long their list was before any job.
fn unfit_library(first: usize) -> Result<Option<Vec<u8>>> {
    let (directory, own, named) =
        (leftovers::library_directory(), leftovers::own_library(), settings::stateless_libraries());
    let all = leftovers::libraries_since(0)?;
    let at_start = all.len() - leftovers::libraries_since(first)?.len();
    let unfit = all.iter().enumerate().find(|(i, path)| {
        let loaded = if *i < at_start { Loaded::AtStart } else { Loaded::ByJob };
        path.as_slice() != own && !libraries::is_harmless(path, directory, loaded, &named)
    });
    Ok(unfit.map(|(_, path)| libraries::name(path).to_vec()))
}
