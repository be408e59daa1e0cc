//! ProcessUtility: around each utility command.

use super::{Ended, framed, is_leader, of_active};
use crate::pg::entry::callback;
use crate::pg::error::Result;
use crate::pg::parse_tree::Tree;
use crate::pg::sys;
use std::ffi::c_char;
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

/// What is done around each utility command of this process: `before`, `enter`, the command, `leave`, `after`.
pub trait UtilityHook {
    /// What `before` hands to `after`.
    type Memo: Copy;
    /// What `enter` hands to `leave`.
    type Frame: Copy;

    /// Is there anything to do? Asked before each command: no more than a load.
    fn is_active() -> bool {
        true
    }

    /// An error fails the command before it begins.
    fn before(command: Command) -> Result<Self::Memo>;

    /// After a command that succeeded. An error fails it all the same.
    fn after(memo: Self::Memo) -> Result<()>;

    /// Gives what has to be taken back when the command has ended, well or not.
    fn enter(_command: Command) -> Option<Self::Frame> {
        None
    }

    /// May neither fail nor call what can throw.
    fn leave(_frame: Self::Frame, _ended: Ended) {}
}

impl<A: UtilityHook, B: UtilityHook> UtilityHook for (A, B) {
    type Memo = (Option<A::Memo>, Option<B::Memo>);
    type Frame = (Option<A::Frame>, Option<B::Frame>);

    fn is_active() -> bool {
        A::is_active() || B::is_active()
    }

    fn before(command: Command) -> Result<Self::Memo> {
        let a = of_active(A::is_active(), || A::before(command)).transpose()?;
        let b = of_active(B::is_active(), || B::before(command)).transpose()?;
        Ok((a, b))
    }

    fn after((a, b): Self::Memo) -> Result<()> {
        b.map_or(Ok(()), B::after)?;
        a.map_or(Ok(()), A::after)
    }

    fn enter(command: Command) -> Option<Self::Frame> {
        let a = of_active(A::is_active(), || A::enter(command)).flatten();
        let b = of_active(B::is_active(), || B::enter(command)).flatten();
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
}

/// The hook that was there before.
static PREVIOUS: OnceLock<sys::ProcessUtility_hook_type> = OnceLock::new();

/// Installs the hook, when the library is loaded. Once.
pub fn install<H: UtilityHook>() {
    // SAFETY: a plain variable of this one thread.
    unsafe {
        if PREVIOUS.set(sys::ProcessUtility_hook).is_ok() {
            sys::ProcessUtility_hook = Some(process_utility::<H>);
        }
    }
}

unsafe extern "C-unwind" fn process_utility<H: UtilityHook>(
    planned: *mut sys::PlannedStmt,
    text: *const c_char,
    read_only_tree: bool,
    context: sys::ProcessUtilityContext,
    params: sys::ParamListInfo,
    environment: *mut sys::QueryEnvironment,
    dest: *mut sys::DestReceiver,
    done: *mut sys::QueryCompletion,
) {
    // SAFETY: the command's tree outlives the command; all frames hold plain values alone.
    unsafe {
        let call = || match PREVIOUS.get() {
            Some(Some(hook)) => hook(planned, text, read_only_tree, context, params, environment, dest, done),
            _ => {
                sys::standard_ProcessUtility(planned, text, read_only_tree, context, params, environment, dest, done);
            }
        };
        if !H::is_active() || !is_leader() {
            return call();
        }
        let command = Command {
            statement: Tree::new((*planned).utilityStmt),
            is_top_level: context == sys::ProcessUtilityContext_PROCESS_UTILITY_TOPLEVEL,
        };
        let memo = callback(|| H::before(command));
        match callback(|| Ok(H::enter(command))) {
            Some(frame) => framed(call, |ended| H::leave(frame, ended)),
            None => call(),
        }
        callback(|| H::after(memo));
    }
}
