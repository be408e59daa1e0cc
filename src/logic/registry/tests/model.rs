//! Launchers, workers and observers as state machines, which hold what the real code holds between two of its calls of
//! the registry, and sleep until they are woken. One step is one call under the lock, or what a process does between
//! two.
//!
//! Wakes are a step of their own: between the lock's release and the wakes all other processes may move.

use super::counts::Counts;
use super::launchers::{Launcher, State as Launching};
use super::memory::{Acting, JOBS, Machine, Memory, address};
use super::observers::{Observer, State as Observing};
use super::workers::WorkerProcess;
use crate::registry::claims::WorkerRequirements;
use crate::registry::jobs::{End, NewJob};
use crate::registry::layout::Key;
use crate::registry::locked::{Locked, Process, Shared, Wakes};
use crate::registry::quota::Limits;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

pub const LAUNCHERS: u32 = 3;
pub const WORKER_PROCESSES: u32 = 3;
pub const OBSERVERS: u32 = 2;
/// Moves below are what a process does next, or one of its choices; from here on they are a cancel, a failure or a
/// deadline.
pub const NEXT: u8 = 12;
/// The process ends; an observer dismisses workers.
pub const END: u8 = 15;
pub const LAST: u8 = 17;
/// Whom the sessions were authenticated as.
pub const ROLE_OF_WORKERS: u32 = 10;
pub const PROCS: u32 = LAUNCHERS + WORKER_PROCESSES + OBSERVERS;

/// A fault that a test plants, to see that the invariants find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    Nothing,
    /// The wake of a worker that is offered a job is lost.
    DropLatch,
    /// Wakes of launches that wait for a slot are lost.
    DropTurns,
    /// A launch that leaves the queue does not wake the next.
    QuitSilently,
    /// Nobody is woken when limits were raised.
    RaiseSilently,
    /// Wakes of sessions that wait for one of several jobs are lost.
    DropEnds,
    /// A job that ends frees its slot twice.
    FreeTwice,
    /// A launcher that ends leaves its claim.
    ForgetClaim,
}

pub const LIMITS: [Limits; 4] = [
    Limits { total: 0, per_database: 0, per_role: 0 },
    Limits { total: 2, per_database: 0, per_role: 0 },
    Limits { total: 0, per_database: 1, per_role: 0 },
    Limits { total: 0, per_database: 0, per_role: 2 },
];

/// What a process sleeps on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sleep {
    Awake,
    Latch,
    Condition,
}

/// A job, as its launcher asks for it.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    pub cookie: i64,
    pub database: u32,
    pub role: u32,
    pub settings: u64,
    pub per_role: u32,
    /// Its segment.
    pub handle: usize,
    /// Pids that the session still uses; 0 is none.
    pub taken: [i32; 2],
}

impl Job {
    pub fn key(database: u32) -> Key {
        Key { database, user: ROLE_OF_WORKERS, ..Key::default() }
    }

    /// As the registry wants it.
    pub fn ask(&self) -> NewJob<'_> {
        NewJob {
            cookie: self.cookie,
            database: self.database,
            role: self.role,
            launched_at: 1,
            query: b"SELECT 1",
            label: b"",
            per_role: self.per_role,
            give_up: Instant::now(),
            committed_by: None,
            wanted: Some(WorkerRequirements {
                key: Self::key(self.database),
                settings: self.settings,
                handle: self.handle as u32 + 1,
                taken: &self.taken,
                likely: Some(self.cookie as u32 % 5),
            }),
        }
    }
}

/// A job's segment, as launcher and worker see it. Its handle is its index + 1.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools)] // each is a fact of its own
pub struct Segment {
    pub launcher: u32,
    pub cookie: i64,
    pub slot: u32,
    pub database: u32,
    pub settings: u64,
    pub wants_reply: bool,
    pub is_accepted: bool,
    pub is_final: bool,
    pub worker_pid: i32,
    /// A worker is attached to the queue; has been.
    pub is_attached: bool,
    pub was_attached: bool,
    pub is_pinned: bool,
    /// The launcher may use it for its next job.
    pub is_reusable: bool,
}

pub struct World {
    pub memory: Memory,
    pub machine: Machine,
    pub launchers: Vec<Launcher>,
    pub workers: Vec<WorkerProcess>,
    pub observers: Vec<Observer>,
    pub segments: Vec<Segment>,
    pub sleeps: Vec<Sleep>,
    /// Wakes that a process has still to deliver.
    pub pending: Vec<Option<Wakes>>,
    pub next_cookie: i64,
    /// What was read last of the configuration, by whatever process, and when.
    pub limits: Limits,
    pub read_at: i64,
    pub planted: Planted,
    /// Processes may vanish without a call of their exit callbacks.
    pub is_brutal: bool,
    pub has_vanished: bool,
    /// Cookies of jobs whose handles were returned.
    pub returned: BTreeSet<i64>,
    /// How often each cookie went into the history; ends seen so far.
    pub ended: BTreeMap<i64, u32>,
    pub ends_seen: u64,
    pub counts: Counts,
    /// Pids of workers that are to run no further job.
    pub dismissed: BTreeSet<i32>,
    pub trace: Vec<String>,
    pub broken: Option<String>,
}

