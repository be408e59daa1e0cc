-- Values of all kinds on their way from a job to its launcher.
SET client_min_messages = warning;
CREATE EXTENSION pg_background;
RESET client_min_messages;
\set SHOW_CONTEXT never

-- Runs a query here and as a job, and compares the rows: as text, for not every type can be compared.
CREATE FUNCTION same(query text, columns text, queue_size int DEFAULT 0) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    here text[];
    there text[];
BEGIN
    EXECUTE format('SELECT array_agg(r::text) FROM (%s) r', query) INTO here;
    EXECUTE format('SELECT array_agg(r::text) FROM pg_background_result(pg_background_launch($1, $2)) AS r (%s)', columns)
       INTO there USING query, queue_size;
    IF there IS DISTINCT FROM here THEN
        RETURN format('here: %s there: %s', left(here::text, 1000), left(there::text, 1000));
    END IF;
    RETURN format('%s rows', coalesce(cardinality(there), 0));
END
$$;

CREATE VIEW jobs AS
SELECT * FROM pg_background_list_v2()
    AS (pid int4, cookie int8, launched_at timestamptz, user_id oid, queue_size int4, state text, sql_preview text,
        last_error text, consumed bool);

--
-- the server's types
--
SELECT * FROM same($$SELECT true, 'x'::"char", 'a name'::name, 1::int2, -2::int4, 9223372036854775807, 'text', 'abc'::char(5), 'abc'::varchar(7)$$,
                   'a bool, b "char", c name, d int2, e int4, f int8, g text, h char(5), i varchar(7)');
SELECT * FROM pg_background_result(pg_background_launch(
    $$SELECT true, 'x'::"char", 'a name'::name, 1::int2, -2::int4, 9223372036854775807, 'text', 'abc'::char(5), 'abc'::varchar(7)$$))
    AS (a bool, b "char", c name, d int2, e int4, f int8, g text, h char(5), i varchar(7));
SELECT * FROM same($$SELECT * FROM (VALUES ('\x00ff'::bytea, B'1', B'10101'::varbit, 0::oid, 'NaN'::numeric, '-Infinity'::float4, '-0'::float8),
                                           ('', B'0', B'', 4294967295, 'Infinity', 'NaN', 1e308),
                                           (NULL, NULL, NULL, NULL, -0.000, NULL, 5e-324)) v$$,
                   'a bytea, b bit, c varbit, d oid, e numeric, f float4, g float8');
SELECT * FROM same($$SELECT (10::numeric ^ 2000 + 0.5), 1.10::numeric, '1e-1000'::numeric, 0::numeric(10, 5)$$, 'a numeric, b numeric, c numeric, d numeric(10, 5)');
SELECT * FROM same($$SELECT * FROM (VALUES ('infinity'::date, 'epoch'::timestamp, '-infinity'::timestamptz, '24:00'::time, '12:00+05:30'::timetz, '1 mon -1 day 1 us'::interval),
                                           ('4713-01-01 BC', '294276-12-31', 'epoch', '0:0', '0:0+0', '178000000 years'), (NULL, NULL, NULL, NULL, NULL, NULL)) v$$,
                   'a date, b timestamp, c timestamptz, d time, e timetz, f interval');
SELECT * FROM same($$SELECT now() = statement_timestamp(), '2001-02-03 04:05:06.789'::timestamp(2), '1.2345 s'::interval second(1)$$,
                   'a bool, b timestamp(2), c interval second(1)');
SELECT * FROM same($$SELECT '{"a": [1, null, "\u00e4"], "b": {"c": 1e100}}'::json, '{"a": [1, null, "\u00e4"], "b": {"c": 1e10}}'::jsonb, 'null'::jsonb, '$.a[*] ? (@ > 1)'::jsonpath$$,
                   'a json, b jsonb, c jsonb, d jsonpath');
