//! The session's time zone.

use super::error::Result;
use super::guard::guard;
use super::sys;

/// 2000-01-01 in seconds since 1970-01-01.
const EPOCH: i64 = 946_684_800;

/// How many seconds the session's clock is ahead of UTC at that time, in microseconds since 2000-01-01.
pub fn utc_offset(at: i64) -> i32 {
    let at: sys::pg_time_t = at.div_euclid(1_000_000) + EPOCH;
    // SAFETY: reads the time, and the zone that the server has set before it runs a query; NULL where the zone's
    // calendar does not reach.
    unsafe {
        let local = sys::pg_localtime(&raw const at, sys::session_timezone);
        if local.is_null() { 0 } else { i32::try_from((*local).tm_gmtoff).unwrap_or(0) }
    }
}

/// When the session's next day begins after that time, in microseconds since 2000-01-01.
pub(super) fn next_midnight(after: i64) -> Result<i64> {
    // SAFETY: functions of one argument each: a timestamptz and a date, which are passed by value.
    guard(|| unsafe {
        let day = sys::DirectFunctionCall1Coll(Some(sys::timestamptz_date), 0, after as sys::Datum) as i32;
        sys::DirectFunctionCall1Coll(Some(sys::date_timestamptz), 0, (day + 1) as sys::Datum) as i64
    })
}
