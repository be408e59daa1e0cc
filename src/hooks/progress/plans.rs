//! Plans: which are watched, and when they run.
//!
//! The outermost plan is watched, whatever it costs. Of nested ones those are that cost something: a statement of two
//! microseconds in a loop pays a look at a flag.

use super::levels::{LEVELS, is_deep};
use super::{is_active, sample_if_due, start_ticks, tick};
use crate::pg::encoding::clip;
use crate::pg::error::Result;
use crate::pg::hooks::Ended;
use crate::pg::hooks::executor::{ExecutorHook, Purpose, Query, Stage};
use crate::pg::memory::Execution;
use crate::pg::{identity, plan_state, watched_plans};
use crate::worker::current;
use logic::estimate::Phase;
use logic::estimate::nested::one_line;

/// Nested plans that are expected to cost less pass.
const CHEAP: f64 = 1000.0;

pub struct Plans;

#[derive(Clone, Copy)]
pub struct Frame {
    /// None while it is started.
    execution: Option<Execution>,
    depth: u32,
}

impl ExecutorHook for Plans {
    type Frame = Frame;

    fn is_active() -> bool {
        is_active()
    }

    fn after_start(query: Query, purpose: Purpose) -> Result<()> {
        sample_if_due();
        let is_main = is_main(query);
        if purpose == Purpose::Look || (!is_main && query.plan().total_cost() < CHEAP) {
            return Ok(());
        }
        start_ticks()?;
        let is_nested = LEVELS.with(|levels| levels.is_nested()).unwrap_or(true);
        if !is_nested {
            LEVELS.with(|levels| levels.begin_plan());
        }
        // The outermost plan's end is the job's: it is read only if a tick comes before.
        let read_at = if is_main { tick() } else { 0 };
        if let Some(execution) = watched_plans::watch(query, read_at, gone)? {
            let nested = if is_main { None } else { Some(name(query)?) };
            LEVELS.with(|levels| levels.add(execution, nested));
        }
        Ok(())
    }

    fn enter(query: Query, stage: Stage) -> Option<Frame> {
        if stage == Stage::Start {
            // What runs meanwhile is nested in the plan, and does not stand for the statement.
            let depth = is_main(query).then(|| LEVELS.with(|levels| levels.prepare_main()))??;
            return Some(Frame { execution: None, depth });
        }
        if stage == Stage::Run {
            plan_state::count_run();
        }
        sample_if_due();
        let Some(execution) = query.execution().filter(|execution| watched_plans::is_watched(*execution)) else {
            if stage == Stage::Run {
                LEVELS.with(|levels| levels.pass());
            }
            return None;
        };
        let depth = LEVELS.with(|levels| levels.enter_plan(execution))?;
        if stage == Stage::Run {
            watched_plans::begin(execution);
        }
        watched_plans::enter(execution);
        if stage == Stage::Finish {
            watched_plans::finish(execution);
        }
        Some(Frame { execution: Some(execution), depth })
    }

    fn leave(frame: Frame, ended: Ended) {
        match (frame.execution, ended) {
            (Some(execution), Ended::Well) => {
                watched_plans::leave(execution, tick());
                LEVELS.with(|levels| levels.leave_plan(execution, frame.depth));
            }
            // it will not go on
            (Some(execution), Ended::Failed) => {
                watched_plans::forget(execution);
                LEVELS.with(|levels| levels.leave(frame.depth));
            }
            (None, _) => drop(LEVELS.with(|levels| levels.leave_preparation(frame.depth))),
        }
    }

    fn before_end(query: Query) -> Result<()> {
        if let Some(execution) = query.execution() {
            watched_plans::forget(execution);
        }
        Ok(())
    }
}

/// Does the plan, which is about to start or has just started, stand for the outermost statement?
fn is_main(plan: Query) -> bool {
    let awaited = || LEVELS.with(|levels| levels.awaits_main()).flatten();
    !is_deep() && awaited().is_some_and(|destination| plan.goes_to(destination))
}

/// What the phase calls a nested statement. All who have the privileges of the job's role read the phase; so a
/// statement that runs as a role whose privileges the job's role has not, in a SECURITY DEFINER function, is called by
/// its command, and others by their text. A session that is observed without a job publishes nothing.
fn name(query: Query) -> Result<Phase> {
    let user = identity::current_user();
    let is_theirs = match current::get().map(|job| job.segment.header().identity.current_user) {
        Some(role) if role != user => identity::gives_privileges(user, role)?,
        _ => true,
    };
    Ok(one_line(if is_theirs { query.text() } else { query.plan().command()? }, clip))
}

fn gone(execution: Execution) {
    LEVELS.with(|levels| levels.remove(execution));
}
