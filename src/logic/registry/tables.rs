//! The registry's tables: where they are, and what may be looked at without the lock.
//!
//! Each look reads single fields, so what it finds may have changed by the time that the caller acts. A caller that
//! must not be wrong asks again under the lock.

use super::history::HistoryEntry;
use super::layout::{Activity, ConditionVariable, Head, JobSlot, Key, LAYOUT, MAGIC, ShownWait, Totals, WorkerSlot};
use crate::job::state::Stop;
use std::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};
use std::sync::atomic::{AtomicU32, AtomicU64};

/// How many of each the tables have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    pub jobs: u32,
    pub workers: u32,
    pub history: u32,
}

/// The job that a claimed worker was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfferedJob {
    /// Of the job's segment.
    pub handle: u32,
    /// The launcher has pinned the segment, as the worker did not have it mapped.
    pub is_pinned: bool,
}

#[derive(Clone, Copy)]
pub struct Tables<'t> {
    pub(crate) head: &'t Head,
    pub(crate) jobs: &'t [JobSlot],
    /// For each job slot that is in use the job's database and role: what quotas count, where one look takes little.
    pub(crate) kinds: &'t [AtomicU64],
    pub(crate) workers: &'t [WorkerSlot],
    pub(crate) history: &'t [HistoryEntry],
    pub(crate) totals: &'t [Totals],
    pub(crate) shown_waits: &'t [ShownWait],
}

/// The numbers of the bits that are set.
fn bits(mut word: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let bit = (word != 0).then(|| word.trailing_zeros());
        word &= word.wrapping_sub(1);
        bit
    })
}

impl Head {
    /// The sizes of the registry that is there; `None` if a library with another layout has made it.
    pub fn sizes(&self) -> Option<Sizes> {
        (self.magic.load(Relaxed) == MAGIC && self.layout.load(Relaxed) == LAYOUT).then(|| Sizes {
            jobs: self.jobs.load(Relaxed),
            workers: self.workers.load(Relaxed),
            history: self.history.load(Relaxed),
        })
    }
}

impl<'t> Tables<'t> {
    pub fn new(
        head: &'t Head,
        jobs: &'t [JobSlot],
        kinds: &'t [AtomicU64],
        workers: &'t [WorkerSlot],
        history: &'t [HistoryEntry],
        totals: &'t [Totals],
        shown_waits: &'t [ShownWait],
    ) -> Self {
        Self { head, jobs, kinds, workers, history, totals, shown_waits }
    }

    /// Makes an empty registry of memory that is all zero. The caller initializes the [`Self::conditions`]. Before any
    /// other process knows of the registry.
    pub fn make(&self, now: i64) {
        let jobs = self.jobs.len() as u32;
        for (slot, next) in self.jobs.iter().zip(2..) {
            slot.next_free.store(if next > jobs { 0 } else { next }, Relaxed);
            slot.progress.clear();
        }
        let head = self.head;
        head.free_job.store(1, Relaxed);
        head.free_jobs.store(jobs, Relaxed);
        head.jobs.store(jobs, Relaxed);
        head.workers.store(self.workers.len() as u32, Relaxed);
        head.history.store(self.history.len() as u32, Relaxed);
        head.next_ticket.store(1, Relaxed);
        head.reset_at.store(now, Relaxed);
        head.layout.store(LAYOUT, Relaxed);
        head.magic.store(MAGIC, Relaxed);
    }

    pub fn conditions(&self) -> impl Iterator<Item = &'t ConditionVariable> + use<'t> {
        self.jobs.iter().map(|job| &job.done).chain([&self.head.departed, &self.head.some_ended])
    }

    // --- jobs ---

