-- The second interface, where a job is a handle (pid and cookie): launch, result, detach and submit.
\i regress/sql/include/helpers.sql
CREATE TABLE t (i int);

--
-- launch, result, detach
--
SELECT pid > 0 AS pid, cookie <> 0 AS cookie FROM pg_background_launch_v2('SELECT 1');
SELECT pid, cookie FROM jobs \gset
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (i int);
SELECT count(DISTINCT h), count(DISTINCT (h).cookie) FROM (SELECT pg_background_launch_v2('SELECT 1') AS h FROM generate_series(1, 3)) l;
SELECT pg_background_detach_v2(pid, cookie) FROM jobs;
WITH h AS MATERIALIZED (SELECT * FROM pg_background_launch_v2($$SELECT 1, 'x'::text UNION ALL SELECT 2, NULL$$, 4096))
SELECT r.* FROM h, pg_background_result_v2(pid, cookie) AS r (i int, t text);
-- read once, and released
SELECT pid, cookie FROM pg_background_launch_v2('SELECT 1') \gset
SELECT * FROM attempt('SELECT * FROM pg_background_result_v2($1, $2) AS (t text)', :pid, :cookie);
SELECT * FROM attempt('SELECT pg_background_result_v2($1, $2)', :pid, :cookie);
SELECT * FROM attempt('SELECT * FROM pg_background_result_v2($1, $2)', :pid, :cookie);
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (i int);
SELECT count(*) FROM jobs;
SELECT * FROM attempt('SELECT * FROM pg_background_result_v2($1, $2) AS (i int)', :pid, :cookie);
-- clean-up of what was read does nothing and does not fail
SELECT * FROM attempt('SELECT pg_background_detach_v2($1, $2)', :pid, :cookie);
SELECT * FROM attempt('SELECT pg_background_cancel_v2($1, $2)', :pid, :cookie);
SELECT * FROM attempt('SELECT pg_background_cancel_v2_grace($1, $2, 1000)', :pid, :cookie);
SELECT * FROM attempt('SELECT pg_background_wait_v2($1, $2)', :pid, :cookie);
SELECT pg_background_wait_v2_timeout(:pid, :cookie, 0);
SELECT pg_background_get_progress_v2(:pid, :cookie);
-- the same after an error
SELECT pid, cookie FROM pg_background_launch_v2('SELECT 1/0') \gset
SELECT * FROM attempt('SELECT * FROM pg_background_result_v2($1, $2) AS (i int)', :pid, :cookie);
SELECT count(*) FROM jobs;
SELECT * FROM attempt('SELECT * FROM pg_background_result_v2($1, $2) AS (i int)', :pid, :cookie);
SELECT * FROM attempt('SELECT pg_background_detach_v2($1, $2)', :pid, :cookie);
SELECT * FROM attempt('SELECT pg_background_cancel_v2($1, $2)', :pid, :cookie);
SELECT * FROM attempt('SELECT pg_background_cancel_v2_grace($1, $2, 1000)', :pid, :cookie);
SELECT * FROM attempt('SELECT pg_background_wait_v2($1, $2)', :pid, :cookie);
SELECT pg_background_wait_v2_timeout(:pid, :cookie, 0);
-- with the right pid and a wrong cookie it is no handle of this session
SELECT * FROM attempt('SELECT pg_background_detach_v2($1, $2 + 1)', :pid, :cookie);

-- a detached job runs on
SELECT pg_advisory_lock(1);
SELECT pid, cookie FROM pg_background_launch_v2('SELECT pg_advisory_xact_lock(1); INSERT INTO t VALUES (1)') \gset
SELECT pg_background_detach_v2(:pid, :cookie);
SELECT count(*) FROM jobs;
SELECT pg_advisory_unlock(1);
CALL until('EXISTS (SELECT FROM t WHERE i = 1)');
SELECT * FROM attempt('SELECT pg_background_detach_v2($1, $2)', :pid, :cookie);
SELECT * FROM attempt('SELECT * FROM pg_background_result_v2($1, $2) AS (i int)', :pid, :cookie);
SELECT * FROM attempt('SELECT pg_background_cancel_v2($1, $2)', :pid, :cookie);
SELECT * FROM attempt('SELECT pg_background_cancel_v2_grace($1, $2, 1000)', :pid, :cookie);
SELECT * FROM attempt('SELECT pg_background_wait_v2($1, $2)', :pid, :cookie);
SELECT * FROM attempt('SELECT pg_background_wait_v2_timeout($1, $2, 1000)', :pid, :cookie);
SELECT pg_background_get_progress_v2(:pid, :cookie);

