//! The state of a session's settings, as the server serializes it for parallel workers (guc.c), and how one session's
//! becomes another's with the fewest changes.
//!
//! A state is its length and then, for each setting that is not at its built-in default: name, value and source file as
//! NUL-terminated strings, the line when there is a file, and then source, context and (since 15) role. Behind it is what the
//! server does not tell: the values that RESET would give where a setting has another one, and settings without a library that
//! have no value; each is name, value, source, context and role.

use crate::wire::Malformed;
use crate::wire::bytes::Reader;

type Result<T, E = Malformed> = std::result::Result<T, E>;

/// This source is that of a setting that has no value of its own (PGC_S_DEFAULT).
const DEFAULT: u32 = 0;
/// From this source a value has a place in a file, which no call can set (PGC_S_FILE).
const FILE: u32 = 3;
/// Up to this source a value is also what RESET gives (PGC_S_OVERRIDE).
const OVERRIDE: u32 = 10;

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

    /// Does the value begin and end with the transaction?
    fn is_of_transaction(&self) -> bool {
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

pub fn parse(state: &[u8], has_role: bool) -> Result<Settings<'_>> {
    let mut whole = Reader::new(state);
    let len = usize::from_ne_bytes(*whole.array()?);
    let now = parse_now(whole.take(len)?, has_role)?;
    let mut from = whole;
    let mut resets = Vec::new();
    while !from.is_empty() {
        let (name, value) = (string(&mut from)?, string(&mut from)?);
        let (source, context, role) = (from.u32()?, from.u32()?, from.u32()?);
        resets.push(Setting { name, value, has_file: false, source, context, role });
    }
    Ok(Settings { now, resets })
}

fn parse_now(state: &[u8], has_role: bool) -> Result<Vec<Setting<'_>>> {
    let mut from = Reader::new(state);
    let mut settings = Vec::new();
    while !from.is_empty() {
        let (name, value) = (string(&mut from)?, string(&mut from)?);
        let has_file = string(&mut from)?.len() > 1;
        if has_file {
            from.u32()?;
        }
        let (source, context) = (from.u32()?, from.u32()?);
        let role = if has_role { from.u32()? } else { 0 };
        settings.push(Setting { name, value, has_file, source, context, role });
    }
    Ok(settings)
}

/// What must be set so that a session that has `mine` has `theirs`, in their order; `None` when setting is not enough: when
/// mine has something that theirs has not, or that outranks theirs, or when the place in a file would be lost. What begins
/// and ends with a transaction is nobody's.
pub fn difference<'a>(mine: &[Setting], theirs: &[Setting<'a>]) -> Option<Vec<Setting<'a>>> {
    let same_name = |a: &Setting, b: &Setting| a.name == b.name;
    let mine = || mine.iter().filter(|m| !m.is_of_transaction());
    if mine().any(|m| !theirs.iter().any(|t| same_name(m, t))) {
        return None;
    }
    let mut changes = Vec::new();
    for wanted in theirs.iter().filter(|t| !t.is_of_transaction()) {
        match mine().find(|m| same_name(m, wanted)) {
            Some(here) if here == wanted => {}
            Some(here) if here.source > wanted.source => return None,
            // what was SET keeps the place of the value that RESET gives
            Some(here) if wanted.has_file && here.has_file && wanted.source > FILE => changes.push(*wanted),
            _ if wanted.has_file => return None,
            _ => changes.push(*wanted),
        }
    }
    Some(changes)
}

/// `theirs` in the words of `mine`, where a customized option means the same in both: a library's option is text where its library is
/// not loaded. `means(setting, text, reset)`: does the option of this session have that value, or what RESET gives?
pub fn in_words_of<'a, E>(
    mine: &Settings<'a>,
    theirs: &Settings<'a>,
    mut means: impl FnMut(&Setting<'a>, Which) -> Result<bool, E>,
) -> Result<Settings<'a>, E> {
    let mut translated = theirs.clone();
    for (mine, theirs, which) in
        [(&mine.now, &mut translated.now, Which::Now), (&mine.resets, &mut translated.resets, Which::Reset)]
    {
        for setting in theirs.iter_mut().filter(|s| s.has_value() && s.name.contains(&b'.')) {
            let Some(here) = mine.iter().find(|m| m.name == setting.name && m.value != setting.value) else {
                continue;
            };
            // the same line of the same file, which the other session has understood
            let same_line = here.source == FILE && setting.source == FILE && is_like(here.value, setting.value);
            if same_line || means(setting, which)? {
                setting.value = here.value;
            }
        }
    }
    Ok(translated)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    Now,
    Reset,
}

