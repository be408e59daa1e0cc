//! Random moves of commits, of the dispatcher and of workers, each of which may end at any step: no job that starts at
//! a commit is lost, and none runs twice.

mod stale_offers;

use super::memory::{Acting, HISTORY, Machine, Memory, WORKERS};
use super::model::{Job, end_of};
use crate::registry::claims::Claim;
use crate::registry::jobs::{Admission, End, NewJob};
use crate::registry::layout::{Activity, MAPPED};
use crate::registry::locked::{Locked, Process, Shared};
use crate::registry::pending::InFlight;
use crate::registry::workers::{AfterJob, Call, IdleOutcome};
use proptest::prelude::*;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;

/// As many as the history remembers.
const QUEUED: usize = HISTORY;
const SESSION: u32 = 0;
const DISPATCHER: u32 = 1;
/// Sleeps until a job is settled.
const WAITER: u32 = 2;
const FIRST_WORKER: u32 = 3;
/// Moves from here on end the process.
const END: u8 = 20;

/// A fault that a test plants, to see that it is found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Planted {
    Nothing,
    /// A dispatcher does not look whether the last one's job is done.
    IgnoreDone,
    /// It takes a job out of the queue though no worker has it for sure.
    RemoveTooSoon,
}

#[derive(Clone, Copy, Debug)]
enum Dispatcher {
    Absent,
    New,
    TakesOver,
    Looks,
    Admitted { slot: u32, claim: Option<Claim> },
    Offered { slot: u32, claim: Claim },
    Registered { worker: usize },
    Lost,
    Releases,
    Removes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Worker {
    Absent,
    Starting { slot: u32, cookie: i64 },
    Running { index: u32, slot: u32, cookie: i64, is_accepted: bool },
    Resetting { index: u32 },
    Idle { index: u32 },
}

struct World {
    memory: Memory,
    machine: Machine,
    /// Each job's link to the one before it; its address is its index + 1, as is its cookie.
    links: Vec<AtomicU64>,
    queued: usize,
    dispatcher: Dispatcher,
    workers: [Worker; WORKERS],
    /// What each worker slot was offered: the job's slot and cookie.
    offers: [(u32, i64); WORKERS],
    /// The slot that is in the segment of each job whose session reads it. Any other has a segment for each launch.
    slots: [u32; QUEUED],
    ran: [u32; QUEUED],
    planted: Planted,
}

type Checked = Result<(), String>;

impl World {
    fn new(planted: Planted) -> Self {
        let machine = Machine::new(FIRST_WORKER as usize + WORKERS);
        machine.start(SESSION);
        machine.start(WAITER);
        Self {
            memory: Memory::new(),
            machine,
            links: (0..QUEUED).map(|_| AtomicU64::new(0)).collect(),
            queued: 0,
            dispatcher: Dispatcher::Absent,
            workers: [Worker::Absent; WORKERS],
            offers: [(0, 0); WORKERS],
            slots: [0; QUEUED],
            ran: [0; QUEUED],
            planted,
        }
    }

    fn exclusive<R>(&self, proc: u32, change: impl FnOnce(&mut Locked) -> R) -> R {
        let tables = self.memory.tables();
        let server = Acting { machine: &self.machine, me: self.machine.process(proc) };
        let mut locked = Locked::new(&tables, &server);
        let result = change(&mut locked);
        locked.into_wakes().deliver(&tables, &server);
        result
    }

    fn shared<R>(&self, look: impl FnOnce(&Shared) -> R) -> R {
        let tables = self.memory.tables();
        let me = Process { pid: 1, proc: SESSION };
        look(&Shared::new(&tables, &Acting { machine: &self.machine, me }))
    }

    /// The addresses of the jobs in the queue, the oldest first.
    fn line(&self) -> Vec<u64> {
        let mut line = Vec::new();
        let mut address = self.memory.tables().newest_pending();
        while address != 0 {
            line.push(address);
            address = self.links[address as usize - 1].load(SeqCst);
        }
        line.reverse();
        line
    }

