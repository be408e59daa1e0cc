//! The limit on the jobs that this session tracks (`pg_background.max_workers`).
//!
//! A job whose results were not wanted (`Results::are_wanted`) is tracked to be named, counted and listed, and nobody
//! has to release it: when the limit is reached, those that have ended make room, well-ended ones before failed ones,
//! for a failure may still be looked for. Jobs whose results were wanted are released by their session alone.

use crate::errors;
use crate::launcher::job::tracker;
use crate::launcher::wait::{self, Look};
use crate::pg::error::Result;
use crate::registry::door;
use crate::settings;
use std::time::Instant;

/// Returns when the session may track one more job: at once, or when enough of its jobs have ended that may be
/// released, which then are. An error if that has not come by `give_up`, and at once if it cannot come: only this
/// session could release what it tracks, and it waits here.
pub fn wait_for_room(give_up: Instant) -> Result<()> {
    if has_room() {
        return Ok(());
    }
    let found = wait::for_session_room(&tracker::may_make_room(), give_up, |_| {
        door::check()?;
        let limit = settings::max_workers() as usize;
        tracker::make_room((tracker::count_tracked() + 1).saturating_sub(limit));
        Ok(if has_room() {
            Look::Found(true)
        } else if tracker::may_make_room().is_empty() {
            Look::Found(false)
        } else {
            Look::Nothing
        })
    })?;
    if found == Some(true) {
        Ok(())
    } else {
        Err(errors::session_limit(tracker::count_tracked(), settings::max_workers()))
    }
}

fn has_room() -> bool {
    tracker::count_tracked() < settings::max_workers() as usize
}
