//! What the bindings must agree with. (Bindings and headers agree by bindgen's own assertions, in `sys`.)

use super::sys;
use logic::wire::tuple;

// A Datum holds an int8 or an address, and queues and tuples are aligned to eight bytes.
const _: () = assert!(size_of::<usize>() == 8, "pg_background needs a 64-bit server");
const _: () = assert!(size_of::<sys::Datum>() == 8, "pg_background needs a 64-bit server");

const _: () = {
    assert!(core::mem::offset_of!(sys::MinimalTupleData, t_len) == 0);
    assert!(core::mem::offset_of!(sys::MinimalTupleData, t_infomask2) == tuple::INFOMASK2_AT);
    assert!(core::mem::offset_of!(sys::MinimalTupleData, t_infomask) == tuple::INFOMASK_AT);
    assert!(core::mem::offset_of!(sys::MinimalTupleData, t_hoff) == tuple::HOFF_AT);
    assert!(core::mem::offset_of!(sys::MinimalTupleData, t_bits) == tuple::BITS_AT);
    assert!(sys::HEAP_NATTS_MASK as u16 == tuple::NATTS_MASK);
    assert!(sys::HEAP_HASNULL as u16 == tuple::HAS_NULL);
    assert!(sys::HEAP_HASVARWIDTH as u16 == tuple::HAS_VAR_WIDTH);
    assert!(sys::HEAP_HASEXTERNAL as u16 == tuple::HAS_EXTERNAL);
};
