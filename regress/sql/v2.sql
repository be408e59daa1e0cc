-- The second interface, where a job is a handle: pid and cookie.
SET client_min_messages = warning;
CREATE EXTENSION pg_background;
RESET client_min_messages;
\set SHOW_CONTEXT never

-- what comes of a command, whose parameters are a handle: its error, line by line as a client would see it, with the
-- numbers that vary blanked out
CREATE FUNCTION attempt(command text, pid int DEFAULT NULL, cookie bigint DEFAULT NULL) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    e_state text;
    e_message text;
    e_detail text;
    e_hint text;
    e_context text;
BEGIN
    EXECUTE command USING pid, cookie;
    RETURN NEXT 'fine';
EXCEPTION WHEN OTHERS OR query_canceled THEN
    GET STACKED DIAGNOSTICS e_state = RETURNED_SQLSTATE, e_message = MESSAGE_TEXT, e_detail = PG_EXCEPTION_DETAIL,
                            e_hint = PG_EXCEPTION_HINT, e_context = PG_EXCEPTION_CONTEXT;
    RETURN QUERY
    SELECT regexp_replace(prefix || line, '(pid "?)\d+', '\1N', 'gi')
      FROM (VALUES (1, e_state || ': ', e_message), (2, 'DETAIL: ', e_detail), (3, 'HINT: ', e_hint),
                   -- this function's own lines are of no interest
                   (4, 'CONTEXT: ', (SELECT string_agg(c, E'\n') FROM regexp_split_to_table(e_context, E'\n') c
                                      WHERE c !~ '^(SQL statement |PL/pgSQL function attempt)'))) AS f (n, prefix, line)
     WHERE line <> '' ORDER BY n;
END
$$;

-- returns when the condition holds; for what no job can be waited for
CREATE PROCEDURE until(condition text) LANGUAGE plpgsql AS $$
DECLARE
    holds boolean;
    give_up timestamptz := clock_timestamp() + interval '60 s';
BEGIN
    LOOP
        PERFORM pg_stat_clear_snapshot();
        EXECUTE 'SELECT ' || condition INTO holds;
        EXIT WHEN holds;
        IF clock_timestamp() > give_up THEN
            RAISE EXCEPTION 'waited in vain for: %', condition;
        END IF;
        PERFORM pg_sleep(0.01);
    END LOOP;
END
$$;

CREATE VIEW jobs AS
SELECT * FROM pg_background_list_v2()
    AS (pid int4, cookie int8, launched_at timestamptz, user_id oid, queue_size int4, state text, sql_preview text,
        last_error text, consumed bool);
CREATE TABLE t (i int);

