//! Deadlocks that the server does not see: a session waits for a job, and the job waits, directly or through others,
//! for a lock of that session.
//!
//! A wait that lasts for `deadlock_timeout` looks for one, and again each time that as much has passed: the job may
//! come to the lock late. A look collects who waits for whom (`logic::wait_graph`), from the job on: a process waits
//! for locks of others (`pg::lock_waits`), or for jobs, which its session shows in the registry
//! (`logic::registry::shown_waits`). Where the look finds a circle, a second one comes soon after, and what both have
//! found is an error. Without a registry the waits of other sessions for their jobs are not known.

use super::synchronous;
use crate::errors::{self, DeadlockedWait};
use crate::pg::error::{PgError, Result};
use crate::pg::lock_waits::{self, LockWait};
use crate::pg::{activity, encoding, exit, identity, xact};
use crate::point;
use crate::registry::{self, Registry};
use logic::wait_graph::{Graph, Needs, Wait};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// A job that is waited for, by its handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AwaitedJob {
    pub pid: i32,
    pub cookie: i64,
}

/// What a wait needs to end, as far as it can be part of a deadlock.
#[derive(Clone, Copy)]
pub enum Awaits<'a> {
    /// The end of all of these jobs.
    All(&'a [AwaitedJob]),
    /// The end of one of these jobs.
    Any(&'a [AwaitedJob]),
    /// That the process with that pid takes a job.
    Worker(i32),
    /// Something that no lock of this session can keep away for ever.
    Nothing,
}

/// Between two looks of which the first has found a circle; less if `deadlock_timeout` is.
const SECOND_LOOK: Duration = Duration::from_millis(50);
/// A look that takes long is followed by a pause so many times as long: where hundreds wait for one lock, each look
/// reads the queue of that lock for each of them.
const PAUSE_PER_LOOK: u32 = 50;
/// As much of a statement is shown.
const STATEMENT_SIZE: usize = 1024;

/// What tells a wait from the next one of the same process.
#[derive(Clone, PartialEq)]
enum Key {
    /// Of a session and its parallel workers.
    Locks(Vec<LockWait>),
    /// The number under which it is shown.
    Jobs(u64),
    Mine,
}

/// Looks for deadlocks in one wait, from its beginning to its end.
pub struct Watch<'a> {
    awaits: Awaits<'a>,
    deadline: Option<Instant>,
    /// When the next look is due; `None` before the first sleep.
    next: Option<Instant>,
    /// What the last look has found, if it was a circle.
    suspected: Option<Graph<Key>>,
    is_shown: bool,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if self.is_shown {
            let _ = hide();
        }
    }
}

fn hide() -> Result<()> {
    registry::known().map_or(Ok(()), |registry| registry.exclusive(|r| r.hide_wait()))
}

impl<'a> Watch<'a> {
    /// Of a wait that ends at the deadline in any case.
    pub fn new(awaits: Awaits<'a>, deadline: Option<Instant>) -> Self {
        Self { awaits, deadline, next: None, suspected: None, is_shown: false }
    }

    /// How long the wait may sleep, before it calls [`Self::look_if_due`].
    pub fn sleep_until(&mut self) -> Option<Instant> {
        if matches!(self.awaits, Awaits::Nothing) {
            return self.deadline;
        }
        let next = *self.next.get_or_insert_with(|| Instant::now() + lock_waits::deadlock_timeout());
        Some(self.deadline.map_or(next, |deadline| deadline.min(next)))
    }

    /// To be called when the wait has found nothing, and before it sleeps. An error, if this session waits for itself.
    pub fn look_if_due(&mut self) -> Result<()> {
        match self.next {
            Some(next) if Instant::now() >= next => self.look(),
            _ => Ok(()),
        }
    }

