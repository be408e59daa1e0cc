-- Plans that a warm worker keeps: a job must not notice, whatever has changed since the plan was made.
\i regress/sql/include/helpers.sql
SET client_min_messages = warning;
CREATE ROLE regress_planner;
CREATE ROLE regress_other;
CREATE ROLE regress_group;
RESET client_min_messages;
GRANT pgbackground_role TO regress_planner, regress_other;

-- What a job returns, the same text run so many times one after the other: a plan is kept from the second time on.
CREATE FUNCTION runs(sql text, times int DEFAULT 3) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. times LOOP
        RETURN QUERY SELECT t FROM pg_background_query(sql) AS (t text);
    END LOOP;
END
$$;
GRANT ALL ON FUNCTION runs TO PUBLIC;

--
-- what changes the plan or its result
--
CREATE TABLE t (i int, t text);
INSERT INTO t SELECT i, 'row ' || i FROM generate_series(1, 1000) i;
SELECT * FROM runs('SELECT t.*::text FROM t WHERE i = 7');
ALTER TABLE t ADD c int DEFAULT 3;
SELECT * FROM runs('SELECT t.*::text FROM t WHERE i = 7');
ALTER TABLE t DROP c;
SELECT * FROM runs('SELECT t.*::text FROM t WHERE i = 7');
CREATE INDEX ON t (i);
ANALYZE t;
SELECT * FROM runs('SELECT t.*::text FROM t WHERE i = 7');
ALTER TABLE t RENAME TO u;
SELECT * FROM attempt($$SELECT runs('SELECT t.*::text FROM t WHERE i = 7')$$);
SELECT * FROM attempt($$SELECT runs('SELECT t.*::text FROM t WHERE i = 7')$$);
ALTER TABLE u RENAME TO t;
SELECT * FROM runs('SELECT t.*::text FROM t WHERE i = 7');
-- the result's columns, when they are others
SELECT * FROM pg_background_query('SELECT * FROM t WHERE i = 8') AS (i int, t text);
SELECT * FROM pg_background_query('SELECT * FROM t WHERE i = 8') AS (i int, t text);
ALTER TABLE t ADD c int DEFAULT 3;
SELECT * FROM pg_background_query('SELECT * FROM t WHERE i = 8') AS (i int, t text, c int);
ALTER TABLE t DROP c;
SELECT * FROM pg_background_query('SELECT * FROM t WHERE i = 8') AS (i int, t text);
-- views, functions (inlined ones too), rules
CREATE VIEW v AS SELECT t FROM t WHERE i = 1;
SELECT * FROM runs('SELECT * FROM v');
CREATE OR REPLACE VIEW v AS SELECT t FROM t WHERE i = 2;
SELECT * FROM runs('SELECT * FROM v');
CREATE FUNCTION f(i int) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT 'f' || i $$;
SELECT * FROM runs('SELECT f(1)');
CREATE OR REPLACE FUNCTION f(i int) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT 'g' || i $$;
SELECT * FROM runs('SELECT f(1)');
DROP FUNCTION f;
SELECT * FROM attempt($$SELECT runs('SELECT f(1)')$$);
CREATE TABLE log (t text);
SELECT pg_background_exec($$INSERT INTO t VALUES (0, 'zero')$$) FROM generate_series(1, 3);
CREATE RULE also AS ON INSERT TO t DO ALSO INSERT INTO log VALUES (NEW.t);
SELECT pg_background_exec($$INSERT INTO t VALUES (0, 'zero')$$) FROM generate_series(1, 3);
DROP RULE also ON t;
SELECT pg_background_exec($$INSERT INTO t VALUES (0, 'zero')$$) FROM generate_series(1, 3);
SELECT (SELECT count(*) FROM t WHERE i = 0) AS in_t, (SELECT count(*) FROM log) AS in_log;
-- what is not a constant
CREATE SEQUENCE s;
SELECT * FROM runs($$SELECT nextval('s')::text$$, 5);
SELECT count(DISTINCT t) FROM runs('SELECT clock_timestamp()::text', 5) t;
SELECT count(DISTINCT t) FROM runs('SELECT now()::text', 5) t;
-- a literal that is read when the statement is analysed, whatever its type is and however it is written
CREATE TABLE times (at timestamptz);
SELECT pg_background_exec($$INSERT INTO times VALUES ('now')$$), pg_sleep(0.001) FROM generate_series(1, 5);
SELECT count(DISTINCT at) FROM times;
CREATE DOMAIN moment AS timestamp;
CREATE TYPE noted AS (at timestamptz, t text);
SELECT sql, count(DISTINCT t) FROM (VALUES
    ($$SELECT (timestamptz 'NOW')::text$$),
    ($$SELECT CAST(' now ' AS time)::text$$),
    ($$SELECT 'now utc'::timetz::text$$),
    ($$SELECT $now$now$now$::moment::text$$),
    ($$SELECT '{2001-02-03,"now"}'::timestamp[]::text$$),
    ($$SELECT '{n\ow}'::timestamptz[]::text$$),
    ($$SELECT '[now,2999-01-01)'::tstzrange::text$$),
    ($$SELECT '(n"o"w,x)'::noted::text$$),
    ($$SELECT E'\x6eow'::timestamptz::text$$),
    ($$SELECT U&'\006eow'::timestamptz::text$$),
    ($$SELECT (timestamptz 'no'
        'w')::text$$),
    ($$SELECT max(at)::text FROM (SELECT '2001-02-03'::timestamptz UNION SELECT 'now') _ (at)$$)) _ (sql),
    LATERAL runs(sql, 5) t GROUP BY sql ORDER BY sql COLLATE "C";
