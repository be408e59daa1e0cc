//! Waiting for several jobs at once, of this session and of others.

use super::Target;
use super::remote::RemoteJob;
use crate::channel::Attending;
use crate::launcher::deadlock::{AwaitedJob, Awaits};
use crate::launcher::wait::{self, Look, Time};
use crate::pg::error::Result;
use logic::segment::spill::Attention;
use std::time::Instant;

/// Waits until one of the jobs has ended, and returns its index: the first's, if several have ended. `None` if the
/// deadline passed first; at once if there are no jobs, for none of them can end. Rights have been checked.
pub fn any(jobs: &[Target], deadline: Option<Instant>) -> Result<Option<usize>> {
    if jobs.is_empty() {
        return Ok(None);
    }
    let awaited = awaited(jobs);
    for_ends(jobs, Awaits::Any(&awaited), deadline, |time| {
        let mut found = Look::Nothing;
        for (index, job) in jobs.iter().enumerate() {
            match job.look_for_end(time)? {
                Look::Found(()) => return Ok(Look::Found(index)),
                Look::More => found = Look::More,
                Look::Nothing => {}
            }
        }
        Ok(found)
    })
}

/// Waits until all of the jobs have ended. False if the deadline passed first. Rights have been checked.
pub fn all(jobs: &[Target], deadline: Option<Instant>) -> Result<bool> {
    let mut left: Vec<&Target> = jobs.iter().collect();
    let awaited = awaited(jobs);
    let ended = for_ends(jobs, Awaits::All(&awaited), deadline, |time| {
        let mut found = Look::Nothing;
        let mut still_left = Vec::new();
        for job in left.drain(..) {
            match job.look_for_end(time)? {
                Look::Found(()) => continue,
                Look::More => found = Look::More,
                Look::Nothing => {}
            }
            still_left.push(job);
        }
        left = still_left;
        Ok(if left.is_empty() { Look::Found(()) } else { found })
    })?;
    Ok(ended.is_some())
}

/// A job that has ended before the wait is not among them: a wait for any of several ends with the first look then.
fn awaited(jobs: &[Target]) -> Vec<AwaitedJob> {
    jobs.iter().filter_map(Target::awaited).collect()
}

/// Ends in reverse order: a job that is there twice is waited for already when it comes the second time, and what was
/// before that is known to the first.
struct Waiting<'a>(Vec<Attending<'a>>);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        while self.0.pop().is_some() {}
    }
}

/// Looks in turns with sleeping. Before the first look the jobs of other sessions are marked, so that their ends wake
/// this process.
fn for_ends<T>(
    jobs: &[Target],
    awaits: Awaits,
    deadline: Option<Instant>,
    look: impl FnMut(Time) -> Result<Look<T>>,
) -> Result<Option<T>> {
    let mut others = jobs.iter().filter_map(|job| match job {
        Target::Remote(job) => Some(job),
        _ => None,
    });
    let mark = others.next().map(|first| {
        let mark = move || std::iter::once(first).chain(others).try_for_each(RemoteJob::mark_awaited);
        (first.registry, mark)
    });
    let waiting = jobs.iter().filter_map(|job| match job {
        Target::Own(job) => Some(job.attend(Attention::Waits)),
        Target::Remote(_) | Target::Ended => None,
    });
    let _waiting = Waiting(waiting.collect());
    wait::for_ends(awaits, mark, deadline, look)
}
