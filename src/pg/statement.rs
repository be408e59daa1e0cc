//! Running a job's text as the server runs a client's simple query: parse all of it, then for each statement analyse,
//! plan, portal.

use super::dest::Receiver;
use super::error::{self, Result};
use super::guard::guard;
use super::memory::Context;
use super::sys;
use logic::wire::report::Report;
use std::ffi::{CStr, c_char};
use std::ptr;

/// Opens a transaction for a statement that starts now.
pub fn begin() -> Result<()> {
    // SAFETY: no transaction is open.
    guard(|| unsafe {
        sys::SetCurrentStatementStartTimestamp();
        sys::StartTransactionCommand();
    })
}

pub fn commit() -> Result<()> {
    // SAFETY: a transaction is open.
    guard(|| unsafe { sys::CommitTransactionCommand() })
}

/// Rolls back whatever is open, with its portals.
pub fn abort() -> Result<()> {
    // SAFETY: does nothing without a transaction.
    guard(|| unsafe {
        sys::AbortOutOfAnyTransaction();
        sys::PortalErrorCleanup();
    })
}

/// Loads what `session_preload_libraries` names, as a client's session does. Inside a transaction: a library's settings may
/// need the catalogs.
pub fn load_session_libraries() -> Result<()> {
    // SAFETY: once per process.
    guard(|| unsafe { sys::process_session_preload_libraries() })
}

/// Cancels what runs after so many milliseconds, with the server's own message; 0 is never.
pub fn start_timeout(milliseconds: i32) -> Result<()> {
    if milliseconds <= 0 {
        return Ok(());
    }
    // SAFETY: the server registered this timeout when the worker connected.
    guard(|| unsafe { sys::enable_timeout_after(sys::TimeoutId_STATEMENT_TIMEOUT, milliseconds) })
}

pub fn stop_timeout() -> Result<()> {
    // SAFETY: as above.
    guard(|| unsafe { sys::disable_timeout(sys::TimeoutId_STATEMENT_TIMEOUT, false) })
}

/// After an error: no timeout or cancel of the failed statement reaches what follows.
pub fn forget_interrupts() -> Result<()> {
    // SAFETY: as above; a plain flag of this process.
    guard(|| unsafe {
        sys::disable_all_timeouts(false);
        sys::QueryCancelPending = 0;
    })
}

/// The statement has ended, and its text may go.
pub fn report_idle() {
    // SAFETY: outside a transaction.
    let _ = guard(|| unsafe {
        sys::pgstat_report_activity(sys::BackendState_STATE_IDLE, ptr::null());
        sys::debug_query_string = ptr::null();
    });
}

/// What a session does before it waits for its next command, without waiting for more to come. Outside a transaction.
pub fn send_statistics() -> Result<()> {
    // SAFETY: no transaction is open.
    guard(|| unsafe {
        sys::pgbg_send_statistics();
    })
}

/// A message for those who look for it.
pub fn debug(text: &str) -> Result<()> {
    error::raise(&Report::new(error::level::DEBUG1, 0, text))
}

/// A job's text, parsed.
pub struct Script<'a> {
    sql: &'a CStr,
    statements: *mut sys::List,
    /// Query and plan trees: they must survive the transactions of VACUUM and of procedures, and an abort.
    context: &'a Context,
    logged: bool,
}

/// Does a command commit on its own while it runs?
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Commits {
    No,
    /// It does, and users' code in it runs as the table's owner and restricted.
    Yes,
    /// It does, and its own text can run users' code, in the current security context.
    AndEvaluates,
}

/// One statement of a script.
#[derive(Clone, Copy)]
pub struct Statement(*mut sys::RawStmt);

