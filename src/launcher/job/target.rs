//! The job that a handle names, wherever it was launched; and giving a job up.

use super::remote::RemoteJob;
use super::tracker::{self, Lookup, Purpose};
use super::{Job, note_release};
use crate::errors;
use crate::launcher::deadlock::{AwaitedJob, Awaits};
use crate::launcher::wait::{Awaited, Look, Time};
use crate::pg::error::Result;
use crate::pg::identity;
use crate::pg::memory::Execution;
use logic::job::released::Release;
use logic::job::state::Stop;
use std::slice;
use std::sync::Arc;
use std::time::Instant;

/// What can be stopped and waited for.
pub enum Target {
    /// A job that this session tracks.
    Own(Arc<Job>),
    /// A job of another session.
    Remote(RemoteJob),
    /// A job that this session has read, or released to make room for another: it has ended.
    Ended,
}

/// What a caller wants of a job, which may be another session's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// For callers with the privileges of the job's role.
    Wait,
    /// For these, and for members of pg_signal_backend.
    Stop,
}

impl Wish {
    /// Has the caller the right, for a job of that role?
    pub fn is_granted(self, role: u32) -> Result<bool> {
        match self {
            Self::Wait => identity::has_privileges_of(role),
            Self::Stop => identity::may_signal(role),
        }
    }

    /// Refuses callers that have not the right.
    fn check(self, role: u32, pid: i32) -> Result<()> {
        if self.is_granted(role)? { Ok(()) } else { Err(errors::permission_denied(pid)) }
    }
}

impl Target {
    /// The job with that handle, for the functions of 1.8. An error if there is none, if the caller has not the
    /// privileges of an own job's role, or if the session has detached the job: it may still run, but this session
    /// wanted to hear no more of it.
    pub fn find(pid: i32, cookie: i64) -> Result<Self> {
        match tracker::find(pid, Some(cookie), Purpose::Control) {
            Ok(Lookup::Tracked(job)) => Ok(Self::Own(job)),
            Ok(Lookup::Released(Release::Read | Release::Fetched | Release::MadeRoom)) => Ok(Self::Ended),
            Ok(Lookup::Released(Release::Detached)) => Err(errors::not_attached(pid)),
            Err(denied) if tracker::tracked(pid, cookie).is_some() => Err(denied),
            Err(unknown) => RemoteJob::find(pid, cookie)?.map(Self::Remote).ok_or(unknown),
        }
    }

    /// The same for the functions of 3.0, which check all rights here, also those on jobs of other sessions. A job that
    /// this session has forgotten is to them as a job of another session: found if the registry knows it.
    pub fn find_for(wish: Wish, pid: i32, cookie: i64) -> Result<Self> {
        if let Some(job) = tracker::tracked(pid, cookie) {
            wish.check(job.user, pid)?;
            return Ok(Self::Own(job));
        }
        let unknown = match tracker::find(pid, Some(cookie), Purpose::Control) {
            Ok(Lookup::Released(Release::Read | Release::Fetched | Release::MadeRoom)) => return Ok(Self::Ended),
            Ok(Lookup::Released(Release::Detached) | Lookup::Tracked(_)) => errors::not_attached(pid),
            Err(unknown) => unknown,
        };
        let job = RemoteJob::find(pid, cookie)?.ok_or(unknown)?;
        wish.check(job.role, pid)?;
        Ok(Self::Remote(job))
    }

    /// Asks the job to stop. False, and nothing is done, if it has ended.
    pub fn stop(&self, stop: Stop) -> Result<bool> {
        match self {
            Self::Own(job) => job.stop(stop),
            Self::Remote(job) => job.stop(stop),
            Self::Ended => Ok(false),
        }
    }

    /// Asks the job to stop after its present statement, and to stop at once when it has not ended by `deadline`. If
    /// the wait in between is cancelled, the first request stands. False, and nothing is done, if the job has ended
    /// before the first request. A caller that has stopped the job may see it end: no further rights are asked for.
    pub fn stop_gracefully(&self, deadline: Option<Instant>) -> Result<bool> {
        if !self.stop(Stop::AfterStatement)? {
            return Ok(false);
        }
        if self.is_requested() {
            // It ends instead of starting.
            return Ok(true);
        }
        // No deadlock is looked for: the job is stopped at the deadline, whatever it waits for.
        let has_ended = match self {
            Self::Own(job) => job.wait(Awaited::JobToStop, deadline)?,
            Self::Remote(job) => job.wait(Awaits::Nothing, deadline)?,
            Self::Ended => true,
        };
        if !has_ended {
            self.stop(Stop::Now)?;
        }
        Ok(true)
    }

    /// Does the job start when the open transaction commits?
    fn is_requested(&self) -> bool {
        match self {
            Self::Own(job) => job.check_committed().is_err(),
            Self::Remote(job) => job.is_requested(),
            Self::Ended => false,
        }
    }

    /// Waits until the job has ended. False if the deadline passed first. Of a job of another session, rights are not
    /// checked here.
    pub fn wait(&self, deadline: Option<Instant>) -> Result<bool> {
        match self {
            Self::Own(job) => job.wait(Awaited::Job(job.awaited()), deadline),
            Self::Remote(job) => job.wait(Awaits::All(slice::from_ref(&job.awaited())), deadline),
            Self::Ended => Ok(true),
        }
    }

    /// As one that is waited for; `None` if it has ended.
    pub fn awaited(&self) -> Option<AwaitedJob> {
        match self {
            Self::Own(job) => Some(job.awaited()),
            Self::Remote(job) => Some(job.awaited()),
            Self::Ended => None,
        }
    }

    /// Refuses callers that may not wait for the job: for a job that [`Self::find`] has found, which checks the rights
    /// on own jobs only.
    pub fn check_may_wait(&self) -> Result<()> {
        match self {
            Self::Remote(job) => Wish::Wait.check(job.role, job.pid),
            Self::Own(_) | Self::Ended => Ok(()),
        }
    }

    /// Looks whether the job has ended, without waiting; keeps what an own job has sent.
    pub fn look_for_end(&self, time: Time) -> Result<Look<()>> {
        match self {
            Self::Own(job) => job.look_for_end(time),
            Self::Remote(job) => Ok(if job.has_ended()? { Look::Found(()) } else { Look::Nothing }),
            Self::Ended => Ok(Look::Found(())),
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
