//! CREATE INDEX and REINDEX.

use super::build::{Build, Slots};
use super::facts::{Facts, Kind, Method, Table};
use super::meter::Position;
use super::reading::{Reading, index};
use super::units::{At, Units};
use super::{Progress, Step};

/// Follows one CREATE INDEX, or the indexes of a REINDEX.
#[derive(Clone, Debug)]
pub struct Indexing {
    build: Build,
    /// Of REINDEX: the indexes; if it is concurrent, the tables.
    units: Units,
    /// By OID, the TOAST tables that are a part of their owners, and these.
    toasts: Vec<(u32, u32)>,
    /// The table that is reindexed concurrently. Its new indexes are not among the facts: they are counted.
    table: Option<usize>,
    built: Counted,
    validated: Counted,
}

/// Counts the indexes by their OIDs, of which the server shows one at a time.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    oid: i64,
    number: usize,
}

impl Counted {
    /// The place of the index that is shown.
    fn see(&mut self, oid: i64) -> usize {
        if oid != self.oid {
            self.oid = oid;
            self.number += 1;
        }
        self.number.saturating_sub(1)
    }
}

/// Shares of a concurrent build.
const BUILD: f64 = 0.68;
const VALIDATE: f64 = 1.0 - BUILD;

impl Indexing {
    pub fn new(facts: &Facts) -> Self {
        let units = if facts.kind == Kind::Reindex {
            let oids = facts.tables.iter().flat_map(|table| &table.indexes).map(|index| u64::from(index.oid));
            let builds = facts.tables.iter().flat_map(Table::builds);
            Units::new(oids.zip(builds).enumerate().map(|(place, (oid, build))| (oid, place, build)))
        } else {
            let tables = facts.tables.iter().enumerate();
            Units::new(tables.map(|(place, table)| (u64::from(table.oid), place, table.builds().sum())))
        };
        let toasts = facts.tables.iter().filter(|table| table.toast != 0).map(|table| (table.toast, table.oid));
        let mut toasts: Vec<_> = toasts.collect();
        toasts.sort_unstable();
        let counted = Counted::default();
        Self { build: Build::default(), units, toasts, table: None, built: counted, validated: counted }
    }

    /// CREATE INDEX.
    ///
    /// Before 16 each level of partitions has the two counters to itself. There the facts have the table and what is
    /// below it: with a second level nothing is known.
    pub fn create(&mut self, facts: &Facts, reading: &Reading) -> Step {
        let step = self.counted(reading);
        let has_levels = facts.tables.iter().skip(1).any(|partition| partition.has_children);
        if has_levels { Step { progress: Progress::Unknown, count: ("", 0, 0), ..step } } else { step }
    }

    fn counted(&mut self, reading: &Reading) -> Step {
        let method = Method::of(reading.slot(index::METHOD));
        let partition = reading.slot(index::PARTITIONS_DONE);
        let phase = reading.slot(index::PHASE);
        let (partitions, done) = (reading.slot(index::PARTITIONS) as f64, partition as f64);
        if phase != 2 {
            return Step::at(Position::new(0, 0.0, 0.0, Some(0.0)), "initializing");
        }
        let at_begin = if partition == 0 { Slots::Cleared } else { Slots::Kept };
        let (position, label) = self.build.position(partition as u64, method, at_begin, reading);
        let step = Step::at(staged(position, partition as u32), label).of("building index");
        if partitions > 0.0 {
            let share = 1.0 / partitions;
            return step.within((done * share).min(1.0), share).counting("partition", partition + 1, partitions as i64);
        }
        step
    }

    /// CREATE INDEX CONCURRENTLY.
    pub fn create_concurrently(&mut self, reading: &Reading) -> Step {
        let method = Method::of(reading.slot(index::METHOD));
        match reading.slot(index::PHASE) {
            2 => {
                let (position, label) = self.build.position(0, method, Slots::Cleared, reading);
                Step::at(position.within(0.0, BUILD), label).of("building index")
            }
            4..=6 => validation(reading).within(BUILD, VALIDATE),
            3 => waiting(reading).within(BUILD, VALIDATE),
            7 => waiting(reading).within(1.0, 0.0),
            _ => waiting(reading),
        }
    }