    fn look(&mut self) -> Result<()> {
        let (me, registry) = (identity::process_id(), registry::get()?);
        let earlier = self.suspected.take();
        let (begun, pause) = (Instant::now(), lock_waits::deadlock_timeout());
        self.next = Some(begun + pause);
        let Some(mine) = self.my_wait(registry)? else {
            return Ok(());
        };
        let graph = Graph::explore(me, mine, |pid| self.wait_of(registry, pid))?;
        let pause = pause.max(begun.elapsed() * PAUSE_PER_LOOK);
        self.next = Some(Instant::now() + pause);
        if let Some(registry) = registry {
            self.show(registry, &graph)?;
        }
        if let Some(common) = earlier.map(|earlier| graph.common(&earlier)) {
            if let Some(chain) = common.deadlock_of(me) {
                return Err(self.error(&common, &chain)?);
            }
        }
        if graph.deadlock_of(me).is_some() {
            point::reach("deadlock-suspected")?;
            self.suspected = Some(graph);
            self.next = Some(Instant::now() + pause.min(SECOND_LOOK));
        }
        Ok(())
    }

    /// `None`: what this session waits for has happened, as the next look at it will find.
    fn my_wait(&self, registry: Option<&Registry>) -> Result<Option<Wait<Key>>> {
        let (needs, jobs) = match self.awaits {
            Awaits::All(jobs) => (Needs::AllJobs, jobs),
            Awaits::Any(jobs) => (Needs::AnyJob, jobs),
            Awaits::Worker(pid) => {
                return Ok(Some(Wait { needs: Needs::AllJobs, key: Key::Mine, on: BTreeSet::from([pid]) }));
            }
            Awaits::Nothing => return Ok(None),
        };
        let on = match registry {
            Some(registry) => workers_of(registry, needs, jobs.iter().map(|job| job.cookie))?,
            None => Some(jobs.iter().map(|job| job.pid).collect()),
        };
        Ok(on.map(|on| Wait { needs, key: Key::Mine, on }))
    }

    /// Shows the others what this session waits for: first those jobs that cannot go on by themselves.
    fn show(&mut self, registry: &Registry, graph: &Graph<Key>) -> Result<()> {
        static WATCHED: AtomicBool = AtomicBool::new(false);
        let (needs, jobs) = match self.awaits {
            Awaits::All(jobs) => (Needs::AllJobs, jobs),
            Awaits::Any(jobs) => (Needs::AnyJob, jobs),
            Awaits::Worker(_) | Awaits::Nothing => return Ok(()),
        };
        if !WATCHED.load(Relaxed) {
            exit::at_exit(hide)?;
            WATCHED.store(true, Relaxed);
        }
        let mut jobs = jobs.to_vec();
        if needs == Needs::AllJobs {
            jobs.retain(|job| registry.slot_of(job.cookie).is_some());
            jobs.sort_by_key(|job| graph.wait_of(job.pid).is_none());
        }
        let cookies: Vec<i64> = jobs.iter().map(|job| job.cookie).collect();
        self.is_shown = true;
        registry.exclusive(|r| r.show_wait(needs, &cookies))
    }

    fn error(&self, graph: &Graph<Key>, chain: &[i32]) -> Result<PgError> {
        lock_waits::count_deadlock()?;
        let wait = match self.awaits {
            Awaits::Worker(_) => DeadlockedWait::Launch,
            _ if !chain.iter().any(|pid| graph.wait_of(*pid).is_some_and(|wait| wait.needs == Needs::Locks)) => {
                DeadlockedWait::OfJobsAlone
            }
            Awaits::All(jobs) | Awaits::Any(jobs) if jobs.iter().any(|job| synchronous::is_awaited(job.cookie)) => {
                DeadlockedWait::Synchronous
            }
            _ if Self::is_for_snapshots(graph, chain) => DeadlockedWait::JobAfterSnapshots,
            _ => DeadlockedWait::Job,
        };
        let mut lines = Vec::new();
        for (at, pid) in chain.iter().enumerate() {
            let next = chain.get(at + 1).unwrap_or(&chain[0]);
            lines.push(self.describe(graph, *pid, *next)?);
        }
        for pid in chain {
            lines.push([format!("Process {pid}: ").as_bytes(), &statement_of(*pid)?].concat());
        }
        Ok(errors::deadlock(wait, lines.join(&b'\n')))
    }

    /// Is one of these waits for the end of a transaction that may have an old snapshot?
    fn is_for_snapshots(graph: &Graph<Key>, chain: &[i32]) -> bool {
        let is_for_snapshot = |key: &Key| match key {
            Key::Locks(waits) => waits.iter().any(LockWait::is_for_virtual_transaction),
            _ => false,
        };
        chain.iter().any(|pid| graph.wait_of(*pid).is_some_and(|wait| is_for_snapshot(&wait.key)))
    }

