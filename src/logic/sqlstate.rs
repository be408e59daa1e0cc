//! SQLSTATEs, packed as the server packs them: six bits a character, first character lowest.

/// The packed form of a five-character code such as `b"22012"`.
#[allow(clippy::trivially_copy_pass_by_ref)] // so that a byte string can be passed as it is
pub const fn pack(code: &[u8; 5]) -> i32 {
    let mut packed = 0;
    let mut i = 0;
    while i < 5 {
        packed |= (((code[i] - b'0') & 0x3F) as i32) << (6 * i);
        i += 1;
    }
    packed
}

/// The five characters.
pub fn unpack(packed: i32) -> [u8; 5] {
    std::array::from_fn(|i| (((packed >> (6 * i)) & 0x3F) as u8) + b'0')
}

/// The first two characters.
pub fn class(packed: i32) -> [u8; 2] {
    let [first, second, ..] = unpack(packed);
    [first, second]
}

pub const SUCCESSFUL_COMPLETION: i32 = pack(b"00000");
pub const WARNING: i32 = pack(b"01000");
pub const CONNECTION_FAILURE: i32 = pack(b"08006");
pub const FEATURE_NOT_SUPPORTED: i32 = pack(b"0A000");
pub const STRING_DATA_RIGHT_TRUNCATION: i32 = pack(b"22001");
pub const NULL_VALUE_NOT_ALLOWED: i32 = pack(b"22004");
pub const INVALID_PARAMETER_VALUE: i32 = pack(b"22023");
pub const ARRAY_SUBSCRIPT_ERROR: i32 = pack(b"2202E");
pub const ACTIVE_SQL_TRANSACTION: i32 = pack(b"25001");
pub const INVALID_TRANSACTION_TERMINATION: i32 = pack(b"2D000");
pub const UNDEFINED_DATABASE: i32 = pack(b"3D000");
pub const DEADLOCK_DETECTED: i32 = pack(b"40P01");
pub const INSUFFICIENT_PRIVILEGE: i32 = pack(b"42501");
pub const SYNTAX_ERROR: i32 = pack(b"42601");
pub const UNDEFINED_OBJECT: i32 = pack(b"42704");
pub const DATATYPE_MISMATCH: i32 = pack(b"42804");
pub const INVALID_FUNCTION_DEFINITION: i32 = pack(b"42P13");
pub const INSUFFICIENT_RESOURCES: i32 = pack(b"53000");
pub const DISK_FULL: i32 = pack(b"53100");
pub const OUT_OF_MEMORY: i32 = pack(b"53200");
pub const CONFIGURATION_LIMIT_EXCEEDED: i32 = pack(b"53400");
pub const PROGRAM_LIMIT_EXCEEDED: i32 = pack(b"54000");
pub const OBJECT_NOT_IN_PREREQUISITE_STATE: i32 = pack(b"55000");
pub const LOCK_NOT_AVAILABLE: i32 = pack(b"55P03");
pub const QUERY_CANCELED: i32 = pack(b"57014");
pub const IO_ERROR: i32 = pack(b"58030");
pub const UNDEFINED_FILE: i32 = pack(b"58P01");
pub const INTERNAL_ERROR: i32 = pack(b"XX000");
pub const DATA_CORRUPTED: i32 = pack(b"XX001");

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of the server's MAKE_SQLSTATE (errcodes.h).
    #[test]
    fn packs_as_the_server_does() {
        assert_eq!(pack(b"00000"), 0);
        assert_eq!(pack(b"01000"), 64);
        assert_eq!(QUERY_CANCELED, 67_371_461);
        assert_eq!(INTERNAL_ERROR, 2600);
    }

    #[test]
    fn unpacks_what_it_packed() {
        for code in [b"00000", b"57014", b"XX001", b"P0001", b"ZZZZZ"] {
            assert_eq!(&unpack(pack(code)), code);
        }
    }
}
