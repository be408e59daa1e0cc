//! What the planner says of a node, in the terms of the estimate.

use super::super::parse_tree::cells;
use super::super::{compat_plan as compat, sys};
use logic::estimate::plan::node::{Grouping, Kind, Node};
use std::ffi::{CStr, c_char};

/// Objects of the server's own have smaller numbers.
const FIRST_USER_OID: u32 = 16_384;
const AGGREGATE_NS: f64 = 20.0;
/// One whose state is more than a value, such as that of a sum of numerics.
const INTERNAL_NS: f64 = 90.0;
/// A row of a function that stores them all.
const STORING_NS: f64 = 110.0;
/// One that sorts its input first.
const SORTED_AGGREGATE_NS: f64 = 60.0;

pub struct Facts {
    pub node: Node,
    pub is_heap: bool,
}

/// # Safety
/// A node's state, made by ExecInitNode.
pub unsafe fn node(state: *mut sys::PlanState, is_partial: bool, share: f64) -> Facts {
    // SAFETY: promised by the caller.
    unsafe {
        let plan = &*(*state).plan;
        let mut node = Node { rows: plan.plan_rows, width: f64::from(plan.plan_width), is_partial, ..Node::default() };
        node.quals = cells(plan.qual).len() as f64;
        let relation = named_relation(state);
        let mut is_heap = false;
        if let Some(relation) = relation.as_ref() {
            let class = &*relation.rd_rel;
            node.set_name(CStr::from_ptr(class.relname.data.as_ptr()).to_bytes());
            let split = if (*state).type_ == sys::NodeTag_T_ModifyTableState { 1.0 } else { share };
            node.pages = f64::from(class.relpages.max(0)) * split;
            node.tuples = f64::from(class.reltuples.max(0.0)) * split;
            is_heap = std::ptr::eq(relation.rd_tableam, sys::GetHeapamTableAmRoutine());
        }
        node.kind = kind(state, plan, &mut node, is_heap);
        Facts { node, is_heap }
    }
}

/// The table of a scan, or the index of one that makes a bitmap; NULL of other nodes.
///
/// # Safety
/// A node's state, made by ExecInitNode.
pub unsafe fn relation(state: *mut sys::PlanState) -> sys::Relation {
    // SAFETY: promised by the caller; these begin with a ScanState.
    unsafe {
        match (*state).type_ {
            sys::NodeTag_T_BitmapIndexScanState => (*state.cast::<sys::BitmapIndexScanState>()).biss_RelationDesc,
            sys::NodeTag_T_SeqScanState
            | sys::NodeTag_T_SampleScanState
            | sys::NodeTag_T_TidScanState
            | sys::NodeTag_T_TidRangeScanState
            | sys::NodeTag_T_IndexScanState
            | sys::NodeTag_T_IndexOnlyScanState
            | sys::NodeTag_T_BitmapHeapScanState
            | sys::NodeTag_T_ForeignScanState
            | sys::NodeTag_T_CustomScanState => (*state.cast::<sys::ScanState>()).ss_currentRelation,
            _ => std::ptr::null_mut(),
        }
    }
}

/// # Safety
/// As above.
unsafe fn named_relation(state: *mut sys::PlanState) -> sys::Relation {
    // SAFETY: promised by the caller.
    unsafe {
        match (*state).type_ {
            sys::NodeTag_T_BitmapIndexScanState => std::ptr::null_mut(),
            sys::NodeTag_T_ModifyTableState => {
                let result = (*state.cast::<sys::ModifyTableState>()).resultRelInfo;
                if result.is_null() { std::ptr::null_mut() } else { (*result).ri_RelationDesc }
            }
            _ => relation(state),
        }
    }
}

