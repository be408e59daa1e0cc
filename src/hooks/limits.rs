//! `pg_background.max_plan_cost`: a statement of a job that the planner expects to cost more is refused before it runs.
//!
//! The look is at the start of an execution, not in the planner. There plans come by that were kept (prepared
//! statements, those of PL/pgSQL, of warm workers), which the planner does not see again; there EXPLAIN is told from
//! the statement that it explains; and the planner makes plans that nobody runs, when it compares a generic one with
//! others. Each plan counts for itself: of the job's own statements, of those nested in functions and triggers, and of
//! the queries in commands (CREATE TABLE AS, COPY, DECLARE CURSOR and the like).

use crate::errors;
use crate::pg::error::Result;
use crate::pg::hooks::executor::{ExecutorHook, Purpose, Query};
use crate::{process, settings};

pub struct PlanCost;

impl ExecutorHook for PlanCost {
    type Frame = ();

    fn is_active() -> bool {
        process::is_in_job()
    }

    fn before_start(query: Query, purpose: Purpose) -> Result<()> {
        let limit = settings::max_plan_cost();
        let cost = query.plan().total_cost();
        let exceeds = limit > 0.0 && cost > limit;
        if exceeds && purpose == Purpose::Run { Err(errors::plan_cost(cost, limit)) } else { Ok(()) }
    }
}
