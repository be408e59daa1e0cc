//! Transactions (access/xact.h): opening and ending those of a worker, and hearing of the end of any.

use super::entry::{callback, contain};
use super::error::Result;
use super::guard::guard;
use super::{compat_timeout, sys};
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Opens a transaction for a statement that starts now, unless a transaction block is open, to which the statement
/// belongs then.
pub fn begin() -> Result<()> {
    // SAFETY: between two statements.
    guard(|| unsafe {
        sys::SetCurrentStatementStartTimestamp();
        sys::StartTransactionCommand();
    })
}

/// Opens a transaction of the worker's own, in which it does nothing of a job. 17: the `transaction_timeout` that the
/// session has now does not end it, for that is another job's. One that is set in this transaction counts from then on.
pub fn begin_own() -> Result<()> {
    // SAFETY: no transaction is open, in a backend.
    guard(|| unsafe {
        sys::SetCurrentStatementStartTimestamp();
        sys::StartTransactionCommand();
        compat_timeout::disable_transaction_timeout();
        // it may have passed in between
        compat_timeout::forget_transaction_timeout();
    })
}

/// Is a transaction open, or a transaction block?
pub fn is_open() -> bool {
    // SAFETY: looks at the transaction's state.
    unsafe { sys::IsTransactionOrTransactionBlock() }
}

/// Has the statement done what no rollback undoes, so that the transaction must be committed now (CREATE DATABASE,
/// say)? Inside a transaction.
pub fn must_commit() -> bool {
    // SAFETY: reads a variable.
    unsafe { sys::MyXactFlags & sys::PGBG_NEED_IMMEDIATE_COMMIT as i32 != 0 }
}

/// Ends a statement: commits the open transaction, or does what the statement (COMMIT, ROLLBACK TO and the like) asks
/// of the transaction block, or leaves the block open.
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

/// Several statements are one implicit transaction block, as in a client's simple query: VACUUM and the like refuse.
pub fn begin_block() -> Result<()> {
    // SAFETY: a transaction is open.
    guard(|| unsafe { sys::BeginImplicitTransactionBlock() })
}

pub fn end_block() -> Result<()> {
    // SAFETY: a transaction is open.
    guard(|| unsafe { sys::EndImplicitTransactionBlock() })
}

/// Makes what a statement did visible to the next one.
pub fn between_statements() -> Result<()> {
    // SAFETY: a transaction is open.
    guard(|| unsafe { sys::CommandCounterIncrement() })
}

/// The number of the innermost subtransaction that is open, which is the transaction itself if there is none.
pub fn subtransaction() -> u32 {
    // SAFETY: looks at the transaction's state.
    unsafe { sys::GetCurrentSubTransactionId() }
}

/// How a transaction or a subtransaction has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    Committed,
    /// Rolled back; or prepared, and so this session's no longer.
    Gone,
    SubtransactionCommitted {
        id: u32,
        parent: u32,
    },
    SubtransactionAborted {
        id: u32,
    },
}

/// From now on calls `ended` at the end of each transaction and subtransaction of this process. It is called in the
/// midst of the end, and so may neither fail nor wait; what it panics with is ignored. To be called once.
pub fn watch(ended: fn(End)) -> Result<()> {
    let argument = ended as *mut c_void;
    // SAFETY: two functions that live as long as the process, as does the one that they are given.
    guard(|| unsafe {
        sys::RegisterXactCallback(Some(transaction_ended), argument);
        sys::RegisterSubXactCallback(Some(subtransaction_ended), argument);
    })
}

/// From now on calls `over` when a transaction of this process has committed and is over for all other processes: the
/// catalogs that it has changed were announced, and its locks are free. The transaction callbacks come before that.
/// `over` may neither fail nor wait; what it panics with is ignored. To be called once.
pub fn watch_release(over: fn()) -> Result<()> {
    let argument = over as *mut c_void;
    // SAFETY: functions that live as long as the process, as does the one that is given.
    guard(|| unsafe {
        sys::RegisterResourceReleaseCallback(Some(resources_released), argument);
        sys::RegisterXactCallback(Some(transaction_commits), std::ptr::null_mut());
    })
}