/// Two texts, with their NULs, for the same truth value or number.
fn is_like(a: &[u8], b: &[u8]) -> bool {
    fn text(value: &[u8]) -> Option<&str> {
        std::str::from_utf8(value.strip_suffix(b"\0")?).ok().map(str::trim)
    }
    fn truth(value: &str) -> Option<bool> {
        match value.to_ascii_lowercase().as_str() {
            "on" | "true" | "yes" | "1" => Some(true),
            "off" | "false" | "no" | "0" => Some(false),
            _ => None,
        }
    }
    let (Some(a), Some(b)) = (text(a), text(b)) else {
        return false;
    };
    let number = |value: &str| value.parse::<f64>().ok();
    truth(a).zip(truth(b)).is_some_and(|(a, b)| a == b)
        || number(a).zip(number(b)).is_some_and(|(a, b)| a.to_bits() == b.to_bits())
}

/// What must be reset before [`difference`] has an answer, where that helps: what only mine has, or what outranks theirs.
pub fn resets<'a>(mine: &[Setting<'a>], theirs: &[Setting]) -> Vec<Setting<'a>> {
    let in_the_way = |m: &&Setting| match theirs.iter().find(|t| t.name == m.name) {
        Some(wanted) => m.source > wanted.source,
        None => true,
    };
    mine.iter().filter(|m| !m.is_of_transaction() && !m.is_default()).filter(in_the_way).copied().collect()
}

/// Do two sessions have the same settings, in any order? Of what begins and ends with a transaction only its source counts,
/// and nothing of it where one of the two was in a transaction. Settings without a value are nobody's.
pub fn same(a: &Settings, b: &Settings, in_transaction: bool) -> bool {
    fn sorted<'a>(settings: &[Setting<'a>], in_transaction: bool) -> Vec<Setting<'a>> {
        let mut sorted: Vec<_> =
            settings.iter().filter(|s| !in_transaction || !s.is_of_transaction()).copied().collect();
        for setting in sorted.iter_mut().filter(|s| s.is_of_transaction()) {
            setting.value = b"";
        }
        sorted.sort_unstable_by_key(|s| s.name);
        sorted
    }
    fn resets<'a>(settings: &Settings<'a>) -> Vec<Setting<'a>> {
        let mut sorted: Vec<_> = settings.resets.iter().filter(|s| s.has_value()).copied().collect();
        sorted.sort_unstable_by_key(|s| s.name);
        sorted
    }
    sorted(&a.now, in_transaction) == sorted(&b.now, in_transaction) && resets(a) == resets(b)
}

