//! A job with `autocommit`: each statement is a transaction of its own, unless the text's own BEGIN, COMMIT and the
//! like say otherwise; what psql does with a script, and the server with each statement that psql sends.
//!
//! Invariants: a statement is parsed when those before it have ended. An error ends the job, and leaves what was
//! committed: so the number that the header shows is that of the first statement whose work is not done.

use super::current::{self, Current};
use super::statements::{self, Done, Rows};
use super::transaction;
use crate::errors;
use crate::pg::error::{self, Result};
use crate::pg::parse_tree::Tree;
use crate::pg::parts::Parts;
use crate::pg::{activity, bgworker, xact};
use crate::process;

/// Runs the statements to the end of the text. Outside a transaction, as it ends.
pub fn run(current: &Current, parts: &mut Parts) -> Result<Done> {
    let mut done = Done::default();
    while !parts.is_at_end() {
        let number = done.tags.len() + 1;
        // Shown before it can fail: be it refused, or wrong already for the lexer.
        current.show_statement(number, 0, 0);
        if number > 1 {
            between_statements(current, parts)?;
        }
        transaction::refuse_if_stopped(current)?;
        next(current, parts, &mut done)?;
    }
    if xact::is_open() {
        // The end of a client's session does the same, but there somebody may look at what the client is told.
        error::raise(&errors::open_block())?;
        xact::abort()?;
    }
    current.show_rows(done.rows);
    Ok(done)
}

/// Parses the next statement, runs it, and ends its transaction if it is not in a block.
fn next(current: &Current, parts: &mut Parts, done: &mut Done) -> Result<()> {
    let number = done.tags.len() + 1;
    xact::begin()?;
    current.set_start(0);
    current.set_start(parts.next()?);
    let is_last = parts.is_at_end();
    let script = parts.parse(&current.detail)?;
    let Some(statement) = script.statements().into_iter().next() else {
        return end(current, None);
    };
    let tree = statement.tree();
    statements::check(tree)?;
    current.show_statement(number, if is_last { number } else { 0 }, tree.tag());
    statements::execute(current, script, statement, Rows::of(current, is_last), done)?;
    end(current, Some(tree))?;
    current.end_statement(Some(done.rows));
    Ok(())
}

/// Ends a statement: outside a block its transaction is committed, COMMIT and its like do what they are for. An error,
/// and a rollback to come, if the job was asked to stop; but what has committed on its own, or must be, stays.
fn end(current: &Current, tree: Option<Tree>) -> Result<()> {
    transaction::refuse_to_commit_if_stopped(current, tree)?;
    current::committing(xact::commit)
}

/// What a session does between two commands of its client.
fn between_statements(current: &Current, parts: &Parts) -> Result<()> {
    parts.log_duration(&current.detail)?;
    if xact::is_open() {
        return Ok(());
    }
    activity::report_statistics()?;
    if bgworker::serve_idle()? {
        process::note_reload_in_job();
    }
    Ok(())
}
