//! What a launch is asked for: the arguments, checked, and what is derived from them.

use super::database::{self, OtherDatabase, Texts};
use super::options::{Options, Plans, Results, Transactions};
use super::segments::Content;
use crate::errors;
use crate::pg::dsm::Segment;
use crate::pg::error::{PgError, Result};
use crate::pg::{encoding, identity, mq};
use crate::registry::{self, NewJob, WorkerRequirements};
use crate::settings;
use logic::registry::layout::{LABEL_SIZE, QUERY_SIZE};
use logic::segment::header::Identity;
use logic::sqlstate;
use logic::wire::extras::Extras;
use parking_lot::Mutex;
use std::time::Instant;

/// Bytes of the text that `pg_background_list_v2()` shows.
const PREVIEW_SIZE: usize = 120;
/// A queue whose rows are wanted has at least so many bytes. Of the smallest that can be asked for, the server's head
/// leaves eight for the rows: a sleep and a wake-up of both processes for each eight bytes. On a busy machine, where
/// each of them waits for its turn, a job of 300 kB takes minutes.
const SMALLEST_RING: usize = 1 << 10;

pub struct Request<'a> {
    sql: &'a [u8],
    options: &'a Options<'a>,
    /// Where the job runs, if not in the session's database.
    elsewhere: Option<OtherDatabase>,
    /// The texts that travel, in the encoding there, if that is another one.
    converted: Option<Texts>,
    /// Bytes, the setting's if none were given.
    pub queue_size: i32,
}

impl<'a> Request<'a> {
    /// Checks the arguments, and that the session may launch jobs at all.
    pub fn check(sql: &'a [u8], options: &'a Options<'a>) -> Result<Self> {
        let queue_size = checked_queue_size(options.queue_size)?;
        if options.label.len() > LABEL_SIZE {
            return Err(errors::label_too_long(options.label.len(), LABEL_SIZE));
        }
        // A job outlives the operation that is restricted, as do temporary tables, prepared statements and cursors
        // WITH HOLD, which the server refuses there.
        if identity::is_restricted() {
            return Err(errors::security_restricted());
        }
        let elsewhere = options.database.map(database::find).transpose()?.flatten();
        let converted = match elsewhere {
            Some(there) => Texts::new(sql, options, there.encoding)?,
            None => None,
        };
        Ok(Self { sql, options, elsewhere, converted, queue_size })
    }

    /// Who launches the job, as whom it runs, and a new cookie.
    pub fn identity(&self) -> Result<Identity> {
        let (options, here) = (self.options, identity::capture());
        let there = self.elsewhere.unwrap_or(OtherDatabase { id: here.database, encoding: here.encoding });
        Ok(Identity {
            cookie: new_cookie()?,
            database: there.id,
            encoding: there.encoding,
            timeout: options.timeout.unwrap_or_else(settings::worker_timeout),
            has_own_timeout: u32::from(options.timeout.is_some()),
            wants_results: match options.results {
                Results::Discarded | Results::Submitted => Identity::WANTS_NOTHING,
                Results::Kept => Identity::WANTS_ROWS,
                Results::Messages => Identity::WANTS_MESSAGES,
            },
            autocommit: u32::from(options.transactions == Transactions::PerStatement),
            keeps_plan: u32::from(options.plans == Plans::Kept),
            ..here
        })
    }

    /// Bytes of the queue. A job whose results are discarded only attaches to its queue and leaves it.
    fn ring_size(&self) -> usize {
        match self.options.results {
            Results::Kept | Results::Messages => (self.queue_size as usize).max(SMALLEST_RING),
            Results::Discarded | Results::Submitted => mq::minimum_size(),
        }
    }

    /// What the job's segment is filled with.
    pub fn content<'b>(&'b self, extras: &'b Extras<'b>) -> Content<'b> {
        Content { sql: self.sql(), params: &self.options.params, extras, queue_size: self.ring_size() }
    }

    /// What of the options travels as such.
    pub fn extras(&self) -> Extras<'_> {
        self.converted.as_ref().map_or_else(|| self.options.extras(), Texts::extras)
    }

    /// The text in the encoding of the job's database.
    fn sql(&self) -> &[u8] {
        self.converted.as_ref().map_or(self.sql, |texts| &texts.sql)
    }

    /// The beginning of the text.
    pub fn preview(&self) -> Vec<u8> {
        self.sql[..encoding::clip(self.sql, PREVIEW_SIZE)].to_vec()
    }

    /// What the registry is told when the job asks to be admitted. `used_pids` are those of jobs that the session may
    /// still name by pid: no worker with one of these is wanted. `likely` is the slot of a worker that is looked at
    /// first. Texts are in the encoding of the job's database.
    pub fn new_job<'b>(
        &'b self,
        segment: &Segment,
        settings_hash: u64,
        launched_at: i64,
        give_up: Instant,
        used_pids: &'b [i32],
        likely: Option<u32>,
    ) -> Result<NewJob<'b>>
    where
        'a: 'b,
    {
        let header = segment.header();
        let identity = &header.identity;
        let key = registry::key(identity, segment.bytes(header.client_info))?;
        let sql = self.sql();
        let label = self.converted.as_ref().map_or(self.options.label, |texts| &texts.label);
        Ok(NewJob {
            cookie: identity.cookie,
            database: identity.database,
            role: identity.current_user,
            launched_at,
            query: &sql[..encoding::clip_as(sql, QUERY_SIZE, identity.encoding)],
            label: &label[..encoding::clip_as(label, LABEL_SIZE, identity.encoding)],
            per_role: settings::max_workers_per_role(),
            give_up,
            committed_by: None,
            wanted: key.map(|key| WorkerRequirements {
                key,
                settings: settings_hash,
                handle: segment.handle(),
                taken: used_pids,
                likely,
            }),
        })
    }
}

fn checked_queue_size(queue_size: i32) -> Result<i32> {
    let (min, max) = (mq::minimum_size() as i32, settings::MAX_QUEUE_SIZE);
    match queue_size {
        ..=0 => Ok(settings::default_queue_size()),
        size if size < min => Err(errors::queue_too_small(min)),
        size if size > max => Err(errors::queue_too_large(max)),
        size => Ok(size),
    }
}

/// A random number other than 0. Several are drawn at a time, to ask the system less often.
fn new_cookie() -> Result<i64> {
    static DRAWN: Mutex<Vec<i64>> = Mutex::new(Vec::new());
    let mut drawn = DRAWN.lock();
    loop {
        if let Some(cookie) = drawn.pop() {
            return Ok(cookie);
        }
        let mut bytes = [[0; 8]; 32];
        getrandom::fill(bytes.as_flattened_mut()).map_err(|error| {
            PgError::new(sqlstate::INTERNAL_ERROR, format!("could not generate a random number: {error}"))
        })?;
        drawn.extend(bytes.into_iter().map(i64::from_ne_bytes).filter(|cookie| *cookie != 0));
    }
}
