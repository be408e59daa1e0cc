//! The history as a file's bytes: saved when the server stops, read when it starts.
//!
//! ```text
//! magic u64 │ format u32 │ major u32 │ cluster u64 │ jobs u32 │ the jobs, oldest first │ CRC-32 of all before u32
//! ```
//!
//! The numbers are in the machine's order of bytes: on another one the magic number is none. Nothing in the bytes is
//! believed: [`decode`] looks at all of them before anything is taken over.

use super::history::HistoryEntry;
use super::layout::{LABEL_SIZE, MESSAGE_SIZE, QUERY_SIZE};
use super::tables::Tables;
use crate::job::state::State;
use crate::job::usage::{AMOUNTS, Usage};
use crate::wire::bytes::{Reader, put_counted};
use crate::wire::{Malformed, Result};
use std::sync::atomic::Ordering::{Acquire, Relaxed};

const MAGIC: u64 = 0x7067_5f62_6768_6973;
/// Counts the changes of the file's layout. The registry's own does not matter here.
pub const FORMAT: u32 = 1;
/// What comes before the jobs, and after them.
const HEAD: usize = 2 * 8 + 3 * 4;
const TAIL: usize = 4;
/// Of a job without its texts: cookie, seven numbers of 32 bits, five of 64 bits, what it used, three lengths.
const FIXED: usize = 8 + 7 * 4 + 5 * 8 + AMOUNTS * 8 + 3 * 4;
/// Bytes of the largest file: a history has at most so many entries (`pg_background.history_size`).
pub const MOST: usize = HEAD + 65_536 * (FIXED + LABEL_SIZE + MESSAGE_SIZE + QUERY_SIZE) + TAIL;
/// A time beyond is none of the server's.
const LAST_TIME: i64 = 9_223_371_331_200_000_000;

/// Whose history it is: object identifiers and cookies mean nothing elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The server's major version.
    pub major: u32,
    /// The cluster's system identifier.
    pub cluster: u64,
}

/// Why the bytes are not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// No such file, or one of another machine.
    Foreign,
    /// Another version of the library has written it.
    Format(u32),
    /// Another major of the server has.
    Server(u32),
    /// It is of the cluster with that system identifier.
    Cluster(u64),
    Damaged(&'static str),
}

impl From<Malformed> for Unusable {
    fn from(Malformed(what): Malformed) -> Self {
        Self::Damaged(what)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavedJob<'a> {
    pub cookie: i64,
    pub worker_pid: i32,
    pub launcher_pid: i32,
    pub database: u32,
    pub role: u32,
    pub state: State,
    pub sqlstate: i32,
    pub is_at_commit: bool,
    pub launched_at: i64,
    pub started_at: i64,
    pub finished_at: i64,
    pub row_count: i64,
    pub spooled: i64,
    pub used: Usage,
    pub label: &'a [u8],
    pub message: &'a [u8],
    pub query: &'a [u8],
}

impl<'a> SavedJob<'a> {
    pub fn encode(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.cookie.to_ne_bytes());
        for number in [
            self.worker_pid as u32,
            self.launcher_pid as u32,
            self.database,
            self.role,
            self.state as u32,
            self.sqlstate as u32,
            u32::from(self.is_at_commit),
        ] {
            to.extend_from_slice(&number.to_ne_bytes());
        }
        let times = [self.launched_at, self.started_at, self.finished_at];
        for number in times.into_iter().chain([self.row_count, self.spooled]).chain(self.used.amounts()) {
            to.extend_from_slice(&number.to_ne_bytes());
        }
        for text in [self.label, self.message, self.query] {
            put_counted(to, text);
        }
    }

