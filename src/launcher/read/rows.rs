//! A job's rows on their way into the caller's result set.
//!
//! Of a job that has failed only the error counts: then it does not matter whether its rows would have fitted the
//! declared columns.

use super::Wanted;
use crate::launcher::job::{Gone, Job};
use crate::pg::convert::{Conversions, Fit, are_types_known};
use crate::pg::error::{PgError, Result};
use crate::pg::result_set::ResultSet;
use crate::pg::tupdesc::hold_row_types;
use crate::pg::{catalog, identity};
use logic::sqlstate;
use logic::wire::columns::Column;
use logic::wire::frame;

pub struct JobRows<'a> {
    job: &'a Job,
    set: &'a mut ResultSet,
    wanted: Wanted,
    /// How the job's columns become the declared ones, once [`Self::fit`] has found that they do.
    conversions: Option<Conversions>,
}

/// How rows of these columns become what is wanted. An error if they do not fit. What planning a cast evaluates is
/// evaluated as for [`put_all`]. The job may have made a type while this session waited for it.
pub fn conversions(job: &Job, columns: &[Column], set: &ResultSet, wanted: Wanted) -> Result<Conversions> {
    catalog::accept_changes()?;
    let _acting = identity::act_for_values_of(job.user)?;
    conversions_of_own(columns, set, wanted)
}

/// Appends rows. A cast that their types bring with them runs as the job's user, if a superuser reads the job of a role
/// that is none: the superuser has not chosen those types.
pub fn put_all(job: &Job, conversions: &mut Conversions, set: &mut ResultSet, rows: frame::BatchRows) -> Result<()> {
    let _acting = identity::act_for_values_of(job.user)?;
    conversions.put_all(set, rows)
}

/// The same for SQL that has run as the caller.
pub fn conversions_of_own(columns: &[Column], set: &ResultSet, wanted: Wanted) -> Result<Conversions> {
    match wanted {
        Wanted::Exact => Conversions::new(columns, &set.declared(), Fit::Strict),
        Wanted::Assigned => Conversions::new(columns, &set.declared(), Fit::Assignment),
        Wanted::Json => Conversions::to_jsonb(columns),
    }
}

impl<'a> JobRows<'a> {
    pub fn new(job: &'a Job, set: &'a mut ResultSet, wanted: Wanted) -> Self {
        Self { job, set, wanted, conversions: None }
    }

    /// Has the job returned columns that fit?
    pub fn has_columns(&self) -> bool {
        self.conversions.is_some()
    }

    /// Must rows of these columns wait for the job's end? The job may have made the type of a column, which this
    /// session sees when the job has committed. Or it may have altered a row type: a conversion that looks into its
    /// values would wait for the job's lock, and the job for room in the queue.
    pub fn must_wait(&self, columns: &[Column]) -> Result<bool> {
        if self.wanted == Wanted::Exact || self.job.state().is_final() {
            return Ok(false);
        }
        let declared = self.set.declared();
        let is_same = |i: usize, column: &Column| {
            self.wanted == Wanted::Assigned && declared.get(i).is_some_and(|to| to.type_id == column.type_id)
        };
        let looks_inside =
            columns.iter().enumerate().any(|(i, column)| !column.row_types.is_empty() && !is_same(i, column));
        Ok(looks_inside || !are_types_known(columns)?)
    }

    /// Fits the job's columns to the declared ones. An error if they do not fit: no row has been given away then.
    ///
    /// The definition of a row type may have been altered since the job returned values of it. Of a job that has
    /// ended this is known here, before the first row, and nothing is lost by the error. A job that runs may itself
    /// have altered the type, or may hold its table until it ends: then [`Self::hold_types`] looks at the end.
    pub fn fit(&mut self, columns: &[Column]) -> Result<()> {
        if self.job.has_failed() {
            return Ok(());
        }
        let conversions = conversions(self.job, columns, self.set, self.wanted)?;
        if self.job.state().is_final() {
            hold_row_types(columns)?;
        }
        self.conversions = Some(conversions);
        Ok(())
    }

    /// Appends rows, or drops those of a failed job; `gone` says so before.
    pub fn put(&mut self, count: u32, rows: &[u8], gone: &mut Gone) -> Result<()> {
        let Some(conversions) = &mut self.conversions else {
            if self.job.has_failed() {
                *gone = Gone::Dropped;
                return Ok(());
            }
            return Err(rows_without_columns());
        };
        *gone = Gone::Given;
        put_all(self.job, conversions, self.set, frame::rows(count, rows))
    }

    /// Locks the row types in `columns` until the transaction ends, and checks that they are what they were when the
    /// job returned values of them. Called after the last row.
    pub fn hold_types(&self, columns: &[Column]) -> Result<()> {
        if self.has_columns() && !self.job.has_failed() { hold_row_types(columns) } else { Ok(()) }
    }
}

#[cold]
pub fn rows_without_columns() -> PgError {
    PgError::new(sqlstate::DATA_CORRUPTED, "background worker sent rows without columns")
}
