//! Counters of the rows that come out of a node.
//!
//! A node's function is replaced by one of [`SLOTS`] functions, before its first call; each has a counter of its own,
//! and finds the node's function beside it. A slot is in use as long as its execution is watched: a cursor's nodes run
//! again and again.
//!
//! Then the node gets its own function back, for it may still run. Up to 17 an SQL function that is called by an
//! operator of an array's or a row's elements goes on, when it is called again after an error, with the execution that
//! had failed. That one is not watched any more.

use super::super::sys;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// Executions that are open at the same time share them. A node that gets none is not counted.
const SLOTS: usize = 64;

type Method = unsafe extern "C-unwind" fn(*mut sys::PlanState) -> *mut sys::TupleTableSlot;

struct Slot {
    rows: AtomicU64,
    /// The node's own function; null in a slot that is free.
    method: AtomicPtr<()>,
}

static SLOT: [Slot; SLOTS] =
    [const { Slot { rows: AtomicU64::new(0), method: AtomicPtr::new(ptr::null_mut()) } }; SLOTS];

unsafe extern "C-unwind" fn count<const N: usize>(state: *mut sys::PlanState) -> *mut sys::TupleTableSlot {
    let slot = &SLOT[N];
    // SAFETY: only a function of that type is stored there, before this one can be called. It may leave by longjmp:
    // there is no destructor here. What it returns is a slot, or null.
    unsafe {
        let method = std::mem::transmute::<*mut (), Method>(slot.method.load(Ordering::Relaxed));
        let row = method(state);
        if !row.is_null() && u32::from((*row).tts_flags) & sys::TTS_FLAG_EMPTY == 0 {
            // One process, one thread: no other writes it.
            slot.rows.store(slot.rows.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
        row
    }
}

macro_rules! methods {
    ($($n:literal)*) => { [$(count::<$n>),*] };
}

static COUNT: [Method; SLOTS] = methods!(
    0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
    32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63
);

/// A node's counter.
pub struct Counter {
    slot: usize,
    state: *mut sys::PlanState,
}

impl Counter {
    /// Counts what comes out of a node that has not been called yet. `None`: no slot is free.
    ///
    /// # Safety
    /// A node that ExecInitNode has made, and that has no counter. The value is dropped before the node's memory goes,
    /// and while no tripwire is armed there, which would put the counter back.
    pub unsafe fn new(state: *mut sys::PlanState) -> Option<Self> {
        let slot = SLOT.iter().position(|slot| slot.method.load(Ordering::Relaxed).is_null())?;
        // SAFETY: promised by the caller. ExecProcNode is still the function that looks at the other when it is called.
        unsafe {
            let method = (*state).ExecProcNodeReal?;
            SLOT[slot].rows.store(0, Ordering::Relaxed);
            SLOT[slot].method.store(method as *mut (), Ordering::Relaxed);
            (*state).ExecProcNodeReal = Some(COUNT[slot]);
        }
        Some(Self { slot, state })
    }

    /// Rows so far; `None` where the server has given the node another function since (a parallel hash join).
    pub fn rows(&self) -> Option<f64> {
        // SAFETY: the node is there as long as the value; compares a pointer.
        let is_ours =
            unsafe { (*self.state).ExecProcNodeReal }.is_some_and(|now| ptr::fn_addr_eq(now, COUNT[self.slot]));
        is_ours.then(|| SLOT[self.slot].rows.load(Ordering::Relaxed) as f64)
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        let slot = &SLOT[self.slot];
        let is_ours = |function: sys::ExecProcNodeMtd| {
            function.is_some_and(|function| ptr::fn_addr_eq(function, COUNT[self.slot]))
        };
        // SAFETY: the node is there, as `new` says; the slot has its function. ExecProcNodeFirst copies the one pointer
        // to the other.
        unsafe {
            let method = std::mem::transmute::<*mut (), Method>(slot.method.load(Ordering::Relaxed));
            let node = &mut *self.state;
            for place in [&mut node.ExecProcNodeReal, &mut node.ExecProcNode] {
                if is_ours(*place) {
                    *place = Some(method);
                }
            }
        }
        slot.method.store(ptr::null_mut(), Ordering::Relaxed);
    }
}
