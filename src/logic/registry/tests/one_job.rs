//! One job, call after call: what the processes of the other tests do never, or hardly ever.

use super::memory::{Acting, Machine, Memory};
use super::model::{Job, end_of};
use crate::registry::claims::Claim;
use crate::registry::door::CommonLimits;
use crate::registry::jobs::{Admission, End, NewJob};
use crate::registry::layout::{Activity, MAPPED};
use crate::registry::locked::{Locked, Process};
use crate::registry::queue::Queue;
use crate::registry::workers::{AfterJob, Call, IdleOutcome};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The end of a job whose worker might stay, and has called for a dispatcher in vain.
const AFTER: AfterJob = AfterJob::Reset { promised: true, settings: 0, mapped: [0; MAPPED], call: Call::InVain };

pub(super) struct Shop {
    pub memory: Memory,
    pub machine: Machine,
}

impl Shop {
    pub fn new() -> Self {
        Self { memory: Memory::new(), machine: Machine::new(4) }
    }

    pub fn exclusive<R>(&self, me: Process, change: impl FnOnce(&mut Locked) -> R) -> R {
        let tables = self.memory.tables();
        let server = Acting { machine: &self.machine, me };
        let mut locked = Locked::new(&tables, &server);
        let result = change(&mut locked);
        locked.into_wakes().deliver(&tables, &server);
        result
    }

    pub fn admit(&self, launcher: Process, job: &Job) -> (u32, Option<Claim>) {
        match self.exclusive(launcher, |r| r.admit(&job.ask(), None)) {
            Admission::Admitted(slot, claim) => (slot, claim),
            Admission::Refused(scope) => panic!("refused by {scope:?}"),
        }
    }

    pub fn register(&self, worker: Process) -> u32 {
        self.exclusive(worker, |r| r.register_worker(&Job::key(1))).unwrap()
    }

    /// The worker runs the job, and is idle then.
    pub fn run(&self, worker: Process, index: u32, slot: u32, cookie: i64) {
        let mapped: [u32; MAPPED] = std::array::from_fn(|i| u32::from(i == 0));
        let after = AfterJob::Reset { promised: false, settings: 0, mapped, call: Call::Answered };
        assert!(self.exclusive(worker, |r| r.take_job(index, slot, cookie)));
        self.exclusive(worker, |r| r.end_job(index, slot, cookie, &end_of(3), after));
        assert_eq!(self.exclusive(worker, |r| r.become_idle(index, 0, mapped)), IdleOutcome::Idle);
    }

    /// The launcher offers job 8 to an idle worker, and awaits no reply. Returns the worker's index and the job's slot.
    fn offer_surely(&self, launcher: Process, worker: Process) -> (u32, u32) {
        let (slot, _) = self.admit(launcher, &job(7));
        let index = self.register(worker);
        self.run(worker, index, slot, 7);
        let (slot, claim) = self.admit(launcher, &job(8));
        let claim = claim.filter(|claim| claim.is_sure).expect("a sure claim");
        assert!(self.exclusive(launcher, |r| r.offer(&claim, slot, 8, 1)));
        (index, slot)
    }
}

pub(super) fn job(cookie: i64) -> Job {
    Job { cookie, database: 1, role: 10, settings: 0, per_role: 0, handle: 0, taken: [0; 2] }
}

/// No launcher gives a job to two workers. Should two come for it nevertheless, it does not run twice.
#[test]
fn a_job_is_taken_once() {
    let shop = Shop::new();
    let [launcher, first, second] = [0, 1, 2].map(|proc| shop.machine.start(proc));
    let (slot, _) = shop.admit(launcher, &job(7));
    let (winner, loser) = (shop.register(first), shop.register(second));
    assert!(shop.exclusive(first, |r| r.take_job(winner, slot, 7)));
    assert!(!shop.exclusive(second, |r| r.take_job(loser, slot, 7)));
    let tables = shop.memory.tables();
    assert_eq!(tables.jobs[slot as usize].worker_pid.load(Relaxed), first.pid);
    assert_eq!(tables.workers[loser as usize].activity(), Activity::Resetting);
    assert_eq!(tables.workers[loser as usize].cookie.load(Relaxed), 0);
}

