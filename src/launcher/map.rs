//! Many statements, a job for each, so many at a time.

use crate::errors;
use crate::launcher::job::await_any;
use crate::launcher::job::outcome::Outcome;
use crate::launcher::job::{Target, tracker};
use crate::launcher::launch::Options;
use crate::launcher::synchronous::{self, SynchronousJob};
use crate::pg::error::{PgError, Result};
use crate::pg::latch;
use logic::job::released::Release;
use logic::job::state::{State, Stop};
use logic::sqlstate;
use std::sync::Arc;

/// What is done once a statement has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterFailure {
    /// The others run as if nothing had happened.
    GoOn,
    /// Those that run are canceled, those that have not been started are not started.
    Stop,
}

/// How one statement has ended.
pub struct End {
    pub state: State,
    pub command_tag: Option<Vec<u8>>,
    pub row_count: Option<i64>,
    /// SQLSTATE and message.
    pub error: Option<(i32, Vec<u8>)>,
    /// Microseconds, of a statement that ran.
    pub run_time: Option<i64>,
}

impl End {
    fn of(job: &SynchronousJob) -> Result<Self> {
        let outcome = Outcome::of_own(job)?;
        let has_run = outcome.started_at > 0 && outcome.finished_at > 0;
        Ok(Self {
            state: outcome.state,
            command_tag: outcome.command_tag,
            row_count: outcome.row_count,
            error: outcome.error.map(|error| (error.sqlstate, error.message().to_vec())),
            run_time: has_run.then(|| outcome.finished_at - outcome.started_at),
        })
    }

    /// Of a statement for which no worker could be had.
    fn without_worker(error: &PgError) -> Self {
        let report = error.report();
        Self { error: Some((report.sqlstate, report.message().to_vec())), ..Self::unstarted(State::Error) }
    }

    /// Of a statement that was not started, as statement `failed` has failed, counted from 0.
    fn not_started(failed: usize) -> Self {
        let message = format!("not started because statement {} failed", failed + 1);
        Self { error: Some((sqlstate::QUERY_CANCELED, message.into_bytes())), ..Self::unstarted(State::Canceled) }
    }

    fn unstarted(state: State) -> Self {
        Self { state, command_tag: None, row_count: None, error: None, run_time: None }
    }
}

/// Runs each statement as a job, at most `parallel` of them at a time, and returns when all have ended: how, in the
/// order of the statements. An error ends the jobs that run; statements that have committed stay committed.
///
/// Suppose that a limit or the want of a process refuses a launch. While other jobs of this call run, their end may
/// make room, so one of them is awaited, and the launch is tried again. If none runs, there is no end to await. That is
/// an error where nothing has been started yet. Otherwise the caller must still hear of what has run: so it is the
/// failure of this statement, and no further one is started.
pub fn map(statements: &[&[u8]], options: &Options, parallel: usize, after_failure: AfterFailure) -> Result<Vec<End>> {
    let mut ends: Vec<Option<End>> = statements.iter().map(|_| None).collect();
    let mut running: Vec<(usize, SynchronousJob)> = Vec::new();
    let mut started = 0;
    let mut failed = None;
    loop {
        // Where one has always ended already, nothing waits.
        latch::check_for_interrupts()?;
        while failed.is_none() && started < statements.len() && running.len() < parallel {
            match synchronous::start_job(statements[started], options) {
                Ok(job) => running.push((started, job)),
                Err(error) if errors::is_exhaustion(&error) && !running.is_empty() => break,
                Err(error) if errors::is_exhaustion(&error) && started > 0 => {
                    ends[started] = Some(End::without_worker(&error));
                    failed = Some(started);
                }
                Err(error) => return Err(error),
            }
            started += 1;
        }
        if running.is_empty() {
            break;
        }
        let (n, job) = take_ended(&mut running)?;
        let end = End::of(&job)?;
        tracker::release(&job, Release::Read);
        if end.state != State::Stopped && after_failure == AfterFailure::Stop && failed.is_none() {
            failed = Some(n);
            running.iter().try_for_each(|(_, job)| job.stop(Stop::Now).map(drop))?;
        }
        ends[n] = Some(end);
    }
    let unstarted = |end: Option<End>| end.unwrap_or_else(|| End::not_started(failed.unwrap_or(0)));
    Ok(ends.into_iter().map(unstarted).collect())
}

/// Waits until one of the jobs has ended, and takes it out.
fn take_ended(running: &mut Vec<(usize, SynchronousJob)>) -> Result<(usize, SynchronousJob)> {
    let targets: Vec<Target> = running.iter().map(|(_, job)| Target::Own(Arc::clone(job))).collect();
    // `None` only where there is a deadline, or no job.
    let ended = await_any::any(&targets, None)?.unwrap_or(0);
    Ok(running.swap_remove(ended))
}
