//! The one-shot tripwire: it gets a call in normal context out of a plan that runs, without a cost per row.
//!
//! A signal handler must not read what the executor changes: hash tables, scans and shared memory come and go under it.
//! So it only arms the innermost plan that runs ([`arm_innermost`]): in each node it replaces two function pointers,
//! `ExecProcNode`, and `evalfunc` of the qual if there is one. The next call of any of them, at most a row later, is a
//! call of [`trip_node`] or [`trip_qual`]: between two steps of the executor, where anything may be read. It restores
//! all pointers, calls who wants to look, and then what was to be called.
//!
//! - The qual is needed, because a scan whose filter rejects all rows does not come back to `ExecProcNode` for minutes.
//! - The handler walks a list of nodes that was made when the plan was started. The nodes and their links are static:
//!   `ExecutorStart` makes them, in memory (`es_query_cxt`) that goes as a whole.
//! - The executor may overwrite a pointer at the same time (`ExecProcNodeFirst`, `ExecSetExecProcNode`,
//!   `ExecInterpExprStillValid`, `ExecRunCompiledExpr`). The tripwire is lost there until the next tick. Nothing is
//!   restored where it is not there any more. No code of the server compares these pointers, or keeps copies.
//! - Armed are plans inside ExecutorRun and ExecutorFinish alone. A plan that is left is first taken off the chain of
//!   running plans and then disarmed: a tick between the two finds nothing. In the other order it would arm it again.
//! - An ERROR leaves by longjmp, also out of what the tripwire calls: no destructor is pending there. The frames of
//!   `hooks::executor` take the plan off the chain then. Where nothing does (FATAL), the end of the plan's memory does.

use super::entry::{callback, contain};
use super::error::PgError;
use super::sys;
use logic::sqlstate;
use std::cell::Cell;
use std::ptr::{self, NonNull};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering::SeqCst, compiler_fence};

/// The innermost plan that runs. The chain goes on with `up`.
static INNERMOST: AtomicPtr<Tripwire> = AtomicPtr::new(ptr::null_mut());

/// Whom a tripwire calls.
static ON_TRIP: OnceLock<fn()> = OnceLock::new();

// Read from here alone, so that there is one address of each.
static TRIP_NODE: unsafe extern "C-unwind" fn(*mut sys::PlanState) -> *mut sys::TupleTableSlot = trip_node;
static TRIP_QUAL: unsafe extern "C-unwind" fn(*mut sys::ExprState, *mut sys::ExprContext, *mut bool) -> sys::Datum =
    trip_qual;

/// A node of a plan, and what its pointers were when it was armed. A handler interrupts this one thread: what it writes
/// is whole for those that it has interrupted.
struct Node {
    state: NonNull<sys::PlanState>,
    qual: *mut sys::ExprState,
    exec_function: Cell<sys::ExecProcNodeMtd>,
    qual_function: Cell<sys::ExprStateEvalFunc>,
}

/// The tripwire of an execution of a plan.
pub(super) struct Tripwire {
    nodes: Box<[Node]>,
    is_armed: AtomicBool,
    /// In the chain of those that run.
    is_running: AtomicBool,
    up: AtomicPtr<Tripwire>,
}

/// Sets whom a tripwire calls, in normal context. The call may not throw.
pub fn on_trip(call: fn()) {
    let _ = ON_TRIP.set(call);
}

/// Arms the innermost plan that runs. For a signal handler.
pub fn arm_innermost() {
    // SAFETY: one that is on the chain is alive: it leaves the chain before it is freed.
    if let Some(wire) = unsafe { INNERMOST.load(SeqCst).as_ref() } {
        wire.arm();
    }
}

impl Node {
    /// # Safety
    /// The node of a plan that has been started.
    unsafe fn new(state: NonNull<sys::PlanState>) -> Self {
        // SAFETY: promised by the caller.
        let qual = unsafe { (*state.as_ptr()).qual };
        Self { state, qual, exec_function: Cell::new(None), qual_function: Cell::new(None) }
    }

    /// # Safety
    /// The plan is there, and is not armed.
    unsafe fn arm(&self) {
        // SAFETY: promised by the caller; each store is of one word.
        unsafe {
            let place = &raw mut (*self.state.as_ptr()).ExecProcNode;
            self.exec_function.set(place.read_volatile());
            place.write_volatile(Some(TRIP_NODE));
            if !self.qual.is_null() {
                let place = &raw mut (*self.qual).evalfunc;
                self.qual_function.set(place.read_volatile());
                place.write_volatile(Some(TRIP_QUAL));
            }
        }
    }

