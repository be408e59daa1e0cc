//! What holds after each move.

use super::counts::Sums;
use super::launchers::{Launcher, State as Launching};
use super::memory::{HISTORY, JOBS};
use super::model::{END, LAUNCHERS, PROCS, Sleep, WORKER_PROCESSES, World};
use super::observers::State as Observing;
use super::workers::{State as Working, WorkerProcess};
use crate::job::state::Stop;
use crate::registry::layout::{Activity, JobSlot};
use crate::registry::quota;
use std::collections::BTreeSet;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering::Relaxed;

impl World {
    pub fn check(&mut self) {
        self.check_slots();
        self.check_queue();
        self.check_history();
        self.check_workers();
        self.check_totals();
        self.check_signals();
        self.check_sleepers();
    }

    /// Free and used slots are all there are; a slot is in one of both; kinds agree with the slots.
    fn check_slots(&mut self) {
        let tables = self.memory.tables();
        let mut free = BTreeSet::new();
        let mut next = tables.head.free_job.load(Relaxed);
        let mut complaint = None;
        while next != 0 && complaint.is_none() {
            if !free.insert(next - 1) {
                complaint = Some("the list of free slots goes round");
            }
            next = tables.jobs[next as usize - 1].next_free.load(Relaxed);
        }
        let used: BTreeSet<u32> = tables.used_slots().collect();
        if free.intersection(&used).next().is_some() || free.len() + used.len() != JOBS {
            complaint = complaint.or(Some("free and used slots are not all"));
        }
        if free.len() != tables.head.free_jobs.load(Relaxed) as usize {
            complaint = complaint.or(Some("free slots are counted wrong"));
        }
        for (slot, (job, kind)) in (0..).zip(tables.jobs.iter().zip(tables.kinds)) {
            let is_used = job.cookie.load(Relaxed) != 0;
            if is_used != used.contains(&slot) {
                complaint = complaint.or(Some("a slot in use is not noted, or a free one is"));
            }
            let expected = quota::kind(job.database.load(Relaxed), job.role.load(Relaxed));
            if is_used && kind.load(Relaxed) != expected {
                complaint = complaint.or(Some("a slot's kind is not its job's"));
            }
        }
        let is_let_run = |job: &JobSlot| {
            job.abandoned.load(Relaxed) != 0 && job.stop() != Stop::Now && job.cookie.load(Relaxed) != 0
        };
        if tables.jobs.iter().any(is_let_run) {
            complaint = complaint.or(Some("an abandoned job is not asked to stop"));
        }
        if let Some(complaint) = complaint {
            self.complain(complaint);
        }
    }

    /// The launches that wait are in the queue that they wait in, and are counted.
    fn check_queue(&mut self) {
        let tables = self.memory.tables();
        let entries = tables.head.waiters.iter().map(|w| (w.ticket.load(Relaxed), w.wants_process.load(Relaxed)));
        let entries: BTreeSet<(u64, u32)> = entries.filter(|(ticket, _)| *ticket != 0).collect();
        let is_missing = |launcher: &Launcher| match launcher.state {
            _ if launcher.is_exiting => false,
            Launching::Queued(_, ticket) => !entries.contains(&(ticket, 0)),
            Launching::WaitsForProcess(_, _, ticket) => !entries.contains(&(ticket, 1)),
            _ => false,
        };
        if self.launchers.iter().any(is_missing) || entries.len() != tables.head.waiting.load(Relaxed) as usize {
            self.complain("a launch waits, and is not in its queue");
        }
    }

    /// A cookie is in exactly one of slot and history; of a job whose handle was returned, always.
    fn check_history(&mut self) {
        let tables = self.memory.tables();
        let ended = tables.head.ended.load(Relaxed);
        let fresh: Vec<(i64, u32)> = (self.ends_seen..ended)
            .map(|n| &tables.history[n as usize % HISTORY])
            .map(|entry| (entry.cookie.load(Relaxed), entry.state.load(Relaxed)))
            .collect();
        let present: Vec<i64> = tables.jobs.iter().map(|job| job.cookie.load(Relaxed)).filter(|c| *c != 0).collect();
        self.ends_seen = ended;
        for (cookie, state) in fresh {
            if self.counts.ended(cookie) as u32 != state {
                self.complain("the history has another end");
            }
            *self.ended.entry(cookie).or_default() += 1;
        }
        if present.iter().collect::<BTreeSet<_>>().len() != present.len() {
            self.complain("a cookie has two slots");
        }
        if self.ended.values().any(|times| *times > 1) || self.ended.contains_key(&0) {
            self.complain("a job has ended twice");
        }
        if present.iter().any(|cookie| self.ended.contains_key(cookie)) {
            self.complain("a cookie is in a slot and in the history");
        }
        let has_no_pid =
            |job: &JobSlot| job.worker_pid.load(Relaxed) == 0 && self.returned.contains(&job.cookie.load(Relaxed));
        if self.memory.tables().jobs.iter().any(has_no_pid) {
            self.complain("a handle was returned, and the job does not know its worker");
        }
        let lost = self.returned.iter().find(|c| !present.contains(c) && !self.ended.contains_key(c)).copied();
        if let Some(cookie) = lost {
            self.complain(format!("job {cookie}, whose handle was returned, is nowhere"));
        }
    }

