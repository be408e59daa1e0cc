//! The registry's rules, run without a server: over tables in plain memory, by processes that are values or threads.

mod invariants;
mod launchers;
mod memory;
mod model;
mod observers;
mod random_moves;
mod threads;
mod workers;
