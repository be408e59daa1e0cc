//! A short text in shared memory.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

/// At most N bytes, cut by the writer where a character ends. Writers and readers exclude each other: by a lock, or by a
/// sequence number around it.
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

    /// What does not fit is left out.
    pub fn set(&self, text: &[u8]) {
        let len = text.len().min(N);
        for (to, from) in self.bytes.iter().zip(&text[..len]) {
            to.store(*from, Ordering::Relaxed);
        }
        self.len.store(len as u32, Ordering::Relaxed);
    }

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

    /// A copy that takes no memory: for those who hold a lock.
    pub fn copy(&self) -> Copied<N> {
        let mut copied = Copied { len: self.len(), bytes: [0; N] };
        for (to, from) in copied.bytes.iter_mut().zip(&self.bytes[..copied.len]) {
            *to = from.load(Ordering::Relaxed);
        }
        copied
    }

    pub fn get(&self) -> Vec<u8> {
        self.bytes[..self.len()].iter().map(|byte| byte.load(Ordering::Relaxed)).collect()
    }

    /// Never more than there is room for, whatever another process wrote.
    fn len(&self) -> usize {
        (self.len.load(Ordering::Relaxed) as usize).min(N)
    }
}

/// See [`SharedText::copy`].
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
