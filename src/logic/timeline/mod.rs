//! The picture of `pg_background_timeline()`: jobs in, an SVG out.
//!
//! A lane is a worker process, a bar a job. The lanes are drawn so that no two bars in one overlap. The text that comes
//! out is printable ASCII in one line, without a backslash: the same in every encoding, and whole in whatever way psql
//! or COPY writes a value. It uses no script, no link and no resource of another file; what jobs and users are called
//! stands in it as text and as nothing else (`text::escaped`).

mod bars;
mod lanes;
mod style;
#[cfg(test)]
mod tests;
mod text;
mod time;

use crate::job::state::State;
use lanes::{Lane, Scale};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use text::escaped;

/// Bars in one picture. Of more jobs, those that ended first are left out.
pub const MAX_BARS: usize = 500;

/// A job, as the caller may see it. Times are microseconds since 2000-01-01, 0 when they have not come.
#[derive(Clone, Debug)]
pub struct Job {
    /// The worker's; 0 before one has the job, or when none has had it.
    pub pid: i32,
    pub cookie: i64,
    pub state: State,
    pub launched_at: i64,
    pub started_at: i64,
    pub finished_at: i64,
    pub user: String,
    pub database: String,
    /// `None` where they are not the caller's to read.
    pub texts: Option<Texts>,
    pub rows: Option<i64>,
    pub rows_estimated: Option<i64>,
    /// Hundredths of a percent.
    pub progress: Option<i32>,
    /// Empty without an error.
    pub sqlstate: String,
}

/// What only some may read of a job. Empty is none.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    pub label: String,
    pub query: String,
    /// The phase of a job that runs, or its own message.
    pub phase: String,
    pub error: String,
}

/// The time that a picture shows.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Jobs that ended before are left out; `None`: none are.
    pub from: Option<i64>,
    pub now: i64,
    /// Seconds east of Greenwich of the times in the picture.
    pub utc_offset: i32,
}

impl Job {
    /// When its bar begins: at its start, or, if it has none, at its launch.
    fn begin(&self) -> i64 {
        if self.started_at != 0 { self.started_at } else { self.launched_at }
    }

    fn end(&self, now: i64) -> i64 {
        if self.state.is_final() && self.finished_at != 0 { self.finished_at } else { now }
    }
}

/// Draws the jobs. One that is given twice, as running and as ended, has ended.
pub fn draw(window: &Window, jobs: Vec<Job>) -> String {
    let (jobs, left_out) = selected(window, jobs);
    let first = jobs.iter().map(|job| job.launched_at).min();
    let begin = match (window.from, first) {
        (Some(from), Some(first)) => from.max(first),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => window.now,
    };
    let scale = Scale::new(begin, window.now);
    let lanes = lanes::arrange(&jobs, &scale);
    let rows = Rows::of(lanes.len());
    let mut svg = String::with_capacity(8192 + jobs.len() * 1024);
    // a String takes everything
    let _ = write_picture(&mut svg, window, &jobs, left_out, &scale, &lanes, &rows);
    svg
}

/// The jobs of the picture, each once, and how many are left out.
fn selected(window: &Window, mut jobs: Vec<Job>) -> (Vec<Job>, usize) {
    // those that have not ended come last, and the last to end before them
    jobs.sort_by_key(|job| (!job.state.is_final(), job.finished_at, job.launched_at, job.cookie));
    let mut seen = BTreeSet::new();
    jobs.retain(|job| {
        let is_shown = job.state.is_final() && window.from.is_some_and(|from| job.finished_at < from);
        !is_shown && seen.insert(job.cookie)
    });
    let left_out = jobs.len().saturating_sub(MAX_BARS);
    jobs.drain(..left_out);
    (jobs, left_out)
}

/// Where lanes stand, in pixels.
struct Rows {
    height: usize,
    bar: usize,
    lanes: usize,
}

/// The first lane's top.
const TOP: usize = 128;

impl Rows {
    fn of(lanes: usize) -> Self {
        let (height, bar) = if lanes <= 40 { (26, 20) } else { (16, 12) };
        Self { height, bar, lanes }
    }

    fn bottom(&self) -> usize {
        TOP + if self.lanes == 0 { 80 } else { self.lanes * self.height }
    }
}

fn write_picture(
    svg: &mut String,
    window: &Window,
    jobs: &[Job],
    left_out: usize,
    scale: &Scale,
    lanes: &[Lane],
    rows: &Rows,
) -> std::fmt::Result {
    let (width, height) = (lanes::WIDTH, rows.bottom() + 44);
    write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"pgbg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"pgbg-title pgbg-summary\">"
    )?;
    style::write(svg)?;
    let summary = summary(jobs, left_out);
    write!(
        svg,
        "<rect class=\"ground\" width=\"{width}\" height=\"{height}\"/>\
         <text class=\"head\" id=\"pgbg-title\" x=\"24\" y=\"36\">Background jobs</text>\
         <text class=\"soft\" id=\"pgbg-summary\" x=\"24\" y=\"57\">{}</text>",
        escaped(&summary)
    )?;
    let shown = time::range(scale.begin, window.now, window.utc_offset);
    write!(svg, "<text class=\"soft\" x=\"{}\" y=\"57\" text-anchor=\"end\">{}</text>", width - 24, escaped(&shown))?;
    style::write_legend(svg, 24, 78)?;
    write_axis(svg, window, scale, rows)?;
    if lanes.is_empty() {
        write!(
            svg,
            "<text class=\"soft\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">No jobs in this time</text>",
            (lanes::LEFT + lanes::RIGHT) / 2,
            TOP + 45
        )?;
    }
    for (number, lane) in lanes.iter().enumerate() {
        bars::write_lane(svg, window, jobs, lane, TOP + number * rows.height, rows.height, rows.bar)?;
    }
    let drawn = format!("drawn {} by pg_background", time::full(window.now, window.utc_offset));
    write!(
        svg,
        "<text class=\"soft small\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text></svg>",
        width - 24,
        height - 16,
        escaped(&drawn)
    )
}

/// How many jobs there are, and in which states.
fn summary(jobs: &[Job], left_out: usize) -> String {
    let count = |n: usize, one: &str, more: &str| format!("{n} {}", if n == 1 { one } else { more });
    let mut text = count(jobs.len(), "job", "jobs");
    let mut separator = ": ";
    for state in style::STATES {
        let n = jobs.iter().filter(|job| job.state == state).count();
        if n > 0 {
            let _ = write!(text, "{separator}{n} {}", state.name());
            separator = ", ";
        }
    }
    if left_out > 0 {
        let _ = write!(text, "; {} not shown", count(left_out, "older job", "older jobs"));
    }
    text
}

/// The times above the lanes, with a line through them for each.
fn write_axis(svg: &mut String, window: &Window, scale: &Scale, rows: &Rows) -> std::fmt::Result {
    let (top, bottom) = (TOP - 6, rows.bottom() + 4);
    svg.push_str("<g class=\"axis\">");
    for tick in time::ticks(scale.begin, window.now, window.utc_offset) {
        let x = lanes::pixels(scale.x(tick.at));
        write!(
            svg,
            "<path class=\"grid\" d=\"M{x} {top}V{bottom}\"/>\
             <text class=\"tick\" x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            top - 6,
            escaped(&tick.label)
        )?;
    }
    let right = lanes::RIGHT;
    write!(svg, "<path class=\"now\" d=\"M{right} {top}V{bottom}\"/></g>")
}
