//! Jobs that wait to be started after a commit, as a process sees them: `logic::registry::pending` has the rules.
//!
//! A job is a node of a list in a dynamic shared memory area, which the first session that needs it makes. The session
//! that asks for the job adds the node; as long as its transaction is open, no other process knows of it. The commit
//! links it into the list. From then on the node is the dispatcher's, which frees it. Other sessions look at the list
//! to show a job, or to flag it as one that is to stop: they are counted meanwhile, and the dispatcher frees no node as
//! long as there are any.

use super::area::{Registry, known};
use crate::pg::bgworker;
use crate::pg::dsa::{Node, NodeArea};
use crate::pg::error::{PgError, Result};
use crate::pg::{exit, procs};
use crate::point;
use logic::job::state::State;
use logic::registry::rows::JobRow;
use logic::sqlstate;
use logic::wire::pending::PendingJob;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU32};

/// The area, once this process has it mapped.
static AREA: Mutex<Option<&'static NodeArea>> = Mutex::new(None);

/// The C name of the dispatcher's main function.
const DISPATCHER: &[u8] = b"pg_background_dispatcher_main";

/// A job in the area.
#[derive(Clone, Copy)]
pub struct PendingNode {
    pub address: u64,
    pub node: &'static Node,
}

impl PendingNode {
    pub fn job(&self) -> Result<PendingJob<'static>> {
        let node: &'static Node = self.node;
        PendingJob::decode(node.bytes())
            .map_err(|_| PgError::new(sqlstate::DATA_CORRUPTED, "a job that waits is damaged"))
    }

    /// What the views show of it.
    pub fn row(&self) -> Result<JobRow> {
        self.job().map(|job| row(&job))
    }

    /// Was the job asked to stop before it had a worker?
    pub fn is_asked_to_stop(&self) -> bool {
        self.node.flag.load(SeqCst) != 0
    }

    /// Asks the job to stop, which then never starts, unless it is about to.
    pub fn ask_to_stop(&self) {
        self.node.flag.store(1, SeqCst);
    }
}

/// How often this process is counted as one that looks at the list.
static COUNTED: AtomicU32 = AtomicU32::new(0);

/// This process looks at the list, until the value is dropped, or the process ends by FATAL (memory runs out, say),
/// which drops nothing.
struct Reader<'r>(&'r AtomicU32);

impl<'r> Reader<'r> {
    fn new(readers: &'r AtomicU32) -> Result<Self> {
        static CALLS_AT_EXIT: AtomicBool = AtomicBool::new(false);
        if !CALLS_AT_EXIT.load(Relaxed) {
            exit::at_exit(at_exit)?;
            CALLS_AT_EXIT.store(true, Relaxed);
        }
        readers.fetch_add(1, SeqCst);
        COUNTED.fetch_add(1, Relaxed);
        Ok(Self(readers))
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        COUNTED.fetch_sub(1, Relaxed);
        self.0.fetch_sub(1, SeqCst);
    }
}

#[allow(clippy::unnecessary_wraps)] // what `exit::at_exit` takes
fn at_exit() -> Result<()> {
    if let Some(registry) = known() {
        registry.pending_readers().fetch_sub(COUNTED.swap(0, Relaxed), SeqCst);
    }
    Ok(())
}

