//! Bindings and the C shim for the server that `PG_CONFIG` names (default: the `pg_config` on PATH).

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, exit};
use std::{env, fs};

/// The folder that uses the bindings. What is bound is what it names (`sys::name`), and what that is made of.
const USERS: &str = "src/pg";

/// The files of a folder and of those below it, by their extension, in order.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| fail(&format!("cannot read {folder}: {error}")));
    let mut found = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            found.extend(files(&path.display().to_string(), extension));
        } else if path.extension().is_some_and(|given| given == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The names behind `sys::` in the sources, one by one or in braces.
fn used_names() -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut names = BTreeSet::new();
    for path in files(USERS, "rs") {
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| fail(&format!("cannot read {}: {error}", path.display())));
        for used in text.split("sys::").skip(1) {
            let group = used.strip_prefix('{').and_then(|group| group.split('}').next());
            let one = used.split(|c| !is_part(c)).next().unwrap_or_default();
            names.extend(
                group.unwrap_or(one).split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()),
            );
        }
    }
    names
}

fn fail(message: &str) -> ! {
    eprintln!("pg_background: {message}");
    exit(1);
}

struct Server {
    include: String,
    cppflags: Vec<String>,
    major: u32,
}

impl Server {
    fn find() -> Self {
        // Unset and the default are one value: switching between them rebuilds nothing.
        let config = env::var("PG_CONFIG").ok().filter(|path| !path.is_empty()).unwrap_or_else(|| "pg_config".into());
        let ask = |option: &str| {
            let output = Command::new(&config).arg(option).output().unwrap_or_else(|error| {
                fail(&format!("cannot run {config}: {error}; install postgresql-server-dev-NN or set PG_CONFIG"))
            });
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        };
        let include = ask("--includedir-server");
        let version = ask("--version");
        let major = version
            .split_whitespace()
            .nth(1)
            .and_then(|v| v.split(|c: char| !c.is_ascii_digit()).next())
            .and_then(|v| v.parse().ok())
            .unwrap_or_else(|| fail(&format!("cannot read the version from \"{version}\" ({config} --version)")));
        if !PathBuf::from(&include).join("postgres.h").exists() {
            fail(&format!("no server headers in {include}; install postgresql-server-dev-{major}"));
        }
        let cppflags = ask("--cppflags")
            .split_whitespace()
            .filter(|flag| flag.starts_with("-I") || flag.starts_with("-D"))
            .map(str::to_owned)
            .collect();
        println!("cargo:rerun-if-changed={include}/pg_config.h");
        Self { include, cppflags, major }
    }

    fn flags(&self) -> Vec<String> {
        // The server's own: its headers rely on wrapping and on no strict aliasing.
        let mut flags: Vec<String> =
            ["-fno-strict-aliasing", "-fwrapv", "-fexcess-precision=standard", "-fvisibility=hidden", "-D_GNU_SOURCE"]
                .map(String::from)
                .to_vec();
        flags.extend(self.cppflags.iter().cloned());
        flags.push(format!("-isystem{}", self.include));
        flags
    }
}

fn main() {
    for path in ["build.rs", "wrapper.h", "c_shim", USERS] {
        println!("cargo:rerun-if-changed={path}");
    }
    println!("cargo:rerun-if-env-changed=PG_CONFIG");
    let server = Server::find();
    for major in 15..=19 {
        println!("cargo:rustc-check-cfg=cfg(pg{major}_up)");
        if server.major >= major {
            println!("cargo:rustc-cfg=pg{major}_up");
        }
    }

    let mut builder = bindgen::Builder::default()
        .header("wrapper.h")
        // bindgen leaves out what is hidden; clang does not know gcc's flag.
        .clang_args(server.flags().iter().filter(|f| !f.starts_with("-fvisibility") && !f.starts_with("-fexcess")))
        // Nearly every server function may throw.
        .override_abi(bindgen::Abi::CUnwind, ".*")
        // An unknown value of a C enum is then no undefined behaviour.
        .default_enum_style(bindgen::EnumVariation::Consts)
        .merge_extern_blocks(true)
        .use_core()
        // Sizes and offsets as clang sees them, checked when the bindings are compiled.
        .layout_tests(true)
        .derive_debug(false)
        .generate_comments(false)
        .rust_edition(bindgen::RustEdition::Edition2024)
        .wrap_unsafe_ops(true)
        .formatter(bindgen::Formatter::None);
    // One pattern: bindgen compares each name in the headers with each pattern.
    let names: Vec<_> = used_names().into_iter().collect();
    builder = builder.allowlist_item(names.join("|"));
    let bindings = builder.generate().unwrap_or_else(|error| fail(&format!("cannot read the server headers: {error}")));
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_else(|| fail("OUT_DIR is not set")));
    if let Err(error) = fs::write(out.join("bindings.rs"), bindings.to_string()) {
        fail(&format!("cannot write the bindings: {error}"));
    }

    let mut shim = cc::Build::new();
    shim.files(files("c_shim", "c"))
        .warnings(true)
        .extra_warnings(true)
        .define("PGBG_VERSION", format!("\"{}\"", env!("CARGO_PKG_VERSION")).as_str());
    for flag in server.flags() {
        shim.flag(flag);
    }
    shim.compile("pgbg_shim");
}
