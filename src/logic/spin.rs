//! Whether it pays to wait awake: a wake-up costs more than what a short wait costs, but only if the wait is short and there is
//! a core to wait on.

/// What recent waits of this process have taught.
pub struct Spin {
    credit: i32,
    /// Waits since the last try, while there is no credit.
    skipped: u32,
}

/// Successes that make up for a run of failures, and the reverse.
const MAX_CREDIT: i32 = 8;
/// Without credit, one wait in so many tries all the same.
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

    /// Should this wait begin awake?
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

    /// The wait that began awake ended so, or not.
    pub fn learn(&mut self, paid: bool) {
        self.credit = if paid { (self.credit + 2).min(MAX_CREDIT) } else { (self.credit - 1).max(0) };
    }
}

/// A core each for those who work and for those who wait awake.
pub fn has_room(cores: u32, working: u32, spinning: u32) -> bool {
    cores > 1 && working.saturating_add(spinning) < cores
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

    #[test]
    fn leaves_the_cores_to_those_who_work() {
        assert!(!has_room(1, 0, 0));
        assert!(has_room(2, 1, 0));
        assert!(!has_room(2, 1, 1));
        assert!(!has_room(2, u32::MAX, 1));
    }
}
