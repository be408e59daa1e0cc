//! Where the server calls Rust.

use super::declaration::{self, Form};
use super::error::{PgError, Result, Thrown};
use super::sys;
use logic::sqlstate;
use std::any::Any;
use std::io::Write;
use std::panic::{self, AssertUnwindSafe};

/// Runs Rust code that has destructors; what comes back has none.
#[inline(never)]
pub(super) fn contain<R: Copy>(body: impl FnOnce() -> Result<R>) -> std::result::Result<R, Thrown> {
    attempt(body).map_err(PgError::into_thrown)
}

/// Makes a panic an error, where the caller goes on all the same.
pub fn attempt<R>(body: impl FnOnce() -> Result<R>) -> Result<R> {
    panic::catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| Err(panicked(&*payload)))
}

#[cold]
fn panicked(payload: &(dyn Any + Send)) -> PgError {
    let what = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("unknown panic");
    PgError::new(sqlstate::INTERNAL_ERROR, format!("pg_background failed: {what}"))
}

/// The body of an exported SQL function.
///
/// # Safety
/// Called by the server's function manager only.
pub unsafe fn sql_function(fcinfo: sys::FunctionCallInfo, symbol: &str, forms: &'static [Form]) -> sys::Datum {
    let served = contain(|| {
        // SAFETY: the function manager passes a valid call, which outlives this one.
        let (call, form) = unsafe { declaration::check(fcinfo, symbol, forms) }?;
        (form.body)(&call)
    });
    match served {
        Ok(datum) => datum,
        // SAFETY: `contain` left no destructor.
        Err(thrown) => unsafe { thrown.throw() },
    }
}

/// The body of another function that the server calls: callbacks, the worker's main, `_PG_init`.
///
/// # Safety
/// No destructor may be pending in the calling frame.
pub unsafe fn callback<R: Copy>(body: impl FnOnce() -> Result<R>) -> R {
    match contain(body) {
        Ok(value) => value,
        // SAFETY: promised by the caller.
        Err(thrown) => unsafe { thrown.throw() },
    }
}

/// Says where a panic happened, on the server's log: one that cannot unwind aborts the process, and its text with it.
pub fn install_panic_hook() {
    panic::set_hook(Box::new(|info| {
        // not eprintln: a panic in here would abort
        let _ = writeln!(std::io::stderr(), "pg_background: {info}");
    }));
}

pub use super::sys::{Datum, FunctionCallInfo, Pg_finfo_record, Pg_magic_struct};

/// What PG_MODULE_MAGIC would have said.
pub fn magic() -> *const Pg_magic_struct {
    // SAFETY: returns a constant.
    unsafe { sys::pgbg_magic() }
}

/// What PG_FUNCTION_INFO_V1 would have said.
pub fn finfo() -> *const Pg_finfo_record {
    // SAFETY: returns a constant.
    unsafe { sys::pgbg_finfo_v1() }
}
