//! Launches that wait for their turn, first come, first served.
//!
//! There are two queues in one table: of launches that wait for a job slot, and of launches that have one and wait for
//! a process. A launch that waits sleeps on its latch.
//!
//! Whoever frees something, raises a limit, gives up its place in the queue or goes past others, wakes those that can
//! go on now, and no others ([`Locked::wake_next`]): of the first queue all that would be admitted if they asked in
//! their order, of the second one the first. So no wake-up is lost, whatever becomes of a launch that was woken.
//! Suppose that a place is freed and the first is woken, and that it is cancelled just then: its entry goes, and that
//! wakes the next. Suppose that another place is freed before the first has asked: then both would be admitted, and
//! both are woken, one of them for the second time.

use super::door::CommonLimits;
use super::jobs::NewJob;
use super::locked::{Locked, Shared};
use super::quota::{self, MAX_WAITERS, Request, Running, Scope};
use super::tables::Tables;
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
    /// Its session's limit; 0 is none.
    pub(crate) per_role: AtomicU32,
}

impl Waiter {
    pub(super) fn ticket(&self) -> u64 {
        self.ticket.load(Relaxed)
    }

    pub(super) fn pid(&self) -> i32 {
        self.pid.load(Relaxed)
    }

    fn request(&self, common: CommonLimits) -> Request {
        Request {
            database: self.database.load(Relaxed),
            role: self.role.load(Relaxed),
            limits: common.with(self.per_role.load(Relaxed)),
        }
    }

    fn waits_in(&self, queue: Queue) -> bool {
        (self.wants_process.load(Relaxed) != 0) == (queue == Queue::ForProcess)
    }
}

impl NewJob<'_> {
    fn request(&self, common: CommonLimits) -> Request {
        Request { database: self.database, role: self.role, limits: common.with(self.per_role) }
    }
}

impl Tables<'_> {
    /// Numbers of the processes whose launches wait.
    pub(super) fn waiting(&self) -> impl Iterator<Item = u32> {
        let waiting = self.head.waiters.iter().filter(|waiter| waiter.ticket() != 0);
        waiting.map(|waiter| waiter.proc.load(Relaxed))
    }
}

impl Shared<'_> {
    /// The launches of that queue, in their order and before `ticket`: ticket and place in the table, and how many.
    fn ahead(&self, queue: Queue, ticket: Option<u64>) -> ([(u64, usize); MAX_WAITERS], usize) {
        let mut found = [(0, 0); MAX_WAITERS];
        let mut count = 0;
        for (entry, waiter) in found.iter_mut().zip(self.waiters_ahead(queue, ticket)) {
            *entry = waiter;
            count += 1;
        }
        found[..count].sort_unstable();
        (found, count)
    }

    /// What these entries of the table ask for.
    fn requests(&self, waiting: &[(u64, usize)], common: CommonLimits) -> [Request; MAX_WAITERS] {
        let mut requests = [Request::default(); MAX_WAITERS];
        for (request, (_, index)) in requests.iter_mut().zip(waiting) {
            *request = self.head.waiters[*index].request(common);
        }
        requests
    }

    /// The limit that keeps the job out; `None`: it is admitted. The limits may change meanwhile: all are judged by
    /// the same ones.
    pub(super) fn verdict(&self, new: &NewJob, ticket: Option<u64>) -> Option<Scope> {
        let common = self.common_limits();
        let (ahead, count) = self.ahead(Queue::ForSlot, ticket);
        let requests = self.requests(&ahead[..count], common);
        let me = new.request(common);
        let ahead = &requests[..count];
        let running = self.count_running(ahead.iter().chain([&me]));
        let free = self.head.free_jobs.load(Relaxed);
        quota::verdict(&me, ahead.iter(), |scope, request| running.within(scope, request), free)
    }

    fn count_running<'r>(&self, requests: impl Iterator<Item = &'r Request> + Clone) -> Running {
        Running::count(requests, self.running(), self.used_kinds())
    }

    /// How many running jobs the limit counts that has kept the job out, for its error. It may be gone by now.
    pub fn running_within(&self, scope: Scope, new: &NewJob) -> u32 {
        let request = new.request(CommonLimits { total: 1, per_database: 1 });
        self.count_running([&request].into_iter()).within(scope, &request)
    }

    /// Is it this launch's turn to ask for a process? Without a ticket: does no other launch wait for one?
    pub fn is_next_for_process(&self, ticket: Option<u64>) -> bool {
        self.waiters_ahead(Queue::ForProcess, ticket).next().is_none()
    }

    /// Does a launch of that role wait for a slot that came before `ticket`, and whose session allows the role fewer
    /// jobs?
    pub(super) fn has_stricter_ahead(&self, new: &NewJob, ticket: Option<u64>) -> bool {
        self.waiters_ahead(Queue::ForSlot, ticket).any(|(_, index)| {
            let waiter = &self.head.waiters[index];
            let limit = waiter.per_role.load(Relaxed);
            waiter.role.load(Relaxed) == new.role && limit != 0 && (new.per_role == 0 || limit < new.per_role)
        })
    }

    fn waiters_ahead(&self, queue: Queue, ticket: Option<u64>) -> impl Iterator<Item = (u64, usize)> + use<'_> {
        let entries = self.head.waiters.iter().enumerate();
        let ahead = entries.filter(move |(_, waiter)| {
            let place = waiter.ticket();
            place != 0 && waiter.waits_in(queue) && ticket.is_none_or(|ticket| place < ticket)
        });
        ahead.map(|(index, waiter)| (waiter.ticket(), index))
    }
}

