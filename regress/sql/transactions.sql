-- A job and transactions: the launcher's, and its own.
\i regress/sql/include/helpers.sql
CREATE TABLE log (i int, t text DEFAULT '');

--
-- the launcher's transaction
--
TRUNCATE log;
-- a job sees what is committed, its launcher what the job has committed
BEGIN;
INSERT INTO log VALUES (1, 'uncommitted');
SELECT job('SELECT count(*)::text FROM log');
SELECT job($$INSERT INTO log VALUES (2, 'by the job')$$);
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
SELECT job($$INSERT INTO log VALUES (1); SELECT 'hidden'; INSERT INTO log VALUES (2); SELECT count(*)::text FROM log$$);
SELECT job('INSERT INTO log VALUES (3); SELECT 1/0; INSERT INTO log VALUES (4)');
SELECT * FROM log ORDER BY i;
SELECT * FROM pg_background_result(pg_background_launch($$SELECT 1; UPDATE log SET t = 'x' WHERE i = 1$$)) AS (tag text);
SELECT job('CREATE TEMP TABLE mine AS SELECT now() AS t; SELECT (t = now())::text FROM mine') AS same_transaction;
-- each statement sees what the ones before did
SELECT job($$CREATE TABLE made (i int); INSERT INTO made SELECT generate_series(1, 3); ALTER TABLE made ADD t text DEFAULT 'x'; SELECT string_agg(i || t, ',') FROM made$$);
DROP TABLE made;
-- deferred constraints are checked at the end, and fail the job
CREATE TABLE once (i int UNIQUE DEFERRABLE INITIALLY DEFERRED);
SELECT job($$INSERT INTO once VALUES (1), (1); SELECT 'not yet'$$);
SELECT * FROM once;
DROP TABLE once;
-- triggers, too, run on their own account
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'in a deferred trigger'; END $$;
CREATE TABLE late (i int);
CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON late DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail();
SELECT job($$INSERT INTO late VALUES (1) RETURNING 'inserted'$$);
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
SELECT job($$PREPARE TRANSACTION 't'$$);
SELECT job($$COMMIT PREPARED 't'$$);
SELECT job($$ROLLBACK PREPARED 't'$$);
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
    FOR i IN 1..1200 LOOP
        EXIT WHEN pg_background_wait_v2_timeout(pid, cookie, 50);
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
SELECT job($$SELECT count(*)::text FROM pg_class WHERE relname = 'mine' AND relnamespace = pg_my_temp_schema()$$);
-- NOTIFY is part of the job's transaction
SELECT job($$NOTIFY regress_pgbg, 'x'$$);
SELECT job('LISTEN regress_pgbg');

DROP PROCEDURE finish(int, bigint);
DROP TABLE audited, log, big, mine;
DROP FUNCTION audit();
\i regress/sql/include/cleanup.sql
