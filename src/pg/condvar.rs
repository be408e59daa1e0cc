//! Condition variables in the registry.

use super::error::Result;
use super::guard::guard;
use super::latch::{self, Event};
use super::sys;
use logic::registry::layout::ConditionVariable;
use std::time::Instant;

const _: () = assert!(size_of::<sys::ConditionVariable>() <= size_of::<ConditionVariable>());
const _: () = assert!(align_of::<sys::ConditionVariable>() <= align_of::<ConditionVariable>());

fn server(condition: &ConditionVariable) -> *mut sys::ConditionVariable {
    condition.0[0].as_ptr().cast()
}

/// What can be done with a condition variable of the registry.
pub trait Condition {
    /// Once, before anybody knows of it.
    fn init(&self);
    /// Wakes all who wait. Not while the registry's lock is held.
    fn broadcast(&self);
    /// Sleeps until `ready` gives something, looking each time that somebody broadcasts, or the latch is set by
    /// something else; `None` when the deadline passed first. Serves interrupts.
    fn wait<T>(
        &self,
        event: Event,
        deadline: Option<Instant>,
        ready: impl FnMut() -> Result<Option<T>>,
    ) -> Result<Option<T>>;
    /// From here on a broadcast sets this process's latch, until the value is dropped. A process is on the list of one
    /// condition variable at a time.
    fn join(&self) -> Result<Joined<'_>>;
}

/// This process is on the list of a condition variable, and may sleep on its latch for other reasons, too.
pub struct Joined<'c>(&'c ConditionVariable);

impl Drop for Joined<'_> {
    fn drop(&mut self) {
        // SAFETY: does nothing when there is nothing to cancel.
        let _ = guard(|| unsafe { sys::ConditionVariableCancelSleep() });
    }
}

impl Joined<'_> {
    /// Sleeps until the latch is set, by a broadcast or by whatever else sets it, or the deadline has passed; serves
    /// interrupts, and does not sleep after some were served. The caller checks its conditions before each call: a set
    /// latch is no promise.
    ///
    /// The server's own sleep would not do: it sleeps on when the latch was set by something else. So this sleeps on
    /// the latch, and leaves to the server's function what belongs to the list: it resets the latch and, if a broadcast
    /// has taken the process from the list, puts it back, before the caller looks.
    ///
    /// Suppose that the caller's look has itself used another condition variable: the process is on no list then, and
    /// must not sleep. It joins again, and the caller looks once more.
    pub fn wait(&self, event: Event, deadline: Option<Instant>) -> Result<()> {
        let condition = server(self.0);
        if is_on_a_list() {
            latch::sleep(event, deadline)?;
        }
        let event = event.number()?;
        // SAFETY: initialized with the registry. A timeout of 0 does not sleep.
        guard(|| unsafe { sys::ConditionVariableTimedSleep(condition, 0, event) }).map(drop)
    }
}

/// Is this process on the list of any condition variable? A broadcast that comes meanwhile sets the latch.
fn is_on_a_list() -> bool {
    // SAFETY: this process's own entry, which only the holder of the list's spinlock changes; zeroes when on no list.
    unsafe {
        let link = &raw const (*sys::MyProc).cvWaitLink;
        (&raw const (*link).next).read_volatile() != 0 || (&raw const (*link).prev).read_volatile() != 0
    }
}

impl Condition for ConditionVariable {
    fn init(&self) {
        // SAFETY: large and aligned enough, and not in use.
        unsafe { sys::ConditionVariableInit(server(self)) };
    }

    fn broadcast(&self) {
        let condition = server(self);
        // SAFETY: initialized with the registry.
        let _ = guard(|| unsafe { sys::ConditionVariableBroadcast(condition) });
    }

    fn wait<T>(
        &self,
        event: Event,
        deadline: Option<Instant>,
        mut ready: impl FnMut() -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let joined = self.join()?;
        loop {
            if let Some(found) = ready()? {
                return Ok(Some(found));
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(None);
            }
            joined.wait(event, deadline)?;
        }
    }

    fn join(&self) -> Result<Joined<'_>> {
        let condition = server(self);
        // SAFETY: initialized with the registry.
        guard(|| unsafe { sys::ConditionVariablePrepareToSleep(condition) })?;
        Ok(Joined(self))
    }
}
