//! The columns of a result: what the launcher must know to read rows, and to refuse those that it would misread.

use super::bytes::{Reader, put_counted};
use super::tuple::Attribute;
use super::type_tree::TypeTree;
use super::{Malformed, Result};

/// How the values of a column travel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// As the bytes that the server stores.
    Native,
    /// As text, because the stored bytes mean nothing outside the process that made the value.
    Text,
    /// As text, because the stored bytes mean something else, or nothing, in the database of the reader.
    Foreign(Foreign),
}

/// What the reader of another database must know of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// In which its texts and names are: a number of the server.
    pub encoding: i32,
    /// What the type is.
    pub tree: TypeTree,
}

/// A row type that values of a column are made of, as it was when the values were made. The launcher compares it with
/// its own: the type may have been altered since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowType {
    pub type_id: u32,
    pub natts: i32,
    /// A hash of its attributes.
    pub shape: u64,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// The type in the result, also if the values travel as text.
    pub type_id: u32,
    pub typmod: i32,
    pub form: Form,
    /// How the values lie in a tuple.
    pub attribute: Attribute,
    pub name: Vec<u8>,
    /// All row types in the column's type, at any depth. Where the launcher knows one of them otherwise, the bytes of
    /// the values mean nothing to it.
    pub row_types: Vec<RowType>,
}

/// As many columns as a target list of the server can have.
pub const MAX_COLUMNS: u32 = 1664;

/// Appends the columns.
pub fn encode(columns: &[Column], to: &mut Vec<u8>) {
    to.extend_from_slice(&(columns.len() as u32).to_ne_bytes());
    for column in columns {
        to.extend_from_slice(&column.type_id.to_ne_bytes());
        to.extend_from_slice(&column.typmod.to_ne_bytes());
        encode_form(&column.form, to);
        to.extend_from_slice(&column.attribute.len.to_ne_bytes());
        to.push(column.attribute.align);
        put_counted(to, &column.name);
        to.extend_from_slice(&(column.row_types.len() as u32).to_ne_bytes());
        for row_type in &column.row_types {
            to.extend_from_slice(&row_type.type_id.to_ne_bytes());
            to.extend_from_slice(&row_type.natts.to_ne_bytes());
            to.extend_from_slice(&row_type.shape.to_ne_bytes());
        }
    }
}

/// The columns in `bytes`, which must have nothing else.
pub fn decode(bytes: &[u8]) -> Result<Vec<Column>> {
    let mut from = Reader::new(bytes);
    let count = from.u32()?;
    if count > MAX_COLUMNS {
        return Err(Malformed("a result has too many columns"));
    }
    let mut columns = Vec::with_capacity(count as usize);
    for _ in 0..count {
        columns.push(Column {
            type_id: from.u32()?,
            typmod: from.i32()?,
            form: form(&mut from)?,
            attribute: Attribute::new(from.i16()?, from.u8()?)?,
            name: from.counted()?.to_vec(),
            row_types: row_types(&mut from)?,
        });
    }
    if from.is_empty() { Ok(columns) } else { Err(Malformed("bytes after the last column")) }
}

fn encode_form(form: &Form, to: &mut Vec<u8>) {
    match form {
        Form::Native => to.push(0),
        Form::Text => to.push(1),
        Form::Foreign(Foreign { encoding, tree }) => {
            to.push(2);
            to.extend_from_slice(&encoding.to_ne_bytes());
            let mut description = Vec::new();
            tree.encode(&mut description);
            put_counted(to, &description);
        }
    }
}

fn form(from: &mut Reader) -> Result<Form> {
    Ok(match from.u8()? {
        0 => Form::Native,
        1 => Form::Text,
        2 => Form::Foreign(Foreign { encoding: from.i32()?, tree: TypeTree::decode(from.counted()?)? }),
        _ => return Err(Malformed("a column has an unknown form")),
    })
}

fn row_types(from: &mut Reader) -> Result<Vec<RowType>> {
    let mut row_types = Vec::new();
    for _ in 0..from.u32()? {
        row_types.push(RowType { type_id: from.u32()?, natts: from.i32()?, shape: from.u64()? });
    }
    Ok(row_types)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::type_tree::tests::any_tree;
    use super::*;
    use proptest::prelude::*;

    pub fn any_column() -> impl Strategy<Value = Column> {
        let attribute = (prop_oneof![Just(-1i16), 1i16..64], prop_oneof![Just(1u8), Just(2), Just(4), Just(8)]);
        let row_types = proptest::collection::vec((any::<u32>(), any::<i32>(), any::<u64>()), 0..4);
        let foreign = (any::<i32>(), any_tree()).prop_map(|(encoding, tree)| Form::Foreign(Foreign { encoding, tree }));
        let form = prop_oneof![Just(Form::Native), Just(Form::Text), foreign];
        (any::<u32>(), any::<i32>(), form, attribute, "[a-z]{0,63}", row_types).prop_map(
            |(type_id, typmod, form, (len, align), name, row_types)| Column {
                type_id,
                typmod,
                form,
                attribute: Attribute { len, align },
                name: name.into_bytes(),
                row_types: row_types
                    .into_iter()
                    .map(|(type_id, natts, shape)| RowType { type_id, natts, shape })
                    .collect(),
            },
        )
    }

    proptest! {
        #[test]
        fn decodes_what_it_encoded(columns in proptest::collection::vec(any_column(), 0..40)) {
            let mut bytes = Vec::new();
            encode(&columns, &mut bytes);
            prop_assert_eq!(decode(&bytes), Ok(columns));
            bytes.push(0);
            prop_assert!(decode(&bytes).is_err());
        }

        #[test]
        fn survives_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&bytes);
        }
    }
}
