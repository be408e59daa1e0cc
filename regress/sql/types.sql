-- Values of all kinds on their way from a job to its launcher.
\i regress/sql/include/helpers.sql

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

--
-- the server's types
--
-- Each with a NULL and values as on input, at the ends of its range and in the middle.
CREATE TABLE samples (n serial, type text, input text[]);
INSERT INTO samples (type, input) VALUES
    ('bool', '{t,f}'), ('"char"', '{x,""}'), ('name', '{a name,""}'), ('text', '{text,""}'), ('bpchar', '{abc,"abc  "}'), ('char(5)', '{abc,""}'),
    ('varchar', '{abc,""}'), ('varchar(7)', '{abc,1234567}'), ('bytea', ARRAY['\x00ff', '']), ('bit', '{1,0}'), ('bit(3)', '{101}'), ('varbit', '{10101,""}'),
    ('int2', '{1,-32768,32767}'), ('int4', '{-2,-2147483648,2147483647}'), ('int8', '{0,-9223372036854775808,9223372036854775807}'),
    ('oid', '{0,4294967295}'), ('float4', '{-Infinity,NaN,-0,1e38}'), ('float8', '{-0,1e308,5e-324,Infinity,NaN}'),
    ('numeric', '{NaN,Infinity,-0.000,1.10,1e-1000,1e2000}'), ('numeric(10, 5)', '{0,12345.6789}'), ('money', '{12.34,-0.01}'),
    ('date', '{infinity,4713-01-01 BC,2001-02-03}'), ('time', '{24:00,0:0}'), ('timetz', '{12:00+05:30,0:0+0}'),
    ('timestamp', '{epoch,infinity,294276-12-31}'), ('timestamp(2)', '{2001-02-03 04:05:06.789}'), ('timestamptz', '{-infinity,epoch}'),
    ('interval', '{1 mon -1 day 1 us,178000000 years}'), ('interval second(1)', '{1.2345 s}'),
    ('json', ARRAY['{"a": [1, null, "\u00e4"], "b": {"c": 1e100}}']), ('jsonb', ARRAY['{"a": [1, null, "\u00e4"], "b": {"c": 1e10}}', 'null']),
    ('jsonpath', ARRAY['$.a[*] ? (@ > 1)']), ('uuid', '{00000000-0000-0000-0000-00000000000a}'),
    ('tsvector', ARRAY['a:1 b:2A', '']), ('tsquery', ARRAY['a & !b:*']), ('pg_lsn', '{16/B374D848}'),
    ('inet', '{192.168.0.1/24,::1}'), ('cidr', '{::1/128,10.0.0.0/8}'), ('macaddr', '{08:00:2b:01:02:03}'), ('macaddr8', '{08:00:2b:01:02:03:04:05}'),
    ('point', ARRAY['(1,2)']), ('lseg', ARRAY['[(1,2),(3,4)]']), ('box', ARRAY['((1,1),(0,0))']), ('path', ARRAY['[(0,0),(1,1)]', '((0,0))']),
    ('polygon', ARRAY['((0,0),(1,1),(2,0))']), ('circle', ARRAY['<(0,0),1>']), ('line', ARRAY['{1,2,3}']),
    ('regclass', '{pg_class}'), ('regtype', '{int4}'), ('regproc', '{now}'), ('regprocedure', '{now()}'), ('regoper', '{||/}'),
    ('regoperator', ARRAY['+(integer,integer)']), ('regrole', '{pg_monitor}'), ('regnamespace', '{pg_catalog}'), ('regcollation', ARRAY['"C"']),
    ('regconfig', '{simple}'), ('regdictionary', '{simple}'), ('tid', ARRAY['(1,2)']), ('xid', '{7}'), ('xid8', '{7}'), ('cid', '{7}'),
    ('int2vector', '{1 2,""}'), ('oidvector', '{1 2,""}'), ('pg_snapshot', '{10:20:10}'), ('txid_snapshot', '{10:20:10}'), ('refcursor', '{c}'),
    ('int4range', ARRAY['[1,5)', 'empty']), ('int8range', ARRAY['(,1]']), ('numrange', '{empty}'), ('daterange', ARRAY['[2001-01-01,2001-02-01)']),
    ('tsrange', ARRAY['[2001-01-01,infinity]']), ('tstzrange', ARRAY['(,)']), ('int4multirange', ARRAY['{[1,2), [5,9)}']), ('int8multirange', ARRAY['{}']),
    ('nummultirange', ARRAY['{[1.5,2]}']), ('datemultirange', ARRAY['{[2001-01-01,2001-02-01)}']), ('tsmultirange', ARRAY['{(,2001-01-01)}']),
    ('tstzmultirange', ARRAY['{(,)}']),
    ('int[]', ARRAY['{}', '{1,NULL,3}', '[-1:1]={1,2,3}']), ('text[]', ARRAY['{{a,b},{NULL,"d,e"}}']), ('name[]', ARRAY['[0:1]={x,y}']),
    ('point[]', ARRAY['{"(1,2)"}']), ('int4range[]', ARRAY['{"[1,2]"}']), ('bool[]', ARRAY['{t,NULL}']);
