//! Reads a node. Nothing here allocates, locks or throws.

use super::super::{compat_plan as compat, sys};
use super::{Counted, Shape, Source};
use logic::estimate::plan::bitmap::{Bitmap, Index};
use logic::estimate::plan::node::{Node, Seen};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

/// InvalidBlockNumber, a macro.
const NO_BLOCK: sys::BlockNumber = sys::BlockNumber::MAX;

/// # Safety
/// A node of the shape, at a moment at which the plan may be read.
pub unsafe fn node(shape: &Shape, at: usize) -> Seen {
    let state = shape.states[at].as_ptr();
    let source = &shape.sources[at];
    let mut seen = Seen { rows: source.counter.as_ref().and_then(|counter| counter.rows()), ..Seen::default() };
    // SAFETY: promised by the caller; the tag says which struct it is.
    unsafe {
        match source.tag {
            sys::NodeTag_T_SeqScanState | sys::NodeTag_T_TidRangeScanState | sys::NodeTag_T_SampleScanState => {
                scan(state, source, &mut seen);
            }
            sys::NodeTag_T_BitmapHeapScanState => bitmap(state, source, &shape.plan.nodes[at], &mut seen),
            sys::NodeTag_T_HashJoinState => hash_join(state, &mut seen),
            sys::NodeTag_T_HashState => {
                if let Some(join) = source.join {
                    let mut of_join = Seen::default();
                    hash_join(join.as_ptr(), &mut of_join);
                    seen.is_filled = of_join.is_filled;
                    seen.rows = of_join.groups;
                }
            }
            sys::NodeTag_T_SortState => {
                let sort = &*state.cast::<sys::SortState>();
                seen.is_filled = sort.sort_Done;
                seen.limit = sort.bounded.then_some(sort.bound as f64);
            }
            sys::NodeTag_T_MaterialState => seen.is_filled = (*state.cast::<sys::MaterialState>()).eof_underlying,
            sys::NodeTag_T_AggState => agg(&*state.cast::<sys::AggState>(), &mut seen),
            sys::NodeTag_T_SetOpState => seen.is_filled = (*state.cast::<sys::SetOpState>()).table_filled,
            sys::NodeTag_T_MemoizeState => {
                let cache = &(*state.cast::<sys::MemoizeState>()).stats;
                let (hits, misses) = (cache.cache_hits as f64, cache.cache_misses as f64);
                seen.misses = (hits + misses >= 100.0).then(|| misses / (hits + misses));
            }
            sys::NodeTag_T_LimitState => {
                let limit = &*state.cast::<sys::LimitState>();
                let is_set = limit.lstate != sys::LimitStateCond_LIMIT_INITIAL;
                let wanted = if limit.noCount { f64::INFINITY } else { limit.offset as f64 + limit.count as f64 };
                seen.limit = is_set.then_some(wanted);
                seen.rows = Some(limit.position as f64);
            }
            sys::NodeTag_T_AppendState => {
                let which = (*state.cast::<sys::AppendState>()).as_whichplan;
                seen.member = usize::try_from(which).ok();
            }
            _ => {}
        }
        if !source.sets.is_empty() {
            let values = (*(*state).state).es_param_exec_vals;
            seen.is_over = source.sets.iter().all(|&param| (*values.add(param as usize)).execPlan.is_null());
        }
    }
    seen
}

impl Counted {
    /// Rows returned and fetched since the execution began.
    ///
    /// # Safety
    /// The relation is open.
    unsafe fn since(self) -> Option<(f64, f64)> {
        // SAFETY: promised by the caller.
        let (returned, fetched) = unsafe { compat::table_counts(self.relation) }?;
        Some(((returned - self.returned) as f64, (fetched - self.fetched) as f64))
    }

    /// What the rows are that this index has put into the bitmap of a scan.
    ///
    /// # Safety
    /// The relation is open.
    unsafe fn rows_in_bitmap(self, node: &Node) -> Index {
        // SAFETY: promised by the caller.
        match unsafe { (*(*self.relation).rd_rel).relam } {
            sys::BRIN_AM_OID => Index::Pages,
            sys::BTREE_AM_OID | sys::HASH_AM_OID if node.quals <= 0.0 => Index::Final,
            _ => Index::Candidates,
        }
    }
}

/// # Safety
/// The state of a scan of a table.
unsafe fn scan(state: *mut sys::PlanState, source: &Source, seen: &mut Seen) {
    // SAFETY: promised by the caller. The descriptor is one of the heap's, as the source says, and stays until the
    // execution's end. What parallel scans share is in a segment that goes before the Gather forgets it, in one call of
    // the Gather; the plan is not read in there. From then on the descriptor's pointer dangles.
    unsafe {
        let descriptor = (*state.cast::<sys::ScanState>()).ss_currentScanDesc;
        if !source.is_heap || descriptor.is_null() {
            return;
        }
        let shared = (*descriptor).rs_parallel.cast::<sys::ParallelBlockTableScanDescData>();
        // NULL where a parallel plan runs in this process alone: it was not to be run to its end.
        if let Some(gather) = source.gather.filter(|_| !shared.is_null()) {
            if has_workers(gather) {
                let blocks = f64::from((*shared).phs_nblocks);
                let given = AtomicU64::from_ptr((&raw mut (*shared).phs_nallocated.value).cast());
                let given = given.load(Ordering::Relaxed) as f64;
                seen.position = Some(if blocks > 0.0 { (given / blocks).min(1.0) } else { 1.0 });
            }
            return;
        }
        let heap = &*descriptor.cast::<sys::HeapScanDescData>();
        let all = heap.rs_nblocks;
        let has_returned = source.table.and_then(|table| table.since()).is_some_and(|(returned, _)| returned > 0.0);
        let scanned = match heap.rs_numblocks {
            NO_BLOCK => all,
            // Of a range the server counts down what is left. Its ends stay.
            _ if heap.rs_inited || has_returned => pages_of_range(&heap.rs_base).min(all),
            some => some.min(all),
        };
        seen.pages = Some(f64::from(scanned));
        if heap.rs_inited && scanned > 0 {
            let behind = (u64::from(heap.rs_cblock) + u64::from(all) - u64::from(heap.rs_startblock)) % u64::from(all);
            seen.position = Some(((behind as f64 + on_page(heap)) / f64::from(scanned)).min(1.0));
        } else {
            // It has not begun, or it is at its end.
            seen.is_over = heap.rs_inited || has_returned;
        }
    }
}

