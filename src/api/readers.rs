//! Reading jobs by handle, and queries in one call: what 3.0 adds.

use super::handles::{Positions, QUERY, QUERY_AS};
use crate::errors;
use crate::launcher::read::{self, Wanted};
use crate::launcher::synchronous::{self, Started};
use crate::pg::arguments::Handle;
use crate::pg::call::Call;
use crate::pg::error::Result;
use crate::pg::memory::Context;
use crate::pg::result_set::ResultSet;
use crate::pg::types::{JSONB, TEXT};
use crate::pg::value::{Datum, Value, void};
use logic::wire::columns::Form;

/// Hands over the rows that `fill` makes of the job that argument `n` names: none of a NULL.
fn of_job(
    call: &Call,
    n: usize,
    mut set: ResultSet,
    fill: impl FnOnce(Handle, &mut ResultSet) -> Result<()>,
) -> Result<Datum> {
    if let Some(handle) = call.handle(n)? {
        fill(handle, &mut set)?;
    }
    set.finish();
    Ok(void())
}

fn rows(call: &Call, n: usize, set: ResultSet, wanted: Wanted) -> Result<Datum> {
    of_job(call, n, set, |(pid, cookie), set| read::rows(call.execution(), pid, cookie, set, wanted))
}

/// `pg_background_rows(job)`
pub fn pg_background_rows(call: &Call) -> Result<Datum> {
    rows(call, 0, call.rows()?, Wanted::Assigned)
}

/// `pg_background_rows_as(rowtype, job)`
pub fn pg_background_rows_as(call: &Call) -> Result<Datum> {
    rows(call, 1, call.rows_as(0)?, Wanted::Assigned)
}

/// `pg_background_rows_json(job)`
pub fn pg_background_rows_json(call: &Call) -> Result<Datum> {
    rows(call, 0, call.values(JSONB)?, Wanted::Json)
}

/// `pg_background_fetch(job, max_rows)`
pub fn pg_background_fetch(call: &Call) -> Result<Datum> {
    let max = u64::try_from(call.int4(1)).ok().filter(|max| *max > 0).ok_or_else(errors::no_rows_wanted)?;
    of_job(call, 0, call.rows()?, |(pid, cookie), set| read::fetch(call.execution(), pid, cookie, set, max))
}

/// `pg_background_columns(job)`
pub fn pg_background_columns(call: &Call) -> Result<Datum> {
    of_job(call, 0, call.rows()?, |(pid, cookie), set| {
        let scratch = Context::new(c"pg_background columns")?;
        for column in read::columns(pid, cookie)?.unwrap_or_default() {
            let type_id = if column.form == Form::Text { TEXT } else { column.type_id };
            set.put(&scratch, vec![Value::Text(column.name), Value::Type(type_id)])?;
        }
        Ok(())
    })
}

/// Runs the job that the arguments describe, and hands over its rows.
fn query(call: &Call, arguments: &Positions, mut set: ResultSet, wanted: Wanted) -> Result<Datum> {
    match synchronous::start(arguments.sql(call)?, &arguments.options(call)?)? {
        Started::Job(job) => read::read(&job, &mut set, wanted)?,
        Started::Inline(result) => read::inline(result, &mut set, wanted)?,
    }
    set.finish();
    Ok(void())
}

/// `pg_background_query(sql, params, label, database, timeout, settings)`
pub fn pg_background_query(call: &Call) -> Result<Datum> {
    query(call, &QUERY, call.rows()?, Wanted::Assigned)
}

/// `pg_background_query_as(rowtype, sql, params, label, database, timeout, settings)`
pub fn pg_background_query_as(call: &Call) -> Result<Datum> {
    query(call, &QUERY_AS, call.rows_as(0)?, Wanted::Assigned)
}

/// `pg_background_query_json(sql, params, label, database, timeout, settings)`
pub fn pg_background_query_json(call: &Call) -> Result<Datum> {
    query(call, &QUERY, call.values(JSONB)?, Wanted::Json)
}