DROP TABLE times;
DROP DOMAIN moment;
DROP TYPE noted;

--
-- settings: of the session, as what is kept was made under others
--
SET TimeZone = 'UTC';
SELECT * FROM runs($$SELECT extract(epoch FROM '2001-02-03 00:00'::timestamptz)::int::text$$);
SET TimeZone = 'America/New_York';
SELECT * FROM runs($$SELECT extract(epoch FROM '2001-02-03 00:00'::timestamptz)::int::text$$);
RESET TimeZone;
SET DateStyle = 'German';
SELECT * FROM runs($$SELECT '2001-02-03'::date::text$$);
RESET DateStyle;
SELECT * FROM runs($$SELECT '2001-02-03'::date::text$$);
CREATE SCHEMA first;
CREATE SCHEMA second;
CREATE TABLE first.where_am_i AS SELECT 'first' AS t;
CREATE TABLE second.where_am_i AS SELECT 'second' AS t;
SET search_path = first, public;
SELECT * FROM runs('SELECT t FROM where_am_i');
SET search_path = second, public;
SELECT * FROM runs('SELECT t FROM where_am_i');
SET search_path = first, public;
SELECT * FROM runs('SELECT t FROM where_am_i');
RESET search_path;
-- a name that means something else now
CREATE TABLE public.late AS SELECT 'public' AS t;
CREATE FUNCTION public.late(n numeric) RETURNS text LANGUAGE sql AS $$ SELECT 'numeric' $$;
SET search_path = first, public;
SELECT * FROM runs('SELECT t || late(1) FROM late');
CREATE TABLE first.late AS SELECT 'first' AS t;
CREATE FUNCTION public.late(n int) RETURNS text LANGUAGE sql AS $$ SELECT 'int' $$;
SELECT * FROM runs('SELECT t || late(1) FROM late');
RESET search_path;
DROP TABLE first.late, public.late;
DROP FUNCTION public.late(numeric), public.late(int);
-- a name that means nothing now, or what a literal names by a name
CREATE TYPE mood AS ENUM ('sad', 'fine');
SELECT * FROM runs($$SELECT 'sad'::mood::text$$);
ALTER TYPE mood RENAME VALUE 'sad' TO 'blue';
SELECT * FROM attempt($$SELECT runs($_$SELECT 'sad'::mood::text$_$)$$);
ALTER TYPE mood RENAME VALUE 'fine' TO 'sad';
SELECT * FROM runs($$SELECT format('%s %s', 'sad'::mood, enum_range(NULL, 'sad'::mood))$$);
CREATE COLLATION late FROM "C";
SELECT * FROM runs($$SELECT ('a' < 'B' COLLATE late)::text$$);
ALTER COLLATION late RENAME TO later;
SELECT * FROM attempt($_$SELECT runs($$SELECT ('a' < 'B' COLLATE late)::text$$)$_$);
CREATE TABLE once (i int);
CREATE OPERATOR CLASS late FOR TYPE int USING btree AS
    OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 btint4cmp(int, int);
