//! Starting jobs: what 3.0 adds. `readers` has the functions that return rows.

use crate::errors;
use crate::launcher::launch::{Options, Plans, Results, Transactions, at_commit, given, launch};
use crate::launcher::read;
use crate::launcher::synchronous::{self, Started};
use crate::pg::call::Call;
use crate::pg::error::Result;
use crate::pg::identity;
use crate::pg::params::Destination;
use crate::pg::value::{Datum, Value, text};

/// The positions of the arguments that several functions share. `None`: the function has no such argument.
pub(super) struct Positions {
    /// The text of one job, or of several.
    pub(super) sql: usize,
    params: Option<usize>,
    label: usize,
    database: usize,
    autocommit: Option<usize>,
    timeout: usize,
    settings: usize,
}

const START: Positions =
    Positions { sql: 0, params: Some(1), label: 2, database: 3, autocommit: Some(4), timeout: 8, settings: 9 };
const EXEC: Positions =
    Positions { sql: 0, params: Some(1), label: 2, database: 3, autocommit: Some(4), timeout: 5, settings: 6 };
pub(super) const QUERY: Positions =
    Positions { sql: 0, params: Some(1), label: 2, database: 3, autocommit: None, timeout: 4, settings: 5 };
pub(super) const QUERY_AS: Positions =
    Positions { sql: 1, params: Some(2), label: 3, database: 4, autocommit: None, timeout: 5, settings: 6 };

pub(super) const MAP: Positions =
    Positions { sql: 0, params: None, label: 4, database: 5, autocommit: Some(2), timeout: 6, settings: 7 };

impl Positions {
    /// The job's text.
    pub(super) fn sql<'a>(&self, call: &'a Call) -> Result<&'a [u8]> {
        call.optional_text(self.sql)?.ok_or_else(|| errors::argument_is_null("sql"))
    }

    pub(super) fn options<'a>(&self, call: &'a Call) -> Result<Options<'a>> {
        let database = call.name(self.database);
        let destination = match database {
            Some(name) if name != identity::database_name(identity::database())? => Destination::OtherDatabase,
            _ => Destination::SameDatabase,
        };
        let autocommit = self.autocommit.is_some_and(|n| call.boolean(n));
        Ok(Options {
            label: call.text(self.label)?,
            database,
            params: self.params.map_or(Ok(Vec::new()), |n| call.params(n, destination))?,
            plans: Plans::Kept,
            transactions: if autocommit { Transactions::PerStatement } else { Transactions::One },
            timeout: call.interval(self.timeout).map(given::timeout).transpose()?,
            settings: if call.is_null(self.settings) {
                Vec::new()
            } else {
                given::settings(call.members(self.settings)?)?
            },
            ..Options::default()
        })
    }
}

/// `pg_background_start(sql, params, label, database, autocommit, results, at_commit, queue_size, timeout, settings,
/// notify)`
pub fn pg_background_start(call: &Call) -> Result<Datum> {
    let sql = START.sql(call)?;
    let results = if call.is_null(5) || call.boolean(5) { Results::Kept } else { Results::Discarded };
    let channel = call.optional_text(10)?.map_or(Ok(&b""[..]), given::channel)?;
    let plans = Plans::Fresh;
    let options = Options { results, queue_size: call.int4(7), channel, plans, ..START.options(call)? };
    if call.boolean(6) {
        return call.composite([Value::Int4(0), Value::Int8(at_commit::launch(sql, &options)?)]);
    }
    let job = launch(sql, &options, None)?;
    call.composite([Value::Int4(job.pid), Value::Int8(job.cookie)])
}

/// `pg_background_exec(sql, params, label, database, autocommit, timeout, settings)`
pub fn pg_background_exec(call: &Call) -> Result<Datum> {
    let sql = EXEC.sql(call)?;
    let options = Options { results: Results::Messages, ..EXEC.options(call)? };
    let tag = match synchronous::start(sql, &options)? {
        Started::Job(job) => read::last_tag(&job)?,
        Started::Inline(result) => result.tags.last().cloned().unwrap_or_default(),
    };
    if tag.is_empty() { Ok(call.null()) } else { text(&tag) }
}
