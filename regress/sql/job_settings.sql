-- Settings that a launch gives to its job, and the job's timeout.
\i regress/sql/include/helpers.sql
SET client_min_messages = warning;
CREATE ROLE regress_pgbg_plain;
GRANT pgbackground_role TO regress_pgbg_plain;
RESET client_min_messages;

-- values: strings with units, numbers, booleans; a list is one string
SELECT pg_background_exec('SELECT', settings => '{}');
SELECT * FROM pg_background_query($$
    SELECT current_setting('work_mem'), current_setting('enable_seqscan'), current_setting('enable_hashjoin'),
           current_setting('statement_timeout'), current_setting('random_page_cost'), current_setting('search_path'),
           current_setting('application_name')
$$, settings => '{"work_mem": "96MB", "enable_seqscan": false, "ENABLE_HASHJOIN": true, "statement_timeout": 0, "random_page_cost": 1.25,
                 "search_path": "pg_catalog, \"A b\"", "application_name": "it''s"}')
    AS (work_mem text, seqscan text, hashjoin text, statement_timeout text, cost text, path text, name text);
-- over those of the session, and gone with the job
SET work_mem = '3MB';
SELECT * FROM pg_background_query($$SHOW work_mem$$, settings => '{"work_mem": 5120}') AS (work_mem text);
SELECT * FROM pg_background_query($$SHOW work_mem$$) AS (work_mem text);
SHOW work_mem;
-- RESET gives what it gives in the session
SELECT * FROM pg_background_query($$SHOW work_mem$$) AS (work_mem text);
SELECT pg_background_exec($$RESET work_mem; DO 'BEGIN ASSERT current_setting(''work_mem'') = ''4MB''; END'$$, settings => '{"work_mem": "5MB"}');
RESET work_mem;
-- they hold for the job's first transaction, and for all of them
SELECT * FROM pg_background_query('SHOW transaction_isolation', settings => '{"default_transaction_isolation": "serializable"}') AS (level text);
SELECT attempt($$SELECT pg_background_exec('CREATE TABLE no ()', settings => '{"default_transaction_read_only": "on"}')$$);
SELECT pg_background_exec($$CREATE TEMPORARY TABLE t AS SELECT current_setting('work_mem') AS s; INSERT INTO t SELECT current_setting('work_mem');
    DO 'BEGIN ASSERT (SELECT count(*) FROM t WHERE s = ''6MB'') = 2; END'$$, autocommit => true, settings => '{"work_mem": "6MB"}');
-- a job that fails leaves nothing either
SELECT attempt($$SELECT pg_background_exec('SELECT 1/0', settings => '{"work_mem": "7MB"}')$$);
SELECT * FROM pg_background_query($$SELECT count(*) FROM pg_settings WHERE setting = '7168'$$) AS (n int8);
-- started, in the same session as one without
SELECT h AS job FROM pg_background_start($$SHOW work_mem$$, settings => '{"work_mem": "8MB"}') h \gset
SELECT * FROM pg_background_rows(:'job') AS (work_mem text);
SELECT * FROM pg_background_query_json('SHOW work_mem', settings => '{"work_mem": "9MB"}');
SELECT * FROM pg_background_query_as(NULL::text, 'SHOW work_mem', settings => '{"work_mem": "10MB"}');

-- customized settings; the session does not get to know them
SELECT * FROM pg_background_query($$SELECT current_setting('regress_opt.var')$$, settings => '{"regress_opt.var": "here"}') AS (var text);
SELECT current_setting('regress_opt.var', true) IS NULL AS unknown;
SELECT * FROM pg_background_query($$SELECT current_setting('regress_opt.var', true) IS NULL$$) AS (unknown bool);
SELECT * FROM pg_background_query($$SHOW pg_background.max_result_rows$$, settings => '{"pg_background.max_result_rows": 1}') AS (n text);

