-- pg_background_query and _query_as: start, wait and rows in one call.
\i regress/sql/include/helpers.sql

SELECT * FROM pg_background_query('SELECT 1, ''x''') AS (a int, b text);
SELECT * FROM pg_background_query(sql => 'SELECT i FROM generate_series(1, 3) i', label => 'three rows') AS (a numeric(3, 1));
SELECT count(*), sum(i), sum(length(t)) FROM pg_background_query('SELECT i, repeat(''x'', 100) FROM generate_series(1, 100000) i') AS (i int8, t text);
SELECT * FROM pg_background_query('SELECT 1 WHERE false') AS (a int);
SELECT * FROM pg_background_query('RESET work_mem; RESET work_mem') AS (tag text);
SELECT * FROM jobs;
SELECT workers_active FROM pg_background_stats_v2();
-- an autonomous transaction
CREATE TABLE audit (what text);
BEGIN;
INSERT INTO audit VALUES ('here');
SELECT * FROM pg_background_query('INSERT INTO audit VALUES (''there'') RETURNING what') AS (what text);
ROLLBACK;
SELECT * FROM audit;
SELECT * FROM pg_background_query('INSERT INTO audit VALUES (''again'')') AS (tag text);

--
-- the job's error is thrown, with its place in the job's text
--
SELECT * FROM pg_background_query('SELECT 1 FROM nowhere') AS (a int);
SELECT attempt('SELECT * FROM pg_background_query(''SELECT 1 / 0'') AS (a int)');
SELECT attempt('SELECT * FROM pg_background_query(''SELECT 1; SELECT 2 FROM nowhere'') AS (a int)');
SELECT attempt('SELECT * FROM pg_background_query(''COMMIT'') AS (a text)');
SELECT attempt('SELECT * FROM pg_background_query(NULL) AS (a text)');
DO $$
BEGIN
    PERFORM * FROM pg_background_query('DO ''BEGIN RAISE EXCEPTION USING MESSAGE = $m$own$m$, DETAIL = $m$why$m$, HINT = $m$what$m$, ERRCODE = $m$PB001$m$; END''') AS (a text);
EXCEPTION WHEN SQLSTATE 'PB001' THEN
    RAISE NOTICE 'caught %', SQLERRM;
END
$$;
DO $$ BEGIN PERFORM * FROM pg_background_query('DO ''BEGIN RAISE NOTICE $m$of the job$m$; END''') AS (a text); END $$;
-- columns that do not fit: the job is stopped
SELECT attempt('SELECT * FROM pg_background_query(''SELECT repeat(md5(i::text), 100), CASE WHEN i = 500 THEN pg_sleep(600) END FROM generate_series(1, 1000) i'') AS (a point, b text)');
SELECT attempt('SELECT * FROM pg_background_query(''SELECT generate_series(1, 1000000)'') AS (a int2)');
SELECT attempt('SELECT * FROM pg_background_query(''SELECT 1'') AS (a int, b int)');
SELECT attempt('SELECT pg_background_query(''SELECT 1'')');
SELECT attempt('SELECT * FROM pg_background_query(''RESET work_mem'') AS (a int)');
-- and so it is when the call is cancelled: it has not committed
SELECT pg_advisory_lock(7002);
SET statement_timeout = '200ms';
SELECT * FROM pg_background_query('INSERT INTO audit VALUES (''never''); SELECT pg_advisory_lock(7002)') AS (a text);
SELECT * FROM pg_background_query('INSERT INTO audit VALUES (''never''); SELECT repeat(''x'', 1000), CASE WHEN i = 500 THEN pg_advisory_lock(7002)::text END FROM generate_series(1, 10000) i') AS (a text, b text);
RESET statement_timeout;
CALL until('NOT EXISTS (SELECT FROM pg_locks WHERE locktype = ''advisory'' AND NOT granted)');
SELECT pg_advisory_unlock(7002);
SELECT * FROM jobs;
SELECT * FROM audit;
SELECT workers_active FROM pg_background_stats_v2();

--
-- places to call it
--
SELECT * FROM pg_background_query('SELECT generate_series(1, 100000)') AS (a int) LIMIT 2;
SELECT i, a FROM generate_series(1, 3) i, pg_background_query(format('SELECT %s * 10', i)) AS (a int);
SELECT a FROM pg_background_query('SELECT 1') AS (a int) UNION ALL SELECT a FROM pg_background_query('SELECT 2') AS (a int) ORDER BY a;
PREPARE p (text) AS SELECT * FROM pg_background_query($1) AS (a int8);
EXECUTE p ('SELECT 1');
EXECUTE p ('SELECT 2');
DEALLOCATE p;
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM pg_background_query('SELECT generate_series(1, 5)') AS (a int);
FETCH 2 FROM c;
FETCH ALL FROM c;
COMMIT;
CREATE FUNCTION sums(n int) RETURNS TABLE (i int, s int8) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..n LOOP
        FOR s IN SELECT * FROM pg_background_query(format('SELECT sum(x) FROM generate_series(1, %s) x', i)) AS (s int) LOOP
            sums.i := i;
            RETURN NEXT;
        END LOOP;
    END LOOP;
