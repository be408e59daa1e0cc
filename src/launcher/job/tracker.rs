//! The jobs that this session tracks, those it has given up, and the counters.
//!
//! One value per process behind one lock, which is held for moments and never across a call that can throw: a job is
//! taken out as an `Arc`, and is unmapped when the last of these goes.

use super::Job;
use crate::errors;
use crate::pg::error::Result;
use crate::settings;
use logic::job::counters::Stats;
use logic::job::released::{How, Released};
use logic::job::state::State;
use logic::job::tracked::Jobs;
use logic::wire;
use parking_lot::Mutex;
use std::sync::Arc;

struct Tracker {
    jobs: Jobs<Arc<Job>>,
    released: Released,
    stats: Stats,
}

static TRACKER: Mutex<Tracker> =
    Mutex::new(Tracker { jobs: Jobs::new(), released: Released::new(), stats: Stats::new() });

/// What a caller names.
pub enum Found {
    Job(Arc<Job>),
    /// Was given up earlier in this session.
    Released(How),
}

/// The tracked job with that handle.
pub fn tracked(pid: i32, cookie: i64) -> Option<Arc<Job>> {
    get(pid, Some(cookie))
}

fn get(pid: i32, cookie: Option<i64>) -> Option<Arc<Job>> {
    TRACKER.lock().jobs.find(pid, cookie).cloned()
}

/// By pid alone (v1), which names the last of the jobs that have it, or by handle. Rights are checked; `read`: the handle is given in order to read, which words the error for a
/// wrong cookie.
pub fn find(pid: i32, cookie: Option<i64>, read: bool) -> Result<Found> {
    if let Some(job) = get(pid, cookie) {
        job.check_rights()?;
        return Ok(Found::Job(job));
    }
    let (released, has_others) = {
        let tracker = TRACKER.lock();
        (tracker.released.find(pid, cookie), tracker.jobs.find(pid, None).is_some())
    };
    match released {
        Some(how) => Ok(Found::Released(how)),
        None if has_others && read => Err(errors::read_with_wrong_cookie(pid)),
        None if has_others => Err(errors::wrong_cookie(pid)),
        None => Err(errors::not_attached(pid)),
    }
}

/// The pids of all tracked jobs, of which none may be given to another.
pub fn pids() -> Vec<i32> {
    TRACKER.lock().jobs.pids().collect()
}

/// Refuses a launch beyond `pg_background.max_workers`.
pub fn check_limit() -> Result<()> {
    let tracked = TRACKER.lock().jobs.len();
    if tracked < settings::max_workers() as usize {
        return Ok(());
    }
    Err(errors::session_limit(tracked, settings::max_workers()))
}

pub fn add(job: Job) -> Arc<Job> {
    let job = Arc::new(job);
    let mut tracker = TRACKER.lock();
    tracker.stats.launched += 1;
    tracker.jobs.add(job.pid, job.cookie, Arc::clone(&job));
    job
}

/// Gives the job up and counts it. Again does nothing.
pub fn release(job: &Arc<Job>, how: How) {
    let removed = TRACKER.lock().jobs.remove(job.pid, job.cookie);
    if let Some(removed) = removed {
        count(&removed, how);
    }
}

fn count(job: &Job, how: How) {
    // first: the registry forgets what was asked of a job that has ended
    let asked = job.asked_to_stop();
    let (state, run_time) = (job.state(), job.run_time());
    let mut tracker = TRACKER.lock();
    tracker.released.remember(job.pid, job.cookie, how);
    if state.is_final() {
        tracker.stats.ended(state, run_time);
    } else {
        tracker.stats.let_go(asked);
    }
}

/// All jobs, in the order of their launch.
pub fn jobs() -> Vec<Arc<Job>> {
    let mut jobs: Vec<_> = TRACKER.lock().jobs.iter().cloned().collect();
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
