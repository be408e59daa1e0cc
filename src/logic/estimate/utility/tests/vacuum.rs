//! VACUUM and ANALYZE.

use super::super::facts::{IndexCleanup, Kind};
use super::super::reading::{Counted, analyze, cluster, vacuum};
use super::{TABLE, Watch, index_of, table};

#[test]
fn vacuum_without_indexes_is_its_scan() {
    let kind = Kind::Vacuum { analyze: false, indexes: IndexCleanup::Auto };
    let mut watch = Watch::new(kind, "VACUUM", vec![table(TABLE, 1000.0, vec![])]);
    watch.expect(0.0, "VACUUM: initializing");
    watch.begin(Counted::Vacuum, TABLE).set(&[(vacuum::PHASE, 1), (vacuum::HEAP_TOTAL, 1000)]);
    watch.expect(0.0, "VACUUM: scanning heap");
    watch.set(&[(vacuum::HEAP_SCANNED, 500)]).expect(48.5, "VACUUM: scanning heap");
    watch.set(&[(vacuum::HEAP_SCANNED, 1000)]).expect(97.1, "VACUUM: scanning heap");
    watch.set(&[(vacuum::PHASE, 5)]).look();
    assert_eq!(watch.phase, "VACUUM: truncating heap");
}

#[test]
fn vacuum_with_indexes_counts_its_passes() {
    let indexes = vec![index_of(1, 100.0), index_of(2, 300.0)];
    let kind = Kind::Vacuum { analyze: false, indexes: IndexCleanup::Auto };
    let mut watch = Watch::new(kind, "VACUUM", vec![table(TABLE, 1000.0, indexes.clone())]);
    watch.begin(Counted::Vacuum, TABLE);
    watch.set(&[(vacuum::PHASE, 1), (vacuum::HEAP_TOTAL, 1000), (vacuum::DEAD_MAX, 10_000)]);
    // half of the memory when half is scanned: one pass of 2 × 400 + 0.07 × 10,000 × 1.35, heap 1000 + 600 + 30
    watch.set(&[(vacuum::HEAP_SCANNED, 500), (vacuum::DEAD, 5000)]).expect(14.8, "VACUUM: scanning heap");
    watch.set(&[(vacuum::HEAP_SCANNED, 1000), (vacuum::DEAD, 10_000)]).expect(29.6, "VACUUM: scanning heap");
    // before 17 there is no count of indexes, but buffers are used
    watch.set(&[(vacuum::PHASE, 2)]).expect(29.6, "VACUUM: vacuuming indexes");
    watch.reading.buffers += 200;
    watch.expect(55.5, "VACUUM: vacuuming indexes");
    watch.set(&[(vacuum::PHASE, 3), (vacuum::PASSES, 1)]).expect(81.3, "VACUUM: vacuuming heap");
    watch.set(&[(vacuum::HEAP_VACUUMED, 500)]).expect(90.2, "VACUUM: vacuuming heap");

    // since 17 there is
    let mut watch = Watch::new(kind, "VACUUM", vec![table(TABLE, 1000.0, indexes)]);
    watch.begin(Counted::Vacuum, TABLE);
    watch.set(&[(vacuum::PHASE, 2), (vacuum::HEAP_TOTAL, 1000), (vacuum::HEAP_SCANNED, 1000), (vacuum::INDEXES, 2)]);
    watch.set(&[(vacuum::DEAD_MAX, 65_536), (vacuum::DEAD, 20_000), (vacuum::DEAD_ROWS, 5000)]);
    watch.expect(34.5, "VACUUM, index 1 of 2: vacuuming indexes");
    watch.set(&[(vacuum::INDEXES_DONE, 1)]).expect(45.4, "VACUUM, index 2 of 2: vacuuming indexes");
    watch.reading.buffers += 150;
    watch.expect(61.9, "VACUUM, index 2 of 2: vacuuming indexes");
}

