//! Workers: registering, becoming idle, leaving; and dismissing them.
//!
//! `Head::idle` counts the slots that are *idle*. A worker that wants to leave asks here whether it was claimed, and a
//! launcher that claims one knows that it will look: `try_leave` and `admit` exclude each other.

use super::jobs::End;
use super::layout::{Activity, Key, MAPPED, WorkerSlot};
use super::locked::Locked;
use super::tables::Tables;
use super::totals::Start;
use std::sync::atomic::Ordering::Relaxed;

/// What a worker does after its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterJob {
    Leave,
    /// Resets its session. `promised`: nothing can go wrong with that, and the session will have the settings with that
    /// hash.
    Reset {
        promised: bool,
        settings: u64,
        mapped: [u32; MAPPED],
        call: Call,
    },
}

/// What has come of the worker's call for a dispatcher before the end of its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// None is needed, or one is there or will be.
    Answered,
    /// There is no process slot for it.
    InVain,
}

/// What a worker that has reset its session does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdleOutcome {
    Idle,
    /// A launcher has claimed it already.
    Claimed,
    Leave,
}

impl Tables<'_> {
    /// Numbers of the processes that are to be woken to see that they are dismissed.
    pub(super) fn idle_and_dismissed(&self) -> impl Iterator<Item = u32> {
        let workers = self.workers.iter();
        let idle = workers.filter(|w| w.activity() == Activity::Idle && !self.is_current(w));
        idle.map(|worker| worker.proc.load(Relaxed))
    }
}