SELECT * FROM same($$SELECT 'a:1 b:2A'::tsvector, 'a & !b:*'::tsquery, '00000000-0000-0000-0000-00000000000a'::uuid, '192.168.0.1/24'::inet, '::1/128'::cidr,
                            '08:00:2b:01:02:03'::macaddr, '08:00:2b:01:02:03:04:05'::macaddr8, '12.34'::money, '16/B374D848'::pg_lsn$$,
                   'a tsvector, b tsquery, c uuid, d inet, e cidr, f macaddr, g macaddr8, h money, i pg_lsn');
SELECT * FROM same($$SELECT '(1,2)'::point, '[(1,2),(3,4)]'::lseg, '((1,1),(0,0))'::box, '[(0,0),(1,1)]'::path, '((0,0),(1,1),(2,0))'::polygon, '<(0,0),1>'::circle, '{1,2,3}'::line$$,
                   'a point, b lseg, c box, d path, e polygon, f circle, g line');
SELECT * FROM same($$SELECT 'pg_class'::regclass, 'int4'::regtype, 'now()'::regprocedure, '(1,2)'::tid, '7'::xid, '7'::xid8, '7'::cid, '1 2'::int2vector, '1 2'::oidvector, pg_current_snapshot() IS NOT NULL$$,
                   'a regclass, b regtype, c regprocedure, d tid, e xid, f xid8, g cid, h int2vector, i oidvector, j bool');
SELECT * FROM same($$SELECT '[1,5)'::int4range, 'empty'::numrange, '(,)'::tstzrange, '[2001-01-01,2001-02-01)'::daterange, '{[1,2), [5,9)}'::int4multirange, NULL::int8range$$,
                   'a int4range, b numrange, c tstzrange, d daterange, e int4multirange, f int8range');
SELECT * FROM same($$SELECT '{}'::int[], '{1,NULL,3}'::int[], '{{a,b},{NULL,"d,e"}}'::text[], '[0:1]={x,y}'::name[], ARRAY[point(1, 2)], ARRAY['[1,2]'::int4range], NULL::bool[]$$,
                   'a int[], b int[], c text[], d name[], e point[], f int4range[], g bool[]');
-- not every server is built with xml
CREATE FUNCTION same_xml() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN same('SELECT ''<a>1</a>''::xml', 'x xml');
EXCEPTION WHEN feature_not_supported THEN
    RETURN '1 rows';
END
$$;
SELECT same_xml();
DROP FUNCTION same_xml();

-- an untyped literal is text
SELECT * FROM same($$SELECT 'x', NULL$$, 'a text, b text');

--
-- NULLs
--
SELECT * FROM pg_background_result(pg_background_launch(
    $$SELECT nullif(i, 1), nullif(i, 2)::text, nullif(i, 3)::int8, nullif(i, 4)::numeric FROM generate_series(1, 5) i$$)) AS (a int, b text, c int8, d numeric);
SELECT * FROM same('SELECT NULL::int, NULL::text, NULL::point', 'a int, b text, c point');
SELECT a IS NULL AS a, b IS NULL AS b, c IS NULL AS c
  FROM pg_background_result(pg_background_launch('SELECT NULL::record, NULL::aclitem, NULL::record[]')) AS (a text, b text, c text);

--
-- the users' types
--
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE pair AS (n int, t text);
CREATE TYPE nested AS (p pair, ps pair[], m mood);
CREATE TYPE floats AS RANGE (subtype = float8);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN required AS text NOT NULL;
CREATE DOMAIN short AS varchar(3);
CREATE DOMAIN positives AS positive[];
CREATE DOMAIN good_pair AS pair CHECK ((VALUE).n > 0);
SELECT * FROM same($$SELECT 'happy'::mood, NULL::mood, ARRAY['sad', 'ok']::mood[], '[1.5,2.5]'::floats$$, 'a mood, b mood, c mood[], d floats');
SELECT * FROM same($$SELECT ROW(1, 'x')::pair, ROW(NULL, NULL)::pair, NULL::pair, ARRAY[ROW(1, 'a')::pair, NULL], ROW(ROW(2, 'y'), ARRAY[ROW(3, 'z')::pair], 'sad')::nested$$,
                   'a pair, b pair, c pair, d pair[], e nested');
