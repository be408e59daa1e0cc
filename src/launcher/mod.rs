//! What a launching session does: it launches jobs, tracks them, reads them.

pub mod job;
pub mod launch;
pub mod read;
