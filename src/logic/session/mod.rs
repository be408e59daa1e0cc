//! What makes one session like another: its settings, and the libraries that it has loaded.

pub mod libraries;
pub mod settings;
