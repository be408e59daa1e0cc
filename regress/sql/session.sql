-- As whom, where and how a job runs: identity, settings, transactions, messages and errors.
SET client_min_messages = warning;
CREATE EXTENSION pg_background;
RESET client_min_messages;
\set SHOW_CONTEXT never

CREATE VIEW jobs AS
SELECT * FROM pg_background_list_v2()
    AS (pid int4, cookie int8, launched_at timestamptz, user_id oid, queue_size int4, state text, sql_preview text,
        last_error text, consumed bool);
GRANT SELECT ON jobs TO PUBLIC;

-- a job's one text
CREATE FUNCTION job(sql text) RETURNS text LANGUAGE sql AS
    'SELECT * FROM pg_background_result(pg_background_launch(sql)) AS (t text)';

CREATE ROLE regress_pgbg_login LOGIN;
CREATE ROLE regress_pgbg_group;
CREATE ROLE regress_pgbg_definer;
GRANT regress_pgbg_group TO regress_pgbg_login;
GRANT pgbackground_role TO regress_pgbg_login, regress_pgbg_group, regress_pgbg_definer;
CREATE SCHEMA regress_pgbg AUTHORIZATION regress_pgbg_definer;
CREATE TABLE log (i int, t text DEFAULT '');
GRANT ALL ON log TO PUBLIC;

--
-- identity
--
\set who '$$SELECT session_user || \' as \' || current_user$$'
SELECT job('SELECT current_database()::text') = current_database() AS database,
       job('SELECT session_user::text') = session_user AS session, job('SELECT current_user::text') = current_user AS current;
SET ROLE regress_pgbg_group;
SELECT job('SELECT session_user::text') = session_user AS session, job('SELECT current_user::text') AS current;
SELECT job('SELECT current_setting(''is_superuser'')') AS is_superuser;
RESET ROLE;
SET SESSION AUTHORIZATION regress_pgbg_login;
SELECT job(:who);
SELECT job('SELECT current_setting(''is_superuser'')') AS is_superuser;
SET ROLE regress_pgbg_group;
SELECT job(:who);
-- no way back to more
SELECT job('RESET ROLE; ' || :who);
SELECT job('SET ROLE regress_pgbg_definer; ' || :who);
RESET ROLE;
RESET SESSION AUTHORIZATION;

-- SECURITY DEFINER
CREATE FUNCTION regress_pgbg.as_definer(sql text) RETURNS text LANGUAGE sql SECURITY DEFINER AS
    'SELECT * FROM pg_background_result(pg_background_launch(sql)) AS (t text)';
ALTER FUNCTION regress_pgbg.as_definer OWNER TO regress_pgbg_definer;
GRANT USAGE, CREATE ON SCHEMA regress_pgbg TO PUBLIC;
SET SESSION AUTHORIZATION regress_pgbg_login;
SELECT regress_pgbg.as_definer(:who);
SET ROLE regress_pgbg_group;
SELECT regress_pgbg.as_definer(:who);
RESET ROLE;
-- what the server refuses in such a function it refuses in the job
SELECT regress_pgbg.as_definer('SET ROLE regress_pgbg_login');
SELECT regress_pgbg.as_definer('RESET ROLE');
SELECT regress_pgbg.as_definer('SET SESSION AUTHORIZATION regress_pgbg_login');
SELECT regress_pgbg.as_definer('SELECT 1; SET ROLE regress_pgbg_group');
SELECT regress_pgbg.as_definer('DO $$ BEGIN COMMIT; END $$');
-- a job that such a job launches is no different
SELECT regress_pgbg.as_definer('SELECT job(' || quote_literal(:who) || ')');
SELECT regress_pgbg.as_definer('SELECT job(''RESET ROLE'')');
-- what is made belongs to the definer; so does the job
SELECT regress_pgbg.as_definer('CREATE TABLE regress_pgbg.made (i int)');
SELECT tableowner FROM pg_tables WHERE tablename = 'made';
CREATE FUNCTION regress_pgbg.launched() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT pg_background_launch(''SELECT 1'')';
RESET SESSION AUTHORIZATION;
ALTER FUNCTION regress_pgbg.launched OWNER TO regress_pgbg_definer;
SET SESSION AUTHORIZATION regress_pgbg_login;
SELECT regress_pgbg.launched() AS pid \gset
SELECT count(*) FROM jobs;
RESET SESSION AUTHORIZATION;
SELECT user_id::regrole FROM jobs;
SELECT * FROM pg_background_result(:pid) AS (i int);
-- commands that cannot run in a function run in its job, with its rights
SET SESSION AUTHORIZATION regress_pgbg_login;
SELECT regress_pgbg.as_definer('VACUUM regress_pgbg.made');
SELECT regress_pgbg.as_definer('CREATE INDEX made_i ON regress_pgbg.made (i)');
SELECT regress_pgbg.as_definer('CLUSTER regress_pgbg.made USING made_i');
SELECT regress_pgbg.as_definer('REINDEX TABLE regress_pgbg.made');
SELECT regress_pgbg.as_definer('ALTER DATABASE template1 SET TABLESPACE pg_default');
RESET SESSION AUTHORIZATION;
-- and not with those of a caller who may do more
SET statement_timeout = '60s';
SELECT regress_pgbg.as_definer('ALTER DATABASE template1 SET TABLESPACE pg_default');
RESET statement_timeout;
SELECT regress_pgbg.as_definer('CREATE DATABASE regress_pgbg_made');
DROP TABLE regress_pgbg.made;
DROP FUNCTION regress_pgbg.as_definer, regress_pgbg.launched;

