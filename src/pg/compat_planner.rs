//! What differs between major versions in the planner's hook. See `compat`.

use super::sys;
use std::ffi::{c_char, c_int};

/// What the planner is given.
#[derive(Clone, Copy)]
pub(super) struct Request {
    query: *mut sys::Query,
    text: *const c_char,
    options: c_int,
    params: sys::ParamListInfo,
    /// 19: the EXPLAIN that it plans for.
    #[cfg(pg19_up)]
    explain: *mut sys::ExplainState,
}

impl Request {
    /// Goes on with the hook that was there before, or the server's own function.
    ///
    /// # Safety
    /// What the planner was given.
    pub(super) unsafe fn plan(self, previous: sys::planner_hook_type) -> *mut sys::PlannedStmt {
        let plan = previous.unwrap_or(sys::standard_planner);
        let Self { query, text, options, params, .. } = self;
        // SAFETY: promised by the caller.
        unsafe {
            #[cfg(pg19_up)]
            return plan(query, text, options, params, self.explain);
            #[cfg(not(pg19_up))]
            plan(query, text, options, params)
        }
    }
}

/// What a hook around the planner does.
pub(super) trait MakePlan {
    /// # Safety
    /// What the planner was given.
    unsafe fn plan(request: Request) -> *mut sys::PlannedStmt;
}

/// The hook around the planner.
#[cfg(pg19_up)]
pub(super) unsafe extern "C-unwind" fn planner<P: MakePlan>(
    query: *mut sys::Query,
    text: *const c_char,
    options: c_int,
    params: sys::ParamListInfo,
    explain: *mut sys::ExplainState,
) -> *mut sys::PlannedStmt {
    // SAFETY: called as the planner.
    unsafe { P::plan(Request { query, text, options, params, explain }) }
}

/// The hook around the planner.
#[cfg(not(pg19_up))]
pub(super) unsafe extern "C-unwind" fn planner<P: MakePlan>(
    query: *mut sys::Query,
    text: *const c_char,
    options: c_int,
    params: sys::ParamListInfo,
) -> *mut sys::PlannedStmt {
    // SAFETY: called as the planner.
    unsafe { P::plan(Request { query, text, options, params }) }
}
