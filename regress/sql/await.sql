-- Waiting for jobs by handle: one, any of several, all of them; for how long.
\i regress/sql/include/helpers.sql
CREATE TABLE t (i int);
-- several handles, by their number: h(1), h(2), ...
CREATE TABLE handles (n int PRIMARY KEY, h pg_background_handle);
CREATE FUNCTION h(number int) RETURNS pg_background_handle LANGUAGE sql AS 'SELECT h FROM handles WHERE n = number';
CREATE FUNCTION hs(VARIADIC numbers int[]) RETURNS pg_background_handle[] LANGUAGE sql AS
    'SELECT array_agg(h(u.n) ORDER BY u.o) FROM unnest(numbers) WITH ORDINALITY u (n, o)';
CREATE PROCEDURE launch(number int, sql text) LANGUAGE sql AS
    'INSERT INTO handles VALUES (number, pg_background_launch_v2(sql))';
-- which of them it is
CREATE FUNCTION number(handle pg_background_handle) RETURNS int LANGUAGE sql AS
    'SELECT n FROM handles WHERE h = handle ORDER BY n LIMIT 1';
-- jobs wait until their number is in the table, with no lock that the others need
CREATE FUNCTION held(number int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    CALL until(format('EXISTS (SELECT FROM t WHERE i = %s)', number));
    RETURN number;
END
$$;

--
-- one job
--
CALL launch(1, 'SELECT 1');
SELECT pg_background_await(h(1));
SELECT pg_background_await(h(1)), pg_background_await(h(1), '0'), pg_background_await(job => h(1), timeout => 'PT0S');
-- an error is none of the wait's, and stays to be read
CALL launch(2, 'SELECT 1/0');
SELECT pg_background_await(h(2));
SELECT state, last_error, consumed FROM jobs ORDER BY state;
-- no time, some time, a wait that is cancelled, the end
CALL launch(3, 'SELECT held(3)');
SELECT pg_background_await(h(3), '0'), pg_background_await(h(3), '-0'), pg_background_await(h(3), '1 microsecond'),
       pg_background_await(h(3), '50 ms');
-- as in comparisons, a day is 24 hours and a month 30 days
SELECT pg_background_await(h(3), '1 day -24 hours'), pg_background_await(h(3), '1 mon -30 days'),
       pg_background_await(h(3), '1 mon -29 days -23:59:59.99');
-- handles as literals: a timeout must not find a function that makes them
SELECT h(3) AS third \gset
SET statement_timeout = '100ms';
SELECT * FROM attempt(format('SELECT pg_background_await(%L)', :'third'));
SELECT * FROM attempt(format($$SELECT pg_background_await(%L, '1000000 years')$$, :'third'));
SELECT * FROM attempt(format($$SELECT pg_background_await(%L, '178000000 years')$$, :'third'));
SELECT * FROM attempt(format('SELECT pg_background_await(%L, make_interval(secs => 9e12, years => 100000))', :'third'));
-- infinite, where the server has such intervals (17 and later)
SELECT current_setting('server_version_num')::int >= 170000 AS has_infinity \gset
SELECT * FROM attempt(format('SELECT pg_background_await(%L, %L)', :'third', CASE WHEN :'has_infinity' THEN 'infinity' ELSE '1000 years' END));
SELECT * FROM attempt(format('SELECT pg_background_await(%L, %L)', :'third', CASE WHEN :'has_infinity' THEN '-infinity' ELSE '-1000 years' END));
RESET statement_timeout;
INSERT INTO t VALUES (3);
SELECT pg_background_await(h(3), '1 hour');
SELECT pg_background_await(h(3), NULL);
-- a result larger than the queue is kept meanwhile
INSERT INTO handles SELECT 4, h FROM pg_background_launch_v2('SELECT i, repeat(''x'', 100) FROM generate_series(1, 20000) i', 4096) h;
SELECT pg_background_await(h(4), '1 hour');
SELECT count(*), sum(i), sum(length(t)) FROM pg_background_result_v2((h(4)).pid, (h(4)).cookie) AS (i int, t text);
-- a job that was read has ended; so has one of whose rows none are wanted
SELECT pg_background_await(h(4)), pg_background_await(h(4), '0');
INSERT INTO handles SELECT 5, h FROM pg_background_submit_v2('SELECT 1') h;
SELECT pg_background_await(h(5));
-- what it refuses
SELECT * FROM attempt($$SELECT pg_background_await(h(1), '-1 microsecond')$$);
SELECT * FROM attempt($$SELECT pg_background_await(h(1), '-1 mon 29 days')$$);
SELECT * FROM attempt($$SELECT pg_background_await('(1,1)')$$);
SELECT * FROM attempt($$SELECT pg_background_await(('(0,' || (h(1)).cookie || ')')::pg_background_handle)$$);
SELECT pg_background_await(NULL), pg_background_await('(,)'), pg_background_await('(1,)'), pg_background_await('(,1)', '0');

--
-- any of several
--
CALL launch(11, 'SELECT held(11)');
CALL launch(12, 'SELECT held(12)');
CALL launch(13, 'SELECT held(13)');
SELECT number(pg_background_await_any(hs(11, 12, 13), '0')), number(pg_background_await_any(hs(11, 12, 13), '20 ms'));
INSERT INTO t VALUES (12);
SELECT number(pg_background_await_any(hs(11, 12, 13)));
SELECT number(pg_background_await_any(hs(11, 13), '0'));
-- of several that have ended, the first in the array
INSERT INTO t VALUES (11), (13);
SELECT pg_background_await_all(hs(11, 12, 13));
SELECT number(pg_background_await_any(hs(11, 12, 13))), number(pg_background_await_any(hs(13, 12, 11))),
       number(pg_background_await_any(jobs => hs(12, 11), timeout => '0'));
-- also when it has left more in its queue than the others, and has failed
INSERT INTO handles SELECT 14, h FROM pg_background_launch_v2('SELECT i, repeat(''x'', 100) FROM generate_series(1, 500) i', 1000000) h;
CALL launch(15, 'SELECT 1/0');
SELECT pg_background_await_all(hs(15));
-- its worker has left the queue when the job has an outcome and the worker is idle, or gone (before it is connected it is not listed)
CALL until($$(pg_background_outcome(h(14))).state = 'stopped' AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = (h(14)).pid AND wait_event_type IS DISTINCT FROM 'Extension')$$);
SELECT number(pg_background_await_any(hs(14, 15), '0')), number(pg_background_await_any(hs(15, 14), '0'));
SELECT count(*), sum(i) FROM pg_background_result_v2((h(14)).pid, (h(14)).cookie) AS (i int, t text);
-- one that was read has ended
SELECT number(pg_background_await_any(hs(14))), number(pg_background_await_any(hs(14, 15)));
-- the same twice
CALL launch(16, 'SELECT held(16)');
SELECT number(pg_background_await_any(hs(16, 16), '0')), pg_background_await_all(hs(16, 16), '0');
SELECT number(pg_background_await_any(hs(16, 15, 16, 15)));
INSERT INTO t VALUES (16);
SELECT number(pg_background_await_any(hs(16, 16))), pg_background_await_all(hs(16, 16));
-- a loop over what has ended, in the order of the ends
DELETE FROM handles;
DELETE FROM t;
SELECT pg_background_detach_v2(pid, cookie) FROM jobs;
DO $$
DECLARE
    left_over pg_background_handle[];
    ended pg_background_handle;
    n int;
