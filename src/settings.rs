//! The settings: a table ([`define`]), and a function for each that reads its present value.

use crate::pg::error::Result;
use crate::pg::guc::{
    Assigned, Bool, Int, Real, Set, Str, Unit, Words, define_bool, define_int, define_limit, define_list, define_real,
    define_switch, define_words, reserve_prefix,
};
use crate::pg::{guc, guc_table, identity, mq};
use logic::registry::door::CommonLimits;
use std::ptr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

static MAX_WORKERS: Int = Int::new();
static DEFAULT_QUEUE_SIZE: Int = Int::new();
static WORKER_TIMEOUT: Int = Int::new();
static MAX_JOBS: Int = Int::new();
static HISTORY_SIZE: Int = Int::new();
static MAX_TOTAL: Int = Int::new();
static MAX_PER_DATABASE: Int = Int::new();
static MAX_PER_ROLE: Int = Int::new();
static LAUNCH_TIMEOUT: Int = Int::new();
static MAX_IDLE: Int = Int::new();
static IDLE_TIMEOUT: Int = Int::new();
static WORKER_MAX_JOBS: Int = Int::new();
static SPIN: Int = Int::new();
static STATELESS: Str = Str::new();
static ON_EXHAUSTION: Int = Int::new();
static MAX_RESULT_ROWS: Int = Int::new();
static MAX_PLAN_COST: Real = Real::new();
static ENABLED: Bool = Bool::new(true);
static SPOOL_LIMIT: Int = Int::new();
static AUTO_PROGRESS: Bool = Bool::new(true);
static PROGRESS_INTERVAL: Int = Int::new();
static OBSERVE_SESSION: Bool = Bool::new(false);
static LOG_MIN_DURATION: Int = Int::new();
static HISTORY_SAVE: Bool = Bool::new(true);

/// In the order of [`OnExhaustion`].
static ON_EXHAUSTION_WORDS: Words<3> = Words::new([c"error".as_ptr(), c"inline".as_ptr(), ptr::null()]);

/// Bytes.
pub const MAX_QUEUE_SIZE: i32 = 256 * 1024 * 1024;

/// So many jobs may a session track.
pub fn max_workers() -> i32 {
    MAX_WORKERS.get()
}

/// Bytes.
pub fn default_queue_size() -> i32 {
    DEFAULT_QUEUE_SIZE.get()
}

/// Milliseconds; 0 is no limit.
pub fn worker_timeout() -> i32 {
    WORKER_TIMEOUT.get()
}

fn unsigned(setting: &Int) -> u32 {
    setting.get().max(0).unsigned_abs()
}

/// The registry has slots for so many jobs.
pub fn max_jobs() -> u32 {
    unsigned(&MAX_JOBS)
}

pub fn history_size() -> u32 {
    unsigned(&HISTORY_SIZE)
}

/// Is the history saved when the server stops?
pub fn history_save() -> bool {
    HISTORY_SAVE.get()
}

/// Milliseconds; -1 is none: see `registry::log_end`.
pub fn log_min_duration() -> i32 {
    LOG_MIN_DURATION.get()
}

/// The limits on running jobs over all sessions, as far as this process has read: `registry::door` knows them better.
pub fn common_limits() -> CommonLimits {
    CommonLimits { total: unsigned(&MAX_TOTAL), per_database: unsigned(&MAX_PER_DATABASE) }
}

/// As many jobs of this session's role may run at a time, over all sessions; 0 is no limit.
pub fn max_workers_per_role() -> u32 {
    unsigned(&MAX_PER_ROLE)
}

/// When this process has read what its settings say of the configuration, in microseconds since 2000-01-01. `None`:
/// they are not what it has read, but a launcher's, or a client, role or database had given one of them a value before
/// the library was there to refuse it.
pub fn read_at() -> Option<i64> {
    Some(guc::read_at()).filter(|at| *at != HIDDEN_AT.load(Relaxed))
}

/// The settings are not what was read, until the configuration is read again: the worker is about to take over a
/// launcher's.
pub fn hide_configuration() {
    HIDDEN_AT.store(guc::read_at(), Relaxed);
}

/// When what is hidden was read; -1: nothing is.
static HIDDEN_AT: AtomicI64 = AtomicI64::new(-1);

/// How long a launch waits for its turn.
pub fn launch_timeout() -> Duration {
    Duration::from_millis(unsigned(&LAUNCH_TIMEOUT).into())
}

pub fn max_idle_workers() -> u32 {
    unsigned(&MAX_IDLE)
}

pub fn idle_timeout() -> Duration {
    Duration::from_millis(unsigned(&IDLE_TIMEOUT).into())
}

/// A worker process runs so many jobs before it makes room for a new one.
pub fn worker_max_jobs() -> i64 {
    WORKER_MAX_JOBS.get().into()
}