SELECT (a).n, (b).ps[1].t FROM pg_background_result(pg_background_launch($$SELECT ROW(1, 'x')::pair, ROW(ROW(2, 'y'), ARRAY[ROW(3, 'z')::pair], 'sad')::nested$$)) AS (a pair, b nested);
-- domains: as themselves and as their base types
SELECT * FROM same('SELECT 5::positive, ''abc''::short, ARRAY[1, 2]::positives, ROW(1, ''x'')::good_pair', 'a positive, b short, c positives, d good_pair');
SELECT * FROM same('SELECT 5::positive, ''abc''::short, ARRAY[1, 2]::positives, ROW(1, ''x'')::good_pair', 'a int, b varchar(3), c positive[], d pair');
SELECT * FROM same('SELECT 5::positive, ''abc''::short', 'a int, b varchar');
-- another domain over the same type is another type
CREATE DOMAIN negative AS int CHECK (VALUE < 0);
SELECT * FROM pg_background_result(pg_background_launch('SELECT 5::positive')) AS (a negative);
SELECT * FROM pg_background_result(pg_background_launch('SELECT 5')) AS (a positive);
SELECT count(pg_background_detach(pid)) FROM jobs;
DROP DOMAIN negative;
-- NULL in a domain that forbids it, as an outer join gives it
CREATE TABLE r (k int, t required);
INSERT INTO r VALUES (1, 'one');
SELECT * FROM pg_background_result(pg_background_launch('SELECT k, t FROM generate_series(1, 2) AS g (k) LEFT JOIN r USING (k) ORDER BY k')) AS (k int, t required);
SELECT * FROM pg_background_result(pg_background_launch('SELECT k, t FROM generate_series(1, 2) AS g (k) LEFT JOIN r USING (k) ORDER BY k')) AS (k int, t text);
-- a whole row
CREATE TABLE rows (a int, b text, gone int, c point);
INSERT INTO rows VALUES (1, 'x', 0, '(1,2)'), (2, NULL, 0, NULL);
ALTER TABLE rows DROP gone;
SELECT * FROM same('SELECT r, a FROM rows r ORDER BY a', 'r rows, a int');
-- a type that the job makes
SELECT pg_background_launch('CREATE TYPE fresh AS (a int, b mood); SELECT ROW(1, ''ok'')::fresh, ARRAY[ROW(2, ''sad'')::fresh]') AS pid \gset
SELECT pg_background_wait_v2(pid, cookie) FROM jobs;
SELECT * FROM pg_background_result(:pid) AS (a fresh, b fresh[]);
DROP TYPE fresh;
-- a value of an enum that the job adds
SELECT * FROM pg_background_result(pg_background_launch('ALTER TYPE mood ADD VALUE ''great''')) AS (tag text);
SELECT * FROM same($$SELECT 'great'::mood$$, 'a mood');

--
-- what cannot travel as bytes: text
--
SELECT * FROM pg_background_result(pg_background_launch(
    $$SELECT pg_sleep(0), ROW(1, 'x', NULL), ARRAY[ROW(1, 2), ROW(3, 4)], '=r/postgres'::aclitem = makeaclitem(0, 10, 'SELECT', false)$$))
    AS (void text, record text, records text, acl bool);
SELECT a = makeaclitem(0, 10, 'SELECT', false)::text AS aclitem FROM pg_background_result(pg_background_launch($$SELECT makeaclitem(0, 10, 'SELECT', false)$$)) AS (a text);
SELECT pg_typeof(a) FROM pg_background_result(pg_background_launch($$SELECT makeaclitem(0, 10, 'SELECT', false)$$)) AS (a aclitem);
SELECT * FROM pg_background_result(pg_background_launch($$SELECT ROW(1, ROW(2, 'nested')), 'a trigger'::cstring FROM generate_series(1, 2)$$)) AS (a text, b text);
-- text only
SELECT * FROM pg_background_result(pg_background_launch('SELECT ROW(1, 2)')) AS (a int);
SELECT * FROM pg_background_result(pg_background_launch('SELECT ROW(1, ''x'')')) AS (a pair);
SELECT * FROM pg_background_result(pg_background_launch('SELECT pg_sleep(0)')) AS (a void);
-- and not what can
SELECT * FROM pg_background_result(pg_background_launch('SELECT 1')) AS (a text);
SELECT * FROM pg_background_result(pg_background_launch('SELECT ARRAY[1]')) AS (a text);
SELECT count(pg_background_detach(pid)) FROM jobs;

