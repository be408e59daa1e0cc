-- Submitted jobs need no clean-up: at the session's limit, those that have ended make room for the next.
\i regress/sql/include/helpers.sql
SET pg_background.max_workers = 3;
-- A launch that would wait for ever fails the test.
SET statement_timeout = '1min';
CREATE TABLE note (n int);
CREATE FUNCTION submit(sql text) RETURNS pg_background_handle LANGUAGE sql AS 'SELECT pg_background_start(sql, results => false)';
CREATE FUNCTION submit_and_wait(sql text) RETURNS pg_background_handle LANGUAGE plpgsql AS $$
DECLARE
    job pg_background_handle := submit(sql);
BEGIN
    PERFORM pg_background_await(job);
    RETURN job;
END
$$;

-- they are listed until the limit is reached
SELECT h AS first FROM submit_and_wait('INSERT INTO note VALUES (1)') h \gset
SELECT h AS second FROM submit_and_wait('SELECT 1/0') h \gset
SELECT h AS third FROM submit_and_wait('INSERT INTO note VALUES (3)') h \gset
SELECT state, sql_preview FROM jobs;
-- then well-ended ones go first, in the order of their launch; failed ones last
SELECT h AS fourth FROM submit_and_wait('INSERT INTO note VALUES (4)') h \gset
SELECT state, sql_preview FROM jobs;
SELECT h AS fifth FROM submit_and_wait('SELECT 1/0, 5') h \gset
SELECT h AS sixth FROM submit_and_wait('SELECT 1/0, 6') h \gset
SELECT state, sql_preview FROM jobs;
SELECT h AS seventh FROM pg_background_submit_v2('INSERT INTO note VALUES (7)') h \gset
SELECT pg_background_await(:'seventh');
SELECT state, sql_preview FROM jobs;
SELECT n FROM note ORDER BY n;
SELECT workers_launched, workers_completed, workers_failed, workers_canceled, workers_active FROM pg_background_stats_v2();

-- the handle of a job that has made room: it has ended
SELECT pg_background_await(:'first'), pg_background_await(:'second');
SELECT pg_background_await_all(ARRAY[:'first', :'second', :'seventh']::pg_background_handle[]);
SELECT pg_background_await_any(ARRAY[:'first']::pg_background_handle[]) = :'first'::pg_background_handle AS is_first;
SELECT pg_background_stop(:'first'), pg_background_stop(:'second', '1min');
SELECT pg_background_wait_v2((:'first'::pg_background_handle).pid, (:'first'::pg_background_handle).cookie);
SELECT pg_background_cancel_v2((:'first'::pg_background_handle).pid, (:'first'::pg_background_handle).cookie);
SELECT pg_background_get_progress_v2((:'first'::pg_background_handle).pid, (:'first'::pg_background_handle).cookie) IS NULL AS none;
SELECT regexp_replace(attempt(format('SELECT * FROM pg_background_rows(%L) AS (n int)', :'first')), 'PID \d+', 'PID N');
SELECT regexp_replace(attempt(format('SELECT * FROM pg_background_fetch(%L, 1) AS (n int)', :'first')), 'PID \d+', 'PID N');
SELECT regexp_replace(attempt('SELECT * FROM pg_background_result_v2($1, $2) AS (n int)', (:'first'::pg_background_handle).pid,
                              (:'first'::pg_background_handle).cookie), 'PID \d+', 'PID N');
-- the history knows how it has ended; without a registry there is none
SELECT coalesce((pg_background_outcome(:'first')).state, 'stopped'), coalesce((pg_background_outcome(:'second')).sqlstate, '22012');
SELECT pg_background_forget(:'first');
SELECT pg_background_detach_v2((:'second'::pg_background_handle).pid, (:'second'::pg_background_handle).cookie);

-- what calls wait for by themselves finds room, too
SELECT pg_background_exec('INSERT INTO note VALUES (8)');
SELECT * FROM pg_background_query('SELECT count(*) FROM note') AS (n int8);
-- fewer than there are
SELECT count(submit_and_wait('SELECT')) FROM generate_series(1, 3);
SET pg_background.max_workers = 1;
SELECT h AS last FROM submit_and_wait('SELECT 9') h \gset
SELECT state, sql_preview FROM jobs;

