//! The background worker: a process that runs jobs, one after the other.
//!
//! ```text
//! main: take the segment ─▶ connect ─▶ session: settings, identity ─▶ execute: statements ─▶ outcome: publish, leave
//!            ▲                              ▲                                                        │
//!            │                              └────── idle: wait for the next job ◀─── reset ◀─────────┤
//!          start                                              └──▶ end                               └──▶ end
//! ```
//!
//! Whatever ends the process on the way (an ERROR anywhere, FATAL, a termination) publishes an outcome first: an exit
//! callback is registered before the worker takes a job.

mod callbacks;
pub mod current;
mod idle;
mod job;
pub mod mapped_segments;
mod outcome;
pub mod process;
mod row_sink;
pub mod session;
mod statements;
mod transaction;