#[test]
fn vacuum_leaves_indexes_alone_for_few_dead_rows() {
    let indexes = vec![index_of(1, 400.0)];
    let mut kind = Kind::Vacuum { analyze: false, indexes: IndexCleanup::Auto };
    let slots = [(vacuum::PHASE, 1), (vacuum::HEAP_TOTAL, 1000), (vacuum::DEAD_MAX, 10_000), (vacuum::DEAD, 5)];
    let mut watch = Watch::new(kind, "VACUUM", vec![table(TABLE, 1000.0, indexes.clone())]);
    watch.begin(Counted::Vacuum, TABLE).set(&slots).set(&[(vacuum::HEAP_SCANNED, 500)]);
    watch.expect(48.5, "VACUUM: scanning heap");
    kind = Kind::Vacuum { analyze: false, indexes: IndexCleanup::Always };
    let mut watch = Watch::new(kind, "VACUUM", vec![table(TABLE, 1000.0, indexes)]);
    watch.begin(Counted::Vacuum, TABLE).set(&slots).set(&[(vacuum::HEAP_SCANNED, 500)]);
    watch.expect(20.6, "VACUUM: scanning heap");
}

#[test]
fn vacuum_of_little_memory_has_several_passes() {
    let kind = Kind::Vacuum { analyze: false, indexes: IndexCleanup::Auto };
    let mut watch = Watch::new(kind, "VACUUM", vec![table(TABLE, 1000.0, vec![index_of(1, 100.0)])]);
    watch.begin(Counted::Vacuum, TABLE);
    watch.set(&[(vacuum::PHASE, 1), (vacuum::HEAP_TOTAL, 1000), (vacuum::DEAD_MAX, 1000)]);
    for pass in 0..4 {
        for quarter in [50, 150, 250] {
            watch.set(&[(vacuum::PHASE, 1), (vacuum::HEAP_SCANNED, pass * 250 + quarter), (vacuum::DEAD, 4 * quarter)]);
            watch.look();
        }
        watch.set(&[(vacuum::PHASE, 2)]).look();
        watch.reading.buffers += 100;
        watch.look();
        watch.set(&[(vacuum::PHASE, 3), (vacuum::PASSES, pass + 1), (vacuum::HEAP_VACUUMED, pass * 250 + 250)]);
        let figure = watch.look().unwrap_or(0.0);
        let even = (pass + 1) as f64 / 4.0;
        assert!((figure - even).abs() < 0.03, "{figure} after pass {pass}");
    }
    watch.set(&[(vacuum::PHASE, 4)]).expect(99.0, "VACUUM: cleaning up indexes");
}

#[test]
fn vacuum_analyze_ends_with_the_sample() {
    let kind = Kind::Vacuum { analyze: true, indexes: IndexCleanup::Auto };
    let mut watch = Watch::new(kind, "VACUUM", vec![table(TABLE, 30_000.0, vec![])]);
    watch.begin(Counted::Vacuum, TABLE);
    watch.set(&[(vacuum::PHASE, 1), (vacuum::HEAP_TOTAL, 30_000), (vacuum::HEAP_SCANNED, 30_000)]);
    watch.expect(56.4, "VACUUM: scanning heap");
    watch.begin(Counted::Analyze, TABLE).set(&[(analyze::PHASE, 1), (analyze::BLOCKS, 30_000)]);
    watch.expect(58.1, "VACUUM: ANALYZE: acquiring sample rows");
    watch.set(&[(analyze::BLOCKS_DONE, 30_000)]).expect(91.9, "VACUUM: ANALYZE: acquiring sample rows");
    watch.set(&[(analyze::PHASE, 3)]).look();
    assert_eq!(watch.phase, "VACUUM: ANALYZE: computing statistics");
}

#[test]
fn analyze_creeps_while_it_computes() {
    let mut watch = Watch::new(Kind::Analyze, "ANALYZE", vec![table(TABLE, 30_000.0, vec![])]);
    watch.begin(Counted::Analyze, TABLE).set(&[(analyze::PHASE, 1), (analyze::BLOCKS, 30_000)]);
    watch.expect(0.0, "ANALYZE: acquiring sample rows");
    watch.reading.elapsed = 12.5;
    watch.set(&[(analyze::BLOCKS_DONE, 15_000)]).expect(40.3, "ANALYZE: acquiring sample rows");
    watch.reading.elapsed = 25.0;
    watch.set(&[(analyze::BLOCKS_DONE, 30_000)]).expect(80.6, "ANALYZE: acquiring sample rows");
    watch.set(&[(analyze::PHASE, 3)]).expect(80.6, "ANALYZE: computing statistics");
    watch.expect(83.6, "ANALYZE: computing statistics");
    watch.reading.elapsed = 1000.0;
    watch.look();
    assert!(watch.last > 0.98);
}

