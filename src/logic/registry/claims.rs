//! A warm worker and a job: from the claim to the worker that has taken the job, or refused it.
//!
//! The launcher claims a worker (*idle* or *resetting* becomes *claimed*), prepares the job's segment, and offers the
//! job: writes the segment's handle into the worker's slot, last. The worker takes the job (*busy*), or refuses it and
//! leaves.
//!
//! Two processes, each of which may end at any step:
//! - The launcher ends, or fails, after the claim and before the offer: it releases the claim (`withdraw`,
//!   `launcher_exits`), and the worker is what it was before.
//! - The launcher ends after the offer: the job is marked abandoned. A worker that takes it is asked to stop; one that
//!   refuses it frees the job's slot, as no launcher will look for another worker.
//! - The dispatcher ends after the offer: the offer is taken back (`release_in_flight`), as the next one launches the
//!   same job. The worker's slot names no job then, and the worker finds its job gone.
//! - The worker ends after the claim and before the offer: `close` drops the claim, and `offer` finds that it is gone.
//! - The worker ends after the offer: of a sure claim the launcher has returned the handle, so the job ends as lost.
//!   Otherwise the launcher is woken, finds that the worker is not on its way any more, and gives the job to another
//!   process.
//!
//! A worker's slot names its job by slot *and* cookie: after a launch that failed the slot may belong to another job,
//! which nothing that the worker does may touch.

use super::jobs::NewJob;
use super::layout::{Activity, JobSlot, Key, MAPPED, WorkerSlot};
use super::locked::{Locked, Shared};
use super::totals::Start;
use std::sync::atomic::Ordering::{Relaxed, Release};

/// What a launcher looks for in a warm worker.
#[derive(Clone, Copy)]
pub struct WorkerRequirements<'a> {
    pub key: Key,
    /// A hash of the session's settings.
    pub settings: u64,
    /// The job's segment.
    pub handle: u32,
    /// Pids that the session still uses for other jobs.
    pub taken: &'a [i32],
    /// The slot of a worker that is taken before all others if it is sure to take the job: that of the session's last.
    pub likely: Option<u32>,
}

/// A warm worker that waits for the rest of its job.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    pub index: u32,
    pub pid: i32,
    pub proc: u32,
    /// The worker is idle (or has promised to be) with the launcher's settings and has the segment mapped, so it will
    /// take the job: the launcher awaits no reply.
    pub is_sure: bool,
    /// Has the segment mapped.
    pub is_mapped: bool,
}

/// Will a worker that fits take the job for sure? It is idle, or will be with these settings, and has the segment
/// mapped: mapping one takes memory, of which there may be none.
fn is_sure(worker: &WorkerSlot, is_idle: bool, wanted: &WorkerRequirements) -> bool {
    (is_idle || worker.promised.load(Relaxed) != 0)
        && worker.settings.load(Relaxed) == wanted.settings
        && worker.has_mapped(wanted.handle)
}

/// Is the worker still claimed for that job?
fn has_claim(worker: &WorkerSlot, claim: &Claim, cookie: i64) -> bool {
    worker.activity() == Activity::Claimed
        && worker.pid.load(Relaxed) == claim.pid
        && worker.cookie.load(Relaxed) == cookie
}

impl Shared<'_> {
    /// Is the worker still on its way to the job that it was offered, or has it taken it?
    ///
    /// It takes the job under the lock, so it is not seen halfway. Otherwise the launcher could give the job to another
    /// process as well.
    pub fn is_on_its_way(&self, claim: &Claim, slot: u32, cookie: i64) -> bool {
        let (Some(job), Some(worker)) = (self.job(slot), self.worker(claim.index)) else {
            return false;
        };
        let has_taken = job.taken.load(Relaxed) != 0 && job.worker_pid.load(Relaxed) == claim.pid;
        job.cookie.load(Relaxed) == cookie && (has_claim(worker, claim, cookie) || has_taken)
    }
}

