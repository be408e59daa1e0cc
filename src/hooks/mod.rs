//! What the library does in the server's hooks, in every process that has loaded it. Hooks of one kind that several
//! files use are installed once, with all of their users ([`crate::pg::hooks`]).
//!
//! | hook | file | what for | active |
//! |---|---|---|---|
//! | ProcessUtility, ends of transactions | `dismiss` | warm workers that a statement would find in its way, or that are outdated after it | always |
//! | Executor, planner, ProcessUtility | `progress` | how far the job's statements are | in a job, unless turned off |
//! | ExecutorStart, ProcessUtility | `limits` | statements that are expected to cost too much; COPY from a client | in a job |

mod dismiss;
mod limits;
mod progress;

use crate::pg::hooks::{executor, planner, utility};

/// Installs the hooks. Once, when the library is loaded.
pub fn install() {
    utility::install::<(dismiss::Dismiss, (limits::CopyFromClient, (progress::Commands, progress::Counters)))>();
    planner::install::<progress::Planning>();
    executor::install::<(limits::PlanCost, progress::Plans)>();
}
