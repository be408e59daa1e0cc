//! The launch of one job by the dispatcher: from the slot to the worker that has the job for sure.

use super::ends::canceled;
use super::{Dispatcher, LOOK_AGAIN, Launched, MAX_STARTS, Shortage, WORKER_CHECK, is_shortage, is_stop};
use crate::errors;
use crate::launcher::launch::admission::{self, WayIn};
use crate::launcher::launch::{Launch, cold};
use crate::pg::bgworker::Handle;
use crate::pg::dsm::{self, Segment};
use crate::pg::error::{self, PgError, Result, level, with_names};
use crate::pg::latch::{self, Event};
use crate::pg::mq;
use crate::point;
use crate::registry::{Claim, LaunchEvent, NewJob, PendingNode, Queue};
use logic::job::state::Stop;
use logic::segment::header::Reply;
use logic::sqlstate;
use logic::wire::pending::PendingJob;
use logic::wire::report::Report;
use std::sync::Arc;
use std::time::Instant;

impl Dispatcher {
    /// Finds a worker for the job, which has that slot and perhaps a claim on a warm worker.
    pub(super) fn launch(
        &mut self,
        pending: PendingNode,
        job: &PendingJob,
        new: &NewJob,
        slot: u32,
        claim: Option<Claim>,
    ) -> Result<Launched> {
        point::reach("dispatch-admitted")?;
        // Who asks the job to stop flags it, and then looks for a slot of it. So the flag is looked at when the slot is
        // there: a request that has found no slot is found here, and any later one is in the slot.
        if pending.is_asked_to_stop() {
            let canceled = self.fail(canceled())?;
            if matches!(canceled, Launched::Yes) {
                // It has a worker, which the request may not have found.
                self.registry.shared(|r| r.stop(slot, job.cookie, Stop::Now))?;
            }
            return Ok(canceled);
        }
        let segment = match segment_of(job) {
            Ok(Some(segment)) => segment,
            Ok(None) => return self.fail(errors::process_not_started().report()),
            Err(error) if is_stop(&error) => return Err(error),
            Err(error) if is_shortage(&error) => {
                if self.release()?.is_some() {
                    return Ok(Launched::Yes);
                }
                if job.handle == 0 {
                    let from = self.shortage.map_or(usize::MAX, |shortage| shortage.from).min(job.image.len());
                    self.shortage = Some(Shortage { from, until: Instant::now() + LOOK_AGAIN });
                }
                self.tell_of_shortage(job, &error)?;
                return Ok(Launched::WithoutSegment);
            }
            Err(error) => return self.fail(error.report()),
        };
        let launch = Launch { registry: self.registry, segment: &segment, new, slot, claim: None, receiver: None };
        // A process may take the job from the moment that the job has its slot: one that the last dispatcher had
        // registered. It takes the job under the lock, too, and then shows itself in the header.
        let is_taken = self.registry.exclusive(|r| {
            let is_taken = r.is_taken(slot);
            if !is_taken {
                segment.header().prepare_offer(Some(slot), Reply::Awaited);
            }
            is_taken
        })?;
        let way_in = match claim {
            _ if is_taken => None,
            Some(claim) => Some(WayIn::Worker(claim)),
            None => self.way_in(&pending, &launch)?,
        };
        let is_launched = match way_in {
            None => false,
            Some(WayIn::Worker(claim)) => self.offer(&segment, job, slot, &claim)?,
            Some(WayIn::Process(worker)) => self.await_process(job, &worker)?,
        };
        drop(segment);
        // If no worker has it, what was done for it is given up.
        if is_launched || self.release()?.is_some() {
            return Ok(Launched::Yes);
        }
        Ok(if pending.is_asked_to_stop() {
            Launched::Ends(Box::new(canceled()))
        } else if self.starts.0 == job.cookie && self.starts.1 >= MAX_STARTS {
            Launched::Ends(Box::new(errors::process_not_started().report()))
        } else {
            Launched::No
        })
    }

    /// Says in the log why the job does not start, once.
    fn tell_of_shortage(&mut self, job: &PendingJob, error: &PgError) -> Result<()> {
        if self.told.contains(&job.cookie) {
            return Ok(());
        }
        self.told.push(job.cookie);
        let (report, cookie) = (error.report(), job.cookie);
        let message = format!("background job with cookie {cookie} waits for a segment of shared memory: {{}}");
        error::raise(&Report::new(level::LOG, report.sqlstate, with_names(&message, &[report.message()])))
    }