    /// REINDEX.
    pub fn reindex(&mut self, facts: &Facts, reading: &Reading) -> Step {
        let oid = reading.slot(index::INDEX);
        if oid == 0 {
            return Step::waits("initializing");
        }
        let at = self.units.at(oid as u64);
        let mut indexes = facts.tables.iter().flat_map(|table| &table.indexes);
        let known = at.place.and_then(|place| indexes.nth(place)).map(|index| index.method);
        let method = known.unwrap_or(Method::of(reading.slot(index::METHOD)));
        let (position, label) = self.build.position(oid as u64, method, Slots::Cleared, reading);
        let step = Step::at(staged(position, at.number), label).of("building index").within(at.before, at.share);
        counting(step, "index", at)
    }

    /// REINDEX CONCURRENTLY: of each table, all builds, then all validations.
    pub fn reindex_concurrently(&mut self, facts: &Facts, reading: &Reading) -> Step {
        // the server names the table of each index
        let owner = self.toasts.binary_search_by_key(&reading.target, |(toast, _)| *toast);
        let table = owner.map_or(reading.target, |found| self.toasts[found].1);
        let at = self.units.at(u64::from(table));
        if at.place != self.table {
            self.table = at.place;
            (self.built, self.validated) = Default::default();
        }
        let Some(table) = at.place.and_then(|place| facts.tables.get(place)) else {
            return waiting(reading);
        };
        let (oid, all) = (reading.slot(index::INDEX), table.builds().sum::<f64>().max(1.0));
        // of the indexes before one, and of that one
        let part = |place: usize| {
            let mut builds = table.builds().map(|build| build / all);
            let before: f64 = builds.by_ref().take(place).sum();
            (before.min(1.0), builds.next().unwrap_or(0.0))
        };
        let (step, place) = match reading.slot(index::PHASE) {
            2 => {
                let place = self.built.see(oid);
                let method = Method::of(reading.slot(index::METHOD));
                let (position, label) = self.build.position(oid as u64, method, Slots::Cleared, reading);
                let (before, share) = part(place);
                let step = Step::at(staged(position, place as u32), label).of("building index");
                (step.within(BUILD * before, BUILD * share), place)
            }
            4..=6 => {
                let place = self.validated.see(oid);
                let (before, share) = part(place);
                let step = validation(reading).staged(place as u32 + 1000);
                (step.within(BUILD + VALIDATE * before, VALIDATE * share), place)
            }
            phase => {
                let done = match phase {
                    3 => BUILD,
                    7 => {
                        let (before, share) = part(self.validated.number.saturating_sub(1));
                        BUILD + VALIDATE * (before + share)
                    }
                    8 | 9 => 1.0,
                    _ => 0.0,
                };
                return waiting(reading).within(done, 0.0).within(at.before, at.share);
            }
        };
        let step = step.within(at.before, at.share);
        let count = table.indexes.len() as i64;
        if count > 1 { step.counting("index", place as i64 + 1, count) } else { step }
    }
}

fn counting(step: Step, noun: &'static str, at: At) -> Step {
    if at.of > 1 { step.counting(noun, i64::from(at.number), i64::from(at.of)) } else { step }
}

/// A stage of its own for each part of the command.
pub fn staged(position: Position, part: u32) -> Position {
    Position { stage: position.stage + 100 * part, ..position }
}

/// A new index is compared with its table.
fn validation(reading: &Reading) -> Step {
    let blocks = reading.part(index::BLOCKS_DONE, index::BLOCKS);
    let (stage, before, share, inner, label) = match reading.slot(index::PHASE) {
        4 => (14, 0.0, 0.33, blocks, "scanning index"),
        5 => (15, 0.33, 0.1, None, "sorting rows"),
        _ => (16, 0.43, 0.57, blocks.or(Some(0.0)), "scanning table"),
    };
    Step::at(Position::new(stage, before, share, inner), label).of("validating index")
}

/// Other transactions must end first. No work is done meanwhile.
fn waiting(reading: &Reading) -> Step {
    let label = match reading.slot(index::PHASE) {
        1 => "waiting for writers before build",
        3 => "waiting for writers before validation",
        7 => "waiting for old snapshots",
        8 => "waiting for readers before marking dead",
        9 => "waiting for readers before dropping",
        _ => return Step::waits("initializing"),
    };
    let (total, done) = (reading.slot(index::LOCKERS), reading.slot(index::LOCKERS_DONE));
    let step = Step::waits(label);
    if total > 0 { step.counting("", (done + 1).min(total), total) } else { step }
}
