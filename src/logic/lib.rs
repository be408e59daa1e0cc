//! What can be decided without a server: the registry's rules, the segment's layout, states, and the bytes that travel.
//!
//! Pure: nothing here calls the server or another part of the project, and nothing is `unsafe`. So all of it has unit
//! tests, and a fuzzer or Miri can run it.
#![forbid(unsafe_code)]

pub mod decimal;
pub mod estimate;
pub mod job;
pub mod literal;
pub mod registry;
pub mod segment;
pub mod session;
pub mod shared_text;
pub mod spin;
pub mod sqlstate;
pub mod statement_end;
pub mod timeline;
pub mod wait_graph;
pub mod wire;
