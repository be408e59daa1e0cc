//! What is believed of a header, and which outcome stands.

use super::*;

const SIZE: usize = size_of::<JobHeader>() + 400;

fn header() -> JobHeader {
    let at = |n: u64| Region { offset: size_of::<JobHeader>() as u64 + n * 100, len: 100 };
    JobHeader::new(SIZE as u64, Identity::default(), [at(0), at(1), at(2), at(2), at(2), at(3)])
}

#[test]
fn believes_only_its_own_layout_and_regions_inside() {
    assert!(header().is_valid(SIZE));
    assert!(!header().is_valid(SIZE - 1));
    let mut h = header();
    h.layout += 1;
    assert!(!h.is_valid(SIZE));
    for break_it in [
        (|h: &mut JobHeader| h.sql.offset = 0) as fn(&mut JobHeader),
        |h| h.sql.len = 0,
        |h| h.queue.len = 101,
        |h| h.settings.offset = u64::MAX,
    ] {
        let mut h = header();
        break_it(&mut h);
        assert!(!h.is_valid(SIZE));
    }
}

#[test]
fn the_first_outcome_stands() {
    let h = header();
    assert_eq!(h.state(), Some(State::Starting));
    h.start(10);
    assert_eq!((h.state(), h.run_time()), (Some(State::Running), None));
    h.finish(State::Error, 25, b"why");
    h.finish(State::Stopped, 30, b"");
    assert_eq!((h.state(), h.run_time(), h.outcome()), (Some(State::Error), Some(15), b"why".to_vec()));
}

#[test]
fn a_stop_request_only_grows() {
    let h = header();
    h.request_stop(Stop::Now);
    h.request_stop(Stop::AfterStatement);
    assert_eq!(h.stop(), Stop::Now);
}
