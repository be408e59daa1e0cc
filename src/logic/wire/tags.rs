//! The command tags of a job, in the order of its statements.

use super::Result;
use super::bytes::{Reader, put_counted};

/// Appends the tags.
pub fn encode<'a>(tags: impl IntoIterator<Item = &'a [u8]>, to: &mut Vec<u8>) {
    for tag in tags {
        put_counted(to, tag);
    }
}

/// The tags in `bytes`, which must have nothing else.
pub fn decode(bytes: &[u8]) -> Result<Vec<&[u8]>> {
    let mut from = Reader::new(bytes);
    let mut tags = Vec::new();
    while !from.is_empty() {
        tags.push(from.counted()?);
    }
    Ok(tags)
}

/// The command's name, which ends where the numbers of a tag begin: `INSERT` of `INSERT 0 2`.
pub fn command(tag: &[u8]) -> &[u8] {
    let len = tag.iter().rposition(|byte| !byte.is_ascii_digit() && *byte != b' ').map_or(0, |last| last + 1);
    &tag[..len]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_command_is_a_tag_without_numbers() {
        for (tag, name) in [
            ("INSERT 0 2", "INSERT"),
            ("SELECT 17", "SELECT"),
            ("CREATE TABLE", "CREATE TABLE"),
            ("REFRESH MATERIALIZED VIEW", "REFRESH MATERIALIZED VIEW"),
            ("", ""),
            ("7", ""),
        ] {
            assert_eq!(command(tag.as_bytes()), name.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn decodes_what_it_encoded(tags in proptest::collection::vec("[A-Z 0-9]{0,40}", 0..50)) {
            let tags: Vec<&[u8]> = tags.iter().map(String::as_bytes).collect();
            let mut bytes = Vec::new();
            encode(tags.iter().copied(), &mut bytes);
            prop_assert_eq!(decode(&bytes), Ok(tags));
        }

        #[test]
        fn survives_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = decode(&bytes);
        }
    }
}
