//! The history from one life of the server to the next: a file, written when the server stops and read when it starts.
//!
//! Only where the library is preloaded: then it is in the postmaster, which is the first to have shared memory and the
//! last. As pg_stat_statements does it, the file goes once it was read, so no backup has it; after a crash there is
//! none, and the history begins empty.
//!
//! The postmaster must neither fail nor wait here: an ERROR would end it, during its exit too. So the file is read and
//! written by the operating system's calls alone, whatever goes wrong is a line in the log, and no lock is taken: there
//! is no other process.

use super::area;
use crate::pg::error::{self, level};
use crate::pg::{exit, identity};
use crate::settings;
use logic::registry::saved::{self, MOST, Unusable};
use logic::registry::tables::Tables;
use logic::sqlstate;
use logic::wire::report::Report;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};

/// In the data directory, which is the process's own.
const DIRECTORY: &str = "pg_stat";
const FILE: &str = "pg_stat/pg_background.stat";
const NEW_FILE: &str = "pg_stat/pg_background.stat.tmp";

/// Has the history saved when the server stops. Each time that it has made shared memory: a crash forgets who is to be
/// told.
pub(super) fn save_at_end() -> error::Result<()> {
    exit::when_memory_goes(save)
}

/// Fills the registry's history, which is empty, with what was saved. While the server starts.
pub(super) fn load(tables: &Tables) {
    if settings::history_save() {
        match read() {
            Ok(None) => return,
            Ok(Some(bytes)) => match saved::decode(&bytes, identity::SERVER_MAJOR) {
                Ok(history) => {
                    tables.restore_history(&history);
                }
                Err(why) => ignore(why),
            },
            Err(error) => complain("read", FILE, &error),
        }
    }
    match fs::remove_file(FILE) {
        Err(error) if error.kind() != ErrorKind::NotFound => complain("remove", FILE, &error),
        _ => {}
    }
}

fn save() {
    let Some(registry) = area::known().filter(|_| settings::history_save()) else {
        return;
    };
    let Some(bytes) = registry.encode_history(identity::SERVER_MAJOR) else {
        return complain("write", NEW_FILE, &ErrorKind::OutOfMemory.into());
    };
    if let Err(error) = write(&bytes) {
        complain("write", NEW_FILE, &error);
        let _ = fs::remove_file(NEW_FILE);
    }
}

/// The file's bytes; `None` if there is no file.
fn read() -> io::Result<Option<Vec<u8>>> {
    let found = match fs::symlink_metadata(FILE) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        found => found?,
    };
    // a pipe, say, would be waited for
    if !found.is_file() || found.len() > MOST as u64 {
        return Ok(Some(Vec::new()));
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(found.len() as usize).map_err(|_| ErrorKind::OutOfMemory)?;
    File::open(FILE)?.take(found.len()).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Puts a new file in the old one's place, so that a machine that stops now has one of both, whole.
fn write(bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(NEW_FILE)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(NEW_FILE, FILE)?;
    File::open(DIRECTORY)?.sync_all()
}

fn ignore(why: Unusable) {
    let why = match why {
        Unusable::Foreign => "it is not a history of pg_background".to_owned(),
        Unusable::Format(format) => format!("it is of another version of pg_background (format {format})"),
        Unusable::Server(major) => format!("it was written by PostgreSQL {major}"),
        Unusable::Damaged(what) => what.to_owned(),
    };
    log(sqlstate::DATA_CORRUPTED, format!("ignoring file \"{FILE}\": {why}"));
}

fn complain(verb: &str, file: &str, error: &io::Error) {
    let why = error.to_string();
    // the server gives no numbers
    let why = why.split(" (os error").next().unwrap_or_default();
    log(sqlstate::IO_ERROR, format!("could not {verb} file \"{file}\": {why}"));
}

/// What cannot be logged either is lost.
fn log(sqlstate: i32, message: String) {
    let _ = error::raise(&Report::new(level::LOG, sqlstate, message));
}
