//! The building of one index: its phases are the access method's own.

use super::facts::Method;
use super::meter::Position;
use super::reading::{Reading, index};

/// What is in the slots when a build begins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Slots {
    /// Zeros: the server says for each build that a command begins.
    Cleared,
    /// What the build before it has left, until it writes its own.
    Kept,
}

/// How far a build's scan of the table is, by its pages.
///
/// On the first page of that scan the server counts all pages (`heapam_scan_get_blocks_done`), and so it does after the
/// last. Suppose that a build is looked at while it evaluates an index expression for the first row, or reads its
/// TOASTed values: the figure would be that of the end, and no figure goes back. So the count is taken for 0 until it
/// was seen in between. Of a scan that passes between two looks nothing is shown.
#[derive(Clone, Copy, Debug)]
struct Scan {
    /// The count that the build before this one may have left.
    left: Option<i64>,
    has_some: bool,
}

impl Scan {
    fn new(left: Option<i64>) -> Self {
        Self { left, has_some: false }
    }

    /// Takes note of the counts. How many pages are done?
    fn look(&mut self, done: i64, total: i64) -> i64 {
        self.has_some |= self.left != Some(done) && done > 0 && done < total;
        if self.has_some { done } else { 0 }
    }
}

/// Follows builds, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Build {
    key: Option<u64>,
    /// The slots of the build before it: those that were there when it was first seen, unless they must be its own.
    before: [i64; COUNTED],
    has_begun: bool,
    scan: Scan,
    /// Buffers that had been asked for then.
    buffers: i64,
}

const FIRST: usize = index::SUBPHASE;
const COUNTED: usize = index::BLOCKS_DONE - FIRST + 1;

/// Where more buffers are used for each page of the table, its rows are put into the index one by one, not sorted.
const INSERTS: f64 = 5.0;

impl Default for Build {
    fn default() -> Self {
        Self { key: None, before: [0; COUNTED], has_begun: false, scan: Scan::new(None), buffers: 0 }
    }
}

impl Build {
    /// Where the build is, and what it does. `key` tells builds apart.
    ///
    /// A build may be seen for the first time when it is in the middle, and may stand still there: it waits for a lock
    /// in an index expression, say; and those before it may have come and gone between two looks. The last build's
    /// slots are never of a B-tree's scan or sort, for it has ended.
    pub fn position(
        &mut self,
        key: u64,
        method: Method,
        at_begin: Slots,
        reading: &Reading,
    ) -> (Position, &'static str) {
        let mut slots = [0; COUNTED];
        for (slot, number) in slots.iter_mut().zip(FIRST..) {
            *slot = reading.slot(number);
        }
        // those that stand for partitions count builds
        slots[index::PARTITIONS - FIRST] = 0;
        slots[index::PARTITIONS_DONE - FIRST] = 0;
        if self.key != Some(key) {
            let in_the_middle = method == Method::Btree && (2..=4).contains(&reading.slot(index::SUBPHASE));
            let before = if at_begin == Slots::Cleared { [0; COUNTED] } else { slots };
            *self = Self {
                key: Some(key),
                before,
                has_begun: in_the_middle,
                scan: Scan::new((!in_the_middle).then_some(before[index::BLOCKS_DONE - FIRST])),
                buffers: reading.buffers,
            };
        }
        self.has_begun |= slots != self.before;
        if !self.has_begun {
            return (Position::new(0, 0.0, 0.0, Some(0.0)), INITIALIZING);
        }
        let used = reading.buffers.saturating_sub(self.buffers) as f64;
        let mut reading = *reading;
        let (done, total) = (reading.slot(index::BLOCKS_DONE), reading.slot(index::BLOCKS));
        reading.slots[index::BLOCKS_DONE] = self.scan.look(done, total);
        stage(method, used > INSERTS * done as f64, &reading)
    }
}

const INITIALIZING: &str = "initializing";
const SCANNING: &str = "scanning table";
const SORTING: &str = "sorting rows";
const LOADING: &str = "loading rows";

/// Shares were measured: docs/reference.md names the phases.
fn stage(method: Method, inserts: bool, reading: &Reading) -> (Position, &'static str) {
    let blocks = reading.part(index::BLOCKS_DONE, index::BLOCKS);
    let rows = reading.part(index::ROWS_DONE, index::ROWS);
    let at = |stage, before, share, inner| Position::new(stage, before, share, inner);
    let scan = |share| (at(2, 0.0, share, blocks.or(Some(0.0))), SCANNING);
    let is_scanned = blocks.is_some_and(|part| part >= 1.0);
    let subphase = reading.slot(index::SUBPHASE);
    match (method, subphase) {
        (Method::Btree, 2) => scan(0.72),
        (Method::Btree, 3) => (at(3, 0.72, 0.11, None), SORTING),
        (Method::Btree, 4) => (at(4, 0.83, 0.01, None), SORTING),
        (Method::Btree, 5) => (at(5, 0.84, 0.16, rows), LOADING),
        // since 18, where workers take part
        (Method::Gin, 3) => (at(3, 0.75, 0.03, None), SORTING),
        (Method::Gin, 4) => (at(4, 0.78, 0.07, None), "merging rows of workers"),
        (Method::Gin, 5) => (at(5, 0.85, 0.05, None), SORTING),
        (Method::Gin, 6) => (at(6, 0.9, 0.1, rows), LOADING),
        (Method::Gin, _) if is_scanned => (at(7, 0.75, 0.25, None), LOADING),
        (Method::Gin, _) => scan(0.75),
        (Method::Hash, _) if rows.is_some() => (at(3, 0.3, 0.7, rows), LOADING),
        (Method::Hash, _) if !inserts => scan(0.3),
        (Method::Gist, _) if !inserts && is_scanned => (at(3, 0.2, 0.8, None), LOADING),
        (Method::Gist, _) if !inserts => scan(0.2),
        (Method::Other, _) if !inserts && is_scanned => (at(3, 0.5, 0.5, None), LOADING),
        (Method::Other, _) if !inserts => scan(0.5),
        (Method::Btree, _) => (at(1, 0.0, 0.0, Some(0.0)), INITIALIZING),
        _ if is_scanned => (at(3, 0.97, 0.03, None), LOADING),
        _ => scan(0.97),
    }
}
