//! The job that this process runs, for those who are called from elsewhere: message and exit callbacks, and
//! `pg_background_progress()`.

use crate::channel::Sender;
use crate::pg::dsm::Segment;
use crate::pg::encoding::clip;
use crate::pg::error::Result;
use crate::pg::signals::{self, EarlyTermination};
use crate::registry::Registration;
use logic::job::progress::Progress;
use logic::job::state::Stop;
use logic::registry::layout::JobSlot;
use parking_lot::Mutex;
use std::ffi::CString;
use std::sync::Arc;

pub struct Current {
    pub segment: Arc<Segment>,
    /// The job's slot in the registry, if there is one.
    pub slot: Option<&'static JobSlot>,
    /// This process's entry in the registry, if there is one.
    pub registration: Option<Registration>,
    /// Locked for moments only: taken out while it is used, for its use can throw, wait and call back.
    sender: Mutex<Option<Box<Sender>>>,
    /// Messages that were raised while the sender was out.
    missed: Mutex<Vec<Vec<u8>>>,
    /// Which job this is, for log lines.
    pub detail: CString,
}

static CURRENT: Mutex<Option<Arc<Current>>> = Mutex::new(None);

/// `None` in a process that runs no job.
pub fn get() -> Option<Arc<Current>> {
    CURRENT.lock().clone()
}

/// How the process has come to the job.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// It was started for it.
    New,
    Warm,
}

impl Current {
    /// All that a job needs, before it is taken: from then on nothing may fail for want of memory.
    pub fn new(
        segment: Arc<Segment>,
        slot: Option<&'static JobSlot>,
        registration: Option<Registration>,
        sender: Sender,
    ) -> Arc<Self> {
        let identity = &segment.header().identity;
        let detail = format!("pg_background job {} launched by process {}", identity.cookie, identity.launcher_pid);
        Arc::new(Self {
            segment,
            slot,
            registration,
            sender: Mutex::new(Some(Box::new(sender))),
            missed: Mutex::new(Vec::new()),
            detail: CString::new(detail).unwrap_or_default(),
        })
    }
}

/// Begins with a job.
pub fn set(current: &Arc<Current>, start: Start) {
    let has_to_end = start == Start::New
        || current.registration.is_some_and(|registration| registration.registry.is_dismissed(registration.worker));
    let early = if has_to_end { EarlyTermination::EndsJob } else { EarlyTermination::Waits };
    let other = current.slot.map(JobSlot::stop_flag);
    *CURRENT.lock() = Some(Arc::clone(current));
    signals::begin_job(Arc::clone(&current.segment), other, early);
}

/// Is done with the job. The segment is its launcher's alone from the moment that the sender left the queue.
pub fn clear() {
    signals::end_job();
    let job = CURRENT.lock().take();
    drop(job);
}

impl Current {
    /// What the launcher, or somebody else, asks of the job.
    pub fn stop(&self) -> Stop {
        let others = self.slot.map_or(Stop::No, JobSlot::stop);
        self.segment.header().stop().max(others)
    }

    /// Uses the sender, then sends what was missed meanwhile. `None` while somebody further up the stack uses it.
    pub fn with_sender<R>(&self, body: impl FnOnce(&mut Sender) -> Result<R>) -> Result<Option<R>> {
        let Some(mut sender) = self.sender.lock().take() else {
            return Ok(None);
        };
        let mut result = body(&mut sender);
        if result.is_ok() {
            let missed = std::mem::take(&mut *self.missed.lock());
            for report in missed {
                if let Err(error) = sender.notice(&report) {
                    result = Err(error);
                    break;
                }
            }
        }
        *self.sender.lock() = Some(sender);
        result.map(Some)
    }

    /// Sends a message of the job, now or when the sender is back.
    pub fn notice(&self, report: Vec<u8>) -> Result<()> {
        if self.with_sender(|sender| sender.notice(&report))?.is_none() {
            self.missed.lock().push(report);
        }
        Ok(())
    }

    /// As the launcher and the view see it; `None` keeps the percentage.
    pub fn report_progress(&self, percent: Option<i32>, message: &[u8]) {
        let message = &message[..clip(message, Progress::MAX_MESSAGE)];
        self.segment.header().progress.set(percent, message);
        if let Some(slot) = self.slot {
            slot.progress.set(percent, message);
        }
    }

    /// The first statement begins at `now`; there are so many.
    pub fn start(&self, now: i64) {
        self.segment.header().start(now);
        if let Some(slot) = self.slot {
            slot.start(now);
        }
    }

    /// Statement `n` of `of` begins, with that command tag.
    pub fn show_statement(&self, n: usize, of: usize, command: u32) {
        if let Some(slot) = self.slot {
            slot.show_statement(n as u32, of as u32, command);
        }
    }

    /// Rows that the last statement returned or changed.
    pub fn show_rows(&self, rows: u64) {
        if let Some(slot) = self.slot {
            slot.show_rows(i64::try_from(rows).unwrap_or(i64::MAX));
        }
    }
}
