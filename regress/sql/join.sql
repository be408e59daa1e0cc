-- pg_background_join: a procedure that commits, waits without a snapshot, and goes on in a new transaction.
\i regress/sql/include/helpers.sql
CREATE TABLE t (i int);
INSERT INTO t SELECT generate_series(1, 100);
CREATE TABLE log (n int, what text);
SET client_min_messages = warning;

--
-- loops over CREATE INDEX CONCURRENTLY, which waits for older snapshots: those of its launcher, too
--
-- in a DO block; what was done before is committed, and each round is a new transaction with a new time
DO $$
DECLARE
    job pg_background_handle;
    before timestamptz;
BEGIN
    FOR n IN 1..3 LOOP
        INSERT INTO log VALUES (n, 'in the loop');
        before := now();
        job := pg_background_start(format('CREATE INDEX CONCURRENTLY i%s ON t (i)', n));
        CALL pg_background_join(job, '2 min');
        IF now() < (SELECT finished_at FROM pg_background_outcome(job)) OR now() <= before THEN
            RAISE 'the time is that of the transaction before';
        END IF;
        INSERT INTO log SELECT n, state FROM pg_background_outcome(job);
        PERFORM pg_background_forget(job);
    END LOOP;
    RAISE 'only what comes after the last commit is rolled back';
END
$$;
SELECT * FROM log ORDER BY n, what;
SELECT indexrelid::regclass, indisvalid FROM pg_index WHERE indrelid = 't'::regclass ORDER BY indexrelid::regclass::text;

-- in procedures that call each other, over the rows of a cursor, which lives on
CREATE PROCEDURE run(sql text) LANGUAGE plpgsql AS $$
DECLARE
    job pg_background_handle := pg_background_start(sql);
BEGIN
    CALL pg_background_join(job => job, timeout => '2 min');
    INSERT INTO log SELECT 10, state FROM pg_background_outcome(job);
    PERFORM pg_background_forget(job);
END
$$;
CREATE PROCEDURE reindex_all() LANGUAGE plpgsql AS $$
DECLARE
    index record;
BEGIN
    FOR index IN SELECT indexrelid::regclass AS name FROM pg_index WHERE indrelid = 't'::regclass ORDER BY 1 LOOP
        CALL run(format('REINDEX INDEX CONCURRENTLY %s', index.name));
    END LOOP;
END
$$;
TRUNCATE log;
CALL reindex_all();
SELECT what, count(*) FROM log GROUP BY what;
DO 'BEGIN CALL reindex_all(); END';
SELECT what, count(*) FROM log GROUP BY what;

-- in a job whose statements are transactions of their own; in one whose only statement is a CALL
TRUNCATE log;
SELECT pg_background_start($j$
    SET client_min_messages = warning;
    DO $$ BEGIN CALL run('CREATE INDEX CONCURRENTLY i4 ON t (i)'); END $$;
    CALL run('DROP INDEX CONCURRENTLY i4');
$j$, autocommit => true) AS job \gset
CALL pg_background_join(:'job', '2 min');
SELECT state, message FROM pg_background_outcome(:'job');
SELECT pg_background_start('CALL reindex_all()') AS job \gset
CALL pg_background_join(:'job', '2 min');
SELECT state, message FROM pg_background_outcome(:'job');
SELECT what, count(*) FROM log GROUP BY what;
SELECT pg_background_forget_all();
-- a job that is one transaction has no place for it among other statements
SELECT * FROM attempt($$SELECT pg_background_exec('SELECT 1; CALL run(''SELECT 1'')')$$);

--
-- the transaction
--
-- a deferred constraint fails at the commit, before the wait
CREATE TABLE late (i int PRIMARY KEY, of int REFERENCES late DEFERRABLE INITIALLY DEFERRED);
SELECT pg_background_start('SELECT 1') AS job \gset
SET test.job = :'job';
\set VERBOSITY terse
DO $$
BEGIN
    INSERT INTO late VALUES (1, 2);
    CALL pg_background_join(current_setting('test.job')::pg_background_handle);
    RAISE 'not reached';
END
$$;
\set VERBOSITY default
-- and the session goes on
SELECT count(*) FROM late;
CALL pg_background_join(:'job');
-- SET LOCAL ends, as at COMMIT; SET does not
DO $$
BEGIN
    SET LOCAL work_mem = '1MB';
    SET enable_seqscan = off;
    CALL pg_background_join(current_setting('test.job')::pg_background_handle);
    RAISE WARNING '% %', current_setting('work_mem') = (SELECT reset_val || 'kB' FROM pg_settings WHERE name = 'work_mem'),
                         current_setting('enable_seqscan');
END
$$;
RESET enable_seqscan;
-- variables, OUT parameters, rows of a loop and of a cursor WITH HOLD come through
CREATE PROCEDURE count_up(INOUT n int) LANGUAGE plpgsql AS $$
BEGIN
    CALL pg_background_join(current_setting('test.job')::pg_background_handle);
    n := n + 1;
END
$$;
CALL count_up(41);
CREATE TABLE wide AS SELECT repeat(md5(i::text), 5000) AS value FROM generate_series(1, 3) i;
DECLARE held CURSOR WITH HOLD FOR SELECT generate_series(1, 3);
FETCH held;
DO $$
DECLARE
    n int := 0;
    r record;
BEGIN
    FOR r IN SELECT value FROM wide LOOP
        CALL count_up(n);
        IF length(r.value) = 160000 THEN
            CALL count_up(n);
        END IF;
    END LOOP;
    RAISE WARNING '%', n;
