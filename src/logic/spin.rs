//! Whether it pays to wait awake (to spin) before sleeping.
//!
//! To be woken takes microseconds, so a wait that ends sooner is cheaper awake. A longer one wastes a core. Where
//! other processes need that core, it does worse: who waits awake offers the core to them every microsecond, and gets
//! it back after a time slice, where one that slept would have been woken at once. So a process learns from its own
//! waits, and needs no look at the load.

/// What the recent waits of this process have taught.
///
/// Credit grows by two with each wait that ended while it was spent awake, and shrinks by one with each that did not.
/// Suppose that a session launches long jobs only: after a few waits its credit is gone, and it sleeps at once. One
/// wait in [`TRY_EVERY`] still begins awake, so that the session notices when its jobs have become short. A wait that
/// has cost a time slice ends the credit, and each such makes the tries half as frequent, up to [`TRY_RARELY`].
pub struct Spin {
    credit: i32,
    /// Waits since the last try, while there is no credit.
    skipped: u32,
    /// Without credit, one wait in so many begins awake all the same.
    try_every: u32,
}

/// What has come of a wait that began awake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What was waited for has come meanwhile.
    Paid,
    InVain,
    /// Others have had the processor for much longer than the wait was to last.
    Displaced,
}

/// The most credit: a short memory, so that a change is learned within some waits.
const MAX_CREDIT: i32 = 8;
/// Without credit, one wait in this many begins awake all the same,
const TRY_EVERY: u32 = 32;
/// or in as many as this, where that has cost time slices.
const TRY_RARELY: u32 = 256;

impl Default for Spin {
    fn default() -> Self {
        Self::new()
    }
}

impl Spin {
    pub const fn new() -> Self {
        Self { credit: MAX_CREDIT / 2, skipped: 0, try_every: TRY_EVERY }
    }

    /// Decides whether this wait begins awake. Called once for each wait.
    pub fn wants(&mut self) -> bool {
        if self.credit > 0 {
            return true;
        }
        self.skipped += 1;
        if self.skipped >= self.try_every {
            self.skipped = 0;
            return true;
        }
        false
    }

    /// Learns what came of a wait that began awake.
    pub fn learn(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Paid => {
                self.credit = (self.credit + 2).min(MAX_CREDIT);
                self.try_every = (self.try_every / 2).max(TRY_EVERY);
            }
            Outcome::InVain => self.credit = (self.credit - 1).max(0),
            Outcome::Displaced => {
                self.credit = 0;
                self.try_every = (self.try_every * 2).min(TRY_RARELY);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_when_it_does_not_pay_and_tries_again_now_and_then() {
        let mut spin = Spin::new();
        while spin.wants() {
            spin.learn(Outcome::InVain);
        }
        let tries = (0..TRY_EVERY * 10).filter(|_| spin.wants()).count();
        assert_eq!(tries, 10);
        spin.learn(Outcome::Paid);
        assert!(spin.wants());
    }

    #[test]
    fn tries_rarely_where_others_need_the_processor_and_as_before_where_they_do_not() {
        let mut spin = Spin::new();
        let tries = |spin: &mut Spin, outcome| {
            let mut tries = 0;
            for _ in 0..TRY_RARELY * 10 {
                if spin.wants() {
                    spin.learn(outcome);
                    tries += 1;
                }
            }
            tries
        };
        // credit for four waits is lost with the first
        assert!(spin.wants());
        spin.learn(Outcome::Displaced);
        assert!(!spin.wants());
        tries(&mut spin, Outcome::Displaced);
        assert_eq!(tries(&mut spin, Outcome::Displaced), 10);
        // each that pays gives credit, and makes the tries twice as frequent
        (0..10).for_each(|_| spin.learn(Outcome::Paid));
        while spin.wants() {
            spin.learn(Outcome::InVain);
        }
        assert_eq!((1..TRY_RARELY).find(|_| spin.wants()), Some(TRY_EVERY - 1));
    }
}
