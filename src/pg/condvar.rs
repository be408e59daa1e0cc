//! Condition variables in the registry.

use super::error::Result;
use super::guard::guard;
use super::latch::{self, Event};
use super::sys;
use crate::model::slot::ConditionVariable;
use std::time::Instant;

const _: () = assert!(size_of::<sys::ConditionVariable>() <= size_of::<ConditionVariable>());
const _: () = assert!(align_of::<sys::ConditionVariable>() <= align_of::<ConditionVariable>());

impl ConditionVariable {
    fn as_ptr(&self) -> *mut sys::ConditionVariable {
        self.0[0].as_ptr().cast()
    }

    /// Once, before anybody knows of it.
    pub fn init(&self) {
        // SAFETY: large and aligned enough, and not in use.
        unsafe { sys::ConditionVariableInit(self.as_ptr()) };
    }

    /// Wakes all who wait. Not while the registry's lock is held.
    pub fn broadcast(&self) {
        let condition = self.as_ptr();
        // SAFETY: initialized with the registry.
        let _ = guard(|| unsafe { sys::ConditionVariableBroadcast(condition) });
    }

    /// Sleeps until `ready` gives something, looking each time that somebody broadcasts; `None` when the deadline passed
    /// first. Serves interrupts.
    pub fn wait<T>(
        &self,
        event: Event,
        deadline: Option<Instant>,
        mut ready: impl FnMut() -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let condition = self.as_ptr();
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
