//! Turns: jobs that a limit keeps out hold tickets in the queue of launches, as sessions that wait do.

use super::{Dispatcher, LOOK_AGAIN};
use crate::pg::error::Result;
use crate::registry::{Admission, NewJob, Queue};
use logic::registry::quota::Scope;
use std::time::Instant;

/// So many jobs hold tickets: there must be room for sessions that wait.
const MAX_TURNS: usize = 16;

/// A job that waits for its turn among the launches that wait.
pub(super) struct Turn {
    pub(super) address: u64,
    ticket: u64,
    limit: Limit,
}

/// What keeps a job out. One job holds a ticket for each: of those behind it none could go on before it.
#[derive(PartialEq, Eq)]
enum Limit {
    All,
    Database(u32),
    /// Sessions of a role may have limits of their own.
    Role(u32, u32),
}

impl Limit {
    fn of(scope: Scope, new: &NewJob) -> Self {
        match scope {
            Scope::Slots | Scope::Total => Self::All,
            Scope::Database => Self::Database(new.database),
            Scope::Role => Self::Role(new.role, new.per_role),
        }
    }
}

impl Dispatcher {
    /// Admits the job at that address, which is in flight then. One that is refused waits for its turn among the
    /// launches that wait, whose sessions would otherwise come before it for ever.
    ///
    /// Suppose that two jobs of the line have turns, and that the newer one has the earlier turn. The older one is then
    /// refused for the newer one's sake. So [`Self::pass`] asks for each that has a turn, whatever was refused before.
    pub(super) fn admit(&mut self, address: u64, new: &NewJob) -> Result<Admission> {
        let turn = self.turns.iter().position(|turn| turn.address == address);
        let ticket = turn.map(|turn| self.turns[turn].ticket);
        let turns = &self.turns;
        // With a ticket this is left to those that come by, and for these jobs nobody need come by. Not at each end of
        // a job: it is a look at all workers.
        let may_reap = ticket.is_some() && self.reaped_at.is_none_or(|at| at.elapsed() >= LOOK_AGAIN);
        let mut has_reaped = false;
        let (admission, joined) = self.registry.exclusive(|r| {
            let mut admission = r.admit(new, ticket);
            if matches!(admission, Admission::Refused(_)) && may_reap {
                has_reaped = true;
                if r.reap() {
                    admission = r.admit(new, ticket);
                }
            }
            let mut joined = None;
            match admission {
                Admission::Admitted(..) => r.set_in_flight(new.cookie),
                Admission::Refused(scope) => {
                    let limit = Limit::of(scope, new);
                    let most = if limit == Limit::All { MAX_TURNS + 1 } else { MAX_TURNS };
                    let has_room = turns.len() < most;
                    if ticket.is_none() && has_room && turns.iter().all(|turn| turn.limit != limit) {
                        joined = r.join(new, Queue::ForSlot).map(|ticket| Turn { address, ticket, limit });
                    }
                }
            }
            (admission, joined)
        })?;
        if has_reaped {
            self.reaped_at = Some(Instant::now());
        }
        self.turns.extend(joined);
        match (&admission, turn) {
            (Admission::Admitted(..), Some(turn)) => drop(self.turns.remove(turn)),
            // perhaps another limit than before
            (Admission::Refused(scope), Some(turn)) => self.turns[turn].limit = Limit::of(*scope, new),
            _ => {}
        }
        Ok(admission)
    }

    /// Jobs at addresses for which this holds wait for their turn no more.
    pub(super) fn give_up_turns(&mut self, of: impl Fn(u64) -> bool) -> Result<()> {
        while let Some(turn) = self.turns.iter().position(|turn| of(turn.address)) {
            let Turn { ticket, .. } = self.turns.swap_remove(turn);
            self.registry.exclusive(|r| r.quit(ticket))?;
        }
        Ok(())
    }
}
