//! A row that passes the check can be walked as the server walks it: attribute by attribute, each inside the tuple.
#![no_main]

use libfuzzer_sys::fuzz_target;
use logic::wire::shape::Shape;
use logic::wire::tuple::{
    self, Attribute, BITS_AT, HAS_NULL, HEAP_OFFSET, HOFF_AT, INFOMASK_AT, INFOMASK2_AT, NATTS_MASK,
};

/// One byte for the number of columns, one for each column, and then the tuple.
fn split(bytes: &[u8]) -> Option<(Vec<Attribute>, &[u8])> {
    let (count, rest) = bytes.split_first()?;
    let (columns, tuple) = rest.split_at_checked(*count as usize)?;
    let attribute = |byte: &u8| {
        let len = if byte & 0x80 == 0 { -1 } else { i16::from(byte >> 2 & 0x1F) + 1 };
        Attribute { len, align: 1 << (byte & 3) }
    };
    Some((columns.iter().map(attribute).collect(), tuple))
}

fn u16_at(tuple: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([tuple[at], tuple[at + 1]])
}

/// Walks the tuple without any care: an attribute that lies outside makes the slices panic.
fn walk(tuple: &[u8], attributes: &[Attribute]) {
    let natts = (u16_at(tuple, INFOMASK2_AT) & NATTS_MASK) as usize;
    let has_null = u16_at(tuple, INFOMASK_AT) & HAS_NULL != 0;
    let mut at = tuple[HOFF_AT] as usize - HEAP_OFFSET;
    for (i, attribute) in attributes[..natts].iter().enumerate() {
        if has_null && tuple[BITS_AT + i / 8] & (1 << (i % 8)) == 0 {
            continue;
        }
        let aligned = at.next_multiple_of(attribute.align as usize);
        let (start, len) = if attribute.len != -1 {
            (aligned, attribute.len as usize)
        } else if tuple[at] & 1 == 1 {
            // a short header; 1 alone would be a pointer to elsewhere
            assert_ne!(tuple[at], 1);
            (at, (tuple[at] >> 1) as usize)
        } else {
            let start = if tuple[at] == 0 { aligned } else { at };
            // the padding may lead to a short header
            if tuple[start] & 1 == 1 {
                assert_ne!(tuple[start], 1);
                (start, (tuple[start] >> 1) as usize)
            } else {
                let word = u32::from_le_bytes(tuple[start..start + 4].try_into().unwrap());
                (start, (word >> 2) as usize)
            }
        };
        let value = &tuple[start..start + len];
        at = start + value.len();
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((attributes, tuple)) = split(bytes) else {
        return;
    };
    assert_eq!(Shape::new(attributes.clone()).check(tuple), tuple::check(tuple, &attributes));
    if tuple::check(tuple, &attributes).is_ok() {
        assert_eq!(tuple::length(tuple), Ok(tuple.len()));
        if cfg!(target_endian = "little") {
            walk(tuple, &attributes);
        }
    }
});
