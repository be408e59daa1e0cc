//! The server, and all of the project's `unsafe`.
//!
//! A safe function here may be called from anywhere above with any arguments. How that is kept:
//!
//! - A server function that can throw is called through [`guard`], which turns the ERROR into `Err`. A guard's closure
//!   owns nothing and does nothing but that call, for it may be left by longjmp.
//! - Code that the server calls (SQL functions, the worker's main, receivers, callbacks) goes through [`entry`], which
//!   turns panics and `Err` into an ERROR once no Rust destructor is pending.
//! - FATAL and PANIC never come back: destructors do not run then. What other processes rely on is therefore cleaned by
//!   the server's own exit callbacks, never by `Drop` alone.
//! - A backend is one thread. Types that hold server pointers are `Send` and `Sync` for that reason.

pub mod activity;
pub mod arguments;
pub mod bgworker;
pub mod call;
pub mod catalog;
pub mod command_facts;
pub mod command_progress;
pub mod command_statement;
mod compat;
mod compat_command;
mod compat_executor;
mod compat_plan;
mod compat_planner;
mod compat_session;
mod compat_timeout;
pub mod condvar;
pub mod connection;
pub mod convert;
pub mod copy_out;
pub mod declaration;
pub mod dest;
pub mod dsa;
pub mod dsm;
pub mod encoding;
pub mod entry;
pub mod error;
pub mod exit;
mod expression;
pub mod fileset;
pub mod foreign_types;
mod foreign_values;
pub mod frontend;
pub mod guard;
pub mod guc;
mod guc_copy;
pub mod guc_state;
pub mod guc_table;
pub mod hooks;
pub mod identity;
pub mod jsonb;
pub mod lasting_user;
pub mod latch;
mod layout;
pub mod leftovers;
pub mod lock_waits;
pub mod locks;
pub mod lwlock;
pub mod memory;
pub mod mq;
pub mod notify;
pub mod params;
pub mod parse_tree;
pub mod parts;
pub mod pattern;
pub mod plan_cache;
pub mod plan_state;
pub mod plan_waits;
pub mod procedure;
pub mod procs;
pub mod resources;
pub mod result_set;
pub mod set_command;
pub mod shmem;
pub mod signal_cell;
pub mod signals;
pub mod spi;
pub mod splitter;
pub mod spool;
pub mod statement;
pub mod sys;
pub mod ticks;
pub mod timeout;
pub mod timezone;
pub mod tripwire;
pub mod tupdesc;
pub mod types;
pub mod value;
pub mod watched_plans;
pub mod xact;
