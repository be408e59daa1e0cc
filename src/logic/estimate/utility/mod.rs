//! How far a utility command is: one figure over all its phases, from the server's progress counters and what the
//! catalogs said of its tables before it began.
//!
//! The weights of phases were measured. A phase in which the server counts nothing creeps with the time. A [`Model`] is
//! updated where nothing may allocate or throw: all that it needs is allocated when it is made.

// counts, exact up to 2^53
#![allow(clippy::cast_precision_loss)]

mod build;
pub mod facts;
mod index;
mod meter;
pub mod reading;
mod rewrite;
#[cfg(test)]
mod tests;
mod units;
mod vacuum;

use super::{Estimate, Phase};
use facts::{Facts, Kind};
use index::Indexing;
use meter::{Meter, Position};
use reading::{Counted, Reading, copy};
use rewrite::{Rewriting, soft};
use std::fmt::{self, Write};
use vacuum::Vacuuming;

/// Before the first phase.
const INITIALIZING: &str = "initializing";
const VALIDATING: &str = "validating constraint";

/// Where a command is, and what it does there.
#[derive(Clone, Copy, Debug)]
struct Step {
    progress: Progress,
    /// What the phase is a part of: "building index".
    of: &'static str,
    label: &'static str,
    /// "index 2 of 3"; without a noun "2 of 3". 0 of 0: none.
    count: (&'static str, i64, i64),
}

#[derive(Clone, Copy, Debug)]
enum Progress {
    At(Position),
    /// Others must do something first; what is done by then.
    Waits(f64),
    Unknown,
}

impl Step {
    fn new(progress: Progress, label: &'static str) -> Self {
        Self { progress, of: "", label, count: ("", 0, 0) }
    }

    fn at(position: Position, label: &'static str) -> Self {
        Self::new(Progress::At(position), label)
    }

    fn waits(label: &'static str) -> Self {
        Self::new(Progress::Waits(0.0), label)
    }

    /// What the command's query has done.
    fn query(reading: &Reading) -> Self {
        match reading.query {
            Some(part) => Self::at(Position::new(1, 0.0, 1.0, Some(part)), ""),
            None => Self::new(Progress::Unknown, ""),
        }
    }

    fn of(self, of: &'static str) -> Self {
        Self { of, ..self }
    }

    fn counting(self, noun: &'static str, number: i64, of: i64) -> Self {
        // the finer count, which was set first, stays
        if self.count.2 > 0 { self } else { Self { count: (noun, number, of), ..self } }
    }

    fn within(self, before: f64, share: f64) -> Self {
        match self.progress {
            Progress::At(position) => Self { progress: Progress::At(position.within(before, share)), ..self },
            Progress::Waits(done) => Self { progress: Progress::Waits(before + share * done), ..self },
            Progress::Unknown => self,
        }
    }

    /// A stage of its own for each part of the command.
    fn staged(self, part: u32) -> Self {
        match self.progress {
            Progress::At(position) => Self { progress: Progress::At(index::staged(position, part)), ..self },
            _ => self,
        }
    }
}

/// Writes into a phase, which it cannot fail.
struct Writer<'a>(&'a mut Phase);

impl Write for Writer<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.push(text);
        Ok(())
    }
}

/// Follows one command from its begin to its end.
#[derive(Clone, Debug)]
pub struct Model {
    facts: Facts,
    meter: Meter,
    kind: Followed,
    /// The last estimate of the query that the command runs.
    query: Option<Estimate>,
}

#[derive(Clone, Debug)]
enum Followed {
    Vacuum(Vacuuming),
    Rewrite(Rewriting),
    Index(Indexing),
    Plain,
}

impl Model {
    pub fn new(facts: Facts) -> Self {
        let kind = match facts.kind {
            Kind::Vacuum { .. } | Kind::Analyze => Followed::Vacuum(Vacuuming::new(&facts)),
            Kind::Rewrite { .. } | Kind::Refresh => Followed::Rewrite(Rewriting::new(&facts)),
            Kind::CreateIndex | Kind::CreateIndexConcurrently | Kind::Reindex | Kind::ReindexConcurrently => {
                Followed::Index(Indexing::new(&facts))
            }
            _ => Followed::Plain,
        };
        Self { facts, meter: Meter::default(), kind, query: None }
    }

    /// What the reading says. `query`: the estimate of the query that the command runs, where there is a new one.
    pub fn update(&mut self, reading: &Reading, query: Option<&Estimate>) -> Estimate {
        self.query = query.copied().or(self.query);
        let reading = &Reading { query: self.query.and_then(|query| query.fraction), ..*reading };
        let step = self.step(reading);
        let fraction = match step.progress {
            Progress::At(position) if reading.waits => Some(self.meter.hold(reading.elapsed, position)),
            Progress::At(position) => Some(self.meter.show(reading.elapsed, position)),
            Progress::Waits(done) => {
                let position = Position::new(0, done, 0.0, None);
                Some(self.meter.hold(reading.elapsed, position))
            }
            Progress::Unknown => None,
        };
        let (rows, rows_estimated) = self.rows(reading);
        Estimate { fraction, rows, rows_estimated, phase: self.phase(step, reading) }
    }

