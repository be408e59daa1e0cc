//! A job's messages and its error, as they are raised in the session that reads the job.

use crate::launcher::job::Job;
use crate::pg::error::{Result, level};
use logic::wire::report::{Field, Report};

/// A message of the job. It keeps its level, which is below ERROR whatever the frame says.
pub fn notice(job: &Job, body: &[u8]) -> Result<Report> {
    let mut report = job.readable(Report::decode(body)?)?;
    report.level = report.level.min(level::ERROR - 1);
    point_into_job(job, &mut report);
    Ok(report)
}

/// The job's error. A FATAL error ended the worker's process, and is an ERROR here.
pub fn error(job: &Job, mut report: Report) -> Report {
    report.level = level::ERROR;
    point_into_job(job, &mut report);
    report.add_context(format!("background worker, pid {}", job.pid).as_bytes());
    report
}

/// A position in the job's text would be taken for one in the text that the client sent. So it becomes a position in
/// an internal query, which is the job's text.
fn point_into_job(job: &Job, report: &mut Report) {
    if report.cursor > 0 && report.get(Field::InternalQuery).is_none() {
        if let Ok(sql) = job.sql() {
            report.set(Field::InternalQuery, sql);
            report.internal_cursor = report.cursor;
        }
    }
    report.cursor = 0;
}
