//! Running a job's text as the server runs a client's simple query (exec_simple_query in tcop/postgres.c): parse all of
//! it, then for each statement analyse, plan, portal.

use super::activity;
use super::compat;
use super::copy_out;
use super::dest::RowDestination;
use super::error::Result;
use super::frontend;
use super::guard::guard;
use super::memory::Context;
use super::params::Bound;
use super::parse_tree::{Tree, cells};
use super::plan_cache::{self, Known, Situation, Source};
use super::splitter;
use super::sys;
use logic::decimal;
use std::ffi::{CStr, CString, c_int};
use std::marker::PhantomData;
use std::ptr;

/// A job's text, parsed.
pub struct Script<'a> {
    sql: &'a CStr,
    /// In `context`, or in the plan cache.
    statements: Vec<*mut sys::RawStmt>,
    params: Bound<'a>,
    plan: Plan,
    /// Query and plan trees: they must survive the transactions of VACUUM and of procedures, and an abort.
    context: &'a Context,
    logged: bool,
    /// The job and its parameters, for the log; `None` without parameters, and where no line may need them.
    log_detail: Option<CString>,
    /// How many messages there were before the text was parsed.
    messages: u64,
}

/// Where the plan of the only statement comes from.
enum Plan {
    /// It is made for this once.
    Fresh,
    /// It is made to be kept.
    ToKeep(Situation),
    Kept(Source),
}

/// One statement of a script.
#[derive(Clone, Copy)]
pub struct Statement<'a> {
    raw: *mut sys::RawStmt,
    script: PhantomData<&'a sys::List>,
}

impl<'a> Script<'a> {
    /// Parses a text without parameters. Inside a transaction. `detail` says which job it is, for the log.
    pub fn parse(sql: &'a CStr, context: &'a Context, detail: &CStr) -> Result<Self> {
        Self::prepare(sql, context, detail, Bound::none(), None)
    }

    /// Parses a text, which must suit the parameters ([`Bound::check_text`]). Inside a transaction. In a `situation`,
    /// it uses a plan that was kept there, or keeps its own.
    pub fn prepare(
        sql: &'a CStr,
        context: &'a Context,
        detail: &CStr,
        params: Bound<'a>,
        situation: Option<Situation>,
    ) -> Result<Self> {
        let (text, tree) = (sql.as_ptr(), context.as_ptr());
        // SAFETY: the text outlives the script. MessageContext is where the server's own code expects a statement's
        // memory.
        guard(|| unsafe {
            sys::MessageContext = tree;
            sys::debug_query_string = text;
            sys::pgstat_report_activity(sys::BackendState_STATE_RUNNING, text);
        })?;
        let mut script = Self {
            sql,
            statements: Vec::new(),
            params,
            plan: Plan::Fresh,
            context,
            logged: false,
            log_detail: None,
            messages: frontend::messages(),
        };
        if let Some(situation) = situation {
            script.plan = match plan_cache::find(sql, script.params.types(), &situation)? {
                Known::Kept(source) => Plan::Kept(source),
                Known::Seen => Plan::ToKeep(situation),
                Known::No => Plan::Fresh,
            };
        }
        if let Plan::Kept(source) = script.plan {
            // SAFETY: a source that is kept has its parse tree.
            script.statements.push(unsafe { (*source).raw_parse_tree });
        } else {
            script.parse_text()?;
            script.params.check_text(sql, script.statements.len())?;
        }
        script.params.name_in_errors(context)?;
        script.log(detail)?;
        Ok(script)
    }

    fn parse_text(&mut self) -> Result<()> {
        let text = self.sql.as_ptr();
        let entered = self.context.enter();
        // SAFETY: a C string; the trees live in the script's context.
        let list = guard(|| unsafe { sys::pg_parse_query(text) })?;
        drop(entered);
        // SAFETY: a list of RawStmt, which lives as long as the script's context.
        self.statements = unsafe { cells(list).iter().map(|cell| cell.ptr_value.cast()).collect() };
        Ok(())
    }

    /// Logs the text, if the settings ask for it.
    fn log(&mut self, detail: &CStr) -> Result<()> {
        // SAFETY: statements of this script, and variables of the server.
        let (must_log, max) = unsafe { (must_log(&self.statements), sys::log_parameter_max_length) };
        if max != 0 && (must_log || activity::may_log_duration()) {
            if let Some(params) = self.params.log_text(max)? {
                let detail = [detail.to_bytes(), b"\nParameters: ", params.to_bytes()].concat();
                self.log_detail = CString::new(detail).ok();
            }
        }
        if must_log {
            let (text, detail) = (self.sql.as_ptr(), self.log_detail.as_deref().unwrap_or(detail).as_ptr());
            // SAFETY: C strings.
            guard(|| unsafe { activity::log_statement(text, detail) })?;
            self.logged = true;
        }
        Ok(())
    }