-- wrong cookies, which do nothing to the job
SELECT pid, cookie FROM pg_background_launch_v2('SELECT 1') \gset
SELECT * FROM attempt('SELECT * FROM pg_background_result_v2($1, $2 + 1) AS (i int)', :pid, :cookie);
SELECT * FROM attempt('SELECT * FROM pg_background_result_v2($1, 0) AS (i int)', :pid, :cookie);
SELECT * FROM attempt('SELECT pg_background_detach_v2($1, $2 + 1)', :pid, :cookie);
SELECT * FROM attempt('SELECT pg_background_cancel_v2($1, $2 + 1)', :pid, :cookie);
SELECT * FROM attempt('SELECT pg_background_cancel_v2_grace($1, $2 + 1, 1000)', :pid, :cookie);
SELECT * FROM attempt('SELECT pg_background_wait_v2($1, $2 + 1)', :pid, :cookie);
SELECT * FROM attempt('SELECT pg_background_wait_v2_timeout($1, $2 + 1, 1000)', :pid, :cookie);
SELECT pg_background_get_progress_v2(:pid, :cookie + 1);
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (i int);

-- unknown pids
SELECT * FROM attempt('SELECT * FROM pg_background_result_v2(pg_backend_pid(), 1) AS (i int)');
SELECT * FROM attempt('SELECT pg_background_detach_v2(pg_backend_pid(), 1)');
SELECT * FROM attempt('SELECT pg_background_cancel_v2(pg_backend_pid(), 1)');
SELECT * FROM attempt('SELECT pg_background_cancel_v2_grace(pg_backend_pid(), 1, 1000)');
SELECT * FROM attempt('SELECT pg_background_wait_v2(pg_backend_pid(), 1)');
SELECT * FROM attempt('SELECT pg_background_wait_v2_timeout(pg_backend_pid(), 1, 1000)');
SELECT pg_background_get_progress_v2(pg_backend_pid(), 1);

-- NULLs do nothing
SELECT pg_background_launch_v2(NULL) IS NULL AS launch, pg_background_submit_v2('SELECT 1', NULL) IS NULL AS submit,
       pg_background_detach_v2(NULL, 1) IS NULL AS detach, pg_background_cancel_v2(1, NULL) IS NULL AS cancel,
       pg_background_cancel_v2_grace(1, 1, NULL) IS NULL AS grace, pg_background_wait_v2(NULL, NULL) IS NULL AS wait,
       pg_background_wait_v2_timeout(1, 1, NULL) IS NULL AS wait_timeout,
       pg_background_get_progress_v2(NULL, 1) IS NULL AS progress, pg_background_get_progress_v2(1, NULL) IS NULL AS progress_2;
SELECT * FROM pg_background_result_v2(1, NULL) AS (i int);
SELECT count(*) FROM jobs;

-- a session remembers the last 1,000 handles that it gave up
SELECT pid, cookie FROM pg_background_launch_v2('SELECT 1') \gset
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (i int);
DO $$
DECLARE
    h pg_background_handle;
BEGIN
    FOR n IN 1..999 LOOP
        h := pg_background_submit_v2('');
        PERFORM pg_background_wait_v2(h.pid, h.cookie);
        PERFORM pg_background_detach_v2(h.pid, h.cookie);
    END LOOP;
END
$$;
SELECT * FROM attempt('SELECT pg_background_detach_v2($1, $2)', :pid, :cookie);
SELECT * FROM pg_background_result(pg_background_launch('SELECT 1')) AS (i int);
SELECT * FROM attempt('SELECT pg_background_detach_v2($1, $2)', :pid, :cookie);

--
-- submit
--
SELECT pid, cookie FROM pg_background_submit_v2('INSERT INTO t VALUES (2)') \gset
SELECT * FROM attempt('SELECT * FROM pg_background_result_v2($1, $2) AS (tag text)', :pid, :cookie);
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT count(*) FROM t WHERE i = 2;
SELECT * FROM attempt('SELECT * FROM pg_background_result_v2($1, $2) AS (tag text)', :pid, :cookie);
SELECT state FROM jobs;
SELECT pg_background_detach_v2(:pid, :cookie);
SELECT count(*) FROM jobs;
-- rows that nobody will read hold nothing back, whatever the queue's size
SELECT pid, cookie FROM pg_background_submit_v2($$INSERT INTO t VALUES (3); SELECT repeat('x', 1000) FROM generate_series(1, 10000)$$) \gset
CALL until('EXISTS (SELECT FROM t WHERE i = 3)');
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT pg_background_detach_v2(:pid, :cookie);
-- errors are in the list
SELECT pid, cookie FROM pg_background_submit_v2('SELECT 1/0') \gset
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT state, last_error FROM jobs;
SELECT pg_background_detach_v2(:pid, :cookie);

DROP TABLE t;
\i regress/sql/include/cleanup.sql
