//! What a job's two processes tell each other about the frames that have gone into temporary files.
//!
//! The frames are one sequence of bytes, a record each ([`put`]), which is cut into files of [`FILE_SIZE`] bytes. A
//! position counts from the beginning of the sequence. All bytes before [`Spill::written`] are there; those before
//! [`Spill::taken`] have been read.
//!
//! How the processes use this, in which order, and why none of them sleeps for ever: head of
//! `src/channel/spill/mod.rs`.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};

/// Bytes of a file. A file goes when all of it has been read, so this is how much more than what is unread may be on
/// disk.
pub const FILE_SIZE: u64 = 16 << 20;

/// Bytes before a frame: its length.
pub const RECORD_HEAD: usize = 4;

/// What the launcher does with what the job sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum Attention {
    /// Nothing: it runs something else, or waits for its client.
    None = 0,
    /// It waits for the job's end, and empties the queue meanwhile. It leaves the files alone.
    Waits = 1,
    /// It takes frame after frame, from the queue and from the files.
    Reads = 2,
}

impl Attention {
    fn from_u32(number: u32) -> Self {
        match number {
            1 => Self::Waits,
            2 => Self::Reads,
            _ => Self::None,
        }
    }
}

/// A part of the job's segment. All is zero at first. Everything here is ordered (SeqCst): each process writes its own
/// field and then looks at the other's, and one of the two must see what the other has written.
#[derive(Default)]
#[repr(C)]
pub struct Spill {
    /// Worker: bytes that are in the files. Only grows.
    written: AtomicU64,
    /// Launcher: bytes that it has read. Only grows.
    taken: AtomicU64,
    /// Launcher: [`Attention`].
    attention: AtomicU32,
    /// Launcher: 1 once nobody will read any more.
    abandoned: AtomicU32,
    /// Worker: the tablespace of the files. Written before the first file is made.
    tablespace: AtomicU32,
    /// Worker: how many times it has turned to the files when a part of a frame was in the queue already.
    cut_frames: AtomicU32,
    /// Worker: 1 while it sleeps because it cannot go on without the launcher.
    asleep: AtomicU32,
    /// Keeps the size a multiple of eight; 0.
    reserved: AtomicU32,
}

impl Spill {
    pub fn written(&self) -> u64 {
        self.written.load(SeqCst)
    }

    pub fn set_written(&self, bytes: u64) {
        self.written.store(bytes, SeqCst);
    }

    pub fn taken(&self) -> u64 {
        self.taken.load(SeqCst)
    }

    pub fn set_taken(&self, bytes: u64) {
        self.taken.store(bytes, SeqCst);
    }

    /// Bytes that nobody has read yet.
    pub fn unread(&self) -> u64 {
        // in this order: the difference is never negative
        let taken = self.taken();
        self.written().saturating_sub(taken)
    }

    pub fn attention(&self) -> Attention {
        Attention::from_u32(self.attention.load(SeqCst))
    }

    /// Returns what it was before.
    pub fn set_attention(&self, attention: Attention) -> Attention {
        Attention::from_u32(self.attention.swap(attention as u32, SeqCst))
    }

    pub fn is_abandoned(&self) -> bool {
        self.abandoned.load(SeqCst) != 0
    }

    pub fn abandon(&self) {
        self.abandoned.store(1, SeqCst);
    }

    pub fn tablespace(&self) -> u32 {
        self.tablespace.load(SeqCst)
    }

    pub fn set_tablespace(&self, tablespace: u32) {
        self.tablespace.store(tablespace, SeqCst);
    }

    pub fn cut_frames(&self) -> u32 {
        self.cut_frames.load(SeqCst)
    }

    /// Called before the bytes are published that begin with the whole frame.
    pub fn note_cut_frame(&self) {
        self.cut_frames.fetch_add(1, SeqCst);
    }

    pub fn is_asleep(&self) -> bool {
        self.asleep.load(SeqCst) != 0
    }

    pub fn set_asleep(&self, asleep: bool) {
        self.asleep.store(u32::from(asleep), SeqCst);
    }
}

