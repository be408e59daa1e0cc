//! What others see of a session's work: pg_stat_activity, statistics, the server log.

use super::compat_session as compat;
use super::error::{self, Result};
use super::guard::guard;
use super::sys;
use logic::wire::report::Report;
use std::ffi::{CStr, c_char};
use std::ptr;
use std::sync::atomic::{AtomicI64, Ordering};

/// Shows that the session is idle. The statement has ended, and its text may go. Outside a transaction.
pub fn report_idle() {
    // SAFETY: outside a transaction.
    let _ = guard(|| unsafe {
        sys::pgstat_report_activity(sys::BackendState_STATE_IDLE, ptr::null());
        sys::debug_query_string = ptr::null();
    });
}

/// What a session does before it waits for its next command, without waiting for more to come: the next job is not to
/// see this job's counts in pg_stat_xact_*. Outside a transaction.
///
/// Where statistics are messages, one makes a short job take half as long again. A job that has touched no block and
/// counts no functions has nothing that the next one could see, but scans of tables without a block; its transaction's
/// count may wait.
pub fn send_statistics() -> Result<()> {
    static SENT: AtomicI64 = AtomicI64::new(0);
    let force = !compat::STATISTICS_ARE_MESSAGES || {
        // SAFETY: reads variables.
        let (blocks, counts_functions) = unsafe {
            let used = &raw const sys::pgBufferUsage;
            let shared = (*used).shared_blks_hit + (*used).shared_blks_read;
            let local = (*used).local_blks_hit + (*used).local_blks_read;
            let functions =
                sys::pgstat_track_functions as sys::TrackFunctionsLevel != sys::TrackFunctionsLevel_TRACK_FUNC_OFF;
            (shared + local, functions)
        };
        SENT.swap(blocks, Ordering::Relaxed) != blocks || counts_functions
    };
    // SAFETY: no transaction is open.
    guard(|| unsafe {
        sys::pgstat_report_stat(force);
    })
}

/// Hands over what the transactions since the last time have counted, as often as a session does it between two
/// commands of its client. Outside a transaction.
pub fn report_statistics() -> Result<()> {
    // SAFETY: no transaction is open.
    guard(|| unsafe {
        sys::pgstat_report_stat(false);
    })
}

/// The statement of the process with that pid, or what the server says where it has none to show. Rights are not
/// checked here.
pub fn statement_of(pid: i32) -> Result<Vec<u8>> {
    // SAFETY: a C string: a copy in the current memory context, or a constant of the server's.
    let text = guard(|| unsafe { sys::pgstat_get_backend_current_activity(pid, false) })?;
    // SAFETY: as above.
    Ok(unsafe { CStr::from_ptr(text) }.to_bytes().to_vec())
}

/// Writes a message of level DEBUG1.
pub fn debug(text: &str) -> Result<()> {
    error::raise(&Report::new(error::level::DEBUG1, 0, text))
}

/// Logs a job's text as the server logs a client's statement, plus which job it is.
///
/// # Safety
/// C strings. Can throw: to be called in a guard.
pub(super) unsafe fn log_statement(sql: *const c_char, detail: *const c_char) {
    // SAFETY: promised by the caller; the format takes one string.
    unsafe { log(c"statement: %s".as_ptr(), sql, ptr::null(), detail) };
}

/// Logs how long it took, when the settings ask for it. `was_logged`: the text has been.
pub(super) fn log_duration(sql: &CStr, was_logged: bool, detail: &CStr) -> Result<()> {
    let mut duration = [0 as c_char; 32];
    let (duration, sql, detail) = (duration.as_mut_ptr(), sql.as_ptr(), detail.as_ptr());
    // SAFETY: the buffer is as large as the server wants it; the formats take the strings that they are given.
    guard(|| unsafe {
        match sys::check_log_duration(duration, was_logged) {
            1 => log(c"duration: %s ms".as_ptr(), duration, ptr::null(), detail),
            2 => log(c"duration: %s ms  statement: %s".as_ptr(), duration, sql, detail),
            _ => {}
        }
    })
}

/// Writes a message of level LOG, and a detail that is for the log alone.
pub fn log_line(message: &CStr, detail: &CStr) -> Result<()> {
    let (message, detail) = (message.as_ptr(), detail.as_ptr());
    // SAFETY: the format takes one string.
    guard(|| unsafe { log(c"%s".as_ptr(), message, ptr::null(), detail) })
}

/// Can [`log_duration`] write a line? As far as the settings tell.
pub(super) fn may_log_duration() -> bool {
    // SAFETY: reads variables.
    unsafe {
        sys::log_duration
            || sys::log_min_duration_statement >= 0
            || sys::log_min_duration_sample >= 0
            || sys::xact_is_sampled
    }
}

/// A message of level LOG, without the line that shows the statement.
///
/// # Safety
/// C strings, as many as the format takes; the last may be NULL then. Can throw, as the server's functions can.
unsafe fn log(format: *const c_char, first: *const c_char, second: *const c_char, detail: *const c_char) {
    // SAFETY: promised by the caller; errfinish follows on errstart.
    unsafe {
        if sys::errstart(sys::LOG as i32, ptr::null()) {
            sys::errmsg(format, first, second);
            sys::errhidestmt(true);
            sys::errdetail_log(c"%s".as_ptr(), detail);
            sys::errfinish(c"activity.rs".as_ptr(), line!() as i32, c"log".as_ptr());
        }
    }
}
