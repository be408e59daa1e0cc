//! Where each bar stands.
//!
//! A lane is a worker process, by its pid. Bars in a lane do not overlap: a job that seems to have run while another of
//! the same pid did (the clock was set back, say) gets a lane more. With many pids, several share a lane, one after the
//! other. Jobs that have no worker have lanes of their own.

use super::Job;
use std::collections::BTreeSet;

/// Of the picture, in pixels.
pub const WIDTH: i64 = 1000;
/// Between these is the time.
pub const LEFT: i64 = 92;
pub const RIGHT: i64 = 972;
/// Hundredths of a pixel, in which positions are counted.
const UNIT: i64 = 100;
/// Of a bar, as far as the next one leaves room for it.
const MIN_WIDTH: i64 = 2 * UNIT;
/// With more pids than that, several share a lane.
const OWN_LANES: usize = 24;

/// Times to positions.
pub struct Scale {
    pub begin: i64,
    span: i64,
}

impl Scale {
    pub fn new(begin: i64, end: i64) -> Self {
        Self { begin, span: end.saturating_sub(begin).max(1) }
    }

    /// In hundredths of a pixel; times before and after the picture are at its edges.
    pub fn x(&self, at: i64) -> i64 {
        let since = at.saturating_sub(self.begin).clamp(0, self.span);
        let offset = i128::from(since) * i128::from((RIGHT - LEFT) * UNIT) / i128::from(self.span);
        // at most the width
        LEFT * UNIT + i64::try_from(offset).unwrap_or(0)
    }

    fn end(&self) -> i64 {
        self.begin.saturating_add(self.span)
    }
}

/// A position as the picture has it.
pub fn pixels(hundredths: i64) -> String {
    format!("{}.{:02}", hundredths / UNIT, hundredths % UNIT)
}

/// A bar, in hundredths of a pixel.
#[derive(Debug, PartialEq, Eq)]
pub struct Bar {
    /// Which of the jobs.
    pub job: usize,
    /// From here to `from` the job waited for its start.
    pub wait_from: i64,
    pub from: i64,
    pub to: i64,
}

#[derive(Debug)]
pub struct Lane {
    /// 0 is no worker.
    pub pids: BTreeSet<i32>,
    /// From left to right.
    pub bars: Vec<Bar>,
}

impl Lane {
    fn has_no_worker(&self) -> bool {
        self.pids.contains(&0)
    }

    fn begin(&self) -> i64 {
        self.bars.first().map_or(0, |bar| bar.wait_from)
    }

    fn end(&self) -> i64 {
        self.bars.last().map_or(0, |bar| bar.to)
    }

    /// A short bar is made visible, but not beyond the next one's beginning; the time that a job waited is shown from
    /// the end of the bar before it.
    fn make_room(&mut self) {
        let mut next = i64::MAX;
        for bar in self.bars.iter_mut().rev() {
            bar.to = bar.to.max((bar.from + MIN_WIDTH).min(next));
            next = bar.from;
        }
        let mut last = i64::MIN;
        for bar in &mut self.bars {
            bar.wait_from = bar.wait_from.clamp(last.min(bar.from), bar.from);
            last = bar.to;
        }
    }
}

pub fn arrange(jobs: &[Job], scale: &Scale) -> Vec<Lane> {
    let mut order: Vec<_> = jobs.iter().enumerate().collect();
    order.sort_by_key(|(_, job)| (job.begin(), job.cookie));
    let mut lanes: Vec<Lane> = Vec::new();
    for (number, job) in order {
        let (from, to) = (scale.x(job.begin()), scale.x(job.end(scale.end())));
        let bar = Bar { job: number, wait_from: scale.x(job.launched_at).min(from), from, to: to.max(from) };
        let own = lanes.iter_mut().find(|lane| lane.pids.contains(&job.pid) && lane.end() <= from);
        match own {
            Some(lane) => lane.bars.push(bar),
            None => lanes.push(Lane { pids: BTreeSet::from([job.pid]), bars: vec![bar] }),
        }
    }
    lanes.iter_mut().for_each(Lane::make_room);
    if lanes.len() > OWN_LANES {
        lanes = packed(lanes);
    }
    // jobs without a worker come last
    lanes.sort_by_key(Lane::has_no_worker);
    lanes
}

/// Lanes with the bars of several pids, each behind the one before.
fn packed(mut lanes: Vec<Lane>) -> Vec<Lane> {
    lanes.sort_by_key(Lane::begin);
    let mut packed: Vec<Lane> = Vec::new();
    for lane in lanes {
        let has_room = |other: &&mut Lane| {
            other.end() + MIN_WIDTH <= lane.begin() && other.has_no_worker() == lane.has_no_worker()
        };
        match packed.iter_mut().find(has_room) {
            Some(other) => {
                other.pids.extend(lane.pids);
                other.bars.extend(lane.bars);
            }
            None => packed.push(lane),
        }
    }
    packed
}