/// Appends a frame to what is to be written.
pub fn put(frame: &[u8], to: &mut Vec<u8>) {
    to.extend_from_slice(&(frame.len() as u32).to_ne_bytes());
    to.extend_from_slice(frame);
}

/// The length of the frame whose record begins here; `None` if not all of the head is there.
pub fn frame_length(record: &[u8]) -> Option<usize> {
    record.first_chunk::<RECORD_HEAD>().map(|head| u32::from_ne_bytes(*head) as usize)
}

/// A part of the sequence that lies in one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The file's number.
    pub file: u64,
    /// Where the part begins in it.
    pub offset: u64,
    pub len: usize,
}

/// The parts of the `len` bytes from `position` on.
pub fn parts(position: u64, len: usize) -> impl Iterator<Item = Part> {
    let mut at = position;
    let end = position + len as u64;
    std::iter::from_fn(move || {
        let offset = at % FILE_SIZE;
        let len = (FILE_SIZE - offset).min(end - at);
        let part = Part { file: at / FILE_SIZE, offset, len: len as usize };
        at += len;
        (len > 0).then_some(part)
    })
}

/// The files that may be there, when those before `from` have been removed and `written` bytes were published. The
/// last one may have been made and not yet been published.
pub fn files(from: u64, written: u64) -> std::ops::RangeInclusive<u64> {
    from..=written / FILE_SIZE
}

/// How many files, from the first on, hold nothing that is unread.
pub fn read_files(taken: u64) -> u64 {
    taken / FILE_SIZE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_range_are_all_of_it_in_order() {
        let one = |file, offset, len| Part { file, offset, len };
        let last = FILE_SIZE - 10;
        assert_eq!(parts(0, 0).next(), None);
        assert_eq!(parts(FILE_SIZE, 0).next(), None);
        assert_eq!(parts(0, 7).collect::<Vec<_>>(), [one(0, 0, 7)]);
        assert_eq!(parts(last, 10).collect::<Vec<_>>(), [one(0, last, 10)]);
        assert_eq!(parts(last, 11).collect::<Vec<_>>(), [one(0, last, 10), one(1, 0, 1)]);
        let all: Vec<_> = parts(last, 20 + FILE_SIZE as usize).collect();
        assert_eq!(all, [one(0, last, 10), one(1, 0, FILE_SIZE as usize), one(2, 0, 10)]);
    }

    #[test]
    fn a_record_tells_its_frames_length_once_its_head_is_whole() {
        let mut bytes = Vec::new();
        put(b"hello", &mut bytes);
        put(b"", &mut bytes);
        assert_eq!((frame_length(&bytes), frame_length(&bytes[..3])), (Some(5), None));
        assert_eq!(frame_length(&bytes[RECORD_HEAD + 5..]), Some(0));
        assert_eq!(bytes.len(), 2 * RECORD_HEAD + 5);
    }

    #[test]
    fn every_file_that_may_be_there_is_among_those_to_remove() {
        assert_eq!(files(0, 0).collect::<Vec<_>>(), [0]);
        assert_eq!(files(0, FILE_SIZE - 1).collect::<Vec<_>>(), [0]);
        // the next one may have been made already
        assert_eq!(files(0, FILE_SIZE).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(files(read_files(2 * FILE_SIZE), 2 * FILE_SIZE + 5).collect::<Vec<_>>(), [2]);
        assert_eq!(read_files(2 * FILE_SIZE - 1), 1);
    }

    #[test]
    fn attention_is_given_back_as_it_was() {
        let spill = Spill::default();
        assert_eq!(spill.set_attention(Attention::Reads), Attention::None);
        assert_eq!(spill.set_attention(Attention::Waits), Attention::Reads);
        assert_eq!(spill.attention(), Attention::Waits);
    }

    #[test]
    fn unread_is_what_was_written_and_not_taken() {
        let spill = Spill::default();
        spill.set_written(100);
        spill.set_taken(40);
        assert_eq!(spill.unread(), 60);
    }
}
