//! Commands that write a table anew, then build its indexes: CLUSTER, VACUUM FULL, REFRESH MATERIALIZED VIEW.

use super::Step;
use super::build::{Build, Slots};
use super::facts::{Facts, Kind, Table};
use super::index::staged;
use super::meter::Position;
use super::reading::{Counted, Last, Reading, cluster, index, part};
use super::units::{At, Units};
use super::vacuum::Watched;

/// Follows the tables.
#[derive(Clone, Debug)]
pub struct Rewriting {
    units: Units,
    last: Last,
    build: Build,
    /// The index that a CLUSTER follows gives it the rows.
    by_index: bool,
    /// Each table is analyzed when it has been rewritten.
    analysis: Option<Watched>,
}

/// The part of a table's own share that its ANALYZE has.
const ANALYSIS: f64 = 0.1;
/// The average index, where the table itself weighs 1.
const INDEX: f64 = 0.65;
/// Where the table has been sorted, and where an index gave its rows.
const INDEX_OF_SORTED: f64 = 0.45;
const INDEX_OF_FOLLOWED: f64 = 0.3;

impl Rewriting {
    pub fn new(facts: &Facts) -> Self {
        let tables = facts.tables.iter().enumerate();
        let weight = |table: &Table| table.pages * (1.0 + INDEX * table.indexes.len() as f64);
        let units = Units::new(tables.map(|(place, table)| (u64::from(table.oid), place, weight(table))));
        let analysis = (facts.kind == Kind::Rewrite { analyze: true }).then(Watched::default);
        let last = Last::new(facts.only_table().map(|table| (Counted::Cluster, table)));
        Self { units, last, build: Build::default(), by_index: false, analysis }
    }

    /// CLUSTER and VACUUM FULL, which may analyze each table after it has been rewritten.
    pub fn step(&mut self, facts: &Facts, reading: &Reading) -> Step {
        let reading = &self.last.restore(reading);
        let is_analyze = reading.counted == Counted::Analyze;
        if reading.counted != Counted::Cluster && !(is_analyze && self.analysis.is_some()) {
            return Step::waits("initializing");
        }
        let at = self.units.at(u64::from(reading.target));
        let analysis = self.analysis.as_mut().filter(|_| is_analyze);
        let step = match analysis {
            Some(analysis) => {
                let step = analysis.analysis(at.place, facts, reading);
                step.within(1.0 - ANALYSIS, ANALYSIS).staged(1_000_000 + at.number)
            }
            None => self.table(at, facts, reading),
        };
        let step = step.within(at.before, at.share);
        if at.of > 1 && (is_analyze || reading.slot(cluster::PHASE) != 6) {
            return step.counting("table", i64::from(at.number), i64::from(at.of));
        }
        step
    }

    /// A table with its indexes.
    fn table(&mut self, at: At, facts: &Facts, reading: &Reading) -> Step {
        let fallback = Table::default();
        let table = at.place.and_then(|place| facts.tables.get(place)).unwrap_or(&fallback);
        self.by_index |= reading.slot(cluster::PHASE) == 2;
        let heap = 1.0 / (1.0 + self.weight(reading) * table.indexes.len() as f64);
        let step = match reading.slot(cluster::PHASE) {
            6 => self.indexes(table, at.number, reading),
            7 => Step::at(Position::new(7, 1.0, 0.0, Some(0.0)), "performing final cleanup").staged(at.number),
            _ => heap_step(table, reading).within(0.0, heap).staged(at.number),
        };
        if self.analysis.is_some() { step.within(0.0, 1.0 - ANALYSIS) } else { step }
    }

    /// An index of the table that is written.
    fn weight(&self, reading: &Reading) -> f64 {
        let is_cluster = reading.counted == Counted::Cluster && reading.slot(cluster::COMMAND) == 1;
        match (is_cluster, self.by_index) {
            (false, _) => INDEX,
            (true, false) => INDEX_OF_SORTED,
            (true, true) => INDEX_OF_FOLLOWED,
        }
    }

