//! What a background worker does: `worker/process`, `worker/idle` and its exit callback.

use super::model::{END, Job, Planted, Sleep, World, end_of};
use crate::registry::jobs::End;
use crate::registry::layout::MAPPED;
use crate::registry::locked::Process;
use crate::registry::totals::Start;
use crate::registry::workers::{AfterJob, Call, IdleOutcome};
use std::sync::atomic::Ordering::SeqCst;

/// As many segments stay mapped here: fewer than the registry has room for, so that workers do unmap one for another.
const KEPT: usize = 2;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// No process.
    #[default]
    Free,
    /// Has the job's segment, and is not registered.
    Starting(usize),
    Registered(usize),
    /// Has taken the job that it was started for, and is not in the queue yet.
    Taken(usize),
    /// A warm worker has taken the job, and compares settings.
    Restoring(usize),
    Running(usize),
    /// The job has ended in the registry; the worker is still in the queue.
    Ended(usize, bool),
    Resetting,
    Waiting,
    /// Is about to unmap its segments.
    Forgetting,
    /// Wants to leave, and looks whether it was claimed.
    Declining,
    /// Was offered the job, which is pinned or not.
    Offered(usize, bool),
    Mapped(usize),
    /// The exit callback: closes, then exits from the registry.
    Closing(Option<usize>),
    Exiting(Option<usize>),
    /// Has delivered its wakes.
    Gone,
}

#[derive(Default)]
pub struct WorkerProcess {
    pub state: State,
    pub index: Option<u32>,
    /// It sleeps until its claim is followed by an offer, or dropped.
    pub was_claimed: bool,
    /// Its exit callback runs.
    is_ending: bool,
    pub database: u32,
    pub settings: u64,
    pub promised: bool,
    /// Segments that it keeps mapped, as handles; 0 is none.
    pub mapped: [u32; MAPPED],
    /// The session that registered it.
    by: Option<Process>,
}

impl WorkerProcess {
    pub fn starting(handle: usize, by: Process) -> Self {
        Self { state: State::Starting(handle), by: Some(by), ..Self::default() }
    }

    /// Keeps the segment mapped, in place of the one that was not used for longest.
    pub fn keep(&mut self, handle: usize) {
        let handle = handle as u32 + 1;
        let place = self.mapped[..KEPT].iter().position(|kept| *kept == handle).unwrap_or(KEPT - 1);
        self.mapped[place] = handle;
        self.mapped[..=place].rotate_right(1);
    }
}

impl World {
    pub fn turn(&mut self, proc: u32, state: State) {
        self.worker_mut(proc).state = state;
    }

    pub fn index(&self, proc: u32) -> u32 {
        self.worker(proc).index.expect("a registered worker")
    }

    /// The cookie of the job that the worker process has to do with; 0 is none.
    pub fn cookie_of(&self, proc: u32) -> i64 {
        let Some(worker) = proc.checked_sub(super::model::LAUNCHERS).and_then(|i| self.workers.get(i as usize)) else {
            return 0;
        };
        if let Some(index) = worker.index {
            let cookie = self.memory.tables().workers[index as usize].cookie.load(SeqCst);
            if cookie != 0 {
                return cookie;
            }
        }
        match worker.state {
            State::Starting(handle)
            | State::Registered(handle)
            | State::Taken(handle)
            | State::Restoring(handle)
            | State::Running(handle)
            | State::Offered(handle, _)
            | State::Mapped(handle)
            | State::Ended(handle, _) => self.segments[handle].cookie,
            _ => 0,
        }
    }

