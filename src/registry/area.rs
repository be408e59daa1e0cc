//! Finding the registry, and making it.

use super::{saved, spin};
use crate::errors;
use crate::pg::condvar::Condition;
use crate::pg::error::Result;
use crate::pg::identity;
use crate::pg::lwlock::Lock;
use crate::pg::shmem::{self, Area, Content};
use crate::settings;
use logic::registry::door::Door;
use logic::registry::history::HistoryEntry;
use logic::registry::layout::{self, Head, JobSlot, ShownWait, TOTALS, Totals, WorkerSlot};
use logic::registry::tables::{Sizes, Tables};
use parking_lot::Mutex;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

pub struct Registry {
    pub(super) lock: Lock,
    tables: Tables<'static>,
    /// In main shared memory: every process has the library, and so the hooks that dismiss idle workers.
    pub preloaded: bool,
}

/// What may be looked at without the lock.
impl Deref for Registry {
    type Target = Tables<'static>;

    fn deref(&self) -> &Tables<'static> {
        &self.tables
    }
}

enum Known {
    /// This process has not looked yet.
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
    shown_waits: usize,
    end: usize,
}

impl Layout {
    fn new(sizes: Sizes) -> Self {
        let mut end = size_of::<Head>();
        let mut room = |size: usize, count: u32| {
            let start = end.next_multiple_of(64);
            end = start + size * count as usize;
            start
        };
        Self {
            jobs: room(size_of::<JobSlot>(), sizes.jobs),
            kinds: room(size_of::<AtomicU64>(), sizes.jobs),
            workers: room(size_of::<WorkerSlot>(), sizes.workers),
            history: room(size_of::<HistoryEntry>(), sizes.history),
            totals: room(size_of::<Totals>(), TOTALS as u32),
            // most often a session waits for a job of its own
            shown_waits: room(size_of::<ShownWait>(), sizes.jobs),
            end,
        }
    }
}

fn configured() -> Sizes {
    Sizes { jobs: settings::max_jobs(), workers: shmem::max_workers(), history: settings::history_size() }
}

/// While the server starts: asks for the registry's place in main shared memory.
pub fn request() -> Result<()> {
    if !shmem::can_request() {
        return Ok(());
    }
    PRELOADED.store(true, Relaxed);
    shmem::request(Layout::new(configured()).end, ready)
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
    const { assert!(layout::LAYOUT == 11) };
    if !shmem::attach(c"pg_background 11", Layout::new(configured()).end, ready)? {
        *REGISTRY.lock() = Known::Missing;
    }
    Ok(known())
}

/// The server has given the area.
fn ready(area: Area, content: Content, lock: Lock) -> Result<()> {
    let head = &area.slice::<Head>(0, 1)?[0];
    if content == Content::Zero {
        let tables = tables(area, head, configured())?;
        make(&tables);
        if PRELOADED.load(Relaxed) {
            saved::load(&tables);
        }
        return Ok(());
    }
    let Some(sizes) = head.sizes() else {
        return Err(errors::registry_of_another_version());
    };
    let registry = Registry { lock, tables: tables(area, head, sizes)?, preloaded: PRELOADED.load(Relaxed) };
    // Once per process; in the postmaster once more after each crash, when shared memory is made anew.
    *REGISTRY.lock() = Known::There(Box::leak(Box::new(registry)));
    if PRELOADED.load(Relaxed) && identity::owns_memory() { saved::save_at_end() } else { Ok(()) }
}

fn tables(area: Area, head: &'static Head, sizes: Sizes) -> Result<Tables<'static>> {
    let layout = Layout::new(sizes);
    let (jobs, workers, history) = (sizes.jobs as usize, sizes.workers as usize, sizes.history as usize);
    Ok(Tables::new(
        head,
        area.slice(layout.jobs, jobs)?,
        area.slice(layout.kinds, jobs)?,
        area.slice(layout.workers, workers)?,
        area.slice(layout.history, history)?,
        area.slice(layout.totals, TOTALS)?,
        area.slice(layout.shown_waits, jobs)?,
    ))
}

/// Makes an empty registry of memory that is all zero.
fn make(tables: &Tables) {
    tables.conditions().for_each(Condition::init);
    tables.make(identity::now());
    tables.set_cores(spin::count_cores());
    if let Some(at) = settings::read_at() {
        tables.set_door(if settings::enabled() { Door::Open } else { Door::Closed }, at);
        tables.set_limits(settings::common_limits(), at);
    }
}