impl<'a> Script<'a> {
    /// Inside a transaction. `detail` says which job it is, for the log.
    pub fn parse(sql: &'a CStr, context: &'a Context, detail: &CStr) -> Result<Self> {
        let (text, tree, detail) = (sql.as_ptr(), context.as_ptr(), detail.as_ptr());
        let mut logged = false;
        let logged_at = &raw mut logged;
        let entered = context.enter();
        // SAFETY: the text outlives the script. MessageContext is where the server's own code expects a statement's memory.
        let statements = guard(|| unsafe {
            sys::MessageContext = tree;
            sys::debug_query_string = text;
            sys::pgstat_report_activity(sys::BackendState_STATE_RUNNING, text);
            let statements = sys::pg_parse_query(text);
            if must_log(statements) {
                sys::pgbg_log_statement(text, detail);
                *logged_at = true;
            }
            statements
        })?;
        drop(entered);
        Ok(Self { sql, statements, context, logged })
    }

    pub fn len(&self) -> usize {
        // SAFETY: a list of the server, NULL when empty.
        unsafe { if self.statements.is_null() { 0 } else { (*self.statements).length.max(0) as usize } }
    }

    pub fn statements(&self) -> Vec<Statement> {
        // SAFETY: a list of RawStmt of that length.
        (0..self.len()).map(|i| Statement(unsafe { (*(*self.statements).elements.add(i)).ptr_value }.cast())).collect()
    }

    /// Several statements are one implicit transaction block, as in a client's simple query: VACUUM and the like refuse.
    pub fn begin_block() -> Result<()> {
        // SAFETY: a transaction is open.
        guard(|| unsafe { sys::BeginImplicitTransactionBlock() })
    }

    pub fn end_block() -> Result<()> {
        // SAFETY: a transaction is open.
        guard(|| unsafe { sys::EndImplicitTransactionBlock() })
    }

    /// Runs one statement; rows go to the receiver, or nowhere. Gives the command tag, and how many rows it counts.
    pub fn run(&self, statement: Statement, toplevel: bool, receiver: Option<&mut Receiver>) -> Result<(Vec<u8>, u64)> {
        let (raw, text) = (statement.0, self.sql.as_ptr());
        // SAFETY: all-zero is a valid QueryCompletion to fill.
        let mut done: sys::QueryCompletion = unsafe { std::mem::zeroed() };
        let done_at = &raw mut done;
        // SAFETY: the server's constant receiver that discards rows.
        let dest = receiver.map_or_else(|| unsafe { sys::None_Receiver }, Receiver::as_ptr);
        // What an error comes back to must outlive the transaction, which a procedure may have ended.
        let entered = self.context.enter();
        // SAFETY: what exec_simple_query does with a RawStmt; trees live in the script's context, the portal's name is its
        // own, and everything that the closure makes belongs to the transaction.
        guard(|| unsafe {
            let tag = sys::CreateCommandTag((*raw).stmt);
            sys::pgstat_report_query_id(0, true);
            sys::pgbg_ps_display(sys::GetCommandTagName(tag));
            sys::pgbg_check_for_interrupts();
            let snapshot = sys::analyze_requires_snapshot(raw);
            if snapshot {
                sys::PushActiveSnapshot(sys::GetTransactionSnapshot());
            }
            let queries = sys::pgbg_analyze(raw, text);
            let plans = sys::pg_plan_queries(queries, text, sys::CURSOR_OPT_PARALLEL_OK as i32, ptr::null_mut());
            if snapshot {
                sys::PopActiveSnapshot();
            }
            sys::pgbg_check_for_interrupts();
            let portal = sys::CreatePortal(c"".as_ptr(), true, true);
            (*portal).visible = false;
            sys::PortalDefineQuery(portal, ptr::null(), text, tag, plans, ptr::null_mut());
            sys::PortalStart(portal, ptr::null_mut(), 0, ptr::null_mut());
            sys::CurrentMemoryContext = sys::CurTransactionContext;
            sys::pgbg_portal_run(portal, toplevel, dest, done_at);
            sys::PortalDrop(portal, false);
        })?;
        drop(entered);
        Ok((tag_text(&done), done.nprocessed))
    }

