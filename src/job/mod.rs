//! The jobs of this session.

mod elsewhere;
mod handle;
pub mod tracker;

pub use elsewhere::Elsewhere;
pub use handle::{Job, Reading};