CREATE UNIQUE INDEX ON once (i late);
SELECT pg_background_exec('INSERT INTO once VALUES (1) ON CONFLICT (i late) DO NOTHING') FROM generate_series(1, 3);
ALTER OPERATOR CLASS late USING btree RENAME TO later;
SELECT * FROM attempt($$SELECT pg_background_exec('INSERT INTO once VALUES (1) ON CONFLICT (i late) DO NOTHING')$$);
CREATE TEXT SEARCH DICTIONARY late (TEMPLATE = simple);
SELECT * FROM runs($$SELECT ts_lexize('late', 'Cats')::text$$);
ALTER TEXT SEARCH DICTIONARY late (Accept = false);
SELECT * FROM runs($$SELECT ts_lexize('late', 'Cats')::text$$);
ALTER TEXT SEARCH DICTIONARY late RENAME TO later;
SELECT * FROM attempt($_$SELECT runs($$SELECT ts_lexize('late', 'Cats')::text$$)$_$);
CREATE TEXT SEARCH CONFIGURATION late (COPY = simple);
SELECT * FROM runs($$SELECT to_tsvector('late', 'Cats')::text$$);
ALTER TEXT SEARCH CONFIGURATION late ALTER MAPPING FOR asciiword WITH english_stem;
SELECT * FROM runs($$SELECT to_tsvector('late', 'Cats')::text$$);
ALTER TEXT SEARCH CONFIGURATION late RENAME TO later;
SELECT * FROM attempt($_$SELECT runs($$SELECT to_tsvector('late', 'Cats')::text$$)$_$);
DROP TYPE mood;
DROP COLLATION later;
DROP TABLE once;
DROP OPERATOR FAMILY late USING btree;
DROP TEXT SEARCH CONFIGURATION later;
DROP TEXT SEARCH DICTIONARY later;
-- settings of the job alone
SELECT job.* FROM generate_series(1, 3), pg_background_query($$SELECT '2001-02-03'::date::text$$, settings => '{"DateStyle": "German"}') AS job (t text);
SELECT job.* FROM generate_series(1, 3), pg_background_query($$SELECT '2001-02-03'::date::text$$, settings => '{"DateStyle": "SQL"}') AS job (t text);
SELECT * FROM runs($$SELECT '2001-02-03'::date::text$$);
-- how a statement is run
SET enable_seqscan = off;
SELECT * FROM runs('EXPLAIN (COSTS off) SELECT * FROM t WHERE i = 7', 1);
SELECT * FROM runs($$SELECT count(*)::text FROM t WHERE i < 3$$);
RESET enable_seqscan;
SELECT * FROM runs($$SELECT count(*)::text FROM t WHERE i < 3$$);
-- what the job sets for itself is gone with it
SELECT * FROM runs($$SELECT set_config('work_mem', '1MB', false)$$);
SELECT current_setting('work_mem') = t AS same FROM runs($$SELECT current_setting('work_mem')$$) t;

--
-- messages are raised each time
--
SET escape_string_warning = on;
SET standard_conforming_strings = off;
SELECT * FROM runs('SELECT ''a\\b''');
RESET standard_conforming_strings;
RESET escape_string_warning;

--
-- roles and rights
--
GRANT SELECT ON t TO regress_planner, regress_other;
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE POLICY one ON t FOR SELECT TO regress_planner USING (i = 1);
CREATE POLICY two ON t FOR SELECT TO regress_other USING (i <= 2);
SET ROLE regress_planner;
SELECT * FROM runs('SELECT count(*)::text FROM t');
SET ROLE regress_other;
SELECT * FROM runs('SELECT count(*)::text FROM t');
SET ROLE regress_planner;
SELECT * FROM runs('SELECT count(*)::text FROM t');
RESET ROLE;
REVOKE SELECT ON t FROM regress_planner;
SET ROLE regress_planner;
SELECT * FROM attempt($$SELECT runs('SELECT count(*)::text FROM t')$$);
RESET ROLE;
ALTER TABLE t DISABLE ROW LEVEL SECURITY;
-- rights that the server looks up when it analyses a statement, and not again
GRANT USAGE ON SCHEMA first TO regress_planner;
GRANT SELECT ON first.where_am_i TO PUBLIC;
SET ROLE regress_planner;
SELECT * FROM runs('SELECT t FROM first.where_am_i');
SET ROLE regress_other;
SELECT * FROM attempt($$SELECT runs('SELECT t FROM first.where_am_i')$$);
RESET ROLE;
REVOKE USAGE ON SCHEMA first FROM regress_planner;
SET ROLE regress_planner;
SELECT * FROM attempt($$SELECT runs('SELECT t FROM first.where_am_i')$$);
RESET ROLE;
GRANT USAGE ON SCHEMA first TO regress_group;
GRANT regress_group TO regress_planner;
SET ROLE regress_planner;
SELECT * FROM runs('SELECT t FROM first.where_am_i');
RESET ROLE;
REVOKE regress_group FROM regress_planner;
SET ROLE regress_planner;
SELECT * FROM attempt($$SELECT runs('SELECT t FROM first.where_am_i')$$);
RESET ROLE;
-- functions that the planner calls or takes apart
CREATE FUNCTION folded(i int) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN 'folded ' || i; END $$;
CREATE FUNCTION inlined(i int) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT 'inlined ' || i $$;
REVOKE ALL ON FUNCTION folded, inlined FROM PUBLIC;
GRANT ALL ON FUNCTION folded, inlined TO regress_planner;
SET ROLE regress_planner;
SELECT * FROM runs('SELECT folded(1) || inlined(2)');
SET ROLE regress_other;
SELECT * FROM attempt($$SELECT runs('SELECT folded(1) || inlined(2)')$$);
RESET ROLE;
REVOKE ALL ON FUNCTION folded FROM regress_planner;
SET ROLE regress_planner;
SELECT * FROM attempt($$SELECT runs('SELECT folded(1) || inlined(2)')$$);
RESET ROLE;