impl<'a> Locked<'a> {
    /// Claims a warm worker for the job, which has that slot; `None` when none fits, or when the job needs none: a late
    /// process has taken it, one that the last dispatcher had registered, and has perhaps ended it.
    pub fn claim_for(&mut self, slot: u32, new: &NewJob) -> Option<Claim> {
        let job = self.job(slot)?;
        if job.cookie.load(Relaxed) != new.cookie || job.taken.load(Relaxed) != 0 {
            return None;
        }
        new.wanted.as_ref().and_then(|wanted| self.claim(slot, new.cookie, wanted))
    }

    fn claim(&mut self, slot: u32, cookie: i64, wanted: &WorkerRequirements) -> Option<Claim> {
        let (index, worker) = self.likely_worker(wanted).or_else(|| self.best_worker(wanted))?;
        let was_idle = worker.activity() == Activity::Idle;
        if was_idle {
            self.head.idle.fetch_sub(1, Relaxed);
        }
        worker.handle.store(0, Relaxed);
        worker.set_job(slot, cookie);
        worker.set_activity(Activity::Claimed);
        self.wake_caller();
        let is_mapped = worker.has_mapped(wanted.handle);
        Some(Claim {
            index,
            pid: worker.pid.load(Relaxed),
            proc: worker.proc.load(Relaxed),
            is_sure: is_sure(worker, was_idle, wanted),
            is_mapped,
        })
    }

    /// The likely worker, if it is sure to take the job.
    ///
    /// Suppose that a session runs one job after the other, and that the worker of the last one resets its session
    /// still, while others are idle. It will be ready before any of those has woken up, and need not be woken.
    fn likely_worker(&self, wanted: &WorkerRequirements) -> Option<(u32, &'a WorkerSlot)> {
        let index = wanted.likely?;
        let worker = self.worker(index)?;
        let is_idle = match worker.activity() {
            Activity::Idle => true,
            Activity::Resetting => false,
            _ => return None,
        };
        (self.fits(worker, wanted) && is_sure(worker, is_idle, wanted)).then_some((index, worker))
    }

    /// Of the workers that fit, an idle one before one that resets its session, then one with the same settings, then
    /// one that has the segment mapped.
    fn best_worker(&self, wanted: &WorkerRequirements) -> Option<(u32, &'a WorkerSlot)> {
        let mut best: Option<(u32, u32, &WorkerSlot)> = None;
        for (index, worker) in (0..).zip(self.workers) {
            let points = match worker.activity() {
                Activity::Idle => 4,
                Activity::Resetting => 1,
                _ => continue,
            };
            let points = points
                + 4 * u32::from(worker.settings.load(Relaxed) == wanted.settings)
                + 2 * u32::from(worker.has_mapped(wanted.handle));
            if best.is_none_or(|(most, ..)| points > most) && self.fits(worker, wanted) {
                best = Some((points, index, worker));
            }
        }
        best.map(|(_, index, worker)| (index, worker))
    }

    /// Could the worker run the job at all?
    fn fits(&self, worker: &WorkerSlot, wanted: &WorkerRequirements) -> bool {
        self.is_current(worker) && worker.key() == wanted.key && !wanted.taken.contains(&worker.pid.load(Relaxed))
    }

    /// Gives the claimed worker its job and wakes it; false when it has died meanwhile. A segment that the worker does
    /// not have mapped is pinned for it by now.
    ///
    /// Of a sure claim the launcher returns the handle at once. So the job has its worker's pid from here on, for all
    /// who look: they will see that the worker has the job whether it has woken up or not.
    pub fn offer(&mut self, claim: &Claim, slot: u32, cookie: i64, handle: u32) -> bool {
        let (Some(job), Some(worker)) = (self.job(slot), self.worker(claim.index)) else {
            return false;
        };
        if !has_claim(worker, claim, cookie) {
            return false;
        }
        if claim.is_sure {
            job.worker_pid.store(claim.pid, Relaxed);
        }
        worker.pinned.store(u32::from(!claim.is_mapped), Relaxed);
        worker.sure.store(u32::from(claim.is_sure), Relaxed);
        // Last: the worker looks without the lock, and acts on the others once it sees a handle.
        worker.handle.store(handle, Release);
        self.wake(claim.proc);
        true
    }

