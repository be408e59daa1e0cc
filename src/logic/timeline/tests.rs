use super::*;
use proptest::prelude::*;

const SECOND: i64 = 1_000_000;
const NOW: i64 = 849_225_600 * SECOND; // 2026-11-29 00:00

fn job(cookie: i64) -> Job {
    Job {
        pid: 100,
        cookie,
        state: State::Stopped,
        launched_at: NOW - 60 * SECOND,
        started_at: NOW - 59 * SECOND,
        finished_at: NOW - 30 * SECOND,
        user: "alice".into(),
        database: "shop".into(),
        texts: Some(Texts { query: "SELECT 1".into(), ..Texts::default() }),
        rows: Some(1),
        rows_estimated: None,
        progress: None,
        sqlstate: String::new(),
    }
}

fn hour() -> Window {
    Window { from: Some(NOW - 3600 * SECOND), now: NOW, utc_offset: 0 }
}

fn count(svg: &str, part: &str) -> usize {
    svg.matches(part).count()
}

/// The bars of each lane, from and to, as they are drawn.
fn drawn(svg: &str) -> Vec<Vec<(i64, i64)>> {
    let number = |text: &str, name: &str| -> i64 {
        let value = text.split(&format!(" {name}=\"")).nth(1).unwrap().split('"').next().unwrap();
        value.replace('.', "").parse().unwrap()
    };
    svg.split("<g class=\"lane")
        .skip(1)
        .map(|lane| {
            lane.split("<rect class=\"bar\"")
                .skip(1)
                .map(|bar| {
                    let (x, width) = (number(bar, "x"), number(bar, "width"));
                    (x, x + width)
                })
                .collect()
        })
        .collect()
}

#[test]
fn no_jobs_is_a_picture_that_says_so() {
    let svg = draw(&hour(), Vec::new());
    assert!(svg.starts_with("<svg xmlns=") && svg.ends_with("</svg>"));
    assert!(svg.contains("No jobs in this time") && svg.contains(">0 jobs<"));
    assert!(svg.contains("2026-11-28 23:00:00 &#8211; 2026-11-29 00:00:00 UTC"));
    draw(&Window { from: None, now: NOW, utc_offset: 0 }, Vec::new());
}

#[test]
fn jobs_that_ended_before_are_left_out_and_none_is_drawn_twice() {
    let mut old = job(1);
    old.finished_at = NOW - 3601 * SECOND;
    let mut still_running = job(2);
    still_running.state = State::Running;
    still_running.finished_at = 0;
    let svg = draw(&hour(), vec![old.clone(), still_running, job(2), job(3)]);
    assert_eq!((count(&svg, "<g class=\"job "), count(&svg, "<g class=\"job running")), (2, 0));
    assert!(svg.contains(">2 jobs: 2 stopped<"));
    let all = draw(&Window { from: None, now: NOW, utc_offset: 0 }, vec![old, job(3)]);
    assert_eq!(count(&all, "<g class=\"job "), 2);
}

#[test]
fn of_many_jobs_the_last_are_drawn_and_the_others_counted() {
    let jobs = (0..2000).map(|n| {
        let mut job = job(n);
        job.pid = i32::try_from(n).unwrap();
        job.finished_at -= n * 1000;
        job.texts = Some(Texts { query: "\u{20ac}".repeat(5000), ..Texts::default() });
        job
    });
    let mut running = job(3000);
    running.state = State::Running;
    let svg = draw(&hour(), jobs.chain([running]).collect());
    assert_eq!(count(&svg, "<g class=\"job "), MAX_BARS);
    assert_eq!(count(&svg, "<g class=\"job running"), 1);
    assert!(svg.contains("; 1501 older jobs not shown"));
    assert!(svg.contains("data-cookie=\"0\"") && !svg.contains("data-cookie=\"1999\""));
    assert!(svg.len() < 8_000_000, "{}", svg.len());
}

#[test]
fn texts_do_nothing() {
    let mut job = job(1);
    let evil = "</title></svg><script>alert(1)</script>\" onload='x' ]]> &amp; \\ \u{e4}\n\0";
    job.user = evil.into();
    job.database = evil.into();
    job.state = State::Error;
    job.sqlstate = "22012".into();
    job.texts = Some(Texts { label: evil.into(), query: evil.into(), phase: evil.into(), error: evil.into() });
    let svg = draw(&hour(), vec![job]);
    assert!(!svg.contains("<script") && !svg.contains(" onload='") && !svg.contains("]]>"));
    assert_eq!(count(&svg, "</title>"), 1);
    assert!(svg.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'\\'));
}