    /// The count of idle workers; what a slot says of a job; each claim is held, or was followed by an offer.
    fn check_workers(&mut self) {
        let tables = self.memory.tables();
        let idle = tables.workers.iter().filter(|worker| worker.activity() == Activity::Idle).count();
        let mut complaints = Vec::new();
        if idle != tables.head.idle.load(Relaxed) as usize {
            complaints.push("idle workers are counted wrong".to_string());
        }
        for (index, worker) in (0..).zip(tables.workers) {
            let activity = worker.activity();
            let cookie = worker.cookie.load(Relaxed);
            let (pid, proc) = (worker.pid.load(Relaxed), worker.proc.load(Relaxed));
            if cookie != 0 && !matches!(activity, Activity::Busy | Activity::Claimed) {
                complaints.push(format!("worker {index} is {activity:?} and has a job"));
            }
            if activity == Activity::Claimed {
                let is_offered = worker.handle.load(Relaxed) != 0;
                let is_there = self.machine.process(proc).pid == pid;
                let is_forgotten = is_there && !is_offered && !self.has_vanished && !self.holds_claim(index, pid);
                if cookie == 0 || is_forgotten {
                    complaints.push(format!("worker {index} is claimed by no launcher"));
                }
            }
            if activity == Activity::Busy
                && cookie != 0
                && !tables.jobs.iter().any(|j| j.cookie.load(Relaxed) == cookie)
            {
                complaints.push(format!("worker {index} has a job that has no slot"));
            }
        }
        for process in &self.workers {
            complaints.extend(process.index.and_then(|index| self.misfit(process, index)));
        }
        for complaint in complaints {
            self.complain(complaint);
        }
    }

    /// What the worker's slot says that is not so in the process.
    fn misfit(&self, process: &WorkerProcess, index: u32) -> Option<String> {
        let slot = &self.memory.tables().workers[index as usize];
        let activity = slot.activity();
        let may_be = match process.state {
            Working::Waiting | Working::Forgetting => activity == Activity::Idle || activity == Activity::Claimed,
            Working::Resetting => activity == Activity::Resetting || activity == Activity::Claimed,
            _ => true,
        };
        let is_mapped = |handle: u32| handle == 0 || process.mapped.contains(&handle);
        let mut mapped = slot.mapped.iter().map(|handle| handle.load(Relaxed));
        let is_true = match activity {
            Activity::Resetting => (slot.promised.load(Relaxed) != 0) == process.promised && mapped.all(is_mapped),
            Activity::Idle => mapped.all(is_mapped),
            _ => true,
        };
        if !may_be {
            Some(format!("worker {index} is {activity:?}, but its process is {:?}", process.state))
        } else if !is_true {
            Some(format!("worker {index} is {activity:?} and shows what its process has not promised or mapped"))
        } else {
            None
        }
    }

    /// Launched jobs are those that have ended and those that a worker has.
    fn check_totals(&mut self) {
        let tables = self.memory.tables();
        let sum = |counter: fn(&crate::registry::layout::Totals) -> &AtomicI64| -> i64 {
            tables.totals.iter().map(|totals| counter(totals).load(Relaxed)).sum()
        };
        let ended = sum(|t| &t.completed) + sum(|t| &t.failed) + sum(|t| &t.canceled) + sum(|t| &t.timed_out);
        let is_taken =
            |job: &&crate::registry::layout::JobSlot| job.cookie.load(Relaxed) != 0 && job.taken.load(Relaxed) != 0;
        let running = tables.jobs.iter().filter(is_taken).count() as i64;
        let starts = sum(|t| &t.warm_starts) + sum(|t| &t.cold_starts);
        let sums = Sums::of(tables.totals);
        let launched = sum(|t| &t.launched);
        if launched != ended + running || launched != starts || ended as u64 != tables.head.ended.load(Relaxed) {
            self.complain("totals do not add up");
        }
        if sums != self.counts.sums {
            self.complain(format!("totals are {sums:?}, and should be {:?}", self.counts.sums));
        }
    }

    /// A worker is told to look only while it has to do with a job that was asked to stop.
    fn check_signals(&mut self) {
        let pids: Vec<i32> = self.machine.interrupted.lock().unwrap().drain(..).collect();
        let tables = self.memory.tables();
        let is_asked = |pid: i32| {
            tables.workers.iter().any(|worker| {
                let cookie = worker.cookie.load(Relaxed);
                let mut jobs = tables.jobs.iter();
                let job = jobs.find(|job| cookie != 0 && job.cookie.load(Relaxed) == cookie);
                worker.pid.load(Relaxed) == pid && job.is_some_and(|job| job.stop.load(Relaxed) != 0)
            })
        };
        if !self.has_vanished && !pids.into_iter().all(is_asked) {
            self.complain("a worker was told to stop that has no such job");
        }
    }

