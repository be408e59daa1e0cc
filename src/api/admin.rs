//! For administrators.

use crate::pg::error::{PgError, Result};
use crate::pg::value::{Call, Datum, void};
use crate::registry;
use logic::sqlstate;

/// `pg_background_stat_reset()`. Who may call it is a matter of SQL privileges.
pub fn pg_background_stat_reset(_: &Call) -> Result<Datum> {
    let Some(registry) = registry::get()? else {
        return Err(PgError::new(
            sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
            "pg_background must be loaded via \"shared_preload_libraries\"",
        ));
    };
    registry.reset()?;
    Ok(void())
}
