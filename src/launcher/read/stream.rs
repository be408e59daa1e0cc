//! A job's frames, from the first that is unread to the end of the queue.

use super::messages;
use crate::channel::Received;
use crate::launcher::job::{Job, Reading};
use crate::launcher::wait::{self, Awaited, Look};
use crate::pg::error::{self, Result};
use crate::pg::foreign_types::localized;
use logic::wire::columns::{self, Column};
use logic::wire::frame::{self, BatchRows, Kind};
use logic::wire::report::Report;
use logic::wire::tags;

/// What becomes of a job's rows.
pub trait Rows {
    /// The columns have come: an error if they are not what is wanted.
    fn fit(&mut self, columns: &[Column]) -> Result<()>;
    /// Takes rows. `begun` is set before the first of them is given away.
    fn put(&mut self, batch: BatchRows, begun: &mut bool) -> Result<()>;
    /// All rows have come.
    fn hold_types(&self, columns: &[Column]) -> Result<()>;
}

/// Receives all frames, and waits for them: rows go into `rows`, messages are raised, and what the outcome had no
/// room for goes into `reading`. Returns when the worker has left the queue, or is gone.
pub fn receive(job: &Job, reading: &mut Reading, rows: &mut impl Rows) -> Result<()> {
    let Reading { receiver, columns, error, tags: long_tags, begun } = reading;
    if let Some(columns) = &*columns {
        rows.fit(columns)?;
    }
    wait::on_latch(Awaited::Job, None, |_| {
        let received = receiver.next(|kind, count, body| {
            match kind {
                Kind::Description => rows.fit(columns.insert(localized(columns::decode(body)?)?))?,
                Kind::Batch => rows.put(frame::rows(count, body), begun)?,
                Kind::Notice => error::raise(&messages::notice(job, body)?)?,
                Kind::Error => *error = Some(job.readable(Report::decode(body)?)?),
                Kind::Tags => *long_tags = Some(tags::decode(body)?.into_iter().map(<[u8]>::to_vec).collect()),
                // The receiver makes whole rows of them.
                Kind::Piece => {}
            }
            Ok(())
        })?;
        Ok(match received {
            Received::Frame(_) => Look::More,
            Received::Nothing if job.is_lost() => Look::Found(()),
            Received::Nothing => Look::Nothing,
            Received::End => Look::Found(()),
        })
    })?;
    columns.as_ref().map_or(Ok(()), |columns| rows.hold_types(columns))
}