--
-- settings
--
SET search_path = regress_pgbg, public;
SET work_mem = '123kB';
SET my.own = 'custom';
SET TimeZone = 'Asia/Tokyo';
SET DateStyle = 'German';
SET statement_timeout = '1h';
SET application_name = 'regress_pgbg';
SELECT job('SELECT current_setting(''search_path'')') AS search_path, job('SELECT current_setting(''work_mem'')') AS work_mem,
       job('SELECT current_setting(''my.own'')') AS custom, job('SELECT ''2001-02-03 04:05 UTC''::timestamptz::text') AS date,
       job('SELECT current_setting(''statement_timeout'')') AS statement_timeout, job('SELECT current_setting(''application_name'')') AS application_name;
SELECT job('CREATE TABLE placed (i int)');
SELECT schemaname FROM pg_tables WHERE tablename = 'placed';
RESET ALL;
SELECT job('SELECT current_setting(''work_mem'')') = current_setting('work_mem') AS work_mem, job('SELECT current_setting(''my.own'', true)') = '' AS custom;
DROP TABLE regress_pgbg.placed;
-- SET LOCAL is inherited too
BEGIN;
SET LOCAL work_mem = '321kB';
SELECT job('SELECT current_setting(''work_mem'')');
ROLLBACK;
-- the settings at the launch count, and a job's own stay its own
SET work_mem = '100kB';
SELECT pg_background_launch('SELECT current_setting(''work_mem'')') AS pid \gset
SET work_mem = '200kB';
SELECT * FROM pg_background_result(:pid) AS (t text);
SELECT job('SET work_mem = ''300kB''; SHOW work_mem');
SHOW work_mem;
RESET work_mem;
-- what a function sets for itself
CREATE FUNCTION regress_pgbg.with_path() RETURNS text LANGUAGE sql SET search_path = pg_catalog, public, pg_temp
    AS 'SELECT public.job(''SHOW search_path'')';
SELECT regress_pgbg.with_path();
DROP FUNCTION regress_pgbg.with_path;
-- the transaction's isolation level and access are not inherited, the session's defaults are
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT job('SELECT current_setting(''transaction_isolation'') || '' '' || current_setting(''transaction_read_only'')');
SELECT job('INSERT INTO log VALUES (1)');
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE;
SELECT job('SELECT current_setting(''transaction_isolation'') || '' '' || current_setting(''transaction_read_only'') || '' '' || current_setting(''transaction_deferrable'')');
COMMIT;
SET default_transaction_isolation = 'serializable';
SET default_transaction_deferrable = on;
SELECT job('SELECT current_setting(''transaction_isolation'') || '' '' || current_setting(''transaction_read_only'') || '' '' || current_setting(''transaction_deferrable'')');
SET default_transaction_read_only = on;
SELECT job('SELECT current_setting(''transaction_isolation'') || '' '' || current_setting(''transaction_read_only'')');
SELECT job('INSERT INTO log VALUES (1)');
RESET default_transaction_read_only;
RESET default_transaction_isolation;
RESET default_transaction_deferrable;
-- settings that take more than a user's rights
SET session_replication_role = replica;
SELECT job('SHOW session_replication_role');
RESET session_replication_role;

