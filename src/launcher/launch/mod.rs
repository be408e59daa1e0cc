//! Launching a job: a segment with everything the worker needs, and a worker to take it.

mod admission;
mod segments;
mod start;

pub use start::{Kind, launch};
