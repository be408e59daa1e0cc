//! The worker's end of the files.

use super::{file, remove_files};
use crate::errors;
use crate::pg::dsm::Segment;
use crate::pg::error::{PgError, Result};
use crate::pg::fileset::{self, Usage};
use crate::pg::mq;
use crate::settings;
use logic::segment::spill::{self, Attention, Spill};
use std::sync::Arc;

/// What could not be spilled.
pub enum NotSpilled {
    /// More would be on disk than a setting allows, or the system could not write. Nothing needs to be aborted for it,
    /// and nothing has changed.
    Refused(PgError),
    /// The server has thrown an error.
    Failed(PgError),
}

impl From<PgError> for NotSpilled {
    fn from(error: PgError) -> Self {
        Self::Failed(error)
    }
}

impl From<NotSpilled> for PgError {
    fn from(error: NotSpilled) -> Self {
        match error {
            NotSpilled::Refused(error) | NotSpilled::Failed(error) => error,
        }
    }
}

/// May the catalog be asked for the tablespace? Not from within whatever has raised a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    Allowed,
    Forbidden,
}

/// Do the settings limit what is written?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limits {
    Obeyed,
    /// What a job has to say when it has its outcome is little, and must not be lost.
    Ignored,
}

/// The worker's end.
pub struct Writer {
    segment: Arc<Segment>,
    /// Bytes that were written: the only writer of the published number.
    written: u64,
}

impl Writer {
    pub fn new(segment: &Arc<Segment>) -> Self {
        Self { segment: Arc::clone(segment), written: 0 }
    }

    fn spill(&self) -> &Spill {
        &self.segment.header().spill
    }

    pub fn written(&self) -> u64 {
        self.written
    }

    /// Has the launcher read all that was spilled? Then the queue is to be used.
    pub fn is_read(&self) -> bool {
        self.written == 0 || self.spill().taken() == self.written
    }

    /// Will nobody read any more?
    pub fn is_abandoned(&self) -> bool {
        self.spill().is_abandoned()
    }

    /// Must the worker wait for the launcher, instead of spilling?
    pub fn must_wait(&self) -> bool {
        match self.spill().attention() {
            Attention::Reads => true,
            // It empties the queue, but does not touch the files.
            Attention::Waits => self.is_read(),
            Attention::None => false,
        }
    }

    /// Calls `sleep` if `must_sleep` says so once the launcher can see that this process sleeps.
    pub fn sleep_if(&self, must_sleep: impl FnOnce() -> bool, sleep: impl FnOnce() -> Result<()>) -> Result<()> {
        self.spill().set_asleep(true);
        let slept = if must_sleep() { sleep() } else { Ok(()) };
        self.spill().set_asleep(false);
        slept
    }

    /// Appends records to the files. `begins_cut` says that a part of the first one's frame is in the queue.
    pub fn write(
        &mut self,
        records: &[u8],
        begins_cut: bool,
        lookup: Lookup,
        limits: Limits,
    ) -> std::result::Result<(), NotSpilled> {
        let header = self.segment.header();
        if limits == Limits::Obeyed {
            check_limits(header.spill.unread() + records.len() as u64).map_err(NotSpilled::Refused)?;
        }
        if self.written == 0 {
            header.spill.set_tablespace(match lookup {
                Lookup::Allowed => fileset::next_tablespace()?,
                Lookup::Forbidden => fileset::database_tablespace(),
            });
        }
        let mut rest = records;
        for part in spill::parts(self.written, records.len()) {
            let (bytes, after) = rest.split_at(part.len);
            let file = file(header, part.file)?;
            if let Err(error) = file.write(part.offset, bytes)? {
                self.remove_unpublished(records.len())?;
                return Err(NotSpilled::Refused(file.failed("write", &error)));
            }
            rest = after;
        }
        if begins_cut {
            header.spill.note_cut_frame();
        }
        self.written += records.len() as u64;
        header.spill.set_written(self.written);
        if header.spill.attention() == Attention::Reads {
            mq::wake_reader(&self.segment);
        }
        Ok(())
    }

    /// Removes the files that were made for `len` more bytes, which are not published.
    fn remove_unpublished(&self, len: usize) -> Result<()> {
        spill::parts(self.written, len)
            .filter(|part| part.offset == 0)
            .try_for_each(|part| file(self.segment.header(), part.file)?.remove(Usage::Unreported))
    }

    /// Removes the files of a job that nobody reads.
    pub fn remove(&self) -> Result<()> {
        remove_files(self.segment.header(), Usage::Unreported)
    }
}

/// May so many bytes be unread on disk?
fn check_limits(bytes: u64) -> Result<()> {
    if let Some(limit) = settings::spool_limit().filter(|limit| bytes > u64::from(*limit) * 1024) {
        return Err(errors::spool_limit(limit));
    }
    match fileset::temp_file_limit() {
        Some((limit, kilobytes)) if bytes > limit => Err(errors::temp_file_limit(kilobytes)),
        _ => Ok(()),
    }
}
