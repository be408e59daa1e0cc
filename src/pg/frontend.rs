//! What a worker has instead of a client. Its job's messages have a reader, the launcher; and a job's functions may
//! take a client for granted.
//!
//! `ereport` drops NOTICEs where `whereToSendOutput` is not DestRemote. With DestRemote the server writes protocol
//! messages, which the methods below throw away, all but those of COPY TO STDOUT (`copy_out`). The message itself is
//! taken from an error context callback, the outermost one: it is called last, so all lines of context are there.
//!
//! After the callback the server converts the message that is to be thrown away to `client_encoding`, and that may
//! fail: suppose a client with LATIN1 launches a job that says '€'. So the conversion is switched off from the
//! callback to the end of the message. `client_encoding` keeps its value for the job's own uses of it (COPY). Should
//! a message end in an ERROR before its end, the next one switches the conversion on again.
//!
//! ERRORs leave the functions that the server calls here by longjmp: their frames own nothing that has a destructor.

use super::compat;
use super::copy_out;
use super::entry::callback;
use super::error::{self, Result};
use super::guard::guard;
use super::sys;
use super::value::slice_or_empty;
use logic::wire::report::Report;
use std::cell::UnsafeCell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::{MaybeUninit, offset_of};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU64, Ordering::Relaxed};

/// Where messages are copied: enough for most of them is there from the beginning. Suppose that memory runs out, and
/// that the error which says so could not be copied for the same reason: each such error raises another one, and the
/// server's stack has room for five.
static CONTEXT: AtomicPtr<sys::MemoryContextData> = AtomicPtr::new(ptr::null_mut());
/// Bytes that are there from the beginning, and those of a larger block.
const CONTEXT_SIZES: (usize, usize) = (32 << 10, 256 << 10);

/// Memory that the server reads and writes as long as the process lives.
struct Static<T>(UnsafeCell<T>);

// SAFETY: a backend is one thread.
unsafe impl<T> Sync for Static<T> {}

/// What is to be done with a message.
type Callback = fn(Report) -> Result<()>;
static CALLBACK: OnceLock<Callback> = OnceLock::new();

/// The client's encoding while the conversion is switched off; otherwise none.
static SAVED_ENCODING: AtomicI32 = AtomicI32::new(NONE);
const NONE: i32 = -1;

/// Counts the messages of this process that a client sees, or could see under other settings.
static MESSAGES: AtomicU64 = AtomicU64::new(0);

/// How many messages there have been: for who asks whether something has raised one.
pub(super) fn messages() -> u64 {
    MESSAGES.load(Relaxed)
}

fn restore_client_encoding() {
    // once for each row of a COPY
    if SAVED_ENCODING.load(Relaxed) == NONE {
        return;
    }
    let encoding = SAVED_ENCODING.swap(NONE, Relaxed);
    if encoding != NONE {
        // SAFETY: this encoding was in use before, so nothing is looked up, and nothing throws.
        unsafe { sys::SetClientEncoding(encoding) };
    }
}

/// The outermost error context: gets each message when it is complete.
unsafe extern "C-unwind" fn on_message(_argument: *mut c_void) {
    restore_client_encoding();
    // SAFETY: variables of this one thread, and functions that the server's own context callbacks may call. The copy
    // lives until its context is reset.
    unsafe {
        // nothing may allocate there, and what is said there is of no use to a launcher
        if sys::CritSectionCount > 0 {
            return;
        }
        // What is in there belongs to a message whose copy has failed, which is over: this one is the error.
        let context = CONTEXT.load(Relaxed);
        sys::MemoryContextReset(context);
        let before = sys::CurrentMemoryContext;
        sys::CurrentMemoryContext = context;
        let message = sys::CopyErrorData();
        sys::CurrentMemoryContext = before;
        let (level, to_client) = ((*message).elevel, (*message).output_to_client);
        if to_client || level >= sys::WARNING as c_int {
            MESSAGES.fetch_add(1, Relaxed);
        }
        if to_client && level != error::level::ERROR {
            SAVED_ENCODING.store(sys::pg_get_client_encoding(), Relaxed);
            sys::SetClientEncoding(sys::GetDatabaseEncoding());
        }
        // an ERROR is caught, and is known by then
        if (to_client && level < error::level::ERROR) || level > error::level::ERROR {
            let report = error::report_of(&*message);
            sys::MemoryContextReset(context);
            callback(|| CALLBACK.get().map_or(Ok(()), |use_it| use_it(report)));
        }
    }
}

unsafe extern "C-unwind" fn reset() {}

unsafe extern "C-unwind" fn flush() -> c_int {
    0
}

unsafe extern "C-unwind" fn is_send_pending() -> bool {
    false
}

