//! The head of a job's shared memory segment: who launched what, and what became of it.
//!
//! The launcher writes the plain fields before any worker knows of the job; for this job they never change. All that
//! changes while both processes look is atomic, and each atomic has one writer, named at the field; there are no locks.
//! A reader that has seen a final `state` (Acquire) sees the whole outcome, which the worker wrote before it (Release).
//!
//! Layout: this struct, then the regions at the offsets that it names, in this order: SQL text (NUL-terminated),
//! settings, client information, parameters, extras, queue. [`JobHeader::is_valid`] checks the offsets and lengths
//! against the segment's true size before their first use.
//!
//! A change of the layout, or of what a field means, adds one to [`LAYOUT`].

use crate::job::automatic::Automatic;
use crate::job::progress::Progress;
use crate::job::state::{State, Stop};
use crate::job::usage::SharedUsage;
use crate::segment::spill::Spill;
use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU8, AtomicU32, Ordering};

/// Bytes for the outcome's text: an error report, or the command tags.
pub const OUTCOME_SIZE: usize = 4096;

const MAGIC: u64 = 0x7067_5f62_6b67_6e64;
/// Counts the changes of this file's layout and of the frames. A library that finds another number refuses the segment:
/// it was replaced while sessions of the older one go on.
const LAYOUT: u32 = 7;

/// Offset and length in bytes, from the segment's start.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct Region {
    pub offset: u64,
    pub len: u64,
}

/// Who launched the job, and as whom it runs.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct Identity {
    pub cookie: i64,
    pub launcher_pid: i32,
    /// The database that the job runs in, and its encoding.
    pub database: u32,
    pub encoding: i32,
    /// The launcher's.
    pub launcher_database: u32,
    pub launcher_encoding: i32,
    pub authenticated_user: u32,
    pub session_user: u32,
    /// The role of SET ROLE; 0 when none is set.
    pub outer_role: u32,
    pub current_user: u32,
    pub security_context: i32,
    /// How long the job may run, in milliseconds; 0 is no limit.
    pub timeout: i32,
    /// What the launcher wants of the job: [`Identity::WANTS_ROWS`] …
    pub wants_results: u32,
    /// 1 if each statement of the job is a transaction of its own.
    pub autocommit: u32,
    /// 1 if `timeout` was given for this job; 0 if it is `pg_background.worker_timeout`.
    pub has_own_timeout: u32,
    /// 1 if the worker may keep the plan of the job's statement, or use one that it has kept.
    pub keeps_plan: u32,
    /// 1 if the job starts at a commit: see `registry::pending`.
    pub at_commit: u32,
}

impl Identity {
    /// Neither rows nor messages: nobody reads the queue.
    pub const WANTS_NOTHING: u32 = 0;
    /// Rows, messages and tags.
    pub const WANTS_ROWS: u32 = 1;
    /// Messages and tags; rows are thrown away.
    pub const WANTS_MESSAGES: u32 = 2;

    /// Does `statement_timeout` bound each statement of the job? Not where a timeout bounds the whole job, or was given
    /// as infinite.
    pub fn has_timed_statements(&self) -> bool {
        self.timeout == 0 && self.has_own_timeout == 0
    }

    /// Does the job run in another database than the launcher's?
    pub fn is_elsewhere(&self) -> bool {
        self.database != self.launcher_database
    }
}

/// Does the launcher await a reply from the worker that it offers the job to?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Yes: the worker accepts the job, or refuses it when its session cannot become the launcher's; then another
    /// worker runs it.
    Awaited,
    /// No: the worker is a new process, which can become any session, or a warm one whose session has these very
    /// settings.
    NotAwaited,
}

/// The slot number of a job that is in no registry.
pub const NO_SLOT: u32 = u32::MAX;

