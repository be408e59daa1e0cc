//! How a launcher is admitted and comes to a worker, and what holds when it is admitted and when it claims a worker.

use super::launchers::State;
use super::model::{Job, LIMITS, Planted, Segment, Sleep, World};
use super::workers;
use crate::registry::claims::Claim;
use crate::registry::door::CommonLimits;
use crate::registry::jobs::Admission;
use crate::registry::layout::{Activity, WorkerSlot};
use crate::registry::queue::Queue;
use crate::registry::totals::LaunchEvent;
use std::sync::atomic::Ordering::Relaxed;

impl World {
    pub fn launch(&mut self, proc: u32, what: u8) -> String {
        let handle = self.segments.iter().position(|s| s.is_reusable && s.launcher == proc);
        let handle = handle.unwrap_or_else(|| {
            self.segments.push(Segment::default());
            self.segments.len() - 1
        });
        self.next_cookie += 1;
        let job = Job {
            cookie: self.next_cookie,
            database: 1 + u32::from(what == 1),
            role: 10 + u32::from(what == 3),
            settings: u64::from(what == 2),
            // sessions of a role may have limits of their own
            per_role: if self.next_cookie % 3 == 0 { 0 } else { self.limits.per_role },
            handle,
            taken: if matches!(what, 4 | 5) { self.launcher(proc).used } else { [0; 2] },
        };
        self.segments[handle] = Segment {
            launcher: proc,
            cookie: job.cookie,
            database: job.database,
            settings: job.settings,
            ..Segment::default()
        };
        self.launcher(proc).launching = job.cookie;
        match self.admit(proc, &job, None) {
            (Admission::Admitted(slot, claim), _) => self.admitted(proc, job, slot, claim),
            (Admission::Refused(scope), None) => {
                self.go(proc, State::Rejected(job));
                format!("launches {}: refused, {scope:?}", job.cookie)
            }
            (Admission::Refused(scope), Some(ticket)) => {
                self.counts.sums.queue_waits += 1;
                self.go(proc, State::Queued(job, ticket));
                self.sleep(proc, Sleep::Latch);
                format!("launches {}: refused, {scope:?}; waits with {ticket}", job.cookie)
            }
        }
    }

    /// A launch that waits, and whose turn it is, may not be overtaken. The job's limits hold.
    /// One that is refused may join the queue in the same hold of the lock, and sleep without having asked again:
    /// returns its ticket.
    pub fn admit(&mut self, proc: u32, job: &Job, ticket: Option<u64>) -> (Admission, Option<u64>) {
        let ready = self.ready(ticket, job);
        let joins = ticket.is_none() && job.cookie % 4 != 0;
        let (admission, joined) = self.exclusive(proc, |r| {
            let admission = r.admit(&job.ask(), ticket);
            let joins = joins && matches!(admission, Admission::Refused(_));
            let joined = joins.then(|| {
                r.count_launch(job.database, job.role, LaunchEvent::Waits);
                r.join(&job.ask(), Queue::ForSlot).unwrap()
            });
            (admission, joined)
        });
        let still = self.ready(ticket, job);
        if ready.iter().any(|waiter| !still.contains(waiter)) {
            self.complain("a launch that waits was overtaken");
        }
        if let Admission::Admitted(slot, _) = admission {
            self.check_limits(job);
            self.check_fresh(job, slot);
        }
        (admission, joined)
    }

