//! A job's rows on their way into the caller's result set.
//!
//! Of a job that has failed only the error counts: then it does not matter whether its rows would have fitted the
//! declared columns.

use super::stream::Rows;
use crate::launcher::job::Job;
use crate::pg::convert::Conversions;
use crate::pg::error::{PgError, Result};
use crate::pg::result_set::ResultSet;
use crate::pg::tupdesc::hold_row_types;
use logic::sqlstate;
use logic::wire::columns::Column;
use logic::wire::frame::BatchRows;

pub struct JobRows<'a> {
    job: &'a Job,
    set: &'a mut ResultSet,
    /// How the job's columns become the declared ones, once [`Self::fit`] has found that they do.
    conversions: Option<Conversions>,
}

impl<'a> JobRows<'a> {
    pub fn new(job: &'a Job, set: &'a mut ResultSet) -> Self {
        Self { job, set, conversions: None }
    }

    /// Has the job returned columns that fit?
    pub fn has_columns(&self) -> bool {
        self.conversions.is_some()
    }
}

impl Rows for JobRows<'_> {
    /// Fits the job's columns to the declared ones. An error if they do not fit: no row has been given away then.
    ///
    /// The definition of a row type may have been altered since the job returned values of it. Of a job that has
    /// ended this is known here, before the first row, and nothing is lost by the error. A job that runs may itself
    /// have altered the type, or may hold its table until it ends: then [`Self::hold_types`] looks at the end.
    fn fit(&mut self, columns: &[Column]) -> Result<()> {
        if self.job.has_failed() {
            return Ok(());
        }
        let conversions = Conversions::new(columns, &self.set.declared())?;
        if self.job.state().is_final() {
            hold_row_types(columns)?;
        }
        self.conversions = Some(conversions);
        Ok(())
    }

    /// Appends rows. `begun` is set before the first of them is given away.
    fn put(&mut self, batch: BatchRows, begun: &mut bool) -> Result<()> {
        let Some(conversions) = &mut self.conversions else {
            if self.job.has_failed() {
                return Ok(());
            }
            return Err(PgError::new(sqlstate::DATA_CORRUPTED, "background worker sent rows without columns"));
        };
        *begun = true;
        conversions.put_all(self.set, batch)
    }

    /// Locks the row types in `columns` until the transaction ends, and checks that they are what they were when the
    /// job returned values of them. Called after the last row.
    fn hold_types(&self, columns: &[Column]) -> Result<()> {
        if self.has_columns() && !self.job.has_failed() { hold_row_types(columns) } else { Ok(()) }
    }
}