/// What falls to one process below a Gather: the server's own divisor, in which a leader that serves several workers
/// counts less. And what the leader has of that, if it takes as much as each worker.
///
/// # Safety
/// The state of a Gather or a GatherMerge.
pub unsafe fn share(state: *mut sys::PlanState) -> (f64, f64) {
    // SAFETY: promised by the caller.
    let workers = unsafe {
        let plan = (*state).plan;
        match (*state).type_ {
            sys::NodeTag_T_GatherState => (*plan.cast::<sys::Gather>()).num_workers,
            _ => (*plan.cast::<sys::GatherMerge>()).num_workers,
        }
    };
    let workers = f64::from(workers.max(0));
    let divisor = (workers + (1.0 - 0.3 * workers).max(0.0)).max(1.0);
    (1.0 / divisor, divisor / (workers + 1.0))
}

/// # Safety
/// As [`node`].
unsafe fn kind(state: *mut sys::PlanState, plan: &sys::Plan, node: &mut Node, is_heap: bool) -> Kind {
    // SAFETY: promised by the caller; the tag says which struct it is.
    unsafe {
        match (*state).type_ {
            sys::NodeTag_T_SeqScanState | sys::NodeTag_T_SampleScanState | sys::NodeTag_T_TidRangeScanState => {
                if is_heap {
                    Kind::Scan
                } else {
                    Kind::Index { is_whole: true, is_only: false }
                }
            }
            sys::NodeTag_T_IndexScanState => {
                let scan = &*(&raw const *plan).cast::<sys::IndexScan>();
                Kind::Index { is_whole: scan.indexqual.is_null(), is_only: false }
            }
            sys::NodeTag_T_IndexOnlyScanState => {
                let scan = &*(&raw const *plan).cast::<sys::IndexOnlyScan>();
                Kind::Index { is_whole: scan.indexqual.is_null(), is_only: true }
            }
            sys::NodeTag_T_BitmapHeapScanState => Kind::Bitmap,
            sys::NodeTag_T_BitmapIndexScanState | sys::NodeTag_T_BitmapAndState | sys::NodeTag_T_BitmapOrState => {
                Kind::BitmapSource
            }
            sys::NodeTag_T_FunctionScanState => {
                node.storing_ns = STORING_NS;
                Kind::Leaf { is_known: is_servers_function(plan) }
            }
            sys::NodeTag_T_TableFuncScanState => Kind::Leaf { is_known: false },
            sys::NodeTag_T_ResultState if (*state).lefttree.is_null() => Kind::Leaf { is_known: false },
            sys::NodeTag_T_ProjectSetState => {
                let input = (*state).lefttree;
                if !input.is_null() && (*input).type_ == sys::NodeTag_T_ResultState && (*input).lefttree.is_null() {
                    Kind::Leaf { is_known: returns_servers_set(plan) }
                } else {
                    Kind::Pass { ns: 100.0 }
                }
            }
            sys::NodeTag_T_ResultState => Kind::Pass { ns: 10.0 },
            sys::NodeTag_T_SubqueryScanState => Kind::Pass { ns: 15.0 },
            // One that reads what another has stored has no child, and is made a leaf.
            sys::NodeTag_T_CteScanState => Kind::Pass { ns: 0.0 },
            sys::NodeTag_T_UniqueState | sys::NodeTag_T_GroupState => Kind::Pass { ns: 40.0 },
            sys::NodeTag_T_IncrementalSortState => Kind::Pass { ns: 250.0 },
            sys::NodeTag_T_LockRowsState => Kind::Pass { ns: 600.0 },
            sys::NodeTag_T_SortState => {
                node.memory = f64::from(sys::work_mem) * 1024.0;
                Kind::Sort
            }
            sys::NodeTag_T_MaterialState => Kind::Material,
            sys::NodeTag_T_MemoizeState => Kind::Memoize,
            sys::NodeTag_T_HashState => {
                let memory = f64::from(sys::work_mem) * 1024.0 * sys::hash_mem_multiplier;
                node.is_external = plan.plan_rows * (f64::from(plan.plan_width) + 48.0) > memory;
                Kind::Hash
            }
            sys::NodeTag_T_HashJoinState => Kind::HashJoin,
            sys::NodeTag_T_MergeJoinState => Kind::MergeJoin,
            sys::NodeTag_T_NestLoopState => Kind::NestLoop,
            sys::NodeTag_T_AggState => {
                let memory = f64::from(sys::work_mem) * 1024.0 * sys::hash_mem_multiplier;
                node.is_external = plan.plan_rows * (f64::from(plan.plan_width) + 100.0) > memory;
                agg(&*state.cast::<sys::AggState>(), node)
            }
            sys::NodeTag_T_WindowAggState => {
                node.aggregates_ns = AGGREGATE_NS * f64::from((*state.cast::<sys::WindowAggState>()).numfuncs);
                Kind::Window { is_filtered: compat::filters_windows(&*(&raw const *plan).cast()) }
            }
            sys::NodeTag_T_SetOpState => {
                let is_hashed = (*(&raw const *plan).cast::<sys::SetOp>()).strategy == sys::SetOpStrategy_SETOP_HASHED;
                // Sorted, it reads two inputs side by side since 18; before, one that has both.
                match ((*state).righttree.is_null(), is_hashed) {
                    (_, true) => Kind::HashedSetOp,
                    (true, false) => Kind::Pass { ns: 60.0 },
                    (false, false) => Kind::MergeJoin,
                }
            }
            sys::NodeTag_T_LimitState => Kind::Limit,
            sys::NodeTag_T_AppendState => Kind::Append { is_parallel: plan.parallel_aware },
            sys::NodeTag_T_MergeAppendState => Kind::MergeAppend,
            sys::NodeTag_T_GatherState | sys::NodeTag_T_GatherMergeState => Kind::Gather,
            sys::NodeTag_T_ModifyTableState => modify(&*state.cast::<sys::ModifyTableState>()),
            sys::NodeTag_T_RecursiveUnionState => Kind::Unknown,
            // VALUES, TIDs, transition tables, other servers, other libraries' nodes
            _ => Kind::Leaf { is_known: true },
        }
    }
}

