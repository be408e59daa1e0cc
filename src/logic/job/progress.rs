//! A job's progress, as it reports it.

use crate::shared_text::{SharedText, WORD};
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering, fence};

/// Bytes of a message.
pub const MESSAGE_SIZE: usize = 64;

/// Written by the worker alone, read by any process: the version is odd while it is written.
#[repr(C)]
pub struct Progress {
    version: AtomicU32,
    percent: AtomicI32,
    message: SharedText<{ MESSAGE_SIZE / WORD }>,
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress {
    /// The longest message that is kept, as 1.8 had it.
    pub const MAX_MESSAGE: usize = MESSAGE_SIZE - 1;

    pub const fn new() -> Self {
        Self { version: AtomicU32::new(0), percent: AtomicI32::new(-1), message: SharedText::new() }
    }

    /// `None` keeps the percentage (0 at first).
    pub fn set(&self, percent: Option<i32>, message: &[u8]) {
        let old = self.percent.load(Ordering::Relaxed).max(0);
        self.write(percent.map_or(old, |p| p.clamp(0, 100)), message);
    }

    /// Back to "none reported".
    pub fn clear(&self) {
        self.write(-1, b"");
    }

    fn write(&self, percent: i32, message: &[u8]) {
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        self.percent.store(percent, Ordering::Relaxed);
        self.message.set(&message[..message.len().min(Self::MAX_MESSAGE)]);
        self.version.store(version.wrapping_add(2), Ordering::Release);
    }

    /// The last report; `None` before the first. A worker that died while it wrote leaves the figures as they stood.
    pub fn get(&self) -> Option<(i32, Vec<u8>)> {
        let mut tries = 0;
        loop {
            let before = self.version.load(Ordering::Acquire);
            let percent = self.percent.load(Ordering::Relaxed);
            let message = self.message.get();
            fence(Ordering::Acquire);
            let after = self.version.load(Ordering::Relaxed);
            tries += 1;
            if (before == after && before % 2 == 0) || tries == 1000 {
                return (percent >= 0).then_some((percent, message));
            }
            std::hint::spin_loop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_clamped_cut_and_read_whole() {
        let p = Progress::new();
        assert_eq!(p.get(), None);
        p.set(None, b"first");
        assert_eq!(p.get(), Some((0, b"first".to_vec())));
        p.set(Some(400), &[b'x'; 100]);
        assert_eq!(p.get(), Some((100, vec![b'x'; 63])));
        p.set(Some(-1), b"");
        assert_eq!(p.get(), Some((0, Vec::new())));
        p.clear();
        assert_eq!(p.get(), None);
    }
}
