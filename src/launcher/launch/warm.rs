//! A warm start: the job is offered to an idle worker, which the registry has claimed for it.
//!
//! - *Claimed*: no other launch gets the worker. It stays asleep, or goes on to reset its session.
//! - *Offered*: the worker's slot in the registry names the segment. The worker is woken and maps the segment.
//! - *Taken*: the worker has put its pid into the job's slot. It now makes its session the launcher's.
//! - *Accepted*, or *refused*: the session is the launcher's, and the worker runs the job; or it cannot become the
//!   launcher's, the worker ends, and the launch looks for another one.
//!
//! A claim is *sure* if the worker is idle, has this session's settings already, and has the segment mapped: nothing
//! can fail on the way from the offer to the job. Then no reply is awaited, and the launch returns while the worker
//! wakes up. Such an offer is made together with the claim (`admission`).
//!
//! A worker that is not idle yet may have *promised* to be. Suppose that a session runs one job after the other. When
//! it launches the second, the worker of the first has left the queue, but resets its session still, and a launch
//! that had to wait for that would lose what a sure claim saves. So a worker whose reset cannot fail says at the end
//! of its job which settings it will have, and a claim on it is as sure as on an idle one: it finds the offer when it
//! is ready.

use super::{Launch, StartedJob};
use crate::channel::Receiver;
use crate::launcher::wait::{self, Awaited, Look};
use crate::pg::dsm;
use crate::pg::error::Result;
use crate::pg::mq::{self, Queue};
use crate::registry::{self, Claim};
use logic::segment::header::Reply;
use parking_lot::Mutex;

/// The claim on the worker that had this session's last job: most often it gets the next one, too.
static LAST_CLAIM: Mutex<Option<Claim>> = Mutex::new(None);

/// Wakes the worker that will probably get the job: a processor core that sleeps takes longer to wake than a launch
/// takes to get to its offer.
pub fn wake_last_worker() {
    if let Some(claim) = &*LAST_CLAIM.lock() {
        registry::wake_early(claim);
    }
}

/// The slot of that worker, unless it has gone.
pub fn likely() -> Option<u32> {
    LAST_CLAIM.lock().map(|claim| claim.index)
}

/// The job of a worker that was claimed, and that has it for sure.
pub fn started(receiver: Receiver, claim: &Claim) -> StartedJob {
    *LAST_CLAIM.lock() = Some(*claim);
    StartedJob { receiver, worker: None, pid: claim.pid }
}

impl Launch<'_> {
    /// Gives the job to the claimed worker. `None` if that has ended, or refuses the job: the queue is made anew
    /// then, for another worker.
    pub(super) fn start_warm(&mut self, claim: &Claim) -> Result<Option<StartedJob>> {
        let offered = match self.offer(claim) {
            Ok(offered) => offered,
            Err(error) => {
                self.registry.exclusive(|r| r.withdraw(claim, self.new.cookie))?;
                return Err(error);
            }
        };
        let is_taken = match offered.reply {
            _ if !offered.is_there => false,
            Reply::NotAwaited => true,
            Reply::Awaited => self.is_accepted(claim)?,
        };
        if !is_taken {
            drop(offered.receiver);
            mq::renew(self.segment)?;
            return Ok(None);
        }
        Ok(Some(started(offered.receiver, claim)))
    }

    /// Offers the job to the claimed worker and wakes it.
    ///
    /// All that can fail here, for want of memory, comes before the offer: then the claim can be withdrawn. From the
    /// offer on, the worker may have the job.
    ///
    /// A worker that has not mapped the segment may come to it late. Suppose that it takes the job after this session
    /// has ended, whose mapping was the only one: without more, the segment would be gone. So it is pinned here, and
    /// the worker takes the pin back once it has mapped the segment, or when it ends before. Should it have ended
    /// before the offer, the pin is taken back here.
    fn offer(&mut self, claim: &Claim) -> Result<Offer> {
        let reply = if claim.is_sure { Reply::NotAwaited } else { Reply::Awaited };
        self.segment.header().prepare_offer(Some(self.slot), reply);
        mq::appoint_writer(self.segment, claim.proc);
        let receiver = match self.receiver.take() {
            Some(receiver) => receiver,
            None => Receiver::new(Queue::reader(self.segment, None)?),
        };
        if !claim.is_mapped {
            self.segment.pin()?;
        }
        let handle = self.segment.handle();
        let is_there = self.registry.exclusive(|r| r.offer(claim, self.slot, self.new.cookie, handle))?;
        if !is_there && !claim.is_mapped {
            dsm::unpin(handle)?;
        }
        Ok(Offer { receiver, reply, is_there })
    }

    /// Waits until the worker has accepted the job. False if it refuses it, or has ended.
    ///
    /// The worker replies in the segment's header. Suppose that it accepts the job, works and is gone between the
    /// look at the header and the look at the registry: the registry does not know it any more, but the header has
    /// its reply. So that is looked at again before the job is given to another worker, which would run it twice.
    ///
    /// Suppose that the wait is cancelled: the worker may have the job by then, or take it later. `Launch::start` gives
    /// the job up: a job that is taken is asked to stop; otherwise its slot is freed, and the worker that comes to take
    /// the job finds it gone.
    fn is_accepted(&self, claim: &Claim) -> Result<bool> {
        let header = self.segment.header();
        let has_job = || header.is_accepted() || header.is_final();
        let accepted = wait::on_latch(Awaited::Reply(claim.pid), None, |_| {
            if has_job() {
                Ok(Look::Found(true))
            } else if self.registry.shared(|r| r.is_on_its_way(claim, self.slot, self.new.cookie))? {
                Ok(Look::Nothing)
            } else {
                Ok(Look::Found(has_job()))
            }
        })?;
        Ok(accepted == Some(true))
    }
}

/// What has been offered.
struct Offer {
    receiver: Receiver,
    reply: Reply,
    /// False if the worker had ended before.
    is_there: bool,
}