SELECT type, same(format('SELECT v::%s FROM unnest(%L::text[] || NULL::text) v', type, input), 'x ' || type) FROM samples ORDER BY n;
-- side by side: a value must not be taken for its neighbour's padding
SELECT same('SELECT ' || string_agg(format('%L::%s', input[1], type), ', ' ORDER BY n), string_agg(format('c%s %s', n, type), ', ' ORDER BY n)) FROM samples;
SELECT same('SELECT ' || string_agg(format('%L::%s', input[1], type), ', ' ORDER BY n DESC), string_agg(format('c%s %s', n, type), ', ' ORDER BY n DESC))
  FROM samples;
-- no type of the server's is left out, but for those that have no input, are internal, or come below
SELECT typname FROM pg_type
 WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype IN ('b', 'r', 'm') AND typname !~ '^_'
   AND typname !~ '^pg_(node_tree|ndistinct|dependencies|mcv_list|brin_)'
   AND typname NOT IN ('gtsvector', 'aclitem', 'xml') AND oid NOT IN (SELECT to_regtype(type) FROM samples) ORDER BY 1;
SELECT * FROM pg_background_result(pg_background_launch(
    $$SELECT true, 'x'::"char", 'a name'::name, 1::int2, -2::int4, 9223372036854775807, 'text', 'abc'::char(5), 'abc'::varchar(7)$$))
    AS (a bool, b "char", c name, d int2, e int4, f int8, g text, h char(5), i varchar(7));
SELECT * FROM same('SELECT now() = statement_timestamp(), 10::numeric ^ 2000 + 0.5, pg_current_snapshot() IS NOT NULL', 'a bool, b numeric, c bool');
DROP TABLE samples;
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
SELECT * FROM same($$SELECT ROW(1, 'x')::pair, ROW(NULL, NULL)::pair, NULL::pair, ARRAY[ROW(1, 'a')::pair, NULL],
                            ROW(ROW(2, 'y'), ARRAY[ROW(3, 'z')::pair], 'sad')::nested$$,
                   'a pair, b pair, c pair, d pair[], e nested');
SELECT (a).n, (b).ps[1].t
  FROM pg_background_result(pg_background_launch($$SELECT ROW(1, 'x')::pair, ROW(ROW(2, 'y'), ARRAY[ROW(3, 'z')::pair], 'sad')::nested$$))
       AS (a pair, b nested);
-- domains: as themselves and as their base types
SELECT columns, same($$SELECT 5::positive, 'abc'::short, ARRAY[1, 2]::positives, ROW(1, 'x')::good_pair$$, columns)
  FROM (VALUES ('a positive, b short, c positives, d good_pair'), ('a int, b varchar(3), c positive[], d pair'), ('a int, b varchar, c positives, d pair'))
       AS v (columns);
