//! What a job is, without a server: states, the shared header's layout, the session's jobs and counters and its memory
//! of released handles.
//!
//! Pure: nothing here calls the server or another part of the project, and nothing is `unsafe`.
#![forbid(unsafe_code)]

pub mod header;
pub mod jobs;
pub mod libraries;
pub mod progress;
pub mod quota;
pub mod released;
pub mod slot;
pub mod spin;
pub mod sqlstate;
pub mod state;
pub mod stats;
pub mod text;
