//! The line that the server's log gets of a job's end: `pg_background.log_min_duration`.
//!
//! Whoever ends the job writes it, before the end is told, so a line is there when the waiters wake. As with
//! `log_min_duration_statement`, the job's text is in it, and parameters are not.

use super::End;
use crate::pg::error::Result;
use crate::pg::{activity, encoding, frontend};
use crate::settings;
use logic::job::log_line::{self, LogLine};
use logic::registry::layout::QUERY_SIZE;
use std::ffi::CString;

fn run_time(end: &End) -> i64 {
    if end.started_at == 0 { 0 } else { end.finished_at.saturating_sub(end.started_at).max(0) }
}

/// Does the setting ask for a line of that end?
pub fn logs_end(end: &End) -> bool {
    log_line::is_wanted(settings::log_min_duration(), end.state, run_time(end))
}

/// Writes the line.
pub fn log_end(cookie: i64, label: &[u8], query: &[u8], end: &End) -> Result<()> {
    let (user, database) = frontend::names();
    let line = LogLine {
        cookie,
        state: end.state,
        sqlstate: end.sqlstate,
        run_time: run_time(end),
        used: end.used,
        user: &user,
        database: &database,
        label,
    };
    let query = &query[..encoding::clip(query, QUERY_SIZE)];
    let detail = CString::new([b"Query: ", query].concat()).unwrap_or_default();
    activity::log_line(&CString::new(line.text()).unwrap_or_default(), &detail)
}
