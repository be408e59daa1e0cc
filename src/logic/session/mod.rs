//! What makes one session like another: its settings, the libraries that it has loaded, and
//! what others have committed since it began.

pub mod change;
pub mod given;
pub mod kind;
pub mod libraries;
pub mod outdated;
pub mod overlay;
pub mod settings;