    fn commit(&mut self) {
        if self.queued < QUEUED {
            let first = &self.links[self.queued];
            self.queued += 1;
            let address = self.queued as u64;
            self.exclusive(SESSION, |r| r.queue_pending(address, first));
        }
    }

    /// The job leaves the queue, if it is still there.
    fn remove(&self, cookie: i64) {
        let line = self.line();
        if let Some(index) = line.iter().position(|address| *address as i64 == cookie) {
            let older = self.links[line[index] as usize - 1].load(SeqCst);
            let newer = line.get(index + 1).map(|newer| &self.links[*newer as usize - 1]);
            assert!(self.exclusive(DISPATCHER, |r| r.unlink_pending(line[index], line[index] as i64, older, newer)));
        }
    }

    fn dispatch(&mut self, what: u8) {
        if what >= END {
            if !matches!(self.dispatcher, Dispatcher::Absent | Dispatcher::New) && what == END {
                self.exclusive(DISPATCHER, |r| r.dispatcher_exits());
            }
            self.machine.end(DISPATCHER);
            self.dispatcher = Dispatcher::Absent;
            return;
        }
        self.dispatcher = match self.dispatcher {
            Dispatcher::Absent if self.memory.tables().newest_pending() == 0 => Dispatcher::Absent,
            Dispatcher::Absent => {
                self.machine.start(DISPATCHER);
                Dispatcher::New
            }
            Dispatcher::New => {
                assert!(self.exclusive(DISPATCHER, |r| r.begin_dispatch()));
                Dispatcher::TakesOver
            }
            Dispatcher::TakesOver => match self.exclusive(DISPATCHER, |r| r.release_in_flight()) {
                _ if self.planted == Planted::IgnoreDone => Dispatcher::Looks,
                Some((cookie, InFlight::Done)) => {
                    self.remove(cookie);
                    Dispatcher::Looks
                }
                Some((_, InFlight::Taken)) => Dispatcher::TakesOver,
                Some((_, InFlight::Free)) | None => Dispatcher::Looks,
            },
            Dispatcher::Looks => self.look(),
            // there is no memory for a segment
            Dispatcher::Admitted { .. } if what == 3 => Dispatcher::Releases,
            Dispatcher::Admitted { slot, claim } => self.launch(slot, claim),
            Dispatcher::Offered { slot, claim } => {
                let cookie = self.oldest();
                if self.shared(|r| r.is_on_its_way(&claim, slot, cookie)) {
                    self.done_or(self.dispatcher)
                } else {
                    Dispatcher::Lost
                }
            }
            Dispatcher::Registered { worker } => {
                let is_gone =
                    !matches!(self.workers[worker], Worker::Starting { cookie, .. } if cookie == self.oldest());
                if is_gone { Dispatcher::Lost } else { self.done_or(self.dispatcher) }
            }
            Dispatcher::Lost if self.planted == Planted::RemoveTooSoon => Dispatcher::Removes,
            Dispatcher::Lost => self.done_or(Dispatcher::Releases),
            Dispatcher::Releases => match self.exclusive(DISPATCHER, |r| r.release_in_flight()) {
                Some((_, InFlight::Done)) => Dispatcher::Removes,
                Some((_, InFlight::Taken)) => Dispatcher::Releases,
                Some((_, InFlight::Free)) | None => Dispatcher::Looks,
            },
            Dispatcher::Removes => {
                self.remove(self.oldest());
                Dispatcher::Looks
            }
        };
    }

    fn done_or(&self, other: Dispatcher) -> Dispatcher {
        if self.memory.tables().is_in_flight_done() { Dispatcher::Removes } else { other }
    }

    /// The cookie of the job that is launched.
    fn oldest(&self) -> i64 {
        self.line().first().map_or(0, |address| *address as i64)
    }

