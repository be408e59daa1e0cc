//! This session's settings as they were at its last launch, in the form in which they travel, and their hash.
//!
//! Most often nothing has changed since: the bytes are compared, which takes less time than a hash, and the memory is
//! used again.

use crate::pg::error::Result;
use crate::pg::guc_state;
use parking_lot::Mutex;

#[derive(Default)]
pub struct SettingsCache {
    now: guc_state::SerializedSettings,
    /// The bytes that `hash` belongs to.
    hashed: Vec<u8>,
    hash: u64,
}

/// Taken out while it is used: what uses it may throw.
static CACHE: Mutex<Option<SettingsCache>> = Mutex::new(None);

impl SettingsCache {
    /// The session's settings as they are now. [`Self::put_back`] keeps them for the next launch.
    pub fn take() -> Result<Self> {
        let mut cache = CACHE.lock().take().unwrap_or_default();
        cache.now.take()?;
        if cache.hashed != cache.now.bytes() {
            cache.hashed.clear();
            cache.hashed.extend_from_slice(cache.now.bytes());
            cache.hash = guc_state::settings_hash(&cache.hashed);
        }
        Ok(cache)
    }

    pub fn bytes(&self) -> &[u8] {
        self.now.bytes()
    }

    pub fn hash(&self) -> u64 {
        self.hash
    }

    pub fn put_back(self) {
        *CACHE.lock() = Some(self);
    }
}