/// The open transaction has committed, and has not released its locks yet.
static HAS_COMMITTED: AtomicBool = AtomicBool::new(false);

unsafe extern "C-unwind" fn transaction_commits(event: sys::XactEvent, _argument: *mut c_void) {
    if event == sys::XactEvent_XACT_EVENT_COMMIT {
        HAS_COMMITTED.store(true, Relaxed);
    }
}

/// The server calls this in each of the phases in which it releases what a transaction, or a part of it, holds.
unsafe extern "C-unwind" fn resources_released(
    phase: sys::ResourceReleasePhase,
    _is_commit: bool,
    is_top_level: bool,
    over: *mut c_void,
) {
    let is_last = phase == sys::ResourceReleasePhase_RESOURCE_RELEASE_AFTER_LOCKS && is_top_level;
    if is_last && HAS_COMMITTED.swap(false, Relaxed) {
        // SAFETY: what `watch_release` has registered.
        let over = unsafe { std::mem::transmute::<*mut c_void, fn()>(over) };
        let _ = contain(|| {
            over();
            Ok(())
        });
    }
}

/// What a transaction is about to do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Commit,
    /// PREPARE TRANSACTION.
    Prepare,
}

/// From now on calls `before` when a transaction of this process is about to commit or to be prepared, after its
/// deferred triggers. It may fail, which rolls the transaction back, and wait. To be called once.
pub fn watch_before(before: fn(Next) -> Result<()>) -> Result<()> {
    let argument = before as *mut c_void;
    // SAFETY: a function that lives as long as the process, as does the one that it is given.
    guard(|| unsafe { sys::RegisterXactCallback(Some(transaction_ends), argument) })
}

unsafe extern "C-unwind" fn transaction_ends(event: sys::XactEvent, before: *mut c_void) {
    let next = match event {
        sys::XactEvent_XACT_EVENT_PRE_COMMIT => Next::Commit,
        sys::XactEvent_XACT_EVENT_PRE_PREPARE => Next::Prepare,
        _ => return,
    };
    // SAFETY: what `watch_before` has registered; the server's frame has no destructor.
    unsafe {
        let before = std::mem::transmute::<*mut c_void, fn(Next) -> Result<()>>(before);
        callback(|| before(next));
    }
}

/// # Safety
/// `ended` must be what `watch` has registered.
unsafe fn tell(ended: *mut c_void, end: End) {
    // SAFETY: promised by the caller.
    let ended = unsafe { std::mem::transmute::<*mut c_void, fn(End)>(ended) };
    let _ = contain(|| {
        ended(end);
        Ok(())
    });
}

unsafe extern "C-unwind" fn transaction_ended(event: sys::XactEvent, ended: *mut c_void) {
    let end = match event {
        sys::XactEvent_XACT_EVENT_COMMIT => End::Committed,
        sys::XactEvent_XACT_EVENT_ABORT | sys::XactEvent_XACT_EVENT_PREPARE => End::Gone,
        _ => return,
    };
    // SAFETY: registered by `watch`.
    unsafe { tell(ended, end) };
}

unsafe extern "C-unwind" fn subtransaction_ended(
    event: sys::SubXactEvent,
    id: sys::SubTransactionId,
    parent: sys::SubTransactionId,
    ended: *mut c_void,
) {
    let end = match event {
        sys::SubXactEvent_SUBXACT_EVENT_COMMIT_SUB => End::SubtransactionCommitted { id, parent },
        sys::SubXactEvent_SUBXACT_EVENT_ABORT_SUB => End::SubtransactionAborted { id },
        _ => return,
    };
    // SAFETY: registered by `watch`.
    unsafe { tell(ended, end) };
}
