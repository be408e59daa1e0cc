//! Which settings are part of a session's state.

use super::settings;

/// A value of a setting: the bits of a number, or a text that may be NULL.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<T> {
    Number(u64),
    Text(Option<T>),
}

/// Who can set a setting, as far as it decides whether the setting is part of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The postmaster alone, or nothing at all: the same in all sessions, and not part of the state.
    OfServer,
    OfSession,
}

impl Kind {
    /// Is a setting with this source part of the serialized state?
    pub fn is_serialized(self, source: u32) -> bool {
        self == Self::OfSession && source != settings::DEFAULT
    }

    /// Would RESET give a value that a new session of the same role in the same database need not have, and that no
    /// other setting tells? `role` and `session_authorization` come with the connection, what begins with
    /// `transaction_` with the transaction; `seed` is no part of the state.
    pub fn has_reset(self, name: &[u8], source: u32, reset_source: u32) -> bool {
        self == Self::OfSession
            && source > settings::OVERRIDE
            && reset_source > settings::FILE
            && name != b"role"
            && name != b"session_authorization"
            && name != b"seed"
            && !name.starts_with(b"transaction_")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_has_what_a_session_has_set() {
        assert!(Kind::OfSession.is_serialized(3) && !Kind::OfSession.is_serialized(settings::DEFAULT));
        assert!(!Kind::OfServer.is_serialized(13));
    }

    #[test]
    fn reset_values_count_where_nothing_else_tells_them() {
        assert!(Kind::OfSession.has_reset(b"work_mem", 13, 9));
        // the value is what RESET gives, or RESET gives what the files say
        assert!(!Kind::OfSession.has_reset(b"work_mem", 10, 9) && !Kind::OfSession.has_reset(b"work_mem", 13, 3));
        assert!(!Kind::OfServer.has_reset(b"work_mem", 13, 9));
        for name in ["role", "session_authorization", "seed", "transaction_isolation"] {
            assert!(!Kind::OfSession.has_reset(name.as_bytes(), 13, 9), "{name}");
        }
    }
}
