-- Parameters of a job: values with their types, never text in its SQL.
\i regress/sql/include/helpers.sql

-- What a job sees of one parameter: its type and its text.
CREATE FUNCTION sees(value text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    EXECUTE format('SELECT format(''%%s: %%s'', t, v) FROM pg_background_query(''SELECT pg_typeof($1)::text, $1::text'', ROW(%s)) AS (t text, v text)', value)
       INTO result;
    RETURN result;
END
$$;
-- Does a job get the value as it is?
CREATE FUNCTION passes(type text, input text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    same boolean;
BEGIN
    EXECUTE format($q$
        SELECT (pg_typeof(here.v)::text, here.v::text) IS NOT DISTINCT FROM (job.t, job.v)
          FROM (SELECT %L::%s AS v) here, pg_background_query('SELECT pg_typeof($1)::text, $1::text', ROW(here.v)) AS job (t text, v text)
    $q$, input, type) INTO same;
    RETURN same;
END
$$;

--
-- one, several, none
--
SELECT * FROM pg_background_query('SELECT $1, $2, $3', ROW(1, 'x', 2.5)) AS (a int, b text, c numeric);
SELECT * FROM pg_background_query('SELECT $2, $1, $2', ROW(1, 'x'::text)) AS (a text, b int, c text);
SELECT * FROM pg_background_query('SELECT 1', ROW()) AS (a int);
SELECT * FROM pg_background_query('SELECT 1', NULL) AS (a int);
-- not all need be used, but for the last
SELECT * FROM pg_background_query('SELECT $2', ROW(1, 2)) AS (a int);
-- values, and not text of the statement
SELECT * FROM pg_background_query('SELECT $1', ROW('''; DROP TABLE x; --$1')) AS (a text);
CREATE TABLE t (i int, t text, at timestamptz DEFAULT now());
SELECT pg_background_exec('INSERT INTO t VALUES ($1, $2)', ROW(1, 'one'));
SELECT pg_background_exec('INSERT INTO t SELECT i, $2 FROM generate_series(2, $1) i', ROW(5, $$it's$$));
SELECT pg_background_exec('UPDATE t SET t = $1 WHERE i = ANY ($2)', ROW(NULL::text, ARRAY[2, 3]));
SELECT pg_background_exec('DELETE FROM t WHERE i = $1', ROW(5));
SELECT i, t FROM t ORDER BY i;
-- by name, from a table's row, from a variable, prepared
SELECT pg_background_exec(sql => 'UPDATE t SET t = $1 WHERE i = $2', params => ROW('two', 2));
SELECT pg_background_exec('UPDATE t SET t = $2 || $1 WHERE i = $1 AND at = $3', t.*) FROM t WHERE i = 1;
DO $$
DECLARE
    r record;
    f t;
BEGIN
    SELECT 3 AS i, 'three' AS t INTO r;
    PERFORM pg_background_exec('UPDATE t SET t = $2 WHERE i = $1', r);
    SELECT * FROM t WHERE i = 4 INTO f;
    f.t := 'four';
    PERFORM pg_background_exec('UPDATE t SET t = $2 WHERE i = $1 AND at = $3', f);
END
$$;
SELECT i, t FROM t ORDER BY i;
PREPARE p (int) AS SELECT * FROM pg_background_query('SELECT $1 + 1', ROW($1)) AS (i int);
EXECUTE p (1);
EXECUTE p (2);
DEALLOCATE p;
-- the other ways
SELECT pid, cookie FROM pg_background_start('SELECT $1 * 2', params => ROW(21)) \gset
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (i int);
-- columns that were dropped are none, and those that were added later are NULL or their default
CREATE TABLE changing (a int, b text, c int);
INSERT INTO changing VALUES (1, 'gone', 3);
ALTER TABLE changing DROP b, ADD d text, ADD e text DEFAULT 'default';
SELECT job.* FROM changing, pg_background_query('SELECT $1, $2, $3, $4', changing) AS job (a int, c int, d text, e text);
-- a statement with a query in it, and a procedure that commits
SELECT pg_background_exec('CREATE TABLE made AS SELECT $1 AS a, $2 AS b', ROW(1, 'x'::text));
SELECT * FROM made;
CREATE PROCEDURE commits(n int, word text) LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO made VALUES (n, word);
    COMMIT;
    INSERT INTO made VALUES (n + 1, word || word);
END
$$;
SELECT pg_background_exec('CALL commits($1, $2)', ROW(2, 'y'::text));
SELECT * FROM made ORDER BY a;
SELECT pg_background_exec('SELECT $1 INTO made_too', ROW(1));
SELECT * FROM made_too;
DROP TABLE made, made_too;
-- without a statement there is no tag
SELECT sql, pg_background_exec(sql) IS NULL AS no_tag FROM (VALUES (''), ('-- nothing'), (';; SELECT 1;'), ('SELECT 1; ;')) AS s (sql);

--
-- types
--
SELECT sees($$'untyped'$$);
SELECT sees('NULL');
SELECT sees('NULL::int');
SELECT sees('1.0');
SELECT sees($$''$$);
CREATE TABLE samples (n serial, type text, input text[]);
INSERT INTO samples (type, input) VALUES
    ('bool', '{t,f}'), ('"char"', '{x,""}'), ('name', '{a name,""}'), ('text', '{text,""}'), ('bpchar', '{abc,"abc  "}'), ('char(5)', '{abc,""}'),
    ('varchar', '{abc,""}'), ('varchar(7)', '{abc,1234567}'), ('bytea', ARRAY['\x00ff', '']), ('bit(3)', '{101}'), ('varbit', '{10101,""}'),
    ('int2', '{1,-32768,32767}'), ('int4', '{-2,-2147483648,2147483647}'), ('int8', '{0,-9223372036854775808,9223372036854775807}'),
    ('oid', '{0,4294967295}'), ('float4', '{-Infinity,NaN,-0,1e38}'), ('float8', '{-0,1e308,5e-324,Infinity,NaN}'),
    ('numeric', '{NaN,Infinity,-Infinity,-0.000,1.10,1e-1000,1e2000}'), ('numeric(10, 5)', '{0,12345.6789}'), ('money', '{12.34,-0.01}'),
    ('date', '{infinity,-infinity,4713-01-01 BC,2001-02-03}'), ('time', '{24:00,0:0}'), ('timetz', '{12:00+05:30,0:0+0}'),
    ('timestamp', '{epoch,infinity,294276-12-31}'), ('timestamptz', '{-infinity,epoch}'), ('interval', '{1 mon -1 day 1 us,178000000 years}'),
    ('json', ARRAY['{"a": [1, null, "\u00e4"], "b": {"c": 1e100}}']), ('jsonb', ARRAY['{"a": [1, null, "\u00e4"], "b": {"c": 1e10}}', 'null']),
    ('jsonpath', ARRAY['$.a[*] ? (@ > 1)']), ('uuid', '{00000000-0000-0000-0000-00000000000a}'), ('tsvector', ARRAY['a:1 b:2A', '']),
    ('tsquery', ARRAY['a & !b:*']), ('pg_lsn', '{16/B374D848}'), ('inet', '{192.168.0.1/24,::1}'), ('cidr', '{::1/128,10.0.0.0/8}'),
    ('macaddr', '{08:00:2b:01:02:03}'), ('macaddr8', '{08:00:2b:01:02:03:04:05}'), ('point', ARRAY['(1,2)']), ('box', ARRAY['((1,1),(0,0))']),
    ('path', ARRAY['[(0,0),(1,1)]']), ('polygon', ARRAY['((0,0),(1,1),(2,0))']), ('circle', ARRAY['<(0,0),1>']), ('line', ARRAY['{1,2,3}']),
    ('regclass', '{pg_class}'), ('regtype', '{int4}'), ('regrole', '{pg_monitor}'), ('tid', ARRAY['(1,2)']), ('xid8', '{7}'), ('oidvector', '{1 2,""}'),
    ('int4range', ARRAY['[1,5)', 'empty']), ('numrange', '{empty}'), ('daterange', ARRAY['[2001-01-01,2001-02-01)']), ('tstzrange', ARRAY['(,)']),
    ('int4multirange', ARRAY['{[1,2), [5,9)}']), ('nummultirange', ARRAY['{[1.5,2]}']),
    ('int[]', ARRAY['{}', '{1,NULL,3}', '[-1:1]={1,2,3}']), ('text[]', ARRAY['{{a,b},{NULL,"d,e"}}']), ('point[]', ARRAY['{"(1,2)"}']),
    ('int4range[]', ARRAY['{"[1,2]"}']), ('bool[]', ARRAY['{t,NULL}']), ('name[]', ARRAY['[0:1]={x,y}']);
SELECT type, string_agg(passes(type, v)::text, ' ') FROM samples, unnest(input || NULL::text) v GROUP BY n, type ORDER BY n;
-- side by side
DO $$
DECLARE
    here text;
    there text;
    list text := (SELECT string_agg(format('%L::%s', input[1], type), ', ' ORDER BY n) FROM samples);
    texts text := (SELECT string_agg(format('(%L::%s)::text', input[1], type), ', ' ORDER BY n) FROM samples);
    params text := (SELECT string_agg(format('$%s::text', n), ', ' ORDER BY n) FROM samples);
BEGIN
    EXECUTE format('SELECT ARRAY[%s]::text', texts) INTO here;
    EXECUTE format('SELECT t FROM pg_background_query(%L, ROW(%s)) AS (t text)', format('SELECT ARRAY[%s]::text', params), list) INTO there;
    RAISE NOTICE 'side by side: %', CASE WHEN here = there THEN 'the same' ELSE here || ' <> ' || there END;
END
$$;
-- types of one's own
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN moods AS mood[];
CREATE TYPE pair AS (a int, b text);
CREATE TYPE nested AS (p pair, many pair[], m mood);
CREATE TYPE moodrange AS RANGE (subtype = mood);
CREATE DOMAIN good_pair AS pair CHECK ((VALUE).a > 0);
SELECT type, passes(type, input), passes(type, NULL) FROM (VALUES
    ('mood', 'ok'), ('positive', '7'), ('moods', '{ok,sad}'), ('pair', '(1,x)'), ('pair', '(,)'), ('pair[]', '{"(1,x)",NULL,"(,y)"}'),
    ('nested', '("(1,x)","{""(2,y)""}",happy)'), ('moodrange', '[sad,ok]'), ('moodmultirange', '{[sad,ok]}'), ('good_pair', '(1,x)'), ('t', '(1,x,epoch)'))
  AS v (type, input);
CREATE TYPE deep AS (a int, p pair);
SELECT * FROM pg_background_query('SELECT ($1).a + (($1).p).a, ($1).p', ROW(ROW(1, ROW(2, 'x')::pair)::deep)) AS (a int, p pair);
-- not every server is built with xml
SELECT CASE WHEN EXISTS (SELECT FROM pg_config() WHERE name = 'CONFIGURE' AND setting LIKE '%libxml%') THEN passes('xml', '<a>1</a>') ELSE true END AS xml;

--
-- what cannot travel
--
SELECT * FROM attempt($$SELECT pg_background_exec('SELECT $1', ROW(1, ROW(1, 2)))$$);
SELECT * FROM attempt($$SELECT pg_background_exec('SELECT $1', ROW(ARRAY[ROW(1, 2)]))$$);
SELECT * FROM attempt($$SELECT pg_background_exec('SELECT $1', ROW('x'::cstring))$$);
SELECT * FROM attempt($$SELECT pg_background_exec('SELECT $1', ROW(NULL::pg_stats))$$);
-- a type that the job cannot see
BEGIN;
CREATE TYPE mine AS ENUM ('x');
SELECT * FROM attempt($$SELECT pg_background_exec('SELECT $1', ROW(1, 'x'::mine))$$);
ROLLBACK;
BEGIN;
CREATE TYPE mine AS (a int);
SELECT * FROM attempt($$SELECT pg_background_exec('SELECT $1', ROW(ROW(1)::mine))$$);
ROLLBACK;
-- or knows otherwise
BEGIN;
CREATE TYPE seen AS (a int, b text);
COMMIT;
BEGIN;
ALTER TYPE seen ADD ATTRIBUTE c int;
SET LOCAL pg_background.worker_timeout = '10s';
SELECT pid, cookie FROM pg_background_start('SELECT ($1).a', params => ROW(ROW(1, 'x', 2)::seen), results => false) \gset
ROLLBACK;
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT state, last_error FROM jobs WHERE cookie = :cookie;
SELECT pg_background_detach_v2(:pid, :cookie);

--
-- without a worker
--
SET pg_background.on_exhaustion = inline;
SET pg_background.max_workers = 1;
SELECT pid, cookie FROM pg_background_submit_v2('SELECT pg_sleep(600)') \gset
SELECT * FROM pg_background_query('SELECT pg_typeof($1)::text, $1, $2', ROW('x', ARRAY[1, 2])) AS (type text, x text, a int[]);
SELECT pg_background_exec('INSERT INTO t VALUES ($1, $2)', ROW(100, 'inline'));
SELECT i, t FROM t WHERE i = 100;
SELECT * FROM attempt($$SELECT pg_background_exec('SELECT $1, $2', ROW(1))$$);
SELECT * FROM attempt($$SELECT pg_background_exec('SELECT 1; SELECT 2', ROW(1))$$);
SELECT * FROM attempt($$SELECT pg_background_exec('SELECT $1, ''$2''', ROW(1, 2))$$);
SELECT * FROM pg_background_query('SELECT $2', ROW(1, 2)) AS (a int);
SELECT pg_background_cancel_v2(:pid, :cookie);
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT pg_background_detach_v2(:pid, :cookie);
RESET pg_background.max_workers;
RESET pg_background.on_exhaustion;

--
-- large ones, and many
--
SELECT length(t), md5(t) = md5(repeat('0123456789', n / 10)) AS same
  FROM (VALUES (10), (2000), (100000), (4000000)) v (n), pg_background_query('SELECT $1', ROW(repeat('0123456789', n / 10))) AS (t text);
CREATE TABLE toasted (i int, t text, b text, a int[], p pair);
ALTER TABLE toasted ALTER b SET STORAGE EXTERNAL;
INSERT INTO toasted
SELECT i, repeat('compressed ', 10000), string_agg(md5(i::text || j), ''), array_agg(j), ROW(i, repeat('x', 100000))::pair
  FROM generate_series(1, 2) i, generate_series(1, 5000) j GROUP BY i;
SELECT i, job.* FROM toasted, pg_background_query('SELECT $2 = t, $3 = b, $4 = a, $5 = p FROM toasted WHERE i = $1', toasted)
    AS job (t bool, b bool, a bool, p bool) ORDER BY i;
SELECT i, job.* FROM toasted, pg_background_query('SELECT $2 = t, $3 = b, $4 = a, $5 = p FROM toasted WHERE i = $1', ROW(i, t, b, a, p))
    AS job (t bool, b bool, a bool, p bool) ORDER BY i;
-- expanded in the memory of a function
DO $$
DECLARE
    a int[] := ARRAY(SELECT generate_series(1, 1000));
    r record;
    p pair := (1, 'x');
BEGIN
    a[500] := 0;
    p.a := 2;
    SELECT * INTO r FROM pg_background_query('SELECT cardinality($1), $1[500], $1[1000], $2', ROW(a, p)) AS (n int, zero int, last int, p pair);
    RAISE NOTICE '%', r;
    r.p.b := 'y';
    SELECT * INTO r FROM pg_background_query('SELECT $1, $4', r) AS (n int, p pair);
    RAISE NOTICE '%', r;
END
$$;
CREATE FUNCTION sum_of(count int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    sum int;
BEGIN
    EXECUTE format('SELECT s FROM pg_background_query(%L, ROW(%s)) AS (s int)',
                   'SELECT ' || (SELECT string_agg('$' || i, ' + ') FROM generate_series(1, count) i),
                   (SELECT string_agg(i::text, ', ') FROM generate_series(1, count) i)) INTO sum;
    RETURN sum;
END
$$;
SELECT sum_of(1), sum_of(100), sum_of(1000), sum_of(1664);

--
-- errors, with their place in the job's text
--
CREATE FUNCTION exec_of(sql text, params text) RETURNS text LANGUAGE sql AS $$
SELECT format('SELECT pg_background_exec(%L, ROW(%s))', sql, params)
$$;
SELECT * FROM attempt(exec_of('SELECT $1 + $2', '1'));
SELECT * FROM attempt(exec_of('SELECT $1', ''));
SELECT * FROM attempt(exec_of('SELECT $1 + 1', 'true'));
SELECT * FROM attempt(exec_of('SELECT 1 WHERE $1', '1'));
SELECT * FROM attempt(exec_of('INSERT INTO t (i) VALUES ($1)', $$'1'::text$$));
SELECT * FROM attempt(exec_of('SELECT 1 / $1', '0'));
SELECT * FROM attempt(exec_of('SELECT $1; SELECT 1', '1'));
SELECT * FROM attempt(exec_of('SELECT 1; SELECT 2', ''));
SELECT * FROM attempt(exec_of('', '1'));
SELECT * FROM attempt(exec_of('CREATE ROLE $1', $$'x'$$));
SELECT * FROM attempt(exec_of('COMMIT', '1'));
-- more than the statement has
SELECT * FROM attempt(exec_of('SELECT $1', '1, 2'));
SELECT * FROM attempt(exec_of('SELECT 1', '1'));
SELECT * FROM attempt(exec_of('VACUUM t', '1'));
SELECT * FROM attempt('SELECT * FROM pg_background_query(''SELECT $1'', ROW(1, 2)) AS (a int)');
SELECT * FROM attempt('SELECT pg_background_query_as(NULL::int, ''SELECT $1'', ROW(1, 2))');
SELECT * FROM attempt('SELECT pg_background_query_json(''SELECT $1'', ROW(1, 2))');
SELECT * FROM attempt('SELECT pg_background_exec(''SELECT $1'', ROW(1, 2), autocommit => true)');
SELECT * FROM attempt('SELECT pg_background_exec(''SELECT $1'', ROW(1, 2), database => ''template1'')');
-- what only looks like a parameter is none
SELECT * FROM attempt(exec_of($$SELECT '$2', E'\'$2', "$2", a$2, $a$ $2 $a$, $1 /* $2 */ FROM (SELECT 3 AS "$2", 4 AS a$2) t -- $2$$, '1, 2'));
SELECT * FROM attempt(exec_of($$SELECT '$2', E'\'$2', "$2", a$2, $a$ $2 $a$, $1 /* $2 */ FROM (SELECT 3 AS "$2", 4 AS a$2) t -- $2$$, '1'));
SET standard_conforming_strings = off;
SET escape_string_warning = off;
SELECT * FROM attempt(exec_of($$SELECT '\'$2', $1$$, '1, 2'));
SELECT * FROM attempt(exec_of($$SELECT '\'$3', $2$$, '1, 2'));
RESET standard_conforming_strings;
RESET escape_string_warning;
-- one that runs again, on a plan that may be kept
SELECT * FROM attempt(exec_of('SELECT $1 + 7', '1')), generate_series(1, 4);
SELECT * FROM attempt(exec_of('SELECT $1 + 7', '1, 2')), generate_series(1, 4);
\set VERBOSITY default
SELECT pg_background_exec('SELECT 1, $2', ROW(1));
SELECT pg_background_exec('SELECT 1, $1 + 1', ROW(true));
-- values in errors, when the session wants that
SET log_parameter_max_length_on_error = -1;
SELECT * FROM attempt(exec_of('SELECT 1 / $1, $2', '0, ''a value'''));
SET log_parameter_max_length_on_error = 3;
SELECT * FROM attempt(exec_of('SELECT 1 / $1, $2', '0, ''a value'''));
RESET log_parameter_max_length_on_error;

DROP TABLE samples, t, changing, toasted CASCADE;
DROP PROCEDURE commits(int, text);
DROP FUNCTION sees(text), passes(text, text), sum_of(int), exec_of(text, text);
DROP DOMAIN good_pair, positive, moods;
DROP TYPE moodrange, nested, deep, pair, mood, seen;
\i regress/sql/include/cleanup.sql
