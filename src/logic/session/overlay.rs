//! Settings for a job in another database of the cluster.
//!
//! What a user, a client or a function has set in the launching session goes with the job. What a session begins with
//! is its own in each database: the built-in defaults, the configuration files, ALTER DATABASE, ALTER ROLE. So the
//! launcher sends only the first ([`beyond_defaults`]), and the worker lays them over what its new session had
//! ([`overlay`]).

use super::settings::{DEFAULT, FILE, OVERRIDE, Roles, Setting, Settings, append_mark, append_reset, append_setting};

/// Up to this source a value is what a session of this role in this database begins with (PGC_S_DATABASE_USER).
const BEGINNING: u32 = 8;

/// Was it set by the client, a user or a function?
fn is_sessions(setting: &Setting) -> bool {
    setting.source > BEGINNING
}

/// A state with what the session itself has set, to be laid over the settings of a session in another database.
/// `convert` brings a value into the encoding there.
pub fn beyond_defaults<E>(
    settings: &Settings,
    roles: Roles,
    mut convert: impl FnMut(&[u8]) -> Result<Vec<u8>, E>,
) -> Result<Vec<u8>, E> {
    let text = |text: &[u8]| text.strip_suffix(b"\0").unwrap_or(text).to_vec();
    let mut state = vec![0; size_of::<usize>()];
    for setting in settings.now.iter().filter(|s| is_sessions(s) && !s.is_of_transaction()) {
        append_setting(&mut state, &text(setting.name), &convert(&text(setting.value))?, setting, roles);
    }
    let len = state.len() - size_of::<usize>();
    state[..size_of::<usize>()].copy_from_slice(&len.to_ne_bytes());
    for setting in settings.resets.iter().filter(|s| is_sessions(s) || s.source == DEFAULT) {
        let value = convert(&text(setting.value))?;
        append_reset(&mut state, &text(setting.name), &value, setting.source, setting.context, setting.role);
    }
    append_mark(&mut state);
    Ok(state)
}

/// What a session has that began with `own`, after `theirs` were set in it. `theirs` are of [`beyond_defaults`].
pub fn overlay<'a>(own: &Settings<'a>, theirs: &Settings<'a>) -> Settings<'a> {
    fn of<'s, 'a>(settings: &'s [Setting<'a>], name: &[u8]) -> Option<&'s Setting<'a>> {
        settings.iter().find(|setting| setting.name == name)
    }
    let mut now = own.now.clone();
    let mut resets = own.resets.clone();
    for wanted in &theirs.now {
        let here = of(&own.now, wanted.name);
        if here.is_some_and(|here| here.source > wanted.source) {
            continue;
        }
        // what was SET keeps the place of the value beneath
        let wanted = Setting { has_file: here.is_some_and(|here| here.has_file), ..*wanted };
        if wanted.source > OVERRIDE && !wanted.is_of_users() && of(&theirs.resets, wanted.name).is_none() {
            // RESET gives what was here, if it is not what the files say; no state has that of users
            resets.extend(
                here.filter(|here| here.source > FILE && here.is_default())
                    .map(|here| Setting { has_file: false, ..*here }),
            );
        }
        now.retain(|setting| setting.name != wanted.name);
        now.push(wanted);
    }
    for wanted in &theirs.resets {
        if wanted.has_value() {
            resets.retain(|setting| setting.name != wanted.name);
            resets.push(*wanted);
        } else if of(&now, wanted.name).is_none() && of(&resets, wanted.name).is_none() {
            resets.push(*wanted);
        }
    }
    Settings { now, resets, is_overlay: false }
}

#[cfg(test)]
mod tests {
    use super::super::settings::tests::{IN_FILE, parsed, state, with_resets};
    use super::*;

    fn shown(settings: &Settings) -> (Vec<String>, Vec<String>) {
        let show = |s: &Setting| {
            format!("{}={} {}", String::from_utf8_lossy(s.name), String::from_utf8_lossy(s.value), s.source)
                .replace('\0', "")
        };
        let all = |settings: &[Setting]| {
            let mut all: Vec<_> = settings.iter().map(show).collect();
            all.sort();
            all
        };
        (all(&settings.now), all(&settings.resets))
    }

