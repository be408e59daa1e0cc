//! A saved history: what is read is saved as the same. The head and the checksum are made right, so that the jobs are
//! reached.
#![no_main]

use libfuzzer_sys::fuzz_target;
use logic::registry::saved::{self, Encoder};

fuzz_target!(|bytes: &[u8]| {
    let _ = saved::decode(bytes, 18);
    let signed = saved::signed(18, bytes);
    if let Ok(history) = saved::decode(&signed, 18) {
        let texts = |job: &saved::SavedJob| job.label.len() + job.message.len() + job.query.len();
        let mut again = Encoder::new(18, history.jobs().count(), history.jobs().map(|job| texts(&job)).sum()).unwrap();
        history.jobs().for_each(|job| again.put(&job));
        let again = again.finish();
        assert_eq!(saved::decode(&again, 18).unwrap().jobs().collect::<Vec<_>>(), history.jobs().collect::<Vec<_>>());
    }
});
