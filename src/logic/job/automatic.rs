//! A job's automatic progress: what its worker has found out about the running statement, without a call from the job.

use crate::shared_text::{Copied, SharedText, WORD};
use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU32, Ordering, fence};

/// Bytes of a phase.
pub const PHASE_SIZE: usize = 128;

/// What is known at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Of the job, in hundredths of a percent; `None` where nothing can be known.
    pub hundredths: Option<i32>,
    /// Rows that the running statement has returned or changed so far.
    pub rows: Option<i64>,
    /// Rows that the planner expects of it.
    pub rows_estimated: Option<i64>,
    /// What the statement is doing; empty if that is not known. At most [`PHASE_SIZE`] bytes, cut where a character
    /// ends.
    pub phase: Vec<u8>,
}

impl Figures {
    /// Whole percent, rounded down: 100 is the end, and nothing else.
    pub fn percent(&self) -> Option<i32> {
        self.hundredths.map(|hundredths| hundredths / 100)
    }
}

/// The figures in shared memory. Written by the worker alone, read by any process: the version is odd while they are
/// written. Nothing here allocates but [`Automatic::get`].
#[repr(C)]
pub struct Automatic {
    version: AtomicU32,
    /// -1 is unknown, here and in the counts.
    hundredths: AtomicI32,
    rows: AtomicI64,
    rows_estimated: AtomicI64,
    phase: SharedText<{ PHASE_SIZE / WORD }>,
    /// 0 before the first figures.
    is_set: AtomicU32,
}

impl Default for Automatic {
    fn default() -> Self {
        Self::new()
    }
}

impl Automatic {
    pub const fn new() -> Self {
        Self {
            version: AtomicU32::new(0),
            hundredths: AtomicI32::new(-1),
            rows: AtomicI64::new(-1),
            rows_estimated: AtomicI64::new(-1),
            phase: SharedText::new(),
            is_set: AtomicU32::new(0),
        }
    }

    /// `phase` is cut to its size: the caller makes it fit.
    pub fn set(&self, hundredths: Option<i32>, rows: Option<i64>, rows_estimated: Option<i64>, phase: &[u8]) {
        self.write(hundredths, rows, rows_estimated, phase, 1);
    }

    /// Back to "nothing is known".
    pub fn clear(&self) {
        self.write(None, None, None, b"", 0);
    }

    fn write(&self, hundredths: Option<i32>, rows: Option<i64>, estimated: Option<i64>, phase: &[u8], is_set: u32) {
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        self.hundredths.store(hundredths.map_or(-1, |n| n.clamp(0, 10_000)), Ordering::Relaxed);
        self.rows.store(rows.unwrap_or(-1), Ordering::Relaxed);
        self.rows_estimated.store(estimated.unwrap_or(-1), Ordering::Relaxed);
        self.phase.set(phase);
        self.is_set.store(is_set, Ordering::Relaxed);
        self.version.store(version.wrapping_add(2), Ordering::Release);
    }

    /// The last figures; `None` before the first. A worker that died while it wrote leaves them as they stood.
    pub fn get(&self) -> Option<Figures> {
        let mut tries = 0;
        loop {
            let before = self.version.load(Ordering::Acquire);
            let numbers = (
                self.is_set.load(Ordering::Relaxed),
                self.hundredths.load(Ordering::Relaxed),
                self.rows.load(Ordering::Relaxed),
                self.rows_estimated.load(Ordering::Relaxed),
            );
            let phase: Copied<{ PHASE_SIZE / WORD }> = self.phase.copy();
            fence(Ordering::Acquire);
            let after = self.version.load(Ordering::Relaxed);
            tries += 1;
            if (before == after && before % 2 == 0) || tries == 1000 {
                let (is_set, hundredths, rows, estimated) = numbers;
                return (is_set != 0).then(|| Figures {
                    hundredths: Some(hundredths).filter(|n| *n >= 0),
                    rows: Some(rows).filter(|n| *n >= 0),
                    rows_estimated: Some(estimated).filter(|n| *n >= 0),
                    phase: phase.bytes().to_vec(),
                });
            }
            std::hint::spin_loop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_is_not_zero() {
        let automatic = Automatic::new();
        assert_eq!(automatic.get(), None);
        automatic.set(None, None, None, b"waiting");
        let phase = b"waiting".to_vec();
        assert_eq!(automatic.get(), Some(Figures { phase, ..Figures::default() }));
        automatic.set(Some(0), Some(0), Some(7), b"");
        let zero = Figures { hundredths: Some(0), rows: Some(0), rows_estimated: Some(7), phase: Vec::new() };
        assert_eq!(automatic.get(), Some(zero));
        automatic.set(Some(99_999), None, None, &[b'x'; 200]);
        let figures = automatic.get().unwrap_or_default();
        assert_eq!((figures.hundredths, figures.phase.len()), (Some(10_000), PHASE_SIZE));
        automatic.clear();
        assert_eq!(automatic.get(), None);
    }

    #[test]
    fn percent_is_100_at_the_end_alone() {
        let percent = |hundredths| Figures { hundredths: Some(hundredths), ..Figures::default() }.percent();
        assert_eq!((percent(9_999), percent(10_000)), (Some(99), Some(100)));
    }
}