#[repr(C)]
pub struct JobHeader {
    magic: u64,
    layout: u32,
    size: u32,
    segment_size: u64,
    pub identity: Identity,
    pub sql: Region,
    pub settings: Region,
    pub client_info: Region,
    /// The parameters of the job's statement (`wire::params`); empty if it has none.
    pub params: Region,
    /// Label, settings of the job, channel (`wire::extras`); empty if it has none of these.
    pub extras: Region,
    pub queue: Region,
    /// Launcher, before it offers the job to a worker: the job's slot in the registry, or [`NO_SLOT`].
    slot: AtomicU32,
    /// Launcher, likewise: 1 when it awaits a reply to its offer ([`Reply`]).
    awaits_reply: AtomicU32,
    /// Launcher: what it asks of the worker ([`Stop`]); only grows.
    stop: AtomicU32,
    /// Worker: its pid, once it has taken the job; 0 before. (The launcher sets it back before each offer.)
    worker_pid: AtomicI32,
    /// Worker: [`State`]. A final one is never replaced.
    state: AtomicU32,
    /// Worker: how many bytes of `outcome` are used.
    outcome_len: AtomicU32,
    /// Worker: when the first statement began, in microseconds since 2000-01-01, as the server counts; 0 before.
    started_at: AtomicI64,
    /// Worker: when the outcome was written, likewise.
    finished_at: AtomicI64,
    /// Worker, as it observes the job.
    pub automatic: Automatic,
    /// Worker, as the job reports it.
    pub progress: Progress,
    /// Worker: 1 once it is sure to run the job. (A worker that refuses the job says so in the registry.)
    accepted: AtomicU32,
    /// Worker: the statement that runs, or was the last to run, counted from 1; 0 before the first.
    statement: AtomicU32,
    /// Worker: how many statements there are; 0 before that is known.
    statements: AtomicU32,
    /// Worker: rows that the last statement returned or changed, of a job that has ended well.
    row_count: AtomicI64,
    /// Worker, before `state`: what the job has used.
    pub used: SharedUsage,
    /// Both: frames that are in temporary files.
    pub spill: Spill,
    /// Worker, before `state`: the error report or the command tags, as far as they fit.
    outcome: [AtomicU8; OUTCOME_SIZE],
}

const _: () = assert!(
    size_of::<JobHeader>()
        == 16
            + 8
            + 72
            + 96
            + 8
            + 16
            + 16
            + size_of::<Automatic>()
            + size_of::<Progress>()
            + 16
            + 8
            + 64
            + 40
            + OUTCOME_SIZE
);
const _: () = assert!(size_of::<JobHeader>() % 8 == 0);

impl JobHeader {
    /// Makes it the header of a new job, in a segment of that size, with these regions: SQL, settings, client
    /// information, parameters, extras, queue. Whatever the memory holds: bytes of the outcome that stay there are
    /// none of its text.
    pub fn begin(&mut self, segment_size: u64, identity: Identity, regions: [Region; 6]) {
        let [sql, settings, client_info, params, extras, queue] = regions;
        (self.magic, self.layout, self.size) = (MAGIC, LAYOUT, size_of::<Self>() as u32);
        (self.segment_size, self.identity) = (segment_size, identity);
        (self.sql, self.settings, self.client_info) = (sql, settings, client_info);
        (self.params, self.extras, self.queue) = (params, extras, queue);
        self.slot = AtomicU32::new(NO_SLOT);
        self.awaits_reply = AtomicU32::new(0);
        self.stop = AtomicU32::new(Stop::No as u32);
        self.worker_pid = AtomicI32::new(0);
        self.state = AtomicU32::new(State::Starting as u32);
        self.outcome_len = AtomicU32::new(0);
        self.started_at = AtomicI64::new(0);
        self.finished_at = AtomicI64::new(0);
        self.progress = Progress::new();
        self.automatic = Automatic::new();
        self.accepted = AtomicU32::new(0);
        self.statement = AtomicU32::new(0);
        self.statements = AtomicU32::new(0);
        self.row_count = AtomicI64::new(0);
        self.used = SharedUsage::new();
        self.spill = Spill::default();
    }

    /// Was the header written by a library with this layout, and do all regions lie inside a segment of `segment_size`
    /// bytes?
    pub fn is_valid(&self, segment_size: usize) -> bool {
        let inside = |region: &Region| {
            region.offset >= size_of::<Self>() as u64
                && region.offset.checked_add(region.len).is_some_and(|end| end <= self.segment_size)
        };
        self.magic == MAGIC
            && self.layout == LAYOUT
            && self.size as usize == size_of::<Self>()
            && self.segment_size <= segment_size as u64
            && [&self.sql, &self.settings, &self.client_info, &self.params, &self.extras, &self.queue]
                .into_iter()
                .all(inside)
            && self.sql.len > 0
    }

    /// Bytes, as the header was made for.
    pub fn segment_size(&self) -> u64 {
        self.segment_size
    }

    /// The job's state; `None` for a number that this library does not know.
    pub fn state(&self) -> Option<State> {
        State::from_u32(self.state.load(Ordering::Acquire))
    }

    /// Has the job an outcome?
    pub fn is_final(&self) -> bool {
        self.state().is_some_and(State::is_final)
    }

    /// What the launcher asks of the job. (Other sessions ask in the registry's slot.)
    pub fn stop(&self) -> Stop {
        Stop::from_u32(self.stop.load(Ordering::SeqCst))
    }

    /// Asks the worker to stop. Does not take back an earlier, stronger request.
    pub fn request_stop(&self, stop: Stop) {
        self.stop.fetch_max(stop as u32, Ordering::SeqCst);
    }

    /// The pid of the worker that has taken the job; 0 before.
    pub fn worker_pid(&self) -> i32 {
        self.worker_pid.load(Ordering::Acquire)
    }

