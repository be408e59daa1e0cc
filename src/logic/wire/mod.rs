//! What a worker and its launcher send each other, as bytes: frames, and what is in them.
//!
//! Bytes in, values out; nothing here sends or receives. Integers are in the machine's own byte order, because both
//! sides are processes of one server. No number that is read is believed before it has been checked against the bytes
//! that are really there: property tests here, and the fuzz targets in `fuzz/`, try any bytes.

pub mod batch;
pub mod bytes;
pub mod columns;
pub mod extras;
pub mod frame;
pub mod params;
pub mod pending;
pub mod report;
pub mod shape;
pub mod tags;
pub mod tuple;
pub mod type_tree;

/// The bytes are not what a worker of this version writes; why, in the words of the error's detail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

pub type Result<T> = std::result::Result<T, Malformed>;
