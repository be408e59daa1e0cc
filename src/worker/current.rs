//! The job that this process runs, for those who are called from elsewhere: message and exit callbacks, and
//! `pg_background_progress()`.

use crate::channel::Sender;
use crate::model::header::PROGRESS_SIZE;
use crate::pg::dsm::Segment;
use crate::pg::error::Result;
use crate::pg::text::clip;
use parking_lot::Mutex;
use std::ffi::{CStr, CString};
use std::sync::{Arc, OnceLock};

pub struct Current {
    pub segment: Arc<Segment>,
    /// Locked for moments only: taken out while it is used, for its use can throw, wait and call back.
    sender: Mutex<Option<Box<Sender>>>,
    /// Messages that were raised while the sender was out.
    missed: Mutex<Vec<Vec<u8>>>,
    /// Which job this is, for log lines.
    pub detail: CString,
}

static CURRENT: OnceLock<Current> = OnceLock::new();

/// `None` in a process that is no worker of ours.
pub fn get() -> Option<&'static Current> {
    CURRENT.get()
}

/// Once per process.
pub fn set(segment: Arc<Segment>, sender: Sender) -> Option<&'static Current> {
    let identity = &segment.header().identity;
    let detail = format!("pg_background job {} launched by process {}", identity.cookie, identity.launcher_pid);
    let current = Current {
        segment,
        sender: Mutex::new(Some(Box::new(sender))),
        missed: Mutex::new(Vec::new()),
        detail: CString::new(detail).unwrap_or_default(),
    };
    CURRENT.set(current).ok()?;
    CURRENT.get()
}

impl Current {
    pub fn detail(&self) -> &CStr {
        &self.detail
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

    /// As the launcher sees it; `None` keeps the percentage.
    pub fn report_progress(&self, percent: Option<i32>, message: &[u8]) {
        let len = clip(message, PROGRESS_SIZE);
        self.segment.header().set_progress(percent, &message[..len]);
    }
}
