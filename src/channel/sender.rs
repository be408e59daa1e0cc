//! The worker's end of the queue.
//!
//! A send that an ERROR interrupts leaves half a message in the queue, which must be completed before any other. So
//! frames are kept here until the queue has all of them. If the launcher is there, rows wait for room in the queue, by
//! which a slow reader holds the worker back; notices do not wait before [`MAX_WAITING`] bytes have piled up here. If
//! it is not, frames go into a file, [`BLOCK`] bytes or more at a time (`spill`); so nothing waits for a launcher that
//! does something else. With `pg_background.spool_limit = 0` the worker waits all the same.

use super::spill::{Limits, Lookup, NotSpilled, Writer};
use crate::pg::error::Result;
use crate::pg::guard;
use crate::pg::latch::{self, Event};
use crate::pg::mq::{Queue, Sent, Wake};
use crate::settings;
use logic::segment::spill;
use logic::wire::batch::Batch;
use logic::wire::columns::{self, Column};
use logic::wire::frame::{self, HEAD, Kind, PIECE, Row};
use std::collections::VecDeque;

/// So many bytes may pile up here before a notice waits for room in the queue.
const MAX_WAITING: usize = 1 << 20;

/// So many bytes are worth a write to a file.
const BLOCK: usize = 256 << 10;

/// What a sender of a job's last frames does when the queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Full {
    /// It leaves the rest.
    Leave,
    /// It spills if the launcher does not read, and otherwise leaves the rest.
    Spill,
    /// It waits for room, serving interrupts; or spills, if the launcher does not read.
    Wait,
}

/// What is wanted of a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Push {
    /// Frames go if they can without waiting.
    Soon,
    /// Frames go, but for less than a block that would have to be spilled.
    Blocks,
    /// All frames go.
    All,
    /// The last frames go, as `Full` says.
    Last(Full),
}

/// Whether the launcher reads what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    Present,
    /// The job was submitted: its launcher hears of the job's end only.
    Absent,
}

/// What has become of the first frame that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    /// It was sent, or nobody reads any more.
    Sent,
    /// The queue has no room for it, or for the rest of it.
    Full,
    /// The queue is not to be used before the reader has read the files.
    Unread,
}

pub struct Sender {
    /// `None` before [`Self::attach`] and after [`Self::leave`].
    queue: Option<Queue>,
    /// Likewise.
    spill: Option<Writer>,
    /// Becomes `Absent` when the reader has left the queue.
    audience: Audience,
    /// Frames on their way, the first perhaps half sent.
    waiting: VecDeque<Vec<u8>>,
    waiting_bytes: usize,
    /// The first of these is perhaps half sent.
    has_begun: bool,
    /// A frame that is half in the queue, and whole in the files. It must be completed before the queue is used again.
    cut: Option<Vec<u8>>,
}

impl Sender {
    /// A sender without a queue, which [`Self::attach`] brings.
    pub fn new(audience: Audience) -> Self {
        Self {
            queue: None,
            spill: None,
            audience,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            has_begun: false,
            cut: None,
        }
    }

    pub fn attach(&mut self, queue: Queue) {
        self.spill = Some(Writer::new(queue.segment()));
        self.queue = Some(queue);
    }

    /// Has it a queue?
    pub fn has_queue(&self) -> bool {
        self.queue.is_some()
    }

    /// Is what is sent going to be read?
    pub fn has_reader(&self) -> bool {
        self.audience == Audience::Present && self.queue.is_some()
    }

    /// Bytes that were spilled so far; 0 after [`Self::leave`].
    pub fn spooled(&self) -> u64 {
        self.spill.as_ref().map_or(0, Writer::written)
    }

    /// Leaves the queue: the reader gets what is in it, and in the files, and then its end. Sets the launcher's latch,
    /// reader or not.
    pub fn leave(&mut self) -> Result<()> {
        let removed = match &self.spill {
            Some(spill) if spill.is_abandoned() => spill.remove(),
            _ => Ok(()),
        };
        self.mute();
        self.spill = None;
        self.queue = None;
        removed
    }

    fn mute(&mut self) {
        self.audience = Audience::Absent;
        self.waiting = VecDeque::new();
        self.waiting_bytes = 0;
        self.has_begun = false;
        self.cut = None;
    }