/// A launcher of a sure claim awaits no reply. Suppose that the worker vanishes before it takes the job: the launcher
/// hears of it when some process reaps.
#[test]
fn the_launcher_of_a_reaped_job_is_woken() {
    let shop = Shop::new();
    let [launcher, worker, other] = [0, 1, 2].map(|proc| shop.machine.start(proc));
    let (_, slot) = shop.offer_surely(launcher, worker);
    shop.machine.end(worker.proc);
    assert!(!shop.machine.is_set(launcher.proc));
    assert!(shop.exclusive(other, |r| r.reap()));
    assert!(shop.machine.is_set(launcher.proc));
    assert!(!shop.memory.tables().is_running(slot, 8));
    assert!(!shop.exclusive(other, |r| r.reap()));
}

/// If the worker ends in order instead, the job ends with it, and all who wait for the job are woken.
#[test]
fn a_promised_job_ends_with_its_worker() {
    let shop = Shop::new();
    let [launcher, worker, other] = [0, 1, 2].map(|proc| shop.machine.start(proc));
    let (index, slot) = shop.offer_surely(launcher, worker);
    shop.machine.join_condition(other.proc, shop.memory.tables().done(slot).unwrap());
    shop.exclusive(worker, |r| r.close(index));
    assert!(shop.memory.tables().is_running(slot, 8));
    assert_eq!(shop.exclusive(worker, |r| r.worker_exits(index, &End::lost_worker(1))), None);
    assert!(!shop.memory.tables().is_running(slot, 8));
    assert!(shop.machine.is_set(launcher.proc) && shop.machine.is_set(other.proc));
}

/// The slots in use are found where they are many, too: their bits fill several words.
#[test]
fn the_slots_in_use_are_found_among_many() {
    let shop = Shop { memory: Memory::with_jobs(130), machine: Machine::new(1) };
    let launcher = shop.machine.start(0);
    let used = || shop.memory.tables().used_slots().collect::<Vec<_>>();
    for cookie in 1..=130 {
        assert_eq!(i64::from(shop.admit(launcher, &job(cookie)).0), cookie - 1);
    }
    assert_eq!(used(), (0..130).collect::<Vec<_>>());
    for slot in (0..130).filter(|slot| ![0, 63, 64, 127, 129].contains(slot)) {
        shop.exclusive(launcher, |r| r.give_up(slot, i64::from(slot) + 1));
    }
    assert_eq!(used(), [0, 63, 64, 127, 129]);
    assert_eq!(
        [1, 64, 65, 66, 130].map(|cookie| shop.memory.tables().slot_of(cookie)),
        [Some(0), Some(63), Some(64), None, Some(129)]
    );
    assert_eq!((shop.memory.tables().running(), shop.memory.tables().used_kinds().count()), (5, 5));
}

/// Sessions of a role may have limits of their own. Suppose that two launches can go on, and that the second asks
/// first: its job keeps the first one out, whose limit is lower. Then the third can go on, and is woken.
#[test]
fn a_launch_that_overtakes_wakes_the_next() {
    let shop = Shop { memory: Memory::with_jobs(5), machine: Machine::new(4) };
    let [other, first, second, third] = [0, 1, 2, 3].map(|proc| shop.machine.start(proc));
    shop.exclusive(other, |r| r.tell_limits(CommonLimits { total: 3, per_database: 0 }, 1));
    let with = |cookie, role, per_role| Job { role, per_role, ..job(cookie) };
    shop.admit(other, &with(1, 10, 0));
    let ends = [2, 3].map(|cookie| (shop.admit(other, &with(cookie, 11, 0)).0, cookie));
    let jobs = [(first, with(4, 10, 2)), (second, with(5, 10, 0)), (third, with(6, 12, 0))];
    let tickets = jobs.map(|(me, job)| shop.exclusive(me, |r| r.join(&job.ask(), Queue::ForSlot)));
    for (slot, cookie) in ends {
        shop.exclusive(other, |r| r.give_up(slot, cookie));
    }
    assert_eq!(jobs.map(|(me, _)| shop.machine.is_set(me.proc)), [true, true, false]);
    let ask = |n: usize| {
        shop.exclusive(jobs[n].0, |r| matches!(r.admit(&jobs[n].1.ask(), tickets[n]), Admission::Admitted(..)))
    };
    assert_eq!((ask(1), ask(0)), (true, false));
    assert!(shop.machine.is_set(third.proc));
    assert!(ask(2));
}

