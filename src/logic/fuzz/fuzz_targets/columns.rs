//! The columns of a result: what is read is written back byte for byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use logic::wire::columns::{self, MAX_COLUMNS};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(columns) = columns::decode(bytes) {
        assert!(columns.len() <= MAX_COLUMNS as usize);
        let mut again = Vec::new();
        columns::encode(&columns, &mut again);
        assert_eq!(again, bytes);
    }
});
