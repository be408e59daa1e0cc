//! What the server counts of the command that this process runs: its own entry among the backends', which the views
//! pg_stat_progress_* show. No other process writes it, and no lock guards it, so it may be read in a signal handler. A
//! change of several counters may then be half done.

use super::compat_command as compat;
use super::error::Result;
use super::guard::guard;
use super::sys;
use logic::estimate::utility::reading::{Counted, Reading, SLOTS};

const _: () = assert!(SLOTS == sys::PGSTAT_NUM_PROGRESS_PARAM as usize);

/// Buffers that this process has asked for.
pub fn buffers() -> i64 {
    // SAFETY: plain variables of this one thread.
    unsafe {
        let used = &raw const sys::pgBufferUsage;
        let shared = (*used).shared_blks_hit.wrapping_add((*used).shared_blks_read);
        shared.wrapping_add((*used).local_blks_hit).wrapping_add((*used).local_blks_read)
    }
}

/// The counters as they stand. Nothing is counted with `track_activities` off.
pub fn read() -> Reading {
    let mut reading = Reading { buffers: buffers(), waits: waits_for_lock(), ..Reading::default() };
    // SAFETY: this process's own entry, if it has one; volatile, for it is shared.
    unsafe {
        let entry = sys::MyBEEntry;
        if entry.is_null() || !sys::pgstat_track_activities {
            return reading;
        }
        reading.counted = counted((&raw const (*entry).st_progress_command).read_volatile());
        reading.target = (&raw const (*entry).st_progress_command_target).read_volatile();
        reading.slots = (&raw const (*entry).st_progress_param).read_volatile();
    }
    reading
}

fn counted(command: sys::ProgressCommandType) -> Counted {
    match command {
        sys::ProgressCommandType_PROGRESS_COMMAND_VACUUM => Counted::Vacuum,
        sys::ProgressCommandType_PROGRESS_COMMAND_ANALYZE => Counted::Analyze,
        compat::COUNTED_AS_CLUSTER => Counted::Cluster,
        sys::ProgressCommandType_PROGRESS_COMMAND_CREATE_INDEX => Counted::CreateIndex,
        sys::ProgressCommandType_PROGRESS_COMMAND_COPY => Counted::Copy,
        _ => Counted::Nothing,
    }
}

/// Does this process wait for a lock?
pub(super) fn waits_for_lock() -> bool {
    // SAFETY: points at a variable of this process, or into its own entry among the processes.
    let event = unsafe { sys::my_wait_event_info.read_volatile() };
    event & 0xFF00_0000 == sys::PG_WAIT_LOCK
}

/// Forgets what the command before has counted: some commands count without saying that they do. While none counts.
pub fn clear() -> Result<()> {
    if read().counted != Counted::Nothing {
        return Ok(());
    }
    for slot in 0..SLOTS as i32 {
        // SAFETY: a slot of this process's own entry.
        guard(|| unsafe { sys::pgstat_progress_update_param(slot, 0) })?;
    }
    Ok(())
}
