//! The background worker: a process that runs jobs, one after the other.
//!
//! ```text
//!  start ──▶ take the job ──▶ connect ──▶ session: settings, users ──▶ statements ──▶ outcome: publish, end
//!                 ▲                                                                       │
//!                 └── idle: offered a job ◀─────────── session: take back, forget ◀───────┤
//!                       └──▶ end                             └──▶ end                     └──▶ end
//! ```
//!
//! The launcher is another session, which the worker knows only by the job's segment and the registry. Whatever ends
//! the process on the way (an ERROR anywhere, FATAL, a termination) publishes an outcome first: the exit callback is
//! registered before the worker takes a job.

mod autocommit;
mod callbacks;
pub mod current;
mod idle;
mod job;
mod mapped_segments;
mod notify;
mod outcome;
pub mod process;
mod row_sink;
mod session;
mod statements;
mod transaction;
mod usage;
