//! VACUUM and ANALYZE, of one table or many.

use super::Step;
use super::facts::{Facts, IndexCleanup, Kind, Table};
use super::meter::Position;
use super::reading::{Counted, Last, Reading, analyze, part, vacuum};
use super::units::{At, Units};

/// Follows the tables.
#[derive(Clone, Debug)]
pub struct Vacuuming {
    units: Units,
    last: Last,
    /// What is watched of one table.
    table: Watched,
}

/// Follows one table after the other.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watched {
    key: u64,
    /// Of the pass over the indexes that runs: buffers when the pass, or its present index, began.
    pass: Option<(i64, i64)>,
    /// The count of dead rows when the last pass ended. Before 17 it stays so until the scan finds more.
    old_dead: i64,
    /// The most dead rows that one pass has taken.
    most_dead: f64,
    /// ANALYZE samples the children.
    inherited: bool,
}

/// Marks the key of a table that is analyzed.
const ANALYZE: u64 = 1 << 32;

/// A pass over an index, in pages of the heap: its pages, and the rows that it looks for, which are in no order that
/// a cache likes.
const INDEX_PAGE: f64 = 2.0;
const DEAD_ROW: f64 = 0.07;
/// Workers take some of several indexes: a further one adds this part of its rows.
const NEXT_INDEX: f64 = 0.35;
/// The part of a table's rows that is expected to be dead before anything is seen of it.
const DEAD_BEFORE: f64 = 0.1;
const SECOND_HEAP_PASS: f64 = 0.6;
const CLEANUP: f64 = 0.03;
/// A unit of ANALYZE's work, in pages of a VACUUM.
const SAMPLE: f64 = 0.06;
/// Statistics of a value, in such units: mostly sorting.
const COMPUTE: f64 = 0.6;

impl Vacuuming {
    pub fn new(facts: &Facts) -> Self {
        let (vacuums, analyzes) = match facts.kind {
            Kind::Vacuum { analyze, .. } => (true, analyze),
            _ => (false, true),
        };
        let tables = || facts.tables.iter().enumerate();
        let vacuum = tables().filter(|_| vacuums).map(|(place, table)| {
            let dead = DEAD_BEFORE * table.rows.unwrap_or(0.0);
            let pages = table.pages * (1.0 + CLEANUP) + index_pass(table, table.index_pages(), dead);
            (u64::from(table.oid), place, pages)
        });
        let analyze = tables().filter(|(_, table)| analyzes && !table.is_toast).map(|(place, table)| {
            (
                u64::from(table.oid) | ANALYZE,
                place,
                SAMPLE * (sample(table, facts, 0.0) + inherited_sample(table, facts)),
            )
        });
        let only = if vacuums { None } else { facts.only_table().map(|table| (Counted::Analyze, table)) };
        Self { units: Units::new(vacuum.chain(analyze)), last: Last::new(only), table: Watched::default() }
    }

    pub fn step(&mut self, facts: &Facts, reading: &Reading) -> Step {
        let reading = &self.last.restore(reading);
        let is_analyze = match reading.counted {
            Counted::Vacuum => false,
            Counted::Analyze => true,
            _ => return Step::waits("initializing"),
        };
        let key = u64::from(reading.target) | if is_analyze { ANALYZE } else { 0 };
        let at = self.units.at(key);
        let step = self.table.part(key, at.place, facts, reading);
        let step = step.within(at.before, at.share).staged(at.number);
        let is_one = facts.tables.iter().filter(|table| !table.is_toast).count() < 2;
        if is_one { step } else { numbered(step, at) }
    }
}

fn numbered(step: Step, at: At) -> Step {
    step.counting("part", i64::from(at.number), i64::from(at.of))
}

/// A pass over the indexes that takes so many dead rows from each.
fn index_pass(table: &Table, pages: f64, dead: f64) -> f64 {
    let number = table.indexes.len() as f64;
    INDEX_PAGE * pages + DEAD_ROW * dead * (1.0 + NEXT_INDEX * (number - 1.0)) * f64::from(number > 0.0)
}

/// The work of sampling a table, in ANALYZE's own units: blocks, then rows times columns.
fn sample(table: &Table, facts: &Facts, blocks: f64) -> f64 {
    if table.has_children && table.pages <= 0.0 {
        return 0.0;
    }
    reading_blocks(table, facts, blocks) + computing(table, facts)
}

fn reading_blocks(table: &Table, facts: &Facts, blocks: f64) -> f64 {
    let most = 300.0 * f64::from(facts.statistics_target);
    10.0 * if blocks > 0.0 { blocks } else { table.pages.clamp(1.0, most.max(1.0)) }
}