    fn look(&mut self) -> Dispatcher {
        let cookie = self.oldest();
        if cookie == 0 {
            if self.exclusive(DISPATCHER, |r| r.end_dispatch()) {
                self.machine.end(DISPATCHER);
                return Dispatcher::Absent;
            }
            return Dispatcher::Looks;
        }
        let job = Job { cookie, database: 1, role: 10, settings: 0, per_role: 0, handle: 0, taken: [0, 0] };
        let new = NewJob { committed_by: Some(77), ..job.ask() };
        let admission = self.exclusive(DISPATCHER, |r| {
            let admission = r.admit(&new, None);
            if matches!(admission, Admission::Admitted(..)) {
                r.set_in_flight(cookie);
            }
            admission
        });
        match admission {
            Admission::Admitted(slot, claim) => Dispatcher::Admitted { slot, claim },
            Admission::Refused(_) => Dispatcher::Looks,
        }
    }

    fn launch(&mut self, slot: u32, claim: Option<Claim>) -> Dispatcher {
        let cookie = self.oldest();
        self.slots[cookie as usize - 1] = slot;
        if let Some(claim) = claim {
            let claim = Claim { is_sure: false, is_mapped: true, ..claim };
            self.offers[claim.index as usize] = (slot, cookie);
            let is_there = self.exclusive(DISPATCHER, |r| r.offer(&claim, slot, cookie, 1));
            return if is_there { Dispatcher::Offered { slot, claim } } else { Dispatcher::Releases };
        }
        match self.workers.iter().position(|worker| *worker == Worker::Absent) {
            Some(worker) => {
                self.machine.start(FIRST_WORKER + worker as u32);
                self.workers[worker] = Worker::Starting { slot, cookie };
                Dispatcher::Registered { worker }
            }
            None => Dispatcher::Releases,
        }
    }

    fn work(&mut self, worker: usize, what: u8) {
        let proc = FIRST_WORKER + worker as u32;
        let mapped = [0; MAPPED];
        self.workers[worker] = match self.workers[worker] {
            Worker::Absent => Worker::Absent,
            Worker::Starting { .. } if what >= END => self.gone(proc),
            Worker::Running { index, .. } | Worker::Resetting { index } | Worker::Idle { index } if what >= END => {
                self.exit(proc, index)
            }
            Worker::Starting { slot, cookie } => {
                let slot = self.slot_of(cookie, slot);
                let index = self.exclusive(proc, |r| r.register_worker(&Job::key(1))).unwrap();
                if self.exclusive(proc, |r| r.take_job(index, slot, cookie)) {
                    Worker::Running { index, slot, cookie, is_accepted: true }
                } else {
                    Worker::Resetting { index }
                }
            }
            Worker::Running { index, is_accepted: false, .. } if what % 2 == 1 => {
                self.exclusive(proc, |r| r.refuse(index));
                self.exit(proc, index)
            }
            Worker::Running { index, slot, cookie, is_accepted: false } => {
                self.exclusive(proc, |r| r.accept_job(index));
                Worker::Running { index, slot, cookie, is_accepted: true }
            }
            Worker::Running { index, slot, cookie, .. } => {
                self.ran[cookie as usize - 1] += 1;
                let after = AfterJob::Reset { promised: false, settings: 0, mapped, call: Call::Answered };
                self.exclusive(proc, |r| r.end_job(index, slot, cookie, &end_of(3), after));
                Worker::Resetting { index }
            }
            Worker::Resetting { index } if what == 1 && self.memory.tables().offered(index).is_some() => {
                self.exclusive(proc, |r| r.refuse(index));
                self.exit(proc, index)
            }
            Worker::Resetting { index } => match self.exclusive(proc, |r| r.become_idle(index, 0, mapped)) {
                IdleOutcome::Idle | IdleOutcome::Claimed => Worker::Idle { index },
                IdleOutcome::Leave => self.exit(proc, index),
            },
            Worker::Idle { index } if self.memory.tables().offered(index).is_some() => {
                let (slot, cookie) = self.offers[index as usize];
                let slot = self.slot_of(cookie, slot);
                if self.exclusive(proc, |r| r.take_job(index, slot, cookie)) {
                    Worker::Running { index, slot, cookie, is_accepted: false }
                } else {
                    Worker::Resetting { index }
                }
            }
            Worker::Idle { index } if what == 0 && self.exclusive(proc, |r| r.try_leave(index, None)) => {
                self.exit(proc, index)
            }
            idle @ Worker::Idle { .. } => idle,
        };
    }