--
-- launch, result, detach
--
SELECT pid > 0 AS pid, cookie <> 0 AS cookie FROM pg_background_launch_v2('SELECT 1');
SELECT pid, cookie FROM jobs \gset
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (i int);
SELECT count(DISTINCT h), count(DISTINCT (h).cookie) FROM (SELECT pg_background_launch_v2('SELECT 1') AS h FROM generate_series(1, 3)) l;
SELECT pg_background_detach_v2(pid, cookie) FROM jobs;
WITH h AS MATERIALIZED (SELECT * FROM pg_background_launch_v2('SELECT 1, ''x''::text UNION ALL SELECT 2, NULL', 4096))
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
SELECT pid, cookie FROM pg_background_submit_v2('INSERT INTO t VALUES (3); SELECT repeat(''x'', 1000) FROM generate_series(1, 10000)') \gset
CALL until('EXISTS (SELECT FROM t WHERE i = 3)');
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT pg_background_detach_v2(:pid, :cookie);
-- errors are in the list
SELECT pid, cookie FROM pg_background_submit_v2('SELECT 1/0') \gset
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT state, last_error FROM jobs;
SELECT pg_background_detach_v2(:pid, :cookie);

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
SELECT pid, cookie FROM pg_background_launch_v2('INSERT INTO t VALUES (4); SELECT i, repeat(''x'', 100) FROM generate_series(1, 20000) i', 4096) \gset
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
CALL until(format('(SELECT state = ''running'' FROM jobs WHERE pid = %s)', :pid));
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
CALL until(format('EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event = ''PgSleep'')', :pid));
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
SELECT pid, cookie FROM pg_background_launch_v2('SELECT repeat(''x'', 100000) FROM generate_series(1, 100)', 4096) \gset
CALL until(format('EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event LIKE ''MessageQueueSend'')', :pid));
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
CALL until(format('EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event = ''PgSleep'')', :pid));
SELECT pg_background_cancel_v2(:pid, :cookie);
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT state FROM jobs;
SELECT pg_background_detach_v2(:pid, :cookie);
SELECT pid, cookie FROM pg_background_launch_v2('SELECT deaf()') \gset
CALL until(format('EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event = ''PgSleep'')', :pid));
SELECT pg_background_cancel_v2(:pid, :cookie);
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT state FROM jobs;
SELECT * FROM attempt('SELECT * FROM pg_background_result_v2($1, $2) AS (t text)', :pid, :cookie);
SELECT pid, cookie FROM pg_background_launch_v2('DO $$ BEGIN PERFORM deaf(); END $$') \gset
CALL until(format('EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event = ''PgSleep'')', :pid));
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
    CALL until(format('EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s AND query ~ ''^SELECT pg_background_cancel_v2_grace''
                               AND state = ''active'' AND wait_event_type = ''Extension'')', launcher));
    RETURN 42;
END
$$;
SELECT pg_backend_pid() AS me \gset
-- the last statement may finish, and the job commits
SELECT pid, cookie FROM pg_background_launch_v2(format('INSERT INTO t VALUES (8); SELECT asked_to_stop(%s)', :me)) \gset
CALL until(format('EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event = ''PgSleep'')', :pid));
SELECT pg_background_cancel_v2_grace(:pid, :cookie, 3600000);
SELECT state FROM jobs;
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (i int);
SELECT count(*) FROM t WHERE i = 8;
-- another may finish too, but then no other begins, and nothing commits
SELECT pid, cookie FROM pg_background_launch_v2(format('INSERT INTO t VALUES (9); SELECT asked_to_stop(%s); SELECT 1', :me)) \gset
CALL until(format('EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event = ''PgSleep'')', :pid));
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
CALL until(format('EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event = ''PgSleep'')', :pid));
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
CALL until(format('EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event = ''PgSleep'')', :pid));
SELECT pg_cancel_backend(:pid);
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT state, last_error FROM jobs;
SELECT * FROM attempt('SELECT * FROM pg_background_result_v2($1, $2) AS (t text)', :pid, :cookie);
SELECT pid, cookie FROM pg_background_launch_v2('SELECT pg_sleep(600)') \gset
CALL until(format('EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event = ''PgSleep'')', :pid));
SELECT pg_terminate_backend(:pid);
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT state, last_error FROM jobs;
SELECT * FROM attempt('SELECT * FROM pg_background_result_v2($1, $2) AS (t text)', :pid, :cookie);

--
-- list
--
SELECT now() AS before \gset
SELECT pg_background_launch('SELECT ''one''', 5000) AS one, pg_background_launch('SELECT 1/0') AS two,
       pg_background_launch('SELECT pg_sleep(600)') AS three \gset
SELECT pid, cookie FROM jobs WHERE pid = :three \gset
SELECT pg_background_wait_v2(l.pid, l.cookie) FROM jobs l WHERE l.pid <> :three;
CALL until('(SELECT count(*) = 1 FROM jobs WHERE state = ''running'')');
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
SELECT pid, cookie FROM pg_background_launch_v2('SELECT ''' || repeat('x', 200) || '''') \gset
SELECT length(sql_preview), sql_preview = 'SELECT ''' || repeat('x', 112) AS beginning FROM jobs;
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
CALL until('EXISTS (SELECT FROM pg_locks WHERE locktype = ''advisory'' AND objid = 3 AND NOT granted)');
SELECT pg_background_cancel_v2(:pid, :cookie);
CALL until('EXISTS (SELECT FROM pg_locks WHERE locktype = ''advisory'' AND objid = 4 AND NOT granted)');
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
SELECT * FROM attempt('SELECT pg_background_launch_v2(''SELECT 1'', 1)') AS a WHERE a = 'fine';
SELECT * FROM counters;
-- rolled back launches are some
BEGIN;
SELECT pid, cookie FROM pg_background_launch_v2('SELECT 1') \gset
ROLLBACK;
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (i int);
SELECT * FROM counters;

--
-- progress
--
SELECT * FROM attempt('SELECT pg_background_progress(1)');
SELECT * FROM attempt('SELECT pg_background_progress(NULL, NULL)');
CREATE FUNCTION progress_of(sql text) RETURNS pg_background_progress LANGUAGE plpgsql AS $$
DECLARE
    h pg_background_handle := pg_background_launch_v2(sql);
    p pg_background_progress;
BEGIN
    PERFORM pg_background_wait_v2(h.pid, h.cookie);
    p := pg_background_get_progress_v2(h.pid, h.cookie);
    PERFORM * FROM pg_background_result_v2(h.pid, h.cookie) AS (v text);
    RETURN p;
END
$$;
SELECT * FROM progress_of('SELECT pg_background_progress(50, ''half of it'')');
SELECT * FROM progress_of('SELECT pg_background_progress(50)');
SELECT * FROM progress_of('SELECT pg_background_progress(50, ''half''); SELECT pg_background_progress(60)');
SELECT * FROM progress_of('SELECT pg_background_progress(60, ''more''); SELECT pg_background_progress(50, ''less'')');
-- clamped
SELECT * FROM progress_of('SELECT pg_background_progress(-5, ''too little'')');
SELECT * FROM progress_of('SELECT pg_background_progress(101, ''too much'')');
SELECT * FROM progress_of('SELECT pg_background_progress(2147483647)');
-- NULL keeps the percentage
SELECT * FROM progress_of('SELECT pg_background_progress(NULL, ''begun'')');
SELECT * FROM progress_of('SELECT pg_background_progress(30, ''a''); SELECT pg_background_progress(NULL, ''b'')');
SELECT * FROM progress_of('SELECT pg_background_progress(pct => 1, msg => NULL)');
-- cut
SELECT progress_pct, length(progress_msg) FROM progress_of('SELECT pg_background_progress(1, repeat(''x'', 63))');
SELECT progress_pct, length(progress_msg) FROM progress_of('SELECT pg_background_progress(1, repeat(''x'', 64))');
SELECT progress_pct, length(progress_msg) FROM progress_of('SELECT pg_background_progress(1, repeat(''x'', 10000000))');
-- nothing reported
SELECT progress_of('SELECT ''silent''::text') IS NULL AS nothing;
-- while it runs: out of an open transaction, from functions, from submitted jobs
SELECT pg_advisory_lock(1);
SELECT pid, cookie FROM pg_background_submit_v2('DO $$ BEGIN PERFORM pg_background_progress(25, ''waiting''); PERFORM pg_advisory_xact_lock(1);
    PERFORM pg_background_progress(100, ''done''); END $$') \gset
CALL until(format('pg_background_get_progress_v2(%s, %s) IS NOT NULL', :pid, :cookie));
SELECT * FROM pg_background_get_progress_v2(:pid, :cookie);
SELECT pg_advisory_unlock(1);
SELECT pg_background_wait_v2(:pid, :cookie);
-- it stays after the end, and until the handle is given up
SELECT * FROM pg_background_get_progress_v2(:pid, :cookie);
SELECT pg_background_detach_v2(:pid, :cookie);
SELECT pg_background_get_progress_v2(:pid, :cookie);
-- what a failed job reported before it failed is there too
SELECT pid, cookie FROM pg_background_launch_v2('SELECT pg_background_progress(70, ''almost''); SELECT 1/0') \gset
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT * FROM pg_background_get_progress_v2(:pid, :cookie);
SELECT pg_background_detach_v2(:pid, :cookie);

--
-- rights
--
CREATE ROLE regress_pgbg_owner;
CREATE ROLE regress_pgbg_member IN ROLE regress_pgbg_owner;
CREATE ROLE regress_pgbg_noinherit NOINHERIT IN ROLE regress_pgbg_owner;
CREATE ROLE regress_pgbg_other;
GRANT pgbackground_role TO regress_pgbg_owner, regress_pgbg_noinherit WITH ADMIN OPTION;
GRANT pgbackground_role TO regress_pgbg_other;
SELECT grant_pg_background_privileges('regress_pgbg_noinherit');
CREATE FUNCTION visible() RETURNS TABLE (who text, sql_preview text) LANGUAGE sql AS $$
    SELECT user_id::regrole::text, sql_preview FROM pg_background_list_v2()
        AS (pid int4, cookie int8, launched_at timestamptz, user_id oid, queue_size int4, state text, sql_preview text,
            last_error text, consumed bool)
$$;
SELECT pid AS super_pid, cookie AS super_cookie FROM pg_background_launch_v2('SELECT ''the superuser''''s''') \gset
SET ROLE regress_pgbg_owner;
SELECT pid, cookie FROM pg_background_launch_v2('SELECT pg_background_progress(50, current_user::text); SELECT current_user::text') \gset
SELECT * FROM visible();
SELECT pg_background_wait_v2(:pid, :cookie);
SET ROLE regress_pgbg_other;
SELECT * FROM visible();
SELECT * FROM attempt('SELECT * FROM pg_background_result_v2($1, $2) AS (i int)', :pid, :cookie);
SELECT * FROM attempt('SELECT pg_background_detach_v2($1, $2)', :pid, :cookie);
SELECT * FROM attempt('SELECT pg_background_cancel_v2($1, $2)', :pid, :cookie);
SELECT * FROM attempt('SELECT pg_background_cancel_v2_grace($1, $2, 1000)', :pid, :cookie);
SELECT * FROM attempt('SELECT pg_background_wait_v2($1, $2)', :pid, :cookie);
SELECT * FROM attempt('SELECT pg_background_wait_v2_timeout($1, $2, 1000)', :pid, :cookie);
SELECT * FROM attempt('SELECT pg_background_get_progress_v2($1, $2)', :pid, :cookie);
-- membership that is not inherited is none
SET ROLE regress_pgbg_noinherit;
SELECT * FROM visible();
SELECT * FROM attempt('SELECT pg_background_detach_v2($1, $2)', :pid, :cookie);
SET ROLE regress_pgbg_member;
SELECT * FROM visible();
SELECT * FROM pg_background_get_progress_v2(:pid, :cookie);
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT pg_background_cancel_v2(:pid, :cookie);
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (t text);
SELECT * FROM attempt('SELECT pg_background_detach_v2($1, $2)', :super_pid, :super_cookie);
RESET ROLE;
SELECT * FROM visible();
SELECT * FROM pg_background_result_v2(:super_pid, :super_cookie) AS (t text);

-- the session as another user: its jobs are those of the session
SET SESSION AUTHORIZATION regress_pgbg_owner;
SELECT pid, cookie FROM pg_background_launch_v2('SELECT session_user::text') \gset
RESET SESSION AUTHORIZATION;
SELECT * FROM visible();
SET SESSION AUTHORIZATION regress_pgbg_other;
SELECT * FROM attempt('SELECT * FROM pg_background_result_v2($1, $2) AS (i int)', :pid, :cookie);
SET SESSION AUTHORIZATION regress_pgbg_member;
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (t text);
RESET SESSION AUTHORIZATION;

-- jobs may launch jobs
SELECT * FROM pg_background_result(pg_background_launch('SELECT * FROM pg_background_result(pg_background_launch(''SELECT 1'')) AS (i int)')) AS (i int);
SELECT count(*) FROM jobs;

DROP FUNCTION visible();
DROP FUNCTION progress_of(text);
DROP VIEW jobs, counters;
DROP TABLE t;
DROP PROCEDURE until(text);
DROP FUNCTION attempt(text, int, bigint);
SET client_min_messages = warning;
SELECT pg_background_drop_executor_role();
DROP EXTENSION pg_background;
DROP ROLE regress_pgbg_owner, regress_pgbg_member, regress_pgbg_noinherit, regress_pgbg_other;
