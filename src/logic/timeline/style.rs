//! Colours, patterns and the legend.
//!
//! Each state has a colour and a pattern of its own, so that neither is needed to tell them apart: running is a frame
//! that fills with its progress, stopped plain, error hatched, canceled striped, starting dashed. The colours differ in
//! lightness, too, and are blue, green and orange rather than red and green.

use crate::job::state::State;
use std::fmt::Write as _;

/// In the order of the legend.
pub const STATES: [State; 5] = [State::Running, State::Stopped, State::Error, State::Canceled, State::Starting];

/// The colours of one scheme.
struct Palette {
    ground: &'static str,
    grid: &'static str,
    text: &'static str,
    soft: &'static str,
    on_bar: &'static str,
    wait: &'static str,
    /// Of each of [`STATES`]: its area, and its lines.
    states: [(&'static str, &'static str); 5],
    /// The part of a running job that is done.
    done: &'static str,
}

const LIGHT: Palette = Palette {
    ground: "#ffffff",
    grid: "#e4e8ec",
    text: "#1c2530",
    soft: "#5c6773",
    on_bar: "#13202c",
    wait: "#c9d3dd",
    states: [
        ("#e3effb", "#3f7fc1"),
        ("#a9dcc6", "#3c9a78"),
        ("#f9c9ad", "#c9541b"),
        ("#e3e0d6", "#8d8672"),
        ("#f3f6f9", "#7d8a97"),
    ],
    done: "#9cc6ef",
};

const DARK: Palette = Palette {
    ground: "#12171d",
    grid: "#27303a",
    text: "#e8edf2",
    soft: "#98a4b0",
    on_bar: "#f2f6fa",
    wait: "#3f4a56",
    states: [
        ("#1a2c40", "#6aa5de"),
        ("#1f5b48", "#4fae8c"),
        ("#70310f", "#e08a55"),
        ("#3b3930", "#a39b84"),
        ("#1b222a", "#7f8c99"),
    ],
    done: "#2b629c",
};

/// The style sheet and the patterns.
pub fn write(svg: &mut String) -> std::fmt::Result {
    svg.push_str(
        "<style>.pgbg{max-width:100%;height:auto;background:Canvas}\
         .pgbg text{font:12px system-ui,-apple-system,\"Segoe UI\",Roboto,\"DejaVu Sans\",sans-serif}\
         .pgbg .head{font-size:19px;font-weight:600}.pgbg .tick,.pgbg .small{font-size:11px}\
         .pgbg .pid,.pgbg .tick{font-variant-numeric:tabular-nums}\
         .pgbg .name{font-size:11.5px}.pgbg .low .name{font-size:9px}.pgbg .low .pid{font-size:10px}\
         .pgbg path,.pgbg .bar{fill:none}.pgbg .grid,.pgbg .now{stroke-width:1}\
         .pgbg .now{stroke-dasharray:2 3}.pgbg .starting .bar{stroke-dasharray:3 2}",
    );
    for state in STATES {
        let state = state.name();
        write!(svg, ".pgbg .{state} .bar{{fill:url(#pgbg-{state})}}")?;
    }
    svg.push_str(".pgbg{color-scheme:light dark}");
    write_palette(svg, &LIGHT)?;
    svg.push_str("@media(prefers-color-scheme:dark){");
    write_palette(svg, &DARK)?;
    svg.push_str("}</style><defs>");
    // the lines of a pattern, beside its area
    for (state, size, turn, lines) in [
        ("running", 6, 0, "<circle cx=\"3\" cy=\"3\" r=\"0.7\"/>"),
        ("stopped", 8, 0, ""),
        ("error", 6, 45, "<rect width=\"2\" height=\"6\"/>"),
        ("canceled", 6, 0, "<rect width=\"1.2\" height=\"6\"/>"),
        ("starting", 8, 0, ""),
    ] {
        write!(
            svg,
            "<pattern id=\"pgbg-{state}\" class=\"p-{state}\" width=\"{size}\" height=\"{size}\" \
             patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate({turn})\">\
             <rect class=\"area\" width=\"{size}\" height=\"{size}\"/><g class=\"lines\">{lines}</g></pattern>"
        )?;
    }
    svg.push_str("</defs>");
    Ok(())
}

fn write_palette(svg: &mut String, palette: &Palette) -> std::fmt::Result {
    let Palette { ground, grid, text, soft, on_bar, wait, states, done } = palette;
    write!(
        svg,
        ".pgbg .ground{{fill:{ground}}}.pgbg .stripe{{fill:{soft};fill-opacity:.06}}.pgbg .grid{{stroke:{grid}}}.pgbg .now{{stroke:{soft}}}\
         .pgbg text{{fill:{text}}}.pgbg .soft,.pgbg .tick,.pgbg .pid{{fill:{soft}}}\
         .pgbg .name{{fill:{on_bar};stroke:none}}.pgbg .wait{{fill:{wait}}}.pgbg .done{{fill:{done}}}"
    )?;
    for (state, (area, lines)) in STATES.iter().zip(states) {
        let state = state.name();
        write!(
            svg,
            ".pgbg .{state} .bar{{stroke:{lines}}}.pgbg .p-{state} .area{{fill:{area}}}.pgbg .p-{state} .lines{{fill:{lines};fill-opacity:.45}}"
        )?;
    }
    Ok(())
}

/// A sample of each state, and of the time before a start.
pub fn write_legend(svg: &mut String, left: usize, top: usize) -> std::fmt::Result {
    svg.push_str("<g class=\"legend\">");
    let mut x = left;
    for state in STATES {
        let state = state.name();
        write!(
            svg,
            "<g class=\"sample {state}\"><rect class=\"bar\" x=\"{x}\" y=\"{top}\" width=\"28\" height=\"13\" rx=\"3\"/>"
        )?;
        if state == State::Running.name() {
            write!(
                svg,
                "<rect class=\"done\" x=\"{}\" y=\"{}\" width=\"15\" height=\"11\" rx=\"2\"/>",
                x + 1,
                top + 1
            )?;
        }
        write!(svg, "<text x=\"{}\" y=\"{}\">{state}</text></g>", x + 35, top + 11)?;
        x += 35 + state.len() * 7 + 26;
    }
    write!(
        svg,
        "<g class=\"sample\"><rect class=\"wait\" x=\"{x}\" y=\"{}\" width=\"28\" height=\"5\" rx=\"2.5\"/>\
         <text x=\"{}\" y=\"{}\">waiting for its start</text></g></g>",
        top + 4,
        x + 35,
        top + 11
    )
}
