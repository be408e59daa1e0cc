//! Who waits for whom, as the server's lock table has it (storage/lmgr/lock.c; pg_blocking_pids reads it the same way).

use super::error::Result;
use super::guard::guard;
use super::memory::Context;
use super::sys;
use std::collections::BTreeSet;
use std::slice;
use std::time::Duration;

/// What a process waits for.
#[derive(Clone, Copy)]
enum Wanted {
    Lock(sys::LOCKTAG, sys::LOCKMODE),
    /// For a SERIALIZABLE READ ONLY DEFERRABLE transaction: that others end.
    SafeSnapshot,
}

impl PartialEq for Wanted {
    fn eq(&self, other: &Self) -> bool {
        let fields = |tag: &sys::LOCKTAG| {
            let numbers = (tag.locktag_field1, tag.locktag_field2, tag.locktag_field3, tag.locktag_field4);
            (numbers, tag.locktag_type, tag.locktag_lockmethodid)
        };
        match (self, other) {
            (Self::Lock(tag, mode), Self::Lock(other, other_mode)) => {
                fields(tag) == fields(other) && mode == other_mode
            }
            (Self::SafeSnapshot, Self::SafeSnapshot) => true,
            _ => false,
        }
    }
}

/// A wait of one process. Equal is what is the same wait, whoever is in its way.
#[derive(Clone)]
pub struct LockWait {
    /// The process itself: a session, or one of its parallel workers.
    pub pid: i32,
    wanted: Wanted,
    /// When it began to wait; 0 where the server does not say.
    since: u64,
    /// The sessions that hold a lock in its way, or wait for one before it in the queue.
    pub blockers: BTreeSet<i32>,
}

impl PartialEq for LockWait {
    fn eq(&self, other: &Self) -> bool {
        (self.pid, self.since) == (other.pid, other.since) && self.wanted == other.wanted
    }
}

impl LockWait {
    /// Is the lock one that goes with the blocking session's transaction, and in one statement with the statement? So
    /// it is with the end of transactions that may have an old snapshot.
    pub fn is_for_virtual_transaction(&self) -> bool {
        const VIRTUAL: u8 = sys::LockTagType_LOCKTAG_VIRTUALTRANSACTION as u8;
        matches!(self.wanted, Wanted::Lock(tag, _) if tag.locktag_type == VIRTUAL)
    }

    /// "ShareLock on transaction 744", in the server's words.
    pub fn description(&self) -> Result<Vec<u8>> {
        let Wanted::Lock(tag, mode) = self.wanted else {
            return Ok(b"a safe snapshot".to_vec());
        };
        let context = Context::new(c"pg_background lock")?;
        let entered = context.enter();
        let tag = &raw const tag;
        // SAFETY: the server knows the mode by its number, and writes a C string into memory of the context.
        let (mode, lock) = guard(|| unsafe {
            let mode = sys::GetLockmodeName((*tag).locktag_lockmethodid.into(), mode);
            let buffer = sys::makeStringInfo();
            sys::DescribeLockTag(buffer, tag);
            (mode, (*buffer).data)
        })?;
        // SAFETY: two C strings; the second lives as long as the context.
        let (mode, lock) = unsafe { (std::ffi::CStr::from_ptr(mode), std::ffi::CStr::from_ptr(lock)) };
        let description = [mode.to_bytes(), b" on ", lock.to_bytes()].concat();
        drop(entered);
        Ok(description)
    }
}

/// After so long a wait for a lock the server looks for a deadlock.
pub fn deadlock_timeout() -> Duration {
    // SAFETY: reads a variable, in milliseconds.
    Duration::from_millis(u64::from(unsafe { sys::DeadlockTimeout }.unsigned_abs()))
}

/// The waits of a session and of its parallel workers; none if it does not wait for a lock. A wait that has only just
/// begun may be missing.
pub fn of(pid: i32) -> Result<Vec<LockWait>> {
    let context = Context::new(c"pg_background lock waits")?;
    let entered = context.enter();
    // SAFETY: what the server makes is in the context.
    let data = guard(|| unsafe { sys::GetBlockerStatusData(pid) })?;
    // SAFETY: the server has filled as much of the arrays as it says; they live as long as the context.
    let (blocked, locks, waiters) = unsafe {
        let data = &*data;
        (
            array(data.procs, data.nprocs),
            array(data.locks, data.nlocks),
            array(data.waiter_pids.cast_const(), data.npids),
        )
    };
    let mut waits = Vec::new();
    for blocked in blocked {
        let part = |first: i32, count: i32| first as usize..(first + count) as usize;
        let locks = &locks[part(blocked.first_lock, blocked.num_locks)];
        let ahead = &waiters[part(blocked.first_waiter, blocked.num_waiters)];
        waits.extend(lock_wait(blocked.pid, locks, &ahead.iter().copied().collect())?);
    }
    drop(entered);
    if waits.is_empty() {
        waits.extend(snapshot_wait(pid)?);
    }
    Ok(waits)
}

