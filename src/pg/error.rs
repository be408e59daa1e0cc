//! Errors on their way from the server to Rust, and from Rust to the server.

use super::guard::guard;
use super::sys;
use logic::sqlstate;
use logic::wire::Malformed;
use logic::wire::report::{Field, Report};
use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr::{self, NonNull};

pub type Result<T> = std::result::Result<T, PgError>;

/// An ERROR: caught from the server, with all of its fields, or one of our own.
pub struct PgError(Kind);

enum Kind {
    Caught(Caught),
    Ours(Box<Report>),
}

/// A copy of an error, in a memory context of its own, which the copy names as its `assoc_context`.
struct Caught(NonNull<sys::ErrorData>);

impl Drop for Caught {
    fn drop(&mut self) {
        let error = self.0.as_ptr();
        // SAFETY: made by the guard, owned by this value, freed once, with the context that was made for it.
        let _ = guard(|| unsafe { sys::MemoryContextDelete((*error).assoc_context) });
    }
}

/// A message with names in the place of its `{}`. Names are in the database encoding, and a String is UTF-8.
pub fn with_names(message: &str, names: &[&[u8]]) -> Vec<u8> {
    let mut names = names.iter();
    let mut text = Vec::new();
    for (n, part) in message.split("{}").enumerate() {
        if n > 0 {
            text.extend_from_slice(names.next().map_or(b"", |name| name));
        }
        text.extend_from_slice(part.as_bytes());
    }
    text
}

impl PgError {
    /// An ERROR with that SQLSTATE and message.
    #[cold]
    pub fn new(sqlstate: i32, message: impl Into<Vec<u8>>) -> Self {
        Self(Kind::Ours(Box::new(Report::new(sys::ERROR as i32, sqlstate, message))))
    }

    pub fn of(report: Report) -> Self {
        Self(Kind::Ours(Box::new(report)))
    }

    #[must_use]
    pub fn hint(self, hint: impl Into<Vec<u8>>) -> Self {
        self.with(Field::Hint, hint)
    }

    #[must_use]
    pub fn detail(self, detail: impl Into<Vec<u8>>) -> Self {
        self.with(Field::Detail, detail)
    }

    fn with(mut self, field: Field, text: impl Into<Vec<u8>>) -> Self {
        if let Kind::Ours(report) = &mut self.0 {
            report.set(field, text);
        }
        self
    }

    /// Takes over a copy that the guard made.
    pub(super) fn caught(error: NonNull<sys::ErrorData>) -> Self {
        Self(Kind::Caught(Caught(error)))
    }

    /// The SQLSTATE of an error of our own, which the server has not thrown: nothing needs to be aborted for it.
    pub fn own_sqlstate(&self) -> Option<i32> {
        match &self.0 {
            Kind::Caught(_) => None,
            Kind::Ours(report) => Some(report.sqlstate),
        }
    }

    pub fn report(&self) -> Report {
        match &self.0 {
            // SAFETY: the copy lives as long as this value, and its strings with it.
            Kind::Caught(error) => unsafe { report_of(error.0.as_ref()) },
            Kind::Ours(report) => Report::clone(report),
        }
    }

    /// Writes the error to the server log, with a line of context.
    pub fn log(&self, context_line: &CStr) {
        let context = context_line.as_ptr();
        match &self.0 {
            Kind::Caught(error) => {
                let error = error.0.as_ptr();
                // SAFETY: an intact copy of an ERROR, and a C string.
                let _ = guard(|| unsafe { sys::pgbg_log_error(error, context) });
            }
            Kind::Ours(report) => {
                // thrown and caught, it is one of the server's
                let report = prepare(report);
                // SAFETY: the report was just made; raising it releases it.
                if let Err(caught @ Self(Kind::Caught(_))) = guard(|| unsafe { report_to_server(report) }) {
                    caught.log(context_line);
                }
            }
        }
    }

    /// Gives up ownership, for throwing.
    pub(super) fn into_thrown(self) -> Thrown {
        match self.0 {
            Kind::Caught(error) => {
                let raw = error.0.as_ptr();
                std::mem::forget(error);
                Thrown::Caught(raw)
            }
            Kind::Ours(report) => Thrown::Ours(prepare(&report)),
        }
    }
}

impl From<Malformed> for PgError {
    fn from(Malformed(what): Malformed) -> Self {
        Self::new(sqlstate::DATA_CORRUPTED, format!("invalid message from background worker: {what}"))
    }
}

/// An error without destructors, ready to leave Rust.
#[derive(Clone, Copy)]
pub(super) enum Thrown {
    Caught(*mut sys::ErrorData),
    Ours(*mut Prepared),
}

impl Thrown {
    /// Raises it. No Rust destructor may be pending in any frame up to the server's.
    pub(super) unsafe fn throw(self) -> ! {
        match self {
            // SAFETY: the pointer came from an owning value that was given up; the callers keep the frames clean. The
            // copy goes when the error has been dealt with.
            Self::Caught(error) => unsafe {
                sys::MemoryContextSetParent((*error).assoc_context, sys::ErrorContext);
                sys::ReThrowError(error);
            },
            // SAFETY: as above.
            Self::Ours(report) => unsafe { report_to_server(report) },
        }
        unreachable!("an ERROR did not leave")
    }
}

/// Raises a message below ERROR here and now. An ERROR can come of it all the same, from an interrupt or lack of
/// memory.
pub fn raise(report: &Report) -> Result<()> {
    debug_assert!(report.level < sys::ERROR as i32);
    let report = prepare(report);
    // SAFETY: below ERROR it returns, having released the report.
    guard(|| unsafe { report_to_server(report) })
}

