//! Rows that travel in one frame.

use super::frame::{self, HEAD, Kind, Row};

/// Bytes of a batch: so many that the cost of a message is small beside that of its rows, so few that they stay in
/// the cache.
const MAX: usize = 32 * 1024;
const MIN: usize = 2 * 1024;

pub struct Batch {
    frame: Vec<u8>,
    rows: u32,
    limit: usize,
}

impl Batch {
    /// `queue_size` in bytes: a batch is a quarter of it, so that both sides can work at the same time.
    pub fn new(queue_size: usize) -> Self {
        Self { frame: Vec::new(), rows: 0, limit: (queue_size / 4).clamp(MIN, MAX) }
    }

    /// Adds a row. True when the batch is full: it must be sent before another row is added.
    pub fn add(&mut self, row: Row) -> bool {
        if self.rows == 0 {
            self.frame.reserve(self.limit + HEAD);
            frame::begin(Kind::Batch, 0, &mut self.frame);
        }
        frame::put_row(&mut self.frame, row);
        self.rows += 1;
        self.frame.len() >= self.limit
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
