//! What a job has beside its text and its launcher's session: label, settings of its own, and the channel on which its
//! end is told.
//!
//! Most jobs have none of it: then nothing is written. Otherwise: label, channel, and the settings, name and value of
//! each, as counted strings.

use super::bytes::{Reader, put_counted};
use super::{Malformed, Result};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extras<'a> {
    /// Empty: none.
    pub label: &'a [u8],
    /// Empty: the end is not told.
    pub channel: &'a [u8],
    /// Names and values, in the order in which they are set.
    pub settings: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Extras<'a> {
    /// Is there nothing?
    pub fn is_empty(&self) -> bool {
        self.label.is_empty() && self.channel.is_empty() && self.settings.is_empty()
    }

    /// Appends the extras; nothing if there are none.
    pub fn encode(&self, to: &mut Vec<u8>) {
        if self.is_empty() {
            return;
        }
        put_counted(to, self.label);
        put_counted(to, self.channel);
        for (name, value) in &self.settings {
            put_counted(to, name);
            put_counted(to, value);
        }
    }

    /// The extras in `bytes`, which must have nothing else.
    pub fn decode(bytes: &'a [u8]) -> Result<Self> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let mut from = Reader::new(bytes);
        let (label, channel) = (from.counted()?, from.counted()?);
        let mut settings = Vec::new();
        while !from.is_empty() {
            let (name, value) = (from.counted()?, from.counted()?);
            if name.is_empty() {
                return Err(Malformed("a setting has no name"));
            }
            settings.push((name, value));
        }
        Ok(Self { label, channel, settings })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn decodes_what_it_encoded(
            label in "[a-z]{0,9}", channel in "[a-z]{0,9}",
            settings in proptest::collection::vec(("[a-z_.]{1,20}", "[ -~]{0,20}"), 0..9),
        ) {
            let settings = settings.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
            let extras = Extras { label: label.as_bytes(), channel: channel.as_bytes(), settings };
            let mut bytes = Vec::new();
            extras.encode(&mut bytes);
            prop_assert_eq!(bytes.is_empty(), extras.is_empty());
            prop_assert_eq!(Extras::decode(&bytes), Ok(extras));
        }

        #[test]
        fn survives_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = Extras::decode(&bytes);
        }
    }
}
