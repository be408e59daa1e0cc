//! Settings that a launch has given to its job, beside those of its session.

use crate::pg::dsm::Segment;
use crate::pg::error::Result;
use crate::pg::{set_command, xact};
use logic::wire::extras::Extras;

/// Sets them, as SET at the beginning of the job would: as the role that the job runs as, and for the whole session, so
/// RESET gives what it gives in the launcher's. [`super::Session::take_back_changes`] takes them back with all else
/// that the job has set. When the process acts as that role, outside a transaction; an error is the job's.
///
/// They have a transaction of their own, so that what is set for new transactions (`default_transaction_isolation`)
/// holds for the job's first, and so that one that fails does not take back the settings of the next.
pub fn set(segment: &Segment) -> Result<()> {
    let header = segment.header();
    let bytes = segment.bytes(header.extras);
    if bytes.is_empty() {
        return Ok(());
    }
    let settings = Extras::decode(bytes)?.settings;
    if settings.is_empty() {
        return Ok(());
    }
    xact::begin()?;
    settings.iter().try_for_each(|(name, value)| set_command::set(name, value))?;
    xact::commit()
}