END
$$;
FETCH held;
CLOSE held;
DROP TABLE wide;
DROP PROCEDURE count_up(int);
-- a transaction whose isolation level is the strictest
SET default_transaction_isolation = 'serializable';
CALL pg_background_join(:'job');
RESET default_transaction_isolation;
-- a cursor loop that is not read-only
DO $$
DECLARE
    r record;
BEGIN
    FOR r IN UPDATE t SET i = i WHERE i = 1 RETURNING i LOOP
        CALL pg_background_join(current_setting('test.job')::pg_background_handle);
    END LOOP;
END
$$;

--
-- atomic contexts, as COMMIT has them
--
BEGIN;
CALL pg_background_join(:'job');
ROLLBACK;
\set VERBOSITY terse
-- several statements in one message are one transaction
DO 'BEGIN END' \; CALL pg_background_join(:'job') \; DO 'BEGIN RAISE EXCEPTION ''not reached''; END';
CREATE FUNCTION join_in_function(job pg_background_handle) RETURNS void LANGUAGE plpgsql AS 'BEGIN CALL pg_background_join(job); END';
SELECT join_in_function(:'job');
DO 'BEGIN PERFORM join_in_function(NULL); END';
DO 'BEGIN EXECUTE ''CALL pg_background_join(NULL)''; END';
CREATE FUNCTION join_in_sql() RETURNS void LANGUAGE sql AS 'CALL pg_background_join(NULL)';
SELECT join_in_sql();
CREATE PROCEDURE join_with_handler(job pg_background_handle) LANGUAGE plpgsql AS $$
BEGIN
    CALL pg_background_join(job);
EXCEPTION
    WHEN invalid_transaction_termination THEN
        RAISE WARNING '%', sqlerrm;
END
$$;
CALL join_with_handler(:'job');
CREATE PROCEDURE join_plainly(job pg_background_handle) LANGUAGE plpgsql AS 'BEGIN CALL pg_background_join(job); END';
DO $$
BEGIN
    BEGIN
        CALL join_plainly(NULL);
    EXCEPTION WHEN invalid_transaction_termination THEN
        RAISE WARNING '%', sqlerrm;
    END;
END
$$;
CREATE PROCEDURE join_with_setting(job pg_background_handle) LANGUAGE plpgsql SET work_mem = '1MB' AS 'BEGIN CALL pg_background_join(job); END';
CALL join_with_setting(:'job');
CREATE PROCEDURE join_as_definer(job pg_background_handle) LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN CALL pg_background_join(job); END';
CALL join_as_definer(:'job');
CREATE FUNCTION join_in_trigger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN CALL pg_background_join(NULL); RETURN NEW; END';
CREATE TRIGGER joins BEFORE INSERT ON log FOR EACH ROW EXECUTE FUNCTION join_in_trigger();
INSERT INTO log VALUES (1, 'never');
DROP TRIGGER joins ON log;
\set VERBOSITY default

--
-- the job
--
-- join only waits: a failure is none of it, and the result stays to be read; a job that has been read has ended
SELECT pg_background_start('SELECT 1/0') AS failing \gset
CALL pg_background_join(:'failing');
SELECT state, sqlstate FROM pg_background_outcome(:'failing');
SELECT * FROM pg_background_rows(:'failing') AS (i int);
CALL pg_background_join(:'failing');
SELECT pg_background_start('SELECT i, repeat(''x'', 100) FROM generate_series(1, 20000) i', queue_size => 4096) AS large \gset
CALL pg_background_join(:'large');
SELECT count(*), sum(i), sum(length(t)) FROM pg_background_rows(:'large') AS (i int, t text);
-- time is over: an error, and the job runs on
SELECT pg_background_start('SELECT pg_sleep(600)') AS long \gset
SET test.job = :'long';
\set VERBOSITY sqlstate
CALL pg_background_join(:'long', '10 ms');
CALL pg_background_join(:'long', '0');
-- cancelled
SET statement_timeout = '50ms';
CALL pg_background_join(:'long');
DO 'BEGIN CALL join_plainly(current_setting(''test.job'')::pg_background_handle); END';
RESET statement_timeout;
\set VERBOSITY default
SELECT state FROM pg_background_outcome(:'long');
SELECT pg_background_stop(:'long');
CALL pg_background_join(:'long', '2 min');
SELECT state FROM pg_background_outcome(:'long');
-- what it refuses
CALL pg_background_join(NULL);
CALL pg_background_join('(,1)');
CALL pg_background_join(:'job', '-1 s');
CALL pg_background_join('(1,1)');
SELECT pg_background_join(NULL);
-- rights are asked for before anything is committed
CREATE ROLE regress_pgbg_joiner;
GRANT pgbackground_role TO regress_pgbg_joiner;
GRANT INSERT ON log TO regress_pgbg_joiner;
TRUNCATE log;
SET ROLE regress_pgbg_joiner;
\set VERBOSITY sqlstate
DO $$
BEGIN
    INSERT INTO log VALUES (1, 'not committed');
    CALL pg_background_join(current_setting('test.job')::pg_background_handle);
END
$$;
\set VERBOSITY default
RESET ROLE;
SELECT count(*) FROM log;
DROP OWNED BY regress_pgbg_joiner;
DROP ROLE regress_pgbg_joiner;

RESET test.job;
SELECT pg_background_forget_all();
DROP FUNCTION join_in_function(pg_background_handle), join_in_sql(), join_in_trigger();
DROP PROCEDURE run(text), reindex_all(), join_plainly(pg_background_handle), join_with_handler(pg_background_handle),
               join_with_setting(pg_background_handle), join_as_definer(pg_background_handle);
DROP TABLE t, log, late;
RESET client_min_messages;
\i regress/sql/include/cleanup.sql
