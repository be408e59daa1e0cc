//! The result of SQL that has run in the caller's transaction (`launch::inline`), as if it were a job's.

use super::{Wanted, rows, tags};
use crate::launcher::launch::inline::InlineResult;
use crate::pg::error::Result;
use crate::pg::result_set::ResultSet;

/// All rows, or the command tags, into `set`.
pub fn inline(mut result: InlineResult, set: &mut ResultSet, wanted: Wanted) -> Result<()> {
    match result.columns.take() {
        Some(columns) => {
            let mut conversions = rows::conversions_of_own(&columns, set, wanted)?;
            result.read(|batch| conversions.put_all(set, batch))
        }
        None if wanted == Wanted::Json => Ok(()),
        None => tags::put(&result.tags, set, wanted),
    }
}
