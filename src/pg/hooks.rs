//! The server's hooks, in: what is called around its own work. What is done there is decided above.
//!
//! A hook calls the one that was installed before it, and the server's own work last. All of that may leave by longjmp,
//! through the hook's frame, and so no destructor may be pending there: see [`around`].

use super::entry::callback;
use super::error::Result;
use super::parse_tree::Tree;
use super::sys;
use std::mem::needs_drop;
use std::sync::OnceLock;

/// A utility command (all but SELECT, INSERT, UPDATE, DELETE and MERGE) that is about to run.
#[derive(Clone, Copy)]
pub struct Command<'a> {
    pub statement: Tree<'a>,
    is_top_level: bool,
}

impl Command<'_> {
    /// Will the server refuse what cannot run in a transaction block?
    pub fn is_in_block(self) -> bool {
        // SAFETY: looks at the transaction's state.
        unsafe { sys::IsInTransactionBlock(self.is_top_level) }
    }
}

/// What is done around each utility command of this process.
pub trait UtilityHook {
    /// What `before` hands to `after`.
    type Memo: Copy;

    /// An error fails the command before it begins.
    fn before(command: Command) -> Result<Self::Memo>;

    /// After a command that succeeded. An error fails it all the same.
    fn after(memo: Self::Memo) -> Result<()>;
}

/// Runs `before`, then what the hook stands around, then `after`.
///
/// `call` may leave by longjmp. Whatever has a destructor is gone by then: errors of `before` have been thrown, and
/// what it hands on is Copy.
///
/// # Safety
/// No destructor may be pending in the calling frame, nor in one that `call` adds.
unsafe fn around<M: Copy, B, C, A>(before: B, call: C, after: A)
where
    B: FnOnce() -> Result<M>,
    C: FnOnce(),
    A: FnOnce(M) -> Result<()>,
{
    const { assert!(!needs_drop::<B>() && !needs_drop::<C>() && !needs_drop::<A>()) };
    // SAFETY: promised by the caller.
    let memo = unsafe { callback(before) };
    call();
    // SAFETY: as above.
    unsafe { callback(|| after(memo)) };
}

/// The hook that was there before.
static PREVIOUS_UTILITY: OnceLock<sys::ProcessUtility_hook_type> = OnceLock::new();

/// Installs the hook, when the library is loaded. Once.
pub fn install_utility<H: UtilityHook>() {
    // SAFETY: a plain variable of this one thread.
    unsafe {
        if PREVIOUS_UTILITY.set(sys::ProcessUtility_hook).is_ok() {
            sys::ProcessUtility_hook = Some(process_utility::<H>);
        }
    }
}

unsafe extern "C-unwind" fn process_utility<H: UtilityHook>(
    planned: *mut sys::PlannedStmt,
    text: *const std::ffi::c_char,
    read_only_tree: bool,
    context: sys::ProcessUtilityContext,
    params: sys::ParamListInfo,
    environment: *mut sys::QueryEnvironment,
    dest: *mut sys::DestReceiver,
    done: *mut sys::QueryCompletion,
) {
    // SAFETY: the command's tree outlives the command; the frame, like that of the call, holds plain values alone.
    unsafe {
        let command = Command {
            statement: Tree::new((*planned).utilityStmt),
            is_top_level: context == sys::ProcessUtilityContext_PROCESS_UTILITY_TOPLEVEL,
        };
        let call = || match PREVIOUS_UTILITY.get() {
            Some(Some(hook)) => hook(planned, text, read_only_tree, context, params, environment, dest, done),
            _ => {
                sys::standard_ProcessUtility(planned, text, read_only_tree, context, params, environment, dest, done);
            }
        };
        around(|| H::before(command), call, H::after);
    }
}