--
-- parameters
--
-- the types belong to the statement
SELECT job.* FROM generate_series(1, 3), pg_background_query('SELECT pg_typeof($1)::text', ROW(1)) AS job (t text);
SELECT job.* FROM generate_series(1, 3), pg_background_query('SELECT pg_typeof($1)::text', ROW('x'::text)) AS job (t text);
SELECT job.* FROM generate_series(1, 3), pg_background_query('SELECT pg_typeof($1)::text', ROW(1)) AS job (t text);
SELECT * FROM attempt($$SELECT * FROM pg_background_query('SELECT pg_typeof($1)::text') AS job (t text)$$);
-- plans for values, and then one for all
CREATE TABLE parts (i int, t text) PARTITION BY RANGE (i);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (100) TO (1000);
INSERT INTO parts SELECT i, 'part ' || i FROM generate_series(0, 999) i;
SELECT i, job.t FROM generate_series(95, 105) i, pg_background_query('SELECT t FROM parts WHERE i = $1', ROW(i)) AS job (t text) ORDER BY i;
CREATE TABLE parts_3 PARTITION OF parts FOR VALUES FROM (1000) TO (2000);
INSERT INTO parts VALUES (1001, 'part 1001');
SELECT i, job.t FROM generate_series(999, 1001) i, pg_background_query('SELECT t FROM parts WHERE i = $1', ROW(i)) AS job (t text) ORDER BY i;
DROP TABLE parts_1;
SELECT i, job.t FROM generate_series(99, 101) i, pg_background_query('SELECT t FROM parts WHERE i = $1', ROW(i)) AS job (t text) ORDER BY i;
SET plan_cache_mode = force_generic_plan;
SELECT i, job.t FROM generate_series(99, 101) i, pg_background_query('SELECT t FROM parts WHERE i = $1', ROW(i)) AS job (t text) ORDER BY i;
RESET plan_cache_mode;
-- an error, and the same again
SELECT i, a FROM generate_series(-2, 2) i, attempt(format($$SELECT pg_background_exec('SELECT 1 / $1', ROW(%s))$$, i)) a;

--
-- none of it shows
--
SELECT count(*) FROM runs($$SELECT 'a secret'$$, 5);
SELECT * FROM runs('SELECT count(*)::text FROM pg_prepared_statements');
SELECT * FROM runs($$SELECT count(*)::text FROM pg_backend_memory_contexts WHERE ident LIKE '%a sec' || 'ret%'$$, 1);
-- many texts: more than are kept; large ones
SELECT sum(t::int) FROM generate_series(1, 3), generate_series(1, 100) i, LATERAL (SELECT * FROM pg_background_query('SELECT ' || i) AS job (t int)) job;
SELECT length(t) FROM runs('SELECT ' || quote_literal(repeat('x', 100000))) t;
SELECT length(t) FROM runs('SELECT ' || quote_literal(repeat('x', 16000))) t;

DROP TABLE t, log, parts CASCADE;
DROP SCHEMA first CASCADE;
DROP SCHEMA second CASCADE;
DROP FUNCTION folded, inlined, runs;
DROP SEQUENCE s;
\i regress/sql/include/cleanup.sql
DROP ROLE regress_planner, regress_other, regress_group;
