//! What a launch may be asked for beside the job's text.

use logic::wire::extras::Extras;

/// What becomes of the job's rows and messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Results {
    /// They are kept for the launcher.
    #[default]
    Kept,
    /// Messages are kept, and the command tags; rows are thrown away.
    Messages,
    /// They are thrown away: the job never waits for a reader.
    Discarded,
    /// The same, for the C extension's submit functions.
    Submitted,
}

impl Results {
    /// Will anybody read anything of the job?
    pub fn are_wanted(self) -> bool {
        !matches!(self, Self::Discarded | Self::Submitted)
    }
}

/// Which transactions a job has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transactions {
    /// One for all its statements.
    #[default]
    One,
    /// One for each statement, as psql has it (autocommit).
    PerStatement,
}

/// Where the plan of a job's statement comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plans {
    /// It is made for this job.
    #[default]
    Fresh,
    /// It is kept by the worker, for the next job with this text.
    Kept,
}

/// The options of a launch. What is not said is as for a plain launch.
#[derive(Clone, Debug, Default)]
pub struct Options<'a> {
    /// Empty: none.
    pub label: &'a [u8],
    /// The name of the database that the job runs in; `None` is the session's.
    pub database: Option<&'a [u8]>,
    pub transactions: Transactions,
    pub results: Results,
    /// Bytes; 0 and below stand for the setting.
    pub queue_size: i32,
    /// How long the job may run, in milliseconds, 0 without end; `None` is as long as `pg_background.worker_timeout`
    /// says.
    pub timeout: Option<i32>,
    /// Names and values of settings that are made in the job before it starts.
    pub settings: Vec<(Vec<u8>, Vec<u8>)>,
    /// On which NOTIFY tells of the job's end; empty: none.
    pub channel: &'a [u8],
    /// The parameters of the job's statement (`logic::wire::params`); empty: none.
    pub params: Vec<u8>,
    pub plans: Plans,
}

impl Options<'_> {
    /// What of it travels as `extras`.
    pub fn extras(&self) -> Extras<'_> {
        let settings = self.settings.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
        Extras { label: self.label, channel: self.channel, settings }
    }
}
