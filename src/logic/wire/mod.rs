//! What a worker and its launcher say to each other: frames and what is in them.
//!
//! Pure: bytes in, values out. Integers are in the machine's own byte order, for both sides are processes of one
//! server. Nothing that is read is believed before it has been checked against the bytes that are really there.

pub mod bytes;
pub mod columns;
pub mod frame;
pub mod report;
pub mod tags;
pub mod tuple;

/// The bytes are not what a worker of this version writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

pub type Result<T> = std::result::Result<T, Malformed>;
