//! A job of this session, from its launch until it is read or detached.

use crate::channel::{Attending, Places, Received, Receiver};
use crate::errors;
use crate::launcher::deadlock::AwaitedJob;
use crate::launcher::launch::{Results, at_commit};
use crate::launcher::wait::{self, Awaited, Look, Time};
use crate::pg::bgworker::Handle;
use crate::pg::dsm::Segment;
use crate::pg::error::{PgError, Result};
use crate::pg::memory::Execution;
use crate::pg::{encoding, identity, latch, signals};
use crate::registry;
use logic::job::automatic::Figures;
use logic::job::state::{State, Stop};
use logic::job::usage::Usage;
use logic::segment::spill::Attention;
use logic::wire::report::Report;
use logic::wire::tags;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Instant;

/// What has been read so far. It is kept with the job, so that a read that fails before the first row loses nothing.
pub struct Reading {
    pub receiver: Receiver,
    /// The whole error, when it was too long for the outcome.
    pub error: Option<Report>,
    /// The tags, when they were too long for the outcome.
    pub tags: Option<Vec<Vec<u8>>>,
    /// How many tags a fetch has given away.
    pub fetched_tags: usize,
    pub gone: Gone,
}

/// Rows that a read has taken for good: a later one could not give all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    None,
    /// Rows of a job that has failed were dropped, on the way to its error: that alone can be read.
    Dropped,
    /// Rows were given away, and nothing more can be read.
    Given,
}

/// What a launch knows of the job that a worker has now.
pub struct LaunchedJob {
    pub segment: Arc<Segment>,
    pub receiver: Receiver,
    /// The process, if it was started for this job.
    pub worker: Option<Handle>,
    pub pid: i32,
    /// Microseconds since 2000-01-01.
    pub launched_at: i64,
    /// Bytes, as asked for.
    pub queue_size: i32,
    pub sql_preview: Vec<u8>,
    pub label: Vec<u8>,
    pub results: Results,
    /// The query that launched it, if the job is known by its pid alone (v1).
    pub execution: Option<Execution>,
}

pub struct Job {
    pub pid: i32,
    pub cookie: i64,
    /// The role that launched it.
    pub user: u32,
    pub launched_at: i64,
    pub queue_size: i32,
    pub sql_preview: Vec<u8>,
    /// Empty: none.
    pub label: Vec<u8>,
    pub results: Results,
    pub execution: Option<Execution>,
    segment: Arc<Segment>,
    /// `None` while a caller further up the stack reads, and once rows have been given away.
    reading: Mutex<Option<Reading>>,
    worker: Option<Handle>,
}

impl Job {
    pub fn new(job: LaunchedJob) -> Self {
        let identity = &job.segment.header().identity;
        Self {
            pid: job.pid,
            cookie: identity.cookie,
            user: identity.current_user,
            launched_at: job.launched_at,
            queue_size: job.queue_size,
            sql_preview: job.sql_preview,
            label: job.label,
            results: job.results,
            execution: job.execution,
            reading: Mutex::new(Some(Reading {
                receiver: job.receiver,
                error: None,
                tags: None,
                fetched_tags: 0,
                gone: Gone::None,
            })),
            worker: job.worker,
            segment: job.segment,
        }
    }

    /// The job's state. A job whose worker process is gone without an outcome counts as `error`, and so does an
    /// unknown state number.
    pub fn state(&self) -> State {
        let header = self.segment.header();
        let state = header.state().unwrap_or(State::Error);
        if state.is_final() || !self.is_gone() {
            return state;
        }
        // The worker may have published the outcome and gone after the first look.
        header.state().filter(|state| state.is_final()).unwrap_or(State::Error)
    }

    pub fn has_failed(&self) -> bool {
        matches!(self.state(), State::Error | State::Canceled)
    }

    /// Has the worker done with the job, or gone?
    ///
    /// A job that starts at a commit has not gone as long as no worker has had it, unless it was stopped before, or has
    /// ended without its segment: its dispatcher has another version of the library, say.
    fn is_gone(&self) -> bool {
        let header = self.segment.header();
        if header.identity.at_commit != 0 && header.worker_pid() == 0 {
            return header.is_final() || registry::known().is_some_and(|r| r.entry_of(self.cookie).is_some());
        }
        match (header.slot(), registry::known()) {
            (Some(slot), Some(registry)) => !registry.is_running(slot, self.cookie),
            _ => self.worker.as_ref().is_none_or(Handle::is_gone),
        }
    }

    /// The worker's pid; 0 if there is none yet.
    pub fn worker_pid(&self) -> i32 {
        self.segment.header().worker_pid()
    }

