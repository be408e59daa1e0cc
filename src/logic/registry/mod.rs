//! The registry: what the sessions and workers of the whole server share, and the rules by which they change it.

pub mod layout;
pub mod quota;