--
-- lengths and precisions
--
SELECT * FROM pg_background_result(pg_background_launch('SELECT 3.14159, 3.14159::numeric(10, 5), 2::numeric(3, 0)')) AS (a numeric(4, 1), b numeric(10, 2), c numeric);
SELECT * FROM pg_background_result(pg_background_launch('SELECT ''abc''::varchar, ''abc''::varchar(10), ''abc''::char(5)')) AS (a varchar(3), b varchar(5), c char(4));
SELECT * FROM pg_background_result(pg_background_launch('SELECT ARRAY[1.25, 2.75], B''101''::varbit, ''2001-01-01 00:00:00.6''::timestamp')) AS (a numeric(3, 1)[], b varbit(4), c timestamp(0));
-- as on input: what does not fit is an error
SELECT * FROM pg_background_result(pg_background_launch('SELECT 12345.6')) AS (a numeric(4, 1));
SELECT * FROM pg_background_result(pg_background_launch('SELECT ''abcdef''::varchar')) AS (a varchar(3));
SELECT * FROM pg_background_result(pg_background_launch('SELECT B''10101''::varbit')) AS (a varbit(3));
SELECT count(pg_background_detach(pid)) FROM jobs;
SELECT * FROM pg_background_result(pg_background_launch('SELECT NULL::varchar, NULL::numeric')) AS (a varchar(3), b numeric(2, 1));
-- whatever the settings make of a value's text
SET datestyle = 'SQL';
SET timezone = 'Asia/Kolkata';
SELECT a = b AS same, c = ARRAY[b] AS same
FROM pg_background_result(pg_background_launch($$
    SELECT t, t::timestamptz(0), ARRAY[t] FROM (VALUES ('2026-01-02 03:04:05.6+00'::timestamptz)) v(t)
$$)) AS (a timestamptz(0), b timestamptz, c timestamptz(0)[]);
RESET timezone;
RESET datestyle;

--
-- shapes of rows
--
-- no columns: the command tag
SELECT * FROM pg_background_result(pg_background_launch('SELECT')) AS (tag text);
SELECT * FROM pg_background_result(pg_background_launch('SELECT FROM generate_series(1, 3)')) AS (tag text);
-- as many as a table can have, and as many as a query can return
SELECT string_agg(format('c%s int', i), ', ' ORDER BY i) AS columns, string_agg(format('%s AS c%s', i, i), ', ' ORDER BY i) AS list
  FROM generate_series(1, 1600) i \gset
SELECT c1, c2, c1599, c1600 FROM pg_background_result(pg_background_launch('SELECT ' || :'list')) AS (:columns);
SELECT same('SELECT ' || string_agg(CASE i % 3 WHEN 0 THEN 'NULL::text' WHEN 1 THEN i || '::text' ELSE '''x''' END, ', ' ORDER BY i),
            string_agg(format('c%s text', i), ', ' ORDER BY i)) FROM generate_series(1, 1600) i;