/// # Safety
/// The state of an aggregate.
unsafe fn agg(state: &sys::AggState, node: &mut Node) -> Kind {
    // SAFETY: promised by the caller: a list of its aggregates.
    for cell in unsafe { cells(state.aggs) } {
        // SAFETY: as above.
        let aggregate = unsafe { &*cell.ptr_value.cast::<sys::Aggref>() };
        let is_internal = aggregate.aggtranstype == sys::INTERNALOID;
        node.aggregates_ns += if is_internal { INTERNAL_NS } else { AGGREGATE_NS };
        if !aggregate.aggdistinct.is_null() || !aggregate.aggorder.is_null() {
            node.aggregates_ns += SORTED_AGGREGATE_NS;
            node.sorting_aggregates += 1.0;
        }
    }
    node.further_passes = f64::from((state.numphases - 2).max(0));
    match state.aggstrategy {
        sys::AggStrategy_AGG_PLAIN => Kind::Agg(Grouping::Plain),
        sys::AggStrategy_AGG_HASHED => Kind::Agg(Grouping::Hashed),
        _ => Kind::Agg(Grouping::Sorted),
    }
}

/// # Safety
/// The state of a ModifyTable.
unsafe fn modify(state: &sys::ModifyTableState) -> Kind {
    // SAFETY: promised by the caller.
    let indexes = unsafe {
        let relation =
            if state.resultRelInfo.is_null() { std::ptr::null_mut() } else { (*state.resultRelInfo).ri_RelationDesc };
        relation.as_ref().filter(|relation| relation.rd_indexvalid).map_or(0, |found| cells(found.rd_indexlist).len())
    };
    let indexes = 900.0 * indexes as f64;
    let ns = match state.operation {
        sys::CmdType_CMD_INSERT => 500.0 + indexes,
        sys::CmdType_CMD_DELETE => 500.0,
        _ => 1200.0 + indexes,
    };
    Kind::Modify { ns }
}

