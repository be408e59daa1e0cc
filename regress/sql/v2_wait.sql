-- The second interface: how a job is waited for, cancelled, and stopped by the server's own means.
\i regress/sql/include/helpers.sql
CREATE TABLE t (i int);

--
-- wait
--
SELECT pid, cookie FROM pg_background_launch_v2('SELECT 1') \gset
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT pg_background_wait_v2_timeout(:pid, :cookie, 0);
SELECT pg_background_wait_v2_timeout(:pid, :cookie, -1);
SELECT pg_background_wait_v2_timeout(:pid, :cookie, 2147483647);
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (i int);
-- an error is none of the wait's, and stays to be read
SELECT pid, cookie FROM pg_background_launch_v2('SELECT 1/0') \gset
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT pg_background_wait_v2_timeout(:pid, :cookie, 1000);
SELECT state, last_error, consumed FROM jobs;
SELECT * FROM attempt('SELECT * FROM pg_background_result_v2($1, $2) AS (i int)', :pid, :cookie);
-- a result larger than the queue is kept meanwhile: the wait ends, the job has committed, the rows are all there
SELECT pid, cookie FROM pg_background_launch_v2($$INSERT INTO t VALUES (4); SELECT i, repeat('x', 100) FROM generate_series(1, 20000) i$$, 4096) \gset
SET statement_timeout = '60s';
SELECT pg_background_wait_v2(:pid, :cookie);
RESET statement_timeout;
SELECT count(*) FROM t WHERE i = 4;
SELECT state, consumed FROM jobs;
SELECT count(*), sum(i), sum(length(t)) FROM pg_background_result_v2(:pid, :cookie) AS (i int, t text);
SELECT pid, cookie FROM pg_background_launch_v2('SELECT i FROM generate_series(1, 20000) i', 4096) \gset
SELECT pg_background_wait_v2_timeout(:pid, :cookie, 60000);
SELECT * FROM attempt('SELECT * FROM pg_background_result_v2($1, $2) AS (t text)', :pid, :cookie);
SELECT count(*), sum(i) FROM pg_background_result_v2(:pid, :cookie) AS (i int);
-- messages and rows after a wait come as they would without
SELECT pid, cookie FROM pg_background_launch_v2('DO $$ BEGIN RAISE NOTICE ''kept''; END $$; SELECT 1') \gset
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (i int);
-- a job that runs: no time, some time, a wait that is cancelled
SELECT pid, cookie FROM pg_background_launch_v2('SELECT pg_sleep(600)') \gset
SELECT pg_background_wait_v2_timeout(:pid, :cookie, 0);
SELECT pg_background_wait_v2_timeout(:pid, :cookie, -1000);
SELECT pg_background_wait_v2_timeout(:pid, :cookie, 50);
SET statement_timeout = '100ms';
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT pg_background_wait_v2_timeout(:pid, :cookie, 2147483647);
RESET statement_timeout;

--
-- cancel: this one
--
CALL until(format($$(SELECT state = 'running' FROM jobs WHERE pid = %s)$$, :pid));
SELECT pg_background_cancel_v2(:pid, :cookie);
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT state, last_error, consumed FROM jobs;
-- again does nothing
SELECT pg_background_cancel_v2(:pid, :cookie);
SELECT state FROM jobs;
-- it stays until its error is read
SELECT * FROM attempt('SELECT * FROM pg_background_result_v2($1, $2) AS (t text)', :pid, :cookie);
SELECT count(*) FROM jobs;
-- or until it is detached; nothing of it commits
SELECT pid, cookie FROM pg_background_launch_v2('INSERT INTO t VALUES (5); SELECT pg_sleep(600)') \gset
CALL until_waits(:pid, 'PgSleep');
SELECT pg_background_cancel_v2(:pid, :cookie);
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT state FROM jobs;
SELECT count(*) FROM t WHERE i = 5;
SELECT pg_background_detach_v2(:pid, :cookie);
SELECT count(*) FROM jobs;
-- before the job has begun, with or without results
DO $$
DECLARE
    h pg_background_handle;
    outcomes text[];
BEGIN
    FOR n IN 1..10 LOOP
        IF n % 2 = 0 THEN
            h := pg_background_launch_v2('INSERT INTO t VALUES (6); SELECT pg_sleep(600)');
        ELSE
            h := pg_background_submit_v2('INSERT INTO t VALUES (6); SELECT pg_sleep(600)');
        END IF;
        PERFORM pg_background_cancel_v2(h.pid, h.cookie);
        PERFORM pg_background_wait_v2(h.pid, h.cookie);
        outcomes := outcomes || (SELECT state FROM jobs WHERE pid = h.pid);
        PERFORM pg_background_detach_v2(h.pid, h.cookie);
    END LOOP;
    RAISE NOTICE '%', outcomes;
END
$$;
SELECT count(*) FROM t WHERE i = 6;
-- a job that waits for room in its queue
SET pg_background.spool_limit = 0;
SELECT pid, cookie FROM pg_background_launch_v2($$SELECT repeat('x', 100000) FROM generate_series(1, 100)$$, 4096) \gset
RESET pg_background.spool_limit;
CALL until_waits(:pid, 'MessageQueueSend');
SELECT pg_background_cancel_v2(:pid, :cookie);
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT state FROM jobs;
SELECT * FROM attempt('SELECT * FROM pg_background_result_v2($1, $2) AS (t text)', :pid, :cookie);
-- a job that traps the cancel does not go on, and nothing of it commits
CREATE FUNCTION deaf() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO t VALUES (7);
    PERFORM pg_sleep(600);
EXCEPTION WHEN query_canceled THEN
    INSERT INTO t VALUES (7);
    RETURN 'what?';
