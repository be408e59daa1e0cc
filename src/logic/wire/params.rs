//! The parameters of a job's statement: values with their types, which the launcher encodes and the worker binds.
//!
//! ```text
//! head      count, encoding of named values, count of row types, where the row types begin     4 × u32
//! entries   type, length, kind; then the value itself, or where it lies (low half) and its size 16 bytes each
//! values    each at a multiple of eight, so that the worker uses them where they lie
//! row types OID, attributes, shape                                                             16 bytes each
//! ```
//!
//! A *native* value is as the server stores it, whole: nothing of it lies elsewhere, and OIDs mean the same on both
//! sides. A *named* one is for another database, whose OIDs are others: what its type is, and its text.
//!
//! Invariant: [`decode`] gives slices of the message that begin at a multiple of eight, and of varlenas only those
//! whose header says their exact size.

use super::bytes::{Reader, put_counted};
use super::columns::{MAX_COLUMNS, RowType};
use super::tuple::varlena_size;
use super::{Malformed, Result};

/// As many as a row can have columns.
pub const MAX_PARAMS: usize = MAX_COLUMNS as usize;
/// Values begin at multiples of this, as the server aligns what it stores.
pub const ALIGNMENT: usize = 8;

const HEAD: usize = 16;
const ENTRY: usize = 16;

const NULL: u8 = 0;
const BY_VALUE: u8 = 1;
const STORED: u8 = 2;
const NAMED_NULL: u8 = 3;
const NAMED: u8 = 4;

/// A value that both sides store alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    Null,
    /// The server's Datum is the value.
    ByValue(u64),
    /// What a Datum points to, whole.
    Stored(&'a [u8]),
}

/// One parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Param<'a> {
    Native {
        type_id: u32,
        /// The type's length: bytes, or -1 for a varlena.
        len: i16,
        value: Value<'a>,
    },
    /// Of a type that the other side finds by its description (`type_tree`, encoded).
    Named { tree: &'a [u8], text: Option<&'a [u8]> },
}

/// All parameters of a job, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params<'a> {
    pub params: Vec<Param<'a>>,
    /// The server's number of the encoding of named values' texts.
    pub encoding: u32,
    /// All row types in the native values, at any depth, as they were when the values were made.
    pub row_types: Vec<RowType>,
}

/// Appends parameters to a message.
pub struct Encoder {
    bytes: Vec<u8>,
    /// Where the next entry goes.
    entry: usize,
}

impl Encoder {
    /// For `count` parameters, of which each is to be added. An error beyond [`MAX_PARAMS`].
    pub fn new(count: usize, encoding: u32) -> Result<Self> {
        if count > MAX_PARAMS {
            return Err(Malformed("there are too many parameters"));
        }
        let start = HEAD + count * ENTRY;
        // Room for values of the common sizes: one allocation, most often.
        let mut bytes = Vec::with_capacity(start + count * 32 + 64);
        bytes.resize(start, 0);
        bytes[..4].copy_from_slice(&(count as u32).to_ne_bytes());
        bytes[4..8].copy_from_slice(&encoding.to_ne_bytes());
        Ok(Self { bytes, entry: HEAD })
    }

    /// Adds a parameter. An error when all together have more than 4 GB, or are more than was said.
    pub fn push(&mut self, param: Param) -> Result<()> {
        match param {
            Param::Native { type_id, len, value: Value::Null } => self.entry(type_id, len, NULL, [0; 8]),
            Param::Native { type_id, len, value: Value::ByValue(datum) } => {
                self.entry(type_id, len, BY_VALUE, datum.to_ne_bytes())
            }
            Param::Native { type_id, len, value: Value::Stored(bytes) } => {
                let start = self.align();
                self.bytes.extend_from_slice(bytes);
                let place = self.place(start)?;
                self.entry(type_id, len, STORED, place)
            }
            Param::Named { tree, text } => {
                let start = self.align();
                put_counted(&mut self.bytes, tree);
                self.bytes.extend_from_slice(text.unwrap_or_default());
                let place = self.place(start)?;
                self.entry(0, 0, if text.is_some() { NAMED } else { NAMED_NULL }, place)
            }
        }
    }

    /// The message, with the row types in its native values.
    pub fn finish(mut self, row_types: &[RowType]) -> Result<Vec<u8>> {
        let start = self.align();
        for row_type in row_types {
            self.bytes.extend_from_slice(&row_type.type_id.to_ne_bytes());
            self.bytes.extend_from_slice(&row_type.natts.to_ne_bytes());
            self.bytes.extend_from_slice(&row_type.shape.to_ne_bytes());
        }
        self.place(start)?;
        self.bytes[8..12].copy_from_slice(&(row_types.len() as u32).to_ne_bytes());
        self.bytes[12..16].copy_from_slice(&(start as u32).to_ne_bytes());
        Ok(self.bytes)
    }

