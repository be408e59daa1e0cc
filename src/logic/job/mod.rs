//! A job: its states, what it says of itself, and what a session remembers of its jobs.

pub mod automatic;
pub mod clocked;
pub mod counters;
pub mod log_line;
pub mod progress;
pub mod released;
pub mod state;
pub mod tracked;
pub mod usage;
