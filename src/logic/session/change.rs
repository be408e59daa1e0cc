//! How one session's settings become another's with the fewest changes, and whether two sessions have the same.

use super::settings::{FILE, Setting, Settings, real_text};

/// Finds settings of a list by name. Two sessions' lists most often have the same order: a search begins behind what
/// was found last.
struct ByName<'s, 'a> {
    list: &'s [Setting<'a>],
    next: usize,
}

impl<'s, 'a> ByName<'s, 'a> {
    fn new(list: &'s [Setting<'a>]) -> Self {
        Self { list, next: 0 }
    }

    fn find(&mut self, name: &[u8]) -> Option<&'s Setting<'a>> {
        let has_name = |setting: &Setting| setting.name == name;
        let (before, behind) = self.list.split_at(self.next);
        let place = match behind.iter().position(has_name) {
            Some(place) => self.next + place,
            None => before.iter().position(has_name)?,
        };
        self.next = place + 1;
        Some(&self.list[place])
    }
}

/// What must be set so that a session that has `mine` has `theirs`, in their order; `None` when setting is not enough:
/// when mine has something that theirs has not, or that outranks theirs, or when the place in a file would be lost.
/// What begins and ends with a transaction is nobody's.
pub fn difference<'a>(mine: &[Setting], theirs: &[Setting<'a>]) -> Option<Vec<Setting<'a>>> {
    let mut in_theirs = ByName::new(theirs);
    if mine.iter().any(|m| !m.is_of_transaction() && in_theirs.find(m.name).is_none()) {
        return None;
    }
    let mut in_mine = ByName::new(mine);
    let mut changes = Vec::new();
    for wanted in theirs.iter().filter(|t| !t.is_of_transaction()) {
        match in_mine.find(wanted.name) {
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

/// `theirs` in the words of `mine`, where a customized option means the same in both: a library's option is text where
/// its library is not loaded. `means(setting, text, reset)`: does the option of this session have that value, or what
/// RESET gives?
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
            // the same line of the same file, as text here and as the library's value there
            let is_same_line = here.source == FILE && setting.source == FILE && reads_as(here.value, setting.value);
            if is_same_line || means(setting, which)? {
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

/// Would a library's option that has this `text` in a file be written as `written` in a state? Both have their NULs.
///
/// A state has one word for each value of an option with a type: `true` or `false`, a number in decimal digits, or a
/// real number with an exponent. Any other word is a text that was set as it stands: suppose the file has said `1` and
/// now says `on`; to an option that is a text these are two values.
fn reads_as(text: &[u8], written: &[u8]) -> bool {
    fn word(value: &[u8]) -> Option<&str> {
        std::str::from_utf8(value.strip_suffix(b"\0")?).ok()
    }
    let (Some(text), Some(written)) = (word(text).map(str::trim), word(written)) else {
        return false;
    };
    let is_number = || {
        let number = text.parse::<f64>().ok();
        number.zip(written.parse::<f64>().ok()).is_some_and(|(a, b)| a.to_bits() == b.to_bits())
    };
    match written {
        "true" => ["on", "true", "yes", "1"].contains(&text.to_ascii_lowercase().as_str()),
        "false" => ["off", "false", "no", "0"].contains(&text.to_ascii_lowercase().as_str()),
        _ if written.parse::<i32>().is_ok_and(|n| n.to_string() == written) => is_number(),
        _ if written.parse::<f64>().is_ok_and(|n| real_text(n) == written) => is_number(),
        _ => false,
    }
}

/// What must be reset before [`difference`] has an answer, where that helps: what only mine has, or what outranks
/// theirs.
pub fn resets<'a>(mine: &[Setting<'a>], theirs: &[Setting]) -> Vec<Setting<'a>> {
    let mut in_theirs = ByName::new(theirs);
    let in_the_way = |m: &&Setting| match in_theirs.find(m.name) {
        Some(wanted) => m.source > wanted.source,
        None => true,
    };
    mine.iter().filter(|m| !m.is_of_transaction() && !m.is_default()).filter(in_the_way).copied().collect()
}

/// What of the settings that begin and end with a transaction counts when two sessions are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfTransaction {
    /// Neither session is in a transaction: the source of the value, since a transaction that has ended leaves the
    /// value.
    ComparedBySource,
    /// One of the two was in a transaction: nothing.
    Ignored,
}