-- jobs whose results are wanted stay, and a launch does not wait for what cannot come
SET pg_background.launch_timeout = '1h';
SELECT pg_background_forget_ended();
SELECT h AS wanted FROM pg_background_start('SELECT 10') h \gset
SELECT pg_background_await(:'wanted');
SELECT attempt($$SELECT submit('SELECT')$$);
SELECT attempt($$SELECT pg_background_exec('SELECT')$$);
SELECT * FROM pg_background_rows(:'wanted') AS (n int);
-- of two, the one that is wanted stays
SET pg_background.max_workers = 2;
SELECT h AS wanted FROM pg_background_start('SELECT 11') h \gset
SELECT count(submit_and_wait('SELECT')) FROM generate_series(1, 5);
SELECT * FROM pg_background_rows(:'wanted') AS (n int);

-- a launch waits until one has ended
SET pg_background.max_workers = 1;
SELECT h AS running FROM submit('SELECT pg_sleep(0.5); INSERT INTO note VALUES (12)') h \gset
SELECT submit_and_wait('INSERT INTO note SELECT 13 WHERE EXISTS (SELECT FROM note WHERE n = 12)') IS NOT NULL AS launched;
SELECT n FROM note WHERE n > 11 ORDER BY n;
-- or has been stopped, and also if it ended in an error
SELECT h AS running FROM submit('SELECT pg_sleep(0.2), 1/0') h \gset
SELECT submit_and_wait('SELECT') IS NOT NULL AS launched;
-- until the time is over, at once without any
SELECT h AS running FROM submit('SELECT pg_sleep(600)') h \gset
SET pg_background.launch_timeout = 0;
SELECT attempt($$SELECT submit('SELECT')$$);
SET pg_background.launch_timeout = 100;
SELECT attempt($$SELECT submit('SELECT')$$);
SELECT attempt($$SELECT pg_background_launch('SELECT')$$);
-- until it is cancelled
SET pg_background.launch_timeout = '1h';
SET statement_timeout = 200;
SELECT submit('SELECT');
SET statement_timeout = '1min';
SELECT count(*) FROM jobs WHERE state IN ('starting', 'running');
SELECT pg_background_stop(:'running');
SELECT submit_and_wait('SELECT') IS NOT NULL AS launched;

-- one that waits for this session will not end
SET pg_background.max_workers = 2;
SET deadlock_timeout = '100ms';
BEGIN;
LOCK TABLE note;
SELECT count(submit('INSERT INTO note VALUES (15)')) FROM generate_series(1, 2);
SELECT attempt($$SELECT submit('SELECT')$$) LIMIT 1;
COMMIT;
RESET deadlock_timeout;
SELECT count(pg_background_await((pid, cookie))) FROM jobs;
SELECT submit_and_wait('SELECT') IS NOT NULL AS launched;

-- a loop that nobody cleans up after: none is lost, none refused
SET pg_background.max_workers = 4;
SET statement_timeout = 0;
DO $$
BEGIN
    FOR i IN 1..200 LOOP
        PERFORM submit(format('INSERT INTO note VALUES (%s)', 1000 + i));
    END LOOP;
END
$$;
SELECT count(pg_background_await((pid, cookie))) FROM jobs;
SELECT count(*), count(DISTINCT n) FROM note WHERE n > 1000;

-- a job that is known by its pid alone gets a pid that no listed job has
SELECT pg_background_forget_ended() > 0 AS some;
SELECT (submit_and_wait('SELECT')).pid <> pg_background_launch('SELECT 14') AS is_another;
SELECT count(*), count(DISTINCT pid) FROM jobs;
SELECT pg_background_forget_all() > 0 AS some;

-- jobs that functions of other roles have submitted make room as well
CREATE ROLE regress_pgbg_owner;
GRANT pgbackground_role TO regress_pgbg_owner;
CREATE FUNCTION submit_as_owner() RETURNS bool LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    AS 'SELECT pg_background_await(pg_background_start(''SELECT'', results => false))';
ALTER FUNCTION submit_as_owner() OWNER TO regress_pgbg_owner;
SET pg_background.max_workers = 1;
SELECT submit_as_owner(), submit_as_owner(), submit_and_wait('SELECT 15') IS NOT NULL AS launched, submit_as_owner();
DROP FUNCTION submit_as_owner();
RESET pg_background.launch_timeout;
RESET pg_background.max_workers;
DROP OWNED BY regress_pgbg_owner;
DROP ROLE regress_pgbg_owner;
DROP TABLE note;
DROP FUNCTION submit_and_wait(text);
DROP FUNCTION submit(text);
\i regress/sql/include/cleanup.sql
