//! Launches that wait for their turn, first come, first served; and waiting for jobs of other sessions.

use super::access::NewJob;
use super::area::Registry;
use crate::pg::condvar::Condition;
use crate::pg::error::Result;
use crate::pg::latch::Event;
use crate::pg::{identity, shmem};
use logic::registry::layout::{Activity, Waiter, WorkerSlot};
use logic::registry::quota::{self, MAX_WAITERS, Request, Running, Scope};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// How long a command that sends idle workers away waits until they are gone.
const LEAVERS: Duration = Duration::from_secs(1);

impl Registry {
    /// The waiting launches that want `process`es, or those that do not, in their order and before `ticket`. Under the lock: no
    /// allocation.
    fn ahead(&self, process: bool, ticket: Option<u64>) -> ([(u64, usize); MAX_WAITERS], usize) {
        let mut found = [(0, 0); MAX_WAITERS];
        let mut count = 0;
        for (index, waiter) in self.head.waiters.iter().enumerate() {
            let place = waiter.ticket.load(Relaxed);
            if place != 0
                && (waiter.wants_process.load(Relaxed) != 0) == process
                && ticket.is_none_or(|ticket| place < ticket)
            {
                found[count] = (place, index);
                count += 1;
            }
        }
        found[..count].sort_unstable();
        (found, count)
    }

    /// The limit that keeps the job out. Under the lock.
    pub(super) fn verdict(&self, new: &NewJob, ticket: Option<u64>) -> Option<Scope> {
        let (ahead, count) = self.ahead(false, ticket);
        let mut requests = [Request::default(); MAX_WAITERS];
        for (request, (_, index)) in requests.iter_mut().zip(&ahead[..count]) {
            *request = self.head.waiters[*index].request(new.limits.total, new.limits.per_database);
        }
        let me = Request { database: new.database, role: new.role, limits: new.limits };
        let ahead = &requests[..count];
        let running = self.count_running(ahead.iter().chain([&me]));
        let free = self.head.free_jobs.load(Relaxed);
        quota::verdict(&me, ahead.iter(), |scope, request| running.within(scope, request), free)
    }

    /// Under the lock.
    fn count_running<'a>(&self, requests: impl Iterator<Item = &'a Request> + Clone) -> Running {
        Running::count(requests, self.running(), self.kinds.iter().map(|kind| kind.load(Relaxed)))
    }

    /// Running jobs that the limit counts, for its error.
    pub fn running_within(&self, scope: Scope, new: &NewJob) -> Result<u32> {
        let request = Request { database: new.database, role: new.role, limits: new.limits };
        let held = self.lock.shared()?;
        let running = self.count_running([&request].into_iter());
        drop(held);
        Ok(running.within(scope, &request))
    }

    /// Stands in the queue; `None` when it is too long already.
    pub fn join(&self, new: &NewJob, wants_process: bool) -> Result<Option<u64>> {
        let (pid, proc) = (identity::process_id(), shmem::my_proc());
        let held = self.lock.exclusive()?;
        let free = self.head.waiters.iter().find(|waiter| waiter.ticket.load(Relaxed) == 0);
        let ticket = free.map(|waiter| {
            let ticket = self.head.next_ticket.fetch_add(1, Relaxed);
            waiter.pid.store(pid, Relaxed);
            waiter.proc.store(proc, Relaxed);
            waiter.wants_process.store(u32::from(wants_process), Relaxed);
            waiter.database.store(new.database, Relaxed);
            waiter.role.store(new.role, Relaxed);
            waiter.per_role.store(new.limits.per_role, Relaxed);
            waiter.ticket.store(ticket, Relaxed);
            self.head.waiting.fetch_add(1, Relaxed);
            ticket
        });
        drop(held);
        Ok(ticket)
    }

    /// Leaves the queue. Those behind may come in now.
    pub fn quit(&self, ticket: u64) -> Result<()> {
        let held = self.lock.exclusive()?;
        self.forget(|waiter| waiter.ticket.load(Relaxed) == ticket);
        drop(held);
        self.head.freed.broadcast();
        Ok(())
    }

    /// Under the lock.
    pub(super) fn forget_waiters(&self, pid: i32) {
        self.forget(|waiter| waiter.pid.load(Relaxed) == pid);
    }

    fn forget(&self, is_meant: impl Fn(&Waiter) -> bool) {
        for waiter in &self.head.waiters {
            if waiter.ticket.load(Relaxed) != 0 && is_meant(waiter) {
                waiter.ticket.store(0, Relaxed);
                self.head.waiting.fetch_sub(1, Relaxed);
            }
        }
    }

    /// Is it this launch's turn to ask for a process? Without a ticket: does nobody wait for one?
    pub fn is_next_for_process(&self, ticket: Option<u64>) -> Result<bool> {
        if self.head.waiting.load(Relaxed) == 0 {
            return Ok(true);
        }
        let held = self.lock.shared()?;
        let (_, count) = self.ahead(true, ticket);
        drop(held);
        Ok(count == 0)
    }

    /// Sleeps until `ready` gives something, looking each time that a slot, a worker or a place in the queue becomes free.
    pub fn wait_for_room<T>(
        &self,
        deadline: Option<Instant>,
        ready: impl FnMut() -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        self.head.freed.wait(Event::Launch, deadline, ready)
    }

    /// Until the workers of the database that are dismissed and not busy are gone.
    pub(super) fn wait_for_leavers(&self, database: u32) -> Result<()> {
        let is_leaving = |worker: &WorkerSlot| {
            matches!(worker.activity(), Activity::Idle | Activity::Resetting | Activity::Leaving)
                && worker.key().database == database
                && worker.dismissed.load(Relaxed) != 0
        };
        let gone = || Ok((!self.workers.iter().any(is_leaving)).then_some(()));
        self.head.freed.wait(Event::Launch, Some(Instant::now() + LEAVERS), gone)?;
        Ok(())
    }

    /// Sleeps until the job has ended; false when the deadline passed first.
    pub fn wait_for_end(&self, slot: u32, cookie: i64, deadline: Option<Instant>) -> Result<bool> {
        let Some(job) = self.job(slot) else {
            return Ok(true);
        };
        let ended = || Ok((!self.is_running(slot, cookie)).then_some(()));
        Ok(job.done.wait(Event::Job, deadline, ended)?.is_some())
    }
}
