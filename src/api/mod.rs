//! The SQL functions: each reads its arguments, calls the launcher, the worker or the registry, and makes a result of
//! what these return.

mod admin;
mod c_extension;
pub mod declared;
mod handles;
mod jobs;
mod map;
mod readers;
mod timeline;
mod v1;
mod v2;
mod views;
