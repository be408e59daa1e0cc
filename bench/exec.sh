# Sourced by bench/run: exec and query beside launch and result. Needs what warm.sh needs, and warm.sh.
# shellcheck shell=bash disable=SC2154

# The C extension 2.0.3 of Debian's unstable suite, on that suite's server, where the measured server is an 18, too. A new process for
# each job, as it does it.
c_extension() {
  [ -z "$c_pgc" ] || return 0
  [ "$(sql -c 'SHOW server_version_num')" -ge 180000 ] || { report '' 'The C extension is not measured here: Debian has it for 18.'; return 1; }
  "$ROOT/scripts/pg-matrix.sh" get 18c >&2 || { report '' 'The C extension is not measured here: it could not be fetched.'; return 1; }
  c_pgc=$(server_copy "$("$ROOT/scripts/pg-matrix.sh" pgconfig 18c)" "$TMP/pg-c")
  cp -a "$PGM/18c/c-extension/." "${c_pgc%/usr/lib/postgresql/*}"
  pgc=$c_pgc server c pg_background
  report '' "Beside it: the C extension $(sql -c "SELECT extversion FROM pg_extension WHERE extname = 'pg_background'"), on PostgreSQL $(sql -c 'SHOW server_version')."
}

exec_calls() {
  local r regime regimes rounds=$((calls / 10 + 1)) # of 40 calls each
  use preload
  warm_choices
  for ((r = 1; r <= repetitions; r++)); do
    progress "exec, calls, repetition $r"
    for regime in "${regimes[@]}"; do
      use preload
      warm_session "$regime" exec off "$r" $rounds 20 1 2 6 7
      warm_session "$regime" exec off "$r" $rounds 20 3 4 8 9 10
      [ -z "$c_pgc" ] || { use c; warm_session "$regime" exec off "$r" $((calls / 40 + 1)) 5 2; warm_session "$regime" exec off "$r" $((calls / 40 + 1)) 5 4; }
    done
  done
  use preload
  sql -c "CREATE TABLE bench.exec_quantile AS SELECT c.task, c.by, q.* FROM bench.warm_quantile q JOIN bench.warm_call c ON c.id = q.call WHERE spin = 'exec'"
  if [ -n "$c_pgc" ]; then
    use c
    sql -c "COPY (SELECT c.task, 'C extension, ' || c.by, q.* FROM bench.warm_quantile q JOIN bench.warm_call c ON c.id = q.call) TO STDOUT" >"$TMP/c.quantile"
    use preload
    sql -c '\copy bench.exec_quantile FROM '"$TMP/c.quantile"
  fi
  report '' '### exec and query, session to result: µs' ''
  report '| task | regime | by | p50 | p95 | p99 | p50 ÷ launch, result | p50 ÷ dblink |' '|---|---|---|---|---|---|---|---|'
  sql -f "$here/exec-result.sql" | table
}

exec_jobs() {
  local r clients kind tps errors place task by script
  local kinds=('SELECT/dblink, kept open/dblink-kept-select' 'SELECT/launch, result/ours-select' 'SELECT/query/query-select'
    'SELECT/query, parameter/query-parameter-select' 'INSERT/dblink, kept open/dblink-kept-insert' 'INSERT/launch, result/launch-result-insert'
    'INSERT/exec/exec-insert' 'INSERT/exec, parameter/exec-parameter-insert')
  [ -z "$c_pgc" ] || kinds+=('SELECT/C extension, launch, result/ours-select' 'INSERT/C extension, launch, result/launch-result-insert')
  use preload
  sql -c 'CREATE TABLE bench.exec_jobs (task text, by text, place int, clients int, repetition int, tps float8, errors int)'
  for ((r = 1; r <= repetitions; r++)); do
    for clients in 1 4 8; do
      progress "exec, jobs per second, $clients clients, repetition $r"
      place=0
      for kind in "${kinds[@]}"; do
        IFS=/ read -r task by script <<<"$kind"
        case $by in 'C extension'*) use c ;; *) use preload ;; esac
        read -r tps errors < <(pgbench_run "$script" "$clients")
        use preload
        sql -c "INSERT INTO bench.exec_jobs VALUES ('$task', '$by', $((++place)), $clients, $r, nullif('${tps:-}', '')::float8, ${errors:-0})"
      done
    done
  done
  report '' '### Jobs per second by exec and query' ''
  report '| task | by | 1 client | 4 | 8 | 1 client ÷ launch, result | 4 | 8 | clients that an error ended |' '|---|---|---|---|---|---|---|---|---|'
  sql -f "$here/exec-jobs-result.sql" | table
}

exec_audit() {
  local r
  for server in preload ${c_pgc:+c}; do use "$server"; sql -f "$here/exec.sql"; done
  for ((r = 1; r <= 2 * repetitions + 1; r++)); do
    progress "exec, trigger, repetition $r"
    use preload
    sql -c "TRUNCATE bench.audit" -c "SELECT dblink_connect('kept', bench.conninfo())" -c "SELECT bench.audit('{1,2,3,4}', '', 1000, $r)" >/dev/null
    [ -z "$c_pgc" ] || { use c; sql -c "TRUNCATE bench.audit" -c "SELECT bench.audit('{2}', 'C extension, ', 1000, $r)" >/dev/null; }
  done
  use preload
  if [ -n "$c_pgc" ]; then
    use c; sql -c 'COPY bench.audited TO STDOUT' >"$TMP/c.audited"
    use preload; sql -c '\copy bench.audited FROM '"$TMP/c.audited"
  fi
  report '' '### A trigger that writes 1,000 rows of an audit, each in a transaction of its own: ms' ''
  report '| by | ms | ÷ launch, result | ÷ dblink |' '|---|---|---|---|'
  sql -F ' | ' -c "
    SELECT '| ' || a.name, round(bench.middle(array_agg(a.ms))::numeric, 1), coalesce(bench.ratio(array_agg(a.ms / o.ms) FILTER (WHERE a.name <> o.name)), ''),
           coalesce(bench.ratio(array_agg(a.ms / d.ms) FILTER (WHERE a.name <> d.name)), '') || ' |'
    FROM bench.audited a JOIN bench.audited o USING (repetition) JOIN bench.audited d USING (repetition) LEFT JOIN bench.audit_way w ON w.name = a.name
    WHERE o.name = 'launch, result' AND d.name LIKE 'dblink%' GROUP BY a.name, w.id ORDER BY w.id" | table
}

exec_query() {
  local server
  use preload
  c_extension || true
  for server in preload ${c_pgc:+c}; do use "$server"; warm_tables; done
  exec_calls
  exec_jobs
  exec_audit
}