impl World {
    pub fn new(planted: Planted, is_brutal: bool) -> Self {
        let machine = Machine::new(PROCS as usize);
        for proc in (0..LAUNCHERS).chain(LAUNCHERS + WORKER_PROCESSES..PROCS) {
            machine.start(proc);
        }
        let memory = Memory::new();
        let lost = (planted == Planted::DropEnds).then(|| memory.tables().some_ended());
        machine.lose_broadcasts.store(lost.map_or(0, address), Relaxed);
        Self {
            memory,
            machine,
            launchers: (0..LAUNCHERS).map(|_| Launcher::default()).collect(),
            workers: (0..WORKER_PROCESSES).map(|_| WorkerProcess::default()).collect(),
            observers: (0..OBSERVERS).map(|_| Observer::default()).collect(),
            segments: Vec::new(),
            sleeps: vec![Sleep::Awake; PROCS as usize],
            pending: (0..PROCS).map(|_| None).collect(),
            next_cookie: 1000,
            limits: Limits::default(),
            read_at: 0,
            planted,
            is_brutal,
            has_vanished: false,
            returned: BTreeSet::new(),
            ended: BTreeMap::new(),
            ends_seen: 0,
            counts: Counts::default(),
            dismissed: BTreeSet::new(),
            trace: Vec::new(),
            broken: None,
        }
    }

    /// With tables that other processes have left.
    pub fn after(memory: Memory) -> Self {
        let tables = memory.tables();
        let ends_seen = tables.head.ended.load(Relaxed);
        let counts = Counts::after(tables.totals);
        let mut ended = BTreeMap::new();
        for cookie in tables.history.iter().map(|entry| entry.cookie.load(Relaxed)).filter(|cookie| *cookie != 0) {
            *ended.entry(cookie).or_default() += 1;
        }
        Self { memory, ended, ends_seen, counts, ..Self::new(Planted::Nothing, false) }
    }

    pub fn complain(&mut self, what: impl Into<String>) {
        self.broken.get_or_insert(what.into());
    }

    /// One process makes a move: `who` chooses it, `what` one of its moves. Then all invariants are looked at.
    pub fn step(&mut self, who: u8, what: u8) -> Result<(), String> {
        if self.trace.is_empty() {
            self.limits.per_role = LIMITS[usize::from(what) % LIMITS.len()].per_role;
            self.read_configuration(LAUNCHERS + WORKER_PROCESSES, what);
            self.deliver(LAUNCHERS + WORKER_PROCESSES);
        }
        let proc = u32::from(who) % PROCS;
        if !self.could_move(proc, what) {
            return Ok(());
        }
        let before = self.slots();
        let own = self.cookie_of(proc);
        if self.deliver(proc) {
            self.trace.push(format!("{proc}: delivers"));
        } else if self.is_awake(proc) || what >= NEXT {
            let move_ = if proc < LAUNCHERS {
                self.move_launcher(proc, what)
            } else if proc < LAUNCHERS + WORKER_PROCESSES {
                self.move_worker(proc, what)
            } else {
                self.move_observer(proc, what)
            };
            self.trace.push(format!("{proc}: {move_}"));
        }
        if (LAUNCHERS..LAUNCHERS + WORKER_PROCESSES).contains(&proc) {
            self.check_touched(own, &before);
        }
        self.check();
        self.result()
    }

    pub fn result(&mut self) -> Result<(), String> {
        let trace = &self.trace;
        self.broken.take().map_or(Ok(()), |what| Err(format!("{what}\n  {}", trace.join("\n  "))))
    }

    /// Changes the tables as that process; the wakes stay with it.
    pub fn exclusive<R>(&mut self, proc: u32, change: impl FnOnce(&mut Locked) -> R) -> R {
        let me = self.machine.process(proc);
        self.exclusive_as(me, change)
    }

    fn exclusive_as<R>(&mut self, me: Process, change: impl FnOnce(&mut Locked) -> R) -> R {
        let tables = self.memory.tables();
        let server = Acting { machine: &self.machine, me };
        let mut locked = Locked::new(&tables, &server);
        let result = change(&mut locked);
        let wakes = locked.into_wakes();
        if self.pending[me.proc as usize].replace(wakes).is_some() {
            self.complain("two changes without a delivery");
        }
        result
    }

    pub fn shared<R>(&self, proc: u32, look: impl FnOnce(&Shared) -> R) -> R {
        let tables = self.memory.tables();
        let server = Acting { machine: &self.machine, me: self.machine.process(proc) };
        look(&Shared::new(&tables, &server))
    }