fn computing(table: &Table, facts: &Facts) -> f64 {
    let most = 300.0 * f64::from(facts.statistics_target);
    COMPUTE * table.rows.unwrap_or(most).min(most) * f64::from(table.columns.max(1))
}

/// The same for its children, as one.
fn inherited_sample(table: &Table, facts: &Facts) -> f64 {
    if !table.has_children {
        return 0.0;
    }
    let most = 300.0 * f64::from(facts.statistics_target);
    most * (10.0 + COMPUTE * f64::from(table.columns.max(1)))
}

impl Watched {
    /// ANALYZE of a table, as a command of its own.
    pub fn analysis(&mut self, place: Option<usize>, facts: &Facts, reading: &Reading) -> Step {
        self.part(u64::from(reading.target) | ANALYZE, place, facts, reading)
    }

    /// VACUUM or ANALYZE, as the key says, of the table at that place among the facts.
    fn part(&mut self, key: u64, place: Option<usize>, facts: &Facts, reading: &Reading) -> Step {
        if self.key != key {
            *self = Self { key, ..Self::default() };
        }
        let table = place.and_then(|place| facts.tables.get(place)).filter(|table| table.oid == reading.target);
        let fallback = Table::default();
        let table = table.unwrap_or(&fallback);
        if key & ANALYZE != 0 { self.analyze(table, facts, reading) } else { self.vacuum(table, facts, reading) }
    }

    fn analyze(&mut self, table: &Table, facts: &Facts, reading: &Reading) -> Step {
        let phase = reading.slot(analyze::PHASE);
        self.inherited |= phase == 2;
        let blocks = reading.part(analyze::BLOCKS_DONE, analyze::BLOCKS);
        let known = if self.inherited { 0.0 } else { reading.slot(analyze::BLOCKS) as f64 };
        let (own, inherited) = (sample(table, facts, known), inherited_sample(table, facts));
        let all = (own + inherited).max(1.0);
        let (before, share) = if self.inherited { (own / all, inherited / all) } else { (0.0, own / all) };
        let scan = if self.inherited {
            10.0 / (10.0 + COMPUTE * f64::from(table.columns.max(1)))
        } else {
            reading_blocks(table, facts, known) / own.max(1.0)
        };
        let (stage, from, part, inner, label) = match phase {
            1 => (1, 0.0, scan, blocks.or(Some(0.0)), "acquiring sample rows"),
            2 => {
                let children = reading.slot(analyze::CHILDREN) as f64;
                let done = reading.slot(analyze::CHILDREN_DONE) as f64 + blocks.unwrap_or(0.0);
                (2, 0.0, scan, part_or_0(done, children), "acquiring inherited sample rows")
            }
            3 => (3, scan, (1.0 - scan) * 0.95, None, "computing statistics"),
            4 => {
                let part = reading.part(analyze::STATISTICS_DONE, analyze::STATISTICS);
                (4, scan + (1.0 - scan) * 0.95, (1.0 - scan) * 0.05, part, "computing extended statistics")
            }
            5 => (5, 1.0, 0.0, Some(1.0), "finalizing analyze"),
            _ => (0, 0.0, 0.0, Some(0.0), "initializing"),
        };
        let stage = stage + if self.inherited { 10 } else { 0 };
        Step::at(Position::new(stage, from, part, inner).within(before, share), label).of("ANALYZE")
    }

    fn vacuum(&mut self, table: &Table, facts: &Facts, reading: &Reading) -> Step {
        let phase = reading.slot(vacuum::PHASE);
        let heap = [reading.slot(vacuum::HEAP_TOTAL) as f64, table.pages, 1.0].into_iter().find(|n| *n > 0.0);
        let heap = heap.unwrap_or(1.0);
        let indexes = match table.index_pages() {
            pages if pages > 0.0 => pages,
            _ => 0.3 * heap * table.indexes.len() as f64,
        };
        let (scanned, ended) = (reading.slot(vacuum::HEAP_SCANNED) as f64, reading.slot(vacuum::PASSES) as f64);
        let passes = self.passes(table, facts, reading, scanned / heap);
        let pass = index_pass(table, indexes, self.dead_of_pass(reading, passes, scanned / heap));
        let second = if passes > 0.0 { SECOND_HEAP_PASS } else { 0.0 };
        let all = heap + passes * pass + (second + CLEANUP) * heap;
        let done = scanned + ended * pass + second * reading.slot(vacuum::HEAP_VACUUMED) as f64;
        let counted = |label| (Position::new(phase as u32, (done / all).min(1.0), 0.0, Some(0.0)), label);
        let (position, label) = match phase {
            0 => (Position::new(0, 0.0, 0.0, Some(0.0)), "initializing"),
            1 => counted("scanning heap"),
            2 => {
                let inner = self.pass(table, indexes, reading);
                // one stage for each pass
                let stage = 20 + ended as u32 % 64;
                let position = Position::new(stage, (done / all).min(1.0), pass / all, inner);
                // workers' buffers are not seen while they work
                let is_counted = table.indexes.len() < 2 || reading.slot(vacuum::INDEXES) > 0;
                let position = if is_counted { position } else { position.creeping() };
                (position, "vacuuming indexes")
            }
            3 => counted("vacuuming heap"),
            _ => {
                let label = match phase {
                    4 => "cleaning up indexes",
                    5 => "truncating heap",
                    _ => "performing final cleanup",
                };
                let share = CLEANUP * heap / all;
                (Position::new(4, 1.0 - share, share, None), label)
            }
        };
        let step = Step::at(position, label).of("VACUUM");
        let (of, done) = (reading.slot(vacuum::INDEXES), reading.slot(vacuum::INDEXES_DONE));
        match phase {
            2 if of > 0 => step.counting("index", (done + 1).min(of), of),
            2 if ended > 0.0 => step.counting("pass", ended as i64 + 1, passes as i64),
            _ => step,
        }
    }

