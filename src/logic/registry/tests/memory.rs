//! A small registry in plain memory, and a server that knows which processes are there and whose latch is set.

use crate::registry::door::SharedLimits;
use crate::registry::history::HistoryEntry;
use crate::registry::layout::{ConditionVariable, Head, JobSlot, SAID, SLOT_WORDS, ShownWait, Totals, WorkerSlot};
use crate::registry::locked::{Process, Server};
use crate::registry::pending::Pending;
use crate::registry::queue::Waiter;
use crate::registry::tables::Tables;
use std::sync::Mutex;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicU32, AtomicU64, AtomicUsize};

pub const JOBS: usize = 3;
pub const WORKERS: usize = 3;
pub const HISTORY: usize = 4;
/// Entries of the totals; the last takes what finds no room.
pub const TOTALS: usize = 4;
pub const SHOWN_WAITS: usize = 3;

pub struct Memory {
    head: Box<Head>,
    jobs: Vec<JobSlot>,
    kinds: Vec<AtomicU64>,
    workers: Vec<WorkerSlot>,
    history: Vec<HistoryEntry>,
    totals: Vec<Totals>,
    shown_waits: Vec<ShownWait>,
}

fn many<T: Default>(count: usize) -> Vec<T> {
    (0..count).map(|_| T::default()).collect()
}

impl Memory {
    pub fn new() -> Self {
        Self::with_jobs(JOBS)
    }

    pub fn with_jobs(jobs: usize) -> Self {
        let memory = Self {
            head: Box::new(Head {
                pending: Pending::default(),
                magic: AtomicU64::new(0),
                layout: AtomicU32::new(0),
                jobs: AtomicU32::new(0),
                workers: AtomicU32::new(0),
                history: AtomicU32::new(0),
                generation: AtomicU32::new(0),
                free_job: AtomicU32::new(0),
                free_jobs: AtomicU32::new(0),
                idle: AtomicU32::new(0),
                waiting: AtomicU32::new(0),
                shown_waits: AtomicU32::new(0),
                cores: AtomicU32::new(2),
                next_ticket: AtomicU64::new(0),
                ended: AtomicU64::new(0),
                reset_at: AtomicI64::new(0),
                door: AtomicI64::new(0),
                limits: SharedLimits::default(),
                said: [const { AtomicU64::new(0) }; SAID],
                departed: ConditionVariable::default(),
                some_ended: ConditionVariable::default(),
                waiters: std::array::from_fn(|_| Waiter::default()),
                used: [const { AtomicU64::new(0) }; SLOT_WORDS],
            }),
            jobs: many(jobs),
            kinds: many(jobs),
            workers: many(WORKERS),
            history: many(HISTORY),
            totals: many(TOTALS),
            shown_waits: many(SHOWN_WAITS),
        };
        memory.tables().make(1);
        memory
    }

    pub fn tables(&self) -> Tables<'_> {
        let Self { head, jobs, kinds, workers, history, totals, shown_waits } = self;
        Tables::new(head, jobs, kinds, workers, history, totals, shown_waits)
    }
}

/// What a process is known by while it sleeps on a condition variable.
pub fn address(condition: &ConditionVariable) -> usize {
    std::ptr::from_ref(condition) as usize
}

/// What the server would know of its processes. A process number has at most one process at a time.
pub struct Machine {
    pids: Vec<AtomicI32>,
    latches: Vec<AtomicBool>,
    /// Who is on the list of which condition variable.
    sleepers: Mutex<Vec<(usize, u32)>>,
    next_pid: AtomicI32,
    clock: AtomicI64,
    /// Pids that were sent a signal to look whether their job is to stop.
    pub interrupted: Mutex<Vec<i32>>,
    /// How often a process has dropped what it was sent for a job that is gone.
    pub forgotten: AtomicU32,
    /// Planted faults: the next wake of a latch is lost; all wakes of some processes, a bit for each; all of one
    /// condition variable, by its address.
    pub lose_latch: AtomicBool,
    pub lose_latches_of: AtomicU32,
    pub lose_broadcasts: AtomicUsize,
}

