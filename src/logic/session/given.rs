//! Settings that a launch gives to its job: which names can be given.

/// Why a setting cannot be given to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It belongs to a transaction, and the job's transactions have not begun.
    OfTransaction,
    /// It says as whom the job runs, which is the launcher's.
    OfUser,
}

/// Whether the server's setting of that name, in whatever case, is one that cannot be given to a job.
pub fn refusal(name: &[u8]) -> Option<Refusal> {
    match name.to_ascii_lowercase().as_slice() {
        b"transaction_isolation" | b"transaction_read_only" | b"transaction_deferrable" => Some(Refusal::OfTransaction),
        b"role" | b"session_authorization" => Some(Refusal::OfUser),
        _ => None,
    }
}

/// Would SET take the name for a customized setting of which no library has said anything? Two or more identifiers with
/// dots between them.
pub fn is_custom_name(name: &[u8]) -> bool {
    let is_first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii();
    let is_later = |byte: u8| is_first(byte) || byte.is_ascii_digit() || byte == b'$';
    let is_identifier = |part: &[u8]| {
        part.split_first().is_some_and(|(first, rest)| is_first(*first) && rest.iter().all(|byte| is_later(*byte)))
    };
    name.contains(&b'.') && name.split(|byte| *byte == b'.').all(is_identifier)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_not_the_jobs_to_have() {
        assert_eq!(refusal(b"Transaction_Isolation"), Some(Refusal::OfTransaction));
        assert_eq!(refusal(b"ROLE"), Some(Refusal::OfUser));
        assert_eq!(refusal(b"session_authorization"), Some(Refusal::OfUser));
        for name in [&b"transaction_timeout"[..], b"default_transaction_isolation", b"work_mem", b"my.role", b""] {
            assert_eq!(refusal(name), None);
        }
    }

    #[test]
    fn knows_customized_names() {
        for name in [&b"my.var"[..], b"a.b.c", b"_x.y$1", "\u{fc}.\u{df}".as_bytes()] {
            assert!(is_custom_name(name));
        }
        for name in [&b"work_mem"[..], b"", b".", b"my.", b".var", b"my..var", b"1.x", b"a.b c", b"a.$", b"a-b.c"] {
            assert!(!is_custom_name(name));
        }
    }
}
