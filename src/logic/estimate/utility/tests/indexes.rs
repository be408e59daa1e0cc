//! CREATE INDEX, REINDEX, and what rebuilds indexes.

use super::super::facts::{Index, Kind, Method, Table};
use super::super::reading::{Counted, cluster, index};
use super::{TABLE, Watch, index_of, table};

#[test]
fn create_index_follows_the_access_method() {
    let mut watch = Watch::new(Kind::CreateIndex, "CREATE INDEX", vec![]);
    watch.begin(Counted::CreateIndex, TABLE).set(&[(0, 1), (index::METHOD, 403)]);
    watch.expect(0.0, "CREATE INDEX: initializing");
    watch.set(&[(index::PHASE, 2), (index::SUBPHASE, 1)]);
    watch.expect(0.0, "CREATE INDEX: building index: initializing");
    watch.set(&[(index::SUBPHASE, 2), (index::BLOCKS, 1000), (index::BLOCKS_DONE, 500)]);
    watch.expect(36.0, "CREATE INDEX: building index: scanning table");
    watch.set(&[(index::BLOCKS_DONE, 1000)]).expect(72.0, "CREATE INDEX: building index: scanning table");
    watch.set(&[(index::SUBPHASE, 3)]).expect(72.0, "CREATE INDEX: building index: sorting rows");
    watch.set(&[(index::SUBPHASE, 5), (index::ROWS, 100), (index::ROWS_DONE, 50)]);
    watch.expect(92.0, "CREATE INDEX: building index: loading rows");

    // gin: a silent end
    let mut watch = Watch::new(Kind::CreateIndex, "CREATE INDEX", vec![]);
    watch.begin(Counted::CreateIndex, TABLE).set(&[(index::METHOD, 2742), (index::PHASE, 2), (index::SUBPHASE, 1)]);
    watch.set(&[(index::BLOCKS, 1000), (index::BLOCKS_DONE, 500)]).look();
    watch.reading.elapsed = 10.0;
    watch.set(&[(index::BLOCKS_DONE, 1000)]).expect(75.0, "CREATE INDEX: building index: loading rows");
    watch.reading.elapsed += 1.0;
    watch.look();
    assert!(watch.last > 0.78);
}

/// The server counts all pages there; and an index expression looks up what it needs.
#[test]
fn the_first_page_is_not_the_last() {
    for (method, half) in [(403, 36.0), (2742, 37.5)] {
        let mut watch = Watch::new(Kind::CreateIndex, "CREATE INDEX", vec![]);
        watch.begin(Counted::CreateIndex, TABLE).set(&[(0, 1), (index::METHOD, method)]).look();
        watch.set(&[(index::PHASE, 2), (index::SUBPHASE, if method == 403 { 2 } else { 1 })]).look();
        watch.set(&[(index::BLOCKS, 88), (index::BLOCKS_DONE, 88)]).reading.buffers += 3000;
        watch.expect(0.0, "CREATE INDEX: building index: scanning table");
        watch.set(&[(index::BLOCKS_DONE, 44)]).expect(half, "CREATE INDEX: building index: scanning table");
    }
}

#[test]
fn an_index_that_takes_rows_one_by_one_is_its_scan() {
    for method in [783, 405, 4000, 99_999] {
        let mut watch = Watch::new(Kind::CreateIndex, "CREATE INDEX", vec![]);
        watch.begin(Counted::CreateIndex, TABLE).set(&[(index::METHOD, method), (index::PHASE, 2)]);
        watch.set(&[(index::SUBPHASE, 1), (index::BLOCKS, 1000)]).look();
        watch.reading.buffers += 50_000;
        watch.set(&[(index::BLOCKS_DONE, 500)]).expect(48.5, "CREATE INDEX: building index: scanning table");
    }
    // sorted first
    for (method, half) in [(783, 10.0), (405, 15.0), (3580, 48.5)] {
        let mut watch = Watch::new(Kind::CreateIndex, "CREATE INDEX", vec![]);
        watch.begin(Counted::CreateIndex, TABLE).set(&[(index::METHOD, method), (index::PHASE, 2)]);
        watch.set(&[(index::SUBPHASE, 1), (index::BLOCKS, 1000)]).look();
        watch.reading.buffers += 500;
        watch.set(&[(index::BLOCKS_DONE, 500)]).expect(half, "CREATE INDEX: building index: scanning table");
    }
}