/// # Safety
/// The array has that many elements and lives as long as the caller uses it.
unsafe fn array<'a, T>(start: *const T, count: i32) -> &'a [T] {
    // SAFETY: promised by the caller.
    if count > 0 { unsafe { slice::from_raw_parts(start, count as usize) } } else { &[] }
}

/// The wait of the process with that pid for a lock, of which all holders and waiters are in `locks`; those of `ahead`
/// are before it in the queue.
fn lock_wait(pid: i32, locks: &[sys::LockInstanceData], ahead: &BTreeSet<i32>) -> Result<Option<LockWait>> {
    let Some(own) = locks.iter().find(|lock| lock.pid == pid) else {
        return Ok(None);
    };
    let tag = own.locktag;
    let at = &raw const tag;
    // SAFETY: a table of the server's, with a row for each mode.
    let conflicts =
        guard(|| unsafe { *(*sys::GetLockTagsMethodTable(at)).conflictTab.add(own.waitLockMode as usize) })?;
    let is_in_its_way = |lock: &&sys::LockInstanceData| {
        let is_held = conflicts & lock.holdMask != 0;
        let is_wanted = lock.waitLockMode != 0 && conflicts & (1 << lock.waitLockMode) != 0;
        lock.leaderPid != own.leaderPid && (is_held || is_wanted && ahead.contains(&lock.pid))
    };
    // 0 is a prepared transaction, for which nobody waits.
    let blockers = locks.iter().filter(is_in_its_way).map(|lock| lock.leaderPid).filter(|pid| *pid != 0).collect();
    // Read after the lock table: the wait has begun by now.
    let since = process(pid)?.map_or(0, |process| process.since);
    let wait = LockWait { pid, wanted: Wanted::Lock(tag, own.waitLockMode), since, blockers };
    Ok((since != 0).then_some(wait))
}

/// As many transactions that keep another from a safe snapshot are looked at.
const SNAPSHOT_BLOCKERS: usize = 64;

fn snapshot_wait(pid: i32) -> Result<Option<LockWait>> {
    if process(pid)?.is_none_or(|process| process.event != sys::WaitEventIPC_WAIT_EVENT_SAFE_SNAPSHOT) {
        return Ok(None);
    }
    let mut blockers = [0; SNAPSHOT_BLOCKERS];
    let start = blockers.as_mut_ptr();
    // SAFETY: the server writes at most so many pids.
    let count = guard(|| unsafe { sys::GetSafeSnapshotBlockingPids(pid, start, SNAPSHOT_BLOCKERS as i32) })?;
    let blockers = blockers.iter().take(count as usize).copied().filter(|pid| *pid != 0).collect();
    Ok((count > 0).then_some(LockWait { pid, wanted: Wanted::SafeSnapshot, since: 0, blockers }))
}

/// What is known of a process.
#[derive(Clone, Copy)]
pub struct Process {
    /// The role whose session it is.
    pub role: u32,
    event: u32,
    since: u64,
}

/// The process with that pid; `None` if it is gone.
pub fn process(pid: i32) -> Result<Option<Process>> {
    // SAFETY: NULL, or an entry in shared memory that stays mapped; single words, which the process may be changing.
    guard(|| unsafe {
        let found = sys::BackendPidGetProc(pid).cast_const();
        if found.is_null() {
            return None;
        }
        Some(Process {
            role: (&raw const (*found).roleId).read_volatile(),
            event: (&raw const (*found).wait_event_info).read_volatile(),
            since: (&raw const (*found).waitStart.value).read_volatile(),
        })
    })
}

/// Counts a deadlock in pg_stat_database.
pub fn count_deadlock() -> Result<()> {
    // SAFETY: no arguments.
    guard(|| unsafe { sys::pgstat_report_deadlock() })
}
