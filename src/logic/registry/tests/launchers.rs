//! What a launching session does: `launcher/launch`, and waiting for its jobs.

use super::model::{END, Job, NEXT, Planted, Sleep, World};
use crate::job::state::Stop;
use crate::registry::claims::Claim;
use crate::registry::jobs::Admission;
use crate::registry::layout::{Activity, WorkerSlot};
use crate::registry::totals::LaunchEvent;
use std::sync::atomic::Ordering::Relaxed;

#[derive(Clone, Copy, Debug, Default)]
pub enum State {
    #[default]
    Idle,
    Queued(Job, u64),
    /// Is not admitted, and says so.
    Rejected(Job),
    /// Has a slot, and perhaps a claim that is not offered yet.
    Admitted(Job, u32, Option<Claim>),
    /// Waits for the worker's reply.
    Offered(Job, u32, Claim),
    NeedsWorker(Job, u32),
    WaitsForProcess(Job, u32, u64),
    /// Waits for a new process, with that number and pid, to take the job.
    Cold(Job, u32, u32, i32),
    /// The launch fails: the claim is withdrawn, then the job given up.
    Failing(Job, u32, Option<Claim>),
    Tracking(Job, u32),
}

#[derive(Default)]
pub struct Launcher {
    pub state: State,
    /// The cookie of the job that it is in the middle of launching; 0 is none.
    pub launching: i64,
    /// To be given back next.
    pub ticket: Option<u64>,
    /// Pids of the workers of its last jobs.
    pub used: [i32; 2],
    /// The process has called its exit callback.
    pub is_exiting: bool,
}

impl World {
    pub fn launcher(&mut self, proc: u32) -> &mut Launcher {
        &mut self.launchers[proc as usize]
    }

    pub fn go(&mut self, proc: u32, state: State) {
        self.launcher(proc).state = state;
    }

    pub fn move_launcher(&mut self, proc: u32, what: u8) -> String {
        if self.launchers[proc as usize].is_exiting {
            return self.replace_launcher(proc).into();
        }
        if what >= END {
            return self.end_launcher(proc).into();
        }
        if let Some(ticket) = self.launcher(proc).ticket.take() {
            if self.planted == Planted::QuitSilently {
                self.exclusive(proc, |r| r.forget_waiters(|waiter| waiter.ticket() == ticket));
            } else {
                self.exclusive(proc, |r| r.quit(ticket));
            }
            return format!("quits {ticket}");
        }
        let is_cancelled = what >= NEXT;
        let state = self.launchers[proc as usize].state;
        match state {
            State::Idle => self.launch(proc, what),
            State::Rejected(job) => {
                self.exclusive(proc, |r| r.count_launch(job.database, job.role, LaunchEvent::Rejected));
                self.counts.sums.rejected += 1;
                self.fail(proc, job)
            }
            State::Queued(job, ticket) if is_cancelled => {
                self.sleeps[proc as usize] = Sleep::Awake;
                self.launcher(proc).ticket = Some(ticket);
                self.go(proc, State::Rejected(job));
                "waits no longer".into()
            }
            State::Queued(job, ticket) => match self.admit(proc, &job, Some(ticket)).0 {
                Admission::Admitted(slot, claim) => self.admitted(proc, job, slot, claim),
                Admission::Refused(_) => self.sleep(proc, Sleep::Latch).into(),
            },
            State::Admitted(job, slot, claim) if is_cancelled => {
                self.go(proc, State::Failing(job, slot, claim));
                "fails before the offer".into()
            }
            State::Admitted(job, slot, Some(claim)) => self.offer(proc, job, slot, claim),
            State::Admitted(job, slot, None) => {
                self.go(proc, State::NeedsWorker(job, slot));
                "needs a worker".into()
            }
            State::Offered(job, slot, _) | State::NeedsWorker(job, slot) | State::Cold(job, slot, ..)
                if is_cancelled =>
            {
                self.sleeps[proc as usize] = Sleep::Awake;
                self.go(proc, State::Failing(job, slot, None));
                "is cancelled".into()
            }
            State::Offered(job, slot, claim) => self.hear(proc, job, slot, &claim),
            State::NeedsWorker(job, slot) => self.need_worker(proc, job, slot),
            State::WaitsForProcess(job, slot, ticket) => self.wait_for_process(proc, job, slot, ticket, what),
            State::Cold(job, slot, worker, pid) => {
                let is_taken = self.segments[job.handle].was_attached;
                if is_taken {
                    self.track(proc, job, slot)
                } else if self.machine.process(worker).pid == pid {
                    self.sleep(proc, Sleep::Latch).into()
                } else {
                    self.go(proc, State::Failing(job, slot, None));
                    "could not start a process".into()
                }
            }
            State::Failing(job, slot, Some(claim)) => {
                self.exclusive(proc, |r| r.withdraw(&claim, job.cookie));
                self.go(proc, State::Failing(job, slot, None));
                "withdraws its claim".into()
            }
            State::Failing(job, slot, None) => {
                self.exclusive(proc, |r| r.give_up(slot, job.cookie));
                self.check_abandoned(job.cookie);
                self.fail(proc, job);
                format!("gives up {}", job.cookie)
            }
            State::Tracking(job, slot) => self.follow(proc, job, slot, what),
        }
    }

