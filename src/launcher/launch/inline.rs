//! SQL that runs in the caller's own transaction, because no worker can be had (`pg_background.on_exhaustion`).
//!
//! It is no job: nothing knows of it but the call that runs it. What comes of it has the form of a job's result, so
//! that what reads jobs can read it: columns, and rows in batches.

use super::{Options, Results, Transactions, database};
use crate::errors;
use crate::pg::dest::{RowDestination, Sink};
use crate::pg::error::{self, PgError, Result, level};
use crate::pg::foreign_types::Reader;
use crate::pg::latch;
use crate::pg::memory::Context;
use crate::pg::params::Bound;
use crate::pg::set_command::Scope;
use crate::pg::spi::{Refused, Spi};
use crate::pg::spool::{AlignedBuffer, Spool};
use crate::point;
use crate::process::AsJob;
use crate::settings::{self, OnExhaustion};
use logic::sqlstate;
use logic::wire::batch::Batch;
use logic::wire::columns::Column;
use logic::wire::frame::{self, BatchRows, Row};
use logic::wire::report::{Field, Report};
use std::ffi::{CStr, CString};

/// Bytes of a batch times four, as of a job's queue.
const QUEUE_SIZE: usize = 128 << 10;

/// What came of it.
pub struct InlineResult {
    /// The command tags, one for each statement.
    pub tags: Vec<Vec<u8>>,
    /// The columns of the last statement, if it returned any.
    pub columns: Option<Vec<Column>>,
    rows: Spool,
}

impl InlineResult {
    /// Gives each batch of rows to `read`, once.
    pub fn read(&mut self, mut read: impl FnMut(BatchRows) -> Result<()>) -> Result<()> {
        let mut buffer = AlignedBuffer::new();
        point::reach("inline-copy")?;
        while self.rows.next(&mut buffer)? {
            latch::check_for_interrupts()?;
            let (_, count, body) = frame::parse(buffer.bytes())?;
            read(frame::rows(count, body))?;
        }
        Ok(())
    }
}

/// Is the launch, which has failed with this error, to be inline? Only errors that the server has not thrown are let
/// pass, after which the transaction is what it was before the launch.
pub fn is_wanted(error: &PgError, options: &Options) -> Result<bool> {
    let is_possible = settings::on_exhaustion() == OnExhaustion::Inline
        && errors::is_exhaustion(error)
        && options.transactions == Transactions::One;
    let is_here = |name| database::find(name).map(|other| other.is_none());
    Ok(is_possible && options.database.map_or(Ok(true), is_here)?)
}

/// Runs the SQL, after a WARNING with what has kept it from being a job. An error is one of the calling statement.
pub fn run(sql: &[u8], options: &Options, why: &PgError) -> Result<InlineResult> {
    let sql = CString::new(sql).unwrap_or_default();
    warn(why)?;
    // its statements obey the limits of a job's
    let _as_job = AsJob::begin();
    let spi = Spi::connect()?;
    let scope = Scope::begin()?;
    for (name, value) in &options.settings {
        scope.set(name, value)?;
    }
    let mut rows = Rows { columns: None, batch: Batch::new(QUEUE_SIZE), spool: Spool::new()?, count: 0, limit: None };
    let mut tags = Vec::new();
    let statements = spi.parse(&sql).map_err(|error| in_text(&error, &sql))?;
    let count = statements.len();
    let context = Context::new(c"pg_background parameters")?;
    let params = Bound::new(&options.params, &context)?;
    params.check_text(&sql, count)?;
    for n in 0..count {
        let tag = if n + 1 == count && options.results == Results::Kept {
            statements.run(&spi, n, &params, Some(&mut RowDestination::new(&mut rows)?))?
        } else {
            statements.run(&spi, n, &params, None)?
        };
        tags.push(tag.map_err(refusal)?);
    }
    rows.send()?;
    scope.end()?;
    spi.finish()?;
    Ok(InlineResult { tags, columns: rows.columns, rows: rows.spool })
}

/// The error of a text that cannot be parsed, with its position in that text: it would be taken for one in what the
/// client has sent.
fn in_text(error: &PgError, sql: &CStr) -> PgError {
    let mut report = error.report();
    if report.cursor > 0 && report.get(Field::InternalQuery).is_none() {
        report.set(Field::InternalQuery, sql.to_bytes());
        report.internal_cursor = std::mem::take(&mut report.cursor);
    }
    PgError::of(report)
}

fn refusal(refused: Refused) -> PgError {
    match refused {
        Refused::TransactionControl => errors::transaction_control(),
        Refused::CopyWithClient => errors::copy_inline(),
    }
}

fn warn(why: &PgError) -> Result<()> {
    let why = why.report();
    let message = "no background worker can be had: running in the caller's transaction";
    let mut warning = Report::new(level::WARNING, sqlstate::WARNING, message);
    let detail = why.get(Field::Detail).map_or_else(Vec::new, |detail| [b": ", detail].concat());
    let mut text = why.message().to_vec();
    text.extend(detail);
    warning.set(Field::Detail, text);
    error::raise(&warning)
}

/// The rows of the last statement.
struct Rows {
    columns: Option<Vec<Column>>,
    batch: Batch,
    spool: Spool,
    /// Those in the spool.
    count: u64,
    /// More are an error; `None` is no limit.
    limit: Option<u64>,
}

impl Rows {
    /// A batch ends with the first row too many.
    fn begin_batch(&mut self) {
        self.batch.clear();
        if let Some(limit) = self.limit {
            self.batch.set_max_rows(limit.saturating_sub(self.count) + 1);
        }
    }
}

impl Sink for Rows {
    fn reader(&self) -> Reader {
        Reader::SameDatabase
    }

    fn start(&mut self, columns: &[Column]) -> Result<()> {
        self.columns = (!columns.is_empty()).then(|| columns.to_vec());
        self.limit = settings::max_result_rows();
        self.begin_batch();
        Ok(())
    }

    fn batch(&mut self) -> &mut Batch {
        &mut self.batch
    }

    fn send(&mut self) -> Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.count += u64::from(self.batch.rows());
        if let Some(limit) = self.limit.filter(|limit| self.count > *limit) {
            return Err(errors::too_many_rows(limit));
        }
        self.spool.put(self.batch.frame())?;
        self.begin_batch();
        Ok(())
    }

    fn long_row(&mut self, row: Row) -> Result<()> {
        self.batch.add(row);
        self.send()
    }
}
