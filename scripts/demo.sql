\pset footer off
\set VERBOSITY terse

\echo
\echo === 1. Maintenance in the background, its progress seen from here
\echo
UPDATE pgbench_accounts SET abalance = abalance + 1;
SELECT pid, cookie FROM pg_background_launch_v2('VACUUM (VERBOSE, ANALYZE) pgbench_accounts') \gset
\echo -> pid :pid, cookie :cookie
SELECT follow(:pid, :cookie, $$
  SELECT format('%s, %s %% of the heap scanned', phase, (100 * heap_blks_scanned / greatest(heap_blks_total, 1)) / 20 * 20)
  FROM pg_stat_progress_vacuum WHERE pid = $1 $$) AS lines \gset
SELECT expect('the VACUUM was seen at work', :lines > 0) \g /dev/null
\echo
\echo What VACUUM VERBOSE had to say arrives with the result:
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (command text);

SELECT pid, cookie FROM pg_background_launch_v2('CREATE INDEX demo_idx ON pgbench_accounts (abalance, filler)') \gset
\echo -> pid :pid, cookie :cookie
SELECT follow(:pid, :cookie, $$
  SELECT format('%s, %s %% of the blocks', phase, (100 * blocks_done / greatest(blocks_total, 1)) / 20 * 20)
  FROM pg_stat_progress_create_index WHERE pid = $1 $$) AS lines \gset
SELECT expect('the CREATE INDEX was seen at work', :lines > 0) \g /dev/null
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (command text);
SELECT expect('the index is there', to_regclass('demo_idx') IS NOT NULL) \g /dev/null

\echo
\echo === 2. A job that reports its own progress
\echo
SELECT pid, cookie FROM pg_background_launch_v2($job$
  DO $$
  BEGIN
    FOR branch IN 1..10 LOOP
      UPDATE pgbench_branches SET bbalance = (SELECT sum(abalance) FROM pgbench_accounts WHERE bid = branch) WHERE bid = branch;
      PERFORM pg_background_progress(branch * 10, format('branch %s of 10', branch));
    END LOOP;
  END $$ $job$) \gset
SELECT follow(:pid, :cookie, $$
  SELECT format('%s %%: %s', progress_pct, progress_msg) FROM pg_background_get_progress_v2($1, $2)
  WHERE progress_pct IS NOT NULL $$) AS lines \gset
SELECT expect('its progress was seen', :lines > 0) \g /dev/null
SELECT pg_background_detach_v2(:pid, :cookie) \g /dev/null
SELECT expect('all ten branches are summed', count(*) = 10) FROM pgbench_branches WHERE bbalance <> 0 \g /dev/null

\echo
\echo === 3. An audit row that survives a rollback
\echo
CREATE TABLE audit (at timestamptz DEFAULT clock_timestamp(), what text);
BEGIN;
DELETE FROM pgbench_tellers;
SELECT pid, cookie FROM pg_background_submit_v2($$INSERT INTO audit (what) VALUES ('someone tried to delete all tellers')$$) \gset
\echo -> pid :pid, cookie :cookie
SELECT pg_background_wait_v2(:pid, :cookie) \g /dev/null
ROLLBACK;
SELECT pg_background_detach_v2(:pid, :cookie) \g /dev/null
SELECT what FROM audit;
SELECT expect('the audit row is there', count(*) = 1) FROM audit \g /dev/null
SELECT expect('the tellers are there', count(*) = 100) FROM pgbench_tellers \g /dev/null

\echo
\echo === 4. Three tables counted at the same time
\echo
-- launched in one statement, read in the next: a query that does both reads the first job before it launches the second
CREATE TEMP TABLE job AS
  SELECT t, h.* FROM unnest(ARRAY['pgbench_accounts', 'pgbench_branches', 'pgbench_tellers']) AS t,
         pg_background_launch_v2(format('SELECT count(*) FROM %I', t)) AS h;
CREATE TEMP TABLE counted AS
  SELECT t, n FROM job, pg_background_result_v2(pid, cookie) AS (n bigint);
SELECT coalesce(t, 'all three') AS counted, sum(n) AS n FROM counted GROUP BY ROLLUP (t) ORDER BY n;
SELECT expect('together they have 1,000,110 rows', sum(n) = 1000110) FROM counted \g /dev/null

\echo
\echo === 5. A long job cancelled
\echo
SELECT pid, cookie FROM pg_background_launch_v2('SELECT pg_sleep(600)') \gset
\echo -> pid :pid, cookie :cookie
SELECT expect('it is still at work after a moment', NOT pg_background_wait_v2_timeout(:pid, :cookie, 200)) \g /dev/null
SELECT state, sql_preview FROM jobs WHERE pid = :pid;
SELECT pg_background_cancel_v2(:pid, :cookie) \g /dev/null
SELECT pg_background_wait_v2(:pid, :cookie) \g /dev/null
SELECT state, sql_preview FROM jobs WHERE pid = :pid;
SELECT expect('its state is canceled', state = 'canceled') FROM jobs WHERE pid = :pid \g /dev/null
SELECT pg_background_detach_v2(:pid, :cookie) \g /dev/null

