//! The jobs of this session.

mod handle;
pub mod tracker;

pub use handle::{Job, Reading};