/// Triggers that run for each row that the plan changes, after the last. Those of an UPDATE are left out: of a foreign
/// key that did not change they are not even queued. So are those with a condition, and the server's own that look at a
/// row again which may have broken a deferrable constraint: most rows do not need them.
///
/// # Safety
/// A node's state, made by ExecInitNode.
pub unsafe fn triggers(state: *mut sys::PlanState) -> f64 {
    /// `unique_key_recheck`, in every version (`pg_proc.dat`).
    const UNIQUE_KEY_RECHECK: u32 = 1250;
    const KIND: u32 = sys::TRIGGER_TYPE_ROW | sys::TRIGGER_TYPE_BEFORE | sys::TRIGGER_TYPE_INSTEAD;
    // SAFETY: promised by the caller; a descriptor has so many triggers.
    unsafe {
        if (*state).type_ != sys::NodeTag_T_ModifyTableState {
            return 0.0;
        }
        let modify = &*state.cast::<sys::ModifyTableState>();
        let event = match modify.operation {
            sys::CmdType_CMD_INSERT => sys::TRIGGER_TYPE_INSERT,
            sys::CmdType_CMD_DELETE => sys::TRIGGER_TYPE_DELETE,
            _ => return 0.0,
        };
        let Some(found) = modify.resultRelInfo.as_ref().and_then(|relation| relation.ri_TrigDesc.as_ref()) else {
            return 0.0;
        };
        let fires = match sys::SessionReplicationRole as u32 {
            sys::SESSION_REPLICATION_ROLE_REPLICA => sys::TRIGGER_FIRES_ON_REPLICA,
            _ => sys::TRIGGER_FIRES_ON_ORIGIN,
        } as c_char;
        let number = usize::try_from(found.numtriggers).unwrap_or(0);
        let runs = |trigger: &&sys::Trigger| {
            let kind = trigger.tgtype as u32;
            kind & KIND == sys::TRIGGER_TYPE_ROW
                && kind & event != 0
                && (trigger.tgenabled == sys::TRIGGER_FIRES_ALWAYS as c_char || trigger.tgenabled == fires)
                && trigger.tgqual.is_null()
                && trigger.tgfoid != UNIQUE_KEY_RECHECK
                && !trigger.tginitdeferred
        };
        let triggers = if number == 0 { &[][..] } else { std::slice::from_raw_parts(found.triggers, number) };
        triggers.iter().filter(runs).count() as f64
    }
}

/// The planner asks a function of the server's own for the number of its rows; of another it guesses 1000.
///
/// # Safety
/// The plan of a FunctionScan.
unsafe fn is_servers_function(plan: &sys::Plan) -> bool {
    // SAFETY: promised by the caller.
    unsafe {
        let scan = &*(&raw const *plan).cast::<sys::FunctionScan>();
        cells(scan.functions).iter().all(|cell| {
            let function = cell.ptr_value.cast::<sys::RangeTblFunction>();
            is_servers((*function).funcexpr)
        })
    }
}

/// # Safety
/// The plan of a ProjectSet.
unsafe fn returns_servers_set(plan: &sys::Plan) -> bool {
    // SAFETY: promised by the caller.
    unsafe {
        cells(plan.targetlist).iter().any(|cell| is_servers((*cell.ptr_value.cast::<sys::TargetEntry>()).expr.cast()))
    }
}

/// # Safety
/// An expression.
#[allow(clippy::cast_ptr_alignment)] // a node begins with its tag, and is aligned as the struct that it is
unsafe fn is_servers(expression: *mut sys::Node) -> bool {
    // SAFETY: promised by the caller; the tag says which struct it is.
    unsafe {
        if expression.is_null() || (*expression).type_ != sys::NodeTag_T_FuncExpr {
            return false;
        }
        let call = &*expression.cast::<sys::FuncExpr>();
        call.funcretset && call.funcid < FIRST_USER_OID
    }
}
