//! Utility commands: what the server counts of the outermost one becomes its estimate.
//!
//! What must be known of its tables is read before the command begins (`pg::command_facts`); the counters are memory of
//! this process, and are read wherever a tick comes. A command around a query (CREATE TABLE AS, REFRESH) takes the
//! query's estimate, which `progress` samples. CALL and DO run other statements: of a command among these the phase is
//! shown, and no figure, for nothing is known of what comes after it.

use super::is_active;
use crate::pg::error::Result;
use crate::pg::hooks::Ended;
use crate::pg::hooks::utility::{Command, UtilityHook};
use crate::pg::signal_cell::SignalCell;
use crate::pg::{command_facts, command_progress, command_statement};
use crate::worker::current;
use logic::estimate::Estimate;
use logic::estimate::utility::Model;
use logic::estimate::utility::reading::Reading;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Instant;

pub struct Counters;

/// The command that runs.
struct Running {
    model: Model,
    began: Instant,
    /// Buffers that had been asked for when it began.
    buffers: i64,
    /// It is one of those that a CALL or DO runs, or a deferred trigger.
    is_nested: bool,
}

static RUNNING: SignalCell<Option<Running>> = SignalCell::new(None);
/// A command is about to run.
static NEXT: Mutex<Option<Model>> = Mutex::new(None);
/// Calls and DOs that run.
static CALLS: AtomicU32 = AtomicU32::new(0);

#[derive(Clone, Copy)]
pub enum Frame {
    Followed,
    Call,
}

impl UtilityHook for Counters {
    type Memo = ();
    type Frame = Frame;

    fn is_active() -> bool {
        is_active()
    }

    fn before(command: Command) -> Result<()> {
        *NEXT.lock() = None;
        if RUNNING.with(|running| running.is_some()) != Some(false) {
            return Ok(());
        }
        if let Some(followed) = command_statement::followed(command.statement)? {
            let facts = command_facts::read(&followed, command.statement.tag_name())?;
            command_progress::clear()?;
            *NEXT.lock() = Some(Model::new(facts));
        }
        Ok(())
    }

    fn after((): ()) -> Result<()> {
        Ok(())
    }

    fn enter(command: Command) -> Option<Frame> {
        if command_statement::runs_others(command.statement) {
            CALLS.fetch_add(1, Relaxed);
            return Some(Frame::Call);
        }
        let model = NEXT.lock().take()?;
        let is_nested = CALLS.load(Relaxed) > 0 || current::is_committing();
        let running = Running { model, began: Instant::now(), buffers: command_progress::buffers(), is_nested };
        RUNNING.with(|place| *place = Some(running))?;
        Some(Frame::Followed)
    }

    fn leave(frame: Frame, _ended: Ended) {
        match frame {
            Frame::Followed => drop(RUNNING.with(Option::take)),
            Frame::Call => drop(CALLS.fetch_sub(1, Relaxed)),
        }
    }
}

/// How far the command is that runs. `query`: the estimate of the query that it runs, if there is a new one. Also in
/// the signal handler.
pub fn estimate(query: Option<&Estimate>) -> Option<Estimate> {
    RUNNING.with(|running| {
        let Running { model, began, buffers, is_nested } = running.as_mut()?;
        let read = command_progress::read();
        let elapsed = began.elapsed().as_secs_f64();
        let estimate = model.update(&Reading { buffers: read.buffers - *buffers, elapsed, ..read }, query);
        Some(if *is_nested { Estimate { fraction: None, ..estimate } } else { estimate })
    })?
}
