//! The name that the server gives to a dynamic shared memory segment.

/// The handle of the segment that an error of dsm_impl.c is about. The message is of the session's language, but the
/// name in it ends in the handle: after a point, or, of System V's, after a quotation mark alone. Other numbers, such
/// as those of unknown errors, stand after a space, or before it, as a limit of files in brackets; or after a letter,
/// in Chinese and Japanese without a space.
pub fn handle_in(message: &[u8]) -> Option<u32> {
    let is_digit = |at: usize| message.get(at).is_some_and(u8::is_ascii_digit);
    let follows_mark =
        |at: usize| at > 0 && !message[at - 1].is_ascii_alphanumeric() && !message[at - 1].is_ascii_whitespace();
    let follows_point = |at: usize| at > 0 && message[at - 1] == b'.';
    let last = |follows: &dyn Fn(usize) -> bool| (0..message.len()).rfind(|&at| is_digit(at) && follows(at));
    let start = last(&follows_point).or_else(|| last(&follows_mark))?;
    let digits = message[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&message[start..start + digits]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::handle_in;

    #[test]
    fn a_segment_is_named() {
        let named = |message: &str| handle_in(message.as_bytes());
        let posix = "could not map shared memory segment \"/PostgreSQL.3746372918\": Cannot allocate memory";
        assert_eq!(named(posix), Some(3_746_372_918));
        let german = "konnte Shared-Memory-Segment »pg_dynshmem/mmap.42« nicht öffnen: Unknown error 524";
        assert_eq!(named(german), Some(42));
        assert_eq!(named("could not map shared memory segment \"17\": Cannot allocate memory"), Some(17));
        assert_eq!(named("konnte Shared-Memory-Segment »17« nicht mappen"), Some(17));
        let files = "exceeded maxAllocatedDescs (492) while trying to open file \"pg_dynshmem/mmap.42\"";
        assert_eq!(named(files), Some(42));
        let japanese = "共有メモリセグメント\"/PostgreSQL.77\"の4096バイトへのサイズ変更ができませんでした";
        assert_eq!(named(japanese), Some(77));
        assert_eq!(named("could not get shared memory segment: Unknown error 524"), None);
        assert_eq!(named("could not map shared memory segment \"/PostgreSQL.99999999999\""), None);
        assert_eq!(named("invalid DSA memory alloc request size 4711"), None);
        assert_eq!(named("7"), None);
        assert_eq!(named(""), None);
    }
}
