//! Automatic progress: how far the statements of a job are, without a call from the job's SQL.
//!
//! A timer ticks every `pg_background.progress_interval`. Its handler reads nothing that this thread may be changing.
//! It notes that a sample is due, arms the tripwire of the innermost plan that runs (`pg::tripwire`), and leaves. The
//! sample is taken at the next safe point: a call of a node of that plan, or a hook of any nested statement. Two things
//! may be sampled in the handler: what a command counts in memory of its own ([`utility`]), and a plan that waits for
//! its parallel workers (`pg::plan_waits`).
//!
//! Only the job's process is observed, by itself: in a job, or, for tests, in a session with
//! `pg_background.observe_session`, whose samples are published nowhere.

mod commands;
mod levels;
mod planning;
mod plans;
mod utility;

pub use commands::Commands;
pub use planning::Planning;
pub use plans::Plans;
pub use utility::Counters;

use crate::pg::error::Result;
use crate::pg::plan_state::Moment;
use crate::pg::ticks::Outcome;
use crate::pg::xact::{self, End};
use crate::pg::{plan_waits, ticks, tripwire, watched_plans};
use crate::settings;
use crate::worker::current;
use levels::{LEVELS, View};
use logic::estimate::nested::{self, Nested};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

/// A tick came, and no sample yet.
static IS_DUE: AtomicBool = AtomicBool::new(false);

/// Counts the ticks.
static TICKS: AtomicU32 = AtomicU32::new(0);

/// The number of the last tick.
fn tick() -> u32 {
    TICKS.load(Relaxed)
}

/// Is this process observed?
fn is_active() -> bool {
    current::is_observable() || settings::observe_session() && settings::auto_progress()
}

/// Are the callbacks of this process set?
static IS_SET_UP: AtomicBool = AtomicBool::new(false);

/// Sees to it that the timer runs, at the begin of a statement. It is stopped when the job ends, or with all timeouts
/// after an error.
fn start_ticks() -> Result<()> {
    let interval = settings::progress_interval();
    if ticks::are_running(interval) {
        return Ok(());
    }
    if !IS_SET_UP.load(Relaxed) {
        tripwire::on_trip(sample_running);
        xact::watch(ended)?;
        IS_SET_UP.store(true, Relaxed);
    }
    ticks::start(interval, on_tick)
}

/// A part of a transaction was rolled back: what was started in it is not read any more. Its memory may stay for a
/// while, as that of a function's query does which an exception block has ended, but tables and shared memory are gone.
fn ended(end: End) {
    if let End::SubtransactionAborted { id } = end {
        watched_plans::forget_since(id);
    }
}

/// In the signal handler.
fn on_tick() -> Outcome {
    if !is_active() {
        return Outcome::Done;
    }
    TICKS.fetch_add(1, Relaxed);
    let was_due = IS_DUE.swap(true, Relaxed);
    tripwire::arm_innermost();
    if plan_waits::are_in_node() {
        sample(Moment::Waiting);
        return Outcome::Done;
    }
    let of_command = || planning::estimate().or_else(|| utility::estimate(None));
    let runs_command = LEVELS.with(|levels| levels.runs_command()) == Some(true);
    if let Some(estimate) = runs_command.then(of_command).flatten() {
        current::show_estimate(&estimate);
        Outcome::Done
    } else if was_due {
        Outcome::Nothing
    } else {
        Outcome::Done
    }
}

/// Samples if a tick came: in normal context, at a safe point.
fn sample_if_due() {
    if IS_DUE.load(Relaxed) {
        sample_running();
    }
}

fn sample_running() {
    IS_DUE.store(false, Relaxed);
    sample(Moment::Running);
}

/// Estimates and shows how far the statement is.
fn sample(moment: Moment) {
    let Some(view) = LEVELS.with(|levels| levels.view()) else { return };
    let View { main, cursor, nested, runs_command } = view;
    let main = main.and_then(|main| watched_plans::sample(main, moment));
    let of_command = || if runs_command { utility::estimate(main.as_ref()).or(main) } else { main };
    let known = planning::estimate().or_else(of_command);
    let cursor = cursor.and_then(|cursor| watched_plans::sample(cursor, moment));
    let nested = nested.and_then(|(plan, text)| {
        watched_plans::sample(plan, moment).map(|estimate| Nested { text, fraction: estimate.fraction })
    });
    if known.is_some() || cursor.is_some() || nested.is_some() {
        current::show_estimate(&nested::combine(known, cursor, nested));
    }
}
