//! Utility commands: which of them stand for themselves, and which for the plan or the statements that they run.

use super::levels::{LEVELS, Top};
use super::{is_active, sample_if_due, start_ticks};
use crate::pg::error::Result;
use crate::pg::hooks::Ended;
use crate::pg::hooks::utility::{Command, UtilityHook};
use crate::pg::parse_tree::Work;

pub struct Commands;

impl UtilityHook for Commands {
    type Memo = ();
    type Frame = u32;

    fn is_active() -> bool {
        is_active()
    }

    fn before(command: Command) -> Result<()> {
        sample_if_due();
        let is_nested = LEVELS.with(|levels| levels.is_nested()).unwrap_or(true);
        if is_nested || command.statement.work() == Work::None { Ok(()) } else { start_ticks() }
    }

    fn after((): ()) -> Result<()> {
        Ok(())
    }

    fn enter(command: Command) -> Option<u32> {
        let top = match command.statement.work() {
            Work::None => return None,
            Work::Plan(destination) => Top::CommandWithPlan(destination),
            Work::Itself => Top::Command,
        };
        LEVELS.with(|levels| levels.enter_command(top))
    }

    fn leave(depth: u32, _ended: Ended) {
        LEVELS.with(|levels| levels.leave(depth));
    }
}