/// One after the other is dismissed, and woken to leave.
#[test]
fn the_worker_that_has_been_idle_longest_is_dismissed_first() {
    let shop = Shop::new();
    let [launcher, first, second] = [0, 1, 2].map(|proc| shop.machine.start(proc));
    let workers = [first, second].map(|worker| shop.register(worker));
    let slots = [7, 8].map(|cookie| shop.admit(launcher, &job(cookie)).0);
    shop.run(second, workers[1], slots[1], 8);
    shop.run(first, workers[0], slots[0], 7);
    for (worker, index) in [(second, workers[1]), (first, workers[0])] {
        assert!(!shop.memory.tables().is_dismissed(index));
        assert!(shop.exclusive(launcher, |r| r.dismiss_one()));
        assert!(shop.memory.tables().is_dismissed(index) && shop.machine.is_set(worker.proc));
    }
    assert!(!shop.exclusive(launcher, |r| r.dismiss_one()));
}

/// Suppose that a commit has found no process for the dispatcher: the slot of one worker is enough.
#[test]
fn one_worker_after_the_other_makes_way_for_the_dispatcher() {
    let shop = Shop::new();
    let [launcher, first, second] = [0, 1, 2].map(|proc| shop.machine.start(proc));
    let workers = [first, second].map(|worker| shop.register(worker));
    let slots = [7, 8].map(|cookie| shop.admit(launcher, &job(cookie)).0);
    shop.machine.pass(1_000_000);
    shop.run(first, workers[0], slots[0], 7);
    assert!(!shop.exclusive(first, |r| r.make_way(workers[0])), "no job waits");

    shop.exclusive(launcher, |r| r.queue_pending(8, &AtomicU64::new(0)));
    assert!(shop.exclusive(launcher, |r| r.call_dispatcher()));
    assert!(!shop.exclusive(first, |r| r.make_way(workers[0])), "a dispatcher is called");
    shop.exclusive(launcher, |r| r.uncall_dispatcher());
    assert!(shop.exclusive(first, |r| r.make_way(workers[0])));

    shop.run(second, workers[1], slots[1], 8);
    assert!(!shop.exclusive(second, |r| r.make_way(workers[1])), "another has made way");
    shop.machine.pass(1_000_000);
    assert!(!shop.exclusive(second, |r| r.make_way(workers[1])), "nobody else would call for a dispatcher");
    let third = shop.machine.start(3);
    shop.register(third);
    assert!(shop.exclusive(second, |r| r.make_way(workers[1])));
}

/// A process slot is free some time after its process. If nobody is there to call then, the jobs wait on.
#[test]
fn the_last_worker_makes_way_where_somebody_comes_by() {
    for (has_other, waits, makes_way) in
        [(false, false, false), (true, false, true), (false, true, true), (true, true, true)]
    {
        let shop = Shop::new();
        let [launcher, worker, other] = [0, 1, 2].map(|proc| shop.machine.start(proc));
        let (slot, _) = shop.admit(launcher, &job(7));
        let index = shop.register(worker);
        assert!(shop.exclusive(worker, |r| r.take_job(index, slot, 7)));
        if has_other {
            shop.register(other);
        }
        if waits {
            assert!(shop.exclusive(launcher, |r| r.join(&job(9).ask(), Queue::ForSlot)).is_some());
        }
        shop.exclusive(launcher, |r| r.queue_pending(8, &AtomicU64::new(0)));
        shop.machine.pass(1_000_000);
        shop.exclusive(worker, |r| r.end_job(index, slot, 7, &end_of(3), AFTER));
        let activity = shop.memory.tables().workers[index as usize].activity();
        assert_eq!(activity == Activity::Leaving, makes_way, "another: {has_other}, a launch waits: {waits}");
    }
}