    pub fn statements(&self) -> Vec<Statement<'_>> {
        self.statements.iter().map(|raw| Statement { raw: *raw, script: PhantomData }).collect()
    }

    /// Forgets all statements but the first. Returns the length of its text; `None` if there were no others.
    pub(super) fn keep_first(&mut self) -> Option<usize> {
        let first = *self.statements.first().filter(|_| self.statements.len() > 1)?;
        self.statements.truncate(1);
        // SAFETY: a RawStmt of the script's, which has a length if others follow.
        unsafe { Some(((*first).stmt_location + (*first).stmt_len).max(1) as usize) }
    }

    /// Runs one statement; rows go to the receiver, or nowhere. Gives the command tag, and how many rows it counts.
    pub fn run(&self, statement: Statement, destination: Option<&mut RowDestination>) -> Result<(Vec<u8>, u64)> {
        let (raw, text, params) = (statement.raw, self.sql.as_ptr(), self.params.as_ptr());
        let (types, count) = (self.params.types().as_ptr(), self.params.types().len() as c_int);
        // SAFETY: all-zero is a valid QueryCompletion to fill.
        let mut done: sys::QueryCompletion = unsafe { std::mem::zeroed() };
        let done_at = &raw mut done;
        // SAFETY: the server's constant receiver that discards rows.
        let dest = destination.map_or_else(|| unsafe { sys::None_Receiver }, RowDestination::as_ptr);
        // What an error comes back to must outlive the transaction, which a procedure may have ended.
        let entered = self.context.enter();
        // SAFETY: a RawStmt.
        let tag = guard(|| unsafe {
            let tag = sys::CreateCommandTag((*raw).stmt);
            sys::pgstat_report_query_id(0, true);
            sys::pgbg_ps_display(sys::GetCommandTagName(tag));
            sys::pgbg_check_for_interrupts();
            tag
        })?;
        let must_name_encoding = copy_out::must_name_encoding(statement.tree())?;
        let source = self.source(statement, tag)?;
        // SAFETY: what exec_simple_query does with a RawStmt, or exec_bind_message and exec_execute_message with a
        // kept one; trees live in the script's context, the portal's name is its own, and everything that the closure
        // makes belongs to the transaction. The error context is taken back by the guard when an ERROR leaves it.
        let ran = guard(|| unsafe {
            let mut named = sys::ParamsErrorCbData { portalName: ptr::null(), params };
            let mut error_context = sys::ErrorContextCallback {
                previous: sys::error_context_stack,
                callback: Some(sys::ParamsErrorCallback),
                arg: (&raw mut named).cast(),
            };
            if !params.is_null() {
                sys::error_context_stack = &raw mut error_context;
            }
            let portal = if source.is_null() {
                let snapshot = sys::analyze_requires_snapshot(raw);
                if snapshot {
                    sys::PushActiveSnapshot(sys::GetTransactionSnapshot());
                }
                let queries = compat::analyze(raw, text, types, count);
                let plans = sys::pg_plan_queries(queries, text, sys::CURSOR_OPT_PARALLEL_OK as i32, params);
                if snapshot {
                    sys::PopActiveSnapshot();
                }
                // After its query identifier was computed; in the script's context, where the tree is.
                if must_name_encoding {
                    copy_out::name_encoding((*raw).stmt.cast());
                }
                sys::pgbg_check_for_interrupts();
                let portal = sys::CreatePortal(c"".as_ptr(), true, true);
                sys::PortalDefineQuery(portal, ptr::null(), text, tag, plans, ptr::null_mut());
                portal
            } else {
                let portal = sys::CreatePortal(c"".as_ptr(), true, true);
                sys::PushActiveSnapshot(sys::GetTransactionSnapshot());
                let plan = sys::GetCachedPlan(source, params, ptr::null_mut(), ptr::null_mut());
                // nothing that throws in between: the portal gives the plan back
                sys::PortalDefineQuery(portal, ptr::null(), text, tag, (*plan).stmt_list, plan);
                sys::PopActiveSnapshot();
                report_query_id((*plan).stmt_list);
                sys::pgbg_check_for_interrupts();
                portal
            };
            (*portal).visible = false;
            sys::PortalStart(portal, params, 0, ptr::null_mut());
            sys::CurrentMemoryContext = sys::CurTransactionContext;
            // What queries that a rule has added return is for nobody: the result is the statement's.
            compat::run_portal(portal, dest, sys::None_Receiver, done_at);
            sys::PortalDrop(portal, false);
            if !params.is_null() {
                sys::error_context_stack = error_context.previous;
            }
        });
        entered.leave_for_transaction();
        if ran.is_err() {
            // the guard has taken back the one from before, which may have ended with its transaction
            // SAFETY: the open transaction's, or NULL.
            unsafe { sys::CurrentResourceOwner = sys::CurTransactionResourceOwner };
        }
        ran?;
        Ok((counted_tag(done.commandTag, done.nprocessed), done.nprocessed))
    }

    /// The statement in the plan cache, where it is put if it is to be kept; NULL if its plan is for this once. In the
    /// script's context.
    fn source(&self, statement: Statement, tag: sys::CommandTag) -> Result<Source> {
        let (raw, text) = (statement.raw, self.sql.as_ptr());
        let situation = match &self.plan {
            Plan::Kept(source) => return Ok(*source),
            // SAFETY: a RawStmt.
            Plan::ToKeep(situation) if self.statements.len() == 1 && unsafe { is_query(raw) } => situation,
            Plan::ToKeep(_) | Plan::Fresh => return Ok(ptr::null_mut()),
        };
        if splitter::may_say_now(self.sql)? {
            plan_cache::refuse(self.sql, self.params.types(), situation);
            return Ok(ptr::null_mut());
        }
        let (types, count) = (self.params.types().as_ptr(), self.params.types().len() as c_int);
        // SAFETY: what exec_parse_message does. Until it is kept, what is made belongs to the script's context.
        let source = guard(|| unsafe {
            let source = sys::CreateCachedPlan(raw, text, tag);
            sys::PushActiveSnapshot(sys::GetTransactionSnapshot());
            let queries = compat::analyze(raw, text, types, count);
            sys::PopActiveSnapshot();
            sys::CompleteCachedPlan(
                source,
                queries,
                ptr::null_mut(),
                types.cast_mut(),
                count,
                None,
                ptr::null_mut(),
                sys::CURSOR_OPT_PARALLEL_OK as c_int,
                false,
            );
            sys::pgbg_check_for_interrupts();
            source
        })?;
        if frontend::messages() == self.messages {
            // SAFETY: complete, and just made.
            unsafe { plan_cache::keep(source, situation) }?;
        }
        Ok(source)
    }

    /// Logs the duration when the settings ask for it.
    pub fn log_duration(&self, detail: &CStr) -> Result<()> {
        activity::log_duration(self.sql, self.logged, self.log_detail.as_deref().unwrap_or(detail))
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
///
/// # Safety
/// Statements whose trees are there.
unsafe fn must_log(statements: &[*mut sys::RawStmt]) -> bool {
    // SAFETY: promised by the caller; a variable of the server.
    unsafe {
        let level = sys::log_statement as sys::LogStmtLevel;
        level == sys::LogStmtLevel_LOGSTMT_ALL
            || level != sys::LogStmtLevel_LOGSTMT_NONE
                && statements.iter().any(|raw| sys::GetCommandLogLevel((**raw).stmt) <= level)
    }
}

/// Is it planned as a whole (SELECT, INSERT and the like)? Not a command that has a query in it.
///
/// # Safety
/// A RawStmt.
unsafe fn is_query(raw: *mut sys::RawStmt) -> bool {
    // SAFETY: promised by the caller; looks at the kind of the node.
    unsafe { sys::analyze_requires_snapshot(raw) && !Tree::new((*raw).stmt).has_query() }
}

/// Shows the statement's query identifier, which was computed when it was analysed.
///
/// # Safety
/// A list of PlannedStmt. For [`guard`].
unsafe fn report_query_id(plans: *const sys::List) {
    // SAFETY: promised by the caller.
    unsafe {
        for cell in cells(plans) {
            let id = (*cell.ptr_value.cast::<sys::PlannedStmt>()).queryId;
            if id != 0 {
                sys::pgstat_report_query_id(id, false);
                return;
            }
        }
    }
}

/// A command tag as a client sees it: with the number of rows, where the command counts them.
pub(super) fn counted_tag(tag: sys::CommandTag, rows: u64) -> Vec<u8> {
    // SAFETY: constant strings of the server.
    let (name, with_count) =
        unsafe { (CStr::from_ptr(sys::GetCommandTagName(tag)), sys::command_tag_display_rowcount(tag)) };
    let name = name.to_bytes();
    let mut text = Vec::with_capacity(name.len() + 24);
    text.extend_from_slice(name);
    if with_count {
        text.extend_from_slice(if tag == sys::CommandTag_CMDTAG_INSERT { b" 0 " } else { b" " });
        decimal::append(i64::try_from(rows).unwrap_or(i64::MAX), &mut text);
    }
    text
}

impl<'a> Statement<'a> {
    pub fn tree(self) -> Tree<'a> {
        // SAFETY: a RawStmt of a script that is still there.
        unsafe { Tree::new((*self.raw).stmt) }
    }
}