    /// Jobs other than its own are as they were before the worker's move.
    pub fn check_touched(&mut self, own: i64, before: &[(i64, i32, u32, u32); JOBS]) {
        let after = self.slots();
        let others = before.iter().zip(&after).filter(|(job, _)| job.0 != own && job.0 != 0);
        if others.into_iter().any(|(before, after)| before != after) {
            self.complain("a worker has touched another job");
        }
    }

    /// Whoever sleeps and could go on was woken, or will be by a process that has not delivered its wakes yet.
    fn check_sleepers(&mut self) {
        if self.has_vanished || self.pending.iter().any(Option::is_some) {
            return;
        }
        let asleep: Vec<u32> = (0..PROCS).filter(|p| !self.is_woken(*p)).collect();
        for proc in asleep {
            if let Some(why) = self.could_go_on(proc) {
                self.complain(format!("{proc} sleeps, but {why}"));
            }
        }
    }

    fn could_go_on(&self, proc: u32) -> Option<&'static str> {
        let tables = self.memory.tables();
        if let Some(launcher) = self.launchers.get(proc as usize) {
            return match launcher.state {
                Launching::Queued(job, ticket) => {
                    let refused = self.shared(proc, |r| r.verdict(&job.ask(), Some(ticket)));
                    refused.is_none().then_some("would be admitted")
                }
                Launching::Offered(job, slot, claim) => {
                    let segment = &self.segments[job.handle];
                    let has_word = segment.is_accepted || segment.is_final;
                    let is_gone = !self.shared(proc, |r| r.is_on_its_way(&claim, slot, job.cookie));
                    // a worker in the queue wakes it when it leaves
                    ((has_word || is_gone) && !self.will_be_told(job.handle)).then_some("its offer was answered")
                }
                Launching::Cold(job, _, worker, pid) => {
                    let is_decided = self.segments[job.handle].was_attached || self.machine.process(worker).pid != pid;
                    is_decided.then_some("its process has the job, or is gone")
                }
                Launching::Tracking(job, slot) => {
                    (self.is_over(&job, slot) && !self.will_be_told(job.handle)).then_some("its job is over")
                }
                _ => None,
            };
        }
        if let Some(worker) = self.workers.get((proc - LAUNCHERS) as usize) {
            let index = worker.index?;
            let slot = &tables.workers[index as usize];
            if tables.offered(index).is_some() {
                return Some("it was offered a job");
            }
            if worker.was_claimed && slot.activity() != Activity::Claimed {
                return Some("its claim was dropped");
            }
            return (slot.activity() == Activity::Idle && tables.is_dismissed(index)).then_some("it is dismissed");
        }
        match self.observers[(proc - LAUNCHERS - WORKER_PROCESSES) as usize].state {
            Observing::WaitsForEnd(slot, cookie) => (!tables.is_running(slot, cookie)).then_some("the job has ended"),
            Observing::WaitsForSome(jobs) => self.has_some_ended(&jobs).then_some("one of its jobs has ended"),
            Observing::WaitsForLeavers(database) => (!tables.has_leavers(database)).then_some("the workers are gone"),
            Observing::Marks(..) | Observing::Idle => None,
        }
    }

    /// A worker is in that job's queue, or ends with the job: it wakes the launcher in a moment.
    fn will_be_told(&self, handle: usize) -> bool {
        self.segments[handle].is_attached
            || self.workers.iter().any(|worker| match worker.state {
                Working::Closing(offered) | Working::Exiting(offered) => offered == Some(handle),
                Working::Ended(ended, _) => ended == handle,
                _ => false,
            })
    }

    /// All processes end, one after the other. Then nothing is left of them.
    pub fn drain(&mut self) -> Result<(), String> {
        for _ in 0..40 {
            for proc in 0..PROCS {
                let is_there = self.machine.process(proc).pid != 0;
                if !is_there {
                    continue;
                }
                let is_idle = |l: &Launcher| !l.is_exiting && matches!(l.state, Launching::Idle);
                let launcher = self.launchers.get(proc as usize).map(is_idle);
                let move_ = if self.deliver(proc) {
                    "delivers".into()
                } else if launcher == Some(true) {
                    continue;
                } else if launcher.is_some() {
                    self.move_launcher(proc, END)
                } else if proc < LAUNCHERS + WORKER_PROCESSES {
                    self.move_worker(proc, END)
                } else {
                    self.machine.leave_conditions(proc);
                    self.sleeps[proc as usize] = Sleep::Awake;
                    continue;
                };
                self.trace.push(format!("{proc}: {move_}"));
                self.check();
                self.result()?;
            }
        }
        let last = PROCS - 1;
        self.reap(last);
        let tables = self.memory.tables();
        let is_used = tables.running() != 0
            || tables.has_waiters() && !self.has_vanished
            || tables.workers.iter().any(|worker| worker.activity() != Activity::Free);
        if is_used {
            self.complain("something is left of processes that are gone");
        }
        if !self.has_vanished && self.segments.iter().any(|segment| segment.is_pinned) {
            self.complain("a segment stays pinned");
        }
        self.check();
        self.result()
    }
}
