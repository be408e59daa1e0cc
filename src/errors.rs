//! The errors that users see, a function each, named by what is wrong: the place to look for a message, its SQLSTATE
//! or its hint.
//!
//! Not here: what only a defect or damage can bring about (XX000, XX001), which stays where it is found; and what the
//! modules of `pg` say about the call or the server in general, for `pg` does not know this module.
//!
//! Messages are in the server's style: lower case, no full stop; details and hints are sentences. Tests compare all
//! of them.

mod map_join;

pub use map_join::*;

use crate::pg::error::{PgError, level, with_names};
use logic::sqlstate;
use logic::wire::report::{Field, Report};
use std::ffi::CStr;

mod at_commit;
mod deadlock;

pub use at_commit::{at_commit_without_registry, not_committed, prepare_with_jobs};
pub use deadlock::{DeadlockedWait, deadlock};

/// An argument that must not be NULL.
#[cold]
pub fn argument_is_null(name: &str) -> PgError {
    PgError::new(sqlstate::NULL_VALUE_NOT_ALLOWED, format!("argument \"{name}\" must not be null"))
}

// --- launching ---

#[cold]
pub fn queue_too_small(min: i32) -> PgError {
    PgError::new(sqlstate::INVALID_PARAMETER_VALUE, format!("queue size must be at least {min} bytes"))
}

#[cold]
pub fn queue_too_large(max: i32) -> PgError {
    PgError::new(sqlstate::INVALID_PARAMETER_VALUE, format!("queue size must not exceed {max} bytes"))
}

#[cold]
pub fn label_too_long(len: usize, max: usize) -> PgError {
    PgError::new(sqlstate::STRING_DATA_RIGHT_TRUNCATION, "label too long")
        .detail(format!("The label has {len} bytes; the maximum is {max}."))
}

/// Text, settings and queue together have more bytes than a segment can have.
#[cold]
pub fn job_too_large() -> PgError {
    PgError::new(sqlstate::INVALID_PARAMETER_VALUE, "background job is too large")
}

#[cold]
pub fn security_restricted() -> PgError {
    PgError::new(
        sqlstate::INSUFFICIENT_PRIVILEGE,
        "cannot launch a background job within security-restricted operation",
    )
}

/// The settings of a job are JSON, but no object.
#[cold]
pub fn settings_not_an_object() -> PgError {
    PgError::new(sqlstate::INVALID_PARAMETER_VALUE, "settings must be a JSON object")
        .hint("Give names and values, as in {\"work_mem\": \"1GB\", \"enable_seqscan\": false}.")
}

/// The value is an array, an object or null.
#[cold]
pub fn setting_without_value(name: &[u8]) -> PgError {
    let message = with_names("value of setting \"{}\" must be a string, a number or a boolean", &[name]);
    PgError::new(sqlstate::INVALID_PARAMETER_VALUE, message).hint(
        "A list of names is one string, as in {\"search_path\": \"a, b\"}. A setting that is left out is inherited.",
    )
}

#[cold]
pub fn setting_of_transaction(name: &[u8]) -> PgError {
    setting_refused(name).hint("Set the default_transaction parameter of that kind, or use SET TRANSACTION in the job.")
}

#[cold]
pub fn setting_of_user(name: &[u8]) -> PgError {
    setting_refused(name).hint("A job runs as the role that launches it. It can use SET ROLE.")
}

fn setting_refused(name: &[u8]) -> PgError {
    PgError::new(sqlstate::FEATURE_NOT_SUPPORTED, with_names("parameter \"{}\" cannot be set for a job", &[name]))
}

#[cold]
pub fn timeout_not_positive() -> PgError {
    PgError::new(sqlstate::INVALID_PARAMETER_VALUE, "timeout of a job must be greater than zero")
        .hint("NULL stands for pg_background.worker_timeout.")
}

#[cold]
pub fn timeout_too_long(max: i32) -> PgError {
    PgError::new(sqlstate::INVALID_PARAMETER_VALUE, format!("timeout of a job must not exceed {max} ms"))
}

#[cold]
pub fn no_database(name: &CStr) -> PgError {
    PgError::new(sqlstate::UNDEFINED_DATABASE, with_names("database \"{}\" does not exist", &[name.to_bytes()]))
}

