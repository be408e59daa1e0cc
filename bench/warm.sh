# Sourced by bench/run: jobs on warm workers. Needs sql, use, report, table, progress, pgbench_run, fsync_is of it.
# shellcheck shell=bash disable=SC2154

has_setting() { [ "$(sql -c "SELECT count(*) FROM pg_settings WHERE name = 'pg_background.$1'")" = 1 ]; }
default_spin() { if has_setting spin_us; then sql -c 'SHOW pg_background.spin_us'; else echo none; fi; }

# Several parts want them.
warm_tables() { [ -n "$(sql -c "SELECT to_regclass('bench.warm_call')")" ] || sql -f "$here/warm.sql" >/dev/null; }

# A session that makes bursts of calls of each kind in turn, there and back. Where the scheduler puts two processes that
# wake each other makes a factor of four: on one core they never find it asleep, on two each wake-up is an interrupt for
# the other core. So three of the regimes hold the session and dblink's own session there; the worker is free always.
#
#   loop              in a tight loop, wherever the scheduler puts them
#   loop, one core    both on the same core: dblink at its best
#   loop, two cores   each on its own
#   idle              2 ms of idleness before each call, each on its own core: each wake-up finds a core asleep
warm_session() { # regime spin fsync repetition rounds burst call...
  local regime=$1 spin=$2 name="$1/$2/$3/$4" rounds=$5 burst=$6 skip=10 gap='' call script=$TMP/warm.pgbench; shift 6
  local back=() peer='' options=()
  for call; do back=("$call" "${back[@]}"); done
  case $regime in
    *'one core') peer=0 ;;
    idle|*'two cores') peer=1 ;;
  esac
  if [ "$regime" = idle ]; then gap='\sleep 2 ms' skip=0 rounds=$((rounds * burst / 4)) burst=1; fi
  {
    printf '%s\n' '\if :open = 0' '\set open 1' "SELECT dblink_connect('kept', bench.conninfo());"
    # the first calls of a session load the library, start the worker, fill caches, count the cores
    for call; do echo "SELECT FROM generate_series(1, 5), bench.burst('', $call, 1, 1);"; done
    if [ -n "$peer" ]; then
      printf '%s\n' 'SELECT pg_backend_pid() AS mine \gset' \
        "SELECT * FROM dblink('kept', 'SELECT pg_backend_pid()') AS (other int) \\gset" \
        '\shell taskset -cp 0 :mine >/dev/null' "\\shell taskset -cp $peer :other >/dev/null"
    fi
    printf '%s\n' '\endif'
    for call in "$@" "${back[@]}"; do
      printf '%s\n' ${gap:+"$gap"} "SELECT bench.burst('$name', $call, $skip, $burst);"
    done
  } >"$script"
  [[ $spin = @(default|exec|targets) ]] || options=(-c "pg_background.spin_us=$spin")
  PGOPTIONS=${options[*]} pgbench -n -M prepared -D open=0 -f "$script" -t "$rounds" >"$TMP/pgbench.log" 2>&1 </dev/null ||
    { cat "$TMP/pgbench.log" >&2; return 1; }
}

# The spins to compare, and the regimes that this machine allows.
warm_choices() {
  spins=(default) regimes=(loop)
  if has_setting spin_us; then spins+=(0); fi
  if (($(nproc) > 1)) && command -v taskset >/dev/null; then regimes+=('loop, one core' 'loop, two cores' idle); fi
}

warm_calls() {
  local r regime spin fsync spins regimes rounds=$((calls / 10 + 1)) # of 40 calls each
  for server in preload cold; do use $server; warm_tables; done
  use preload
  warm_choices
  for ((r = 1; r <= repetitions; r++)); do
    for fsync in off on; do
      progress "warm, calls, fsync $fsync, repetition $r"
      for server in preload cold; do use $server; fsync_is $fsync; done
      use preload
      for regime in "${regimes[@]}"; do
        for spin in "${spins[@]}"; do
          [ $fsync = on ] || warm_session "$regime" "$spin" $fsync "$r" $rounds 20 1 2
          warm_session "$regime" "$spin" $fsync "$r" $rounds 20 3 4 5
        done
      done
      use cold
      [ $fsync = on ] || warm_session 'new worker' default $fsync "$r" $((calls / 40 + 1)) 5 2
      warm_session 'new worker' default $fsync "$r" $((calls / 40 + 1)) 5 4 5
    done
  done
  for server in preload cold; do use $server; fsync_is off; done
  sql -c "COPY (SELECT * FROM bench.burst WHERE session LIKE 'new worker/%') TO STDOUT" >"$TMP/cold.burst"
  use preload
  sql -c "DELETE FROM bench.burst WHERE session = ''" -c '\copy bench.burst FROM '"$TMP/cold.burst"
  report '' '### A job on a warm worker, session to result: µs' ''
  report '| task | regime | spin_us | by | p50 | p95 | p99 | p50 ÷ dblink | p99 ÷ dblink | p50 of a new worker ÷ p50 |'
  report '|---|---|---|---|---|---|---|---|---|---|'
  sql -v default="$(default_spin)" -f "$here/warm-result.sql" | table
}

