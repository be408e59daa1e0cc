-- What a job leaves behind in its session is not there for the next job, whether that runs in the same worker or in a new one.
SET client_min_messages = warning;
CREATE EXTENSION pg_background;
CREATE ROLE regress_pgbg_warm;
CREATE ROLE regress_pgbg_other;
CREATE SCHEMA regress_pgbg;
RESET client_min_messages;
GRANT ALL ON SCHEMA regress_pgbg TO PUBLIC;
GRANT pgbackground_role TO regress_pgbg_warm;

-- runs a job to its end: its only row, its tag, or its error
CREATE FUNCTION job(sql text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT string_agg(t, '; ') FROM pg_background_result(pg_background_launch(sql)) AS (t text));
EXCEPTION WHEN OTHERS OR query_canceled THEN
    RETURN regexp_replace(SQLERRM, 'PID \d+', 'PID N');
END
$$;
GRANT EXECUTE ON FUNCTION job(text) TO PUBLIC;
-- two jobs, one after the other
CREATE FUNCTION after(first text, second text) RETURNS TABLE (job text, result text) LANGUAGE sql AS $$
    SELECT 'first', job(first)
    UNION ALL
    SELECT 'second', job(second)
$$;

--
-- settings
--
CREATE FUNCTION changed() RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(name || ' = ' || setting, ', ' ORDER BY name COLLATE "C"), 'nothing') FROM pg_settings WHERE source = 'session'
$$;
RESET ALL;
CREATE TABLE launchers AS SELECT changed() AS changed;
CREATE FUNCTION unlike() RETURNS text LANGUAGE sql AS $$
    SELECT CASE changed() WHEN changed THEN 'as in the launcher' ELSE changed() END FROM launchers
$$;
SELECT * FROM after($$SET work_mem = '77MB'$$, 'SELECT unlike()');
SELECT * FROM after($$SET search_path = regress_pgbg, public; SET DateStyle = german; SET timezone = 'Asia/Tokyo'; SET extra_float_digits = 0$$, 'SELECT unlike()');
SELECT * FROM after('SET client_encoding = latin1; SET client_min_messages = debug1; SET bytea_output = escape', 'SELECT unlike()');
SELECT * FROM after('SET session_replication_role = replica; SET row_security = off; SET default_transaction_read_only = on', 'SELECT unlike()');
SELECT * FROM after($$SET application_name = 'somebody else'$$, $$SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid() AND application_name = 'somebody else'$$);
SELECT * FROM after($$SELECT set_config('work_mem', '1MB', true)$$, 'SELECT unlike()');
SELECT * FROM after($$SET work_mem = '77MB'; SELECT 1/0$$, 'SELECT unlike()');
SELECT * FROM after('RESET ALL', 'SELECT unlike()');
SELECT * FROM after('DISCARD ALL', 'SELECT unlike()');
-- those of the launcher are what a job finds, whatever the one before did to them
SET work_mem = '99MB';
SET search_path = regress_pgbg, public;
UPDATE launchers SET changed = changed();
SELECT * FROM after($$SELECT current_setting('work_mem')$$, 'SELECT unlike()');
SELECT * FROM after($$SET work_mem = '1MB'$$, $$SELECT current_setting('work_mem')$$);
SELECT * FROM after('RESET work_mem', $$SELECT current_setting('work_mem')$$);
SELECT * FROM after($$SET work_mem = '1MB'; SET search_path = pg_catalog$$, 'SELECT unlike()');
SELECT * FROM after('RESET ALL', 'SELECT unlike()');
SELECT * FROM after('DISCARD ALL', 'SELECT unlike()');
-- and they change with the launcher's
SET work_mem = '98MB';
SELECT job($$SELECT current_setting('work_mem')$$);
BEGIN;
SET LOCAL work_mem = '96MB';
SELECT job($$SELECT current_setting('work_mem')$$);
ROLLBACK;
SELECT job($$SELECT current_setting('work_mem')$$);
RESET work_mem;
SELECT job($$SELECT (current_setting('work_mem') = '98MB')::text$$);
RESET search_path;
SELECT job('SHOW search_path') = current_setting('search_path') AS same;
-- RESET gives what it gives in a new session
CREATE FUNCTION reset_gives(name text) RETURNS text LANGUAGE sql AS $$ SELECT reset_val FROM pg_settings WHERE pg_settings.name = reset_gives.name $$;
SELECT job($$SELECT reset_gives('work_mem')$$) AS before \gset
SET work_mem = '95MB';
SELECT job($$SELECT reset_gives('work_mem')$$) = :'before' AS same;
RESET work_mem;
SELECT job($$SELECT reset_gives('work_mem')$$) = :'before' AS same;
DROP FUNCTION reset_gives(text);
-- a setting that is no library's
SELECT * FROM after($$SET regress_pgbg.mine = 'a secret'$$, $$SELECT coalesce(current_setting('regress_pgbg.mine', true), 'unknown')$$);
SELECT * FROM after($$SELECT set_config('regress_pgbg.mine', 'a secret', true)$$, $$SELECT coalesce(current_setting('regress_pgbg.mine', true), 'unknown')$$);
SELECT * FROM after($$SET regress_pgbg.mine = 'a secret'; SELECT 1/0$$, $$SELECT coalesce(current_setting('regress_pgbg.mine', true), 'unknown')$$);
SELECT * FROM after($$SET regress_pgbg.mine = 'a secret'; RESET regress_pgbg.mine$$, 'SHOW regress_pgbg.mine');
SET regress_pgbg.ours = $$the launcher's$$;
SELECT * FROM after($$SET regress_pgbg.ours = 'a job''s'$$, 'SHOW regress_pgbg.ours');
SELECT * FROM after('RESET regress_pgbg.ours', 'SHOW regress_pgbg.ours');
SET regress_pgbg.ours = 'another';
SELECT job('SHOW regress_pgbg.ours');
RESET regress_pgbg.ours;
SELECT job($$SELECT coalesce(current_setting('regress_pgbg.ours', true), 'unknown')$$);

