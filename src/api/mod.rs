//! The SQL functions. Each reads its arguments, calls what is below, and makes its result.

pub mod admin;
pub mod v1;
pub mod v2;
pub mod views;
