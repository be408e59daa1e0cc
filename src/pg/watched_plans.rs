//! The executions of plans that are watched: what is read of each ([`Watch`]), and its tripwire.
//!
//! Both hold pointers into the execution's memory, `es_query_cxt`. So a reset callback of that memory ends the watch,
//! the only end that always comes: ExecutorEnd is not called after an ERROR, and a cursor lives on after the statement
//! that has opened it. The server calls it before it frees what is allocated there.
//!
//! A plan is read while it runs, and as its run ends well ([`leave`]); never between two runs. Suppose that a cursor's
//! FETCH fails inside an exception block, where no hook sees it: its tables are closed when the block is rolled back,
//! but its memory, with pointers to them, stays until the cursor is closed. Of a plan that does not run, what was read
//! last is the answer.

use super::error::Result;
use super::hooks::executor::Query;
use super::memory::Execution;
use super::plan_state::{Moment, Watch};
use super::signal_cell::SignalCell;
use super::tripwire::Tripwire;
use super::xact;
use logic::estimate::Estimate;
use std::ptr::NonNull;

struct Watched {
    execution: Execution,
    /// The subtransaction in which it was started. Later ones have greater numbers.
    subtransaction: u32,
    /// Dropped before the watch: an armed one would put the watch's counters back into the nodes.
    wire: Box<Tripwire>,
    watch: Watch,
    /// What was read last, and at which tick.
    last: Option<Estimate>,
    last_tick: u32,
    /// Told of the end.
    gone: fn(Execution),
}

/// In the order in which they were started.
static WATCHED: SignalCell<Vec<Watched>> = SignalCell::new(Vec::new());

/// What a function of this module does with one of them; `None` where it is not watched.
fn with<R>(execution: Execution, body: impl FnOnce(&mut Watched) -> R) -> Option<R> {
    WATCHED.with(|all| all.iter_mut().rev().find(|watched| watched.execution == execution).map(body)).flatten()
}

/// Watches the execution of a plan, from after ExecutorStart until its memory goes or [`forget`] is called. `gone` is
/// told of the end; it may not throw. It counts as read at the tick `read_at`.
pub fn watch(query: Query, read_at: u32, gone: fn(Execution)) -> Result<Option<Execution>> {
    let (Some(execution), Some(description)) = (query.execution(), NonNull::new(query.as_ptr())) else {
        return Ok(None);
    };
    // first: what is watched has to be forgotten
    execution.at_end(forget)?;
    // SAFETY: started, and forgotten before its memory goes.
    let watched = unsafe {
        let watch = Watch::new(description)?;
        let wire = Tripwire::new(watch.shape().states());
        let subtransaction = xact::subtransaction();
        Watched { execution, subtransaction, watch, wire, last: None, last_tick: read_at, gone }
    };
    Ok(WATCHED.with(|all| all.push(watched)).map(|()| execution))
}

/// Ends the watch, if there is one.
pub fn forget(execution: Execution) {
    let watched = WATCHED.with(|all| {
        let place = all.iter().rposition(|watched| watched.execution == execution)?;
        Some(all.remove(place))
    });
    if let Some(watched) = watched.flatten() {
        (watched.gone)(execution);
    }
}

/// Ends the watch of all that was started in that subtransaction, and in those inside it.
pub fn forget_since(subtransaction: u32) {
    let last = || {
        let last = WATCHED.with(|all| {
            all.iter().rev().find(|watched| watched.subtransaction >= subtransaction).map(|watched| watched.execution)
        });
        last.flatten()
    };
    while let Some(execution) = last() {
        forget(execution);
    }
}

/// Is it watched?
pub fn is_watched(execution: Execution) -> bool {
    with(execution, |_| ()).is_some()
}

/// ExecutorRun begins.
pub fn begin(execution: Execution) {
    with(execution, |watched| watched.watch.begin());
}

/// The plan begins to run: ticks trip it, if it is the innermost.
pub fn enter(execution: Execution) {
    with(execution, |watched| watched.wire.enter());
}

/// Its rows are all there, and its triggers are about to run.
pub fn finish(execution: Execution) {
    with(execution, |watched| watched.watch.finish());
}

/// The plan does not run any more, after a run that ended well. It is read once more, if there was a tick since it was
/// last read. Does nothing if its memory has gone.
pub fn leave(execution: Execution, tick: u32) {
    with(execution, |watched| {
        watched.wire.leave();
        if watched.last_tick != tick {
            watched.last_tick = tick;
            watched.last = Some(watched.watch.sample(Moment::Running));
        }
    });
}

/// Does it run, or wait in the midst of its run for another plan that it has called?
pub fn is_running(execution: Execution) -> bool {
    with(execution, |watched| watched.wire.is_running()).unwrap_or(false)
}

/// What is estimated of it now, or was when it ran last. At [`Moment::Waiting`] nothing is allocated.
pub fn sample(execution: Execution, moment: Moment) -> Option<Estimate> {
    let sampled = with(execution, |watched| {
        if watched.wire.is_running() {
            watched.last = Some(watched.watch.sample(moment));
        }
        watched.last
    });
    sampled.flatten()
}
