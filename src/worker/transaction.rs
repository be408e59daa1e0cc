//! The job's transaction: as whom it runs, when it begins, and until when it can be called off.

use super::current::{self, Current};
use crate::errors;
use crate::pg::error::Result;
use crate::pg::identity;
use crate::pg::memory::Context;
use crate::pg::params::Bound;
use crate::pg::parse_tree::Tree;
use crate::pg::plan_cache::Situation;
use crate::pg::statement::Script;
use crate::pg::{lasting_user, timeout, xact};
use logic::job::state::Stop;
use logic::wire::extras::Extras;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Takes over current user and security context of the launcher, where they are not those of its session: a SECURITY
/// DEFINER function has launched the job. Outside a transaction, when the session is the launcher's. They last over all
/// transactions of the job, until [`leave_user`]: whatever ends transactions (a procedure, VACUUM, CREATE INDEX
/// CONCURRENTLY) goes on as the function's owner, who cannot become the session's user.
pub fn adopt_user(current: &Current) -> Result<()> {
    let identity = &current.segment.header().identity;
    if identity::is_adopted(identity) {
        lasting_user::adopt(identity.current_user, identity.security_context)?;
    }
    Ok(())
}

/// The process acts as its session's user again. Outside a transaction; also where nothing was taken over.
pub fn leave_user() {
    lasting_user::leave();
}

/// Arms the job's timeout, which bounds all of it, and then stands in for statement_timeout, which the server applies
/// to each statement. An error if the job was asked to stop already.
pub fn bound(current: &Current) -> Result<()> {
    refuse_if_stopped(current)?;
    timeout::start(current.segment.header().identity.timeout)
}

/// Starts the job's one transaction, binds its parameters and parses its text. `settings` stands for the session's
/// settings, for a plan that is kept; 0 if they are not known.
///
/// Parameters are bound as the user that the job runs as ([`adopt_user`] comes before). Suppose that one has come from
/// another database as a text, and is of a domain here: to read it runs the domain's check. Run as the session's user
/// it would do what a SECURITY DEFINER function's owner, who has made that domain, may not do: for whoever calls the
/// function, a superuser say.
pub fn begin<'a>(current: &'a Current, trees: &'a Context, settings: u64) -> Result<Script<'a>> {
    xact::begin()?;
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

/// Commits. An error, and a rollback to come, if the job was asked to stop.
///
/// What has committed on its own (VACUUM, CREATE INDEX CONCURRENTLY) cannot be called off any more. A procedure that
/// has trapped its cancel can, as far as its last part is concerned: what came after its last commit is rolled back.
pub fn commit(current: &Current, statements: usize, single: Option<Tree>) -> Result<()> {
    refuse_to_commit_if_stopped(current, single)?;
    if statements > 1 {
        xact::end_block()?;
    }
    current::committing(xact::commit)
}

/// An error if the job is to stop now, unless the statement that has just run has committed on its own, or has done
/// what no rollback undoes. Before a commit.
pub fn refuse_to_commit_if_stopped(current: &Current, statement: Option<Tree>) -> Result<()> {
    let must_commit = || xact::must_commit() || statement.is_some_and(Tree::commits);
    if current.stop() == Stop::Now && !must_commit() { Err(errors::canceled()) } else { Ok(()) }
}

/// An error if a stop was requested, at whatever strength. Before each statement.
pub fn refuse_if_stopped(current: &Current) -> Result<()> {
    if current.stop() == Stop::No { Ok(()) } else { Err(errors::canceled()) }
}