CREATE TABLE wide (:columns);
INSERT INTO wide (c1600) VALUES (1);
SELECT c1, c1600 FROM pg_background_result(pg_background_launch('SELECT * FROM wide')) AS (:columns);
DROP TABLE wide;
-- columns that were added and dropped, with rows from before
CREATE TABLE changed (a int, b text);
INSERT INTO changed VALUES (1, 'old');
ALTER TABLE changed ADD c int DEFAULT 7, ADD d text DEFAULT 'added', ADD e int;
ALTER TABLE changed DROP b;
INSERT INTO changed VALUES (2, 8, 'new', 9);
SELECT * FROM pg_background_result(pg_background_launch('SELECT * FROM changed')) AS (a int, c int, d text, e int);
SELECT * FROM pg_background_result(pg_background_launch('UPDATE changed SET e = 10 WHERE a = 1 RETURNING *')) AS (a int, c int, d text, e int);
SELECT * FROM same('SELECT changed, ctid, tableoid FROM changed', 'a changed, c tid, t oid');
-- a rule, a view, a function, EXPLAIN, SHOW, VALUES, TABLE, FETCH: all that returns rows
CREATE VIEW v AS SELECT a FROM changed;
CREATE FUNCTION f(OUT x int, OUT y text) RETURNS SETOF record LANGUAGE sql AS $$ VALUES (1, 'one'), (2, NULL) $$;
SELECT * FROM pg_background_result(pg_background_launch('TABLE v ORDER BY a')) AS (a int);
SELECT * FROM pg_background_result(pg_background_launch('SELECT * FROM f()')) AS (x int, y text);
SELECT * FROM pg_background_result(pg_background_launch('SELECT f()')) AS (r text);
SELECT * FROM pg_background_result(pg_background_launch('VALUES (1, 2)')) AS (a int, b int);
SELECT * FROM pg_background_result(pg_background_launch('EXPLAIN (COSTS OFF) SELECT 1')) AS (line text);
SELECT * FROM pg_background_result(pg_background_launch('SET work_mem = ''5MB''; SHOW work_mem')) AS (setting text);
SELECT * FROM pg_background_result(pg_background_launch('DECLARE c CURSOR FOR SELECT generate_series(1, 5); FETCH 2 FROM c')) AS (i int);
SELECT * FROM pg_background_result(pg_background_launch('PREPARE p (int) AS SELECT $1 * 2; EXECUTE p (21)')) AS (i int);
DROP VIEW v;
DROP FUNCTION f();

--
-- large values
--
-- expanded: as plpgsql holds them
CREATE FUNCTION expanded() RETURNS TABLE (a int[], p pair, t text[]) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..3 LOOP
        a[i] := i;
        p.n := i;
        t := t || repeat('x', i);
        RETURN NEXT;
    END LOOP;
END
$$;
SELECT * FROM pg_background_result(pg_background_launch('SELECT * FROM expanded()')) AS (a int[], p pair, t text[]);
CREATE FUNCTION grown(n int) RETURNS int[] LANGUAGE plpgsql AS $$
DECLARE
    a int[] := '{}';
BEGIN
    FOR i IN 1..n LOOP
        a[i] := i;
    END LOOP;
    RETURN a;
