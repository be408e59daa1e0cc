//! What a session was like when it was new, and whether it is so again after a job.
//!
//! After each job [`Baseline::reset`] decides: what the server can forget is forgotten, settings and users go back to
//! what they were when the job began, and what neither can undo (temporary tables, libraries that keep state, jobs of
//! its own, grown memory) makes the process end. The one thing that cannot be undone and is let pass is a setting
//! without a library, a *placeholder*: the server never forgets one, so a later job could see it, if only as empty.
//! Such a worker serves only launchers that have this setting, too.
//!
//! Invariant: `promise_reset` may say yes only if the `reset` that follows cannot but succeed.

use super::{Restored, Serves, Session};
use crate::pg::dsm::Segment;
use crate::pg::error::Result;
use crate::pg::{guc_table, leftovers, xact};
use crate::{process, settings};
use logic::segment::header::Reply;
use logic::session::libraries::{self, Loaded};

/// After how many jobs the worker's memory is looked at.
const MEMORY_INTERVAL: u32 = 64;
/// By how much it may have grown.
const MEMORY_GROWTH: usize = 32 << 20;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The session is as new.
    Clean,
    /// It cannot be made as new: the process must end. The reason is for a debug message.
    Retire(&'static str),
}

/// The session when it was new, and whose it has been since.
#[derive(Default)]
pub struct Baseline {
    session: Session,
    /// Jobs that it was reset after.
    resets: u32,
    /// What [`Self::promise_reset`] has said of the job that has just ended.
    is_promised: bool,
    /// Bytes that the server's functions had allocated at the start.
    memory: usize,
    /// How long the list of libraries was when it was last judged.
    libraries_len: usize,
    /// How long it was at the start.
    libraries_at_start: usize,
    /// The name of a library that may keep state, because of which this session serves no other job.
    stateful_library: Option<Vec<u8>>,
    /// What a session's libraries were when it began, and whether a new session has others by now.
    session_libraries: [Vec<u8>; 2],
    has_other_libraries: bool,
    /// [`guc_table::mark`] when the placeholders were last listed.
    settings_mark: u64,
    /// Placeholders that every new session has, by a file or ALTER ROLE.
    own_placeholders: Vec<Vec<u8>>,
    /// Those that a launcher or a job has brought.
    brought_placeholders: Vec<Vec<u8>>,
}

impl Baseline {
    /// Remembers what the session is like, as far as the jobs that the process serves need it. Once per process,
    /// connected, outside a transaction, before any job.
    ///
    /// It first loads what `session_preload_libraries` names, as a client's session does. That comes before the
    /// launcher's settings are restored, so that those of the libraries are known.
    pub fn new(serves: Serves) -> Result<Self> {
        let session_libraries = leftovers::session_libraries();
        if session_libraries.iter().any(|names| !names.is_empty()) {
            xact::begin_own()?;
            leftovers::load_session_libraries()?;
            xact::commit()?;
        }
        guc_table::find_transaction_settings()?;
        let session = Session { serves, ..Session::default() };
        if serves == Serves::OneJob {
            return Ok(Self { session, ..Self::default() });
        }
        leftovers::watch()?;
        let libraries_at_start = leftovers::libraries_len()?;
        Ok(Self {
            session,
            resets: 0,
            is_promised: false,
            memory: leftovers::memory()?,
            libraries_len: libraries_at_start,
            libraries_at_start,
            stateful_library: stateful_library(libraries_at_start)?,
            session_libraries,
            has_other_libraries: false,
            settings_mark: guc_table::mark(),
            own_placeholders: guc_table::placeholders()?,
            brought_placeholders: Vec::new(),
        })
    }

    /// Makes this the session of the job's launcher. Refused: nothing of the job has been done, and this process must
    /// end.
    pub fn restore(&mut self, segment: &Segment) -> Result<Restored> {
        let header = segment.header();
        // Suppose that a launcher claims the worker while it reads the configuration, in which a library was added: a
        // launcher that began with the new files has the same settings, and more libraries.
        let may_refuse = header.reply() == Reply::Awaited || header.identity.at_commit != 0;
        if may_refuse && self.has_served() && self.is_outdated() {
            return Ok(Restored::Refused);
        }
        let (settings, client_info) = (segment.bytes(header.settings), segment.bytes(header.client_info));
        let restored = self.session.restore(settings, client_info, &header.identity, header.reply())?;
        if self.serves() == Serves::OneJob {
            return Ok(restored);
        }
        self.note_placeholders()?;
        // A new process has what the launcher and the files have, and no more.
        if restored == Restored::Yes && self.resets > 0 && !self.session.has_all(&self.brought_placeholders) {
            return Ok(Restored::Refused);
        }
        Ok(restored)
    }

    /// Has the process run a job, after which the session was made as new?
    pub fn has_served(&self) -> bool {
        self.resets > 0
    }

    /// The jobs that this process may serve.
    pub fn serves(&self) -> Serves {
        self.session.serves
    }

