//! What a launching session does: it launches jobs, tracks them, reads them. All of its waits are in `wait`; `deadlock`
//! watches them.

mod deadlock;
pub mod job;
pub mod join;
pub mod launch;
pub mod map;
pub mod read;
pub mod synchronous;
mod wait;
