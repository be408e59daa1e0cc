//! Rows that travel in one frame.

use super::frame::{self, HEAD, Kind, Row};

/// Bytes of a batch: so many that the cost of a message is small beside that of its rows, so few that they stay in
/// the cache.
const MAX: usize = 32 * 1024;
const MIN: usize = 2 * 1024;

pub struct Batch {
    frame: Vec<u8>,
    rows: u32,
    /// The batch is full with so many bytes, or so many rows.
    limit: usize,
    max_rows: u32,
}

impl Batch {
    /// `queue_size` in bytes: a batch is a quarter of it, so that both sides can work at the same time.
    pub fn new(queue_size: usize) -> Self {
        Self { frame: Vec::new(), rows: 0, limit: (queue_size / 4).clamp(MIN, MAX), max_rows: u32::MAX }
    }

    /// From now on the batch is full with so many rows at the latest: at least one.
    pub fn set_max_rows(&mut self, max_rows: u64) {
        self.max_rows = u32::try_from(max_rows).unwrap_or(u32::MAX);
    }

    /// The frame, for a row to be appended, padded to eight bytes; [`Self::added`] follows. It has room for `len`.
    pub fn frame_for(&mut self, len: usize) -> &mut Vec<u8> {
        if self.frame.is_empty() {
            self.frame.reserve(self.limit + HEAD);
            frame::begin(Kind::Batch, 0, &mut self.frame);
        }
        self.frame.reserve(len.next_multiple_of(8));
        &mut self.frame
    }

    /// A row was appended. True when the batch is full: it must be sent before another row is added.
    pub fn added(&mut self) -> bool {
        self.rows += 1;
        self.frame.len() >= self.limit || self.rows >= self.max_rows
    }

    /// Adds a row. True when the batch is full.
    pub fn add(&mut self, row: Row) -> bool {
        frame::put_row(self.frame_for(row.len()), row);
        self.added()
    }

    /// Would a row of so many bytes make the frame longer than a full batch?
    pub fn is_full_with(&self, len: usize) -> bool {
        self.rows > 0 && self.frame.len() + len > self.limit + HEAD
    }

    pub fn rows(&self) -> u32 {
        self.rows
    }

    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The rows as a frame. [`Self::clear`] follows once that has been sent.
    pub fn frame(&mut self) -> &mut Vec<u8> {
        frame::set_count(&mut self.frame, self.rows);
        &mut self.frame
    }

    pub fn clear(&mut self) {
        self.frame.clear();
        self.rows = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tuple::tests::sample;

    #[test]
    fn is_full_by_bytes_or_rows() {
        let row = sample(Some(1), Some(b"x"));
        let mut batch = Batch::new(0);
        assert!(!batch.is_full_with(2 * MIN));
        while !batch.add(Row::whole(&row)) {
            assert!(batch.frame().len() < MIN);
        }
        assert!(batch.is_full_with(row.len()));
        batch.clear();
        assert!(batch.is_empty());
        batch.set_max_rows(2);
        assert!(!batch.add(Row::whole(&row)));
        assert!(batch.add(Row::whole(&row)));
        let (kind, count, body) = frame::parse(batch.frame()).unwrap();
        assert_eq!((kind, count, frame::rows(count, body).count()), (Kind::Batch, 2, 2));
    }

    #[test]
    fn a_frame_that_was_begun_for_a_row_that_did_not_come_is_empty() {
        let mut batch = Batch::new(0);
        batch.frame_for(8);
        assert!(batch.is_empty());
        assert!(!batch.is_full_with(2 * MIN));
        batch.frame_for(8);
        assert_eq!(frame::parse(batch.frame()).unwrap(), (Kind::Batch, 0, &[][..]));
    }
}
