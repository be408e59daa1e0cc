//! Taking the registry's lock, and waking whom a change concerns after its release.

use super::area::Registry;
use crate::pg::error::Result;
use crate::pg::{condvar::Condition, identity, procs, signals};
use logic::registry::layout::ConditionVariable;
use logic::registry::locked::{Locked, Process, Server, Shared, Wakes};

/// The server, as the rules see it.
struct ThisServer;

impl Server for ThisServer {
    fn me(&self) -> Process {
        Process { pid: identity::process_id(), proc: procs::my_number() }
    }

    fn now(&self) -> i64 {
        identity::now()
    }

    fn is_alive(&self, process: Process) -> bool {
        procs::is_alive(process.proc, process.pid)
    }

    fn interrupt(&self, pid: i32) {
        signals::interrupt(pid);
    }

    fn forget_coming_job(&self) {
        signals::forget_coming_job();
    }

    fn wake(&self, proc: u32) {
        procs::wake(proc);
    }

    fn broadcast(&self, condition: &ConditionVariable) {
        Condition::broadcast(condition);
    }
}

/// Wakes that are still to be delivered.
#[must_use = "processes would sleep on"]
pub(super) struct Pending<'r>(&'r Registry, Wakes);

impl Pending<'_> {
    pub(super) fn deliver(self) {
        self.1.deliver(self.0, &ThisServer);
    }
}

impl Registry {
    /// Changes the tables under the lock, then wakes the processes that the change concerns. `change` can neither fail
    /// nor allocate nor wait; it holds no lock but this one.
    pub fn exclusive<R>(&self, change: impl FnOnce(&mut Locked) -> R) -> Result<R> {
        let (result, wakes) = self.change(change)?;
        wakes.deliver();
        Ok(result)
    }

    /// The first half of [`Self::exclusive`].
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut Locked) -> R) -> Result<(R, Pending<'_>)> {
        let held = self.lock.exclusive()?;
        let mut locked = Locked::new(self, &ThisServer);
        let result = change(&mut locked);
        let wakes = locked.into_wakes();
        drop(held);
        Ok((result, Pending(self, wakes)))
    }

    /// Reads the tables under the lock, held shared. The same rules as for `change` of [`Self::exclusive`].
    pub fn shared<R>(&self, look: impl FnOnce(&Shared) -> R) -> Result<R> {
        let held = self.lock.shared()?;
        let result = look(&Shared::new(self, &ThisServer));
        drop(held);
        Ok(result)
    }
}
