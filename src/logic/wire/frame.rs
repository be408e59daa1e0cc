//! Frames: the messages of a job's queue.
//!
//! ```text
//! byte 0      1 2 3     4 5 6 7     8 ...
//!      kind   0 0 0     count       body
//! ```
//!
//! A head of eight bytes keeps the tuples of a batch aligned to eight bytes, as the server needs them, whenever the
//! message itself is. A row that is too long for a batch travels in pieces.

use super::tuple;
use super::{Malformed, Result};

/// Bytes before the body.
pub const HEAD: usize = 8;
/// A row longer than this travels in pieces of this size, so that no message comes near the size that the server
/// refuses.
pub const PIECE: usize = 1 << 18;

/// What a frame's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// The columns ([`super::columns`]); once, before any row.
    Description = 1,
    /// As many whole rows as the count says, each padded to eight bytes.
    Batch = 2,
    /// A part of one row. The count is 1 in the row's last piece.
    Piece = 3,
    /// A message of the job below ERROR ([`super::report`]).
    Notice = 4,
    /// The whole error of a job whose outcome has no room for it.
    Error = 5,
    /// The command tags ([`super::tags`]) of a job whose outcome has no room for them.
    Tags = 6,
}

/// Starts a frame in `to`; the caller appends its body.
pub fn begin(kind: Kind, count: u32, to: &mut Vec<u8>) {
    to.clear();
    to.extend_from_slice(&[kind as u8, 0, 0, 0]);
    to.extend_from_slice(&count.to_ne_bytes());
}

/// Sets the count of a frame that was begun.
pub fn set_count(frame: &mut [u8], count: u32) {
    frame[4..HEAD].copy_from_slice(&count.to_ne_bytes());
}

/// A row to send: a MinimalTuple, in one piece or in two.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    head: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Row<'a> {
    pub fn whole(tuple: &'a [u8]) -> Self {
        Self { head: tuple, rest: &[] }
    }

    /// A row of one value, which is not copied: the value's bytes follow the head that [`tuple::Head`] has made.
    pub fn of_value(head: &'a tuple::Head, value: &'a [u8]) -> Self {
        Self { head: head.bytes(), rest: value }
    }

    pub fn len(self) -> usize {
        self.head.len() + self.rest.len()
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Appends the bytes from `start` on, at most `max` of them.
    pub fn put_part(self, start: usize, max: usize, to: &mut Vec<u8>) {
        let of_head = self.head.get(start..).unwrap_or_default();
        let of_head = &of_head[..of_head.len().min(max)];
        let of_rest = self.rest.get(start.saturating_sub(self.head.len())..).unwrap_or_default();
        let of_rest = &of_rest[..of_rest.len().min(max - of_head.len())];
        to.extend_from_slice(of_head);
        to.extend_from_slice(of_rest);
    }
}

/// Appends a row to a batch.
pub fn put_row(frame: &mut Vec<u8>, row: Row) {
    frame.extend_from_slice(row.head);
    frame.extend_from_slice(row.rest);
    frame.resize(frame.len().next_multiple_of(8), 0);
}

/// The kind, count and body of a frame.
pub fn parse(frame: &[u8]) -> Result<(Kind, u32, &[u8])> {
    let (head, body) = frame.split_first_chunk::<HEAD>().ok_or(Malformed("a message is too short"))?;
    let kind = match head[0] {
        1 => Kind::Description,
        2 => Kind::Batch,
        3 => Kind::Piece,
        4 => Kind::Notice,
        5 => Kind::Error,
        6 => Kind::Tags,
        _ => return Err(Malformed("a message has an unknown kind")),
    };
    if head[1..4] != [0, 0, 0] {
        return Err(Malformed("a message has a damaged head"));
    }
    Ok((kind, u32::from_ne_bytes([head[4], head[5], head[6], head[7]]), body))
}

/// The rows of a batch, one after the other; an error if they are not as many as the count says, or do not fill the
/// body.
pub struct BatchRows<'a> {
    left: u32,
    body: &'a [u8],
}

/// The rows in the body of a [`Kind::Batch`].
pub fn rows(count: u32, body: &[u8]) -> BatchRows<'_> {
    BatchRows { left: count, body }
}