\echo
\echo === 6. An error arrives where the result is read, with its SQLSTATE
\echo
\set VERBOSITY default
\set ON_ERROR_STOP off
SELECT pid, cookie FROM pg_background_launch_v2('SELECT 1/0') \gset
\echo -> pid :pid, cookie :cookie
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (n int);
\set sqlstate :LAST_ERROR_SQLSTATE
\set ON_ERROR_STOP on
SELECT expect('the SQLSTATE is 22012, division_by_zero', :'sqlstate' = '22012') \g /dev/null

\echo
\echo === 7. A warm worker: a job after a job needs no new process
\echo
SELECT sum(warm_starts) AS before FROM pg_stat_background_totals \gset
SELECT n FROM pg_background_result(pg_background_launch('SELECT 1')) AS (n int) \g /dev/null
\timing on
SELECT n FROM pg_background_result(pg_background_launch('SELECT 2')) AS (n int);
SELECT n FROM pg_background_result(pg_background_launch('SELECT 3')) AS (n int);
\timing off
SELECT pid, usename, state, jobs_run FROM pg_stat_background_workers WHERE datname = current_database();
SELECT sum(warm_starts) AS warm_starts, sum(cold_starts) AS cold_starts FROM pg_stat_background_totals;
SELECT expect('warm workers took the last two jobs', sum(warm_starts) >= :before + 2) FROM pg_stat_background_totals \g /dev/null

\echo
\echo === What this session did
\echo
SELECT workers_launched, workers_completed, workers_failed, workers_canceled FROM pg_background_stats_v2();
SELECT expect('no job is left', count(*) = 0) FROM jobs \g /dev/null

\echo
\echo === 8. Another session sees the jobs of all, stops one, and reads what became of it
\echo
SELECT pg_background_submit_v2('SELECT pg_sleep(600)') \g /dev/null
\connect -
SELECT expect('this session knows of no job of its own', count(*) = 0) FROM jobs \g /dev/null
SELECT pid, cookie, usename, state, query FROM pg_stat_background;
SELECT pid, cookie FROM pg_stat_background WHERE query = 'SELECT pg_sleep(600)' \gset
SELECT pg_background_cancel_v2(:pid, :cookie) \g /dev/null
SELECT pg_background_wait_v2(:pid, :cookie) \g /dev/null
SELECT state, sqlstate, launch_latency, run_time, left(query, 44) AS query
FROM pg_background_history ORDER BY finished_at DESC LIMIT 8;
SELECT expect('it was canceled', state = 'canceled') FROM pg_background_history WHERE cookie = :cookie \g /dev/null
SELECT usename, launched, completed, failed, canceled, warm_starts, cold_starts, run_time FROM pg_stat_background_totals;
SELECT expect('no job runs', count(*) = 0) FROM pg_stat_background \g /dev/null

\echo
\echo === 9. Progress without a line of code: a load with joins, and an index
\echo
CREATE TABLE report (bid int, tid int, n bigint, balance bigint);
CREATE TEMP TABLE job AS
  SELECT h.* FROM (VALUES
    ('load with joins', $$INSERT INTO report
       SELECT bid, tid, count(*), sum(abalance + bbalance + tbalance)
       FROM pgbench_accounts JOIN pgbench_branches USING (bid) JOIN pgbench_tellers USING (bid) WHERE tid % 3 = 0
       GROUP BY 1, 2$$),
    ('index build', 'CREATE INDEX demo_filler_idx ON pgbench_accounts (filler, bid, abalance)')) AS v (label, sql),
    pg_background_start(v.sql, label => v.label, results => false) AS h;
-- pg_background_watch, again and again; in psql alone: TABLE pg_background_watch \watch 1
SELECT looks, moves FROM job, watch(ARRAY(SELECT (pid, cookie)::pg_background_handle FROM job)) LIMIT 1 \gset
SELECT expect('they were seen at work', :looks > 0), expect('their bars have moved', :moves > 2) \g /dev/null
SELECT label, state, row_count, run_time FROM pg_background_history JOIN job USING (cookie) ORDER BY label;
SELECT expect('both have ended well', count(*) = 2) FROM pg_background_history JOIN job USING (cookie) WHERE state = 'stopped' \g /dev/null

\echo
\echo === 10. All of these jobs in a picture
\echo
\pset tuples_only on
\pset format unaligned
SELECT pg_background_timeline() \g :timeline
\pset format aligned
\pset tuples_only off
\echo The picture, for a browser: :timeline