impl Locked<'_> {
    /// Makes this process a worker, with a job to take: returns the number of its slot. `None`: there are more workers
    /// than the server allows, which cannot be.
    pub fn register_worker(&mut self, key: &Key) -> Option<u32> {
        let (me, now) = (self.server.me(), self.server.now());
        let mut workers = (0..).zip(self.workers);
        let (index, worker) = workers.find(|(_, worker)| worker.activity() == Activity::Free)?;
        worker.set_key(key);
        worker.pid.store(me.pid, Relaxed);
        worker.proc.store(me.proc, Relaxed);
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
        Some(index)
    }

    /// Names the library because of which the worker leaves after its job.
    pub fn show_library(&mut self, worker: u32, name: &[u8]) {
        if let Some(worker) = self.worker(worker) {
            worker.library.set(name);
        }
    }

    /// Completes the worker's key, which is known once the connection is made.
    pub fn set_versions(&mut self, worker: u32, key: &Key) {
        if let Some(worker) = self.worker(worker) {
            worker.set_key(&Key { database: worker.key().database, user: worker.key().user, ..*key });
        }
    }

    /// The job has ended. Its worker may be claimed from now on, unless it leaves. It leaves in any case if it has
    /// called in vain for a dispatcher, which needs its process slot: suppose that sessions launch one job after the
    /// other, then no worker is idle for long enough to make way.
    ///
    /// Called again for the same job it does nothing to the worker's slot. Suppose the worker fails after it has ended
    /// its job here, and before it has left the job's queue. Its exit callback ends the job once more; by then a
    /// launcher may have claimed the worker, or offered it another job, which `close` and `worker_exits` must find.
    pub fn end_job(&mut self, worker: u32, slot: u32, cookie: i64, end: &End, after: AfterJob) {
        let me = worker;
        let (Some(job), Some(worker)) = (self.job(slot), self.worker(worker)) else {
            return;
        };
        if job.cookie.load(Relaxed) == cookie {
            self.move_to_history(slot, job, end);
        }
        if worker.cookie.load(Relaxed) == cookie {
            worker.set_job(0, 0);
            let is_answered = matches!(after, AfterJob::Reset { call: Call::Answered, .. });
            // a launch that waits comes by, too, as another worker does
            let calls_another = || self.has_waiters() || self.has_other_workers(me);
            let makes_way = !is_answered && self.must_make_way() && calls_another();
            if makes_way {
                self.note_way_made();
            }
            worker.set_activity(match after {
                _ if makes_way => Activity::Leaving,
                AfterJob::Leave => Activity::Leaving,
                AfterJob::Reset { promised, settings, mapped, .. } => {
                    worker.promised.store(u32::from(promised), Relaxed);
                    worker.settings.store(settings, Relaxed);
                    worker.set_mapped(mapped);
                    Activity::Resetting
                }
            });
        }
        self.tell_of_end(slot);
    }

    /// The worker's session is reset, and has the settings with that hash. The worker becomes idle unless a launcher
    /// has claimed it already, or it was dismissed.
    pub fn become_idle(&mut self, worker: u32, settings: u64, mapped: [u32; MAPPED]) -> IdleOutcome {
        let Some(worker) = self.worker(worker) else {
            return IdleOutcome::Leave;
        };
        worker.settings.store(settings, Relaxed);
        worker.set_mapped(mapped);
        match worker.activity() {
            Activity::Claimed => {
                worker.idle_since.store(self.server.now(), Relaxed);
                IdleOutcome::Claimed
            }
            Activity::Resetting if self.is_current(worker) => {
                worker.idle_since.store(self.server.now(), Relaxed);
                worker.set_activity(Activity::Idle);
                self.head.idle.fetch_add(1, Relaxed);
                IdleOutcome::Idle
            }
            _ => {
                worker.set_activity(Activity::Leaving);
                IdleOutcome::Leave
            }
        }
    }

    /// The idle worker's session has other settings now.
    pub fn show_settings(&mut self, worker: u32, hash: u64) {
        if let Some(worker) = self.worker(worker) {
            worker.settings.store(hash, Relaxed);
        }
    }

    /// Takes back what the idle worker has said to keep mapped; false when a launcher counts on it.
    pub fn forget_mappings(&mut self, worker: u32) -> bool {
        let Some(worker) = self.worker(worker) else {
            return true;
        };
        let idle = worker.activity() == Activity::Idle;
        if idle {
            worker.set_mapped([0; MAPPED]);
        }
        idle
    }

    /// The worker leaves, unless a launcher has claimed it; tells whether it does. `surplus`: only as long as more than
    /// so many are idle.
    pub fn try_leave(&mut self, worker: u32, surplus: Option<u32>) -> bool {
        let Some(worker) = self.worker(worker) else {
            return true;
        };
        let goes = match worker.activity() {
            Activity::Claimed => false,
            Activity::Idle => surplus.is_none_or(|max| self.has_surplus(max)),
            _ => true,
        };
        if goes {
            if worker.activity() == Activity::Idle {
                self.head.idle.fetch_sub(1, Relaxed);
            }
            worker.set_activity(Activity::Leaving);
        }
        goes
    }

    /// The worker leaves if the dispatcher needs its process slot, unless a launcher has claimed it or it is the last
    /// one; tells whether it does.
    pub fn make_way(&mut self, worker: u32) -> bool {
        let leaves = self.must_make_way() && self.has_other_workers(worker) && self.try_leave(worker, None);
        if leaves {
            self.note_way_made();
        }
        leaves
    }

    /// The worker process begins to end: no launcher claims it any more. A launcher that has claimed it, and has not
    /// yet offered it a job, finds that the claim is gone. An offer stays, for `worker_exits` to answer.
    pub fn close(&mut self, worker: u32) {
        let Some(worker) = self.worker(worker) else {
            return;
        };
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
    }

    /// Frees the slot of a worker process that is ending. `Some(handle)`: unpin that segment, then call again. The
    /// segment comes first, for once the slot is free another worker may have it, and the segment be pinned for that
    /// one.
    ///
    /// A job that was offered to the worker and not taken: if its launcher awaits a reply, the job stays, and the
    /// launcher finds another worker; otherwise, as with a job that the worker has, `end` is how it ended.
    pub fn worker_exits(&mut self, worker: u32, end: &End) -> Option<u32> {
        let worker = self.worker(worker)?;
        if worker.activity() == Activity::Claimed && worker.pinned.swap(0, Relaxed) != 0 {
            return Some(worker.handle.load(Relaxed));
        }
        if let Some((slot, job)) = self.job_of(worker) {
            self.wake(job.launcher_proc.load(Relaxed));
            self.wakes.ended = Some(slot);
            let has_taken = job.taken.load(Relaxed) != 0;
            let was_promised = worker.handle.load(Relaxed) != 0 && worker.sure.load(Relaxed) != 0;
            if has_taken || was_promised || job.abandoned.load(Relaxed) != 0 {
                if !has_taken {
                    job.worker_pid.store(worker.pid.load(Relaxed), Relaxed);
                    self.count_start(job, Start::Warm);
                }
                self.move_to_history(slot, job, end);
            }
        }
        worker.pid.store(0, Relaxed);
        worker.set_job(0, 0);
        worker.set_activity(Activity::Free);
        self.wakes.departed = true;
        self.wake_next();
        None
    }

    /// The present workers of the database and the role (0: any) run no further job; those that are idle are woken to
    /// leave.
    pub fn dismiss(&mut self, database: u32, role: u32) {
        if database == 0 && role == 0 {
            // also those that are about to begin
            self.head.generation.fetch_add(1, Relaxed);
        }
        let is_meant = |worker: &&WorkerSlot| {
            let key = worker.key();
            worker.activity() != Activity::Free
                && (database == 0 || key.database == database)
                && (role == 0 || key.user == role)
        };
        for worker in self.workers.iter().filter(is_meant) {
            worker.dismissed.store(1, Relaxed);
        }
        self.wakes.dismissed = true;
    }

    /// Dismisses the worker that has been idle longest; false when none is idle.
    pub fn dismiss_one(&mut self) -> bool {
        let idle = self.workers.iter().filter(|w| w.activity() == Activity::Idle && w.dismissed.load(Relaxed) == 0);
        let oldest = idle.min_by_key(|worker| worker.idle_since.load(Relaxed));
        if let Some(worker) = oldest {
            worker.dismissed.store(1, Relaxed);
            self.wake(worker.proc.load(Relaxed));
        }
        oldest.is_some()
    }
}