    /// Makes what a statement did visible to the next one.
    pub fn between_statements() -> Result<()> {
        // SAFETY: a transaction is open.
        guard(|| unsafe { sys::CommandCounterIncrement() })
    }

    /// Logs the duration when the settings ask for it.
    pub fn log_duration(&self, detail: &CStr) -> Result<()> {
        let mut text = [0 as c_char; 32];
        let (at, sql, detail, logged) = (text.as_mut_ptr(), self.sql.as_ptr(), detail.as_ptr(), self.logged);
        // SAFETY: the buffer is as large as the server wants it.
        guard(|| unsafe {
            match sys::check_log_duration(at, logged) {
                1 => sys::pgbg_log_duration(sql, at, true, detail),
                2 => sys::pgbg_log_duration(sql, at, false, detail),
                _ => {}
            }
        })
    }
}

/// The name of a command tag, as [`Statement::tag`] numbers it; `None` of 0.
pub fn tag_name(tag: u32) -> Option<&'static [u8]> {
    // SAFETY: NULL, or a constant of the server.
    let name = unsafe { sys::pgbg_tag_name(tag) };
    // SAFETY: as above.
    (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) }.to_bytes())
}

/// `log_statement`, as the server reads it.
unsafe fn must_log(statements: *mut sys::List) -> bool {
    // SAFETY: a list of RawStmt, NULL when empty.
    unsafe {
        let level = sys::log_statement as sys::LogStmtLevel;
        if level == sys::LogStmtLevel_LOGSTMT_NONE || statements.is_null() {
            return level == sys::LogStmtLevel_LOGSTMT_ALL;
        }
        level == sys::LogStmtLevel_LOGSTMT_ALL
            || (0..(*statements).length.max(0) as usize).any(|i| {
                let raw = (*(*statements).elements.add(i)).ptr_value.cast::<sys::RawStmt>();
                sys::GetCommandLogLevel((*raw).stmt) <= level
            })
    }
}

fn tag_text(done: &sys::QueryCompletion) -> Vec<u8> {
    // SAFETY: constant strings of the server.
    let (name, with_count) = unsafe {
        (CStr::from_ptr(sys::GetCommandTagName(done.commandTag)), sys::command_tag_display_rowcount(done.commandTag))
    };
    let mut text = name.to_bytes().to_vec();
    if with_count {
        let insert = if done.commandTag == sys::CommandTag_CMDTAG_INSERT { " 0" } else { "" };
        text.extend_from_slice(format!("{insert} {}", done.nprocessed).as_bytes());
    }
    text
}

impl Statement {
    fn node(self) -> *const sys::Node {
        // SAFETY: a RawStmt of a script that is still there.
        unsafe { (*self.0).stmt }
    }

    /// BEGIN, COMMIT and the like.
    pub fn is_transaction_control(self) -> bool {
        // SAFETY: a parse tree.
        unsafe { (*self.node()).type_ == sys::NodeTag_T_TransactionStmt }
    }

    /// COPY whose data comes from a client or goes to one.
    pub fn is_copy_with_client(self) -> bool {
        // SAFETY: a parse tree.
        unsafe { sys::pgbg_is_copy_with_client(self.node()) }
    }

    /// The server's number of its command tag.
    pub fn tag(self) -> u32 {
        let node = self.node();
        // SAFETY: a parse tree; every one has a tag.
        unsafe { sys::CreateCommandTag(node.cast_mut()) }
    }

    /// CALL or DO: code that may end transactions.
    pub fn is_procedural(self) -> bool {
        // SAFETY: a parse tree.
        unsafe { sys::pgbg_is_procedural(self.node()) }
    }

    /// VACUUM and the like.
    pub fn commits(self) -> Commits {
        // SAFETY: a parse tree.
        match unsafe { sys::pgbg_commits(self.node()) } {
            sys::PgbgCommits_PGBG_COMMITS_NOT => Commits::No,
            sys::PgbgCommits_PGBG_COMMITS => Commits::Yes,
            _ => Commits::AndEvaluates,
        }
    }
}