    pub fn move_worker(&mut self, proc: u32, what: u8) -> String {
        let state = self.worker(proc).state;
        if what >= END && state != State::Free && !self.worker(proc).is_ending {
            return self.end_worker(proc);
        }
        match state {
            State::Free => "is not there".into(),
            State::Starting(handle) => {
                let database = self.segments[handle].database;
                let index = self.exclusive(proc, |r| r.register_worker(&Job::key(database)));
                let Some(index) = index else {
                    // with processes that have vanished there are more slots taken than processes there
                    if !self.has_vanished {
                        self.complain("no slot for a worker");
                    }
                    self.deliver(proc);
                    return self.vanish(proc);
                };
                if self.memory.tables().is_dismissed(index) {
                    self.complain("a new worker is dismissed already");
                }
                let worker = self.worker_mut(proc);
                (worker.index, worker.database) = (Some(index), database);
                self.turn(proc, State::Registered(handle));
                format!("registers as worker {index}")
            }
            State::Registered(handle) => {
                if self.take(proc, handle, Start::Cold) {
                    self.turn(proc, State::Taken(handle));
                    format!("takes {}", self.segments[handle].cookie)
                } else {
                    self.turn(proc, State::Closing(None));
                    format!("finds {} gone", self.segments[handle].cookie)
                }
            }
            State::Taken(handle) => {
                let pid = self.machine.process(proc).pid;
                let segment = &mut self.segments[handle];
                (segment.worker_pid, segment.is_attached, segment.was_attached) = (pid, true, true);
                self.machine.set_latch(segment.launcher);
                self.turn(proc, State::Running(handle));
                "attaches to the queue".into()
            }
            State::Restoring(handle) | State::Running(handle) | State::Ended(handle, _) => {
                self.run(proc, state, handle, what)
            }
            State::Resetting if what % 8 == 7 && !self.worker(proc).promised => {
                self.turn(proc, State::Declining);
                "retires".into()
            }
            State::Resetting => {
                let (index, worker) = (self.index(proc), self.worker(proc));
                let (settings, mapped) = (worker.settings, worker.mapped);
                let outcome = self.exclusive(proc, |r| r.become_idle(index, settings, mapped));
                let leaves = outcome == IdleOutcome::Leave;
                self.turn(proc, if leaves { State::Closing(None) } else { State::Waiting });
                format!("becomes idle: {outcome:?}")
            }
            State::Waiting => self.wait_for_job(proc, what),
            State::Declining => self.decline(proc),
            State::Forgetting => self.forget_mappings(proc),
            State::Offered(handle, pinned) => self.map(proc, handle, pinned, what),
            State::Mapped(handle) if what == 13 => {
                self.turn(proc, State::Closing(Some(handle)));
                "fails before it takes the job".into()
            }
            State::Mapped(handle) => {
                (self.segments[handle].is_attached, self.segments[handle].was_attached) = (true, true);
                if self.take(proc, handle, Start::Warm) {
                    self.segments[handle].worker_pid = self.machine.process(proc).pid;
                    self.turn(proc, State::Restoring(handle));
                    format!("takes {}", self.segments[handle].cookie)
                } else {
                    self.leave_queue(handle);
                    self.worker_mut(proc).promised = false;
                    self.turn(proc, State::Resetting);
                    format!("finds {} gone", self.segments[handle].cookie)
                }
            }
            State::Closing(offered) => {
                let Some(index) = self.worker(proc).index else {
                    return self.vanish(proc);
                };
                self.exclusive(proc, |r| r.close(index));
                self.turn(proc, State::Exiting(offered));
                "closes".into()
            }
            State::Exiting(offered) => self.exit_worker(proc, offered),
            State::Gone => self.vanish(proc),
        }
    }

    /// Has the job: accepts or refuses it, runs it, leaves its queue.
    fn run(&mut self, proc: u32, state: State, handle: usize, what: u8) -> String {
        match state {
            State::Restoring(_) if what % 4 == 0 && self.segments[handle].wants_reply => {
                self.leave_queue(handle);
                let index = self.index(proc);
                self.exclusive(proc, |r| r.refuse(index));
                self.counts.refuse(self.segments[handle].cookie);
                self.turn(proc, State::Closing(None));
                format!("refuses {}", self.segments[handle].cookie)
            }
            State::Restoring(_) => {
                if self.segments[handle].wants_reply {
                    self.segments[handle].is_accepted = true;
                    let job = self.memory.tables().job(self.segments[handle].slot).unwrap();
                    self.machine.set_latch(job.launcher_proc());
                }
                self.turn(proc, State::Running(handle));
                "accepts".into()
            }
            State::Ended(_, stays) => {
                self.leave_queue(handle);
                self.turn(proc, if stays { State::Resetting } else { State::Closing(None) });
                "leaves the queue".into()
            }
            _ => self.end_job(proc, handle, what),
        }
    }

