//! Temporary files that two processes know by name (storage/fd.h).
//!
//! They are in the server's directories for temporary files, under a name that begins as the server's own do. So a
//! server that starts again, after a crash too, removes what is left of them, and `pg_ls_tmpdir()` lists them.
//!
//! No file stays open between two calls. The server closes temporary files at the end of the transaction, which a job's
//! last frames come after, and these are files of no transaction and of no process: the server neither closes nor
//! removes them. So whoever makes one has to see to it that it goes. It is not counted by `temp_file_limit` either:
//! [`temp_file_limit`] is for the caller to obey.

use super::error::{PgError, Result};
use super::guard::guard;
use super::sys;
use logic::sqlstate;
use std::ffi::{CStr, CString, c_int};
use std::io;

/// The tablespace of this process's next temporary file, as `temp_tablespaces` says. In a transaction the catalog is
/// asked for these, if that has not happened yet; outside of one it is the database's tablespace then.
pub fn next_tablespace() -> Result<u32> {
    // SAFETY: asks the catalog in a transaction alone.
    guard(|| unsafe {
        sys::PrepareTempTablespaces();
        match sys::GetNextTempTableSpace() {
            0 => sys::MyDatabaseTableSpace,
            tablespace => tablespace,
        }
    })
}

/// The same without the catalog.
pub fn database_tablespace() -> u32 {
    // SAFETY: reads a variable.
    unsafe { sys::MyDatabaseTableSpace }
}

/// How many bytes of temporary files the process may have (`temp_file_limit`); `None` is no limit. Also the setting's
/// own value, in kilobytes.
pub fn temp_file_limit() -> Option<(u64, i32)> {
    // SAFETY: reads a variable.
    let kilobytes = unsafe { sys::temp_file_limit };
    u64::try_from(kilobytes).ok().map(|limit| (limit * 1024, kilobytes))
}

/// What the server does when a file is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// It counts the file in the statistics, and logs it as `log_temp_files` says.
    Reported,
    /// Nothing: a process that ends has no statistics any more.
    Unreported,
}

/// A temporary file, whether it exists or not.
pub struct NamedFile {
    directory: CString,
    path: CString,
}

impl NamedFile {
    /// The file of that name, which is completed to one of the server's kind, in that tablespace.
    pub fn new(tablespace: u32, name: &str) -> Result<Self> {
        let mut buffer = [0u8; sys::MAXPGPATH as usize];
        let start = buffer.as_mut_ptr();
        // SAFETY: writes a C string of at most MAXPGPATH bytes.
        guard(|| unsafe { sys::TempTablespacePath(start.cast(), tablespace) })?;
        let directory = CStr::from_bytes_until_nul(&buffer).unwrap_or_default().to_owned();
        let prefix = sys::PG_TEMP_FILE_PREFIX.split(|byte| *byte == 0).next().unwrap_or_default();
        let path = [directory.as_bytes(), b"/", prefix, name.as_bytes()].concat();
        Ok(Self { directory, path: CString::new(path).unwrap_or_default() })
    }

    /// Writes bytes at that offset; makes the file, and the directory, if need be. The inner error is the system's:
    /// nothing needs to be aborted for it, and the same may be tried again.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> Result<io::Result<()>> {
        let flags = libc::O_WRONLY | libc::O_CREAT;
        let mut opened = open(&self.path, flags)?;
        if opened.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            let directory = self.directory.as_ptr();
            // SAFETY: a C string. If the directory cannot be made, the file cannot either, and that is told.
            guard(|| unsafe { sys::MakePGDirectory(directory) })?;
            opened = open(&self.path, flags)?;
        }
        let file = match opened {
            Ok(file) => file,
            Err(error) => return Ok(Err(error)),
        };
        let (start, len) = (bytes.as_ptr(), bytes.len());
        let mut error = 0;
        // SAFETY: an open file, and the bytes of one slice. A file that is no temporary one to the server has no limit,
        // by which alone a write can throw.
        let written = guard(|| unsafe {
            let written = sys::pgbg_file_write(file, start.cast(), len, offset);
            error = *libc::__errno_location();
            sys::FileClose(file);
            written
        })?;
        Ok(match usize::try_from(written) {
            Ok(written) if written == len => Ok(()),
            _ => Err(io::Error::from_raw_os_error(error)),
        })
    }

    /// Reads bytes from that offset on, which are there.
    pub fn read(&self, offset: u64, bytes: &mut [u8]) -> Result<()> {
        let file = open(&self.path, libc::O_RDONLY)?.map_err(|error| self.failed("read", &error))?;
        let (start, len) = (bytes.as_mut_ptr(), bytes.len());
        let mut error = 0;
        // SAFETY: an open file, and room for the bytes.
        let read = guard(|| unsafe {
            let read = sys::pgbg_file_read(file, start.cast(), len, offset);
            error = *libc::__errno_location();
            sys::FileClose(file);
            read
        })?;
        match usize::try_from(read) {
            Ok(read) if read == len => Ok(()),
            Ok(_) => Err(self.failed("read", &io::Error::from_raw_os_error(libc::EIO))),
            Err(_) => Err(self.failed("read", &io::Error::from_raw_os_error(error))),
        }
    }

    /// Removes the file. What cannot be removed is logged, or left for the server's next start.
    pub fn remove(&self, usage: Usage) -> Result<()> {
        let path = self.path.as_ptr();
        match usage {
            // SAFETY: a C string; `false` is no ERROR if the file cannot be removed.
            Usage::Reported => guard(|| unsafe { sys::PathNameDeleteTemporaryFile(path, false) }).map(drop),
            Usage::Unreported => {
                // SAFETY: a C string.
                unsafe { libc::unlink(path) };
                Ok(())
            }
        }
    }

    /// The error for a file that cannot be read or written.
    pub fn failed(&self, what: &str, error: &io::Error) -> PgError {
        let sqlstate = match error.raw_os_error() {
            Some(libc::ENOSPC | libc::EDQUOT) => sqlstate::DISK_FULL,
            Some(libc::EMFILE | libc::ENFILE) => sqlstate::INSUFFICIENT_RESOURCES,
            Some(libc::ENOENT | libc::ENOTDIR) => sqlstate::UNDEFINED_FILE,
            Some(libc::EACCES | libc::EPERM | libc::EROFS) => sqlstate::INSUFFICIENT_PRIVILEGE,
            _ => sqlstate::IO_ERROR,
        };
        let path = self.path.to_string_lossy();
        // without Rust's " (os error 28)", which the server does not write
        let text = error.to_string();
        let text = text.split(" (os error").next().unwrap_or_default();
        PgError::new(sqlstate, format!("could not {what} temporary file \"{path}\": {text}"))
    }
}

/// The server's number of the file, once it is open.
fn open(path: &CStr, flags: c_int) -> Result<io::Result<sys::File>> {
    let path = path.as_ptr();
    let mut error = 0;
    // SAFETY: a C string.
    let file = guard(|| unsafe {
        let file = sys::PathNameOpenFile(path, flags);
        error = *libc::__errno_location();
        file
    })?;
    Ok(if file > 0 { Ok(file) } else { Err(io::Error::from_raw_os_error(error)) })
}
