//! Synthetic plans, run by hand.

use super::node::{Grouping, Kind, Node, Plan, Reading, Role, Seen};
use super::{Estimate, Estimator};
use proptest::prelude::*;

/// A plan that is built from its top; each node is under the one that is named.
#[derive(Default)]
struct Tree(Plan);

impl Tree {
    fn add(&mut self, parent: Option<usize>, kind: Kind, role: Role, rows: f64) -> usize {
        let at = self.0.nodes.len();
        if let Some(parent) = parent {
            self.0.nodes[parent].children.push(at);
        }
        self.0.nodes.push(Node { kind, role, rows, width: 50.0, ..Node::default() });
        at
    }

    fn scan(&mut self, parent: Option<usize>, role: Role, name: &str, rows: f64) -> usize {
        let at = self.add(parent, Kind::Scan, role, rows);
        let node = &mut self.0.nodes[at];
        (node.pages, node.tuples) = (rows / 50.0, rows);
        node.set_name(name.as_bytes());
        at
    }

    fn run(self) -> Run {
        let nodes = vec![Seen::default(); self.0.nodes.len()];
        let estimator = Estimator::new(&self.0);
        Run { plan: self.0, reading: Reading { nodes, ..Reading::default() }, estimator }
    }
}

struct Run {
    plan: Plan,
    reading: Reading,
    estimator: Estimator,
}

impl Run {
    fn see(&mut self, at: usize, change: impl FnOnce(&mut Seen)) -> &mut Self {
        change(&mut self.reading.nodes[at]);
        self
    }

    fn estimate(&mut self) -> Estimate {
        self.estimator.update(&self.plan, &self.reading)
    }

    fn percent(&mut self) -> f64 {
        100.0 * self.estimate().fraction.unwrap_or(f64::NAN)
    }

    fn phase(&mut self) -> String {
        String::from_utf8_lossy(self.estimate().phase.bytes()).into_owned()
    }
}

fn position(part: f64) -> impl FnOnce(&mut Seen) {
    move |seen| seen.position = Some(part)
}

#[test]
fn a_count_is_as_far_as_its_scan() {
    let mut tree = Tree::default();
    let agg = tree.add(None, Kind::Agg(Grouping::Plain), Role::Outer, 1.0);
    let scan = tree.scan(Some(agg), Role::Outer, "lineitem", 1e6);
    let mut run = tree.run();
    assert!(run.percent().abs() < 1e-9);
    for percent in [10.0, 50.0, 90.0] {
        let shown = run.see(scan, position(percent / 100.0)).percent();
        assert!((shown - percent).abs() < 1.0, "{shown}");
    }
    assert_eq!(run.phase(), "aggregating lineitem");
    // The scan is behind its last page: it has no position any more.
    run.see(scan, |seen| *seen = Seen { is_over: true, ..Seen::default() });
    assert!(run.percent() > 99.0 && run.percent() < 100.0);
}

#[test]
fn grouping_sets_by_sorting_read_their_input_several_times() {
    let mut tree = Tree::default();
    let agg = tree.add(None, Kind::Agg(Grouping::Sorted), Role::Outer, 1e5);
    let scan = tree.scan(Some(agg), Role::Outer, "lineitem", 1e6);
    tree.0.nodes[agg].further_passes = 2.0;
    let mut run = tree.run();
    let half = run.see(scan, position(0.5)).percent();
    assert!(half > 5.0 && half < 15.0, "{half}");
    run.see(scan, |seen| *seen = Seen { is_over: true, ..Seen::default() });
    let mut before = half;
    for (passes, most) in [(1.0, 30.0), (2.0, 70.0), (3.0, 100.0)] {
        let shown = run.see(agg, |seen| seen.passes = passes).percent();
        assert!(shown > before + 5.0 && shown < most, "{shown} after {passes} passes");
        before = shown;
    }
}