--
-- the launcher's transaction
--
TRUNCATE log;
-- a job sees what is committed, its launcher what the job has committed
BEGIN;
INSERT INTO log VALUES (1, 'uncommitted');
SELECT job('SELECT count(*)::text FROM log');
SELECT job('INSERT INTO log VALUES (2, ''by the job'')');
SELECT * FROM log ORDER BY i;
ROLLBACK;
SELECT * FROM log ORDER BY i;
-- an audit row stays
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM job(format('INSERT INTO log VALUES (%s, ''tried'')', NEW.i));
    RETURN NEW;
END
$$;
CREATE TABLE audited (i int CHECK (i < 100));
CREATE TRIGGER audit BEFORE INSERT ON audited FOR EACH ROW EXECUTE FUNCTION audit();
TRUNCATE log;
INSERT INTO audited VALUES (10), (20);
INSERT INTO audited VALUES (30), (300);
SELECT * FROM audited ORDER BY i;
SELECT * FROM log ORDER BY i;
-- a launch in a (sub)transaction that rolls back
TRUNCATE log;
BEGIN;
SELECT pg_background_launch('INSERT INTO log VALUES (1) RETURNING i') AS one \gset
SAVEPOINT s;
SELECT pg_background_launch('INSERT INTO log VALUES (2) RETURNING i') AS two \gset
ROLLBACK TO s;
SELECT * FROM pg_background_result(:two) AS (i int);
ROLLBACK;
SELECT * FROM pg_background_result(:one) AS (i int);
DO $$
BEGIN
    PERFORM pg_background_launch('INSERT INTO log VALUES (3) RETURNING i');
    RAISE 'no';
EXCEPTION WHEN raise_exception THEN
    RAISE NOTICE 'read: %', (SELECT i FROM jobs, pg_background_result(pid) AS (i int));
END
$$;
-- from a procedure, across its transactions
CREATE PROCEDURE across() LANGUAGE plpgsql AS $$
DECLARE
    h pg_background_handle;
BEGIN
    h := pg_background_launch_v2('INSERT INTO log VALUES (4) RETURNING i');
    COMMIT;
    RAISE NOTICE 'read: %', (SELECT i FROM pg_background_result_v2(h.pid, h.cookie) AS (i int));
    h := pg_background_launch_v2('INSERT INTO log VALUES (5) RETURNING i');
    ROLLBACK;
    PERFORM pg_background_wait_v2(h.pid, h.cookie);
    COMMIT;
    RAISE NOTICE 'read: %', (SELECT i FROM pg_background_result_v2(h.pid, h.cookie) AS (i int));
END
$$;
CALL across();
SELECT * FROM log ORDER BY i;
DROP PROCEDURE across();
-- in a transaction that has failed nothing can be launched, but its jobs are there afterwards
BEGIN;
SELECT pg_background_launch('SELECT 6') AS pid \gset
SELECT 1/0;
SELECT * FROM pg_background_result(:pid) AS (i int);
ROLLBACK;
SELECT * FROM pg_background_result(:pid) AS (i int);

