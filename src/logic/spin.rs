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
/// has cost a time slice ends the credit, and each such makes the tries half as frequent, up to [`TRY_RARELY`]; each
/// other one twice as frequent.
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
/// Without credit, one wait in this many begins awake all the same. Odd, and so is each number up to the next: a launch
/// may have two waits, a short one and a long one, and tries have to meet both.
const TRY_EVERY: u32 = 31;
/// The same, where waits that began awake have cost time slices.
const TRY_RARELY: u32 = 255;

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
            Outcome::Paid => self.credit = (self.credit + 2).min(MAX_CREDIT),
            Outcome::InVain => self.credit = (self.credit - 1).max(0),
            Outcome::Displaced => self.credit = 0,
        }
        self.try_every = match outcome {
            Outcome::Displaced => (self.try_every * 2 + 1).min(TRY_RARELY),
            Outcome::Paid | Outcome::InVain => (self.try_every / 2).max(TRY_EVERY),
        };
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
        // of so many waits one is a try
        let mut try_ends = |outcome| {
            let waits = (1..=TRY_RARELY).find(|_| spin.wants());
            spin.learn(outcome);
            waits
        };
        // credit for two waits is lost with the first
        assert_eq!(try_ends(Outcome::Displaced), Some(1));
        assert_eq!(try_ends(Outcome::Displaced), Some(63));
        assert_eq!(try_ends(Outcome::Displaced), Some(127));
        assert_eq!(try_ends(Outcome::Displaced), Some(TRY_RARELY));
        assert_eq!(try_ends(Outcome::Displaced), Some(TRY_RARELY));
        // alone again, with jobs that are too long, and then with short ones
        assert_eq!(try_ends(Outcome::InVain), Some(TRY_RARELY));
        assert_eq!(try_ends(Outcome::InVain), Some(127));
        assert_eq!(try_ends(Outcome::InVain), Some(63));
        assert_eq!(try_ends(Outcome::InVain), Some(TRY_EVERY));
        assert_eq!(try_ends(Outcome::Paid), Some(TRY_EVERY));
        assert_eq!(try_ends(Outcome::Paid), Some(1));
    }

    #[test]
    fn tries_meet_the_short_one_of_two_waits_in_turn() {
        for first in [0, 1] {
            let mut spin = Spin::new();
            spin.learn(Outcome::Displaced);
            let paid = (first..2000).find(|wait| {
                let wants = spin.wants();
                if wants {
                    spin.learn(if wait % 2 == 0 { Outcome::Paid } else { Outcome::Displaced });
                }
                wants && wait % 2 == 0
            });
            assert!(paid.is_some_and(|wait| wait <= 63 + 127 + 1), "{paid:?}");
        }
    }
}
