//! From a text to a running job.

use super::admission::{self, Admitted, Room};
use super::segments;
use crate::channel::Receiver;
use crate::errors;
use crate::launcher::job::{Job, tracker, used_pids};
use crate::pg::dsm::Segment;
use crate::pg::error::{PgError, Result};
use crate::pg::latch::Event;
use crate::pg::memory::Execution;
use crate::pg::mq::{self, Queue};
use crate::pg::{bgworker, encoding, identity, latch};
use crate::point;
use crate::process;
use crate::registry::{self, Claim, NewJob, Registry, WorkerRequirements};
use crate::settings;
use logic::job::state::Stop;
use logic::registry::layout::QUERY_SIZE;
use logic::segment::header::{Identity, Reply};
use logic::sqlstate;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// The C name of the worker's main function.
const MAIN: &[u8] = b"pg_background_worker_main";
/// Bytes of the text that the list shows.
const PREVIEW: usize = 120;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Rows and messages are kept for the launcher.
    Launch,
    /// Rows and messages are thrown away: the job never waits for anybody.
    Submit,
}

/// Starts `sql` in a worker. `queue_size` in bytes; 0 and below stand for the setting. When this returns, a worker has the
/// job, whatever becomes of this session. `execution`: the job will be known by its pid alone, to the same execution of a query
/// perhaps (see [`used_pids`]).
pub fn launch(sql: &[u8], queue_size: i32, kind: Kind, execution: Option<Execution>) -> Result<Arc<Job>> {
    let queue_size = checked_queue_size(queue_size)?;
    // as the server refuses temporary tables, prepared statements and cursors WITH HOLD there: a job outlives the operation
    if identity::is_restricted() {
        return Err(errors::security_restricted());
    }
    tracker::check_limit()?;
    let (proc, pid) = *LAST_WORKER.lock();
    registry::wake_early(proc, pid);
    process::note_launch();
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
    let (segment, settings) = segments::get(identity, sql, ring)?;
    let launched_at = identity::now();
    let mut taken = tracker::pids();
    taken.extend(used_pids::pids(execution));
    let started = match registry::get()? {
        Some(registry) => in_registry(registry, &segment, settings, sql, launched_at, &taken)?,
        None => Started::cold(&segment, register_alone(&segment)?)?,
    };
    let preview = sql[..encoding::clip(sql, PREVIEW)].to_vec();
    let Started { receiver, worker, pid } = started;
    let has_results = kind == Kind::Launch;
    let job = Job::new(segment, receiver, worker, pid, launched_at, queue_size, preview, has_results, execution);
    let job = tracker::add(job);
    LAUNCHING.store(0, Relaxed);
    Ok(job)
}

/// The launcher's end of a job that a worker has.
struct Started {
    receiver: Receiver,
    /// Of a process that was started for the job.
    worker: Option<bgworker::Handle>,
    pid: i32,
}

impl Started {
    /// A new process. Waits until it has the job.
    fn cold(segment: &Arc<Segment>, worker: bgworker::Handle) -> Result<Self> {
        let attach = || -> Result<Receiver> {
            let receiver = Receiver::new(Queue::reader(segment, Some(&worker))?);
            point::reach("cold-wait")?;
            receiver.wait_for_worker()?;
            Ok(receiver)
        };
        let receiver = attach().inspect_err(|_: &PgError| {
            // The caller will never hear of the job. With a registry the process may run another session's job by the time
            // that it is terminated; `Registry::give_up` sees to the job.
            segment.header().request_stop(Stop::Now);
            point::reach("cold-failed").ok();
            if segment.header().slot().is_none() {
                worker.terminate();
            }
        })?;
        // A worker that is quick may have come, worked and gone by now: its pid tells.
        let pid = segment.header().worker_pid();
        if pid == 0 {
            return Err(errors::process_not_started());
        }
        Ok(Self { receiver, worker: Some(worker), pid })
    }

    /// A warm worker; `None` when it cannot take the job.
    fn warm(registry: &Registry, segment: &Arc<Segment>, slot: u32, claim: &Claim) -> Result<Option<Self>> {
        let offered = offer(registry, segment, slot, claim);
        let (receiver, there) = match offered {
            Ok(offered) => offered,
            Err(error) => {
                registry.exclusive(|r| r.withdraw(claim, segment.header().identity.cookie))?;
                return Err(error);
            }
        };
        if !there || !(claim.is_sure || is_taken(registry, segment, slot, claim)?) {
            drop(receiver);
            mq::renew(segment)?;
            return Ok(None);
        }
        *LAST_WORKER.lock() = (claim.proc, claim.pid);
        Ok(Some(Self { receiver, worker: None, pid: claim.pid }))
    }
}

/// The place and pid of the worker that has had this session's last job: it gets the next one, most often.
static LAST_WORKER: Mutex<(u32, i32)> = Mutex::new((u32::MAX, 0));

/// Gives the claimed worker the job; tells whether it was still there.
fn offer(registry: &Registry, segment: &Arc<Segment>, slot: u32, claim: &Claim) -> Result<(Receiver, bool)> {
    let reply = if claim.is_sure { Reply::NotAwaited } else { Reply::Awaited };
    segment.header().prepare_offer(Some(slot), reply);
    mq::appoint_writer(segment, claim.proc);
    let receiver = Receiver::new(Queue::reader(segment, None)?);
    if !claim.is_mapped {
        segment.pin()?;
    }
    let cookie = segment.header().identity.cookie;
    let there = registry.exclusive(|r| r.offer(claim, slot, cookie, segment.handle()))?;
    if !there && !claim.is_mapped {
        crate::pg::dsm::unpin(segment.handle())?;
    }
    Ok((receiver, there))
}

