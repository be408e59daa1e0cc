//! A lane and its bars.

use super::lanes::{self, Bar, Lane, pixels};
use super::text::{clipped, escaped, one_line};
use super::time;
use super::{Job, Window};
use crate::job::state::State;
use std::fmt::Write as _;

/// Characters of a query and of an error in the details.
const MAX_DETAIL: usize = 400;
/// A bar of less, in hundredths of a pixel, has no name in it.
const MIN_NAMED: i64 = 4000;

/// `top`, `height`: of the lane; `bar`: the height of its bars. In pixels.
pub fn write_lane(
    svg: &mut String,
    window: &Window,
    jobs: &[Job],
    lane: &Lane,
    top: usize,
    height: usize,
    bar: usize,
) -> std::fmt::Result {
    let low = if bar < 16 { " low" } else { "" };
    let (left, width) = (lanes::LEFT, lanes::RIGHT - lanes::LEFT);
    let y = top + (height - bar) / 2;
    write!(
        svg,
        "<g class=\"lane{low}\"><rect class=\"stripe\" x=\"{left}\" y=\"{y}\" width=\"{width}\" height=\"{bar}\"/>\
         <text class=\"pid\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
        left - 10,
        y + bar / 2 + 4,
        name_of(lane)
    )?;
    for placed in &lane.bars {
        if let Some(job) = jobs.get(placed.job) {
            write_bar(svg, window, job, placed, y, bar)?;
        }
    }
    svg.push_str("</g>");
    Ok(())
}

fn name_of(lane: &Lane) -> String {
    match (lane.pids.first(), lane.pids.len()) {
        (Some(0), _) => "no worker".into(),
        (Some(pid), 1) => pid.to_string(),
        (_, n) => format!("{n} workers"),
    }
}

fn write_bar(svg: &mut String, window: &Window, job: &Job, bar: &Bar, y: usize, height: usize) -> std::fmt::Result {
    let (state, width) = (job.state.name(), bar.to - bar.from);
    write!(
        svg,
        "<g class=\"job {state}\" data-pid=\"{}\" data-cookie=\"{}\"><title>{}</title>",
        job.pid,
        job.cookie,
        escaped(&details(window, job))
    )?;
    if bar.wait_from < bar.from {
        write!(
            svg,
            "<rect class=\"wait\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
            pixels(bar.wait_from),
            y + height * 3 / 8,
            pixels(bar.from - bar.wait_from),
            height / 4
        )?;
    }
    let (x, radius) = (pixels(bar.from), if width >= 800 { 3 } else { 0 });
    write!(
        svg,
        "<rect class=\"bar\" x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{height}\" rx=\"{radius}\"/>",
        pixels(width)
    )?;
    if job.state == State::Running {
        let done = width * i64::from(job.progress.unwrap_or(0).clamp(0, 10_000)) / 10_000;
        if done > 0 {
            write!(
                svg,
                "<rect class=\"done\" x=\"{x}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{radius}\"/>",
                y + 1,
                pixels(done),
                height - 2
            )?;
        }
    }
    let name = name(job);
    if width >= MIN_NAMED && !name.is_empty() {
        let room = characters_in(width - 1200, &name);
        // the inner picture cuts what is wider than the bar
        write!(
            svg,
            "<svg x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{height}\"><text class=\"name\" x=\"6\" y=\"{}\">{}</text></svg>",
            pixels(width - 400),
            height / 2 + 4,
            escaped(&clipped(&name, room))
        )?;
    }
    svg.push_str("</g>");
    Ok(())
}

/// What stands in the bar: how far a running job is, and its label, or its query.
fn name(job: &Job) -> String {
    let texts = job.texts.as_ref();
    let name = texts.map_or("", |texts| if texts.label.is_empty() { &texts.query } else { &texts.label });
    let percent = job.progress.filter(|_| job.state == State::Running);
    let percent = percent.map_or(String::new(), |hundredths| format!("{} %  ", hundredths / 100));
    // no more than the widest bar shows
    percent + &one_line(&clipped(name, MAX_DETAIL))
}

/// How many characters of a text stand in a width, in hundredths of a pixel, as most fonts have them.
fn characters_in(width: i64, text: &str) -> usize {
    let widths = text.chars().scan(0, |used, c| {
        *used += match c {
            'i' | 'j' | 'l' | 'f' | 't' | 'r' | 'I' | ' '..='/' | ':' | ';' | '[' | ']' | '|' => 440,
            'A'..='Z' | 'm' | 'w' | '@' => 800,
            '\u{2e80}'.. => 1200,
            _ => 670,
        };
        Some(*used)
    });
    widths.take_while(|used| *used <= width).count()
}

/// What a pointer on the bar shows, in lines.
fn details(window: &Window, job: &Job) -> String {
    let mut text = String::new();
    match &job.texts {
        Some(texts) => {
            let query = one_line(&clipped(&texts.query, MAX_DETAIL));
            for part in [texts.label.as_str(), query.as_str()].into_iter().filter(|part| !part.is_empty()) {
                let _ = writeln!(text, "{part}");
            }
        }
        None => text.push_str("its texts are for its role's members to read\n"),
    }
    let _ = write!(text, "state: {}", job.state.name());
    if let Some(hundredths) = job.progress {
        let _ = write!(text, ", {}.{:02} %", hundredths / 100, hundredths % 100);
    }
    if let Some(phase) = job.texts.as_ref().map(|texts| &texts.phase).filter(|phase| !phase.is_empty()) {
        let _ = write!(text, ", {}", one_line(phase));
    }
    let _ = write!(text, "\nuser: {}, database: {}", job.user, job.database);
    if job.pid != 0 {
        let _ = write!(text, "\nworker: {}", job.pid);
    }
    let _ = write!(text, "\ncookie: {}", job.cookie);
    let at = |at| time::exact(at, window.utc_offset);
    let _ = write!(text, "\nlaunched: {}", at(job.launched_at));
    if job.started_at != 0 {
        let waited = time::duration(job.started_at.saturating_sub(job.launched_at));
        let _ = write!(text, "\nstarted: {} (after {waited})", at(job.started_at));
    }
    if job.state.is_final() && job.finished_at != 0 {
        let _ = write!(text, "\nended: {}", at(job.finished_at));
    }
    if job.started_at != 0 {
        let run_time = time::duration(job.end(window.now).saturating_sub(job.started_at));
        let _ = write!(text, "\nrun time: {run_time}");
    }
    match (job.rows, job.rows_estimated) {
        (Some(rows), Some(estimated)) if !job.state.is_final() => {
            let _ = write!(text, "\nrows: {rows} of about {estimated}");
        }
        (Some(rows), _) => {
            let _ = write!(text, "\nrows: {rows}");
        }
        (None, _) => {}
    }
    if !job.sqlstate.is_empty() {
        let _ =
            write!(text, "\n{} {}", if job.state == State::Canceled { "canceled:" } else { "error:" }, job.sqlstate);
        if let Some(error) = job.texts.as_ref().map(|texts| &texts.error).filter(|error| !error.is_empty()) {
            let _ = write!(text, " {}", clipped(error, MAX_DETAIL));
        }
    }
    text
}
