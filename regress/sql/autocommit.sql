-- Jobs with autocommit: each statement is a transaction of its own, as psql runs a script.
\i regress/sql/include/helpers.sql
CREATE TABLE done (n int PRIMARY KEY, note text);
CREATE FUNCTION exec(sql text) RETURNS text LANGUAGE sql AS 'SELECT pg_background_exec(sql, autocommit => true)';
-- waits without a snapshot, which CREATE INDEX CONCURRENTLY would wait for
CREATE PROCEDURE finish(pid int, cookie bigint) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..1200 LOOP
        EXIT WHEN pg_background_wait_v2_timeout(pid, cookie, 50);
        COMMIT;
    END LOOP;
END
$$;
\set result 'CALL finish(:pid, :cookie); SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (r text);'
CREATE FUNCTION done() RETURNS text LANGUAGE sql AS
    $$WITH gone AS (DELETE FROM done RETURNING n) SELECT string_agg(n::text, ' ' ORDER BY n) FROM gone$$;

--
-- an error leaves what was committed
--
SELECT exec('INSERT INTO done VALUES (1); INSERT INTO done VALUES (2)');
SELECT done();
SELECT exec('INSERT INTO done VALUES (1); INSERT INTO done VALUES (1); INSERT INTO done VALUES (3)');
SELECT done();
-- a statement is parsed in its turn, and the position of an error is one in the job's text
SELECT pid, cookie FROM pg_background_start($$INSERT INTO done VALUES (1); INSERT INTO done VALUES (2);
/* ünï */ INSERT INTO dome VALUES (3); INSERT INTO done VALUES (4)$$, autocommit => true) \gset
:result
SELECT done();
SELECT pid, cookie FROM pg_background_start($$INSERT INTO done VALUES (1);
'ünï'; SELECT 2$$, autocommit => true) \gset
:result
SELECT pid, cookie FROM pg_background_start($$INSERT INTO done VALUES (2);
    SELECT 'ünï', 'not closed; SELECT 3$$, autocommit => true) \gset
:result
SELECT pid, cookie FROM pg_background_start($$INSERT INTO done VALUES (3); SELECT 1; /* not closed; SELECT 3$$, autocommit => true) \gset
:result
SELECT done();
-- positions of warnings
SELECT pid, cookie FROM pg_background_start($$SET standard_conforming_strings = off;
SELECT 'a\'; b'; SELECT 'c\\'$$, autocommit => true) \gset
:result
-- a name that is too long is said once
SELECT pid, cookie FROM pg_background_start('SELECT 1; SELECT ''a'' AS ' || repeat('x', 64), autocommit => true) \gset
:result
-- of an error in a function, the position is one in the function
CREATE FUNCTION fails() RETURNS void LANGUAGE plpgsql AS 'BEGIN PERFORM 1 FROM nowhere; END';
SELECT pid, cookie FROM pg_background_start('SELECT 1; SELECT fails()', autocommit => true) \gset
:result
DROP FUNCTION fails();

--
-- where statements end
--
CREATE FUNCTION started(sql text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    job pg_background_handle := pg_background_start(sql, autocommit => true);
BEGIN
    RETURN QUERY SELECT * FROM pg_background_result_v2(job.pid, job.cookie) AS (r text);
END
$$;
SELECT started('');
SELECT started('; ;; -- nothing
  /* but /* this; */ and that */ ;');
SELECT started('-- first;
;; /* second; */ SELECT current_query(); ; -- ''third');
SELECT started($$SELECT ';', $a$;$b$;'$a$, ";", E'\';', U&"\003b" FROM (SELECT 1 AS ";") x; SELECT 'one;'
  ' two;' || $q$;$q$ || E'\'; '
  'three'$$);
SELECT started($$CREATE FUNCTION added(a int) RETURNS int LANGUAGE sql
BEGIN ATOMIC
    SELECT CASE WHEN a > 1 THEN CASE a WHEN 2 THEN 3 END END;
    SELECT a + 1;
END;
SELECT added(3)::text$$);
-- an unusual name in a body: the parser knows better
SELECT started($$CREATE OR REPLACE FUNCTION added(a int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1 AS case; SELECT a + 2; END;
SELECT added(3)::text; SELECT added(4)::text$$);
SELECT started($$DROP FUNCTION added(int); CREATE PROCEDURE begin() LANGUAGE sql AS ''; SELECT 'begun'; DROP PROCEDURE begin()$$);
SELECT started($$CREATE RULE twice AS ON UPDATE TO done DO ALSO (INSERT INTO done VALUES (8); INSERT INTO done VALUES (9););
INSERT INTO done VALUES (7); UPDATE done SET note = 'x'; DROP RULE twice ON done$$);
SELECT done();
-- statements are read with the settings that those before them have made
SELECT started($$SET standard_conforming_strings = off; SET escape_string_warning = off; SET backslash_quote = on; SELECT 'a\'; SELECT b\''$$);

--
-- transaction blocks
--
SELECT exec('BEGIN; INSERT INTO done VALUES (1); COMMIT; BEGIN; INSERT INTO done VALUES (2); ROLLBACK; INSERT INTO done VALUES (3)');
SELECT done();
SELECT exec('START TRANSACTION; INSERT INTO done VALUES (1); INSERT INTO dome VALUES (2); COMMIT');
SELECT exec('BEGIN; SAVEPOINT a; INSERT INTO done VALUES (1); SAVEPOINT b; INSERT INTO done VALUES (2); ROLLBACK TO b;
             RELEASE b; INSERT INTO done VALUES (3); RELEASE SAVEPOINT a; END');
SELECT done();
SELECT started($$BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY; COMMIT AND CHAIN;
    SELECT concat_ws(' ', current_setting('transaction_isolation'), current_setting('transaction_read_only')); COMMIT$$);
SELECT started($$BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1; ROLLBACK AND CHAIN; COMMIT AND NO CHAIN;
    SELECT current_setting('transaction_isolation')$$);
SELECT started($$START TRANSACTION; SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; ROLLBACK;
    SET default_transaction_isolation = serializable; SELECT current_setting('transaction_isolation')$$);
SELECT exec('START TRANSACTION READ ONLY; INSERT INTO done VALUES (1); COMMIT');
SELECT exec('SET default_transaction_read_only = on; INSERT INTO done VALUES (1)');
-- outside a block and in it twice, the server says what it says to psql
SELECT exec('COMMIT');
SELECT exec('BEGIN; BEGIN; COMMIT; ROLLBACK');
SELECT exec('SAVEPOINT a');
SELECT exec('BEGIN; ROLLBACK TO nowhere');
SELECT exec('PREPARE TRANSACTION ''t''');
SELECT exec('BEGIN; INSERT INTO done VALUES (1); VACUUM done');
-- a block without end is rolled back
SELECT exec('INSERT INTO done VALUES (1); BEGIN; INSERT INTO done VALUES (2)');
SELECT started('BEGIN; INSERT INTO done VALUES (3) RETURNING n::text');
SELECT done();
-- a statement that fails at its commit
CREATE TABLE late (n int UNIQUE DEFERRABLE INITIALLY DEFERRED);
SELECT exec('INSERT INTO late VALUES (1); INSERT INTO late VALUES (1); INSERT INTO late VALUES (2)');
SELECT exec('BEGIN; INSERT INTO late VALUES (1); INSERT INTO late VALUES (3); COMMIT; INSERT INTO late VALUES (2)');
SELECT * FROM late;
DROP TABLE late;
-- time stands still in a transaction
SELECT started($$CREATE TEMP TABLE t AS SELECT now() AS a, statement_timestamp() AS b; SELECT pg_sleep(0.001);
    SELECT concat_ws(' ', a < now(), b < statement_timestamp()) FROM t$$);
SELECT started($$BEGIN; CREATE TEMP TABLE t AS SELECT now() AS a, statement_timestamp() AS b; SELECT pg_sleep(0.001);
    SELECT concat_ws(' ', a < now(), b < statement_timestamp()) FROM t; COMMIT; BEGIN;
    SELECT concat_ws(' ', a < now(), b < statement_timestamp()) FROM t$$);

--
-- commands that want no transaction around them
--
SELECT pid, cookie FROM pg_background_start($$SET vacuum_cost_delay = 1; INSERT INTO done SELECT generate_series(1, 100);
VACUUM done; VACUUM (ANALYZE) done; CREATE INDEX CONCURRENTLY done_note ON done (note); REINDEX INDEX CONCURRENTLY done_note;
REINDEX TABLE CONCURRENTLY done; CREATE DATABASE regress_pgbg_auto TEMPLATE template0; DROP DATABASE regress_pgbg_auto;
DROP INDEX CONCURRENTLY done_note; SELECT count(*)::text FROM done$$, autocommit => true) \gset
:result
CREATE PROCEDURE commits(first int) LANGUAGE plpgsql AS $$
BEGIN
    FOR n IN first .. first + 2 LOOP
        INSERT INTO done VALUES (n);
        IF n % 2 = 0 THEN COMMIT; ELSE ROLLBACK; END IF;
    END LOOP;
END
$$;
DELETE FROM done;
SELECT exec('CALL commits(1); INSERT INTO done VALUES (5); CALL commits(6); DO $$BEGIN INSERT INTO done VALUES (9); COMMIT; RAISE ''no''; END$$');
SELECT done();
SELECT exec('BEGIN; CALL commits(1); COMMIT');
DROP PROCEDURE commits(int);

--
-- the session lasts as long as the job
--
SELECT started($$SET work_mem = '3MB'; SET LOCAL work_mem = '5MB'; SET search_path = pg_catalog; SHOW work_mem$$);
SELECT started($$SELECT (current_setting('work_mem') = '3MB')::text$$);
SELECT started($$BEGIN; SET LOCAL work_mem = '5MB'; SET maintenance_work_mem = '7MB'; COMMIT;
    SELECT concat_ws(' ', current_setting('work_mem') = '5MB', current_setting('maintenance_work_mem'))$$);
SELECT started($$CREATE TEMP TABLE mine (n int); INSERT INTO mine VALUES (1); INSERT INTO mine VALUES (2); SELECT count(*)::text FROM mine$$);
SELECT started($$SELECT (to_regclass('mine') IS NULL)::text$$);
SELECT started($$CREATE TEMP TABLE mine (n int) ON COMMIT DELETE ROWS; INSERT INTO mine VALUES (1); SELECT count(*)::text FROM mine$$);
SELECT started($$PREPARE p(int) AS SELECT ($1 + 1)::text; EXECUTE p(1); EXECUTE p(2)$$);
SELECT started($$SELECT 1; EXECUTE p(1)$$);
SELECT started($$DECLARE c CURSOR WITH HOLD FOR SELECT n::text FROM generate_series(1, 5) n; FETCH 2 FROM c; FETCH 2 FROM c$$);
SELECT started($$DECLARE c CURSOR FOR SELECT 1$$);
SELECT started($$SELECT pg_advisory_lock(77); SELECT pg_advisory_xact_lock(78);
    SELECT string_agg(objid::text, ' ') FROM pg_locks WHERE locktype = 'advisory' AND objid IN (77, 78)$$);
CALL until('NOT EXISTS (SELECT FROM pg_locks WHERE locktype = ''advisory'' AND objid IN (77, 78))');
SELECT started($$CREATE SEQUENCE s; SELECT nextval('s'); DROP SEQUENCE s; SELECT lastval()::text$$);
-- what a job may not do stays refused, and what came before it stays
SELECT exec('INSERT INTO done VALUES (1); COPY done FROM STDIN');
SELECT exec('INSERT INTO done VALUES (2); BEGIN; INSERT INTO done VALUES (3); COPY done FROM STDIN; COMMIT');
SELECT exec('INSERT INTO done VALUES (4); LISTEN channel');
SELECT done();

--
-- rows, tags, messages
--
SELECT started($$SELECT 'hidden'; SELECT n::text FROM generate_series(1, 3) n$$);
SELECT started($$INSERT INTO done VALUES (1), (2); SELECT 1; BEGIN; DELETE FROM done WHERE n = 1; COMMIT; SELECT 'a' WHERE false; ANALYZE done;
    UPDATE done SET n = n + 1$$);
SELECT exec($$SELECT 'no rows'; INSERT INTO done VALUES (1), (2)$$);
SELECT exec($$SELECT n FROM done$$);
SELECT done();
SELECT started($$DO $a$BEGIN RAISE NOTICE 'first'; END$a$; DROP TABLE IF EXISTS nowhere; DO $a$BEGIN RAISE WARNING 'last'; END$a$ $$);
SELECT pid, cookie FROM pg_background_start('INSERT INTO done VALUES (1); INSERT INTO dome VALUES (1)', autocommit => true, results => false) \gset
CALL finish(:pid, :cookie);
SELECT done();

--
-- which statement has failed
--
CREATE PROCEDURE which(sql text, autocommit bool DEFAULT true) LANGUAGE plpgsql AS $$
DECLARE
    job pg_background_handle := pg_background_start(sql, autocommit => autocommit);
BEGIN
    PERFORM pg_background_await(job);
    RAISE NOTICE '%', (SELECT concat_ws(', ', state, 'statement ' || statement, sqlstate, message) FROM pg_background_outcome(job));
    PERFORM pg_background_forget(job);
END
$$;
CALL which('SELECT 1; ; /* ; */ SELECT 2; SELECT 1 / 0; SELECT 4');
CALL which('SELECT 1; SELECT 2; SELEC 3; SELECT 4');
CALL which('SELECT 1; SELECT ''not closed');
CALL which('CREATE TEMP TABLE late (n int UNIQUE DEFERRABLE INITIALLY DEFERRED); BEGIN; INSERT INTO late VALUES (1), (1); COMMIT; SELECT 5');
CALL which('SELECT 1; BEGIN; COPY done FROM STDIN; COMMIT');
CALL which('SELECT 1; SELECT 2');
CALL which('SELECT 1; SELECT 2; SELECT 1 / 0; SELECT 4', false);
CALL which('SELECT 1; SELECT 2; SELEC 3; SELECT 4', false);
CALL which('SELECT 1; SELECT 2; COMMIT; SELECT 4', false);
DROP PROCEDURE which(text, bool);

--
-- with parameters a job is one statement
--
SELECT pg_background_exec('INSERT INTO done VALUES ($1, $2)', ROW(1, 'x'), autocommit => true);
SELECT pg_background_exec('INSERT INTO done VALUES ($1); INSERT INTO done VALUES (3)', ROW(2), autocommit => true);
SELECT done();

--
-- timeouts
--
\set VERBOSITY terse
SELECT exec('SET statement_timeout = 1000; SELECT pg_sleep(0.6); SELECT pg_sleep(0.6); INSERT INTO done VALUES (1); SELECT pg_sleep(60)');
SELECT done();
SET pg_background.worker_timeout = '1s';
SELECT exec('INSERT INTO done VALUES (1); SELECT pg_sleep(0.6); INSERT INTO done VALUES (2); SELECT pg_sleep(0.6); INSERT INTO done VALUES (3)');
SELECT exec('INSERT INTO done VALUES (4); BEGIN; INSERT INTO done VALUES (5); ROLLBACK; BEGIN; INSERT INTO done VALUES (6); SELECT pg_sleep(60)');
RESET pg_background.worker_timeout;
SELECT done();
\set VERBOSITY default

--
-- other users
--
CREATE ROLE regress_auto;
CREATE ROLE regress_auto_member;
GRANT regress_auto_member TO regress_auto;
GRANT ALL ON done TO regress_auto;
SELECT started($$SET ROLE regress_auto; BEGIN; SELECT 1; COMMIT; SELECT current_user::text$$);
SELECT started($$SET SESSION AUTHORIZATION regress_auto; SELECT 1; SET ROLE regress_auto_member; SELECT concat_ws(' ', session_user, current_user)$$);
SELECT started($$BEGIN; SET LOCAL ROLE regress_auto; COMMIT; BEGIN; SET ROLE regress_auto; ROLLBACK; SELECT (current_user = session_user)::text$$);
-- a SECURITY DEFINER function's user and restrictions are those of each transaction
CREATE FUNCTION definer(sql text) RETURNS SETOF text SECURITY DEFINER SET search_path = public, pg_temp LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY SELECT * FROM started(sql);
END
$$;
GRANT pgbackground_role TO regress_auto;
ALTER FUNCTION definer OWNER TO regress_auto;
\set who 'SELECT concat_ws($$ $$, current_user, session_user = current_user)'
SELECT definer('SELECT 1;' || :'who');
SELECT definer('BEGIN; SELECT 1; SAVEPOINT a; ROLLBACK TO a; COMMIT; BEGIN; ' || :'who');
SELECT definer('BEGIN; SELECT 1; ROLLBACK AND CHAIN; ' || :'who');
SELECT definer('SET client_min_messages = error; VACUUM done; ' || :'who');
SELECT definer('INSERT INTO done VALUES (1); BEGIN; COMMIT AND CHAIN');
SELECT definer('INSERT INTO done VALUES (2); SET ROLE regress_auto_member');
SELECT definer('INSERT INTO done VALUES (3); RESET SESSION AUTHORIZATION');
SELECT definer('BEGIN; INSERT INTO done VALUES (4); COMMIT; DO $$BEGIN COMMIT; END$$');
SELECT definer('INSERT INTO done VALUES (5); BEGIN; SET LOCAL ROLE regress_auto_member');
SELECT definer('INSERT INTO done VALUES (6); ROLLBACK; BEGIN; CREATE TEMP TABLE t ON COMMIT DROP AS ' || :'who' || '; TABLE t; COMMIT; ' || :'who');
-- deferred triggers and held cursors run as that user, too
CREATE TABLE seen (note text);
GRANT ALL ON seen TO regress_auto;
CREATE FUNCTION sees() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO seen VALUES (current_user); RETURN NULL; END$$;
CREATE CONSTRAINT TRIGGER sees AFTER INSERT ON done DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION sees();
SELECT definer('INSERT INTO done VALUES (7); BEGIN; INSERT INTO done VALUES (8); DECLARE c CURSOR WITH HOLD FOR SELECT current_user::text; COMMIT; FETCH c');
SELECT * FROM seen;
SELECT done();
DROP FUNCTION definer(text);
DROP TABLE seen, done;
DROP FUNCTION exec(text), started(text), done(), sees();
DROP PROCEDURE finish(int, bigint);
REVOKE pgbackground_role FROM regress_auto;
\i regress/sql/include/cleanup.sql
DROP ROLE regress_auto, regress_auto_member;
