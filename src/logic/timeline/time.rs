//! Times as text, and where the axis has its ticks. Times are microseconds since 2000-01-01 00:00 UTC.

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// Ticks that the axis has room for.
const MAX_TICKS: i64 = 9;

pub struct Tick {
    pub at: i64,
    pub label: String,
}

/// The time on a clock that is so many seconds ahead of UTC.
fn local(at: i64, utc_offset: i32) -> i64 {
    at.saturating_add(i64::from(utc_offset) * SECOND)
}

/// `2026-11-29` of a local time.
fn date(local: i64) -> String {
    let (year, month, day) = civil(local.div_euclid(DAY));
    format!("{year:04}-{month:02}-{day:02}")
}

/// `05:23:02` of a local time, to the minute, second or millisecond.
fn clock(local: i64, precision: i64) -> String {
    let in_day = local.rem_euclid(DAY);
    let (hours, minutes, seconds) = (in_day / HOUR, in_day / MINUTE % 60, in_day / SECOND % 60);
    if precision >= MINUTE {
        format!("{hours:02}:{minutes:02}")
    } else if precision >= SECOND {
        format!("{hours:02}:{minutes:02}:{seconds:02}")
    } else {
        format!("{hours:02}:{minutes:02}:{seconds:02}.{:03}", in_day / 1000 % 1000)
    }
}

/// Year, month and day of a day since 2000-01-01. Counted in years that begin in March, so that leap days come last.
fn civil(day: i64) -> (i64, i64, i64) {
    const DAYS_OF_400_YEARS: i64 = 146_097;
    // days since the 1st of March of the year 0
    let since = day + 730_425;
    let (era, in_era) = (since.div_euclid(DAYS_OF_400_YEARS), since.rem_euclid(DAYS_OF_400_YEARS));
    let year = (in_era - in_era / 1460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * in_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + i64::from(month <= 2), month, in_year - (153 * shifted + 2) / 5 + 1)
}

