//! The state of a session's settings, as the server serializes it for parallel workers (guc.c), and how one session's
//! becomes another's with the fewest changes.
//!
//! A state is its length and then, for each setting that is not at its built-in default: name, value and source file as
//! NUL-terminated strings, the line when there is a file, and then source, context and (since 15) role.

use super::bytes::Reader;
use super::{Malformed, Result};

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

fn string<'a>(from: &mut Reader<'a>) -> Result<&'a [u8]> {
    let nul = memchr::memchr(0, from.rest()).ok_or(Malformed("a setting has no end"))?;
    from.take(nul + 1)
}

pub fn parse(state: &[u8], has_role: bool) -> Result<Vec<Setting<'_>>> {
    let mut whole = Reader::new(state);
    let len = usize::from_ne_bytes(*whole.array()?);
    let mut from = Reader::new(whole.take(len)?);
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
/// mine has something that theirs has not, or that outranks theirs, or when the place in a file would be lost.
pub fn difference<'a>(mine: &[Setting], theirs: &[Setting<'a>]) -> Option<Vec<Setting<'a>>> {
    let same_name = |a: &Setting, b: &Setting| a.name == b.name;
    if mine.iter().any(|m| !theirs.iter().any(|t| same_name(m, t))) {
        return None;
    }
    let mut changes = Vec::new();
    for wanted in theirs {
        match mine.iter().find(|m| same_name(m, wanted)) {
            Some(here) if here == wanted => {}
            Some(here) if here.source > wanted.source => return None,
            _ if wanted.has_file => return None,
            _ => changes.push(*wanted),
        }
    }
    Some(changes)
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
        state.extend([0; 9]); // the server estimates generously
        state
    }

    fn changed(mine: &[(&str, &str, &str, u32)], theirs: &[(&str, &str, &str, u32)]) -> Option<Vec<String>> {
        let (mine, theirs) = (state(mine, true), state(theirs, true));
        let (mine, theirs) = (parse(&mine, true).unwrap(), parse(&theirs, true).unwrap());
        let names = |s: Vec<Setting>| s.iter().map(|s| String::from_utf8_lossy(s.name).replace('\0', "")).collect();
        difference(&mine, &theirs).map(names)
    }

    const FILE: (&str, &str, &str, u32) = ("work_mem", "4096", "/etc/postgresql.conf", 3);

    #[test]
    fn sets_what_differs_and_what_is_new() {
        assert_eq!(changed(&[FILE], &[FILE]), Some(vec![]));
        let app = ("application_name", "psql", "", 9);
        assert_eq!(changed(&[FILE], &[app, FILE]), Some(vec!["application_name".into()]));
        assert_eq!(changed(&[FILE], &[("work_mem", "64", "", 13)]), Some(vec!["work_mem".into()]));
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
            }
        }
    }
}