/// The fields of a server error.
///
/// # Safety
/// Its strings must be valid C strings or NULL, as the server keeps them.
pub(super) unsafe fn report_of(error: &sys::ErrorData) -> Report {
    let mut report = Report::default();
    report.level = error.elevel;
    report.sqlstate = error.sqlerrcode;
    report.cursor = error.cursorpos;
    report.internal_cursor = error.internalpos;
    let texts: [(Field, *const c_char); 11] = [
        (Field::Message, error.message),
        (Field::Schema, error.schema_name),
        (Field::Table, error.table_name),
        (Field::Column, error.column_name),
        (Field::Datatype, error.datatype_name),
        (Field::Constraint, error.constraint_name),
        (Field::Detail, error.detail),
        (Field::Hint, error.hint),
        (Field::Context, error.context),
        (Field::InternalQuery, error.internalquery),
        (Field::DetailLog, error.detail_log),
    ];
    for (field, text) in texts {
        if !text.is_null() {
            // SAFETY: promised by the caller.
            report.set(field, unsafe { CStr::from_ptr(text) }.to_bytes());
        }
    }
    report
}

/// A report as the server's functions take it: its texts end with NULs.
pub(super) struct Prepared {
    level: c_int,
    sqlstate: c_int,
    cursor: c_int,
    internal_cursor: c_int,
    texts: Vec<(Field, CString)>,
}

fn prepare(report: &Report) -> *mut Prepared {
    // a report's texts hold no NUL
    let text = |field| report.get(field).map(|bytes| (field, CString::new(bytes).unwrap_or_default()));
    Box::into_raw(Box::new(Prepared {
        level: report.level,
        sqlstate: report.sqlstate,
        cursor: report.cursor,
        internal_cursor: report.internal_cursor,
        texts: Field::ALL.into_iter().filter_map(text).collect(),
    }))
}

/// In a frame of its own, which is gone when the server leaves by longjmp.
///
/// # Safety
/// Made by `prepare`, released once.
#[inline(never)]
unsafe fn release(report: *mut Prepared) {
    // SAFETY: promised by the caller.
    drop(unsafe { Box::from_raw(report) });
}

/// Raises what the report says, at its level, and releases it once the server has its own copy. Does not return at
/// ERROR and above. Its frame holds nothing that has a destructor.
///
/// # Safety
/// Made by `prepare`. Throws: to be called in a guard, or where no destructor is pending up to the server's frame.
unsafe fn report_to_server(report: *mut Prepared) {
    const TEXT: *const c_char = c"%s".as_ptr();
    // SAFETY: promised by the caller; each format takes one string; errfinish follows on errstart.
    unsafe {
        let r = &*report;
        if !sys::errstart(r.level, ptr::null()) {
            release(report);
            return;
        }
        sys::errcode(r.sqlstate);
        sys::errmsg_internal(c"missing error text".as_ptr());
        for (field, text) in &r.texts {
            let text = text.as_ptr();
            match field {
                Field::Message => sys::errmsg_internal(TEXT, text),
                Field::Schema => sys::err_generic_string(c_int::from(sys::PG_DIAG_SCHEMA_NAME), text),
                Field::Table => sys::err_generic_string(c_int::from(sys::PG_DIAG_TABLE_NAME), text),
                Field::Column => sys::err_generic_string(c_int::from(sys::PG_DIAG_COLUMN_NAME), text),
                Field::Datatype => sys::err_generic_string(c_int::from(sys::PG_DIAG_DATATYPE_NAME), text),
                Field::Constraint => sys::err_generic_string(c_int::from(sys::PG_DIAG_CONSTRAINT_NAME), text),
                Field::Detail => sys::errdetail_internal(TEXT, text),
                Field::DetailLog => sys::errdetail_log(TEXT, text),
                Field::Hint => sys::errhint(TEXT, text),
                Field::Context => {
                    sys::set_errcontext_domain(ptr::null());
                    sys::errcontext_msg(TEXT, text)
                }
                Field::InternalQuery => {
                    sys::internalerrposition(r.internal_cursor);
                    sys::internalerrquery(text)
                }
            };
        }
        sys::errposition(r.cursor);
        release(report);
        sys::errfinish(c"error.rs".as_ptr(), line!() as c_int, c"report_to_server".as_ptr());
    }
}

/// Ends the session: what Rust was about to do cannot be undone halfway. Allocates nothing in Rust.
pub fn out_of_memory() -> ! {
    // SAFETY: FATAL ends the process in an orderly way; of Rust, exit callbacks alone run after it.
    unsafe {
        if sys::errstart(sys::FATAL as c_int, ptr::null()) {
            sys::errcode(sqlstate::OUT_OF_MEMORY);
            sys::errmsg(c"out of memory".as_ptr());
            sys::errdetail(c"pg_background could not allocate memory.".as_ptr());
            sys::errfinish(c"error.rs".as_ptr(), line!() as c_int, c"out_of_memory".as_ptr());
        }
    }
    std::process::abort()
}

/// The levels that the layers above name.
pub mod level {
    use super::sys;

    pub const DEBUG1: i32 = sys::DEBUG1 as i32;
    pub const LOG: i32 = sys::LOG as i32;
    pub const NOTICE: i32 = sys::NOTICE as i32;
    pub const WARNING: i32 = sys::WARNING as i32;
    pub const ERROR: i32 = sys::ERROR as i32;
    pub const FATAL: i32 = sys::FATAL as i32;
}
