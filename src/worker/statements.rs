//! Running the job's statements.

use super::current::Current;
use crate::channel::{Batch, Sender};
use crate::errors;
use crate::pg::dest::{Receiver, Sink};
use crate::pg::error::Result;
use crate::pg::memory::Context;
use crate::pg::statement::{self, Commits, Script, Statement};
use crate::pg::{guc, identity};
use logic::job::state::Stop;
use logic::wire::columns::Column;
use logic::wire::frame::PIECE;

/// What a job that ended well leaves: its command tags, and whether its last statement returned rows.
pub struct Done {
    pub tags: Vec<Vec<u8>>,
    pub has_rows: bool,
}

/// No security context: neither a SECURITY DEFINER function nor a restricted operation launched the job.
const UNRESTRICTED: i32 = 0;

/// Starts the job's transaction and parses its text.
pub fn begin<'a>(current: &'a Current, trees: &'a Context) -> Result<Script<'a>> {
    refuse_if_stopped(current)?;
    // Bounds the whole job and then stands in for statement_timeout, which the server applies to each statement.
    statement::start_timeout(current.segment.header().identity.worker_timeout)?;
    statement::begin()?;
    Script::parse(current.segment.sql()?, trees, &current.detail)
}

/// The job's statements, in one transaction. Its commit is the last thing that can fail.
pub fn run(current: &Current, script: &Script) -> Result<Done> {
    let header = current.segment.header();
    let statements = script.statements();
    let last = statements.len().saturating_sub(1);
    let single = (last == 0).then(|| statements.first().copied()).flatten();
    adopt_user(current, single)?;
    let mut done = Done { tags: Vec::new(), has_rows: false };
    let mut rows_of_last = 0;
    for (i, statement) in statements.iter().enumerate() {
        // Those before have run, as they would have in a client's simple query: the error rolls them back.
        statement.check()?;
        refuse_if_stopped(current)?;
        current.show_statement(i + 1, statements.len(), statement.tag());
        if i > 0 {
            Script::between_statements()?;
        }
        if last > 0 {
            Script::begin_block()?;
        }
        let per_statement = header.identity.worker_timeout == 0;
        if per_statement {
            statement::start_timeout(guc::statement_timeout())?;
        }
        // CALL in a SECURITY DEFINER function cannot end transactions; nor can a job that was launched in one.
        let toplevel = !(header.identity.security_context != UNRESTRICTED && statement.is_procedural());
        let tag = if i == last {
            let mut rows = Rows::new(current);
            let (tag, count) = script.run(*statement, toplevel, Some(&mut Receiver::new(&mut rows)?))?;
            rows.finish()?;
            rows_of_last = count;
            // without a column there is nothing to declare, and so nothing to read but the tag
            done.has_rows = rows.started;
            tag
        } else {
            script.run(*statement, toplevel, None)?.0
        };
        if per_statement {
            statement::stop_timeout()?;
        }
        done.tags.push(tag);
    }
    // What has committed on its own cannot be called off any more. A procedure that trapped its cancel can: what came
    // after its last commit.
    let committed = single.is_some_and(|statement| statement.commits() != Commits::No);
    if current.stop() == Stop::Now && !committed {
        return Err(errors::canceled());
    }
    if last > 0 {
        Script::end_block()?;
    }
    statement::commit()?;
    // a job that fails, be it at its commit, has changed nothing
    current.show_rows(rows_of_last);
    identity::leave_user(&header.identity);
    Ok(done)
}

/// Current user and security context of the launcher, where they are not those of its session.
///
/// A command that ends transactions must not do so with a security context set, so it runs without. That must not let
/// users' code become a role that the launching function's owner could not: what can run such code is refused.
fn adopt_user(current: &Current, single: Option<Statement>) -> Result<()> {
    let identity = &current.segment.header().identity;
    let mut context = identity.security_context;
    if context != UNRESTRICTED {
        match single.map_or(Commits::No, Statement::commits) {
            Commits::No => {}
            Commits::Yes => context = UNRESTRICTED,
            Commits::AndEvaluates if identity::is_whole(identity)? => context = UNRESTRICTED,
            Commits::AndEvaluates => {
                return Err(errors::concurrently_in_security_definer());
            }
        }
    }
    identity::adopt_user(identity.current_user, context);
    Ok(())
}

/// A stop that was asked for before the next statement.
fn refuse_if_stopped(current: &Current) -> Result<()> {
    if current.stop() == Stop::No { Ok(()) } else { Err(errors::canceled()) }
}

/// The last statement's rows on their way to the sender.
struct Rows<'a> {
    current: &'a Current,
    started: bool,
    batch: Batch,
}

impl<'a> Rows<'a> {
    fn new(current: &'a Current) -> Self {
        let queue_size = current.segment.header().queue.len as usize;
        Self { current, started: false, batch: Batch::new(queue_size) }
    }

    fn send(&mut self) -> Result<()> {
        self.current.with_sender(|sender| sender.batch(&mut self.batch))?;
        Ok(())
    }

    /// Everything, notices too, is in the queue then, or nobody reads.
    fn finish(&mut self) -> Result<()> {
        self.send()?;
        if self.started {
            self.current.with_sender(Sender::flush)?;
        }
        Ok(())
    }
}

impl Sink for Rows<'_> {
    fn start(&mut self, columns: &[Column]) -> Result<()> {
        if columns.is_empty() {
            return Ok(());
        }
        self.started = true;
        self.current.with_sender(|sender| sender.description(columns))?;
        Ok(())
    }

    fn row(&mut self, tuple: &[u8]) -> Result<()> {
        if !self.started {
            return Ok(());
        }
        if tuple.len() > PIECE {
            self.send()?;
            self.current.with_sender(|sender| sender.long_row(tuple))?;
        } else if self.batch.add(tuple) {
            self.send()?;
        }
        Ok(())
    }
}
