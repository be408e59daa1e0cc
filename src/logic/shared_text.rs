//! A short text in shared memory.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Bytes of a word: a text goes from and to shared memory by words, for an atomic byte at a time takes eight times as
/// long, and is done under locks.
pub const WORD: usize = 8;

/// A text of at most so many words in memory that processes share. The writer cuts it where a character ends.
///
/// Writers and readers must exclude each other by a lock, or notice each other by a sequence number around the text.
/// Without that a reader gets a mix of two texts; it never reads beyond the words.
#[repr(C)]
pub struct SharedText<const WORDS: usize> {
    len: AtomicU32,
    words: [AtomicU64; WORDS],
}

impl<const WORDS: usize> Default for SharedText<WORDS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const WORDS: usize> SharedText<WORDS> {
    /// The most bytes.
    pub const SIZE: usize = WORDS * WORD;

    pub const fn new() -> Self {
        Self { len: AtomicU32::new(0), words: [const { AtomicU64::new(0) }; WORDS] }
    }

    /// Sets the text; bytes beyond its size are dropped.
    pub fn set(&self, text: &[u8]) {
        let text = &text[..text.len().min(Self::SIZE)];
        let whole = text.chunks_exact(WORD);
        let rest = whole.remainder();
        for (to, from) in self.words.iter().zip(whole) {
            to.store(u64::from_ne_bytes(from.try_into().unwrap_or_default()), Relaxed);
        }
        if let Some(last) = self.words.get(text.len() / WORD) {
            let mut word = [0; WORD];
            word[..rest.len()].copy_from_slice(rest);
            last.store(u64::from_ne_bytes(word), Relaxed);
        }
        self.len.store(text.len() as u32, Relaxed);
    }

    /// Takes over the text of `other`, without allocating.
    pub fn copy_from(&self, other: &Self) {
        let len = other.len();
        for (to, from) in self.words.iter().zip(&other.words[..len.div_ceil(WORD)]) {
            to.store(from.load(Relaxed), Relaxed);
        }
        self.len.store(len as u32, Relaxed);
    }

    pub fn clear(&self) {
        self.len.store(0, Relaxed);
    }

    /// A copy on the stack, which can be made while a lock is held.
    pub fn copy(&self) -> Copied<WORDS> {
        let mut copied = Copied { len: self.len(), words: [[0; WORD]; WORDS] };
        for (to, from) in copied.words.iter_mut().zip(&self.words[..copied.len.div_ceil(WORD)]) {
            *to = from.load(Relaxed).to_ne_bytes();
        }
        copied
    }

    /// A copy on the heap.
    pub fn get(&self) -> Vec<u8> {
        let len = self.len();
        let words = &self.words[..len.div_ceil(WORD)];
        let mut bytes = Vec::with_capacity(words.len() * WORD);
        for word in words {
            bytes.extend_from_slice(&word.load(Relaxed).to_ne_bytes());
        }
        bytes.truncate(len);
        bytes
    }

    /// At most the size, whatever another process has written.
    pub(crate) fn len(&self) -> usize {
        (self.len.load(Relaxed) as usize).min(Self::SIZE)
    }
}

/// What [`SharedText::copy`] returns.
pub struct Copied<const WORDS: usize> {
    len: usize,
    words: [[u8; WORD]; WORDS],
}

impl<const WORDS: usize> Copied<WORDS> {
    pub fn bytes(&self) -> &[u8] {
        &self.words.as_flattened()[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_fits() {
        let text = SharedText::<2>::new();
        assert_eq!(text.get(), b"");
        text.set(b"abcdefghijklmnopqrst");
        assert_eq!((text.get(), text.copy().bytes()), (b"abcdefghijklmnop".to_vec(), &b"abcdefghijklmnop"[..]));
        let other = SharedText::<2>::new();
        other.set(b"x");
        text.copy_from(&other);
        assert_eq!(text.get(), b"x");
        assert_eq!(text.copy().bytes(), b"x");
        text.clear();
        assert_eq!(text.get(), b"");
        text.len.store(77, Relaxed);
        assert_eq!(text.get().len(), 16);
    }

    #[test]
    fn texts_of_every_length_come_back_whole() {
        let all = b"abcdefghijklmnopqrstuvwx";
        let (text, other) = (SharedText::<3>::new(), SharedText::<3>::new());
        for len in (0..=all.len()).chain((0..all.len()).rev()) {
            text.set(&all[..len]);
            other.copy_from(&text);
            assert_eq!(
                (text.get(), other.get(), text.copy().bytes()),
                (all[..len].into(), all[..len].into(), &all[..len])
            );
        }
    }
}
