//! Jobs that wait for their start: what is read is written back, and read again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use logic::wire::pending::PendingJob;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(job) = PendingJob::decode(bytes) {
        let mut again = Vec::new();
        job.encode(&mut again);
        assert_eq!(PendingJob::decode(&again), Ok(job));
    }
});
