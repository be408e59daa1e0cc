//! A job that its launcher waits for in one call (exec, query, map).
//!
//! The caller never gets the job's handle. So whatever ends the call early ends the job, too: an error of the wait (a
//! cancel, a timeout), by dropping the [`SynchronousJob`]; the end of the session, in its exit callback. A job that has
//! committed by then stays committed.

use crate::launcher::job::{Job, tracker};
use crate::launcher::launch::inline::{self, InlineResult};
use crate::launcher::launch::{Options, launch_to_read};
use crate::pg::error::Result;
use crate::pg::exit;
use logic::job::released::Release;
use logic::job::state::Stop;
use parking_lot::Mutex;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The jobs that this session waits for. Suppose that the rows of a query are converted by a cast function that calls
/// exec: then there are two.
static AWAITED: Mutex<Vec<Arc<Job>>> = Mutex::new(Vec::new());

/// A job that has been launched and is to be waited for. Dropped before its end, it is asked to stop.
pub struct SynchronousJob(Arc<Job>);

impl Deref for SynchronousJob {
    type Target = Arc<Job>;

    fn deref(&self) -> &Arc<Job> {
        &self.0
    }
}

impl Drop for SynchronousJob {
    fn drop(&mut self) {
        AWAITED.lock().retain(|job| !Arc::ptr_eq(job, &self.0));
        // Most often the job was read, and is released. What fails here cannot be told: an error is on its way already.
        // A job that is unread and not tracked was forgotten by code that the read has called, a cast perhaps.
        let is_tracked = tracker::tracked(self.0.pid, self.0.cookie).is_some();
        if is_tracked || !self.0.is_consumed() {
            let _ = self.0.stop(Stop::Now);
        }
        if is_tracked {
            tracker::release(&self.0, Release::Detached);
        }
    }
}

/// Does a synchronous call wait for the job with that cookie?
pub fn is_awaited(cookie: i64) -> bool {
    AWAITED.lock().iter().any(|job| job.cookie == cookie)
}

/// What a synchronous call has started.
pub enum Started {
    Job(SynchronousJob),
    /// No worker could be had, and the SQL has run in the caller's transaction (`pg_background.on_exhaustion`).
    Inline(InlineResult),
}

/// Launches `sql`, to be waited for; or runs it here, if no worker can be had and the settings want that.
pub fn start(sql: &[u8], options: &Options) -> Result<Started> {
    match start_job(sql, options) {
        Err(error) if inline::is_wanted(&error, options)? => inline::run(sql, options, &error).map(Started::Inline),
        started => started.map(Started::Job),
    }
}

/// Launches `sql`, to be waited for.
pub fn start_job(sql: &[u8], options: &Options) -> Result<SynchronousJob> {
    static WATCHED: AtomicBool = AtomicBool::new(false);
    if !WATCHED.load(Relaxed) {
        exit::at_exit(at_exit)?;
        WATCHED.store(true, Relaxed);
    }
    let job = launch_to_read(sql, options)?;
    AWAITED.lock().push(Arc::clone(&job));
    Ok(SynchronousJob(job))
}

/// The session ends in the middle of a call.
fn at_exit() -> Result<()> {
    let awaited = std::mem::take(&mut *exit::seize(&AWAITED));
    awaited.iter().try_for_each(|job| job.stop(Stop::Now).map(drop))
}
