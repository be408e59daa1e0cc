//! The state of a session's settings, as the server serializes it for parallel workers (guc.c).
//!
//! A state is its length and then, for each setting that is not at its built-in default: name, value and source file as
//! NUL-terminated strings, the line when there is a file, and then source, context and (since 15) role. Behind it is
//! what the server does not write, in our own format (see [`append_reset`]): the values that RESET would give where a
//! setting has another one, and settings without a library that have no value. How one session's settings become
//! another's is in `change`.

use crate::wire::Malformed;
use crate::wire::bytes::Reader;

type Result<T, E = Malformed> = std::result::Result<T, E>;

/// This source is that of a setting that has no value of its own (PGC_S_DEFAULT).
pub const DEFAULT: u32 = 0;
/// From this source a value has a place in a file, which no call can set (PGC_S_FILE).
pub const FILE: u32 = 3;
/// Up to this source a value is also what RESET gives (PGC_S_OVERRIDE).
pub const OVERRIDE: u32 = 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting<'a> {
    /// These two with their NULs.
    pub name: &'a [u8],
    pub value: &'a [u8],
    pub has_file: bool,
    pub source: u32,
    pub context: u32,
    pub role: u32,
}

/// All of a session's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings<'a> {
    pub now: Vec<Setting<'a>>,
    /// See the head of the module.
    pub resets: Vec<Setting<'a>>,
    /// These are not all: they are to be laid over what the session began with (see `overlay`).
    pub is_overlay: bool,
}

impl<'a> Settings<'a> {
    /// What RESET would give, as far as the session says.
    pub fn defaults(&self) -> impl Iterator<Item = &Setting<'a>> {
        self.now.iter().filter(|s| s.is_default()).chain(self.resets.iter().filter(|s| s.has_value()))
    }

    /// Those of [`Self::defaults`] that the other session has not. A place in a file does not count.
    pub fn defaults_beyond<'s>(&'s self, other: &'s Settings) -> impl Iterator<Item = &'s Setting<'a>> {
        let same = |a: &Setting, b: &Setting| Setting { has_file: b.has_file, ..*a } == *b;
        self.defaults().filter(move |mine| !other.defaults().any(|theirs| same(mine, theirs)))
    }

    /// Does the session say which role RESET ROLE gives, other than none?
    pub fn has_default_role(&self) -> bool {
        self.now.iter().any(|s| s.name == b"role\0" && s.is_default() && s.source > FILE)
    }

    /// Is there such a setting? The name has its NUL.
    pub fn has(&self, name: &[u8]) -> bool {
        self.now.iter().chain(&self.resets).any(|s| s.name == name)
    }
}

impl Setting<'_> {
    pub fn has_value(&self) -> bool {
        self.source != DEFAULT
    }

    /// Is the value what RESET gives, too?
    pub fn is_default(&self) -> bool {
        self.source <= OVERRIDE
    }

    /// Is the value the name of the user as whom the session acts?
    pub fn is_of_users(&self) -> bool {
        matches!(self.name, b"role\0" | b"session_authorization\0")
    }

    /// Does the server refuse the value where the current user has no right to it? Of `temp_tablespaces` only what was
    /// set by a statement: of what came with the connection it leaves out what the user has no right to.
    pub fn needs_right(&self) -> bool {
        match self.name {
            b"temp_tablespaces\0" => !self.is_default(),
            b"default_text_search_config\0" => true,
            _ => false,
        }
    }

    /// Does the value begin and end with the transaction?
    pub(super) fn is_of_transaction(&self) -> bool {
        matches!(self.name, b"transaction_isolation\0" | b"transaction_read_only\0" | b"transaction_deferrable\0")
    }
}

/// The server's part of the state.
pub fn whole(state: &[u8]) -> Result<&[u8]> {
    let len = usize::from_ne_bytes(*Reader::new(state).array()?);
    len.checked_add(size_of::<usize>())
        .and_then(|len| state.get(..len))
        .ok_or(Malformed("the settings exceed the message"))
}

fn string<'a>(from: &mut Reader<'a>) -> Result<&'a [u8]> {
    let nul = memchr::memchr(0, from.rest()).ok_or(Malformed("a setting has no end"))?;
    from.take(nul + 1)
}

/// Does the server write which role has set a value? It does since 15.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Roles {
    Written,
    NotWritten,
}

