//! The jobs that this session tracks, the handles that it has given up, and its counters.
//!
//! One value per process behind one lock. The lock is held for moments and never across a call that can throw: a job
//! is taken out as an `Arc`, and its segment is unmapped when the last of these is dropped.

use super::Job;
use crate::errors;
use crate::launcher::deadlock::AwaitedJob;
use crate::pg::error::Result;
use crate::process;
use logic::job::counters::Counters;
use logic::job::released::{Release, ReleasedHandles};
use logic::job::state::State;
use logic::job::tracked::TrackedJobs;
use parking_lot::Mutex;
use std::sync::Arc;

struct Tracker {
    jobs: TrackedJobs<Arc<Job>>,
    released: ReleasedHandles,
    counters: Counters,
}

static TRACKER: Mutex<Tracker> =
    Mutex::new(Tracker { jobs: TrackedJobs::new(), released: ReleasedHandles::new(), counters: Counters::new() });

/// What a name of a job has led to.
pub enum Lookup {
    Tracked(Arc<Job>),
    /// The job was given up earlier in this session.
    Released(Release),
}

/// What a job is looked up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To read its result. 1.8 words the error for a wrong cookie differently then.
    Read,
    /// To stop it, to wait for it, to detach it.
    Control,
}

/// The tracked job with that handle. Rights are not checked.
pub fn tracked(pid: i32, cookie: i64) -> Option<Arc<Job>> {
    get(pid, Some(cookie))
}

/// A job that starts at a commit is tracked with pid 0. With its cookie it is found by its worker's pid, too; it has no
/// name without a cookie.
fn get(pid: i32, cookie: Option<i64>) -> Option<Arc<Job>> {
    let tracker = TRACKER.lock();
    match cookie {
        None if pid == 0 => None,
        None => tracker.jobs.find(pid, None).cloned(),
        Some(_) => {
            let by_worker = || tracker.jobs.find(0, cookie).filter(|job| job.worker_pid() == pid);
            tracker.jobs.find(pid, cookie).or_else(by_worker).cloned()
        }
    }
}

/// The job with that handle; without a cookie (v1), the job that was launched last of those with that pid. An error
/// if the session never had such a job, or if the caller has not the privileges of its role.
pub fn find(pid: i32, cookie: Option<i64>, purpose: Purpose) -> Result<Lookup> {
    if let Some(job) = get(pid, cookie) {
        job.check_rights()?;
        return Ok(Lookup::Tracked(job));
    }
    let (released, has_others) = {
        let tracker = TRACKER.lock();
        (tracker.released.find(pid, cookie), pid != 0 && tracker.jobs.find(pid, None).is_some())
    };
    match (released, purpose) {
        (Some(release), _) => Ok(Lookup::Released(release)),
        (None, Purpose::Read) if has_others => Err(errors::read_with_wrong_cookie(pid)),
        (None, Purpose::Control) if has_others => Err(errors::wrong_cookie(pid)),
        (None, _) => Err(errors::not_attached(pid)),
    }
}

/// The pids that the next job may not have: those of tracked jobs.
///
/// A job that ended and whose results were not wanted is named by its handle alone, if at all, and stays tracked until
/// the limit is reached. Were its pid taken until then, a loop that submits jobs would get a new process for each. So a
/// job that is named by its handle, too, may have that pid. A job that is `known_by_pid` (v1) may not.
pub fn pids_in_use(known_by_pid: bool) -> Vec<i32> {
    if known_by_pid {
        return TRACKER.lock().jobs.pids().collect();
    }
    let mut pids = Vec::new();
    let mut unwanted = Vec::new();
    for job in TRACKER.lock().jobs.pid_holders() {
        if job.results.are_wanted() { pids.push(job.pid) } else { unwanted.push(Arc::clone(job)) }
    }
    // Their states are asked outside of the lock. One that has ended releases its pid once and for all.
    for job in unwanted {
        if job.state().is_final() {
            TRACKER.lock().jobs.release_pid(job.pid, job.cookie);
        } else {
            pids.push(job.pid);
        }
    }
    pids
}

/// How many jobs are tracked.
pub fn count_tracked() -> usize {
    TRACKER.lock().jobs.len()
}

/// Releases `wanted` jobs that have ended and whose results were not wanted, or as many as there are: first those that
/// ended well, in the order of their launch.
pub fn make_room(wanted: usize) {
    let jobs: Vec<_> = TRACKER.lock().jobs.iter().filter(|job| !job.results.are_wanted()).cloned().collect();
    let well_ended = jobs.iter().filter(|job| job.state() == State::Stopped);
    let failed = jobs.iter().filter(|job| job.has_failed());
    well_ended.chain(failed).take(wanted).for_each(|job| release(job, Release::MadeRoom));
}

/// The tracked jobs that [`make_room`] may release once they have ended.
pub fn may_make_room() -> Vec<AwaitedJob> {
    TRACKER.lock().jobs.iter().filter(|job| !job.results.are_wanted()).map(|job| job.awaited()).collect()
}

/// Tracks and counts a job that has been launched.
pub fn add(job: Job) -> Arc<Job> {
    let job = Arc::new(job);
    let mut tracker = TRACKER.lock();
    tracker.counters.launched += 1;
    tracker.jobs.add(job.pid, job.cookie, Arc::clone(&job));
    job
}

/// Gives the job up and counts it. Does nothing to a job that is not tracked any more.
pub fn release(job: &Arc<Job>, release: Release) {
    let removed = TRACKER.lock().jobs.remove(job.pid, job.cookie);
    if let Some(removed) = removed {
        count(&removed, release);
    }
}

/// Drops a job that never starts, because its transaction is rolled back: the session has never had it. The lock may be
/// held, where memory has run out, which has ended the session.
pub fn forget_unstarted(cookie: i64) {
    let Some(mut tracker) = TRACKER.try_lock() else { return };
    let removed = tracker.jobs.remove(0, cookie);
    if removed.is_some() {
        tracker.counters.launched -= 1;
    }
    // unmaps the job's segment
    drop(tracker);
    drop(removed);
}

fn count(job: &Job, release: Release) {
    // Asked before the state is read: once the job has ended, the registry does not know any more what was asked of it.
    let asked = job.asked_to_stop();
    let (state, run_time) = (job.state(), job.run_time());
    let mut tracker = TRACKER.lock();
    tracker.released.remember(job.pid, job.cookie, release);
    if state.is_final() {
        tracker.counters.ended(state, run_time);
    } else {
        tracker.counters.let_go(asked);
    }
}

/// Counts a wait that the session's own code has given up. A worker whose job has counted one is retired, as after a
/// launch: the next job would see the number.
pub fn count_timeout() {
    process::note_launch();
    TRACKER.lock().counters.timed_out += 1;
}

/// All jobs, in the order of their launch.
pub fn jobs() -> Vec<Arc<Job>> {
    let mut jobs: Vec<_> = TRACKER.lock().jobs.iter().cloned().collect();
    jobs.sort_by_key(|job| (job.launched_at, job.pid));
    jobs
}

/// The session's counters, in which tracked jobs that have ended count already; and the number of tracked jobs that
/// have not ended.
pub fn counters() -> (Counters, i32) {
    let mut counters = TRACKER.lock().counters;
    let mut active = 0;
    for job in jobs() {
        match job.state() {
            State::Starting | State::Running => active += 1,
            ended => counters.ended(ended, job.run_time()),
        }
    }
    (counters, active)
}