    /// A new process, or a claim on a warm worker that has become idle; `None` if the job was asked to stop, if too
    /// many launches wait, or if a process that the last dispatcher had registered has taken the job.
    fn way_in(&mut self, pending: &PendingNode, launch: &Launch) -> Result<Option<WayIn>> {
        let (registry, new) = (launch.registry, launch.new);
        if admission::is_next_for_process(registry, None)? {
            if let Some(worker) = cold::register(launch.segment)? {
                return Ok(Some(WayIn::Process(worker)));
            }
        }
        // jobs that wait for their turn would keep others out meanwhile, and could not take it
        self.give_up_turns(|_| true)?;
        let Some(ticket) = registry.exclusive(|r| {
            let ticket = r.join(new, Queue::ForProcess);
            if ticket.is_some() {
                r.count_launch(new.database, new.role, LaunchEvent::Waits);
            }
            ticket
        })?
        else {
            latch::wait(Event::Launch, Some(Instant::now() + WORKER_CHECK))?;
            return Ok(None);
        };
        let found = loop {
            let mut is_over = false;
            let look = || {
                is_over = self.look_while_waiting(pending, launch)?;
                Ok(is_over)
            };
            match launch.wait_in_queue(ticket, Instant::now() + LOOK_AGAIN, look) {
                Ok(None) if !is_over => {}
                Ok(found) => break found,
                // The door was closed: the job waits until it is open.
                Err(error) if error.own_sqlstate() == Some(sqlstate::CONFIGURATION_LIMIT_EXCEEDED) => break None,
                Err(error) => return Err(error),
            }
        };
        registry.exclusive(|r| r.quit(ticket))?;
        Ok(found)
    }

    /// While the job in flight waits for a process: takes note of jobs that were queued, and ends those that were asked
    /// to stop. True if the wait is over: the job was asked to stop, or has got a worker all the same.
    ///
    /// The wait goes on otherwise, and does not begin anew: it would dismiss another idle worker each time, while the
    /// first one is still leaving.
    fn look_while_waiting(&mut self, pending: &PendingNode, launch: &Launch) -> Result<bool> {
        self.read_list()?;
        self.end_stopped(pending)?;
        self.free_removed();
        if pending.is_asked_to_stop() || self.registry.is_in_flight_done() {
            return Ok(true);
        }
        let is_over = launch.segment.header().stop() == Stop::Now;
        if is_over {
            // the flag, by which it ends, comes behind this
            latch::wait(Event::Launch, Some(Instant::now() + WORKER_CHECK))?;
        }
        Ok(is_over)
    }

    /// Offers the job to the claimed worker, and waits until that has accepted it; tells whether it has.
    ///
    /// The worker may refuse the job, whatever the claim promises. The segment of a session is pinned already; one that
    /// was made here is new, and pinned for the way.
    fn offer(&self, segment: &Arc<Segment>, job: &PendingJob, slot: u32, claim: &Claim) -> Result<bool> {
        let claim = Claim { is_sure: false, is_mapped: job.handle != 0, ..*claim };
        if !claim.is_mapped {
            segment.pin()?;
        }
        let handle = segment.handle();
        let is_there = self.registry.exclusive(|r| r.offer(&claim, slot, job.cookie, handle))?;
        if !is_there {
            if !claim.is_mapped {
                dsm::unpin(handle)?;
            }
            return Ok(false);
        }
        point::reach("dispatch-offered")?;
        self.await_done(|| self.registry.shared(|r| !r.is_on_its_way(&claim, slot, job.cookie)))
    }

    /// Waits until the new process has taken the job; tells whether it has.
    fn await_process(&mut self, job: &PendingJob, worker: &Handle) -> Result<bool> {
        point::reach("dispatch-registered")?;
        let is_launched = self.await_done(|| Ok(worker.is_gone()))?;
        if !is_launched {
            let before = if self.starts.0 == job.cookie { self.starts.1 } else { 0 };
            self.starts = (job.cookie, before + 1);
        }
        Ok(is_launched)
    }

    /// Waits until the job in flight is done, or until `is_lost`; tells whether it is done.
    fn await_done(&self, is_lost: impl Fn() -> Result<bool>) -> Result<bool> {
        loop {
            let is_lost = is_lost()?;
            // Looked at last: the worker may have taken the job, worked and gone before the first look.
            if self.registry.is_in_flight_done() {
                return Ok(true);
            }
            if is_lost {
                return Ok(false);
            }
            latch::wait(Event::Launch, Some(Instant::now() + WORKER_CHECK))?;
        }
    }
}

/// The job's segment: made now, or by the session that reads the job. `None` if that is gone.
fn segment_of(job: &PendingJob) -> Result<Option<Arc<Segment>>> {
    if job.handle != 0 {
        return Segment::attach(job.handle);
    }
    point::reach("dispatch-segment")?;
    let made = Segment::create_from_image(job.image, mq::create)?;
    made.map(Some)
        .ok_or_else(|| PgError::new(sqlstate::INSUFFICIENT_RESOURCES, "too many dynamic shared memory segments"))
}