    fn sent(bytes: &[u8]) -> Vec<u8> {
        beyond_defaults(&parsed(bytes), Roles::Written, |value| Ok::<_, ()>(value.to_vec())).unwrap()
    }

    #[test]
    fn sends_what_the_session_has_set() {
        let launcher = with_resets(
            state(
                &[
                    IN_FILE,
                    ("search_path", "a", "", 6),
                    ("TimeZone", "UTC", "", 9),
                    ("jit", "off", "/etc/postgresql.conf", 13),
                    ("transaction_isolation", "serializable", "", 13),
                ],
                Roles::Written,
            ),
            &[("jit", "on", 6), ("a.b", "c", 9), ("a.c", "", 0)],
        );
        let state = sent(&launcher);
        let theirs = parsed(&state);
        assert!(theirs.is_overlay && !parsed(&launcher).is_overlay);
        let expected = (vec!["TimeZone=UTC 9".into(), "jit=off 13".into()], vec!["a.b=c 9".into(), "a.c= 0".into()]);
        assert_eq!(shown(&theirs), expected);
    }

    #[test]
    fn converts_values() {
        let launcher = with_resets(state(&[("a.b", "x", "", 13)], Roles::Written), &[("a.b", "y", 9)]);
        let state = beyond_defaults(&parsed(&launcher), Roles::Written, |value| Ok::<_, ()>([value, b"!"].concat()));
        let state = state.unwrap();
        assert_eq!(shown(&parsed(&state)), (vec!["a.b=x! 13".into()], vec!["a.b=y! 9".into()]));
        assert_eq!(beyond_defaults(&parsed(&launcher), Roles::Written, |_| Err(1)), Err(1));
    }

    #[test]
    fn lays_them_over_what_is_there() {
        let launcher = sent(&state(
            &[("jit", "off", "", 13), ("work_mem", "64", "", 13), ("TimeZone", "UTC", "", 9), ("own", "1", "", 9)],
            Roles::Written,
        ));
        let own = state(
            &[
                IN_FILE,
                ("jit", "on", "", 6),
                ("search_path", "b", "", 6),
                ("TimeZone", "CET", "", 7),
                ("own", "2", "", 13),
            ],
            Roles::Written,
        );
        let (own, launcher) = (parsed(&own), parsed(&launcher));
        let both = overlay(&own, &launcher);
        let expected = (
            ["TimeZone=UTC 9", "jit=off 13", "own=2 13", "search_path=b 6", "work_mem=64 13"]
                .map(String::from)
                .to_vec(),
            vec!["jit=on 6".to_string()],
        );
        assert_eq!(shown(&both), expected);
        assert!(both.now.iter().any(|s| s.name == b"work_mem\0" && s.has_file));
        assert!(!both.is_overlay);
        // once more is the same
        assert_eq!(shown(&overlay(&own, &launcher)), expected);
        assert_eq!(shown(&overlay(&own, &Settings::default())), shown(&own));
    }

    #[test]
    fn leaves_what_reset_gives_for_users() {
        let set = ("role", "a", "", 13);
        let own = state(&[("role", "b", "", 8), ("session_authorization", "c", "", 10)], Roles::Written);
        let launcher = sent(&state(&[set, ("session_authorization", "d", "", 13)], Roles::Written));
        let (own, launcher) = (parsed(&own), parsed(&launcher));
        let expected = (vec!["role=a 13".into(), "session_authorization=d 13".into()], vec![]);
        assert_eq!(shown(&overlay(&own, &launcher)), expected);
    }

    #[test]
    fn lays_what_reset_gives_over_what_is_there() {
        let launcher = with_resets(
            state(&[("TimeZone", "UTC", "", 13)], Roles::Written),
            &[("TimeZone", "GMT", 9), ("a.b", "", 0), ("a.c", "", 0)],
        );
        let launcher = sent(&launcher);
        let own = state(&[("TimeZone", "CET", "", 6), ("a.b", "here", "", 6)], Roles::Written);
        let (own, launcher) = (parsed(&own), parsed(&launcher));
        let expected =
            (vec!["TimeZone=UTC 13".into(), "a.b=here 6".into()], vec!["TimeZone=GMT 9".into(), "a.c= 0".into()]);
        assert_eq!(shown(&overlay(&own, &launcher)), expected);
    }
}