#[test]
fn create_index_concurrently_stands_still_while_it_waits() {
    let mut watch = Watch::new(Kind::CreateIndexConcurrently, "CREATE INDEX", vec![]);
    watch.begin(Counted::CreateIndex, TABLE).set(&[(index::METHOD, 403), (index::PHASE, 1)]);
    watch.set(&[(index::LOCKERS, 3), (index::LOCKERS_DONE, 1)]);
    watch.expect(0.0, "CREATE INDEX, 2 of 3: waiting for writers before build");
    watch.set(&[(index::PHASE, 2), (index::SUBPHASE, 5), (index::ROWS, 100), (index::ROWS_DONE, 100)]);
    watch.expect(68.0, "CREATE INDEX: building index: loading rows");
    watch.set(&[(index::PHASE, 3)]);
    for _ in 0..50 {
        watch.expect(68.0, "CREATE INDEX, 2 of 3: waiting for writers before validation");
    }
    watch.set(&[(index::PHASE, 4), (index::BLOCKS, 10), (index::BLOCKS_DONE, 10)]);
    watch.expect(78.6, "CREATE INDEX: validating index: scanning index");
    watch.set(&[(index::PHASE, 6), (index::BLOCKS_DONE, 5)]);
    watch.expect(90.9, "CREATE INDEX: validating index: scanning table");
}

#[test]
fn reindex_weighs_indexes_by_the_table_and_their_pages() {
    let indexes = vec![index_of(11, 100.0), index_of(12, 300.0)];
    let mut watch = Watch::new(Kind::Reindex, "REINDEX", vec![table(TABLE, 1000.0, indexes.clone())]);
    let full = [(index::PHASE, 2), (index::SUBPHASE, 5), (index::ROWS, 9), (index::ROWS_DONE, 9)];
    watch.begin(Counted::CreateIndex, TABLE).set(&[(index::INDEX, 11), (index::METHOD, 403)]).look();
    watch.set(&full).expect(42.9, "REINDEX, index 1 of 2: building index: loading rows");
    watch.begin(Counted::CreateIndex, TABLE).set(&[(index::INDEX, 12), (index::METHOD, 403)]);
    watch.expect(42.9, "REINDEX, index 2 of 2: building index: initializing");
    watch.set(&full).expect(99.9, "REINDEX, index 2 of 2: building index: loading rows");

    // of the second nothing is seen before it waits in the middle of its scan
    let hash = Index { method: Method::Hash, ..index_of(12, 300.0) };
    for (second, percent) in [(index_of(12, 300.0), 63.5), (hash, 51.5)] {
        let indexes = vec![index_of(11, 100.0), second];
        let mut watch = Watch::new(Kind::Reindex, "REINDEX", vec![table(TABLE, 1000.0, indexes)]);
        watch.begin(Counted::CreateIndex, TABLE).set(&[(index::INDEX, 11)]).set(&full).look();
        watch.begin(Counted::CreateIndex, TABLE).set(&[(index::INDEX, 12), (index::PHASE, 2), (index::SUBPHASE, 2)]);
        watch.set(&[(index::BLOCKS, 10), (index::BLOCKS_DONE, 5)]).reading.waits = true;
        watch.reading.buffers += 10;
        for _ in 0..3 {
            watch.expect(percent, "REINDEX, index 2 of 2: building index: scanning table: waiting for a lock");
        }
    }

    // new indexes have new OIDs
    let mut watch = Watch::new(Kind::ReindexConcurrently, "REINDEX", vec![table(TABLE, 1000.0, indexes)]);
    watch.begin(Counted::CreateIndex, TABLE).set(&[(index::INDEX, 11)]).expect(0.0, "REINDEX: initializing");
    let build = |watch: &mut Watch, oid| {
        watch.begin(Counted::CreateIndex, TABLE).set(&[(index::INDEX, oid), (index::METHOD, 403)]);
        watch.set(&[(index::PHASE, 2)]).look();
    };
    build(&mut watch, 91);
    watch.set(&full).expect(29.1, "REINDEX, index 1 of 2: building index: loading rows");
    build(&mut watch, 92);
    watch.set(&full).expect(68.0, "REINDEX, index 2 of 2: building index: loading rows");
    watch.set(&[(index::PHASE, 3)]).expect(68.0, "REINDEX: waiting for writers before validation");
    for (oid, percent) in [(91, 81.7), (92, 99.9)] {
        watch.begin(Counted::CreateIndex, TABLE).set(&[(index::INDEX, oid), (index::PHASE, 6)]);
        watch.set(&[(index::BLOCKS, 9), (index::BLOCKS_DONE, 9)]);
        let phase = format!("REINDEX, index {} of 2: validating index: scanning table", oid - 90);
        watch.expect(percent, &phase);
    }
}

