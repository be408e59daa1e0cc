//! Frames in temporary files, for a job whose queue is full while its launcher does something else.
//!
//! So a job ends, commits and gives its locks back though nobody reads. The launcher says in the segment's header what
//! it does with the job ([`Attention`]). While it reads, or waits for the job's end and empties the queue, the worker
//! waits for room in the queue, and no file is made. Otherwise the worker appends what it has to a file, as soon as
//! that is a block, or is to be out of its memory (the job's last rows).
//!
//! **Order.** Once a frame has been spilled, all that follow are spilled, until the launcher has read all that was;
//! then the worker uses the queue again. So what is in the queue is always older than what is unread in the files, and
//! the launcher looks into the queue first. Suppose that it finds the queue empty, that the worker then sends a frame,
//! fills the queue and spills another, and that the launcher now looks into the files: it would get the second frame
//! first. So it reads `Spill::written` *before* it looks into the queue, and takes no more than that from the files.
//!
//! **A cut frame.** The server's queue takes a frame in parts: the first may be in the queue when there is no room for
//! the rest. Then the whole frame goes into the file, as its first. Before the worker uses the queue again, it
//! completes the frame there (no other could be sent), and the launcher drops that copy. It knows which it is: the
//! first frame out of the queue after those of the file that began with it (`Spill::cut_frames`).
//!
//! **Sleep.** No process sleeps for what has happened already. Each says what it does first and then looks at what the
//! other has said, in an order that both see alike, so one of them sees the other.
//!
//! - The worker says that it is asleep, then looks whether it still has to wait, and only then sleeps on its latch. The
//!   launcher says that it turns away, or that it has read everything, then looks whether the worker is asleep, and
//!   sets its latch. Room in the queue is told by the queue itself.
//! - The worker says how much it has written, then looks whether the launcher reads, and sets its latch. The launcher
//!   says that it reads, then looks how much is written, and only then sleeps.
//!
//! **Files that go.** The launcher removes a file when it has read it, and all of them when it gives the job up, reads
//! its end, or ends itself: [`abandon`]. Suppose that it gives the job up while the worker makes another file. The
//! launcher says so first and then removes what was published; the worker publishes first and then looks for that, and
//! removes its files. So whichever comes second sees the other. A server that starts again removes what a crash has
//! left.

mod reader;
mod writer;

pub use reader::Reader;
pub use writer::{Limits, Lookup, NotSpilled, Writer};

use crate::errors;
use crate::pg::dsm::Segment;
use crate::pg::error::Result;
use crate::pg::exit;
use crate::pg::fileset::{self, NamedFile, Usage};
use crate::pg::mq;
use logic::segment::header::JobHeader;
use logic::segment::spill::{self, Attention};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The job's file of that number. The launcher's pid in its name tells who has not read.
fn file(header: &JobHeader, number: u64) -> Result<NamedFile> {
    let identity = &header.identity;
    let name = format!("{}.pg_background.{:016x}.{number}", identity.launcher_pid, identity.cookie);
    NamedFile::new(header.spill.tablespace(), &name)
}

/// Removes the files that have not been read to their end.
fn remove_files(header: &JobHeader, usage: Usage) -> Result<()> {
    let written = header.spill.written();
    if written == 0 {
        return Ok(());
    }
    spill::files(spill::read_files(header.spill.taken()), written)
        .try_for_each(|number| file(header, number)?.remove(usage))
}

/// Nobody reads the job any more: its files go, and the worker makes no others. By the launcher.
fn abandon(header: &JobHeader) -> Result<()> {
    header.spill.abandon();
    remove_files(header, Usage::Reported)
}

/// The segments whose files go with this session, should it end: of the jobs that it can still read, and of one that it
/// launches.
static WATCHED: Mutex<Vec<Arc<Segment>>> = Mutex::new(Vec::new());

/// An error if what this session's jobs have left on disk for it is more than `temp_file_limit` allows one process: no
/// further job may leave anything there. A job obeys the limit itself, but its process ends, and its files stay.
pub fn check_limit_of_session() -> Result<()> {
    let unread = || WATCHED.lock().iter().map(|segment| segment.header().spill.unread()).sum::<u64>();
    match fileset::temp_file_limit() {
        Some((limit, kilobytes)) if unread() > limit => Err(errors::temp_file_limit(kilobytes)),
        _ => Ok(()),
    }
}

/// As long as there is such a value for a job, its files stay. A launch has one, and the launcher's end of the channel.
pub struct Watched(Arc<Segment>);

impl Watched {
    /// For a launch, before a worker hears of the job; and for the launcher's end of the channel.
    pub fn new(segment: &Arc<Segment>) -> Self {
        static CALLS_AT_EXIT: AtomicBool = AtomicBool::new(false);
        if !CALLS_AT_EXIT.swap(true, Relaxed) {
            // The server has room for some callbacks, or ends the session: it throws no ERROR.
            let _ = exit::at_exit(at_exit);
        }
        WATCHED.lock().push(Arc::clone(segment));
        Self(Arc::clone(segment))
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let is_last = {
            let mut watched = WATCHED.lock();
            if let Some(index) = watched.iter().rposition(|segment| Arc::ptr_eq(segment, &self.0)) {
                watched.swap_remove(index);
            }
            !watched.iter().any(|segment| Arc::ptr_eq(segment, &self.0))
        };
        if is_last {
            // What cannot be removed is logged by the server.
            let _ = abandon(self.0.header());
        }
    }
}

/// The session ends: nobody will read.
fn at_exit() -> Result<()> {
    let watched = std::mem::take(&mut *exit::seize(&WATCHED));
    // all of them, also after an error
    watched.iter().map(|segment| abandon(segment.header())).fold(Ok(()), Result::and)
}

/// Says what the launcher does with a job, until it is dropped; then what it was before counts again.
pub struct Attending<'a> {
    segment: &'a Segment,
    before: Attention,
}

impl<'a> Attending<'a> {
    pub fn new(segment: &'a Segment, attention: Attention) -> Self {
        Self { segment, before: segment.header().spill.set_attention(attention) }
    }
}

impl Drop for Attending<'_> {
    fn drop(&mut self) {
        let spill = &self.segment.header().spill;
        spill.set_attention(self.before);
        // It may have waited for what this process does not do any more.
        if spill.is_asleep() {
            mq::wake_writer(self.segment);
        }
    }
}
