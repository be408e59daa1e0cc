//! Histories in files: whole, cut, changed, foreign.

use super::*;
use crate::registry::tests::memory::{HISTORY, Memory};
use proptest::prelude::*;

const OURS: Owner = Owner { major: 15, cluster: 7_000_000_000_000_000_001 };

fn job(cookie: i64) -> SavedJob<'static> {
    SavedJob {
        cookie,
        worker_pid: 7,
        launcher_pid: 8,
        database: 5,
        role: 10,
        state: State::Canceled,
        sqlstate: -3,
        is_at_commit: true,
        launched_at: 1,
        started_at: 0,
        finished_at: LAST_TIME,
        row_count: 4,
        spooled: 5,
        used: Usage::of([1, 2, 3, 4, 5, 6, 7, 8]),
        label: b"nightly",
        message: b"",
        query: b"SELECT 1",
    }
}

fn file(jobs: &[SavedJob], owner: Owner) -> Vec<u8> {
    let texts = jobs.iter().map(|job| job.label.len() + job.message.len() + job.query.len()).sum();
    let mut encoder = Encoder::new(owner, jobs.len(), texts).unwrap();
    let room = encoder.0.capacity();
    for job in jobs {
        encoder.put(job);
    }
    let bytes = encoder.finish();
    assert_eq!((bytes.capacity(), bytes.len()), (room, room), "as large as was reserved");
    assert!(bytes.len() <= MOST);
    bytes
}

/// Its checksum is made right again.
fn signed_again(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() - TAIL);
    let crc = crc32(&bytes);
    bytes.extend_from_slice(&crc.to_ne_bytes());
    bytes
}

#[test]
fn the_checksum_is_the_common_one() {
    assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
}

#[test]
fn a_history_goes_through_a_file() {
    let jobs: Vec<_> = (1..=3).map(job).collect();
    let bytes = file(&jobs, OURS);
    assert_eq!(decode(&bytes, OURS).unwrap().jobs().collect::<Vec<_>>(), jobs);
    let memory = Memory::new();
    let tables = memory.tables();
    assert_eq!(tables.restore_history(&decode(&bytes, OURS).unwrap()), 3);
    assert_eq!(tables.encode_history(OURS).unwrap(), bytes);
    // the next job that ends is the newest
    assert_eq!(tables.head.ended.load(Relaxed), 3);
    // an empty one
    let empty = file(&[], OURS);
    assert_eq!(decode(&empty, OURS).unwrap().jobs().count(), 0);
    assert_eq!(Memory::new().tables().encode_history(OURS).unwrap(), empty);
}

#[test]
fn the_newest_jobs_that_fit_are_taken_over() {
    let most = HISTORY as i64 + 3;
    let jobs: Vec<_> = (1..=most).map(job).collect();
    let bytes = file(&jobs, OURS);
    let memory = Memory::new();
    let tables = memory.tables();
    assert_eq!(tables.restore_history(&decode(&bytes, OURS).unwrap()), HISTORY);
    assert_eq!(tables.encode_history(OURS).unwrap(), file(&jobs[3..], OURS));
    // the ring has come round
    tables.history[0].fill(99, |_| ());
    tables.head.ended.fetch_add(1, Relaxed);
    let cookies = |bytes: &[u8]| decode(bytes, OURS).unwrap().jobs().map(|job| job.cookie).collect::<Vec<_>>();
    assert_eq!(cookies(&tables.encode_history(OURS).unwrap()), [5, 6, 7, 99]);
    // an entry that was being filled is none
    tables.history[2].cookie.store(0, Relaxed);
    assert_eq!(cookies(&tables.encode_history(OURS).unwrap()), [5, 7, 99]);
}

#[test]
fn what_is_not_whole_or_not_ours_is_refused() {
    let bytes = file(&[job(1), job(2)], OURS);
    assert_eq!(decode(&bytes, Owner { major: 16, ..OURS }), Err(Unusable::Server(15)));
    assert_eq!(decode(&bytes, Owner { cluster: OURS.cluster + 1, ..OURS }), Err(Unusable::Cluster(OURS.cluster)));
    assert_eq!(decode(b"", OURS), Err(Unusable::Foreign));
    assert_eq!(decode(&[0; 100], OURS), Err(Unusable::Foreign));
    for end in 0..bytes.len() {
        assert!(decode(&bytes[..end], OURS).is_err());
    }
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(decode(&flipped, OURS).is_err(), "bit {bit}");
    }
    let mut longer = bytes.clone();
    longer.insert(bytes.len() - TAIL, 0);
    assert_eq!(decode(&signed_again(longer), OURS), Err(Unusable::Damaged("the file is too long")));
    let mut newer = bytes.clone();
    newer[8] += 1;
    assert_eq!(decode(&signed_again(newer), OURS), Err(Unusable::Format(FORMAT + 1)));
    for (break_it, why) in [
        ((|job| job.cookie = 0) as fn(&mut SavedJob), "a job has no cookie"),
        (|job| job.state = State::Running, "a job has not ended"),
        (|job| job.finished_at = i64::MAX, "a time is out of range"),
        (|job| job.launched_at = -1, "a time is out of range"),
        (|job| job.row_count = -1, "an amount is negative"),
        (|job| job.label = &[b'x'; LABEL_SIZE + 1], "a text is too long"),
    ] {
        let mut broken = job(1);
        break_it(&mut broken);
        assert_eq!(decode(&file(&[broken], OURS), OURS), Err(Unusable::Damaged(why)));
    }
}

proptest! {
    #[test]
    fn believes_no_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400), major in 14_u32..19) {
        let owner = Owner { major, ..OURS };
        if let Ok(history) = decode(&signed(owner, &bytes), owner) {
            Memory::new().tables().restore_history(&history);
        }
        let _ = decode(&bytes, owner);
    }
}
