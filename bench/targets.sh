# Sourced by bench/run: a line for each target, beside what was measured. Needs what warm.sh needs, and warm.sh, and exec.sh.
# shellcheck shell=bash disable=SC2154,SC2034 # of bench/run, and for warm_choices

# What goes into the table is collected on the server "preload".
target() { use preload; sql -c "SELECT bench.target($1)" >/dev/null; }
not_measured() { use preload; sql -c "INSERT INTO bench.target (path, what, figure, wanted) VALUES ('$1', '$2', '$3', '$4')"; }
array() { printf "'{%s}'" "$(paste -s -d,)"; }

targets_tables() {
  use preload
  [ -n "$(sql -c "SELECT to_regclass('bench.target')")" ] || sql -f "$here/targets.sql" >/dev/null
}

# Calls on warm workers, where the scheduler's choice is made for it: see warm_session.
targets_calls() {
  local r regime fsync select insert ours c rounds=$((calls / 10 + 1)) spins regimes
  local selects='SELECT 1 by exec, warm' inserts='INSERT by exec with a parameter, warm'
  use preload
  warm_tables
  warm_choices
  for ((r = 1; r <= repetitions; r++)); do
    for fsync in off on; do
      progress "targets, calls, fsync $fsync, repetition $r"
      use preload; fsync_is $fsync
      for regime in "${regimes[@]}"; do
        [ $fsync = on ] || warm_session "$regime" targets off "$r" $rounds 20 1 11
        warm_session "$regime" targets $fsync "$r" $rounds 20 3 9
      done
      [ $fsync = on ] || [ -z "$c_pgc" ] || { use c; warm_tables; warm_session loop targets off "$r" $((calls / 40 + 1)) 5 2; }
    done
  done
  use preload; fsync_is off
  ratio() { # regime fsync call peer
    sql -c "SELECT o.p50 / d.p50 FROM bench.warm_quantile o JOIN bench.warm_quantile d USING (regime, spin, fsync, repetition)
      WHERE spin = 'targets' AND regime = '$1' AND fsync = '$2' AND o.call = $3 AND d.call = $4 ORDER BY repetition" | array
  }
  peer() { sql -c "SELECT ' (' || round(bench.middle(array_agg(p50))) || ' µs)' FROM bench.warm_quantile WHERE spin = 'targets' AND regime = '$1' AND fsync = '$2' AND call = $3"; }
  for regime in "${regimes[@]}"; do
    case $regime in
      *'two cores') select=0.12 insert=0.2 ;;
      *'one core'|idle) select=0.5 insert=0.6 ;;
      *) continue ;;
    esac
    target "'$selects', '$regime: ÷ dblink kept open$(peer "$regime" off 1)', $(ratio "$regime" off 11 1), '<=', $select"
    target "'$inserts', '$regime, fsync off: ÷ dblink kept open$(peer "$regime" off 3)', $(ratio "$regime" off 9 3), '<=', $insert"
    target "'$inserts', '$regime, fsync on: ÷ dblink kept open$(peer "$regime" on 3)', $(ratio "$regime" on 9 3), '<=', 0.9"
  done
  ours=$(sql -c "SELECT p50 FROM bench.warm_quantile WHERE spin = 'targets' AND regime = 'loop' AND fsync = 'off' AND call = 11 ORDER BY repetition" | array)
  if [ -n "$c_pgc" ]; then
    use c
    c=$(sql -c "SELECT p50 FROM bench.warm_quantile WHERE spin = 'targets' AND call = 2 ORDER BY repetition" | array)
    target "'$selects', 'loop: the C extension 2.0.3 ÷ ours', (SELECT array_agg(c / o) FROM unnest($c::float8[], $ours::float8[]) u (c, o)), '>=', 200"
  else not_measured "$selects" 'loop: the C extension 2.0.3 ÷ ours' "$no_c" '≥ 200 ×'; fi
}