/// A DROP DATABASE of it was interrupted.
#[cold]
pub fn invalid_database(name: &CStr) -> PgError {
    let message = with_names("cannot connect to invalid database \"{}\"", &[name.to_bytes()]);
    PgError::new(sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
        .hint("Use DROP DATABASE to drop invalid databases.")
}

#[cold]
pub fn database_without_connections(name: &CStr) -> PgError {
    let message = with_names("database \"{}\" is not currently accepting connections", &[name.to_bytes()]);
    PgError::new(sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
}

#[cold]
pub fn no_right_to_connect(name: &CStr) -> PgError {
    PgError::new(
        sqlstate::INSUFFICIENT_PRIVILEGE,
        with_names("permission denied for database \"{}\"", &[name.to_bytes()]),
    )
    .detail("User does not have CONNECT privilege.")
}

/// The session tracks as many jobs as `max_workers` allows.
#[cold]
pub fn session_limit(tracked: usize, max_workers: i32) -> PgError {
    PgError::new(sqlstate::CONFIGURATION_LIMIT_EXCEEDED, "too many background workers")
        .detail(format!("This session tracks {tracked} jobs, and pg_background.max_workers is {max_workers}."))
        .hint("Read or detach jobs that have ended, or raise pg_background.max_workers.")
}

/// A limit over all sessions keeps the job out: `setting`, named without prefix, is `limit`, and `running` jobs run
/// in its `scope` (" in database …", " for role …", or empty for the server).
#[cold]
pub fn server_limit(running: u32, scope: &[u8], setting: &str, limit: u32) -> PgError {
    let jobs = if running == 1 { "job runs" } else { "jobs run" };
    PgError::new(sqlstate::CONFIGURATION_LIMIT_EXCEEDED, "too many background jobs")
        .detail(with_names(&format!("{running} {jobs}{{}}, and pg_background.{setting} is {limit}."), &[scope]))
        .hint(format!(
            "Wait until jobs have ended, set pg_background.launch_timeout, or raise pg_background.{setting}."
        ))
}

const DISABLED: &str = "background jobs are disabled";

/// `pg_background.enabled` is off.
#[cold]
pub fn disabled() -> PgError {
    PgError::new(sqlstate::CONFIGURATION_LIMIT_EXCEEDED, DISABLED)
        .hint("Jobs can be launched when the configuration has set pg_background.enabled to on.")
}

/// `max_worker_processes` is used up.
#[cold]
pub fn no_process_slot() -> PgError {
    PgError::new(sqlstate::INSUFFICIENT_RESOURCES, "could not register background process")
        .hint("You may need to increase max_worker_processes.")
}

/// The process that was to run the job ended before it had it, or never started.
#[cold]
pub fn process_not_started() -> PgError {
    PgError::new(sqlstate::INSUFFICIENT_RESOURCES, "could not start background process")
        .hint("More details may be available in the server log.")
}

/// Is this one of the errors of a launch for which there was no room or no process? Not if the server has thrown it,
/// nor if no launch is wanted.
pub fn is_exhaustion(error: &PgError) -> bool {
    let limits = [sqlstate::CONFIGURATION_LIMIT_EXCEEDED, sqlstate::INSUFFICIENT_RESOURCES];
    error.own_sqlstate().is_some_and(|sqlstate| limits.contains(&sqlstate))
        && error.report().message() != DISABLED.as_bytes()
}

// --- naming a job ---

/// This session does not track the job, or has given it up.
#[cold]
pub fn not_attached(pid: i32) -> PgError {
    PgError::new(sqlstate::UNDEFINED_OBJECT, format!("PID {pid} is not attached to this session"))
}

/// The cookie of a handle is not that of any job with its pid: as 1.8 words it when a result is read.
#[cold]
pub fn read_with_wrong_cookie(pid: i32) -> PgError {
    PgError::new(sqlstate::UNDEFINED_OBJECT, format!("PID {pid} is not attached to this session (cookie mismatch)"))
}

/// The same, as 1.8 words it everywhere else.
#[cold]
pub fn wrong_cookie(pid: i32) -> PgError {
    PgError::new(sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE, format!("cookie mismatch for PID {pid}")).hint(
        "The worker may have been replaced by another with the same PID. Use the handle that the launch returned.",
    )
}

/// An element of an array of handles is NULL, or has a NULL.
#[cold]
pub fn null_handle() -> PgError {
    PgError::new(sqlstate::NULL_VALUE_NOT_ALLOWED, "job handle must not be null")
}

/// `name` is the argument.
#[cold]
pub fn negative_interval(name: &str) -> PgError {
    PgError::new(sqlstate::INVALID_PARAMETER_VALUE, format!("{name} must not be negative"))
}

/// The caller has not the privileges of the job's role.
#[cold]
pub fn permission_denied(pid: i32) -> PgError {
    PgError::new(
        sqlstate::INSUFFICIENT_PRIVILEGE,
        format!("permission denied for background worker with PID \"{pid}\""),
    )
}

// --- reading a job ---

/// The result was read before, or the rows of a read that failed are lost.
#[cold]
pub fn already_consumed(pid: i32) -> PgError {
    PgError::new(sqlstate::UNDEFINED_OBJECT, format!("results for PID {pid} have already been consumed"))
}

#[cold]
pub fn results_disabled(pid: i32, why: &str) -> PgError {
    PgError::new(sqlstate::FEATURE_NOT_SUPPORTED, format!("results are disabled for PID {pid} ({why})"))
}

/// The job returned command tags, and other columns were declared for them.
#[cold]
pub fn no_text_column_for_tags() -> PgError {
    PgError::new(
        sqlstate::DATATYPE_MISMATCH,
        "remote query did not return a result set, but result rowtype is not a single text column",
    )
}

/// The job was launched by another session, or this one has long forgotten it.
#[cold]
pub fn rows_of_another_session(pid: i32) -> PgError {
    PgError::new(
        sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("results for PID {pid} cannot be read by this session"),
    )
    .hint("Only the session that launched a job can read its results.")
}

#[cold]
pub fn no_rows_wanted() -> PgError {
    PgError::new(sqlstate::INVALID_PARAMETER_VALUE, "max_rows must be greater than zero")
}

/// The worker process ended without an outcome of the job: the outcome that the job gets then.
#[cold]
pub fn lost_worker(pid: i32) -> Report {
    let message = format!("lost connection to worker process with PID {pid}");
    Report::new(level::ERROR, sqlstate::CONNECTION_FAILURE, message)
}

// --- other functions ---

#[cold]
pub fn list_declared_differently() -> PgError {
    PgError::new(
        sqlstate::DATATYPE_MISMATCH,
        "column definition list does not match the columns of pg_background_list_v2",
    )
    .hint(
        "Declare pid int4, cookie int8, launched_at timestamptz, user_id oid, queue_size int4, state text, \
         sql_preview text, last_error text, consumed bool, and label text, which may be left out.",
    )
}

#[cold]
pub fn progress_outside_of_a_job() -> PgError {
    PgError::new(sqlstate::FEATURE_NOT_SUPPORTED, "pg_background_progress can only be called from a background worker")
}

#[cold]
pub fn not_preloaded() -> PgError {
    PgError::new(
        sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
        "pg_background must be loaded via \"shared_preload_libraries\"",
    )
}

/// The registry was made by a library whose registry has another layout.
#[cold]
pub fn registry_of_another_version() -> PgError {
    PgError::new(
        sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
        "shared memory was written by another version of pg_background",
    )
    .hint("The library was exchanged while the server runs: restart it.")
}

// --- running a job ---

/// A job without autocommit is one transaction, and cannot end it.
#[cold]
pub fn transaction_control() -> PgError {
    PgError::new(sqlstate::FEATURE_NOT_SUPPORTED, "transaction control statements are not allowed in pg_background")
        .hint(
            "A job is one transaction, unless it is launched with autocommit. A procedure that commits can be run with CALL as the job's only statement.",
        )
}

/// A job has no client that could send rows.
#[cold]
pub fn copy_from_client() -> PgError {
    PgError::new(sqlstate::FEATURE_NOT_SUPPORTED, "COPY FROM STDIN is not supported in pg_background").hint(
        "A job has no client. Use COPY FROM a file or program, INSERT ... SELECT, or a statement with parameters.",
    )
}

/// The planner expects a statement to cost more than `max_plan_cost` allows.
pub fn plan_cost(cost: f64, limit: f64) -> PgError {
    PgError::new(
        sqlstate::CONFIGURATION_LIMIT_EXCEEDED,
        "statement is expected to cost more than pg_background.max_plan_cost allows",
    )
    .detail(format!("The planner estimates a total cost of {cost:.2}, and the limit is {limit:.2}."))
    .hint(
        "Make the statement cheaper, or have a superuser raise pg_background.max_plan_cost where the job is launched.",
    )
}

/// COPY FROM STDIN or TO STDOUT where no worker was to be had and the text runs in the caller's transaction.
#[cold]
pub fn copy_inline() -> PgError {
    PgError::new(
        sqlstate::FEATURE_NOT_SUPPORTED,
        "COPY from or to the client is not supported in the caller's transaction",
    )
    .hint("In a background worker COPY TO STDOUT returns its lines as the rows of the job.")
}

/// The job returns more rows than `max_result_rows` allows.
#[cold]
pub fn too_many_rows(limit: u64) -> PgError {
    PgError::new(
        sqlstate::CONFIGURATION_LIMIT_EXCEEDED,
        format!("job returns more rows than pg_background.max_result_rows ({limit})"),
    )
}

/// The text of an autocommit job has ended in a transaction block.
#[cold]
pub fn open_block() -> Report {
    let mut report =
        Report::new(level::WARNING, sqlstate::ACTIVE_SQL_TRANSACTION, "the job's text ends in a transaction block");
    report.set(Field::Detail, "The transaction is rolled back.");
    report.set(Field::Hint, "End the block with COMMIT.");
    report
}

/// In the server's words.
#[cold]
pub fn canceled() -> PgError {
    PgError::new(sqlstate::QUERY_CANCELED, "canceling statement due to user request")
}

/// A job has more unread results on disk than `spool_limit` allows; kilobytes.
#[cold]
pub fn spool_limit(limit: u32) -> PgError {
    PgError::new(
        sqlstate::CONFIGURATION_LIMIT_EXCEEDED,
        format!("unread results of the background job exceed pg_background.spool_limit ({limit}kB)"),
    )
    .hint(
        "Read the job while it runs, raise pg_background.spool_limit, or set it to 0 to let the job wait for its reader.",
    )
}

/// In the server's words.
#[cold]
pub fn temp_file_limit(limit: i32) -> PgError {
    PgError::new(
        sqlstate::CONFIGURATION_LIMIT_EXCEEDED,
        format!("temporary file size exceeds temp_file_limit ({limit}kB)"),
    )
}