/// The index of a TOAST table is built of that one's pages, and is the server's target while it is.
#[test]
fn a_toast_index_weighs_as_its_own_heap() {
    let owner = || {
        let mut owner = Table { toast: 21, ..table(TABLE, 1000.0, vec![index_of(11, 100.0)]) };
        owner.indexes.push(Index { heap: 0.0, ..index_of(22, 1.0) });
        owner
    };
    let full = [(index::SUBPHASE, 5), (index::ROWS, 9), (index::ROWS_DONE, 9)];
    for tables in [vec![owner()], vec![owner(), table(99, 1000.0, vec![index_of(98, 101.0)])]] {
        let all = if tables.len() == 1 { 1.0 } else { 2.0 };
        let mut watch = Watch::new(Kind::ReindexConcurrently, "REINDEX", tables);
        let mut build = |target, phase, index, percent: f64, label: &str| {
            watch.begin(Counted::CreateIndex, target);
            watch.set(&[(index::INDEX, index), (index::METHOD, 403), (index::PHASE, phase)]).look();
            if phase == 2 {
                watch.set(&full);
            } else {
                watch.set(&[(index::BLOCKS, 9), (index::BLOCKS_DONE, 9)]);
            }
            watch.expect(percent / all, label);
        };
        build(TABLE, 2, 91, 67.9, "REINDEX, index 1 of 2: building index: loading rows");
        build(21, 2, 92, 68.0, "REINDEX, index 2 of 2: building index: loading rows");
        build(TABLE, 6, 91, 99.8, "REINDEX, index 1 of 2: validating index: scanning table");
        build(21, 6, 92, 99.9, "REINDEX, index 2 of 2: validating index: scanning table");
    }
    // of a table that has no other index
    let owner = Table { toast: 21, indexes: vec![Index { heap: 10.0, ..index_of(22, 1.0) }], ..owner() };
    let mut watch = Watch::new(Kind::ReindexConcurrently, "REINDEX", vec![owner]);
    watch.begin(Counted::CreateIndex, 21).set(&[(index::INDEX, 91), (index::METHOD, 403), (index::PHASE, 2)]).look();
    watch.set(&full);
    assert!(watch.look().is_some_and(|figure| figure > 0.6), "{}", watch.phase);
}

#[test]
fn partitions_of_partitions_are_not_counted() {
    let deep = || vec![table(TABLE, 0.0, vec![]), Table { has_children: true, ..table(7, 0.0, vec![]) }];
    let mut watch = Watch::new(Kind::CreateIndex, "CREATE INDEX", deep());
    assert_eq!(watch.look(), None);
    watch.begin(Counted::CreateIndex, TABLE).set(&[(index::METHOD, 403), (index::PHASE, 2), (index::SUBPHASE, 2)]);
    watch.set(&[(index::PARTITIONS, 1), (index::PARTITIONS_DONE, 1), (index::BLOCKS, 10), (index::BLOCKS_DONE, 5)]);
    assert_eq!(watch.look(), None);
    assert_eq!(watch.phase, "CREATE INDEX: building index: scanning table");
    // one level
    let mut watch = Watch::new(Kind::CreateIndex, "CREATE INDEX", vec![table(TABLE, 0.0, vec![]); 3]);
    watch.begin(Counted::CreateIndex, TABLE).set(&[(index::METHOD, 403), (index::PHASE, 2), (index::SUBPHASE, 2)]);
    watch.set(&[(index::PARTITIONS, 2), (index::PARTITIONS_DONE, 1)]);
    watch.expect(50.0, "CREATE INDEX, partition 2 of 2: building index: scanning table");
}