# One run of pgbench; prints jobs per second, clients that an error ended, and microseconds of processor time that a job has cost: what
# the machine has, but for pgbench's own part, so it means something where all processors are busy.
targets_pgbench() { # script clients
  local log=$TMP/pgbench.log TIMEFORMAT='%U %S' tps
  { time pgbench -n -M prepared -f "$here/jobs/$1.sql" -c "$2" -j "$(($2 < $(nproc) ? $2 : $(nproc)))" -T "$seconds" -D open=0 >"$log" 2>&1 </dev/null || true; } 2>"$TMP/used"
  tps=$(sed -n 's/^tps = \([0-9.]*\).*/\1/p' "$log")
  awk -v tps="${tps:-0}" -v errors="$(grep -c ' aborted in command ' "$log" || true)" -v cores="$(nproc)" \
    -v done="$(sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1/p' "$log")" \
    '{ print tps, errors, (tps > 0 && done > 0 ? 1e6 * (cores / tps - ($1 + $2) / done) : "NaN") }' "$TMP/used"
}

targets_jobs() {
  local r clients kind by script spin tps errors cpu limit busy=$((2 * $(nproc)))
  local kinds=('dblink/dblink-kept-select/' 'exec/exec-select/' 'exec, spin_us 0/exec-select/-c pg_background.spin_us=0')
  [ -z "$c_pgc" ] || kinds+=('C extension/ours-select/')
  use preload
  for ((r = 1; r <= repetitions; r++)); do
    for clients in 1 2 4 8; do
      progress "targets, jobs per second, $clients clients, repetition $r"
      for kind in "${kinds[@]}"; do
        IFS=/ read -r by script spin <<<"$kind"
        case $by in C*) use c ;; *) use preload ;; esac
        read -r tps errors cpu < <(PGOPTIONS=$spin targets_pgbench "$script" "$clients")
        use preload
        sql -c "INSERT INTO bench.target_jobs VALUES ('$by', $clients, $r, $tps, $errors, '$cpu')"
      done
    done
  done
  ratios() { # what by peer clients
    sql -c "SELECT o.$1 / d.$1 FROM bench.target_jobs o JOIN bench.target_jobs d USING (clients, repetition)
      WHERE o.by = '$2' AND d.by = '$3' AND clients = $4 ORDER BY repetition" | array
  }
  cpu=$(sql -c "SELECT cpu FROM bench.target_jobs WHERE by = 'exec' AND clients = $busy ORDER BY repetition" | array)
  if [ "$busy" -le 8 ]; then
    target "'processor time of an exec', '$busy clients on $(nproc) cores, without pgbench', $cpu, '<=', 30, ' µs'"
    target "'processor time of an exec', 'the same ÷ dblink kept open', $(ratios cpu exec dblink "$busy"), '<', 1"
  else not_measured 'processor time of an exec' "saturated" "more than 4 cores" '≤ 30 µs'; fi
  for clients in 1 2 4 8; do
    limit=1.3; [ $clients != 1 ] || limit=1.5
    target "'jobs/s by exec', '$clients clients: ÷ dblink kept open', $(ratios tps exec dblink $clients), '>=', $limit"
    target "'jobs/s by exec', '$clients clients, spin_us 0: ÷ dblink kept open', $(ratios tps 'exec, spin_us 0' dblink $clients), '>=', 1"
    if [ -n "$c_pgc" ]; then target "'jobs/s by exec', '$clients clients: ÷ C extension 2.0.3', $(ratios tps exec 'C extension' $clients), '>=', 100"
    else not_measured 'jobs/s by exec' "$clients clients: ÷ C extension 2.0.3" "$no_c" '≥ 100 ×'; fi
  done
  target "'jobs/s by exec', 'clients that an error ended', $(sql -c "SELECT sum(errors) FROM bench.target_jobs WHERE by LIKE 'exec%'" | array), '<=', 0, ''"
}

