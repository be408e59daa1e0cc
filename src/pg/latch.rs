//! Waiting: on this process's latch, and nothing else.

use super::compat;
use super::error::Result;
use super::guard::guard;
use super::sys;
use logic::spin::Outcome;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// What is waited for, as `pg_stat_activity` shows it.
#[derive(Clone, Copy)]
pub enum Event {
    Job,
    Launch,
    Idle,
    /// For room in a job's queue; named as the server names its own such waits.
    Room,
}

impl Event {
    /// The server's number of it.
    pub(super) fn number(self) -> Result<u32> {
        static JOB: AtomicU32 = AtomicU32::new(0);
        static LAUNCH: AtomicU32 = AtomicU32::new(0);
        static IDLE: AtomicU32 = AtomicU32::new(0);
        match self {
            Self::Job => compat::wait_event(c"PgBackgroundJob", &JOB),
            Self::Launch => compat::wait_event(c"PgBackgroundLaunch", &LAUNCH),
            Self::Idle => compat::wait_event(c"PgBackgroundIdle", &IDLE),
            Self::Room => Ok(compat::WAIT_FOR_ROOM),
        }
    }
}

/// Rounded up, so that a wake-up finds the deadline passed; capped, the caller's loop waits again.
pub(super) fn milliseconds_until(deadline: Instant) -> i64 {
    let left = deadline.saturating_duration_since(Instant::now());
    i64::try_from(left.as_micros().div_ceil(1000)).unwrap_or(i64::MAX).min(i64::from(i32::MAX))
}

/// Sleeps until the latch is set, the deadline has passed or the postmaster has died (the process then exits), and
/// serves interrupts. The caller checks its condition before each call: a set latch is no promise.
///
/// It does not sleep when there were interrupts to be served. Serving them may reset the latch (the server looks then
/// whether the client is still there), and what has set it since the caller's look would be lost.
pub fn wait(event: Event, deadline: Option<Instant>) -> Result<()> {
    let (events, timeout) = until_set_or(deadline);
    let event = event.number()?;
    // SAFETY: the latch is this process's own.
    guard(|| unsafe {
        if !sys::pgbg_serve_interrupts() {
            count_sleep();
            sys::WaitLatch(sys::MyLatch, events, timeout, event);
            sys::ResetLatch(sys::MyLatch);
            sys::pgbg_check_for_interrupts();
        }
    })
}

/// The same, but leaves the latch set, and serves no interrupts after the sleep.
pub(super) fn sleep(event: Event, deadline: Option<Instant>) -> Result<()> {
    let (events, timeout) = until_set_or(deadline);
    let event = event.number()?;
    // SAFETY: as above.
    guard(|| unsafe {
        if !sys::pgbg_serve_interrupts() {
            count_sleep();
            sys::WaitLatch(sys::MyLatch, events, timeout, event);
        }
    })
}

static PAUSES: AtomicU32 = AtomicU32::new(0);

/// How often this process has paused: waited asleep on its latch, or given its processor away to another that had work.
pub fn pauses() -> u32 {
    PAUSES.load(Relaxed)
}

fn count_pause() {
    PAUSES.store(pauses().wrapping_add(1), Relaxed);
}

/// Before WaitLatch, which looks at nothing but the latch.
fn count_sleep() {
    if !is_latch_set() {
        count_pause();
    }
}

/// What WaitLatch is asked for, and its timeout.
fn until_set_or(deadline: Option<Instant>) -> (i32, i64) {
    let events = sys::WL_LATCH_SET | sys::WL_EXIT_ON_PM_DEATH;
    match deadline {
        Some(deadline) => ((events | sys::WL_TIMEOUT) as i32, milliseconds_until(deadline)),
        None => (events as i32, -1),
    }
}

/// Serves interrupts. Loops that do not wait call it once in each round, so that a round bounds what they keep waiting.
pub fn check_for_interrupts() -> Result<()> {
    // SAFETY: nothing is held that an ERROR would have to give back.
    guard(|| unsafe { sys::pgbg_check_for_interrupts() })
}

/// Waits awake until the latch is set or an interrupt has come, at most so long, and not beyond the deadline. Whoever
/// sets the latch meanwhile has no process to wake. The latch stays set.
///
/// Now and then the processor is offered to others: to the process that is waited for, perhaps. Where it is another
/// that has work, it keeps the processor for its time slice, milliseconds; a process that slept would have been woken
/// in the middle of that. (A longer job of a worker that shares this very processor looks the same. What is lost by
/// that is a wake-up, next to a job of half a millisecond.)
pub fn spin(longest: Duration, deadline: Option<Instant>) -> Outcome {
    /// Shorter than a time slice; longer than a short job that runs on this very processor.
    const SLICE: Duration = Duration::from_micros(500);
    /// Longer than an offer that nobody takes.
    const TAKEN: Duration = Duration::from_micros(5);
    /// Between two looks at the clock.
    const LOOKS: u32 = 32;
    let begun = Instant::now();
    loop {
        for _ in 0..LOOKS {
            if is_set() {
                return Outcome::Paid;
            }
            std::hint::spin_loop();
        }
        let offered = Instant::now();
        sched_yield();
        let back = Instant::now();
        if back - offered >= TAKEN {
            count_pause();
        }
        if back - offered >= SLICE {
            return Outcome::Displaced;
        }
        if back - begun >= longest || deadline.is_some_and(|deadline| back >= deadline) {
            return if is_set() { Outcome::Paid } else { Outcome::InVain };
        }
    }
}

/// Lets another process have this processor, when one waits for it: the process that was just woken, perhaps.
pub fn yield_processor() {
    count_pause();
    sched_yield();
}

fn sched_yield() {
    // SAFETY: no arguments.
    unsafe { libc::sched_yield() };
}

/// Is the latch set, or is there an interrupt to be served?
pub fn is_set() -> bool {
    // SAFETY: a flag that signal handlers set.
    is_latch_set() || unsafe { (&raw const sys::InterruptPending).read_volatile() != 0 }
}

fn is_latch_set() -> bool {
    // SAFETY: the latch is this process's own; it is set by signal handlers and other processes.
    unsafe { (&raw const (*sys::MyLatch).is_set).read_volatile() != 0 }
}
