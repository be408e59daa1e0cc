//! A session's serialized settings: names and values lie inside the bytes, and are the same as themselves.
#![no_main]

use libfuzzer_sys::fuzz_target;
use logic::session::change::{OfTransaction, same};
use logic::session::settings::{self, Roles};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(whole) = settings::whole(bytes) {
        assert!(bytes.starts_with(whole));
    }
    for roles in [Roles::Written, Roles::NotWritten] {
        let Ok(parsed) = settings::parse(bytes, roles) else {
            continue;
        };
        for setting in parsed.now.iter().chain(&parsed.resets) {
            for text in [setting.name, setting.value] {
                assert_eq!(text.iter().position(|byte| *byte == 0), Some(text.len() - 1));
            }
            assert!(parsed.has(setting.name));
        }
        assert!(
            same(&parsed, &parsed, OfTransaction::ComparedBySource) && same(&parsed, &parsed, OfTransaction::Ignored)
        );
    }
});
