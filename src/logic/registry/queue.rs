//! Launches that wait for their turn, first come, first served.
//!
//! There are two queues in one table: of launches that wait for a job slot, and of launches that have one and wait for
//! a process. A launch that waits is woken through `Head::freed`, and leaves the queue itself.

use super::jobs::NewJob;
use super::locked::{Locked, Shared};
use super::quota::{self, Limits, MAX_WAITERS, Request, Running, Scope};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64};

/// What a launch waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    ForSlot,
    /// A process, or a warm worker that becomes idle.
    ForProcess,
}

/// A launch that waits to be let in. Under the lock.
#[derive(Default)]
#[repr(C)]
pub struct Waiter {
    /// Its place in the queue; 0 in a free entry.
    pub(crate) ticket: AtomicU64,
    pub(crate) pid: AtomicI32,
    pub(crate) proc: AtomicU32,
    /// 1: it has a job slot and waits for a process to run the job.
    pub(crate) wants_process: AtomicU32,
    pub(crate) database: AtomicU32,
    pub(crate) role: AtomicU32,
    pub(crate) per_role: AtomicU32,
}

impl Waiter {
    fn request(&self, total: u32, per_database: u32) -> Request {
        Request {
            database: self.database.load(Relaxed),
            role: self.role.load(Relaxed),
            limits: Limits { total, per_database, per_role: self.per_role.load(Relaxed) },
        }
    }

    fn waits_in(&self, queue: Queue) -> bool {
        (self.wants_process.load(Relaxed) != 0) == (queue == Queue::ForProcess)
    }
}

impl NewJob<'_> {
    fn request(&self) -> Request {
        Request { database: self.database, role: self.role, limits: self.limits }
    }
}

impl Shared<'_> {
    /// The launches of that queue, in their order and before `ticket`: ticket and place in the table, and how many.
    fn ahead(&self, queue: Queue, ticket: Option<u64>) -> ([(u64, usize); MAX_WAITERS], usize) {
        let mut found = [(0, 0); MAX_WAITERS];
        let mut count = 0;
        for (index, waiter) in self.head.waiters.iter().enumerate() {
            let place = waiter.ticket.load(Relaxed);
            if place != 0 && waiter.waits_in(queue) && ticket.is_none_or(|ticket| place < ticket) {
                found[count] = (place, index);
                count += 1;
            }
        }
        found[..count].sort_unstable();
        (found, count)
    }

    /// The limit that keeps the job out; `None`: it is admitted.
    pub(super) fn verdict(&self, new: &NewJob, ticket: Option<u64>) -> Option<Scope> {
        let (ahead, count) = self.ahead(Queue::ForSlot, ticket);
        let mut requests = [Request::default(); MAX_WAITERS];
        for (request, (_, index)) in requests.iter_mut().zip(&ahead[..count]) {
            *request = self.head.waiters[*index].request(new.limits.total, new.limits.per_database);
        }
        let me = new.request();
        let ahead = &requests[..count];
        let running = self.count_running(ahead.iter().chain([&me]));
        let free = self.head.free_jobs.load(Relaxed);
        quota::verdict(&me, ahead.iter(), |scope, request| running.within(scope, request), free)
    }

    fn count_running<'r>(&self, requests: impl Iterator<Item = &'r Request> + Clone) -> Running {
        Running::count(requests, self.running(), self.kinds.iter().map(|kind| kind.load(Relaxed)))
    }

    /// How many running jobs the limit counts, for its error.
    pub fn running_within(&self, scope: Scope, new: &NewJob) -> u32 {
        let request = new.request();
        self.count_running([&request].into_iter()).within(scope, &request)
    }

    /// Is it this launch's turn to ask for a process? Without a ticket: does no other launch wait for one?
    pub fn is_next_for_process(&self, ticket: Option<u64>) -> bool {
        let (_, count) = self.ahead(Queue::ForProcess, ticket);
        count == 0
    }
}

impl Locked<'_> {
    /// Enters the launch in the queue: returns its ticket, `None` when the queue is full.
    pub fn join(&mut self, new: &NewJob, queue: Queue) -> Option<u64> {
        let waiter = self.head.waiters.iter().find(|waiter| waiter.ticket.load(Relaxed) == 0)?;
        let me = self.server.me();
        let ticket = self.head.next_ticket.fetch_add(1, Relaxed);
        waiter.pid.store(me.pid, Relaxed);
        waiter.proc.store(me.proc, Relaxed);
        waiter.wants_process.store(u32::from(queue == Queue::ForProcess), Relaxed);
        waiter.database.store(new.database, Relaxed);
        waiter.role.store(new.role, Relaxed);
        waiter.per_role.store(new.limits.per_role, Relaxed);
        waiter.ticket.store(ticket, Relaxed);
        self.head.waiting.fetch_add(1, Relaxed);
        Some(ticket)
    }

    /// The launch leaves the queue, admitted or not. Launches behind it look again.
    pub fn quit(&mut self, ticket: u64) {
        self.forget_waiters(|waiter| waiter.ticket.load(Relaxed) == ticket);
        self.wakes.freed = true;
    }

    pub(super) fn forget_waiters(&self, is_meant: impl Fn(&Waiter) -> bool) {
        for waiter in &self.head.waiters {
            if waiter.ticket.load(Relaxed) != 0 && is_meant(waiter) {
                waiter.ticket.store(0, Relaxed);
                self.head.waiting.fetch_sub(1, Relaxed);
            }
        }
    }
}
