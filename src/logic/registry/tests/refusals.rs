//! A worker that was claimed for a job, and does not run it.

use super::model::Job;
use super::one_job::{Shop, job};
use crate::registry::claims::Claim;
use crate::registry::jobs::End;
use crate::registry::locked::Process;
use std::sync::atomic::Ordering::Relaxed;

/// A warm worker has been offered job 8, whose settings are not its own: its launcher awaits a reply. Returns its
/// index, and the job's slot.
fn offer(shop: &Shop, launcher: Process, worker: Process) -> (u32, u32) {
    let (slot, _) = shop.admit(launcher, &job(7));
    let index = shop.register(worker);
    shop.run(worker, index, slot, 7);
    let (slot, claim) = shop.admit(launcher, &Job { settings: 1, ..job(8) });
    let claim: Claim = claim.filter(|claim| !claim.is_sure).expect("a claim");
    assert!(shop.exclusive(launcher, |r| r.offer(&claim, slot, 8, 1)));
    (index, slot)
}

/// The launch fails after the offer, and another one gets the slot. What the worker of the first does then, whatever it
/// is, is nothing to the second.
#[test]
fn the_next_job_in_the_slot_is_left_alone() {
    for comes in ["takes", "refuses", "ends"] {
        let shop = Shop::new();
        let [first, second, worker] = [0, 1, 2].map(|proc| shop.machine.start(proc));
        let (index, slot) = offer(&shop, first, worker);
        shop.exclusive(first, |r| r.give_up(slot, 8));
        assert_eq!(shop.admit(second, &job(9)).0, slot);
        shop.machine.reset_latch(second.proc);
        match comes {
            "takes" => assert!(!shop.exclusive(worker, |r| r.take_job(index, slot, 8))),
            "refuses" => shop.exclusive(worker, |r| r.refuse(index)),
            _ => {
                shop.exclusive(worker, |r| r.close(index));
                assert_eq!(shop.exclusive(worker, |r| r.worker_exits(index, &End::lost_worker(1))), None);
            }
        }
        let tables = shop.memory.tables();
        assert!(tables.is_running(slot, 9), "{comes}");
        assert_eq!(tables.jobs[slot as usize].worker_pid.load(Relaxed), 0, "{comes}");
        assert!(!shop.machine.is_set(second.proc), "{comes}");
    }
}

/// The counters are set to zero while a worker has a job that it refuses then.
#[test]
fn no_counter_is_negative() {
    let shop = Shop::new();
    let [launcher, worker] = [0, 1].map(|proc| shop.machine.start(proc));
    let (index, slot) = offer(&shop, launcher, worker);
    assert!(shop.exclusive(worker, |r| r.take_job(index, slot, 8)));
    shop.exclusive(launcher, |r| r.reset_totals());
    shop.exclusive(worker, |r| r.refuse(index));
    let tables = shop.memory.tables();
    let counters = tables.totals.iter().flat_map(|totals| totals.counters().map(|counter| counter.load(Relaxed)));
    assert_eq!(counters.filter(|counter| *counter != 0).count(), 0);
}
