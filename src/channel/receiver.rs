//! The launcher's end of the queue.
//!
//! While the launcher waits for the job's end, it moves frames from the queue into a spool: a tuplestore of its own,
//! in memory up to work_mem and in a file beyond, kept across transactions. So a full queue never keeps a job from
//! ending. A later read finds these frames in the spool, before it looks into the queue again, or into the files that
//! the worker has made while the launcher neither read nor waited (`spill`).
//!
//! A read takes frame by frame, and what it has taken is gone ([`Receiver::next`]). A fetch takes a number of rows, and
//! loses none when it fails: it first puts aside as many as it wants ([`Receiver::rows_at_hand`]), and then takes them
//! on trial ([`Receiver::take_rows`]). What it leaves of a batch stays here for the next fetch.

use super::spill::Reader;
use crate::pg::bgworker::Handle;
use crate::pg::error::{PgError, Result};
use crate::pg::foreign_types::localized;
use crate::pg::mq::{self, Queue};
use crate::pg::spool::{AlignedBuffer, Spool};
use logic::sqlstate;
use logic::wire::columns::{self, Column};
use logic::wire::frame::{self, HEAD, Kind};
use logic::wire::tuple;

pub struct Receiver {
    /// Goes first: when the queue has gone, the segment may serve another job.
    files: Reader,
    queue: Queue,
    /// The worker has left the queue and everything in it has been taken out. The rest is in the files.
    queue_ended: bool,
    /// The columns, once they have come.
    columns: Option<Vec<Column>>,
    /// What a fetch has left of a batch: the next rows of all.
    rest: Rest,
    /// The frames that were put aside; `None` when all of them have been read.
    spool: Option<Spool>,
    /// How many rows are in the spool; one of which only a part has come does not count.
    spooled_rows: u64,
    /// How many messages are in the spool.
    spooled_notices: u64,
    /// The spooled frame that is being read.
    current: AlignedBuffer,
    /// The pieces of a long row that have come so far.
    pieces: AlignedBuffer,
    /// A frame has left the queue and could not be kept: rows may be missing.
    has_lost: bool,
}

#[derive(Default)]
struct Rest {
    frame: AlignedBuffer,
    /// Where in the frame the next row begins.
    at: usize,
    rows: u32,
}

/// What a frame has brought. Columns are kept in the receiver.
#[derive(Clone, Copy)]
pub enum Frame<'a> {
    /// So many rows, one after the other, each padded to eight bytes. A long row comes alone.
    Rows(u32, &'a [u8]),
    /// An encoded message.
    Notice(&'a [u8]),
    /// The encoded error of a job whose outcome has no room for it.
    Error(&'a [u8]),
    /// The encoded tags of a job whose outcome has no room for them.
    Tags(&'a [u8]),
}

/// What a look into the queue or the spool has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// A frame of so many bytes, which was given away or kept.
    Frame(usize),
    /// No frame yet.
    Nothing,
    /// The worker has left the queue, and all that it sent has been received; with [`Places::Queue`], all but what is
    /// in the files.
    End,
}

/// Where a frame is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Places {
    /// For a launcher that waits for the job's end: what is in files may stay there.
    Queue,
    QueueAndFiles,
}

/// Where a frame was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Queue,
    Files,
    Nowhere,
    /// There will be none.
    End,
}

/// The longest row, in bytes: the server's largest allocation.
const MAX_ROW: usize = tuple::MAX_SIZE;

impl Receiver {
    pub fn new(queue: Queue) -> Self {
        Self {
            files: Reader::new(queue.segment()),
            queue,
            queue_ended: false,
            columns: None,
            rest: Rest::default(),
            spool: None,
            spooled_rows: 0,
            spooled_notices: 0,
            current: AlignedBuffer::new(),
            pieces: AlignedBuffer::new(),
            has_lost: false,
        }
    }

    /// The job's worker is to be that process: a wait notices when it never comes.
    pub fn expect(&mut self, worker: &Handle) {
        self.queue.expect(worker);
    }

    /// Waits until the process that was started for the job has attached to the queue, or will not any more.
    pub fn wait_for_worker(&self) -> Result<()> {
        self.queue.wait_for_writer().map(drop)
    }

    /// The columns of the rows, once they have come: before the first row.
    pub fn columns(&self) -> Option<&[Column]> {
        self.columns.as_deref()
    }