/// # Safety
/// The scan of a range of TIDs, which has begun.
unsafe fn pages_of_range(scan: &sys::TableScanDescData) -> sys::BlockNumber {
    // SAFETY: promised by the caller.
    let ends = unsafe { compat::tid_range(scan) };
    let [first, last] = ends.map(|tid| u32::from(tid.ip_blkid.bi_hi) << 16 | u32::from(tid.ip_blkid.bi_lo));
    last.saturating_sub(first).saturating_add(1)
}

/// The part of the current page that is behind the scan.
fn on_page(heap: &sys::HeapScanDescData) -> f64 {
    // 18: unsigned
    #[allow(clippy::unnecessary_cast)]
    let (index, rows) = (heap.rs_cindex as i32, heap.rs_ntuples as i32);
    (f64::from(index) / f64::from(rows.max(1))).clamp(0.0, 1.0)
}

/// # Safety
/// The state of a Gather or a GatherMerge.
unsafe fn has_workers(gather: NonNull<sys::PlanState>) -> bool {
    let state = gather.as_ptr();
    // SAFETY: promised by the caller.
    unsafe {
        match (*state).type_ {
            sys::NodeTag_T_GatherState => !(*state.cast::<sys::GatherState>()).pei.is_null(),
            _ => !(*state.cast::<sys::GatherMergeState>()).pei.is_null(),
        }
    }
}

/// The rows in the bitmap are those that the index has returned; the heap counts those that were fetched.
///
/// # Safety
/// The state of a bitmap heap scan.
unsafe fn bitmap(state: *mut sys::PlanState, source: &Source, node: &Node, seen: &mut Seen) {
    // SAFETY: promised by the caller; both relations are open.
    unsafe {
        let scan = &*state.cast::<sys::BitmapHeapScanState>();
        seen.is_filled = scan.initialized;
        if !seen.is_filled {
            return;
        }
        let descriptor = scan.ss.ss_currentScanDesc;
        let heap = descriptor.cast::<sys::HeapScanDescData>().as_ref().filter(|_| source.is_heap);
        let counts = (source.table.and_then(|table| table.since()), source.index.and_then(|index| index.since()));
        if let (Some((_, fetched)), Some((rows, _)), Some(index)) = (counts.0, counts.1, source.index) {
            let (exact, lossy) = compat::bitmap_pages(scan);
            // This process's part of a parallel scan's pages is not known.
            let heap = heap.filter(|_| source.gather.is_none());
            let bitmap = Bitmap {
                rows,
                index: index.rows_in_bitmap(node),
                fetched,
                returned: seen.rows,
                exact,
                lossy,
                on_page: heap.map_or(1.0, on_page),
                pages: heap.map_or(0.0, |heap| f64::from(heap.rs_nblocks)),
                density: if node.pages > 0.0 { node.tuples / node.pages } else { 0.0 },
            };
            seen.position = bitmap.position();
            return;
        }
        if let Some(heap) = heap.filter(|heap| heap.rs_cblock != NO_BLOCK && heap.rs_nblocks > 0) {
            seen.position = Some((f64::from(heap.rs_cblock) / f64::from(heap.rs_nblocks)).min(1.0));
        }
    }
}

/// # Safety
/// The state of a hash join.
unsafe fn hash_join(state: *mut sys::PlanState, seen: &mut Seen) {
    /// In nodeHashjoin.c: HJ_BUILD_HASHTABLE.
    const BUILDING: i32 = 1;
    // SAFETY: promised by the caller. The join's own pointer is NULL as soon as the table is gone.
    unsafe {
        let join = &*state.cast::<sys::HashJoinState>();
        seen.is_filled = join.hj_JoinState > BUILDING;
        if let Some(table) = join.hj_HashTable.as_ref().filter(|table| table.parallel_state.is_null()) {
            seen.groups = Some(table.totalTuples);
            seen.batches = Some((f64::from(table.nbatch), f64::from(table.curbatch)));
        }
    }
}

fn agg(state: &sys::AggState, seen: &mut Seen) {
    match state.aggstrategy {
        sys::AggStrategy_AGG_HASHED => {
            seen.is_filled = state.table_filled;
            seen.groups = Some(state.hash_ngroups_current as f64);
            if state.hash_ever_spilled {
                // SAFETY: the list is whole between two calls of the node.
                let left = unsafe { state.hash_batches.as_ref() }.map_or(0, |list| list.length);
                let all = state.hash_batches_used.max(1);
                let over = f64::from(all - left) - 1.0;
                seen.batches = Some((f64::from(all), if state.table_filled { over.max(0.0) } else { 0.0 }));
            }
        }
        sys::AggStrategy_AGG_PLAIN => seen.is_filled = state.agg_done || state.input_done,
        // phase 0 is that of groups in hash tables, which come out last; each other is a pass over the input
        _ if state.current_phase == 0 => seen.passes = f64::from(state.numphases - 1),
        _ => seen.passes = f64::from(state.current_phase - 1),
    }
}
