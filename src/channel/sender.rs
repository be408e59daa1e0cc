//! The worker's end of the queue.
//!
//! A send that an ERROR interrupts leaves half a message in the queue, which must be completed before any other. So
//! frames are kept here until the queue has all of them. Rows wait for room in the queue, by which a slow reader
//! holds the worker back. Notices do not wait before [`MAX_WAITING`] bytes have piled up here.

use super::batch::Batch;
use crate::pg::error::Result;
use crate::pg::guard;
use crate::pg::latch::{self, Event};
use crate::pg::mq::{Queue, Sent, Wake};
use logic::wire::columns::{self, Column};
use logic::wire::frame::{self, HEAD, Kind, PIECE};
use std::collections::VecDeque;

/// So many bytes may pile up here before a notice waits for room in the queue.
const MAX_WAITING: usize = 1 << 20;

/// What a sender does when the queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// It waits for room, serving interrupts.
    Wait,
    /// It leaves the rest for a later send.
    Leave,
}

/// Whether the launcher reads what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    Present,
    /// The job was submitted: its launcher hears of the job's end only.
    Absent,
}

pub struct Sender {
    /// `None` before [`Self::attach`] and after [`Self::leave`].
    queue: Option<Queue>,
    /// Becomes `Absent` when the reader has left the queue.
    audience: Audience,
    /// Frames on their way, the first perhaps half sent.
    waiting: VecDeque<Vec<u8>>,
    waiting_bytes: usize,
}

impl Sender {
    /// A sender without a queue, which [`Self::attach`] brings.
    pub fn new(audience: Audience) -> Self {
        Self { queue: None, audience, waiting: VecDeque::new(), waiting_bytes: 0 }
    }

    pub fn attach(&mut self, queue: Queue) {
        self.queue = Some(queue);
    }

    /// Is what is sent going to be read?
    pub fn has_reader(&self) -> bool {
        self.audience == Audience::Present && self.queue.is_some()
    }

    /// Leaves the queue: the reader gets what is in it and then its end. Sets the launcher's latch, reader or not.
    pub fn leave(&mut self) {
        self.mute();
        self.queue = None;
    }

    fn mute(&mut self) {
        self.audience = Audience::Absent;
        self.waiting = VecDeque::new();
        self.waiting_bytes = 0;
    }

    /// Moves the waiting frames into the queue: all of them, or as many as there is room for. `wake` says when the
    /// reader hears of the last frame.
    ///
    /// An ERROR comes between two sends, from the wait. The first frame then stays here, and the next send completes
    /// it.
    fn push(&mut self, full: Full, wake: Wake) -> Result<()> {
        while let (Some(queue), Some(first)) = (&mut self.queue, self.waiting.front()) {
            let wake = if self.waiting.len() == 1 { wake } else { Wake::Later };
            match queue.send(first, wake)? {
                Sent::Yes => {
                    if let Some(sent) = self.waiting.pop_front() {
                        self.waiting_bytes -= sent.len();
                    }
                }
                Sent::Full if full == Full::Leave => return Ok(()),
                // The reader sets the latch after it has made room, and room is looked for after the latch was reset.
                Sent::Full => latch::wait(Event::Room, None)?,
                Sent::NoReader => self.mute(),
            }
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
            self.push(if must_wait { Full::Wait } else { Full::Leave }, wake)?;
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
        let first = self.waiting.pop_front();
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
        if let (true, Some(queue)) = (self.waiting.is_empty(), &mut self.queue) {
            match queue.send(batch.frame(), Wake::Later)? {
                Sent::Yes => {
                    batch.clear();
                    return Ok(());
                }
                Sent::NoReader => self.mute(),
                Sent::Full => {}
            }
        }
        self.enqueue(std::mem::take(batch.frame()));
        batch.clear();
        self.flush()
    }

    /// Sends a row that is too long for a batch, in pieces.
    pub fn long_row(&mut self, tuple: &[u8]) -> Result<()> {
        let mut pieces = tuple.chunks(PIECE).peekable();
        while let (Some(piece), true) = (pieces.next(), self.has_reader()) {
            self.enqueue(whole(Kind::Piece, u32::from(pieces.peek().is_none()), piece));
            self.flush()?;
            // With a reader that keeps up, no send waits, and so none serves interrupts.
            latch::check_for_interrupts()?;
        }
        Ok(())
    }

    /// Puts all frames into the queue, waiting for room as long as there is a reader.
    pub fn flush(&mut self) -> Result<()> {
        self.push(Full::Wait, Wake::Now)
    }

    /// The same for the job's last frames. The reader is woken by the end of the queue, which follows.
    pub fn finish(&mut self, full: Full) -> Result<()> {
        self.push(full, Wake::Later)
    }
}

fn whole(kind: Kind, count: u32, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEAD + body.len());
    frame::begin(kind, count, &mut frame);
    frame.extend_from_slice(body);
    frame
}
