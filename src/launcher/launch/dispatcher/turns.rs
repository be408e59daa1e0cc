//! Turns: jobs that a limit keeps out hold tickets in the queue of launches, as sessions that wait do.

use super::Dispatcher;
use crate::pg::error::Result;
use crate::registry::{Admission, NewJob, Queue};
use logic::registry::quota::Scope;

/// So many jobs that limits of roles or databases keep out hold tickets: there must be room for sessions that wait.
const MAX_TURNS: usize = 16;

impl Dispatcher {
    /// Admits the job at that address, which is in flight then. One that is refused waits for its turn among the
    /// launches that wait, whose sessions would otherwise come before it for ever.
    ///
    /// Suppose that two jobs of the line have turns, and that the newer one has the earlier turn. The older one is then
    /// refused for the newer one's sake. So [`Self::pass`] asks for each that has a turn, whatever was refused before.
    pub(super) fn admit(&mut self, address: u64, new: &NewJob) -> Result<Admission> {
        let turn = self.turns.iter().position(|turn| turn.0 == address);
        let ticket = turn.map(|turn| self.turns[turn].1);
        let has_room = self.turns.len() < MAX_TURNS;
        let (admission, joined) = self.registry.exclusive(|r| {
            let mut admission = r.admit(new, ticket);
            // with a ticket this is left to those that come by, and for these jobs nobody need come by
            if matches!(admission, Admission::Refused(_)) && ticket.is_some() && r.reap() {
                admission = r.admit(new, ticket);
            }
            let joins = match admission {
                Admission::Admitted(..) => {
                    r.set_in_flight(new.cookie);
                    false
                }
                // one of these at a time: it fills the line
                Admission::Refused(Scope::Slots | Scope::Total) => ticket.is_none(),
                Admission::Refused(Scope::Database | Scope::Role) => ticket.is_none() && has_room,
            };
            (admission, if joins { r.join(new, Queue::ForSlot) } else { None })
        })?;
        self.turns.extend(joined.map(|ticket| (address, ticket)));
        if let (Admission::Admitted(..), Some(turn)) = (&admission, turn) {
            self.turns.remove(turn);
        }
        Ok(admission)
    }

    /// Jobs at addresses for which this holds wait for their turn no more.
    pub(super) fn give_up_turns(&mut self, of: impl Fn(u64) -> bool) -> Result<()> {
        while let Some(turn) = self.turns.iter().position(|turn| of(turn.0)) {
            let (_, ticket) = self.turns.swap_remove(turn);
            self.registry.exclusive(|r| r.quit(ticket))?;
        }
        Ok(())
    }
}