    /// The process has read the configuration, which has changed or not; or tells late what it has read long ago.
    pub fn read_configuration(&mut self, proc: u32, what: u8) -> &'static str {
        let limits = LIMITS[usize::from(what) % LIMITS.len()];
        let common = CommonLimits { total: limits.total, per_database: limits.per_database };
        if self.read_at > 0 && what % 3 == 0 {
            let at = self.read_at - i64::from(what % 2);
            self.exclusive(proc, |r| r.tell_limits(common, at));
        } else {
            (self.limits.total, self.limits.per_database) = (limits.total, limits.per_database);
            self.read_at += 1;
            let (at, planted) = (self.read_at, self.planted);
            self.exclusive(proc, |r| {
                if planted == Planted::RaiseSilently {
                    r.set_max_total(common.total);
                    r.set_max_per_database(common.per_database);
                } else {
                    r.tell_limits(common, at);
                }
            });
        }
        if self.memory.tables().common_limits().with(self.limits.per_role) != self.limits {
            self.complain("the limits are not those that were read last");
        }
        "reads the configuration"
    }

    /// The launches that wait before that ticket, would be admitted now, and do not allow the role fewer jobs.
    fn ready(&self, before: Option<u64>, new: &Job) -> Vec<u64> {
        let is_stricter =
            |job: &Job| job.role == new.role && job.per_role != 0 && (new.per_role == 0 || job.per_role < new.per_role);
        let launchers = self.launchers.iter().filter(|launcher| !launcher.is_exiting);
        let waiting = launchers.filter_map(|launcher| match launcher.state {
            State::Queued(job, ticket) if before.is_none_or(|before| ticket < before) && !is_stricter(&job) => {
                Some((job, ticket))
            }
            _ => None,
        });
        let would_be = |(job, ticket): &(Job, u64)| self.shared(0, |r| r.verdict(&job.ask(), Some(*ticket))).is_none();
        waiting.filter(would_be).map(|(_, ticket)| ticket).collect()
    }

    /// No more jobs have slots than the limits of the job allow that was admitted just now.
    fn check_limits(&mut self, job: &Job) {
        let tables = self.memory.tables();
        let jobs = tables.jobs.iter().filter(|job| job.cookie.load(Relaxed) != 0);
        let of_database = jobs.clone().filter(|other| other.database.load(Relaxed) == job.database);
        let of_role = jobs.clone().filter(|other| other.role.load(Relaxed) == job.role);
        let is_kept = |limit: u32, count: usize| limit == 0 || count <= limit as usize;
        let limits = self.limits;
        let are_kept = is_kept(limits.total, jobs.count())
            && is_kept(limits.per_database, of_database.count())
            && is_kept(job.per_role, of_role.count());
        if !are_kept {
            self.complain("a job was admitted beyond its limits");
        }
    }

    /// The job's slot has nothing of the job that had it before.
    fn check_fresh(&mut self, job: &Job, slot: u32) {
        let tables = self.memory.tables();
        let admitted = &tables.jobs[slot as usize];
        let is_unmarked = [&admitted.stop, &admitted.taken, &admitted.abandoned].iter().all(|n| n.load(Relaxed) == 0);
        let is_its_own = admitted.cookie.load(Relaxed) == job.cookie && admitted.role.load(Relaxed) == job.role;
        if !is_unmarked || !is_its_own || admitted.worker_pid.load(Relaxed) != 0 {
            self.complain("a job's slot is not as new");
        }
    }

    pub fn admitted(&mut self, proc: u32, job: Job, slot: u32, claim: Option<Claim>) -> String {
        self.segments[job.handle].slot = slot;
        if let Some(wrong) = claim.and_then(|claim| self.misclaim(&job, &claim)) {
            self.complain(wrong);
        }
        self.go(proc, State::Admitted(job, slot, claim));
        format!(
            "{} is admitted to slot {slot}, claim {:?}",
            job.cookie,
            claim.map(|claim| (claim.index, claim.is_sure))
        )
    }

    /// What is wrong with the claim that was made just now: the worker may serve the job, and no other would do better.
    fn misclaim(&self, job: &Job, claim: &Claim) -> Option<&'static str> {
        let tables = self.memory.tables();
        let key = tables.workers[claim.index as usize].key();
        let process = self.workers.iter().find(|worker| worker.index == Some(claim.index));
        let is_dismissed = |pid: i32| self.dismissed.contains(&pid);
        let is_better = |worker: &WorkerSlot| {
            let pid = worker.pid.load(Relaxed);
            worker.activity() == Activity::Idle
                && worker.key() == key
                && worker.settings.load(Relaxed) == job.settings
                && worker.has_mapped(job.handle as u32 + 1)
                && worker.dismissed.load(Relaxed) == 0
                && !job.taken.contains(&pid)
                && !is_dismissed(pid)
        };
        if key != Job::key(job.database) || process.is_some_and(|worker| worker.database != job.database) {
            Some("a worker with another key was claimed")
        } else if job.taken.contains(&claim.pid) {
            Some("a worker was claimed whose pid the session still uses")
        } else if is_dismissed(claim.pid) {
            Some("a worker was claimed that is dismissed")
        } else if !claim.is_sure && tables.workers.iter().any(is_better) {
            Some("a worker was claimed, and another would have been sure")
        } else {
            None
        }
    }

    pub fn need_worker(&mut self, proc: u32, job: Job, slot: u32) -> String {
        let segment = &mut self.segments[job.handle];
        (segment.wants_reply, segment.was_attached) = (false, false);
        if self.shared(proc, |r| r.is_next_for_process(None)) {
            self.check_turn(None);
            if let Some(worker) = self.free_process() {
                return self.register(proc, job, slot, worker);
            }
        }
        let ticket = self.join(proc, &job, Queue::ForProcess);
        self.go(proc, State::WaitsForProcess(job, slot, ticket));
        format!("joins for a process with {ticket}")
    }

    pub fn join(&mut self, proc: u32, job: &Job, queue: Queue) -> u64 {
        let ticket = self.exclusive(proc, |r| {
            r.count_launch(job.database, job.role, LaunchEvent::Waits);
            r.join(&job.ask(), queue)
        });
        self.counts.sums.queue_waits += 1;
        ticket.unwrap()
    }

    fn register(&mut self, proc: u32, job: Job, slot: u32, worker: u32) -> String {
        let process = self.machine.start(worker);
        self.sleeps[worker as usize] = Sleep::Awake;
        *self.worker_mut(worker) = workers::WorkerProcess::starting(job.handle, self.machine.process(proc));
        self.go(proc, State::Cold(job, slot, worker, process.pid));
        format!("starts process {worker} for {}", job.cookie)
    }

    pub fn wait_for_process(&mut self, proc: u32, job: Job, slot: u32, ticket: u64, what: u8) -> String {
        if what == 14 {
            self.sleeps[proc as usize] = Sleep::Awake;
            self.launcher(proc).ticket = Some(ticket);
            self.go(proc, State::Failing(job, slot, None));
            return "waits no longer for a process".into();
        }
        if what == 13 {
            self.sleeps[proc as usize] = Sleep::Awake;
            return self.dismiss_one(proc).into();
        }
        // a pause has passed, or it was woken
        self.sleeps[proc as usize] = Sleep::Awake;
        if self.shared(proc, |r| r.is_next_for_process(Some(ticket))) {
            self.check_turn(Some(ticket));
            if let Some(claim) = self.exclusive(proc, |r| r.claim_for(slot, &job.ask())) {
                self.launcher(proc).ticket = Some(ticket);
                return self.admitted(proc, job, slot, Some(claim));
            }
            if let Some(worker) = self.free_process() {
                self.launcher(proc).ticket = Some(ticket);
                return self.register(proc, job, slot, worker);
            }
        }
        self.sleep(proc, Sleep::Latch).into()
    }

    /// No launch waits for a process that came before the one whose turn it is; without a ticket, none at all.
    fn check_turn(&mut self, ticket: Option<u64>) {
        let is_overtaken = self.launchers.iter().filter(|launcher| !launcher.is_exiting).any(|launcher| {
            matches!(launcher.state, State::WaitsForProcess(_, _, before) if ticket.is_none_or(|own| before < own))
        });
        if is_overtaken {
            self.complain("a launch that waits for a process was overtaken");
        }
    }
}
