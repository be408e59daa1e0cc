//! A timer that calls a function of ours every so many milliseconds, by one of the server's timeouts
//! (utils/misc/timeout.c): the only way that leaves statement_timeout and its like their SIGALRM.
//!
//! The function is called in the signal handler, anywhere in this thread's work. It allocates nothing, takes no lock,
//! throws nothing, and reads nothing that this thread may be changing.
//!
//! Each tick starts the timer for the next one when its work is done. The server's periodic timeouts (since 15) count
//! from the last time that one was due: a tick that takes longer than the interval would be due again at its end, and
//! the handler would never return.
//!
//! The function says whether it could do anything. A process that waits for a lock or its reader is woken by each tick:
//! as long as nothing can be done, the next tick comes after twice the time, up to [`SLOWEST`] intervals. With
//! `log_lock_waits`, one that waits for a lock writes a line each time that it is woken: then the time doubles up to a
//! minute, whatever could be done.

use super::command_progress::waits_for_lock;
use super::error::Result;
use super::guard::guard;
use super::sys;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicUsize, Ordering::Relaxed};
use std::{mem, panic, ptr};

/// The server's number for this timeout; -1 before it is registered, once in a process.
static ID: AtomicI32 = AtomicI32::new(-1);
/// Milliseconds of the timer that was started last.
static INTERVAL: AtomicI32 = AtomicI32::new(0);
/// Whose timer it is. A library's own thread may get the signal while this one blocks it.
static THREAD: AtomicUsize = AtomicUsize::new(0);
/// Intervals until the next tick.
static PACE: AtomicI32 = AtomicI32::new(1);
const SLOWEST: i32 = 16;
/// Milliseconds between two ticks where each adds to the server's log.
const RAREST: i32 = 60_000;
/// A [`Tick`], or null.
static ON_TICK: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// What a tick calls.
pub type Tick = fn() -> Outcome;

/// What came of a tick.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// What it should do was asked for before, and could not be done since.
    Nothing,
}

/// Calls `on_tick` every so many milliseconds from now on. An error that ends a transaction stops all timeouts, and
/// this one with them.
pub fn start(milliseconds: i32, on_tick: Tick) -> Result<()> {
    ON_TICK.store(on_tick as *mut (), Relaxed);
    INTERVAL.store(milliseconds, Relaxed);
    PACE.store(1, Relaxed);
    // SAFETY: the handler is as timeout.c wants it.
    guard(|| unsafe {
        if ID.load(Relaxed) < 0 {
            let id = sys::RegisterTimeout(sys::TimeoutId_USER_TIMEOUT, Some(tick));
            ID.store(id as i32, Relaxed);
        }
        THREAD.store(libc::pthread_self() as usize, Relaxed);
        sys::enable_timeout_after(ID.load(Relaxed) as sys::TimeoutId, milliseconds);
    })
}

/// Does the timer run, with this interval?
pub fn are_running(milliseconds: i32) -> bool {
    let id = ID.load(Relaxed);
    // SAFETY: a registered timeout's state.
    id >= 0 && INTERVAL.load(Relaxed) == milliseconds && unsafe { sys::get_timeout_active(id as sys::TimeoutId) }
}

/// Stops the timer, if it runs.
pub fn stop() -> Result<()> {
    let id = ID.load(Relaxed);
    // SAFETY: as above.
    if id < 0 || !unsafe { sys::get_timeout_active(id as sys::TimeoutId) } {
        return Ok(());
    }
    // SAFETY: as above.
    guard(|| unsafe { sys::disable_timeout(id as sys::TimeoutId, false) })
}

/// In the signal handler.
unsafe extern "C-unwind" fn tick() {
    // SAFETY: flags and functions of the server that its own handlers use, as that for timeouts started in a handler;
    // what `start` has stored.
    unsafe {
        let is_own = libc::pthread_self() as usize == THREAD.load(Relaxed);
        // What is observed may be being torn down.
        if !is_own || (&raw const sys::proc_exit_inprogress).read_volatile() {
            return;
        }
        let function = ON_TICK.load(Relaxed);
        if function.is_null() {
            return;
        }
        // a bug there ends the ticks, and nothing else
        let Ok(outcome) = panic::catch_unwind(mem::transmute::<*mut (), Tick>(function)) else { return };
        let (pace, interval) = (PACE.load(Relaxed), INTERVAL.load(Relaxed));
        let pace = if waits_for_lock() && (&raw const sys::log_lock_waits).read_volatile() {
            (pace * 2).min((RAREST / interval).max(1))
        } else if outcome == Outcome::Nothing {
            (pace * 2).min(SLOWEST)
        } else {
            1
        };
        PACE.store(pace, Relaxed);
        sys::enable_timeout_after(ID.load(Relaxed) as sys::TimeoutId, interval.saturating_mul(pace));
    }
}
