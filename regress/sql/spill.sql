-- Nobody has to read: a job whose launcher does something else puts what its queue has no room for into files, and ends.
\i regress/sql/include/helpers.sql
-- without a registry the views say, once, that there is none
SET client_min_messages = warning;
-- files that are left over from jobs, here and anywhere
CREATE FUNCTION files() RETURNS int LANGUAGE sql AS $$ SELECT count(*)::int FROM pg_ls_tmpdir() WHERE name LIKE '%pg\_background%' $$;
CREATE PROCEDURE until_stopped(cookie bigint) LANGUAGE plpgsql AS $$
BEGIN
    CALL until(format($f$(SELECT state FROM jobs WHERE cookie = %s) NOT IN ('starting', 'running')$f$, cookie));
END
$$;
SELECT setting, unit, context, min_val, max_val FROM pg_settings WHERE name = 'pg_background.spool_limit';

-- ten times the queue: the job commits, its locks are gone, all in one transaction of the launcher
CREATE TABLE t (i int);
BEGIN;
SELECT pid, cookie FROM pg_background_launch_v2($$
    LOCK TABLE t; INSERT INTO t VALUES (1); SELECT i, repeat('x', 650) FROM generate_series(1, 1000) i
$$) \gset
CALL until_stopped(:cookie);
SELECT state FROM jobs;
SELECT * FROM t;
SELECT count(*) FROM pg_locks WHERE relation = 't'::regclass AND pid = :pid;
SELECT files() > 0 AS on_disk;
CALL until(format('EXISTS (SELECT FROM pg_background_history WHERE cookie = %s AND spooled_bytes BETWEEN 500000 AND 700000)', :cookie));
-- all rows in order, each once; then no file is left
SELECT count(*), bool_and(i = n), sum(length(x)) FROM (SELECT i, x, row_number() OVER () AS n FROM pg_background_result_v2(:pid, :cookie) AS (i int, x text)) r;
SELECT files();
COMMIT;

-- rows of many sizes through queues of many sizes, so that frames are cut everywhere; read in pieces, while the job
-- runs and after its end
CREATE FUNCTION all_fetched(job pg_background_handle, max_rows int, pause float8) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    r record;
    rows int := 0;
    found_any bool;
BEGIN
    LOOP
        found_any := false;
        FOR r IN SELECT * FROM pg_background_fetch(job, max_rows) AS (i int, t text) LOOP
            found_any := true;
            rows := rows + 1;
            IF r.i <> rows OR r.t <> repeat('x', (r.i * 37) % 4001) THEN
                RETURN format('row %s is %s', rows, r);
            END IF;
        END LOOP;
        EXIT WHEN NOT found_any;
        PERFORM pg_sleep(pause);
    END LOOP;
    RETURN rows || ' rows';
END
$$;
SELECT queue, max_rows, pause, all_fetched(pg_background_start('SELECT i, repeat(''x'', (i * 37) % 4001) FROM generate_series(1, 3000) i', queue_size => queue), max_rows, pause)
  FROM (VALUES (4096, 100, 0.002), (4096, 999, 0.01), (8192, 64, 0.001), (10000, 500, 0.01), (65536, 333, 0.01), (65536, 3001, 0)) v (queue, max_rows, pause);
SELECT files();

-- the smallest queue that can be asked for has room for a short row: eight bytes at a time, two processes would wake each other for ever
SELECT min_val::int AS smallest FROM pg_settings WHERE name = 'pg_background.default_queue_size' \gset
SELECT pid, cookie FROM pg_background_launch_v2($$SELECT repeat('x', 500)$$, :smallest) \gset
CALL until(format('EXISTS (SELECT FROM pg_background_history WHERE cookie = %s)', :cookie));
SELECT spooled_bytes FROM pg_background_history WHERE cookie = :cookie;
SELECT length(x) FROM pg_background_result_v2(:pid, :cookie) AS (x text);

-- the job goes on with the queue when all that was spilled has been read
SELECT pg_advisory_lock(31);
SELECT pid, cookie FROM pg_background_launch_v2($$
    SELECT i, repeat('x', 100), CASE WHEN i = 20000 THEN pg_advisory_xact_lock_shared(31) END FROM generate_series(1, 40000) i
$$, 8192) \gset
CALL until_waits(:pid, 'advisory');
SELECT files() > 0 AS on_disk;
SELECT spooled_bytes > 1000000 AS spooled FROM pg_stat_background WHERE cookie = :cookie;
SELECT count(*), min(i), max(i) FROM pg_background_fetch((:pid, :cookie), 15000) AS (i int, x text, v text);
SELECT pg_advisory_unlock(31);
SELECT count(*), min(i), max(i), bool_and(i = n + 15000) FROM (SELECT i, row_number() OVER () AS n FROM pg_background_rows((:pid, :cookie)) AS (i int, x text, v text)) r;
SELECT files();

