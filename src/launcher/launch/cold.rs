//! A cold start: a new process for the job.

use super::StartedJob;
use crate::channel::Receiver;
use crate::errors;
use crate::launcher::wait::{self, Awaited, Look};
use crate::pg::bgworker::Handle;
use crate::pg::dsm::Segment;
use crate::pg::error::Result;
use crate::pg::identity;
use crate::pg::mq::Queue;
use crate::point;
use crate::registry;
use logic::job::state::Stop;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The C name of the worker's main function.
const MAIN: &[u8] = b"pg_background_worker_main";
/// A launch waits at least so long for a process slot: the postmaster frees the slot of a worker that has exited some
/// time later.
pub const SLOT_WAIT: Duration = Duration::from_secs(1);

/// Asks the postmaster for a process that takes the job in the segment. `None`: no slot of `max_worker_processes` is
/// free. If jobs of a commit wait for a dispatcher, that has the first slot: launches that wait here would have each.
pub fn register(segment: &Segment) -> Result<Option<Handle>> {
    registry::ensure_dispatcher()?;
    let name = format!("pg_background for PID {}", identity::process_id());
    Handle::register(name.as_bytes(), MAIN, segment.handle())
}

/// The same without a registry, and so without a queue of launches: waits a second for a free slot.
pub fn register_alone(segment: &Segment) -> Result<Handle> {
    let give_up = Instant::now() + SLOT_WAIT;
    let look = || Ok(register(segment)?.map_or(Look::Nothing, Look::Found));
    let wait = |until| wait::on_latch(Awaited::ProcessSlot, Some(until), |_| look());
    wait::in_pauses(give_up, wait, |_| Ok(()))?.ok_or_else(errors::no_process_slot)
}

/// Waits until the process has the job. `receiver`: this session's end of the queue, if it is attached already.
///
/// Suppose that the wait is cancelled: the caller will never hear of the job, which is asked to stop. The process
/// itself is terminated only where it runs no other jobs. With a registry it might run a job of another session by
/// the time that the postmaster has passed the signal on; there `give_up` sees to the job.
///
/// Suppose that the process is quick, and has attached, worked and gone before this session looks: the queue has no
/// writer any more, and the wait ends as it does for a process that never came. The pid in the header tells the two
/// apart.
pub fn start(segment: &Arc<Segment>, receiver: Option<Receiver>, worker: Handle) -> Result<StartedJob> {
    let header = segment.header();
    let receiver = attach(segment, receiver, &worker).inspect_err(|_| {
        header.request_stop(Stop::Now);
        point::reach("cold-failed").ok();
        if header.slot().is_none() {
            worker.terminate();
        }
    })?;
    match header.worker_pid() {
        0 => Err(errors::process_not_started()),
        pid => Ok(StartedJob { receiver, worker: Some(worker), pid }),
    }
}

fn attach(segment: &Arc<Segment>, receiver: Option<Receiver>, worker: &Handle) -> Result<Receiver> {
    let receiver = match receiver {
        Some(mut receiver) => {
            receiver.expect(worker);
            receiver
        }
        None => Receiver::new(Queue::reader(segment, Some(worker))?),
    };
    point::reach("cold-wait")?;
    wait::for_process(&receiver)?;
    Ok(receiver)
}
