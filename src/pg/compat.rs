//! What differs between major versions of the server, as far as Rust sees it: the one file with `cfg(pgNN_up)`, which build.rs
//! sets. Each item says what changed, and since when. What only C sees is in c_shim/compat.h.

#[cfg(pg18_up)]
use super::bgworker;
use super::sys;

/// 15: the serialized state of a setting says which role set it.
pub const SETTINGS_HAVE_ROLE: bool = cfg!(pg15_up);

/// 18: a connection keeps the text of its own address, for the log; `[none]` where it has none.
///
/// # Safety
/// The port is zeroed, or has another text there.
pub(super) unsafe fn set_local_host(port: *mut sys::Port) {
    #[cfg(pg18_up)]
    // SAFETY: promised by the caller.
    bgworker::copy_text(unsafe { &mut (*port).local_host }, b"[none]");
    #[cfg(not(pg18_up))]
    let _ = port;
}

/// 19: a signal handler is told who sent the signal. Makes a handler of a function that may return the server's handler to go on with.
macro_rules! signal_handler {
    ($name:ident, $body:ident) => {
        #[cfg(not(pg19_up))]
        unsafe extern "C-unwind" fn $name(signal: std::ffi::c_int) {
            if let Some(server) = $body() {
                // SAFETY: the server's handler for such a signal, with what this one was given.
                unsafe { server(signal) };
            }
        }

        #[cfg(pg19_up)]
        unsafe extern "C-unwind" fn $name(signal: std::ffi::c_int, sender: *const sys::pg_signal_info) {
            if let Some(server) = $body() {
                // SAFETY: as above.
                unsafe { server(signal, sender) };
            }
        }
    };
}
pub(super) use signal_handler;
