//! A job that waits to be started after a commit, as bytes: what its launch needs.
//!
//! Numbers first, then label, query and image as counted strings.

use super::Result;
use super::bytes::{Reader, put_counted};
use crate::registry::layout::Key;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingJob<'a> {
    pub cookie: i64,
    pub launched_at: i64,
    pub database: u32,
    pub role: u32,
    /// The limit of the launching role; 0 is none.
    pub per_role: u32,
    /// The session that has asked for the job, by its pid and its number among the server's processes.
    pub session_pid: i32,
    pub session_proc: u32,
    /// The job's segment, if it has one already; 0: it is made of the image.
    pub handle: u32,
    /// What a warm worker must have; `None`: none would do.
    pub key: Option<Key>,
    /// A hash of the session's settings.
    pub settings: u64,
    pub label: &'a [u8],
    pub query: &'a [u8],
    /// The job's segment up to its queue.
    pub image: &'a [u8],
}

impl<'a> PendingJob<'a> {
    pub fn encode(&self, to: &mut Vec<u8>) {
        to.reserve(160 + self.label.len() + self.query.len() + self.image.len());
        let key = self.key.unwrap_or_default();
        for number in [
            self.cookie as u64,
            self.launched_at as u64,
            self.settings,
            key.user_version,
            key.database_version,
            key.client,
        ] {
            to.extend_from_slice(&number.to_ne_bytes());
        }
        for number in [
            self.database,
            self.role,
            self.per_role,
            self.session_pid as u32,
            self.session_proc,
            self.handle,
            u32::from(self.key.is_some()),
            key.database,
            key.user,
        ] {
            to.extend_from_slice(&number.to_ne_bytes());
        }
        put_counted(to, self.label);
        put_counted(to, self.query);
        put_counted(to, self.image);
    }

    /// The job in `bytes`. What comes behind it is ignored.
    pub fn decode(bytes: &'a [u8]) -> Result<Self> {
        let mut from = Reader::new(bytes);
        let (cookie, launched_at) = (from.u64()? as i64, from.u64()? as i64);
        let settings = from.u64()?;
        let (user_version, database_version, client) = (from.u64()?, from.u64()?, from.u64()?);
        let (database, role, per_role) = (from.u32()?, from.u32()?, from.u32()?);
        let (session_pid, session_proc) = (from.i32()?, from.u32()?);
        let handle = from.u32()?;
        let has_key = from.u32()? != 0;
        let key = Key { database: from.u32()?, user: from.u32()?, user_version, database_version, client };
        Ok(Self {
            cookie,
            launched_at,
            database,
            role,
            per_role,
            session_pid,
            session_proc,
            handle,
            key: has_key.then_some(key),
            settings,
            label: from.counted()?,
            query: from.counted()?,
            image: from.counted()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn decodes_what_was_encoded(
            numbers in any::<[u64; 4]>(),
            small in any::<[u32; 8]>(),
            has_key in any::<bool>(),
            label in proptest::collection::vec(any::<u8>(), 0..9),
            query in proptest::collection::vec(any::<u8>(), 0..99),
            image in proptest::collection::vec(any::<u8>(), 0..99),
        ) {
            let key = Key {
                database: small[0], user: small[1], user_version: numbers[2], database_version: numbers[3],
                client: numbers[0] ^ numbers[1],
            };
            let job = PendingJob {
                cookie: numbers[0] as i64,
                launched_at: numbers[1] as i64,
                database: small[2],
                role: small[3],
                per_role: small[4],
                session_pid: small[5] as i32,
                session_proc: small[6],
                handle: small[7],
                key: has_key.then_some(key),
                settings: numbers[2] ^ 1,
                label: &label,
                query: &query,
                image: &image,
            };
            let mut bytes = Vec::new();
            job.encode(&mut bytes);
            prop_assert_eq!(PendingJob::decode(&bytes), Ok(job));
            for end in 0..bytes.len() {
                prop_assert!(PendingJob::decode(&bytes[..end]).is_err());
            }
        }

        #[test]
        fn believes_no_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = PendingJob::decode(&bytes);
        }
    }
}
