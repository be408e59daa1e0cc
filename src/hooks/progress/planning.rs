//! Plans in the making. Most take no time that anyone sees; some (joins of many tables, partitions by the thousand, a
//! function that is evaluated beforehand) take seconds, and there is nothing to be counted.

use super::levels::LEVELS;
use super::{is_active, start_ticks};
use crate::pg::error::Result;
use crate::pg::hooks::Ended;
use crate::pg::hooks::planner::PlannerHook;
use logic::estimate::{Estimate, Phase};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Is the plan of the outermost statement being made?
static IS_PLANNING: AtomicBool = AtomicBool::new(false);

pub struct Planning;

impl PlannerHook for Planning {
    /// The depth to go back to.
    type Frame = u32;

    fn is_active() -> bool {
        is_active()
    }

    /// Of the outermost statement, or in a command that is one. What runs meanwhile, in functions that are evaluated
    /// beforehand, is nested in it, and is not the command's own plan.
    fn enter() -> Result<Option<u32>> {
        if LEVELS.with(|levels| levels.awaits_main()).flatten().is_none() {
            return Ok(None);
        }
        start_ticks()?;
        let depth = LEVELS.with(|levels| levels.prepare_main());
        IS_PLANNING.store(depth.is_some(), Relaxed);
        Ok(depth)
    }

    fn leave(depth: u32, _ended: Ended) {
        IS_PLANNING.store(false, Relaxed);
        LEVELS.with(|levels| levels.leave_preparation(depth));
    }
}

/// What is to be said of a plan in the making. Neither allocates nor throws.
pub fn estimate() -> Option<Estimate> {
    IS_PLANNING.load(Relaxed).then(|| Estimate { phase: Phase::from("planning"), ..Estimate::default() })
}
