//! Jobs that start at a commit: from the commit to the worker that has the job.
//!
//! The jobs of a transaction are in memory that all processes share, outside of the registry's tables: each has the
//! address of the one that was queued before it, and the head has that of the newest. So any number of jobs can be
//! queued, and queueing them, which is done in the midst of a commit, cannot fail.
//!
//! One process, the *dispatcher*, takes them in their order, and launches them as any session launches its jobs. It
//! stays as long as jobs wait. A job stays in the queue until it has a worker for sure, or has ended. Suppose that the
//! dispatcher ends in between: the next one finds the job in the queue still, and must neither lose it nor launch it a
//! second time. So the head names the job that is *in flight*, and whether it is done:
//!
//! - When a new process takes the job, it is done: a new process refuses none.
//! - When a warm worker has accepted the job, it is done. One that refuses the job frees the job's slot; the job is not
//!   done, and is launched anew.
//! - When the job has ended, it is done.
//!
//! Each of these is noted under the lock, together with what it means for the job's slot. A dispatcher that ends, or
//! that finds what another one has left, calls `release_in_flight`: unless the job is done, or a worker has it, its
//! slot is freed.
//!
//! The job comes back then, as no other job does, with the same cookie and perhaps to the same slot. So an offer that
//! is out is taken back: its worker's slot names no job any more. The worker comes to the offer some time, and finds
//! that the job is gone, as after any launch that was given up. Whatever the worker does, and wherever it ends, it does
//! not touch the job that has come back. A process that was registered for the job may take it as long as no worker
//! has; that ends the next dispatcher's claim on a worker.

use super::jobs::{End, NewJob};
use super::layout::{Activity, JobSlot, WorkerSlot};
use super::locked::{Locked, Process, Shared};
use super::tables::Tables;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU32, AtomicU64};

/// What the registry's head has of these jobs.
#[derive(Default)]
#[repr(C)]
pub struct Pending {
    /// The job that was queued last; each has the address of the one before it. 0: none. Added to under the lock; the
    /// dispatcher alone takes jobs out.
    pub(crate) newest: AtomicU64,
    /// The handle of the memory that they are in; 0 until there is one. Under the lock.
    pub(crate) area: AtomicU32,
    /// Processes that look at the jobs: as long as there are any, no job's memory is freed. Each adds itself and takes
    /// itself away.
    pub(crate) readers: AtomicU32,
    /// 1 from the moment that a dispatcher is asked for until it leaves. Under the lock.
    pub(crate) called: AtomicU32,
    /// The dispatcher; 0 is none. Under the lock.
    pub(crate) pid: AtomicI32,
    pub(crate) proc: AtomicU32,
    /// 1 once the job in flight has a worker for sure, or has ended. Under the lock.
    pub(crate) is_done: AtomicU32,
    /// The cookie of the job that the dispatcher finds a worker for; 0 is none. Under the lock.
    pub(crate) in_flight: AtomicI64,
    /// When a worker has last made way for the dispatcher, in microseconds since 2000-01-01. Under the lock.
    pub(crate) way_made_at: AtomicI64,
}

/// So long the next worker waits before it makes way, in microseconds: the postmaster frees the slot of a process that
/// has exited some time later.
const NEXT_MAKES_WAY: i64 = 1_000_000;

/// What has become of the job in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InFlight {
    /// It has a worker for sure, or has ended: it must not be launched again.
    Done,
    /// A worker has it, and may refuse it yet.
    Taken,
    /// No worker has it, or will have it without another launch.
    Free,
}

impl Tables<'_> {
    /// The address of the job that was queued last, 0 when none waits.
    pub fn newest_pending(&self) -> u64 {
        self.head.pending.newest.load(SeqCst)
    }

    /// The handle of the memory that the jobs are in; 0 as long as there is none.
    pub fn pending_area(&self) -> u32 {
        self.head.pending.area.load(Relaxed)
    }

    /// Counts the processes that look at the queue.
    pub fn pending_readers(&self) -> &AtomicU32 {
        &self.head.pending.readers
    }

    /// Is there a process that launches the jobs?
    pub(super) fn has_dispatcher(&self) -> bool {
        self.head.pending.pid.load(Relaxed) != 0
    }

    /// Is there another worker, that does not leave? It calls for a dispatcher later.
    pub fn has_other_workers(&self, worker: u32) -> bool {
        let mut others = (0..).zip(self.workers).filter(|(index, _)| *index != worker);
        others.any(|(_, other)| !matches!(other.activity(), Activity::Free | Activity::Leaving))
    }

    /// The dispatcher's number among the server's processes, if there is one.
    pub fn dispatcher(&self) -> Option<u32> {
        self.has_dispatcher().then(|| self.head.pending.proc.load(Relaxed))
    }

    /// Is the job with that cookie done? For the dispatcher.
    pub fn is_in_flight_done(&self) -> bool {
        self.head.pending.is_done.load(SeqCst) != 0
    }
}

