//! What a job has used of the machine: processor time, blocks, WAL, memory.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// Amounts that a process has used since it began, or a job from its start to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Microseconds.
    pub cpu_user: i64,
    pub cpu_system: i64,
    pub shared_blks_hit: i64,
    pub shared_blks_read: i64,
    pub shared_blks_dirtied: i64,
    pub temp_blks_written: i64,
    pub wal_bytes: i64,
    /// The most memory that the process has had resident at a time, in kilobytes, since it began: no difference can be
    /// made of that. 0 where nothing was measured: no process does without.
    pub max_rss_kb: i64,
}

/// As many numbers are in it.
pub const AMOUNTS: usize = 8;

impl Usage {
    /// What was used since `start`, which the same process has measured. A clock that went backwards is no use.
    ///
    /// How processor time divides is an estimate of the kernel's, which may change afterwards, where its sum only
    /// grows: what there would be less than nothing of one kind, is taken from the other.
    #[must_use]
    pub fn since(&self, start: &Self) -> Self {
        let (now, then) = (self.amounts(), start.amounts());
        let used = Self::of(std::array::from_fn(|i| now[i].saturating_sub(then[i])));
        let cpu = used.cpu_user.saturating_add(used.cpu_system).max(0);
        let cpu_user = used.cpu_user.clamp(0, cpu);
        let positive = Self::of(used.amounts().map(|amount| amount.max(0)));
        Self { cpu_user, cpu_system: cpu - cpu_user, max_rss_kb: self.max_rss_kb, ..positive }
    }

    /// Does it take part in what disks do?
    pub fn is_of_disk(&self) -> bool {
        self.shared_blks_read > 0 || self.temp_blks_written > 0 || self.wal_bytes > 0
    }

    /// Was anything measured? Not of a job that has never begun.
    pub fn is_known(&self) -> bool {
        self.max_rss_kb > 0
    }

    /// The numbers, in the order of the fields.
    pub fn amounts(&self) -> [i64; AMOUNTS] {
        [
            self.cpu_user,
            self.cpu_system,
            self.shared_blks_hit,
            self.shared_blks_read,
            self.shared_blks_dirtied,
            self.temp_blks_written,
            self.wal_bytes,
            self.max_rss_kb,
        ]
    }

    pub const fn of(amounts: [i64; AMOUNTS]) -> Self {
        let [
            cpu_user,
            cpu_system,
            shared_blks_hit,
            shared_blks_read,
            shared_blks_dirtied,
            temp_blks_written,
            wal_bytes,
            max_rss_kb,
        ] = amounts;
        Self {
            cpu_user,
            cpu_system,
            shared_blks_hit,
            shared_blks_read,
            shared_blks_dirtied,
            temp_blks_written,
            wal_bytes,
            max_rss_kb,
        }
    }
}

/// The amounts in shared memory. Who writes them, and what keeps a reader from seeing half of them, is said where such
/// a field is.
#[derive(Default)]
#[repr(C)]
pub struct SharedUsage([AtomicI64; AMOUNTS]);

impl SharedUsage {
    pub const fn new() -> Self {
        Self([const { AtomicI64::new(0) }; AMOUNTS])
    }

    pub fn set(&self, usage: &Usage) {
        for (to, from) in self.0.iter().zip(usage.amounts()) {
            to.store(from, Relaxed);
        }
    }

    /// Adds what another job has used; of the memory the most of both is kept.
    pub fn add(&self, usage: &Usage) {
        let [sums @ .., most] = &self.0;
        for (sum, amount) in sums.iter().zip(usage.amounts()) {
            sum.fetch_add(amount, Relaxed);
        }
        most.fetch_max(usage.max_rss_kb, Relaxed);
    }

    pub fn get(&self) -> Usage {
        Usage::of(std::array::from_fn(|i| self.0[i].load(Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_has_used_what_is_more_than_before_but_its_process_s_memory() {
        let start = Usage::of([10, 20, 30, 40, 50, 60, 70, 800]);
        let end = Usage::of([15, 20, 31, 42, 53, 64, 69, 900]);
        assert_eq!(end.since(&start).amounts(), [5, 0, 1, 2, 3, 4, 0, 900]);
        // so much of it was the system's after all
        let [sooner, later] =
            [[20, 100], [17, 110]].map(|[cpu_user, cpu_system]| Usage { cpu_user, cpu_system, ..end });
        assert_eq!([later.since(&sooner).cpu_user, later.since(&sooner).cpu_system], [0, 7]);
        assert_eq!([sooner.since(&later).cpu_user, sooner.since(&later).cpu_system], [0, 0]);
        assert!(end.is_known() && !Usage::default().is_known());
        let shared = SharedUsage::new();
        assert_eq!(shared.get(), Usage::default());
        shared.set(&end);
        assert_eq!(shared.get(), end);
        shared.add(&start);
        assert_eq!(shared.get().amounts(), [25, 40, 61, 82, 103, 124, 139, 900]);
    }
}
