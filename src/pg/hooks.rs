//! Statements that no idle worker should outlive, seen before they run and when they have committed.

use super::entry::{callback, contain};
use super::error::{self, PgError, Result};
use super::sys;
use crate::model::sqlstate;
use crate::wire::report::Report;
use std::sync::OnceLock;

static DISMISS: OnceLock<fn() -> Result<()>> = OnceLock::new();

/// Has `dismiss` called before such a statement, where it may wait, and after its commit, where it may not:
/// [`may_wait`](super::guard::may_wait) tells which. To be called once.
pub fn install(dismiss: fn() -> Result<()>) {
    if DISMISS.set(dismiss).is_ok() {
        // SAFETY: two functions that live as long as the process; one thread.
        unsafe { sys::pgbg_watch_statements(Some(before), Some(committed)) };
    }
}

fn dismiss() -> Result<()> {
    DISMISS.get().map_or(Ok(()), |dismiss| dismiss())
}

/// The statement is worth more than the workers: only what would have ended it anyway does.
unsafe extern "C-unwind" fn before() {
    let tell = || match dismiss() {
        Err(error) if is_the_users(&error) => Err(error),
        Err(error) => note(&error),
        Ok(()) => Ok(()),
    };
    // SAFETY: called by C, which has no destructor.
    unsafe { callback(tell) }
}

/// The transaction has committed: nothing may fail any more.
unsafe extern "C-unwind" fn committed() {
    let _ = contain(|| {
        if let Err(error) = dismiss() {
            let _ = note(&error);
        }
        Ok(())
    });
}

fn is_the_users(error: &PgError) -> bool {
    matches!(error.report().sqlstate, sqlstate::QUERY_CANCELED | sqlstate::OUT_OF_MEMORY)
}

fn note(error: &PgError) -> Result<()> {
    let mut message = b"pg_background could not dismiss its idle workers: ".to_vec();
    message.extend_from_slice(error.report().message());
    error::raise(&Report::new(error::level::DEBUG1, sqlstate::INTERNAL_ERROR, message))
}