    /// Has the configuration changed so that this session is none for further jobs? A new session has other libraries
    /// from its beginning, or a library that this one has is not named as stateless any more.
    pub fn is_outdated(&self) -> bool {
        self.has_other_libraries || self.stateful_library.is_some()
    }

    /// The name of a library that may keep what a job leaves in it.
    pub fn stateful_library(&self) -> Option<&[u8]> {
        self.stateful_library.as_deref()
    }

    /// The hash (`guc_state::settings_hash`) by which a launcher finds its settings in this session; 0 if no launcher
    /// may. A launcher without a placeholder that a job has made here may not: it must await a reply, and is refused.
    pub fn settings_hash(&self) -> u64 {
        if self.session.has_all(&self.brought_placeholders) { self.session.hash() } else { 0 }
    }

    /// Stands for the settings that the session has taken over from the present launcher; 0 if they are not just these.
    pub fn launcher_settings(&self) -> u64 {
        self.session.hash()
    }

    /// Finds out whether [`Self::reset`] will find nothing to take back and nothing that makes the process end. If so,
    /// other sessions may be told that this worker will serve the next job. After a job has ended, outside a
    /// transaction.
    pub fn promise_reset(&mut self) -> Result<bool> {
        self.is_promised = !process::has_launched()
            && !process::has_reloaded_in_job()
            && self.stateful_library.is_none()
            && leftovers::left()?.is_none()
            && leftovers::libraries_len()? == self.libraries_len
            && self.session.look_unchanged()?
            && guc_table::mark() == self.settings_mark
            && (self.resets + 1) % MEMORY_INTERVAL != 0;
        Ok(self.is_promised)
    }

    /// Makes the session as new. After a job has ended, in whatever way, outside a transaction.
    ///
    /// Suppose that a launcher has already claimed this worker on the strength of a promise: it has returned the job's
    /// handle, so the verdict must be `Clean` then. It is, for the promise looked at all that is looked at here.
    pub fn reset(&mut self) -> Result<Verdict> {
        self.resets += 1;
        if std::mem::take(&mut self.is_promised) {
            leftovers::forget()?;
            return Ok(Verdict::Clean);
        }
        if process::has_launched() {
            return Ok(Verdict::Retire("it has launched jobs of its own"));
        }
        if process::has_reloaded_in_job() {
            return Ok(Verdict::Retire("the configuration was read again during the job"));
        }
        if let Some(reason) = leftovers::left()? {
            return Ok(Verdict::Retire(reason));
        }
        if leftovers::libraries_len()? != self.libraries_len {
            self.judge_libraries()?;
        }
        if self.stateful_library.is_some() {
            return Ok(Verdict::Retire("it has loaded a library"));
        }
        leftovers::forget()?;
        if !self.session.take_back_changes()? {
            return Ok(Verdict::Retire("its settings cannot be taken back"));
        }
        self.note_placeholders()?;
        if self.resets % MEMORY_INTERVAL == 0 && leftovers::memory()? > self.memory.saturating_add(MEMORY_GROWTH) {
            return Ok(Verdict::Retire("it has used much memory"));
        }
        Ok(Verdict::Clean)
    }

    /// Takes note that the configuration files were read again, between two jobs.
    pub fn note_reload(&mut self) -> Result<()> {
        // what the files have brought, a new session has as well
        let new = guc_table::placeholders()?.into_iter().filter(|name| !self.brought_placeholders.contains(name));
        self.own_placeholders = new.collect();
        self.settings_mark = guc_table::mark();
        self.judge_libraries()?;
        self.has_other_libraries = leftovers::session_libraries() != self.session_libraries;
        self.session.note_reload()
    }

    fn judge_libraries(&mut self) -> Result<()> {
        self.libraries_len = leftovers::libraries_len()?;
        self.stateful_library = stateful_library(self.libraries_at_start)?;
        Ok(())
    }

    /// Lists the placeholders that a launcher or a job has brought, if any setting came into being since they were
    /// listed.
    fn note_placeholders(&mut self) -> Result<()> {
        if guc_table::mark() == self.settings_mark {
            return Ok(());
        }
        let new = guc_table::placeholders()?.into_iter().filter(|name| !self.own_placeholders.contains(name));
        self.brought_placeholders = new.collect();
        // last: the list may have taken memory
        self.settings_mark = guc_table::mark();
        Ok(())
    }
}

/// The name of a loaded library that is not known to keep nothing. `at_start`: how long the list was before any job.
fn stateful_library(at_start: usize) -> Result<Option<Vec<u8>>> {
    let (directory, own, named) =
        (leftovers::library_directory(), leftovers::own_library(), settings::stateless_libraries());
    let all = leftovers::libraries_since(0)?;
    let at_start = all.len() - leftovers::libraries_since(at_start)?.len();
    let stateful = all.iter().enumerate().find(|(i, path)| {
        let loaded = if *i < at_start { Loaded::AtStart } else { Loaded::ByJob };
        path.as_slice() != own && !libraries::is_harmless(path, directory, loaded, &named)
    });
    Ok(stateful.map(|(_, path)| libraries::name(path).to_vec()))
}