-- rows that travel in pieces; messages alone, which this client does not want to see
SELECT pid, cookie FROM pg_background_launch_v2($$SELECT i, repeat(md5(i::text), 30000) FROM generate_series(1, 5) i$$, 4096) \gset
CALL until_stopped(:cookie);
SELECT i, x = repeat(md5(i::text), 30000) AS whole FROM pg_background_result_v2(:pid, :cookie) AS (i int, x text);
SELECT pid, cookie FROM pg_background_launch_v2($$SET client_min_messages = notice; DO $do$ BEGIN FOR i IN 1..3000 LOOP RAISE NOTICE '% %', i, repeat('m', 1000); END LOOP; END $do$ $$) \gset
CALL until_stopped(:cookie);
CALL until('files() > 0');
SET client_min_messages = warning;
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (tag text);
RESET client_min_messages;
SELECT files();

-- a job that fails after rows; one whose error is longer than the outcome holds
SELECT pid, cookie FROM pg_background_launch_v2($$SELECT 1 / (3000 - i), repeat('x', 1000) FROM generate_series(1, 3000) i$$) \gset
CALL until_stopped(:cookie);
SELECT attempt('SELECT * FROM pg_background_result_v2($1, $2) AS (i int, x text)', :pid, :cookie);
SELECT pid, cookie FROM pg_background_launch_v2($$DO $do$ BEGIN RAISE EXCEPTION '%', repeat('e', 300000); END $do$ $$) \gset
CALL until_stopped(:cookie);
SELECT state FROM jobs;
SELECT replace(attempt, repeat('e', 300000), '(all of it)') FROM attempt('SELECT * FROM pg_background_result_v2($1, $2) AS (tag text)', :pid, :cookie);
SELECT files();

-- a wait, with and without a time limit, leaves the files alone
SELECT pid, cookie FROM pg_background_launch_v2($$SELECT i, repeat('x', 1000) FROM generate_series(1, 5000) i$$) \gset
CALL until_stopped(:cookie);
SELECT pg_background_wait_v2_timeout(:pid, :cookie, 60000);
SELECT files() > 0 AS on_disk;
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT name FROM pg_background_columns((:pid, :cookie));
SELECT count(*), min(i) FROM pg_background_fetch((:pid, :cookie), 7) AS (i int, x text);
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT count(*), min(i), max(i) FROM pg_background_rows((:pid, :cookie)) AS (i int, x text);
SELECT files();
-- so does a wait for a job that goes on
SELECT pg_advisory_lock(31);
SELECT pid, cookie FROM pg_background_launch_v2($$
    SELECT i, repeat('x', 1000), CASE WHEN i = 2000 THEN pg_advisory_xact_lock_shared(31) END FROM generate_series(1, 5000) i
$$, 8192) \gset
CALL until_waits(:pid, 'advisory');
SELECT pg_background_wait_v2_timeout(:pid, :cookie, 10);
SELECT pg_advisory_unlock(31);
SELECT pg_background_await((:pid, :cookie), '1 min');
SELECT count(*), bool_and(i = n) FROM (SELECT i, row_number() OVER () AS n FROM pg_background_rows((:pid, :cookie)) AS (i int, x text, v text)) r;
SELECT files();

-- a read that does not fit, and a later one
SELECT pid, cookie FROM pg_background_launch_v2($$SELECT i, repeat('x', 1000) FROM generate_series(1, 5000) i$$) \gset
CALL until_stopped(:cookie);
SELECT attempt('SELECT * FROM pg_background_result_v2($1, $2) AS (i int)', :pid, :cookie);
SELECT count(*), sum(i) FROM pg_background_result_v2(:pid, :cookie) AS (i int, x text);

