//! The bindings, made by build.rs from the server's headers; and what they must agree with.
#![allow(
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    dead_code,
    unknown_lints,
    unnecessary_transmutes
)]
#![allow(clippy::all, clippy::pedantic)]

use logic::wire::tuple;

include!(concat!(env!("OUT_DIR"), "/bindings.rs"));

// A Datum holds an int8 or an address, and queues and tuples are aligned to eight bytes.
const _: () = assert!(size_of::<usize>() == 8, "pg_background needs a 64-bit server");
const _: () = assert!(size_of::<Datum>() == 8, "pg_background needs a 64-bit server");

const _: () = {
    assert!(core::mem::offset_of!(MinimalTupleData, t_len) == 0);
    assert!(core::mem::offset_of!(MinimalTupleData, t_infomask2) == tuple::INFOMASK2_AT);
    assert!(core::mem::offset_of!(MinimalTupleData, t_infomask) == tuple::INFOMASK_AT);
    assert!(core::mem::offset_of!(MinimalTupleData, t_hoff) == tuple::HOFF_AT);
    assert!(core::mem::offset_of!(MinimalTupleData, t_bits) == tuple::BITS_AT);
    assert!(HEAP_NATTS_MASK as u16 == tuple::NATTS_MASK);
    assert!(HEAP_HASNULL as u16 == tuple::HAS_NULL);
    assert!(HEAP_HASEXTERNAL as u16 == tuple::HAS_EXTERNAL);
};
