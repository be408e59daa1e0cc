//! Reading a job's rows, or its error.

use crate::channel::Step;
use crate::errors;
use crate::launcher::job::{Job, Reading, tracker};
use crate::pg::error::{self, PgError, Result, level};
use crate::pg::latch::{self, Event};
use crate::pg::memory::Context;
use crate::pg::result_set::Rows;
use crate::pg::tupdesc::{Conversions, Declared, TEXT, hold_row_types};
use crate::pg::value::{Call, Datum, Value, void};
use crate::registry;
use logic::job::released::How;
use logic::job::state::State;
use logic::sqlstate;
use logic::wire::columns::{self, Column};
use logic::wire::frame::{self, Kind};
use logic::wire::report::{Field, Report};
use logic::wire::tags;
use std::sync::Arc;

/// All rows of the job, which is released then; or its error, likewise. A call that does not fit (no column definition
/// list, a wrong one) and a wait that is cancelled lose nothing: the job can be read again.
pub fn read(call: &Call, job: &Arc<Job>) -> Result<Datum> {
    let mut rows = call.rows()?;
    if !job.has_results {
        return Err(errors::results_discarded(job.pid));
    }
    let mut reading = job.take_reading().ok_or_else(|| errors::already_consumed(job.pid))?;
    let ended = receive(job, &mut reading, &mut rows).and_then(|has_rows| conclude(job, &reading, &mut rows, has_rows));
    match ended {
        Ok(()) => {
            drop(reading);
            tracker::release(job, How::Read);
            rows.finish();
            Ok(void())
        }
        Err(Failure::Job(report)) => {
            drop(reading);
            tracker::release(job, How::Read);
            Err(PgError::of(*report))
        }
        Err(Failure::Read(error)) => {
            // Rows that were given away with this query cannot come again; the worker then goes on without a reader.
            if !reading.begun {
                job.put_back(reading);
            }
            Err(error)
        }
    }
}

enum Failure {
    /// The read failed, whatever the job does.
    Read(PgError),
    /// The job failed.
    Job(Box<Report>),
}

impl From<PgError> for Failure {
    fn from(error: PgError) -> Self {
        Self::Read(error)
    }
}

/// Moves rows until the worker leaves the queue; tells whether the job returned columns. Of a job that has failed only the
/// error counts, not whether its rows would have fitted.
fn receive(job: &Job, reading: &mut Reading, rows: &mut Rows) -> std::result::Result<bool, Failure> {
    let declared = rows.declared();
    let has_failed = || matches!(job.state(), State::Error | State::Canceled);
    let Reading { receiver, columns, error, tags: long_tags, begun } = reading;
    let mut conversions = None;
    if let (Some(columns), false) = (&*columns, has_failed()) {
        conversions = Some(fit(job, columns, &declared)?);
    }
    let has_rows = loop {
        let step = receiver.next(|kind, count, body| {
            match kind {
                Kind::Description => {
                    let sent = columns.insert(columns::decode(body)?);
                    if !has_failed() {
                        conversions = Some(fit(job, sent, &declared)?);
                    }
                }
                Kind::Batch if conversions.is_none() && has_failed() => {}
                Kind::Batch => {
                    let Some(conversions) = &mut conversions else {
                        return Err(PgError::new(
                            sqlstate::DATA_CORRUPTED,
                            "background worker sent rows without columns",
                        ));
                    };
                    *begun = true;
                    rows.put_tuples(conversions, frame::rows(count, body))?;
                }
                Kind::Notice => error::raise(&notice(job, body)?)?,
                Kind::Error => *error = Some(Report::decode(body)?),
                Kind::Tags => {
                    *long_tags = Some(tags::decode(body)?.into_iter().map(<[u8]>::to_vec).collect());
                }
                Kind::Piece => {}
            }
            Ok(())
        })?;
        match step {
            // a job that is faster than this never lets it wait
            Step::Frame => latch::check_for_interrupts()?,
            Step::Nothing if job.is_lost() => break conversions.is_some(),
            Step::Nothing => registry::wait(Event::Job, None)?,
            Step::End => break conversions.is_some(),
        }
    };
    if let (Some(columns), true, false) = (&*columns, has_rows, has_failed()) {
        hold_row_types(columns)?;
    }
    Ok(has_rows)
}

/// How the columns become the declared ones. Of a job that has ended, a row type that was altered since is known at once, and
/// nothing is lost by it; of one that runs, only at its end.
fn fit(job: &Job, columns: &[Column], declared: &[Declared]) -> Result<Conversions> {
    let conversions = Conversions::new(columns, declared)?;
    if job.state().is_final() {
        hold_row_types(columns)?;
    }
    Ok(conversions)
}

/// A message of the job as it is raised here: at its own level, which is below ERROR whatever the bytes say.
fn notice(job: &Job, body: &[u8]) -> Result<Report> {
    let mut report = Report::decode(body)?;
    report.level = report.level.min(level::ERROR - 1);
    point_into_job(job, &mut report);
    Ok(report)
}

/// A position in the job's text is none in the text that the client sent: to the client, the job's is a text within.
fn point_into_job(job: &Job, report: &mut Report) {
    if report.cursor > 0 && report.get(Field::InternalQuery).is_none() {
        if let Ok(sql) = job.sql() {
            report.set(Field::InternalQuery, sql.to_bytes());
            report.internal_cursor = report.cursor;
        }
    }
    report.cursor = 0;
}

/// The worker has left: its outcome decides.
fn conclude(job: &Job, reading: &Reading, rows: &mut Rows, has_rows: bool) -> std::result::Result<(), Failure> {
    match job.state() {
        State::Stopped if has_rows => Ok(()),
        State::Stopped => Ok(put_tags(job, reading, rows)?),
        State::Error | State::Canceled => {
            let report = reading.error.clone().or_else(|| job.error()).unwrap_or_else(|| job.lost());
            Err(Failure::Job(Box::new(here(job, report))))
        }
        State::Starting | State::Running => Err(Failure::Job(Box::new(job.lost()))),
    }
}

/// The job's error as it is thrown here.
fn here(job: &Job, mut report: Report) -> Report {
    report.level = level::ERROR;
    point_into_job(job, &mut report);
    report.add_context(format!("background worker, pid {}", job.pid).as_bytes());
    report
}

/// The command tags of a job whose last statement returned no columns.
fn put_tags(job: &Job, reading: &Reading, rows: &mut Rows) -> Result<()> {
    if !matches!(rows.declared()[..], [Declared { type_id: TEXT, .. }]) {
        return Err(errors::no_text_column_for_tags());
    }
    let outcome = job.outcome();
    let tags: Vec<&[u8]> = match &reading.tags {
        Some(tags) => tags.iter().map(Vec::as_slice).collect(),
        None => tags::decode(&outcome)?,
    };
    let scratch = Context::new(c"pg_background tag")?;
    for tag in tags {
        rows.put(&scratch, vec![Value::Text(tag.to_vec())])?;
    }
    Ok(())
}