    /// The slot that the worker finds in the job's segment, where the launch has written that one.
    fn slot_of(&self, cookie: i64, slot: u32) -> u32 {
        if cookie % 2 == 0 { self.slots[cookie as usize - 1] } else { slot }
    }

    /// The worker's exit callback, and then its end.
    fn exit(&self, proc: u32, index: u32) -> Worker {
        self.exclusive(proc, |r| r.close(index));
        assert_eq!(self.exclusive(proc, |r| r.worker_exits(index, &End::lost_worker(1))), None);
        self.gone(proc)
    }

    fn gone(&self, proc: u32) -> Worker {
        self.machine.end(proc);
        Worker::Absent
    }

    fn step(&mut self, who: u8, what: u8) -> Checked {
        let was_done = self.memory.tables().is_in_flight_done();
        self.machine.leave_conditions(WAITER);
        self.machine.join_condition(WAITER, self.memory.tables().departed());
        match who {
            0 => self.commit(),
            1 | 2 => self.dispatch(what),
            worker => self.work((worker as usize - 3) % WORKERS, what),
        }
        // A session may have waited for the job since before it had a worker, and the dispatcher may never go on.
        if !was_done && self.memory.tables().is_in_flight_done() && self.machine.is_on_condition(WAITER) {
            return Err("a job is settled, and who waits for it was not told".into());
        }
        self.check_running()?;
        let twice = self.ran.iter().position(|ran| *ran > 1);
        twice.map_or(Ok(()), |job| Err(format!("job {} has run twice", job + 1)))
    }

    /// Everybody goes on until all jobs have ended.
    fn drain(&mut self) -> Checked {
        for round in 0..200 {
            for who in 1..3 + WORKERS as u8 {
                self.step(who, 2 + 2 * (round % 2))?;
            }
        }
        let tables = self.memory.tables();
        if tables.workers.iter().any(|worker| worker.activity() == Activity::Claimed) {
            return Err("a worker stays claimed".into());
        }
        let ended: Vec<_> = (1..=self.queued as i64).filter(|cookie| tables.entry_of(*cookie).is_some()).collect();
        if ended.len() != self.queued || !self.line().is_empty() || tables.running() != 0 {
            return Err(format!("{ended:?} of {} jobs have ended, {:?} wait", self.queued, self.line()));
        }
        if tables.ends().count() != self.queued {
            return Err("a job has ended twice".into());
        }
        Ok(())
    }
}

fn play(moves: &[(u8, u8)], planted: Planted) -> Checked {
    let mut world = World::new(planted);
    moves.iter().try_for_each(|(who, what)| world.step(*who, *what))?;
    world.drain()
}

/// The first worker moves seldom, so that what it was offered grows old.
fn moves() -> impl Strategy<Value = Vec<(u8, u8)>> {
    let who = prop_oneof![8 => 0_u8..3, 1 => 3_u8..4, 7 => 4_u8..3 + WORKERS as u8];
    let what = prop_oneof![14 => 0_u8..END, 1 => END..=END + 1];
    prop::collection::vec((who, what), 0..200)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_job_is_lost_and_none_runs_twice(moves in moves()) {
        prop_assert_eq!(play(&moves, Planted::Nothing), Ok(()));
    }
}

#[test]
fn finds_planted_faults() {
    use proptest::test_runner::{Config, TestRunner};
    for planted in [Planted::IgnoreDone, Planted::RemoveTooSoon] {
        let config = Config { cases: 5000, failure_persistence: None, max_shrink_iters: 0, ..Config::default() };
        let found = TestRunner::new(config).run(&moves(), |moves| play(&moves, planted).map_err(TestCaseError::fail));
        assert!(found.is_err());
    }
}
