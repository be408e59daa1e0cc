//! Plans of statements that come again, kept from one job to the next in the server's plan cache (utils/plancache.h).
//!
//! The server decides what a kept plan is worth: it takes locks and looks whether the plan is still valid, plans anew
//! after DDL, ANALYZE or a change of search_path, and chooses between a generic plan and one for the values at hand.
//! This module decides who may find one: a job with the same text, the same types of parameters, and the same
//! [`Situation`]. What a situation has is what the server looks at when it analyses and plans, and not again later:
//! rights on schemas, for one. When a role or a membership changes, all plans are dropped, for that reason.
//!
//! The server also does not look again which object a name means. Suppose that a table is made in a schema that comes
//! before that of the table that a plan reads: a prepared statement goes on with the old table, but a job must not, for
//! a job in a new process would read the new one. So all plans are dropped, too, when the catalog of something that is
//! found by name has changed. ANALYZE changes that of relations as well: the plans are made anew then.
//!
//! A plan is kept when a text comes for the second time: most texts never do, and keeping one copies three trees. A
//! text that raises a message while it is analysed is not kept, for the message would not be raised again. Nor is one
//! with a literal that says "now": it was read when the statement was analysed, and stands for the time of that
//! transaction. What other literals mean ('today', a time of day in a zone with summer time) depends on the day: no
//! plan is used on another day than that on which its statement was analysed.
//!
//! Nothing of it shows in a job: the plans have no names, so `pg_prepared_statements` does not have them, and their
//! memory contexts have no texts. At most [`MAX_PLANS`] are kept, in [`MAX_MEMORY`]; the least recently used goes
//! first.

use super::error::Result;
use super::guard::guard;
use super::{compat_session, sys, timezone};
use parking_lot::Mutex;
use std::ffi::CStr;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// So many plans are kept.
const MAX_PLANS: usize = 32;
/// Bytes that they may take together.
const MAX_MEMORY: usize = 4 << 20;
/// Bytes of a text, beyond which it is not kept.
const MAX_TEXT: usize = 16 << 10;
/// So many texts are remembered that have come once.
const MAX_SEEN: usize = 128;

/// What a job has in common with another one that finds its plan, text and parameters apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Situation {
    /// Stands for the session's settings: those that decide a plan, and all others.
    pub settings: u64,
    /// Stands for the settings that were given for the job alone.
    pub own_settings: u64,
    pub session_user: u32,
    pub outer_role: u32,
    pub current_user: u32,
    pub security_context: i32,
}

/// A statement of the server's plan cache. It belongs to this module once it is kept.
pub(super) type Source = *mut sys::CachedPlanSource;

struct Kept {
    source: Source,
    situation: Situation,
    /// When the day ends, in the time zone of the situation.
    midnight: i64,
    /// Of [`Cache::clock`].
    last_used: u64,
    /// Bytes, when they were last counted.
    memory: usize,
    /// The generic plan that was counted with it, which comes and goes.
    counted: *mut sys::CachedPlan,
}

/// A text that has come once.
struct Seen {
    hash: u64,
    is_refused: bool,
}

struct Cache {
    kept: Vec<Kept>,
    /// Oldest first from `next_seen` on.
    seen: Vec<Seen>,
    next_seen: usize,
    clock: u64,
}

// SAFETY: a backend is one thread.
unsafe impl Send for Cache {}

static CACHE: Mutex<Cache> = Mutex::new(Cache { kept: Vec::new(), seen: Vec::new(), next_seen: 0, clock: 0 });

/// The catalogs of what a statement's analysis looks up, and the server does not look up again: names, those that
/// literals have included. Text search, too: its functions count as immutable, so the planner makes constants of them.
/// (A database whose row has changed has new workers.) One cache of each catalog will do. The server has places for 64
/// callbacks in a process, and takes about 30 itself.
const LOOKED_UP: [sys::SysCacheIdentifier; 13] = [
    sys::SysCacheIdentifier_AUTHOID,
    sys::SysCacheIdentifier_AUTHMEMROLEMEM,
    sys::SysCacheIdentifier_RELNAMENSP,
    sys::SysCacheIdentifier_PROCNAMEARGSNSP,
    sys::SysCacheIdentifier_OPERNAMENSP,
    sys::SysCacheIdentifier_TYPENAMENSP,
    sys::SysCacheIdentifier_CASTSOURCETARGET,
    sys::SysCacheIdentifier_COLLNAMEENCNSP,
    // ON CONFLICT (column class)
    sys::SysCacheIdentifier_CLAAMNAMENSP,
    // a literal's label
    sys::SysCacheIdentifier_ENUMTYPOIDNAME,
    sys::SysCacheIdentifier_TSCONFIGNAMENSP,
    sys::SysCacheIdentifier_TSCONFIGMAP,
    sys::SysCacheIdentifier_TSDICTNAMENSP,
];

