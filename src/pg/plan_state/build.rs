//! Walks an execution's nodes once, and notes what stands until its end.

use super::super::error::Result;
use super::super::guard::guard;
use super::super::parse_tree::cells;
use super::super::{compat_plan as compat, sys};
use super::counters::Counter;
use super::inspect::{self, Facts};
use super::{Counted, Shape, Source};
use logic::estimate::plan::node::{Grouping, Kind, Node, Plan, Role};
use std::collections::BTreeSet;
use std::ptr::NonNull;

/// More nodes are not watched: a walk, a reading and a tripwire have to be short.
const MOST_NODES: usize = 500;
/// A row that goes to a client.
const OUTPUT_NS: f64 = 250.0;

/// # Safety
/// As [`Shape::new`].
pub unsafe fn shape(description: NonNull<sys::QueryDesc>) -> Result<Shape> {
    let shape =
        Shape { plan: Plan::default(), states: Vec::new(), sources: Vec::new(), description, runs_before: None };
    let mut walk = Walk { shape, known: BTreeSet::new(), is_whole: true };
    // SAFETY: promised by the caller: the tree is whole, and its links stay until the execution's end.
    unsafe {
        let description = description.as_ref();
        if let Some(top) = NonNull::new(description.planstate) {
            walk.add(top, Place { parent: None, role: Role::Outer, gather: None, share: 1.0, fair_part: 0.0 });
            walk.add_lonely_ctes(description.estate);
            walk.shape.plan.triggers = inspect::triggers(top.as_ptr());
        }
        if walk.is_whole {
            walk.watch_tables()?;
            walk.count();
        }
    }
    if !walk.is_whole {
        walk.shape.states.clear();
        walk.shape.plan.nodes.clear();
        walk.shape.sources.clear();
    }
    Ok(walk.shape)
}

/// A row of the result, which is thrown away, written to a new table or a file, or sent.
///
/// # Safety
/// The execution is about to run: a portal gives it its receiver only then.
pub unsafe fn output_ns(description: &sys::QueryDesc) -> f64 {
    if description.operation != sys::CmdType_CMD_SELECT {
        return 0.0;
    }
    // SAFETY: promised by the caller: its receiver and its top node are there.
    unsafe {
        let plan = &*(*description.planstate).plan;
        match description.dest.as_ref().map_or(sys::CommandDest_DestNone, |dest| dest.mydest) {
            sys::CommandDest_DestNone => 5.0,
            sys::CommandDest_DestIntoRel | sys::CommandDest_DestTransientRel => {
                250.0 + 7.0 * f64::from(plan.plan_width)
            }
            sys::CommandDest_DestCopyOut => 100.0 + 60.0 * cells(plan.targetlist).len() as f64,
            _ => OUTPUT_NS,
        }
    }
}

/// Where a node stands.
#[derive(Clone, Copy)]
struct Place {
    parent: Option<usize>,
    role: Role,
    gather: Option<NonNull<sys::PlanState>>,
    /// The part of a parallel plan's work that falls to one process.
    share: f64,
    /// [`Node::fair_part`]
    fair_part: f64,
}

struct Walk {
    shape: Shape,
    /// Those in [`Shape::states`].
    known: BTreeSet<NonNull<sys::PlanState>>,
    is_whole: bool,
}

impl Walk {
    /// Adds a node and what is below it, once: a subplan in a condition on a partitioned table is one tree of nodes
    /// that each partition's scan points to, and so are those inside it. Each is counted where it is first met.
    ///
    /// # Safety
    /// A node's state, made by ExecInitNode.
    unsafe fn add(&mut self, state: NonNull<sys::PlanState>, place: Place) {
        if self.known.contains(&state) {
            return;
        }
        if self.known.len() >= MOST_NODES {
            self.is_whole = false;
        }
        if !self.is_whole {
            return;
        }
        self.known.insert(state);
        // SAFETY: promised by the caller. The walk ends: it goes below a node once.
        unsafe {
            let tag = state.as_ref().type_;
            let at = self.shape.states.len();
            self.shape.states.push(state);
            let Facts { mut node, is_heap } = inspect::node(state.as_ptr(), place.gather.is_some(), place.share);
            node.role = place.role;
            node.fair_part = place.fair_part;
            if let Some(parent) = place.parent {
                self.shape.plan.nodes[parent].children.push(at);
            }
            self.shape.plan.nodes.push(node);
            self.shape.sources.push(Source { tag, gather: place.gather, is_heap, ..Source::default() });
            let below = match tag {
                sys::NodeTag_T_GatherState | sys::NodeTag_T_GatherMergeState => {
                    let (share, fair_part) = inspect::share(state.as_ptr());
                    Place { gather: Some(state), share, fair_part, ..place }
                }
                _ => place,
            };
            self.add_children(state.as_ptr(), at, Place { parent: Some(at), ..below });
        }
    }

