//! The database that a job is to run in, where it is not the session's own.

use super::given;
use super::options::Options;
use crate::errors;
use crate::pg::error::Result;
use crate::pg::{catalog, connection, encoding, identity};
use logic::wire::extras::Extras;
use std::ffi::CString;

/// Another database of the cluster.
#[derive(Clone, Copy)]
pub struct OtherDatabase {
    pub id: u32,
    pub encoding: i32,
}

/// The database of that name; `None` for the session's own. An error, in the server's words, if it is not there or may
/// not be connected to.
///
/// All of it is looked at again when a worker connects, but for the rights of other users than the authenticated one.
/// Nothing is locked: a DROP DATABASE need not wait for the launch, and the job fails then.
pub fn find(name: &[u8]) -> Result<Option<OtherDatabase>> {
    let name = CString::new(name).unwrap_or_default();
    let id = catalog::database(&name)?.ok_or_else(|| errors::no_database(&name))?;
    if id == identity::database() {
        return Ok(None);
    }
    let found = catalog::connectable(id)?.ok_or_else(|| errors::no_database(&name))?;
    if found.is_invalid {
        return Err(errors::invalid_database(&name));
    }
    if !found.allows_connections {
        return Err(errors::database_without_connections(&name));
    }
    for user in users() {
        if !connection::may_connect(id, user)? {
            return Err(errors::no_right_to_connect(&name));
        }
    }
    Ok(Some(OtherDatabase { id, encoding: found.encoding }))
}

/// The users that must have CONNECT: the one who authenticated, whom the worker connects as; the session user; and the
/// current user, unless it is only SET ROLE that makes it so, which the session user could do there, too.
///
/// Suppose that a SECURITY DEFINER function launches the job, that its owner lacks CONNECT, and that its caller has it.
/// Without the last check, the owner would come into that database by waiting for such a caller.
fn users() -> Vec<u32> {
    let identity = identity::capture();
    let mut users = vec![identity.authenticated_user, identity.session_user];
    if identity.current_user != identity.outer_role {
        users.push(identity.current_user);
    }
    users.sort_unstable();
    users.dedup();
    users
}

/// The texts of a launch in the encoding of another database.
pub struct Texts {
    pub sql: Vec<u8>,
    pub label: Vec<u8>,
    channel: Vec<u8>,
    settings: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Texts {
    /// `None` if they are the same there. An error if one has a character that the other encoding lacks.
    pub fn new(sql: &[u8], options: &Options, there: i32) -> Result<Option<Self>> {
        let here = encoding::of_database();
        if here == there {
            return Ok(None);
        }
        let convert = |text: &[u8]| -> Result<Vec<u8>> {
            Ok(encoding::converted(text, here, there)?.unwrap_or_else(|| text.to_vec()))
        };
        let channel = convert(options.channel)?;
        // it may be longer there
        if !channel.is_empty() {
            given::channel(&channel)?;
        }
        let settings = options.settings.iter().map(|(name, value)| Ok((convert(name)?, convert(value)?)));
        Ok(Some(Self {
            sql: convert(sql)?,
            label: convert(options.label)?,
            channel,
            settings: settings.collect::<Result<_>>()?,
        }))
    }

    pub fn extras(&self) -> Extras<'_> {
        let settings = self.settings.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
        Extras { label: &self.label, channel: &self.channel, settings }
    }
}