    fn end_job(&mut self, proc: u32, handle: usize, what: u8) -> String {
        self.segments[handle].is_final = true;
        let stays = what % 4 != 0;
        let settings = self.segments[handle].settings;
        let worker = self.worker_mut(proc);
        worker.settings = settings;
        worker.promised = what % 2 == 0;
        if what % 3 != 0 {
            worker.keep(handle);
        }
        let (promised, mapped) = (worker.promised, worker.mapped);
        let after =
            if stays { AfterJob::Reset { promised, settings, mapped, call: Call::Answered } } else { AfterJob::Leave };
        self.finish(proc, handle, &end_of(what), after);
        self.turn(proc, State::Ended(handle, stays));
        format!("ends {}", self.segments[handle].cookie)
    }

    fn finish(&mut self, proc: u32, handle: usize, end: &End, after: AfterJob) {
        let (index, slot, cookie) = (self.index(proc), self.segments[handle].slot, self.segments[handle].cookie);
        let planted = self.planted;
        if self.memory.tables().is_running(slot, cookie) {
            self.counts.end(cookie, end);
        }
        self.exclusive(proc, |r| {
            r.end_job(index, slot, cookie, end, after);
            if planted == Planted::FreeTwice {
                let job = r.job(slot).unwrap();
                r.free_job(slot, job);
            }
        });
    }

    /// Wakes the launcher, who reads from the queue.
    fn leave_queue(&mut self, handle: usize) {
        if std::mem::take(&mut self.segments[handle].is_attached) {
            self.machine.set_latch(self.segments[handle].launcher);
        }
    }

    /// The process begins to end, in whatever it is doing.
    fn end_worker(&mut self, proc: u32) -> String {
        self.sleeps[proc as usize] = Sleep::Awake;
        self.worker_mut(proc).is_ending = true;
        let state = self.worker(proc).state;
        if self.is_brutal && self.next_cookie % 3 == 0 {
            self.has_vanished = true;
            return self.vanish(proc);
        }
        match state {
            // it has no exit callback yet
            State::Starting(_) => return self.vanish(proc),
            State::Taken(handle) | State::Restoring(handle) | State::Running(handle) | State::Ended(handle, _) => {
                self.segments[handle].is_final = true;
                self.finish(proc, handle, &End::lost_worker(3), AfterJob::Leave);
                self.turn(proc, State::Ended(handle, false));
            }
            State::Mapped(handle) => self.turn(proc, State::Closing(Some(handle))),
            State::Closing(_) | State::Exiting(_) | State::Gone => {}
            _ => self.turn(proc, State::Closing(None)),
        }
        "begins to end".into()
    }

    fn exit_worker(&mut self, proc: u32, offered: Option<usize>) -> String {
        let index = self.index(proc);
        if self.memory.tables().is_promised(index) {
            if let Some(handle) = offered {
                self.segments[handle].is_final = true;
            }
        }
        let cookie = self.cookie_of(proc);
        let was_running = self.memory.tables().slot_of(cookie).is_some();
        if let Some(handle) = self.exclusive(proc, |r| r.worker_exits(index, &End::lost_worker(4))) {
            self.deliver(proc);
            self.unpin(handle as usize - 1);
            return "unpins a segment".into();
        }
        if was_running && self.memory.tables().slot_of(cookie).is_none() {
            // with the worker: it had not taken the job
            self.counts.start(cookie, Start::Warm);
        }
        self.worker_mut(proc).index = None;
        self.turn(proc, State::Gone);
        "exits".into()
    }

    /// The process is not there any more: the postmaster tells the session that has started it, and the queue its
    /// reader.
    fn vanish(&mut self, proc: u32) -> String {
        let (state, by) = (self.worker(proc).state, self.worker(proc).by);
        match state {
            State::Restoring(handle) | State::Running(handle) | State::Ended(handle, _) | State::Mapped(handle) => {
                self.leave_queue(handle);
            }
            _ => {}
        }
        self.machine.end(proc);
        if let Some(by) = by.filter(|by| self.machine.is_alive(*by)) {
            self.machine.set_latch(by.proc);
        }
        *self.worker_mut(proc) = WorkerProcess::default();
        "is gone".into()
    }
}
