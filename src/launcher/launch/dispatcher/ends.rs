//! Ends of jobs that have never had a worker.

use super::{Dispatcher, Launched, is_shortage, is_stop, new_job};
use crate::errors;
use crate::pg::dsm::Segment;
use crate::pg::error::{Result, level};
use crate::pg::{identity, procs};
use crate::registry::{self, End, PendingNode};
use logic::job::state::State;
use logic::job::usage::Usage;
use logic::sqlstate;
use logic::wire::pending::PendingJob;
use logic::wire::report::Report;

impl Dispatcher {
    /// Ends the jobs that were asked to stop, but for that one. While it waits for a process: it keeps its place.
    pub(super) fn end_stopped(&mut self, but: &PendingNode) -> Result<()> {
        let mut index = 0;
        while let Some(&pending) = self.line.get(index) {
            if pending.address != but.address && pending.is_asked_to_stop() && !self.is_held_off(&pending) {
                if self.end(index, &pending.job()?, &canceled())? {
                    continue;
                }
                self.hold_off(&pending);
            }
            index += 1;
        }
        Ok(())
    }

    /// The job cannot be started, unless it is done.
    pub(super) fn fail(&self, report: Report) -> Result<Launched> {
        Ok(if self.release()?.is_some() { Launched::Yes } else { Launched::Ends(Box::new(report)) })
    }

    /// Ends the job with that number, which has never had a worker: in its segment, if it has one, and in the registry;
    /// and takes it out of the list. All of that is one step, so that the next dispatcher does not end it again, or
    /// launch it, wherever this one ends. False: its segment cannot be had now, and it has not ended.
    pub(super) fn end(&mut self, index: usize, job: &PendingJob, report: &Report) -> Result<bool> {
        let now = identity::now();
        let state = if report.sqlstate == sqlstate::QUERY_CANCELED { State::Canceled } else { State::Error };
        let attached = if job.handle == 0 { Ok(None) } else { Segment::attach(job.handle) };
        let segment = match attached {
            Ok(segment) => segment,
            Err(error) if is_shortage(&error) => return Ok(false),
            Err(error) if is_stop(&error) => return Err(error),
            // a segment of another version of the library, say: its session reads of the end in the registry
            Err(_) => None,
        };
        let new = new_job(job);
        let end = End {
            state,
            sqlstate: report.sqlstate,
            message: report.message(),
            started_at: 0,
            finished_at: now,
            timed_out: false,
            used: Usage::default(),
        };
        if registry::logs_end(&end) {
            // without a line the job ends all the same
            let _ = registry::log_end(job.cookie, job.label, job.query, &end);
        }
        let mut body = Vec::new();
        report.encode(&mut body);
        let removed = self.remove_and(index, |r| {
            if let Some(segment) = &segment {
                segment.header().finish(state, now, &body);
            }
            r.end_pending(&new, &end);
        });
        procs::wake(job.session_proc);
        removed.map(|()| true)
    }
}

/// The error of a job that was asked to stop before it had a worker.
pub(super) fn canceled() -> Report {
    let mut report = errors::canceled().report();
    report.level = level::ERROR;
    report
}