BEGIN
    FOR i IN 1..5 LOOP
        CALL launch(i, format('SELECT held(%s)', i));
    END LOOP;
    left_over := hs(1, 2, 3, 4, 5);
    FOREACH n IN ARRAY ARRAY[3, 1, 5, 2, 4] LOOP
        -- committed in another session
        PERFORM * FROM pg_background_result(pg_background_launch(format('INSERT INTO t VALUES (%s)', n))) AS (tag text);
        ended := pg_background_await_any(left_over);
        RAISE NOTICE '% has ended: %', number(ended), (SELECT r FROM pg_background_result_v2(ended.pid, ended.cookie) AS (r int));
        left_over := array_remove(left_over, ended);
    END LOOP;
    RAISE NOTICE '% are left, any: %', cardinality(left_over), pg_background_await_any(left_over);
END
$$;

--
-- all of several
--
DELETE FROM handles;
DELETE FROM t;
CALL launch(1, 'SELECT held(1)');
CALL launch(2, 'SELECT 2');
CALL launch(3, 'SELECT held(3)');
SELECT pg_background_await_all(hs(1, 2, 3), '0'), pg_background_await_all(hs(1, 2, 3), '20 ms'), pg_background_await_all(hs(2));
INSERT INTO t VALUES (1);
SELECT pg_background_await_all(hs(1, 2));
SELECT pg_background_await_all(hs(1, 2, 3), '0');
SELECT hs(1, 2, 3) AS all, hs(3, 3) AS twice \gset
SET statement_timeout = '100ms';
SELECT * FROM attempt(format('SELECT pg_background_await_all(%L)', :'all'));
SELECT * FROM attempt(format('SELECT pg_background_await_any(%L)', :'twice'));
RESET statement_timeout;
INSERT INTO t VALUES (3);
SELECT pg_background_await_all(hs(1, 2, 3), '1 hour'), pg_background_await_all(jobs => hs(1, 2, 3), timeout => '0');
-- none
SELECT pg_background_await_any('{}'), pg_background_await_all('{}'), pg_background_await_all('{}', '0');
SELECT pg_background_await_any(NULL), pg_background_await_all(NULL), pg_background_await_any(NULL, '1 hour');
-- what they refuse, before they wait
SELECT * FROM attempt($$SELECT pg_background_await_any(ARRAY[h(1), NULL])$$);
SELECT * FROM attempt($$SELECT pg_background_await_all(ARRAY[h(1), NULL])$$);
SELECT * FROM attempt($$SELECT pg_background_await_all(ARRAY[h(1), '(1,)'])$$);
SELECT * FROM attempt($$SELECT pg_background_await_any(ARRAY[h(1), '(1,1)'])$$);
SELECT * FROM attempt($$SELECT pg_background_await_all(ARRAY[h(1), '(1,1)'])$$);
SELECT * FROM attempt($$SELECT pg_background_await_any(hs(1), '-1 s')$$);
SELECT * FROM attempt($$SELECT pg_background_await_all('{}', '-1 s')$$);
-- an array of arrays is its elements, in their order
SELECT number(pg_background_await_any(ARRAY[[h(1), h(2)], [h(3), h(1)]])), pg_background_await_all(ARRAY[[h(3)], [h(1)]]);

