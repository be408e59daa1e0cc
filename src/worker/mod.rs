//! The background worker: a process that runs one job.
//!
//! ```text
//! main: take the segment ─▶ connect ─▶ session: settings, identity ─▶ execute: statements ─▶ outcome: publish, leave
//! ```
//!
//! Whatever ends the process on the way (an ERROR anywhere, FATAL, a termination) publishes an outcome first: [`outcome`]
//! is registered as an exit callback before the worker does anything that can fail.

pub mod current;
mod execute;
pub mod main;
mod outcome;
mod session;
