//! The launcher's end of the queue.
//!
//! While the launcher waits for a job it moves the job's frames into a spool, so that a full queue never keeps a job from
//! ending; a later read finds them there first.

use crate::pg::error::{PgError, Result};
use crate::pg::mq::{Queue, Received};
use crate::pg::result_set::{Aligned, Spool};
use logic::sqlstate;
use logic::wire::frame::{self, Kind};

pub struct Receiver {
    queue: Queue,
    /// The worker has left the queue and everything in it has been taken out.
    ended: bool,
    spool: Option<Spool>,
    /// The spooled frame that is being read.
    current: Aligned,
    /// The parts of a long row that have come so far.
    pieces: Aligned,
}

/// What [`Receiver::next`] or [`Receiver::put_aside`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A frame, which was given away or kept.
    Frame,
    /// None yet.
    Nothing,
    /// None any more.
    End,
}

/// No row can be longer than the server's largest allocation.
const MAX_ROW: usize = 0x3FFF_FFFF;

impl Receiver {
    pub fn new(queue: Queue) -> Self {
        Self { queue, ended: false, spool: None, current: Aligned::new(), pieces: Aligned::new() }
    }

    /// Waits until a worker has the job; false when none will.
    pub fn wait_for_worker(&self) -> Result<bool> {
        self.queue.wait_for_writer()
    }

    /// Takes one frame out of the queue, for later. Its size goes to `bytes`.
    pub fn put_aside(&mut self, bytes: &mut usize) -> Result<Step> {
        if self.ended {
            return Ok(Step::End);
        }
        match self.queue.receive()? {
            Received::Message(frame) => {
                let spool = match &mut self.spool {
                    Some(spool) => spool,
                    none => none.insert(Spool::new()?),
                };
                *bytes += frame.len();
                spool.put(frame)?;
                Ok(Step::Frame)
            }
            Received::Nothing => Ok(Step::Nothing),
            Received::End => {
                self.ended = true;
                Ok(Step::End)
            }
        }
    }

    /// Gives the next frame to `read`, in the order in which they were sent: kind, count, body. A long row comes as a batch
    /// of one.
    pub fn next(&mut self, mut read: impl FnMut(Kind, u32, &[u8]) -> Result<()>) -> Result<Step> {
        let from_spool = match &mut self.spool {
            Some(spool) => spool.next(&mut self.current)?,
            None => false,
        };
        let frame = if from_spool {
            self.current.bytes()
        } else if self.ended {
            return Ok(Step::End);
        } else {
            self.spool = None;
            match self.queue.receive()? {
                Received::Message(frame) => frame,
                Received::Nothing => return Ok(Step::Nothing),
                Received::End => {
                    self.ended = true;
                    return Ok(Step::End);
                }
            }
        };
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
        Ok(Step::Frame)
    }
}
