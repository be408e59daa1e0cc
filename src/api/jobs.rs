//! Waiting for jobs, stopping them, asking about them, by handle: what 3.0 adds.

use crate::errors;
use crate::pg::call::Call;
use crate::pg::error::Result;
use crate::pg::value::Datum;

/// `pg_background_await(job, timeout)`
pub fn pg_background_await(_call: &Call) -> Result<Datum> {
    Err(errors::not_built("await"))
}

/// `pg_background_await_any(jobs, timeout)`
pub fn pg_background_await_any(_call: &Call) -> Result<Datum> {
    Err(errors::not_built("await_any"))
}

/// `pg_background_await_all(jobs, timeout)`
pub fn pg_background_await_all(_call: &Call) -> Result<Datum> {
    Err(errors::not_built("await_all"))
}

/// `pg_background_stop(job, grace)`
pub fn pg_background_stop(_call: &Call) -> Result<Datum> {
    Err(errors::not_built("stop"))
}

/// `pg_background_forget(job)`
pub fn pg_background_forget(_call: &Call) -> Result<Datum> {
    Err(errors::not_built("forget"))
}

/// `pg_background_outcome(job)`
pub fn pg_background_outcome(_call: &Call) -> Result<Datum> {
    Err(errors::not_built("outcome"))
}

/// `pg_background_stop_all(label_pattern)`
pub fn pg_background_stop_all(_call: &Call) -> Result<Datum> {
    Err(errors::not_built("stop_all"))
}

/// `pg_background_forget_all(label_pattern)`
pub fn pg_background_forget_all(_call: &Call) -> Result<Datum> {
    Err(errors::not_built("forget_all"))
}

/// `pg_background_forget_ended()`
pub fn pg_background_forget_ended(_call: &Call) -> Result<Datum> {
    Err(errors::not_built("forget_ended"))
}

/// `pg_background_current()`
pub fn pg_background_current(_call: &Call) -> Result<Datum> {
    Err(errors::not_built("current"))
}
