-- pg_background_fetch: some of a job's rows at a time.
\i regress/sql/include/helpers.sql

-- how many rows each fetch gives, until one finds none
CREATE FUNCTION fetches(job pg_background_handle, max_rows int) RETURNS int[] LANGUAGE plpgsql AS $$
DECLARE
    counts int[];
    fetched int;
BEGIN
    LOOP
        SELECT count(*) FROM pg_background_fetch(job, max_rows) AS (a text) INTO fetched;
        counts := counts || fetched;
        EXIT WHEN fetched = 0;
    END LOOP;
    RETURN counts;
END
$$;

SELECT pid, cookie FROM pg_background_start('SELECT generate_series(1, 7)') \gset
SELECT * FROM pg_background_fetch((:pid, :cookie), 3) AS (a int);
SELECT * FROM pg_background_fetch(job => (:pid, :cookie), max_rows => 1) AS (a int8);
-- fewer than were asked for: the job is released
CALL until($$(SELECT state = 'stopped' FROM jobs)$$);
SELECT state, consumed FROM jobs;
SELECT * FROM pg_background_fetch((:pid, :cookie), 100) AS (a numeric);
SELECT * FROM jobs;
SELECT * FROM pg_background_fetch((:pid, :cookie), 100) AS (a numeric);
SELECT attempt('SELECT * FROM pg_background_rows(($1, $2)) AS (a int)', :pid, :cookie);
SELECT attempt('SELECT * FROM pg_background_result_v2($1, $2) AS (a int)', :pid, :cookie);
SELECT pg_background_wait_v2(:pid, :cookie);
-- as many as there are, and around
SELECT n, fetches(pg_background_start(format('SELECT generate_series(1, %s)', n)), 5) FROM unnest(ARRAY[0, 1, 4, 5, 6, 9, 10, 11]) n;
SELECT max_rows, cardinality(fetches(pg_background_start('SELECT generate_series(1, 1000)', queue_size => 8192), max_rows)) FROM unnest(ARRAY[1, 7, 100, 999, 1000, 1001, 2147483647]) max_rows;
SELECT * FROM jobs;
-- all rows, each once, in their order: through many batches, from every place in them
CREATE FUNCTION all_fetched(job pg_background_handle, max_rows int) RETURNS text LANGUAGE plpgsql AS $$
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
            IF r.i <> rows OR r.t <> repeat('x', r.i % 50) THEN
                RETURN format('row %s is %s', rows, r);
            END IF;
        END LOOP;
        EXIT WHEN NOT found_any;
    END LOOP;
    RETURN rows || ' rows';
END
$$;
SELECT max_rows, queue, all_fetched(pg_background_start('SELECT i, repeat(''x'', i % 50) FROM generate_series(1, 5000) i', queue_size => queue), max_rows)
  FROM unnest(ARRAY[3, 64, 331, 4999, 5000, 5001]) max_rows, unnest(ARRAY[8192, 65536]) queue;
-- long rows, which come in pieces
SELECT n, fetches(pg_background_start('SELECT repeat(md5(i::text), CASE WHEN i % 2 = 0 THEN 30000 ELSE 1 END) FROM generate_series(1, 6) i', queue_size => 8192), n)
  FROM generate_series(1, 3) n;
