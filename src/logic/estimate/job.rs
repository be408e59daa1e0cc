//! The figures of a job, out of what is estimated of the statement that runs: the one place that decides what is shown.
//!
//! - Within a statement the percentage does not go back, and does not come to the statement's end before the statement
//!   does.
//! - Of several statements, number n of m begins at (n−1)/m and ends at n/m. Where m is not known (a text with
//!   `autocommit`, before its last statement), nor is the percentage.
//! - Nothing is shown of a job that ends before the first estimate.

use super::{Estimate, Phase};

/// Just before the end.
const ALMOST: f64 = 0.9999;

/// What is shown, in hundredths of a percent; `None` is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shown {
    pub hundredths: Option<i32>,
    pub rows: Option<i64>,
    pub rows_estimated: Option<i64>,
    pub phase: Phase,
}

/// A job, statement by statement.
#[derive(Debug, Default)]
pub struct JobProgress {
    /// The statement that runs, from 1.
    number: u32,
    /// How many there are; 0 if that is not known.
    of: u32,
    /// The greatest so far of the statement that runs.
    fraction: Option<f64>,
    /// The last that were known of it.
    rows: Option<i64>,
    rows_estimated: Option<i64>,
    is_shown: bool,
}

impl JobProgress {
    pub const fn new() -> Self {
        Self { number: 0, of: 0, fraction: None, rows: None, rows_estimated: None, is_shown: false }
    }

    /// A statement begins; or more is known of how many there are.
    pub fn begin(&mut self, number: u32, of: u32) {
        if number != self.number {
            (self.fraction, self.rows, self.rows_estimated) = (None, None, None);
        }
        (self.number, self.of) = (number, of);
    }

    /// What is to be shown after an estimate of the statement that runs.
    pub fn update(&mut self, estimate: &Estimate) -> Shown {
        let now = estimate.fraction.filter(|fraction| fraction.is_finite()).map(|fraction| fraction.clamp(0.0, ALMOST));
        self.fraction = match (self.fraction, now) {
            (Some(before), Some(now)) => Some(before.max(now)),
            (before, now) => before.or(now),
        };
        self.rows = estimate.rows.or(self.rows);
        self.rows_estimated = estimate.rows_estimated.or(self.rows_estimated);
        self.is_shown = true;
        Shown {
            hundredths: self.fraction.and_then(|fraction| self.hundredths(fraction)),
            rows: self.rows,
            rows_estimated: self.rows_estimated,
            phase: estimate.phase,
        }
    }

    /// What is to be shown when the statement has ended well; `None` if nothing was shown before.
    pub fn end(&mut self, rows: Option<i64>) -> Option<Shown> {
        self.is_shown.then(|| Shown {
            hundredths: self.hundredths(1.0),
            rows,
            rows_estimated: self.rows_estimated,
            phase: Phase::new(),
        })
    }

    fn hundredths(&self, fraction: f64) -> Option<i32> {
        let before = f64::from(self.number.max(1) - 1);
        // rounded down: 100 is the end
        (self.of > 0).then(|| ((before + fraction) / f64::from(self.of) * 10_000.0).clamp(0.0, 10_000.0) as i32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fraction: Option<f64>) -> Estimate {
        Estimate { fraction, ..Estimate::default() }
    }

    #[test]
    fn nothing_is_shown_of_a_short_job() {
        let mut job = JobProgress::new();
        job.begin(1, 1);
        assert_eq!(job.end(Some(1)), None);
    }

    #[test]
    fn rows_that_are_known_stay_until_the_next_statement() {
        let mut job = JobProgress::new();
        job.begin(1, 2);
        let estimate = Estimate { rows: Some(7), rows_estimated: Some(9), ..Estimate::default() };
        // the second: a trigger at the statement's end runs something else
        for estimate in [estimate, Estimate::default()] {
            let shown = job.update(&estimate);
            assert_eq!((shown.rows, shown.rows_estimated), (Some(7), Some(9)));
        }
        job.begin(2, 2);
        assert_eq!(job.update(&Estimate::default()).rows, None);
    }

    #[test]
    fn one_statement_goes_on_to_its_end_and_not_back() {
        let mut job = JobProgress::new();
        job.begin(1, 1);
        let shown: Vec<_> = [None, Some(0.0), Some(0.5), Some(0.4), None, Some(7.0), Some(f64::NAN)]
            .map(|fraction| job.update(&of(fraction)).hundredths)
            .to_vec();
        assert_eq!(shown, [None, Some(0), Some(5000), Some(5000), Some(5000), Some(9999), Some(9999)]);
        let end = job.end(Some(42)).unwrap_or_default();
        assert_eq!((end.hundredths, end.rows, end.phase), (Some(10_000), Some(42), Phase::new()));
    }

    #[test]
    fn several_statements_share_the_job() {
        let mut job = JobProgress::new();
        job.begin(1, 4);
        assert_eq!(job.end(None), None);
        job.begin(2, 4);
        assert_eq!(job.update(&of(Some(0.5))).hundredths, Some(3750));
        assert_eq!(job.end(None).and_then(|end| end.hundredths), Some(5000));
        job.begin(3, 4);
        assert_eq!(job.update(&of(None)).hundredths, None);
        assert_eq!(job.update(&of(Some(0.1))).hundredths, Some(5250));
        job.begin(4, 4);
        assert_eq!(job.end(None).and_then(|end| end.hundredths), Some(10_000));
    }

    #[test]
    fn how_many_there_are_may_be_known_late() {
        let mut job = JobProgress::new();
        job.begin(1, 0);
        let estimate = Estimate { rows: Some(3), ..of(Some(0.5)) };
        assert_eq!((job.update(&estimate).hundredths, job.update(&estimate).rows), (None, Some(3)));
        assert_eq!(job.end(Some(5)).map(|end| end.hundredths), Some(None));
        job.begin(2, 0);
        job.begin(2, 2);
        assert_eq!(job.update(&estimate).hundredths, Some(7500));
    }
}