/// Waits until the worker says whether it takes the job.
fn is_taken(registry: &Registry, segment: &Segment, slot: u32, claim: &Claim) -> Result<bool> {
    let header = segment.header();
    loop {
        let has_it = || header.is_accepted() || header.is_final();
        if has_it() {
            return Ok(true);
        }
        if !registry.shared(|r| r.is_on_its_way(claim, slot, header.identity.cookie))? {
            // it may have spoken in between
            return Ok(has_it());
        }
        registry::wait(Event::Launch, None)?;
    }
}

/// The cookie of the job that this session is in the middle of launching; 0 is none.
static LAUNCHING: AtomicI64 = AtomicI64::new(0);

/// The session ends: what the registry holds of a launch that was not completed.
fn at_exit() -> Result<()> {
    match (registry::known(), LAUNCHING.load(Relaxed)) {
        (None, _) | (_, 0) => Ok(()),
        (Some(registry), cookie) => registry.exclusive(|r| r.launcher_exits(cookie)),
    }
}

fn in_registry(
    registry: &'static Registry,
    segment: &Arc<Segment>,
    settings: u64,
    sql: &[u8],
    launched_at: i64,
    taken: &[i32],
) -> Result<Started> {
    static WATCHED: AtomicBool = AtomicBool::new(false);
    if !WATCHED.load(Relaxed) {
        bgworker::at_exit(at_exit)?;
        WATCHED.store(true, Relaxed);
    }
    let header = segment.header();
    let client_info = segment.bytes(header.client_info);
    let new = NewJob {
        cookie: header.identity.cookie,
        database: header.identity.database,
        role: header.identity.current_user,
        launched_at,
        query: &sql[..encoding::clip(sql, QUERY_SIZE)],
        limits: settings::limits(),
        give_up: Instant::now() + settings::launch_timeout(),
        wanted: registry::key(&header.identity, client_info)?.map(|key| WorkerRequirements {
            key,
            settings,
            handle: segment.handle(),
            taken,
        }),
    };
    LAUNCHING.store(new.cookie, Relaxed);
    // when it has succeeded, not before the job is tracked: memory may be short until then
    start(registry, segment, &new).inspect_err(|_| LAUNCHING.store(0, Relaxed))
}

fn start(registry: &'static Registry, segment: &Arc<Segment>, new: &NewJob) -> Result<Started> {
    let Admitted { slot, claim } = admission::wait(registry, new).inspect_err(|_| segment.mark_reusable())?;
    let started = in_slot(registry, segment, new, slot, claim);
    if started.is_err() {
        registry.exclusive(|r| r.give_up(slot, new.cookie))?;
    }
    started
}

/// In the claimed worker, or in another one, or in a new process as soon as there is room for it.
fn in_slot(
    registry: &Registry,
    segment: &Arc<Segment>,
    new: &NewJob,
    slot: u32,
    mut claim: Option<Claim>,
) -> Result<Started> {
    loop {
        if let Some(claim) = claim {
            if let Some(started) = Started::warm(registry, segment, slot, &claim)? {
                return Ok(started);
            }
        }
        segment.header().prepare_offer(Some(slot), Reply::NotAwaited);
        let at_once = if admission::is_next_for_process(registry, None)? { register(segment)? } else { None };
        let room = match at_once {
            Some(worker) => Room::Process(worker),
            None => admission::wait_for_worker(registry, new, slot, || register(segment))
                .inspect_err(|_| segment.mark_reusable())?,
        };
        match room {
            Room::Process(worker) => return Started::cold(segment, worker),
            Room::Worker(found) => claim = Some(found),
        }
    }
}

fn checked_queue_size(queue_size: i32) -> Result<i32> {
    let (min, max) = (mq::minimum_size() as i32, settings::MAX_QUEUE_SIZE);
    match queue_size {
        ..=0 => Ok(settings::default_queue_size()),
        size if size < min => Err(errors::queue_too_small(min)),
        size if size > max => Err(errors::queue_too_large(max)),
        size => Ok(size),
    }
}

/// Random, and never 0. The system is asked for several at a time.
fn new_cookie() -> Result<i64> {
    static DRAWN: Mutex<Vec<i64>> = Mutex::new(Vec::new());
    let mut drawn = DRAWN.lock();
    loop {
        if let Some(cookie) = drawn.pop() {
            return Ok(cookie);
        }
        let mut bytes = [[0; 8]; 32];
        getrandom::fill(bytes.as_flattened_mut()).map_err(|error| {
            PgError::new(sqlstate::INTERNAL_ERROR, format!("could not generate a random number: {error}"))
        })?;
        drawn.extend(bytes.into_iter().map(i64::from_ne_bytes).filter(|cookie| *cookie != 0));
    }
}

/// Asks for a process for the job in the segment; `None`: there is no room.
fn register(segment: &Segment) -> Result<Option<bgworker::Handle>> {
    let name = format!("pg_background for PID {}", identity::process_id());
    bgworker::Handle::register(name.as_bytes(), MAIN, segment.handle())
}

/// A worker that has exited holds its slot until the postmaster has noticed. Of this session's own workers the postmaster
/// tells, by setting the latch; of another session's nobody does, so the wait also ends after some milliseconds, and more
/// of them each time.
fn register_alone(segment: &Segment) -> Result<bgworker::Handle> {
    let give_up = Instant::now() + admission::SLOT_WAIT;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(worker) = register(segment)? {
            return Ok(worker);
        }
        let now = Instant::now();
        if now >= give_up {
            return Err(errors::no_process_slot());
        }
        latch::wait(Event::Launch, Some((now + pause).min(give_up)))?;
        pause = (pause * 2).min(Duration::from_millis(64));
    }
}
