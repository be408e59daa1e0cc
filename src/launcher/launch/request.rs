//! What a launch is asked for: the arguments, checked, and what is derived from them.

use crate::errors;
use crate::pg::dsm::Segment;
use crate::pg::error::{PgError, Result};
use crate::pg::{encoding, identity, mq};
use crate::registry::{self, NewJob, WorkerRequirements};
use crate::settings;
use logic::registry::layout::QUERY_SIZE;
use logic::segment::header::Identity;
use logic::sqlstate;
use parking_lot::Mutex;
use std::time::Instant;

/// Bytes of the text that `pg_background_list_v2()` shows.
const PREVIEW_SIZE: usize = 120;

/// What becomes of the job's rows and messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Results {
    /// They are kept for the launcher.
    Kept,
    /// They are thrown away: the job never waits for a reader.
    Discarded,
}

pub struct Request<'a> {
    sql: &'a [u8],
    /// Bytes, the setting's if none were given.
    pub queue_size: i32,
    results: Results,
}

impl<'a> Request<'a> {
    /// Checks the arguments, and that the session may launch jobs at all.
    pub fn check(sql: &'a [u8], queue_size: i32, results: Results) -> Result<Self> {
        let queue_size = checked_queue_size(queue_size)?;
        // A job outlives the operation that is restricted, as do temporary tables, prepared statements and cursors
        // WITH HOLD, which the server refuses there.
        if identity::is_restricted() {
            return Err(errors::security_restricted());
        }
        Ok(Self { sql, queue_size, results })
    }

    /// Who launches the job, as whom it runs, and a new cookie.
    pub fn identity(&self) -> Result<Identity> {
        Ok(Identity {
            cookie: new_cookie()?,
            worker_timeout: settings::worker_timeout(),
            wants_results: u32::from(self.results == Results::Kept),
            ..identity::capture()
        })
    }

    /// Bytes of the queue. A job whose results are discarded only attaches to its queue and leaves it.
    pub fn ring_size(&self) -> usize {
        match self.results {
            Results::Kept => self.queue_size as usize,
            Results::Discarded => mq::minimum_size(),
        }
    }

    /// The beginning of the text.
    pub fn preview(&self) -> Vec<u8> {
        self.beginning(PREVIEW_SIZE).to_vec()
    }

    fn beginning(&self, size: usize) -> &'a [u8] {
        &self.sql[..encoding::clip(self.sql, size)]
    }

    /// What the registry is told when the job asks to be admitted. `used_pids` are those of jobs that the session may
    /// still name by pid: no worker with one of these is wanted.
    pub fn new_job<'b>(
        &self,
        segment: &Segment,
        settings_hash: u64,
        launched_at: i64,
        used_pids: &'b [i32],
    ) -> Result<NewJob<'b>>
    where
        'a: 'b,
    {
        let header = segment.header();
        let identity = &header.identity;
        let key = registry::key(identity, segment.bytes(header.client_info))?;
        Ok(NewJob {
            cookie: identity.cookie,
            database: identity.database,
            role: identity.current_user,
            launched_at,
            query: self.beginning(QUERY_SIZE),
            limits: settings::limits(),
            give_up: Instant::now() + settings::launch_timeout(),
            wanted: key.map(|key| WorkerRequirements {
                key,
                settings: settings_hash,
                handle: segment.handle(),
                taken: used_pids,
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
