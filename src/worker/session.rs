//! Making this process the session that its launcher was at launch.

use crate::pg::dsm::Segment;
use crate::pg::error::Result;
use crate::pg::{guc, identity, query};

/// Settings, session user, SET ROLE. In a transaction of its own: its end forgets what of the launcher's transaction came
/// with the settings (isolation level, READ ONLY), so that the job begins with the defaults.
pub fn restore(segment: &Segment) -> Result<()> {
    let header = segment.header();
    if header.client_info.len > 0 {
        identity::restore_client_info(segment.bytes(header.client_info))?;
    }
    query::begin()?;
    // As a session does it: libraries first, so that their settings are known when they are set.
    query::load_session_libraries()?;
    guc::restore(segment.bytes(header.settings))?;
    identity::adopt_session(&header.identity)?;
    query::commit()
}
