//! Launching: from a text to a job that a worker has.
//!
//! 1. The door is open (`registry::door`). `request`: the arguments are checked; the job gets its cookie.
//!    `session_limit`: the session tracks fewer jobs than it may, or gives ended ones up for this one.
//! 2. `segments`: a shared memory segment is filled with what the worker needs: text, identity, settings
//!    (`settings_cache`), and an empty queue for what the job returns.
//! 3. `admission`: the registry gives the job a slot, as soon as the limits allow it, and claims a warm worker that
//!    fits, if there is one.
//! 4. `warm`: the claimed worker is offered the job. If it cannot take it, or if none was claimed, then
//! 5. `cold`: a new process is started for the job, as soon as `max_worker_processes` has a free slot; while it waits
//!    for that, the launch takes a warm worker that becomes free, too (`admission`).
//! 6. The job is tracked: from here on the caller has its handle.
//!
//! Without a registry, steps 3 and 4 are left out.
//!
//! When `launch` returns, a worker has the job, and runs it whatever becomes of this session. When it fails with an
//! ERROR, the caller never had a handle: the job must not run, and where a worker has it already, it must stop. So an
//! error in steps 4 and 5 gives the slot back (`give_up`), and a session that ends between steps 3 and 6 does so in its
//! exit callback (`launcher_exits`). Without a registry, an error in step 5 terminates the process.
//!
//! There is one exception. Suppose that the session is terminated in step 5, without a registry: nothing tells the
//! worker. It finds the segment gone, or, if it has the segment mapped by then, runs the job, as after a detach.

mod admission;
pub mod at_commit;
mod cold;
mod database;
pub mod dispatcher;
pub mod given;
pub mod inline;
mod options;
mod request;
mod segments;
mod session_limit;
mod settings_cache;
mod warm;

pub use options::{Options, Plans, Results, Transactions};

use self::admission::{Admitted, WayIn};
use self::request::Request;
use crate::channel::{self, Receiver, Watched};
use crate::launcher::job::{Job, LaunchedJob, pids_of, tracker};
use crate::pg::bgworker::Handle;
use crate::pg::dsm::Segment;
use crate::pg::error::Result;
use crate::pg::memory::Execution;
use crate::pg::{exit, identity};
use crate::process;
use crate::registry::{self, Claim, NewJob, Registry};
use crate::settings;
use logic::segment::header::Reply;
use logic::segment::spill::Attention;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};
use std::time::Instant;

/// Launches `sql`, and returns the job once a worker has it. `execution` is given by v1, where the caller knows only
/// the pid: the running query, which must not get the same pid twice.
pub fn launch(sql: &[u8], options: &Options, execution: Option<Execution>) -> Result<Arc<Job>> {
    launch_attended(sql, options, execution, Attention::None)
}

/// The same for a caller that reads the job to its end at once: the job waits for it from the first row on.
pub fn launch_to_read(sql: &[u8], options: &Options) -> Result<Arc<Job>> {
    launch_attended(sql, options, None, Attention::Reads)
}

fn launch_attended(
    sql: &[u8],
    options: &Options,
    execution: Option<Execution>,
    attention: Attention,
) -> Result<Arc<Job>> {
    registry::door::check()?;
    let request = Request::check(sql, options)?;
    let give_up = Instant::now() + settings::launch_timeout();
    session_limit::wait_for_room(give_up)?;
    if attention == Attention::None && options.results.are_wanted() {
        channel::check_limit_of_session()?;
    }
    registry::ensure_dispatcher()?;
    warm::wake_last_worker();
    process::note_launch();
    let (segment, settings_hash) = segments::get(request.identity()?, &request.content(&request.extras()))?;
    segment.header().spill.set_attention(attention);
    // A worker that has the job may spill, whatever becomes of this launch.
    let _watched = Watched::new(&segment);
    let launched_at = identity::now();
    let mut used_pids = tracker::pids_in_use(execution.is_some());
    used_pids.extend(pids_of(execution));
    let started = match registry::get()? {
        Some(registry) => {
            let new = request.new_job(&segment, settings_hash, launched_at, give_up, &used_pids, warm::likely())?;
            start_in_registry(registry, &segment, &new)?
        }
        None => cold::start(&segment, None, cold::register_alone(&segment)?)?,
    };
    let job = tracker::add(Job::new(LaunchedJob {
        segment,
        receiver: started.receiver,
        worker: started.worker,
        pid: started.pid,
        launched_at,
        queue_size: request.queue_size,
        sql_preview: request.preview(),
        label: options.label.to_vec(),
        results: options.results,
        execution,
    }));
    UNFINISHED.store(0, Relaxed);
    Ok(job)
}