    /// # Safety
    /// As [`Walk::add`].
    unsafe fn add_children(&mut self, state: *mut sys::PlanState, at: usize, place: Place) {
        // SAFETY: promised by the caller; the tag says which struct it is.
        unsafe {
            let (members, number) = match (*state).type_ {
                sys::NodeTag_T_AppendState => {
                    let append = &*state.cast::<sys::AppendState>();
                    (append.appendplans, append.as_nplans)
                }
                sys::NodeTag_T_MergeAppendState => {
                    let append = &*state.cast::<sys::MergeAppendState>();
                    (append.mergeplans, append.ms_nplans)
                }
                sys::NodeTag_T_BitmapAndState => {
                    let bitmap = &*state.cast::<sys::BitmapAndState>();
                    (bitmap.bitmapplans, bitmap.nplans)
                }
                sys::NodeTag_T_BitmapOrState => {
                    let bitmap = &*state.cast::<sys::BitmapOrState>();
                    (bitmap.bitmapplans, bitmap.nplans)
                }
                _ => (std::ptr::null_mut(), 0),
            };
            for member in 0..usize::try_from(number).unwrap_or(0) {
                self.add_if(*members.add(member), Place { role: Role::Member, ..place });
            }
            let below = match (*state).type_ {
                sys::NodeTag_T_SubqueryScanState => (*state.cast::<sys::SubqueryScanState>()).subplan,
                sys::NodeTag_T_CteScanState => {
                    let scan = &*state.cast::<sys::CteScanState>();
                    // The first to be made runs the query; the others read what it has stored.
                    if std::ptr::eq(scan.leader, scan) { scan.cteplanstate } else { std::ptr::null_mut() }
                }
                _ => (*state).lefttree,
            };
            self.add_if(below, Place { role: Role::Outer, ..place });
            let second = self.shape.states.len();
            self.add_if((*state).righttree, Place { role: Role::Inner, ..place });
            if (*state).type_ == sys::NodeTag_T_HashJoinState && self.shape.sources.len() > second {
                self.shape.sources[second].join = NonNull::new(state);
            }
            for cell in cells((*state).initPlan) {
                let sub = cell.ptr_value.cast::<sys::SubPlanState>();
                // A CTE runs with its scan.
                if (*(*sub).subplan).subLinkType != sys::SubLinkType_CTE_SUBLINK {
                    let child = self.shape.states.len();
                    self.add_if((*sub).planstate, Place { role: Role::Once, ..place });
                    if let Some(source) = self.shape.sources.get_mut(child) {
                        source.sets = cells((*(*sub).subplan).setParam).iter().map(|cell| cell.int_value).collect();
                    }
                }
            }
            for cell in cells((*state).subPlan) {
                let sub = cell.ptr_value.cast::<sys::SubPlanState>();
                let role = if (*(*sub).subplan).useHashTable { Role::HashedSubplan } else { Role::EachRow };
                self.add_if((*sub).planstate, Place { role, ..place });
            }
            if self.shape.plan.nodes[at].kind == (Kind::Pass { ns: 0.0 })
                && self.shape.plan.nodes[at].children.is_empty()
            {
                self.shape.plan.nodes[at].kind = Kind::Leaf { is_known: true };
            }
        }
    }

    /// # Safety
    /// NULL, or as [`Walk::add`].
    unsafe fn add_if(&mut self, state: *mut sys::PlanState, place: Place) {
        if let Some(state) = NonNull::new(state) {
            // SAFETY: promised by the caller.
            unsafe { self.add(state, place) };
        }
    }

