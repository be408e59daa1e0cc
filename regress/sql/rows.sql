-- pg_background_rows, _rows_as, _columns: all rows of a job, converted as by an assignment.
\i regress/sql/include/helpers.sql

SELECT * FROM pg_background_rows(pg_background_start($$SELECT i, repeat('x', i) FROM generate_series(1, 3) i$$)) AS (a int, b text);
SELECT * FROM pg_background_rows(job => pg_background_start('SELECT 1 WHERE false')) AS (a int);
SELECT * FROM jobs;

--
-- assignment casts: as INSERT has it
--
-- Inserts what a query returns into a table of these columns, and reads it from a job with these columns.
CREATE FUNCTION as_insert(query text, columns text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    here text;
    there text;
    job pg_background_handle;
BEGIN
    EXECUTE format('CREATE TEMP TABLE target (%s)', columns);
    BEGIN
        EXECUTE 'INSERT INTO target ' || query;
        SELECT array_agg(t::text)::text FROM target t INTO here;
    EXCEPTION WHEN OTHERS THEN
        here := SQLSTATE;
    END;
    job := pg_background_start(query);
    BEGIN
        EXECUTE format('SELECT array_agg(r::text)::text FROM pg_background_rows($1) AS r (%s)', columns) INTO there USING job;
    EXCEPTION WHEN OTHERS THEN
        there := SQLSTATE;
    END;
    PERFORM pg_background_detach_v2(job.pid, job.cookie);
    DROP TABLE target;
    RETURN CASE WHEN here IS NOT DISTINCT FROM there THEN here ELSE format('here: %s there: %s', here, there) END;
END
$$;
CREATE TABLE kinds (type text, input text);
INSERT INTO kinds VALUES
    ('bool', 't'), ('"char"', 'x'), ('name', 'n'), ('int2', '-7'), ('int4', '70000'), ('int8', '5000000000'), ('oid', '7'), ('float4', '1.5'), ('float8', '1e300'),
    ('numeric', '123.456'), ('numeric(4, 1)', '12.3'), ('text', 'some text'), ('varchar(5)', 'abc'), ('char(3)', 'ab'), ('bytea', '\x0061'), ('date', '2001-02-03'),
    ('timestamp', '2001-02-03 04:05:06.7'), ('timestamptz(0)', '2001-02-03 04:05:06+00'), ('time', '12:34'), ('interval', '1 day 2 h'), ('jsonb', '{"a": 1}'),
    ('inet', '10.0.0.1/8'), ('bit(3)', '101'), ('varbit', '10101'), ('int[]', '{1,NULL,3}'), ('int8[]', '{1,2}'), ('numeric(2, 1)[]', '{1.5}'), ('text[]', '{a,b}'),
    ('point', '(1,2)'), ('box', '(1,1),(0,0)'), ('regclass', 'pg_class'), ('int4range', '[1,5)');
SELECT count(*) FROM kinds;
-- each as each other; there is nothing to see where both agree
SELECT f.type, t.type, r FROM kinds f, kinds t, as_insert(format('SELECT %L::%s', f.input, f.type), 'x ' || t.type) r WHERE r ~ '^here';
SELECT t.type, r FROM kinds t, as_insert(format('SELECT NULL::int4, NULL::text, NULL::%s', t.type), format('a int8, b varchar(3), x %s', t.type)) r WHERE r <> '{"(,,)"}';
DROP TABLE kinds;

CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TYPE pair AS (n int, t text);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN required AS text NOT NULL;
CREATE DOMAIN short AS varchar(3);
CREATE DOMAIN good_pair AS pair CHECK ((VALUE).n > 0);
CREATE DOMAIN few AS int[] CHECK (cardinality(VALUE) < 3);
CREATE TABLE parent (a int, b text);
CREATE TABLE child (c int) INHERITS (parent);
-- a length or precision, domains and what they are over
SELECT query, columns, as_insert(query, columns) FROM (VALUES
    ('SELECT 3.14159, 1.25::float8', 'a numeric(3, 1), b int'),
    ('SELECT ''abc   ''::text', 'a varchar(3)'),
    ('SELECT ''abcd''::text', 'a varchar(3)'),
    ('SELECT 99999', 'a numeric(4, 1)'),
    ('SELECT 70000', 'a int2'),
    ('SELECT ''2001-02-03 04:05:06.789''::timestamp', 'a date'),
    ('SELECT ARRAY[1, 2]', 'a numeric(3, 1)[]'),
    ('SELECT ARRAY[1, 2]', 'a text[]'),
    ('SELECT 5', 'a positive'),
    ('SELECT -5', 'a positive'),
    ('SELECT -5::int8', 'a positive'),
    ('SELECT 5::positive', 'a int8'),
    ('SELECT 5::positive, 6::positive', 'a positive, b text'),
    ('SELECT NULL::positive, NULL::int', 'a int, b positive'),
    ('SELECT ''x''::text', 'a required'),
    ('SELECT NULL::text', 'a required'),
    ('SELECT i::text FROM nullif(1, 1) i', 'a required'),
    ('SELECT ''abc''::text', 'a short'),
    ('SELECT ''abcd''::text', 'a short'),
    ('SELECT ''abc''::short', 'a varchar(2)'),
    ('SELECT ARRAY[1, 2]', 'a few'),
    ('SELECT ARRAY[1, 2, 3]', 'a few'),
    ('SELECT ARRAY[1, 2]::int8[]', 'a few'),
    ('SELECT ARRAY[1, 2]', 'a positive[]'),
    ('SELECT ARRAY[1, -2]', 'a positive[]'),
    ('SELECT ''ok''::mood', 'a text'),
    ('SELECT ''ok''::text', 'a mood'),
    ('SELECT ROW(1, ''x'')::pair', 'a good_pair'),
    ('SELECT ROW(-1, ''x'')::pair', 'a good_pair'),
    ('SELECT ROW(1, ''x'')::good_pair', 'a pair'),
    ('SELECT ROW(1, ''x'')::pair', 'a text'),
    ('SELECT ROW(1, ''x'')::pair', 'a parent'),
    ('SELECT ROW(1, ''x'', 2)::child', 'a parent'),
    ('SELECT ROW(1, ''x'')::parent', 'a child'),
    ('SELECT ''{"a": 1}''::json', 'a jsonb'),
    ('SELECT ''{"a": 1}''::text', 'a jsonb'),
    ('SELECT ''7''::text', 'a int'),
    ('SELECT ''pg_class''::regclass', 'a oid')) v (query, columns);

-- casts of users: a function as assignment, one that compares texts, one that must be asked for, I/O
CREATE FUNCTION pair_of(int) RETURNS pair LANGUAGE sql AS $$ SELECT ROW($1, 'made')::pair $$;
CREATE CAST (int AS pair) WITH FUNCTION pair_of(int) AS ASSIGNMENT;
CREATE FUNCTION mood_of(text) RETURNS mood LANGUAGE sql AS $$ SELECT m FROM unnest(enum_range(NULL::mood)) m WHERE m::text = lower($1) $$;
CREATE CAST (text AS mood) WITH FUNCTION mood_of(text) AS ASSIGNMENT;
CREATE FUNCTION point_of(int) RETURNS point LANGUAGE sql AS $$ SELECT point($1, $1) $$;
CREATE CAST (int AS point) WITH FUNCTION point_of(int);
CREATE CAST (pair AS jsonb) WITH INOUT AS ASSIGNMENT;
SELECT query, columns, as_insert(query, columns) FROM (VALUES
    ('SELECT 7', 'a pair'),
    ('SELECT ''OK''::text', 'a mood'),
    ('SELECT ARRAY[''OK'', NULL]::text[]', 'a mood[]'),
    ('SELECT 7', 'a point'),
    ('SELECT ROW(1, ''x'')::pair', 'a jsonb')) v (query, columns);
-- who may not execute the function may not cast
REVOKE EXECUTE ON FUNCTION pair_of(int) FROM PUBLIC;
CREATE ROLE regress_reader;
GRANT pgbackground_role TO regress_reader;
GRANT SELECT ON jobs TO regress_reader;
SET ROLE regress_reader;
SELECT attempt('SELECT * FROM pg_background_rows(pg_background_start(''SELECT 7'')) AS (a pair)');
SELECT count(pg_background_detach(pid)) FROM jobs;
RESET ROLE;
DROP CAST (int AS pair);
DROP CAST (text AS mood);
DROP CAST (int AS point);
DROP CAST (pair AS jsonb);
DROP FUNCTION pair_of(int), mood_of(text), point_of(int);

-- none is found: an error, and the rows are there for another declaration
SELECT pid, cookie FROM pg_background_start('SELECT 1, ''x''::text') \gset
SELECT attempt('SELECT * FROM pg_background_rows(($1, $2)) AS (a int, b int)', :pid, :cookie);
SELECT attempt('SELECT * FROM pg_background_rows(($1, $2)) AS (a int)', :pid, :cookie);
SELECT attempt('SELECT pg_background_rows(($1, $2))', :pid, :cookie);
SELECT * FROM pg_background_rows((:pid, :cookie)) AS (a int8, b name);
SELECT attempt('SELECT * FROM pg_background_rows(($1, $2)) AS (a int8, b name)', :pid, :cookie);
-- v1 and v2 are as strict as they were
SELECT pid, cookie FROM pg_background_start('SELECT 1') \gset
SELECT attempt('SELECT * FROM pg_background_result_v2($1, $2) AS (a int8)', :pid, :cookie);
SELECT attempt('SELECT * FROM pg_background_result($1) AS (a int8)', :pid);
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (a int);
-- what travels as text
SELECT * FROM pg_background_rows(pg_background_start('SELECT ROW(1, 2), pg_sleep(0)')) AS (a varchar, b name);
-- an error while values are converted: rows may have been given away
SELECT pid, cookie FROM pg_background_start('SELECT * FROM generate_series(32766, 32768)') \gset
SELECT attempt('SELECT * FROM pg_background_rows(($1, $2)) AS (a int2)', :pid, :cookie);
SELECT attempt('SELECT * FROM pg_background_rows(($1, $2)) AS (a int4)', :pid, :cookie);
SELECT count(pg_background_detach(pid)) FROM jobs;

--
-- errors, tags, other ways to read
--
SELECT attempt('SELECT * FROM pg_background_rows(pg_background_start(''SELECT 1 / 0'')) AS (a int)');
SELECT * FROM jobs;
SELECT * FROM pg_background_rows(pg_background_start('SET work_mem = ''4MB''; CREATE TEMP TABLE x (); DROP TABLE x')) AS (tag varchar(12));
SELECT attempt('SELECT * FROM pg_background_rows(pg_background_start(''SET work_mem = "4MB"'')) AS (tag int)');
SELECT attempt('SELECT * FROM pg_background_rows(pg_background_start(''SET work_mem = "4MB"'')) AS (tag text, more text)');
SELECT count(pg_background_detach(pid)) FROM jobs;
SELECT pid, cookie FROM pg_background_start('SELECT 1', results => false) \gset
SELECT attempt('SELECT * FROM pg_background_rows(($1, $2)) AS (a int)', :pid, :cookie);
SELECT attempt('SELECT * FROM pg_background_columns(($1, $2))', :pid, :cookie);
SELECT pg_background_detach_v2(:pid, :cookie);
SELECT attempt('SELECT * FROM pg_background_rows(($1, $2)) AS (a int)', :pid, :cookie);
SELECT * FROM pg_background_rows(NULL) AS (a int);
SELECT * FROM pg_background_rows((NULL, 1)) AS (a int);
SELECT attempt('SELECT * FROM pg_background_rows((1, 1)) AS (a int)');
-- a handle of v2, and the other way
SELECT * FROM pg_background_rows(pg_background_launch_v2('SELECT 1')) AS (a numeric(3, 2));
-- as a parameter, in a cursor, with LIMIT, correlated
PREPARE p (pg_background_handle) AS SELECT * FROM pg_background_rows($1) AS (a int8);
EXECUTE p (pg_background_start('SELECT 1'));
EXECUTE p (pg_background_start('SELECT generate_series(2, 3)'));
DEALLOCATE p;
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM pg_background_rows(pg_background_start('SELECT generate_series(1, 5)')) AS (a int8);
FETCH 2 FROM c;
MOVE BACKWARD ALL FROM c;
FETCH 3 FROM c;
COMMIT;
SELECT * FROM pg_background_rows(pg_background_start('SELECT generate_series(1, 100000)')) AS (a int8) LIMIT 2;
SELECT i, a FROM generate_series(1, 3) i, pg_background_rows(pg_background_start(format('SELECT %s * 10', i))) AS (a numeric);
SELECT * FROM jobs;

--
-- rows_as
--
CREATE TABLE things (gone int, id int, dropped text, name varchar(10), price numeric(6, 2), also_gone int);
ALTER TABLE things DROP gone, DROP dropped, DROP also_gone;
INSERT INTO things VALUES (1, 'one', 1.5), (2, NULL, NULL);
CREATE TABLE whole (a int, b text);
CREATE DOMAIN whole_domain AS whole CHECK ((VALUE).a > 0);
SELECT * FROM pg_background_rows_as(NULL::things, pg_background_start('SELECT * FROM things ORDER BY id'));
SELECT * FROM pg_background_rows_as(rowtype => NULL::things, job => pg_background_start('SELECT 3::int8, 4, 5'));
SELECT (pg_background_rows_as(NULL::things, pg_background_start('SELECT * FROM things ORDER BY id'))).*;
SELECT pg_background_rows_as(NULL::things, pg_background_start('SELECT * FROM things ORDER BY id'));
SELECT pg_typeof(t), t FROM pg_background_rows_as(NULL::things, pg_background_start('SELECT * FROM things ORDER BY id')) t;
SELECT attempt('SELECT * FROM pg_background_rows_as(NULL::things, pg_background_start(''SELECT 1''))');
SELECT attempt('SELECT * FROM pg_background_rows_as(NULL::things, pg_background_start(''SELECT 1, 2, now()''))');
SELECT attempt('SELECT * FROM pg_background_rows_as(NULL::things, pg_background_start(''SELECT 1, 2, 99999''))');
SELECT count(pg_background_detach(pid)) FROM jobs;
-- rows that need no conversion
SELECT * FROM pg_background_rows_as(NULL::whole, pg_background_start('SELECT 1, ''x''::text')) t;
SELECT t.a, pg_typeof(t) FROM pg_background_rows_as(NULL::pair, pg_background_start('SELECT 1, ''x''::text')) AS t (a, b);
-- a value beside its type
SELECT * FROM pg_background_rows_as(ROW(0, '')::whole, pg_background_start('SELECT 1::int8, 2'));
-- domains over a row type
SELECT * FROM pg_background_rows_as(NULL::whole_domain, pg_background_start('SELECT 1, ''x''::text'));
SELECT pg_background_rows_as(NULL::whole_domain, pg_background_start('SELECT 1, ''x''::text'));
SELECT attempt('SELECT * FROM pg_background_rows_as(NULL::whole_domain, pg_background_start(''SELECT -1, ''''x''''::text''))');
SELECT attempt('SELECT * FROM pg_background_rows_as(NULL::whole_domain, pg_background_start(''SELECT generate_series(2, -2, -1), NULL::text''))');
SELECT count(pg_background_detach(pid)) FROM jobs;
-- values of one column
SELECT a, pg_typeof(a) FROM pg_background_rows_as(NULL::int, pg_background_start('SELECT generate_series(1, 2)')) a;
SELECT pg_background_rows_as(NULL::int8, pg_background_start('SELECT generate_series(1, 2)'));
SELECT a, pg_typeof(a) FROM pg_background_rows_as(NULL::positive, pg_background_start('SELECT 7')) a;
SELECT attempt('SELECT * FROM pg_background_rows_as(NULL::positive, pg_background_start(''SELECT -7''))');
SELECT attempt('SELECT * FROM pg_background_rows_as(NULL::required, pg_background_start(''SELECT NULL::text''))');
SELECT * FROM pg_background_rows_as(NULL::mood, pg_background_start('SELECT ''ok''::mood'));
SELECT * FROM pg_background_rows_as(NULL::numeric[], pg_background_start('SELECT ARRAY[1, 2]'));
SELECT * FROM pg_background_rows_as(NULL::text, pg_background_start('SET work_mem = ''4MB'''));
SELECT attempt('SELECT * FROM pg_background_rows_as(NULL::int, pg_background_start(''SELECT 1, 2''))');
SELECT attempt('SELECT * FROM pg_background_rows_as(NULL, pg_background_start(''SELECT 1''))');
SELECT count(pg_background_detach(pid)) FROM jobs;
-- records: what a value is, what a column definition list says, or else an error
SELECT pg_background_rows_as(r, pg_background_start('SELECT 2::int8, 3')) FROM (SELECT ROW(1, 'x'::text)) v (r);
SELECT pg_background_rows_as(r, pg_background_start('SELECT 2, ''y''::text')) FROM (SELECT w::record FROM whole w UNION ALL SELECT ROW(1, 'x')::whole::record) v (r);
SELECT * FROM pg_background_rows_as(NULL::record, pg_background_start('SELECT 2, 3')) AS (a numeric(3, 1), b text);
SELECT attempt('SELECT pg_background_rows_as(NULL::record, pg_background_start(''SELECT 1''))');
SELECT count(pg_background_detach(pid)) FROM jobs;
SELECT * FROM pg_background_rows_as(NULL::things, NULL);
-- in functions and prepared
CREATE FUNCTION loop_over(job pg_background_handle) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    t things;
BEGIN
    FOR t IN SELECT * FROM pg_background_rows_as(NULL::things, job) LOOP
        RETURN NEXT t.id || ': ' || coalesce(t.name, '-');
    END LOOP;
    FOR t IN SELECT * FROM pg_background_rows_as(t, pg_background_start('SELECT 8, ''eight'', 8')) LOOP
        RETURN NEXT t.id || ': ' || t.name;
    END LOOP;
END
$$;
SELECT loop_over(pg_background_start('SELECT * FROM things ORDER BY id'));
SELECT loop_over(pg_background_start('SELECT * FROM things ORDER BY id'));
DROP FUNCTION loop_over;
PREPARE p (pg_background_handle) AS SELECT * FROM pg_background_rows_as(NULL::things, $1);
EXECUTE p (pg_background_start('SELECT * FROM things ORDER BY id'));
ALTER TABLE things ADD more int DEFAULT 7;
EXECUTE p (pg_background_start('SELECT * FROM things ORDER BY id'));
DEALLOCATE p;
-- a type that was altered after the job had returned values of it
SELECT pid, cookie FROM pg_background_start('SELECT t FROM things t ORDER BY id') \gset
SELECT pg_background_wait_v2(:pid, :cookie);
ALTER TABLE things ALTER more TYPE int8;
SELECT attempt('SELECT * FROM pg_background_rows(($1, $2)) AS (t things)', :pid, :cookie);
SELECT pg_background_detach_v2(:pid, :cookie);
-- one that the job alters: values of it become text once the job has ended
SELECT count(t), min(length(t)) FROM pg_background_rows(pg_background_start(
    $$ALTER TABLE things ADD last int; SELECT ROW(i, 'x', 7, 8, 9)::things FROM generate_series(1, 5000) i$$, queue_size => 8192)) AS (t text);

--
-- columns
--
SELECT pid, cookie FROM pg_background_start($$SELECT 1 AS one, 'x'::varchar(3) AS "two words", NULL::things, ARRAY[1.5]::numeric(3, 1)[], ROW(1, 2) AS record, 5::positive AS d$$) \gset
SELECT * FROM pg_background_columns((:pid, :cookie));
SELECT * FROM pg_background_columns(job => (:pid, :cookie));
SELECT string_agg(format('%I %s', name, type), ', ') AS columns FROM pg_background_columns((:pid, :cookie)) \gset
SELECT * FROM pg_background_rows((:pid, :cookie)) AS (:columns);
SELECT attempt('SELECT * FROM pg_background_columns(($1, $2))', :pid, :cookie);
-- a result with rows that are waiting, and one without any
SELECT pid, cookie FROM pg_background_start('SELECT i, md5(i::text) AS hash FROM generate_series(1, 100000) i') \gset
SELECT * FROM pg_background_columns((:pid, :cookie));
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT * FROM pg_background_columns((:pid, :cookie));
SELECT count(*), sum(i) FROM pg_background_rows((:pid, :cookie)) AS (i int, hash text);
SELECT * FROM pg_background_columns(pg_background_start('SELECT 1 AS a WHERE false'));
-- no columns, messages before, an error before and after
SELECT pid, cookie FROM pg_background_start($$DO 'BEGIN RAISE NOTICE ''a message''; END'; SET work_mem = '4MB'$$) \gset
SELECT * FROM pg_background_columns((:pid, :cookie));
SELECT * FROM pg_background_rows((:pid, :cookie)) AS (tag text);
SELECT pid, cookie FROM pg_background_start('SELECT 1 FROM nowhere') \gset
SELECT attempt('SELECT * FROM pg_background_columns(($1, $2))', :pid, :cookie);
SELECT attempt('SELECT * FROM pg_background_columns(($1, $2))', :pid, :cookie);
SELECT attempt('SELECT * FROM pg_background_rows(($1, $2)) AS (a int)', :pid, :cookie);
SELECT pid, cookie FROM pg_background_start('SELECT 1 / (i - 1) AS a FROM generate_series(1, 2) i') \gset
SELECT * FROM pg_background_columns((:pid, :cookie));
SELECT attempt('SELECT * FROM pg_background_rows(($1, $2)) AS (a int)', :pid, :cookie);
SELECT * FROM pg_background_columns(NULL);
SELECT count(pg_background_detach(pid)) FROM jobs;

--
-- rights
--
SELECT pid, cookie FROM pg_background_start('SELECT 1') \gset
SET ROLE regress_reader;
SELECT attempt('SELECT * FROM pg_background_rows(($1, $2)) AS (a int)', :pid, :cookie);
SELECT attempt('SELECT * FROM pg_background_rows_as(NULL::int, ($1, $2))', :pid, :cookie);
SELECT attempt('SELECT * FROM pg_background_rows_json(($1, $2))', :pid, :cookie);
SELECT attempt('SELECT * FROM pg_background_fetch(($1, $2), 1) AS (a int)', :pid, :cookie);
SELECT attempt('SELECT * FROM pg_background_columns(($1, $2))', :pid, :cookie);
RESET ROLE;
SELECT * FROM pg_background_rows((:pid, :cookie)) AS (a int);

-- a cast of the job's choice does not run with the rights of a superuser who reads the job
CREATE TYPE wrapped AS (name text);
CREATE FUNCTION unwrapped(wrapped) RETURNS text LANGUAGE sql AS 'SELECT current_user::text';
CREATE CAST (wrapped AS text) WITH FUNCTION unwrapped(wrapped) AS ASSIGNMENT;
CREATE FUNCTION launched_by_reader() RETURNS pg_background_handle LANGUAGE sql SECURITY DEFINER AS
    $$SELECT pg_background_start($q$SELECT ROW('x')::wrapped$q$)$$;
ALTER FUNCTION launched_by_reader() OWNER TO regress_reader;
SELECT * FROM pg_background_rows(launched_by_reader()) AS (a text);
SELECT * FROM pg_background_fetch(launched_by_reader(), 1) AS (a text);
SELECT current_user = session_user AS still_oneself;
-- nor do settings that it makes stay
CREATE OR REPLACE FUNCTION unwrapped(wrapped) RETURNS text LANGUAGE sql AS
    $$SELECT set_config('work_mem', '777kB', false) || ' ' || set_config('search_path', 'public, pg_temp', true)$$;
BEGIN;
SELECT * FROM pg_background_rows(launched_by_reader()) AS (a text);
SELECT * FROM pg_background_fetch(launched_by_reader(), 1) AS (a text);
SELECT current_setting('work_mem') = '777kB' AS work_mem, current_setting('search_path') LIKE '%pg_temp' AS search_path;
COMMIT;
SELECT current_setting('work_mem') = '777kB' AS work_mem, current_setting('search_path') LIKE '%pg_temp' AS search_path;
DROP FUNCTION launched_by_reader();
DROP TYPE wrapped CASCADE;

DROP DOMAIN whole_domain;
DROP TABLE things, whole, child, parent;
DROP DOMAIN few, good_pair, short, required, positive;
DROP TYPE pair, mood;
DROP FUNCTION as_insert(text, text);
REVOKE SELECT ON jobs FROM regress_reader;
DROP ROLE regress_reader;
\i regress/sql/include/cleanup.sql