-- given up: before the end, after it, and half read
SELECT pg_advisory_lock(31);
SELECT pid, cookie FROM pg_background_launch_v2($$
    SELECT i, repeat('x', 1000), CASE WHEN i = 2000 THEN pg_advisory_xact_lock_shared(31) END FROM generate_series(1, 5000) i
$$) \gset
CALL until_waits(:pid, 'advisory');
SELECT files() > 0 AS on_disk;
SELECT pg_background_detach_v2(:pid, :cookie);
SELECT pg_advisory_unlock(31);
CALL until('files() = 0');
SELECT pid, cookie FROM pg_background_launch_v2($$SELECT i, repeat('x', 1000) FROM generate_series(1, 5000) i$$) \gset
CALL until_stopped(:cookie);
SELECT count(*) FROM pg_background_fetch((:pid, :cookie), 100) AS (i int, x text);
SELECT files() > 0 AS on_disk;
SELECT pg_background_forget_all();
SELECT files();
-- nobody wants the rows of these
SELECT pid, cookie FROM pg_background_submit_v2($$SELECT i, repeat('x', 1000) FROM generate_series(1, 5000) i$$) \gset
CALL until_stopped(:cookie);
SELECT files();
SELECT pg_background_forget_all();
SELECT pg_background_exec($$SELECT i, repeat('x', 1000) FROM generate_series(1, 5000) i$$);
SELECT files();

-- no more than the limit: the job fails, and commits nothing
SET pg_background.spool_limit = '1MB';
SELECT pid, cookie FROM pg_background_launch_v2($$INSERT INTO t VALUES (2); SELECT i, repeat('x', 1000) FROM generate_series(1, 5000) i$$) \gset
CALL until_stopped(:cookie);
SELECT attempt('SELECT * FROM pg_background_result_v2($1, $2) AS (i int, x text)', :pid, :cookie);
SELECT * FROM t;
SELECT files();
-- a reader that reads is no such case
SELECT count(*) FROM pg_background_query($$SELECT i, repeat('x', 1000) FROM generate_series(1, 5000) i$$) AS (i int, x text);
-- nor is one that comes back in time: what it has read does not count
SELECT queue, max_rows, all_fetched(pg_background_start('SELECT i, repeat(''x'', (i * 37) % 4001) FROM generate_series(1, 300) i', queue_size => queue), max_rows, 0)
  FROM (VALUES (4096, 100)) v (queue, max_rows);
RESET pg_background.spool_limit;
-- the server's own limit
SET temp_file_limit = '1MB';
SELECT pid, cookie FROM pg_background_launch_v2($$INSERT INTO t VALUES (2); SELECT i, repeat('x', 1000) FROM generate_series(1, 5000) i$$) \gset
RESET temp_file_limit;
CALL until_stopped(:cookie);
SELECT attempt('SELECT * FROM pg_background_result_v2($1, $2) AS (i int, x text)', :pid, :cookie);
SELECT * FROM t;
-- of one process: jobs that have ended count, too, until they are read
SET temp_file_limit = '1MB';
CREATE PROCEDURE leave_rows(n int) LANGUAGE plpgsql AS $$
DECLARE
    job pg_background_handle;
BEGIN
    FOR i IN 1..n LOOP
        job := pg_background_start($q$SELECT repeat('x', 1000) FROM generate_series(1, 900)$q$);
        CALL until_stopped(job.cookie);
    END LOOP;
END $$;
SELECT attempt('CALL leave_rows(5)');
SELECT count(*) FROM jobs WHERE state = 'stopped';
-- nothing is left of these
SELECT pg_background_exec('SELECT 1');
SELECT count(*) FROM pg_background_query('SELECT generate_series(1, 3)') AS (i int);
SELECT pg_background_forget_all();
CALL leave_rows(1);
SELECT pg_background_forget_all();
DROP PROCEDURE leave_rows;
RESET temp_file_limit;
-- for one job
SELECT pid, cookie FROM pg_background_start($$SELECT i, repeat('x', 1000) FROM generate_series(1, 5000) i$$, settings => '{"pg_background.spool_limit": "1MB"}') \gset
CALL until_stopped(:cookie);
SELECT sqlstate, message, hint FROM pg_background_outcome((:pid, :cookie));
SELECT pg_background_forget_all();
-- none: the job waits for its reader
SET pg_background.spool_limit = 0;
SELECT pid, cookie FROM pg_background_launch_v2($$INSERT INTO t VALUES (2); SELECT i, repeat('x', 1000) FROM generate_series(1, 5000) i$$) \gset
RESET pg_background.spool_limit;
CALL until_waits(:pid, 'MessageQueueSend');
SELECT state, files() FROM jobs;
SELECT count(*), sum(i) FROM pg_background_result_v2(:pid, :cookie) AS (i int, x text);
SELECT files();

DROP FUNCTION all_fetched, files;
DROP PROCEDURE until_stopped;
DROP TABLE t;
\i regress/sql/include/cleanup.sql
