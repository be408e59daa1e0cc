//! The dispatcher: a process that launches the jobs whose transactions have committed.
//!
//! It is there as long as such jobs wait, and a moment longer. It has no database and no user, so it is in nobody's
//! way; all that it must know of a job is in the queue. It goes through the queue from the oldest job to the newest,
//! and admits those that the limits allow, as long as the door is open (`registry::door`). A job that a limit of its
//! role or database keeps out keeps out those of the same role in the same database, and no others; it waits for its
//! turn among the launches that wait ([`turns`]).
//!
//! The job's reader, if it has one, is the session that has asked for it. So the dispatcher never touches the job's
//! queue, and a warm worker attaches to it only when it is sure to run the job: see `worker::job`.
//!
//! A job stays in the list until it has a worker for sure, or has ended: what that means, and what happens when the
//! dispatcher ends in between, is said in `logic::registry::pending`. A job for whose segment memory is short stays in
//! line, and others go on; an error that is of one job ends that job. Any other error ends the process, and the
//! postmaster starts it again after a second.

mod ends;
mod launch;
mod turns;

use crate::pg::bgworker;
use crate::pg::dsm;
use crate::pg::error::{PgError, Result};
use crate::pg::exit;
use crate::pg::latch::{self, Event};
use crate::point;
use crate::registry::{self, Admission, InFlight, NewJob, PendingNode, Registry, WorkerRequirements};
use ends::canceled;
use logic::registry::door::Door;
use logic::registry::locked::Locked;
use logic::registry::quota::Scope;
use logic::sqlstate;
use logic::wire::pending::PendingJob;
use logic::wire::report::Report;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};
use turns::Turn;

/// So long it waits for another job before it leaves.
const STAY: Duration = Duration::from_secs(1);
/// The same while launches wait, perhaps for its process slot. Not at once: a commit that has asked for it may be about
/// to queue its jobs.
const SHORT_STAY: Duration = Duration::from_millis(100);
/// It looks again so often while jobs are kept out: a limit may have been raised.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The same while it waits for a worker, whose postmaster does not tell it of its end.
const WORKER_CHECK: Duration = Duration::from_millis(20);
/// A job for which so many new processes have ended before they had it is given up.
const MAX_STARTS: u32 = 3;

/// The process's main function.
pub fn run(_argument: u32) -> Result<()> {
    bgworker::accept_termination()?;
    let Some(registry) = registry::get()? else {
        return Ok(());
    };
    exit::at_exit(at_exit)?;
    if !registry.exclusive(|r| r.begin_dispatch())? {
        return Ok(());
    }
    let mut dispatcher = Dispatcher {
        registry,
        line: Vec::new(),
        removed: Vec::new(),
        starts: (0, 0),
        turns: Vec::new(),
        reaped_at: None,
        shortage: None,
        held_off: Vec::new(),
        told: Vec::new(),
    };
    dispatcher.take_over()?;
    dispatcher.serve()
}

fn at_exit() -> Result<()> {
    registry::known().map_or(Ok(()), |registry| registry.exclusive(|r| r.dispatcher_exits()))
}

struct Dispatcher {
    registry: &'static Registry,
    /// The jobs in the list that it knows, the oldest first.
    line: Vec<PendingNode>,
    /// Jobs that it has taken out of the list while other processes looked at it.
    removed: Vec<PendingNode>,
    /// The cookie of the job for which processes have ended before they had it, and how many.
    starts: (i64, u32),
    turns: Vec<Turn>,
    /// When it looked for jobs of processes that are gone.
    reaped_at: Option<Instant>,
    shortage: Option<Shortage>,
    /// Addresses of jobs whose own segments cannot be mapped, until they are tried again.
    held_off: Vec<(u64, Instant)>,
    /// Cookies of jobs of which the log says that they have no segment.
    told: Vec<i64>,
}

/// There was no memory for a job's segment. Jobs that need as much are passed over for a while. Those that have their
/// segments, or need smaller ones, are launched: perhaps one must end, and give its memory back, for another's.
#[derive(Clone, Copy)]
struct Shortage {
    /// The image's length of the smallest job for which there was none.
    from: usize,
    until: Instant,
}

/// What a pass through the list has come to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// A job was launched or has ended: the next pass comes at once.
    Fruitful,
    Fruitless,
}

