//! The bytes of a row: the server's MinimalTuple, looked at without believing it.
//!
//! The server can walk a tuple that passes [`check`]: every attribute that the descriptor names lies inside the tuple,
//! and none points elsewhere. Whether a value is a good one of its type (is this text valid, is this array
//! well-formed?) is not checked. For that the launcher trusts the worker, which is a process of the same server.

use super::{Malformed, Result};

/// `t_len`, padding, `t_infomask2`, `t_infomask`, `t_hoff` (htup_details.h). `src/pg` asserts these against the
/// server's headers.
pub const INFOMASK2_AT: usize = 10;
pub const INFOMASK_AT: usize = 12;
pub const HOFF_AT: usize = 14;
pub const BITS_AT: usize = 15;
/// `t_hoff` counts from where the header of a full heap tuple would begin.
pub const HEAP_OFFSET: usize = 8;
pub const NATTS_MASK: u16 = 0x07FF;
pub const HAS_NULL: u16 = 0x0001;
pub const HAS_VAR_WIDTH: u16 = 0x0002;
pub const HAS_EXTERNAL: u16 = 0x0004;
/// The greatest size of a varlena, header included, and of a tuple (memutils.h).
pub const MAX_SIZE: usize = 0x3FFF_FFFF;

const OUTSIDE: Malformed = Malformed("a value lies outside its tuple");
const ELSEWHERE: Malformed = Malformed("a value lives in no tuple");

/// How the values of a column lie in a tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Bytes, or -1 for a varlena.
    pub len: i16,
    /// 1, 2, 4 or 8 bytes.
    pub align: u8,
}

impl Attribute {
    /// An error for a length or alignment that no type has.
    pub fn new(len: i16, align: u8) -> Result<Self> {
        if (len > 0 || len == -1) && matches!(align, 1 | 2 | 4 | 8) {
            Ok(Self { len, align })
        } else {
            Err(Malformed("a column has an impossible length or alignment"))
        }
    }
}

/// What comes before the bytes of the only value of a tuple: the tuple's head, and the value's as a varlena.
pub struct Head {
    bytes: [u8; Self::ROOM],
    len: usize,
}

impl Head {
    /// The tuple's head, aligned, and a varlena's header of four bytes.
    const ROOM: usize = BITS_AT.next_multiple_of(8) + 4;

