//! Starting jobs at the commit.
//!
//! A job that is to start at the commit is made when it is asked for: rights and arguments are checked, and text,
//! settings, users and parameters are what they are then. All that can fail for want of memory comes here. The job
//! waits in shared memory that no other process knows of (`registry::pending`), and its transaction has it in a list.
//!
//! - The commit queues the jobs of the list for the dispatcher, which cannot fail, and sees to it that there is one. It
//!   does so when its locks are released: a job that started earlier might find them taken, or a catalog as it was.
//! - A rollback drops them, that of a savepoint those that were asked for since then.
//! - PREPARE TRANSACTION is refused: the session that commits it need not be this one.
//!
//! A job whose results are wanted has a segment of its own from the beginning, is tracked, and counts as any other that
//! the session tracks. One whose results are discarded is an image of a segment, of which the dispatcher makes one: so
//! a transaction can ask for thousands of them.
//!
//! Suppose that all slots of `max_worker_processes` are taken when the transaction commits. The dispatcher is a
//! process, too. So it is asked for before the commit, and for that the commit waits a moment; if it is in vain, the
//! jobs wait until this library comes by somewhere and finds a slot (`Registry::ensure_dispatcher`).

use super::options::{Options, Results};
use super::request::Request;
use super::{cold, segments, session_limit};
use crate::channel::{self, Receiver};
use crate::errors;
use crate::launcher::job::{Job, LaunchedJob, tracker};
use crate::launcher::wait;
use crate::pg::dsm::{self, Segment};
use crate::pg::error::Result;
use crate::pg::mq::Queue;
use crate::pg::xact::{self, End, Next};
use crate::pg::{exit, identity, procs};
use crate::point;
use crate::process;
use crate::registry::{self, JobRow, PendingNode, Registry};
use crate::settings;
use logic::segment::header::Identity;
use logic::wire::pending::PendingJob;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

/// A job of the transaction that is open here.
#[derive(Clone, Copy)]
struct Requested {
    node: PendingNode,
    cookie: i64,
    /// Its segment, which is pinned; 0 if it has none yet.
    handle: u32,
    /// In which it was asked for, or into which that one has committed.
    subtransaction: u32,
}

/// In their order.
static REQUESTED: Mutex<Vec<Requested>> = Mutex::new(Vec::new());

/// Asks for a job that starts when the transaction commits; returns its cookie. The handle's pid is 0.
pub fn launch(sql: &[u8], options: &Options) -> Result<i64> {
    let registry = registry::get()?.ok_or_else(errors::at_commit_without_registry)?;
    registry::door::check()?;
    let give_up = Instant::now() + settings::launch_timeout();
    let request = Request::check(sql, options)?;
    watch()?;
    // what the commit needs, and what could fail there
    registry.pending_nodes()?;
    process::note_launch();
    let identity = Identity { at_commit: 1, ..request.identity()? };
    let launched_at = identity::now();
    make_room()?;
    if options.results == Results::Discarded {
        let (segment, hash) = segments::get(identity, &request.content(&request.extras()))?;
        let put = put(registry, &request, &segment, hash, launched_at);
        // nobody else has seen it
        segment.mark_reusable();
        put?;
    } else {
        session_limit::wait_for_room(give_up)?;
        channel::check_limit_of_session()?;
        let (segment, hash) = segments::get_alone(identity, &request.content(&request.extras()))?;
        let receiver = Receiver::new(Queue::reader(&segment, None)?);
        let job = Job::new(LaunchedJob {
            segment: Arc::clone(&segment),
            receiver,
            worker: None,
            pid: 0,
            launched_at,
            queue_size: request.queue_size,
            sql_preview: request.preview(),
            label: options.label.to_vec(),
            results: options.results,
            execution: None,
        });
        put(registry, &request, &segment, hash, launched_at)?;
        segment.pin()?;
        if let Some(requested) = REQUESTED.lock().last_mut() {
            requested.handle = segment.handle();
        }
        tracker::add(job);
        point::reach("at-commit-tracked")?;
    }
    Ok(identity.cookie)
}

/// For another entry of [`REQUESTED`]. What follows may find no memory either, and end the session: the job is there
/// from the moment that it has anything which the end of the transaction must give back.
fn make_room() -> Result<()> {
    let mut requested = REQUESTED.lock();
    requested.reserve(1);
    point::reach("at-commit-room")
}

