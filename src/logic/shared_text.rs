//! A short text in shared memory.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

/// A text of at most N bytes in memory that processes share. The writer cuts it where a character ends.
///
/// Writers and readers must exclude each other by a lock, or notice each other by a sequence number around the text.
/// Without that a reader gets a mix of two texts; it never reads beyond the N bytes.
#[repr(C)]
pub struct SharedText<const N: usize> {
    len: AtomicU32,
    bytes: [AtomicU8; N],
}

impl<const N: usize> Default for SharedText<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> SharedText<N> {
    pub const fn new() -> Self {
        Self { len: AtomicU32::new(0), bytes: [const { AtomicU8::new(0) }; N] }
    }

    /// Sets the text; bytes beyond N are dropped.
    pub fn set(&self, text: &[u8]) {
        let len = text.len().min(N);
        for (to, from) in self.bytes.iter().zip(&text[..len]) {
            to.store(*from, Ordering::Relaxed);
        }
        self.len.store(len as u32, Ordering::Relaxed);
    }

    /// Takes over the text of `other`, without allocating.
    pub fn copy_from(&self, other: &Self) {
        let len = other.len();
        for (to, from) in self.bytes.iter().zip(&other.bytes[..len]) {
            to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        self.len.store(len as u32, Ordering::Relaxed);
    }

    pub fn clear(&self) {
        self.len.store(0, Ordering::Relaxed);
    }

    /// A copy on the stack, which can be made while a lock is held.
    pub fn copy(&self) -> Copied<N> {
        let mut copied = Copied { len: self.len(), bytes: [0; N] };
        for (to, from) in copied.bytes.iter_mut().zip(&self.bytes[..copied.len]) {
            *to = from.load(Ordering::Relaxed);
        }
        copied
    }

    /// A copy on the heap.
    pub fn get(&self) -> Vec<u8> {
        self.bytes[..self.len()].iter().map(|byte| byte.load(Ordering::Relaxed)).collect()
    }

    /// At most N, whatever another process has written.
    pub(crate) fn len(&self) -> usize {
        (self.len.load(Ordering::Relaxed) as usize).min(N)
    }
}

/// What [`SharedText::copy`] returns.
pub struct Copied<const N: usize> {
    len: usize,
    bytes: [u8; N],
}

impl<const N: usize> Copied<N> {
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_fits() {
        let text = SharedText::<4>::new();
        assert_eq!(text.get(), b"");
        text.set(b"abcdef");
        assert_eq!(text.get(), b"abcd");
        let other = SharedText::<4>::new();
        other.set(b"x");
        text.copy_from(&other);
        assert_eq!(text.get(), b"x");
        assert_eq!(text.copy().bytes(), b"x");
        text.clear();
        assert_eq!(text.get(), b"");
        text.len.store(77, Ordering::Relaxed);
        assert_eq!(text.get().len(), 4);
    }
}