/// Does `theirs` replace all of these values that RESET gives?
pub fn replaces_defaults(names: &[Vec<u8>], theirs: &Settings) -> bool {
    names.iter().all(|name| theirs.defaults().any(|t| t.name == name.as_slice()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn state(settings: &[(&str, &str, &str, u32)], has_role: bool) -> Vec<u8> {
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
            if has_role {
                body.extend_from_slice(&10u32.to_ne_bytes());
            }
        }
        let mut state = body.len().to_ne_bytes().to_vec();
        state.extend(body);
        state
    }

    /// With settings behind it, which have an empty file.
    fn with_resets(mut state: Vec<u8>, resets: &[(&str, &str, u32)]) -> Vec<u8> {
        for (name, value, source) in resets {
            state.extend(name.bytes().chain([0]).chain(value.bytes()).chain([0]));
            for number in [*source, 6, 10] {
                state.extend(number.to_ne_bytes());
            }
        }
        state
    }

    fn changed(mine: &[(&str, &str, &str, u32)], theirs: &[(&str, &str, &str, u32)]) -> Option<Vec<String>> {
        let (mine, theirs) = (state(mine, true), state(theirs, true));
        let (mine, theirs) = (parse(&mine, true).unwrap(), parse(&theirs, true).unwrap());
        let names = |s: Vec<Setting>| s.iter().map(|s| String::from_utf8_lossy(s.name).replace('\0', "")).collect();
        difference(&mine.now, &theirs.now).map(names)
    }

    const FILE: (&str, &str, &str, u32) = ("work_mem", "4096", "/etc/postgresql.conf", 3);

    #[test]
    fn sets_what_differs_and_what_is_new() {
        assert_eq!(changed(&[FILE], &[FILE]), Some(vec![]));
        let app = ("application_name", "psql", "", 9);
        assert_eq!(changed(&[FILE], &[app, FILE]), Some(vec!["application_name".into()]));
        assert_eq!(changed(&[FILE], &[("work_mem", "64", "", 13)]), Some(vec!["work_mem".into()]));
        // SET where a file has a value, too
        assert_eq!(changed(&[FILE], &[("work_mem", "64", "/etc/postgresql.conf", 13)]), Some(vec!["work_mem".into()]));
    }

    #[test]
    fn leaves_transactions_alone() {
        let default = ("transaction_isolation", "read committed", "", 10);
        let set = ("transaction_isolation", "serializable", "", 13);
        assert_eq!(changed(&[default], &[set]), Some(vec![]));
        assert_eq!(changed(&[set], &[]), Some(vec![]));
        assert!(alike(&[default], &[set], true));
        assert!(!alike(&[default], &[set], false));
        assert!(alike(&[default], &[("transaction_isolation", "serializable", "", 10)], false));
    }

    fn alike(a: &[(&str, &str, &str, u32)], b: &[(&str, &str, &str, u32)], in_transaction: bool) -> bool {
        let (a, b) = (state(a, true), state(b, true));
        same(&parse(&a, true).unwrap(), &parse(&b, true).unwrap(), in_transaction)
    }

    #[test]
    fn compares_in_any_order() {
        let (a, b) = (("a", "1", "", 13), ("b", "2", "", 9));
        assert!(alike(&[a, b], &[b, a], false));
        assert!(!alike(&[a, b], &[a], false));
        assert!(!alike(&[a], &[("a", "2", "", 13)], true));
        assert!(!alike(&[a], &[("a", "1", "", 12)], true));
    }

    #[test]
    fn resets_what_is_in_the_way() {
        let to_reset = |mine: &[(&str, &str, &str, u32)], theirs: &[(&str, &str, &str, u32)]| {
            let (mine, theirs) = (state(mine, true), state(theirs, true));
            let (mine, theirs) = (parse(&mine, true).unwrap(), parse(&theirs, true).unwrap());
            resets(&mine.now, &theirs.now)
                .iter()
                .map(|s| String::from_utf8_lossy(s.name).replace('\0', ""))
                .collect::<Vec<_>>()
        };
        let set = ("work_mem", "1", "", 13);
        assert_eq!(to_reset(&[set], &[]), ["work_mem"]);
        assert_eq!(to_reset(&[set], &[FILE]), ["work_mem"]);
        assert_eq!(to_reset(&[set], &[("work_mem", "2", "", 13)]), [""; 0]);
        // RESET gives just this
        assert_eq!(to_reset(&[FILE, ("a", "1", "", 10)], &[]), [""; 0]);
        assert_eq!(to_reset(&[("transaction_isolation", "serializable", "", 13)], &[]), [""; 0]);
    }

    #[test]
    fn knows_which_defaults_stay() {
        let theirs = state(&[("a", "1", "", 10), ("b", "1", "", 13)], true);
        let theirs = parse(&theirs, true).unwrap();
        let replaced = |name: &[u8]| replaces_defaults(&[name.to_vec()], &theirs);
        assert!(replaced(b"a\0"));
        assert!(!replaced(b"b\0") && !replaced(b"c\0"));
        assert!(replaces_defaults(&[], &theirs));
    }

    #[test]
    fn understands_other_words() {
        fn translated(mine: (&str, &str, &str, u32), theirs: (&str, &str, &str, u32), means: bool) -> String {
            let (mine, theirs) = (state(&[mine], true), state(&[theirs], true));
            let (mine, theirs) = (parse(&mine, true).unwrap(), parse(&theirs, true).unwrap());
            let translated = in_words_of(&mine, &theirs, |_, _| Ok::<_, ()>(means)).unwrap();
            String::from_utf8_lossy(translated.now[0].value).replace('\0', "")
        }
        let (file, set) = (|value| ("a.b", value, "/etc/postgresql.conf", 3), |value| ("a.b", value, "", 13));
        assert_eq!(translated(file("on"), file("true"), false), "on");
        assert_eq!(translated(file("0.3"), file("2.99999999999999989e-01"), false), "0.3");
        assert_eq!(translated(file("on"), file("off"), false), "off");
        assert_eq!(translated(file("100ms"), file("100"), false), "100");
        // a text is just that unless the setting says otherwise
        assert_eq!(translated(set("on"), set("true"), false), "true");
        assert_eq!(translated(set("on"), set("true"), true), "on");
        // settings of the server have one word for each value
        assert_eq!(translated(("jit", "on", "", 13), ("jit", "true", "", 13), true), "true");
    }

    #[test]
    fn knows_what_reset_gives() {
        let set = ("work_mem", "1", "", 13);
        let plain = state(&[set], true);
        let reset = with_resets(plain.clone(), &[("work_mem", "64", 9), ("a.b", "", 0)]);
        let (plain, reset) = (parse(&plain, true).unwrap(), parse(&reset, true).unwrap());
        assert_eq!((reset.now.clone(), reset.resets.len()), (plain.now.clone(), 2));
        assert!(!same(&plain, &reset, false) && same(&reset, &reset, false));
        assert!(reset.has(b"a.b\0") && !plain.has(b"a.b\0"));
        // a setting without a value makes no difference
        let empty = with_resets(state(&[set], true), &[("a.b", "", 0)]);
        assert!(same(&plain, &parse(&empty, true).unwrap(), false));
        let names =
            |s: &Settings, other: &Settings| s.defaults_beyond(other).map(|s| s.name.to_vec()).collect::<Vec<_>>();
        assert_eq!(names(&reset, &plain), [b"work_mem\0".to_vec()]);
        let client = state(&[("work_mem", "64", "", 9)], true);
        let client = parse(&client, true).unwrap();
        assert!(names(&reset, &client).is_empty() && names(&client, &reset).is_empty());
        assert!(
            replaces_defaults(&[b"work_mem\0".to_vec()], &reset)
                && !replaces_defaults(&[b"work_mem\0".to_vec()], &plain)
        );
    }

    #[test]
    fn finds_the_end_of_a_state() {
        let state = state(&[FILE], true);
        let cut = whole(&state).unwrap();
        assert_eq!(cut, state);
        let longer = with_resets(state.clone(), &[("work_mem", "64", 9)]);
        assert_eq!(whole(&longer).unwrap(), state);
        assert!(whole(&cut[..cut.len() - 1]).is_err());
        assert!(whole(&[]).is_err() && whole(&[255; 16]).is_err());
    }

    #[test]
    fn gives_up_where_setting_is_not_enough() {
        assert_eq!(changed(&[FILE], &[]), None);
        assert_eq!(changed(&[], &[FILE]), None);
        assert_eq!(changed(&[("work_mem", "1", "", 7)], &[("work_mem", "2", "", 3)]), None);
        assert_eq!(changed(&[FILE], &[("work_mem", "1", "/other", 3)]), None);
    }

    #[test]
    fn reads_states_with_and_without_roles() {
        for has_role in [true, false] {
            let state = state(&[FILE, ("a.b", "", "", 13)], has_role);
            let parsed = parse(&state, has_role).unwrap();
            let parsed = parsed.now;
            assert_eq!(parsed.len(), 2);
            assert_eq!((parsed[0].value, parsed[0].has_file, parsed[1].name), (&b"4096\0"[..], true, &b"a.b\0"[..]));
        }
    }

    proptest! {
        #[test]
        fn survives_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200), len in 0usize..200) {
            let mut state = len.to_ne_bytes().to_vec();
            state.extend(&bytes);
            for state in [&state, &bytes] {
                let _ = parse(state, true);
                let _ = parse(state, false);
                let _ = whole(state);
            }
        }
    }
}
