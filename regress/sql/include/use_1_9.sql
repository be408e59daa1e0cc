-- v1
SELECT pg_background_launch('SELECT 19') AS pid \gset
SELECT * FROM pg_background_result(:pid) AS (n int);
SELECT pg_background_launch('SELECT 19', 65536) AS pid \gset
SELECT pg_background_detach(:pid);
-- v2, without a label and with one
SELECT pid, cookie FROM pg_background_launch_v2('SELECT 2') \gset
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (n int);
SELECT pid, cookie FROM pg_background_launch_v2('SELECT n FROM generate_series(1, 3) n', 0, 'three rows') \gset
SELECT pg_background_wait_v2(:pid, :cookie);
-- the list has ten columns, or the nine of 1.8, as the caller likes
SELECT state, sql_preview, last_error, consumed, label
  FROM pg_background_list_v2() AS (pid int, cookie bigint, launched_at timestamptz, user_id oid, queue_size int, state text,
                                   sql_preview text, last_error text, consumed bool, label text);
SELECT state, sql_preview, last_error, consumed
  FROM pg_background_list_v2() AS (pid int, cookie bigint, launched_at timestamptz, user_id oid, queue_size int, state text,
                                   sql_preview text, last_error text, consumed bool);
SELECT * FROM pg_background_result_info_v2(:pid, :cookie);
SELECT pg_background_error_info_v2(:pid, :cookie) IS NULL AS no_error;
SELECT count(*) FROM pg_background_result_v2(:pid, :cookie) AS (n int);
-- which is then forgotten
SELECT attempt('SELECT pg_background_result_info_v2($1, $2)', :pid, :cookie);
SELECT attempt('SELECT pg_background_error_info_v2($1, $2)', :pid, :cookie);
-- submitted, and failed
SELECT pid, cookie FROM pg_background_submit_v2('SELECT 1; SELECT 1 / 0', 0, NULL) \gset
SELECT pg_background_wait_v2_timeout(:pid, :cookie, 60000);
SELECT * FROM pg_background_result_info_v2(:pid, :cookie);
SELECT * FROM pg_background_error_info_v2(:pid, :cookie);
SELECT pg_background_detach_v2(:pid, :cookie);
SELECT attempt('SELECT pg_background_result_info_v2($1, $2)', :pid, :cookie);
-- progress, and a cancel
SELECT pid, cookie FROM pg_background_submit_v2('SELECT pg_background_progress(40, ''forty''); SELECT pg_sleep(600)') \gset
CALL until_waits(:pid, 'PgSleep');
SELECT * FROM pg_background_get_progress_v2(:pid, :cookie);
SELECT * FROM pg_background_result_info_v2(:pid, :cookie);
SELECT pg_background_cancel_v2(:pid, :cookie);
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT (pg_background_error_info_v2(:pid, :cookie)).sqlstate;
SELECT pg_background_cancel_v2_grace(:pid, :cookie, 10);
-- all of the session's
SELECT pg_background_submit_v2('SELECT pg_sleep(600)') IS NOT NULL FROM generate_series(1, 2);
SELECT pg_background_cancel_all_v2();
SELECT pg_background_detach_all_v2(), pg_background_cancel_all_v2(), pg_background_detach_all_v2();
SELECT workers_launched > 0 AS launched, workers_active, avg_execution_ms > 0 AS timed, max_workers FROM pg_background_stats_v2();
-- roles
CREATE ROLE regress_pgbg_reader;
SELECT grant_pg_background_privileges('regress_pgbg_reader');
SET ROLE regress_pgbg_reader;
SELECT * FROM pg_background_result(pg_background_launch('SELECT current_user')) AS (u name);
RESET ROLE;
SELECT revoke_pg_background_privileges('regress_pgbg_reader');
DROP ROLE regress_pgbg_reader;
