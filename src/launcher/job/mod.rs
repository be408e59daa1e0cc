//! The jobs of this session.

mod remote;
mod tracked;
pub mod tracker;
pub mod used_pids;

pub use remote::RemoteJob;
pub use tracked::{Job, Reading};
