//! What the settings of a session were once, and whether they are the same still: to look takes a fifth of the time
//! that serializing them takes, and a warm call looks several times.

use super::settings;

/// A setting that is part of the serialized state, as it is or was. `T` is its texts: borrowed from the server, or a
/// place in a snapshot. The derived comparison goes from top to bottom: what changes most often is first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SettingView<T> {
    pub value: Value<T>,
    pub source: u32,
    /// The context and the role that it was set with.
    pub context: u32,
    pub role: u32,
    pub line: i32,
    /// The value that RESET gives and its source, when [`Kind::has_reset`] says so.
    pub reset: Option<(u32, Value<T>)>,
    pub name: T,
    pub file: Option<T>,
}

/// A value of a setting: the bits of a number, or a text that may be NULL.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<T> {
    Number(u64),
    Text(Option<T>),
}

impl<T: Copy> SettingView<T> {
    fn map<U>(&self, mut text: impl FnMut(T) -> U) -> SettingView<U> {
        let mut value = |value: Value<T>| match value {
            Value::Number(number) => Value::Number(number),
            Value::Text(value) => Value::Text(value.map(&mut text)),
        };
        let (now, reset) = (value(self.value), self.reset.map(|(source, reset)| (source, value(reset))));
        SettingView {
            value: now,
            source: self.source,
            context: self.context,
            role: self.role,
            line: self.line,
            reset,
            name: text(self.name),
            file: self.file.map(text),
        }
    }
}

/// Where a text is in the snapshot's texts.
#[derive(Clone, Copy)]
struct Place {
    start: usize,
    end: usize,
}

/// The settings of a session at one time, with copies of their texts: a setting without a library goes when its library
/// comes.
#[derive(Default)]
pub struct SettingsSnapshot {
    settings: Vec<SettingView<Place>>,
    texts: Vec<u8>,
}

impl SettingsSnapshot {
    pub fn new<'a>(settings: impl Iterator<Item = SettingView<&'a [u8]>>) -> Self {
        let mut texts = Vec::new();
        let settings = settings.map(|setting| {
            setting.map(|text| {
                let start = texts.len();
                texts.extend_from_slice(text);
                Place { start, end: texts.len() }
            })
        });
        Self { settings: settings.collect(), texts }
    }

    /// Are these the same settings, in the same order, as when the snapshot was taken?
    pub fn has<'a>(&self, settings: impl Iterator<Item = SettingView<&'a [u8]>>) -> bool {
        let mut were = self.settings.iter();
        for now in settings {
            let Some(was) = were.next() else {
                return false;
            };
            if was.map(|at| self.texts.get(at.start..at.end).unwrap_or(&[])) != now {
                return false;
            }
        }
        were.next().is_none()
    }
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
    /// `transaction_` with the transaction.
    pub fn has_reset(self, name: &[u8], source: u32, reset_source: u32) -> bool {
        self == Self::OfSession
            && source > settings::OVERRIDE
            && reset_source > settings::FILE
            && name != b"role"
            && name != b"session_authorization"
            && !name.starts_with(b"transaction_")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &'static str, value: &'static str) -> SettingView<&'static [u8]> {
        SettingView {
            value: Value::Text(Some(value.as_bytes())),
            source: 13,
            context: 6,
            role: 10,
            line: 0,
            reset: None,
            name: name.as_bytes(),
            file: None,
        }
    }

    #[test]
    fn a_snapshot_has_what_it_was_taken_of() {
        let settings = [
            set("a.b", "c"),
            SettingView { value: Value::Number(1), reset: Some((9, Value::Number(0))), ..set("jit", "") },
            SettingView { file: Some(&b"/etc/postgresql.conf"[..]), line: 7, ..set("datestyle", "ISO, MDY") },
            SettingView { value: Value::Text(None), reset: Some((9, Value::Text(Some(b"x")))), ..set("a.null", "") },
        ];
        assert!(SettingsSnapshot::new(settings.into_iter()).has(settings.into_iter()));
        assert!(SettingsSnapshot::default().has([].into_iter()));
    }

    #[test]
    fn a_snapshot_notices_every_change_of_a_setting() {
        let one =
            SettingView { file: Some(&b"/file"[..]), line: 7, reset: Some((9, Value::Number(1))), ..set("a.b", "c") };
        let snapshot = SettingsSnapshot::new([one].into_iter());
        let others: [SettingView<&[u8]>; 14] = [
            SettingView { value: Value::Text(Some(b"d")), ..one },
            SettingView { value: Value::Text(Some(b"")), ..one },
            SettingView { value: Value::Text(None), ..one },
            SettingView { value: Value::Number(0), ..one },
            SettingView { source: 12, ..one },
            SettingView { context: 5, ..one },
            SettingView { role: 11, ..one },
            SettingView { line: 8, ..one },
            SettingView { reset: None, ..one },
            SettingView { reset: Some((10, Value::Number(1))), ..one },
            SettingView { reset: Some((9, Value::Number(2))), ..one },
            SettingView { name: b"a.c", ..one },
            SettingView { file: Some(b"/file2"), ..one },
            SettingView { file: None, ..one },
        ];
        for other in others {
            assert!(!snapshot.has([other].into_iter()), "{other:?}");
        }
    }

    #[test]
    fn a_snapshot_notices_settings_that_come_and_go() {
        let (a, b) = (set("a.a", "1"), set("a.b", "2"));
        let snapshot = SettingsSnapshot::new([a, b].into_iter());
        assert!(!snapshot.has([a].into_iter()) && !snapshot.has([].into_iter()));
        assert!(!snapshot.has([a, b, a].into_iter()) && !snapshot.has([b, a].into_iter()));
    }

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
        for name in ["role", "session_authorization", "transaction_isolation"] {
            assert!(!Kind::OfSession.has_reset(name.as_bytes(), 13, 9), "{name}");
        }
    }
}
