//! The job's transaction: when it begins, as whom it runs, and until when it can be called off.

use super::current::Current;
use crate::errors;
use crate::pg::error::Result;
use crate::pg::identity;
use crate::pg::memory::Context;
use crate::pg::params::Bound;
use crate::pg::parse_tree::{Commits, Tree};
use crate::pg::plan_cache::Situation;
use crate::pg::statement::Script;
use crate::pg::{timeout, xact};
use logic::job::state::Stop;
use logic::wire::extras::Extras;
use std::hash::{DefaultHasher, Hash, Hasher};

/// No security context: neither a SECURITY DEFINER function nor a restricted operation launched the job.
const UNRESTRICTED: i32 = 0;

/// Arms the job's timeout, which bounds all of it, and then stands in for statement_timeout, which the server applies
/// to each statement. An error if the job was asked to stop already.
pub fn bound(current: &Current) -> Result<()> {
    refuse_if_stopped(current)?;
    timeout::start(current.segment.header().identity.timeout)
}

/// Starts the job's one transaction, binds its parameters and parses its text. `settings` stands for the session's
/// settings, for a plan that is kept; 0 if they are not known.
///
/// Parameters are bound as the user that the job runs as. Suppose that one has come from another database as a text,
/// and is of a domain here: to read it runs the domain's check. Run as the session's user it would do what a SECURITY
/// DEFINER function's owner, who has made that domain, may not do: for whoever calls the function, a superuser say.
pub fn begin<'a>(current: &'a Current, trees: &'a Context, settings: u64) -> Result<Script<'a>> {
    xact::begin()?;
    let identity = &current.segment.header().identity;
    identity::adopt_user(identity.current_user, identity.security_context);
    let params = Bound::new(current.segment.bytes(current.segment.header().params), trees)?;
    Script::prepare(current.segment.sql()?, trees, &current.detail, params, situation(current, settings)?)
}

/// What another job must have in common with this one to use its plan; `None` if no plan is to be kept.
fn situation(current: &Current, settings: u64) -> Result<Option<Situation>> {
    let header = current.segment.header();
    let identity = &header.identity;
    if identity.keeps_plan == 0 || settings == 0 {
        return Ok(None);
    }
    let mut own_settings = DefaultHasher::new();
    Extras::decode(current.segment.bytes(header.extras))?.settings.hash(&mut own_settings);
    Ok(Some(Situation {
        settings,
        own_settings: own_settings.finish(),
        session_user: identity.session_user,
        outer_role: identity.outer_role,
        current_user: identity.current_user,
        security_context: identity.security_context,
    }))
}

/// Takes over current user and security context of the launcher, where they are not those of its session. Inside the
/// transaction.
///
/// A command that ends transactions must not do so with a security context set, so it runs without. That must not let
/// users' code become a role that the launching function's owner could not. Suppose that a SECURITY DEFINER function of
/// a plain role launches CREATE INDEX CONCURRENTLY on an expression: its functions run in the current security context,
/// and without one they could SET ROLE to what the session user may become. So commands whose own text can run users'
/// code are refused, unless that role could become the session user anyway. VACUUM and the like restrict users' code
/// themselves.
///
/// `single` is the job's statement if it has only one; several are one transaction block, in which no command can end
/// it.
pub fn adopt_user(current: &Current, single: Option<Tree>) -> Result<()> {
    let identity = &current.segment.header().identity;
    let mut context = identity.security_context;
    if context != UNRESTRICTED {
        match single.map_or(Commits::No, Tree::commits) {
            Commits::No => {}
            Commits::Yes => context = UNRESTRICTED,
            Commits::AndEvaluates if identity::is_whole(identity)? => context = UNRESTRICTED,
            Commits::AndEvaluates => return Err(errors::concurrently_in_security_definer()),
        }
    }
    identity::adopt_user(identity.current_user, context);
    Ok(())
}

/// May the statement end transactions, as one at a client's top level? A CALL in a SECURITY DEFINER function cannot;
/// nor can one that such a function has launched.
pub fn may_end_transactions(current: &Current, statement: Tree) -> bool {
    current.segment.header().identity.security_context == UNRESTRICTED || !statement.is_procedural()
}

/// Commits. An error, and a rollback to come, if the job was asked to stop.
///
/// What has committed on its own (VACUUM, CREATE INDEX CONCURRENTLY) cannot be called off any more. A procedure that
/// has trapped its cancel can, as far as its last part is concerned: what came after its last commit is rolled back.
pub fn commit(current: &Current, statements: usize, single: Option<Tree>) -> Result<()> {
    refuse_to_commit_if_stopped(current, single)?;
    if statements > 1 {
        xact::end_block()?;
    }
    xact::commit()
}

/// An error if the job is to stop now, unless the statement that has just run has committed on its own, or has done
/// what no rollback undoes. Before a commit.
pub fn refuse_to_commit_if_stopped(current: &Current, statement: Option<Tree>) -> Result<()> {
    let must_commit = || xact::must_commit() || statement.is_some_and(|statement| statement.commits() != Commits::No);
    if current.stop() == Stop::Now && !must_commit() { Err(errors::canceled()) } else { Ok(()) }
}

/// An error if a stop was requested, at whatever strength. Before each statement.
pub fn refuse_if_stopped(current: &Current) -> Result<()> {
    if current.stop() == Stop::No { Ok(()) } else { Err(errors::canceled()) }
}