-- another domain over the same type is another type
CREATE DOMAIN negative AS int CHECK (VALUE < 0);
SELECT * FROM pg_background_result(pg_background_launch('SELECT 5::positive')) AS (a negative);
SELECT * FROM pg_background_result(pg_background_launch('SELECT 5')) AS (a positive);
SELECT count(pg_background_detach(pid)) FROM jobs;
DROP DOMAIN negative;
-- NULL in a domain that forbids it, as an outer join gives it
CREATE TABLE r (k int, t required);
INSERT INTO r VALUES (1, 'one');
\set outer 'SELECT k, t FROM generate_series(1, 2) AS g (k) LEFT JOIN r USING (k) ORDER BY k'
SELECT * FROM pg_background_result(pg_background_launch(:'outer')) AS (k int, t required);
SELECT * FROM pg_background_result(pg_background_launch(:'outer')) AS (k int, t text);
-- a whole row
CREATE TABLE rows (a int, b text, gone int, c point);
INSERT INTO rows VALUES (1, 'x', 0, '(1,2)'), (2, NULL, 0, NULL);
ALTER TABLE rows DROP gone;
SELECT * FROM same('SELECT r, a FROM rows r ORDER BY a', 'r rows, a int');
-- a type that the job makes
SELECT pg_background_launch($$CREATE TYPE fresh AS (a int, b mood); SELECT ROW(1, 'ok')::fresh, ARRAY[ROW(2, 'sad')::fresh]$$) AS pid \gset
SELECT pg_background_wait_v2(pid, cookie) FROM jobs;
SELECT * FROM pg_background_result(:pid) AS (a fresh, b fresh[]);
DROP TYPE fresh;
-- a value of an enum that the job adds
SELECT * FROM pg_background_result(pg_background_launch($$ALTER TYPE mood ADD VALUE 'great'$$)) AS (tag text);
SELECT * FROM same($$SELECT 'great'::mood$$, 'a mood');

--
-- what cannot travel as bytes: text
--
SELECT * FROM pg_background_result(pg_background_launch(
    $$SELECT pg_sleep(0), ROW(1, 'x', NULL), ARRAY[ROW(1, 2), ROW(3, 4)], '=r/postgres'::aclitem = makeaclitem(0, 10, 'SELECT', false)$$))
    AS (void text, record text, records text, acl bool);
\set acl 'SELECT makeaclitem(0, 10, \'SELECT\', false)'
SELECT a = makeaclitem(0, 10, 'SELECT', false)::text AS aclitem FROM pg_background_result(pg_background_launch(:'acl')) AS (a text);
SELECT pg_typeof(a) FROM pg_background_result(pg_background_launch(:'acl')) AS (a aclitem);
SELECT * FROM pg_background_result(pg_background_launch($$SELECT ROW(1, ROW(2, 'nested')), 'a trigger'::cstring FROM generate_series(1, 2)$$))
    AS (a text, b text);
-- text only
SELECT * FROM pg_background_result(pg_background_launch('SELECT ROW(1, 2)')) AS (a int);
SELECT * FROM pg_background_result(pg_background_launch($$SELECT ROW(1, 'x')$$)) AS (a pair);
SELECT * FROM pg_background_result(pg_background_launch('SELECT pg_sleep(0)')) AS (a void);
-- and not what can
SELECT * FROM pg_background_result(pg_background_launch('SELECT 1')) AS (a text);
SELECT * FROM pg_background_result(pg_background_launch('SELECT ARRAY[1]')) AS (a text);
SELECT count(pg_background_detach(pid)) FROM jobs;

--
-- lengths and precisions
--
SELECT * FROM pg_background_result(pg_background_launch('SELECT 3.14159, 3.14159::numeric(10, 5), 2::numeric(3, 0)'))
    AS (a numeric(4, 1), b numeric(10, 2), c numeric);
SELECT * FROM pg_background_result(pg_background_launch($$SELECT 'abc'::varchar, 'abc'::varchar(10), 'abc'::char(5)$$))
    AS (a varchar(3), b varchar(5), c char(4));
SELECT * FROM pg_background_result(pg_background_launch($$SELECT ARRAY[1.25, 2.75], B'101'::varbit, '2001-01-01 00:00:00.6'::timestamp$$))
    AS (a numeric(3, 1)[], b varbit(4), c timestamp(0));
