//! The job's statements, run as the server runs those of a client's simple query: one after the other, in one
//! transaction.

use super::current::Current;
use super::row_sink::RowSink;
use super::transaction;
use crate::errors;
use crate::pg::dest::RowDestination;
use crate::pg::error::Result;
use crate::pg::parse_tree::Tree;
use crate::pg::statement::Script;
use crate::pg::{guc, identity, timeout, xact};
use logic::segment::header::Identity;

/// What a job that ended well leaves: its command tags, and whether its last statement returned rows.
pub struct Done {
    pub tags: Vec<Vec<u8>>,
    pub has_rows: bool,
}

/// Runs the statements and commits, which is the last thing that can fail. After [`transaction::begin`].
///
/// Rows of the last statement go to the launcher; those of the others are dropped. A statement that a job may not run
/// is refused in its turn: those before it have run, as they would have in a client's query, and the error rolls them
/// back.
pub fn run(current: &Current, script: &Script) -> Result<Done> {
    let statements = script.statements();
    let count = statements.len();
    let single = (count <= 1).then(|| statements.first().map(|statement| statement.tree())).flatten();
    transaction::adopt_user(current, single)?;
    let mut done = Done { tags: Vec::new(), has_rows: false };
    let mut rows_of_last = 0;
    for (i, statement) in statements.into_iter().enumerate() {
        let tree = statement.tree();
        check(tree)?;
        transaction::refuse_if_stopped(current)?;
        current.show_statement(i + 1, count, tree.tag());
        if i > 0 {
            xact::between_statements()?;
        }
        if count > 1 {
            xact::begin_block()?;
        }
        // The job's timeout stands in for statement_timeout
        let is_timed = current.segment.header().identity.has_timed_statements();
        if is_timed {
            timeout::start(guc::statement_timeout())?;
        }
        let toplevel = transaction::may_end_transactions(current, tree);
        let wants_rows = current.segment.header().identity.wants_results == Identity::WANTS_ROWS;
        let tag = if i + 1 == count && wants_rows {
            let mut rows = RowSink::new(current);
            let (tag, counted) = script.run(statement, toplevel, Some(&mut RowDestination::new(&mut rows)?))?;
            rows.finish()?;
            rows_of_last = counted;
            done.has_rows = rows.has_columns();
            tag
        } else {
            let (tag, counted) = script.run(statement, toplevel, None)?;
            rows_of_last = counted;
            tag
        };
        if is_timed {
            timeout::stop()?;
        }
        done.tags.push(tag);
    }
    transaction::commit(current, count, single)?;
    // A job that fails, be it at its commit, has changed nothing: its rows are shown now.
    current.show_rows(rows_of_last);
    identity::leave_user(&current.segment.header().identity);
    Ok(done)
}

/// Refuses a statement that a job may not run.
fn check(statement: Tree) -> Result<()> {
    if statement.is_transaction_control() {
        return Err(errors::transaction_control());
    }
    if statement.is_copy_with_client() {
        return Err(errors::copy_with_client());
    }
    Ok(())
}