    /// The reader has gone.
    fn lose_reader(&mut self) -> Result<()> {
        self.mute();
        self.spill.as_ref().map_or(Ok(()), Writer::remove)
    }

    /// Moves the waiting frames into the queue, or into the files: all of them, or as many as `push` says. `wake` says
    /// when the reader hears of the last frame.
    ///
    /// An ERROR comes between two sends, from the wait or from the files. The first frame then stays here, and the next
    /// send completes it.
    fn push(&mut self, push: Push, wake: Wake) -> Result<()> {
        let mut may_spill = guard::may_wait() && push != Push::Last(Full::Leave);
        while !self.waiting.is_empty() {
            let is_full = match self.send_first(wake)? {
                First::Sent => continue,
                First::Full => true,
                First::Unread => false,
            };
            let Some(spill) = &self.spill else { return Ok(()) };
            if spill.is_abandoned() {
                return self.lose_reader();
            }
            let can_spill = may_spill && settings::spool_limit().is_some();
            if !can_spill || spill.must_wait() {
                if matches!(push, Push::Soon | Push::Last(Full::Spill | Full::Leave)) {
                    return Ok(());
                }
                // The reader sets the latch after it has made room, and room is looked for after the latch was reset.
                let must_sleep =
                    || (is_full || !spill.is_read()) && !spill.is_abandoned() && (!can_spill || spill.must_wait());
                spill.sleep_if(must_sleep, || latch::wait(Event::Room, None))?;
                continue;
            }
            if matches!(push, Push::Soon | Push::Blocks) && self.waiting_bytes < BLOCK {
                return Ok(());
            }
            match self.spill_all(push) {
                Ok(()) => {}
                // The outcome is published: nobody can be told but the reader, for whom the worker waits then.
                Err(NotSpilled::Refused(_)) if matches!(push, Push::Last(_)) => may_spill = false,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Sends the first frame that waits, if the queue is to be used.
    fn send_first(&mut self, wake: Wake) -> Result<First> {
        let (Some(queue), Some(spill)) = (&mut self.queue, &self.spill) else { return Ok(First::Full) };
        if !spill.is_read() {
            return Ok(First::Unread);
        }
        let is_cut = self.cut.is_some();
        let Some(first) = self.cut.as_ref().or(self.waiting.front()) else { return Ok(First::Sent) };
        let wake = if !is_cut && self.waiting.len() == 1 { wake } else { Wake::Later };
        match queue.send(first, wake)? {
            Sent::Yes if is_cut => self.cut = None,
            Sent::Yes => {
                self.has_begun = false;
                if let Some(sent) = self.waiting.pop_front() {
                    self.waiting_bytes -= sent.len();
                }
            }
            Sent::Full => {
                self.has_begun |= !is_cut;
                return Ok(First::Full);
            }
            Sent::NoReader => self.lose_reader()?,
        }
        Ok(First::Sent)
    }

    /// Moves all waiting frames into the files.
    fn spill_all(&mut self, push: Push) -> std::result::Result<(), NotSpilled> {
        let Some(spill) = &mut self.spill else { return Ok(()) };
        let mut records = Vec::with_capacity(self.waiting_bytes + self.waiting.len() * spill::RECORD_HEAD);
        self.waiting.iter().for_each(|frame| spill::put(frame, &mut records));
        let (lookup, limits) = match push {
            Push::Soon => (Lookup::Forbidden, Limits::Obeyed),
            Push::Blocks | Push::All => (Lookup::Allowed, Limits::Obeyed),
            Push::Last(_) => (Lookup::Allowed, Limits::Ignored),
        };
        spill.write(&records, self.has_begun, lookup, limits)?;
        if self.has_begun {
            self.cut = self.waiting.pop_front();
            self.has_begun = false;
        }
        self.waiting.clear();
        self.waiting_bytes = 0;
        if spill.is_abandoned() {
            self.lose_reader()?;
        }
        Ok(())
    }

    fn enqueue(&mut self, frame: Vec<u8>) {
        self.waiting_bytes += frame.len();
        self.waiting.push_back(frame);
    }

    /// Sends a small frame in its turn. Waits for room only when too much waits already.
    fn send_soon(&mut self, frame: Vec<u8>, wake: Wake) -> Result<()> {
        if self.has_reader() {
            self.enqueue(frame);
            let must_wait = self.waiting_bytes > MAX_WAITING && guard::may_wait();
            self.push(if must_wait { Push::Blocks } else { Push::Soon }, wake)?;
        }
        Ok(())
    }

    /// Sends the columns. The reader is not woken yet: rows follow, or the end.
    pub fn description(&mut self, columns: &[Column]) -> Result<()> {
        let mut body = Vec::new();
        columns::encode(columns, &mut body);
        self.send_soon(whole(Kind::Description, 0, &body), Wake::Later)
    }

    /// Sends a message of the job.
    pub fn notice(&mut self, report: &[u8]) -> Result<()> {
        self.send_soon(whole(Kind::Notice, 0, report), Wake::Now)
    }

    /// Keeps what does not fit into the outcome for the [`Self::finish`] that follows.
    pub fn last(&mut self, kind: Kind, body: &[u8]) {
        if self.has_reader() {
            self.enqueue(whole(kind, 0, body));
        }
    }

    /// Drops the rows of a job that has failed. True if frames other than rows are still to be sent.
    pub fn drop_rows(&mut self) -> bool {
        let is_rows = |frame: &Vec<u8>| matches!(frame::parse(frame), Ok((Kind::Batch | Kind::Piece, _, _)));
        // The first frame may be half in the queue: then it must be completed before another.
        let first = if self.has_begun { self.waiting.pop_front() } else { None };
        self.waiting.retain(|frame| !is_rows(frame));
        if let Some(first) = first {
            self.waiting.push_front(first);
        }
        self.waiting_bytes = self.waiting.iter().map(Vec::len).sum();
        !self.waiting.iter().all(is_rows)
    }

    /// Sends rows, waiting for room. The batch is empty afterwards.
    pub fn batch(&mut self, batch: &mut Batch) -> Result<()> {
        if !self.has_reader() || batch.is_empty() {
            batch.clear();
            return Ok(());
        }
        // The usual case keeps the batch's buffer: nothing waits, and the queue takes it all.
        let is_read = self.cut.is_none() && self.spill.as_ref().is_some_and(Writer::is_read);
        if let (true, true, Some(queue)) = (self.waiting.is_empty(), is_read, &mut self.queue) {
            match queue.send(batch.frame(), Wake::Later)? {
                Sent::Yes => {
                    batch.clear();
                    return Ok(());
                }
                Sent::NoReader => {
                    batch.clear();
                    return self.lose_reader();
                }
                Sent::Full => self.has_begun = true,
            }
        }
        self.enqueue(std::mem::take(batch.frame()));
        batch.clear();
        self.push(Push::Blocks, Wake::Now)
    }

    /// Sends a row that is too long for a batch, in pieces.
    pub fn long_row(&mut self, row: Row) -> Result<()> {
        let mut start = 0;
        while start < row.len() && self.has_reader() {
            let mut frame = Vec::with_capacity(HEAD + PIECE.min(row.len() - start));
            frame::begin(Kind::Piece, u32::from(row.len() - start <= PIECE), &mut frame);
            row.put_part(start, PIECE, &mut frame);
            start += PIECE;
            self.enqueue(frame);
            self.push(Push::Blocks, Wake::Now)?;
            // With a reader that keeps up, no send waits, and so none serves interrupts.
            latch::check_for_interrupts()?;
        }
        Ok(())
    }

    /// Puts all frames into the queue or the files, waiting for room as long as the reader is there.
    pub fn flush(&mut self) -> Result<()> {
        self.push(Push::All, Wake::Now)
    }

    /// The same for the job's last frames, when its outcome is published. The reader is woken by the end of the queue,
    /// which follows.
    ///
    /// What is written now is under no limit. If the system cannot write, the worker waits for the reader: the job has
    /// ended its transaction, and holds no locks.
    pub fn finish(&mut self, full: Full) -> Result<()> {
        self.push(Push::Last(full), Wake::Later)
    }
}

fn whole(kind: Kind, count: u32, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEAD + body.len());
    frame::begin(kind, count, &mut frame);
    frame.extend_from_slice(body);
    frame
}