#[test]
fn texts_that_are_not_the_callers_are_not_there() {
    let mut job = job(1);
    job.texts = None;
    let svg = draw(&hour(), vec![job]);
    assert!(svg.contains("its texts are for its role&#39;s members to read") && svg.contains("user: alice"));
    assert_eq!(count(&svg, "class=\"name\""), 0);
}

#[test]
fn a_running_job_is_filled_as_far_as_it_is() {
    let mut job = job(1);
    (job.state, job.finished_at, job.progress) = (State::Running, 0, Some(2550));
    (job.started_at, job.rows, job.rows_estimated) = (job.launched_at, Some(3), Some(12));
    let svg = draw(&hour(), vec![job.clone()]);
    assert!(svg.contains("state: running, 25.50 %") && svg.contains(">25 %  SELECT 1<"));
    assert!(svg.contains("rows: 3 of about 12"));
    // the whole width of 880 pixels
    assert!(svg.contains("<rect class=\"bar\" x=\"92.00\" y=\"131\" width=\"880.00\""), "{svg}");
    assert!(svg.contains("<rect class=\"done\" x=\"92.00\" y=\"132\" width=\"224.40\""), "{svg}");
    job.progress = None;
    let svg = draw(&hour(), vec![job]);
    assert_eq!(count(&svg, "<rect class=\"done\""), 1); // the legend's
}

#[test]
fn a_wait_is_shown_from_the_end_of_the_bar_before_it() {
    let mut second = job(2);
    second.started_at = NOW - 20 * SECOND;
    second.finished_at = NOW - 10 * SECOND;
    let svg = draw(&hour(), vec![job(1), second]);
    let lanes = drawn(&svg);
    assert_eq!(lanes.len(), 1);
    let (_, end) = lanes[0][0];
    assert!(svg.contains(&format!("<rect class=\"wait\" x=\"{}\"", lanes::pixels(end))), "{svg}");
    // the first has waited since the picture's beginning
    assert!(svg.contains("<rect class=\"wait\" x=\"92.00\""));
}

#[test]
fn many_workers_share_lanes() {
    let jobs: Vec<_> = (0..200)
        .map(|n| {
            let mut job = job(n);
            job.pid = i32::try_from(n + 1).unwrap();
            job.launched_at = NOW - (1000 - 5 * n) * SECOND;
            job.started_at = job.launched_at;
            job.finished_at = job.started_at + 12 * SECOND;
            job
        })
        .collect();
    let svg = draw(&hour(), jobs);
    assert_eq!(count(&svg, "<g class=\"job "), 200);
    assert!(count(&svg, "<g class=\"lane") <= 5);
    assert!(svg.contains(" workers</text>"));
}

fn any_job() -> impl Strategy<Value = Job> {
    let states = [State::Starting, State::Running, State::Stopped, State::Canceled, State::Error];
    let times = (0..4000i64, -5..200i64, -5..200i64);
    (0..40i32, any::<i64>(), 0..5usize, times, any::<u8>()).prop_map(move |(pid, cookie, state, times, bits)| {
        let launched_at = NOW - times.0 * SECOND;
        let mut job = job(cookie);
        (job.pid, job.state, job.launched_at) = (pid, states[state], launched_at);
        job.started_at = if bits % 4 == 0 { 0 } else { launched_at + times.1 * 1000 };
        job.finished_at = if bits % 8 == 1 { 0 } else { launched_at + times.2 * 10_000 };
        job
    })
}

proptest! {
    #[test]
    fn bars_do_not_overlap(jobs in proptest::collection::vec(any_job(), 0..120), from in proptest::option::of(0..5000i64)) {
        let window = Window { from: from.map(|from| NOW - from * SECOND), now: NOW, utc_offset: 3600 };
        let svg = draw(&window, jobs);
        let lanes = drawn(&svg);
        prop_assert_eq!(lanes.iter().map(Vec::len).sum::<usize>(), count(&svg, "<g class=\"job "));
        for lane in lanes {
            prop_assert!(lane.iter().all(|(from, to)| from <= to && *from >= 9200 && *to <= 97_400));
            prop_assert!(lane.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{:?}", lane);
        }
    }

    #[test]
    fn any_text_leaves_the_picture_whole(text in any::<String>(), state in 0..5u32) {
        let mut job = job(1);
        job.state = State::from_u32(state + 1).unwrap();
        job.user.clone_from(&text);
        job.sqlstate.clone_from(&text);
        job.texts = Some(Texts { label: text.clone(), query: text.clone(), phase: text.clone(), error: text });
        let svg = draw(&hour(), vec![job]);
        prop_assert!(svg.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'\\'));
        let open = svg.matches('<').count() - svg.matches("</").count() - svg.matches("/>").count();
        prop_assert_eq!(open, svg.matches("</").count());
    }
}
