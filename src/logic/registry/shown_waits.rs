//! Waits for jobs that their sessions show to the others.
//!
//! A session shows a wait once it has lasted for `deadlock_timeout`, and takes it back at its end. Others read it when
//! they look for a deadlock of their own: a job may wait for jobs that it has launched itself, and a session that holds
//! a lock for jobs of its own. Without an entry (the table is full, or the wait is for any of too many jobs) a deadlock
//! that goes through this session is not found.

use super::layout::{SHOWN_JOBS, ShownWait};
use super::locked::{Locked, Process, Shared};
use super::tables::Tables;
use crate::wait_graph::Needs;
use std::sync::atomic::Ordering::Relaxed;

/// A wait that another session shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    pub number: u64,
    /// `AllJobs` or `AnyJob`.
    pub needs: Needs,
    cookies: [i64; SHOWN_JOBS],
}

impl Shown {
    /// Of the awaited jobs: all of them for `AnyJob`, otherwise perhaps only some. Jobs that have ended can be among
    /// them.
    pub fn cookies(&self) -> impl Iterator<Item = i64> + use<'_> {
        self.cookies.iter().copied().filter(|cookie| *cookie != 0)
    }
}

impl<'t> Tables<'t> {
    /// The entries in use. The table has one for each job there could be, so it is looked at only as far as needed.
    fn shown(&self) -> impl Iterator<Item = &'t ShownWait> + use<'t> {
        let used = self.shown_waits.iter().filter(|entry| entry.number.load(Relaxed) != 0);
        used.take(self.head.shown_waits.load(Relaxed) as usize)
    }
}

impl Shared<'_> {
    /// The wait that the process with that pid shows.
    pub fn wait_of(&self, pid: i32) -> Option<Shown> {
        let entry = self.shown().find(|entry| entry.is_of(pid))?;
        let any = entry.for_any.load(Relaxed) != 0;
        Some(Shown {
            number: entry.number.load(Relaxed),
            needs: if any { Needs::AnyJob } else { Needs::AllJobs },
            cookies: std::array::from_fn(|i| entry.jobs[i].load(Relaxed)),
        })
    }
}

impl Locked<'_> {
    /// Shows that this process waits for those jobs, or what is left of them. A wait that is shown already keeps its
    /// number. Nothing is shown where that does not fit.
    pub fn show_wait(&mut self, needs: Needs, cookies: &[i64]) {
        let me = self.server.me();
        if needs == Needs::AnyJob && cookies.len() > SHOWN_JOBS {
            return self.hide_wait();
        }
        let is_gone = |entry: &&ShownWait| {
            let process = Process { pid: entry.pid.load(Relaxed), proc: entry.proc.load(Relaxed) };
            entry.number.load(Relaxed) != 0 && !self.server.is_alive(process)
        };
        let entries = || self.shown_waits.iter();
        let is_free = |entry: &&ShownWait| entry.number.load(Relaxed) == 0;
        let mine = self.shown().find(|entry| entry.is_of(me.pid));
        let Some(entry) = mine.or_else(|| entries().find(is_free)).or_else(|| entries().find(is_gone)) else {
            return;
        };
        if mine.is_none() {
            if is_free(&entry) {
                self.head.shown_waits.fetch_add(1, Relaxed);
            }
            entry.number.store(self.head.next_ticket.fetch_add(1, Relaxed), Relaxed);
            entry.pid.store(me.pid, Relaxed);
            entry.proc.store(me.proc, Relaxed);
        }
        entry.for_any.store(u32::from(needs == Needs::AnyJob), Relaxed);
        let cookies = cookies.iter().copied().chain(std::iter::repeat(0));
        entry.jobs.iter().zip(cookies).for_each(|(job, cookie)| job.store(cookie, Relaxed));
    }

    /// This process waits no longer.
    pub fn hide_wait(&mut self) {
        let me = self.server.me().pid;
        if let Some(entry) = self.shown().find(|entry| entry.is_of(me)) {
            entry.number.store(0, Relaxed);
            self.head.shown_waits.fetch_sub(1, Relaxed);
        }
    }
}

impl ShownWait {
    fn is_of(&self, pid: i32) -> bool {
        self.pid.load(Relaxed) == pid
    }
}
