//! The SQL functions. Each reads its arguments, calls what is below, and makes its result.

mod admin;
pub mod declared;
mod v1;
mod v2;
mod views;