/// How many bytes the first `count` rows of a batch take.
pub fn length_of_rows(count: u32, body: &[u8]) -> Result<usize> {
    let mut at = 0;
    for _ in 0..count {
        at += tuple::length(body.get(at..).unwrap_or_default())?.next_multiple_of(8);
    }
    // The last row may lack its padding.
    Ok(at.min(body.len()))
}

impl<'a> Iterator for BatchRows<'a> {
    type Item = Result<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            let whole = self.body.is_empty();
            self.body = &[];
            return (!whole).then_some(Err(Malformed("bytes after the last row")));
        }
        self.left -= 1;
        match tuple::length(self.body) {
            Ok(len) => {
                let row = &self.body[..len];
                self.body = self.body.get(len.next_multiple_of(8)..).unwrap_or_default();
                Some(Ok(row))
            }
            Err(error) => {
                self.left = 0;
                self.body = &[];
                Some(Err(error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_batch_gives_back_its_rows(texts in proptest::collection::vec("[a-z]{0,200}", 0..60)) {
            let sent: Vec<_> =
                texts.iter().map(|text| tuple::tests::sample(Some(1), Some(text.as_bytes()))).collect();
            let mut frame = Vec::new();
            begin(Kind::Batch, 0, &mut frame);
            for row in &sent {
                prop_assert_eq!(frame.len() % 8, 0);
                put_row(&mut frame, Row::whole(row));
            }
            set_count(&mut frame, sent.len() as u32);
            let (kind, count, body) = parse(&frame).unwrap();
            prop_assert_eq!(kind, Kind::Batch);
            let got: Vec<_> = rows(count, body).collect::<Result<_>>().unwrap();
            prop_assert_eq!(&got, &sent.iter().map(Vec::as_slice).collect::<Vec<_>>());
            // a batch can be read in two parts
            for first in 0..=count {
                let at = length_of_rows(first, body).unwrap();
                let parts = rows(first, &body[..at]).chain(rows(count - first, &body[at..]));
                prop_assert_eq!(parts.collect::<Result<Vec<_>>>().unwrap().len(), got.len());
            }
            prop_assert!(length_of_rows(count + 1, body).is_err());
            // one row more or fewer than there are is noticed
            prop_assert!(rows(count + 1, body).any(|row| row.is_err()));
            prop_assert!(count == 0 || rows(count - 1, body).any(|row| row.is_err()));
        }

        #[test]
        fn survives_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Ok((_, count, body)) = parse(&bytes) {
                prop_assert!(rows(count, body).count() <= bytes.len() + 1);
            }
            prop_assert!(rows(u32::MAX, &bytes).count() <= bytes.len() + 1);
            for first in 0..4 {
                if let Ok(at) = length_of_rows(first, &bytes) {
                    let parts = rows(first, &bytes[..at]).chain(rows(5 - first, &bytes[at..]));
                    prop_assert_eq!(parts.collect::<Vec<_>>(), rows(5, &bytes).collect::<Vec<_>>());
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_row_of_a_value_is_that_row(value in proptest::collection::vec(any::<u8>(), 0..400), piece in 1usize..100) {
            let head = tuple::Head::of_value(value.len()).unwrap();
            let row = Row::of_value(&head, &value);
            let mut frame = Vec::new();
            put_row(&mut frame, row);
            prop_assert_eq!(frame.len(), row.len().next_multiple_of(8));
            frame.truncate(row.len());
            prop_assert_eq!(tuple::length(&frame), Ok(frame.len()));
            prop_assert_eq!(tuple::check(&frame, &[tuple::Attribute::new(-1, 4).unwrap()]), Ok(()));
            prop_assert!(frame.ends_with(&value));
            let mut pieces = Vec::new();
            for start in (0..row.len()).step_by(piece) {
                let before = pieces.len();
                row.put_part(start, piece, &mut pieces);
                prop_assert_eq!(pieces.len() - before, piece.min(row.len() - start));
            }
            prop_assert_eq!(pieces, frame);
        }
    }

    #[test]
    fn heads_are_checked() {
        let mut frame = Vec::new();
        begin(Kind::Tags, 7, &mut frame);
        assert_eq!(parse(&frame), Ok((Kind::Tags, 7, &[][..])));
        frame[2] = 1;
        assert!(parse(&frame).is_err());
        assert!(parse(&[0; 8]).is_err());
        assert!(parse(&[2; 7]).is_err());
    }
}