/// Set by the server's invalidation messages.
static CHANGED: AtomicBool = AtomicBool::new(false);

unsafe extern "C-unwind" fn changed(_arg: sys::Datum, _cache: compat_session::SysCacheId, _hash: u32) {
    CHANGED.store(true, Relaxed);
}

/// From now on the server's invalidation messages tell of changes. Before the first statement is analysed that may be
/// kept: a message can come in the middle of that, with a lock that it waits for.
fn watch() -> Result<()> {
    static WATCHED: AtomicBool = AtomicBool::new(false);
    if WATCHED.load(Relaxed) {
        return Ok(());
    }
    // SAFETY: the callback only writes to a variable, and lives as long as the process.
    guard(|| unsafe {
        for cache in LOOKED_UP {
            sys::CacheRegisterSyscacheCallback(cache as _, Some(changed), sys::Datum::default());
        }
    })?;
    WATCHED.store(true, Relaxed);
    Ok(())
}

/// What is known of a statement.
pub(super) enum Known {
    /// It is kept. The source is valid until the job ends.
    Kept(Source),
    /// It has come before: it is worth keeping.
    Seen,
    No,
}

/// Looks for a statement with that text and those types of parameters. Inside a transaction.
pub(super) fn find(sql: &CStr, types: &[u32], situation: &Situation) -> Result<Known> {
    if sql.to_bytes().len() > MAX_TEXT {
        return Ok(Known::No);
    }
    if CHANGED.swap(false, Relaxed) {
        drop_all()?;
    }
    let mut cache = CACHE.lock();
    cache.clock += 1;
    let now = cache.clock;
    if let Some(at) = cache.kept.iter().position(|kept| kept.is(sql, types, situation)) {
        // SAFETY: reads a variable.
        if unsafe { sys::GetCurrentTransactionStartTimestamp() } < cache.kept[at].midnight {
            cache.kept[at].last_used = now;
            return Ok(Known::Kept(cache.kept[at].source));
        }
        let source = cache.kept.swap_remove(at).source;
        drop(cache);
        drop_kept(source)?;
        return Ok(Known::Seen);
    }
    if cache.see(hash(sql, types, situation)).is_none_or(|seen| seen.is_refused) {
        return Ok(Known::No);
    }
    drop(cache);
    watch()?;
    Ok(Known::Seen)
}

/// Does not say of that text any more that it is worth keeping.
pub(super) fn refuse(sql: &CStr, types: &[u32], situation: &Situation) {
    let hash = hash(sql, types, situation);
    if let Some(seen) = CACHE.lock().seen.iter_mut().find(|seen| seen.hash == hash) {
        seen.is_refused = true;
    }
}

fn hash(sql: &CStr, types: &[u32], situation: &Situation) -> u64 {
    let mut hasher = DefaultHasher::new();
    (sql, types, situation).hash(&mut hasher);
    hasher.finish()
}

impl Kept {
    fn is(&self, sql: &CStr, types: &[u32], situation: &Situation) -> bool {
        // SAFETY: a source that is kept is complete: it has its text, and as many types as it says.
        let (text, known) = unsafe {
            let source = &*self.source;
            let count = source.num_params.max(0) as usize;
            let known = if count == 0 { &[][..] } else { std::slice::from_raw_parts(source.param_types, count) };
            (CStr::from_ptr(source.query_string), known)
        };
        self.situation == *situation && known == types && text == sql
    }
}

impl Cache {
    /// The text, if it has come before. It has from now on.
    fn see(&mut self, hash: u64) -> Option<&Seen> {
        if let Some(at) = self.seen.iter().position(|seen| seen.hash == hash) {
            return Some(&self.seen[at]);
        }
        let seen = Seen { hash, is_refused: false };
        if self.seen.len() < MAX_SEEN {
            self.seen.push(seen);
        } else {
            let next = self.next_seen;
            self.seen[next] = seen;
            self.next_seen = (next + 1) % MAX_SEEN;
        }
        None
    }