warm_jobs() {
  local r clients task script tps errors by spin spins regimes
  use preload
  warm_choices
  sql -c 'CREATE TABLE bench.warm_jobs (kind text, clients int, repetition int, tps float8, errors int)'
  for ((r = 1; r <= repetitions; r++)); do
    for clients in 1 4 8; do
      progress "warm, jobs per second, $clients clients, repetition $r"
      for task in select insert; do
        for by in 'dblink, kept open' "${spins[@]/#/warm, spin_us }" 'new worker'; do
          script=ours-$task spin=''
          case $by in
            dblink*) script=dblink-kept-$task; use preload ;;
            warm*default) use preload ;;
            warm*) use preload; spin="-c pg_background.spin_us=${by##* }" ;;
            new*) use cold ;;
          esac
          read -r tps errors < <(PGOPTIONS=$spin pgbench_run "$script" "$clients")
          use preload
          sql -c "INSERT INTO bench.warm_jobs VALUES (upper('$task') || '/$by', $clients, $r, nullif('${tps:-}', '')::float8, ${errors:-0})"
        done
      done
    done
  done
  report '' '### Jobs per second on warm workers' ''
  report '| task | by | 1 client | 4 | 8 | 1 client ÷ dblink | 4 | 8 | 1 client ÷ new worker | 4 | 8 | clients that an error ended |'
  report '|---|---|---|---|---|---|---|---|---|---|---|---|'
  sql -v default="$(default_spin)" -f "$here/warm-jobs-result.sql" | table
}

# What a process has used so far: context switches that it and that the kernel wanted, and clock ticks.
process_use() { awk '/ctxt_switches/ { printf "%s ", $2 }' "/proc/$1/status"; sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'; }

warm_idle() {
  local pid pids before=() after=()
  use preload
  report '' "### An idle worker, over $idle_seconds s" ''
  if ! has_setting idle_timeout; then report 'No warm workers here.'; return; fi
  sql -c "ALTER SYSTEM SET pg_background.idle_timeout = '1h'" -c 'SELECT pg_reload_conf()' >/dev/null
  until [ "$(sql -c 'SHOW pg_background.idle_timeout')" = 1h ]; do sleep 0.1; done
  sql -c "SELECT r.x FROM pg_background_launch_v2('SELECT 1') h, pg_background_result_v2(h.pid, h.cookie) AS r (x int)" >/dev/null
  # surplus workers have left by then, and statistics are written
  sleep 3
  pids=$(sql -c "SELECT pid FROM pg_stat_background_workers WHERE state = 'idle'")
  [ -n "$pids" ] || report 'No worker stayed.'
  for pid in $pids; do before+=("$(process_use "$pid")"); done
  sleep "$idle_seconds"
  for pid in $pids; do after+=("$(process_use "$pid")"); done
  [ -z "$pids" ] || report '| worker | voluntary context switches | involuntary | processor time, ms |' '|---|---|---|---|'
  paste -d' ' <(printf '%s\n' "${before[@]}") <(printf '%s\n' "${after[@]}") |
    awk -v tick="$(getconf CLK_TCK)" 'NF == 6 { printf "| %d | %d | %d | %d |\n", NR, $4 - $1, $5 - $2, ($6 - $3) * 1000 / tick }' | table
  sql -c 'ALTER SYSTEM RESET pg_background.idle_timeout' -c 'SELECT pg_reload_conf()' >/dev/null
}

# Sessions that never use the extension, with it preloaded and without.
warm_untouched() {
  local r server order clients=$(($(nproc) < 4 ? $(nproc) : 4))
  for server in plain preload; do use $server; pgbench -i -q -s 10 >"$TMP/pgbench.log" 2>&1; done
  sql -c 'CREATE TABLE bench.untouched (server text, repetition int, tps float8)'
  for ((r = 1; r <= 2 * repetitions + 1; r++)); do
    progress "warm, pgbench -S, repetition $r"
    order='plain preload'; ((r % 2)) || order='preload plain'
    for server in $order; do
      use "$server"
      pgbench -n -S -M prepared -c $clients -j $clients -T "$seconds" >"$TMP/pgbench.log" 2>&1 </dev/null
      use preload
      sql -c "INSERT INTO bench.untouched VALUES ('$server', $r, $(sed -n 's/^tps = \([0-9.]*\).*/\1/p' "$TMP/pgbench.log"))"
    done
  done
  report '' "### Sessions that never use the extension: pgbench -S, $clients clients" ''
  report '| not preloaded, per second | preloaded | preloaded ÷ not | not preloaded ÷ its own run before |' '|---|---|---|---|'
  sql -F ' | ' -c "
    SELECT '| ' || round(bench.middle(array_agg(a.tps))), round(bench.middle(array_agg(b.tps))), bench.ratio(array_agg(b.tps / a.tps)),
           bench.ratio(array_agg(a.tps / before)) || ' |'
    FROM (SELECT repetition, tps, lag(tps) OVER (ORDER BY repetition) AS before FROM bench.untouched WHERE server = 'plain') a
    JOIN bench.untouched b USING (repetition) WHERE b.server = 'preload'" | table
}

warm() { warm_calls; warm_jobs; warm_idle; warm_untouched; }
