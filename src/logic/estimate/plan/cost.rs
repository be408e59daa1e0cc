//! Nanoseconds of a row in each kind of node, as measured on one machine: only their ratios matter.

use super::node::{Grouping, Kind, Node};

const PAGE: f64 = 700.0;
const TUPLE: f64 = 30.0;
const QUAL: f64 = 25.0;
const INDEX_ROW: f64 = 350.0;
const INDEX_ONLY_ROW: f64 = 120.0;
/// A new look into an index.
pub const RESCAN: f64 = 1500.0;
const BITMAP_ROW: f64 = 150.0;
const BITMAP_SOURCE_ROW: f64 = 60.0;
const LEAF_ROW: f64 = 100.0;
const SORT_ROW: f64 = 60.0;
/// A row that is read from a sorted run and written to a longer one; one that comes out of memory, and of the last
/// merge.
const MERGED_ROW: f64 = 120.0;
const SORTED_ROW: f64 = 80.0;
const LAST_MERGED_ROW: f64 = 80.0;
/// Bytes of a row in memory beside its columns, and of the buffers that the merge of one run takes.
const ROW_OVERHEAD: f64 = 56.0;
const RUN_BUFFERS: f64 = 264.0 * 1024.0;
const HASH_ROW: f64 = 130.0;
/// A look into a hash table that is in the processor's cache, and into one that is not.
const PROBE: (f64, f64) = (70.0, 160.0);
const LARGE_TABLE: f64 = 200_000.0;
pub const RESULT: f64 = 40.0;
/// A row that goes to a file of another batch, and comes back.
pub const BATCHED_ROW: f64 = 200.0;
const AGG_PLAIN: f64 = 10.0;
const AGG_SORTED: f64 = 60.0;
const AGG_HASHED: (f64, f64) = (70.0, 200.0);
const MANY_GROUPS: f64 = 50_000.0;
pub const GROUP_OUT: f64 = 100.0;
pub const WINDOW: f64 = 450.0;
pub const MERGE: f64 = 70.0;
pub const MATERIAL: f64 = 50.0;
pub const GATHER: f64 = 80.0;
/// A check of a foreign key.
pub const TRIGGER: f64 = 6000.0;

/// A scan of a table, index or function that returns `rows` in one execution.
pub fn scan(node: &Node, rows: f64, pages: Option<f64>) -> f64 {
    let qualified = node.quals * QUAL;
    match node.kind {
        Kind::Scan => {
            let grown = pages.filter(|_| node.pages > 0.0).map_or(1.0, |pages| pages / node.pages);
            grown * (node.pages * PAGE + node.tuples.max(rows) * (TUPLE + qualified))
        }
        Kind::Index { is_only, .. } => RESCAN + rows * (if is_only { INDEX_ONLY_ROW } else { INDEX_ROW } + qualified),
        Kind::Bitmap => RESCAN + rows * (BITMAP_ROW + qualified),
        Kind::BitmapSource => rows * BITMAP_SOURCE_ROW,
        _ => rows * (LEAF_ROW + qualified),
    }
}

/// To take `rows` in, to sort them when all are there, and to give one out.
pub fn sort(node: &Node, bound: Option<f64>, rows: f64) -> (f64, f64, f64) {
    if bound.is_some() {
        return (rows * SORT_ROW, 0.0, SORTED_ROW);
    }
    let feed = SORT_ROW + 0.3 * node.width;
    let bytes = rows * (node.width + ROW_OVERHEAD);
    if node.memory <= 0.0 || bytes <= node.memory {
        return (rows * feed, sorting(rows) / 2.0, SORTED_ROW);
    }
    // Runs as long as the memory are sorted while rows come in. The last merge gives rows out; those before do not.
    let runs = bytes / node.memory;
    let order = (node.memory / RUN_BUFFERS).clamp(6.0, 500.0);
    let merges = (runs.ln() / order.ln()).ceil().max(1.0);
    (rows * feed + sorting(rows / runs) * runs, (merges - 1.0) * rows * MERGED_ROW, LAST_MERGED_ROW)
}

/// To sort so many rows, with what it takes to write them to a run. In memory it is half of that.
pub fn sorting(rows: f64) -> f64 {
    9.0 * rows * rows.max(2.0).log2()
}

pub fn hash(node: &Node, rows: f64) -> f64 {
    rows * HASH_ROW * if node.is_external { 2.0 } else { 1.0 }
}

pub fn probe(inner_rows: f64) -> f64 {
    if inner_rows > LARGE_TABLE { PROBE.1 } else { PROBE.0 }
}

/// To take a row into groups, of which there will be so many.
pub fn group(node: &Node, grouping: Grouping, groups: f64) -> f64 {
    let own = match grouping {
        Grouping::Plain => AGG_PLAIN,
        Grouping::Sorted => AGG_SORTED,
        Grouping::Hashed if groups > MANY_GROUPS => AGG_HASHED.1,
        Grouping::Hashed => AGG_HASHED.0,
    };
    own + node.aggregates_ns
}
