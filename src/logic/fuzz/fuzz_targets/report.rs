//! An error or notice: what is read survives being written, and fits where it is made to fit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use logic::wire::report::Report;

/// Room for the numbers and every field's head.
const LEAST: usize = 100;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut report) = Report::decode(bytes) else {
        return;
    };
    let mut again = Vec::new();
    report.encode(&mut again);
    assert!(again.len() <= bytes.len());
    assert_eq!(Report::decode(&again).as_ref(), Ok(&report));

    let max = LEAST + bytes.len() / 2;
    let cut = report.fit(max, |_, len| len);
    let mut fitted = Vec::new();
    report.encode(&mut fitted);
    assert!(fitted.len() <= max);
    assert_eq!(cut, fitted != again);
});
