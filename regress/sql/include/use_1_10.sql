-- what 1.10 adds
SELECT pid, cookie FROM pg_background_launch_v2('INSERT INTO catalog_used VALUES (1), (2)', 0, 'fill') \gset
SELECT pg_background_full_sql_v2(:pid, :cookie);
SELECT pid = :pid AND cookie = :cookie AS same FROM pg_background_wait_any_v2(ARRAY[ROW(:pid, :cookie)::pg_background_handle]);
SELECT state, consumed, completed, has_error, row_count, command_tag, sqlstate, error_message, label
  FROM pg_background_drain_v2(ARRAY[ROW(:pid, :cookie)::pg_background_handle]);
SELECT pg_background_status_v2(:pid, :cookie);
SELECT state, sql_preview, label FROM pg_background_list;
SELECT pgbg_state, sql_preview, label FROM pg_background_activity;
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (tag text);
SELECT pid = :pid AND cookie = :cookie AS same, state FROM pg_background_outcome_v2(:pid, :cookie);
SELECT completed, timed_out, has_error, row_count, command_tag, sqlstate, error_message
  FROM pg_background_run_v2('DELETE FROM catalog_used', label => 'empty');
SELECT completed, timed_out, has_error, row_count, command_tag, sqlstate, error_message
  FROM pg_background_run_v2('SELECT pg_sleep(600)', timeout_ms => 50);
SELECT * FROM pg_background_run_query_v2('SELECT 1, ''x''::text', col_def => 'a int, b text') AS (a int, b text);
SELECT pid, cookie FROM pg_background_submit_v2('SELECT pg_sleep(600)', 0, 'sleeps') \gset
SELECT pg_background_cancel_by_label_v2('no%'), pg_background_cancel_by_label_v2('sleep%');
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT pg_background_purge_v2(), pg_background_purge_v2();