/// Do two sessions have the same settings, in any order? A setting without a value does not count.
pub fn same(a: &Settings, b: &Settings, of_transaction: OfTransaction) -> bool {
    fn sorted<'a>(settings: impl Iterator<Item = Setting<'a>>) -> Vec<Setting<'a>> {
        let mut sorted: Vec<_> = settings.collect();
        sorted.sort_unstable_by_key(|setting| setting.name);
        sorted
    }
    fn now<'a>(settings: &Settings<'a>, of_transaction: OfTransaction) -> Vec<Setting<'a>> {
        sorted(settings.now.iter().filter_map(|setting| match of_transaction {
            _ if !setting.is_of_transaction() => Some(*setting),
            OfTransaction::ComparedBySource => Some(Setting { value: b"", ..*setting }),
            OfTransaction::Ignored => None,
        }))
    }
    fn resets<'a>(settings: &Settings<'a>) -> Vec<Setting<'a>> {
        sorted(settings.resets.iter().filter(|setting| setting.has_value()).copied())
    }
    now(a, of_transaction) == now(b, of_transaction) && resets(a) == resets(b)
}

/// Does `theirs` replace all of these values that RESET gives?
pub fn replaces_defaults(names: &[Vec<u8>], theirs: &Settings) -> bool {
    names.iter().all(|name| theirs.defaults().any(|t| t.name == name.as_slice()))
}

#[cfg(test)]
mod tests {
    use super::super::settings::Roles;
    use super::super::settings::tests::{self, IN_FILE, Row, parsed, with_resets};
    use super::*;

    fn state(settings: &[Row]) -> Vec<u8> {
        tests::state(settings, Roles::Written)
    }

    fn changed(mine: &[Row], theirs: &[Row]) -> Option<Vec<String>> {
        let (mine, theirs) = (state(mine), state(theirs));
        let (mine, theirs) = (parsed(&mine), parsed(&theirs));
        let names = |s: Vec<Setting>| s.iter().map(|s| String::from_utf8_lossy(s.name).replace('\0', "")).collect();
        difference(&mine.now, &theirs.now).map(names)
    }

    #[test]
    fn sets_what_differs_and_what_is_new() {
        assert_eq!(changed(&[IN_FILE], &[IN_FILE]), Some(vec![]));
        let app = ("application_name", "psql", "", 9);
        assert_eq!(changed(&[IN_FILE], &[app, IN_FILE]), Some(vec!["application_name".into()]));
        assert_eq!(changed(&[IN_FILE], &[("work_mem", "64", "", 13)]), Some(vec!["work_mem".into()]));
        // SET where a file has a value, too
        assert_eq!(
            changed(&[IN_FILE], &[("work_mem", "64", "/etc/postgresql.conf", 13)]),
            Some(vec!["work_mem".into()])
        );
    }

