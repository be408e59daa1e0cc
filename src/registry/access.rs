//! Jobs and workers: coming in, being claimed, ending. The locking protocol is at the head of the module.

use super::area::Registry;
use crate::pg::condvar::Condition;
use crate::pg::error::Result;
use crate::pg::{bgworker, identity, shmem};
use crate::point;
use logic::job::state::{State, Stop};
use logic::registry::layout::{self, Activity, End, JobSlot, Key, MAPPED, Totals, WorkerSlot};
use logic::registry::quota::{self, Limits, Scope};
use logic::segment::header::Identity;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Instant;

/// A job that asks to be let in.
pub struct NewJob<'a> {
    pub cookie: i64,
    pub database: u32,
    pub role: u32,
    pub launched_at: i64,
    /// Cut by the caller where a character ends.
    pub query: &'a [u8],
    pub limits: Limits,
    /// How long it waits, for its turn and for a worker together.
    pub give_up: Instant,
    /// The worker that would do, if any would.
    pub wanted: Option<Wanted<'a>>,
}

/// What a launcher looks for in a warm worker.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    pub key: Key,
    /// A hash of the session's settings.
    pub settings: u64,
    pub handle: u32,
    /// Pids that the session still uses for other jobs.
    pub taken: &'a [i32],
}

pub enum Admission {
    /// Come in: the job's slot, and a worker where one was fit.
    Place(u32, Option<Claim>),
    Refused(Scope),
}

/// A warm worker that waits for the rest of its job.
#[derive(Clone, Copy)]
pub struct Claim {
    pub index: u32,
    pub pid: i32,
    pub proc: u32,
    /// Idle, or about to be, with these very settings and with the segment mapped: it cannot but take the job.
    pub is_sure: bool,
    /// Has the segment mapped.
    pub is_mapped: bool,
}

/// What a worker does after its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    Leave,
    /// Makes its session as new. `promised`: nothing can go wrong with that, and it will have the settings with that hash.
    Reset {
        promised: bool,
        settings: u64,
        mapped: [u32; MAPPED],
    },
}

/// What a worker that has reset its session does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    Idle,
    /// A launcher has claimed it already.
    Claimed,
    Leave,
}

/// What a warm worker must have in common with the launcher; `None` when no connection like its own could be made now. Inside a
/// transaction.
pub fn key(identity: &Identity, client_info: &[u8]) -> Result<Option<Key>> {
    let user = identity.authenticated_user;
    let client = shmem::hash(client_info);
    Ok(shmem::connection_versions(user)?.map(|(user_version, database_version)| Key {
        database: identity.database,
        user,
        user_version,
        database_version,
        client,
    }))
}