/// How long a wait may begin awake; zero is never.
pub fn spin() -> Duration {
    Duration::from_micros(unsigned(&SPIN).into())
}

/// Libraries that keep nothing in a session that a later job could see: names, separated by commas.
pub fn stateless_libraries() -> Vec<u8> {
    STATELESS.get()
}

/// What a synchronous call does when no worker can be had.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum OnExhaustion {
    Error,
    /// It runs the SQL in the caller's own transaction.
    Inline,
}

pub fn on_exhaustion() -> OnExhaustion {
    if ON_EXHAUSTION.get() == 0 { OnExhaustion::Error } else { OnExhaustion::Inline }
}

/// A job that returns more rows fails; `None` is no limit.
pub fn max_result_rows() -> Option<u64> {
    Some(u64::from(unsigned(&MAX_RESULT_ROWS))).filter(|limit| *limit > 0)
}

/// [`MAX_PLAN_COST`] as the job of this process began, as bits; 0 is no limit.
static COST_AT_START: AtomicU64 = AtomicU64::new(0);

/// Notes that a job begins with the present settings.
pub fn note_start_of_job() {
    COST_AT_START.store(MAX_PLAN_COST.get().to_bits(), Relaxed);
}

/// A statement of a job that the planner expects to cost more is refused; 0 is no limit. Inside a transaction.
///
/// The setting is a superuser's, but RESET ALL and DISCARD ALL reset it whoever says them. So the limit that the job
/// began with stays, unless a superuser has another one.
pub fn max_plan_cost() -> Result<f64> {
    let (now, start) = (MAX_PLAN_COST.get(), f64::from_bits(COST_AT_START.load(Relaxed)));
    let is_lower = now > 0.0 && now <= start;
    if start == 0.0 || is_lower || identity::is_superuser()? { Ok(now) } else { Ok(start) }
}

/// Kilobytes that a job may keep on disk of what nobody has read yet; `None`: it waits for its reader.
pub fn spool_limit() -> Option<u32> {
    Some(unsigned(&SPOOL_LIMIT)).filter(|limit| *limit > 0)
}

/// Does a job observe how far its statements are?
pub fn auto_progress() -> bool {
    AUTO_PROGRESS.get()
}

/// Milliseconds from one look to the next.
pub fn progress_interval() -> i32 {
    PROGRESS_INTERVAL.get()
}

/// Is this session observed as a job is? For tests.
pub fn observe_session() -> bool {
    OBSERVE_SESSION.get()
}

/// May jobs be launched, as far as this process has read? `registry::door` knows it better.
pub fn enabled() -> bool {
    ENABLED.get()
}