targets_trigger() {
  local r plain by_exec exec=()
  use preload
  for ((r = 0; r <= 2 * repetitions; r++)); do
    progress "targets, trigger, repetition $r"
    # in one session: its first call is not what is measured
    sql -c 'TRUNCATE bench.target_audit' -c "INSERT INTO bench.plainly VALUES (0, 'first')" -c "INSERT INTO bench.by_exec VALUES (0, 'first')" \
      -c "SELECT bench.timed('INSERT INTO bench.plainly SELECT i, ''item '' || i FROM generate_series(1, 1000) i')" \
      -c "SELECT bench.timed('INSERT INTO bench.by_exec SELECT i, ''item '' || i FROM generate_series(1, 1000) i')" >"$TMP/trigger"
    { read -r plain; read -r by_exec; } <"$TMP/trigger"
    ((r == 0)) || exec+=("$(awk "BEGIN { print ($by_exec - $plain) / 1000 }")")
  done
  target "'trigger, 1,000 audit rows by exec', 'a row more than a plain INSERT', $(printf '%s\n' "${exec[@]}" | array), '<=', 15, ' µs'"
}

# Cold starts, on this server and, where they are fetched, 14 and 15.
targets_cold() {
  local major from version pgc=$pgc path=$PATH
  targets_cold_on plain cold
  version=$(sql -c "SELECT current_setting('server_version_num')::int / 10000")
  for major in 14 15; do
    [ "$major" != "$version" ] || continue
    if ! from=$(scripts/pg-matrix.sh pgconfig $major); then
      not_measured 'cold launch, result' "PostgreSQL $major" "scripts/pg-matrix.sh get $major" '≤ 0.9 ×, ≤ 1.0 ×'
      continue
    fi
    progress "targets: builds for $major"
    pgc=$(build_into "$from" "$TMP/pg$major")
    server plain$major '' 'pg_background.max_idle_workers = 0'
    server cold$major pg_background 'pg_background.max_idle_workers = 0'
    targets_cold_on plain$major cold$major
    server_stop plain$major "$pgc"; server_stop cold$major "$pgc"
    PATH=$path
  done
}
targets_cold_on() { # server without the library preloaded, server with
  local r server version limit is peer
  use "$1"
  # The packages of some majors lack dblink. There the peer's connections come from the server "preload", in loops of their own.
  peer=$(sql -c "SELECT count(*) FROM pg_extension WHERE extname = 'dblink'")
  for server in "$@"; do
    use "$server"
    rm -f "$TMP/$server.ratios"
    if [ "$peer" = 1 ]; then latency_tables; else sql -f "$here/targets.sql" >/dev/null; fi
  done
  for ((r = 1; r <= repetitions; r++)); do
    for server in "$@"; do
      use "$server"
      progress "targets, cold, server: $server, repetition $r"
      if [ "$peer" = 1 ]; then measure_latency 'SELECT 1' "$r"; else targets_cold_beside "$server"; fi
    done
  done
  for server in "$@"; do
    use "$server"
    limit=1.0 is='not preloaded'; [ "$server" = "$1" ] || limit=0.9 is=preloaded
    version=$(sql -c "SELECT split_part(current_setting('server_version'), ' ', 1)")
    [ "$peer" != 1 ] || sql -c "WITH q AS (SELECT repetition, call, percentile_cont(0.5) WITHIN GROUP (ORDER BY us) AS p50 FROM bench.latency WHERE task = 'SELECT 1' GROUP BY 1, 2)
      SELECT o.p50 / d.p50 FROM q o JOIN q d USING (repetition) WHERE o.call = 4 AND d.call = 3 ORDER BY repetition" >"$TMP/$server.ratios"
    target "'cold launch, result', '$version, $is: ÷ dblink, new connection', $(array <"$TMP/$server.ratios"), '<=', $limit"
  done
}
targets_cold_beside() { # server
  local ours theirs
  ours=$(sql -c "SELECT bench.launch_latency($calls)")
  use preload
  theirs=$(sql -c "SELECT bench.connect_latency('host=$TMP/$1 user=postgres dbname=postgres', $calls)")
  awk "BEGIN { print $ours / $theirs }" >>"$TMP/$1.ratios"
}