    pub fn job(&self, slot: u32) -> Option<&'t JobSlot> {
        self.jobs.get(slot as usize)
    }

    /// The slots of the jobs that have not ended: few of many, most often, so each look takes 64 slots at once.
    pub fn used_slots(&self) -> impl Iterator<Item = u32> + use<'t> {
        let words = self.head.used.iter().take(self.jobs.len().div_ceil(64));
        let words = words.map(|word| word.load(Relaxed)).enumerate().filter(|(_, word)| *word != 0);
        words.flat_map(|(number, word)| bits(word).map(move |bit| number as u32 * 64 + bit))
    }

    pub(crate) fn used(&self) -> impl Iterator<Item = (u32, &'t JobSlot)> + use<'t> {
        let jobs = self.jobs;
        self.used_slots().filter_map(|slot| Some((slot, jobs.get(slot as usize)?)))
    }

    pub(crate) fn used_kinds(&self) -> impl Iterator<Item = u64> + use<'t> {
        let kinds = self.kinds;
        self.used_slots().filter_map(|slot| Some(kinds.get(slot as usize)?.load(Relaxed)))
    }

    /// How many jobs have not ended.
    pub fn running(&self) -> u32 {
        self.head.jobs.load(Relaxed).saturating_sub(self.head.free_jobs.load(Relaxed))
    }

    /// Has the job not ended?
    pub fn is_running(&self, slot: u32, cookie: i64) -> bool {
        self.job(slot).is_some_and(|job| job.cookie.load(Acquire) == cookie)
    }

    /// What was asked of the job, if it has not ended.
    pub fn asked_to_stop(&self, slot: u32, cookie: i64) -> Stop {
        let asked = self.job(slot).map_or(Stop::No, |job| Stop::from_u32(job.stop.load(SeqCst)));
        // looked at last: the flag was this job's then
        if self.is_running(slot, cookie) { asked } else { Stop::No }
    }

    /// The condition variable that is broadcast when the job of that slot ends.
    pub fn done(&self, slot: u32) -> Option<&'t ConditionVariable> {
        self.job(slot).map(|job| &job.done)
    }

    /// The condition variable that is broadcast when a job ends that a session waits for among others.
    pub fn some_ended(&self) -> &'t ConditionVariable {
        &self.head.some_ended
    }

    /// The condition variable that is broadcast when a worker process is gone, or when a job that starts at a commit
    /// is settled or has left its queue.
    pub fn departed(&self) -> &'t ConditionVariable {
        &self.head.departed
    }

    /// Does any launch wait in the queue?
    pub fn has_waiters(&self) -> bool {
        self.head.waiting.load(Relaxed) != 0
    }

    // --- workers ---

    pub(crate) fn worker(&self, index: u32) -> Option<&'t WorkerSlot> {
        self.workers.get(index as usize)
    }

    /// What launchers must have in common with the worker. For the worker, which alone changes it.
    pub fn key_of(&self, worker: u32) -> Option<Key> {
        self.worker(worker).map(WorkerSlot::key)
    }

    /// Where a worker's signal handlers find out which job a signal means: the worker's activity, and the handle of the
    /// job that it was offered.
    pub fn signals(&self, worker: u32) -> Option<(&'t AtomicU32, &'t AtomicU32)> {
        self.worker(worker).map(|worker| (&worker.activity, &worker.handle))
    }

    /// Has nothing changed since the worker began that forbids it further jobs?
    pub(crate) fn is_current(&self, worker: &WorkerSlot) -> bool {
        worker.dismissed.load(Relaxed) == 0 && worker.generation.load(Relaxed) == self.head.generation.load(Relaxed)
    }

    /// Is the worker to run no further job?
    pub fn is_dismissed(&self, worker: u32) -> bool {
        self.worker(worker).is_none_or(|worker| !self.is_current(worker))
    }

    /// Is that process, if it is the worker still, between two jobs? Without the lock: it may be claimed any moment.
    pub fn is_between_jobs(&self, worker: u32, pid: i32) -> bool {
        self.worker(worker).is_some_and(|worker| {
            matches!(worker.activity(), Activity::Idle | Activity::Resetting) && worker.pid.load(Relaxed) == pid
        })
    }

    /// Has a launcher claimed the worker?
    pub fn is_claimed(&self, worker: u32) -> bool {
        self.worker(worker).is_some_and(|worker| worker.activity() == Activity::Claimed)
    }

    /// The job that the claimed worker was offered, if it was. For the worker, which alone ends the claim then.
    pub fn offered(&self, worker: u32) -> Option<OfferedJob> {
        let worker = self.worker(worker)?;
        if worker.activity() != Activity::Claimed {
            return None;
        }
        let handle = worker.handle.load(Acquire);
        (handle != 0).then(|| OfferedJob { handle, is_pinned: worker.pinned.load(Relaxed) != 0 })
    }

    /// Was the offer to the worker taken back? For the worker, before it takes the job.
    pub fn is_taken_back(&self, worker: u32) -> bool {
        self.worker(worker).is_some_and(|worker| worker.cookie.load(Relaxed) == 0)
    }

    /// Has the launcher of the offered job returned its handle already, because this worker will take the job? Asked by
    /// the worker, before it takes it.
    pub fn is_promised(&self, worker: u32) -> bool {
        self.worker(worker).is_some_and(|worker| {
            worker.activity() == Activity::Claimed && worker.handle.load(Acquire) != 0 && worker.sure.load(Relaxed) != 0
        })
    }

    /// Notes that the offered segment is not pinned for the worker any more. By the worker, when it has mapped the
    /// segment.
    pub fn mark_unpinned(&self, worker: u32) {
        if let Some(worker) = self.worker(worker) {
            worker.pinned.store(0, Relaxed);
        }
    }

    /// Are more workers idle than are to be kept?
    pub fn has_surplus(&self, max_idle: u32) -> bool {
        self.head.idle.load(Relaxed) > max_idle
    }

    /// Does a worker of that database that was dismissed, and has no job, still exist?
    pub fn has_leavers(&self, database: u32) -> bool {
        self.workers.iter().any(|worker| {
            matches!(worker.activity(), Activity::Idle | Activity::Resetting | Activity::Leaving)
                && worker.key().database == database
                && worker.dismissed.load(Relaxed) != 0
        })
    }

    // --- without any lock ---

    /// Before any other process knows of the registry.
    pub fn set_cores(&self, cores: u32) {
        self.head.cores.store(cores, Relaxed);
    }

    /// How many processor cores there are, as far as the server may use them.
    pub fn cores(&self) -> u32 {
        self.head.cores.load(Relaxed)
    }

    /// Notes that the thing with that hash is said in the log; false when some process has noted it before, or when
    /// there is no room for another.
    pub fn note_said(&self, hash: u64) -> bool {
        let hash = hash.max(1);
        for said in &self.head.said {
            match said.compare_exchange(0, hash, Relaxed, Relaxed) {
                Ok(_) => return true,
                Err(found) if found == hash => return false,
                Err(_) => {}
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::bits;

    #[test]
    fn finds_each_bit_once() {
        let numbers = |word| bits(word).collect::<Vec<_>>();
        assert_eq!(numbers(0), []);
        assert_eq!(numbers(1 | 1 << 6 | 1 << 63), [0, 6, 63]);
        assert_eq!(numbers(u64::MAX), (0..64).collect::<Vec<_>>());
    }
}