-- what is wrong is said at the launch, as SET says it
\set VERBOSITY verbose
\set SHOW_CONTEXT never
SELECT attempt(format('SELECT pg_background_start(%L, settings => %L)', 'SELECT 1', settings)) FROM (VALUES
    ('{"work_mem": "much"}'), ('{"enable_seqscan": 7}'), ('{"no_such_setting": 1}'), ('{"": 1}'),
    ('{"no such.setting": "x"}'), ('{"max_connections": 5}'), ('{"server_version": "1"}'), ('{"log_connections": true}'), ('{"fsync": false}'),
    ('{"work_mem": null}'), ('{"work_mem": ["1MB"]}'), ('{"work_mem": {"a": 1}}'), ('[1]'), ('"work_mem"'), ('null'),
    ('{"transaction_isolation": "serializable"}'), ('{"Transaction_Read_Only": true}'), ('{"transaction_deferrable": true}'),
    ('{"role": "regress_pgbg_plain"}'), ('{"session_authorization": "regress_pgbg_plain"}')) AS s (settings);
\set VERBOSITY default
SELECT count(*) AS jobs FROM jobs;
-- with the rights of the launcher
SET ROLE regress_pgbg_plain;
SELECT attempt($$SELECT pg_background_exec('SELECT', settings => '{"session_replication_role": "replica"}')$$);
SELECT * FROM pg_background_query($$SHOW work_mem$$, settings => '{"work_mem": "11MB"}') AS (work_mem text);
RESET ROLE;
SELECT * FROM pg_background_query($$SHOW session_replication_role$$, settings => '{"session_replication_role": "replica"}') AS (role text);
CREATE FUNCTION as_owner(settings jsonb) RETURNS SETOF text LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp
    AS $$SELECT role FROM pg_background_query('SELECT current_setting(''session_replication_role'')', settings => settings) AS (role text)$$;
SET SESSION AUTHORIZATION regress_pgbg_plain;
SELECT as_owner('{"session_replication_role": "replica"}');
SELECT attempt($$SELECT pg_background_exec('SELECT', settings => '{"session_replication_role": "replica"}')$$);
RESET SESSION AUTHORIZATION;
SELECT as_owner('{}');

--
-- timeout
--
SELECT attempt($$SELECT pg_background_exec('SELECT pg_sleep(600)', timeout => '10 ms')$$);
-- the whole job, where statement_timeout bounds each statement
SET statement_timeout = '1 min';
SELECT attempt($$SELECT pg_background_exec('SELECT pg_sleep(0.02); SELECT pg_sleep(0.02); SELECT pg_sleep(600)', timeout => '50 ms')$$);
-- it replaces statement_timeout and worker_timeout
RESET statement_timeout;
SELECT pg_background_exec('SELECT pg_sleep(0.05)', timeout => '1 min', settings => '{"statement_timeout": "5ms"}');
SET pg_background.worker_timeout = '5ms';
SELECT pg_background_exec('SELECT pg_sleep(0.05)', timeout => '1 min');
SELECT attempt($$SELECT pg_background_exec('SELECT pg_sleep(600)')$$);
RESET pg_background.worker_timeout;
SELECT h AS job FROM pg_background_start('SELECT pg_sleep(600)', timeout => '5 ms') h \gset
SELECT pg_background_await(:'job');
SELECT state, sqlstate, message FROM pg_background_outcome(:'job');
SELECT pg_background_forget(:'job');
SELECT attempt(format('SELECT pg_background_exec(%L, timeout => %L)', 'SELECT', timeout)) FROM (VALUES ('0'), ('-1 s'), ('1 year'), ('24.8 days')) AS t (timeout);

-- without end, where intervals have one for that (17 and later)
SET pg_background.worker_timeout = '5ms';
SELECT attempt(CASE WHEN current_setting('server_version_num')::int >= 170000
                    THEN $$SELECT pg_background_exec('SELECT pg_sleep(0.05)', timeout => 'infinity', settings => '{"statement_timeout": "5ms"}')$$
                    ELSE 'SELECT' END);
RESET pg_background.worker_timeout;

DROP FUNCTION as_owner;
DROP ROLE regress_pgbg_plain;
\i regress/sql/include/cleanup.sql