-- as on input: what does not fit is an error
SELECT * FROM pg_background_result(pg_background_launch('SELECT 12345.6')) AS (a numeric(4, 1));
SELECT * FROM pg_background_result(pg_background_launch($$SELECT 'abcdef'::varchar$$)) AS (a varchar(3));
SELECT * FROM pg_background_result(pg_background_launch($$SELECT B'10101'::varbit$$)) AS (a varbit(3));
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
SELECT same('SELECT ' || string_agg(CASE i % 3 WHEN 0 THEN 'NULL::text' WHEN 1 THEN i || '::text' ELSE $$'x'$$ END, ', ' ORDER BY i),
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
SELECT * FROM pg_background_result(pg_background_launch($$SET work_mem = '5MB'; SHOW work_mem$$)) AS (setting text);
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
INSERT INTO toasted SELECT 'external', v, ROW(1, v)::pair, ARRAY[v] FROM (SELECT string_agg(md5(i::text), '') AS v FROM generate_series(1, 1000) i) o;
ALTER TABLE toasted ALTER t SET STORAGE EXTENDED;
INSERT INTO toasted VALUES ('compressed', repeat('x', 5000), ROW(2, repeat('y', 5000)), ARRAY[repeat('z', 5000)]);
INSERT INTO toasted SELECT 'both', v, ROW(3, v)::pair, NULL FROM (SELECT string_agg(repeat(md5(i::text), 3), '') AS v FROM generate_series(1, 5000) i) b;
INSERT INTO toasted VALUES ('short', 'x', ROW(4, 'y'), '{z}'), ('empty', '', ROW(5, ''), '{""}');
SELECT * FROM same('SELECT * FROM toasted', 'kind text, t text, p pair, a text[]');
SELECT * FROM same('SELECT toasted FROM toasted', 't toasted');
-- what is stored from it outlives its source
CREATE TABLE kept AS SELECT * FROM pg_background_result(pg_background_launch('SELECT kind, t, p FROM toasted')) AS (kind text, t text, p pair);
SELECT count(*), count(*) FILTER (WHERE k.t = o.t AND k.p = o.p) AS same FROM kept k JOIN toasted o USING (kind);
DROP TABLE toasted;
SELECT kind, length(t), length((p).t) FROM kept ORDER BY kind COLLATE "C";
DROP TABLE kept;
SELECT * FROM same('SELECT jsonb_object_agg(i, repeat(md5(i::text), 4)) FROM generate_series(1, 20000) i', 'j jsonb');
-- rows of every length around the sizes of queues and batches, in the smallest queue (64 bytes are taken as 1 kB) and in the usual one
SELECT min_val::int AS smallest FROM pg_settings WHERE name = 'pg_background.default_queue_size' \gset
SELECT * FROM same($$SELECT i, repeat('x', i) FROM generate_series(0, 300) i$$, 'i int, t text', :smallest);
SELECT * FROM same($$SELECT i, repeat('x', i) FROM generate_series(0, 300) i$$, 'i int, t text');
SELECT size, same(format($$SELECT i, repeat('x', i) FROM generate_series(%s - 48, %s + 8) i$$, size, size), 'i int, t text', queue) AS same, queue = 0 AS usual
  FROM unnest(ARRAY[2048, 4096, 8192, 16384, 32768, 65536, 262144]) size, unnest(ARRAY[0, :smallest, 4096]) queue
 WHERE queue <> :smallest OR size <= 8192
 ORDER BY size, queue = 0, queue;
SELECT * FROM same('SELECT CASE WHEN i % 7 = 0 THEN repeat(md5(i::text), 10000) ELSE i::text END FROM generate_series(1, 50) i', 't text', 4096);
SELECT length(t), md5(t) = md5(repeat('0123456789abcdef', n)) AS same
  FROM (VALUES (65536), (4194304)) v (n), pg_background_result(pg_background_launch(format($$SELECT repeat('0123456789abcdef', %s)$$, n))) AS (t text);
SELECT length(b), b = decode(repeat('00', 3000000), 'hex') AS same
  FROM pg_background_result(pg_background_launch($$SELECT decode(repeat('00', 3000000), 'hex')$$)) AS (b bytea);

--
-- many rows
--
SET work_mem = '64kB';
SELECT count(*), sum(i), count(DISTINCT t), min(t), max(t)
  FROM pg_background_result(pg_background_launch('SELECT i, md5(i::text) FROM generate_series(1, 100000) i')) AS (i int, t text);
-- in their order
SELECT count(*) FILTER (WHERE i = n) AS in_order
  FROM ROWS FROM (pg_background_result(pg_background_launch('SELECT generate_series(1, 100000)')) AS (i int)) WITH ORDINALITY AS r (i, n);
-- kept by a wait, beyond work_mem
SELECT pid, cookie FROM pg_background_launch_v2($$SELECT i, repeat('x', 100) FROM generate_series(1, 20000) i$$) \gset
SELECT pg_background_wait_v2_timeout(:pid, :cookie, 60000);
SELECT count(*), sum(i), sum(length(t)) FROM pg_background_result_v2(:pid, :cookie) AS (i int, t text);
RESET work_mem;

DROP TABLE r, rows, changed;
DROP DOMAIN good_pair, positives, positive, required, short;
DROP TYPE floats, nested, pair, mood;
DROP FUNCTION same(text, text, int);
\i regress/sql/include/cleanup.sql