targets_rows() {
  local shape
  use preload
  [ -n "$(sql -c "SELECT to_regclass('bench.transfer')")" ] || rows_measure
  ratios() { sql -c "SELECT o.ms / p.ms FROM bench.transfer o JOIN bench.transfer p USING (shape, repetition) WHERE o.way = 4 AND p.way = $1 AND shape = $2" | array; }
  # the middle of each shape, in their order; $3 of them
  sorted() { sql -c "SELECT bench.middle(array_agg(o.ms / p.ms)) FROM bench.transfer o JOIN bench.transfer p USING (shape, repetition) WHERE o.way = 4 AND p.way = $1 GROUP BY shape ORDER BY 1 OFFSET $2 LIMIT 1" | array; }
  for shape in 1 2 3 4 5; do
    target "'rows into the caller', (SELECT name FROM bench.shape WHERE id = $shape) || ': ÷ srf_gather', $(ratios 2 $shape), '<=', 0.9"
  done
  target "'rows into the caller', 'third best of the five: ÷ srf_gather', $(sorted 2 2), '<=', 0.6"
  target "'rows into the caller', 'third best of the five: ÷ srf', $(sorted 1 2), '<=', 1.0"
}

targets_copy() {
  local r client job ratios=()
  use preload
  for ((r = 0; r <= repetitions; r++)); do
    progress "targets, COPY, repetition $r"
    client=$(sql -c '\timing on' -c '\copy (SELECT 1) TO /dev/null' -c '\o /dev/null' -c 'COPY bench.texts TO STDOUT' | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | tail -1)
    job=$(sql -c 'SELECT bench.execs(5)' -c "SELECT bench.timed('SELECT count(*) FROM pg_background_query(''COPY bench.texts TO STDOUT'') AS (line text)') / 1000" | tail -1)
    ((r == 0)) || ratios+=("$(awk "BEGIN { print $client / $job }")")
  done
  target "'COPY TO STDOUT by a job, 2M rows', 'speed ÷ that of a client (psql) over the socket', $(printf '%s\n' "${ratios[@]}" | array), '>=', 0.9"
}