#[test]
fn cluster_rebuilds_indexes_after_the_heap() {
    let indexes = vec![index_of(11, 100.0), index_of(12, 300.0)];
    let kind = Kind::Rewrite { analyze: false };
    let mut watch = Watch::new(kind, "VACUUM", vec![table(TABLE, 1000.0, indexes.clone())]);
    watch.begin(Counted::Cluster, TABLE).set(&[(cluster::COMMAND, 2)]).expect(0.0, "VACUUM: initializing");
    watch.set(&[(cluster::PHASE, 1), (cluster::HEAP_TOTAL, 1000), (cluster::HEAP_SCANNED, 1000)]);
    // 1 : 2 × 0.65
    watch.expect(43.5, "VACUUM: seq scanning heap");
    watch.set(&[(cluster::PHASE, 6)]).look();
    let full = [(index::PHASE, 2), (index::SUBPHASE, 5), (index::ROWS, 9), (index::ROWS_DONE, 9)];
    watch.set(&full).expect(67.7, "VACUUM, index 1 of 2: rebuilding index: loading rows");
    // the counters of the first are still there
    watch.set(&[(cluster::INDEXES_REBUILT, 1)]);
    watch.expect(67.7, "VACUUM, index 2 of 2: rebuilding index: initializing");
    watch.set(&[(index::SUBPHASE, 2), (index::BLOCKS, 10), (index::BLOCKS_DONE, 0)]);
    watch.expect(67.7, "VACUUM, index 2 of 2: rebuilding index: scanning table");
    // the first was not seen at all
    let mut watch = Watch::new(kind, "VACUUM", vec![table(TABLE, 1000.0, indexes.clone())]);
    watch.begin(Counted::Cluster, TABLE).set(&[(cluster::PHASE, 6), (cluster::INDEXES_REBUILT, 1)]).set(&full);
    watch.expect(67.7, "VACUUM, index 2 of 2: rebuilding index: initializing");
    // it is first seen when it scans, and stands still
    let mut watch = Watch::new(kind, "VACUUM", vec![table(TABLE, 1000.0, indexes)]);
    watch.begin(Counted::Cluster, TABLE).set(&[(cluster::PHASE, 6)]).set(&full).look();
    watch.set(&[(cluster::INDEXES_REBUILT, 1), (index::SUBPHASE, 2), (index::BLOCKS, 10), (index::BLOCKS_DONE, 0)]);
    for _ in 0..3 {
        watch.expect(67.7, "VACUUM, index 2 of 2: rebuilding index: scanning table");
    }

    let mut watch = Watch::new(kind, "CLUSTER", vec![table(TABLE, 1000.0, vec![])]);
    watch.begin(Counted::Cluster, TABLE).set(&[(cluster::COMMAND, 1), (cluster::PHASE, 1)]);
    watch.set(&[(cluster::HEAP_TOTAL, 1000), (cluster::HEAP_SCANNED, 1000), (cluster::ROWS_SCANNED, 100)]);
    watch.expect(50.0, "CLUSTER: seq scanning heap");
    watch.set(&[(cluster::PHASE, 3)]).expect(50.0, "CLUSTER: sorting tuples");
    watch.set(&[(cluster::PHASE, 4), (cluster::ROWS_WRITTEN, 50)]).expect(80.0, "CLUSTER: writing new heap");
    // by an index: rows of those expected
    let mut watch = Watch::new(kind, "CLUSTER", vec![table(TABLE, 1000.0, vec![])]);
    watch.begin(Counted::Cluster, TABLE).set(&[(cluster::COMMAND, 1), (cluster::PHASE, 2)]);
    watch.set(&[(cluster::ROWS_SCANNED, 25_000)]).expect(50.0, "CLUSTER: index scanning heap");
}

/// A caught error ends the server's counting, but the slots are still written.
#[test]
fn a_rewrite_goes_on_after_a_caught_error() {
    let indexes = vec![index_of(11, 100.0), index_of(12, 300.0)];
    for is_seen in [true, false] {
        let kind = Kind::Rewrite { analyze: false };
        let mut watch = Watch::new(kind, "VACUUM", vec![table(TABLE, 1000.0, indexes.clone())]);
        watch.begin(Counted::Cluster, TABLE).set(&[(cluster::COMMAND, 2)]);
        watch.set(&[(cluster::PHASE, 1), (cluster::HEAP_TOTAL, 1000), (cluster::HEAP_SCANNED, 1000)]);
        if is_seen {
            watch.look();
        }
        (watch.reading.counted, watch.reading.target) = (Counted::Nothing, 0);
        watch.set(&[(cluster::PHASE, 6)]).look();
        watch.set(&[(index::PHASE, 2), (index::SUBPHASE, 5), (index::ROWS, 9), (index::ROWS_DONE, 9)]);
        watch.expect(67.7, "VACUUM, index 1 of 2: rebuilding index: loading rows");
    }
}
