//! A message of the queue: its head, and the rows of a batch, which must lie inside it and fill it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use logic::wire::frame::{self, HEAD};

fuzz_target!(|bytes: &[u8]| {
    let Ok((kind, count, body)) = frame::parse(bytes) else {
        return;
    };
    assert_eq!(body, &bytes[HEAD..]);
    let mut again = Vec::new();
    frame::begin(kind, count, &mut again);
    assert_eq!(again, &bytes[..HEAD]);

    let rows: Result<Vec<_>, _> = frame::rows(count, body).collect();
    if let Ok(rows) = rows {
        assert_eq!(rows.len(), count as usize);
        let padded: usize = rows.iter().map(|row| row.len().next_multiple_of(8)).sum();
        assert!(padded >= body.len() && padded - body.len() < 8);
    }
    // A batch can be read in two parts.
    for first in 0..count.min(3) {
        if let Ok(at) = frame::length_of_rows(first, body) {
            let (first_rows, others) = (frame::rows(first, &body[..at]), frame::rows(count - first, &body[at..]));
            let whole = frame::rows(count, body).collect::<Vec<_>>();
            assert_eq!(first_rows.chain(others).collect::<Vec<_>>(), whole);
        }
    }
    // However large the count is, what comes is bounded by the bytes.
    assert!(frame::rows(u32::MAX, body).count() <= body.len() + 1);
});