    /// The claimed worker gets no job after all. Not after the offer.
    pub fn withdraw(&mut self, claim: &Claim, cookie: i64) {
        let Some(worker) = self.worker(claim.index) else {
            return;
        };
        if has_claim(worker, claim, cookie) && worker.handle.load(Relaxed) == 0 {
            self.release_claim(worker);
            self.wake(claim.proc);
        }
    }

    /// The worker is what it was before it was claimed.
    pub(super) fn release_claim(&self, worker: &WorkerSlot) {
        worker.set_job(0, 0);
        if worker.idle_since.load(Relaxed) == 0 {
            worker.set_activity(Activity::Resetting);
        } else {
            self.head.idle.fetch_add(1, Relaxed);
            worker.set_activity(Activity::Idle);
        }
    }

    /// The worker takes the job that it was started for or offered; false when the launcher has given the job up, or
    /// when another worker has it. The worker then goes on as after a job, and may be claimed.
    pub fn take_job(&mut self, worker: u32, slot: u32, cookie: i64) -> bool {
        let (Some(job), Some(worker)) = (self.job(slot), self.worker(worker)) else {
            return false;
        };
        let was_offered = worker.activity() == Activity::Claimed;
        // an offer may have been taken back: see `release_in_flight`
        let is_meant = !was_offered || worker.cookie.load(Relaxed) == cookie;
        let there = is_meant && job.cookie.load(Relaxed) == cookie && job.taken.load(Relaxed) == 0;
        worker.idle_since.store(0, Relaxed);
        if there {
            job.worker_pid.store(worker.pid.load(Relaxed), Relaxed);
            job.taken.store(1, Relaxed);
            worker.set_job(slot, cookie);
            let before = worker.jobs_run.fetch_add(1, Relaxed);
            self.count_start(job, if before > 0 { Start::Warm } else { Start::Cold });
            worker.set_activity(Activity::Busy);
            if !was_offered {
                // the process was started for the job, and so cannot refuse it
                self.settle_in_flight(job);
                if job.at_commit.load(Relaxed) != 0 {
                    // it may be the last dispatcher's, and the next one may have found a worker
                    self.take_back(cookie);
                }
            }
        } else {
            worker.promised.store(0, Relaxed);
            worker.set_mapped([0; MAPPED]);
            worker.set_job(0, 0);
            worker.set_activity(Activity::Resetting);
            self.server.forget_coming_job();
        }
        there
    }

    /// The job that the worker is claimed for, or has.
    pub(super) fn job_of(&self, worker: &WorkerSlot) -> Option<(u32, &'a JobSlot)> {
        let (slot, cookie) = (worker.job.load(Relaxed), worker.cookie.load(Relaxed));
        let job = self.job(slot)?;
        // after a launch that failed the slot may be another job's
        (cookie != 0 && job.cookie.load(Relaxed) == cookie).then_some((slot, job))
    }

    /// The worker does not run the job that it was offered, and leaves. The launcher is woken and gives the job to
    /// another process; if there is no launcher any more, the job is over.
    ///
    /// Suppose the launch is cancelled while the worker compares settings. `give_up` cannot free the slot of a job that
    /// the worker has; it marks the job abandoned. Should the worker refuse it now, no process is left that knows of
    /// the job: the worker frees the slot.
    pub fn refuse(&mut self, worker: u32) {
        let Some(worker) = self.worker(worker) else {
            return;
        };
        if let Some((slot, job)) = self.job_of(worker) {
            if job.taken.swap(0, Relaxed) != 0 {
                self.uncount_start(job);
            }
            job.worker_pid.store(0, Relaxed);
            self.wake(job.launcher_proc.load(Relaxed));
            // Of a job that starts at a commit the dispatcher finds out and admits it anew.
            if job.abandoned.load(Relaxed) != 0 || job.at_commit.load(Relaxed) != 0 {
                self.free_job(slot, job);
                self.tell_of_end(slot);
            }
        }
        worker.set_job(0, 0);
        worker.set_activity(Activity::Leaving);
    }
}
