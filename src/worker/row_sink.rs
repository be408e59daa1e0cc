//! The rows of a job's last statement, on their way to the sender.

use super::current::Current;
use crate::channel::Sender;
use crate::errors;
use crate::pg::dest::Sink;
use crate::pg::error::Result;
use crate::pg::foreign_types::Reader;
use crate::settings;
use logic::segment::header::Identity;
use logic::wire::batch::Batch;
use logic::wire::columns::Column;
use logic::wire::frame::{PIECE, Row};

/// Gathers rows into batches, and sends them. Rows of a statement that returns no columns are dropped.
pub struct RowSink<'a> {
    current: &'a Current,
    has_columns: bool,
    batch: Batch,
    rows: u64,
    /// The job fails when it returns more; `None` is no limit.
    max_rows: Option<u64>,
}

impl<'a> RowSink<'a> {
    pub fn new(current: &'a Current) -> Self {
        let header = current.segment.header();
        let queue_size = header.queue.len as usize;
        let is_returned = header.identity.wants_results == Identity::WANTS_ROWS;
        let max_rows = settings::max_result_rows().filter(|_| is_returned);
        Self { current, has_columns: false, batch: Batch::new(queue_size), rows: 0, max_rows }
    }

    /// Did the statement return columns? Without one there is nothing for a reader to declare, and so nothing to read.
    pub fn has_columns(&self) -> bool {
        self.has_columns
    }

    fn send(&mut self) -> Result<()> {
        self.current.with_sender(|sender| sender.batch(&mut self.batch))?;
        Ok(())
    }

    /// Sends what is left. Everything that the job has sent so far, messages too, is in the queue or in files then,
    /// unless the reader is gone.
    pub fn finish(&mut self) -> Result<()> {
        self.send()?;
        if self.has_columns {
            self.current.with_sender(Sender::flush)?;
        }
        Ok(())
    }
}

impl Sink for RowSink<'_> {
    fn reader(&self) -> Reader {
        let identity = &self.current.segment.header().identity;
        if identity.is_elsewhere() {
            Reader::OtherDatabase { encoding: identity.launcher_encoding }
        } else {
            Reader::SameDatabase
        }
    }

    fn start(&mut self, columns: &[Column]) -> Result<()> {
        if columns.is_empty() {
            return Ok(());
        }
        self.has_columns = true;
        self.current.with_sender(|sender| sender.description(columns))?;
        Ok(())
    }

    fn row(&mut self, row: Row) -> Result<()> {
        if !self.has_columns {
            return Ok(());
        }
        self.rows += 1;
        if let Some(limit) = self.max_rows.filter(|limit| self.rows > *limit) {
            return Err(errors::too_many_rows(limit));
        }
        if row.len() > PIECE {
            self.send()?;
            self.current.with_sender(|sender| sender.long_row(row))?;
        } else if self.batch.add(row) {
            self.send()?;
        }
        Ok(())
    }
}