/// Sessions that launch one job after the other would claim the worker before it is idle.
#[test]
fn a_worker_makes_way_for_the_dispatcher_when_its_job_ends() {
    let shop = Shop::new();
    let [launcher, worker, other] = [0, 1, 2].map(|proc| shop.machine.start(proc));
    let index = shop.register(worker);
    shop.register(other);
    let (slot, _) = shop.admit(launcher, &job(7));
    assert!(shop.exclusive(worker, |r| r.take_job(index, slot, 7)));
    shop.exclusive(launcher, |r| r.queue_pending(8, &AtomicU64::new(0)));
    shop.machine.pass(1_000_000);
    shop.exclusive(worker, |r| r.end_job(index, slot, 7, &end_of(3), AFTER));
    let (_, claim) = shop.admit(launcher, &job(9));
    assert!(claim.is_none());
    assert_eq!(shop.exclusive(worker, |r| r.become_idle(index, 0, [0; MAPPED])), IdleOutcome::Leave);
}

/// Suppose that jobs are queued just when a worker ends its job: whether there is a process for the dispatcher their
/// commit finds out next.
#[test]
fn a_worker_stays_whose_call_for_a_dispatcher_was_not_in_vain() {
    let shop = Shop::new();
    let [launcher, worker, other] = [0, 1, 2].map(|proc| shop.machine.start(proc));
    let (slot, _) = shop.admit(launcher, &job(7));
    let index = shop.register(worker);
    shop.register(other);
    assert!(shop.exclusive(worker, |r| r.take_job(index, slot, 7)));
    shop.exclusive(launcher, |r| r.queue_pending(8, &AtomicU64::new(0)));
    shop.machine.pass(1_000_000);
    let after = AfterJob::Reset { promised: true, settings: 0, mapped: [0; MAPPED], call: Call::Answered };
    shop.exclusive(worker, |r| r.end_job(index, slot, 7, &end_of(3), after));
    assert_eq!(shop.memory.tables().workers[index as usize].activity(), Activity::Resetting);
}

/// Suppose that idle workers sleep when a call for a dispatcher is in vain: one of them must see to it from then on,
/// for nobody else may come by. And suppose that it is given a job: then the next one.
#[test]
fn an_idle_worker_is_woken_to_call_for_a_dispatcher() {
    let shop = Shop::new();
    let [launcher, first, second] = [0, 1, 2].map(|proc| shop.machine.start(proc));
    let workers = [first, second].map(|worker| shop.register(worker));
    let slots = [7, 8].map(|cookie| shop.admit(launcher, &job(cookie)).0);
    shop.run(second, workers[1], slots[1], 8);
    shop.run(first, workers[0], slots[0], 7);
    let call_in_vain = |who| {
        shop.machine.reset_latch(first.proc);
        shop.machine.reset_latch(second.proc);
        assert!(shop.exclusive(who, |r| r.call_dispatcher()));
        shop.exclusive(who, |r| r.uncall_dispatcher());
        [first, second].map(|worker| shop.machine.is_set(worker.proc))
    };
    assert_eq!(call_in_vain(launcher), [false, false], "no job waits");
    shop.exclusive(launcher, |r| r.queue_pending(8, &AtomicU64::new(0)));
    assert_eq!(call_in_vain(launcher), [false, true], "the one that has been idle longest");
    assert_eq!(call_in_vain(second), [false, false], "they would wake each other without end");

    let wanted = Job { handle: 0, ..job(11) };
    let (_, claim) = shop.admit(launcher, &wanted);
    assert_eq!(claim.map(|claim| claim.index), Some(workers[1]), "the likely one");
    assert!(shop.machine.is_set(first.proc), "the other one goes on");
}