/// A caught error ends the server's counting, but the slots are still written.
#[test]
fn analyze_goes_on_after_a_caught_error() {
    let sampled = [(analyze::PHASE, 1), (analyze::BLOCKS, 30_000), (analyze::BLOCKS_DONE, 30_000)];
    // with the first look before the error, and after it
    for is_seen in [true, false] {
        let mut watch = Watch::new(Kind::Analyze, "ANALYZE", vec![table(TABLE, 30_000.0, vec![])]);
        watch.expect(0.0, "ANALYZE: initializing");
        watch.begin(Counted::Analyze, TABLE).set(&sampled);
        if is_seen {
            watch.look();
        }
        (watch.reading.counted, watch.reading.target) = (Counted::Nothing, 0);
        watch.set(&[(analyze::PHASE, 3)]).look();
        assert_eq!(watch.phase, "ANALYZE: computing statistics");
        assert!(watch.last > 0.8, "{}", watch.last);
    }
    // one of several
    let kind = Kind::Vacuum { analyze: true, indexes: IndexCleanup::Auto };
    let mut watch = Watch::new(kind, "VACUUM", vec![table(1, 100.0, vec![]), table(2, 300.0, vec![])]);
    watch.begin(Counted::Analyze, 2).set(&[(analyze::PHASE, 1), (analyze::BLOCKS, 300)]).look();
    (watch.reading.counted, watch.reading.target) = (Counted::Nothing, 0);
    watch.set(&[(analyze::PHASE, 3)]).look();
    assert_eq!(watch.phase, "VACUUM, part 1 of 4: ANALYZE: computing statistics");
    // it ends, and the next has not begun
    watch.set(&[(analyze::PHASE, 5)]).reading.waits = true;
    watch.look();
    assert_eq!(watch.phase, "VACUUM: waiting for a lock");
}

#[test]
fn many_tables_weigh_by_their_pages() {
    let tables = vec![table(1, 100.0, vec![]), table(2, 300.0, vec![]), table(3, 600.0, vec![])];
    let kind = Kind::Vacuum { analyze: false, indexes: IndexCleanup::Auto };
    let mut watch = Watch::new(kind, "VACUUM", tables);
    let whole = [(vacuum::PHASE, 1), (vacuum::HEAP_TOTAL, 100), (vacuum::HEAP_SCANNED, 100)];
    watch.begin(Counted::Vacuum, 2).set(&whole).expect(29.1, "VACUUM, part 1 of 3: scanning heap");
    watch.begin(Counted::Vacuum, 1).expect(30.0, "VACUUM, part 2 of 3: initializing");
    watch.begin(Counted::Vacuum, 3).set(&whole).expect(98.2, "VACUUM, part 3 of 3: scanning heap");
}

#[test]
fn vacuum_full_analyzes_each_table_after_it_is_rewritten() {
    let tables = vec![table(1, 1000.0, vec![]), table(2, 3000.0, vec![])];
    let mut watch = Watch::new(Kind::Rewrite { analyze: true }, "VACUUM", tables);
    let scan = |pages| [(cluster::COMMAND, 2), (cluster::PHASE, 1), (cluster::HEAP_TOTAL, pages)];
    watch.begin(Counted::Cluster, 1).set(&scan(1000)).set(&[(cluster::HEAP_SCANNED, 500)]);
    watch.expect(11.25, "VACUUM, table 1 of 2: seq scanning heap");
    watch.begin(Counted::Analyze, 1).set(&[(analyze::PHASE, 1), (analyze::BLOCKS, 1000)]);
    watch.expect(22.5, "VACUUM, table 1 of 2: ANALYZE: acquiring sample rows");
    watch.set(&[(analyze::PHASE, 5)]).expect(25.0, "VACUUM, table 1 of 2: ANALYZE: finalizing analyze");
    watch.begin(Counted::Cluster, 2).set(&scan(3000)).expect(25.0, "VACUUM, table 2 of 2: seq scanning heap");
    watch.set(&[(cluster::HEAP_SCANNED, 1500)]).expect(58.75, "VACUUM, table 2 of 2: seq scanning heap");
    watch.begin(Counted::Analyze, 2).set(&[(analyze::PHASE, 1), (analyze::BLOCKS, 3000)]);
    watch.expect(92.5, "VACUUM, table 2 of 2: ANALYZE: acquiring sample rows");
}
