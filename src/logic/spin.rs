//! Whether it pays to wait awake (to spin) before sleeping.
//!
//! To be woken takes microseconds, so a wait that ends sooner is cheaper awake. A longer one wastes a core. Where
//! other processes need that core, those who wait awake offer it to them every microsecond, and what is waited for
//! comes late. So a process learns from its own waits, and needs no look at the load.

/// What the recent waits of this process have taught.
///
/// Credit grows by two with each wait that ended while it was spent awake, and shrinks by one with each that did not.
/// Suppose that a session launches long jobs only: after a few waits its credit is gone, and it sleeps at once. One
/// wait in [`TRY_EVERY`] still begins awake, so that the session notices when its jobs have become short.
pub struct Spin {
    credit: i32,
    /// Waits since the last try, while there is no credit.
    skipped: u32,
}

/// The most credit: a short memory, so that a change is learned within some waits.
const MAX_CREDIT: i32 = 8;
/// Without credit, one wait in this many begins awake all the same.
const TRY_EVERY: u32 = 32;

impl Default for Spin {
    fn default() -> Self {
        Self::new()
    }
}

impl Spin {
    pub const fn new() -> Self {
        Self { credit: MAX_CREDIT / 2, skipped: 0 }
    }

    /// Decides whether this wait begins awake. Called once for each wait.
    pub fn wants(&mut self) -> bool {
        if self.credit > 0 {
            return true;
        }
        self.skipped += 1;
        if self.skipped >= TRY_EVERY {
            self.skipped = 0;
            return true;
        }
        false
    }

    /// Learns whether a wait that began awake has ended awake.
    pub fn learn(&mut self, paid: bool) {
        self.credit = if paid { (self.credit + 2).min(MAX_CREDIT) } else { (self.credit - 1).max(0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_when_it_does_not_pay_and_tries_again_now_and_then() {
        let mut spin = Spin::new();
        while spin.wants() {
            spin.learn(false);
        }
        let tries = (0..TRY_EVERY * 10).filter(|_| spin.wants()).count();
        assert_eq!(tries, 10);
        spin.learn(true);
        assert!(spin.wants());
    }
}
