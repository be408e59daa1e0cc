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
use logic::wire::frame::Row;

/// Gathers rows into batches, and sends them. Rows of a statement that returns no columns are dropped.
pub struct RowSink<'a> {
    current: &'a Current,
    has_columns: bool,
    batch: Batch,
    /// Those that were sent.
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
        let mut sink = Self { current, has_columns: false, batch: Batch::new(queue_size), rows: 0, max_rows };
        sink.count(0);
        sink
    }

    /// Did the statement return columns? Without one there is nothing for a reader to declare, and so nothing to read.
    pub fn has_columns(&self) -> bool {
        self.has_columns
    }

    /// Adds to the rows that were sent. A batch ends with the first row too many, so that the job fails at once.
    fn count(&mut self, rows: u32) {
        self.rows += u64::from(rows);
        if let Some(limit) = self.max_rows {
            self.batch.set_max_rows(limit.saturating_sub(self.rows) + 1);
        }
    }

    /// May so many rows be sent?
    fn check(&self, rows: u32) -> Result<()> {
        match self.max_rows {
            Some(limit) if self.rows + u64::from(rows) > limit => Err(errors::too_many_rows(limit)),
            _ => Ok(()),
        }
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

    fn batch(&mut self) -> &mut Batch {
        &mut self.batch
    }

    fn send(&mut self) -> Result<()> {
        let rows = self.batch.rows();
        self.check(rows)?;
        if self.current.with_sender(|sender| sender.batch(&mut self.batch))?.is_some() {
            self.count(rows);
        }
        Ok(())
    }

    fn long_row(&mut self, row: Row) -> Result<()> {
        self.check(1)?;
        self.count(1);
        self.current.with_sender(|sender| sender.long_row(row))?;
        Ok(())
    }
}
