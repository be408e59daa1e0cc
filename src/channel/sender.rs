//! The worker's end of the queue.
//!
//! A message that an ERROR interrupts is half in the queue and must be completed before any other, so frames are kept
//! here until the queue has all of them. Notices never wait for a reader while little has piled up; rows always do, which
//! is how a slow reader holds the worker back.

use super::batch::Batch;
use crate::pg::error::Result;
use crate::pg::mq::{Queue, Sent};
use crate::wire::describe::{self, Column};
use crate::wire::frame::{self, HEAD, Kind, PIECE};
use std::collections::VecDeque;

/// Bytes of notices that may wait here for room in the queue.
const MAX_WAITING: usize = 1 << 20;

pub struct Sender {
    /// `None` after the job's end, or when the reader is gone.
    queue: Option<Queue>,
    /// The launcher wants to hear of the end only: nothing is sent.
    muted: bool,
    /// Frames on their way, the first perhaps half sent.
    waiting: VecDeque<Vec<u8>>,
    waiting_bytes: usize,
    /// A send is running: a notice that is raised meanwhile only queues up.
    busy: bool,
}

impl Sender {
    pub fn new(queue: Queue, muted: bool) -> Self {
        Self {
            queue: Some(queue),
            muted,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            busy: false,
        }
    }

    /// Does anybody want what is sent?
    pub fn has_reader(&self) -> bool {
        !self.muted && self.queue.is_some()
    }

    /// Leaves the queue: the reader gets what is in it and then its end.
    pub fn leave(&mut self) {
        self.queue = None;
        self.waiting = VecDeque::new();
        self.waiting_bytes = 0;
    }

    /// Moves what waits into the queue; false when it is full.
    fn push(&mut self, wait: bool) -> Result<bool> {
        if self.busy {
            return Ok(false);
        }
        while let (Some(queue), Some(first)) = (&mut self.queue, self.waiting.front()) {
            // An ERROR leaves `first` where it is, to be completed by the next send.
            let last = self.waiting.len() == 1;
            self.busy = true;
            let sent = queue.send(first, wait, last);
            self.busy = false;
            match sent? {
                Sent::Yes => {
                    if let Some(sent) = self.waiting.pop_front() {
                        self.waiting_bytes -= sent.len();
                    }
                }
                Sent::Full => return Ok(false),
                Sent::NoReader => self.leave(),
            }
        }
        Ok(true)
    }

    fn enqueue(&mut self, frame: Vec<u8>) {
        self.waiting_bytes += frame.len();
        self.waiting.push_back(frame);
    }

    /// Sends a small frame in its turn, without waiting for room while not too much waits already.
    fn send_soon(&mut self, frame: Vec<u8>) -> Result<()> {
        if self.has_reader() {
            self.enqueue(frame);
            let wait = self.waiting_bytes > MAX_WAITING;
            self.push(wait)?;
        }
        Ok(())
    }

    pub fn description(&mut self, columns: &[Column]) -> Result<()> {
        let mut body = Vec::new();
        describe::encode(columns, &mut body);
        self.send_soon(whole(Kind::Description, 0, &body))
    }

    /// A message of the job. May be called while a send is running.
    pub fn notice(&mut self, report: &[u8]) -> Result<()> {
        self.send_soon(whole(Kind::Notice, 0, report))
    }

    /// The error that does not fit into the outcome; the reader has a shorter form of it there.
    pub fn error(&mut self, report: &[u8], wait: bool) -> Result<()> {
        if self.has_reader() {
            self.enqueue(whole(Kind::Error, 0, report));
            self.push(wait)?;
        }
        Ok(())
    }

    pub fn tags(&mut self, tags: &[u8]) -> Result<()> {
        self.send_soon(whole(Kind::Tags, 0, tags))
    }

    /// Rows, waiting for room. The batch is empty afterwards.
    pub fn batch(&mut self, batch: &mut Batch) -> Result<()> {
        if !self.has_reader() || batch.is_empty() {
            batch.clear();
            return Ok(());
        }
        // The usual case keeps the batch's buffer: nothing waits, and the queue takes it all.
        if let (true, false, Some(queue)) = (self.waiting.is_empty(), self.busy, &mut self.queue) {
            self.busy = true;
            let sent = queue.send(batch.frame(), false, false);
            self.busy = false;
            match sent? {
                Sent::Yes => {
                    batch.clear();
                    return Ok(());
                }
                Sent::NoReader => self.leave(),
                Sent::Full => {}
            }
        }
        self.enqueue(std::mem::take(batch.frame()));
        batch.clear();
        self.flush()
    }

    /// A row that is too long for a batch.
    pub fn long_row(&mut self, tuple: &[u8]) -> Result<()> {
        let mut pieces = tuple.chunks(PIECE).peekable();
        while let (Some(piece), true) = (pieces.next(), self.has_reader()) {
            self.enqueue(whole(
                Kind::Piece,
                u32::from(pieces.peek().is_none()),
                piece,
            ));
            self.flush()?;
        }
        Ok(())
    }

    /// Puts everything into the queue, waiting for room as long as there is a reader.
    pub fn flush(&mut self) -> Result<()> {
        self.push(true)?;
        Ok(())
    }
}

fn whole(kind: Kind, count: u32, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEAD + body.len());
    frame::begin(kind, count, &mut frame);
    frame.extend_from_slice(body);
    frame
}
