//! Sequences of the counters as the server writes them, command by command.

mod indexes;
mod others;
mod vacuum;

use super::facts::{Facts, Index, Kind, Method, Table};
use super::reading::{Counted, Reading};
use super::{Estimate, Model};

const TABLE: u32 = 16_384;

fn index_of(oid: u32, pages: f64) -> Index {
    Index { oid, pages, heap: 0.0, method: Method::Btree }
}

/// Its indexes are built of its pages.
fn table(oid: u32, pages: f64, indexes: Vec<Index>) -> Table {
    let indexes = indexes.into_iter().map(|index| Index { heap: pages, ..index }).collect();
    Table { oid, pages, rows: Some(pages * 50.0), columns: 4, indexes, ..Table::default() }
}

/// A command under observation: each look is a second after the last, its figure never smaller and never 1.
struct Watch {
    model: Model,
    reading: Reading,
    last: f64,
    phase: String,
}

impl Watch {
    fn new(kind: Kind, command: &'static str, tables: Vec<Table>) -> Self {
        let model = Model::new(Facts { kind, command, tables, statistics_target: 100 });
        Self { model, reading: Reading::default(), last: 0.0, phase: String::new() }
    }

    fn begin(&mut self, counted: Counted, target: u32) -> &mut Self {
        self.reading = Reading { counted, target, ..Reading { slots: [0; 20], ..self.reading } };
        self
    }

    fn set(&mut self, slots: &[(usize, i64)]) -> &mut Self {
        for (slot, value) in slots {
            self.reading.slots[*slot] = *value;
        }
        self
    }

    fn look(&mut self) -> Option<f64> {
        self.reading.elapsed += 1.0;
        self.see(None)
    }

    fn see(&mut self, query: Option<Estimate>) -> Option<f64> {
        let estimate = self.model.update(&self.reading, query.as_ref());
        self.phase = String::from_utf8_lossy(estimate.phase.bytes()).into_owned();
        if let Some(figure) = estimate.fraction {
            assert!(figure >= self.last && figure < 1.0, "{figure} after {} ({})", self.last, self.phase);
            self.last = figure;
        }
        estimate.fraction
    }

    /// The figure, in percent.
    #[track_caller]
    fn expect(&mut self, percent: f64, phase: &str) -> &mut Self {
        let figure = self.look().map(|figure| 100.0 * figure);
        assert!(
            figure.is_some_and(|figure| (figure - percent).abs() < 0.6),
            "{figure:?}, not {percent} ({})",
            self.phase
        );
        assert_eq!(self.phase, phase);
        self
    }
}