# Several jobs at a time, and growth, on a server with room for many.
targets_many() {
  local r cores ideal wall few many
  server many pg_background 'pg_background.max_idle_workers = 64' 'pg_background.idle_timeout = 1h' 'max_connections = 200' 'pg_background.max_jobs = 65536' \
    'max_worker_processes = 140' 'pg_background.max_workers = 400'
  sql -f "$here/targets.sql" >/dev/null
  cores=$(nproc)
  # A loop without an end in sight for the planner, some 200 ms of it.
  sql -c "CREATE FUNCTION bench.burn() RETURNS int LANGUAGE plpgsql AS 'DECLARE n int := 0; BEGIN FOR i IN 1..3000000 LOOP n := n + i % 2; END LOOP; RETURN n; END'"
  echo 'SELECT bench.burn();' >"$TMP/burn.sql"
  timed() { use many; sql -c "SELECT bench.timed('SELECT 1')" -c "SELECT bench.timed(\$\$$1\$\$)" | tail -1; }
  middle_of() { use many; sql -c "SELECT bench.middle_of(\$\$$1\$\$, 20)" -c "SELECT bench.middle_of(\$\$$1\$\$, $2)" | tail -1; }
  ratio_of() { awk "BEGIN { print $1 / $2 }"; }
  progress 'targets, growth'
  local history_0 history_1000 idle_1 idle_64 view_100 view_1000
  history_0=$(sql -c 'SELECT bench.launch_latency(50)')
  view_100=$(middle_of 'SELECT count(*) FROM pg_background_history' 100)
  # as many rows as there are by then
  local history_rows few; history_rows=$(sql -c 'SELECT count(*) FROM pg_background_history')
  sql -c 'SELECT bench.execs(1100)' >/dev/null
  many=$(sql -c 'SELECT count(*) FROM pg_background_history')
  history_1000=$(sql -c 'SELECT bench.launch_latency(400)')
  view_1000=$(middle_of 'SELECT count(*) FROM pg_background_history' 100)
  local tracked=()
  for ((r = 1; r <= repetitions; r++)); do
    sql -c 'SELECT bench.launch_latency(400)' -c "SELECT count(pg_background_start('SELECT 1')) FROM generate_series(1, 255)" -c 'SELECT bench.launch_latency(400)' >"$TMP/tracked"
    tracked+=("$(awk 'NR == 1 { one = $1 } NR == 3 { print $1 / one }' "$TMP/tracked")")
  done
  target "'growth', 'launch, result: 256 tracked jobs ÷ 1', $(printf '%s\n' "${tracked[@]}" | array), '<=', 1.2"
  target "'growth', 'launch, result: $many rows of history ÷ fewer than 100', '{$(ratio_of "$history_1000" "$history_0")}', '<=', 1.2"
  use many
  # the tracked jobs have left as many workers as may be idle: few again
  set_many() { # setting value
    sql -c "ALTER SYSTEM SET $1 = $2" -c 'SELECT pg_reload_conf()' >/dev/null
    until [ "$(sql -c "SHOW $1")" = "$2" ]; do sleep 0.1; done
  }
  set_many pg_background.max_idle_workers 0
  until [ "$(sql -c 'SELECT count(*) FROM pg_stat_background_workers')" = 0 ]; do sleep 0.1; done
  set_many pg_background.max_idle_workers 64
  idle_1=$(sql -c "SELECT bench.launch_latency(400)")
  few=$(sql -c "SELECT count(*) FROM pg_stat_background_workers")
  sql -c "SELECT count(*) FROM pg_background_map(array_fill('SELECT pg_sleep(2)'::text, '{64}'), 64)" >/dev/null
  r=$(sql -c "SELECT count(*) FROM pg_stat_background_workers")
  idle_64=$(sql -c "SELECT bench.launch_latency(400)")
  target "'growth', 'launch, result: $r workers, idle ÷ $few', '{$(ratio_of "$idle_64" "$idle_1")}', '<=', 1.2"
  few=$history_rows
  target "'growth', 'pg_background_history: a row of $many ÷ a row of $few', '{$(awk "BEGIN { print ($view_1000 / $many) / ($view_100 / $few) }")}', '<=', 1.2"
  # settings that the server does not know, of the session and of the job
  local plain own sets
  exec_middle() { sql -c "${1:-SELECT}" -c "SELECT bench.middle_of(\$\$SELECT pg_background_exec('$2')\$\$, 40)" -c "SELECT bench.middle_of(\$\$SELECT pg_background_exec('$2')\$\$, 400)" | tail -1; }
  plain=$(exec_middle '' 'SELECT 1')
  own=$(exec_middle "SET bench.own = 'x'" 'SELECT 1')
  sets=$(exec_middle "SET bench.own = 'x'" "SELECT set_config(''bench.own'', ''y'', false)")
  target "'settings', 'exec in a session that has set a customized one ÷ without', '{$(ratio_of "$own" "$plain")}', '<=', 1.2"
  target "'settings', 'exec of a job that sets it ÷ SELECT 1 without', '{$(ratio_of "$sets" "$plain")}', '<=', 2"
  # Launches that wait: 8 and 124 of them, and four jobs that run. No more than 128 can wait, and all may at first.
  local waits=()
  use many
  set_many pg_background.max_workers_total 4
  for ((r = 1; r <= repetitions; r++)); do
    progress "targets, launches that wait, repetition $r"
    use many
    few=$(PGOPTIONS='-c pg_background.launch_timeout=1min' targets_pgbench exec-select 12 | cut -d' ' -f1)
    many=$(PGOPTIONS='-c pg_background.launch_timeout=1min' targets_pgbench exec-select 128 | cut -d' ' -f1)
    waits+=("$(ratio_of "$few" "$many")")
  done
  target "'growth', 'time of a job, max_jobs = 65536, 4 at a time: 124 launches wait ÷ 8', $(printf '%s\n' "${waits[@]}" | array), '<=', 1.2"
  use many
  set_many pg_background.max_workers_total 0
  local fans=() starts=()
  for ((r = 0; r <= 2 * repetitions; r++)); do
    progress "targets, fan-out, repetition $r"
    use many
    # plain sessions, as many as processors, do the same work
    ideal=$(pgbench -n -f "$TMP/burn.sql" -c "$cores" -j "$cores" -t $((8 / cores > 0 ? 8 / cores : 1)) | sed -n 's/^tps = \([0-9.]*\).*/\1/p')
    wall=$(timed "SELECT count(*) FROM pg_background_map(array_fill('SELECT bench.burn()'::text, '{8}'), 8)")
    ((r == 0)) || fans+=("$(awk "BEGIN { print $wall / (8e6 / $ideal) }")")
    few=$(middle_of "SELECT count(*) FROM pg_background_map(array_fill('SELECT 1'::text, '{1}'), 8)" 200)
    many=$(middle_of "SELECT count(*) FROM pg_background_map(array_fill('SELECT 1'::text, '{8}'), 8)" 200)
    ((r == 0)) || starts+=("$(ratio_of "$many" "$few")")
  done
  target "'map of 8 jobs of equal work', '÷ the same by as many plain sessions as cores', $(printf '%s\n' "${fans[@]}" | array), '<=', 1.05"
  target "'map of 8 jobs of no work', '÷ map of one', $(printf '%s\n' "${starts[@]}" | array), '<=', 2"
  server_stop many "$pgc"
}

