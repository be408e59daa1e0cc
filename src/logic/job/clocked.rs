//! Processor time by the clock: where the kernel need not be asked what a job has used.
//!
//! To ask it twice is a sixth of a short job. The clock tells as much while a process has nothing to wait for:
//!
//! - At a job's start ([`Asked::until`]), if the kernel was asked less than [`KNOWN`] ago, and the process has not
//!   paused since, nor read a block nor written WAL: then all that has passed was processor time of its own. Should it
//!   have had to wait all the same, as for another process that had the processor, then the job is charged with so much
//!   too little.
//! - At its end ([`Asked::end`]), if the job was shorter than [`SHORT`], and has neither read a block nor written WAL:
//!   then all its time counts. What it may have waited, for a lock say, is less than that.
//!
//! Neither charges a job with more than the time that it took.

use super::usage::Usage;
use std::time::{Duration, Instant};

/// For so long the kernel's last answer serves.
const KNOWN: Duration = Duration::from_millis(1);
/// A job that is shorter is charged with its time. Longer than most jobs that find all they need in memory.
const SHORT: Duration = Duration::from_micros(50);

/// What a process had used at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    pub used: Usage,
    /// Not after the kernel was asked.
    pub at: Instant,
    /// How often the process had paused: slept, or given its processor away.
    pub pauses: u32,
}

impl Asked {
    /// What it has used by now; `None` if the kernel has to be asked. `counters`: what it counts itself, all but
    /// processor time and memory.
    pub fn until(self, now: Instant, pauses: u32, counters: &Usage) -> Option<Self> {
        let later = self.after(now, counters);
        (now - self.at < KNOWN && pauses == self.pauses && !later.used.since(&self.used).is_of_disk()).then_some(later)
    }

    /// What the job has used that began then and ends now; `None` if the kernel has to be asked.
    pub fn end(self, now: Instant, counters: &Usage) -> Option<Usage> {
        let used = self.after(now, counters).used.since(&self.used);
        (now - self.at < SHORT && !used.is_of_disk()).then_some(used)
    }

    fn after(self, now: Instant, counters: &Usage) -> Self {
        let busy = i64::try_from((now - self.at).as_nanos().div_ceil(1000)).unwrap_or(i64::MAX);
        let Usage { cpu_user, cpu_system, max_rss_kb, .. } = self.used;
        let used = Usage { cpu_user: cpu_user.saturating_add(busy), cpu_system, max_rss_kb, ..*counters };
        Self { used, at: now, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTERS: Usage = Usage::of([0, 0, 30, 40, 50, 60, 70, 0]);

    fn asked() -> Asked {
        Asked {
            used: Usage { cpu_user: 10, cpu_system: 20, max_rss_kb: 800, ..COUNTERS },
            at: Instant::now(),
            pauses: 3,
        }
    }

    #[test]
    fn a_process_that_was_awake_has_used_what_has_passed() {
        let asked = asked();
        let counters = Usage { shared_blks_hit: 35, ..COUNTERS };
        let (soon, late) = (asked.at + Duration::from_nanos(100_001), asked.at + KNOWN);
        let later = asked.until(soon, 3, &counters).unwrap();
        assert_eq!(later.used.amounts(), [111, 20, 35, 40, 50, 60, 70, 800]);
        assert_eq!((later.at, later.pauses), (soon, 3));
        for (now, pauses, counters) in [
            (late, 3, counters),
            (soon, 4, counters),
            (soon, 3, Usage { shared_blks_read: 41, ..counters }),
            (soon, 3, Usage { temp_blks_written: 61, ..counters }),
            (soon, 3, Usage { wal_bytes: 71, ..counters }),
        ] {
            assert_eq!(asked.until(now, pauses, &counters), None);
        }
    }

    #[test]
    fn a_short_job_without_disk_has_used_its_time() {
        let asked = asked();
        let (soon, late) = (asked.at + Duration::from_nanos(7_200), asked.at + SHORT);
        let counters = Usage { shared_blks_hit: 31, shared_blks_dirtied: 51, ..COUNTERS };
        assert_eq!(asked.end(soon, &counters).unwrap().amounts(), [8, 0, 1, 0, 1, 0, 0, 800]);
        assert_eq!(asked.end(late, &counters), None);
        assert_eq!(asked.end(soon, &Usage { wal_bytes: 71, ..counters }), None);
        assert_eq!(asked.end(soon, &Usage { shared_blks_read: 41, ..counters }), None);
    }
}