pub fn parse(state: &[u8], roles: Roles) -> Result<Settings<'_>> {
    let mut whole = Reader::new(state);
    let len = usize::from_ne_bytes(*whole.array()?);
    let now = parse_now(whole.take(len)?, roles)?;
    let mut from = whole;
    let (mut resets, mut is_overlay) = (Vec::new(), false);
    while !from.is_empty() {
        if from.rest() == MARK {
            is_overlay = true;
            break;
        }
        let (name, value) = (string(&mut from)?, string(&mut from)?);
        let (source, context, role) = (from.u32()?, from.u32()?, from.u32()?);
        resets.push(Setting { name, value, has_file: false, source, context, role });
    }
    Ok(Settings { now, resets, is_overlay })
}

fn parse_now(state: &[u8], roles: Roles) -> Result<Vec<Setting<'_>>> {
    let mut from = Reader::new(state);
    let mut settings = Vec::new();
    while !from.is_empty() {
        settings.push(setting(&mut from, roles)?);
    }
    Ok(settings)
}

fn setting<'a>(from: &mut Reader<'a>, roles: Roles) -> Result<Setting<'a>> {
    let (name, value) = (string(from)?, string(from)?);
    let has_file = string(from)?.len() > 1;
    if has_file {
        from.u32()?;
    }
    let (source, context) = (from.u32()?, from.u32()?);
    let role = if roles == Roles::Written { from.u32()? } else { 0 };
    Ok(Setting { name, value, has_file, source, context, role })
}

/// Takes `seed` out of the server's part of a state, which is all that is there; returns how long the state is now.
///
/// What is set is an event, and no value: where `seed` is set, `random()` begins anew. A new process would begin so for
/// its job, and one that has the same settings already would not.
pub fn remove_seed(state: &mut [u8], roles: Roles) -> Result<usize> {
    remove(state, roles, |setting| setting.name == b"seed\0")
}

/// Takes some settings out of the server's part of a state, which is all that is there; returns how long it is now.
pub fn remove(state: &mut [u8], roles: Roles, is_unwanted: impl Fn(&Setting) -> bool) -> Result<usize> {
    const HEAD: usize = size_of::<usize>();
    let (mut start, mut len) = (HEAD, state.len());
    while start != len {
        let mut from = Reader::new(state.get(start..len).ok_or(Malformed("a state has no length"))?);
        let is_unwanted = is_unwanted(&setting(&mut from, roles)?);
        let end = len - from.rest().len();
        if is_unwanted {
            state.copy_within(end..len, start);
            len -= end - start;
        } else {
            start = end;
        }
    }
    state[..HEAD].copy_from_slice(&(len - HEAD).to_ne_bytes());
    Ok(len)
}

/// Writes what is behind the server's part of the state: a setting and the value that RESET gives it, neither with its
/// NUL. A `source` of [`DEFAULT`] means a setting without a library that is known and has no value.
pub fn append_reset(state: &mut Vec<u8>, name: &[u8], value: &[u8], source: u32, context: u32, role: u32) {
    for text in [name, value] {
        state.extend_from_slice(text);
        state.push(0);
    }
    for number in [source, context, role] {
        state.extend_from_slice(&number.to_ne_bytes());
    }
}

/// Writes a setting as the server does, into its part of the state; neither text with its NUL. The place in a file is
/// left out.
pub fn append_setting(state: &mut Vec<u8>, name: &[u8], value: &[u8], setting: &Setting, roles: Roles) {
    for text in [name, value, b""] {
        state.extend_from_slice(text);
        state.push(0);
    }
    state.extend_from_slice(&setting.source.to_ne_bytes());
    state.extend_from_slice(&setting.context.to_ne_bytes());
    if roles == Roles::Written {
        state.extend_from_slice(&setting.role.to_ne_bytes());
    }
}

/// At the end of a state: it is to be laid over other settings. No setting begins so, for none is without a name.
const MARK: &[u8] = b"\0overlay";

pub fn append_mark(state: &mut Vec<u8>) {
    state.extend_from_slice(MARK);
}

