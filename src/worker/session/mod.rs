//! The worker's session: it becomes the launcher's, and between two jobs it is made as new.

pub mod baseline;
pub mod restore;