END
$$;
SELECT cardinality(a), a[1], a[100000] FROM pg_background_result(pg_background_launch('SELECT grown(100000)')) AS (a int[]);
DROP FUNCTION expanded(), grown(int);
-- toasted: compressed in line, out of line, compressed out of line; in composites and arrays
CREATE TABLE toasted (kind text, t text, p pair, a text[]);
ALTER TABLE toasted ALTER t SET STORAGE EXTERNAL;
INSERT INTO toasted SELECT 'external', string_agg(md5(i::text), ''), ROW(1, string_agg(md5(i::text), ''))::pair, ARRAY[string_agg(md5(i::text), '')] FROM generate_series(1, 1000) i;
ALTER TABLE toasted ALTER t SET STORAGE EXTENDED;
INSERT INTO toasted VALUES ('compressed', repeat('x', 5000), ROW(2, repeat('y', 5000)), ARRAY[repeat('z', 5000)]);
INSERT INTO toasted SELECT 'both', string_agg(repeat(md5(i::text), 3), ''), ROW(3, string_agg(repeat(md5(i::text), 3), ''))::pair, NULL FROM generate_series(1, 5000) i;
INSERT INTO toasted VALUES ('short', 'x', ROW(4, 'y'), '{z}'), ('empty', '', ROW(5, ''), '{""}');
SELECT * FROM same('SELECT * FROM toasted', 'kind text, t text, p pair, a text[]');
SELECT * FROM same('SELECT toasted FROM toasted', 't toasted');
-- what is stored from it outlives its source
CREATE TABLE kept AS SELECT * FROM pg_background_result(pg_background_launch('SELECT kind, t, p FROM toasted')) AS (kind text, t text, p pair);
SELECT count(*), count(*) FILTER (WHERE k.t = o.t AND k.p = o.p) AS same FROM kept k JOIN toasted o USING (kind);
DROP TABLE toasted;
SELECT kind, length(t), length((p).t) FROM kept ORDER BY kind COLLATE "C";
DROP TABLE kept;
SELECT pg_background_launch('SELECT jsonb_object_agg(i, repeat(md5(i::text), 4)) FROM generate_series(1, 20000) i') AS pid \gset
SELECT j = (SELECT jsonb_object_agg(i, repeat(md5(i::text), 4)) FROM generate_series(1, 20000) i) AS same FROM pg_background_result(:pid) AS (j jsonb);
-- rows of every length around the sizes of queues and batches, in the smallest queue and in the usual one
SELECT min_val::int AS smallest FROM pg_settings WHERE name = 'pg_background.default_queue_size' \gset
SELECT * FROM same('SELECT i, repeat(''x'', i) FROM generate_series(0, 300) i', 'i int, t text', :smallest);
SELECT * FROM same('SELECT i, repeat(''x'', i) FROM generate_series(0, 300) i', 'i int, t text');
SELECT size, same(format('SELECT i, repeat(''x'', i) FROM generate_series(%s - 48, %s + 8) i', size, size), 'i int, t text', queue) AS same, queue = 0 AS usual
  FROM unnest(ARRAY[2048, 4096, 8192, 16384, 32768, 65536, 262144]) size, unnest(ARRAY[0, :smallest, 4096]) queue
 WHERE queue <> :smallest OR size <= 8192
 ORDER BY size, queue = 0, queue;
SELECT * FROM same('SELECT CASE WHEN i % 7 = 0 THEN repeat(md5(i::text), 10000) ELSE i::text END FROM generate_series(1, 50) i', 't text', 4096);
SELECT length(t), md5(t) = md5(repeat('0123456789abcdef', 65536)) AS same FROM pg_background_result(pg_background_launch('SELECT repeat(''0123456789abcdef'', 65536)')) AS (t text);
SELECT length(t), md5(t) = md5(repeat('0123456789abcdef', 4194304)) AS same FROM pg_background_result(pg_background_launch('SELECT repeat(''0123456789abcdef'', 4194304)')) AS (t text);
SELECT length(b), b = decode(repeat('00', 3000000), 'hex') AS same FROM pg_background_result(pg_background_launch('SELECT decode(repeat(''00'', 3000000), ''hex'')')) AS (b bytea);

--
-- many rows
--
SET work_mem = '64kB';
SELECT count(*), sum(i), count(DISTINCT t), min(t), max(t) FROM pg_background_result(pg_background_launch('SELECT i, md5(i::text) FROM generate_series(1, 100000) i')) AS (i int, t text);
-- in their order
SELECT count(*) FILTER (WHERE i = n) AS in_order FROM ROWS FROM (pg_background_result(pg_background_launch('SELECT generate_series(1, 100000)')) AS (i int)) WITH ORDINALITY AS r (i, n);
-- kept by a wait, beyond work_mem
SELECT pid, cookie FROM pg_background_launch_v2('SELECT i, repeat(''x'', 100) FROM generate_series(1, 20000) i') \gset
SELECT pg_background_wait_v2_timeout(:pid, :cookie, 60000);
SELECT count(*), sum(i), sum(length(t)) FROM pg_background_result_v2(:pid, :cookie) AS (i int, t text);
RESET work_mem;

DROP TABLE r, rows, changed;
DROP DOMAIN good_pair, positives, positive, required, short;
DROP TYPE floats, nested, pair, mood;
DROP VIEW jobs;
DROP FUNCTION same(text, text, int);
SET client_min_messages = warning;
SELECT pg_background_drop_executor_role();
DROP EXTENSION pg_background;
