//! The functions for administrators.

use crate::errors;
use crate::pg::call::Call;
use crate::pg::error::Result;
use crate::pg::value::{Datum, void};
use crate::registry;

/// `pg_background_stat_reset()`. SQL privileges alone decide which roles may call it.
pub fn pg_background_stat_reset(_: &Call) -> Result<Datum> {
    let Some(registry) = registry::get()? else {
        return Err(errors::not_preloaded());
    };
    registry.exclusive(|r| r.reset_totals())?;
    Ok(void())
}