/// Puts the job into the memory in which it waits, and adds it to the transaction's jobs.
fn put(registry: &Registry, request: &Request, segment: &Segment, settings: u64, launched_at: i64) -> Result<()> {
    point::reach("at-commit-put")?;
    let new = request.new_job(segment, settings, launched_at, Instant::now(), &[], None)?;
    let is_own = segment.header().identity.wants_results != Identity::WANTS_NOTHING;
    let image = if is_own { Vec::new() } else { segment.image() };
    let node = registry.put(&PendingJob {
        cookie: new.cookie,
        launched_at,
        database: new.database,
        role: new.role,
        per_role: new.per_role,
        session_pid: identity::process_id(),
        session_proc: procs::my_number(),
        handle: if is_own { segment.handle() } else { 0 },
        key: new.wanted.map(|wanted| wanted.key),
        settings,
        label: new.label,
        query: new.query,
        image: &image,
    })?;
    let (cookie, subtransaction) = (new.cookie, xact::subtransaction());
    REQUESTED.lock().push(Requested { node, cookie, handle: 0, subtransaction });
    Ok(())
}

/// Hears of the ends of this session's transactions from now on.
fn watch() -> Result<()> {
    static WATCHES: AtomicBool = AtomicBool::new(false);
    if !WATCHES.load(Relaxed) {
        xact::watch_before(before)?;
        xact::watch(ended)?;
        xact::watch_release(committed)?;
        WATCHES.store(true, Relaxed);
    }
    Ok(())
}

/// The transaction is about to commit, or to be prepared.
fn before(next: Next) -> Result<()> {
    if REQUESTED.lock().is_empty() {
        return Ok(());
    }
    if next == Next::Prepare {
        return Err(errors::prepare_with_jobs());
    }
    point::reach("at-commit-before")?;
    let Some(registry) = registry::known() else {
        return Ok(());
    };
    // A dispatcher that comes before the jobs waits a moment for them.
    let mut call = || Ok(registry.call_dispatcher()?.then_some(()));
    if call()?.is_none() {
        let wait = |until| wait::for_departure(registry, Some(until), &mut call);
        wait::in_pauses(Instant::now() + cold::SLOT_WAIT, wait, |pause| {
            if pause == wait::SHORTEST_PAUSE || pause == wait::LONGEST_PAUSE {
                registry.exclusive(|r| r.dismiss_one())?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// In the midst of a transaction's end: nothing may fail any more, nor wait.
fn ended(end: End) {
    // Memory may have run out while it was held, which has ended the session.
    let mut requested = exit::seize(&REQUESTED);
    match end {
        End::SubtransactionCommitted { id, parent } => {
            let first = first_of(&requested, id);
            requested[first..].iter_mut().for_each(|job| job.subtransaction = parent);
        }
        End::SubtransactionAborted { id } => {
            let first = first_of(&requested, id);
            requested.drain(first..).for_each(|job| forget(&job));
        }
        End::Gone => {
            requested.iter().for_each(forget);
            requested.clear();
            let _ = registry::ensure_dispatcher();
        }
        // its locks are not free yet
        End::Committed => {}
    }
}

/// Where the jobs begin that a subtransaction has asked for, which ends just now. They are the last ones: what has
/// begun in it has ended, and is its own by now. (A transaction may have many jobs, and as many subtransactions.)
fn first_of(requested: &[Requested], subtransaction: u32) -> usize {
    let own = requested.iter().rev().take_while(|job| job.subtransaction == subtransaction);
    requested.len() - own.count()
}

/// The transaction has committed, and its locks are free: nothing may fail, nor wait, still.
fn committed() {
    let Some(mut requested) = REQUESTED.try_lock() else { return };
    let _ = point::reach("at-commit-queue");
    let _ = queue(&requested);
    requested.clear();
    let _ = registry::ensure_dispatcher();
}

/// The transaction has committed. Allocates nothing.
fn queue(jobs: &[Requested]) -> Result<()> {
    registry::known().map_or(Ok(()), |registry| registry.queue(jobs.iter().map(|job| job.node)))
}

/// The job's transaction, or the subtransaction that has asked for it, is rolled back.
fn forget(job: &Requested) {
    tracker::forget_unstarted(job.cookie);
    if job.handle != 0 {
        let _ = dsm::unpin(job.handle);
    }
    let _ = registry::known().map_or(Ok(()), |registry| registry.discard(&job.node));
}

/// A job that the open transaction has asked for.
pub fn requested(cookie: i64) -> Option<JobRow> {
    find(cookie).and_then(|job| job.node.row().ok())
}

/// Asks such a job to stop: it ends as soon as it could start. False if the transaction has asked for no such job.
pub fn ask_to_stop(cookie: i64) -> bool {
    find(cookie).inspect(|job| job.node.ask_to_stop()).is_some()
}

/// Refuses to wait for a job that the open transaction has asked for: it could only start after the wait.
pub fn check_committed(cookie: i64) -> Result<()> {
    if find(cookie).is_some() { Err(errors::not_committed()) } else { Ok(()) }
}

fn find(cookie: i64) -> Option<Requested> {
    REQUESTED.lock().iter().find(|job| job.cookie == cookie).copied()
}