    fn offer(&mut self, proc: u32, job: Job, slot: u32, claim: Claim) -> String {
        let segment = &mut self.segments[job.handle];
        segment.wants_reply = !claim.is_sure;
        if !claim.is_mapped {
            self.pin(job.handle);
        }
        if self.planted == Planted::DropLatch {
            self.machine.lose_latch.store(true, Relaxed);
        }
        let there = self.exclusive(proc, |r| r.offer(&claim, slot, job.cookie, job.handle as u32 + 1));
        if there && claim.is_sure {
            return self.track(proc, job, slot);
        }
        if there {
            self.go(proc, State::Offered(job, slot, claim));
            return format!("offers {}", job.cookie);
        }
        if !claim.is_mapped {
            self.unpin(job.handle);
        }
        self.go(proc, State::NeedsWorker(job, slot));
        "finds its claim gone".into()
    }

    fn hear(&mut self, proc: u32, job: Job, slot: u32, claim: &Claim) -> String {
        let segment = &self.segments[job.handle];
        if segment.is_accepted || segment.is_final {
            return self.track(proc, job, slot);
        }
        if self.shared(proc, |r| r.is_on_its_way(claim, slot, job.cookie)) {
            return self.sleep(proc, Sleep::Latch).into();
        }
        if segment.is_attached {
            self.complain("a worker that is not on its way is in the queue");
        }
        self.go(proc, State::NeedsWorker(job, slot));
        "sees the worker gone".into()
    }

    fn track(&mut self, proc: u32, job: Job, slot: u32) -> String {
        self.returned.insert(job.cookie);
        self.launcher(proc).launching = 0;
        self.go(proc, State::Tracking(job, slot));
        format!("returns the handle of {}", job.cookie)
    }

    /// Has the launcher of a job that it tracks nothing to wait for any more?
    pub fn is_over(&self, job: &Job, slot: u32) -> bool {
        let segment = &self.segments[job.handle];
        let is_gone = !self.memory.tables().is_running(slot, job.cookie);
        segment.was_attached && !segment.is_attached || is_gone && (!segment.is_final || segment.worker_pid == 0)
    }

    fn follow(&mut self, proc: u32, job: Job, slot: u32, what: u8) -> String {
        match what {
            _ if self.is_over(&job, slot) => {
                let is_left = self.segments[job.handle].was_attached && !self.segments[job.handle].is_attached;
                self.segments[job.handle].is_reusable = is_left;
                self.note_used(proc, &job);
                self.sleeps[proc as usize] = Sleep::Awake;
                self.go(proc, State::Idle);
                format!("sees the end of {}", job.cookie)
            }
            7 => self.stop(proc, slot, job.cookie, Stop::AfterStatement),
            8 | 9 => self.stop(proc, slot, job.cookie, Stop::Now),
            10 => {
                self.note_used(proc, &job);
                self.go(proc, State::Idle);
                format!("detaches {}", job.cookie)
            }
            _ => self.sleep(proc, Sleep::Latch).into(),
        }
    }

    fn note_used(&mut self, proc: u32, job: &Job) {
        let pid = self.segments[job.handle].worker_pid;
        let launcher = self.launcher(proc);
        launcher.used = [pid, launcher.used[0]];
    }

    fn fail(&mut self, proc: u32, job: Job) -> String {
        self.launcher(proc).launching = 0;
        self.go(proc, State::Idle);
        format!("{} fails", job.cookie)
    }

    /// The process ends, in whatever it is doing.
    fn end_launcher(&mut self, proc: u32) -> &'static str {
        self.sleeps[proc as usize] = Sleep::Awake;
        self.launcher(proc).is_exiting = true;
        if self.is_brutal && self.next_cookie % 3 == 0 {
            self.has_vanished = true;
            return self.replace_launcher(proc);
        }
        let launching = self.launchers[proc as usize].launching;
        if launching != 0 {
            let forgets = self.planted == Planted::ForgetClaim;
            self.exclusive(proc, |r| {
                let is_held = |w: &&WorkerSlot| {
                    w.activity() == Activity::Claimed
                        && w.cookie.load(Relaxed) == launching
                        && w.handle.load(Relaxed) == 0
                };
                let claimed = r.workers.iter().find(is_held).filter(|_| forgets);
                r.launcher_exits(launching);
                if let Some(worker) = claimed {
                    r.head.idle.fetch_sub(u32::from(worker.activity() == Activity::Idle), Relaxed);
                    worker.set_job(0, launching);
                    worker.set_activity(Activity::Claimed);
                }
            });
            self.check_abandoned(launching);
        }
        "exits"
    }

    fn replace_launcher(&mut self, proc: u32) -> &'static str {
        for segment in self.segments.iter_mut().filter(|segment| segment.launcher == proc) {
            segment.is_reusable = false;
        }
        self.machine.end(proc);
        self.machine.start(proc);
        *self.launcher(proc) = Launcher::default();
        "is gone, and another session is there"
    }

    /// Is there a launcher that will offer a job to this worker, or give the claim back?
    pub fn holds_claim(&self, index: u32, pid: i32) -> bool {
        self.launchers.iter().filter(|launcher| !launcher.is_exiting).any(|launcher| match launcher.state {
            State::Admitted(_, _, Some(claim)) | State::Failing(_, _, Some(claim)) => {
                claim.index == index && claim.pid == pid
            }
            _ => false,
        })
    }
}
