//! Jobs: being admitted, being asked to stop, ending.
//!
//! A cookie is in exactly one place: in a job slot while the job has not ended, then in the history, until the ring
//! comes round. A launch that fails before a worker has the job frees the slot without a trace.

use super::claims::{Claim, WorkerRequirements};
use super::layout::{Activity, JobSlot, SLOT_WORDS};
use super::locked::{Locked, Shared};
use super::quota::{self, Scope};
use super::rows::JobName;
use crate::job::state::{State, Stop};
use crate::job::usage::Usage;
use crate::sqlstate;
use std::sync::atomic::Ordering::{Relaxed, Release, SeqCst};
use std::time::Instant;

/// A job that asks to be admitted.
pub struct NewJob<'a> {
    pub cookie: i64,
    pub database: u32,
    pub role: u32,
    pub launched_at: i64,
    /// Cut by the caller where a character ends.
    pub query: &'a [u8],
    /// At most [`LABEL_SIZE`] bytes; empty if it has none.
    ///
    /// [`LABEL_SIZE`]: super::layout::LABEL_SIZE
    pub label: &'a [u8],
    /// As many jobs of the role may run at a time; 0 is no limit.
    pub per_role: u32,
    /// How long it waits, for its turn and for a worker together.
    pub give_up: Instant,
    /// The pid of the session whose commit has started the job; `None` if it was not to start at a commit.
    pub committed_by: Option<i32>,
    /// `None`: no present worker would do.
    pub wanted: Option<WorkerRequirements<'a>>,
}

pub enum Admission {
    /// The job's slot and, if a warm worker fits, the claim on it.
    Admitted(u32, Option<Claim>),
    Refused(Scope),
}

/// How a job ended, for the history and the totals.
pub struct End<'a> {
    pub state: State,
    pub sqlstate: i32,
    pub message: &'a [u8],
    pub started_at: i64,
    pub finished_at: i64,
    /// It ran out of its own time.
    pub timed_out: bool,
    pub used: Usage,
}

impl End<'static> {
    /// Of a job whose worker is gone without an outcome.
    pub fn lost_worker(now: i64) -> Self {
        Self {
            state: State::Error,
            sqlstate: sqlstate::CONNECTION_FAILURE,
            message: b"lost connection to worker process",
            started_at: 0,
            finished_at: now,
            timed_out: false,
            used: Usage::default(),
        }
    }
}

impl Shared<'_> {
    /// Asks the job to stop, and its worker to look, if the job has not ended. The lock, held shared, keeps the worker
    /// from turning to another job between the look at the cookie and the signal: a signal never hits a later job.
    /// False if the job has ended.
    pub fn stop(&self, slot: u32, cookie: i64, stop: Stop) -> bool {
        let job = self.job(slot).filter(|job| job.cookie.load(Relaxed) == cookie);
        if let Some(job) = job {
            self.ask_to_stop(job, stop);
        }
        job.is_some()
    }

    /// Marks the job as one that this process awaits among others: its end is broadcast on `Tables::some_ended`, too.
    /// Called when the process is on that list already. False if the job has ended.
    ///
    /// Suppose that the job ends just now. Its end, under the lock held exclusively, comes either before this look,
    /// which then does not find the cookie, or after it, and then finds the mark. The mark stays until the slot is
    /// filled again, also when the process waits no longer: then a broadcast finds nobody on the list.
    pub fn mark_awaited(&self, slot: u32, cookie: i64) -> bool {
        let job = self.job(slot).filter(|job| job.cookie.load(Relaxed) == cookie);
        if let Some(job) = job {
            job.awaited.store(1, Relaxed);
        }
        job.is_some()
    }

    fn ask_to_stop(&self, job: &JobSlot, stop: Stop) {
        job.stop.fetch_max(stop as u32, SeqCst);
        let pid = job.worker_pid.load(Relaxed);
        if stop == Stop::Now && pid != 0 {
            self.server.interrupt(pid);
        }
    }

    /// The job with that cookie, if it has that slot.
    pub fn name_of(&self, slot: u32, cookie: i64) -> Option<JobName> {
        let job = self.job(slot)?;
        let found = JobName {
            pid: job.worker_pid.load(Relaxed),
            role: job.role.load(Relaxed),
            is_at_commit: job.at_commit.load(Relaxed) != 0,
        };
        (job.cookie.load(Relaxed) == cookie).then_some(found)
    }
}

