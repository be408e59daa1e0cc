-- The messages of a job, and its errors.
\i regress/sql/include/helpers.sql
CREATE SCHEMA regress_pgbg;
CREATE TABLE log (i int, t text DEFAULT '');

--
-- messages
--
CREATE FUNCTION talk() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    RAISE DEBUG 'a debug message';
    RAISE LOG 'a log message';
    RAISE INFO 'an info';
    RAISE NOTICE 'a notice' USING DETAIL = 'its detail', HINT = 'its hint', ERRCODE = '01ABC';
    RAISE WARNING 'a warning';
    RETURN 1;
END
$$;
SELECT pid, cookie FROM pg_background_launch_v2('SELECT talk()') \gset
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT state, last_error FROM jobs WHERE pid = :pid;
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (i int);
-- those that the launcher's settings ask for, at the launch and at the read
SET client_min_messages = warning;
SELECT * FROM pg_background_result(pg_background_launch('SELECT talk()')) AS (i int);
SELECT pg_background_launch('SELECT talk()') AS pid \gset
SET client_min_messages = notice;
SELECT * FROM pg_background_result(:pid) AS (i int);
SELECT pg_background_launch('SELECT talk()') AS pid \gset
SET client_min_messages = error;
SELECT * FROM pg_background_result(:pid) AS (i int);
SET client_min_messages = log;
SELECT * FROM pg_background_result(pg_background_launch('SELECT talk()')) AS (i int);
RESET client_min_messages;
-- before the error, and with each statement
SELECT * FROM pg_background_result(pg_background_launch('DO $$ BEGIN RAISE NOTICE ''first''; END $$; DROP TABLE IF EXISTS none; SELECT 1/0')) AS (i int);
-- the server's own
SELECT job('DROP TABLE IF EXISTS none');
-- nobody hears those of a submitted job
SELECT pid, cookie FROM pg_background_submit_v2('SELECT talk()') \gset
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT pg_background_detach_v2(:pid, :cookie);
-- many and long ones
SELECT count(*) FROM pg_background_result(pg_background_launch('SET client_min_messages = error; DO $$ BEGIN FOR i IN 1..1000 LOOP RAISE WARNING ''%'', repeat(''x'', 10000); END LOOP; END $$')) AS (t text);
SET client_min_messages = error;
SELECT count(*) FROM pg_background_result(pg_background_launch('SET client_min_messages = notice; DO $$ BEGIN FOR i IN 1..1000 LOOP RAISE WARNING ''%'', repeat(''x'', 10000); END LOOP; END $$')) AS (t text);
RESET client_min_messages;

--
-- errors
--
CREATE FUNCTION fields(sql text) RETURNS TABLE (field text, value text) LANGUAGE plpgsql AS $$
DECLARE
    e_sqlstate text;
    e_message text;
    e_detail text;
    e_hint text;
    e_schema text;
    e_table text;
    e_column text;
    e_constraint text;
    e_datatype text;
    e_context text;
BEGIN
    PERFORM * FROM pg_background_result(pg_background_launch(sql)) AS (t text);
EXCEPTION WHEN OTHERS OR query_canceled OR assert_failure THEN
    GET STACKED DIAGNOSTICS e_sqlstate = RETURNED_SQLSTATE, e_message = MESSAGE_TEXT, e_detail = PG_EXCEPTION_DETAIL,
        e_hint = PG_EXCEPTION_HINT, e_schema = SCHEMA_NAME, e_table = TABLE_NAME, e_column = COLUMN_NAME,
        e_constraint = CONSTRAINT_NAME, e_datatype = PG_DATATYPE_NAME, e_context = PG_EXCEPTION_CONTEXT;
    RETURN QUERY SELECT f.*
      FROM (VALUES ('sqlstate', e_sqlstate), ('message', e_message), ('detail', e_detail), ('hint', e_hint), ('schema', e_schema),
                   ('table', e_table), ('column', e_column), ('constraint', e_constraint), ('datatype', e_datatype),
                   -- without this function's own lines
                   ('context', regexp_replace(e_context, '(pid )\d+\nSQL statement .*$', '\1N'))) AS f
     WHERE f.column2 <> '';
END
$$;
CREATE TABLE regress_pgbg.strict (i int CONSTRAINT above_zero CHECK (i > 0), n int NOT NULL);
CREATE DOMAIN regress_pgbg.even AS int CONSTRAINT is_even CHECK (VALUE % 2 = 0);
CREATE FUNCTION regress_pgbg.deep() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RAISE 'a message' USING ERRCODE = 'AB123', DETAIL = 'a detail', HINT = 'a hint', COLUMN = 'a column', CONSTRAINT = 'a constraint',
                            DATATYPE = 'a type', TABLE = 'a table', SCHEMA = 'a schema';
END
$$;
SELECT * FROM fields('SELECT regress_pgbg.deep()');
SELECT * FROM fields('INSERT INTO regress_pgbg.strict VALUES (-1, 1)');
SELECT * FROM fields('INSERT INTO regress_pgbg.strict VALUES (1, NULL)');
SELECT * FROM fields('SELECT 3::regress_pgbg.even::text');
SELECT * FROM fields($$SELECT 'x'::int$$);
SELECT * FROM fields('DO $$ BEGIN ASSERT false, ''an assertion''; END $$');
SELECT * FROM fields('DO $$ BEGIN RAISE query_canceled; END $$');
-- long ones come whole as long as the queue has room, and cut otherwise
SELECT field, length(value) FROM fields('DO $$ BEGIN RAISE ''%'', repeat(''x'', 10000) USING DETAIL = repeat(''y'', 20000); END $$') WHERE field IN ('message', 'detail');
SELECT field, value ~ '^x+$' AND length(value) >= 1000 AS message FROM fields('DO $$ BEGIN RAISE ''%'', repeat(''x'', 1000000) USING DETAIL = repeat(''y'', 2000000); END $$') WHERE field = 'message';
SELECT pid, cookie FROM pg_background_submit_v2('DO $$ BEGIN RAISE ''%'', repeat(''x'', 1000000); END $$') \gset
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT last_error ~ '^x+$' AND length(last_error) >= 1000 AS message FROM jobs WHERE pid = :pid;
SELECT pg_background_detach_v2(:pid, :cookie);
DROP FUNCTION regress_pgbg.deep();
-- positions are in the job's text
SELECT job('SELEC 1');
SELECT job(E'SELECT 1;\nSELECT nothing\nFROM log');
SELECT job($$SELECT 'x'::int$$);
SELECT job('SELECT 1 + no_such_column');
-- an error inside of a function in the job has a text of its own
CREATE FUNCTION wrong() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT nothing FROM log); END $$;
SELECT job('SELECT wrong()::text');
DROP FUNCTION wrong();

DROP FUNCTION fields(text), talk();
DROP TABLE log;
SET client_min_messages = warning;
DROP SCHEMA regress_pgbg CASCADE;
\i regress/sql/include/cleanup.sql
