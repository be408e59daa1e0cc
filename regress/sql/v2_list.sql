-- The second interface: the list of a session's jobs, and its counters.
\i regress/sql/include/helpers.sql

--
-- list
--
SELECT now() AS before \gset
SELECT pg_background_launch($$SELECT 'one'$$, 5000) AS one, pg_background_launch('SELECT 1/0') AS two,
       pg_background_launch('SELECT pg_sleep(600)') AS three \gset
SELECT pid, cookie FROM jobs WHERE pid = :three \gset
SELECT pg_background_wait_v2(l.pid, l.cookie) FROM jobs l WHERE l.pid <> :three;
CALL until($$(SELECT count(*) = 1 FROM jobs WHERE state = 'running')$$);
-- in the order of their launch
SELECT array_position(ARRAY[:one, :two, :three], pid) AS n, cookie <> 0 AS cookie, launched_at BETWEEN :'before' AND clock_timestamp() AS launched,
       user_id = current_user::regrole AS mine, queue_size, state, sql_preview, last_error, consumed
  FROM jobs;
-- what was given up is gone
SELECT pg_background_detach(:one);
SELECT * FROM attempt('SELECT * FROM pg_background_result($1) AS (i int)', :two);
SELECT pid = :three AS three FROM jobs;
SELECT pg_background_cancel_v2(:pid, :cookie);
SELECT pg_background_detach_v2(:pid, :cookie);
SELECT count(*) FROM jobs;
-- being read
WITH h AS MATERIALIZED (SELECT * FROM pg_background_launch_v2('SELECT 1'))
SELECT r.i, (SELECT count(*) FROM jobs j WHERE j.pid = h.pid) FROM h, pg_background_result_v2(pid, cookie) AS r (i int);
-- the beginning of the text
SELECT pid, cookie FROM pg_background_launch_v2($$SELECT '$$ || repeat('x', 200) || '''') \gset
SELECT length(sql_preview), sql_preview = $$SELECT '$$ || repeat('x', 112) AS beginning FROM jobs;
SELECT pg_background_detach_v2(:pid, :cookie);
SELECT pid, cookie FROM pg_background_launch_v2(E'\n  SELECT 1  \n') \gset
SELECT sql_preview FROM jobs;
SELECT pg_background_detach_v2(:pid, :cookie);
-- other columns
SELECT pid, cookie FROM pg_background_launch_v2('SELECT 1') \gset
SELECT * FROM attempt('SELECT pg_background_list_v2()');
SELECT * FROM attempt('SELECT * FROM pg_background_list_v2()');
SELECT * FROM attempt('SELECT * FROM pg_background_list_v2() AS (pid int4, cookie int8)');
\set VERBOSITY sqlstate
SELECT * FROM pg_background_list_v2()
    AS (pid text, cookie text, launched_at text, user_id text, queue_size text, state text, sql_preview text, last_error text, consumed text);
SELECT * FROM pg_background_list_v2()
    AS (pid int8, cookie int8, launched_at timestamptz, user_id oid, queue_size int4, state text, sql_preview text, last_error text, consumed bool);
SELECT * FROM pg_background_list_v2()
    AS (pid int4, cookie int8, launched_at timestamptz, user_id oid, queue_size int4, state text, sql_preview varchar(3), last_error text, consumed bool);
\set VERBOSITY default
SELECT pg_background_detach_v2(:pid, :cookie);

--
-- stats
--
\c -
\set SHOW_CONTEXT never
SELECT * FROM pg_background_stats_v2();
SET pg_background.max_workers = 7;
SELECT pid, cookie FROM pg_background_launch_v2('SELECT pg_sleep(0.01)') \gset
SELECT pg_background_wait_v2(:pid, :cookie);
-- counted as they end
SELECT workers_launched, workers_completed, workers_failed, workers_canceled, workers_active, avg_execution_ms > 0 AS avg, max_workers
  FROM pg_background_stats_v2();
SELECT * FROM attempt('SELECT * FROM pg_background_result_v2($1, $2) AS (t text)', :pid, :cookie);
CREATE VIEW counters AS
SELECT workers_launched AS launched, workers_completed AS completed, workers_failed AS failed, workers_canceled AS canceled,
       workers_active AS active FROM pg_background_stats_v2();
-- and once
SELECT * FROM counters;
SELECT pg_background_detach_v2(:pid, :cookie);
SELECT pg_background_detach_v2(:pid, :cookie);
SELECT * FROM counters;
SELECT pid, cookie FROM pg_background_launch_v2('SELECT 1/0') \gset
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT * FROM counters;
SELECT * FROM attempt('SELECT * FROM pg_background_result_v2($1, $2) AS (t text)', :pid, :cookie);
SELECT * FROM counters;
-- unread and detached is failed all the same; so is submitted
SELECT pid, cookie FROM pg_background_launch_v2('SELECT 1/0') \gset
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT pg_background_detach_v2(:pid, :cookie);
SELECT * FROM counters;
SELECT pid, cookie FROM pg_background_submit_v2('SELECT 1/0') \gset
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT * FROM counters;
SELECT pg_background_detach_v2(:pid, :cookie);
SELECT * FROM counters;
SELECT pid, cookie FROM pg_background_launch_v2('SELECT pg_sleep(600)') \gset
SELECT * FROM counters;
SELECT pg_background_cancel_v2(:pid, :cookie);
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT * FROM counters;
SELECT pg_background_detach_v2(:pid, :cookie);
SELECT * FROM counters;
-- messages are no failures
SELECT pid, cookie FROM pg_background_launch_v2('DO $$ BEGIN RAISE NOTICE ''n''; RAISE WARNING ''w''; END $$') \gset
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (tag text);
SELECT * FROM counters;
-- a job that is detached while it runs counts as completed
SELECT pg_advisory_lock(1);
SELECT pid, cookie FROM pg_background_launch_v2('SELECT pg_advisory_xact_lock(1)') \gset
SELECT * FROM counters;
SELECT pg_background_detach_v2(:pid, :cookie);
SELECT * FROM counters;
SELECT pg_advisory_unlock(1);
-- unless it was cancelled before: one that traps its cancel and waits again has not ended, and cannot commit any more
SELECT pg_advisory_lock(3), pg_advisory_lock(4);
SELECT pid, cookie FROM pg_background_launch_v2($sql$DO $$ BEGIN PERFORM pg_advisory_xact_lock(3);
    EXCEPTION WHEN query_canceled THEN PERFORM pg_advisory_xact_lock(4); END $$ $sql$) \gset
CALL until($$EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 3 AND NOT granted)$$);
SELECT pg_background_cancel_v2(:pid, :cookie);
CALL until($$EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 4 AND NOT granted)$$);
SELECT pg_background_detach_v2(:pid, :cookie);
SELECT * FROM counters;
SELECT pg_advisory_unlock(3), pg_advisory_unlock(4);
-- whether the worker is quicker than the detach or not
SELECT pg_advisory_lock(3);
DO $$
DECLARE
    h pg_background_handle;
BEGIN
    FOR i IN 1..50 LOOP
        h := pg_background_launch_v2('SELECT pg_advisory_xact_lock(3)');
        PERFORM pg_background_cancel_v2(h.pid, h.cookie);
        PERFORM pg_background_detach_v2(h.pid, h.cookie);
    END LOOP;
END
$$;
SELECT * FROM counters;
SELECT pg_advisory_unlock(3);
-- refused launches are none
SELECT * FROM attempt($$SELECT pg_background_launch_v2('SELECT 1', 1)$$) AS a WHERE a = 'fine';
SELECT * FROM counters;
-- rolled back launches are some
BEGIN;
SELECT pid, cookie FROM pg_background_launch_v2('SELECT 1') \gset
ROLLBACK;
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (i int);
SELECT * FROM counters;

DROP VIEW counters;
\i regress/sql/include/cleanup.sql
