//! The executor: around the stages of each execution of a plan, those of nested statements included.
//!
//! Of an execution that fails, ExecutorFinish and ExecutorEnd are not called; a cursor's is run in pieces, others in
//! between. What lives as long as an execution is known by [`Query::execution`], whose end always comes.

use super::planner::Plan;
use super::{Ended, framed, is_leader, of_active};
use crate::pg::compat_executor::{self as compat, Count};
use crate::pg::entry::callback;
use crate::pg::error::Result;
use crate::pg::memory::Execution;
use crate::pg::parse_tree::Destination;
use crate::pg::sys;
use std::ffi::{CStr, c_int};
use std::marker::PhantomData;
use std::sync::OnceLock;

/// A plan that is executed, for as long as a hook is called.
#[derive(Clone, Copy)]
pub struct Query<'a> {
    query: *mut sys::QueryDesc,
    call: PhantomData<&'a sys::QueryDesc>,
}

impl<'a> Query<'a> {
    /// # Safety
    /// What the executor was given, which stays for `'a`.
    unsafe fn new(query: *mut sys::QueryDesc) -> Self {
        Self { query, call: PhantomData }
    }

    /// The text that it was made of, of several statements the part that is this one's.
    pub fn text(self) -> &'a [u8] {
        // SAFETY: promised to `new`: a text, and a place in it where the plan has one.
        unsafe {
            let (text, plan) = ((*self.query).sourceText, &*(*self.query).plannedstmt);
            if text.is_null() {
                return b"";
            }
            let text = CStr::from_ptr(text).to_bytes();
            let text = text.get(plan.stmt_location.max(0) as usize..).unwrap_or(text);
            if plan.stmt_len > 0 { text.get(..plan.stmt_len as usize).unwrap_or(text) } else { text }
        }
    }

    /// For the code of this folder that reads what is below it.
    pub(in crate::pg) fn as_ptr(self) -> *mut sys::QueryDesc {
        self.query
    }

    pub fn plan(self) -> Plan<'a> {
        // SAFETY: promised to `new`: the executor has a plan, never a utility command.
        unsafe { Plan::new((*self.query).plannedstmt) }
    }

    /// Do its rows go there?
    pub fn goes_to(self, destination: Destination) -> bool {
        // SAFETY: promised to `new`.
        let to = unsafe { (*self.query).dest.as_ref() }.map(|receiver| receiver.mydest);
        match destination {
            Destination::Relation => {
                matches!(to, Some(sys::CommandDest_DestIntoRel | sys::CommandDest_DestTransientRel))
            }
            Destination::Copy => to == Some(sys::CommandDest_DestCopyOut),
            Destination::NoFunction => !matches!(to, Some(sys::CommandDest_DestSPI | sys::CommandDest_DestSQLFunction)),
            // ri_triggers.c
            Destination::KeyCheck => self.text().starts_with(b"SELECT fk.\""),
            Destination::Any => true,
        }
    }

    /// By its memory; `None` before ExecutorStart has been called.
    pub fn execution(self) -> Option<Execution> {
        // SAFETY: promised to `new`.
        let state = unsafe { (*self.query).estate.as_ref() }?;
        Some(Execution::new(state.es_query_cxt))
    }
}

/// What a plan is started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Run,
    /// It will not be run: EXPLAIN without ANALYZE, and CREATE TABLE AS EXECUTE … WITH NO DATA.
    Look,
}

/// A stage of an execution in which it works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// There is no execution yet. May run functions that are evaluated for the plan: which partitions are read, say.
    Start,
    /// Once, or, for a cursor, for each FETCH.
    Run,
    /// Runs what was left (of data-modifying WITH), and after-triggers.
    Finish,
}

/// What is done around the executor in this process. For an execution that goes well: `enter` and
/// `leave` for Start, `after_start`, then `enter` and `leave` for each Run and for Finish, `before_end`, `after_end`.
pub trait ExecutorHook {
    /// What `enter` hands to `leave`.
    type Frame: Copy;

    /// Is there anything to do? Asked in each stage of each execution: no more than a load. One that was not active
    /// when an execution began can be when it goes on.
    fn is_active() -> bool;

    /// The execution has its state now, and the server has looked at the rights. An error refuses the plan.
    fn after_start(_query: Query, _purpose: Purpose) -> Result<()> {
        Ok(())
    }

    /// Gives what has to be taken back when the stage has ended, well or not. For cheap statements that are nested in
    /// others, it should give `None`: see the head of [`super`].
    fn enter(_query: Query, _stage: Stage) -> Option<Self::Frame> {
        None
    }

    /// May neither fail nor call what can throw.
    fn leave(_frame: Self::Frame, _ended: Ended) {}

    /// The execution still has its state.
    fn before_end(_query: Query) -> Result<()> {
        Ok(())
    }

    fn after_end() -> Result<()> {
        Ok(())
    }
}

impl<A: ExecutorHook, B: ExecutorHook> ExecutorHook for (A, B) {
    type Frame = (Option<A::Frame>, Option<B::Frame>);

    fn is_active() -> bool {
        A::is_active() || B::is_active()
    }

    fn after_start(query: Query, purpose: Purpose) -> Result<()> {
        of_active(B::is_active(), || B::after_start(query, purpose)).transpose()?;
        of_active(A::is_active(), || A::after_start(query, purpose)).transpose()?;
        Ok(())
    }