    pub fn deliver(&mut self, proc: u32) -> bool {
        let Some(wakes) = self.pending[proc as usize].take() else {
            return false;
        };
        if self.planted == Planted::DropTurns {
            let waits = |launcher: &Launcher| matches!(launcher.state, Launching::Queued(..));
            let waiting = (0..).zip(&self.launchers).filter(|(_, launcher)| waits(launcher));
            self.machine.lose_latches_of.store(waiting.map(|(proc, _)| 1 << proc).sum(), Relaxed);
        }
        let tables = self.memory.tables();
        wakes.deliver(&tables, &Acting { machine: &self.machine, me: self.machine.process(proc) });
        true
    }

    /// Does the process run, or would it at once?
    pub fn is_awake(&mut self, proc: u32) -> bool {
        let is_awake = match self.sleeps[proc as usize] {
            Sleep::Awake => true,
            Sleep::Latch => self.machine.is_set(proc),
            Sleep::Condition => !self.machine.is_on_condition(proc),
        };
        if is_awake && self.sleeps[proc as usize] != Sleep::Awake {
            if self.sleeps[proc as usize] == Sleep::Condition {
                // it is on the list again before it looks
                self.rejoin(proc);
            }
            self.sleeps[proc as usize] = Sleep::Awake;
            self.machine.reset_latch(proc);
        }
        is_awake
    }

    fn could_move(&self, proc: u32, what: u8) -> bool {
        let observer = proc.checked_sub(LAUNCHERS + WORKER_PROCESSES);
        let has_nothing = what > 10 && observer.is_some_and(|index| self.observers[index as usize].is_idle());
        let is_there = self.machine.process(proc).pid != 0;
        let is_woken = self.pending[proc as usize].is_some() || self.is_woken(proc);
        what >= NEXT || is_there && is_woken && !has_nothing
    }

    /// Without a change: would the process find that it was woken?
    pub fn is_woken(&self, proc: u32) -> bool {
        match self.sleeps[proc as usize] {
            Sleep::Awake => true,
            Sleep::Latch => self.machine.is_set(proc),
            Sleep::Condition => !self.machine.is_on_condition(proc),
        }
    }

    pub fn sleep(&mut self, proc: u32, on: Sleep) -> &'static str {
        self.sleeps[proc as usize] = on;
        "sleeps"
    }

    pub fn join_departed(&self, proc: u32) {
        self.machine.join_condition(proc, self.memory.tables().departed());
    }

    fn rejoin(&self, proc: u32) {
        let observer = proc.checked_sub(LAUNCHERS + WORKER_PROCESSES);
        let tables = self.memory.tables();
        let condition = match observer.map(|index| self.observers[index as usize].state) {
            Some(Observing::WaitsForEnd(slot, _)) => tables.done(slot).unwrap(),
            Some(Observing::Marks(..) | Observing::WaitsForSome(_)) => tables.some_ended(),
            Some(Observing::Idle | Observing::WaitsForLeavers(_)) | None => tables.departed(),
        };
        self.machine.join_condition(proc, condition);
    }

    pub fn worker_mut(&mut self, proc: u32) -> &mut WorkerProcess {
        &mut self.workers[(proc - LAUNCHERS) as usize]
    }

    pub fn worker(&self, proc: u32) -> &WorkerProcess {
        &self.workers[(proc - LAUNCHERS) as usize]
    }

    /// A process for a background worker, if the server has room.
    pub fn free_process(&self) -> Option<u32> {
        (LAUNCHERS..LAUNCHERS + WORKER_PROCESSES).find(|proc| self.machine.process(*proc).pid == 0)
    }

    pub fn pin(&mut self, handle: usize) {
        if self.segments[handle].is_pinned {
            self.complain("a segment is pinned twice");
        }
        self.segments[handle].is_pinned = true;
    }

    pub fn unpin(&mut self, handle: usize) {
        if !self.segments[handle].is_pinned {
            self.complain("a segment is unpinned that is not pinned");
        }
        self.segments[handle].is_pinned = false;
    }

    /// Cookie, worker's pid, and the marks of each job slot.
    pub fn slots(&self) -> [(i64, i32, u32, u32); JOBS] {
        let tables = self.memory.tables();
        std::array::from_fn(|i| {
            let job = &tables.jobs[i];
            (
                job.cookie.load(Relaxed),
                job.worker_pid.load(Relaxed),
                job.taken.load(Relaxed),
                job.abandoned.load(Relaxed),
            )
        })
    }
}

pub fn end_of(what: u8) -> End<'static> {
    use crate::job::state::State;
    let (state, timed_out) = match what % 4 {
        0 => (State::Canceled, false),
        1 => (State::Error, false),
        2 => (State::Error, true),
        _ => (State::Stopped, false),
    };
    End { state, timed_out, started_at: 1, ..End::lost_worker(2) }
}
