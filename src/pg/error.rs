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

/// A copy of an error, in a memory context of its own.
struct Caught(NonNull<sys::ErrorData>);

impl Drop for Caught {
    fn drop(&mut self) {
        let error = self.0.as_ptr();
        // SAFETY: made by the guard, owned by this value, freed once.
        let _ = guard(|| unsafe { sys::pgbg_free_error(error) });
    }
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
    pub fn hint(self, hint: &str) -> Self {
        self.with(Field::Hint, hint)
    }

    #[must_use]
    pub fn detail(self, detail: &str) -> Self {
        self.with(Field::Detail, detail)
    }

    fn with(mut self, field: Field, text: &str) -> Self {
        if let Kind::Ours(report) = &mut self.0 {
            report.set(field, text);
        }
        self
    }

    /// Takes over a copy that the guard made.
    pub(super) fn caught(error: NonNull<sys::ErrorData>) -> Self {
        Self(Kind::Caught(Caught(error)))
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
                let report = c_report(report);
                // SAFETY: the report was just made; raising it releases it.
                if let Err(caught @ Self(Kind::Caught(_))) = guard(|| unsafe { sys::pgbg_report(report) }) {
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
            Kind::Ours(report) => Thrown::Ours(c_report(&report)),
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
    Ours(*mut sys::PgbgReport),
}

impl Thrown {
    /// Raises it. No Rust destructor may be pending in any frame up to the server's.
    pub(super) unsafe fn throw(self) -> ! {
        match self {
            // SAFETY: the pointer came from an owning value that was given up; the callers keep the frames clean.
            Self::Caught(error) => unsafe { sys::pgbg_rethrow(error) },
            // SAFETY: as above.
            Self::Ours(report) => unsafe { sys::pgbg_report(report) },
        }
        unreachable!("an ERROR did not leave")
    }
}

/// Raises a message below ERROR here and now. An ERROR can come of it all the same, from an interrupt or lack of memory.
pub fn raise(report: &Report) -> Result<()> {
    debug_assert!(report.level < sys::ERROR as i32);
    let report = c_report(report);
    // SAFETY: below ERROR it returns, having released the report.
    guard(|| unsafe { sys::pgbg_report(report) })
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

/// A report for C, which owns its strings. Freed by its `release`.
#[repr(C)]
struct Owned {
    report: sys::PgbgReport,
    strings: Vec<CString>,
}

unsafe extern "C-unwind" fn release(report: *mut sys::PgbgReport) {
    // SAFETY: the report is the first field of the box that c_report leaked, and is released once.
    drop(unsafe { Box::from_raw(report.cast::<Owned>()) });
}

fn c_report(report: &Report) -> *mut sys::PgbgReport {
    let mut strings = Vec::new();
    let mut text = |field| {
        report.get(field).map_or(ptr::null(), |bytes| {
            // a report's texts hold no NUL
            let string = CString::new(bytes).unwrap_or_default();
            let pointer = string.as_ptr();
            strings.push(string);
            pointer
        })
    };
    let c = sys::PgbgReport {
        elevel: report.level as c_int,
        sqlerrcode: report.sqlstate,
        cursorpos: report.cursor,
        internalpos: report.internal_cursor,
        message: text(Field::Message),
        detail: text(Field::Detail),
        detail_log: text(Field::DetailLog),
        hint: text(Field::Hint),
        context: text(Field::Context),
        schema_name: text(Field::Schema),
        table_name: text(Field::Table),
        column_name: text(Field::Column),
        datatype_name: text(Field::Datatype),
        constraint_name: text(Field::Constraint),
        internalquery: text(Field::InternalQuery),
        release: Some(release),
    };
    Box::into_raw(Box::new(Owned { report: c, strings })).cast()
}

/// The levels that the layers above name.
pub mod level {
    use super::sys;

    pub const DEBUG1: i32 = sys::DEBUG1 as i32;
    pub const LOG: i32 = sys::LOG as i32;
    pub const NOTICE: i32 = sys::NOTICE as i32;
    pub const ERROR: i32 = sys::ERROR as i32;
    pub const FATAL: i32 = sys::FATAL as i32;
}
