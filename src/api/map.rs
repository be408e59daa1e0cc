//! Many statements in one call (3.0).

use super::handles::MAP;
use crate::errors;
use crate::launcher::launch::{Options, Results};
use crate::launcher::map::{self, AfterFailure, End};
use crate::pg::call::Call;
use crate::pg::error::Result;
use crate::pg::memory::Context;
use crate::pg::value::{Datum, Value, void};
use logic::sqlstate;

const PARALLEL: i32 = 4;

/// `pg_background_map(statements, parallel, autocommit, stop_on_error, label, database, timeout, settings)`: a row for
/// each statement, in their order; none for NULL and for an array without elements.
pub fn pg_background_map(call: &Call) -> Result<Datum> {
    let mut set = call.rows()?;
    let parallel = if call.is_null(1) { PARALLEL } else { call.int4(1) };
    let parallel = usize::try_from(parallel).ok().filter(|n| *n > 0).ok_or_else(errors::nothing_parallel)?;
    let after_failure = if call.boolean(3) { AfterFailure::Stop } else { AfterFailure::GoOn };
    let statements = statements(call)?;
    let options = Options { results: Results::Discarded, ..MAP.options(call)? };
    let scratch = Context::new(c"pg_background map")?;
    for (ordinal, end) in (1..).zip(map::map(&statements, &options, parallel, after_failure)?) {
        set.put(&scratch, row(ordinal, end))?;
    }
    set.finish();
    Ok(void())
}

fn statements(call: &Call) -> Result<Vec<&[u8]>> {
    let Some(statements) = call.texts(MAP.sql)? else {
        return Ok(Vec::new());
    };
    if statements.dimensions > 1 {
        return Err(errors::statements_in_dimensions());
    }
    let numbered = (1..).zip(statements.texts);
    numbered.map(|(n, text)| text.ok_or_else(|| errors::null_statement(n))).collect()
}

fn row(ordinal: i32, end: End) -> Vec<Value> {
    let (sqlstate, message) = match end.error {
        Some((sqlstate, message)) => (Value::Text(sqlstate::unpack(sqlstate).to_vec()), Value::Text(message)),
        None => (Value::Null, Value::Null),
    };
    vec![
        Value::Int4(ordinal),
        Value::Text(end.state.name().into()),
        end.command_tag.map_or(Value::Null, Value::Text),
        end.row_count.map_or(Value::Null, Value::Int8),
        sqlstate,
        message,
        end.run_time.map_or(Value::Null, Value::Interval),
    ]
}