    /// Takes out the least recently used as long as there are too many for one more, or they take too much memory.
    fn surplus(&mut self, room_for: usize) -> Option<Source> {
        let memory: usize = self.kept.iter().map(|kept| kept.memory).sum();
        if self.kept.len() + room_for <= MAX_PLANS && memory <= MAX_MEMORY {
            return None;
        }
        let (oldest, _) = self.kept.iter().enumerate().min_by_key(|(_, kept)| kept.last_used)?;
        Some(self.kept.swap_remove(oldest).source)
    }
}

/// Keeps a complete statement, which the server must not have saved yet. Before its first plan is made.
///
/// # Safety
/// A source that is complete, and that nothing else keeps.
pub(super) unsafe fn keep(source: Source, situation: &Situation) -> Result<()> {
    drop_surplus(1)?;
    // SAFETY: reads a variable.
    let midnight = timezone::next_midnight(unsafe { sys::GetCurrentTransactionStartTimestamp() })?;
    // before the server saves it: from then on nothing may fail until it is in the list
    let mut cache = CACHE.lock();
    cache.kept.reserve(1);
    drop(cache);
    // SAFETY: promised by the caller. Other sessions' texts are not for the view of memory contexts.
    guard(|| unsafe {
        sys::SaveCachedPlan(source);
        sys::MemoryContextSetIdentifier((*source).context, ptr::null());
    })?;
    let mut cache = CACHE.lock();
    let last_used = cache.clock;
    let kept = Kept { source, situation: *situation, midnight, last_used, memory: 0, counted: ptr::null_mut() };
    cache.kept.push(kept);
    Ok(())
}

/// Forgets all plans but those that are kept here, and drops of these what is too much. Between two jobs.
///
/// The server's function makes plans invalid by a flag in each, and knows none that it should leave alone: so the flags
/// of ours are put back. Nothing that it does can come in between: it reads no invalidation messages.
pub fn forget_others() -> Result<()> {
    let mut cache = CACHE.lock();
    // SAFETY: the sources are kept; a generic plan lives as long as its source has it. The function writes flags, and
    // calls nothing that can throw.
    unsafe {
        let validity: Vec<_> = cache.kept.iter().map(|kept| kept.validity()).collect();
        sys::ResetPlanCache();
        for (kept, validity) in cache.kept.iter_mut().zip(validity) {
            kept.set_validity(validity);
            kept.count_memory();
        }
    }
    drop(cache);
    drop_surplus(0)
}

impl Kept {
    /// Of the analysed statement, and of its generic plan.
    ///
    /// # Safety
    /// Its source is kept.
    unsafe fn validity(&self) -> (bool, bool) {
        // SAFETY: promised by the caller.
        unsafe {
            let source = &*self.source;
            (source.is_valid, source.gplan.as_ref().is_some_and(|plan| plan.is_valid))
        }
    }

    /// # Safety
    /// As above.
    unsafe fn set_validity(&self, (source, plan): (bool, bool)) {
        // SAFETY: promised by the caller.
        unsafe {
            (*self.source).is_valid = source;
            if let Some(generic) = (*self.source).gplan.as_mut() {
                generic.is_valid = plan;
            }
        }
    }

    /// # Safety
    /// As above.
    unsafe fn count_memory(&mut self) {
        // SAFETY: promised by the caller; counting throws nothing.
        unsafe {
            let source = &*self.source;
            if self.memory != 0 && source.gplan == self.counted {
                return;
            }
            self.counted = source.gplan;
            self.memory = sys::MemoryContextMemAllocated(source.context, true);
            if let Some(plan) = source.gplan.as_ref() {
                sys::MemoryContextSetIdentifier(plan.context, ptr::null());
                self.memory += sys::MemoryContextMemAllocated(plan.context, true);
            }
        }
    }
}

fn drop_surplus(room_for: usize) -> Result<()> {
    loop {
        // not in the condition of a `while`: the lock would be held in its body
        let surplus = CACHE.lock().surplus(room_for);
        let Some(source) = surplus else {
            return Ok(());
        };
        drop_kept(source)?;
    }
}

/// Drops a plan that was kept, and is in the list no more. No job uses it.
fn drop_kept(source: Source) -> Result<()> {
    // SAFETY: it was kept, so it is saved and complete.
    guard(|| unsafe { sys::DropCachedPlan(source) })
}

fn drop_all() -> Result<()> {
    let all = std::mem::take(&mut CACHE.lock().kept);
    for kept in all {
        drop_kept(kept.source)?;
    }
    Ok(())
}

/// Bytes that the plans take. The server counts them as the session's.
pub fn memory() -> usize {
    CACHE.lock().kept.iter().map(|kept| kept.memory).sum()
}