impl Registry {
    pub fn job(&self, slot: u32) -> Option<&'static JobSlot> {
        self.jobs.get(slot as usize)
    }

    /// The job slots that are in use, with their numbers: few of many, most often, and far apart, so their `kinds` are looked at
    /// first.
    pub(super) fn used(&self) -> impl Iterator<Item = (u32, &'static JobSlot)> {
        let slots = (0..).zip(self.kinds).zip(self.jobs);
        slots.filter(|((_, kind), _)| kind.load(Relaxed) != 0).map(|((index, _), job)| (index, job))
    }

    fn worker(&self, index: u32) -> Option<&'static WorkerSlot> {
        self.workers.get(index as usize)
    }

    /// Under the lock, for a reset takes the entry away.
    fn totals_of(&self, database: u32, role: u32) -> Option<&'static Totals> {
        layout::totals_of(self.totals, database, role)
    }

    /// Adds one to a counter of that role in that database.
    pub fn count(&self, database: u32, role: u32, counter: fn(&Totals) -> &AtomicI64) -> Result<()> {
        let held = self.lock.exclusive()?;
        if let Some(totals) = self.totals_of(database, role) {
            counter(totals).fetch_add(1, Relaxed);
        }
        drop(held);
        Ok(())
    }

    /// The job has a worker now. Whoever launched it may be gone the next moment, so this is counted where the job's end is.
    fn count_start(&self, job: &JobSlot, warm: bool) {
        if let Some(totals) = self.totals_of(job.database.load(Relaxed), job.role.load(Relaxed)) {
            totals.launched.fetch_add(1, Relaxed);
            let starts = if warm { &totals.warm_starts } else { &totals.cold_starts };
            starts.fetch_add(1, Relaxed);
        }
    }

    /// A warm start that was none.
    fn uncount_start(&self, job: &JobSlot) {
        if let Some(totals) = self.totals_of(job.database.load(Relaxed), job.role.load(Relaxed)) {
            totals.launched.fetch_sub(1, Relaxed);
            totals.warm_starts.fetch_sub(1, Relaxed);
        }
    }

    /// Jobs that have not ended.
    pub fn running(&self) -> u32 {
        self.head.jobs.load(Relaxed).saturating_sub(self.head.free_jobs.load(Relaxed))
    }

    // --- launchers ---

    /// Gives the job a slot, and claims a warm worker for it where one fits. `ticket`: of a launch that has waited.
    pub fn admit(&self, new: &NewJob, ticket: Option<u64>) -> Result<Admission> {
        let proc = shmem::my_proc();
        let held = self.lock.exclusive()?;
        let mut refused = self.refusal(new, ticket);
        // Unless it was for a job of the dead. Those who wait hear of it from those who come, and from the views.
        let reaped = refused.is_some() && ticket.is_none() && self.reap();
        if reaped {
            refused = self.refusal(new, ticket);
        }
        let admission = match refused {
            Some(scope) => Admission::Refused(scope),
            None => self.place(new, proc),
        };
        drop(held);
        if reaped {
            self.tell_of_the_dead();
        }
        Ok(admission)
    }

    /// Under the lock.
    fn refusal(&self, new: &NewJob, ticket: Option<u64>) -> Option<Scope> {
        let is_limited = new.limits.any() || self.head.waiting.load(Relaxed) != 0;
        if is_limited || self.head.free_jobs.load(Relaxed) == 0 { self.verdict(new, ticket) } else { None }
    }

    /// Under the lock.
    fn place(&self, new: &NewJob, proc: u32) -> Admission {
        let index = self.head.free_job.load(Relaxed).wrapping_sub(1);
        let Some(job) = self.job(index) else {
            return Admission::Refused(Scope::Slots);
        };
        self.head.free_job.store(job.next_free.load(Relaxed), Relaxed);
        self.head.free_jobs.fetch_sub(1, Relaxed);
        job.launcher_pid.store(identity::process_id(), Relaxed);
        job.launcher_proc.store(proc, Relaxed);
        job.database.store(new.database, Relaxed);
        job.role.store(new.role, Relaxed);
        job.launched_at.store(new.launched_at, Relaxed);
        job.label.clear();
        job.query.set(new.query);
        job.worker_pid.store(0, Relaxed);
        job.state.store(State::Starting as u32, Relaxed);
        for time in [&job.started_at, &job.row_count] {
            time.store(0, Relaxed);
        }
        for number in [&job.statement, &job.statements, &job.command, &job.stop, &job.abandoned, &job.taken] {
            number.store(0, Relaxed);
        }
        job.progress.clear();
        self.set_kind(index, new.database, new.role);
        job.cookie.store(new.cookie, Ordering::Release);
        let claim = new.wanted.as_ref().and_then(|wanted| self.claim(index, new.cookie, wanted));
        Admission::Place(index, claim)
    }

    /// Under the lock. 0 and 0: of a free slot.
    fn set_kind(&self, slot: u32, database: u32, role: u32) {
        if let Some(kind) = self.kinds.get(slot as usize) {
            kind.store(quota::kind(database, role), Relaxed);
        }
    }

    /// A warm worker for a job that has a slot already.
    pub fn claim_for(&self, slot: u32, new: &NewJob) -> Result<Option<Claim>> {
        let held = self.lock.exclusive()?;
        let claim = new.wanted.as_ref().and_then(|wanted| self.claim(slot, new.cookie, wanted));
        drop(held);
        Ok(claim)
    }

    /// Under the lock.
    fn claim(&self, slot: u32, cookie: i64, wanted: &Wanted) -> Option<Claim> {
        let generation = self.head.generation.load(Relaxed);
        let mut best: Option<(u32, u32, &WorkerSlot)> = None;
        for (index, worker) in (0..).zip(self.workers) {
            let points = match worker.activity() {
                Activity::Idle => 4,
                Activity::Resetting => 1,
                _ => continue,
            };
            if worker.dismissed.load(Relaxed) != 0
                || worker.generation.load(Relaxed) != generation
                || worker.key() != wanted.key
                || wanted.taken.contains(&worker.pid.load(Relaxed))
            {
                continue;
            }
            let points = points
                + 4 * u32::from(worker.settings.load(Relaxed) == wanted.settings)
                + 2 * u32::from(worker.has_mapped(wanted.handle));
            if best.is_none_or(|(most, ..)| points > most) {
                best = Some((points, index, worker));
            }
        }
        let (_, index, worker) = best?;
        let was_idle = worker.activity() == Activity::Idle;
        if was_idle {
            self.head.idle.fetch_sub(1, Relaxed);
        }
        worker.handle.store(0, Relaxed);
        worker.set_job(slot, cookie);
        worker.set_activity(Activity::Claimed);
        let is_mapped = worker.has_mapped(wanted.handle);
        Some(Claim {
            index,
            pid: worker.pid.load(Relaxed),
            proc: worker.proc.load(Relaxed),
            // mapping a segment takes memory, of which there may be none
            is_sure: (was_idle || worker.promised.load(Relaxed) != 0)
                && worker.settings.load(Relaxed) == wanted.settings
                && is_mapped,
            is_mapped,
        })
    }

    /// Gives the claimed worker its job and wakes it. False when it has died meanwhile.
    ///
    /// Of a sure claim the launcher returns the handle at once. So the job has its pid from here on, for everybody: the worker
    /// will be seen to have it whether it has woken up or not.
    pub fn offer(&self, claim: &Claim, slot: u32, cookie: i64, handle: u32, pinned: bool) -> Result<bool> {
        let (Some(job), Some(worker)) = (self.job(slot), self.worker(claim.index)) else {
            return Ok(false);
        };
        let held = self.lock.exclusive()?;
        let there = Self::has_claim(worker, claim, cookie);
        if there {
            if claim.is_sure {
                job.worker_pid.store(claim.pid, Relaxed);
            }
            worker.pinned.store(u32::from(pinned), Relaxed);
            worker.sure.store(u32::from(claim.is_sure), Relaxed);
            worker.handle.store(handle, Ordering::Release);
        }
        drop(held);
        if there {
            shmem::wake(claim.proc);
        }
        Ok(there)
    }

    /// Is the worker still claimed for that job? Under the lock.
    fn has_claim(worker: &WorkerSlot, claim: &Claim, cookie: i64) -> bool {
        worker.activity() == Activity::Claimed
            && worker.pid.load(Relaxed) == claim.pid
            && worker.cookie.load(Relaxed) == cookie
    }

    /// The claimed worker gets no job after all.
    pub fn withdraw(&self, claim: &Claim, cookie: i64) -> Result<()> {
        let Some(worker) = self.worker(claim.index) else {
            return Ok(());
        };
        let held = self.lock.exclusive()?;
        let is_claimed = Self::has_claim(worker, claim, cookie) && worker.handle.load(Relaxed) == 0;
        if is_claimed {
            self.release_claim(worker);
        }
        drop(held);
        if is_claimed {
            shmem::wake(claim.proc);
        }
        Ok(())
    }

    /// Under the lock. The worker is what it was.
    fn release_claim(&self, worker: &WorkerSlot) {
        worker.set_job(0, 0);
        if worker.idle_since.load(Relaxed) == 0 {
            worker.set_activity(Activity::Resetting);
        } else {
            self.head.idle.fetch_add(1, Relaxed);
            worker.set_activity(Activity::Idle);
        }
    }

    /// Is the worker still on its way to the job that it was offered, or has it taken it?
    pub fn is_on_its_way(&self, claim: &Claim, slot: u32, cookie: i64) -> Result<bool> {
        let (Some(job), Some(worker)) = (self.job(slot), self.worker(claim.index)) else {
            return Ok(false);
        };
        // it takes the job under the lock: not to be seen halfway, or the job would be given to another, too
        let held = self.lock.shared()?;
        let has_taken = job.taken.load(Relaxed) != 0 && job.worker_pid.load(Relaxed) == claim.pid;
        let there = job.cookie.load(Relaxed) == cookie && (Self::has_claim(worker, claim, cookie) || has_taken);
        drop(held);
        Ok(there)
    }

    /// The launch failed, and nobody will hear of the job: frees its slot, or, if a worker has the job, asks that to stop. A worker
    /// that refuses the job frees the slot then.
    ///
    /// The process that was started for the job is not terminated: by the time that the postmaster had done so it might run
    /// another session's job. It finds that its job is gone, or that it is to stop.
    pub fn give_up(&self, slot: u32, cookie: i64) -> Result<()> {
        let Some(job) = self.job(slot) else {
            return Ok(());
        };
        let held = self.lock.exclusive()?;
        let is_mine = job.cookie.load(Relaxed) == cookie;
        let has_worker = job.worker_pid.load(Relaxed) != 0;
        if is_mine && has_worker {
            Self::abandon(job);
        } else if is_mine {
            self.free_job(slot, job);
        }
        drop(held);
        if is_mine && !has_worker {
            self.tell_of_end(job);
        }
        Ok(())
    }

    /// Nobody has heard of the job, and nobody will. Under the lock.
    fn abandon(job: &JobSlot) {
        job.abandoned.store(1, Relaxed);
        Self::ask_to_stop(job, Stop::Now);
    }

    /// Has the job not ended?
    pub fn is_running(&self, slot: u32, cookie: i64) -> bool {
        self.job(slot).is_some_and(|job| job.cookie.load(Ordering::Acquire) == cookie)
    }

    /// What was asked of the job, if it has not ended.
    pub fn asked_to_stop(&self, slot: u32, cookie: i64) -> Stop {
        let asked = self.job(slot).map_or(Stop::No, |job| Stop::from_u32(job.stop.load(SeqCst)));
        // looked at last: the flag was this job's then
        if self.is_running(slot, cookie) { asked } else { Stop::No }
    }

    /// Asks the job to stop, and its worker to look, if it has not ended. The worker cannot turn to another job meanwhile, and
    /// not end: it needs the lock for that.
    pub fn stop(&self, slot: u32, cookie: i64, stop: Stop) -> Result<()> {
        let Some(job) = self.job(slot) else {
            return Ok(());
        };
        let held = self.lock.shared()?;
        if job.cookie.load(Relaxed) == cookie {
            Self::ask_to_stop(job, stop);
        }
        drop(held);
        Ok(())
    }

    /// Under the lock, shared at least: see [`Self::stop`].
    fn ask_to_stop(job: &JobSlot, stop: Stop) {
        job.stop.fetch_max(stop as u32, SeqCst);
        let pid = job.worker_pid.load(Relaxed);
        if stop == Stop::Now && pid != 0 {
            bgworker::interrupt(pid);
        }
    }

    /// When a launcher ends in the middle of the launch of that job: gives back what no worker will. A worker that has the job is
    /// asked to stop, as nobody was given the handle; should it refuse the job, it frees the slot.
    pub fn launcher_exits(&self, cookie: i64) -> Result<()> {
        let me = identity::process_id();
        let held = self.lock.exclusive()?;
        self.forget_waiters(me);
        let (mut released, mut freed) = (None, None);
        if let Some((index, job)) = self.used().find(|(_, job)| job.cookie.load(Relaxed) == cookie) {
            let mut has_worker = job.worker_pid.load(Relaxed) != 0;
            let claimed =
                |worker: &&WorkerSlot| worker.activity() == Activity::Claimed && worker.cookie.load(Relaxed) == cookie;
            if let Some(worker) = self.workers.iter().find(claimed) {
                if worker.handle.load(Relaxed) == 0 {
                    self.release_claim(worker);
                    released = Some(worker.proc.load(Relaxed));
                } else {
                    has_worker = true;
                }
            }
            if has_worker {
                Self::abandon(job);
            } else {
                self.free_job(index, job);
                freed = Some(job);
            }
        }
        drop(held);
        if let Some(worker) = released {
            shmem::wake(worker);
        }
        if let Some(job) = freed {
            job.done.broadcast();
        }
        self.head.freed.broadcast();
        Ok(())
    }

    // --- workers ---

    /// This process is a worker from now on: its slot. `None`: there are more than the server allows, which cannot be.
    pub fn enter(&self, key: &Key) -> Result<Option<u32>> {
        let (pid, proc, now) = (identity::process_id(), shmem::my_proc(), identity::now());
        let held = self.lock.exclusive()?;
        let mut found = None;
        for (index, worker) in (0..).zip(self.workers) {
            if worker.activity() != Activity::Free {
                continue;
            }
            worker.set_key(key);
            worker.pid.store(pid, Relaxed);
            worker.proc.store(proc, Relaxed);
            worker.generation.store(self.head.generation.load(Relaxed), Relaxed);
            worker.set_mapped([0; MAPPED]);
            for number in [&worker.handle, &worker.pinned, &worker.dismissed, &worker.promised, &worker.sure] {
                number.store(0, Relaxed);
            }
            worker.set_job(0, 0);
            worker.library.clear();
            worker.settings.store(0, Relaxed);
            worker.jobs_run.store(0, Relaxed);
            worker.started_at.store(now, Relaxed);
            worker.idle_since.store(0, Relaxed);
            worker.set_activity(Activity::Busy);
            found = Some(index);
            break;
        }
        drop(held);
        Ok(found)
    }

    /// The worker leaves after its job because of that library.
    pub fn show_library(&self, worker: u32, name: &[u8]) -> Result<()> {
        if let Some(worker) = self.worker(worker) {
            let held = self.lock.exclusive()?;
            worker.library.set(name);
            drop(held);
        }
        Ok(())
    }

    /// Is this the first process that wants to say that in the log? When too much has been said, nobody is.
    pub fn is_first_to_say(&self, what: &[u8]) -> bool {
        let hash = shmem::hash(what).max(1);
        for said in &self.head.said {
            match said.compare_exchange(0, hash, Relaxed, Relaxed) {
                Ok(_) => return true,
                Err(found) if found == hash => return false,
                Err(_) => {}
            }
        }
        false
    }

    /// The versions are known once the connection is there.
    pub fn set_versions(&self, worker: u32, key: &Key) -> Result<()> {
        if let Some(worker) = self.worker(worker) {
            let held = self.lock.exclusive()?;
            worker.set_key(&Key { database: worker.key().database, user: worker.key().user, ..*key });
            drop(held);
        }
        Ok(())
    }

    /// The worker takes the job; false when the launcher has given it up.
    pub fn take(&self, worker: u32, slot: u32, cookie: i64) -> Result<bool> {
        let (Some(job), Some(worker)) = (self.job(slot), self.worker(worker)) else {
            return Ok(false);
        };
        let held = self.lock.exclusive()?;
        let there = job.cookie.load(Relaxed) == cookie && job.taken.load(Relaxed) == 0;
        worker.idle_since.store(0, Relaxed);
        if there {
            job.worker_pid.store(identity::process_id(), Relaxed);
            job.taken.store(1, Relaxed);
            worker.set_job(slot, cookie);
            let before = worker.jobs_run.fetch_add(1, Relaxed);
            self.count_start(job, before > 0);
            worker.set_activity(Activity::Busy);
        } else {
            worker.promised.store(0, Relaxed);
            worker.set_mapped([0; MAPPED]);
            worker.set_job(0, 0);
            worker.set_activity(Activity::Resetting);
            // what came for the job that is gone; nobody can claim this worker for another before the lock is released
            bgworker::forget_coming_job();
        }
        drop(held);
        Ok(there)
    }

    /// The job has ended. The worker may be claimed from now on, unless it leaves.
    pub fn end(&self, worker: u32, slot: u32, cookie: i64, end: &End, then: Then) -> Result<()> {
        let (Some(job), Some(worker)) = (self.job(slot), self.worker(worker)) else {
            return Ok(());
        };
        let held = self.lock.exclusive()?;
        if job.cookie.load(Relaxed) == cookie {
            self.bury(slot, job, end);
        }
        worker.set_job(0, 0);
        worker.set_activity(match then {
            Then::Leave => Activity::Leaving,
            Then::Reset { promised, settings, mapped } => {
                worker.promised.store(u32::from(promised), Relaxed);
                worker.settings.store(settings, Relaxed);
                worker.set_mapped(mapped);
                Activity::Resetting
            }
        });
        drop(held);
        self.tell_of_end(job);
        Ok(())
    }

    /// The worker's session is as new, and has the settings with that hash.
    pub fn rest(&self, worker: u32, settings: u64, mapped: [u32; MAPPED]) -> Result<Rest> {
        let Some(worker) = self.worker(worker) else {
            return Ok(Rest::Leave);
        };
        let now = identity::now();
        let held = self.lock.exclusive()?;
        worker.settings.store(settings, Relaxed);
        worker.set_mapped(mapped);
        let rest = match worker.activity() {
            Activity::Claimed => {
                worker.idle_since.store(now, Relaxed);
                Rest::Claimed
            }
            Activity::Resetting if self.is_current(worker) => {
                worker.idle_since.store(now, Relaxed);
                worker.set_activity(Activity::Idle);
                self.head.idle.fetch_add(1, Relaxed);
                Rest::Idle
            }
            _ => Rest::Leave,
        };
        if rest == Rest::Leave {
            worker.set_activity(Activity::Leaving);
        }
        drop(held);
        Ok(rest)
    }

    /// The idle worker's session has other settings now.
    pub fn show_settings(&self, worker: u32, hash: u64) -> Result<()> {
        if let Some(worker) = self.worker(worker) {
            let held = self.lock.exclusive()?;
            worker.settings.store(hash, Relaxed);
            drop(held);
        }
        Ok(())
    }

    /// Where a worker's signal handlers find out whom a signal means: its activity, and the handle of the job that it was given.
    pub fn signals(&self, worker: u32) -> Option<(&'static AtomicU32, &'static AtomicU32)> {
        self.worker(worker).map(|worker| (&worker.activity, &worker.handle))
    }

    /// Was nothing changed that makes the worker unfit?
    fn is_current(&self, worker: &WorkerSlot) -> bool {
        worker.dismissed.load(Relaxed) == 0 && worker.generation.load(Relaxed) == self.head.generation.load(Relaxed)
    }

    /// The job that the claimed worker was given, once it is ready: its segment, and whether that is pinned.
    pub fn offered(&self, worker: u32) -> Option<(u32, bool)> {
        let worker = self.worker(worker)?;
        if worker.activity() != Activity::Claimed {
            return None;
        }
        let handle = worker.handle.load(Ordering::Acquire);
        (handle != 0).then(|| (handle, worker.pinned.load(Relaxed) != 0))
    }

    /// The worker has mapped the offered segment, which need not be pinned any more.
    pub fn set_mapped(&self, worker: u32) {
        if let Some(worker) = self.worker(worker) {
            worker.pinned.store(0, Relaxed);
        }
    }

    /// Has a launcher claimed the worker?
    pub fn is_claimed(&self, worker: u32) -> bool {
        self.worker(worker).is_some_and(|worker| worker.activity() == Activity::Claimed)
    }

    /// The idle worker has no segment mapped any more from now on; false when a launcher counts on it.
    pub fn unmap(&self, worker: u32) -> Result<bool> {
        let Some(worker) = self.worker(worker) else {
            return Ok(true);
        };
        let held = self.lock.exclusive()?;
        let idle = worker.activity() == Activity::Idle;
        if idle {
            worker.set_mapped([0; MAPPED]);
        }
        drop(held);
        Ok(idle)
    }

    /// Is the idle worker asked to leave?
    pub fn is_dismissed(&self, worker: u32) -> bool {
        self.worker(worker).is_none_or(|worker| !self.is_current(worker))
    }

    /// More idle workers than are to be kept?
    pub fn has_surplus(&self, max_idle: u32) -> bool {
        self.head.idle.load(Relaxed) > max_idle
    }

    /// The worker goes, unless a launcher has claimed it. `surplus`: unless others went first, too.
    pub fn leave(&self, worker: u32, surplus: Option<u32>) -> Result<bool> {
        let Some(worker) = self.worker(worker) else {
            return Ok(true);
        };
        let held = self.lock.exclusive()?;
        let goes = match worker.activity() {
            Activity::Claimed => false,
            Activity::Idle => {
                let goes = surplus.is_none_or(|max| self.has_surplus(max));
                if goes {
                    self.head.idle.fetch_sub(1, Relaxed);
                }
                goes
            }
            _ => true,
        };
        if goes {
            worker.set_activity(Activity::Leaving);
        }
        drop(held);
        Ok(goes)
    }

    /// The job that the worker is claimed for, or has. Under the lock.
    fn job_of(&self, worker: &WorkerSlot) -> Option<(u32, &'static JobSlot)> {
        let (slot, cookie) = (worker.job.load(Relaxed), worker.cookie.load(Relaxed));
        let job = self.job(slot)?;
        // after a launch that failed the slot may be another job's
        (cookie != 0 && job.cookie.load(Relaxed) == cookie).then_some((slot, job))
    }

    /// The worker does not take the job that it was claimed for; the launcher will see, if it is still there.
    pub fn refuse(&self, worker: u32) -> Result<()> {
        let Some(worker) = self.worker(worker) else {
            return Ok(());
        };
        let held = self.lock.exclusive()?;
        let job = self.job_of(worker);
        let (mut launcher, mut freed) = (None, None);
        if let Some((slot, job)) = job {
            if job.taken.swap(0, Relaxed) != 0 {
                self.uncount_start(job);
            }
            job.worker_pid.store(0, Relaxed);
            launcher = Some(job.launcher_proc.load(Relaxed));
            if job.abandoned.load(Relaxed) != 0 {
                self.free_job(slot, job);
                freed = Some(job);
            }
        }
        worker.set_job(0, 0);
        worker.set_activity(Activity::Leaving);
        drop(held);
        launcher.into_iter().for_each(shmem::wake);
        if let Some(job) = freed {
            self.tell_of_end(job);
        }
        Ok(())
    }

    /// The worker process ends: nobody claims it any more, and a launcher that has claimed it, and not yet offered it a job,
    /// finds that it has not.
    pub fn close(&self, worker: u32) -> Result<()> {
        let Some(worker) = self.worker(worker) else {
            return Ok(());
        };
        let held = self.lock.exclusive()?;
        let was = worker.activity();
        let has_offer = was == Activity::Claimed && worker.handle.load(Relaxed) != 0;
        if was == Activity::Idle {
            self.head.idle.fetch_sub(1, Relaxed);
        }
        if was == Activity::Claimed && !has_offer {
            worker.set_job(0, 0);
        }
        if was != Activity::Busy && !has_offer {
            worker.set_activity(Activity::Leaving);
        }
        drop(held);
        Ok(())
    }

    /// Was a job promised that this worker, which was offered it, will take it? Asked by the worker, before it takes it.
    pub fn is_promised(&self, worker: u32) -> bool {
        self.worker(worker).is_some_and(|worker| {
            worker.activity() == Activity::Claimed
                && worker.handle.load(Ordering::Acquire) != 0
                && worker.sure.load(Relaxed) != 0
        })
    }

    /// The worker process ends. A segment that is pinned for it is returned first, to be unpinned before anybody else may pin it;
    /// then it must be called again. A job that it was offered and has not taken goes on without it if the launcher waits to hear;
    /// otherwise `end` is what became of it, as of one that it has.
    pub fn exit(&self, worker: u32, end: &End) -> Result<Option<u32>> {
        let Some(worker) = self.worker(worker) else {
            return Ok(None);
        };
        let held = self.lock.exclusive()?;
        if worker.activity() == Activity::Claimed && worker.pinned.swap(0, Relaxed) != 0 {
            return Ok(Some(worker.handle.load(Relaxed)));
        }
        // Read before the slot may be another job's.
        let mut launcher = None;
        let job = self.job_of(worker);
        if let Some((slot, job)) = job {
            launcher = Some(job.launcher_proc.load(Relaxed));
            let has_taken = job.taken.load(Relaxed) != 0;
            let was_promised = worker.handle.load(Relaxed) != 0 && worker.sure.load(Relaxed) != 0;
            if has_taken || was_promised || job.abandoned.load(Relaxed) != 0 {
                if !has_taken {
                    job.worker_pid.store(worker.pid.load(Relaxed), Relaxed);
                    self.count_start(job, true);
                }
                self.bury(slot, job, end);
            }
        }
        worker.pid.store(0, Relaxed);
        worker.set_job(0, 0);
        worker.set_activity(Activity::Free);
        drop(held);
        point::reach("exited")?;
        launcher.into_iter().for_each(shmem::wake);
        if let Some((_, job)) = job {
            job.done.broadcast();
        }
        self.head.freed.broadcast();
        Ok(None)
    }

    // --- both ---

    /// All workers in the database and of the role (0: of any) are unfit for another job; those that are idle leave.
    pub fn dismiss(&self, database: u32, role: u32) -> Result<()> {
        let is_meant = |worker: &&WorkerSlot| {
            let key = worker.key();
            worker.activity() != Activity::Free
                && (database == 0 || key.database == database)
                && (role == 0 || key.user == role)
        };
        let held = self.lock.exclusive()?;
        if database == 0 && role == 0 {
            // also those that are about to begin
            self.head.generation.fetch_add(1, Relaxed);
        }
        for worker in self.workers.iter().filter(is_meant) {
            worker.dismissed.store(1, Relaxed);
        }
        drop(held);
        for worker in self.workers.iter().filter(is_meant) {
            if worker.activity() == Activity::Idle {
                shmem::wake(worker.proc.load(Relaxed));
            }
        }
        Ok(())
    }

    /// The same for those of one database. Waits, for a moment, until those that are not busy are gone.
    pub fn dismiss_from(&self, database: u32) -> Result<()> {
        self.dismiss(database, 0)?;
        self.wait_for_leavers(database)
    }

    /// The worker that has been idle longest leaves; false when none is idle.
    pub fn dismiss_one(&self) -> Result<bool> {
        let held = self.lock.exclusive()?;
        let oldest = self
            .workers
            .iter()
            .filter(|worker| worker.activity() == Activity::Idle && worker.dismissed.load(Relaxed) == 0)
            .min_by_key(|worker| worker.idle_since.load(Relaxed));
        if let Some(worker) = oldest {
            worker.dismissed.store(1, Relaxed);
        }
        drop(held);
        if let Some(worker) = oldest {
            shmem::wake(worker.proc.load(Relaxed));
        }
        Ok(oldest.is_some())
    }

    /// Frees what belongs to processes that are gone, and wakes the launchers of their jobs; true when there was a job of theirs,
    /// whose other waiters are still to be told. Under the lock.
    pub(super) fn reap(&self) -> bool {
        let is_alive = |worker: &WorkerSlot| shmem::is_alive(worker.proc.load(Relaxed), worker.pid.load(Relaxed));
        for worker in self.workers.iter().filter(|w| w.activity() != Activity::Free && !is_alive(w)) {
            if worker.activity() == Activity::Idle {
                self.head.idle.fetch_sub(1, Relaxed);
            }
            worker.set_job(0, 0);
            worker.set_activity(Activity::Free);
        }
        let mut found = false;
        for (index, job) in self.used() {
            let cookie = job.cookie.load(Relaxed);
            let has_worker = self.workers.iter().any(|worker| worker.cookie.load(Relaxed) == cookie);
            let was_promised = job.worker_pid.load(Relaxed) != 0;
            let launcher = job.launcher_proc.load(Relaxed);
            let is_launched = shmem::is_alive(launcher, job.launcher_pid.load(Relaxed));
            if !has_worker && (was_promised || !is_launched) {
                if job.taken.load(Relaxed) == 0 {
                    self.count_start(job, false);
                }
                self.bury(index, job, &End::lost_worker(identity::now()));
                // It waits on its latch. Setting one under a lock is short and cannot fail.
                if is_launched {
                    shmem::wake(launcher);
                }
                found = true;
            }
        }
        found
    }

    /// From its slot into the history and the totals. Under the lock.
    fn bury(&self, slot: u32, job: &JobSlot, end: &End) {
        let next = self.head.ended.fetch_add(1, Relaxed);
        let size = self.history.len().max(1) as u64;
        if let Some(entry) = self.history.get((next % size) as usize) {
            entry.cookie.store(job.cookie.load(Relaxed), Relaxed);
            entry.worker_pid.store(job.worker_pid.load(Relaxed), Relaxed);
            entry.launcher_pid.store(job.launcher_pid.load(Relaxed), Relaxed);
            entry.database.store(job.database.load(Relaxed), Relaxed);
            entry.role.store(job.role.load(Relaxed), Relaxed);
            entry.state.store(end.state as u32, Relaxed);
            entry.sqlstate.store(end.sqlstate, Relaxed);
            entry.launched_at.store(job.launched_at.load(Relaxed), Relaxed);
            entry.started_at.store(end.started_at, Relaxed);
            entry.finished_at.store(end.finished_at, Relaxed);
            entry.row_count.store(job.row_count.load(Relaxed), Relaxed);
            entry.label.copy_from(&job.label);
            entry.message.set(end.message);
            entry.query.copy_from(&job.query);
        }
        if let Some(totals) = self.totals_of(job.database.load(Relaxed), job.role.load(Relaxed)) {
            let counter = match end.state {
                State::Canceled => &totals.canceled,
                State::Error if end.timed_out => &totals.timed_out,
                State::Error => &totals.failed,
                State::Stopped | State::Starting | State::Running => &totals.completed,
            };
            counter.fetch_add(1, Relaxed);
            if end.started_at != 0 {
                totals.run_time.fetch_add((end.finished_at - end.started_at).max(0), Relaxed);
            }
        }
        self.free_job(slot, job);
    }

    /// Under the lock.
    fn free_job(&self, slot: u32, job: &JobSlot) {
        job.cookie.store(0, Ordering::Release);
        self.set_kind(slot, 0, 0);
        job.next_free.store(self.head.free_job.load(Relaxed), Relaxed);
        self.head.free_job.store(slot + 1, Relaxed);
        self.head.free_jobs.fetch_add(1, Relaxed);
    }

    fn tell_of_end(&self, job: &JobSlot) {
        job.done.broadcast();
        if self.head.waiting.load(Relaxed) != 0 {
            self.head.freed.broadcast();
        }
    }
}
