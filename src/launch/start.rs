//! From a text to a running job.

use super::segment;
use crate::channel::Receiver;
use crate::job::{Job, tracker};
use crate::model::header::Identity;
use crate::model::sqlstate;
use crate::pg::dsm::Segment;
use crate::pg::error::{PgError, Result};
use crate::pg::mq::{self, Queue};
use crate::pg::worker::Handle;
use crate::pg::{identity, latch, text};
use crate::settings;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The C name of the worker's main function.
const MAIN: &[u8] = b"pg_background_worker_main";
/// How long a launch waits for a slot whose worker has exited.
const SLOT_WAIT: Duration = Duration::from_secs(1);
/// Bytes of the text that the list shows.
const PREVIEW: usize = 120;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Rows and messages are kept for the launcher.
    Launch,
    /// Rows and messages are thrown away: the job never waits for anybody.
    Submit,
}

/// Starts `sql` in a worker. `queue_size` in bytes; 0 and below stand for the setting. When this returns, the worker has the
/// job, whatever becomes of this session.
pub fn launch(sql: &[u8], queue_size: i32, kind: Kind) -> Result<Arc<Job>> {
    let queue_size = checked_queue_size(queue_size)?;
    // as the server refuses temporary tables, prepared statements and cursors WITH HOLD there: a job outlives the operation
    if identity::is_restricted() {
        return Err(PgError::new(
            sqlstate::INSUFFICIENT_PRIVILEGE,
            "cannot launch a background job within security-restricted operation",
        ));
    }
    tracker::check_limit()?;
    let identity = Identity {
        cookie: new_cookie()?,
        worker_timeout: settings::worker_timeout(),
        wants_results: u32::from(kind == Kind::Launch),
        ..identity::capture()
    };
    let ring = match kind {
        Kind::Launch => queue_size as usize,
        Kind::Submit => mq::minimum_size(),
    };
    let segment = segment::create(identity, sql, ring)?;
    let launched_at = identity::now();
    let worker = register(&segment)?;
    let receiver = Receiver::new(Queue::reader(&segment, &worker)?);
    let attached = receiver.wait_for_worker();
    if let Err(error) = attached {
        // Cancelled or terminated while the worker was on its way: the caller will never hear of the job.
        segment.header().request_stop(crate::model::state::Stop::Now);
        worker.terminate();
        return Err(error);
    }
    // A worker that is quick may have come, worked and gone by now: its pid tells.
    if segment.header().worker_pid() == 0 {
        return Err(PgError::new(sqlstate::INSUFFICIENT_RESOURCES, "could not start background process")
            .hint("More details may be available in the server log."));
    }
    let preview = sql[..text::clip(sql, PREVIEW)].to_vec();
    Ok(tracker::add(Job::new(segment, receiver, worker, launched_at, queue_size, preview, kind == Kind::Launch)))
}

fn checked_queue_size(queue_size: i32) -> Result<i32> {
    let (min, max) = (mq::minimum_size() as i32, settings::MAX_QUEUE_SIZE);
    let invalid = |message| Err(PgError::new(sqlstate::INVALID_PARAMETER_VALUE, message));
    match queue_size {
        ..=0 => Ok(settings::default_queue_size()),
        size if size < min => invalid(format!("queue size must be at least {min} bytes")),
        size if size > max => invalid(format!("queue size must not exceed {max} bytes")),
        size => Ok(size),
    }
}

/// Random, and never 0.
fn new_cookie() -> Result<i64> {
    loop {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).map_err(|error| {
            PgError::new(sqlstate::INTERNAL_ERROR, format!("could not generate a random number: {error}"))
        })?;
        match i64::from_ne_bytes(bytes) {
            0 => {}
            cookie => return Ok(cookie),
        }
    }
}

/// A worker that has exited holds its slot until the postmaster has noticed. Of this session's own workers the postmaster
/// tells, by setting the latch; of another session's nobody does, so the wait also ends after some milliseconds, and more
/// of them each time.
fn register(segment: &Segment) -> Result<Handle> {
    let name = format!("pg_background for PID {}", identity::process_id());
    let give_up = Instant::now() + SLOT_WAIT;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(worker) = Handle::register(name.as_bytes(), MAIN, segment.handle())? {
            return Ok(worker);
        }
        let now = Instant::now();
        if now >= give_up {
            return Err(PgError::new(sqlstate::INSUFFICIENT_RESOURCES, "could not register background process")
                .hint("You may need to increase max_worker_processes."));
        }
        latch::wait(Some((now + pause).min(give_up)))?;
        pause = (pause * 2).min(Duration::from_millis(64));
    }
}