    /// # Safety
    /// The plan is there, and is armed.
    unsafe fn disarm(&self) {
        // SAFETY: as above.
        unsafe {
            let place = &raw mut (*self.state.as_ptr()).ExecProcNode;
            if is_at(place.read_volatile().map(|function| function as usize), TRIP_NODE as usize) {
                place.write_volatile(self.exec_function.get());
            }
            if !self.qual.is_null() {
                let place = &raw mut (*self.qual).evalfunc;
                if is_at(place.read_volatile().map(|function| function as usize), TRIP_QUAL as usize) {
                    place.write_volatile(self.qual_function.get());
                }
            }
        }
    }
}

fn is_at(function: Option<usize>, address: usize) -> bool {
    function == Some(address)
}

impl Tripwire {
    /// # Safety
    /// The nodes of a plan that has been started, which outlives this value.
    #[allow(clippy::unnecessary_box_returns)] // the chain has its address
    pub(super) unsafe fn new(states: &[NonNull<sys::PlanState>]) -> Box<Self> {
        Box::new(Self {
            // SAFETY: promised by the caller.
            nodes: states.iter().map(|state| unsafe { Node::new(*state) }).collect(),
            is_armed: AtomicBool::new(false),
            is_running: AtomicBool::new(false),
            up: AtomicPtr::new(ptr::null_mut()),
        })
    }

    /// The plan runs: ticks arm it.
    pub(super) fn enter(&self) {
        if !self.is_running.swap(true, SeqCst) {
            self.up.store(INNERMOST.load(SeqCst), SeqCst);
            INNERMOST.store(ptr::from_ref(self).cast_mut(), SeqCst);
        }
    }

    /// The plan does not run any more. Does nothing if it did not.
    pub(super) fn leave(&self) {
        self.unchain();
        self.disarm();
    }

    pub(super) fn is_running(&self) -> bool {
        self.is_running.load(SeqCst)
    }

    fn unchain(&self) {
        if !self.is_running.swap(false, SeqCst) {
            return;
        }
        let mut link = &INNERMOST;
        // SAFETY: what is on the chain is alive.
        while let Some(wire) = unsafe { link.load(SeqCst).as_ref() } {
            if ptr::eq(wire, self) {
                link.store(self.up.load(SeqCst), SeqCst);
                break;
            }
            link = &wire.up;
        }
    }

    /// In the handler. A tick that interrupts `disarm` finds the plan armed, and leaves it as it is.
    fn arm(&self) {
        if !self.is_armed.load(SeqCst) {
            for node in &self.nodes {
                // SAFETY: the plan outlives this value.
                unsafe { node.arm() };
            }
            compiler_fence(SeqCst);
            self.is_armed.store(true, SeqCst);
        }
    }

    /// Was it armed?
    fn disarm(&self) -> bool {
        let was_armed = self.is_armed.load(SeqCst);
        if was_armed {
            for node in &self.nodes {
                // SAFETY: as above.
                unsafe { node.disarm() };
            }
            compiler_fence(SeqCst);
            self.is_armed.store(false, SeqCst);
        }
        was_armed
    }
}

impl Drop for Tripwire {
    fn drop(&mut self) {
        self.leave();
    }
}

/// A tripwire was called: restores all pointers, also those of the plans around this one, which an earlier tick may
/// have armed; then lets the caller of [`on_trip`] look. False if no plan was armed, which would be a bug.
#[inline(never)]
fn spring() -> bool {
    let mut was_armed = false;
    let mut wire = INNERMOST.load(SeqCst);
    // SAFETY: what is on the chain is alive.
    while let Some(running) = unsafe { wire.as_ref() } {
        was_armed |= running.disarm();
        wire = running.up.load(SeqCst);
    }
    let _ = contain(|| {
        if let Some(call) = ON_TRIP.get() {
            call();
        }
        Ok(())
    });
    was_armed
}

unsafe extern "C-unwind" fn trip_node(state: *mut sys::PlanState) -> *mut sys::TupleTableSlot {
    let was_armed = spring();
    // SAFETY: called as the node's function, by the executor; the pointer is restored. A tick between may have armed
    // the plan again: then the call comes here a second time.
    unsafe {
        let function = if was_armed { (*state).ExecProcNode } else { (*state).ExecProcNodeReal };
        match function {
            Some(function) => function(state),
            None => ptr::null_mut(),
        }
    }
}

unsafe extern "C-unwind" fn trip_qual(
    state: *mut sys::ExprState,
    context: *mut sys::ExprContext,
    is_null: *mut bool,
) -> sys::Datum {
    if !spring() {
        let error = || PgError::new(sqlstate::INTERNAL_ERROR, "a tripwire was called that was not armed");
        // SAFETY: no destructor is pending.
        unsafe { callback(|| Err::<(), _>(error())) };
    }
    // SAFETY: called as the qual's function; else as above.
    unsafe {
        match (*state).evalfunc {
            Some(function) => function(state, context, is_null),
            None => 0,
        }
    }
}