    /// How `pid` waits for `next`, in the server's words as far as it has any.
    fn describe(&self, graph: &Graph<Key>, pid: i32, next: i32) -> Result<Vec<u8>> {
        let key = graph.wait_of(pid).map(|wait| &wait.key);
        let Some(Key::Locks(waits)) = key else {
            let what = match (key, self.awaits) {
                (Some(Key::Mine), Awaits::Worker(_)) => "for a worker, process",
                _ => "for the job of process",
            };
            return Ok(format!("Process {pid} waits {what} {next}.").into_bytes());
        };
        let wait = waits.iter().find(|wait| wait.blockers.contains(&next));
        let lock = wait.map_or(Ok(b"a lock".to_vec()), LockWait::description)?;
        let pid = wait.map_or(pid, |wait| wait.pid);
        let (begin, end) = (format!("Process {pid} waits for "), format!("; blocked by process {next}."));
        Ok([begin.as_bytes(), &lock, end.as_bytes()].concat())
    }

    /// The wait of another process; `None`: it waits for nobody.
    ///
    /// A job that waits for old snapshots to go (CREATE INDEX CONCURRENTLY) is left out if this session's wait has a
    /// deadline. Such waits are a way to see the job's end: each is a statement of its own, and the job goes on when
    /// that is over.
    fn wait_of(&self, registry: Option<&Registry>, pid: i32) -> Result<Option<Wait<Key>>> {
        let mut waits = lock_waits::of(pid)?;
        if self.deadline.is_some() {
            let me = identity::process_id();
            for wait in waits.iter_mut().filter(|wait| wait.is_for_virtual_transaction()) {
                wait.blockers.remove(&me);
            }
        }
        other_wait(registry, pid, waits)
    }
}

/// The wait of a process that waits for these locks; if for none, then perhaps for jobs.
fn other_wait(registry: Option<&Registry>, pid: i32, waits: Vec<LockWait>) -> Result<Option<Wait<Key>>> {
    if !waits.is_empty() {
        let on = waits.iter().flat_map(|wait| wait.blockers.iter().copied()).collect();
        return Ok(Some(Wait { needs: Needs::Locks, key: Key::Locks(waits), on }));
    }
    let Some(registry) = registry else {
        return Ok(None);
    };
    let Some(shown) = registry.shared(|r| r.wait_of(pid))? else {
        return Ok(None);
    };
    let on = workers_of(registry, shown.needs, shown.cookies())?;
    Ok(on.map(|on| Wait { needs: shown.needs, key: Key::Jobs(shown.number), on }))
}

/// The workers of those jobs that have not ended. `None`: the end of any is needed, and one has ended, or has no worker
/// yet.
fn workers_of(registry: &Registry, needs: Needs, cookies: impl Iterator<Item = i64>) -> Result<Option<BTreeSet<i32>>> {
    let mut workers = BTreeSet::new();
    for cookie in cookies {
        match registry.find(cookie)? {
            Some((_, name)) if name.pid != 0 => drop(workers.insert(name.pid)),
            _ if needs == Needs::AnyJob => return Ok(None),
            _ => {}
        }
    }
    Ok(Some(workers))
}

/// The statement of a process, if the caller may see it, and the session's user may as well: a SECURITY DEFINER
/// function that waits decides what it does for its caller, but not what an error tells the client.
fn statement_of(pid: i32) -> Result<Vec<u8>> {
    let Some(process) = lock_waits::process(pid)? else {
        return Ok(b"<backend information not available>".to_vec());
    };
    // Outside a transaction no role's memberships can be looked up.
    let is_visible = if xact::is_open() {
        identity::may_read_stats_of(process.role)? && identity::may_session_read_stats_of(process.role)?
    } else {
        process.role == identity::current_user() && process.role == identity::session_user()
    };
    if !is_visible {
        return Ok(b"<insufficient privilege>".to_vec());
    }
    let mut statement = encoding::made_valid(activity::statement_of(pid)?)?;
    statement.truncate(encoding::clip(&statement, STATEMENT_SIZE));
    Ok(statement)
}