    /// The head for a value of so many bytes; `None` if no tuple can hold them.
    pub fn of_value(value: usize) -> Option<Self> {
        let mut bytes = [0; Self::ROOM];
        let data = BITS_AT.next_multiple_of(8);
        let is_short = value < 0x7F;
        let len = if is_short { data + 1 } else { data + 4 };
        let size = value.checked_add(len).filter(|size| *size <= MAX_SIZE)?;
        bytes[..4].copy_from_slice(&(size as u32).to_ne_bytes());
        bytes[INFOMASK2_AT..INFOMASK_AT].copy_from_slice(&1u16.to_ne_bytes());
        bytes[INFOMASK_AT..HOFF_AT].copy_from_slice(&HAS_VAR_WIDTH.to_ne_bytes());
        bytes[HOFF_AT] = (data + HEAP_OFFSET) as u8;
        let varlena = (size - data) as u32;
        if is_short {
            bytes[data] = if cfg!(target_endian = "little") { varlena << 1 | 1 } else { varlena | 0x80 } as u8;
        } else {
            let word = if cfg!(target_endian = "little") { varlena << 2 } else { varlena };
            bytes[data..].copy_from_slice(&word.to_ne_bytes());
        }
        Some(Self { bytes, len })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

fn u16_at(tuple: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([tuple[at], tuple[at + 1]])
}

/// The size of the tuple at the start of `bytes`: its `t_len`, if the bytes are as many.
pub fn length(bytes: &[u8]) -> Result<usize> {
    let len = bytes.first_chunk::<4>().ok_or(Malformed("a tuple ends too early"))?;
    let len = u32::from_ne_bytes(*len) as usize;
    if len < BITS_AT || len > bytes.len() { Err(Malformed("a tuple has an impossible length")) } else { Ok(len) }
}

/// If `first` is a varlena's header of one byte: the varlena's size in bytes, header included.
fn short_size(first: u8) -> Option<usize> {
    let (is_short, size) = if cfg!(target_endian = "little") {
        (first & 1 == 1 && first != 1, first >> 1)
    } else {
        (first > 0x80, first & 0x7F)
    };
    is_short.then_some(size as usize)
}

/// The size of the varlena at the start of `bytes`, header included. The low bits of the first byte tell its form on
/// little-endian machines, the high bits on big-endian ones (varatt.h).
pub(super) fn varlena_size(bytes: &[u8]) -> Result<usize> {
    const BAD: Malformed = Malformed("a value has an impossible length");
    let first = *bytes.first().ok_or(OUTSIDE)?;
    let size = if let Some(size) = short_size(first) {
        size
    } else if first == if cfg!(target_endian = "little") { 1 } else { 0x80 } {
        return Err(ELSEWHERE);
    } else {
        let word = u32::from_ne_bytes(*bytes.first_chunk::<4>().ok_or(BAD)?);
        let size = if cfg!(target_endian = "little") { word >> 2 } else { word & 0x3FFF_FFFF };
        if size < 4 {
            return Err(BAD);
        }
        size as usize
    };
    if size > bytes.len() { Err(BAD) } else { Ok(size) }
}

/// Can the server walk this tuple with these attributes? `tuple` is exactly [`length`] bytes.
pub fn check(tuple: &[u8], attributes: &[Attribute]) -> Result<()> {
    if tuple.len() < BITS_AT || length(tuple)? != tuple.len() {
        return Err(Malformed("a tuple has an impossible length"));
    }
    let natts = (u16_at(tuple, INFOMASK2_AT) & NATTS_MASK) as usize;
    let infomask = u16_at(tuple, INFOMASK_AT);
    let has_null = infomask & HAS_NULL != 0;
    let bitmap = if has_null { natts.div_ceil(8) } else { 0 };
    let data = (tuple[HOFF_AT] as usize).checked_sub(HEAP_OFFSET).ok_or(Malformed("a tuple has no room for itself"))?;
    // Attributes that a tuple lacks are NULL: those of columns that were added to a table after the row.
    if natts > attributes.len() || data % 8 != 0 || data < BITS_AT + bitmap || data > tuple.len() {
        return Err(Malformed("a tuple's header does not fit its columns"));
    }
    if infomask & HAS_EXTERNAL != 0 {
        return Err(ELSEWHERE);
    }
    // A fixed length only moves `at` on, without a look: the next varlena finds out whether that led outside, or else
    // the end.
    let mut at = data;
    for (i, attribute) in attributes[..natts].iter().enumerate() {
        if has_null && tuple[BITS_AT + i / 8] & (1 << (i % 8)) == 0 {
            continue;
        }
        let align = attribute.align as usize;
        at = if attribute.len == -1 {
            varlena_end(tuple, at, align)?
        } else {
            (at.wrapping_add(align - 1) & !(align - 1)).wrapping_add(attribute.len as usize)
        };
    }
    if at > tuple.len() { Err(OUTSIDE) } else { Ok(()) }
}

/// Where the varlena ends that comes next. A short one stands unaligned; padding before a long one is zero, which no
/// short header is.
#[inline]
pub(super) fn varlena_end(tuple: &[u8], at: usize, align: usize) -> Result<usize> {
    let first = *tuple.get(at).ok_or(OUTSIDE)?;
    if let Some(size) = short_size(first) {
        return Ok(at.wrapping_add(size));
    }
    let start = if first == 0 { at.wrapping_add(align - 1) & !(align - 1) } else { at };
    Ok(start.wrapping_add(varlena_size(tuple.get(start..).unwrap_or_default())?))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A tuple of an int4 and a text, as the server forms it.
    pub fn sample(number: Option<i32>, text: Option<&[u8]>) -> Vec<u8> {
        let mut tuple = vec![0; 16];
        let has_null = number.is_none() || text.is_none();
        tuple[INFOMASK2_AT] = 2;
        tuple[INFOMASK_AT] = u8::from(has_null);
        tuple[HOFF_AT] = 24;
        tuple[BITS_AT] = u8::from(number.is_some()) | u8::from(text.is_some()) << 1;
        if let Some(number) = number {
            tuple.extend(number.to_ne_bytes());
        }
        if let Some(text) = text {
            if text.len() < 126 {
                tuple.push(((text.len() + 1) << 1 | 1) as u8);
            } else {
                tuple.resize(tuple.len().next_multiple_of(4), 0);
                tuple.extend((((text.len() + 4) << 2) as u32).to_ne_bytes());
            }
            tuple.extend(text);
        }
        let len = tuple.len() as u32;
        tuple[..4].copy_from_slice(&len.to_ne_bytes());
        tuple
    }

    const INT4_TEXT: [Attribute; 2] = [Attribute { len: 4, align: 4 }, Attribute { len: -1, align: 4 }];

    proptest! {
        #[test]
        fn accepts_well_formed_tuples(
            number in any::<Option<i32>>(),
            text in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300)),
        ) {
            let tuple = sample(number, text.as_deref());
            prop_assert_eq!(length(&tuple), Ok(tuple.len()));
            prop_assert_eq!(check(&tuple, &INT4_TEXT), Ok(()));
            prop_assert!(check(&tuple, &INT4_TEXT[..1]).is_err());
        }

        #[test]
        fn refuses_a_cut_tuple(text in proptest::collection::vec(any::<u8>(), 1..300), cut in 1usize..200) {
            let mut tuple = sample(Some(1), Some(&text));
            let keep = tuple.len().saturating_sub(cut).max(BITS_AT);
            prop_assume!(keep < tuple.len());
            tuple.truncate(keep);
            tuple[..4].copy_from_slice(&(keep as u32).to_ne_bytes());
            prop_assert!(check(&tuple, &INT4_TEXT).is_err());
        }

        #[test]
        fn survives_any_bytes(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            columns in proptest::collection::vec(super::super::columns::tests::any_column(), 0..20),
        ) {
            let attributes: Vec<_> = columns.iter().map(|column| column.attribute).collect();
            let _ = length(&bytes);
            let _ = check(&bytes, &attributes);
        }
    }