END
$$;
SELECT * FROM sums(4);
CREATE FUNCTION in_sql(sql text) RETURNS SETOF int8 LANGUAGE sql AS $$ SELECT * FROM pg_background_query(sql) AS (a int8) $$;
SELECT in_sql('SELECT generate_series(1, 2)');
-- a job in a job
SELECT * FROM pg_background_query($$SELECT a + 1 FROM pg_background_query('SELECT 1') AS (a int)$$) AS (a int);
-- two in one query
SELECT a, b FROM pg_background_query('SELECT generate_series(1, 2)') AS x (a int), pg_background_query('SELECT generate_series(3, 4)') AS y (b int) ORDER BY 1, 2;
-- as many as one likes
SELECT count(*), sum(a) FROM generate_series(1, 200) i, pg_background_query('SELECT ' || i) AS (a int);
DROP FUNCTION sums(int), in_sql(text);

--
-- query_as
--
CREATE TABLE things (gone int, id int, name varchar(10), price numeric(6, 2));
ALTER TABLE things DROP gone;
INSERT INTO things VALUES (1, 'one', 1.5), (2, NULL, NULL);
SELECT * FROM pg_background_query_as(NULL::things, 'SELECT * FROM things ORDER BY id');
SELECT (pg_background_query_as(rowtype => NULL::things, sql => 'SELECT 3::int8, 4, 5')).*;
SELECT * FROM pg_background_query_as(NULL::int, 'SELECT generate_series(1, 2)');
SELECT pg_background_query_as(NULL::text, 'SELECT now() IS NOT NULL');
SELECT pg_background_query_as(NULL::text, 'RESET work_mem');
SELECT attempt('SELECT pg_background_query_as(NULL::things, ''SELECT 1'')');
SELECT attempt('SELECT pg_background_query_as(NULL::int, ''SELECT 1 / 0'')');
SELECT attempt('SELECT pg_background_query_as(NULL::int, NULL)');
CREATE FUNCTION cheapest() RETURNS things LANGUAGE plpgsql AS $$
DECLARE
    t things;
BEGIN
    SELECT * FROM pg_background_query_as(NULL::things, 'SELECT * FROM things ORDER BY price LIMIT 1') INTO t;
    RETURN t;
END
$$;
SELECT * FROM cheapest();
DROP FUNCTION cheapest();
-- options, for each form
SELECT * FROM pg_background_query('SELECT $1 + 1, $2', ROW(41, 'x'::text)) AS (a int8, b varchar(3));
SELECT pg_background_query_as(NULL::int, sql => 'SELECT $1 * 2', params => ROW(21));
SELECT pg_background_query_json('SELECT $1 AS a, $2 AS b', ROW(1.5, ARRAY[1, 2]));
SELECT * FROM pg_background_query('SHOW work_mem', settings => '{"work_mem": "7MB"}') AS (a text);
SELECT pg_background_query_as(NULL::text, 'SHOW work_mem', settings => '{"work_mem": "8MB"}', database => current_database());
SELECT pg_background_query_json('SHOW work_mem', label => 'json', settings => '{"work_mem": "9MB"}');
SELECT attempt('SELECT * FROM pg_background_query(''SELECT pg_sleep(600)'', timeout => ''100 ms'') AS (a text)');
SELECT attempt('SELECT pg_background_query_as(NULL::text, ''SELECT pg_sleep(600)'', timeout => ''100 ms'')');
SELECT attempt('SELECT pg_background_query_json(''SELECT pg_sleep(600)'', timeout => ''100 ms'')');
PREPARE p (int) AS SELECT * FROM pg_background_query('SELECT $1 + 1', ROW($1)) AS (a numeric(4, 1));
EXECUTE p (1);
EXECUTE p (2);
DEALLOCATE p;
CREATE FUNCTION doubled(n int) RETURNS int8 LANGUAGE sql AS $$ SELECT * FROM pg_background_query('SELECT $1 * 2', ROW(n)) AS (a int8) $$;
SELECT doubled(i) FROM generate_series(1, 3) i;
DROP FUNCTION doubled(int);
DROP TABLE things, audit;
SELECT * FROM jobs;
\i regress/sql/include/cleanup.sql
