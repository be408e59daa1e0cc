# Sourced by bench/progress/run. Needs here, size, interval, repetitions, samples, names, TMP, and a server in the environment.
# measure_statements sets failed, the number of runs that have failed.
# shellcheck shell=bash disable=SC2154

# shellcheck disable=SC2034  # for those who source this
progress_conf=(
  "shared_preload_libraries = 'pg_background'" 'shared_buffers = 512MB' 'jit = off' 'autovacuum = off' 'max_wal_size = 16GB' 'checkpoint_timeout = 1h'
  'max_worker_processes = 16' 'max_parallel_workers = 8' 'max_parallel_workers_per_gather = 0' 'synchronous_commit = off' 'pg_background.history_size = 1000' "bench.size = '$size'")

sql() { psql -X -q -At -v ON_ERROR_STOP=1 "$@"; }
progress() { printf '%s: %s\n' "$(date +%T)" "$*" >&2; }
report() { printf '%s\n' "$@" | tee -a "$TMP/report"; }

setup() { sql -f "$here/setup.sql"; }

make_tables() {
  setup
  pgbench -i -q -s "$(awk "BEGIN { print int(20 * $size + 0.5) }")" >/dev/null 2>&1
  sql -v size="$size" -f "$here/data.sql"
}

check_itself() {
  local wrong
  setup
  sql -f "$here/check.sql"
  measure_statements
  report_all
  wrong=$(sql -f "$here/check-result.sql")
  [ -z "$wrong" ] || die "measured wrongly: $wrong"
}

# The statements from the files, in the place of those that are there.
read_statements() {
  sql -c 'TRUNCATE bench.statement, bench.run, bench.sample RESTART IDENTITY' -f "$here/statements.sql" \
    -c 'ALTER TABLE bench.statement ALTER later SET DEFAULT true' -f "$here/later.sql" -c 'ALTER TABLE bench.statement ALTER later SET DEFAULT false'
}

measure_statements() {
  local r id name wanted='true'
  failed=0
  if ((${#names[@]})); then wanted=$(printf " OR name LIKE '%s'" "${names[@]//\'/\'\'}"); wanted=${wanted# OR }; fi
  for ((r = 1; r <= repetitions; r++)); do
    while IFS='|' read -r id name; do
      progress "repetition $r: $name"
      # A statement that this server does not have, or that fails, is told; the others are measured.
      sql -v id="$id" -v repetition="$r" -v interval="$interval" -v load="$(cut -d' ' -f1 /proc/loadavg)" -f "$here/measure.sql" >/dev/null ||
        { failed=$((failed + 1)); progress "FAILED: $name"; }
    done < <(sql -c "SELECT id, name FROM bench.statement WHERE $wanted ORDER BY id")
  done
  ((!failed)) || report "$failed runs failed." ''
  [ -z "$samples" ] || sql -c "\\copy (SELECT name, repetition, round(truth::numeric, 2) AS truth, pct, round(error::numeric, 2) AS error, round(seconds::numeric, 3) AS seconds,
    phase, rows, estimated FROM bench.shown x JOIN bench.statement s ON s.id = x.statement ORDER BY s.id, repetition, at) TO '$samples' CSV HEADER"
}

measure_all() { read_statements; measure_statements; }

report_all() {
  report "$(sql -c "SELECT 'PostgreSQL ' || current_setting('server_version')"), $(nproc) cores, size $size, a sample every $interval ms, \
median of $repetitions, load $(sql -c "SELECT format('%s to %s', min(load), max(load)) FROM bench.run")." ''
  sql -v later=false -f "$here/result.sql" | tee -a "$TMP/report"
  if [ "$(sql -c 'SELECT count(*) FROM bench.judged WHERE later')" != 0 ]; then
    report '' 'Written when the estimates stood:' ''
    sql -v later=true -f "$here/result.sql" | tee -a "$TMP/report"
  fi
  report ''
  sql -f "$here/summary.sql" | tee -a "$TMP/report"
}
