//! Libraries that a job may leave loaded in its session.

/// They keep nothing between transactions that a statement could see, and change nothing but what is called of them: no hooks,
/// connections, variables. Their settings are the session's.
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

/// `path` as the server opened it, `directory` where the server's own libraries are: one of the same name that lies elsewhere is
/// another library.
pub fn is_stateless(path: &[u8], directory: &[u8]) -> bool {
    let Some(file) = path.strip_prefix(directory).and_then(|rest| rest.strip_prefix(b"/")) else {
        return false;
    };
    let name = file.iter().rposition(|byte| *byte == b'.').map_or(file, |dot| &file[..dot]);
    STATELESS.iter().any(|stateless| stateless.as_bytes() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_libraries_by_place_and_name() {
        let is = |path: &str| is_stateless(path.as_bytes(), b"/usr/lib/postgresql");
        assert!(is("/usr/lib/postgresql/plpgsql.so"));
        assert!(is("/usr/lib/postgresql/uuid-ossp.dylib"));
        assert!(!is("/usr/lib/postgresql/dblink.so"));
        assert!(!is("/usr/lib/postgresql/auto_explain.so"));
        assert!(!is("/usr/lib/postgresql/plugins/plpgsql.so"));
        assert!(!is("/tmp/plpgsql.so"));
        assert!(!is("/usr/lib/postgresql-evil/plpgsql.so"));
        assert!(!is("plpgsql.so") && !is("") && !is("/usr/lib/postgresql"));
    }

    #[test]
    fn lists_each_once() {
        for (i, name) in STATELESS.iter().enumerate() {
            assert!(!STATELESS[..i].contains(name), "{name}");
        }
    }
}