    fn decode(from: &mut Reader<'a>) -> Result<Self> {
        fn text<'a>(from: &mut Reader<'a>, most: usize) -> Result<&'a [u8]> {
            from.counted()
                .and_then(|text| if text.len() > most { Err(Malformed("a text is too long")) } else { Ok(text) })
        }
        fn time(from: &mut Reader) -> Result<i64> {
            let time = from.u64()? as i64;
            if (0..=LAST_TIME).contains(&time) { Ok(time) } else { Err(Malformed("a time is out of range")) }
        }
        fn amount(from: &mut Reader) -> Result<i64> {
            i64::try_from(from.u64()?).map_err(|_| Malformed("an amount is negative"))
        }
        let cookie = from.u64()? as i64;
        if cookie == 0 {
            return Err(Malformed("a job has no cookie"));
        }
        let (worker_pid, launcher_pid) = (from.i32()?, from.i32()?);
        let (database, role) = (from.u32()?, from.u32()?);
        let state = State::from_u32(from.u32()?).filter(|state| state.is_final());
        let state = state.ok_or(Malformed("a job has not ended"))?;
        let sqlstate = from.i32()?;
        let is_at_commit = from.u32()? != 0;
        let (launched_at, started_at, finished_at) = (time(from)?, time(from)?, time(from)?);
        let (row_count, spooled) = (amount(from)?, amount(from)?);
        let mut used = [0; AMOUNTS];
        for number in &mut used {
            *number = amount(from)?;
        }
        Ok(Self {
            cookie,
            worker_pid,
            launcher_pid,
            database,
            role,
            state,
            sqlstate,
            is_at_commit,
            launched_at,
            started_at,
            finished_at,
            row_count,
            spooled,
            used: Usage::of(used),
            label: text(from, LABEL_SIZE)?,
            message: text(from, MESSAGE_SIZE)?,
            query: text(from, QUERY_SIZE)?,
        })
    }
}

/// Bytes that are a whole history: all of its jobs can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavedHistory<'a>(&'a [u8]);

impl<'a> SavedHistory<'a> {
    /// Oldest first.
    pub fn jobs(&self) -> impl Iterator<Item = SavedJob<'a>> + use<'a> {
        let mut from = Reader::new(self.0);
        std::iter::from_fn(move || SavedJob::decode(&mut from).ok())
    }
}

/// The history in `bytes`, if it is the owner's.
pub fn decode(bytes: &[u8], owner: Owner) -> std::result::Result<SavedHistory<'_>, Unusable> {
    let mut head = Reader::new(bytes);
    if head.u64() != Ok(MAGIC) {
        return Err(Unusable::Foreign);
    }
    let format = head.u32()?;
    if format != FORMAT {
        return Err(Unusable::Format(format));
    }
    let (body, tail) = bytes.split_last_chunk::<TAIL>().ok_or(Malformed("the file is too short"))?;
    if u32::from_ne_bytes(*tail) != crc32(body) {
        return Err(Unusable::Damaged("the checksum is wrong"));
    }
    let written_by = head.u32()?;
    if written_by != owner.major {
        return Err(Unusable::Server(written_by));
    }
    let cluster = head.u64()?;
    if cluster != owner.cluster {
        return Err(Unusable::Cluster(cluster));
    }
    let count = head.u32()?;
    let jobs = body.get(HEAD..).ok_or(Malformed("the file is too short"))?;
    let mut left = Reader::new(jobs);
    for _ in 0..count {
        SavedJob::decode(&mut left)?;
    }
    if left.is_empty() { Ok(SavedHistory(jobs)) } else { Err(Unusable::Damaged("the file is too long")) }
}

/// A file in the making.
pub struct Encoder(Vec<u8>);

impl Encoder {
    /// For so many jobs, with texts of so many bytes together. `None` if there is no memory for them.
    pub fn new(owner: Owner, jobs: usize, texts: usize) -> Option<Self> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(HEAD + jobs * FIXED + texts + TAIL).ok()?;
        let mut encoder = Self(bytes);
        encoder.put_owner(owner);
        encoder.0.extend_from_slice(&(jobs as u32).to_ne_bytes());
        Some(encoder)
    }

    fn put_owner(&mut self, owner: Owner) {
        self.0.extend_from_slice(&MAGIC.to_ne_bytes());
        self.0.extend_from_slice(&FORMAT.to_ne_bytes());
        self.0.extend_from_slice(&owner.major.to_ne_bytes());
        self.0.extend_from_slice(&owner.cluster.to_ne_bytes());
    }

    pub fn put(&mut self, job: &SavedJob) {
        job.encode(&mut self.0);
    }

    pub fn finish(mut self) -> Vec<u8> {
        let crc = crc32(&self.0);
        self.0.extend_from_slice(&crc.to_ne_bytes());
        self.0
    }
}

/// For tests: a file whose number of jobs, and what follows on it, are these bytes, with a head and a checksum that are
/// right.
pub fn signed(owner: Owner, bytes: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder(Vec::new());
    encoder.put_owner(owner);
    encoder.0.extend_from_slice(bytes);
    encoder.finish()
}