    /// The indexes, one after the other.
    fn indexes(&mut self, table: &Table, number: u32, reading: &Reading) -> Step {
        let (place, count) = (reading.slot(cluster::INDEXES_REBUILT), table.indexes.len());
        let heap = 1.0 / (1.0 + self.weight(reading) * count as f64);
        let all: f64 = table.builds().sum();
        let even = 1.0 / count.max(1) as f64;
        let mut shares = table.builds().map(|build| if all > 0.0 { build / all } else { even });
        let before: f64 = shares.by_ref().take(place as usize).sum();
        let (share, index) = (shares.next().unwrap_or(0.0), table.indexes.get(place as usize));
        let label = "rebuilding index";
        let step = match index {
            Some(index) => {
                let key = u64::from(number) << 32 | place as u64;
                // before the first there was that of an empty TOAST table
                let at_begin = if place == 0 && has_rows(reading) { Slots::Cleared } else { Slots::Kept };
                let (position, what) = self.build.position(key, index.method, at_begin, reading);
                Step::at(staged(position, 10 * number + place as u32 + 1), what).of(label)
            }
            None => Step::at(Position::new(99, 0.0, 0.0, Some(0.0)), label),
        };
        let step = step.within(before.min(1.0), share).within(heap, 1.0 - heap);
        if count > 1 { step.counting("index", (place + 1).min(count as i64), count as i64) } else { step }
    }

    /// REFRESH MATERIALIZED VIEW: a query fills the table, of which the server shows nothing; the building of indexes
    /// writes its slots all the same.
    pub fn refresh(&mut self, facts: &Facts, reading: &Reading) -> Step {
        let fallback = Table::default();
        let table = facts.tables.first().unwrap_or(&fallback);
        if reading.slot(index::PHASE) == 2 && has_rows(reading) {
            return self.indexes(table, 1, reading);
        }
        let heap = 1.0 / (1.0 + INDEX * table.indexes.len() as f64);
        Step::query(reading).within(0.0, heap)
    }
}

/// Is the index built of a table with rows? Before its query, REFRESH builds the index of an empty TOAST table, and the
/// counters stay as that left them until the query has ended.
fn has_rows(reading: &Reading) -> bool {
    [index::BLOCKS, index::ROWS, cluster::INDEXES_REBUILT].iter().any(|slot| reading.slot(*slot) > 0)
}

/// The table itself.
fn heap_step(table: &Table, reading: &Reading) -> Step {
    let at = |stage, before, share, inner| Position::new(stage, before, share, inner);
    let blocks = reading.part(cluster::HEAP_SCANNED, cluster::HEAP_TOTAL).or(Some(0.0));
    let scanned = reading.slot(cluster::ROWS_SCANNED) as f64;
    let (position, label) = match reading.slot(cluster::PHASE) {
        // CLUSTER sorts what it has scanned, VACUUM FULL does not
        1 if reading.slot(cluster::COMMAND) == 1 => (at(1, 0.0, 0.5, blocks), "seq scanning heap"),
        1 => (at(1, 0.0, 1.0, blocks), "seq scanning heap"),
        2 => {
            let known = table.rows.unwrap_or(0.0);
            (at(2, 0.0, 1.0, soft(scanned, known)), "index scanning heap")
        }
        3 => (at(3, 0.5, 0.1, None), "sorting tuples"),
        4 => {
            let written = part(reading.slot(cluster::ROWS_WRITTEN) as f64, scanned);
            (at(4, 0.6, 0.4, written.or(Some(0.0))), "writing new heap")
        }
        5 => (at(5, 1.0, 0.0, Some(0.0)), "swapping relation files"),
        _ => (at(0, 0.0, 0.0, Some(0.0)), "initializing"),
    };
    Step::at(position, label)
}

/// Part of an expected number: above 80 % it rises slower and slower, for the number may be too small.
pub fn soft(done: f64, expected: f64) -> Option<f64> {
    const SURE: f64 = 0.8;
    (expected > 0.0).then(|| {
        let part = done / expected;
        if part <= SURE { part } else { SURE + (1.0 - SURE) * (1.0 - (-(part - SURE) / (1.0 - SURE)).exp()) }
    })
}
