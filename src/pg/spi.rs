//! Statements that run in the caller's own transaction (executor/spi.h).

use super::dest::RowDestination;
use super::error::{PgError, Result};
use super::guard::guard;
use super::params::Bound;
use super::parse_tree::cells;
use super::statement::counted_tag;
use super::sys;
use logic::sqlstate;
use std::ffi::{CStr, CString, c_int};

/// A connection to SPI. The server takes it back with the transaction where an error keeps it from being finished.
pub struct Spi(());

/// A text, parsed: its statements.
pub struct Statements(Vec<Statement>);

struct Statement {
    text: CString,
    raw: *mut sys::RawStmt,
}

/// Why a statement was not run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It would begin or end a transaction.
    TransactionControl,
    /// COPY from or to the client.
    CopyWithClient,
}

#[allow(clippy::unused_self)] // there must be a connection
impl Spi {
    pub fn connect() -> Result<Self> {
        // SAFETY: a transaction is open.
        guard(|| unsafe { sys::SPI_connect() })?;
        Ok(Self(()))
    }

    pub fn finish(self) -> Result<()> {
        // SAFETY: connected, by the value.
        guard(|| unsafe { sys::SPI_finish() }).map(|_| ())
    }

    /// Parses the text. The trees are in the connection's memory.
    pub fn parse(&self, sql: &CStr) -> Result<Statements> {
        let text = sql.as_ptr();
        // SAFETY: a C string; the list lives in the connection's memory.
        let list = guard(|| unsafe { sys::pg_parse_query(text) })?;
        // SAFETY: a list of RawStmt.
        let cells = unsafe { cells(list) };
        let statements = cells.iter().map(|cell| {
            // SAFETY: as above.
            let raw = unsafe { cell.ptr_value }.cast::<sys::RawStmt>();
            // SAFETY: as above; a length of 0 is the rest of the text.
            let (start, len) = unsafe { ((*raw).stmt_location.max(0) as usize, (*raw).stmt_len.max(0) as usize) };
            let rest = sql.to_bytes().get(start..).unwrap_or_default();
            let text = if len == 0 { rest } else { rest.get(..len).unwrap_or(rest) };
            Statement { text: CString::new(text.trim_ascii_start()).unwrap_or_default(), raw }
        });
        Ok(Statements(statements.collect()))
    }
}

impl Statements {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Runs statement `n`, from 0; its rows go to the destination, or nowhere. Gives its command tag.
    pub fn run(
        &self,
        _connection: &Spi,
        n: usize,
        params: &Bound,
        destination: Option<&mut RowDestination>,
    ) -> Result<std::result::Result<Vec<u8>, Refused>> {
        let Some(statement) = self.0.get(n) else {
            return Ok(Ok(Vec::new()));
        };
        let (text, raw, params) = (statement.text.as_ptr(), statement.raw, params.as_ptr());
        // SAFETY: the server's constant receiver that discards rows.
        let dest = destination.map_or_else(|| unsafe { sys::None_Receiver }, RowDestination::as_ptr);
        let (mut processed, mut tag) = (0, sys::CommandTag_CMDTAG_UNKNOWN);
        let (processed_at, tag_at) = (&raw mut processed, &raw mut tag);
        // SAFETY: connected, by the connection; all-zero options but for the destination are the defaults.
        let code = guard(|| unsafe {
            *tag_at = client_tag((*raw).stmt);
            let mut options: sys::SPIExecuteOptions = std::mem::zeroed();
            options.params = params;
            options.dest = dest;
            let code = sys::SPI_execute_extended(text, &raw const options);
            *processed_at = sys::SPI_processed;
            code
        })?;
        match code {
            OK_SELINTO => tag = sys::CommandTag_CMDTAG_SELECT,
            ERROR_TRANSACTION => return Ok(Err(Refused::TransactionControl)),
            ERROR_COPY => return Ok(Err(Refused::CopyWithClient)),
            code if code < 0 => {
                // SAFETY: a constant string, or the server's own.
                let name = unsafe { CStr::from_ptr(sys::SPI_result_code_string(code)) }.to_string_lossy();
                return Err(PgError::new(sqlstate::INTERNAL_ERROR, format!("SPI_execute_extended failed: {name}")));
            }
            _ => {}
        }
        Ok(Ok(counted_tag(tag, processed)))
    }
}

/// The tag that a client would see. CREATE TABLE AS says how many rows it has selected, unless it selects none.
///
/// # Safety
/// A raw parse tree. For [`guard`].
#[allow(clippy::cast_ptr_alignment)] // nodes are allocated aligned
unsafe fn client_tag(statement: *mut sys::Node) -> sys::CommandTag {
    // SAFETY: promised by the caller; the tag of the node says its type.
    unsafe {
        let selects = (*statement).type_ == sys::NodeTag_T_CreateTableAsStmt
            && !(*(*statement.cast::<sys::CreateTableAsStmt>()).into).skipData;
        if selects { sys::CommandTag_CMDTAG_SELECT } else { sys::CreateCommandTag(statement) }
    }
}

const OK_SELINTO: c_int = sys::SPI_OK_SELINTO as c_int;
const ERROR_TRANSACTION: c_int = sys::SPI_ERROR_TRANSACTION;
const ERROR_COPY: c_int = sys::SPI_ERROR_COPY;