    /// Was a frame lost? Then nothing more can be read: disk space was missing to put it aside, say.
    pub fn has_lost(&self) -> bool {
        self.has_lost
    }

    /// The rows that have come and are unread.
    pub fn rows_at_hand(&self) -> u64 {
        u64::from(self.rest.rows) + self.spooled_rows
    }

    /// Moves one frame from there to the spool, for a later read. The columns are known from then on.
    pub fn put_aside(&mut self, places: Places) -> Result<Received> {
        self.put_aside_or(places, |_| Ok(false))
    }

    /// The same, but messages are given to `notice` at once, unless older ones are in the spool: they come in their
    /// order.
    pub fn put_rows_aside(&mut self, places: Places, mut notice: impl FnMut(&[u8]) -> Result<()>) -> Result<Received> {
        self.put_aside_or(places, |message| notice(message).map(|()| true))
    }

    /// Finds the next frame: in the files first, if it is known that nothing older is in the queue.
    fn find(&mut self, places: Places) -> Result<Place> {
        loop {
            if places == Places::QueueAndFiles && self.files.has_more() {
                self.files.take()?;
                return Ok(Place::Files);
            }
            let written = self.files.written();
            let found = if self.queue_ended { mq::Received::End } else { self.queue.receive()? };
            match found {
                mq::Received::Message if self.files.note_copy() => {}
                mq::Received::Message => return Ok(Place::Queue),
                mq::Received::Nothing if places == Places::QueueAndFiles && self.files.accept(written) => {}
                mq::Received::Nothing => return Ok(Place::Nowhere),
                mq::Received::End => {
                    self.queue_ended = true;
                    // The worker may have written between the two looks. It does not any more.
                    let written = self.files.written();
                    if places == Places::Queue || !self.files.accept(written) {
                        return Ok(Place::End);
                    }
                }
            }
        }
    }

    /// `takes` tells whether it has taken the message.
    fn put_aside_or(&mut self, places: Places, mut takes: impl FnMut(&[u8]) -> Result<bool>) -> Result<Received> {
        let message = match self.find(places)? {
            Place::Queue => self.queue.message(),
            Place::Files => self.files.frame(),
            Place::Nowhere => return Ok(Received::Nothing),
            Place::End => return Ok(Received::End),
        };
        let (kind, count, body) = frame::parse(message)?;
        // A message that cannot be raised now is no row.
        if kind == Kind::Notice && self.spooled_notices == 0 && takes(body)? {
            return Ok(Received::Frame(message.len()));
        }
        self.has_lost = true;
        if kind == Kind::Description {
            set_columns(&mut self.columns, body)?;
        } else {
            let spool = match &mut self.spool {
                Some(spool) => spool,
                none => none.insert(Spool::new()?),
            };
            spool.put(message)?;
            self.spooled_rows += rows_of(kind, count);
            self.spooled_notices += u64::from(kind == Kind::Notice);
        }
        self.has_lost = false;
        Ok(Received::Frame(message.len()))
    }

    /// Gives the next frame to `read`. Frames come in the order in which they were sent, those in the spool first. A
    /// row that travelled in pieces comes whole.
    pub fn next(&mut self, mut read: impl FnMut(Frame) -> Result<()>) -> Result<Received> {
        if self.rest.rows > 0 {
            let rows = std::mem::take(&mut self.rest.rows);
            let body = &self.rest.frame.bytes()[self.rest.at..];
            read(Frame::Rows(rows, body))?;
            return Ok(Received::Frame(body.len()));
        }
        let from_spool = match &mut self.spool {
            Some(spool) => spool.next(&mut self.current)?,
            None => false,
        };
        let message = if from_spool {
            self.current.bytes()
        } else {
            self.spool = None;
            match self.find(Places::QueueAndFiles)? {
                Place::Queue => self.queue.message(),
                Place::Files => {
                    // rows must be aligned
                    self.current.set(self.files.frame());
                    self.current.bytes()
                }
                Place::Nowhere => return Ok(Received::Nothing),
                Place::End => return Ok(Received::End),
            }
        };
        let bytes = message.len();
        let (kind, count, body) = frame::parse(message)?;
        if from_spool {
            self.spooled_rows = self.spooled_rows.saturating_sub(rows_of(kind, count));
            self.spooled_notices = self.spooled_notices.saturating_sub(u64::from(kind == Kind::Notice));
        }
        match kind {
            Kind::Description => set_columns(&mut self.columns, body)?,
            Kind::Batch => read(Frame::Rows(count, body))?,
            Kind::Piece => {
                add_piece(&mut self.pieces, body)?;
                if count == 1 {
                    let read = read(Frame::Rows(1, self.pieces.bytes()));
                    self.pieces.clear();
                    read?;
                }
            }
            _ => read(other(kind, body))?,
        }
        Ok(Received::Frame(bytes))
    }

