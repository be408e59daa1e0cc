//! What a job may not run: a statement that the planner expects to cost more than `pg_background.max_plan_cost`, and
//! COPY from a client that it has not.
//!
//! **Plans** are refused before they run.
//! The look is at the start of an execution, not in the planner. There plans come by that were kept (prepared
//! statements, those of PL/pgSQL, of warm workers), which the planner does not see again; there EXPLAIN is told from
//! the statement that it explains; and the planner makes plans that nobody runs, when it compares a generic one with
//! others. Each plan counts for itself: of the job's own statements, of those nested in functions and triggers, and of
//! the queries in commands (CREATE TABLE AS, COPY, DECLARE CURSOR and the like). The look comes when the execution has
//! been started, and so after the server's look at the rights: who may not read a table does not learn its cost.
//!
//! **COPY … FROM STDIN** as a job's statement is refused before that runs (`worker::statements`). Here it is refused
//! wherever else it may come from: the script of an extension can have it, and the server would read a socket that a
//! worker has not.

use crate::errors;
use crate::pg::error::Result;
use crate::pg::hooks::executor::{ExecutorHook, Purpose, Query};
use crate::pg::hooks::utility::{Command, UtilityHook};
use crate::{process, settings};

pub struct PlanCost;

impl ExecutorHook for PlanCost {
    type Frame = ();

    fn is_active() -> bool {
        process::is_in_job()
    }

    fn after_start(query: Query, purpose: Purpose) -> Result<()> {
        let limit = settings::max_plan_cost()?;
        let cost = query.plan().total_cost();
        let exceeds = limit > 0.0 && cost > limit;
        if exceeds && purpose == Purpose::Run { Err(errors::plan_cost(cost, limit)) } else { Ok(()) }
    }
}

pub struct CopyFromClient;

impl UtilityHook for CopyFromClient {
    type Memo = ();
    type Frame = ();

    fn is_active() -> bool {
        process::is_in_job()
    }

    fn before(command: Command) -> Result<()> {
        if command.statement.is_copy_from_client() { Err(errors::copy_from_client()) } else { Ok(()) }
    }

    fn after((): ()) -> Result<()> {
        Ok(())
    }
}
