//! A job's shared memory segment.

pub mod header;
pub mod name;
pub mod spill;

/// Larger segments do not stay between jobs, neither in the launcher's pool nor mapped by a worker.
pub const MAX_POOLED_SIZE: usize = 256 << 10;