/// `UTC`, `UTC+02:00`
fn zone(utc_offset: i32) -> String {
    let (sign, minutes) = (if utc_offset < 0 { '-' } else { '+' }, utc_offset.abs() / 60);
    if utc_offset == 0 { "UTC".into() } else { format!("UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60) }
}

/// A moment, to the second.
pub fn full(at: i64, utc_offset: i32) -> String {
    let local = local(at, utc_offset);
    format!("{} {} {}", date(local), clock(local, SECOND), zone(utc_offset))
}

/// A moment, to the millisecond.
pub fn exact(at: i64, utc_offset: i32) -> String {
    let local = local(at, utc_offset);
    format!("{} {}", date(local), clock(local, 1))
}

/// From when to when: the second date only where it is another.
pub fn range(begin: i64, end: i64, utc_offset: i32) -> String {
    let (begin, end) = (local(begin, utc_offset), local(end, utc_offset));
    let last = if date(begin) == date(end) { String::new() } else { format!("{} ", date(end)) };
    let (from, to) = (clock(begin, SECOND), clock(end, SECOND));
    format!("{} {from} \u{2013} {last}{to} {}", date(begin), zone(utc_offset))
}

/// A length of time, in the two units that matter.
pub fn duration(microseconds: i64) -> String {
    let us = microseconds.max(0);
    match us {
        0..10_000 => format!("{}.{:02} ms", us / 1000, us / 10 % 100),
        10_000..SECOND => format!("{} ms", us / 1000),
        SECOND..MINUTE => format!("{}.{:02} s", us / SECOND, us / 10_000 % 100),
        MINUTE..HOUR => format!("{} min {} s", us / MINUTE, us / SECOND % 60),
        HOUR..DAY => format!("{} h {} min", us / HOUR, us / MINUTE % 60),
        _ => format!("{} d {} h", us / DAY, us / HOUR % 24),
    }
}

/// The shortest round step that leaves no more ticks than there is room for.
fn step(span: i64) -> i64 {
    const MS: i64 = 1000;
    let below_a_second = [1, 2, 5, 10, 20, 50, 100, 200, 500].map(|n| n * MS);
    let seconds = [1, 2, 5, 10, 15, 30].map(|n| n * SECOND);
    let minutes = [1, 2, 5, 10, 15, 30].map(|n| n * MINUTE);
    let hours = [1, 2, 3, 6, 12].map(|n| n * HOUR);
    let mut steps = below_a_second.into_iter().chain(seconds).chain(minutes).chain(hours);
    steps.find(|step| span / step <= MAX_TICKS).unwrap_or_else(|| {
        let days = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000].map(|n| n * DAY);
        days.into_iter().find(|step| span / step <= MAX_TICKS).unwrap_or(span.max(DAY))
    })
}

/// The round times of the local clock in that time, but for those at its very ends.
pub fn ticks(begin: i64, end: i64, utc_offset: i32) -> Vec<Tick> {
    let span = end.saturating_sub(begin).max(1);
    let step = step(span);
    let margin = span / 40;
    let first = local(begin.saturating_add(margin), utc_offset).div_euclid(step).saturating_add(1).saturating_mul(step);
    let last = local(end.saturating_sub(margin), utc_offset);
    let locals = (0..=MAX_TICKS + 1).map(|n| first.saturating_add(n.saturating_mul(step)));
    locals
        .take_while(|local| *local <= last)
        .map(|local| {
            let is_day = local.rem_euclid(DAY) == 0;
            let label = if is_day { date(local) } else { clock(local, step) };
            Tick { at: local.saturating_sub(i64::from(utc_offset) * SECOND), label }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(civil(0), (2000, 1, 1));
        assert_eq!(civil(59), (2000, 2, 29));
        assert_eq!(civil(60), (2000, 3, 1));
        assert_eq!(civil(-1), (1999, 12, 31));
        assert_eq!(civil(9829), (2026, 11, 29));
        assert_eq!(civil(36_584), (2100, 3, 1));
        assert_eq!(civil(-10_957), (1970, 1, 1));
    }

    #[test]
    fn times_are_those_of_the_zone() {
        let at = 9829 * DAY + 23 * HOUR + 5 * MINUTE + 7 * SECOND + 42_000;
        assert_eq!(full(at, 0), "2026-11-29 23:05:07 UTC");
        assert_eq!(full(at, 7200), "2026-11-30 01:05:07 UTC+02:00");
        assert_eq!(full(at, -12_600), "2026-11-29 19:35:07 UTC-03:30");
        assert_eq!(exact(at, 0), "2026-11-29 23:05:07.042");
        assert_eq!(range(at, at + HOUR, 0), "2026-11-29 23:05:07 \u{2013} 2026-11-30 00:05:07 UTC");
        assert_eq!(range(at, at + MINUTE, 0), "2026-11-29 23:05:07 \u{2013} 23:06:07 UTC");
    }

    #[test]
    fn lengths_have_two_units() {
        let texts = [-5, 345, 12_345, 1_234_567, 125 * SECOND, 3725 * SECOND, 30 * HOUR].map(duration);
        assert_eq!(texts, ["0.00 ms", "0.34 ms", "12 ms", "1.23 s", "2 min 5 s", "1 h 2 min", "1 d 6 h"]);
    }

    #[test]
    fn ticks_are_round_and_few_at_every_scale() {
        let at = 9829 * DAY + 23 * HOUR + 5 * MINUTE + 7 * SECOND + 42_123;
        for span in [1, 999, 1000, 77_777, SECOND, 59 * SECOND, HOUR, 7 * HOUR, DAY, 40 * DAY, 40_000 * DAY] {
            let found = ticks(at - span, at, 3600);
            assert!(found.len() <= 11, "{span}: {}", found.len());
            assert!(span < 5000 || found.len() >= 2, "{span}: {}", found.len());
            assert!(found.iter().all(|tick| tick.at >= at - span && tick.at <= at));
        }
        let labels: Vec<_> = ticks(at, at + 2 * HOUR, 0).into_iter().map(|tick| tick.label).collect();
        assert_eq!(labels, ["23:15", "23:30", "23:45", "2026-11-30", "00:15", "00:30", "00:45", "01:00"]);
        assert!(ticks(i64::MIN, i64::MAX, 3600).len() <= 11);
    }
}
