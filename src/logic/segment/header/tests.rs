//! What is believed of a header, and which outcome stands.

use super::*;

const SIZE: usize = size_of::<JobHeader>() + 400;

/// Memory that another job has had.
fn used() -> JobHeader {
    JobHeader {
        magic: 0,
        layout: 0,
        size: 0,
        segment_size: 0,
        identity: Identity { cookie: 7, ..Identity::default() },
        sql: Region::default(),
        settings: Region::default(),
        client_info: Region::default(),
        params: Region::default(),
        extras: Region::default(),
        queue: Region::default(),
        slot: AtomicU32::new(7),
        awaits_reply: AtomicU32::new(7),
        stop: AtomicU32::new(7),
        worker_pid: AtomicI32::new(7),
        state: AtomicU32::new(State::Error as u32),
        outcome_len: AtomicU32::new(7),
        started_at: AtomicI64::new(7),
        finished_at: AtomicI64::new(7),
        automatic: Automatic::new(),
        progress: Progress::new(),
        accepted: AtomicU32::new(7),
        statement: AtomicU32::new(7),
        statements: AtomicU32::new(7),
        row_count: AtomicI64::new(7),
        used: SharedUsage::new(),
        spill: Spill::default(),
        outcome: [const { AtomicU8::new(b'x') }; OUTCOME_SIZE],
    }
}

fn header() -> JobHeader {
    let at = |n: u64| Region { offset: size_of::<JobHeader>() as u64 + n * 100, len: 100 };
    let mut header = used();
    header.automatic.set(Some(1), None, None, b"earlier");
    header.progress.set(Some(1), b"earlier");
    header.begin(SIZE as u64, Identity::default(), [at(0), at(1), at(2), at(2), at(2), at(3)]);
    header
}

#[test]
fn nothing_is_left_of_the_job_before() {
    let h = header();
    assert_eq!((h.slot(), h.reply(), h.stop(), h.worker_pid()), (None, Reply::NotAwaited, Stop::No, 0));
    assert_eq!((h.state(), h.outcome(), h.row_count()), (Some(State::Starting), Vec::new(), 0));
    assert_eq!((h.started_at(), h.finished_at(), h.is_accepted(), h.statement()), (0, 0, false, (0, 0)));
    assert_eq!((h.progress.get(), h.automatic.get(), h.identity.cookie), (None, None, 0));
    h.finish(State::Stopped, 1, b"");
    assert_eq!(h.outcome(), b"");
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
