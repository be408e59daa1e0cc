//! Which sessions are outdated by what a transaction has done, once it commits.

/// Sessions in a database, of a role; 0 is any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outdated {
    pub database: u32,
    pub role: u32,
}

impl Outdated {
    pub const ALL: Self = Self { database: 0, role: 0 };

    /// The fewest sessions that include both.
    fn and(self, other: Self) -> Self {
        let both = |a, b| if a == b { a } else { 0 };
        Self { database: both(self.database, other.database), role: both(self.role, other.role) }
    }
}

/// What an open transaction and its open subtransactions outdate: an entry for each that does, the innermost last.
#[derive(Default)]
pub struct Pending(Vec<(u32, Outdated)>);

impl Pending {
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// A statement of the subtransaction has succeeded, which is the innermost that is open.
    pub fn add(&mut self, subtransaction: u32, outdated: Outdated) {
        match self.0.last_mut() {
            Some((id, before)) if *id == subtransaction => *before = before.and(outdated),
            _ => self.0.push((subtransaction, outdated)),
        }
    }

    /// A subtransaction has been rolled back.
    pub fn aborted(&mut self, subtransaction: u32) {
        self.remove(subtransaction);
    }

    /// A subtransaction has ended well: what it outdates, its parent does.
    pub fn committed(&mut self, subtransaction: u32, parent: u32) {
        if let Some(outdated) = self.remove(subtransaction) {
            self.add(parent, outdated);
        }
    }

    fn remove(&mut self, subtransaction: u32) -> Option<Outdated> {
        let (_, outdated) = self.0.last().copied().filter(|(id, _)| *id == subtransaction)?;
        self.0.pop();
        Some(outdated)
    }

    /// The transaction has committed.
    pub fn take(&mut self) -> Option<Outdated> {
        let outdated = self.0.last().map(|(_, outdated)| *outdated);
        self.clear();
        outdated
    }

    /// The transaction has been rolled back, or prepared.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF_A: Outdated = Outdated { database: 1, role: 7 };
    const OF_B: Outdated = Outdated { database: 2, role: 7 };

    #[test]
    fn a_transaction_outdates_what_its_statements_do() {
        let mut pending = Pending::new();
        assert_eq!(pending.take(), None);
        pending.add(1, OF_A);
        assert_eq!(pending.take(), Some(OF_A));
        assert_eq!(pending.take(), None);
        pending.add(1, OF_A);
        pending.add(1, OF_B);
        assert_eq!(pending.take(), Some(Outdated { database: 0, role: 7 }));
    }

    #[test]
    fn a_rollback_forgets_its_own_subtransaction_alone() {
        let mut pending = Pending::new();
        pending.add(1, OF_A);
        pending.add(2, OF_B);
        pending.aborted(3);
        pending.aborted(2);
        assert_eq!(pending.take(), Some(OF_A));
        pending.add(1, OF_A);
        pending.clear();
        assert_eq!(pending.take(), None);
    }

    #[test]
    fn a_subtransaction_that_ends_well_hands_on_to_its_parent() {
        let mut pending = Pending::new();
        pending.add(3, OF_B);
        pending.committed(3, 2);
        pending.committed(9, 2);
        pending.committed(2, 1);
        pending.add(1, OF_B);
        assert_eq!(pending.take(), Some(OF_B));
        pending.add(1, OF_A);
        pending.add(2, OF_B);
        pending.committed(2, 1);
        assert_eq!(pending.take(), Some(Outdated { database: 0, role: 7 }));
    }
}