END
$$;
SELECT pid, cookie FROM pg_background_launch_v2('SELECT deaf(); INSERT INTO t VALUES (7)') \gset
CALL until_waits(:pid, 'PgSleep');
SELECT pg_background_cancel_v2(:pid, :cookie);
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT state FROM jobs;
SELECT pg_background_detach_v2(:pid, :cookie);
SELECT pid, cookie FROM pg_background_launch_v2('SELECT deaf()') \gset
CALL until_waits(:pid, 'PgSleep');
SELECT pg_background_cancel_v2(:pid, :cookie);
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT state FROM jobs;
SELECT * FROM attempt('SELECT * FROM pg_background_result_v2($1, $2) AS (t text)', :pid, :cookie);
SELECT pid, cookie FROM pg_background_launch_v2('DO $$ BEGIN PERFORM deaf(); END $$') \gset
CALL until_waits(:pid, 'PgSleep');
SELECT pg_background_cancel_v2(:pid, :cookie);
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT state FROM jobs;
SELECT pg_background_detach_v2(:pid, :cookie);
SELECT count(*) FROM t WHERE i = 7;
DROP FUNCTION deaf();
-- a job that has ended keeps its outcome, and its rows
SELECT pid, cookie FROM pg_background_launch_v2('SELECT 1') \gset
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT pg_background_cancel_v2(:pid, :cookie);
SELECT pg_background_cancel_v2_grace(:pid, :cookie, 2147483647);
SELECT state, last_error FROM jobs;
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (i int);
SELECT pid, cookie FROM pg_background_launch_v2('SELECT 1/0') \gset
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT pg_background_cancel_v2(:pid, :cookie);
SELECT pg_background_cancel_v2_grace(:pid, :cookie, 2147483647);
SELECT state, last_error FROM jobs;
SELECT pg_background_detach_v2(:pid, :cookie);

--
-- cancel with grace
--
-- returns once the session waits in cancel_v2_grace(), for a job to do
CREATE FUNCTION asked_to_stop(launcher int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    CALL until(format($c$EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s AND query ~ '^SELECT pg_background_cancel_v2_grace'
                               AND state = 'active' AND wait_event_type = 'Extension')$c$, launcher));
    RETURN 42;
END
$$;
SELECT pg_backend_pid() AS me \gset
-- the last statement may finish, and the job commits
SELECT pid, cookie FROM pg_background_launch_v2(format('INSERT INTO t VALUES (8); SELECT asked_to_stop(%s)', :me)) \gset
CALL until_waits(:pid, 'PgSleep');
SELECT pg_background_cancel_v2_grace(:pid, :cookie, 3600000);
SELECT state FROM jobs;
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (i int);
SELECT count(*) FROM t WHERE i = 8;
-- another may finish too, but then no other begins, and nothing commits
SELECT pid, cookie FROM pg_background_launch_v2(format('INSERT INTO t VALUES (9); SELECT asked_to_stop(%s); SELECT 1', :me)) \gset
CALL until_waits(:pid, 'PgSleep');
SELECT pg_background_cancel_v2_grace(:pid, :cookie, 2147483647);
SELECT state FROM jobs;
SELECT * FROM attempt('SELECT * FROM pg_background_result_v2($1, $2) AS (i int)', :pid, :cookie);
SELECT count(*) FROM t WHERE i = 9;
-- one that takes longer is cancelled
SELECT pid, cookie FROM pg_background_launch_v2('INSERT INTO t VALUES (10); SELECT pg_sleep(600)') \gset
SELECT pg_background_cancel_v2_grace(:pid, :cookie, 10);
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT state FROM jobs;
SELECT * FROM attempt('SELECT * FROM pg_background_result_v2($1, $2) AS (t text)', :pid, :cookie);
SELECT count(*) FROM t WHERE i = 10;
-- no time at all
SELECT pid, cookie FROM pg_background_submit_v2('SELECT pg_sleep(600)') \gset
SELECT pg_background_cancel_v2_grace(:pid, :cookie, 0);
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT state FROM jobs;
SELECT pg_background_detach_v2(:pid, :cookie);
SELECT pid, cookie FROM pg_background_submit_v2('SELECT pg_sleep(600)') \gset
SELECT pg_background_cancel_v2_grace(:pid, :cookie, -2147483648);
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT state FROM jobs;
SELECT pg_background_detach_v2(:pid, :cookie);
-- a cancel does not wait for the end of a grace that was given before
SELECT pid, cookie FROM pg_background_launch_v2('SELECT pg_sleep(600)') \gset
CALL until_waits(:pid, 'PgSleep');
SET statement_timeout = '100ms';
SELECT pg_background_cancel_v2_grace(:pid, :cookie, 3600000);
RESET statement_timeout;
SELECT pg_background_cancel_v2(:pid, :cookie);
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT state FROM jobs;
SELECT pg_background_detach_v2(:pid, :cookie);
DROP FUNCTION asked_to_stop(int);

-- the server's own ways to stop a process make it an error
SELECT pid, cookie FROM pg_background_launch_v2('SELECT pg_sleep(600)') \gset
CALL until_waits(:pid, 'PgSleep');
SELECT pg_cancel_backend(:pid);
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT state, last_error FROM jobs;
SELECT * FROM attempt('SELECT * FROM pg_background_result_v2($1, $2) AS (t text)', :pid, :cookie);
SELECT pid, cookie FROM pg_background_launch_v2('SELECT pg_sleep(600)') \gset
CALL until_waits(:pid, 'PgSleep');
SELECT pg_terminate_backend(:pid);
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT state, last_error FROM jobs;
SELECT * FROM attempt('SELECT * FROM pg_background_result_v2($1, $2) AS (t text)', :pid, :cookie);

DROP TABLE t;
\i regress/sql/include/cleanup.sql
