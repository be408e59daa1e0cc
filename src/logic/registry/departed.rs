//! What processes that are gone have left.
//!
//! A process that ends gives back what it holds, in its exit callback; one that is killed takes the server down, and
//! the memory is made anew. What remains are jobs that no process answers for: suppose a launcher registers a
//! background worker and ends, and the postmaster cannot start that worker. The launcher's exit frees the job if no
//! worker has it; but a worker that dies before its callback is registered, say, answers for nothing.

use super::jobs::End;
use super::layout::{Activity, SLOT_WORDS, WorkerSlot};
use super::locked::{Locked, Process};
use super::totals::Start;
use std::sync::atomic::Ordering::Relaxed;

impl Locked<'_> {
    /// Frees the slots of workers and jobs whose processes are gone, and wakes the launchers of those jobs, and all who
    /// wait for a job or a slot; true when there was such a job.
    ///
    /// A job without a worker is left alone as long as its launcher is alive, unless a worker was promised it: the
    /// launcher is still looking for one.
    pub fn reap(&mut self) -> bool {
        for worker in self.workers.iter().filter(|w| w.activity() != Activity::Free && !self.is_worker_alive(w)) {
            if worker.activity() == Activity::Idle {
                self.head.idle.fetch_sub(1, Relaxed);
            }
            worker.set_job(0, 0);
            worker.set_activity(Activity::Free);
        }
        let mut found = false;
        let with_worker = self.slots_with_worker();
        for (index, job) in self.used() {
            let has_worker = with_worker[index as usize / 64 % SLOT_WORDS] >> (index % 64) & 1 != 0;
            let was_promised = job.worker_pid.load(Relaxed) != 0;
            let launcher = Process { pid: job.launcher_pid.load(Relaxed), proc: job.launcher_proc.load(Relaxed) };
            let is_launched = self.server.is_alive(launcher);
            if !has_worker && !is_launched && job.at_commit.load(Relaxed) != 0 && job.taken.load(Relaxed) == 0 {
                // it is in the queue still, for the next dispatcher
                self.free_job(index, job);
                found = true;
            } else if !has_worker && (was_promised || !is_launched) {
                if job.taken.load(Relaxed) == 0 {
                    self.count_start(job, Start::Cold);
                }
                self.move_to_history(index, job, &End::lost_worker(self.server.now()));
                if is_launched {
                    self.wake(launcher.proc);
                }
                found = true;
            }
        }
        self.wakes.all_ended |= found;
        self.wakes.departed |= found;
        if found {
            self.wake_next();
        }
        found
    }

    /// A bit for each job slot: has any worker the job, or was it claimed for it? One pass over the workers, where a
    /// look at all workers for each job would hold the lock for long.
    fn slots_with_worker(&self) -> [u64; SLOT_WORDS] {
        let mut bits = [0; SLOT_WORDS];
        for (slot, _) in self.workers.iter().filter_map(|worker| self.job_of(worker)) {
            bits[slot as usize / 64 % SLOT_WORDS] |= 1 << (slot % 64);
        }
        bits
    }

    fn is_worker_alive(&self, worker: &WorkerSlot) -> bool {
        self.server.is_alive(Process { pid: worker.pid.load(Relaxed), proc: worker.proc.load(Relaxed) })
    }
}
