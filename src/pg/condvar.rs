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
    /// Sleeps until `ready` gives something, looking each time that somebody broadcasts; `None` when the deadline
    /// passed first. Serves interrupts.
    fn wait<T>(
        &self,
        event: Event,
        deadline: Option<Instant>,
        ready: impl FnMut() -> Result<Option<T>>,
    ) -> Result<Option<T>>;
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
        let condition = server(self);
        let event = event.number()?;
        // SAFETY: initialized with the registry.
        guard(|| unsafe { sys::ConditionVariablePrepareToSleep(condition) })?;
        let result = loop {
            match ready() {
                Ok(None) => {}
                Ok(found) => break Ok(found),
                Err(error) => break Err(error),
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                break Ok(None);
            }
            let timeout = deadline.map_or(-1, latch::milliseconds_until);
            // SAFETY: as above.
            if let Err(error) = guard(|| unsafe { sys::ConditionVariableTimedSleep(condition, timeout, event) }) {
                break Err(error);
            }
        };
        // SAFETY: does nothing when there is nothing to cancel.
        let _ = guard(|| unsafe { sys::ConditionVariableCancelSleep() });
        result
    }
}