#[test]
fn a_hash_join_builds_and_then_probes() {
    let mut tree = Tree::default();
    let join = tree.add(None, Kind::HashJoin, Role::Outer, 1e6);
    let outer = tree.scan(Some(join), Role::Outer, "orders", 1e6);
    let hash = tree.add(Some(join), Kind::Hash, Role::Inner, 1e6);
    let inner = tree.scan(Some(hash), Role::Outer, "customer", 1e6);
    let mut run = tree.run();
    run.see(inner, position(0.5)).see(hash, |seen| seen.rows = Some(5e5));
    let building = run.percent();
    assert!(building > 10.0 && building < 40.0, "{building}");
    assert_eq!(run.phase(), "hashing customer");
    run.see(inner, |seen| seen.is_over = true);
    run.see(hash, |seen| (seen.rows, seen.is_filled) = (Some(1e6), true));
    run.see(join, |seen| (seen.is_filled, seen.batches) = (true, Some((1.0, 0.0))));
    let built = run.percent();
    assert!(built > building && built < 70.0, "{built}");
    run.see(outer, position(0.5)).see(join, |seen| seen.rows = Some(5e5));
    let probing = run.percent();
    assert!(probing > built + 15.0 && probing < 90.0, "{probing}");
    assert_eq!(run.phase(), "joining orders");
}

#[test]
fn a_hash_join_of_several_batches_is_not_done_when_its_outer_is_read() {
    let mut tree = Tree::default();
    let join = tree.add(None, Kind::HashJoin, Role::Outer, 1e6);
    let outer = tree.scan(Some(join), Role::Outer, "orders", 1e6);
    let hash = tree.add(Some(join), Kind::Hash, Role::Inner, 1e6);
    tree.scan(Some(hash), Role::Outer, "customer", 1e6);
    let mut run = tree.run();
    run.see(hash, |seen| (seen.rows, seen.is_filled) = (Some(1e6), true));
    run.see(join, |seen| (seen.is_filled, seen.batches) = (true, Some((8.0, 0.0)))).see(outer, position(1.0));
    let first = run.percent();
    run.see(join, |seen| seen.batches = Some((8.0, 7.0)));
    assert!(first < 80.0 && run.percent() > 90.0, "{first}");
}

#[test]
fn a_sort_reads_sorts_and_returns() {
    let mut tree = Tree::default();
    let sort = tree.add(None, Kind::Sort, Role::Outer, 1e6);
    let scan = tree.scan(Some(sort), Role::Outer, "lineitem", 1e6);
    let mut run = tree.run();
    run.see(scan, position(0.5));
    assert_eq!(run.phase(), "sorting lineitem");
    let reading = run.percent();
    run.see(scan, position(1.0));
    assert_eq!(run.phase(), "sorting");
    let read = run.percent();
    run.see(sort, |seen| (seen.is_filled, seen.rows) = (true, Some(0.0)));
    let sorted = run.percent();
    run.see(sort, |seen| seen.rows = Some(9e5));
    let returning = run.percent();
    assert!(reading < read && read < sorted && sorted < returning && returning < 100.0);
    assert_eq!(run.phase(), "returning sorted rows");
}

#[test]
fn a_window_that_leaves_rows_out_is_as_far_as_its_input() {
    for is_filtered in [false, true] {
        let mut tree = Tree::default();
        let window = tree.add(None, Kind::Window { is_filtered }, Role::Outer, 1e6);
        let scan = tree.scan(Some(window), Role::Outer, "t", 1e6);
        let mut run = tree.run();
        // 3 rows of each partition of 600
        let rows = if is_filtered { 2500.0 } else { 5e5 };
        run.see(scan, position(0.5)).see(window, |seen| seen.rows = Some(rows));
        let shown = run.percent();
        assert!((shown - 50.0).abs() < 2.0, "{shown}");
    }
}

