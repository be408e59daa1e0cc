//! The columns of a result, prepared for a look at many rows.

use super::Result;
use super::tuple::{self, Attribute};

/// What [`tuple::check`] needs of the columns, and how the values of a row without NULLs lie.
pub struct Shape {
    attributes: Vec<Attribute>,
    steps: Vec<Step>,
}

/// Columns of a fixed length whose places depend on that of the first alone, and perhaps a varlena behind them.
struct Step {
    /// The alignment of the first, less one.
    mask: usize,
    /// From its first byte to the end of the last.
    len: usize,
    /// The varlena's alignment.
    varlena: Option<usize>,
}

impl Shape {
    pub fn new(attributes: Vec<Attribute>) -> Self {
        let mut steps: Vec<Step> = Vec::new();
        for attribute in &attributes {
            let align = usize::from(attribute.align);
            let open = steps.last_mut().filter(|step| step.varlena.is_none());
            match (open, usize::try_from(attribute.len)) {
                (Some(step), Err(_)) => step.varlena = Some(align),
                (None, Err(_)) => steps.push(Step { mask: 0, len: 0, varlena: Some(align) }),
                (Some(step), Ok(len)) if align <= step.mask + 1 => step.len = step.len.next_multiple_of(align) + len,
                (_, Ok(len)) => steps.push(Step { mask: align - 1, len, varlena: None }),
            }
        }
        Self { attributes, steps }
    }

    /// How many columns.
    pub fn len(&self) -> usize {
        self.attributes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty()
    }

    /// As [`tuple::check`], which it agrees with.
    #[inline]
    pub fn check(&self, row: &[u8]) -> Result<()> {
        match self.end(row) {
            Some(end) if end <= row.len() => Ok(()),
            _ => tuple::check(row, &self.attributes),
        }
    }

    /// Where the last value ends of a row as it usually is: all columns, no NULL. `None`: the row is another, or wrong.
    #[inline]
    fn end(&self, row: &[u8]) -> Option<usize> {
        let head = row.first_chunk::<DATA_AT>()?;
        let (len, _) = head.split_first_chunk::<4>()?;
        let u16_at = |at: usize| u16::from_ne_bytes([head[at], head[at + 1]]);
        if u32::from_ne_bytes(*len) as usize != row.len()
            || usize::from(u16_at(tuple::INFOMASK2_AT) & tuple::NATTS_MASK) != self.attributes.len()
            || u16_at(tuple::INFOMASK_AT) & (tuple::HAS_NULL | tuple::HAS_EXTERNAL) != 0
            || usize::from(head[tuple::HOFF_AT]) != DATA_AT + tuple::HEAP_OFFSET
        {
            return None;
        }
        let mut at = DATA_AT;
        for step in &self.steps {
            at = (at.wrapping_add(step.mask) & !step.mask).wrapping_add(step.len);
            if let Some(align) = step.varlena {
                at = tuple::varlena_end(row, at, align).ok()?;
            }
        }
        Some(at)
    }
}

/// Where the values of a row without NULLs begin.
const DATA_AT: usize = tuple::BITS_AT.next_multiple_of(8);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::columns::tests::any_column;
    use proptest::prelude::*;

    /// A row of these columns as the server forms it, each value's bytes all `byte`.
    fn row(attributes: &[Attribute], byte: u8, lens: &[usize]) -> Vec<u8> {
        let mut row = vec![0; 16];
        row[tuple::INFOMASK2_AT..tuple::INFOMASK_AT].copy_from_slice(&(attributes.len() as u16).to_ne_bytes());
        row[tuple::HOFF_AT] = 24;
        for (attribute, len) in attributes.iter().zip(lens) {
            if attribute.len == -1 {
                if *len < 0x7F {
                    let first = if cfg!(target_endian = "little") { len << 1 | 1 } else { len | 0x80 };
                    row.push(first as u8);
                    row.resize(row.len() + len - 1, byte);
                } else {
                    row.resize(row.len().next_multiple_of(attribute.align.into()), 0);
                    let word = if cfg!(target_endian = "little") { len << 2 } else { *len };
                    row.extend((word as u32).to_ne_bytes());
                    row.resize(row.len() + len - 4, byte);
                }
            } else {
                row.resize(row.len().next_multiple_of(attribute.align.into()), 0);
                row.resize(row.len() + attribute.len as usize, byte);
            }
        }
        let len = row.len() as u32;
        row[..4].copy_from_slice(&len.to_ne_bytes());
        row
    }

    proptest! {
        #[test]
        fn agrees_with_the_plain_check(
            columns in proptest::collection::vec(any_column(), 0..20),
            lens in proptest::collection::vec(2usize..200, 20),
            byte in any::<u8>(),
            damages in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        ) {
            let attributes: Vec<_> = columns.iter().map(|column| column.attribute).collect();
            let shape = Shape::new(attributes.clone());
            let mut row = row(&attributes, byte, &lens);
            prop_assert_eq!(shape.check(&row), Ok(()));
            for (place, byte) in damages {
                *place.get_mut(&mut row[..]) = byte;
            }
            prop_assert_eq!(shape.check(&row), tuple::check(&row, &attributes));
        }

        #[test]
        fn survives_any_bytes(
            row in proptest::collection::vec(any::<u8>(), 0..200),
            columns in proptest::collection::vec(any_column(), 0..20),
        ) {
            let attributes: Vec<_> = columns.iter().map(|column| column.attribute).collect();
            prop_assert_eq!(Shape::new(attributes.clone()).check(&row), tuple::check(&row, &attributes));
        }
    }
}
