//! Heavyweight locks that transactions hold as marks: other sessions see them, and so does the server after a restart,
//! for a prepared transaction keeps its locks.

use super::error::Result;
use super::guard::guard;
use super::sys;

const OBJECT: sys::LockTagType = sys::LockTagType_LOCKTAG_OBJECT;

/// A lock that keeps nothing waiting, because all take it in the same mode, which does not conflict with itself.
///
/// The object is a catalog's class in database 0, with the object number 0. None of the server's locks is on it: what
/// has such a class belongs to a database.
pub struct Mark {
    pub class: u32,
}

impl Mark {
    /// The extension's: the class is pg_extension.
    pub const EXTENSION: Self = Self { class: sys::ExtensionRelationId };

    fn tag(&self) -> sys::LOCKTAG {
        sys::LOCKTAG {
            locktag_field1: 0,
            locktag_field2: self.class,
            locktag_field3: 0,
            locktag_field4: 0,
            locktag_type: OBJECT as u8,
            locktag_lockmethodid: sys::DEFAULT_LOCKMETHOD as u8,
        }
    }

    /// Marks the current transaction. It bears the mark until it ends, be it after PREPARE TRANSACTION.
    pub fn set(&self) -> Result<()> {
        let tag = self.tag();
        let tag = &raw const tag;
        // SAFETY: a transaction is open; the server copies the tag.
        guard(|| unsafe {
            sys::LockAcquire(tag, sys::RowExclusiveLock as sys::LOCKMODE, false, false);
        })
    }

    /// Does another transaction bear the mark?
    pub fn is_set_elsewhere(&self) -> Result<bool> {
        let tag = self.tag();
        let (tag, mut holders) = (&raw const tag, 0);
        let holders_at = &raw mut holders;
        // SAFETY: a transaction is open; the list of holders is the statement's memory.
        guard(|| unsafe {
            sys::GetLockConflicts(tag, sys::ShareLock as sys::LOCKMODE, holders_at);
        })?;
        Ok(holders > 0)
    }
}

/// Can transactions be prepared on this server?
pub fn can_prepare() -> bool {
    // SAFETY: a plain variable, set at the server's start.
    unsafe { sys::max_prepared_xacts > 0 }
}
