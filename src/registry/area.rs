//! Finding the registry, and making it.

use crate::errors;
use crate::pg::condvar::Condition;
use crate::pg::error::Result;
use crate::pg::identity;
use crate::pg::lwlock::Lock;
use crate::pg::shmem::{self, Area};
use crate::settings;
use logic::registry::layout::{self, Ended, Head, JobSlot, TOTALS, Totals, WorkerSlot};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

pub struct Registry {
    pub(super) lock: Lock,
    pub(super) head: &'static Head,
    pub(super) jobs: &'static [JobSlot],
    /// For each job slot the job's database and role, 0 in a free one: what quotas count, where one look takes little.
    pub(super) kinds: &'static [AtomicU64],
    pub(super) workers: &'static [WorkerSlot],
    pub(super) history: &'static [Ended],
    pub(super) totals: &'static [Totals],
    /// In main shared memory: every process has the library, and so the hooks that send idle workers away.
    pub preloaded: bool,
}

enum Known {
    /// Nobody has asked.
    Unknown,
    Missing,
    There(&'static Registry),
}

static REGISTRY: Mutex<Known> = Mutex::new(Known::Unknown);
static PRELOADED: AtomicBool = AtomicBool::new(false);

/// Where things are, from the area's start.
struct Layout {
    jobs: usize,
    kinds: usize,
    workers: usize,
    history: usize,
    totals: usize,
    end: usize,
}

impl Layout {
    fn new(jobs: u32, workers: u32, history: u32) -> Self {
        let mut end = size_of::<Head>();
        let mut room = |size: usize, count: u32| {
            let start = end.next_multiple_of(64);
            end = start + size * count as usize;
            start
        };
        Self {
            jobs: room(size_of::<JobSlot>(), jobs),
            kinds: room(size_of::<AtomicU64>(), jobs),
            workers: room(size_of::<WorkerSlot>(), workers),
            history: room(size_of::<Ended>(), history),
            totals: room(size_of::<Totals>(), TOTALS as u32),
            end,
        }
    }

    fn of_settings() -> Self {
        Self::new(settings::max_jobs(), shmem::max_workers(), settings::history_size())
    }
}

/// While the server starts: asks for the registry's place in main shared memory.
pub fn request() -> Result<()> {
    if !shmem::can_request() {
        return Ok(());
    }
    PRELOADED.store(true, Relaxed);
    shmem::request(Layout::of_settings().end, ready)
}

/// The registry, if this process has found it already.
pub fn known() -> Option<&'static Registry> {
    match *REGISTRY.lock() {
        Known::There(registry) => Some(registry),
        Known::Missing | Known::Unknown => None,
    }
}

/// The registry, if there is one.
pub fn get() -> Result<Option<&'static Registry>> {
    match *REGISTRY.lock() {
        Known::There(registry) => return Ok(Some(registry)),
        Known::Missing => return Ok(None),
        Known::Unknown => {}
    }
    // The name bears the layout's number: libraries that differ in it do not meet.
    const { assert!(layout::LAYOUT == 2) };
    if !shmem::attach(c"pg_background 2", Layout::of_settings().end, ready)? {
        *REGISTRY.lock() = Known::Missing;
    }
    Ok(known())
}

/// The server has given the area.
fn ready(area: Area, is_new: bool, lock: Lock) -> Result<()> {
    let head = &area.slice::<Head>(0, 1)?[0];
    if is_new {
        return make(area, head);
    }
    if head.magic.load(Relaxed) != layout::MAGIC || head.layout.load(Relaxed) != layout::LAYOUT {
        return Err(errors::registry_of_another_version());
    }
    let (jobs, workers, history) = (head.jobs.load(Relaxed), head.workers.load(Relaxed), head.history.load(Relaxed));
    let layout = Layout::new(jobs, workers, history);
    let registry = Registry {
        lock,
        head,
        jobs: area.slice(layout.jobs, jobs as usize)?,
        kinds: area.slice(layout.kinds, jobs as usize)?,
        workers: area.slice(layout.workers, workers as usize)?,
        history: area.slice(layout.history, history as usize)?,
        totals: area.slice(layout.totals, TOTALS)?,
        preloaded: PRELOADED.load(Relaxed),
    };
    // Once per process; in the postmaster once more after each crash, when shared memory is made anew.
    *REGISTRY.lock() = Known::There(Box::leak(Box::new(registry)));
    Ok(())
}

/// All is zero so far.
fn make(area: Area, head: &Head) -> Result<()> {
    let (jobs, workers, history) = (settings::max_jobs(), shmem::max_workers(), settings::history_size());
    let slots: &[JobSlot] = area.slice(Layout::new(jobs, workers, history).jobs, jobs as usize)?;
    for (slot, next) in slots.iter().zip(2..) {
        slot.next_free.store(if next > jobs { 0 } else { next }, Relaxed);
        slot.progress.clear();
        slot.done.init();
    }
    head.free_job.store(1, Relaxed);
    head.free_jobs.store(jobs, Relaxed);
    head.jobs.store(jobs, Relaxed);
    head.workers.store(workers, Relaxed);
    head.history.store(history, Relaxed);
    head.next_ticket.store(1, Relaxed);
    head.reset_at.store(identity::now(), Relaxed);
    head.freed.init();
    head.layout.store(layout::LAYOUT, Relaxed);
    head.magic.store(layout::MAGIC, Relaxed);
    Ok(())
}
