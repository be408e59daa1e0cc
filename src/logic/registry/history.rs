//! The history: the jobs that have ended last, in a ring. Its entries, how they are filled, and what is shown of them.
//!
//! An entry is filled under the lock, and its cookie is 0 meanwhile: where a process dies in the middle, the entry is
//! no job's. The postmaster, which saves the history when no other process is left, takes no lock ([`super::saved`]).

use super::jobs::End;
use super::layout::{LABEL_SIZE, MESSAGE_SIZE, QUERY_SIZE};
use super::locked::{Locked, Shared};
use super::rows::JobName;
use super::tables::Tables;
use crate::job::state::State;
use crate::job::usage::{SharedUsage, Usage};
use crate::shared_text::{Copied, SharedText, WORD};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU32, fence};

/// A job that has ended. Under the lock.
#[derive(Default)]
#[repr(C)]
pub struct HistoryEntry {
    /// 0 in an entry that was never used, or is being filled.
    pub(crate) cookie: AtomicI64,
    pub(crate) worker_pid: AtomicI32,
    pub(crate) launcher_pid: AtomicI32,
    pub(crate) database: AtomicU32,
    pub(crate) role: AtomicU32,
    pub(crate) state: AtomicU32,
    /// As the server packs it; 0 without an error.
    pub(crate) sqlstate: AtomicI32,
    /// 1 if the job was to start at a commit.
    pub(crate) at_commit: AtomicU32,
    pub(crate) launched_at: AtomicI64,
    pub(crate) started_at: AtomicI64,
    pub(crate) finished_at: AtomicI64,
    pub(crate) row_count: AtomicI64,
    pub(crate) spooled: AtomicI64,
    pub(crate) used: SharedUsage,
    pub(crate) label: SharedText<{ LABEL_SIZE / WORD }>,
    pub(crate) message: SharedText<{ MESSAGE_SIZE / WORD }>,
    pub(crate) query: SharedText<{ QUERY_SIZE / WORD }>,
}

impl HistoryEntry {
    pub(super) fn set_end(&self, end: &End) {
        self.state.store(end.state as u32, Relaxed);
        self.sqlstate.store(end.sqlstate, Relaxed);
        self.started_at.store(end.started_at, Relaxed);
        self.finished_at.store(end.finished_at, Relaxed);
        self.used.set(&end.used);
        self.message.set(end.message);
    }

    /// Is filled by `fill`, and is then that job's.
    pub(super) fn fill(&self, cookie: i64, fill: impl FnOnce(&Self)) {
        self.cookie.store(0, Relaxed);
        fence(Release);
        fill(self);
        self.cookie.store(cookie, Release);
    }
}

pub struct EndedRow {
    pub pid: i32,
    pub cookie: i64,
    pub label: Vec<u8>,
    pub database: u32,
    pub role: u32,
    pub launcher_pid: i32,
    /// It was to start at a commit: pid 0 names it, too.
    pub is_at_commit: bool,
    pub state: State,
    /// As the server packs it; 0 without an error.
    pub sqlstate: i32,
    pub message: Vec<u8>,
    /// Microseconds since 2000-01-01, like all times here; 0 when it has not come.
    pub launched_at: i64,
    pub started_at: i64,
    pub finished_at: i64,
    pub row_count: i64,
    pub query: Vec<u8>,
    pub spooled: i64,
    pub used: Usage,
}

impl EndedRow {
    pub fn name(&self) -> JobName {
        JobName { pid: self.pid, role: self.role, is_at_commit: self.is_at_commit }
    }
}

/// A row without its texts, and these. As with [`super::rows`], it is copied in two steps.
pub struct CopiedEnd(
    EndedRow,
    Copied<{ LABEL_SIZE / WORD }>,
    Copied<{ MESSAGE_SIZE / WORD }>,
    Copied<{ QUERY_SIZE / WORD }>,
);

impl CopiedEnd {
    pub fn into_row(self) -> EndedRow {
        let Self(mut row, label, message, query) = self;
        row.label = label.bytes().to_vec();
        row.message = message.bytes().to_vec();
        row.query = query.bytes().to_vec();
        row
    }
}

impl Locked<'_> {
    /// Takes the job that ends now into the history.
    pub(super) fn remember(&mut self, cookie: i64, fill: impl FnOnce(&HistoryEntry)) {
        let next = self.head.ended.fetch_add(1, Relaxed);
        let size = self.history.len().max(1) as u64;
        if let Some(entry) = self.history.get((next % size) as usize) {
            entry.fill(cookie, fill);
        }
    }
}

impl Shared<'_> {
    pub fn copy_end(&self, index: usize) -> Option<CopiedEnd> {
        let entry = self.history.get(index)?;
        Some(CopiedEnd(ended_row(entry), entry.label.copy(), entry.message.copy(), entry.query.copy()))
    }

    /// The ended job with that cookie, if the entry is its own still.
    pub fn name_of_ended(&self, index: usize, cookie: i64) -> Option<JobName> {
        let entry = self.history.get(index)?;
        let found = JobName {
            pid: entry.worker_pid.load(Relaxed),
            role: entry.role.load(Relaxed),
            is_at_commit: entry.at_commit.load(Relaxed) != 0,
        };
        (entry.cookie.load(Relaxed) == cookie).then_some(found)
    }
}

impl Tables<'_> {
    /// The history's entry of the job with that cookie. A look without the lock.
    pub fn entry_of(&self, cookie: i64) -> Option<usize> {
        self.history.iter().position(|entry| entry.cookie.load(Acquire) == cookie)
    }

    /// The history's entries that are in use: when the job ended, its cookie, and the entry's number. A look without
    /// the lock: an entry may be another job's by the time that it is copied.
    pub fn ends(&self) -> impl Iterator<Item = (i64, i64, usize)> {
        let entries = self.history.iter().zip(0..);
        // the cookie is written last, and read first
        let ends = entries.map(|(entry, n)| (entry.cookie.load(Acquire), entry.finished_at.load(Relaxed), n));
        ends.filter(|(cookie, ..)| *cookie != 0).map(|(cookie, finished_at, n)| (finished_at, cookie, n))
    }
}

fn ended_row(entry: &HistoryEntry) -> EndedRow {
    EndedRow {
        pid: entry.worker_pid.load(Relaxed),
        cookie: entry.cookie.load(Relaxed),
        label: Vec::new(),
        database: entry.database.load(Relaxed),
        role: entry.role.load(Relaxed),
        launcher_pid: entry.launcher_pid.load(Relaxed),
        is_at_commit: entry.at_commit.load(Relaxed) != 0,
        state: State::from_u32(entry.state.load(Relaxed)).unwrap_or(State::Error),
        sqlstate: entry.sqlstate.load(Relaxed),
        message: Vec::new(),
        launched_at: entry.launched_at.load(Relaxed),
        started_at: entry.started_at.load(Relaxed),
        finished_at: entry.finished_at.load(Relaxed),
        row_count: entry.row_count.load(Relaxed),
        query: Vec::new(),
        spooled: entry.spooled.load(Relaxed),
        used: entry.used.get(),
    }
}
