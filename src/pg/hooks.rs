//! Statements that no idle worker should outlive, seen before they run and when they have committed.

use super::entry::{callback, contain};
use super::error::{self, PgError, Result};
use super::sys;
use logic::sqlstate;
use logic::wire::report::Report;
use std::sync::OnceLock;

/// What is told.
#[derive(Clone, Copy)]
pub struct Watch {
    /// A statement is about to run that needs this database to be without sessions; or one of the others, with 0. May wait.
    pub before: fn(u32) -> Result<()>,
    /// A statement has committed after which no session in this database and of this role (0: of any) is like a new one. May not
    /// wait.
    pub committed: fn(u32, u32) -> Result<()>,
}

static WATCH: OnceLock<Watch> = OnceLock::new();

/// To be called once.
pub fn install(watch: Watch) {
    if WATCH.set(watch).is_ok() {
        // SAFETY: two functions that live as long as the process; one thread.
        unsafe { sys::pgbg_watch_statements(Some(before), Some(committed)) };
    }
}

/// The statement is worth more than the workers: only what would have ended it anyway does.
unsafe extern "C-unwind" fn before(database: sys::Oid) {
    let tell = || match WATCH.get().map_or(Ok(()), |watch| (watch.before)(database)) {
        Err(error) if database != 0 && is_the_users(&error) => Err(error),
        Err(error) => note(&error),
        Ok(()) => Ok(()),
    };
    // SAFETY: called by C, which has no destructor.
    unsafe { callback(tell) }
}

/// The transaction has committed: nothing may fail any more.
unsafe extern "C-unwind" fn committed(database: sys::Oid, role: sys::Oid) {
    let _ = contain(|| {
        if let Err(error) = WATCH.get().map_or(Ok(()), |watch| (watch.committed)(database, role)) {
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
