//! The settings of 1.8.

use crate::pg::error::Result;
use crate::pg::guc::{Int, Unit, define_int, reserve_prefix};
use crate::pg::mq;

static MAX_WORKERS: Int = Int::new();
static DEFAULT_QUEUE_SIZE: Int = Int::new();
static WORKER_TIMEOUT: Int = Int::new();

/// Bytes.
pub const MAX_QUEUE_SIZE: i32 = 256 * 1024 * 1024;

/// As many jobs as a session may track.
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

pub fn define() -> Result<()> {
    define_int(
        &MAX_WORKERS,
        c"pg_background.max_workers",
        c"Sets the maximum number of background jobs that a session tracks at a time.",
        [16, 1, 1000],
        Unit::None,
    )?;
    define_int(
        &DEFAULT_QUEUE_SIZE,
        c"pg_background.default_queue_size",
        c"Sets the size of the queue between a background job and its launcher.",
        [65536, mq::minimum_size() as i32, MAX_QUEUE_SIZE],
        Unit::Bytes,
    )?;
    define_int(
        &WORKER_TIMEOUT,
        c"pg_background.worker_timeout",
        c"Sets the maximum run time of a background job; 0 turns it off.",
        [0, 0, i32::MAX],
        Unit::Milliseconds,
    )?;
    reserve_prefix(c"pg_background")
}