-- RESET gives what the client has asked for at its connection, whatever the session has set since
\c -reuse-previous=on "options='-c work_mem=2MB -c regress_pgbg.client=theirs -c DateStyle=SQL,DMY' application_name=at_first"
SET search_path = regress_pgbg, public;
CREATE FUNCTION resets(name text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'RESET ' || name;
    RETURN current_setting(name);
END
$$;
CREATE FUNCTION in_job(name text) RETURNS text LANGUAGE sql AS $$ SELECT job(format('SELECT resets(%L)', name)) $$;
SET work_mem = '7MB';
SET DateStyle = german;
SET application_name = 'later';
SET regress_pgbg.client = 'mine';
SET TimeZone = 'Asia/Tokyo';
SELECT name, job(format('SHOW %s', name)) AS now, in_job(name), job(format('SHOW %s', name)) AS again
  FROM unnest('{work_mem, DateStyle, application_name, regress_pgbg.client}'::text[]) AS name;
SELECT in_job('TimeZone') = reset_val AS same FROM pg_settings WHERE name = 'TimeZone';
SELECT job($$SELECT reset_val FROM pg_settings WHERE name = 'work_mem'$$) AS reset_val;
SELECT name, resets(name) AS directly FROM unnest('{work_mem, DateStyle, application_name, regress_pgbg.client}'::text[]) AS name;
SELECT job('SHOW work_mem'), in_job('work_mem');
-- a session with other wishes has its own
\c -reuse-previous=on "options='-c work_mem=3MB -c regress_pgbg.client=ours'"
SET search_path = regress_pgbg, public;
SET work_mem = '7MB';
SET regress_pgbg.client = 'mine';
SELECT name, job(format('SHOW %s', name)) AS now, in_job(name) FROM unnest('{work_mem, regress_pgbg.client}'::text[]) AS name;
\c -reuse-previous=on "options=''"
SET search_path = regress_pgbg, public;
SELECT resets('work_mem') = in_job('work_mem') AS same;
SET work_mem = '7MB';
SELECT in_job('work_mem') = resets('work_mem') AS same;
DROP FUNCTION resets(text), in_job(text);
-- one that is no library's is known, and empty, after its RESET
SET regress_pgbg.gone = 'x';
RESET regress_pgbg.gone;
SHOW regress_pgbg.gone;
SELECT job('SHOW regress_pgbg.gone') = current_setting('regress_pgbg.gone') AS same;
SELECT job('SHOW regress_pgbg.never');
SET regress_pgbg.gone = 'y';
SELECT job('SHOW regress_pgbg.gone'), job($$SELECT set_config('regress_pgbg.gone', NULL, false)$$);

--
-- who it is
--
CREATE TABLE me AS SELECT session_user AS user_name;
GRANT SELECT ON me TO PUBLIC;
CREATE FUNCTION who() RETURNS text LANGUAGE sql AS $$
    SELECT (CASE current_user WHEN user_name THEN 'me' ELSE current_user END) || ', '
        || (CASE session_user WHEN user_name THEN 'me' ELSE session_user END) || ', superuser ' || current_setting('is_superuser')
      FROM me
$$;
SELECT * FROM after('SET ROLE regress_pgbg_warm', 'SELECT who()');
SELECT * FROM after('SET SESSION AUTHORIZATION regress_pgbg_warm', 'SELECT who()');
SELECT * FROM after('SET SESSION AUTHORIZATION regress_pgbg_warm; SET ROLE NONE', 'SELECT who()');
SELECT * FROM after('SET SESSION AUTHORIZATION regress_pgbg_warm; SELECT 1/0', 'SELECT who()');
SELECT * FROM after($$SELECT set_config('role', 'regress_pgbg_warm', true)$$, 'SELECT who()');
SET ROLE regress_pgbg_warm;
SELECT * FROM after('SELECT who()', 'SELECT who()');
SELECT * FROM after('RESET ROLE', 'SELECT who()');
SELECT * FROM after('SET ROLE NONE', 'SELECT who()');
SELECT * FROM after('SET ROLE regress_pgbg_other', 'SELECT who()');
SELECT * FROM after('SET SESSION AUTHORIZATION regress_pgbg_other', 'SELECT who()');
RESET ROLE;
SELECT job('SELECT who()');
SET SESSION AUTHORIZATION regress_pgbg_warm;
SELECT * FROM after('SELECT who()', 'SELECT who()');
SELECT * FROM after('RESET SESSION AUTHORIZATION', 'SELECT who()');
RESET SESSION AUTHORIZATION;
SELECT job('SELECT who()');
-- what the role may do is looked up again
SET ROLE regress_pgbg_warm;
SELECT job('SELECT who()');
RESET ROLE;
ALTER ROLE regress_pgbg_warm SUPERUSER;
SET ROLE regress_pgbg_warm;
SELECT job('SELECT who()');
RESET ROLE;
ALTER ROLE regress_pgbg_warm NOSUPERUSER;
SET ROLE regress_pgbg_warm;
SELECT job('SELECT who()');
RESET ROLE;
-- and so is a role that has come again
CREATE ROLE regress_pgbg_again;
GRANT pgbackground_role TO regress_pgbg_again;
SET ROLE regress_pgbg_again;
SELECT job('SELECT who()');
RESET ROLE;
DROP ROLE regress_pgbg_again;
CREATE ROLE regress_pgbg_again;
GRANT pgbackground_role TO regress_pgbg_again;
SET ROLE regress_pgbg_again;
SELECT job('SELECT who()');
RESET ROLE;
DROP ROLE regress_pgbg_again;
-- the security context of a function that launched the job before
CREATE FUNCTION as_owner(sql text) RETURNS text SECURITY DEFINER LANGUAGE sql AS $$ SELECT job(sql) $$;
GRANT USAGE, CREATE ON SCHEMA public TO regress_pgbg_warm;
ALTER FUNCTION as_owner(text) OWNER TO regress_pgbg_warm;
SELECT as_owner('SELECT who()'), job('SELECT who()');
SELECT as_owner($$SET work_mem = '1MB'; SELECT 1/0$$), job('SET ROLE regress_pgbg_other');
SELECT job('SELECT who()');

--
-- objects of the session
--
SELECT * FROM after('PREPARE mine AS SELECT 1', 'SELECT count(*)::text FROM pg_prepared_statements');
SELECT * FROM after('PREPARE mine AS SELECT 1; DECLARE mine CURSOR WITH HOLD FOR SELECT 1', 'PREPARE mine AS SELECT 2');
SELECT * FROM after('DECLARE mine CURSOR WITH HOLD FOR SELECT 1', $$SELECT count(*)::text FROM pg_cursors WHERE name = 'mine'$$);
SELECT * FROM after($$SET work_mem = 64; DECLARE mine CURSOR WITH HOLD FOR SELECT repeat('x', 1000) FROM generate_series(1, 1000)$$,
                    $$SELECT count(*)::text FROM pg_ls_tmpdir() WHERE name LIKE 'pgsql_tmp' || pg_backend_pid() || '.%'$$);
SELECT * FROM after('CREATE TEMP TABLE mine (i int)', $$SELECT (pg_my_temp_schema() = 0 AND to_regclass('mine') IS NULL)::text$$);
SELECT * FROM after('CREATE TEMP TABLE mine (i int)', 'CREATE TEMP TABLE mine (i int)');
SELECT * FROM after('CREATE TEMP TABLE mine ON COMMIT DELETE ROWS AS SELECT 1', $$SELECT to_regclass('pg_temp.mine')::text$$);
SELECT * FROM after('CREATE TEMP TABLE mine ON COMMIT DROP AS SELECT 1', 'SET temp_buffers = 200');
SELECT * FROM after('CREATE TEMP TABLE mine AS SELECT 1; SELECT 1/0', 'SET temp_buffers = 200');
SELECT * FROM after($$CREATE FUNCTION pg_temp.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'$$, 'SELECT pg_temp.mine()::text');
SELECT * FROM after('CREATE TEMP TABLE launchers (changed text)', $$SELECT relpersistence::text FROM pg_class WHERE oid = 'launchers'::regclass$$);
SELECT * FROM after('LISTEN mine', 'SELECT count(*)::text FROM pg_listening_channels()');
SELECT * FROM after('NOTIFY mine', 'SELECT count(*)::text FROM pg_listening_channels()');
SELECT * FROM after('SELECT pg_advisory_lock(1)::text || pg_advisory_lock(1)::text || pg_advisory_lock_shared(2, 3)::text',
                    $$SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()$$);
SELECT * FROM after('SELECT pg_advisory_lock(1); SELECT 1/0', $$SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()$$);
-- waits for a session that is on its way out
SELECT pg_advisory_lock(1), pg_advisory_unlock(1), pg_advisory_lock(2, 3), pg_advisory_unlock(2, 3);
CREATE SEQUENCE numbers CACHE 10;
SELECT * FROM after($$SELECT nextval('numbers')::text$$, $$SELECT nextval('numbers')::text$$);
SELECT * FROM after($$SELECT nextval('numbers')::text$$, $$SELECT currval('numbers')::text$$);
SELECT * FROM after($$SELECT nextval('numbers')::text$$, 'SELECT lastval()::text');
DROP SEQUENCE numbers;
SELECT count(DISTINCT job('SELECT random()::text FROM (SELECT setseed(0.5) OFFSET 0) s')) AS seeded,
       count(DISTINCT job('SELECT random()::text')) AS unseeded FROM generate_series(1, 3);
-- the launcher's seed is its own: for no job, in whatever worker, is random() what it would be in the session
SET seed = 0.5;
SELECT count(*) FROM generate_series(1, 3) WHERE job('SELECT random()::text')::float8 = (SELECT random() FROM (SELECT setseed(0.5) OFFSET 0) s);
SET seed = 0.25;
SELECT count(*) FROM generate_series(1, 3) WHERE job('SELECT random()::text')::float8 = (SELECT random() FROM (SELECT setseed(0.25) OFFSET 0) s);
-- a job that was given one has it
SELECT count(*) AS seeded FROM generate_series(1, 3), pg_background_query('SELECT random()', settings => '{"seed": 0.5}') AS (r float8)
 WHERE r = (SELECT random() FROM (SELECT setseed(0.5) OFFSET 0) s);
SELECT * FROM after('SET seed = 0.5', 'SELECT (random() = (SELECT random() FROM (SELECT setseed(0.5) OFFSET 0) s))::text');
-- libraries
SELECT * FROM after($$LOAD 'pgoutput'$$, $$SELECT 'fine'$$);
SELECT * FROM after($$LOAD 'no_such_library'$$, $$SELECT 'fine'$$);
-- a library stays loaded, but what a job has set of it does not stay set
SELECT * FROM after($$LOAD 'plpgsql'; SET plpgsql.extra_errors = 'all'; SET plpgsql.check_asserts = off; SELECT 'set'$$,
                    $$LOAD 'plpgsql'; SELECT current_setting('plpgsql.extra_errors') || ', ' || current_setting('plpgsql.check_asserts')$$);
-- what a session replicates
SELECT * FROM after($$SELECT slot_name::text FROM pg_create_physical_replication_slot('regress_pgbg_slot', false, true)$$,
                    'SELECT count(*)::text FROM pg_replication_slots WHERE active_pid = pg_backend_pid()');
SELECT pg_replication_origin_create('regress_pgbg_origin') > 0 AS created;
SELECT * FROM after($$SELECT pg_replication_origin_session_setup('regress_pgbg_origin')::text$$, 'SELECT pg_replication_origin_session_is_setup()::text');
-- once its session is gone
DO $$
BEGIN
    FOR i IN 1..6000 LOOP
        BEGIN
            PERFORM pg_replication_origin_drop('regress_pgbg_origin');
            RETURN;
        EXCEPTION WHEN object_in_use THEN
            PERFORM pg_sleep(0.01);
        END;
    END LOOP;
END
$$;
-- a backup is its session's
SELECT CASE WHEN current_setting('server_version_num')::int < 150000 THEN $$pg_start_backup('b', true, false)$$ ELSE $$pg_backup_start('b', true)$$ END AS start,
       CASE WHEN current_setting('server_version_num')::int < 150000 THEN 'pg_stop_backup(false)' ELSE 'pg_backup_stop()' END AS stop \gset
SELECT job(format('SELECT (%s IS NOT NULL)::text', :'start')) AS started;
SELECT job(format('SELECT (%s IS NOT NULL)::text', :'stop')) LIKE '%backup is not in progress' AS unknown;

--
-- transactions
--
CREATE TABLE parent (i int PRIMARY KEY);
CREATE TABLE child (i int REFERENCES parent DEFERRABLE);
SELECT * FROM after('SET CONSTRAINTS ALL DEFERRED', 'INSERT INTO child VALUES (1)');
SELECT * FROM after($$SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY; SELECT current_setting('transaction_isolation')$$,
                    $$SELECT current_setting('transaction_isolation') || ', ' || current_setting('transaction_read_only')$$);
SELECT * FROM after('SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY',
                    $$SELECT current_setting('transaction_isolation') || ', ' || current_setting('transaction_read_only')$$);
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT job('SHOW transaction_isolation'), job('SHOW transaction_read_only');
COMMIT;
SELECT * FROM after('SELECT 1/0', 'INSERT INTO parent VALUES (1)');
SELECT * FROM after('INSERT INTO parent VALUES (1)', 'INSERT INTO parent VALUES (2)');
SELECT * FROM after('SET statement_timeout = 20; SELECT pg_sleep(600)', $$SELECT pg_sleep(0.05)::text || 'slept' || current_setting('statement_timeout')$$);
SELECT * FROM after('SELECT pg_terminate_backend(pg_backend_pid())::text || pg_sleep(600)::text', $$SELECT 'fine'$$);
SET pg_background.worker_timeout = '20ms';
SELECT job('SELECT pg_sleep(600)');
RESET pg_background.worker_timeout;
SELECT job($$SELECT pg_sleep(0.05)::text || 'slept'$$);
SELECT pid, cookie FROM pg_background_launch_v2('SELECT pg_sleep(600)') \gset
SELECT pg_background_cancel_v2(:pid, :cookie);
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT pg_background_detach_v2(:pid, :cookie);
SELECT job($$SELECT pg_sleep(0.01)::text || 'slept'$$);
SELECT * FROM after('VACUUM parent', 'SELECT count(*)::text FROM parent');
SELECT * FROM after('DO $$ BEGIN COMMIT; PERFORM 1/0; END $$', 'SELECT count(*)::text FROM parent');
SELECT * FROM after('CREATE TABLE undone (i int); SELECT 1/0', $$SELECT to_regclass('undone')::text$$);

--
-- plans, and what was dropped under them
--
CREATE TABLE planned AS SELECT 1 AS a;
CREATE FUNCTION read_planned() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT p::text FROM planned p); END $$;
SELECT job('SELECT read_planned()');
ALTER TABLE planned ADD b text DEFAULT 'b';
SELECT job('SELECT read_planned()');
DROP TABLE planned;
SELECT job('SELECT read_planned()');
CREATE TABLE planned AS SELECT 'new' AS c;
SELECT job('SELECT read_planned()');
CREATE OR REPLACE FUNCTION read_planned() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN 'replaced'; END $$;
SELECT job('SELECT read_planned()');
DROP FUNCTION read_planned();
SELECT job('SELECT read_planned()');
DROP TABLE planned;
CREATE TYPE mood AS ENUM ('fine');
SELECT job('SELECT enum_range(NULL::mood)::text');
ALTER TYPE mood ADD VALUE 'finer';
SELECT job('SELECT enum_range(NULL::mood)::text');
DROP TYPE mood;

--
-- jobs of a job
--
SELECT * FROM after($$SELECT (pg_background_launch('SELECT 1') > 0)::text$$,
                    'SELECT count(*)::text FROM pg_background_list_v2() AS (pid int4, cookie int8, launched_at timestamptz, user_id oid, queue_size int4, '
                    'state text, sql_preview text, last_error text, consumed bool)');
SELECT * FROM after($$SELECT (pg_background_launch('SELECT 1') > 0)::text$$, 'SELECT workers_launched::text FROM pg_background_stats_v2()');

--
-- what the session's own statistics say
--
CREATE TABLE counted (i int);
CREATE FUNCTION counted() RETURNS text LANGUAGE sql AS $$ SELECT count(*)::text FROM counted $$;
CREATE FUNCTION counts() RETURNS text LANGUAGE sql AS $$
    SELECT format('%s inserted, %s scans, %s calls', coalesce(n_tup_ins, 0), coalesce(seq_scan, 0),
                  (SELECT coalesce(sum(calls), 0) FROM pg_stat_xact_user_functions WHERE funcname = 'counted'))
      FROM pg_stat_xact_user_tables WHERE relid = 'counted'::regclass
$$;
SET track_functions = 'all';
SELECT * FROM after('INSERT INTO counted VALUES (1), (2), (3)', 'SELECT counts()');
SELECT job('SELECT counted()'), job('SELECT counted()'), job('SELECT counts()');
SELECT job('INSERT INTO counted VALUES (4); SELECT counted(); SELECT counts()');
SELECT * FROM after('INSERT INTO counted VALUES (1); SELECT 1/0', 'SELECT counts()');
SELECT DISTINCT job('SELECT counts() FROM counted LIMIT 1') FROM generate_series(1, 10);
RESET track_functions;
DROP FUNCTION counted(), counts();
DROP TABLE counted;

--
-- a setting that comes where another one went
--
\c -
SET search_path = regress_pgbg, public;
SET plpgsql.extra_errors = 'all';
SELECT * FROM pg_background_result(pg_background_launch($$SELECT current_setting('my.other', true) IS NULL$$)) AS (missing bool);
LOAD 'plpgsql';
RESET plpgsql.extra_errors;
SET my.other = 'all';
SELECT * FROM pg_background_result(pg_background_launch($$SELECT current_setting('my.other', true)$$)) AS (other text);

DROP TABLE me, launchers, child, parent;
DROP FUNCTION who(), changed(), unlike(), as_owner(text), after(text, text), job(text);
REVOKE ALL ON SCHEMA public FROM regress_pgbg_warm;
SET client_min_messages = warning;
DROP SCHEMA regress_pgbg CASCADE;
SELECT pg_background_drop_executor_role();
DROP EXTENSION pg_background;
DROP ROLE regress_pgbg_warm, regress_pgbg_other;
