//! Waits that sessions show to each other.

use super::memory::{Acting, Machine, Memory, SHOWN_WAITS};
use crate::registry::layout::SHOWN_JOBS;
use crate::registry::locked::{Locked, Shared};
use crate::registry::shown_waits::Shown;
use crate::wait_graph::Needs::{self, AllJobs, AnyJob};

struct World {
    memory: Memory,
    machine: Machine,
}

impl World {
    fn new() -> Self {
        let machine = Machine::new(SHOWN_WAITS + 2);
        for proc in 0..SHOWN_WAITS as u32 + 2 {
            machine.start(proc);
        }
        Self { memory: Memory::new(), machine }
    }

    fn change(&self, proc: u32, change: impl FnOnce(&mut Locked)) {
        let (tables, server) =
            (self.memory.tables(), Acting { machine: &self.machine, me: self.machine.process(proc) });
        let mut locked = Locked::new(&tables, &server);
        change(&mut locked);
        locked.into_wakes().deliver(&tables, &server);
    }

    fn show(&self, proc: u32, needs: Needs, cookies: &[i64]) {
        self.change(proc, |r| r.show_wait(needs, cookies));
    }

    fn wait_of(&self, proc: u32) -> Option<Shown> {
        let (tables, me) = (self.memory.tables(), self.machine.process(proc));
        Shared::new(&tables, &Acting { machine: &self.machine, me }).wait_of(me.pid)
    }

    fn shown(&self, proc: u32) -> Option<(Needs, Vec<i64>)> {
        self.wait_of(proc).map(|shown| (shown.needs, shown.cookies().collect()))
    }
}

#[test]
fn a_wait_is_shown_until_it_is_hidden() {
    let world = World::new();
    world.show(0, AllJobs, &[5, 6]);
    world.show(1, AnyJob, &[7]);
    assert_eq!(world.shown(0), Some((AllJobs, vec![5, 6])));
    assert_eq!(world.shown(1), Some((AnyJob, vec![7])));
    assert_eq!(world.shown(2), None);
    world.change(0, |r| r.hide_wait());
    assert_eq!((world.shown(0), world.shown(1)), (None, Some((AnyJob, vec![7]))));
}

#[test]
fn a_wait_keeps_its_number_and_the_next_has_another() {
    let world = World::new();
    world.show(0, AllJobs, &[5, 6]);
    let first = world.wait_of(0).unwrap();
    world.show(0, AllJobs, &[6]);
    assert_eq!((world.wait_of(0).unwrap().number, world.shown(0)), (first.number, Some((AllJobs, vec![6]))));
    world.change(0, |r| r.hide_wait());
    world.show(0, AllJobs, &[6]);
    assert_ne!(world.wait_of(0).unwrap().number, first.number);
}

#[test]
fn of_too_many_jobs_some_are_shown_only_if_all_are_needed() {
    let world = World::new();
    let many: Vec<i64> = (1..=SHOWN_JOBS as i64 + 1).collect();
    world.show(0, AllJobs, &many);
    assert_eq!(world.shown(0), Some((AllJobs, many[..SHOWN_JOBS].to_vec())));
    world.show(1, AnyJob, &many[..2]);
    world.show(1, AnyJob, &many);
    assert_eq!(world.shown(1), None);
}

#[test]
fn a_full_table_takes_no_more_but_for_those_that_are_gone() {
    let world = World::new();
    let others = SHOWN_WAITS as u32;
    (0..others).for_each(|proc| world.show(proc, AllJobs, &[5]));
    world.show(others, AllJobs, &[6]);
    assert_eq!(world.shown(others), None);
    world.machine.end(1);
    world.show(others, AllJobs, &[6]);
    assert_eq!(world.shown(others), Some((AllJobs, vec![6])));
    world.change(others, |r| r.hide_wait());
    (0..others).filter(|proc| *proc != 1).for_each(|proc| world.change(proc, |r| r.hide_wait()));
    assert_eq!(world.memory.tables().head.shown_waits.load(std::sync::atomic::Ordering::Relaxed), 0);
}
