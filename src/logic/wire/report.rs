//! Errors and notices with all of their fields, as `ereport` knows them.

use super::bytes::{Reader, put_counted};
use super::{Malformed, Result};

/// The names of a report's texts, as `ErrorData` has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Field {
    Message,
    Schema,
    Table,
    Column,
    Datatype,
    Constraint,
    Detail,
    Hint,
    Context,
    InternalQuery,
    DetailLog,
}

impl Field {
    pub const ALL: [Self; 11] = [
        Self::Message,
        Self::Schema,
        Self::Table,
        Self::Column,
        Self::Datatype,
        Self::Constraint,
        Self::Detail,
        Self::Hint,
        Self::Context,
        Self::InternalQuery,
        Self::DetailLog,
    ];
}

/// An error or a notice. Its texts are in the database encoding, without NULs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The server's elevel.
    pub level: i32,
    /// Packed SQLSTATE.
    pub sqlstate: i32,
    /// Position in the job's text, in characters from 1; 0 is none.
    pub cursor: i32,
    /// Likewise in the internal query.
    pub internal_cursor: i32,
    texts: [Option<Vec<u8>>; Field::ALL.len()],
}

const FIXED: usize = 16;
const PER_TEXT: usize = 5;

impl Report {
    /// A report that has nothing but these.
    pub fn new(level: i32, sqlstate: i32, message: impl Into<Vec<u8>>) -> Self {
        let mut report = Self { level, sqlstate, ..Self::default() };
        report.set(Field::Message, message);
        report
    }

    /// Sets a text, which ends at its first NUL, as it would for the server.
    pub fn set(&mut self, field: Field, text: impl Into<Vec<u8>>) {
        let mut text = text.into();
        if let Some(nul) = memchr::memchr(0, &text) {
            text.truncate(nul);
        }
        self.texts[field as usize] = Some(text);
    }

    /// A text, if the report has it.
    pub fn get(&self, field: Field) -> Option<&[u8]> {
        self.texts[field as usize].as_deref()
    }

    /// The message, or nothing.
    pub fn message(&self) -> &[u8] {
        self.get(Field::Message).unwrap_or(b"")
    }

    /// Adds a line below the context that is there.
    pub fn add_context(&mut self, line: &[u8]) {
        let mut context = self.texts[Field::Context as usize].take().unwrap_or_default();
        if !context.is_empty() {
            context.push(b'\n');
        }
        context.extend_from_slice(line);
        self.set(Field::Context, context);
    }

    #[cfg(test)]
    fn size(&self) -> usize {
        FIXED + self.texts.iter().flatten().map(|text| PER_TEXT + text.len()).sum::<usize>()
    }

    /// Appends the report.
    pub fn encode(&self, to: &mut Vec<u8>) {
        for number in [self.level, self.sqlstate, self.cursor, self.internal_cursor] {
            to.extend_from_slice(&number.to_ne_bytes());
        }
        for field in Field::ALL {
            if let Some(text) = self.get(field) {
                to.push(field as u8);
                put_counted(to, text);
            }
        }
    }

    /// Makes the report fit into `max` bytes by cutting its longest texts; true if anything was lost. `clip` gives the
    /// length, at most the given one, at which a text may be cut without breaking a character. `max` must leave room
    /// for the numbers and for the head of each field.
    pub fn fit(&mut self, max: usize, clip: impl Fn(&[u8], usize) -> usize) -> bool {
        let texts = || self.texts.iter().flatten();
        let heads = FIXED + PER_TEXT * texts().count();
        let mut longest = texts().map(Vec::len).max().unwrap_or(0);
        while heads + texts().map(|text| text.len().min(longest)).sum::<usize>() > max && longest > 0 {
            longest -= longest.div_ceil(8);
        }
        let mut cut = false;
        for text in self.texts.iter_mut().flatten().filter(|text| text.len() > longest) {
            let keep = clip(text, longest);
            text.truncate(keep);
            cut = true;
        }
        cut
    }

    /// The report in `bytes`, which must have nothing else. Of a field that comes twice the last text counts.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut from = Reader::new(bytes);
        let mut report = Self {
            level: from.i32()?,
            sqlstate: from.i32()?,
            cursor: from.i32()?,
            internal_cursor: from.i32()?,
            ..Self::default()
        };
        while !from.is_empty() {
            let tag = from.u8()?;
            let field = *Field::ALL.get(tag as usize).ok_or(Malformed("a report has a field that does not exist"))?;
            report.set(field, from.counted()?);
        }
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_report() -> impl Strategy<Value = Report> {
        let text = proptest::option::of(proptest::collection::vec(1u8.., 0..200));
        (any::<[i32; 4]>(), proptest::collection::vec(text, Field::ALL.len())).prop_map(|(numbers, texts)| {
            let mut report = Report {
                level: numbers[0],
                sqlstate: numbers[1],
                cursor: numbers[2],
                internal_cursor: numbers[3],
                ..Report::default()
            };
            for (field, text) in Field::ALL.into_iter().zip(texts) {
                if let Some(text) = text {
                    report.set(field, text);
                }
            }
            report
        })
    }

    proptest! {
        #[test]
        fn decodes_what_it_encoded(report in any_report()) {
            let mut bytes = Vec::new();
            report.encode(&mut bytes);
            prop_assert_eq!(bytes.len(), report.size());
            prop_assert_eq!(Report::decode(&bytes), Ok(report));
        }

        #[test]
        fn fits_and_cuts_only_the_longest(report in any_report(), max in 100usize..3000) {
            let mut fitted = report.clone();
            let cut = fitted.fit(max, |_, len| len);
            prop_assert!(fitted.size() <= max);
            prop_assert_eq!(cut, fitted != report);
            let longest = fitted.texts.iter().flatten().map(Vec::len).max().unwrap_or(0);
            for (before, after) in report.texts.iter().zip(&fitted.texts) {
                prop_assert_eq!(before.is_some(), after.is_some());
                if before != after {
                    prop_assert_eq!(after.as_ref().map(Vec::len), Some(longest));
                }
            }
        }

        #[test]
        fn survives_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Report::decode(&bytes);
        }
    }

    #[test]
    fn never_cuts_inside_a_character() {
        let mut report = Report::new(21, 0, "é".repeat(50).into_bytes());
        assert!(report.fit(FIXED + PER_TEXT + 33, |_, len| len / 2 * 2));
        assert!(report.message().len() > 20);
        assert_eq!(report.message(), "é".repeat(report.message().len() / 2).as_bytes());
    }

    #[test]
    fn context_lines_stack_and_texts_end_at_a_nul() {
        let mut report = Report::new(21, 0, *b"a\0b");
        assert_eq!(report.message(), b"a");
        report.add_context(b"one");
        report.add_context(b"two");
        assert_eq!(report.get(Field::Context), Some(&b"one\ntwo"[..]));
    }
}