    fn align(&mut self) -> usize {
        let start = self.bytes.len().next_multiple_of(ALIGNMENT);
        self.bytes.resize(start, 0);
        start
    }

    /// Where the bytes from `start` on lie, as an entry has it.
    fn place(&self, start: usize) -> Result<[u8; 8]> {
        let end = u32::try_from(self.bytes.len()).map_err(|_| Malformed("the parameters are too large"))?;
        let start = start as u32;
        Ok((u64::from(end - start) << 32 | u64::from(start)).to_ne_bytes())
    }

    fn entry(&mut self, type_id: u32, len: i16, kind: u8, value: [u8; 8]) -> Result<()> {
        let count = u32::from_ne_bytes([self.bytes[0], self.bytes[1], self.bytes[2], self.bytes[3]]) as usize;
        if self.entry >= HEAD + count * ENTRY {
            return Err(Malformed("there are too many parameters"));
        }
        let entry = &mut self.bytes[self.entry..self.entry + ENTRY];
        entry[..4].copy_from_slice(&type_id.to_ne_bytes());
        entry[4..6].copy_from_slice(&len.to_ne_bytes());
        entry[6] = kind;
        entry[8..].copy_from_slice(&value);
        self.entry += ENTRY;
        Ok(())
    }
}

/// The parameters in a message. Whether a value is a good one of its type is not checked: for that the worker trusts
/// the launcher, which is a process of the same server.
pub fn decode(bytes: &[u8]) -> Result<Params<'_>> {
    let mut from = Reader::new(bytes);
    let (count, encoding, row_types, row_types_at) = (from.u32()? as usize, from.u32()?, from.u32()?, from.u32()?);
    if count > MAX_PARAMS {
        return Err(Malformed("there are too many parameters"));
    }
    let mut params = Vec::with_capacity(count);
    for _ in 0..count {
        let (type_id, len, kind, _) = (from.u32()?, from.i16()?, from.u8()?, from.u8()?);
        let value = *from.array::<8>()?;
        params.push(match kind {
            NULL => Param::Native { type_id, len, value: Value::Null },
            BY_VALUE => Param::Native { type_id, len, value: Value::ByValue(u64::from_ne_bytes(value)) },
            STORED => Param::Native { type_id, len, value: Value::Stored(stored(inside(bytes, value)?, len)?) },
            NAMED | NAMED_NULL => {
                let mut from = Reader::new(inside(bytes, value)?);
                let (tree, text) = (from.counted()?, from.rest());
                Param::Named { tree, text: (kind == NAMED).then_some(text) }
            }
            _ => return Err(Malformed("a parameter is of an unknown kind")),
        });
    }
    let rest = bytes.get(row_types_at as usize..).ok_or(Malformed("row types lie outside the message"))?;
    let mut from = Reader::new(rest);
    // as many as the bytes bear out: a count is not believed for room
    let mut found = Vec::new();
    for _ in 0..row_types {
        found.push(RowType { type_id: from.u32()?, natts: from.i32()?, shape: from.u64()? });
    }
    Ok(Params { params, encoding, row_types: found })
}

/// The bytes of the message that an entry names.
fn inside(bytes: &[u8], place: [u8; 8]) -> Result<&[u8]> {
    let place = u64::from_ne_bytes(place);
    let (start, size) = (place as u32 as usize, (place >> 32) as usize);
    if start % ALIGNMENT != 0 {
        return Err(Malformed("a parameter is not aligned"));
    }
    let end = start.checked_add(size).ok_or(Malformed("a parameter lies outside the message"))?;
    bytes.get(start..end).ok_or(Malformed("a parameter lies outside the message"))
}

