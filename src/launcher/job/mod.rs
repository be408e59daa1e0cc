//! The jobs that a session can name: its own, which it tracks from the launch until they are read or detached, and
//! those of other sessions, which the registry knows.

pub mod await_any;
pub mod outcome;
pub mod own_rows;
mod remote;
pub mod several;
mod target;
mod tracked;
pub mod tracker;
mod used_pids;

pub use target::{Target, Wish, detach, find_to_read};
pub use tracked::{Gone, Job, LaunchedJob, Reading};
pub use used_pids::{note_release, pids_of};
