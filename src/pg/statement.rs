//! Running a job's text as the server runs a client's simple query (exec_simple_query in tcop/postgres.c): parse all of
//! it, then for each statement analyse, plan, portal.

use super::activity;
use super::compat;
use super::dest::RowDestination;
use super::error::Result;
use super::guard::guard;
use super::memory::Context;
use super::parse_tree::{Tree, cells};
use super::sys;
use std::ffi::CStr;
use std::marker::PhantomData;
use std::ptr;

/// A job's text, parsed.
pub struct Script<'a> {
    sql: &'a CStr,
    statements: *mut sys::List,
    /// Query and plan trees: they must survive the transactions of VACUUM and of procedures, and an abort.
    context: &'a Context,
    logged: bool,
}

/// One statement of a script.
#[derive(Clone, Copy)]
pub struct Statement<'a> {
    raw: *mut sys::RawStmt,
    script: PhantomData<&'a sys::List>,
}

impl<'a> Script<'a> {
    /// Inside a transaction. `detail` says which job it is, for the log.
    pub fn parse(sql: &'a CStr, context: &'a Context, detail: &CStr) -> Result<Self> {
        let (text, tree, detail) = (sql.as_ptr(), context.as_ptr(), detail.as_ptr());
        let mut logged = false;
        let logged_at = &raw mut logged;
        let entered = context.enter();
        // SAFETY: the text outlives the script. MessageContext is where the server's own code expects a statement's
        // memory.
        let statements = guard(|| unsafe {
            sys::MessageContext = tree;
            sys::debug_query_string = text;
            sys::pgstat_report_activity(sys::BackendState_STATE_RUNNING, text);
            let statements = sys::pg_parse_query(text);
            if must_log(statements) {
                activity::log_statement(text, detail);
                *logged_at = true;
            }
            statements
        })?;
        drop(entered);
        Ok(Self { sql, statements, context, logged })
    }

    pub fn statements(&self) -> Vec<Statement<'_>> {
        // SAFETY: a list of RawStmt, which lives as long as the script's context.
        let cells = unsafe { cells(self.statements) };
        // SAFETY: as above.
        cells.iter().map(|cell| Statement { raw: unsafe { cell.ptr_value }.cast(), script: PhantomData }).collect()
    }

    /// Forgets all statements but the first. Returns the length of its text; `None` if there were no others.
    pub(super) fn keep_first(&mut self) -> Option<usize> {
        let first = self.statements().into_iter().next().filter(|_| self.statements().len() > 1)?;
        // SAFETY: a list of the script's, and a RawStmt of it, which has a length if others follow.
        unsafe {
            sys::list_truncate(self.statements, 1);
            Some(((*first.raw).stmt_location + (*first.raw).stmt_len).max(1) as usize)
        }
    }

    /// Runs one statement; rows go to the receiver, or nowhere. Gives the command tag, and how many rows it counts.
    pub fn run(
        &self,
        statement: Statement,
        toplevel: bool,
        destination: Option<&mut RowDestination>,
    ) -> Result<(Vec<u8>, u64)> {
        let (raw, text) = (statement.raw, self.sql.as_ptr());
        // SAFETY: all-zero is a valid QueryCompletion to fill.
        let mut done: sys::QueryCompletion = unsafe { std::mem::zeroed() };
        let done_at = &raw mut done;
        // SAFETY: the server's constant receiver that discards rows.
        let dest = destination.map_or_else(|| unsafe { sys::None_Receiver }, RowDestination::as_ptr);
        // What an error comes back to must outlive the transaction, which a procedure may have ended.
        let entered = self.context.enter();
        // SAFETY: what exec_simple_query does with a RawStmt; trees live in the script's context, the portal's name is
        // its own, and everything that the closure makes belongs to the transaction.
        guard(|| unsafe {
            let tag = sys::CreateCommandTag((*raw).stmt);
            sys::pgstat_report_query_id(0, true);
            sys::pgbg_ps_display(sys::GetCommandTagName(tag));
            sys::pgbg_check_for_interrupts();
            let snapshot = sys::analyze_requires_snapshot(raw);
            if snapshot {
                sys::PushActiveSnapshot(sys::GetTransactionSnapshot());
            }
            let queries = compat::analyze(raw, text);
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
            // What queries that a rule has added return is for nobody: the result is the statement's.
            compat::run_portal(portal, toplevel, dest, sys::None_Receiver, done_at);
            sys::PortalDrop(portal, false);
        })?;
        drop(entered);
        Ok((counted_tag(done.commandTag, done.nprocessed), done.nprocessed))
    }

    /// Logs the duration when the settings ask for it.
    pub fn log_duration(&self, detail: &CStr) -> Result<()> {
        activity::log_duration(self.sql, self.logged, detail)
    }
}

/// The name of a command tag, as [`Tree::tag`] numbers it; `None` of 0.
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
        level == sys::LogStmtLevel_LOGSTMT_ALL
            || level != sys::LogStmtLevel_LOGSTMT_NONE
                && cells(statements).iter().any(|cell| {
                    let raw = cell.ptr_value.cast::<sys::RawStmt>();
                    sys::GetCommandLogLevel((*raw).stmt) <= level
                })
    }
}

/// A command tag as a client sees it: with the number of rows, where the command counts them.
pub(super) fn counted_tag(tag: sys::CommandTag, rows: u64) -> Vec<u8> {
    // SAFETY: constant strings of the server.
    let (name, with_count) =
        unsafe { (CStr::from_ptr(sys::GetCommandTagName(tag)), sys::command_tag_display_rowcount(tag)) };
    let mut text = name.to_bytes().to_vec();
    if with_count {
        let insert = if tag == sys::CommandTag_CMDTAG_INSERT { " 0" } else { "" };
        text.extend_from_slice(format!("{insert} {rows}").as_bytes());
    }
    text
}

impl<'a> Statement<'a> {
    pub fn tree(self) -> Tree<'a> {
        // SAFETY: a RawStmt of a script that is still there.
        unsafe { Tree::new((*self.raw).stmt) }
    }
}