    /// Refuses to wait for a job that starts when the present transaction commits.
    pub fn check_committed(&self) -> Result<()> {
        if self.segment.header().identity.at_commit == 0 { Ok(()) } else { at_commit::check_committed(self.cookie) }
    }

    /// Is the worker gone without an outcome, or without ever having attached to the queue?
    pub fn is_lost(&self) -> bool {
        let header = self.segment.header();
        self.is_gone() && (!header.is_final() || header.worker_pid() == 0)
    }

    /// Microseconds, of a job that ran and ended.
    pub fn run_time(&self) -> Option<i64> {
        self.segment.header().run_time()
    }

    /// Microseconds since 2000-01-01; 0 before the first statement.
    pub fn started_at(&self) -> i64 {
        self.segment.header().started_at()
    }

    /// Microseconds since 2000-01-01; 0 before the end.
    pub fn finished_at(&self) -> i64 {
        self.segment.header().finished_at()
    }

    /// How many rows the last statement of a job that ended well returned or changed; 0 before.
    pub fn row_count(&self) -> i64 {
        self.segment.header().row_count()
    }

    /// Bytes of results that the worker has put into files so far.
    pub fn spooled(&self) -> i64 {
        i64::try_from(self.segment.header().spill.written()).unwrap_or(i64::MAX)
    }

    /// What the job has used; nothing is known before its end.
    pub fn used(&self) -> Usage {
        self.segment.header().used.get()
    }

    /// The command tag of the last statement of a job that ended well; empty before, and if it had no statement.
    pub fn command_tag(&self) -> Vec<u8> {
        let outcome = self.outcome();
        let tags = if self.state() == State::Stopped { tags::decode(&outcome).unwrap_or_default() } else { Vec::new() };
        tags.last().map_or_else(Vec::new, |tag| tag.to_vec())
    }

    /// The database that the job runs in.
    pub fn database(&self) -> u32 {
        self.segment.header().identity.database
    }

    /// The statement that runs, or was the last to run, counted from 1; 0 before the first.
    pub fn statement(&self) -> i32 {
        i32::try_from(self.segment.header().statement().0).unwrap_or(0)
    }

    /// The encoding of that database, in which all texts are that the job has sent. What the methods here return is in
    /// this session's; they are called in a transaction.
    pub fn encoding(&self) -> i32 {
        self.segment.header().identity.encoding
    }

    pub fn progress(&self) -> Result<Option<(i32, Vec<u8>)>> {
        let progress = self.segment.header().progress.get();
        progress.map(|(percent, message)| Ok((percent, encoding::readable(message, self.encoding())?))).transpose()
    }

    /// What the job's worker observes of it, readable here.
    pub fn automatic(&self) -> Result<Option<Figures>> {
        let Some(mut figures) = self.segment.header().automatic.get() else {
            return Ok(None);
        };
        figures.phase = encoding::readable(figures.phase, self.encoding())?;
        Ok(Some(figures))
    }

    /// The job's text, for an error's position in it.
    pub fn sql(&self) -> Result<Vec<u8>> {
        encoding::readable(self.segment.sql()?.to_bytes().to_vec(), self.encoding())
    }

    /// The outcome's text: the error of a job that failed, the tags of a job that ended well, as far as they fit, or
    /// its last tag if it returned rows.
    pub fn outcome(&self) -> Vec<u8> {
        self.segment.header().outcome()
    }

    /// The error of a job that has failed; `lost` if its worker process is gone without an outcome.
    pub fn error(&self) -> Result<Option<Report>> {
        if !self.has_failed() {
            return Ok(None);
        }
        let report = Report::decode(&self.outcome()).unwrap_or_else(|_| self.lost());
        self.readable(report).map(Some)
    }

    /// A message that the job has sent.
    pub fn readable(&self, mut report: Report) -> Result<Report> {
        encoding::make_readable(&mut report, self.encoding())?;
        Ok(report)
    }

    /// The error of a job whose worker process is gone without an outcome.
    pub fn lost(&self) -> Report {
        errors::lost_worker(if self.pid == 0 { self.worker_pid() } else { self.pid })
    }

    /// Takes what there is to read; `None` when it is being read already, or was lost.
    pub fn take_reading(&self) -> Option<Reading> {
        self.reading.lock().take()
    }

    pub fn put_back(&self, reading: Reading) {
        *self.reading.lock() = Some(reading);
    }

    /// Was it read, in whole or in part?
    pub fn is_consumed(&self) -> bool {
        self.reading.lock().is_none()
    }

    /// As one that is waited for.
    pub fn awaited(&self) -> AwaitedJob {
        AwaitedJob { pid: self.pid, cookie: self.cookie }
    }