SELECT pid, cookie FROM pg_background_start('SELECT i, repeat(md5(i::text), 30000) FROM generate_series(1, 3) i') \gset
SELECT i, length(t), left(t, 32) = md5(i::text) AS same FROM pg_background_fetch((:pid, :cookie), 2) AS (i int, t text);
SELECT i, length(t), left(t, 32) = md5(i::text) AS same FROM pg_background_fetch((:pid, :cookie), 2) AS (i int, t text);
-- what a wait has put aside, all of it or a part
SELECT pid, cookie FROM pg_background_start('SELECT i, repeat(''x'', i % 50) FROM generate_series(1, 20000) i') \gset
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT all_fetched((:pid, :cookie), 300);
SET work_mem = '64kB';
SELECT pid, cookie FROM pg_background_start('SELECT i, repeat(''x'', i % 50) FROM generate_series(1, 20000) i') \gset
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT all_fetched((:pid, :cookie), 300);
SELECT pid, cookie FROM pg_background_start('SELECT repeat(md5(i::text), 30000) FROM generate_series(1, 6) i') \gset
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT fetches((:pid, :cookie), 2);
RESET work_mem;
SELECT pid, cookie FROM pg_background_start('SELECT i, repeat(''x'', i % 50) FROM generate_series(1, 20000) i', queue_size => 8192) \gset
SELECT count(*) FROM pg_background_fetch((:pid, :cookie), 10) AS (i int, t text);
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT min(i), max(i) FROM pg_background_fetch((:pid, :cookie), 10000) AS (i int, t text);
-- then the rest, by the other readers
SELECT count(*), min(i) FROM pg_background_rows((:pid, :cookie)) AS (i int, t text);
SELECT pid, cookie FROM pg_background_start('SELECT generate_series(1, 5000)') \gset
SELECT count(*) FROM pg_background_fetch((:pid, :cookie), 1) AS (i int);
SELECT * FROM pg_background_columns((:pid, :cookie));
SELECT count(*), min(i) FROM pg_background_result_v2(:pid, :cookie) AS (i int);
SELECT pid, cookie FROM pg_background_start('SELECT generate_series(1, 3) AS i') \gset
SELECT count(*) FROM pg_background_fetch((:pid, :cookie), 1) AS (i int);
SELECT * FROM pg_background_rows_json((:pid, :cookie));
SELECT * FROM jobs;

