//! One job, call after call: what the processes of the other tests do never, or hardly ever.

use super::memory::{Acting, Machine, Memory};
use super::model::{Job, end_of};
use crate::registry::claims::Claim;
use crate::registry::jobs::Admission;
use crate::registry::layout::{Activity, MAPPED};
use crate::registry::locked::{Locked, Process};
use crate::registry::quota::Limits;
use crate::registry::workers::{AfterJob, IdleOutcome};
use std::sync::atomic::Ordering::Relaxed;

struct Shop {
    memory: Memory,
    machine: Machine,
}

impl Shop {
    fn new() -> Self {
        Self { memory: Memory::new(), machine: Machine::new(4) }
    }

    fn exclusive<R>(&self, me: Process, change: impl FnOnce(&mut Locked) -> R) -> R {
        let tables = self.memory.tables();
        let server = Acting { machine: &self.machine, me };
        let mut locked = Locked::new(&tables, &server);
        let result = change(&mut locked);
        locked.into_wakes().deliver(&tables, &server);
        result
    }

    fn admit(&self, launcher: Process, job: &Job) -> (u32, Option<Claim>) {
        match self.exclusive(launcher, |r| r.admit(&job.ask(), None)) {
            Admission::Admitted(slot, claim) => (slot, claim),
            Admission::Refused(scope) => panic!("refused by {scope:?}"),
        }
    }

    fn register(&self, worker: Process) -> u32 {
        self.exclusive(worker, |r| r.register_worker(&Job::key(1))).unwrap()
    }
}

fn job(cookie: i64) -> Job {
    Job { cookie, database: 1, role: 10, settings: 0, limits: Limits::default(), handle: 0, taken: [0; 2] }
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
    let [first, second, worker, other] = [0, 1, 2, 3].map(|proc| shop.machine.start(proc));
    let (slot, _) = shop.admit(first, &job(7));
    let index = shop.register(worker);
    assert!(shop.exclusive(worker, |r| r.take_job(index, slot, 7)));
    let mapped: [u32; MAPPED] = std::array::from_fn(|i| u32::from(i == 0));
    let after = AfterJob::Reset { promised: false, settings: 0, mapped };
    shop.exclusive(worker, |r| r.end_job(index, slot, 7, &end_of(3), after));
    assert_eq!(shop.exclusive(worker, |r| r.become_idle(index, 0, mapped)), IdleOutcome::Idle);

    let (slot, claim) = shop.admit(second, &job(8));
    let claim = claim.filter(|claim| claim.is_sure).expect("a sure claim");
    assert!(shop.exclusive(second, |r| r.offer(&claim, slot, 8, 1)));
    shop.machine.end(worker.proc);
    assert!(!shop.machine.is_set(second.proc));
    assert!(shop.exclusive(other, |r| r.reap()));
    assert!(shop.machine.is_set(second.proc));
    assert!(!shop.memory.tables().is_running(slot, 8));
    assert!(!shop.exclusive(other, |r| r.reap()));
}
