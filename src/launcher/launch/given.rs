//! Options of a launch that come from SQL and are checked before anything is done: the job's settings, its timeout, the
//! channel that is told of its end.

use crate::errors;
use crate::pg::arguments::Interval;
use crate::pg::error::Result;
use crate::pg::jsonb::{Member, Members};
use crate::pg::{notify, set_command};
use logic::session::given::{self, Refusal};

/// The settings in a JSON object, given by its `members`; `None` if it was no object. Each is checked as SET would
/// check it here and now: with the rights of the role that launches the job, in the server's words.
///
/// The worker sets them again with the same rights, so what becomes invalid in between is an error of the job.
pub fn settings(members: Option<Members>) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let members = members.ok_or_else(errors::settings_not_an_object)?;
    members.into_iter().map(setting).collect()
}

fn setting((name, value): (Vec<u8>, Member)) -> Result<(Vec<u8>, Vec<u8>)> {
    let value = match value {
        Member::Text(text) | Member::Number(text) => text,
        Member::Bool(true) => b"on".to_vec(),
        Member::Bool(false) => b"off".to_vec(),
        Member::Null | Member::Nested => return Err(errors::setting_without_value(&name)),
    };
    match given::refusal(&name) {
        Some(Refusal::OfTransaction) => return Err(errors::setting_of_transaction(&name)),
        Some(Refusal::OfUser) => return Err(errors::setting_of_user(&name)),
        None => set_command::check(&name, &value)?,
    }
    Ok((name, value))
}

/// A job's timeout as it travels: milliseconds, rounded up; 0 is no bound.
pub fn timeout(interval: Interval) -> Result<i32> {
    match interval {
        Interval::Infinite => Ok(0),
        Interval::Microseconds(length) if length > 0 => {
            i32::try_from((length + 999) / 1000).map_err(|_| errors::timeout_too_long(i32::MAX))
        }
        Interval::Microseconds(_) | Interval::NegativeInfinite => Err(errors::timeout_not_positive()),
    }
}

/// The channel, if NOTIFY could be sent on it.
pub fn channel(name: &[u8]) -> Result<&[u8]> {
    notify::check(name).map(|()| name)
}
