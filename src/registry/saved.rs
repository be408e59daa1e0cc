//! The history from one life of the server to the next: a file, written when the server stops and read when it starts.
//!
//! Only where the library is preloaded: then it is in the postmaster, which is the first to have shared memory and the
//! last. The file stays while the server runs, so that a start that fails, or a crash, does not lose what the last stop
//! has saved: the next start has it again. A backup of a running server and `pg_rewind` pass over files with such a
//! name.
//!
//! The postmaster must neither fail nor wait here: an ERROR would end it, during its exit too. So the file is read and
//! written by the operating system's calls alone, and not flushed: a file that a machine's crash has torn has a wrong
//! checksum. Whatever goes wrong is a line in the log, and no lock is taken: there is no other process.

use super::area;
use crate::pg::error::{self, level, with_names};
use crate::pg::{entry, exit, identity};
use crate::point;
use crate::settings;
use logic::registry::saved::{self, MOST, Owner, Unusable};
use logic::registry::tables::Tables;
use logic::sqlstate;
use logic::wire::report::Report;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};

/// In the data directory, which is the process's own. The server's own prefix of temporary files
/// (`PG_TEMP_FILE_PREFIX`) keeps it out of backups; nothing removes such files in this place.
const FILE: &str = "pg_stat/pgsql_tmp.pg_background.stat";
const NEW_FILE: &str = "pg_stat/pgsql_tmp.pg_background.stat.new";

/// Has the history saved when the server stops. Each time that it has made shared memory: a crash forgets who is to be
/// told.
pub(super) fn save_at_end() -> error::Result<()> {
    exit::when_memory_goes(save)
}

/// Fills the registry's history, which is empty, with what was saved. While the server starts, which goes on whatever
/// happens here. A file that cannot be used goes, so that the log says it once.
pub(super) fn load(tables: &Tables) {
    if !settings::history_save() {
        return remove();
    }
    match entry::attempt(|| take_over(tables)) {
        Ok(Taken::Yes) => {}
        Ok(Taken::No) => remove(),
        Err(error) => {
            let report = error.report();
            ignore(report.sqlstate, report.message());
            remove();
        }
    }
}

#[derive(Clone, Copy)]
enum Taken {
    /// Or there was no file.
    Yes,
    No,
}

fn take_over(tables: &Tables) -> error::Result<Taken> {
    point::reach("history-load")?;
    match read() {
        Ok(None) => return Ok(Taken::Yes),
        Ok(Some(bytes)) => match saved::decode(&bytes, owner()) {
            Ok(history) => {
                tables.restore_history(&history);
                return Ok(Taken::Yes);
            }
            Err(why) => ignore(sqlstate::DATA_CORRUPTED, reason(why).as_bytes()),
        },
        Err(error) => complain("read", FILE, &error),
    }
    Ok(Taken::No)
}

fn save() {
    let Some(registry) = area::known() else {
        return;
    };
    if !settings::history_save() {
        return remove();
    }
    let Some(bytes) = registry.encode_history(owner()) else {
        return complain("write", NEW_FILE, &ErrorKind::OutOfMemory.into());
    };
    if let Err(error) = write(&bytes) {
        complain("write", NEW_FILE, &error);
        let _ = fs::remove_file(NEW_FILE);
    }
}

fn owner() -> Owner {
    Owner { major: identity::SERVER_MAJOR, cluster: identity::cluster() }
}

fn remove() {
    match fs::remove_file(FILE) {
        Err(error) if error.kind() != ErrorKind::NotFound => complain("remove", FILE, &error),
        _ => {}
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

/// Puts a new file in the old one's place, so that a server that is killed now has one of both, whole.
fn write(bytes: &[u8]) -> io::Result<()> {
    File::create(NEW_FILE)?.write_all(bytes)?;
    fs::rename(NEW_FILE, FILE)
}

fn reason(why: Unusable) -> String {
    match why {
        Unusable::Foreign => "it is not a history of pg_background".to_owned(),
        Unusable::Format(format) => format!("it is of another version of pg_background (format {format})"),
        Unusable::Server(major) => format!("it was written by PostgreSQL {major}"),
        Unusable::Cluster(identifier) => format!("it is of another cluster (system identifier {identifier})"),
        Unusable::Damaged(what) => what.to_owned(),
    }
}

fn ignore(sqlstate: i32, why: &[u8]) {
    log(sqlstate, with_names(&format!("ignoring file \"{FILE}\": {{}}"), &[why]));
}

fn complain(verb: &str, file: &str, error: &io::Error) {
    let why = error.to_string();
    // the server gives no numbers
    let why = why.split(" (os error").next().unwrap_or_default();
    log(sqlstate::IO_ERROR, format!("could not {verb} file \"{file}\": {why}"));
}

/// What cannot be logged either is lost.
fn log(sqlstate: i32, message: impl Into<Vec<u8>>) {
    let _ = error::raise(&Report::new(level::LOG, sqlstate, message));
}