/// A stored value, whose size must be what its type or its header says.
fn stored(value: &[u8], len: i16) -> Result<&[u8]> {
    let size = match len {
        -1 => varlena_size(value)?,
        1.. => len as usize,
        _ => return Err(Malformed("a parameter has an impossible length")),
    };
    if size == value.len() { Ok(value) } else { Err(Malformed("a parameter has another length than its type")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A varlena with a header of four bytes.
    fn varlena(data: &[u8]) -> Vec<u8> {
        let size = data.len() as u32 + 4;
        let word = if cfg!(target_endian = "little") { size << 2 } else { size };
        [&word.to_ne_bytes(), data].concat()
    }

    /// A parameter that owns its bytes.
    #[derive(Clone, Debug)]
    enum Owned {
        Null(u32),
        ByValue(u32, u64),
        Varlena(u32, Vec<u8>),
        Fixed(u32, Vec<u8>),
        Named(Vec<u8>, Option<Vec<u8>>),
    }

    impl Owned {
        fn param(&self) -> Param<'_> {
            match self {
                Self::Null(type_id) => Param::Native { type_id: *type_id, len: -1, value: Value::Null },
                Self::ByValue(type_id, datum) => {
                    Param::Native { type_id: *type_id, len: 8, value: Value::ByValue(*datum) }
                }
                Self::Varlena(type_id, bytes) => {
                    Param::Native { type_id: *type_id, len: -1, value: Value::Stored(bytes) }
                }
                Self::Fixed(type_id, bytes) => {
                    Param::Native { type_id: *type_id, len: bytes.len() as i16, value: Value::Stored(bytes) }
                }
                Self::Named(tree, text) => Param::Named { tree, text: text.as_deref() },
            }
        }
    }

    fn any_param() -> impl Strategy<Value = Owned> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..40);
        prop_oneof![
            any::<u32>().prop_map(Owned::Null),
            (any::<u32>(), any::<u64>()).prop_map(|(type_id, datum)| Owned::ByValue(type_id, datum)),
            (any::<u32>(), bytes()).prop_map(|(type_id, data)| Owned::Varlena(type_id, varlena(&data))),
            (any::<u32>(), proptest::collection::vec(any::<u8>(), 1..70))
                .prop_map(|(type_id, bytes)| Owned::Fixed(type_id, bytes)),
            (bytes(), proptest::option::of(bytes())).prop_map(|(tree, text)| Owned::Named(tree, text)),
        ]
    }

    fn any_row_type() -> impl Strategy<Value = RowType> {
        (any::<u32>(), any::<i32>(), any::<u64>()).prop_map(|(type_id, natts, shape)| RowType { type_id, natts, shape })
    }

    fn encode(params: &[Owned], encoding: u32, row_types: &[RowType]) -> Vec<u8> {
        let mut encoder = Encoder::new(params.len(), encoding).unwrap();
        for param in params {
            encoder.push(param.param()).unwrap();
        }
        encoder.finish(row_types).unwrap()
    }

    proptest! {
        #[test]
        fn decodes_what_it_encoded(
            params in proptest::collection::vec(any_param(), 0..30),
            encoding in any::<u32>(),
            row_types in proptest::collection::vec(any_row_type(), 0..5),
        ) {
            let bytes = encode(&params, encoding, &row_types);
            let decoded = decode(&bytes).unwrap();
            let expected: Vec<_> = params.iter().map(Owned::param).collect();
            prop_assert_eq!(&decoded.params, &expected);
            prop_assert_eq!(decoded.encoding, encoding);
            prop_assert_eq!(&decoded.row_types, &row_types);
            for param in &decoded.params {
                if let Param::Native { value: Value::Stored(value), .. } = param {
                    prop_assert_eq!((value.as_ptr() as usize - bytes.as_ptr() as usize) % ALIGNMENT, 0);
                }
            }
        }

        #[test]
        fn refuses_a_cut_message(params in proptest::collection::vec(any_param(), 1..10), cut in 1usize..200) {
            let row_type = RowType { type_id: 1, natts: 2, shape: 3 };
            let bytes = encode(&params, 6, &[row_type]);
            let keep = bytes.len().saturating_sub(cut);
            prop_assert!(decode(&bytes[..keep]).is_err());
        }

        #[test]
        fn survives_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&bytes);
        }

        #[test]
        fn survives_a_damaged_message(
            params in proptest::collection::vec(any_param(), 0..10),
            at in any::<prop::sample::Index>(),
            with in any::<u8>(),
        ) {
            let mut bytes = encode(&params, 6, &[]);
            let at = at.index(bytes.len());
            bytes[at] = with;
            let _ = decode(&bytes);
        }
    }

    #[test]
    fn no_parameters_are_a_message_too() {
        assert_eq!(decode(&encode(&[], 6, &[])), Ok(Params { params: vec![], encoding: 6, row_types: vec![] }));
        assert!(decode(&[]).is_err());
    }

    #[test]
    fn refuses_more_parameters_than_a_row_has_columns() {
        assert!(Encoder::new(MAX_PARAMS, 0).is_ok());
        assert!(Encoder::new(MAX_PARAMS + 1, 0).is_err());
        let mut bytes = encode(&[], 0, &[]);
        bytes[..4].copy_from_slice(&(MAX_PARAMS as u32 + 1).to_ne_bytes());
        bytes.resize(HEAD + (MAX_PARAMS + 1) * ENTRY, 0);
        assert_eq!(decode(&bytes), Err(Malformed("there are too many parameters")));
    }

    #[test]
    fn an_encoder_takes_no_more_than_it_was_made_for() {
        let mut encoder = Encoder::new(1, 0).unwrap();
        let param = Owned::ByValue(23, 7);
        assert!(encoder.push(param.param()).is_ok());
        assert!(encoder.push(param.param()).is_err());
    }

    #[test]
    fn refuses_a_value_that_lives_elsewhere() {
        let pointer = if cfg!(target_endian = "little") { [1, 18, 0, 0] } else { [0x80, 18, 0, 0] };
        let bytes = encode(&[Owned::Varlena(25, pointer.to_vec())], 6, &[]);
        assert!(decode(&bytes).is_err());
    }
}
