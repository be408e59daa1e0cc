//! Which libraries may be loaded in a session that serves one job after another.
//!
//! A library can keep state in variables of its own (an open connection, a cache, a seed), which the server neither
//! knows nor resets. A later job of another launcher could see it. So a worker that has loaded a library serves no
//! other job, unless the library is known to keep nothing: it is in a list here, or an administrator has named it in
//! `pg_background.stateless_libraries`.

/// These keep nothing between transactions that a statement could see: no connections, no variables. They install no
/// hooks, so they do nothing unless they are called. Their settings are the session's, and are reset with it. A job may
/// leave them loaded.
const STATELESS: &[&str] = &[
    // the server's own
    "plpgsql",
    "dict_snowball",
    "llvmjit",
    // encoding conversions
    "cyrillic_and_mic",
    "euc2004_sjis2004",
    "euc_cn_and_mic",
    "euc_jp_and_sjis",
    "euc_kr_and_mic",
    "euc_tw_and_big5",
    "latin2_and_win1250",
    "latin_and_mic",
    "utf8_and_big5",
    "utf8_and_cyrillic",
    "utf8_and_euc2004",
    "utf8_and_euc_cn",
    "utf8_and_euc_jp",
    "utf8_and_euc_kr",
    "utf8_and_euc_tw",
    "utf8_and_gb18030",
    "utf8_and_gbk",
    "utf8_and_iso8859",
    "utf8_and_iso8859_1",
    "utf8_and_johab",
    "utf8_and_sjis",
    "utf8_and_sjis2004",
    "utf8_and_uhc",
    "utf8_and_win",
    // contrib: types, indexes, functions
    "_int",
    "amcheck",
    "bloom",
    "btree_gin",
    "btree_gist",
    "citext",
    "cube",
    "dict_int",
    "earthdistance",
    "file_fdw",
    "fuzzystrmatch",
    "hstore",
    "lo",
    "ltree",
    "moddatetime",
    "pageinspect",
    "pg_buffercache",
    "pg_freespacemap",
    "pg_prewarm",
    "pg_trgm",
    "pg_visibility",
    "pg_walinspect",
    "pgcrypto",
    "pgrowlocks",
    "pgstattuple",
    "seg",
    "tablefunc",
    "tcn",
    "tsm_system_rows",
    "tsm_system_time",
    "unaccent",
    "uuid-ossp",
];

/// These keep nothing that a statement could see either, but install hooks, which change what later jobs do. That is
/// harmless where every session has them from its start, and not if a job has loaded them.
const PRELOADED: &[&str] = &[
    "auth_delay",
    "auto_explain",
    "basebackup_to_shell",
    "basic_archive",
    "passwordcheck",
    "pg_overexplain",
    "pg_stat_statements",
    "pgaudit",
];

/// When a library came into its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loaded {
    /// Before any job, as in every new session.
    AtStart,
    ByJob,
}

/// May a session with this library serve another job? `path` is the file as the server opened it, `directory` where the
/// server's own libraries are: a file of the same name that lies elsewhere is another library. `named` is the value of
/// `pg_background.stateless_libraries`.
pub fn is_harmless(path: &[u8], directory: &[u8], loaded: Loaded, named: &[u8]) -> bool {
    let own = path.strip_prefix(directory).and_then(|rest| rest.strip_prefix(b"/"));
    let is_listed = |name: &[u8]| {
        let is_in = |list: &[&str]| list.iter().any(|listed| listed.as_bytes() == name);
        is_in(STATELESS) || loaded == Loaded::AtStart && is_in(PRELOADED)
    };
    own.is_some_and(|file| is_listed(stem(file)))
        || named.split(|byte| *byte == b',').any(|name| is_named(path, own, name))
}

/// Does an entry of the setting name this library, by its name in the server's directory or by its whole path?
fn is_named(path: &[u8], own: Option<&[u8]>, entry: &[u8]) -> bool {
    let entry = entry.trim_ascii();
    let entry = entry.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(entry);
    let is = |file: &[u8], name: &[u8]| file == name || stem(file) == name;
    if entry.starts_with(b"/") {
        return is(path, entry);
    }
    let entry = entry.strip_prefix(b"$libdir/").unwrap_or(entry);
    own.is_some_and(|file| is(file, entry))
}

/// The file's name without its suffix.
fn stem(file: &[u8]) -> &[u8] {
    file.iter().rposition(|byte| *byte == b'.').map_or(file, |dot| &file[..dot])
}

/// The library's name as users write it: without directories and suffix.
pub fn name(path: &[u8]) -> &[u8] {
    let file = path.iter().rposition(|byte| *byte == b'/').map_or(path, |slash| &path[slash + 1..]);
    stem(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIRECTORY: &[u8] = b"/usr/lib/postgresql";

    fn is(path: &str, loaded: Loaded, named: &str) -> bool {
        is_harmless(path.as_bytes(), DIRECTORY, loaded, named.as_bytes())
    }

    #[test]
    fn a_library_is_known_by_directory_and_name() {
        for loaded in [Loaded::AtStart, Loaded::ByJob] {
            let is = |path: &str| is(path, loaded, "");
            assert!(is("/usr/lib/postgresql/plpgsql.so"));
            assert!(is("/usr/lib/postgresql/uuid-ossp.dylib"));
            assert!(!is("/usr/lib/postgresql/dblink.so"));
            assert!(!is("/usr/lib/postgresql/plugins/plpgsql.so"));
            assert!(!is("/tmp/plpgsql.so"));
            assert!(!is("/usr/lib/postgresql-evil/plpgsql.so"));
            assert!(!is("plpgsql.so") && !is("") && !is("/usr/lib/postgresql"));
        }
    }

    #[test]
    fn libraries_with_hooks_are_harmless_from_the_start_only() {
        assert!(is("/usr/lib/postgresql/auto_explain.so", Loaded::AtStart, ""));
        assert!(!is("/usr/lib/postgresql/auto_explain.so", Loaded::ByJob, ""));
        assert!(!is("/tmp/auto_explain.so", Loaded::AtStart, ""));
    }

    #[test]
    fn the_setting_names_more() {
        let is = |path: &str, named: &str| is(path, Loaded::AtStart, named);
        let dblink = "/usr/lib/postgresql/dblink.so";
        for named in
            ["dblink", "a, dblink", "\"dblink\" ,b", "$libdir/dblink", "dblink.so", "/usr/lib/postgresql/dblink"]
        {
            assert!(is(dblink, named), "{named}");
        }
        for named in ["", ",", "dblin", "dblink2", "plugins/dblink", "/tmp/dblink", "libdir/dblink"] {
            assert!(!is(dblink, named), "{named}");
        }
        assert!(is("/usr/lib/postgresql/plugins/x.so", "$libdir/plugins/x"));
        assert!(is("/opt/x.so", "/opt/x.so") && is("/opt/x.so", "/opt/x") && !is("/opt/x.so", "x"));
    }

    #[test]
    fn names_are_without_directory_and_suffix() {
        assert_eq!(name(b"/usr/lib/postgresql/dblink.so"), b"dblink");
        assert_eq!(name(b"x"), b"x");
    }

    #[test]
    fn each_library_is_listed_once() {
        let all: Vec<_> = STATELESS.iter().chain(PRELOADED).collect();
        for (i, name) in all.iter().enumerate() {
            assert!(!all[..i].contains(name), "{name}");
        }
    }
}
