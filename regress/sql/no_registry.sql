-- What the statistics views show where there is no registry of the jobs of all sessions.
\i regress/sql/include/helpers.sql
SELECT count(*) FROM pg_stat_background;
-- said once
SELECT count(*) FROM pg_background_history;
SELECT count(*) FROM pg_stat_background_workers;
-- the session's own counters
SELECT pid, cookie FROM pg_background_submit_v2('SELECT 1/0') \gset
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT datname = current_database() AS datname, usename = current_user AS usename, launched, completed, failed, canceled, timed_out,
       rejected, queue_waits, warm_starts, cold_starts, run_time >= '0' AS run_time, stats_reset
  FROM pg_stat_background_totals;
SELECT pg_background_stat_reset();
SELECT pg_background_detach_v2(:pid, :cookie);
-- a job cannot wait for a commit
SELECT attempt($$SELECT pg_background_start('SELECT 1', at_commit => true)$$);
\i regress/sql/include/cleanup.sql
