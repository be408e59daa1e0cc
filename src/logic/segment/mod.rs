//! A job's shared memory segment.

pub mod header;

/// Larger segments do not stay between jobs, neither in the launcher's pool nor mapped by a worker.
pub const MAX_POOLED_SIZE: usize = 256 << 10;
