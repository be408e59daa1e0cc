//! The part of a plan's time that is over, from what is read of its nodes.

pub mod node;

use super::Estimate;
use node::{Plan, Reading};

/// Estimates one execution of a plan, reading by reading. After `new`, nothing allocates.
pub struct Estimator {
    /// The greatest fraction so far: an estimate never goes backwards.
    shown: f64,
}

impl Estimator {
    pub fn new(_plan: &Plan) -> Self {
        Self { shown: 0.0 }
    }

    pub fn update(&mut self, _plan: &Plan, reading: &Reading) -> Estimate {
        Estimate { fraction: Some(self.shown), rows: Some(reading.processed), ..Estimate::default() }
    }
}
