//! A dispatcher ends when it has offered a job to a worker that is slow, and the next one launches the job anew.

use super::*;

impl World {
    /// The slot of a job that runs is the job's, and names its worker.
    pub(super) fn check_running(&self) -> Checked {
        let tables = self.memory.tables();
        for (worker, proc) in self.workers.iter().zip(FIRST_WORKER..) {
            let Worker::Running { slot, cookie, .. } = *worker else { continue };
            let job = tables.job(slot).unwrap();
            let pid = self.machine.process(proc).pid;
            if job.cookie.load(SeqCst) != cookie || job.worker_pid.load(SeqCst) != pid {
                return Err(format!("job {cookie} runs, and slot {slot} is not that worker's"));
            }
        }
        Ok(())
    }
}

fn until(world: &mut World, is_there: impl Fn(&World) -> bool) {
    for _ in 0..20 {
        if !is_there(world) {
            world.step(1, 2).unwrap();
        }
    }
    assert!(is_there(world), "{:?}", world.dispatcher);
}

/// The worker that has just been started.
fn starting(world: &World) -> usize {
    world.workers.iter().position(|worker| matches!(worker, Worker::Starting { .. })).unwrap()
}

fn until_idle(world: &mut World, worker: usize) {
    while !matches!(world.workers[worker], Worker::Idle { .. }) {
        world.work(worker, 2);
    }
}

fn is_offered(world: &World) -> bool {
    matches!(world.dispatcher, Dispatcher::Offered { .. })
}

fn is_registered(world: &World) -> bool {
    matches!(world.dispatcher, Dispatcher::Registered { .. })
}

fn activity(world: &World, worker: usize) -> Activity {
    let Worker::Idle { index } = world.workers[worker] else { unreachable!() };
    world.memory.tables().worker(index).unwrap().activity()
}

#[test]
fn the_worker_that_had_the_offer_leaves_the_job_alone() {
    type Act = fn(&mut World, usize);
    let stale: [(&str, Act); 4] = [
        ("ends", |world, worker| world.work(worker, END)),
        ("takes the job", |world, worker| world.work(worker, 2)),
        ("declines", |world, worker| {
            let Worker::Idle { index } = world.workers[worker] else { unreachable!() };
            world.exclusive(FIRST_WORKER + worker as u32, |r| r.refuse(index));
        }),
        ("stays", |_, _| ()),
    ];
    for (what, act) in stale {
        let mut world = World::new(Planted::Nothing);
        world.commit();
        until(&mut world, is_registered);
        let warm = starting(&world);
        until_idle(&mut world, warm);
        until(&mut world, |world| world.line().is_empty());
        world.commit();
        until(&mut world, is_offered);
        world.dispatch(END);
        until(&mut world, is_registered);
        let new = starting(&world);
        world.work(new, 2);
        assert!(matches!(world.workers[new], Worker::Running { .. }));
        act(&mut world, warm);
        assert_eq!(world.check_running(), Ok(()), "the worker that had the offer {what}");
        assert_eq!(world.memory.tables().ends().count(), 1, "the worker that had the offer {what}");
    }
}

#[test]
fn the_worker_that_had_the_offer_may_come_before_the_new_one() {
    let mut world = World::new(Planted::Nothing);
    world.commit();
    until(&mut world, is_registered);
    let warm = starting(&world);
    until_idle(&mut world, warm);
    until(&mut world, |world| world.line().is_empty());
    world.commit();
    until(&mut world, is_offered);
    world.dispatch(END);
    until(&mut world, is_registered);
    world.work(warm, 2);
    assert!(matches!(world.workers[warm], Worker::Resetting { .. }));
    until_idle(&mut world, warm);
    assert_eq!(activity(&world, warm), Activity::Idle);
}

#[test]
fn the_next_claim_is_released_too() {
    let mut world = World::new(Planted::Nothing);
    world.commit();
    until(&mut world, is_registered);
    let first = starting(&world);
    world.work(first, 2);
    until(&mut world, |world| world.line().is_empty());
    world.commit();
    until(&mut world, is_registered);
    let second = starting(&world);
    until_idle(&mut world, first);
    until_idle(&mut world, second);
    until(&mut world, |world| world.line().is_empty());
    world.commit();
    until(&mut world, is_offered);
    world.dispatch(END);
    until(&mut world, |world| matches!(world.dispatcher, Dispatcher::Admitted { claim: Some(_), .. }));
    world.dispatch(END);
    let is_claimed = |worker: &usize| activity(&world, *worker) == Activity::Claimed;
    assert_eq!([first, second].iter().filter(|worker| is_claimed(worker)).count(), 1, "the one that has the offer");
}

#[test]
fn a_late_process_ends_the_next_claim() {
    for (is_offered, what) in [(false, END), (true, END), (true, 2)] {
        let mut world = World::new(Planted::Nothing);
        world.commit();
        until(&mut world, is_registered);
        let warm = starting(&world);
        world.work(warm, 2);
        until(&mut world, |world| world.line().is_empty());
        world.commit();
        until(&mut world, is_registered);
        let late = starting(&world);
        until_idle(&mut world, warm);
        world.dispatch(END);
        until(&mut world, |world| matches!(world.dispatcher, Dispatcher::Admitted { claim: Some(_), .. }));
        if is_offered {
            world.dispatch(2);
        }
        world.work(late, 2);
        assert!(matches!(world.workers[late], Worker::Running { .. }));
        world.dispatch(2);
        world.work(warm, what);
        assert_eq!(world.check_running(), Ok(()));
        assert_eq!(world.memory.tables().ends().count(), 1);
    }
}
