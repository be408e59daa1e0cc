//! The launcher's end of the files.

use super::{Watched, file};
use crate::pg::dsm::Segment;
use crate::pg::error::{PgError, Result};
use crate::pg::fileset::Usage;
use crate::pg::mq;
use logic::segment::spill::{self, RECORD_HEAD};
use logic::sqlstate;
use std::sync::Arc;

/// The launcher reads so many bytes at a time.
const READ_SIZE: usize = 256 << 10;

/// The launcher's end.
pub struct Reader {
    segment: Arc<Segment>,
    /// Removes the files when this value goes.
    _watched: Watched,
    /// So many bytes of the sequence may be taken: the queue was found empty since they were there.
    safe: u64,
    /// So many have been taken.
    taken: u64,
    /// The next bytes of the sequence, from `taken` on.
    buffer: Vec<u8>,
    /// Where in the buffer the next record begins.
    at: usize,
    /// The frame that was taken last, in the buffer.
    frame: std::ops::Range<usize>,
    /// So many files have been removed.
    removed: u64,
    /// Copies of cut frames that will come out of the queue, and those that have come.
    cut_frames: u32,
    dropped: u32,
}

impl Reader {
    pub fn new(segment: &Arc<Segment>) -> Self {
        Self {
            segment: Arc::clone(segment),
            _watched: Watched::new(segment),
            safe: 0,
            taken: 0,
            buffer: Vec::new(),
            at: 0,
            frame: 0..0,
            removed: 0,
            cut_frames: 0,
            dropped: 0,
        }
    }

    /// How much the worker has written. For [`Self::accept`], after a look into the queue has found nothing.
    pub fn written(&self) -> u64 {
        self.segment.header().spill.written()
    }

    /// Notes that the files may be read so far: the queue was empty after the worker had written that. True if there
    /// is something to take.
    pub fn accept(&mut self, written: u64) -> bool {
        if written > self.safe {
            self.safe = written;
            self.cut_frames = self.segment.header().spill.cut_frames();
        }
        self.has_more()
    }

    /// Is there a frame that may be taken now?
    pub fn has_more(&self) -> bool {
        self.taken < self.safe
    }

    /// Takes note of a frame out of the queue. True if it is the copy of one that was in the files: it is dropped then.
    pub fn note_copy(&mut self) -> bool {
        let is_copy = self.dropped != self.cut_frames;
        self.dropped += u32::from(is_copy);
        is_copy
    }

    /// Takes the next frame, which [`Self::frame`] gives then. After an error, nothing has been taken.
    ///
    /// The files that end in the frame go before it counts as taken: [`super::abandon`] removes what comes after what
    /// was taken, and no other call may follow.
    pub fn take(&mut self) -> Result<()> {
        self.fill(RECORD_HEAD)?;
        let len = spill::frame_length(&self.buffer[self.at..]).unwrap_or(0);
        self.fill(RECORD_HEAD + len)?;
        let taken = self.taken + (RECORD_HEAD + len) as u64;
        while self.removed < spill::read_files(taken) {
            file(self.segment.header(), self.removed)?.remove(Usage::Reported)?;
            self.removed += 1;
        }
        let start = self.at + RECORD_HEAD;
        self.frame = start..start + len;
        self.at = start + len;
        self.taken = taken;
        let spill = &self.segment.header().spill;
        spill.set_taken(self.taken);
        if self.taken == spill.written() && spill.is_asleep() {
            mq::wake_writer(&self.segment);
        }
        Ok(())
    }

    /// The frame that was taken last.
    pub fn frame(&self) -> &[u8] {
        &self.buffer[self.frame.clone()]
    }

    /// Reads, if need be, so that the buffer has `len` bytes of the next record.
    fn fill(&mut self, len: usize) -> Result<()> {
        let have = self.buffer.len() - self.at;
        if have >= len {
            return Ok(());
        }
        let position = self.taken + have as u64;
        let left = usize::try_from(self.safe - position).unwrap_or(usize::MAX);
        let wanted = READ_SIZE.max(len - have).min(left);
        if have + wanted < len {
            return Err(damaged());
        }
        let mut buffer = Vec::with_capacity(have + wanted);
        buffer.extend_from_slice(&self.buffer[self.at..]);
        buffer.resize(have + wanted, 0);
        let mut at = have;
        for part in spill::parts(position, wanted) {
            file(self.segment.header(), part.file)?.read(part.offset, &mut buffer[at..at + part.len])?;
            at += part.len;
        }
        (self.buffer, self.at, self.frame) = (buffer, 0, 0..0);
        Ok(())
    }
}

#[cold]
fn damaged() -> PgError {
    PgError::new(sqlstate::DATA_CORRUPTED, "what was kept of the result on disk is damaged")
}