/// A worker has the job: the launcher's end of it.
struct StartedJob {
    receiver: Receiver,
    /// The process, if it was started for the job.
    worker: Option<Handle>,
    pid: i32,
}

/// The cookie of the job that this session is in the middle of launching; 0 is none.
static UNFINISHED: AtomicI64 = AtomicI64::new(0);

/// The session ends: gives back what the registry holds of a launch that was not completed.
fn at_exit() -> Result<()> {
    match (registry::known(), UNFINISHED.load(Relaxed)) {
        (None, _) | (_, 0) => Ok(()),
        (Some(registry), cookie) => registry.exclusive(|r| r.launcher_exits(cookie)),
    }
}

/// Admits the job and finds a worker for it.
///
/// The exit callback is registered before the first launch asks to be admitted. Callbacks run last in, first out, so it
/// runs before those that the server registered when the session began: the lock and the latch can still be used.
///
/// The launch is unfinished until the job is tracked, not only until it has started. Suppose that memory runs out
/// between the two, and that the session ends by it: the caller never got the handle, and the job must be asked to
/// stop.
fn start_in_registry(registry: &'static Registry, segment: &Arc<Segment>, new: &NewJob) -> Result<StartedJob> {
    static WATCHED: AtomicBool = AtomicBool::new(false);
    if !WATCHED.load(Relaxed) {
        exit::at_exit(at_exit)?;
        WATCHED.store(true, Relaxed);
    }
    UNFINISHED.store(new.cookie, Relaxed);
    let started = Launch::admit(registry, segment, new).and_then(|admitted| match admitted {
        Admitted::Offered(started) => Ok(started),
        Admitted::Launch(launch) => launch.start(),
    });
    started.inspect_err(|_| UNFINISHED.store(0, Relaxed))
}

/// A launch that the registry has admitted, and whose job has no worker yet.
struct Launch<'a> {
    registry: &'static Registry,
    segment: &'a Arc<Segment>,
    new: &'a NewJob<'a>,
    /// The job's slot in the registry.
    slot: u32,
    /// On a warm worker that fits, if there is one.
    claim: Option<Claim>,
    /// This session's end of the queue, if it is attached.
    receiver: Option<Receiver>,
}

impl Launch<'_> {
    /// Finds a worker for the job. After an error, the job's slot is given back: a worker that has the job all the
    /// same is asked to stop.
    fn start(mut self) -> Result<StartedJob> {
        let started = self.find_worker();
        if started.is_err() {
            self.registry.exclusive(|r| r.give_up(self.slot, self.new.cookie))?;
        }
        started
    }

    /// Offers the job to one claimed worker after the other, until one takes it or there is room for a new process.
    fn find_worker(&mut self) -> Result<StartedJob> {
        loop {
            if let Some(claim) = self.claim.take() {
                if let Some(started) = self.start_warm(&claim)? {
                    return Ok(started);
                }
            }
            // A new process may take the job from the moment that it is registered.
            self.segment.header().prepare_offer(Some(self.slot), Reply::NotAwaited);
            match self.way_in()? {
                WayIn::Process(worker) => return cold::start(self.segment, self.receiver.take(), worker),
                WayIn::Worker(claim) => self.claim = Some(claim),
            }
        }
    }

    /// A new process at once, if one can be had and no other launch waits for one; otherwise what comes first.
    fn way_in(&self) -> Result<WayIn> {
        if admission::is_next_for_process(self.registry, None)? {
            if let Some(worker) = cold::register(self.segment)? {
                return Ok(WayIn::Process(worker));
            }
        }
        self.wait_for_way_in().inspect_err(|_| self.segment.mark_reusable())
    }
}
