//! Patterns of LIKE.

use super::error::Result;
use super::guard::guard;
use super::sys;
use super::value::text_datum;

/// Is the text LIKE the pattern? As the server's own operator has it, character by character. Both are in the
/// database's encoding. An error if the pattern ends with its escape character.
pub fn is_like(text: &[u8], pattern: &[u8]) -> Result<bool> {
    let (text, pattern) = (text_datum(text)?, text_datum(pattern)?);
    // SAFETY: two texts.
    let answer =
        guard(|| unsafe { sys::DirectFunctionCall2Coll(Some(sys::textlike), sys::C_COLLATION_OID, text, pattern) })?;
    Ok(answer != 0)
}
