//! From a position in a command's stages to one figure: silent stages creep with the time.

/// Where a command is: what is done of the whole before its stage, the stage's share of the whole, and what is done of
/// the stage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    /// Tells stages apart: a new number is a new stage.
    pub stage: u32,
    pub before: f64,
    pub share: f64,
    /// `None`: the server counts nothing in this stage.
    pub inner: Option<f64>,
    /// What is counted is the least that is done: the stage creeps, too.
    pub creeps: bool,
}

impl Position {
    pub fn new(stage: u32, before: f64, share: f64, inner: Option<f64>) -> Self {
        Self { stage, before, share, inner, creeps: false }
    }

    pub fn creeping(self) -> Self {
        Self { creeps: true, ..self }
    }

    /// The same position where the whole is a part of something: `before` is done already, `share` is its share.
    pub fn within(self, before: f64, share: f64) -> Self {
        Self { before: before + share * self.before, share: share * self.share, ..self }
    }
}

/// Nothing is done before its end.
const MOST: f64 = 0.999;
/// A silent stage grows evenly up to here, in the time that its share predicts, and slower from then on.
const EVENLY: f64 = 0.85;

#[derive(Clone, Copy, Debug, Default)]
pub struct Meter {
    shown: f64,
    stage: Option<u32>,
    /// When the stage began, in seconds since the command began.
    since: f64,
    /// Seconds that the command waited for others, and when the wait that lasts began.
    waited: f64,
    wait_since: Option<f64>,
}

impl Meter {
    /// The figure at a moment (seconds since the command began). Never smaller than the one before.
    pub fn show(&mut self, elapsed: f64, position: Position) -> f64 {
        if let Some(since) = self.wait_since.take() {
            self.waited += (elapsed - since).max(0.0);
        }
        let worked = (elapsed - self.waited).max(0.0);
        if self.stage != Some(position.stage) {
            self.stage = Some(position.stage);
            self.since = worked;
        }
        let inner = match position.inner {
            Some(inner) if position.creeps => inner.max(self.creep(worked, position)),
            Some(inner) => inner,
            None => self.creep(worked, position),
        };
        self.raise(position.before + position.share * inner)
    }

    /// The command waits: nothing creeps, and the clock of its work stands still.
    pub fn hold(&mut self, elapsed: f64, position: Position) -> f64 {
        self.wait_since.get_or_insert(elapsed);
        self.raise(position.before + position.share * position.inner.unwrap_or(0.0))
    }

    fn raise(&mut self, figure: f64) -> f64 {
        if figure > self.shown {
            self.shown = figure.min(MOST);
        }
        self.shown
    }

    /// What is probably done of a silent stage, if it is as fast as all before it.
    fn creep(&self, worked: f64, position: Position) -> f64 {
        if position.before <= 0.0 || self.since <= 0.0 {
            return 0.0;
        }
        let expected = self.since * position.share / position.before;
        if expected <= 0.0 {
            return 0.0;
        }
        let even = (worked - self.since) / expected;
        if even <= EVENLY {
            return even.max(0.0);
        }
        let late = even - EVENLY;
        EVENLY + (1.0 - EVENLY) * late / (late + 0.5)
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // exact
mod tests {
    use super::*;

    #[test]
    fn a_silent_stage_creeps_and_never_ends() {
        let mut meter = Meter::default();
        let counted = |inner| Position::new(1, 0.0, 0.6, Some(inner));
        assert_eq!(meter.show(0.0, counted(0.0)), 0.0);
        assert_eq!(meter.show(6.0, counted(1.0)), 0.6);
        let silent = Position::new(2, 0.6, 0.3, None);
        assert_eq!(meter.show(6.0, silent), 0.6);
        // 0.6 in 6 s: 0.3 in 3 s
        assert!((meter.show(7.5, silent) - 0.75).abs() < 1e-9);
        let mut last = 0.75;
        for second in 8..1000 {
            let figure = meter.show(f64::from(second), silent);
            assert!(figure >= last && figure < 0.9, "{figure} after {last}");
            last = figure;
        }
        assert!(last > 0.89);
        assert_eq!(meter.show(1000.0, Position::new(3, 0.9, 0.1, None)), 0.9);
    }

    #[test]
    fn a_stage_that_is_counted_in_part_creeps_too() {
        let mut meter = Meter::default();
        meter.show(6.0, Position::new(1, 0.0, 0.6, Some(1.0)));
        let half = |inner| Position::new(2, 0.6, 0.3, Some(inner)).creeping();
        assert_eq!(meter.show(6.0, half(0.0)), 0.6);
        assert!((meter.show(7.5, half(0.2)) - 0.75).abs() < 1e-9);
        assert!((meter.show(7.5, half(0.9)) - 0.87).abs() < 1e-9);
    }

    #[test]
    fn figures_never_fall_and_never_reach_one() {
        let mut meter = Meter::default();
        assert_eq!(meter.show(1.0, Position::new(1, 0.0, 1.0, Some(0.5))), 0.5);
        assert_eq!(meter.show(2.0, Position::new(1, 0.0, 1.0, Some(0.25))), 0.5);
        assert_eq!(meter.show(3.0, Position::new(1, 0.0, 1.0, Some(1.0))), MOST);
        assert_eq!(meter.show(4.0, Position::new(2, 1.0, 1.0, Some(f64::NAN))), MOST);
    }

    #[test]
    fn time_spent_waiting_is_no_work() {
        let mut meter = Meter::default();
        meter.show(0.0, Position::new(1, 0.0, 0.5, Some(0.0)));
        meter.show(2.0, Position::new(1, 0.0, 0.5, Some(1.0)));
        for second in 2..100 {
            let position = Position::new(2, 0.5, 0.5, None);
            assert_eq!(meter.hold(f64::from(second), position), 0.5);
        }
        let silent = Position::new(2, 0.5, 0.5, None);
        assert_eq!(meter.show(100.0, silent), 0.5);
        assert!((meter.show(101.0, silent) - 0.75).abs() < 1e-9);
    }

    #[test]
    fn a_silent_beginning_stands() {
        let mut meter = Meter::default();
        let silent = Position::new(1, 0.0, 1.0, None);
        assert_eq!((meter.show(0.0, silent), meter.show(9.0, silent)), (0.0, 0.0));
    }
}