--
-- the job's transaction
--
TRUNCATE log;
-- several statements are one, and only the last one's rows come back
SELECT job('INSERT INTO log VALUES (1); SELECT ''hidden''; INSERT INTO log VALUES (2); SELECT count(*)::text FROM log');
SELECT job('INSERT INTO log VALUES (3); SELECT 1/0; INSERT INTO log VALUES (4)');
SELECT * FROM log ORDER BY i;
SELECT * FROM pg_background_result(pg_background_launch('SELECT 1; UPDATE log SET t = ''x'' WHERE i = 1')) AS (tag text);
SELECT job('CREATE TEMP TABLE mine AS SELECT now() AS t; SELECT (t = now())::text FROM mine') AS same_transaction;
-- each statement sees what the ones before did
SELECT job('CREATE TABLE made (i int); INSERT INTO made SELECT generate_series(1, 3); ALTER TABLE made ADD t text DEFAULT ''x''; SELECT string_agg(i || t, '','') FROM made');
DROP TABLE made;
-- deferred constraints are checked at the end, and fail the job
CREATE TABLE once (i int UNIQUE DEFERRABLE INITIALLY DEFERRED);
SELECT job('INSERT INTO once VALUES (1), (1); SELECT ''not yet''');
SELECT * FROM once;
DROP TABLE once;
-- triggers, too, run on their own account
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'in a deferred trigger'; END $$;
CREATE TABLE late (i int);
CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON late DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail();
SELECT job('INSERT INTO late VALUES (1) RETURNING ''inserted''');
DROP TABLE late;
DROP FUNCTION fail();

-- transaction control is refused, before or after other statements, and then nothing of the job stays
TRUNCATE log;
\set VERBOSITY default
SELECT job('BEGIN');
\set VERBOSITY terse
SELECT job('START TRANSACTION');
SELECT job('COMMIT');
SELECT job('END');
SELECT job('ROLLBACK');
SELECT job('ABORT');
SELECT job('SAVEPOINT s');
SELECT job('RELEASE s');
SELECT job('ROLLBACK TO s');
SELECT job('PREPARE TRANSACTION ''t''');
SELECT job('COMMIT PREPARED ''t''');
SELECT job('ROLLBACK PREPARED ''t''');
SELECT job('INSERT INTO log VALUES (1); COMMIT');
SELECT job('INSERT INTO log VALUES (2); COMMIT; INSERT INTO log VALUES (3)');
SELECT * FROM log;
-- so is the client's side of COPY
SELECT job('COPY log FROM STDIN');
\set VERBOSITY default
-- procedures and blocks that commit work as the only statement
CREATE PROCEDURE commits(fails bool DEFAULT false) LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO log VALUES (1);
    COMMIT;
    INSERT INTO log VALUES (2);
    ROLLBACK;
    INSERT INTO log VALUES (3);
    IF fails THEN
        RAISE 'after a commit';
    END IF;
END
$$;
SELECT job('CALL commits()');
SELECT i FROM log ORDER BY i;
TRUNCATE log;
SELECT job('CALL commits(true)');
SELECT i FROM log ORDER BY i;
TRUNCATE log;
SELECT job('DO $$ BEGIN INSERT INTO log VALUES (1); COMMIT; INSERT INTO log VALUES (2); ROLLBACK; END $$');
SELECT i FROM log ORDER BY i;
TRUNCATE log;
-- and not in a list, as in a client's list of statements
SELECT job('CALL commits(); SELECT 1');
SELECT job('SELECT 1; CALL commits()');
SELECT i FROM log ORDER BY i;
DROP PROCEDURE commits(bool);
CREATE PROCEDURE outs(INOUT a int, OUT b text) LANGUAGE plpgsql AS $$ BEGIN a := a + 1; COMMIT; b := 'out'; END $$;
SELECT * FROM pg_background_result(pg_background_launch('CALL outs(1, NULL)')) AS (a int, b text);
DROP PROCEDURE outs(int);

-- commands that want no transaction around them work as the only statement, and not in a list
CREATE TABLE big AS SELECT i FROM generate_series(1, 1000) i;
SELECT job('VACUUM big');
SELECT job('VACUUM (ANALYZE) big');
SELECT job('SELECT 1; VACUUM big');
SELECT job('VACUUM big; SELECT 1');
SELECT job('VACUUM big; VACUUM big');
SELECT job('ANALYZE big; ANALYZE');
-- no snapshot of the launcher may be in the way of these
SELECT pid, cookie FROM pg_background_launch_v2('CREATE INDEX CONCURRENTLY big_i ON big (i)') \gset
CREATE PROCEDURE finish(pid int, cookie bigint) LANGUAGE plpgsql AS $$
BEGIN
    WHILE NOT pg_background_wait_v2_timeout(pid, cookie, 50) LOOP
        COMMIT;
    END LOOP;