    /// Changes of data in a WITH that nobody reads run at the end.
    ///
    /// # Safety
    /// The execution's state.
    unsafe fn add_lonely_ctes(&mut self, estate: *mut sys::EState) {
        // SAFETY: promised by the caller.
        for cell in unsafe { cells((*estate).es_subplanstates) } {
            // SAFETY: as above: a list of states, some of them NULL.
            unsafe {
                let state = cell.ptr_value.cast::<sys::PlanState>();
                if !state.is_null() && (*state).type_ == sys::NodeTag_T_ModifyTableState {
                    self.add_if(
                        state,
                        Place { parent: Some(0), role: Role::Once, gather: None, share: 1.0, fair_part: 0.0 },
                    );
                }
            }
        }
    }

    /// The server's own counts are free, and of a relation that stands once in the plan they are a node's.
    ///
    /// # Safety
    /// All nodes have been added, and none has run.
    unsafe fn watch_tables(&mut self) -> Result<()> {
        let relation = |state: &NonNull<sys::PlanState>| {
            // SAFETY: a node's state; the relations of its scan are open until the execution's end.
            unsafe { inspect::relation(state.as_ptr()) }
        };
        let relations: Vec<_> = self.shape.states.iter().map(relation).collect();
        // SAFETY: as above.
        let is_only = |wanted: sys::Relation| unsafe {
            relations.iter().filter(|other| !other.is_null() && (***other).rd_id == (*wanted).rd_id).count() == 1
        };
        for (at, &relation) in relations.iter().enumerate().filter(|(_, relation)| !relation.is_null()) {
            if !is_only(relation) {
                continue;
            }
            // SAFETY: as above.
            let counted = unsafe { counted(relation)? };
            match self.shape.sources[at].tag {
                sys::NodeTag_T_BitmapIndexScanState => {
                    let parent = self.shape.plan.nodes.iter().position(|node| node.children == [at]);
                    if let Some(parent) = parent.filter(|&parent| self.shape.plan.nodes[parent].kind == Kind::Bitmap) {
                        self.shape.sources[parent].index = counted;
                    }
                }
                _ => self.shape.sources[at].table = counted,
            }
        }
        Ok(())
    }

    /// # Safety
    /// No node has run.
    unsafe fn count(&mut self) {
        for at in 0..self.shape.states.len() {
            let nodes = &self.shape.plan.nodes;
            if wants_counter(&nodes[at], self.shape.sources[at].tag) && !is_summed_up(nodes, at) {
                // SAFETY: promised by the caller; the counter goes with the shape.
                self.shape.sources[at].counter = unsafe { Counter::new(self.shape.states[at].as_ptr()) };
            }
        }
    }
}

/// Where a row costs much more than to count it.
fn wants_counter(node: &Node, tag: sys::NodeTag) -> bool {
    match node.kind {
        Kind::Scan => node.quals > 0.0,
        Kind::Pass { ns } => ns >= 30.0,
        Kind::Bitmap
        | Kind::Index { .. }
        | Kind::Sort
        | Kind::HashJoin
        | Kind::MergeJoin
        | Kind::NestLoop
        | Kind::Agg(_)
        | Kind::Window { .. }
        | Kind::HashedSetOp
        | Kind::Gather => true,
        Kind::Leaf { .. } => tag != sys::NodeTag_T_ResultState,
        _ => false,
    }
}

/// The scan's position alone is how far a sum of its rows is.
fn is_summed_up(nodes: &[Node], at: usize) -> bool {
    let is_sum = |node: &Node| node.kind == Kind::Agg(Grouping::Plain) && node.sorting_aggregates <= 0.0;
    let node = &nodes[at];
    node.kind == Kind::Scan
        && node.role == Role::Outer
        && nodes.iter().any(|parent| is_sum(parent) && parent.children.contains(&at))
}

/// An error is to end the statement: the server may hold a lock of its statistics by then, which the end gives back.
///
/// # Safety
/// An open relation.
unsafe fn counted(relation: sys::Relation) -> Result<Option<Counted>> {
    // SAFETY: promised by the caller.
    guard(|| unsafe { compat::prepare_table_counts(relation) })?;
    // SAFETY: as above.
    let counts = unsafe { compat::table_counts(relation) };
    Ok(counts.map(|(returned, fetched)| Counted { relation, returned, fetched }))
}
