-- pg_background_query_json and _rows_json: a row as to_jsonb has it.
\i regress/sql/include/helpers.sql

SELECT * FROM pg_background_query_json('SELECT i, ''x'' AS "two words", NULL::int AS n FROM generate_series(1, 2) i');
SELECT pg_background_query_json(sql => 'SELECT 1 AS a, 2.50 AS b', label => 'json');
SELECT * FROM pg_background_rows_json(pg_background_start('SELECT true AS b'));
SELECT * FROM pg_background_rows_json(job => pg_background_launch_v2('VALUES (1, 2)'));
SELECT count(*), sum((j ->> 'i')::int) FROM pg_background_query_json('SELECT i, md5(i::text) AS h FROM generate_series(1, 50000) i') j;

-- Compares with to_jsonb of the same rows here.
CREATE FUNCTION same(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    here jsonb[];
    there jsonb[];
BEGIN
    EXECUTE format('SELECT array_agg(to_jsonb(r)) FROM (%s) r', query) INTO here;
    SELECT array_agg(j) INTO there FROM pg_background_query_json(query) j;
    IF here IS DISTINCT FROM there THEN
        RETURN format('here: %s there: %s', here, there);
    END IF;
    RETURN there;
END
$$;
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TYPE pair AS (n int, t text);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TABLE things (gone int, id int, p pair);
ALTER TABLE things DROP gone;
INSERT INTO things VALUES (1, ROW(2, 'x')), (NULL, NULL);
SELECT type, same(format('SELECT v::%s AS v FROM unnest(%L::text[] || NULL::text) v', type, input)) FROM (VALUES
    ('bool', '{t,f}'), ('"char"', '{x}'), ('name', '{a name}'), ('text', ARRAY['text', '', '"', E'\\ \n', '{"a": 1}']), ('char(5)', '{abc}'),
    ('varchar(7)', '{abc}'), ('bytea', ARRAY['\x00ff', '']), ('bit(3)', '{101}'), ('int2', '{-32768}'), ('int4', '{2147483647}'),
    ('int8', '{-9223372036854775808,9223372036854775807}'), ('oid', '{4294967295}'), ('float4', '{-Infinity,NaN,-0,1e10,0.1}'),
    ('float8', '{-0,1e30,Infinity,NaN,0.1}'), ('numeric', '{NaN,Infinity,-0.000,1.10,1e-10,1e20}'), ('numeric(10, 5)', '{12345.6789}'),
    ('date', '{infinity,2001-02-03}'), ('time', '{24:00}'), ('timetz', '{12:00+05:30}'), ('timestamp', '{epoch,infinity}'),
    ('timestamptz', '{-infinity,2001-02-03 04:05:06.789+00}'), ('interval', '{1 mon -1 day 1 us}'), ('json', ARRAY['{"b": [1, null], "b": {"c": 1e10}}', '7']),
    ('jsonb', ARRAY['{"a": [1, null, "x"], "b": {"c": 1e10}}', 'null', '[]']), ('uuid', '{00000000-0000-0000-0000-00000000000a}'), ('tsvector', ARRAY['a:1 b:2A']),
    ('inet', '{192.168.0.1/24}'), ('point', ARRAY['(1,2)']), ('regclass', '{pg_class}'), ('xid8', '{7}'), ('int4range', ARRAY['[1,5)', 'empty']),
    ('int4multirange', ARRAY['{[1,2), [5,9)}']), ('int[]', ARRAY['{}', '{1,NULL,3}', '{{1,2},{3,4}}', '[-1:1]={1,2,3}']), ('text[]', ARRAY['{{a,b},{NULL,"d,e"}}']),
    ('numeric[]', '{"{NaN,1.0}"}'), ('json[]', ARRAY['{"{\"a\": 1}"}']), ('mood', '{sad}'), ('mood[]', '{"{ok,sad}"}'), ('pair', ARRAY['(1,x)', '(,)']),
    ('pair[]', ARRAY['{"(1,x)",NULL}']), ('positive', '{5}'), ('positive[]', '{"{5,6}"}'), ('things', ARRAY['(1,"(2,x)")'])) v (type, input);
SELECT same('SELECT * FROM things');
SELECT same('SELECT t, t.id FROM things t');
-- columns of one name: the last counts, as in to_jsonb
SELECT same('SELECT 1 AS a, 2 AS b, 3 AS a');
SELECT * FROM pg_background_query_json('SELECT 1, 2');
SELECT * FROM pg_background_query_json('SELECT 1 AS "ä ""quoted"" ''name''", 2 AS ""') WHERE false;
-- the launching session's settings
SET timezone = 'Asia/Kolkata';
SET datestyle = 'SQL';
SET extra_float_digits = 0;
SELECT same('SELECT ''2001-02-03 04:05:06+00''::timestamptz AS t, ''2001-02-03''::date AS d, 0.1::float8 + 0.2 AS f');
RESET timezone;
RESET datestyle;
RESET extra_float_digits;
-- a cast to json is used
CREATE FUNCTION pair_to_json(pair) RETURNS json LANGUAGE sql AS $$ SELECT json_build_object('the number', $1.n) $$;
CREATE CAST (pair AS json) WITH FUNCTION pair_to_json(pair);
SELECT same('SELECT ROW(1, ''x'')::pair AS p');
DROP CAST (pair AS json);
DROP FUNCTION pair_to_json(pair);
-- long values, wide rows
SELECT length(same('SELECT repeat(md5(''x''), 30000) AS long, repeat(''y'', 300000) AS longer'));
SELECT left(same('SELECT ' || string_agg(format('%s AS c%s', i, i), ', ')), 30) FROM generate_series(1, 1600) i;
-- what travels as text
SELECT * FROM pg_background_query_json('SELECT ROW(1, 2) AS record, pg_sleep(0) AS void');
-- no columns: no rows; nor does a statement without a result give any
SELECT * FROM pg_background_query_json('SELECT 1 AS a WHERE false');
SELECT * FROM pg_background_query_json('CREATE TABLE made (a int); INSERT INTO made VALUES (1)');
SELECT * FROM pg_background_query_json('UPDATE made SET a = 2 RETURNING *');
SELECT * FROM pg_background_query_json('DROP TABLE made');
-- a type that the job makes
SELECT * FROM pg_background_query_json('CREATE TYPE fresh AS ENUM (''one''); SELECT ''one''::fresh AS e, ARRAY[''one'']::fresh[] AS a');
-- a type that the job makes while this session waits, which has looked for it before; twice, as caches are warm the second time
SELECT pg_backend_pid() AS me \gset
SELECT pid, cookie FROM pg_background_start($$
  DO $do$ BEGIN
    PERFORM pg_advisory_xact_lock(7003);
    CALL until('EXISTS (SELECT FROM pg_locks WHERE locktype = ''advisory'' AND objid = 7003 AND NOT granted)
       AND EXISTS (SELECT FROM pg_stat_activity WHERE pid = $$ || :me || $$ AND wait_event_type = ''Extension'')');
  END $do$ $$) \gset
CALL until('EXISTS (SELECT FROM pg_locks WHERE locktype = ''advisory'' AND objid = 7003 AND granted)');
SELECT count(*), min(r->>'e') FROM pg_background_query_json('CREATE TYPE late AS ENUM (''one''); SELECT ''one''::late AS e, CASE WHEN i = 5000 THEN pg_advisory_xact_lock_shared(7003)::text END FROM generate_series(1, 5000) i') r;
SELECT * FROM pg_background_rows((:pid, :cookie)) AS (tag text);
DROP TYPE late;
SELECT pid, cookie FROM pg_background_start($$
  DO $do$ BEGIN
    PERFORM pg_advisory_xact_lock(7003);
    CALL until('EXISTS (SELECT FROM pg_locks WHERE locktype = ''advisory'' AND objid = 7003 AND NOT granted)
       AND EXISTS (SELECT FROM pg_stat_activity WHERE pid = $$ || :me || $$ AND wait_event_type = ''Extension'')');
  END $do$ $$) \gset
CALL until('EXISTS (SELECT FROM pg_locks WHERE locktype = ''advisory'' AND objid = 7003 AND granted)');
SELECT count(*), min(r->>'e') FROM pg_background_query_json('CREATE TYPE late AS ENUM (''one''); SELECT ''one''::late AS e, CASE WHEN i = 5000 THEN pg_advisory_xact_lock_shared(7003)::text END FROM generate_series(1, 5000) i') r;
SELECT * FROM pg_background_rows((:pid, :cookie)) AS (tag text);
DROP TYPE late;
SELECT pid, cookie FROM pg_background_start('CREATE TYPE row_of_fresh AS (f fresh); SELECT ROW(''one'')::row_of_fresh AS r FROM generate_series(1, 3)') \gset
SELECT * FROM pg_background_rows_json((:pid, :cookie));
SELECT count(j), min(j -> 'r' ->> 'more') FROM pg_background_query_json('ALTER TYPE row_of_fresh ADD ATTRIBUTE more int; SELECT ROW(''one'', i)::row_of_fresh AS r FROM generate_series(1, 10000) i') j;
DROP TYPE row_of_fresh, fresh;
-- a type that is gone
CREATE TYPE fading AS ENUM ('one');
SELECT pid, cookie FROM pg_background_start('SELECT 1 AS i, ''one''::fading AS e') \gset
SELECT pg_background_wait_v2(:pid, :cookie);
DROP TYPE fading;
SELECT attempt('SELECT * FROM pg_background_rows_json(($1, $2))', :pid, :cookie);
SELECT attempt('SELECT * FROM pg_background_rows(($1, $2)) AS (i int, e text)', :pid, :cookie);
SELECT pg_background_detach_v2(:pid, :cookie);
-- errors
SELECT attempt('SELECT * FROM pg_background_query_json(''SELECT 1 / 0'')');
SELECT attempt('SELECT * FROM pg_background_query_json(NULL)');
SELECT attempt('SELECT * FROM pg_background_rows_json((1, 1))');
SELECT attempt('SELECT * FROM pg_background_rows_json(pg_background_start(''SELECT 1'', results => false))');
SELECT * FROM pg_background_rows_json(NULL);
SELECT count(pg_background_detach(pid)) FROM jobs;
PREPARE p (text) AS SELECT j -> 'a' AS a FROM pg_background_query_json($1) j;
EXECUTE p ('SELECT 1 AS a');
EXECUTE p ('SELECT ''x'' AS a');
DEALLOCATE p;
SELECT * FROM pg_background_query_json('SELECT generate_series(1, 1000) AS i') LIMIT 1;

DROP FUNCTION same(text);
DROP TABLE things;
DROP DOMAIN positive;
DROP TYPE pair, mood;
\i regress/sql/include/cleanup.sql
