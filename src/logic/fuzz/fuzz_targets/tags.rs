//! Command tags: what is read is written back byte for byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use logic::wire::tags;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(tags) = tags::decode(bytes) {
        let mut again = Vec::new();
        tags::encode(tags, &mut again);
        assert_eq!(again, bytes);
    }
});