#[test]
fn a_limit_ends_its_input_early() {
    let mut tree = Tree::default();
    let limit = tree.add(None, Kind::Limit, Role::Outer, 100.0);
    let scan = tree.scan(Some(limit), Role::Outer, "t", 1e6);
    let mut run = tree.run();
    run.see(limit, |seen| (seen.limit, seen.rows) = (Some(1000.0), Some(500.0))).see(scan, position(0.2));
    assert!((run.percent() - 50.0).abs() < 5.0);
}

#[test]
fn a_nested_loop_is_as_far_as_its_outer() {
    let mut tree = Tree::default();
    let join = tree.add(None, Kind::NestLoop, Role::Outer, 1e5);
    let outer = tree.scan(Some(join), Role::Outer, "orders", 1e5);
    let inner = tree.add(Some(join), Kind::Index { is_whole: false, is_only: false }, Role::Inner, 4.0);
    let mut run = tree.run();
    run.see(outer, position(0.3)).see(inner, |seen| seen.rows = Some(120_000.0));
    let shown = run.percent();
    assert!((shown - 30.0).abs() < 2.0, "{shown}");
}

#[test]
fn a_plan_without_an_end_is_unknown() {
    let mut tree = Tree::default();
    let scan = tree.add(None, Kind::Pass { ns: 0.0 }, Role::Outer, 100.0);
    let union = tree.add(Some(scan), Kind::Unknown, Role::Outer, 100.0);
    tree.scan(Some(union), Role::Outer, "t", 1e6);
    let mut run = tree.run();
    run.reading.processed = 7;
    let estimate = run.estimate();
    assert_eq!((estimate.fraction, estimate.rows), (None, Some(7)));
    // SELECT f()
    let mut tree = Tree::default();
    tree.add(None, Kind::Leaf { is_known: false }, Role::Outer, 1.0);
    assert_eq!(tree.run().estimate().fraction, None);
    // SELECT (SELECT count(*) FROM t)
    let mut tree = Tree::default();
    let top = tree.add(None, Kind::Leaf { is_known: false }, Role::Outer, 1.0);
    let scan = tree.scan(Some(top), Role::Once, "t", 1e6);
    let mut run = tree.run();
    assert!((run.see(scan, position(0.5)).percent() - 50.0).abs() < 5.0);
    assert_eq!(run.phase(), "scanning t");
    assert_eq!(Tree::default().run().estimate(), Estimate { rows: Some(0), ..Estimate::default() });
}

#[test]
fn an_append_goes_through_its_members() {
    let mut tree = Tree::default();
    let append = tree.add(None, Kind::Append { is_parallel: false }, Role::Outer, 3e5);
    let members: Vec<_> = (0..3).map(|n| tree.scan(Some(append), Role::Member, &format!("part{n}"), 1e5)).collect();
    let mut run = tree.run();
    run.see(append, |seen| seen.member = Some(1)).see(members[1], position(0.5));
    assert!((run.percent() - 50.0).abs() < 2.0);
    assert_eq!(run.phase(), "scanning part1");
}

#[test]
fn triggers_run_after_the_last_row() {
    let mut tree = Tree::default();
    let modify = tree.add(None, Kind::Modify { ns: 500.0 }, Role::Outer, 0.0);
    let scan = tree.scan(Some(modify), Role::Outer, "t", 1e5);
    tree.0.triggers = 1.0;
    let mut run = tree.run();
    let written = run.see(scan, position(1.0)).percent();
    assert!(written < 30.0, "{written}");
    run.reading.trigger_runs = 5e4;
    let checked = run.percent();
    assert!(checked > 50.0 && checked < 65.0, "{checked}");
    assert_eq!(run.phase(), "running triggers");
}

#[test]
fn waiting_is_said() {
    let mut tree = Tree::default();
    let gather = tree.add(None, Kind::Gather, Role::Outer, 1e5);
    let scan = tree.scan(Some(gather), Role::Outer, "t", 1e5);
    let mut run = tree.run();
    run.reading.is_waiting = true;
    run.see(scan, position(0.5));
    assert!((run.percent() - 50.0).abs() < 5.0);
    assert_eq!(run.phase(), "waiting for parallel workers");
}

