//! A saved history: what is read is saved as the same. The head and the checksum are made right, so that the jobs are
//! reached.
#![no_main]

use libfuzzer_sys::fuzz_target;
use logic::registry::saved::{self, Encoder, Owner};

const OWNER: Owner = Owner { major: 18, cluster: 7 };

fuzz_target!(|bytes: &[u8]| {
    let _ = saved::decode(bytes, OWNER);
    let signed = saved::signed(OWNER, bytes);
    if let Ok(history) = saved::decode(&signed, OWNER) {
        let texts = |job: &saved::SavedJob| job.label.len() + job.message.len() + job.query.len();
        let mut again =
            Encoder::new(OWNER, history.jobs().count(), history.jobs().map(|job| texts(&job)).sum()).unwrap();
        history.jobs().for_each(|job| again.put(&job));
        let again = again.finish();
        assert_eq!(
            saved::decode(&again, OWNER).unwrap().jobs().collect::<Vec<_>>(),
            history.jobs().collect::<Vec<_>>()
        );
    }
});