/// A process that was registered for the job by the last dispatcher takes it while this one waits for a process.
#[test]
fn no_worker_is_claimed_for_a_job_that_has_one() {
    let shop = Shop::new();
    let [launcher, warm, late] = [0, 1, 2].map(|proc| shop.machine.start(proc));
    let slots = [7, 8].map(|cookie| shop.admit(launcher, &job(cookie)).0);
    let workers = [warm, late].map(|worker| shop.register(worker));
    shop.run(warm, workers[0], slots[1], 8);
    assert!(shop.exclusive(late, |r| r.take_job(workers[1], slots[0], 7)));
    assert!(shop.exclusive(launcher, |r| r.claim_for(slots[0], &job(7).ask())).is_none());
    shop.exclusive(late, |r| r.end_job(workers[1], slots[0], 7, &end_of(3), AfterJob::Leave));
    assert!(shop.exclusive(launcher, |r| r.claim_for(slots[0], &job(7).ask())).is_none());
    assert_eq!(shop.memory.tables().workers[workers[0] as usize].activity(), Activity::Idle);
}

/// A late process has taken the job, and has ended it before the dispatcher looks. The slot is another job's by then.
#[test]
fn a_job_that_has_ended_is_not_taken_for_the_next_one_in_its_slot() {
    let shop = Shop::new();
    let [dispatcher, late] = [0, 1].map(|proc| shop.machine.start(proc));
    let new = job(7);
    let new = NewJob { committed_by: Some(77), ..new.ask() };
    let Admission::Admitted(slot, None) = shop.exclusive(dispatcher, |r| {
        r.set_in_flight(7);
        r.admit(&new, None)
    }) else {
        panic!("there is a slot, and no worker");
    };
    let index = shop.register(late);
    assert!(!shop.exclusive(dispatcher, |r| r.is_taken(slot)));
    assert!(shop.exclusive(late, |r| r.take_job(index, slot, 7)));
    shop.exclusive(late, |r| r.end_job(index, slot, 7, &end_of(3), AfterJob::Leave));
    assert_eq!(shop.admit(dispatcher, &job(8)).0, slot);
    assert!(shop.exclusive(dispatcher, |r| r.is_taken(slot)));
}

/// Of two workers that fit alike, a session gets the one that it expects: its last. Also while that resets its session,
/// if it has promised to be ready, for it need not be woken.
#[test]
fn the_likely_worker_is_claimed_where_it_is_sure() {
    let shop = Shop::new();
    let [launcher, first, second] = [0, 1, 2].map(|proc| shop.machine.start(proc));
    let workers = [first, second].map(|worker| shop.register(worker));
    let slots = [7, 8].map(|cookie| shop.admit(launcher, &job(cookie)).0);
    shop.run(first, workers[0], slots[0], 7);
    shop.run(second, workers[1], slots[1], 8);
    // the number of the likely worker's slot is the cookie modulo 5
    let claim = |cookie, settings| {
        let (slot, claim) = shop.admit(launcher, &Job { settings, ..job(cookie) });
        (slot, claim.expect("a worker is there"))
    };
    let claimed = |cookie, settings| {
        let (slot, claim) = claim(cookie, settings);
        shop.exclusive(launcher, |r| {
            r.withdraw(&claim, cookie);
            r.give_up(slot, cookie);
        });
        (claim.index, claim.is_sure)
    };
    assert_eq!([claimed(10, 0), claimed(11, 0)], [(workers[0], true), (workers[1], true)]);
    shop.exclusive(first, |r| r.show_settings(workers[0], 9));
    assert_eq!([claimed(10, 0), claimed(11, 9)], [(workers[1], true), (workers[0], true)]);
    shop.exclusive(first, |r| r.show_settings(workers[0], 0));
    for promised in [true, false] {
        let (slot, offered) = claim(16, 0);
        assert!(offered.index == workers[1] && shop.exclusive(launcher, |r| r.offer(&offered, slot, 16, 1)));
        assert!(shop.exclusive(second, |r| r.take_job(workers[1], slot, 16)));
        let mapped: [u32; MAPPED] = std::array::from_fn(|i| u32::from(i == 0));
        let after = AfterJob::Reset { promised, settings: 0, mapped, call: Call::Answered };
        shop.exclusive(second, |r| r.end_job(workers[1], slot, 16, &end_of(3), after));
        assert_eq!(claimed(11, 0), if promised { (workers[1], true) } else { (workers[0], true) });
        assert_eq!(shop.exclusive(second, |r| r.become_idle(workers[1], 0, mapped)), IdleOutcome::Idle);
    }
}