#[test]
fn a_plan_that_is_too_deep_is_cut() {
    let mut tree = Tree::default();
    let mut at = tree.add(None, Kind::Pass { ns: 10.0 }, Role::Outer, 10.0);
    for _ in 0..10_000 {
        at = tree.add(Some(at), Kind::Pass { ns: 10.0 }, Role::Outer, 10.0);
    }
    tree.scan(Some(at), Role::Outer, "t", 10.0);
    let mut run = tree.run();
    assert_eq!((run.estimate().fraction, run.phase().as_str()), (None, "scanning t"));
}

fn any_kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![
        Kind::Scan,
        Kind::Index { is_whole: false, is_only: true },
        Kind::Bitmap,
        Kind::Leaf { is_known: true },
        Kind::Pass { ns: 30.0 },
        Kind::Sort,
        Kind::Material,
        Kind::Memoize,
        Kind::Hash,
        Kind::HashJoin,
        Kind::MergeJoin,
        Kind::NestLoop,
        Kind::Agg(Grouping::Plain),
        Kind::Agg(Grouping::Sorted),
        Kind::Agg(Grouping::Hashed),
        Kind::Window { is_filtered: false },
        Kind::Window { is_filtered: true },
        Kind::HashedSetOp,
        Kind::Limit,
        Kind::Append { is_parallel: false },
        Kind::MergeAppend,
        Kind::Gather,
        Kind::Modify { ns: 500.0 },
        Kind::Unknown,
    ])
}

fn any_role() -> impl Strategy<Value = Role> {
    use Role::{EachRow, HashedSubplan, Inner, Member, Once, Outer};
    prop::sample::select(vec![Outer, Outer, Outer, Inner, Inner, Member, Once, EachRow, HashedSubplan])
}

fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![Just(0.0), 0.0..1.0, 0.0..1e3, 1e3..1e15, Just(f64::NAN), Just(f64::INFINITY), Just(-1.0)]
}

fn any_seen() -> impl Strategy<Value = Seen> {
    let option = || prop::option::of(any_number());
    let pair = prop::option::of((any_number(), any_number()));
    (option(), option(), any::<[bool; 2]>(), option(), pair, option(), option(), prop::option::of(0_usize..5)).prop_map(
        |(position, rows, [is_filled, is_over], pages, batches, groups, limit, member)| Seen {
            position,
            rows,
            is_filled,
            is_over,
            pages,
            batches,
            groups,
            limit,
            member,
            misses: position,
            passes: position.unwrap_or(0.0),
        },
    )
}

proptest! {
    /// Whatever the plan is and whatever is read: never backwards, never 100, never a number that is none.
    #[test]
    fn an_estimate_goes_forward(
        nodes in prop::collection::vec((any_kind(), any_role(), any::<prop::sample::Index>(), any_number()), 1..12),
        samples in prop::collection::vec(prop::collection::vec(any_seen(), 12), 1..8),
    ) {
        let mut tree = Tree::default();
        for (at, (kind, role, parent, rows)) in nodes.into_iter().enumerate() {
            let parent = (at > 0).then(|| parent.index(at));
            let at = tree.add(parent, kind, role, rows);
            let node = &mut tree.0.nodes[at];
            (node.pages, node.tuples, node.further_passes) = (rows, rows, (rows % 4.0).trunc());
        }
        let mut run = tree.run();
        let mut last = 0.0;
        for sample in samples {
            let number = run.reading.nodes.len();
            run.reading.nodes.copy_from_slice(&sample[..number]);
            if let Some(fraction) = run.estimate().fraction {
                prop_assert!(fraction >= last && fraction < 1.0, "{last} {fraction}");
                last = fraction;
            }
        }
    }
}