    /// Called by the worker when it has taken the job.
    pub fn set_worker_pid(&self, pid: i32) {
        self.worker_pid.store(pid, Ordering::Release);
    }

    /// The job's slot in the registry; `None` if it is in none.
    pub fn slot(&self) -> Option<u32> {
        Some(self.slot.load(Ordering::Relaxed)).filter(|slot| *slot != NO_SLOT)
    }

    /// Makes the header ready for an offer of the job to a worker. Called by the launcher, before any worker knows of
    /// the job.
    pub fn prepare_offer(&self, slot: Option<u32>, reply: Reply) {
        self.slot.store(slot.unwrap_or(NO_SLOT), Ordering::Relaxed);
        self.awaits_reply.store(u32::from(reply == Reply::Awaited), Ordering::Relaxed);
        self.worker_pid.store(0, Ordering::Relaxed);
        self.accepted.store(0, Ordering::Release);
    }

    /// Whether the launcher awaits a reply to its offer.
    pub fn reply(&self) -> Reply {
        if self.awaits_reply.load(Ordering::Relaxed) == 0 { Reply::NotAwaited } else { Reply::Awaited }
    }

    /// Has the worker accepted the job?
    pub fn is_accepted(&self) -> bool {
        self.accepted.load(Ordering::Acquire) != 0
    }

    /// Tells the launcher that awaits a reply that the worker runs the job. By the worker, before the first statement.
    pub fn accept(&self) {
        self.accepted.store(1, Ordering::Release);
    }

    /// Where [`Self::request_stop`] writes, for a signal handler that looks there.
    pub fn stop_flag(&self) -> &AtomicU32 {
        &self.stop
    }

    /// Notes that the job runs, since `now`. By the worker, before the first statement.
    pub fn start(&self, now: i64) {
        self.started_at.store(now, Ordering::Relaxed);
        self.state.store(State::Running as u32, Ordering::Release);
    }

    /// Notes that statement `n` of `of` begins; `of` is 0 if that is not known. By the worker.
    pub fn show_statement(&self, n: u32, of: u32) {
        self.statements.store(of, Ordering::Relaxed);
        self.statement.store(n, Ordering::Relaxed);
    }

    /// The statement that runs, or was the last to run, counted from 1, and how many there are; 0 is unknown.
    pub fn statement(&self) -> (u32, u32) {
        (self.statement.load(Ordering::Relaxed), self.statements.load(Ordering::Relaxed))
    }

    /// Notes how many rows the last statement returned or changed. By the worker, before the outcome.
    pub fn show_rows(&self, rows: i64) {
        self.row_count.store(rows, Ordering::Relaxed);
    }

    /// How many rows the last statement of a job that ended well returned or changed; 0 before.
    pub fn row_count(&self) -> i64 {
        self.row_count.load(Ordering::Relaxed)
    }

    /// Publishes the outcome: a final state, and the error report or the command tags. By the worker, or by the
    /// dispatcher if no worker will ever have the job. The first outcome stands; later ones are ignored. `text` is cut
    /// to [`OUTCOME_SIZE`]: the caller makes it fit.
    pub fn finish(&self, state: State, now: i64, text: &[u8]) {
        if self.is_final() {
            return;
        }
        let len = text.len().min(OUTCOME_SIZE);
        for (to, from) in self.outcome.iter().zip(&text[..len]) {
            to.store(*from, Ordering::Relaxed);
        }
        self.outcome_len.store(len as u32, Ordering::Relaxed);
        self.finished_at.store(now, Ordering::Relaxed);
        self.state.store(state as u32, Ordering::Release);
    }

    /// The outcome's text; empty before there is one.
    pub fn outcome(&self) -> Vec<u8> {
        if !self.is_final() {
            return Vec::new();
        }
        let len = (self.outcome_len.load(Ordering::Relaxed) as usize).min(OUTCOME_SIZE);
        self.outcome[..len].iter().map(|byte| byte.load(Ordering::Relaxed)).collect()
    }

    /// Microseconds since 2000-01-01; 0 before the first statement.
    pub fn started_at(&self) -> i64 {
        self.started_at.load(Ordering::Relaxed)
    }

    /// Microseconds since 2000-01-01; 0 before the end.
    pub fn finished_at(&self) -> i64 {
        self.finished_at.load(Ordering::Relaxed)
    }

    /// Microseconds from start to end; `None` if the job has not run, or not ended.
    pub fn run_time(&self) -> Option<i64> {
        let ended = self.is_final();
        let (start, end) = (self.started_at.load(Ordering::Relaxed), self.finished_at.load(Ordering::Relaxed));
        (ended && start != 0).then(|| end.saturating_sub(start).max(0))
    }
}

#[cfg(test)]
mod tests;