/// A real number as the server writes it in a state, with 17 digits behind the point and at least two in the exponent.
pub fn real_text(value: f64) -> String {
    let text = format!("{value:.17e}");
    let Some((digits, exponent)) = text.split_once('e') else {
        return text;
    };
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    format!("{digits}e{sign}{exponent:0>2}")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Name, value, file, source; without NULs.
    pub type Row<'a> = (&'a str, &'a str, &'a str, u32);

    pub const IN_FILE: Row = ("work_mem", "4096", "/etc/postgresql.conf", 3);

    /// A state with these settings, as the server writes it.
    pub fn state(settings: &[Row], roles: Roles) -> Vec<u8> {
        let mut body = Vec::new();
        for (name, value, file, source) in settings {
            for text in [name, value, file] {
                body.extend_from_slice(text.as_bytes());
                body.push(0);
            }
            if !file.is_empty() {
                body.extend_from_slice(&7u32.to_ne_bytes());
            }
            body.extend_from_slice(&source.to_ne_bytes());
            body.extend_from_slice(&6u32.to_ne_bytes());
            if roles == Roles::Written {
                body.extend_from_slice(&10u32.to_ne_bytes());
            }
        }
        let mut state = body.len().to_ne_bytes().to_vec();
        state.extend(body);
        state
    }

    /// A state with what RESET gives behind it: name, value, source.
    pub fn with_resets(mut state: Vec<u8>, resets: &[(&str, &str, u32)]) -> Vec<u8> {
        for (name, value, source) in resets {
            append_reset(&mut state, name.as_bytes(), value.as_bytes(), *source, 6, 10);
        }
        state
    }

    pub fn parsed(state: &[u8]) -> Settings<'_> {
        parse(state, Roles::Written).unwrap()
    }

    #[test]
    fn finds_the_end_of_a_state() {
        let state = state(&[IN_FILE], Roles::Written);
        let cut = whole(&state).unwrap();
        assert_eq!(cut, state);
        let longer = with_resets(state.clone(), &[("work_mem", "64", 9)]);
        assert_eq!(whole(&longer).unwrap(), state);
        assert!(whole(&cut[..cut.len() - 1]).is_err());
        assert!(whole(&[]).is_err() && whole(&[255; 16]).is_err());
    }

    #[test]
    fn reads_states_with_and_without_roles() {
        for roles in [Roles::Written, Roles::NotWritten] {
            let state = state(&[IN_FILE, ("a.b", "", "", 13)], roles);
            let parsed = parse(&state, roles).unwrap().now;
            assert_eq!(parsed.len(), 2);
            assert_eq!((parsed[0].value, parsed[0].has_file, parsed[1].name), (&b"4096\0"[..], true, &b"a.b\0"[..]));
        }
    }

    #[test]
    fn takes_out_the_seed() {
        let (seed, other) = (("seed", "0.5", "", 13), ("seed.of_mine", "1", "", 13));
        for roles in [Roles::Written, Roles::NotWritten] {
            for (with, without) in [
                (&[IN_FILE, seed, other][..], &[IN_FILE, other][..]),
                (&[seed], &[]),
                (&[other, seed], &[other]),
                (&[IN_FILE, other], &[IN_FILE, other]),
                (&[], &[]),
            ] {
                let mut with = state(with, roles);
                let len = remove_seed(&mut with, roles).unwrap();
                assert_eq!(with[..len], state(without, roles));
            }
        }
        assert!(remove_seed(&mut [1, 2, 3], Roles::Written).is_err());
        let mut both = state(&[seed, IN_FILE, other], Roles::Written);
        let len = remove(&mut both, Roles::Written, |setting| !setting.has_file).unwrap();
        assert_eq!(both[..len], state(&[IN_FILE], Roles::Written));
    }

    #[test]
    fn reads_the_resets_that_it_writes() {
        let state = with_resets(state(&[IN_FILE], Roles::Written), &[("work_mem", "64", 9), ("a.b", "", DEFAULT)]);
        let reset = |name, value, source| Setting { name, value, has_file: false, source, context: 6, role: 10 };
        let expected = [reset(b"work_mem\0", b"64\0", 9), reset(b"a.b\0", b"\0", DEFAULT)];
        assert_eq!(parsed(&state).resets, expected);
    }

    #[test]
    fn writes_real_numbers_as_the_server_does() {
        assert_eq!(real_text(0.3), "2.99999999999999989e-01");
        assert_eq!(real_text(-1.5), "-1.50000000000000000e+00");
        assert_eq!(real_text(0.0), "0.00000000000000000e+00");
        assert_eq!(real_text(3.99e110), "3.99000000000000012e+110");
        assert_eq!(real_text(f64::INFINITY), "inf");
    }

    proptest! {
        #[test]
        fn survives_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200), len in 0usize..200) {
            let mut state = len.to_ne_bytes().to_vec();
            state.extend(&bytes);
            for state in [&state, &bytes] {
                let _ = parse(state, Roles::Written);
                let _ = parse(state, Roles::NotWritten);
                let _ = whole(state);
                let _ = remove_seed(&mut state.clone(), Roles::Written);
            }
        }
    }
}