    /// Gives the next rows at hand to `read`, at most `max`, and other frames before the last of them. Does not look
    /// into the queue. After an error, nothing has been taken.
    pub fn take_rows(&mut self, max: u64, mut read: impl FnMut(Frame) -> Result<()>) -> Result<()> {
        let mut wanted = max;
        // Position and number of the rows that are left of a batch afterwards.
        let (mut at, mut left) = (self.rest.at, self.rest.rows);
        if left > 0 {
            let count = left.min(u32::try_from(wanted).unwrap_or(u32::MAX));
            let body = &self.rest.frame.bytes()[at..];
            let len = frame::length_of_rows(count, body)?;
            read(Frame::Rows(count, &body[..len]))?;
            wanted -= u64::from(count);
            (at, left) = (at + len, left - count);
        }
        let (mut is_in_current, mut from_spool, mut notices) = (false, 0, 0);
        if let Some(spool) = self.spool.as_mut().filter(|_| wanted > 0) {
            // The beginning of a long row may have been taken out of the queue by a read that failed.
            let mut row = AlignedBuffer::new();
            row.extend(self.pieces.bytes());
            spool.begin_trial()?;
            while wanted > 0 && spool.try_next(&mut self.current)? {
                let (kind, count, body) = frame::parse(self.current.bytes())?;
                let rows = rows_of(kind, count);
                match kind {
                    Kind::Batch if rows > wanted => {
                        let len = frame::length_of_rows(wanted as u32, body)?;
                        read(Frame::Rows(wanted as u32, &body[..len]))?;
                        (at, left, is_in_current) = (HEAD + len, count - wanted as u32, true);
                    }
                    Kind::Batch => read(Frame::Rows(count, body))?,
                    Kind::Piece => {
                        add_piece(&mut row, body)?;
                        if count == 1 {
                            read(Frame::Rows(1, row.bytes()))?;
                            row.clear();
                        }
                    }
                    Kind::Description => {}
                    _ => read(other(kind, body))?,
                }
                from_spool += rows;
                notices += u64::from(kind == Kind::Notice);
                wanted = wanted.saturating_sub(rows);
            }
            spool.commit()?;
            if from_spool > 0 {
                self.pieces.clear();
            }
        }
        if is_in_current {
            std::mem::swap(&mut self.rest.frame, &mut self.current);
        }
        self.spooled_rows = self.spooled_rows.saturating_sub(from_spool);
        self.spooled_notices = self.spooled_notices.saturating_sub(notices);
        (self.rest.at, self.rest.rows) = (at, left);
        Ok(())
    }
}

fn set_columns(columns: &mut Option<Vec<Column>>, body: &[u8]) -> Result<()> {
    if columns.is_some() {
        return Err(PgError::new(sqlstate::DATA_CORRUPTED, "background worker sent columns twice"));
    }
    *columns = Some(localized(columns::decode(body)?)?);
    Ok(())
}

/// How many rows end in a frame.
fn rows_of(kind: Kind, count: u32) -> u64 {
    match kind {
        Kind::Batch => count.into(),
        Kind::Piece => u64::from(count == 1),
        _ => 0,
    }
}

/// A frame that is neither of columns nor of rows.
fn other(kind: Kind, body: &[u8]) -> Frame<'_> {
    match kind {
        Kind::Error => Frame::Error(body),
        Kind::Tags => Frame::Tags(body),
        _ => Frame::Notice(body),
    }
}

fn add_piece(row: &mut AlignedBuffer, piece: &[u8]) -> Result<()> {
    if row.len() + piece.len() > MAX_ROW {
        return Err(PgError::new(sqlstate::DATA_CORRUPTED, "background worker sent too long a row"));
    }
    row.extend(piece);
    Ok(())
}