    fn enter(query: Query, stage: Stage) -> Option<Self::Frame> {
        let a = of_active(A::is_active(), || A::enter(query, stage)).flatten();
        let b = of_active(B::is_active(), || B::enter(query, stage)).flatten();
        (a.is_some() || b.is_some()).then_some((a, b))
    }

    fn leave((a, b): Self::Frame, ended: Ended) {
        if let Some(b) = b {
            B::leave(b, ended);
        }
        if let Some(a) = a {
            A::leave(a, ended);
        }
    }

    fn before_end(query: Query) -> Result<()> {
        of_active(A::is_active(), || A::before_end(query)).transpose()?;
        of_active(B::is_active(), || B::before_end(query)).transpose()?;
        Ok(())
    }

    fn after_end() -> Result<()> {
        of_active(B::is_active(), B::after_end).transpose()?;
        of_active(A::is_active(), A::after_end).transpose()?;
        Ok(())
    }
}

/// The hooks that were there before.
struct Previous {
    start: sys::ExecutorStart_hook_type,
    run: sys::ExecutorRun_hook_type,
    finish: sys::ExecutorFinish_hook_type,
    end: sys::ExecutorEnd_hook_type,
}

static PREVIOUS: OnceLock<Previous> = OnceLock::new();

/// Installs the four hooks, when the library is loaded. Once.
pub fn install<H: ExecutorHook>() {
    // SAFETY: plain variables of this one thread.
    unsafe {
        let previous = Previous {
            start: sys::ExecutorStart_hook,
            run: sys::ExecutorRun_hook,
            finish: sys::ExecutorFinish_hook,
            end: sys::ExecutorEnd_hook,
        };
        if PREVIOUS.set(previous).is_ok() {
            sys::ExecutorStart_hook = Some(start::<H>);
            sys::ExecutorRun_hook = Some(compat::executor_run::<Runner<H>>);
            sys::ExecutorFinish_hook = Some(finish::<H>);
            sys::ExecutorEnd_hook = Some(end::<H>);
        }
    }
}

fn is_active<H: ExecutorHook>() -> bool {
    H::is_active() && is_leader()
}

unsafe extern "C-unwind" fn start<H: ExecutorHook>(query: *mut sys::QueryDesc, flags: c_int) {
    // SAFETY: the query outlives the call; all frames hold plain values alone.
    unsafe {
        let call = || match PREVIOUS.get() {
            Some(Previous { start: Some(hook), .. }) => hook(query, flags),
            _ => sys::standard_ExecutorStart(query, flags),
        };
        if !is_active::<H>() {
            return call();
        }
        followed::<H>(query, Stage::Start, call);
        let looks = flags & (sys::EXEC_FLAG_EXPLAIN_ONLY | sys::EXEC_FLAG_WITH_NO_DATA) as c_int != 0;
        let purpose = if looks { Purpose::Look } else { Purpose::Run };
        callback(|| H::after_start(Query::new(query), purpose));
    }
}

/// Runs a stage, in a frame if it is followed.
///
/// # Safety
/// As for [`framed`]; the query outlives the call.
unsafe fn stage<H: ExecutorHook>(query: *mut sys::QueryDesc, stage: Stage, call: impl FnOnce()) {
    // SAFETY: promised by the caller.
    unsafe { if is_active::<H>() { followed::<H>(query, stage, call) } else { call() } }
}

/// The same of an execution that is followed.
///
/// # Safety
/// As for [`stage`].
unsafe fn followed<H: ExecutorHook>(query: *mut sys::QueryDesc, stage: Stage, call: impl FnOnce()) {
    // SAFETY: promised by the caller.
    unsafe {
        match callback(|| Ok(H::enter(Query::new(query), stage))) {
            Some(frame) => framed(call, |ended| H::leave(frame, ended)),
            None => call(),
        }
    }
}

struct Runner<H>(PhantomData<H>);

impl<H: ExecutorHook> compat::Run for Runner<H> {
    unsafe fn run(query: *mut sys::QueryDesc, count: Count) {
        // SAFETY: the query outlives the call; all frames hold plain values alone.
        unsafe {
            let previous = PREVIOUS.get().and_then(|previous| previous.run);
            stage::<H>(query, Stage::Run, || count.run(query, previous));
        }
    }
}

unsafe extern "C-unwind" fn finish<H: ExecutorHook>(query: *mut sys::QueryDesc) {
    // SAFETY: as above.
    unsafe {
        stage::<H>(query, Stage::Finish, || match PREVIOUS.get() {
            Some(Previous { finish: Some(hook), .. }) => hook(query),
            _ => sys::standard_ExecutorFinish(query),
        });
    }
}

unsafe extern "C-unwind" fn end<H: ExecutorHook>(query: *mut sys::QueryDesc) {
    // SAFETY: as above.
    unsafe {
        let call = || match PREVIOUS.get() {
            Some(Previous { end: Some(hook), .. }) => hook(query),
            _ => sys::standard_ExecutorEnd(query),
        };
        if !is_active::<H>() {
            return call();
        }
        callback(|| H::before_end(Query::new(query)));
        call();
        callback(H::after_end);
    }
}