targets_memory() {
  local r plain worker before after jobs=${MEMORY_JOBS:-1000000}; local first=$((jobs / 50))
  use preload
  progress "targets, memory: $jobs jobs"
  sql -c "SELECT bench.execs($first)" -c 'SELECT bench.private_kb()' -c "SELECT bench.execs($jobs)" -c 'SELECT bench.private_kb()' >"$TMP/memory"
  { read -r _ ; read -r before; read -r _; read -r after; } < <(sed 's/^$/-/' "$TMP/memory")
  target "'memory', 'session after ${jobs/%000000/M} jobs ÷ after $first ($after kB)', '{$(awk "BEGIN { print $after / $before }")}', '<=', 1.02"
  plain=$({ for ((r = 0; r < 1000; r++)); do echo 'SELECT 1 \g /dev/null'; done; echo 'SELECT bench.private_kb();'; } | sql | tail -1)
  sql -c 'SELECT pg_terminate_backend(pid) FROM pg_stat_background_workers' >/dev/null
  until [ "$(sql -c 'SELECT count(*) FROM pg_stat_background_workers')" = 0 ]; do sleep 0.1; done
  worker=$(sql -c 'SELECT bench.execs(1000)' -c "SELECT kb FROM pg_background_query('SELECT bench.private_kb()') AS (kb int)" | tail -1)
  target "'memory', 'worker after 1,000 jobs ÷ plain session after 1,000 statements ($worker kB)', '{$(awk "BEGIN { print $worker / $plain }")}', '<=', 1.2"
  not_measured memory 'registry: bytes for a slot' 'docs/operations.md, Sizing' documented
}

targets() {
  local part no_c='18c only'
  targets_tables
  case $from in */18c/*) no_c='not there'; c_extension || true ;; esac
  for part in ${TARGETS:-calls jobs trigger cold rows copy many memory}; do "targets_$part"; done
  use preload
  report '' '### Targets' '' '| path | what | figure | wanted | |' '|---|---|---|---|---|'
  sql -f "$here/targets-result.sql" | table
}
