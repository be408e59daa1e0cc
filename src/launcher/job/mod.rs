//! The jobs of this session.

mod elsewhere;
mod handle;
pub mod spent;
pub mod tracker;

pub use elsewhere::Elsewhere;
pub use handle::{Job, Reading};