    /// How many dead rows one pass takes from the indexes.
    fn dead_of_pass(&mut self, reading: &Reading, passes: f64, scanned: f64) -> f64 {
        let rows = dead_rows(reading) as f64;
        match reading.slot(vacuum::PHASE) {
            2 => self.most_dead = self.most_dead.max(rows),
            1 if self.most_dead <= 0.0 && scanned > 0.0 => return rows / scanned.min(1.0) / passes.max(1.0),
            _ => {}
        }
        self.most_dead
    }

    /// How many passes over the indexes there will be in all.
    fn passes(&mut self, table: &Table, facts: &Facts, reading: &Reading, scanned: f64) -> f64 {
        let (phase, ended) = (reading.slot(vacuum::PHASE), reading.slot(vacuum::PASSES) as f64);
        let never = matches!(facts.kind, Kind::Vacuum { indexes: IndexCleanup::Never, .. });
        if (table.indexes.is_empty() && ended == 0.0 && phase != 2) || never {
            return 0.0;
        }
        let (dead, most) = (reading.slot(vacuum::DEAD), reading.slot(vacuum::DEAD_MAX) as f64);
        if phase == 3 {
            self.old_dead = dead;
        }
        let dead_part = match phase {
            // the pass that has ended took them
            3 => 0.0,
            1 if ended > 0.0 && dead == self.old_dead => 0.0,
            _ => part(dead as f64, most).unwrap_or(0.0),
        };
        let running = f64::from(phase == 2);
        let pages = reading.slot(vacuum::HEAP_SCANNED) as f64;
        let rows = dead_rows(reading) as f64;
        let always = matches!(facts.kind, Kind::Vacuum { indexes: IndexCleanup::Always, .. });
        // the server leaves the indexes alone for so few
        let few = if always { 0.0 } else { 0.02 * pages };
        if ended == 0.0 && phase != 2 && (rows <= few || phase > 3) {
            return 0.0;
        }
        if scanned <= 0.0 || phase > 3 {
            return ended + running;
        }
        let expected = ((ended + dead_part) / scanned.min(1.0) - 0.02).ceil();
        expected.max(ended + running).max(1.0)
    }

    /// What is done of the pass that runs.
    fn pass(&mut self, table: &Table, pages: f64, reading: &Reading) -> Option<f64> {
        // since 17: which of the indexes, in their order
        let done = reading.slot(vacuum::INDEXES_DONE);
        let mark = reading.slot(vacuum::PASSES) * 1000 + done;
        let began = match self.pass {
            Some((known, buffers)) if known == mark => buffers,
            _ => reading.buffers,
        };
        self.pass = Some((mark, began));
        if pages <= 0.0 {
            return None;
        }
        let used = (reading.buffers - began) as f64;
        let mut each = table.indexes.iter().map(|index| index.pages);
        let before: f64 = each.by_ref().take(done as usize).sum();
        let here = if reading.slot(vacuum::INDEXES) > 0 { each.next().unwrap_or(0.0) } else { pages };
        Some(((before + used.min(0.97 * here)) / pages).min(1.0))
    }
}

/// Rows, whether the server counts rows or, since 17, both.
fn dead_rows(reading: &Reading) -> i64 {
    [vacuum::DEAD_ROWS, vacuum::DEAD].map(|slot| reading.slot(slot)).into_iter().find(|rows| *rows > 0).unwrap_or(0)
}

fn part_or_0(done: f64, total: f64) -> Option<f64> {
    part(done, total).or(Some(0.0))
}