    #[test]
    fn finds_settings_in_any_order() {
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| (name, "1", "", 13));
        let none: Option<Vec<String>> = Some(vec![]);
        assert_eq!(changed(&[a, b, c, d], &[a, b, c, d]), none);
        assert_eq!(changed(&[d, b, a, c], &[a, b, c, d]), none);
        assert_eq!(changed(&[d, b], &[a, b, c, d]), Some(vec!["a".into(), "c".into()]));
        assert_eq!(changed(&[c, a], &[b, ("c", "2", "", 13), a]), Some(vec!["b".into(), "c".into()]));
        assert_eq!(changed(&[d, b, a, c], &[a, b, c]), None);
    }

    #[test]
    fn leaves_transactions_alone() {
        let default = ("transaction_isolation", "read committed", "", 10);
        let set = ("transaction_isolation", "serializable", "", 13);
        assert_eq!(changed(&[default], &[set]), Some(vec![]));
        assert_eq!(changed(&[set], &[]), Some(vec![]));
        assert!(alike(&[default], &[set], OfTransaction::Ignored));
        assert!(!alike(&[default], &[set], OfTransaction::ComparedBySource));
        assert!(alike(
            &[default],
            &[("transaction_isolation", "serializable", "", 10)],
            OfTransaction::ComparedBySource
        ));
    }

    fn alike(a: &[Row], b: &[Row], of_transaction: OfTransaction) -> bool {
        let (a, b) = (state(a), state(b));
        same(&parsed(&a), &parsed(&b), of_transaction)
    }

    #[test]
    fn compares_in_any_order() {
        let (a, b) = (("a", "1", "", 13), ("b", "2", "", 9));
        assert!(alike(&[a, b], &[b, a], OfTransaction::ComparedBySource));
        assert!(!alike(&[a, b], &[a], OfTransaction::ComparedBySource));
        assert!(!alike(&[a], &[("a", "2", "", 13)], OfTransaction::Ignored));
        assert!(!alike(&[a], &[("a", "1", "", 12)], OfTransaction::Ignored));
    }

    #[test]
    fn resets_what_is_in_the_way() {
        let to_reset = |mine: &[Row], theirs: &[Row]| {
            let (mine, theirs) = (state(mine), state(theirs));
            let (mine, theirs) = (parsed(&mine), parsed(&theirs));
            resets(&mine.now, &theirs.now)
                .iter()
                .map(|s| String::from_utf8_lossy(s.name).replace('\0', ""))
                .collect::<Vec<_>>()
        };
        let set = ("work_mem", "1", "", 13);
        assert_eq!(to_reset(&[set], &[]), ["work_mem"]);
        assert_eq!(to_reset(&[set], &[IN_FILE]), ["work_mem"]);
        assert_eq!(to_reset(&[set], &[("work_mem", "2", "", 13)]), [""; 0]);
        // RESET gives just this
        assert_eq!(to_reset(&[IN_FILE, ("a", "1", "", 10)], &[]), [""; 0]);
        assert_eq!(to_reset(&[("transaction_isolation", "serializable", "", 13)], &[]), [""; 0]);
    }

    #[test]
    fn knows_which_defaults_stay() {
        let theirs = state(&[("a", "1", "", 10), ("b", "1", "", 13)]);
        let theirs = parsed(&theirs);
        let replaced = |name: &[u8]| replaces_defaults(&[name.to_vec()], &theirs);
        assert!(replaced(b"a\0"));
        assert!(!replaced(b"b\0") && !replaced(b"c\0"));
        assert!(replaces_defaults(&[], &theirs));
    }

    #[test]
    fn understands_other_words() {
        fn translated(mine: Row, theirs: Row, means: bool) -> String {
            let (mine, theirs) = (state(&[mine]), state(&[theirs]));
            let (mine, theirs) = (parsed(&mine), parsed(&theirs));
            let translated = in_words_of(&mine, &theirs, |_, _| Ok::<_, ()>(means)).unwrap();
            String::from_utf8_lossy(translated.now[0].value).replace('\0', "")
        }
        let (file, set) = (|value| ("a.b", value, "/etc/postgresql.conf", 3), |value| ("a.b", value, "", 13));
        assert_eq!(translated(file("on"), file("true"), false), "on");
        assert_eq!(translated(file("0.3"), file("2.99999999999999989e-01"), false), "0.3");
        assert_eq!(translated(file("on"), file("off"), false), "off");
        assert_eq!(translated(file("100ms"), file("100"), false), "100");
        // a text that the file had and another that it has now: no option with a type is written so
        assert_eq!(translated(file("1"), file("on"), false), "on");
        assert_eq!(translated(file("true"), file("1"), false), "1");
        assert_eq!(translated(file("1"), file("1.0"), false), "1.0");
        // a text is just that unless the setting says otherwise
        assert_eq!(translated(set("on"), set("true"), false), "true");
        assert_eq!(translated(set("on"), set("true"), true), "on");
        // settings of the server have one word for each value
        assert_eq!(translated(("jit", "on", "", 13), ("jit", "true", "", 13), true), "true");
    }

    #[test]
    fn knows_what_reset_gives() {
        let set = ("work_mem", "1", "", 13);
        let plain = state(&[set]);
        let reset = with_resets(plain.clone(), &[("work_mem", "64", 9), ("a.b", "", 0)]);
        let (plain, reset) = (parsed(&plain), parsed(&reset));
        assert_eq!((reset.now.clone(), reset.resets.len()), (plain.now.clone(), 2));
        assert!(
            !same(&plain, &reset, OfTransaction::ComparedBySource)
                && same(&reset, &reset, OfTransaction::ComparedBySource)
        );
        assert!(reset.has(b"a.b\0") && !plain.has(b"a.b\0"));
        // a setting without a value makes no difference
        let empty = with_resets(state(&[set]), &[("a.b", "", 0)]);
        assert!(same(&plain, &parsed(&empty), OfTransaction::ComparedBySource));
        let names =
            |s: &Settings, other: &Settings| s.defaults_beyond(other).map(|s| s.name.to_vec()).collect::<Vec<_>>();
        assert_eq!(names(&reset, &plain), [b"work_mem\0".to_vec()]);
        let client = state(&[("work_mem", "64", "", 9)]);
        let client = parsed(&client);
        assert!(names(&reset, &client).is_empty() && names(&client, &reset).is_empty());
        assert!(
            replaces_defaults(&[b"work_mem\0".to_vec()], &reset)
                && !replaces_defaults(&[b"work_mem\0".to_vec()], &plain)
        );
    }

    #[test]
    fn gives_up_where_setting_is_not_enough() {
        assert_eq!(changed(&[IN_FILE], &[]), None);
        assert_eq!(changed(&[], &[IN_FILE]), None);
        assert_eq!(changed(&[("work_mem", "1", "", 7)], &[("work_mem", "2", "", 3)]), None);
        assert_eq!(changed(&[IN_FILE], &[("work_mem", "1", "/other", 3)]), None);
    }
}
