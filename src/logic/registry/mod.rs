//! The registry: what the sessions and workers of the whole server share, and the rules by which they change it.
//!
//! [`layout`] is the memory. [`tables::Tables`] has what may be looked at without the lock, [`locked::Shared`] what
//! needs the lock shared, and [`locked::Locked`] what changes the tables: its methods are in one file per noun. What
//! the rules need of the server comes in by the trait [`locked::Server`]. So all of it runs without a server too: see
//! `tests/`.

pub mod claims;
pub mod departed;
pub mod door;
pub mod history;
pub mod jobs;
pub mod layout;
pub mod locked;
pub mod pending;
pub mod queue;
pub mod quota;
pub mod rows;
pub mod saved;
pub mod shown_waits;
pub mod tables;
pub mod totals;
pub mod workers;

#[cfg(test)]
mod tests;
