-- A job that a SECURITY DEFINER function has launched ends transactions, and stays the function's owner in all of them.
\i regress/sql/include/helpers.sql
SELECT current_user AS me \gset
CREATE ROLE regress_pgbg_owner;
CREATE ROLE regress_pgbg_team;
CREATE ROLE regress_pgbg_other;
CREATE ROLE regress_pgbg_caller;
CREATE ROLE regress_pgbg_member;
GRANT pgbackground_role, regress_pgbg_team TO regress_pgbg_owner;
GRANT regress_pgbg_owner TO regress_pgbg_member;
GRANT ALL ON SCHEMA public TO regress_pgbg_owner, regress_pgbg_other;
CREATE TABLE secret AS SELECT 'of a superuser' AS what;
CREATE TABLE seen (n int GENERATED ALWAYS AS IDENTITY, moment text, session text, "current" text, launcher text, ways int, got text);
ALTER TABLE seen OWNER TO regress_pgbg_owner;
CREATE TABLE note (n int);
ALTER TABLE note OWNER TO regress_pgbg_owner;

-- Code of others.
SET ROLE regress_pgbg_other;
CREATE FUNCTION set_role(name text) RETURNS void LANGUAGE plpgsql AS $$BEGIN EXECUTE format('SET ROLE %I', name); END $$;
CREATE FUNCTION set_role_as_other(name text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$BEGIN EXECUTE format('SET ROLE %I', name); END $$;
CREATE FUNCTION is_other() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT current_user::text';
CREATE FUNCTION set_in_trigger() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM set_config('role', 'none', false); RETURN NEW; END $$;
RESET ROLE;
CREATE FUNCTION with_role() RETURNS text LANGUAGE sql SET role = regress_pgbg_team AS 'SELECT current_user::text';
CREATE TABLE watched (n int);
ALTER TABLE watched OWNER TO regress_pgbg_owner;
CREATE TRIGGER t BEFORE INSERT ON watched FOR EACH ROW EXECUTE FUNCTION set_in_trigger();

-- The owner's.
SET ROLE regress_pgbg_owner;
-- All ways to become another: how many are refused, and what those have got that are not.
CREATE FUNCTION tries(moment text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    me text := current_user;
    ways text[] := ARRAY['SET ROLE ' || quote_ident(session_user), 'SET LOCAL ROLE ' || quote_ident(session_user), 'SET ROLE regress_pgbg_team', 'SET ROLE NONE',
        'RESET ROLE', 'SET SESSION AUTHORIZATION ' || quote_ident(session_user), 'SET SESSION AUTHORIZATION DEFAULT', 'RESET SESSION AUTHORIZATION',
        'DISCARD ALL', $q$SELECT set_config('role', 'none', false)$q$, $q$SELECT set_config('role', session_user, true)$q$,
        $q$SELECT set_config('session_authorization', session_user, false)$q$,
        'DO ''BEGIN PERFORM set_config(''''role'''', ''''none'''', false); END''', 'SELECT set_role(session_user)', 'SELECT set_role_as_other(session_user)',
        'SELECT with_role()', 'INSERT INTO watched VALUES (1)', 'TABLE secret', 'ALTER ROLE regress_pgbg_owner SUPERUSER',
        'CREATE ROLE regress_pgbg_made', 'GRANT regress_pgbg_owner TO regress_pgbg_other WITH ADMIN OPTION; SET ROLE regress_pgbg_caller'];
    way text;
    refused int := 0;
    got text[] := '{}';
    x text;
BEGIN
    FOREACH way IN ARRAY ways LOOP
        BEGIN
            EXECUTE way;
            got := got || way;
        EXCEPTION WHEN OTHERS THEN
            refused := refused + 1;
        END;
    END LOOP;
    -- in a simple expression, which no statement of SQL runs
    BEGIN
        x := set_config('role', 'none', false);
        got := got || 'an expression'::text;
    EXCEPTION WHEN OTHERS THEN
        refused := refused + 1;
    END;
    -- these may be done, and change nothing
    RESET ALL;
    IF is_other() <> 'regress_pgbg_other' THEN
        got := got || 'is_other'::text;
    END IF;
    IF current_user <> me THEN
        got := got || current_user::text;
    END IF;
    INSERT INTO seen (moment, session, "current", launcher, ways, got)
        SELECT moment, session_user, current_user, launcher_user, refused, array_to_string(got, ', ') FROM pg_background_current();
END $$;
CREATE PROCEDURE nested() LANGUAGE plpgsql AS $$
BEGIN
    COMMIT;
    PERFORM tries('nested');
    COMMIT;
END $$;
CREATE PROCEDURE escapes() LANGUAGE plpgsql AS $$
DECLARE
    x text;
BEGIN
    PERFORM tries('at first');
    COMMIT;
    -- the first thing that runs in a transaction: an expression
    BEGIN
        x := set_config('role', 'none', false);
        RAISE 'became %', current_user;
    EXCEPTION WHEN insufficient_privilege THEN
        NULL;
    END;
    x := current_user;
    INSERT INTO seen (moment, "current") VALUES ('an expression after COMMIT', x);
    PERFORM tries('after COMMIT');
    COMMIT;
    PERFORM tries('rolled back');
    ROLLBACK;
    x := current_user;
    INSERT INTO seen (moment, "current") VALUES ('an expression after ROLLBACK', x);
    PERFORM tries('after ROLLBACK');
    COMMIT AND CHAIN;
    PERFORM tries('after COMMIT AND CHAIN');
    COMMIT;
    ROLLBACK AND CHAIN;
    PERFORM tries('after ROLLBACK AND CHAIN');
    COMMIT;
    FOR i IN 1..2 LOOP
        INSERT INTO note VALUES (i);
        IF i % 2 = 0 THEN ROLLBACK; ELSE COMMIT; END IF;
    END LOOP;
    FOR x IN SELECT 'in a cursor loop ' || i FROM generate_series(1, 2) i LOOP
        PERFORM tries(x);
        COMMIT;
    END LOOP;
    CALL nested();
    BEGIN
        RAISE division_by_zero;
    EXCEPTION WHEN division_by_zero THEN
        PERFORM tries('in a handler');
    END;
    COMMIT;
END $$;
CREATE FUNCTION deferred() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM tries('in a deferred trigger'); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER d AFTER INSERT ON note DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION deferred();
CREATE FUNCTION start_job(sql text, autocommit bool DEFAULT false) RETURNS pg_background_handle LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp
    AS 'SELECT pg_background_start(sql, autocommit => start_job.autocommit, results => false)';
-- What becomes of a job with that text, as the owner's.
CREATE FUNCTION run(sql text, autocommit bool DEFAULT false) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    job pg_background_handle := start_job(sql, run.autocommit);
    o record;
BEGIN
    PERFORM pg_background_await(job);
    SELECT * INTO o FROM pg_background_outcome(job);
    PERFORM pg_background_forget(job);
    RETURN concat_ws(': ', o.state, o.sqlstate, o.message);
END $$;
RESET ROLE;
CREATE FUNCTION report() RETURNS TABLE (moment text, "current" text, ways int, got text, times bigint) LANGUAGE sql AS $$
    WITH gone AS (DELETE FROM seen RETURNING *)
    SELECT moment, "current", ways, got, count(*) FROM gone GROUP BY 1, 2, 3, 4 ORDER BY min(n) $$;
-- Waits without a snapshot, which CREATE INDEX CONCURRENTLY would wait for.
CREATE PROCEDURE finish(job pg_background_handle) LANGUAGE plpgsql AS $$
BEGIN
    WHILE NOT pg_background_await(job, '50ms') LOOP
        COMMIT;
    END LOOP;
END $$;
SET statement_timeout = '2min';

-- by a plain user, who may call the function and nothing else
SET SESSION AUTHORIZATION regress_pgbg_caller;
SELECT run('CALL escapes()');
RESET SESSION AUTHORIZATION;
SELECT DISTINCT session, launcher FROM seen WHERE session IS NOT NULL;
SELECT * FROM report();
-- the same text, without the function: no job of the owner's
SET SESSION AUTHORIZATION regress_pgbg_caller;
SELECT attempt($$SELECT pg_background_start('CALL escapes()')$$);
RESET SESSION AUTHORIZATION;
-- by a member of the owner's role
SET SESSION AUTHORIZATION regress_pgbg_member;
SELECT run('CALL escapes()');
RESET SESSION AUTHORIZATION;
SELECT DISTINCT session, launcher FROM seen WHERE session IS NOT NULL;
SELECT ways, got, "current", count(*) FROM report() GROUP BY 1, 2, 3 ORDER BY 1;
-- by a superuser, who has set a role or not
SELECT run('CALL escapes()');
SELECT DISTINCT session = :'me' AS session, launcher = :'me' AS launcher FROM seen WHERE session IS NOT NULL;
SELECT ways, got, "current", count(*) FROM report() GROUP BY 1, 2, 3 ORDER BY 1;
SET ROLE regress_pgbg_caller;
SELECT run('CALL escapes()');
RESET ROLE;
SELECT DISTINCT session = :'me' AS session, launcher = :'me' AS launcher FROM seen WHERE session IS NOT NULL;
SELECT ways, got, "current", count(*) FROM report() GROUP BY 1, 2, 3 ORDER BY 1;

-- DO, and scripts
SET SESSION AUTHORIZATION regress_pgbg_caller;
SELECT run($$DO 'BEGIN COMMIT; PERFORM tries(''DO, after COMMIT''); COMMIT; ROLLBACK; PERFORM tries(''DO, after ROLLBACK''); END'$$);
SELECT run($$SELECT tries('script'); CALL escapes(); BEGIN; SELECT tries('block'); COMMIT AND CHAIN; SELECT tries('chained'); ROLLBACK AND CHAIN;
    SELECT tries('chained again'); SAVEPOINT s; SELECT tries('lost'); ROLLBACK TO s; SELECT tries('after ROLLBACK TO'); COMMIT;
    DO 'BEGIN COMMIT; PERFORM tries(''DO''); END'; SELECT tries('at last')$$, true);
SELECT run($$BEGIN; SELECT tries('lost')$$, true);
-- of several statements none ends the transaction
SELECT run($$CALL escapes(); SELECT 1$$);
SELECT run($$COMMIT$$);
RESET SESSION AUTHORIZATION;
SELECT * FROM report();

-- errors in the midst, and after them jobs of the session's own user in the same worker
SET SESSION AUTHORIZATION regress_pgbg_caller;
SELECT run($$DO 'BEGIN COMMIT; PERFORM 1/0; END'$$);
SELECT run($$DO 'BEGIN ROLLBACK; PERFORM 1/0; END'$$);
SELECT run($$SET ROLE regress_pgbg_team$$, true);
SELECT run($$SELECT 1; SET SESSION AUTHORIZATION DEFAULT$$, true);
SELECT run($$CREATE TEMP TABLE u (n int UNIQUE DEFERRABLE INITIALLY DEFERRED); DO 'BEGIN INSERT INTO u VALUES (1), (1); COMMIT; END'$$, true);
RESET SESSION AUTHORIZATION;
SELECT session_user = :'me' AS session, current_user = :'me' AS me FROM pg_background_query('SELECT session_user::text, current_user::text') AS (s text, c text);
SELECT s = :'me' AS session, c = :'me' AS me FROM pg_background_query('SELECT session_user::text, current_user::text') AS (s text, c text);
SELECT attempt($$SELECT pg_background_exec('SET ROLE regress_pgbg_team')$$);
-- a job that such a job launches is the owner's as well
SELECT run($$DO 'BEGIN COMMIT; PERFORM pg_background_exec(''DO $d$BEGIN COMMIT; PERFORM tries($t$launched by a job$t$); END$d$''); END'$$);
SELECT * FROM report();

-- commands that commit while they run
SELECT start_job('CREATE INDEX CONCURRENTLY note_n ON note (n)') AS job \gset
CALL finish(:'job');
SELECT state, message FROM pg_background_outcome(:'job');
SELECT start_job($$VACUUM note; SELECT tries('after VACUUM'); REINDEX INDEX CONCURRENTLY note_n; SELECT tries('after REINDEX'); DROP INDEX CONCURRENTLY note_n;
    CREATE INDEX CONCURRENTLY note_n ON note (abs(n)) WHERE n > 0; SELECT tries('after CREATE INDEX'); ANALYZE note; CLUSTER$$, true) AS job \gset
CALL finish(:'job');
SELECT state, message FROM pg_background_outcome(:'job');
SELECT * FROM report();
-- prepared transactions, where there can be any
SELECT count(*) FROM (SELECT run($$BEGIN; INSERT INTO seen (moment) VALUES ('prepared'); PREPARE TRANSACTION 'regress_pgbg'; SELECT tries('after PREPARE');
    COMMIT PREPARED 'regress_pgbg'; SELECT tries('after COMMIT PREPARED')$$, true) AS r) s WHERE r = 'stopped' OR r LIKE 'error: 55000: prepared transactions are disabled%';
SELECT DISTINCT got, "current" FROM report() WHERE got IS NOT NULL;

RESET statement_timeout;
DROP PROCEDURE finish(pg_background_handle);
DROP FUNCTION report();
DROP OWNED BY regress_pgbg_owner, regress_pgbg_other CASCADE;
DROP FUNCTION with_role();
DROP TABLE secret;
DROP ROLE regress_pgbg_owner, regress_pgbg_team, regress_pgbg_other, regress_pgbg_caller, regress_pgbg_member;
\i regress/sql/include/cleanup.sql
