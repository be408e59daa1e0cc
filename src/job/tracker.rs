//! The jobs that this session tracks, those it has given up, and the counters.
//!
//! One value per process behind one lock, which is held for moments and never across a call that can throw: a job is
//! taken out as an `Arc`, and is unmapped when the last of these goes.

use super::Job;
use crate::model::released::{How, Released};
use crate::model::sqlstate;
use crate::model::state::State;
use crate::model::stats::Stats;
use crate::pg::error::{PgError, Result};
use crate::{settings, wire};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

struct Tracker {
    jobs: Option<HashMap<i32, Arc<Job>>>,
    released: Released,
    stats: Stats,
}

static TRACKER: Mutex<Tracker> = Mutex::new(Tracker { jobs: None, released: Released::new(), stats: Stats::new() });

/// What a caller names.
pub enum Found {
    Job(Arc<Job>),
    /// Was given up earlier in this session.
    Released(How),
}

#[cold]
fn unknown(pid: i32, why: &str) -> PgError {
    PgError::new(sqlstate::UNDEFINED_OBJECT, format!("PID {pid} is not attached to this session{why}"))
}

#[cold]
fn wrong_cookie(pid: i32) -> PgError {
    PgError::new(sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE, format!("cookie mismatch for PID {pid}")).hint(
        "The worker may have been replaced by another with the same PID. Use the handle that the launch returned.",
    )
}

/// The tracked job with that handle.
pub fn tracked(pid: i32, cookie: i64) -> Option<Arc<Job>> {
    get(pid).filter(|job| job.cookie == cookie)
}

/// The job with that pid.
fn get(pid: i32) -> Option<Arc<Job>> {
    TRACKER.lock().jobs.as_ref().and_then(|jobs| jobs.get(&pid).cloned())
}

/// By pid alone (v1) or by handle. Rights are checked; `read`: the handle is given in order to read, which words the error for a
/// wrong cookie.
pub fn find(pid: i32, cookie: Option<i64>, read: bool) -> Result<Found> {
    let job = get(pid);
    match job {
        Some(job) if cookie.is_none_or(|cookie| cookie == job.cookie) => {
            job.check_rights()?;
            Ok(Found::Job(job))
        }
        other => {
            let released = TRACKER.lock().released.find(pid, cookie);
            match (released, other) {
                (Some(how), _) => Ok(Found::Released(how)),
                (None, Some(_)) if read => Err(unknown(pid, " (cookie mismatch)")),
                (None, Some(_)) => Err(wrong_cookie(pid)),
                (None, None) => Err(unknown(pid, "")),
            }
        }
    }
}

/// A job that is not there, for those who need one.
pub fn not_attached(pid: i32) -> PgError {
    unknown(pid, "")
}

/// The pids of all tracked jobs, of which none may be given to another.
pub fn pids() -> Vec<i32> {
    TRACKER.lock().jobs.iter().flat_map(HashMap::keys).copied().collect()
}

/// Refuses a launch beyond `pg_background.max_workers`.
pub fn check_limit() -> Result<()> {
    let tracked = TRACKER.lock().jobs.as_ref().map_or(0, HashMap::len);
    if tracked < settings::max_workers() as usize {
        return Ok(());
    }
    Err(PgError::new(sqlstate::CONFIGURATION_LIMIT_EXCEEDED, "too many background workers")
        .detail(&format!(
            "This session tracks {tracked} jobs, and pg_background.max_workers is {}.",
            settings::max_workers()
        ))
        .hint("Read or detach jobs that have ended, or raise pg_background.max_workers."))
}

pub fn add(job: Job) -> Arc<Job> {
    let job = Arc::new(job);
    let replaced = {
        let mut tracker = TRACKER.lock();
        tracker.stats.launched += 1;
        tracker.jobs.get_or_insert_default().insert(job.pid, Arc::clone(&job))
    };
    // A pid that came back belongs to a process that has ended: its job is given up.
    if let Some(replaced) = replaced {
        count(&replaced, How::Detached);
    }
    job
}

/// Gives the job up and counts it. Again does nothing.
pub fn release(job: &Arc<Job>, how: How) {
    let removed = {
        let mut tracker = TRACKER.lock();
        match &mut tracker.jobs {
            Some(jobs) if jobs.get(&job.pid).is_some_and(|tracked| Arc::ptr_eq(tracked, job)) => jobs.remove(&job.pid),
            _ => None,
        }
    };
    if let Some(removed) = removed {
        count(&removed, how);
    }
}

fn count(job: &Job, how: How) {
    let (state, run_time) = (job.state(), job.run_time());
    let mut tracker = TRACKER.lock();
    tracker.released.remember(job.pid, job.cookie, how);
    if state.is_final() {
        tracker.stats.ended(state, run_time);
    } else {
        tracker.stats.let_go();
    }
}

/// All jobs, in the order of their launch.
pub fn jobs() -> Vec<Arc<Job>> {
    let mut jobs: Vec<_> = TRACKER.lock().jobs.iter().flat_map(HashMap::values).cloned().collect();
    jobs.sort_by_key(|job| (job.launched_at, job.pid));
    jobs
}

/// The session's counters with the jobs that have ended but are still tracked, and how many have not.
pub fn stats() -> (Stats, i32) {
    let mut stats = TRACKER.lock().stats;
    let mut active = 0;
    for job in jobs() {
        match job.state() {
            State::Starting | State::Running => active += 1,
            ended => stats.ended(ended, job.run_time()),
        }
    }
    (stats, active)
}

/// The message of a failed job, for the list.
pub fn last_error(job: &Job) -> Option<Vec<u8>> {
    job.error().map(|report: wire::report::Report| report.message().to_vec())
}