/// What became of the launch of a job.
enum Launched {
    /// It has a worker for sure, or has ended.
    Yes,
    /// It is to be launched anew.
    No,
    /// It has no worker, and is to end so: it was asked to stop, or cannot be started.
    Ends(Box<Report>),
    /// There is no segment for it now: the server has no more, or memory is short.
    WithoutSegment,
}

impl Dispatcher {
    /// Launches jobs until none has come for a while.
    fn serve(&mut self) -> Result<()> {
        let mut idle_since = Instant::now();
        loop {
            self.read_list()?;
            let pass = self.pass()?;
            self.free_removed();
            if !self.line.is_empty() {
                idle_since = Instant::now();
            }
            if pass == Pass::Fruitful {
                latch::check_for_interrupts()?;
                continue;
            }
            // what it has taken out must be freed by itself: no later dispatcher knows of it
            let has_work = !self.line.is_empty() || !self.removed.is_empty();
            let stay = if self.registry.has_waiters() { SHORT_STAY } else { STAY };
            if !has_work && idle_since.elapsed() >= stay {
                self.registry.pending_nodes()?.trim()?;
                if self.registry.exclusive(|r| r.end_dispatch())? {
                    return Ok(());
                }
            }
            let next = if !has_work {
                idle_since + stay
            } else if self.removed.is_empty() {
                Instant::now() + LOOK_AGAIN
            } else {
                // who has read the list wakes nobody
                Instant::now() + WORKER_CHECK
            };
            latch::wait(Event::Launch, Some(next))?;
            bgworker::serve_idle()?;
        }
    }

    /// Finds out what has become of the job that the last dispatcher was launching.
    fn take_over(&mut self) -> Result<()> {
        self.read_list()?;
        let Some(cookie) = self.release()? else {
            return Ok(());
        };
        let is_meant = |job: &PendingNode| job.job().is_ok_and(|job| job.cookie == cookie);
        // It was taken out of the list already, if it is not there.
        self.line.iter().position(is_meant).map_or(Ok(()), |index| self.remove(index))
    }

    /// Gives up what was done to launch the job in flight, when it is known whether a worker that has the job runs it.
    /// Returns the cookie if the job is done all the same: one that the last dispatcher had found has it.
    fn release(&self) -> Result<Option<i64>> {
        loop {
            match self.registry.exclusive(|r| r.release_in_flight())? {
                Some((cookie, InFlight::Done)) => return Ok(Some(cookie)),
                Some((_, InFlight::Taken)) => latch::wait(Event::Launch, Some(Instant::now() + WORKER_CHECK))?,
                Some((_, InFlight::Free)) | None => return Ok(None),
            }
        }
    }

    /// Adds what was queued since the last look.
    fn read_list(&mut self) -> Result<()> {
        let known = self.line.last().map_or(0, |job| job.address);
        let first = self.line.len();
        let line = &mut self.line;
        self.registry.walk(known, |job| {
            line.push(job);
            Ok(None::<()>)
        })?;
        self.line[first..].reverse();
        Ok(())
    }

    fn pass(&mut self) -> Result<Pass> {
        self.registry.tell_configuration()?;
        let is_open = self.registry.door() == Door::Open;
        let now = Instant::now();
        self.shortage = self.shortage.filter(|shortage| shortage.until > now);
        self.held_off.retain(|(_, until)| *until > now);
        let mut launching_since = None;
        // A job may wait for long here. Those behind it are looked at all the same: one may have been asked to stop,
        // or may have its turn before it.
        let mut is_full = false;
        let mut kept_out = Vec::new();
        let mut pass = Pass::Fruitless;
        let mut index = 0;
        while let Some(&pending) = self.line.get(index) {
            let is_stopped = pending.is_asked_to_stop();
            let has_turn = self.turns.iter().any(|turn| turn.address == pending.address);
            if !is_stopped && (!is_open || (is_full && !has_turn)) {
                index += 1;
                continue;
            }
            let job = pending.job()?;
            let is_held_off = self.is_held_off(&pending);
            let launched = if is_held_off {
                Launched::WithoutSegment
            } else if is_stopped {
                Launched::Ends(Box::new(canceled()))
            } else if !has_turn && kept_out.contains(&(job.database, job.role)) {
                index += 1;
                continue;
            } else if job.handle == 0 && self.shortage.is_some_and(|shortage| job.image.len() >= shortage.from) {
                Launched::WithoutSegment
            } else {
                let new = new_job(&job);
                point::reach("dispatch-looked")?;
                match self.admit(pending.address, &new)? {
                    Admission::Admitted(slot, claim) => {
                        let launched = self.launch(pending, &job, &new, slot, claim)?;
                        // those before it may have ended meanwhile
                        index = self.place_of(&pending);
                        launched
                    }
                    Admission::Refused(scope) => {
                        match scope {
                            Scope::Slots | Scope::Total => is_full = true,
                            Scope::Database | Scope::Role => kept_out.push((job.database, job.role)),
                        }
                        index += 1;
                        continue;
                    }
                }
            };
            match launched {
                Launched::Yes => self.remove(index)?,
                Launched::Ends(report) if self.end(index, &job, &report)? => {}
                Launched::No => {
                    pass = Pass::Fruitful;
                    is_full = true;
                    index += 1;
                    continue;
                }
                // It keeps no other out.
                Launched::Ends(_) | Launched::WithoutSegment => {
                    self.give_up_turns(|address| address == pending.address)?;
                    if job.handle != 0 && !is_held_off {
                        self.hold_off(&pending);
                    }
                    index += 1;
                    continue;
                }
            }
            pass = Pass::Fruitful;
            // The line may be long, and what was passed over may have its turn by now. So may jobs behind this one: as
            // long as one that holds a ticket is not asked, sessions that came later are kept out. If none holds one,
            // the rest of the line is for the next pass, which comes at once.
            if launching_since.get_or_insert_with(Instant::now).elapsed() >= WORKER_CHECK {
                if self.turns.is_empty() {
                    break;
                }
                is_full = true;
            }
        }
        Ok(pass)
    }