/// The parameters are told of each value of `pg_background.enabled`, `max_workers_total` and
/// `max_workers_per_database`, before it holds.
#[allow(clippy::too_many_lines)] // a table
pub fn define<Enabled, MaxTotal, MaxPerDatabase>() -> Result<()>
where
    Enabled: Assigned<bool>,
    MaxTotal: Assigned<i32>,
    MaxPerDatabase: Assigned<i32>,
{
    const MAX: i32 = i32::MAX;
    let in_file =
        [c"pg_background.enabled", c"pg_background.max_workers_total", c"pg_background.max_workers_per_database"];
    if guc_table::are_hidden(&in_file)? {
        hide_configuration();
    }
    let queue_size = [65536, mq::minimum_size() as i32, MAX_QUEUE_SIZE];
    for (variable, name, description, values, unit, set) in [
        (
            &MAX_WORKERS,
            c"pg_background.max_workers",
            c"Sets the maximum number of background jobs that a session tracks at a time.",
            [16, 1, 1000],
            Unit::None,
            Set::User,
        ),
        (
            &DEFAULT_QUEUE_SIZE,
            c"pg_background.default_queue_size",
            c"Sets the size of the queue between a background job and its launcher.",
            queue_size,
            Unit::Bytes,
            Set::User,
        ),
        (
            &WORKER_TIMEOUT,
            c"pg_background.worker_timeout",
            c"Sets the maximum run time of a background job; 0 turns it off.",
            [0, 0, MAX],
            Unit::Milliseconds,
            Set::User,
        ),
        (
            &MAX_JOBS,
            c"pg_background.max_jobs",
            c"Sets the maximum number of background jobs of all sessions at a time.",
            [256, 1, logic::registry::layout::MAX_JOBS as i32],
            Unit::None,
            Set::AtStart,
        ),
        (
            &HISTORY_SIZE,
            c"pg_background.history_size",
            c"Sets the number of background jobs that are remembered after their end.",
            [1024, 1, 65536],
            Unit::None,
            Set::AtStart,
        ),
        (
            &MAX_PER_ROLE,
            c"pg_background.max_workers_per_role",
            c"Sets the maximum number of background jobs of a role that run at a time; 0 is no limit.",
            [0, 0, MAX],
            Unit::None,
            Set::Superuser,
        ),
        (
            &LAUNCH_TIMEOUT,
            c"pg_background.launch_timeout",
            c"Sets how long a launch waits for a place to run its job; 0 fails at once.",
            [0, 0, MAX],
            Unit::Milliseconds,
            Set::User,
        ),
        (
            &MAX_IDLE,
            c"pg_background.max_idle_workers",
            c"Sets the maximum number of worker processes that are kept for later jobs; 0 starts a new one for each job.",
            [2, 0, 262_143],
            Unit::None,
            Set::InFile,
        ),
        (
            &IDLE_TIMEOUT,
            c"pg_background.idle_timeout",
            c"Sets how long an idle worker process waits for its next job.",
            [5000, 0, MAX],
            Unit::Milliseconds,
            Set::InFile,
        ),
        (
            &WORKER_MAX_JOBS,
            c"pg_background.worker_max_jobs",
            c"Sets the maximum number of jobs that a worker process runs before it ends.",
            [10_000, 1, MAX],
            Unit::None,
            Set::InFile,
        ),
        (
            &SPIN,
            c"pg_background.spin_us",
            c"Sets how many microseconds a wait for a worker or its job may stay awake; 0 is never.",
            [100, 0, 10_000],
            Unit::None,
            Set::User,
        ),
        (
            &MAX_RESULT_ROWS,
            c"pg_background.max_result_rows",
            c"Sets the maximum number of rows that a background job returns; 0 is no limit.",
            [0, 0, MAX],
            Unit::None,
            Set::User,
        ),
        (
            &SPOOL_LIMIT,
            c"pg_background.spool_limit",
            c"Sets how much a background job may keep on disk of results that are not read yet; 0 makes it wait.",
            [1 << 20, 0, MAX],
            Unit::Kilobytes,
            Set::User,
        ),
        (
            &PROGRESS_INTERVAL,
            c"pg_background.progress_interval",
            c"Sets how often a background job looks how far its statement is.",
            [100, 1, 3_600_000],
            Unit::Milliseconds,
            Set::Superuser,
        ),
        (
            &LOG_MIN_DURATION,
            c"pg_background.log_min_duration",
            c"Sets the minimum run time of background jobs whose end is logged; those that fail are, too; -1 turns it off.",
            [-1, -1, MAX],
            Unit::Milliseconds,
            Set::Superuser,
        ),
    ] {
        define_int(variable, name, description, values, unit, set)?;
    }
    define_limit::<MaxTotal>(
        &MAX_TOTAL,
        c"pg_background.max_workers_total",
        c"Sets the maximum number of background jobs that run at a time; 0 is no limit.",
        Set::InFile,
    )?;
    define_limit::<MaxPerDatabase>(
        &MAX_PER_DATABASE,
        c"pg_background.max_workers_per_database",
        c"Sets the maximum number of background jobs that run in a database at a time; 0 is no limit.",
        Set::InFile,
    )?;
    define_real(
        &MAX_PLAN_COST,
        c"pg_background.max_plan_cost",
        c"Sets the planner's cost beyond which a statement of a background job is refused; 0 is no limit.",
        [0.0, 0.0, f64::MAX],
        Set::Superuser,
    )?;
    define_words(
        &ON_EXHAUSTION,
        c"pg_background.on_exhaustion",
        c"Sets what pg_background_exec and _query do when no worker can be had.",
        &ON_EXHAUSTION_WORDS,
        Set::User,
    )?;
    define_bool(
        &AUTO_PROGRESS,
        c"pg_background.auto_progress",
        c"Shows how far the statements of background jobs are.",
        Set::User,
    )?;
    define_bool(
        &OBSERVE_SESSION,
        c"pg_background.observe_session",
        c"Observes the statements of the session as those of a job, and shows nothing. For tests.",
        Set::Superuser,
    )?;
    define_bool(
        &HISTORY_SAVE,
        c"pg_background.history_save",
        c"Saves the history of background jobs when the server stops.",
        Set::InFile,
    )?;
    define_switch::<Enabled>(
        &ENABLED,
        c"pg_background.enabled",
        c"Allows background jobs to be launched.",
        Set::InFile,
    )?;
    // Set in the file alone: all processes judge alike, whatever a launcher has set, and no job can change the
    // verdict about the worker that it runs in.
    define_list(
        &STATELESS,
        c"pg_background.stateless_libraries",
        c"Names libraries that keep nothing in a session that a later job could see.",
        Set::InFile,
    )?;
    reserve_prefix(c"pg_background")
}
