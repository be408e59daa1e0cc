//! One job, as its launcher knows it.

use crate::channel::{Receiver, Step};
use crate::errors;
use crate::pg::bgworker::Handle;
use crate::pg::dsm::Segment;
use crate::pg::error::{PgError, Result};
use crate::pg::latch::{self, Event};
use crate::pg::memory::Execution;
use crate::pg::{bgworker, identity};
use crate::registry;
use logic::job::state::{State, Stop};
use logic::wire::columns::Column;
use logic::wire::report::Report;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Instant;

/// What a read has found so far; kept with the job, so that a read that fails early loses nothing.
pub struct Reading {
    pub receiver: Receiver,
    /// The columns, once they have come.
    pub columns: Option<Vec<Column>>,
    /// The whole error, when it was too long for the outcome.
    pub error: Option<Report>,
    /// The tags, when they were too long for the outcome.
    pub tags: Option<Vec<Vec<u8>>>,
    /// A row has been given away: nobody can read them all any more.
    pub begun: bool,
}

pub struct Job {
    pub pid: i32,
    pub cookie: i64,
    /// The role that launched it.
    pub user: u32,
    /// Microseconds since 2000-01-01.
    pub launched_at: i64,
    /// Bytes, as asked for.
    pub queue_size: i32,
    pub sql_preview: Vec<u8>,
    /// Launched, not submitted.
    pub has_results: bool,
    /// Where it was launched, if it is known by its pid alone.
    pub execution: Option<Execution>,
    segment: Arc<Segment>,
    /// `None` while somebody up the stack reads, and when rows were lost.
    reading: Mutex<Option<Reading>>,
    /// Of a process that was started for this job.
    worker: Option<Handle>,
}

impl Job {
    #[allow(clippy::too_many_arguments)] // one caller, which has just these
    pub fn new(
        segment: Arc<Segment>,
        receiver: Receiver,
        worker: Option<Handle>,
        pid: i32,
        launched_at: i64,
        queue_size: i32,
        sql_preview: Vec<u8>,
        has_results: bool,
        execution: Option<Execution>,
    ) -> Self {
        let identity = &segment.header().identity;
        Self {
            pid,
            cookie: identity.cookie,
            user: identity.current_user,
            launched_at,
            queue_size,
            sql_preview,
            has_results,
            execution,
            segment,
            reading: Mutex::new(Some(Reading { receiver, columns: None, error: None, tags: None, begun: false })),
            worker,
        }
    }

    /// A worker that is gone without a last word has failed, and so has one that writes what no version of the library does.
    pub fn state(&self) -> State {
        let header = self.segment.header();
        let state = header.state().unwrap_or(State::Error);
        if state.is_final() || !self.is_gone() {
            return state;
        }
        // it may have spoken and gone in between
        header.state().filter(|state| state.is_final()).unwrap_or(State::Error)
    }

    /// Has the worker nothing to do with the job any more?
    fn is_gone(&self) -> bool {
        match (self.segment.header().slot(), registry::known()) {
            (Some(slot), Some(registry)) => !registry.is_running(slot, self.cookie),
            _ => self.worker.as_ref().is_none_or(Handle::is_gone),
        }
    }

    /// Is it gone without a last word, or without ever having come to the queue?
    pub fn is_lost(&self) -> bool {
        let header = self.segment.header();
        self.is_gone() && (!header.is_final() || header.worker_pid() == 0)
    }

    /// Microseconds, of a job that ran and ended.
    pub fn run_time(&self) -> Option<i64> {
        self.segment.header().run_time()
    }

    /// Microseconds since 2000-01-01; 0 before.
    pub fn started_at(&self) -> i64 {
        self.segment.header().started_at()
    }

    /// Likewise.
    pub fn finished_at(&self) -> i64 {
        self.segment.header().finished_at()
    }

    pub fn progress(&self) -> Option<(i32, Vec<u8>)> {
        self.segment.header().progress.get()
    }

    /// The job's text, for an error's position in it.
    pub fn sql(&self) -> Result<&std::ffi::CStr> {
        self.segment.sql()
    }

    /// The outcome's text: the error of a job that failed, the tags of one that ended well.
    pub fn outcome(&self) -> Vec<u8> {
        self.segment.header().outcome()
    }

    /// The error of a job that failed; a process that died without a word is one.
    pub fn error(&self) -> Option<Report> {
        match self.state() {
            State::Error | State::Canceled => {}
            State::Starting | State::Running | State::Stopped => return None,
        }
        Some(Report::decode(&self.outcome()).unwrap_or_else(|_| self.lost()))
    }

    pub fn lost(&self) -> Report {
        errors::lost_worker(self.pid)
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

    /// Waits for the job's end, keeping what it sends for later. False when the deadline passed first. An error of the job
    /// is none of the wait's.
    ///
    /// A job that sends faster than this goes through never lets it sleep. So there is a look at interrupts and at the clock after
    /// each frame; and once the deadline has passed, what was in the queue by then is taken out, and no more.
    pub fn wait(&self, deadline: Option<Instant>) -> Result<bool> {
        let queue_size = self.segment.header().queue.len as usize;
        let mut too_late = 0;
        loop {
            let mut step = Step::Nothing;
            let passed = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            match self.take_reading() {
                // Not before the worker has left the queue: it is ready for another job then.
                Some(mut reading) => {
                    let mut bytes = 0;
                    // What was taken from the queue and could not be kept is lost, and the rest with it: no put_back then.
                    step = reading.receiver.put_aside(&mut bytes)?;
                    self.put_back(reading);
                    if step == Step::End && !self.state().is_final() {
                        return Err(PgError::of(self.lost()));
                    }
                    if step == Step::End || step == Step::Nothing && self.is_lost() {
                        return Ok(true);
                    }
                    if passed {
                        too_late += bytes;
                    }
                }
                None if self.state().is_final() => return Ok(true),
                None => {}
            }
            if step == Step::Frame && too_late < queue_size {
                latch::check_for_interrupts()?;
            } else if passed {
                return Ok(false);
            } else {
                registry::wait(Event::Job, deadline)?;
            }
        }
    }

    /// Asks the job to stop; does nothing to one that has ended.
    pub fn stop(&self, stop: Stop) -> Result<()> {
        let header = self.segment.header();
        header.request_stop(stop);
        if stop != Stop::Now || header.is_final() {
            return Ok(());
        }
        match (header.slot(), registry::known()) {
            (Some(slot), Some(registry)) => registry.shared(|r| r.stop(slot, self.cookie, stop))?,
            _ if !self.is_gone() => bgworker::interrupt(self.pid),
            _ => {}
        }
        Ok(())
    }

    /// What this session or another one has asked of it.
    pub fn asked_to_stop(&self) -> Stop {
        let header = self.segment.header();
        let elsewhere = header.slot().zip(registry::known());
        let elsewhere = elsewhere.map_or(Stop::No, |(slot, registry)| registry.asked_to_stop(slot, self.cookie));
        header.stop().max(elsewhere)
    }

    /// Has the caller the privileges of the role that launched the job?
    pub fn is_callers(&self) -> Result<bool> {
        Ok(self.user == identity::current_user() || identity::has_privileges_of(self.user)?)
    }

    /// Refuses callers who have not.
    pub fn check_rights(&self) -> Result<()> {
        if self.is_callers()? {
            return Ok(());
        }
        Err(errors::permission_denied(self.pid))
    }
}