impl Locked<'_> {
    /// Enters the launch in the queue: returns its ticket, `None` when the queue is full.
    pub fn join(&mut self, new: &NewJob, queue: Queue) -> Option<u64> {
        let waiter = self.head.waiters.iter().find(|waiter| waiter.ticket() == 0)?;
        let me = self.server.me();
        let ticket = self.head.next_ticket.fetch_add(1, Relaxed);
        waiter.pid.store(me.pid, Relaxed);
        waiter.proc.store(me.proc, Relaxed);
        waiter.wants_process.store(u32::from(queue == Queue::ForProcess), Relaxed);
        waiter.database.store(new.database, Relaxed);
        waiter.role.store(new.role, Relaxed);
        waiter.per_role.store(new.per_role, Relaxed);
        waiter.ticket.store(ticket, Relaxed);
        self.head.waiting.fetch_add(1, Relaxed);
        Some(ticket)
    }

    /// The launch leaves the queue, if it is still there.
    pub fn quit(&mut self, ticket: u64) {
        self.forget_waiters(|waiter| waiter.ticket() == ticket);
        self.wake_next();
    }

    /// Wakes the launches that can go on now: to be called when anything was freed that a launch may wait for, when a
    /// limit may have been raised, and when an entry has left the queue. Also the dispatcher, whose jobs wait
    /// elsewhere.
    pub(super) fn wake_next(&mut self) {
        if self.has_waiters() {
            self.wake_next_for_slot();
            if let Some((_, first)) = self.waiters_ahead(Queue::ForProcess, None).min() {
                let proc = self.head.waiters[first].proc.load(Relaxed);
                self.wake(proc);
            }
        }
        self.wake_dispatcher();
    }

    fn wake_next_for_slot(&mut self) {
        let free = self.head.free_jobs.load(Relaxed);
        let (waiting, count) = self.ahead(Queue::ForSlot, None);
        if free == 0 || count == 0 {
            return;
        }
        let waiting = &waiting[..count];
        let requests = self.requests(waiting, self.common_limits());
        let requests = &requests[..count];
        let running = self.count_running(requests.iter());
        let within = |scope, request: &Request| running.within(scope, request);
        quota::admissible(requests.iter(), &within, free, |number| {
            let proc = self.head.waiters[waiting[number].1].proc.load(Relaxed);
            self.wake(proc);
        });
    }

    pub(super) fn forget_waiters(&self, is_meant: impl Fn(&Waiter) -> bool) {
        for waiter in &self.head.waiters {
            if waiter.ticket() != 0 && is_meant(waiter) {
                waiter.ticket.store(0, Relaxed);
                self.head.waiting.fetch_sub(1, Relaxed);
            }
        }
    }
}
