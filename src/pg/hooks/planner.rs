//! The planner: around the making of each plan. A plan that is kept is run again without it.

use super::{Ended, framed, is_leader, of_active};
use crate::pg::compat_planner::{self as compat, Request};
use crate::pg::entry::callback;
use crate::pg::error::Result;
use crate::pg::guard::guard;
use crate::pg::sys;
use std::ffi::CStr;
use std::marker::PhantomData;
use std::sync::OnceLock;

/// A plan, which lives for `'a`.
#[derive(Clone, Copy)]
pub struct Plan<'a> {
    plan: *const sys::PlannedStmt,
    query: PhantomData<&'a sys::PlannedStmt>,
}

impl Plan<'_> {
    /// # Safety
    /// What the planner has made, which is left as it is for `'a`.
    pub(super) unsafe fn new(plan: *const sys::PlannedStmt) -> Self {
        Self { plan, query: PhantomData }
    }

    fn top(&self) -> Option<&sys::Plan> {
        // SAFETY: promised to `new`; no plan is NULL that is run, but nothing is lost by a look.
        unsafe { self.plan.as_ref()?.planTree.as_ref() }
    }

    /// What the planner expects it to cost, all of it.
    pub fn total_cost(self) -> f64 {
        self.top().map_or(0.0, |top| top.total_cost)
    }

    /// SELECT, INSERT, ….
    pub fn command(self) -> Result<&'static [u8]> {
        let plan = self.plan.cast_mut().cast();
        // SAFETY: promised to `new`; the name is a constant of the server's.
        guard(|| unsafe { CStr::from_ptr(sys::GetCommandTagName(sys::CreateCommandTag(plan))).to_bytes() })
    }
}

/// What is done around the planner in this process: `enter`, the planner, `leave`.
pub trait PlannerHook {
    /// What `enter` hands to `leave`.
    type Frame: Copy;

    /// Is there anything to do? Asked before each plan is made: no more than a load.
    fn is_active() -> bool;

    /// Gives what has to be taken back when the plan is made, or is not. An error fails the statement.
    fn enter() -> Result<Option<Self::Frame>> {
        Ok(None)
    }

    /// May neither fail nor call what can throw.
    fn leave(_frame: Self::Frame, _ended: Ended) {}
}

impl<A: PlannerHook, B: PlannerHook> PlannerHook for (A, B) {
    type Frame = (Option<A::Frame>, Option<B::Frame>);

    fn is_active() -> bool {
        A::is_active() || B::is_active()
    }

    fn enter() -> Result<Option<Self::Frame>> {
        let a = of_active(A::is_active(), A::enter).transpose()?.flatten();
        match of_active(B::is_active(), B::enter).transpose() {
            Ok(b) => Ok(Some((a, b.flatten())).filter(|(a, b)| a.is_some() || b.is_some())),
            Err(error) => {
                if let Some(a) = a {
                    A::leave(a, Ended::Failed);
                }
                Err(error)
            }
        }
    }

    fn leave((a, b): Self::Frame, ended: Ended) {
        if let Some(b) = b {
            B::leave(b, ended);
        }
        if let Some(a) = a {
            A::leave(a, ended);
        }
    }
}

/// The hook that was there before.
static PREVIOUS: OnceLock<sys::planner_hook_type> = OnceLock::new();

/// Installs the hook, when the library is loaded. Once.
pub fn install<H: PlannerHook>() {
    // SAFETY: a plain variable of this one thread.
    unsafe {
        if PREVIOUS.set(sys::planner_hook).is_ok() {
            sys::planner_hook = Some(compat::planner::<Planner<H>>);
        }
    }
}

struct Planner<H>(PhantomData<H>);

impl<H: PlannerHook> compat::MakePlan for Planner<H> {
    unsafe fn plan(request: Request) -> *mut sys::PlannedStmt {
        // SAFETY: the plan is the caller's; all frames hold plain values alone.
        unsafe {
            let call = || request.plan(PREVIOUS.get().copied().flatten());
            if !H::is_active() || !is_leader() {
                return call();
            }
            match callback(H::enter) {
                Some(frame) => framed(call, |ended| H::leave(frame, ended)),
                None => call(),
            }
        }
    }
}
