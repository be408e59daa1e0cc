//! The result of a job whose last statement returned no columns: its command tags.

use super::Wanted;
use crate::errors;
use crate::launcher::job::{Job, Reading};
use crate::pg::convert::{Conversions, Fit};
use crate::pg::error::Result;
use crate::pg::result_set::ResultSet;
use crate::pg::tupdesc::{Declared, TEXT};
use logic::wire::columns::{Column, Form};
use logic::wire::tags;
use logic::wire::tuple::Attribute;

/// The tag of each statement of the job.
pub fn of(job: &Job, reading: &Reading) -> Result<Vec<Vec<u8>>> {
    if let Some(tags) = &reading.tags {
        return Ok(tags.clone());
    }
    let outcome = job.outcome();
    Ok(tags::decode(&outcome)?.into_iter().map(<[u8]>::to_vec).collect())
}

/// The tag of the job's last statement; empty if it has none.
pub fn last(job: &Job, reading: &Reading) -> Result<Vec<u8>> {
    match &reading.tags {
        Some(tags) => Ok(tags.last().cloned().unwrap_or_default()),
        None => Ok(tags::decode(&job.outcome())?.last().map_or_else(Vec::new, |tag| tag.to_vec())),
    }
}

/// Appends a row for each tag. The caller must have declared one column, of type text or, where rows are assigned, of
/// a type to which a text can be assigned.
pub fn put(tags: &[Vec<u8>], set: &mut ResultSet, wanted: Wanted) -> Result<()> {
    let declared = set.declared();
    let text = Column {
        type_id: TEXT,
        typmod: -1,
        form: Form::Native,
        attribute: Attribute { len: -1, align: 4 },
        name: b"command_tag".to_vec(),
        row_types: Vec::new(),
    };
    let mut conversions = match (&declared[..], wanted) {
        ([Declared { type_id: TEXT, .. }], _) | ([_], Wanted::Assigned) => {
            Conversions::new(&[text], &declared, Fit::Assignment)
        }
        _ => Err(errors::no_text_column_for_tags()),
    }
    .map_err(|_| errors::no_text_column_for_tags())?;
    tags.iter().try_for_each(|tag| conversions.put_text(set, tag))
}
