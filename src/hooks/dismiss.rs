//! Dismisses idle workers that a statement would find in its way, or that are outdated after it.
//!
//! *Before* a statement that needs a database without sessions (to drop, copy, move or rename it): the workers in that
//! database, if the user may do so at all, and the statement may be run here.
//!
//! *After the commit* of a statement that changes what a new session would be like, or that ends a role or changes this
//! extension: the workers of all sessions that it concerns. A statement that fails, changes nothing, or is rolled back,
//! by itself or with a subtransaction around it, does not count. A transaction that is prepared bears a mark: the
//! session that commits it, perhaps after a restart, does not know what it has done, and dismisses all workers if any
//! prepared transaction bears one.

use crate::pg::catalog;
use crate::pg::error::{self, PgError, Result};
use crate::pg::hooks::utility::{Command, UtilityHook};
use crate::pg::locks::{self, Mark};
use crate::pg::parse_tree::{Role, Utility};
use crate::pg::xact::{self, End};
use crate::registry;
use logic::session::outdated::{Outdated, Pending};
use logic::sqlstate;
use logic::wire::report::Report;
use parking_lot::Mutex;
use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

const EXTENSION: &CStr = c"pg_background";

/// Of the transaction that is open here.
static PENDING: Mutex<Pending> = Mutex::new(Pending::new());

pub struct Dismiss;

/// What is to be done after the statement.
#[derive(Clone, Copy)]
pub struct Memo {
    outdated: Option<Outdated>,
    is_marked: bool,
}

impl UtilityHook for Dismiss {
    type Memo = Memo;
    type Frame = ();

    /// Asks before the statement runs: afterwards, what it has dropped has no name.
    fn before(command: Command) -> Result<Memo> {
        let utility = command.statement.utility();
        let in_the_way = database_to_empty(&utility, command)?;
        let outdated = outdated_by(&utility)?;
        // COMMIT PREPARED is in no transaction that can be prepared. With a mark of its own, another COMMIT PREPARED at
        // the same time would take it for that of a prepared transaction.
        let is_marked = outdated.is_some() && locks::can_prepare() && !matches!(utility, Utility::CommitPrepared);
        if let Some(database) = in_the_way {
            empty(database)?;
        }
        Ok(Memo { outdated, is_marked })
    }

    fn after(memo: Memo) -> Result<()> {
        if memo.is_marked {
            Mark::EXTENSION.set()?;
        }
        memo.outdated.map_or(Ok(()), note)
    }
}

/// The database that must have no sessions.
fn database_to_empty(utility: &Utility, command: Command) -> Result<Option<u32>> {
    let name = match utility {
        Utility::RenameDatabase(name) => name,
        // the others are refused there
        _ if command.is_in_block() => return Ok(None),
        Utility::CreateDatabase(options) => {
            let template = catalog::database(options.get(c"template")?.unwrap_or(c"template1"))?;
            return Ok(match template {
                Some(database) if may_copy(database)? => Some(database),
                _ => None,
            });
        }
        Utility::DropDatabase(name) => name,
        Utility::AlterDatabase(name, options) if options.get(c"tablespace")?.is_some() => name,
        _ => return Ok(None),
    };
    Ok(match catalog::database(name)? {
        Some(database) if catalog::owns_database(database)? => Some(database),
        _ => None,
    })
}

/// May the user make databases of that one?
fn may_copy(database: u32) -> Result<bool> {
    Ok(catalog::may_create_databases()? && (catalog::owns_database(database)? || catalog::is_template(database)?))
}

/// The sessions that are not like new ones once the statement has committed.
fn outdated_by(utility: &Utility) -> Result<Option<Outdated>> {
    Ok(match utility {
        Utility::SetForDatabase(name) => catalog::database(name)?.map(|database| Outdated { database, role: 0 }),
        Utility::SetForRole(role, database) => of_role_in(*role, *database)?,
        Utility::AlterRole(role) => of_role_in(Some(*role), None)?,
        Utility::DropRoles(names) => all_if(any(names, |name| Ok(catalog::role(name)?.is_some()))?),
        // this one, or another one that is prepared: of neither does this session know what it has done
        Utility::CommitPrepared => all_if(locks::can_prepare() && Mark::EXTENSION.is_set_elsewhere()?),
        Utility::AlterExtension(name) => all_if(*name == EXTENSION),
        Utility::DropExtensions(names) => {
            all_if(names.contains(&EXTENSION) && catalog::extension(EXTENSION)?.is_some())
        }
        _ => None,
    })
}

/// Sessions of the role, in the database. What does not exist makes the statement fail.
fn of_role_in(role: Option<Role>, database: Option<&CStr>) -> Result<Option<Outdated>> {
    let mut outdated = Outdated::ALL;
    if let Some(role) = role {
        let Some(role) = catalog::role_of(role)? else { return Ok(None) };
        outdated.role = role;
    }
    if let Some(name) = database {
        let Some(database) = catalog::database(name)? else { return Ok(None) };
        outdated.database = database;
    }
    Ok(Some(outdated))
}

fn all_if(condition: bool) -> Option<Outdated> {
    condition.then_some(Outdated::ALL)
}

fn any(names: &[&CStr], mut is: impl FnMut(&CStr) -> Result<bool>) -> Result<bool> {
    for name in names {
        if is(name)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Dismisses the workers in the database. Our errors must not fail the user's statement, and are logged at DEBUG1,
/// apart from a cancel and out of memory, which would have ended it anyway.
fn empty(database: u32) -> Result<()> {
    match registry::dismiss_before(database) {
        Err(error) if matches!(error.report().sqlstate, sqlstate::QUERY_CANCELED | sqlstate::OUT_OF_MEMORY) => {
            Err(error)
        }
        done => logged(done),
    }
}

fn logged(done: Result<()>) -> Result<()> {
    match done {
        Err(error) => log(&error),
        Ok(()) => Ok(()),
    }
}

fn log(error: &PgError) -> Result<()> {
    let mut message = b"pg_background could not dismiss its idle workers: ".to_vec();
    message.extend_from_slice(error.report().message());
    error::raise(&Report::new(error::level::DEBUG1, sqlstate::INTERNAL_ERROR, message))
}

/// The statement has succeeded: what is outdated by it is dismissed if and when the transaction commits.
fn note(outdated: Outdated) -> Result<()> {
    static WATCHES: AtomicBool = AtomicBool::new(false);
    // only now, so that the transactions of other sessions pay nothing
    if !WATCHES.load(Relaxed) {
        xact::watch(ended)?;
        WATCHES.store(true, Relaxed);
    }
    // what the commit will need is attached here, where it can still fail
    logged(registry::dismiss_before(0))?;
    PENDING.lock().add(xact::subtransaction(), outdated);
    Ok(())
}

/// In the midst of a transaction's end: nothing may fail any more, nor wait.
fn ended(end: End) {
    // It is held only where `note` has run out of memory, which has ended the session.
    let Some(mut pending) = PENDING.try_lock() else { return };
    match end {
        End::SubtransactionAborted { id } => pending.aborted(id),
        End::SubtransactionCommitted { id, parent } => pending.committed(id, parent),
        End::Gone => pending.clear(),
        End::Committed => {
            let outdated = pending.take();
            drop(pending);
            if let Some(Outdated { database, role }) = outdated {
                let _ = logged(registry::dismiss_at_commit(database, role));
            }
        }
    }
}
