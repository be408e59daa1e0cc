# Sourced by the scripts beside it: messages, packages, private copies of servers, throwaway servers.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034  # for those who source this
PGM=${PGM:-$ROOT/.pg}          # the servers that pg-matrix.sh fetched
# A make above us would pass its own variables down: PG_CONFIG and INSTALL mean other things in the make calls here.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES
export LC_ALL=C.UTF-8
case ":$PATH:" in *":${CARGO_HOME:-$HOME/.cargo}/bin:"*) ;; *) PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin ;; esac

say() { printf '%s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }
am_root() { [ "$(id -u)" = 0 ]; }

# --- packages (Debian, Ubuntu) ---

# run_root COMMAND...: as root, with a sudo that asks for nothing; returns 1 when there is no way
run_root() {
  if am_root; then "$@"
  elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then sudo -n "$@"
  else return 1; fi
}

apt_update() { # once per run: the children see the variable
  [ -z "${APT_UPDATED:-}" ] || return 0
  run_root apt-get update -qq >/dev/null 2>&1 || say "note: apt-get update did not succeed; going on with the package lists at hand" >&2
  export APT_UPDATED=1
}

# need_packages PACKAGE...: installs the missing ones, or says how to
need_packages() {
  local p missing=()
  command -v dpkg-query >/dev/null || die "not a Debian or Ubuntu machine; please install what these packages hold: $*"
  for p; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing+=("$p")
  done
  ((${#missing[@]})) || return 0
  am_root || { command -v sudo >/dev/null && sudo -n true 2>/dev/null; } ||
    die "missing packages; install them with: sudo apt-get install ${missing[*]}"
  apt_update
  say "installing ${missing[*]}"
  run_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "${missing[@]}" \
    </dev/null >/dev/null || die "could not install: ${missing[*]}"
}

# libraries_of PACKAGE_FILE...: the packages of libraries that Debian packages name as what they need
libraries_of() {
  local deb
  for deb; do dpkg-deb -f "$deb" Depends; done | tr ',' '\n' | sed -E 's/^ *([^ |]+).*/\1/' | grep -E '^(lib|zlib)' | sort -u
}

# unpack_packages DIRECTORY PACKAGE...: Debian packages unpacked there, so that no service of theirs is set up; the libraries that they
# need are installed
unpack_packages() {
  local to=$1 from=$1.debs deb libs; shift
  rm -rf "$from"; mkdir -p "$to" "$from"
  fetch() { (cd "$from" && apt-get download -qq -o APT::Sandbox::User=root "$@" >/dev/null); }
  fetch "$@" || { apt_update; fetch "$@"; } || { rm -rf "$from"; return 1; }
  for deb in "$from"/*.deb; do dpkg -x "$deb" "$to" || return 1; done
  libs=$(libraries_of "$from"/*.deb) || true
  rm -rf "$from"
  # shellcheck disable=SC2086  # a list
  need_packages $libs
}

# --- the temporary directory, and what runs in it ---

# tmp_begin: makes $TMP and sees to it that nothing of it is left, whatever happens
tmp_begin() {
  TMP=$(mktemp -d "${TMPDIR:-/tmp}/pgbg.XXXXXX"); chmod 755 "$TMP"
  # A socket's path may have some 100 bytes.
  ((${#TMP} <= 70)) || { rmdir "$TMP"; die "the temporary directory's name is too long for a Unix socket: set TMPDIR to a shorter one"; }
  trap tmp_end EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
}

tmp_end() {
  local status=$? job
  trap - EXIT INT TERM HUP
  for job in $(jobs -p); do kill -- "-$job" 2>/dev/null || kill "$job" 2>/dev/null || true; done
  wait
  servers_stop
  if [ "$status" != 0 ] && [ -n "${KEEP:-}" ]; then say "kept: $TMP"; else rm -rf "$TMP"; fi
  exit "$status"
}

# Servers refuse to run as root: then the postgres account runs them, or nobody.
server_account() { if id -u postgres >/dev/null 2>&1; then echo postgres; else echo nobody; fi; }
as_server() { if am_root; then (cd / && HOME=$TMP exec runuser -u "$(server_account)" -- "$@"); else "$@"; fi; }
server_owns() { if am_root; then chown -R "$(server_account)" "$@"; fi; }

# Configurations of servers that tests run on, arrays that are used by name.
# shellcheck disable=SC2034
none=() preload=("shared_preload_libraries = 'pg_background'")
# shellcheck disable=SC2034
warm=("${preload[@]}" 'max_worker_processes = 64' 'pg_background.max_idle_workers = 32' 'pg_background.idle_timeout = 1h')
# shellcheck disable=SC2034
new=("${preload[@]}" 'pg_background.max_idle_workers = 0')

# servers_stop: every server whose data directory is below $TMP, those that a test left behind too
servers_stop() {
  local pidfile data bin
  find "$TMP" -name postmaster.pid 2>/dev/null | while read -r pidfile; do
    data=$(dirname "$pidfile"); bin=$(dirname "$(sed -n '1s/ .*//p' "$data/postmaster.opts")")
    as_server "$bin/pg_ctl" -D "$data" -m fast -s -w -t 60 stop </dev/null >/dev/null 2>&1 ||
      as_server "$bin/pg_ctl" -D "$data" -m immediate -s -w -t 60 stop </dev/null >/dev/null 2>&1 || true
  done
}

# tree_of PID: its processes, the youngest first
tree_of() {
  local child
  for child in $(pgrep -P "$1"); do tree_of "$child"; done
  echo "$1"
}

# processes_of PID: what it started, and what the processes of the servers below $TMP do: state, title, and stack where gdb is there
processes_of() {
  local pidfile pid
  ps -o pid,stat,wchan:20,etime,args --forest -p "$(tree_of "$1" | paste -s -d,)" | cut -c1-200
  find "$TMP" -name postmaster.pid | while read -r pidfile; do
    echo "server of $pidfile:"
    for pid in $(pgrep -P "$(head -1 "$pidfile")"); do
      ps -o pid=,stat=,wchan:20=,etime=,time=,args= "$pid" | cut -c1-200
      case $(ps -o args= "$pid") in
        *checkpointer*|*"background writer"*|*walwriter*|*"autovacuum launcher"*|*"stats collector"*|*"logical replication"*) ;;
        *) if command -v gdb >/dev/null; then timeout 30 gdb -p "$pid" -batch -ex bt </dev/null 2>/dev/null | grep '^#' | head -40 | cut -c1-160; fi ;;
      esac
    done
  done
}

# server_start NAME PG_CONFIG [LINE OF postgresql.conf]...: a server of its own in $TMP/NAME, reachable only by the socket there.
# Exports PGHOST, PGUSER, PGDATABASE, PGDATA and a PATH with that server's programs in front.
server_start() {
  local name=$1 bin dir line; bin=$("$2" --bindir); dir=$TMP/$name; shift 2
  mkdir -p "$dir"; chmod 700 "$dir"; server_owns "$dir"
  as_server "$bin/initdb" -N -D "$dir/data" -U postgres -A trust --no-locale -E UTF8 >"$TMP/$name.initdb" 2>&1 ||
    { cat "$TMP/$name.initdb"; die "initdb failed"; }
  for line in "listen_addresses = ''" "unix_socket_directories = '$dir'" 'fsync = off' 'log_line_prefix = '"'%m [%p] %b '" "$@"; do
    printf '%s\n' "$line"
  done >>"$dir/data/postgresql.conf"
  unset PGPORT PGOPTIONS PGSERVICE PGPASSWORD PGHOSTADDR # the server would take its port from there
  as_server "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -s -w -t 60 start >/dev/null </dev/null ||
    { tail -20 "$dir/log"; die "the server did not start"; }
  export PGHOST=$dir PGUSER=postgres PGDATABASE=postgres PGDATA=$dir/data PATH=$bin:$PATH
}

# server_stop NAME PG_CONFIG: fails when a process of that server crashed, or when it does not stop
server_stop() {
  local dir=$TMP/$1 bin failed=0; bin=$("$2" --bindir)
  as_server "$bin/pg_ctl" -D "$dir/data" -m fast -s -w -t 60 stop </dev/null || { say "the server did not stop within a minute"; failed=1; }
  if grep -E 'was terminated by signal|PANIC: |^TRAP: |panicked at|exited with exit code 134' "$dir/log"; then
    say "server log of the crash:"; tail -40 "$dir/log"; failed=1
  fi
  return $failed
}

# timeline_jobs SVG EXPECTED [PAUSE]: on that server, which has room for five jobs, runs jobs of each state, and so many seconds later
# writes their picture, and what should be in it, to files.
timeline_jobs() {
  timeout 300 psql -X -q -v svg="$1" -v expected="$2" -v pause="${3:-0}" -f "$ROOT/regress/timeline/jobs.sql" </dev/null
}

# --- private copies of installed servers ---

# A server finds its files relative to its own bin directory, so a copy with the same layout works anywhere.
# server_copy PG_CONFIG DIRECTORY: prints the copy's pg_config
server_copy() {
  local pgc=$1 to=$2 bin dir tree
  mkdir -p "$to"
  case $pgc in
    "$PGM"/*) # a tree of pg-matrix.sh: as a whole
      tree=${pgc#"$PGM"/}; tree=${tree%%/*}
      cp -a "$PGM/$tree" "$to/"; echo "$to/${pgc#"$PGM"/}" ;;
    *)
      bin=$("$pgc" --bindir)
      case $bin in /usr/bin|/usr/local/bin|/bin) die "the server of $pgc is in $bin and cannot be copied: use INSTALL=system or another PG_CONFIG" ;; esac
      for dir in "$bin" "$("$pgc" --libdir)" "$("$pgc" --pkglibdir)" "$("$pgc" --sharedir)" "$("$pgc" --includedir-server)" "$("$pgc" --pkgincludedir)"; do
        case $dir in /usr/lib|/usr/lib64|/lib|/usr/lib/*-linux-gnu*|/usr/include|/usr/include/postgresql) continue ;; esac
        if [ -d "$dir" ] && [ ! -e "$to$dir" ]; then mkdir -p "$to$dir"; cp -a "$dir/." "$to$dir"; fi
      done
      echo "$to$bin/pg_config" ;;
  esac
}

# add_extensions PG_CONFIG: PL/Proxy and plpgsql_check, which scripts/deps clients has fetched, into that copy of a server of the same
# major
add_extensions() {
  local from=$PGM/clients/debian/usr major extension
  major=$("$1" --version | sed -E 's/^[^0-9]*([0-9]+).*/\1/')
  for extension in plproxy plpgsql_check; do
    [ -e "$from/lib/postgresql/$major/lib/$extension.so" ] || continue
    cp "$from/lib/postgresql/$major/lib/$extension.so" "$("$1" --pkglibdir)/"
    cp "$from/share/postgresql/$major/extension/$extension"* "$("$1" --sharedir)/extension/"
  done
}

# build_into PG_CONFIG DIRECTORY [MAKE ARGUMENT]...: builds for the server and installs into a copy of it; prints the copy's pg_config.
# One at a time: the builds share the checkout's pg_background.so and cargo's target directory.
build_into() {
  local pgc=$1 to=$2 copy; shift 2
  copy=$(server_copy "$pgc" "$to") || return 1
  (
    flock 9
    make -s -C "$ROOT" PG_CONFIG="$pgc" "$@" && make -s -C "$ROOT" install PG_CONFIG="$copy" "$@"
  ) 9>"$ROOT/.build-lock" >&2 || return 1
  echo "$copy"
}

# starts_are warm|new: were the jobs since the counters' last reset run so? (The first for each user and database finds no warm worker,
# and the tests have jobs after which no worker stays.)
starts_are() {
  local warm cold
  IFS='|' read -r warm cold < <(psql -X -q -At -c 'CREATE EXTENSION pg_background' \
    -c 'SELECT sum(warm_starts), sum(cold_starts) FROM pg_stat_background_totals' -c 'DROP EXTENSION pg_background')
  say "jobs in warm workers: $warm, in new ones: $cold"
  if [ "$1" = new ]; then ((warm == 0 && cold > 100)); else ((warm > 2 * cold)); fi
}

# installcheck NAME PG_CONFIG CONF MAKE_ARGUMENTS: the SQL and isolation tests on a throwaway server; CONF and MAKE_ARGUMENTS are
# names of arrays. Runs in a subshell: the server's environment stays in there.
installcheck() (
  local name=$1 pgc=$2; local -n conf=$3 margs=$4
  local out=$TMP/$name.out status=0
  mkdir -p "$out"
  server_start "$name" "$pgc" "${conf[@]}"
  # In two calls: in one, a failed SQL test would keep the isolation tests from running.
  make -s -C "$ROOT" installcheck PG_CONFIG="$pgc" REGRESS_OUT="$out" ISOLATION= "${margs[@]}" </dev/null || status=1
  make -s -C "$ROOT" installcheck PG_CONFIG="$pgc" REGRESS_OUT="$out" REGRESS= "${margs[@]}" </dev/null || status=1
  case $3 in warm|new) starts_are "$3" || status=1 ;; esac
  if [ $status != 0 ]; then find "$out" -name regression.diffs -exec cat {} +; fi
  server_stop "$name" "$pgc" || status=1
  exit $status
)

# tap_source: prints where TAP tests of every major find pg_regress and the Perl modules: in 15, which has them
tap_source() {
  local pgc
  pgc=$("$ROOT/scripts/pg-matrix.sh" pgconfig 15 2>/dev/null) || die "TAP tests, of every major, need PostgreSQL 15: scripts/pg-matrix.sh get 15"
  echo "$(dirname "$("$pgc" --pgxs)")/.."
}

# tap_tests NAME PG_CONFIG PORT [FILE]...: TAP tests start servers of their own, so the account that runs servers runs them, in a
# directory that it may write.
tap_tests() {
  local pgc=$2 dir=$TMP/tap-$1 port=$3 src; src=$(tap_source) || return 1; shift 3
  local files=("${@/#/$dir/t/}")
  add_extensions "$pgc"
  mkdir -p "$dir/tmp_check/log"; cp -r "$ROOT/regress/t" "$ROOT/docs/reference.md" "$dir/"; server_owns "$dir"
  ((${#files[@]})) || files=("$dir"/t/*.pl)
  as_server env TMPDIR="$dir" TESTDIR="$dir" TESTDATADIR="$dir/tmp_check" TESTLOGDIR="$dir/tmp_check/log" PG_REGRESS="$src/test/regress/pg_regress" \
    PERL5LIB="$src/test/perl" PATH="$("$pgc" --bindir):$PATH" PGPORT="$port" PGBG_PRELOAD="${PGBG_PRELOAD:-1}" ${PGBG_POINTS:+PGBG_POINTS=1} prove -v "${files[@]}" | tee "$dir/prove.out" || {
    find "$dir/tmp_check/log" -name '*.log' -newer "$dir/t" -exec tail -n 5 {} +
    # once more, where a reader of the last lines finds it
    grep -E '^not ok|^# +(Failed|at |got:|expected:)|Wstat|^Dubious|Parse errors' "$dir/prove.out"
    return 1
  }
}