impl Registry {
    /// The area, made if there is none.
    pub fn pending_nodes(&self) -> Result<&'static NodeArea> {
        if let Some(area) = *AREA.lock() {
            return Ok(area);
        }
        let area = match self.pending_area() {
            0 => {
                let area = NodeArea::create(self.lock)?;
                area.keep()?;
                let handle = self.exclusive(|r| r.set_pending_area(area.handle()))?;
                if handle == area.handle() {
                    area
                } else {
                    area.discard()?;
                    NodeArea::attach(handle)?
                }
            }
            handle => NodeArea::attach(handle)?,
        };
        let area: &'static NodeArea = Box::leak(Box::new(area));
        *AREA.lock() = Some(area);
        Ok(area)
    }

    /// Puts a job into the area, for [`Self::queue`] or [`Self::discard`].
    pub fn put(&self, job: &PendingJob) -> Result<PendingNode> {
        let mut bytes = Vec::new();
        job.encode(&mut bytes);
        let (address, node) = self.pending_nodes()?.add(&bytes)?;
        Ok(PendingNode { address, node })
    }

    /// Frees a job that is not in the list: its transaction is rolled back, or it was taken out.
    pub fn discard(&self, job: &PendingNode) -> Result<()> {
        self.pending_nodes()?.free(job.address)
    }

    /// Queues the jobs of a transaction, in their order. Called during its commit: allocates nothing.
    pub fn queue(&self, mut jobs: impl Iterator<Item = PendingNode>) -> Result<()> {
        let Some(first) = jobs.next() else {
            return Ok(());
        };
        let mut newest = first;
        for job in jobs {
            job.node.next.store(newest.address, SeqCst);
            newest = job;
        }
        self.exclusive(|r| r.queue_pending(newest.address, &first.node.next))
    }

    /// The jobs in the list from the newest to the oldest, up to and without the one with address `end`, are given to
    /// `each`, until it returns something. `None` if it never does.
    pub fn walk<T>(&self, end: u64, mut each: impl FnMut(PendingNode) -> Result<Option<T>>) -> Result<Option<T>> {
        if self.newest_pending() == 0 {
            return Ok(None);
        }
        let area = self.pending_nodes()?;
        let _reader = Reader::new(self.pending_readers())?;
        let mut address = self.newest_pending();
        while address != 0 && address != end {
            let node = area.node(address)?;
            if let Some(found) = each(PendingNode { address, node })? {
                return Ok(Some(found));
            }
            address = node.next.load(SeqCst);
        }
        Ok(None)
    }

    /// Does any process look at the list?
    pub fn has_readers(&self) -> bool {
        self.pending_readers().load(SeqCst) != 0
    }

    /// What the views show of the jobs that wait.
    pub fn pending_rows(&self) -> Result<Vec<JobRow>> {
        self.ensure_dispatcher()?;
        let mut rows = Vec::new();
        self.walk(0, |pending| {
            rows.push(pending.row()?);
            Ok(None::<()>)
        })?;
        if !rows.is_empty() {
            // looked at afterwards, and once for all of them: the history may be long
            let waiting: HashSet<i64> = rows.iter().map(|row| row.cookie).collect();
            let ended = self.ends().map(|(_, cookie, _)| cookie).filter(|cookie| waiting.contains(cookie));
            let ended: HashSet<i64> = ended.collect();
            rows.retain(|row| !ended.contains(&row.cookie));
        }
        Ok(rows)
    }

    /// A job may have ended before the dispatcher has taken it out of the list.
    fn has_ended(&self, cookie: i64) -> bool {
        self.entry_of(cookie).is_some()
    }

    /// The job with that cookie, if it waits.
    pub fn pending_with(&self, cookie: i64) -> Result<Option<JobRow>> {
        self.ensure_dispatcher()?;
        let found = self.walk(0, |pending| {
            let job = pending.job()?;
            Ok((job.cookie == cookie).then(|| row(&job)))
        })?;
        Ok(found.filter(|_| !self.has_ended(cookie)))
    }

    /// Flags the job with that cookie as one that is to stop; false if it does not wait.
    pub fn stop_pending(&self, cookie: i64) -> Result<bool> {
        // Asked first: the dispatcher that is woken below may end the job before this function returns.
        if self.has_ended(cookie) {
            return Ok(false);
        }
        let found = self.walk(0, |pending| {
            let is_meant = pending.job()?.cookie == cookie;
            if is_meant {
                pending.ask_to_stop();
            }
            Ok(is_meant.then_some(()))
        })?;
        if let (Some(()), Some(proc)) = (found, self.dispatcher()) {
            procs::wake(proc);
        }
        Ok(found.is_some())
    }

    /// Sees to it that a dispatcher is there as long as jobs wait. False if there is none yet, and this process could
    /// not register one: who waits for such a job calls again soon. Allocates nothing, and so may be called in the
    /// midst of a transaction's end.
    ///
    /// Suppose that all slots of `max_worker_processes` are taken: then nothing tells when one is free. So this is
    /// called wherever this library comes by: at launches, at the ends of jobs, by idle workers. Two may come by at
    /// once: the attempt of the other is no dispatcher, for it may fail, and nothing tells of that either.
    pub fn ensure_dispatcher(&self) -> Result<bool> {
        if self.newest_pending() == 0 || self.dispatcher().is_some() {
            return Ok(true);
        }
        Ok(self.call()? == Called::Registered)
    }

    /// The same before there are jobs that wait, for a commit that is about to queue some. False if no process can be
    /// had now.
    pub fn call_dispatcher(&self) -> Result<bool> {
        Ok(self.call()? != Called::NoProcess)
    }

    fn call(&self) -> Result<Called> {
        if !self.exclusive(|r| r.call_dispatcher())? {
            return Ok(Called::ByAnother);
        }
        point::reach("dispatcher-called")?;
        if bgworker::register_steady(b"pg_background dispatcher", DISPATCHER)? {
            return Ok(Called::Registered);
        }
        self.exclusive(|r| r.uncall_dispatcher())?;
        Ok(Called::NoProcess)
    }
}

/// [`Registry::ensure_dispatcher`], if this process knows of the registry.
pub fn ensure_dispatcher() -> Result<bool> {
    known().map_or(Ok(true), Registry::ensure_dispatcher)
}

/// What has come of the call for a dispatcher.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Called {
    Registered,
    /// Another process was first. Its attempt may fail yet.
    ByAnother,
    /// There is no slot of `max_worker_processes`.
    NoProcess,
}

fn row(job: &PendingJob) -> JobRow {
    JobRow {
        pid: 0,
        cookie: job.cookie,
        label: job.label.to_vec(),
        database: job.database,
        role: job.role,
        launcher_pid: job.session_pid,
        is_at_commit: true,
        state: State::Starting,
        launched_at: job.launched_at,
        started_at: 0,
        statement: 0,
        statements: 0,
        command: 0,
        progress: None,
        automatic: None,
        spooled: 0,
        query: job.query.to_vec(),
    }
}
