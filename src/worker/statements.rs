//! The job's statements, run as the server runs those of a client's simple query: one after the other, in one
//! transaction. (With a transaction for each: [`super::autocommit`].)

use super::current::Current;
use super::row_sink::RowSink;
use super::transaction;
use crate::errors;
use crate::pg::copy_out;
use crate::pg::dest::RowDestination;
use crate::pg::error::Result;
use crate::pg::parse_tree::Tree;
use crate::pg::statement::{Script, Statement};
use crate::pg::{guc, timeout, xact};
use logic::segment::header::Identity;

/// What the statements that have ended well leave.
#[derive(Default)]
pub struct Done {
    /// Their command tags.
    pub tags: Vec<Vec<u8>>,
    /// Has the last one returned rows?
    pub has_rows: bool,
    /// How many rows the last one has returned or changed.
    pub rows: u64,
}

/// Where the rows of a statement go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// To the launcher: those of the job's last statement.
    Sent,
    /// Nowhere.
    Dropped,
}

impl Rows {
    /// Where the rows of a statement go, which is the job's last or not.
    pub fn of(current: &Current, is_last: bool) -> Self {
        let wants_rows = current.segment.header().identity.wants_results == Identity::WANTS_ROWS;
        if is_last && wants_rows { Self::Sent } else { Self::Dropped }
    }
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
    let mut done = Done::default();
    for (i, statement) in statements.into_iter().enumerate() {
        let tree = statement.tree();
        if i > 0 {
            current.end_statement(None);
        }
        // Before it is refused: the outcome says which one failed.
        current.show_statement(i + 1, count, tree.tag());
        if tree.is_transaction_control() {
            return Err(errors::transaction_control());
        }
        check(tree)?;
        transaction::refuse_if_stopped(current)?;
        if i > 0 {
            xact::between_statements()?;
        }
        if count > 1 {
            xact::begin_block()?;
        }
        let rows = Rows::of(current, i + 1 == count);
        execute(current, script, statement, rows, &mut done)?;
    }
    transaction::commit(current, count, single)?;
    // A job that fails, be it at its commit, has changed nothing: its rows are shown now.
    current.show_rows(done.rows);
    current.end_statement(Some(done.rows));
    Ok(done)
}

/// Runs one statement, inside a transaction, and adds to `done` what it leaves. Its timeout does not bound the commit,
/// as in a session.
pub fn execute(current: &Current, script: &Script, statement: Statement, rows: Rows, done: &mut Done) -> Result<()> {
    // The job's timeout stands in for statement_timeout.
    let is_timed = current.segment.header().identity.has_timed_statements();
    if is_timed {
        timeout::start(guc::statement_timeout())?;
    }
    let (tag, counted) = if rows == Rows::Sent {
        let mut sink = RowSink::new(current);
        let ran = if statement.tree().is_copy_to_client() {
            copy_out::receive(statement.tree(), &mut sink, || script.run(statement, None))?
        } else {
            script.run(statement, Some(&mut RowDestination::new(&mut sink)?))?
        };
        sink.finish()?;
        done.has_rows = sink.has_columns();
        ran
    } else {
        script.run(statement, None)?
    };
    if is_timed {
        timeout::stop()?;
    }
    done.rows = counted;
    done.tags.push(tag);
    Ok(())
}

/// Refuses a statement that no job may run.
pub fn check(statement: Tree) -> Result<()> {
    if statement.is_copy_from_client() { Err(errors::copy_from_client()) } else { Ok(()) }
}