unsafe extern "C-unwind" fn put(kind: c_char, bytes: *const c_char, len: usize) -> c_int {
    restore_client_encoding();
    // SAFETY: the server passes so many bytes; this frame has no destructor.
    unsafe { callback(|| copy_out::message(kind as u8, slice_or_empty(bytes.cast(), len))) };
    0
}

unsafe extern "C-unwind" fn put_noblock(_kind: c_char, _bytes: *const c_char, _len: usize) {
    restore_client_encoding();
}

static METHODS: sys::PQcommMethods = sys::PQcommMethods {
    comm_reset: Some(reset),
    flush: Some(flush),
    flush_if_writable: Some(flush),
    is_send_pending: Some(is_send_pending),
    putmessage: Some(put),
    putmessage_noblock: Some(put_noblock),
};

/// Calls `use_it` with each message below ERROR that the job wants its client to see, and with a FATAL error. Once
/// per process, outside of any guard: the end of a guard takes back the error context that is set here.
pub fn capture_messages(use_it: Callback) -> Result<()> {
    static OUTERMOST: Static<MaybeUninit<sys::ErrorContextCallback>> = Static(UnsafeCell::new(MaybeUninit::uninit()));
    // SAFETY: the top context lives as long as the process.
    let context = guard(|| unsafe {
        sys::AllocSetContextCreateInternal(
            sys::TopMemoryContext,
            c"pg_background message".as_ptr(),
            CONTEXT_SIZES.0,
            CONTEXT_SIZES.0,
            CONTEXT_SIZES.1,
        )
    })?;
    CONTEXT.store(context, Relaxed);
    let _ = CALLBACK.set(use_it);
    let outermost = OUTERMOST.0.get().cast::<sys::ErrorContextCallback>();
    // SAFETY: variables of this one thread, which get addresses of statics.
    unsafe {
        outermost.write(sys::ErrorContextCallback {
            previous: sys::error_context_stack,
            callback: Some(on_message),
            arg: ptr::null_mut(),
        });
        sys::error_context_stack = outermost;
        sys::PqCommMethods = &raw const METHODS;
        sys::whereToSendOutput = sys::CommandDest_DestRemote;
    }
    Ok(())
}

/// Makes a connection for the functions, and the log, that look for one where `whereToSendOutput` says that there is
/// a client; contrib/sslinfo crashes without. It is by no network, without encryption. Its socket is neither read nor
/// written: the methods above take what is said, and COPY FROM STDIN is refused.
///
/// Once per process, in a transaction, and after the worker has connected: then the server neither authenticates this
/// client nor arms the timer that looks whether it is still there.
pub fn feign_client() -> Result<()> {
    /// All zero but for what is set below: SSL, GSSAPI, SCRAM keys and the HBA line are not used.
    static PORT: Static<MaybeUninit<sys::Port>> = Static(UnsafeCell::new(MaybeUninit::zeroed()));
    let port = PORT.0.get().cast::<sys::Port>();
    let family = libc::AF_UNIX as libc::sa_family_t;
    // SAFETY: catalog lookups, copies that live as long as the process, and a static that nobody else knows yet.
    guard(|| unsafe {
        let role = or_empty(sys::GetUserNameFromId(sys::GetAuthenticatedUserId(), true));
        let database = or_empty(sys::get_database_name(sys::MyDatabaseId));
        (*port).user_name = sys::MemoryContextStrdup(sys::TopMemoryContext, role);
        (*port).database_name = sys::MemoryContextStrdup(sys::TopMemoryContext, database);
        (*port).sock = sys::PGINVALID_SOCKET;
        (*port).proto = sys::PGBG_PROTOCOL_LATEST;
        // the server asks the socket of any other family for its TCP settings
        (*port).laddr.addr.ss_family = family;
        (*port).raddr.addr.ss_family = family;
        (*port).laddr.salen = offset_of!(libc::sockaddr_un, sun_path) as _;
        (*port).raddr.salen = (*port).laddr.salen;
        // Never NULL in a session; empty where there is nothing to say.
        (*port).remote_host = c"".as_ptr().cast_mut();
        (*port).remote_port = c"".as_ptr().cast_mut();
        compat::set_local_host(port);
        sys::FrontendProtocol = (*port).proto;
        sys::MyProcPort = port;
    })
}

/// User and database of the connection, as `%u` and `%d` of `log_line_prefix` have them; empty before there is one.
pub fn names() -> (Vec<u8>, Vec<u8>) {
    // SAFETY: NULL, or a port whose names are C strings or NULL.
    unsafe {
        let port = sys::MyProcPort;
        if port.is_null() {
            return (Vec::new(), Vec::new());
        }
        let bytes = |text: *const c_char| CStr::from_ptr(or_empty(text)).to_bytes().to_vec();
        (bytes((*port).user_name), bytes((*port).database_name))
    }
}

fn or_empty(text: *const c_char) -> *const c_char {
    if text.is_null() { c"".as_ptr() } else { text }
}
