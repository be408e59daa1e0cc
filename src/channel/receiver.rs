//! The launcher's end of the queue.
//!
//! While the launcher waits for the job's end, it moves frames from the queue into a spool: a tuplestore of its own,
//! in memory up to work_mem and in a file beyond, kept across transactions. So a full queue never keeps a job from
//! ending. A later read finds these frames in the spool, before it looks into the queue again.

use crate::pg::error::{PgError, Result};
use crate::pg::mq::{self, Queue};
use crate::pg::spool::{AlignedBuffer, Spool};
use logic::sqlstate;
use logic::wire::frame::{self, Kind};

pub struct Receiver {
    queue: Queue,
    /// The worker has left the queue and everything in it has been taken out.
    ended: bool,
    /// The frames that a wait has put aside; `None` when all of them have been read.
    spool: Option<Spool>,
    /// The spooled frame that is being read.
    current: AlignedBuffer,
    /// The pieces of a long row that have come so far.
    pieces: AlignedBuffer,
}

/// What [`Receiver::next`] or [`Receiver::put_aside`] has taken out of the queue or the spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// A frame of so many bytes, which was given away or kept.
    Frame(usize),
    /// No frame yet.
    Nothing,
    /// The worker has left the queue, and all that it sent has been received.
    End,
}

/// The longest row, in bytes: the server's largest allocation.
const MAX_ROW: usize = 0x3FFF_FFFF;

impl Receiver {
    pub fn new(queue: Queue) -> Self {
        Self { queue, ended: false, spool: None, current: AlignedBuffer::new(), pieces: AlignedBuffer::new() }
    }

    /// Waits until the process that was started for the job has attached to the queue, or will not any more.
    pub fn wait_for_worker(&self) -> Result<()> {
        self.queue.wait_for_writer().map(drop)
    }

    /// Moves one frame from the queue to the spool, for a later read.
    pub fn put_aside(&mut self) -> Result<Received> {
        if self.ended {
            return Ok(Received::End);
        }
        match self.queue.receive()? {
            mq::Received::Message(frame) => {
                let spool = match &mut self.spool {
                    Some(spool) => spool,
                    none => none.insert(Spool::new()?),
                };
                spool.put(frame)?;
                Ok(Received::Frame(frame.len()))
            }
            mq::Received::Nothing => Ok(Received::Nothing),
            mq::Received::End => {
                self.ended = true;
                Ok(Received::End)
            }
        }
    }

    /// Gives the next frame to `read`: kind, count, body. Frames come in the order in which they were sent, those in
    /// the spool first. A row that travelled in pieces comes whole, as a batch of one row.
    pub fn next(&mut self, mut read: impl FnMut(Kind, u32, &[u8]) -> Result<()>) -> Result<Received> {
        let from_spool = match &mut self.spool {
            Some(spool) => spool.next(&mut self.current)?,
            None => false,
        };
        let frame = if from_spool {
            self.current.bytes()
        } else if self.ended {
            return Ok(Received::End);
        } else {
            self.spool = None;
            match self.queue.receive()? {
                mq::Received::Message(frame) => frame,
                mq::Received::Nothing => return Ok(Received::Nothing),
                mq::Received::End => {
                    self.ended = true;
                    return Ok(Received::End);
                }
            }
        };
        let bytes = frame.len();
        let (kind, count, body) = frame::parse(frame)?;
        if kind == Kind::Piece {
            if self.pieces.len() + body.len() > MAX_ROW {
                return Err(PgError::new(sqlstate::DATA_CORRUPTED, "background worker sent too long a row"));
            }
            self.pieces.extend(body);
            if count == 1 {
                let read = read(Kind::Batch, 1, self.pieces.bytes());
                self.pieces.clear();
                read?;
            }
        } else {
            read(kind, count, body)?;
        }
        Ok(Received::Frame(bytes))
    }
}
