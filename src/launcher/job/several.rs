//! What is done with all jobs of this session at once, or with those whose label is like a pattern. Jobs on which the
//! caller has no rights are left out.

use super::{Job, Wish, note_release, tracker};
use crate::pg::error::Result;
use crate::pg::memory::Execution;
use crate::pg::pattern;
use logic::job::released::Release;
use logic::job::state::Stop;

/// Asks the jobs to stop; returns how many were asked, which are those that had not ended.
pub fn stop_all(label_pattern: &[u8]) -> Result<i32> {
    let mut count = 0;
    for job in tracker::jobs() {
        if Wish::Stop.is_granted(job.user)? && is_meant(&job, label_pattern)? && job.stop(Stop::Now)? {
            count += 1;
        }
    }
    Ok(count)
}

/// Gives the jobs up, which go on without a reader; returns how many there were.
pub fn forget_all(execution: Execution, label_pattern: &[u8]) -> Result<i32> {
    forget(execution, |job| is_meant(job, label_pattern))
}

/// Gives the jobs up that have ended, whatever is left to be read of them; returns how many there were.
pub fn forget_ended(execution: Execution) -> Result<i32> {
    forget(execution, |job| Ok(job.state().is_final()))
}

fn forget(execution: Execution, is_meant: impl Fn(&Job) -> Result<bool>) -> Result<i32> {
    let mut count = 0;
    for job in tracker::jobs() {
        if job.is_callers()? && is_meant(&job)? {
            note_release(execution, &job)?;
            tracker::release(&job, Release::Detached);
            count += 1;
        }
    }
    Ok(count)
}

/// Is the job's label like the pattern? A job without a label is like the pattern that all texts are like.
fn is_meant(job: &Job, label_pattern: &[u8]) -> Result<bool> {
    if label_pattern == b"%" {
        return Ok(true);
    }
    Ok(!job.label.is_empty() && pattern::is_like(&job.label, label_pattern)?)
}