END
$$;
CALL finish(:pid, :cookie);
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (tag text);
SELECT pid, cookie FROM pg_background_launch_v2('REINDEX INDEX CONCURRENTLY big_i') \gset
CALL finish(:pid, :cookie);
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (tag text);
SELECT pid, cookie FROM pg_background_launch_v2('REINDEX TABLE CONCURRENTLY big') \gset
CALL finish(:pid, :cookie);
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (tag text);
SELECT indisvalid FROM pg_index WHERE indexrelid = 'big_i'::regclass;
SELECT pid, cookie FROM pg_background_launch_v2('DROP INDEX CONCURRENTLY big_i') \gset
CALL finish(:pid, :cookie);
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (tag text);
SELECT job('SELECT 1; CREATE INDEX CONCURRENTLY big_i ON big (i)');
SELECT job('REINDEX TABLE CONCURRENTLY big; SELECT 1');
SELECT to_regclass('big_i') IS NULL AS no_index;
SELECT job('CREATE DATABASE regress_pgbg_made TEMPLATE template0');
SELECT job('DROP DATABASE regress_pgbg_made');
-- temporary objects are the job's own, and gone afterwards
CREATE TEMP TABLE mine (i int);
SELECT job('SELECT i::text FROM mine');
SELECT job('CREATE TEMP TABLE mine AS SELECT 1 AS i; SELECT i::text FROM mine');
SELECT job('SELECT count(*)::text FROM pg_class WHERE relname = ''mine'' AND relnamespace = pg_my_temp_schema()');
-- NOTIFY is part of the job's transaction
SELECT job('NOTIFY regress_pgbg, ''x''');
SELECT job('LISTEN regress_pgbg');

--
-- parallel plans
--
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
ALTER TABLE big SET (parallel_workers = 2);
SET parallel_leader_participation = off;
-- EXPLAIN would not do: it plans on its own account
CREATE FUNCTION in_parallel_worker(i int) RETURNS bool LANGUAGE plpgsql PARALLEL SAFE AS $$
BEGIN
    RETURN (SELECT backend_type = 'parallel worker' FROM pg_stat_activity WHERE pid = pg_backend_pid());
END
$$;
SELECT * FROM pg_background_result(pg_background_launch('SELECT bool_and(in_parallel_worker(i)) FROM big WHERE i <= 10')) AS (parallel bool);
SELECT * FROM pg_background_result(pg_background_launch('SELECT 1; SELECT bool_and(in_parallel_worker(i)) FROM big WHERE i <= 10')) AS (parallel bool);
SELECT * FROM pg_background_result(pg_background_launch('SELECT count(*), sum(i) FROM big')) AS (n int8, s int8);
DROP FUNCTION in_parallel_worker(int);
RESET parallel_leader_participation;
RESET min_parallel_table_scan_size;
RESET parallel_tuple_cost;
RESET parallel_setup_cost;
RESET max_parallel_workers_per_gather;

--
-- the process
--
SELECT job('SELECT backend_type FROM pg_stat_activity WHERE pid = pg_backend_pid()') AS backend_type;
SELECT job('SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid()') AS query;
SELECT job('SELECT state FROM pg_stat_activity WHERE pid = pg_backend_pid()') AS state;
SELECT pg_background_launch('SELECT pg_backend_pid()') AS pid \gset
SELECT pid = :pid AS same FROM pg_background_result(:pid) AS (pid int);

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
SELECT * FROM fields('SELECT ''x''::int');
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
SELECT job('SELECT ''x''::int');
SELECT job('SELECT 1 + no_such_column');
-- an error inside of a function in the job has a text of its own
CREATE FUNCTION wrong() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT nothing FROM log); END $$;
SELECT job('SELECT wrong()::text');
DROP FUNCTION wrong();

DROP FUNCTION fields(text), talk(), job(text);
DROP PROCEDURE finish(int, bigint);
DROP TABLE audited, log, big;
DROP FUNCTION audit();
DROP VIEW jobs;
SET client_min_messages = warning;
DROP SCHEMA regress_pgbg CASCADE;
SELECT pg_background_drop_executor_role();
DROP EXTENSION pg_background;
DROP ROLE regress_pgbg_login, regress_pgbg_group, regress_pgbg_definer;