--
-- memory, and the worker that waits
--
CREATE FUNCTION memory() RETURNS bigint LANGUAGE sql AS $$ SELECT sum(total_bytes)::bigint FROM pg_backend_memory_contexts $$;
-- fetches, and returns by how much the session has grown meanwhile
CREATE FUNCTION growth(job pg_background_handle, fetches int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    before bigint;
    largest bigint := 0;
    counted bigint;
BEGIN
    FOR i IN 1..fetches LOOP
        SELECT count(*) FROM pg_background_fetch(job, 100) AS (i int, t text) INTO STRICT counted;
        ASSERT counted = 100;
        IF i = 10 THEN
            before := memory();
        ELSIF i > 10 THEN
            largest := greatest(largest, memory() - before);
        END IF;
    END LOOP;
    RETURN largest;
END
$$;
SET pg_background.spool_limit = 0;
SELECT pid, cookie FROM pg_background_start('SELECT i, repeat(''x'', 100) FROM generate_series(1, 1000000) i') \gset
RESET pg_background.spool_limit;
SELECT growth((:pid, :cookie), 1000) < 200000 AS bounded;
CALL until_waits(:pid, 'MessageQueueSend');
SELECT count(*), min(i) FROM pg_background_fetch((:pid, :cookie), 100) AS (i int, t text);
SELECT pg_background_cancel_v2(:pid, :cookie);
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT pg_background_detach_v2(:pid, :cookie);
-- to the end
SELECT pid, cookie FROM pg_background_start('SELECT i, '''' FROM generate_series(1, 1000000) i') \gset
SELECT sum(c), max(m) FROM generate_series(1, 21) n, LATERAL (SELECT count(*) AS c, max(i) AS m FROM pg_background_fetch((:pid, :cookie), 50000 + n - n) AS (i int, t text)) f;
SELECT * FROM jobs;
-- abandoned half-way
SELECT pid, cookie FROM pg_background_start('SELECT generate_series(1, 100000)', queue_size => 8192) \gset
SELECT * FROM pg_background_fetch((:pid, :cookie), 1) AS (a int);
SELECT pg_background_detach_v2(:pid, :cookie);
SELECT attempt('SELECT * FROM pg_background_fetch(($1, $2), 1) AS (a int)', :pid, :cookie);

--
-- a fetch that fails has taken nothing
--
-- a wrong declaration
SELECT pid, cookie FROM pg_background_start('SELECT generate_series(32765, 32770)') \gset
SELECT attempt('SELECT * FROM pg_background_fetch(($1, $2), 1) AS (a point)', :pid, :cookie);
SELECT attempt('SELECT * FROM pg_background_fetch(($1, $2), 1) AS (a int, b int)', :pid, :cookie);
SELECT attempt('SELECT pg_background_fetch(($1, $2), 1)', :pid, :cookie);
SELECT * FROM pg_background_fetch((:pid, :cookie), 2) AS (a int2);
-- a value that does not fit, from a batch, from what a wait has put aside, in memory and on disk
SELECT attempt('SELECT * FROM pg_background_fetch(($1, $2), 3) AS (a int2)', :pid, :cookie);
SELECT * FROM pg_background_fetch((:pid, :cookie), 3) AS (a int4);
SELECT * FROM pg_background_fetch((:pid, :cookie), 3) AS (a int4);
SET work_mem = '64kB';
SELECT pid, cookie FROM pg_background_start('SELECT generate_series(32765 - 30000, 32770)') \gset
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT count(*), min(a) FROM pg_background_fetch((:pid, :cookie), 10) AS (a int2);
SELECT attempt('SELECT * FROM pg_background_fetch(($1, $2), 29998) AS (a int2)', :pid, :cookie);
SELECT attempt('SELECT * FROM pg_background_fetch(($1, $2), 29998) AS (a int2)', :pid, :cookie);
SELECT count(*), min(a), max(a) FROM pg_background_fetch((:pid, :cookie), 29990) AS (a int2);
SELECT count(*), min(a), max(a) FROM pg_background_fetch((:pid, :cookie), 29990) AS (a int4);
RESET work_mem;
-- a wait that is cancelled
SELECT pg_advisory_lock(7001);
SELECT pid, cookie FROM pg_background_start('SELECT i, CASE WHEN i = 5000 THEN pg_advisory_lock_shared(7001)::text END FROM generate_series(1, 10000) i', queue_size => 8192) \gset
SELECT count(*), min(i) FROM pg_background_fetch((:pid, :cookie), 100) AS (i int, t text);
SET statement_timeout = '200ms';
SELECT * FROM pg_background_fetch((:pid, :cookie), 10000) AS (i int, t text);
SELECT * FROM pg_background_fetch((:pid, :cookie), 10000) AS (i int, t text);
RESET statement_timeout;
SELECT pg_advisory_unlock(7001);
SELECT count(*), min(i), max(i) FROM pg_background_fetch((:pid, :cookie), 8000) AS (i int, t text);
SELECT count(*), min(i), max(i) FROM pg_background_fetch((:pid, :cookie), 8000) AS (i int, t text);
-- but rows that cannot be put aside, for which room in temporary files is missing, are lost, and the rest with them
SELECT pid, cookie FROM pg_background_start('SELECT i, repeat(''x'', 1000) FROM generate_series(1, 10000) i') \gset
SET work_mem = '64kB';
SET temp_file_limit = '1MB';
SELECT count(*) FROM pg_background_fetch((:pid, :cookie), 10) AS (i int, t text);
\set VERBOSITY sqlstate
SELECT * FROM pg_background_fetch((:pid, :cookie), 9000) AS (i int, t text);
\set VERBOSITY default
RESET temp_file_limit;
RESET work_mem;
SELECT attempt('SELECT * FROM pg_background_fetch(($1, $2), 1) AS (i int, t text)', :pid, :cookie);
SELECT pg_background_detach_v2(:pid, :cookie);
-- what a transaction has fetched does not come again when it is rolled back
SELECT pid, cookie FROM pg_background_start('SELECT generate_series(1, 5)') \gset
BEGIN;
SELECT * FROM pg_background_fetch((:pid, :cookie), 2) AS (a int);
SAVEPOINT s;
SELECT * FROM pg_background_fetch((:pid, :cookie), 1) AS (a int);
ROLLBACK TO s;
SELECT * FROM pg_background_fetch((:pid, :cookie), 1) AS (a int);
ROLLBACK;
SELECT * FROM pg_background_fetch((:pid, :cookie), 10) AS (a int);

--
-- the job's error, its messages, its tags
--
SELECT pid, cookie FROM pg_background_start('SELECT 100 / (3 - i) FROM generate_series(1, 5) i') \gset
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT attempt('SELECT * FROM pg_background_fetch(($1, $2), 10) AS (a int)', :pid, :cookie);
SELECT * FROM jobs;
SELECT attempt('SELECT * FROM pg_background_fetch(($1, $2), 10) AS (a int)', :pid, :cookie);
-- the rows before come first
SELECT pid, cookie FROM pg_background_start('SELECT 100000 / (50001 - i) FROM generate_series(1, 50001) i', queue_size => 8192) \gset
SELECT count(*) FROM pg_background_fetch((:pid, :cookie), 30000) AS (a int);
SELECT attempt('SELECT * FROM pg_background_fetch(($1, $2), 30000) AS (a int)', :pid, :cookie);
SELECT attempt('SELECT * FROM pg_background_fetch(pg_background_start(''SELECT 1 FROM nowhere''), 10) AS (a int)');
-- a long error, which comes behind the rows
SELECT pid, cookie FROM pg_background_start($$SELECT ('x' || repeat('y', 100000))::int$$) \gset
DO $$
BEGIN
    PERFORM FROM jobs, pg_background_fetch((pid, cookie)::pg_background_handle, 10) AS (a int);
EXCEPTION WHEN OTHERS THEN
    RAISE NOTICE 'a message of % characters', length(SQLERRM);
END
$$;
CREATE FUNCTION speak(i int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'row %', i; RETURN i; END $$;
SELECT pid, cookie FROM pg_background_start('SELECT speak(i) FROM generate_series(1, 4) i') \gset
SELECT * FROM pg_background_fetch((:pid, :cookie), 3) AS (a int);
SELECT * FROM pg_background_fetch((:pid, :cookie), 3) AS (a int);
SELECT pid, cookie FROM pg_background_start('SELECT speak(i) FROM generate_series(1, 2) i') \gset
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT * FROM pg_background_fetch((:pid, :cookie), 3) AS (a int);
-- a message that was put aside comes before those that follow
SELECT pid, cookie FROM pg_background_start($$DO 'BEGIN RAISE NOTICE ''first''; END'; SELECT speak(i) FROM generate_series(1, 3) i$$) \gset
SELECT count(*) FROM pg_background_columns((:pid, :cookie));
SELECT * FROM pg_background_fetch((:pid, :cookie), 2) AS (a int);
SELECT * FROM pg_background_fetch((:pid, :cookie), 2) AS (a int);
DROP FUNCTION speak(int);
SELECT fetches(pg_background_start('SET work_mem = ''4MB''; RESET work_mem; RESET work_mem'), n) FROM generate_series(1, 4) n;
SELECT fetches(pg_background_start('SELECT 1; ' || repeat('RESET work_mem; ', 3000)), 1000);
SELECT attempt('SELECT * FROM pg_background_fetch(pg_background_start(''RESET work_mem''), 10) AS (a point)');
SELECT count(pg_background_detach(pid)) FROM jobs;

--
-- arguments
--
SELECT attempt(format('SELECT * FROM pg_background_fetch(pg_background_start(''SELECT 1''), %s) AS (a int)', n)) FROM unnest(ARRAY[0, -1]) n;
SELECT count(pg_background_detach(pid)) FROM jobs;
SELECT * FROM pg_background_fetch(NULL, 1) AS (a int);
SELECT * FROM pg_background_fetch((1, 1), NULL) AS (a int);
SELECT attempt('SELECT * FROM pg_background_fetch((1, 1), 1) AS (a int)');
SELECT attempt('SELECT * FROM pg_background_fetch(pg_background_start(''SELECT 1'', results => false), 1) AS (a int)');
SELECT count(pg_background_detach(pid)) FROM jobs;
-- by parameter, under LIMIT (the fetch takes its rows all the same), in a cursor
PREPARE p (pg_background_handle, int) AS SELECT * FROM pg_background_fetch($1, $2) AS (a int);
SELECT pid, cookie FROM pg_background_start('SELECT generate_series(1, 20)') \gset
EXECUTE p ((:pid, :cookie), 2);
EXECUTE p ((:pid, :cookie), 1);
DEALLOCATE p;
SELECT * FROM pg_background_fetch((:pid, :cookie), 5) AS (a int) LIMIT 2;
SELECT * FROM pg_background_fetch((:pid, :cookie), 1) AS (a int);
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM pg_background_fetch((:pid, :cookie), 4) AS (a int);
FETCH 1 FROM c;
FETCH ALL FROM c;
MOVE BACKWARD ALL FROM c;
FETCH ALL FROM c;
COMMIT;
SELECT i, a FROM generate_series(1, 3) i LEFT JOIN LATERAL (SELECT * FROM pg_background_fetch((:pid, :cookie), i) AS (a int)) f ON true;
SELECT * FROM pg_background_fetch((:pid, :cookie), 4) AS (a int);
SELECT * FROM jobs;
-- one column after the other
SELECT pid, cookie FROM pg_background_start('SELECT i, i + 1, NULLIF(i, 2)::text FROM generate_series(1, 3) i') \gset
SELECT * FROM pg_background_fetch((:pid, :cookie), 1) AS (a int, b int, c text);
SELECT * FROM pg_background_fetch((:pid, :cookie), 1) AS (a int8, b numeric(3, 1), c varchar(4));
SELECT * FROM pg_background_fetch((:pid, :cookie), 9) AS (a text, b text, c text);

--
-- types that the job makes or alters
--
CREATE TYPE pair AS (n int, t text);
SELECT pid, cookie FROM pg_background_start('SELECT ROW(i, repeat(''x'', 100))::pair FROM generate_series(1, 5000) i', queue_size => 8192) \gset
SELECT count(*), min((a).n) FROM pg_background_fetch((:pid, :cookie), 3000) AS (a pair);
SELECT count(*), min((a).n) FROM pg_background_fetch((:pid, :cookie), 3000) AS (a pair);
SELECT pid, cookie FROM pg_background_start('ALTER TYPE pair ADD ATTRIBUTE more int; SELECT ROW(i, repeat(''x'', 100), 7)::pair FROM generate_series(1, 5000) i', queue_size => 8192) \gset
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT count(a) FROM pg_background_fetch((:pid, :cookie), 3000) AS (a pair);
ALTER TYPE pair ALTER ATTRIBUTE more TYPE text;
SELECT attempt('SELECT * FROM pg_background_fetch(($1, $2), 3000) AS (a pair)', :pid, :cookie);
SELECT pg_background_detach_v2(:pid, :cookie);
SELECT pid, cookie FROM pg_background_start('ALTER TYPE pair ADD ATTRIBUTE last int; SELECT ROW(1, ''x'', ''y'', i)::pair, 1 / (3 - i) FROM generate_series(1, 3) i') \gset
-- its end comes first: whoever names the type in a query would lock it, and wait for a job that waits for that lock
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT attempt('SELECT * FROM pg_background_fetch(($1, $2), 1) AS (a pair, b int)', :pid, :cookie);
DROP TYPE pair;

SELECT * FROM jobs;
DROP FUNCTION fetches(pg_background_handle, int), all_fetched(pg_background_handle, int), growth(pg_background_handle, int), memory();
\i regress/sql/include/cleanup.sql
