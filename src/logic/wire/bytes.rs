//! Reading and writing integers and counted byte strings.

use super::{Malformed, Result};

/// Reads from bytes that are not trusted. A read that fails takes nothing.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Has everything been read?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next `len` bytes.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Malformed("a length exceeds the message"))?;
        self.0 = rest;
        Ok(taken)
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<&'a [u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(Malformed("the message ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub fn u8(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub fn i16(&mut self) -> Result<i16> {
        self.array().map(|bytes| i16::from_ne_bytes(*bytes))
    }

    pub fn u32(&mut self) -> Result<u32> {
        self.array().map(|bytes| u32::from_ne_bytes(*bytes))
    }

    pub fn u64(&mut self) -> Result<u64> {
        self.array().map(|bytes| u64::from_ne_bytes(*bytes))
    }

    pub fn i32(&mut self) -> Result<i32> {
        self.array().map(|bytes| i32::from_ne_bytes(*bytes))
    }

    /// The next string, whose length comes before it.
    pub fn counted(&mut self) -> Result<&'a [u8]> {
        let len = self.u32()?;
        self.take(len as usize)
    }
}

/// Appends a string, its length before it. Strings of the server have less than 1 GB.
pub fn put_counted(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend_from_slice(&(bytes.len() as u32).to_ne_bytes());
    to.extend_from_slice(bytes);
}
