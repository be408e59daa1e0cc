//! The result of a job whose last statement returned no columns: its command tags.

use crate::errors;
use crate::launcher::job::{Job, Reading};
use crate::pg::error::Result;
use crate::pg::memory::Context;
use crate::pg::result_set::ResultSet;
use crate::pg::tupdesc::{Declared, TEXT};
use crate::pg::value::Value;
use logic::wire::tags;

/// Appends a row for each statement of the job. The caller must have declared one column, of type text.
pub fn put(job: &Job, reading: &Reading, set: &mut ResultSet) -> Result<()> {
    if !matches!(set.declared()[..], [Declared { type_id: TEXT, .. }]) {
        return Err(errors::no_text_column_for_tags());
    }
    let scratch = Context::new(c"pg_background tag")?;
    for tag in all(job, reading)? {
        set.put(&scratch, vec![Value::Text(tag)])?;
    }
    Ok(())
}

/// The tag of the job's last statement; empty if it has none.
pub fn last(job: &Job, reading: &Reading) -> Result<Vec<u8>> {
    Ok(all(job, reading)?.pop().unwrap_or_default())
}

fn all(job: &Job, reading: &Reading) -> Result<Vec<Vec<u8>>> {
    match &reading.tags {
        Some(tags) => Ok(tags.clone()),
        None => Ok(tags::decode(&job.outcome())?.into_iter().map(<[u8]>::to_vec).collect()),
    }
}