    fn step(&mut self, reading: &Reading) -> Step {
        let facts = &self.facts;
        match (&mut self.kind, facts.kind) {
            (Followed::Vacuum(vacuum), _) => vacuum.step(facts, reading),
            (Followed::Rewrite(rewrite), Kind::Refresh) => rewrite.refresh(facts, reading),
            (Followed::Rewrite(rewrite), _) => rewrite.step(facts, reading),
            (Followed::Index(index), Kind::Reindex) => index.reindex(facts, reading),
            (Followed::Index(index), Kind::ReindexConcurrently) => index.reindex_concurrently(facts, reading),
            (Followed::Index(index), Kind::CreateIndexConcurrently) => index.create_concurrently(reading),
            (Followed::Index(index), _) => index.create(facts, reading),
            (Followed::Plain, kind) => plain(kind, facts, reading),
        }
    }

    fn rows(&self, reading: &Reading) -> (Option<i64>, Option<i64>) {
        let query = self.query;
        let estimated = query.and_then(|query| query.rows_estimated);
        let copied = match (reading.counted, reading.slot(copy::ROWS_DONE)) {
            (Counted::Copy, rows) => Some(rows),
            // it has not begun, or an error was caught in it
            (Counted::Nothing, rows) => (rows > 0).then_some(rows),
            // a command in a trigger has the slots to itself
            _ => None,
        };
        match self.facts.kind {
            Kind::CopyFrom => (copied, None),
            Kind::CopyTableTo => {
                let known = self.facts.tables.first().and_then(|table| table.rows);
                (copied, known.map(|rows| rows as i64))
            }
            Kind::Query | Kind::Refresh | Kind::RefreshConcurrently => (query.and_then(|query| query.rows), estimated),
            _ => (None, None),
        }
    }

    fn phase(&self, step: Step, reading: &Reading) -> Phase {
        let mut phase = Phase::from(self.facts.command);
        let of = if step.of == self.facts.command { "" } else { step.of };
        let mut out = Writer(&mut phase);
        // it writes into memory of its own
        let _ = match step.count {
            (_, _, 0) => Ok(()),
            ("", number, total) => write!(out, ", {number} of {total}"),
            (noun, number, total) => write!(out, ", {noun} {number} of {total}"),
        };
        let is_said = step.label.starts_with("waiting");
        let waits = if reading.waits && !is_said { "waiting for a lock" } else { "" };
        let label = if reading.waits && step.label == INITIALIZING { "" } else { step.label };
        for part in [of, label, waits] {
            if !part.is_empty() {
                phase.push(": ");
                phase.push(part);
            }
        }
        if let Some(query) = self.query.filter(|query| step.label.is_empty() && !query.phase.bytes().is_empty()) {
            phase.push(": ");
            phase.push_bytes(query.phase.bytes());
        }
        phase
    }
}

/// The commands of which nothing needs to be remembered.
fn plain(kind: Kind, facts: &Facts, reading: &Reading) -> Step {
    let table = facts.tables.first();
    match kind {
        Kind::CopyFrom => copying(reading.part(copy::BYTES_DONE, copy::BYTES)),
        Kind::CopyTableTo => {
            let rows = table.and_then(|table| table.rows).unwrap_or(0.0);
            copying(soft(reading.slot(copy::ROWS_DONE) as f64, rows))
        }
        // It begins with an ANALYZE of the new rows. What then compares them with the old ones has no counter.
        Kind::RefreshConcurrently if reading.slot(reading::analyze::PHASE) > 0 => {
            Step::at(Position::new(2, 0.6, 0.4, None), "comparing rows")
        }
        Kind::RefreshConcurrently => Step::query(reading).within(0.0, 0.6),
        Kind::Query => Step::query(reading),
        // each partition has a query of its own, and nothing tells which one runs
        Kind::Validate if facts.tables.len() > 1 => Step::new(Progress::Unknown, VALIDATING),
        Kind::Validate => Step::query(reading).of(VALIDATING),
        _ if reading.counted == Counted::Nothing && reading.slot(reading::index::PHASE) == 2 => {
            Step::new(Progress::Unknown, "rebuilding index")
        }
        _ => Step::new(Progress::Unknown, ""),
    }
}

fn copying(part: Option<f64>) -> Step {
    match part {
        Some(part) => Step::at(Position::new(1, 0.0, 1.0, Some(part)), "copying rows"),
        None => Step::new(Progress::Unknown, "copying rows"),
    }
}
