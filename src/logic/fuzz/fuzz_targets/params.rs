//! The parameters of a job: what is read lies inside the message and aligned, and is the same when written anew.
#![no_main]

use libfuzzer_sys::fuzz_target;
use logic::wire::params::{self, ALIGNMENT, Encoder, MAX_PARAMS, Param, Value};

fuzz_target!(|bytes: &[u8]| {
    let Ok(decoded) = params::decode(bytes) else {
        return;
    };
    assert!(decoded.params.len() <= MAX_PARAMS);
    let mut encoder = Encoder::new(decoded.params.len(), decoded.encoding).unwrap();
    for param in &decoded.params {
        if let Param::Native { value: Value::Stored(value), .. } = param {
            let inside = bytes.as_ptr_range();
            assert!(value.as_ptr() >= inside.start && value.as_ptr_range().end <= inside.end);
            assert_eq!((value.as_ptr() as usize - bytes.as_ptr() as usize) % ALIGNMENT, 0);
        }
        encoder.push(*param).unwrap();
    }
    let again = encoder.finish(&decoded.row_types).unwrap();
    assert_eq!(params::decode(&again).unwrap(), decoded);
});