    #[test]
    fn refuses_values_that_live_elsewhere() {
        let mut flagged = sample(Some(1), Some(b"x"));
        flagged[INFOMASK_AT] |= HAS_EXTERNAL as u8;
        assert!(check(&flagged, &INT4_TEXT).is_err());
        let mut pointer = sample(Some(1), Some(b"0123456789012345678"));
        pointer[20] = if cfg!(target_endian = "little") { 1 } else { 0x80 };
        assert!(check(&pointer, &INT4_TEXT).is_err());
    }

    #[test]
    fn a_value_may_be_too_long() {
        for len in [0, 1, 125, 126, 127, 128, MAX_SIZE - 20] {
            let head = Head::of_value(len).unwrap();
            assert_eq!(varlena_size(&[&head.bytes()[16..], &vec![0; len.min(128)]].concat()).ok(), {
                (len <= 128).then_some(head.len - 16 + len)
            });
        }
        assert!(Head::of_value(MAX_SIZE - 19).is_none());
        assert!(Head::of_value(usize::MAX).is_none());
    }

    #[test]
    fn missing_trailing_attributes_are_null() {
        let more = [INT4_TEXT[0], INT4_TEXT[1], Attribute { len: 8, align: 8 }];
        assert_eq!(check(&sample(Some(1), Some(b"x")), &more), Ok(()));
    }
}