impl Machine {
    pub fn new(procs: usize) -> Self {
        Self {
            pids: many(procs),
            latches: many(procs),
            sleepers: Mutex::new(Vec::new()),
            next_pid: AtomicI32::new(100),
            clock: AtomicI64::new(1),
            interrupted: Mutex::new(Vec::new()),
            forgotten: AtomicU32::new(0),
            lose_latch: AtomicBool::new(false),
            lose_latches_of: AtomicU32::new(0),
            lose_broadcasts: AtomicUsize::new(0),
        }
    }

    /// So many microseconds pass.
    pub fn pass(&self, time: i64) {
        self.clock.fetch_add(time, SeqCst);
    }

    /// A new process gets that number.
    pub fn start(&self, proc: u32) -> Process {
        let pid = self.next_pid.fetch_add(1, SeqCst);
        self.latches[proc as usize].store(false, SeqCst);
        self.pids[proc as usize].store(pid, SeqCst);
        Process { pid, proc }
    }

    /// The process with that number is gone.
    pub fn end(&self, proc: u32) {
        self.leave_conditions(proc);
        self.pids[proc as usize].store(0, SeqCst);
    }

    pub fn process(&self, proc: u32) -> Process {
        Process { pid: self.pids[proc as usize].load(SeqCst), proc }
    }

    pub fn is_alive(&self, process: Process) -> bool {
        process.pid != 0 && self.process(process.proc) == process
    }

    pub fn set_latch(&self, proc: u32) {
        self.latches[proc as usize].store(true, SeqCst);
    }

    pub fn is_set(&self, proc: u32) -> bool {
        self.latches[proc as usize].load(SeqCst)
    }

    pub fn reset_latch(&self, proc: u32) {
        self.latches[proc as usize].store(false, SeqCst);
    }

    /// The process prepares to sleep on that condition variable.
    pub fn join_condition(&self, proc: u32, condition: &ConditionVariable) {
        self.leave_conditions(proc);
        self.sleepers.lock().unwrap().push((address(condition), proc));
    }

    pub fn leave_conditions(&self, proc: u32) {
        self.sleepers.lock().unwrap().retain(|(_, sleeper)| *sleeper != proc);
    }

    /// Has no broadcast come since the process joined?
    pub fn is_on_condition(&self, proc: u32) -> bool {
        self.sleepers.lock().unwrap().iter().any(|(_, sleeper)| *sleeper == proc)
    }
}

/// The server as one process sees it.
pub struct Acting<'m> {
    pub machine: &'m Machine,
    pub me: Process,
}

impl Server for Acting<'_> {
    fn me(&self) -> Process {
        self.me
    }

    fn now(&self) -> i64 {
        self.machine.clock.fetch_add(1, SeqCst) + 1
    }

    fn is_alive(&self, process: Process) -> bool {
        self.machine.is_alive(process)
    }

    fn interrupt(&self, pid: i32) {
        self.machine.interrupted.lock().unwrap().push(pid);
    }

    fn forget_coming_job(&self) {
        self.machine.forgotten.fetch_add(1, SeqCst);
    }

    fn wake(&self, proc: u32) {
        let is_lost = self.machine.lose_latches_of.load(SeqCst) >> proc & 1 != 0;
        if !is_lost && !self.machine.lose_latch.swap(false, SeqCst) {
            self.machine.set_latch(proc);
        }
    }

    fn broadcast(&self, condition: &ConditionVariable) {
        if self.machine.lose_broadcasts.load(SeqCst) == address(condition) {
            return;
        }
        let mut sleepers = self.machine.sleepers.lock().unwrap();
        sleepers.retain(|(on, proc)| {
            let is_meant = *on == address(condition);
            if is_meant {
                self.machine.set_latch(*proc);
            }
            !is_meant
        });
    }
}

/// `docs/operations.md` tells what the registry costs.
#[test]
fn a_slot_takes_what_is_documented() {
    let job = size_of::<JobSlot>() + size_of::<AtomicU64>() + size_of::<ShownWait>();
    let fixed = size_of::<Head>() + crate::registry::layout::TOTALS * size_of::<Totals>();
    assert_eq!((job, size_of::<HistoryEntry>(), size_of::<WorkerSlot>(), fixed), (1584, 1768, 216, 90_456));
}
