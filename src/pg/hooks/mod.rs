//! The server's hooks, in: what is called around its own work. What is done there is decided above.
//!
//! | hook | trait | called around |
//! |---|---|---|
//! | ProcessUtility | [`utility::UtilityHook`] | each utility command |
//! | planner | [`planner::PlannerHook`] | the making of each plan |
//! | ExecutorStart, Run, Finish, End | [`executor::ExecutorHook`] | the stages of each execution of a plan |
//!
//! **Use.** A type that implements a trait is a user of the hook. `install::<(A, B)>()` installs one chain for two
//! users, `(A, (B, C))` for three: A is outside, B inside. A user that is not active costs a load and a branch.
//!
//! **Chain.** A hook calls the one that was installed before it, and the server's own work last. A library that is
//! loaded after this one does the same with ours. So hooks of others run outside or inside, by the order of loading.
//!
//! **Errors.** Whatever a hook calls may leave by longjmp, through the hook's frame: no destructor may be pending
//! there. What a user must take back also then is a *frame*: it gives one in `enter`, and `leave` gets it in any case.
//! Only then does the hook set an exception handler, which costs 50 to 70 ns: for statements that are nested in others
//! and cheap, `enter` should give `None`.
//!
//! **Levels.** Statements nest (functions, triggers, SPI), and so do frames, strictly: the last one that was entered is
//! the first to be left, be it by an error. A user that counts its frames knows its level.
//!
//! **Parallel workers** load the library too. Nothing is called in them.

pub mod executor;
pub mod planner;
pub mod utility;

use super::sys;
use std::ffi::c_void;
use std::mem::{MaybeUninit, needs_drop};
use std::panic::{self, AssertUnwindSafe};

/// How what a hook stands around has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Well,
    /// By an ERROR, which goes on.
    Failed,
}

/// May users be called in this process at all?
fn is_leader() -> bool {
    // SAFETY: a plain variable of this one thread; IsParallelWorker().
    unsafe { sys::ParallelWorkerNumber < 0 }
}

/// Calls users, who need not be active, and gives the value of those who are.
fn of_active<R>(is_active: bool, call: impl FnOnce() -> R) -> Option<R> {
    is_active.then(call)
}

struct Framed<C, L, R> {
    call: MaybeUninit<C>,
    leave: L,
    value: MaybeUninit<R>,
}

type Body = extern "C" fn(*mut c_void);
type Throwing = unsafe extern "C-unwind" fn(*mut c_void);

/// `extern "C"`, for a panic must not leave the server's exception stack behind: see `guard`.
extern "C" fn run<C: FnOnce() -> R, L: Fn(Ended), R>(arg: *mut c_void) {
    let framed = arg.cast::<Framed<C, L, R>>();
    // SAFETY: `framed` passes its own, initialised, and calls once.
    unsafe {
        let call = (*framed).call.assume_init_read();
        (*framed).value.write(call());
    }
}

extern "C" fn fail<C: FnOnce() -> R, L: Fn(Ended), R>(arg: *mut c_void) {
    // SAFETY: as above.
    let leave = unsafe { &(*arg.cast::<Framed<C, L, R>>()).leave };
    // the error goes on, whatever happens here
    let _ = panic::catch_unwind(AssertUnwindSafe(|| leave(Ended::Failed)));
}

/// Runs `call`, and `leave` in any case. An ERROR goes on after it.
///
/// # Safety
/// No destructor may be pending in the calling frame, nor in one that `call` adds. For `leave` as for any code that the
/// server calls while it handles an error: it may neither fail nor call what can throw.
unsafe fn framed<R: Copy, C: FnOnce() -> R, L: Fn(Ended)>(call: C, leave: L) -> R {
    const { assert!(!needs_drop::<C>() && !needs_drop::<L>()) };
    let mut framed = Framed { call: MaybeUninit::new(call), leave, value: MaybeUninit::uninit() };
    // SAFETY: only the ABI string differs; both are given the Framed that they expect, which outlives them.
    unsafe {
        let run = std::mem::transmute::<Body, Throwing>(run::<C, L, R>);
        let fail = std::mem::transmute::<Body, Throwing>(fail::<C, L, R>);
        sys::pgbg_finally(Some(run), Some(fail), (&raw mut framed).cast());
    }
    (framed.leave)(Ended::Well);
    // SAFETY: the body returned, so the value was written.
    unsafe { framed.value.assume_init() }
}
