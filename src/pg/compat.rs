//! What differs between major versions of the server, as far as Rust sees it: the one file with `cfg(pgNN_up)`, which build.rs
//! sets. Each item says what changed, and since when. What only C sees is in c_shim/compat.h.

/// 15: the serialized state of a setting says which role set it.
pub const SETTINGS_HAVE_ROLE: bool = cfg!(pg15_up);
