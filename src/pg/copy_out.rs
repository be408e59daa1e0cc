//! COPY … TO STDOUT: what the server sends to its client, as the rows of one column.
//!
//! The server sends protocol messages: CopyOutResponse, a CopyData for each row and for a header or trailer, CopyDone.
//! The worker's protocol methods (`frontend`) hand all messages to [`message`]. During [`receive`] the bytes of a
//! CopyData are a row of its sink: text without the newline at its end, or bytea. Otherwise they are thrown away. One
//! COPY never runs inside another: SPI refuses COPY to the client.
//!
//! An ERROR of the sink leaves the server's COPY by longjmp, as an ERROR of a parallel worker's queue does.

use super::dest::{self, Sink};
use super::encoding;
use super::error::{PgError, Result};
use super::guard::guard;
use super::parse_tree::Tree;
use super::sys;
use super::tupdesc::describe_one;
use logic::sqlstate;
use logic::wire::frame::Row;
use logic::wire::tuple::Head;
use std::ffi::{CStr, c_int};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};

struct State<'a> {
    sink: &'a mut dyn Sink,
    /// The encoding that the statement names, if the texts must be converted from it to the database's.
    from_encoding: Option<i32>,
    /// From CopyOutResponse on.
    format: Option<Format>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Text,
    Binary,
}

static STATE: AtomicPtr<State<'static>> = AtomicPtr::new(ptr::null_mut());

/// The kinds of messages (protocol.h).
const COPY_OUT_RESPONSE: u8 = b'H';
const COPY_DATA: u8 = b'd';

/// Runs a statement that [`Tree::is_copy_to_client`]; its rows go to the sink.
pub fn receive<R>(statement: Tree, sink: &mut dyn Sink, run: impl FnOnce() -> Result<R>) -> Result<R> {
    /// Also at a panic.
    struct Forget;
    impl Drop for Forget {
        fn drop(&mut self) {
            STATE.store(ptr::null_mut(), Relaxed);
        }
    }
    let named = statement.copy_options().get(c"encoding")?;
    // SAFETY: a C string; for a name that no encoding has, which COPY refuses, a number that none has.
    let named = named.map(|name| unsafe { sys::pg_valid_client_encoding(name.as_ptr()) });
    let from_encoding = named.filter(|named| *named != encoding::of_database());
    let mut state = State { sink, from_encoding, format: None };
    STATE.store((&raw mut state).cast(), Relaxed);
    let forget = Forget;
    let ran = run();
    drop(forget);
    ran
}

/// Must [`name_encoding`] name one, before the statement runs? It is COPY … TO STDOUT, and names none. The server would
/// write in `client_encoding` then, which may have no character for what is in the table, and in which no reader of the
/// job expects a text.
pub(super) fn must_name_encoding(statement: Tree) -> Result<bool> {
    Ok(statement.is_copy_to_client() && statement.copy_options().get(c"encoding")?.is_none())
}

/// Makes the COPY write in the database's encoding.
///
/// # Safety
/// A CopyStmt that is analysed, not yet run, and kept by no one else; the current memory context is that of the tree.
/// For [`guard`].
pub(super) unsafe fn name_encoding(statement: *mut sys::CopyStmt) {
    // SAFETY: promised by the caller; constant strings of the server.
    unsafe {
        let name = sys::GetDatabaseEncodingName();
        let option = sys::makeDefElem(c"encoding".as_ptr().cast_mut(), sys::makeString(name.cast_mut()).cast(), -1);
        (*statement).options = sys::lappend((*statement).options, option.cast());
    }
}

/// A message that the server sends to its client. What the current memory context gets is little, and freed.
pub(super) fn message(kind: u8, bytes: &[u8]) -> Result<()> {
    if !matches!(kind, COPY_OUT_RESPONSE | COPY_DATA) {
        return Ok(());
    }
    // SAFETY: NULL, or the state of a `receive` that runs; a sink's row raises no such message, so this is the only
    // reference.
    let Some(state) = (unsafe { STATE.load(Relaxed).as_mut() }) else { return Ok(()) };
    match (kind, state.format) {
        (COPY_DATA, Some(format)) => state.row(format, bytes),
        (COPY_OUT_RESPONSE, None) => state.start(bytes),
        _ => Err(PgError::new(sqlstate::INTERNAL_ERROR, "unexpected message of COPY")),
    }
}

impl State<'_> {
    fn start(&mut self, response: &[u8]) -> Result<()> {
        // the first byte is the format of the whole
        let is_binary = response.first().is_some_and(|format| *format != 0);
        let (format, name, type_id) =
            if is_binary { (Format::Binary, c"data", sys::BYTEAOID) } else { (Format::Text, c"line", sys::TEXTOID) };
        self.format = Some(format);
        let column = describe_one(name, type_id, self.sink.reader())?;
        self.sink.start(&[column])
    }

    fn row(&mut self, format: Format, bytes: &[u8]) -> Result<()> {
        if format == Format::Binary {
            return self.send(bytes);
        }
        let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let Some(from) = self.from_encoding else { return self.send(line) };
        let (start, len) = (line.as_ptr().cast(), line.len() as c_int);
        // SAFETY: the pointer and length are those of one slice; the result is those bytes, or a C string.
        let converted = guard(|| unsafe { sys::pg_any_to_server(start, len, from) })?;
        if converted.cast_const() == start {
            return self.send(line);
        }
        // SAFETY: a C string of the server's making.
        let sent = self.send(unsafe { CStr::from_ptr(converted) }.to_bytes());
        // SAFETY: nothing points there any more.
        guard(|| unsafe { sys::pfree(converted.cast()) })?;
        sent
    }

    fn send(&mut self, value: &[u8]) -> Result<()> {
        match Head::of_value(value.len()) {
            Some(head) => dest::put(self.sink, Row::of_value(&head, value)),
            None => Err(too_long()),
        }
    }
}

#[cold]
fn too_long() -> PgError {
    PgError::new(sqlstate::PROGRAM_LIMIT_EXCEEDED, "a row of COPY is too long to be a row of the job's result")
}
