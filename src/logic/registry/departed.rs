//! What processes that are gone have left.
//!
//! A process that ends gives back what it holds, in its exit callback; one that is killed takes the server down, and
//! the memory is made anew. What remains are jobs that no process answers for: suppose a launcher registers a
//! background worker and ends, and the postmaster cannot start that worker. The launcher's exit frees the job if no
//! worker has it; but a worker that dies before its callback is registered, say, answers for nothing.

use super::jobs::End;
use super::layout::{Activity, WorkerSlot};
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
        for (index, job) in self.used() {
            let cookie = job.cookie.load(Relaxed);
            let has_worker = self.workers.iter().any(|worker| worker.cookie.load(Relaxed) == cookie);
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

    fn is_worker_alive(&self, worker: &WorkerSlot) -> bool {
        self.server.is_alive(Process { pid: worker.pid.load(Relaxed), proc: worker.proc.load(Relaxed) })
    }
}