    /// The job's number in the line.
    fn place_of(&self, pending: &PendingNode) -> usize {
        let is_meant = |other: &PendingNode| other.address == pending.address;
        self.line.iter().position(is_meant).unwrap_or(self.line.len())
    }

    fn hold_off(&mut self, pending: &PendingNode) {
        self.held_off.push((pending.address, Instant::now() + LOOK_AGAIN));
    }

    fn is_held_off(&self, pending: &PendingNode) -> bool {
        self.held_off.iter().any(|(address, until)| *address == pending.address && *until > Instant::now())
    }

    /// Takes the job with that number out of the list.
    fn remove(&mut self, index: usize) -> Result<()> {
        self.remove_and(index, |_| ())
    }

    /// The same; `also` is done in the same hold of the lock.
    fn remove_and(&mut self, index: usize, also: impl Fn(&mut Locked)) -> Result<()> {
        let job = self.line[index];
        let PendingJob { cookie, handle, .. } = job.job()?;
        point::reach("dispatch-remove")?;
        loop {
            let older = job.node.next.load(SeqCst);
            let newer = self.line.get(index + 1).map(|newer| &newer.node.next);
            let is_out = self.registry.exclusive(|r| {
                let is_out = r.unlink_pending(job.address, cookie, older, newer);
                if is_out {
                    also(r);
                }
                is_out
            })?;
            if is_out {
                break;
            }
            self.read_list()?;
        }
        self.line.remove(index);
        self.give_up_turns(|address| address == job.address)?;
        self.told.retain(|told| *told != cookie);
        if handle != 0 {
            dsm::unpin(handle)?;
        }
        self.removed.push(job);
        self.free_removed();
        Ok(())
    }

    /// Frees the memory of jobs that were taken out, unless a process looks at the list. An error loses one's memory,
    /// and not that of all others: no later dispatcher knows of them.
    fn free_removed(&mut self) {
        while !self.registry.has_readers() {
            let Some(job) = self.removed.pop() else { break };
            let _ = self.registry.discard(&job);
        }
    }
}

/// Is there no memory now, no room, no file?
fn is_shortage(error: &PgError) -> bool {
    sqlstate::class(error.report().sqlstate) == *b"53"
}

/// Is it this process that is to end?
fn is_stop(error: &PgError) -> bool {
    sqlstate::class(error.report().sqlstate) == *b"57"
}

fn new_job<'a>(job: &PendingJob<'a>) -> NewJob<'a> {
    NewJob {
        cookie: job.cookie,
        database: job.database,
        role: job.role,
        launched_at: job.launched_at,
        query: job.query,
        label: job.label,
        per_role: job.per_role,
        give_up: Instant::now(),
        committed_by: Some(job.session_pid),
        wanted: job.key.map(|key| {
            let (settings, handle) = (job.settings, job.handle);
            WorkerRequirements { key, settings, handle, taken: &[], likely: None }
        }),
    }
}