--
-- a hundred handles; each job returns more than its queue holds, and ends nevertheless
--
SELECT pg_background_detach_v2(pid, cookie) FROM jobs;
DELETE FROM handles;
SET pg_background.max_workers = 200;
DO $$
DECLARE
    handle pg_background_handle;
    all_of_them pg_background_handle[] := '{}';
    rows bigint := 0;
BEGIN
    FOR i IN 1..100 LOOP
        all_of_them := all_of_them || pg_background_launch_v2('SELECT i, repeat(''x'', 100) FROM generate_series(1, 200) i', 4096);
        IF i % 4 = 0 THEN
            PERFORM pg_background_await_any(all_of_them), pg_background_await_all(all_of_them);
            IF pg_background_await_any(all_of_them) <> all_of_them[1] THEN
                RAISE 'not the first';
            END IF;
        END IF;
    END LOOP;
    FOREACH handle IN ARRAY all_of_them LOOP
        rows := rows + (SELECT count(*) FROM pg_background_result_v2(handle.pid, handle.cookie) AS (i int, t text));
    END LOOP;
    RAISE NOTICE '% rows of % jobs; all have ended: %', rows, cardinality(all_of_them), pg_background_await_all(all_of_them);
END
$$;
RESET pg_background.max_workers;
SELECT count(*) FROM jobs;

--
-- prepared, in another schema, and as another role
--
PREPARE await (pg_background_handle, interval) AS SELECT pg_background_await($1, $2);
CALL launch(1, 'SELECT 1');
EXECUTE await(h(1), '1 hour');
EXECUTE await(h(1), '0');
EXECUTE await(NULL, '0');
DEALLOCATE await;
CREATE ROLE regress_pgbg_await;
GRANT pgbackground_role TO regress_pgbg_await;
GRANT SELECT ON handles TO regress_pgbg_await;
SET ROLE regress_pgbg_await;
SELECT * FROM attempt('SELECT pg_background_await(h(1))');
SELECT * FROM attempt('SELECT pg_background_await_any(hs(1), ''0'')');
SELECT * FROM attempt('SELECT pg_background_await_all(hs(1), ''0'')');
RESET ROLE;
DROP OWNED BY regress_pgbg_await;
DROP ROLE regress_pgbg_await;
CREATE SCHEMA elsewhere;
SELECT h(1) AS handle \gset
ALTER EXTENSION pg_background SET SCHEMA elsewhere;
SET search_path = pg_catalog;
SELECT elsewhere.pg_background_await(:'handle') AS await,
       elsewhere.pg_background_await_any(ARRAY[:'handle']::elsewhere.pg_background_handle[])::text = :'handle' AS await_any,
       elsewhere.pg_background_await_all(ARRAY[:'handle']::elsewhere.pg_background_handle[]) AS await_all,
       (elsewhere.pg_background_outcome(:'handle')).state, elsewhere.pg_background_stop(:'handle') AS stop,
       elsewhere.pg_background_stop_all() AS stop_all, elsewhere.pg_background_forget(:'handle') AS forget,
       elsewhere.pg_background_forget_all() AS forget_all, elsewhere.pg_background_forget_ended() AS forget_ended,
       (elsewhere.pg_background_current()).pid;
RESET search_path;
ALTER EXTENSION pg_background SET SCHEMA public;
DROP SCHEMA elsewhere;

-- a job that is there twice is not waited for afterwards: what nobody reads goes into files, and the job ends
SELECT pg_advisory_lock(2023);
SELECT h AS handle, h.pid, h.cookie FROM pg_background_start(
    'SELECT repeat(''x'', 1000) FROM pg_advisory_xact_lock_shared(2023), generate_series(1, 5000)') h \gset
CALL until_waits(:pid, 'advisory');
SELECT pg_background_await_any(ARRAY[:'handle', :'handle']::pg_background_handle[], '0') IS NULL AS goes_on;
SELECT pg_advisory_unlock(2023);
CALL until(format('(SELECT state = ''stopped'' FROM jobs WHERE cookie = %s)', :cookie));
SELECT pg_background_forget(:'handle');

DROP PROCEDURE launch(int, text);
DROP FUNCTION h(int), hs(int[]), number(pg_background_handle), held(int);
DROP TABLE t, handles;
\i regress/sql/include/cleanup.sql
