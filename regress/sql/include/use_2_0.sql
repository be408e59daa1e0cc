-- the same name with and without _v2, with and without a label
SELECT pid, cookie FROM pg_background_launch('SELECT 20') \gset
SELECT * FROM pg_background_result(:pid, :cookie) AS (n int);
SELECT pid, cookie FROM pg_background_launch_v2('SELECT 20', 65536, 'twenty') \gset
SELECT pg_background_wait(:pid, :cookie), pg_background_wait_v2(:pid, :cookie, -1), pg_background_wait(:pid, :cookie, 60000);
SELECT state, sql_preview, label FROM pg_background_list;
SELECT pgbg_state, sql_preview, label, backend_state FROM pg_background_activity;
SELECT row_count, command_tag, completed, has_error, started_at <= finished_at AS in_order FROM pg_background_result_info(:pid, :cookie);
SELECT pg_background_error_info(:pid, :cookie) IS NULL AS no_error, pg_background_full_sql(:pid, :cookie);
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (n int);
SELECT attempt('SELECT pg_background_full_sql_v2($1, $2)', :pid, :cookie);
-- an error with all that there is to it
SELECT pid, cookie FROM pg_background_submit('INSERT INTO catalog_used VALUES (-1)', 0, 'negative') \gset
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT row_count, command_tag, completed, has_error, started_at <= finished_at AS in_order FROM pg_background_result_info_v2(:pid, :cookie);
SELECT * FROM pg_background_error_info_v2(:pid, :cookie);
SELECT state, consumed, completed, has_error, row_count, command_tag, sqlstate, error_message, label
  FROM pg_background_outcome(:pid, :cookie);
SELECT pg_background_detach_v2(:pid, :cookie), pg_background_purge();
-- a handle that nobody knows
SELECT * FROM pg_background_outcome(1, 2);
SELECT * FROM pg_background_drain_v2('{"(1,2)"}', 10);
SELECT attempt('SELECT pg_background_wait(1, 2)');
SELECT attempt('SELECT pg_background_cancel(1, 2)');
SELECT attempt('SELECT pg_background_result_info(1, 2)');
SELECT attempt('SELECT pg_background_error_info_v2(1, 2)');
SELECT attempt('SELECT pg_background_full_sql(1, 2)');
-- a wait that is too short, and a cancel that is patient
SELECT pid, cookie FROM pg_background_submit_v2('SELECT pg_background_report_progress(50, ''half''); SELECT pg_sleep(600)', 0, 'sleeps') \gset
SELECT pg_background_wait(:pid, :cookie, 1);
CALL until_waits(:pid, 'PgSleep');
SELECT * FROM pg_background_get_progress(:pid, :cookie);
SELECT * FROM pg_background_result_info(:pid, :cookie);
SELECT backend_state, wait_event FROM pg_background_activity;
SELECT pg_background_cancel(:pid, :cookie, 10);
SELECT pg_background_wait(:pid, :cookie);
SELECT row_count, command_tag, completed, has_error FROM pg_background_result_info(:pid, :cookie);
SELECT (pg_background_error_info(:pid, :cookie)).sqlstate;
SELECT pg_background_purge_v2();
SELECT pid, cookie FROM pg_background_submit('SELECT pg_sleep(0.1)') \gset
SELECT pg_background_cancel_v2(:pid, :cookie, 3600000);
SELECT completed FROM pg_background_outcome_v2(:pid, :cookie);
-- by label
SELECT pg_background_submit('SELECT pg_sleep(600)', 0, 'a' || n) IS NOT NULL FROM generate_series(1, 2) n;
SELECT pg_background_cancel_by_label('b%'), pg_background_cancel_by_label_v2('a_', 1);
SELECT count(*), bool_and(completed) FROM pg_background_drain(ARRAY(SELECT ROW(pid, cookie)::pg_background_handle FROM pg_background_list));
-- all of them
SELECT pg_background_cancel_all(), pg_background_detach_all(), pg_background_detach_all_v2();
-- the first of some
SELECT pid, cookie FROM pg_background_submit('SELECT pg_sleep(600)') \gset slow_
SELECT pid, cookie FROM pg_background_submit('SELECT 1') \gset
SELECT cookie = :cookie AS quick
  FROM pg_background_wait_any(ARRAY[ROW(:slow_pid, :slow_cookie), ROW(:pid, :cookie)]::pg_background_handle[]);
SELECT pg_background_wait_any_v2(ARRAY[ROW(:slow_pid, :slow_cookie)]::pg_background_handle[], 20) IS NULL AS none;
SELECT pg_background_wait_any('{}') IS NULL AS none;
SELECT pg_background_cancel_all_v2(), pg_background_detach_all();
-- in one call
SELECT state, completed, has_error, row_count, command_tag, sqlstate, error_message, label, timed_out, elapsed_ms >= 0 AS timed
  FROM pg_background_run('INSERT INTO catalog_used SELECT generate_series(1, 5)', label => 'five');
SELECT state, completed, has_error, row_count, command_tag, sqlstate, error_message, label, timed_out, elapsed_ms >= 50 AS timed
  FROM pg_background_run_v2('SELECT pg_sleep(600)', timeout_ms => 50);
SELECT state, has_error, sqlstate, error_message, timed_out FROM pg_background_run('SELECT 1 / 0');
SELECT pg_background_run(NULL) IS NULL AS nothing;
SELECT * FROM pg_background_run_query('SELECT count(*), max(n) FROM catalog_used', col_def => 'c bigint, m int') AS (c bigint, m int);
SELECT * FROM pg_background_run_query_v2('DELETE FROM catalog_used; VACUUM_NOT catalog_used') AS (tag text);
SELECT * FROM pg_background_run_query_v2('DELETE FROM catalog_used') AS (tag text);
SELECT attempt('SELECT * FROM pg_background_run_query(''SELECT pg_sleep(600)'', timeout_ms => 50) AS (t text)');
\set VERBOSITY sqlstate
SELECT * FROM pg_background_run_query('SELECT 1', col_def => 'n int') AS (t text);
\set VERBOSITY default
-- when the wait is interrupted, the job is canceled, and nobody has to care for it
SET statement_timeout = '300ms';
SELECT pg_background_run('SET statement_timeout = 0; SELECT pg_sleep(600)', label => 'interrupted');
SELECT * FROM pg_background_run_query('SET statement_timeout = 0; SELECT pg_sleep(600)', label => 'interrupted') AS (t text);
RESET statement_timeout;
CALL until($$NOT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'SET statement_timeout = 0; SELECT pg_sleep%' AND state = 'active')$$);
-- nothing of it is left
SELECT count(*) FROM pg_background_list;
SELECT workers_launched > 10 AS launched, workers_failed > 0 AS failed, workers_canceled > 0 AS canceled, workers_timed_out % 2 AS timed_out,
       workers_active, max_workers
  FROM pg_background_stats();
SELECT pg_background_record_timeout();
SELECT s.workers_timed_out = v2.workers_timed_out AS same, s.workers_timed_out % 2 AS timed_out
  FROM pg_background_stats() s, pg_background_stats_v2() v2;
SELECT pg_background_record_timeout();