impl Tables<'_> {
    /// The history as bytes; `None` if there is no memory for them. By the postmaster, when all other processes are
    /// gone: no lock.
    ///
    /// A server that stops at once (immediate shutdown) ends its processes wherever they are. An entry that was being
    /// filled then has no cookie, and is left out.
    pub fn encode_history(&self, owner: Owner) -> Option<Vec<u8>> {
        let ended = self.head.ended.load(Relaxed);
        let size = self.history.len() as u64;
        let oldest_first = (ended.saturating_sub(size)..ended).filter_map(|n| self.history.get((n % size) as usize));
        let used = oldest_first.filter(|entry| entry.cookie.load(Acquire) != 0);
        let (jobs, texts) = used.clone().fold((0, 0), |(jobs, texts), entry| {
            (jobs + 1, texts + entry.label.len() + entry.message.len() + entry.query.len())
        });
        let mut encoder = Encoder::new(owner, jobs, texts)?;
        for entry in used {
            let (label, message, query) = (entry.label.copy(), entry.message.copy(), entry.query.copy());
            encoder.put(&SavedJob {
                cookie: entry.cookie.load(Relaxed),
                worker_pid: entry.worker_pid.load(Relaxed),
                launcher_pid: entry.launcher_pid.load(Relaxed),
                database: entry.database.load(Relaxed),
                role: entry.role.load(Relaxed),
                state: State::from_u32(entry.state.load(Relaxed)).unwrap_or(State::Error),
                sqlstate: entry.sqlstate.load(Relaxed),
                is_at_commit: entry.at_commit.load(Relaxed) != 0,
                launched_at: entry.launched_at.load(Relaxed),
                started_at: entry.started_at.load(Relaxed),
                finished_at: entry.finished_at.load(Relaxed),
                row_count: entry.row_count.load(Relaxed),
                spooled: entry.spooled.load(Relaxed),
                used: entry.used.get(),
                label: label.bytes(),
                message: message.bytes(),
                query: query.bytes(),
            });
        }
        Some(encoder.finish())
    }

    /// Takes over the newest jobs that there is room for; returns how many. Into an empty history, before any other
    /// process knows of the registry.
    pub fn restore_history(&self, saved: &SavedHistory) -> usize {
        let surplus = saved.jobs().count().saturating_sub(self.history.len());
        let mut restored = 0;
        for (job, entry) in saved.jobs().skip(surplus).zip(self.history) {
            job.restore(entry);
            restored += 1;
        }
        self.head.ended.store(restored as u64, Relaxed);
        restored
    }
}

impl SavedJob<'_> {
    fn restore(&self, entry: &HistoryEntry) {
        entry.fill(self.cookie, |entry| {
            entry.worker_pid.store(self.worker_pid, Relaxed);
            entry.launcher_pid.store(self.launcher_pid, Relaxed);
            entry.database.store(self.database, Relaxed);
            entry.role.store(self.role, Relaxed);
            entry.state.store(self.state as u32, Relaxed);
            entry.sqlstate.store(self.sqlstate, Relaxed);
            entry.at_commit.store(u32::from(self.is_at_commit), Relaxed);
            entry.launched_at.store(self.launched_at, Relaxed);
            entry.started_at.store(self.started_at, Relaxed);
            entry.finished_at.store(self.finished_at, Relaxed);
            entry.row_count.store(self.row_count, Relaxed);
            entry.spooled.store(self.spooled, Relaxed);
            entry.used.set(&self.used);
            entry.label.set(self.label);
            entry.message.set(self.message);
            entry.query.set(self.query);
        });
    }
}

/// The checksum of Ethernet, gzip and PNG.
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut i = 0;
        while i < 256 {
            let mut rest = i as u32;
            let mut bit = 0;
            while bit < 8 {
                rest = if rest & 1 == 0 { rest >> 1 } else { rest >> 1 ^ 0xEDB8_8320 };
                bit += 1;
            }
            table[i] = rest;
            i += 1;
        }
        table
    };
    !bytes.iter().fold(u32::MAX, |crc, byte| crc >> 8 ^ TABLE[usize::from(crc as u8 ^ byte)])
}

#[cfg(test)]
mod tests;
