//! The bindings, made by build.rs from the server's headers. They hold what the other files of this folder name as
//! `sys::…`, and what that is made of; the size and the offsets of each struct are checked here, when they are
//! compiled.
#![allow(
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    dead_code,
    unknown_lints,
    unnecessary_transmutes
)]
#![allow(clippy::all, clippy::pedantic)]

include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
