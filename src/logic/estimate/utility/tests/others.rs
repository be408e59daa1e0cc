//! COPY, commands around a query, and those of which nothing is known.

use super::super::facts::{IndexCleanup, Kind};
use super::super::reading::{Counted, analyze, copy, index};
use super::{Estimate, TABLE, Watch, index_of, table};

#[test]
fn copy_knows_bytes_or_rows() {
    let mut watch = Watch::new(Kind::CopyFrom, "COPY", vec![]);
    watch.begin(Counted::Copy, TABLE).set(&[(copy::BYTES, 1000), (copy::BYTES_DONE, 250), (copy::ROWS_DONE, 7)]);
    watch.expect(25.0, "COPY: copying rows");
    assert_eq!(watch.model.update(&watch.reading, None).rows, Some(7));
    // a program
    let mut watch = Watch::new(Kind::CopyFrom, "COPY", vec![]);
    watch.begin(Counted::Copy, TABLE).set(&[(copy::BYTES_DONE, 250), (copy::ROWS_DONE, 7)]);
    assert_eq!(watch.look(), None);
    assert_eq!((watch.phase.as_str(), watch.model.update(&watch.reading, None).rows), ("COPY: copying rows", Some(7)));
    // a table: more rows than expected do not end it
    let mut watch = Watch::new(Kind::CopyTableTo, "COPY", vec![table(TABLE, 10.0, vec![])]);
    watch.begin(Counted::Copy, TABLE).set(&[(copy::ROWS_DONE, 250)]).expect(50.0, "COPY: copying rows");
    watch.set(&[(copy::ROWS_DONE, 1000)]).expect(99.8, "COPY: copying rows");
}

#[test]
fn copy_counts_on_after_a_caught_error() {
    let mut watch = Watch::new(Kind::CopyFrom, "COPY", vec![]);
    watch.begin(Counted::Copy, TABLE).set(&[(copy::BYTES, 1000), (copy::BYTES_DONE, 250), (copy::ROWS_DONE, 7)]).look();
    (watch.reading.counted, watch.reading.target) = (Counted::Nothing, 0);
    watch.set(&[(copy::BYTES_DONE, 500), (copy::ROWS_DONE, 14)]).expect(50.0, "COPY: copying rows");
    assert_eq!(watch.model.update(&watch.reading, None).rows, Some(14));
    // a command that a trigger runs has counters of its own
    watch.reading.counted = Counted::Analyze;
    assert_eq!(watch.model.update(&watch.reading, None).rows, None);
}

#[test]
fn checks_of_several_partitions_are_not_counted() {
    let of_query = Estimate { fraction: Some(0.5), phase: "joining a".into(), ..Estimate::default() };
    let mut watch = Watch::new(Kind::Validate, "ALTER TABLE", vec![table(TABLE, 10.0, vec![])]);
    assert_eq!(watch.see(Some(of_query)), Some(0.5));
    let mut watch = Watch::new(Kind::Validate, "ALTER TABLE", vec![table(TABLE, 0.0, vec![]), table(7, 9.0, vec![])]);
    assert_eq!(watch.see(Some(of_query)), None);
    assert_eq!(watch.phase, "ALTER TABLE: validating constraint");
}

#[test]
fn a_query_drives_the_command_around_it() {
    let of_query =
        |fraction| Estimate { fraction: Some(fraction), rows: Some(5), phase: "sorting".into(), ..Estimate::default() };
    let mut watch = Watch::new(Kind::Query, "CREATE TABLE AS", vec![]);
    assert_eq!(watch.look(), None);
    assert_eq!(watch.phase, "CREATE TABLE AS");
    assert_eq!(watch.see(Some(of_query(0.5))), Some(0.5));
    assert_eq!(watch.phase, "CREATE TABLE AS: sorting");
    // between two estimates
    watch.expect(50.0, "CREATE TABLE AS: sorting");
    assert_eq!(watch.model.update(&watch.reading, None).rows, Some(5));

    let tables = vec![table(TABLE, 0.0, vec![index_of(11, 100.0)])];
    let mut watch = Watch::new(Kind::Refresh, "REFRESH MATERIALIZED VIEW", tables);
    // the index of the TOAST table, which is empty
    watch.set(&[(index::PHASE, 2), (index::SUBPHASE, 5)]);
    watch.see(Some(of_query(0.5)));
    watch.expect(30.3, "REFRESH MATERIALIZED VIEW: sorting");
    watch.set(&[(index::PHASE, 2), (index::SUBPHASE, 5), (index::ROWS, 9), (index::ROWS_DONE, 9)]);
    watch.expect(99.9, "REFRESH MATERIALIZED VIEW: rebuilding index: loading rows");

    let mut watch = Watch::new(Kind::RefreshConcurrently, "REFRESH MATERIALIZED VIEW", vec![]);
    watch.see(Some(of_query(0.999)));
    watch.set(&[(analyze::PHASE, 3)]).expect(60.0, "REFRESH MATERIALIZED VIEW: comparing rows");
}

#[test]
fn what_is_not_counted_is_unknown() {
    let mut watch = Watch::new(Kind::Uncounted, "ALTER TABLE", vec![]);
    assert_eq!(watch.look(), None);
    assert_eq!(watch.phase, "ALTER TABLE");
    watch.reading.waits = true;
    assert_eq!(watch.look(), None);
    assert_eq!(watch.phase, "ALTER TABLE: waiting for a lock");
    watch.reading.waits = false;
    watch.set(&[(index::PHASE, 2)]).look();
    assert_eq!(watch.phase, "ALTER TABLE: rebuilding index");
    let mut watch = Watch::new(Kind::CreateIndex, "CREATE INDEX", vec![]);
    watch.reading.waits = true;
    watch.expect(0.0, "CREATE INDEX: waiting for a lock");
}

#[test]
fn any_counters_are_survived() {
    let tables = || vec![table(TABLE, 0.0, vec![index_of(1, 0.0)]), table(7, 9.0, vec![])];
    let kinds = [
        Kind::Vacuum { analyze: true, indexes: IndexCleanup::Auto },
        Kind::Rewrite { analyze: true },
        Kind::Analyze,
        Kind::CreateIndex,
        Kind::CreateIndexConcurrently,
        Kind::Reindex,
        Kind::ReindexConcurrently,
        Kind::CopyFrom,
        Kind::CopyTableTo,
        Kind::Query,
        Kind::Refresh,
        Kind::RefreshConcurrently,
        Kind::Validate,
        Kind::Uncounted,
    ];
    let counted =
        [Counted::Nothing, Counted::Vacuum, Counted::Analyze, Counted::Cluster, Counted::CreateIndex, Counted::Copy];
    let mut state = 1_u64;
    let mut random = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for kind in kinds {
        let mut watch = Watch::new(kind, "ANY", tables());
        for _ in 0..5000 {
            watch.reading.counted = counted[random(6) as usize];
            watch.reading.target = [TABLE, 7, 8][random(3) as usize];
            watch.reading.waits = random(10) == 0;
            watch.reading.buffers = random(1000) as i64;
            let values = [0, 1, 2, 3, 4, 5, 6, 9, 403, 2742, i64::MAX, -1, i64::MIN, 1000];
            watch.set(&[(random(20) as usize, values[random(values.len() as u64) as usize])]);
            watch.look();
        }
    }
}