    /// Says what this session does with the job, as long as the value lives. The job waits for a session that reads, or
    /// that waits and empties the queue; for any other it does not ([`crate::channel`]).
    pub fn attend(&self, attention: Attention) -> Attending<'_> {
        Attending::new(&self.segment, attention)
    }

    /// Waits until the job has ended, and keeps what it sends for a later read. False if the deadline passed first.
    /// The job's own error is not thrown here.
    pub fn wait(&self, awaited: Awaited, deadline: Option<Instant>) -> Result<bool> {
        let _waiting = self.attend(Attention::Waits);
        Ok(wait::on_latch(awaited, deadline, |time| self.look_for_end(time))?.is_some())
    }

    /// Looks whether the job has ended, and keeps what it has sent for a later read.
    ///
    /// A job has ended when its worker has left the queue, not when its outcome is published: only then can this
    /// session's next job get that worker.
    ///
    /// The queue must be emptied meanwhile. Suppose that the job returns more rows than the queue holds: its worker
    /// waits for room, and would never end while this session waits for the end. So frames go into the receiver's
    /// spool. What the worker has spilled before stays in its files, and more follows it there as long as some of that
    /// is unread.
    ///
    /// Suppose that the worker sends faster than frames can be put aside. A look may not go on as long as there are
    /// frames, for the deadline may pass, and a session that waits for several jobs has to look at the others. But a
    /// job that has ended must be found to have ended, and the end comes behind its last frames. So one look takes as
    /// much as the queue can have held when it began, and no more.
    pub fn look_for_end(&self, time: Time) -> Result<Look<()>> {
        self.check_committed()?;
        let queue_size = self.segment.header().queue.len as usize;
        let mut taken = 0;
        while taken < queue_size {
            let Some(mut reading) = self.take_reading() else {
                return Ok(if self.state().is_final() { Look::Found(()) } else { Look::Nothing });
            };
            // A frame that has left the queue and cannot be kept is lost, and the rest of the result with it: the
            // reading is not put back then.
            let received = reading.receiver.put_aside(Places::Queue)?;
            self.put_back(reading);
            match received {
                Received::Frame(bytes) => taken += bytes,
                Received::End if !self.state().is_final() => return Err(PgError::of(self.lost())),
                Received::End => return Ok(Look::Found(())),
                Received::Nothing if self.is_lost() => return Ok(Look::Found(())),
                Received::Nothing => break,
            }
            latch::check_for_interrupts()?;
        }
        // Serving interrupts may have reset the latch, which another job may have set since it was looked at.
        Ok(if taken == 0 || time == Time::Over { Look::Nothing } else { Look::More })
    }

    /// Asks the job to stop. False, and nothing is done, if the job has ended.
    ///
    /// The request is in two places: in the segment's header, which is there without a registry, too, and in the
    /// job's slot. Suppose that the job ends while this function runs, and that its worker takes a job of another
    /// session: the registry finds another cookie in the slot, and sends no signal. Without a registry a process runs
    /// one job only.
    pub fn stop(&self, stop: Stop) -> Result<bool> {
        let header = self.segment.header();
        header.request_stop(stop);
        if header.is_final() || self.is_gone() {
            return Ok(false);
        }
        if header.identity.at_commit != 0 {
            return self.stop_at_commit(stop);
        }
        match (header.slot(), registry::known()) {
            _ if stop != Stop::Now => Ok(true),
            (Some(slot), Some(registry)) => registry.shared(|r| r.stop(slot, self.cookie, stop)),
            _ => {
                signals::interrupt(self.pid);
                Ok(true)
            }
        }
    }

    /// The same for a job that starts at a commit. Suppose that the dispatcher is about to give it to a worker: whether
    /// it has looked for the request before that or not, the worker finds it in the header.
    fn stop_at_commit(&self, stop: Stop) -> Result<bool> {
        let Some(registry) = registry::known() else {
            return Ok(false);
        };
        if !at_commit::ask_to_stop(self.cookie) {
            registry.stop_pending(self.cookie)?;
            if let Some((slot, ..)) = registry.find(self.cookie)? {
                registry.shared(|r| r.stop(slot, self.cookie, stop))?;
            }
        }
        Ok(true)
    }

    /// What this session or another one has asked of the job.
    pub fn asked_to_stop(&self) -> Stop {
        let header = self.segment.header();
        let others = header.slot().zip(registry::known());
        let others = others.map_or(Stop::No, |(slot, registry)| registry.asked_to_stop(slot, self.cookie));
        header.stop().max(others)
    }

    /// Has the caller the privileges of the role that launched the job?
    pub fn is_callers(&self) -> Result<bool> {
        Ok(self.user == identity::current_user() || identity::has_privileges_of(self.user)?)
    }

    /// Refuses callers that have not.
    pub fn check_rights(&self) -> Result<()> {
        if self.is_callers()? { Ok(()) } else { Err(errors::permission_denied(self.pid)) }
    }
}