impl Shared<'_> {
    /// Has the job in flight a worker, or has it ended? For the dispatcher, which has given the job that slot. When the
    /// job has ended the slot may be another's.
    pub fn is_taken(&self, slot: u32) -> bool {
        self.is_in_flight_done() || self.job(slot).is_some_and(|job| job.taken.load(Relaxed) != 0)
    }
}

impl Locked<'_> {
    /// Makes known the memory for jobs that start at a commit, unless another process was first. Returns the handle of
    /// the one that counts.
    pub fn set_pending_area(&mut self, handle: u32) -> u32 {
        let area = &self.head.pending.area;
        area.compare_exchange(0, handle, Relaxed, Relaxed).map_or_else(|other| other, |_| handle)
    }

    /// Queues the jobs of a transaction that has committed. `newest` is the address of the last one; each but the first
    /// has that of the one before it, and `first` is where the first one has its own. The dispatcher is woken.
    pub fn queue_pending(&mut self, newest: u64, first: &AtomicU64) {
        let pending = &self.head.pending;
        first.store(pending.newest.load(Relaxed), SeqCst);
        pending.newest.store(newest, SeqCst);
        self.wake_dispatcher();
    }

    pub(super) fn wake_dispatcher(&mut self) {
        if let Some(proc) = self.dispatcher() {
            self.wake(proc);
        }
    }

    /// Takes note that a dispatcher is about to be asked for; false when one was, or when none is needed.
    pub fn call_dispatcher(&mut self) -> bool {
        self.head.pending.called.swap(1, Relaxed) == 0
    }

    /// Is a worker to leave because jobs wait for a dispatcher, for which there is no process slot? Asked by one that
    /// has just called for a dispatcher in vain. True for one worker after the other: the slot of one is enough.
    ///
    /// Somebody else must call for a dispatcher then: the slot is only free when the postmaster has seen the worker's
    /// end. So the last worker does not leave: see [`Tables::has_other_workers`].
    pub(super) fn must_make_way(&self) -> bool {
        let Pending { called, way_made_at, .. } = &self.head.pending;
        self.newest_pending() != 0
            && called.load(Relaxed) == 0
            // the clock may have been set back
            && !(0..NEXT_MAKES_WAY).contains(&(self.server.now() - way_made_at.load(Relaxed)))
    }

    pub(super) fn note_way_made(&self) {
        self.head.pending.way_made_at.store(self.server.now(), Relaxed);
    }

    /// No process could be had. If jobs wait, an idle worker sees to it from now on: it calls again and again, and
    /// makes way. An idle worker that has called wakes no other: they would wake each other without end.
    pub fn uncall_dispatcher(&mut self) {
        self.head.pending.called.store(0, Relaxed);
        let me = self.server.me().pid;
        let is_me = |worker: &WorkerSlot| worker.activity() == Activity::Idle && worker.pid.load(Relaxed) == me;
        if !self.workers.iter().any(is_me) {
            self.wake_caller();
        }
    }

    /// If jobs wait for a dispatcher, and none is called, the worker that has been idle longest is woken to call. Also
    /// when an idle worker is claimed: it may be the one that was woken.
    pub(super) fn wake_caller(&mut self) {
        if self.newest_pending() == 0 || self.head.pending.called.load(Relaxed) != 0 {
            return;
        }
        let idle = self.workers.iter().filter(|worker| worker.activity() == Activity::Idle);
        if let Some(worker) = idle.min_by_key(|worker| worker.idle_since.load(Relaxed)) {
            self.wake(worker.proc.load(Relaxed));
        }
    }

    /// This process becomes the dispatcher; false when there is one. What the last one has left is for
    /// [`Self::release_in_flight`].
    pub fn begin_dispatch(&mut self) -> bool {
        let pending = &self.head.pending;
        let last = Process { pid: pending.pid.load(Relaxed), proc: pending.proc.load(Relaxed) };
        let me = self.server.me();
        if last != me && self.server.is_alive(last) {
            return false;
        }
        self.forget_waiters(|waiter| last.pid != 0 && waiter.pid() == last.pid);
        self.wake_next();
        let pending = &self.head.pending;
        pending.called.store(1, Relaxed);
        pending.pid.store(me.pid, Relaxed);
        pending.proc.store(me.proc, Relaxed);
        true
    }

    /// The dispatcher leaves, unless jobs wait; tells whether it does.
    pub fn end_dispatch(&mut self) -> bool {
        let pending = &self.head.pending;
        let leaves = pending.newest.load(SeqCst) == 0;
        if leaves {
            pending.pid.store(0, Relaxed);
            pending.called.store(0, Relaxed);
        }
        leaves
    }

    /// The dispatcher's process ends, whatever it is at. The postmaster starts another one.
    pub fn dispatcher_exits(&mut self) {
        let me = self.server.me().pid;
        if self.head.pending.pid.load(Relaxed) == me {
            self.release_in_flight();
            self.head.pending.pid.store(0, Relaxed);
        }
        self.forget_waiters(|waiter| waiter.pid() == me);
        self.wake_next();
    }

    /// The dispatcher begins to launch the job.
    pub fn set_in_flight(&mut self, cookie: i64) {
        self.head.pending.is_done.store(0, SeqCst);
        self.head.pending.in_flight.store(cookie, Relaxed);
    }

    /// The job is done, if it is the one in flight, and the dispatcher is told; as are sessions that wait for the job,
    /// which may not have left the queue yet.
    pub(super) fn settle_in_flight(&mut self, job: &JobSlot) {
        let pending = &self.head.pending;
        if job.at_commit.load(Relaxed) != 0 && pending.in_flight.load(Relaxed) == job.cookie.load(Relaxed) {
            pending.is_done.store(1, SeqCst);
            self.wakes.departed = true;
            self.wake_dispatcher();
        }
    }

    /// The warm worker is sure to run the job that it has.
    pub fn accept_job(&mut self, worker: u32) {
        if let Some((_, job)) = self.worker(worker).and_then(|worker| self.job_of(worker)) {
            self.settle_in_flight(job);
        }
    }

    /// Ends the claims on workers for the job with that cookie: those without an offer are released, and what was
    /// offered is no worker's any more.
    pub(super) fn take_back(&mut self, cookie: i64) {
        let is_for_it = |w: &&WorkerSlot| w.activity() == Activity::Claimed && w.cookie.load(Relaxed) == cookie;
        for worker in self.workers.iter().filter(is_for_it) {
            if worker.handle.load(Relaxed) == 0 {
                self.release_claim(worker);
                self.wake(worker.proc.load(Relaxed));
            } else {
                worker.set_job(0, 0);
            }
        }
    }

    /// Gives up what was done to launch the job in flight, as far as no worker has the job. Returns the job's cookie
    /// and what has become of it; `None` when no job is in flight.
    pub fn release_in_flight(&mut self) -> Option<(i64, InFlight)> {
        let cookie = self.head.pending.in_flight.load(Relaxed);
        if cookie == 0 {
            return None;
        }
        self.take_back(cookie);
        if self.is_in_flight_done() {
            return Some((cookie, InFlight::Done));
        }
        if let Some((slot, job)) = self.used().find(|(_, job)| job.cookie.load(Relaxed) == cookie) {
            if job.taken.load(Relaxed) != 0 {
                return Some((cookie, InFlight::Taken));
            }
            self.free_job(slot, job);
            self.tell_of_end(slot);
        }
        Some((cookie, InFlight::Free))
    }

    /// Takes the job with that address out of the queue. `older` is the address of the one before it. `newer` is where
    /// the one after it has its address; `None` if the job is the newest that the dispatcher knows. False, and nothing
    /// is done, if others have been queued since then. By the dispatcher; the job is not in flight afterwards.
    pub fn unlink_pending(&mut self, address: u64, cookie: i64, older: u64, newer: Option<&AtomicU64>) -> bool {
        let pending = &self.head.pending;
        let link = newer.unwrap_or(&pending.newest);
        if link.load(SeqCst) != address {
            return false;
        }
        link.store(older, SeqCst);
        if pending.in_flight.load(Relaxed) == cookie {
            pending.in_flight.store(0, Relaxed);
        }
        self.wakes.departed = true;
        true
    }

    /// Notes the end of a job that has never had a worker.
    pub fn end_pending(&mut self, new: &NewJob, end: &End) {
        self.remember(new.cookie, |entry| {
            entry.worker_pid.store(0, Relaxed);
            entry.launcher_pid.store(new.committed_by.unwrap_or(0), Relaxed);
            entry.at_commit.store(1, Relaxed);
            entry.database.store(new.database, Relaxed);
            entry.role.store(new.role, Relaxed);
            entry.launched_at.store(new.launched_at, Relaxed);
            entry.row_count.store(0, Relaxed);
            entry.spooled.store(0, Relaxed);
            entry.label.set(new.label);
            entry.query.set(new.query);
            entry.set_end(end);
        });
        self.count_end(new.database, new.role, end);
        self.wakes.some_ended = true;
        self.wakes.departed = true;
    }
}
