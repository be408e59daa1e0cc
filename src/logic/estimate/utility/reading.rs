//! What is read of a command that runs: the server's progress counters of this process (`st_progress_command` and
//! `st_progress_param[]`, commands/progress.h), and a little more. Numbers of slots are the same in 14 to 18; what a
//! major does not write stays 0.

/// Which view of the server would show the counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Counted {
    /// None. Building an index writes its slots all the same (REFRESH, ALTER TABLE), and so does a command in which an
    /// error was caught ([`Last`]).
    #[default]
    Nothing,
    Vacuum,
    Analyze,
    /// CLUSTER, and VACUUM FULL.
    Cluster,
    CreateIndex,
    Copy,
}

/// One look.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reading {
    pub counted: Counted,
    /// The relation that the counters are about.
    pub target: u32,
    pub slots: [i64; SLOTS],
    /// Buffers that this process has asked for since it began.
    pub buffers: i64,
    /// Seconds since the command began.
    pub elapsed: f64,
    /// The process waits for a lock.
    pub waits: bool,
    /// Done of the query that the command runs; `None` before it begins, or if not known.
    pub query: Option<f64>,
}

pub const SLOTS: usize = 20;

pub mod vacuum {
    pub const PHASE: usize = 0;
    /// The phase at the end of a table.
    pub const LAST: i64 = 6;
    pub const HEAP_TOTAL: usize = 1;
    pub const HEAP_SCANNED: usize = 2;
    pub const HEAP_VACUUMED: usize = 3;
    /// Passes over all indexes that have ended.
    pub const PASSES: usize = 4;
    /// Dead rows that fit into the memory, and that are there: rows before 17, bytes since.
    pub const DEAD_MAX: usize = 5;
    pub const DEAD: usize = 6;
    /// Since 17, where `DEAD` is in bytes.
    pub const DEAD_ROWS: usize = 7;
    /// Of the pass that runs, since 17.
    pub const INDEXES: usize = 8;
    pub const INDEXES_DONE: usize = 9;
}

pub mod analyze {
    pub const PHASE: usize = 0;
    /// The phase at the end of a table.
    pub const LAST: i64 = 5;
    pub const BLOCKS: usize = 1;
    pub const BLOCKS_DONE: usize = 2;
    pub const STATISTICS: usize = 3;
    pub const STATISTICS_DONE: usize = 4;
    pub const CHILDREN: usize = 5;
    pub const CHILDREN_DONE: usize = 6;
}

pub mod cluster {
    /// 1 is CLUSTER, 2 VACUUM FULL.
    pub const COMMAND: usize = 0;
    pub const PHASE: usize = 1;
    /// The phase at the end of a table.
    pub const LAST: i64 = 7;
    pub const ROWS_SCANNED: usize = 3;
    pub const ROWS_WRITTEN: usize = 4;
    pub const HEAP_TOTAL: usize = 5;
    pub const HEAP_SCANNED: usize = 6;
    pub const INDEXES_REBUILT: usize = 7;
}

pub mod index {
    pub const LOCKERS: usize = 3;
    pub const LOCKERS_DONE: usize = 4;
    pub const INDEX: usize = 6;
    pub const METHOD: usize = 8;
    pub const PHASE: usize = 9;
    /// Of the access method's own.
    pub const SUBPHASE: usize = 10;
    pub const ROWS: usize = 11;
    pub const ROWS_DONE: usize = 12;
    pub const PARTITIONS: usize = 13;
    pub const PARTITIONS_DONE: usize = 14;
    pub const BLOCKS: usize = 15;
    pub const BLOCKS_DONE: usize = 16;
}

pub mod copy {
    pub const BYTES_DONE: usize = 0;
    /// 0 where it is not known: a program, a pipe.
    pub const BYTES: usize = 1;
    pub const ROWS_DONE: usize = 2;
}

impl Reading {
    /// A counter. Nothing is counted that far that sums could overflow.
    pub fn slot(&self, number: usize) -> i64 {
        self.slots.get(number).map_or(0, |slot| (*slot).clamp(0, 1 << 50))
    }

    /// One slot's part of another; `None` while there is no whole.
    pub fn part(&self, done: usize, total: usize) -> Option<f64> {
        part(self.slot(done) as f64, self.slot(total) as f64)
    }
}

/// What the server counted when it was last known to count.
///
/// Where a function or trigger catches an error, the server says of the command around it that it counts nothing any
/// more (pgstat_progress_end_command in AbortSubTransaction). The command goes on to write its slots all the same.
#[derive(Clone, Copy, Debug, Default)]
pub struct Last {
    counted: Counted,
    target: u32,
}

impl Last {
    /// `is_of`: what is counted where no look has come before the first error.
    pub fn new(is_of: Option<(Counted, u32)>) -> Self {
        is_of.map_or(Self::default(), |(counted, target)| Self { counted, target })
    }

    /// The reading, as it would be had no error been caught.
    pub fn restore(&mut self, reading: &Reading) -> Reading {
        if reading.counted != Counted::Nothing {
            *self = Self { counted: reading.counted, target: reading.target };
        }
        let has_ended = match self.counted {
            Counted::Vacuum => reading.slot(vacuum::PHASE) == vacuum::LAST,
            Counted::Analyze => reading.slot(analyze::PHASE) == analyze::LAST,
            Counted::Cluster => reading.slot(cluster::PHASE) == cluster::LAST,
            _ => false,
        };
        if has_ended { *reading } else { Reading { counted: self.counted, target: self.target, ..*reading } }
    }
}

/// 0 to 1; `None` without a whole.
pub fn part(done: f64, total: f64) -> Option<f64> {
    (total > 0.0).then(|| (done / total).clamp(0.0, 1.0))
}