impl Locked<'_> {
    /// Gives the job a slot, and claims a warm worker for it where one fits. `ticket`: of a launch that has waited, and
    /// is in the queue no more once it is admitted.
    ///
    /// A launch that is refused looks first whether jobs of processes that are gone hold the place. One that has waited
    /// does not: launches that come, and the views, tell it.
    ///
    /// One that is admitted may keep a launch out that came before it and could have gone on, if the session of that
    /// one allows the role fewer jobs; then it is the turn of those behind that one. For all others it counts as it
    /// did while it waited.
    pub fn admit(&mut self, new: &NewJob, ticket: Option<u64>) -> Admission {
        let mut refused = self.refusal(new, ticket);
        if refused.is_some() && ticket.is_none() && self.reap() {
            refused = self.refusal(new, ticket);
        }
        if let Some(scope) = refused {
            return Admission::Refused(scope);
        }
        let admission = self.fill_slot(new);
        if matches!(admission, Admission::Admitted(..)) && self.has_waiters() {
            if ticket.is_some() {
                // counted among the jobs from here on, and no longer among those that wait
                self.forget_waiters(|waiter| Some(waiter.ticket()) == ticket);
            }
            if self.has_stricter_ahead(new, ticket) {
                self.wake_next();
            }
        }
        admission
    }

    fn refusal(&self, new: &NewJob, ticket: Option<u64>) -> Option<Scope> {
        let is_limited = self.common_limits().with(new.per_role).any() || self.has_waiters();
        if is_limited || self.head.free_jobs.load(Relaxed) == 0 { self.verdict(new, ticket) } else { None }
    }

    fn fill_slot(&mut self, new: &NewJob) -> Admission {
        let index = self.head.free_job.load(Relaxed).wrapping_sub(1);
        let Some(job) = self.job(index) else {
            return Admission::Refused(Scope::Slots);
        };
        self.head.free_job.store(job.next_free.load(Relaxed), Relaxed);
        self.head.free_jobs.fetch_sub(1, Relaxed);
        let me = self.server.me();
        job.launcher_pid.store(me.pid, Relaxed);
        job.launcher_proc.store(me.proc, Relaxed);
        job.session_pid.store(new.committed_by.unwrap_or(me.pid), Relaxed);
        job.at_commit.store(u32::from(new.committed_by.is_some()), Relaxed);
        job.database.store(new.database, Relaxed);
        job.role.store(new.role, Relaxed);
        job.launched_at.store(new.launched_at, Relaxed);
        job.label.set(new.label);
        job.query.set(new.query);
        job.worker_pid.store(0, Relaxed);
        job.state.store(State::Starting as u32, Relaxed);
        for number in [&job.started_at, &job.row_count, &job.spooled] {
            number.store(0, Relaxed);
        }
        for number in [&job.statement, &job.statements, &job.command, &job.stop, &job.abandoned, &job.taken] {
            number.store(0, Relaxed);
        }
        // Where a session waits for it, the job may have no slot yet: so its end is told to all who wait for several.
        job.awaited.store(u32::from(new.committed_by.is_some()), Relaxed);
        job.progress.clear();
        job.automatic.clear();
        if let Some(kind) = self.kinds.get(index as usize) {
            kind.store(quota::kind(new.database, new.role), Relaxed);
        }
        self.head.used[index as usize / 64 % SLOT_WORDS].fetch_or(1 << (index % 64), Relaxed);
        // Last: a look without the lock that finds this cookie finds this job's fields.
        job.cookie.store(new.cookie, Release);
        Admission::Admitted(index, self.claim_for(index, new))
    }

    /// The launch has failed and its caller gets no handle: frees the job's slot or, if a worker has the job, asks that
    /// to stop. A worker that refuses the job frees the slot then.
    ///
    /// The process that was started for the job is not terminated: by the time that the postmaster had done so it might
    /// run another session's job. It finds that its job is gone, or that it is to stop.
    pub fn give_up(&mut self, slot: u32, cookie: i64) {
        let Some(job) = self.job(slot).filter(|job| job.cookie.load(Relaxed) == cookie) else {
            return;
        };
        if job.worker_pid.load(Relaxed) == 0 {
            self.free_job(slot, job);
            self.tell_of_end(slot);
        } else {
            self.abandon(job);
        }
    }

    /// No caller has the job's handle, or will have it.
    fn abandon(&self, job: &JobSlot) {
        job.abandoned.store(1, Relaxed);
        self.ask_to_stop(job, Stop::Now);
    }

    /// When a launcher ends in the middle of the launch of that job: gives back its entry in the queue, its claim, and
    /// the job's slot. A worker that has the job, or was offered it, is asked to stop; should it refuse the job, it
    /// frees the slot.
    pub fn launcher_exits(&mut self, cookie: i64) {
        let me = self.server.me().pid;
        self.forget_waiters(|waiter| waiter.pid() == me);
        if let Some((index, job)) = self.used().find(|(_, job)| job.cookie.load(Relaxed) == cookie) {
            let mut has_worker = job.worker_pid.load(Relaxed) != 0;
            let mut workers = self.workers.iter();
            let claimed = workers.find(|w| w.activity() == Activity::Claimed && w.cookie.load(Relaxed) == cookie);
            if let Some(worker) = claimed {
                if worker.handle.load(Relaxed) == 0 {
                    self.release_claim(worker);
                    self.wake(worker.proc.load(Relaxed));
                } else {
                    has_worker = true;
                }
            }
            if has_worker {
                self.abandon(job);
            } else {
                self.free_job(index, job);
                self.wakes.ended = Some(index);
            }
        }
        self.wake_next();
    }

    /// Moves the job from its slot into the history and the totals.
    pub(super) fn move_to_history(&mut self, slot: u32, job: &JobSlot, end: &End) {
        self.remember(job.cookie.load(Relaxed), |entry| {
            entry.worker_pid.store(job.worker_pid.load(Relaxed), Relaxed);
            entry.launcher_pid.store(job.session_pid.load(Relaxed), Relaxed);
            entry.at_commit.store(job.at_commit.load(Relaxed), Relaxed);
            entry.database.store(job.database.load(Relaxed), Relaxed);
            entry.role.store(job.role.load(Relaxed), Relaxed);
            entry.launched_at.store(job.launched_at.load(Relaxed), Relaxed);
            entry.row_count.store(job.row_count.load(Relaxed), Relaxed);
            entry.spooled.store(job.spooled.load(Relaxed), Relaxed);
            entry.label.copy_from(&job.label);
            entry.query.copy_from(&job.query);
            entry.set_end(end);
        });
        self.count_end(job.database.load(Relaxed), job.role.load(Relaxed), end);
        self.settle_in_flight(job);
        self.free_job(slot, job);
    }

    pub(super) fn free_job(&mut self, slot: u32, job: &JobSlot) {
        self.wakes.some_ended |= job.awaited.load(Relaxed) != 0;
        job.cookie.store(0, Release);
        self.head.used[slot as usize / 64 % SLOT_WORDS].fetch_and(!(1 << (slot % 64)), Relaxed);
        job.next_free.store(self.head.free_job.load(Relaxed), Relaxed);
        self.head.free_job.store(slot + 1, Relaxed);
        self.head.free_jobs.fetch_add(1, Relaxed);
    }

    /// Wakes the sessions that wait for the job that had this slot, and the launches that can go on now.
    pub(super) fn tell_of_end(&mut self, slot: u32) {
        self.wakes.ended = Some(slot);
        self.wake_next();
    }
}
