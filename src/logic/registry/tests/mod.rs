//! The registry's rules, run without a server: over tables in plain memory, by processes that are values or threads.

mod admission;
mod counts;
mod door;
mod idle;
mod invariants;
mod launchers;
pub(super) mod memory;
mod model;
mod observers;
mod one_job;
mod pending;
mod random_moves;
mod refusals;
mod shown_waits;
mod threads;
mod workers;
