//! The job that a handle names, wherever it was launched; and giving a job up.

use super::remote::RemoteJob;
use super::tracker::{self, Lookup, Purpose};
use super::{Job, note_release};
use crate::errors;
use crate::pg::error::Result;
use crate::pg::memory::Execution;
use logic::job::released::Release;
use logic::job::state::Stop;
use std::sync::Arc;
use std::time::Instant;

/// What can be stopped and waited for.
pub enum Target {
    /// A job that this session tracks.
    Own(Arc<Job>),
    /// A job of another session.
    Remote(RemoteJob),
    /// A job that this session has read: it has ended.
    Ended,
}

impl Target {
    /// The job with that handle. An error if there is none, if the caller has not the privileges of an own job's
    /// role, or if the session has detached the job: it may still run, but this session wanted to hear no more of it.
    pub fn find(pid: i32, cookie: i64) -> Result<Self> {
        match tracker::find(pid, Some(cookie), Purpose::Control) {
            Ok(Lookup::Tracked(job)) => Ok(Self::Own(job)),
            Ok(Lookup::Released(Release::Read | Release::Fetched)) => Ok(Self::Ended),
            Ok(Lookup::Released(Release::Detached)) => Err(errors::not_attached(pid)),
            Err(denied) if tracker::tracked(pid, cookie).is_some() => Err(denied),
            Err(unknown) => RemoteJob::find(pid, cookie)?.map(Self::Remote).ok_or(unknown),
        }
    }

    /// Asks the job to stop. Does nothing to a job that has ended.
    pub fn stop(&self, stop: Stop) -> Result<()> {
        match self {
            Self::Own(job) => job.stop(stop),
            Self::Remote(job) => job.stop(stop),
            Self::Ended => Ok(()),
        }
    }

    /// Asks the job to stop after its present statement, and to stop at once when it has not ended by `deadline`. If
    /// the wait in between is cancelled, the first request stands.
    pub fn stop_gracefully(&self, deadline: Instant) -> Result<()> {
        self.stop(Stop::AfterStatement)?;
        let has_ended = match self {
            // A caller that has stopped the job may see it end: no further rights are asked for.
            Self::Remote(job) => job.wait_for_end(Some(deadline))?,
            _ => self.wait(Some(deadline))?,
        };
        if has_ended { Ok(()) } else { self.stop(Stop::Now) }
    }

    /// Waits until the job has ended. False if the deadline passed first.
    pub fn wait(&self, deadline: Option<Instant>) -> Result<bool> {
        match self {
            Self::Own(job) => job.wait(deadline),
            Self::Remote(job) => job.wait(deadline),
            Self::Ended => Ok(true),
        }
    }
}

/// The job of this session with that handle, whose rows are wanted. An error if the job is that of another session.
pub fn find_to_read(pid: i32, cookie: i64) -> Result<Lookup> {
    match tracker::find(pid, Some(cookie), Purpose::Read) {
        Err(denied) if tracker::tracked(pid, cookie).is_some() => Err(denied),
        Err(_) if RemoteJob::find(pid, cookie)?.is_some() => Err(errors::rows_of_another_session(pid)),
        found => found,
    }
}

/// Gives a job of this session up, which goes on without a reader. Named by pid alone (v1) or by handle. A job that
/// was given up before is no error: clean-up code need not know what happened before.
pub fn detach(execution: Execution, pid: i32, cookie: Option<i64>) -> Result<()> {
    if let Lookup::Tracked(job) = tracker::find(pid, cookie, Purpose::Control)? {
        note_release(execution, &job)?;
        tracker::release(&job, Release::Detached);
    }
    Ok(())
}
