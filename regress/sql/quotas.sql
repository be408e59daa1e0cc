-- Quotas over all sessions, and launches that wait for one.
\i regress/sql/include/registry.sql
\i regress/sql/include/helpers.sql
SET client_min_messages = warning;
-- cancels all jobs of this session and of those before it, and waits until their places are free
CREATE PROCEDURE clear() LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_background_cancel_v2(pid, cookie) FROM pg_stat_background WHERE datname = current_database();
    PERFORM pg_background_detach_v2(pid, cookie) FROM jobs;
    CALL until('NOT EXISTS (SELECT FROM pg_stat_background WHERE datname = current_database())');
END
$$;

-- the settings; those of the registry's size cannot be changed while there is one
SELECT name, boot_val AS setting, unit, CASE WHEN context IN ('postmaster', 'internal') THEN 'at start' ELSE context END AS context, min_val
  FROM pg_settings
 WHERE name IN ('pg_background.max_jobs', 'pg_background.history_size', 'pg_background.max_workers_total', 'pg_background.max_workers_per_database',
                'pg_background.max_workers_per_role', 'pg_background.launch_timeout', 'pg_background.max_idle_workers', 'pg_background.idle_timeout',
                'pg_background.worker_max_jobs')
 ORDER BY name COLLATE "C";
SET pg_background.max_workers_total = 1;
SET pg_background.max_workers_per_database = 1;
DO $$
BEGIN
    SET pg_background.max_jobs = 1;
EXCEPTION WHEN cant_change_runtime_param THEN
    RAISE WARNING 'no';
END
$$;
CREATE ROLE regress_pgbg_one;
CREATE ROLE regress_pgbg_two;
GRANT pgbackground_role TO regress_pgbg_one, regress_pgbg_two;
SET ROLE regress_pgbg_one;
SET pg_background.max_workers_per_role = 100;
SET pg_background.launch_timeout = '1min';
RESET ROLE;
RESET pg_background.launch_timeout;

--
-- per role
--
SET pg_background.max_workers_per_role = 2;
SET ROLE regress_pgbg_one;
SELECT count(pg_background_submit_v2('SELECT pg_sleep(600)')) FROM generate_series(1, 2);
SELECT pg_background_launch('SELECT 1');
SELECT pg_background_launch_v2('SELECT 1');
SELECT pg_background_submit_v2('SELECT 1');
DO $$
BEGIN
    PERFORM pg_background_launch('SELECT 1');
EXCEPTION WHEN configuration_limit_exceeded THEN
    RAISE WARNING '%', SQLERRM;
END
$$;
-- the other role has its own
SET ROLE regress_pgbg_two;
SELECT count(pg_background_submit_v2('SELECT pg_sleep(600)')) FROM generate_series(1, 2);
\set VERBOSITY terse
SELECT pg_background_launch('SELECT 1');
RESET ROLE;
-- a job that has ended makes room, read or not
SELECT pid, cookie FROM pg_stat_background WHERE usename = 'regress_pgbg_one' ORDER BY launched_at LIMIT 1 \gset
SELECT pg_background_cancel_v2(:pid, :cookie);
CALL until_ended(:cookie);
SET ROLE regress_pgbg_one;
SELECT * FROM pg_background_result(pg_background_launch($$SELECT 'in'$$)) AS (t text);
RESET ROLE;
-- fewer than there are, more, and no limit
SET pg_background.max_workers_per_role = 1;
SET ROLE regress_pgbg_two;
SELECT pg_background_launch('SELECT 1');
RESET ROLE;
SET pg_background.max_workers_per_role = 3;
SET ROLE regress_pgbg_two;
SELECT * FROM pg_background_result(pg_background_launch($$SELECT 'in'$$)) AS (t text);
RESET ROLE;
RESET pg_background.max_workers_per_role;
SET ROLE regress_pgbg_two;
SELECT * FROM pg_background_result(pg_background_launch($$SELECT 'in'$$)) AS (t text);
RESET ROLE;
CALL clear();

-- by ALTER ROLE and ALTER DATABASE, of superusers; counted is whose rights the job has
SET ROLE regress_pgbg_two;
ALTER ROLE regress_pgbg_two SET pg_background.max_workers_per_role = 100;
RESET ROLE;
SELECT current_database() AS this \gset
ALTER ROLE CURRENT_USER IN DATABASE :this SET pg_background.max_workers_per_role = 1;
\c -
SET client_min_messages = warning;
SHOW pg_background.max_workers_per_role;
SET ROLE regress_pgbg_one;
SELECT pg_background_submit_v2('SELECT pg_sleep(600)') IS NOT NULL AS one;
SELECT pg_background_launch('SELECT 1');
\c -
SET client_min_messages = warning;
-- the job of the session that is gone still counts
SET ROLE regress_pgbg_one;
SELECT pg_background_launch('SELECT 1');
SET ROLE regress_pgbg_two;
SELECT * FROM pg_background_result(pg_background_launch($$SELECT 'in'$$)) AS (t text);
RESET ROLE;
ALTER ROLE CURRENT_USER IN DATABASE :this RESET pg_background.max_workers_per_role;
CALL clear();
\c -
SET client_min_messages = warning;

--
-- waiting for a place
--
\set VERBOSITY default
SET pg_background.max_workers_per_role = 1;
SET ROLE regress_pgbg_one;
SELECT pid, cookie FROM pg_background_submit_v2('SELECT pg_sleep(600)') \gset
SET pg_background.launch_timeout = '50ms';
SELECT pg_background_launch('SELECT 1');
-- it is worth the while: the job ends by itself
SET pg_background.launch_timeout = '60s';
SELECT pg_background_cancel_v2(:pid, :cookie);
SELECT * FROM pg_background_result(pg_background_launch($$SELECT 'in'$$)) AS (t text);
SELECT count(*) FROM (SELECT pg_background_submit_v2('SELECT pg_sleep(0.05)') FROM generate_series(1, 10)) s;
-- the wait can be cancelled
SELECT pid, cookie FROM pg_background_submit_v2('SELECT pg_sleep(600)') \gset
SET statement_timeout = '100ms';
SELECT pg_background_launch('SELECT 1');
RESET statement_timeout;
SET pg_background.launch_timeout = 0;
\set VERBOSITY terse
SELECT pg_background_launch('SELECT 1');
RESET ROLE;
SELECT rejected >= 3 AS rejected, queue_waits >= 3 AS queue_waits FROM pg_stat_background_totals WHERE usename = 'regress_pgbg_one' AND datname = current_database();
RESET pg_background.max_workers_per_role;
RESET pg_background.launch_timeout;
CALL clear();

--
-- per database and in all: for the whole server, so in its configuration. A new session sees what a reload has changed.
--
\set VERBOSITY default
ALTER SYSTEM SET pg_background.max_workers_per_database = 2;
SELECT pg_reload_conf();
\c -
SET client_min_messages = warning;
SELECT pg_background_submit_v2('SELECT pg_sleep(600)') IS NOT NULL AS one;
SET ROLE regress_pgbg_one;
SELECT pg_background_submit_v2('SELECT pg_sleep(600)') IS NOT NULL AS two;
SELECT pg_background_submit_v2('SELECT pg_sleep(600)') IS NOT NULL AS three;
RESET ROLE;
CALL clear();
ALTER SYSTEM RESET pg_background.max_workers_per_database;
ALTER SYSTEM SET pg_background.max_workers_total = 2;
SELECT pg_reload_conf();
\c -
SET client_min_messages = warning;
CALL until('NOT EXISTS (SELECT FROM pg_stat_background)');
SELECT pg_background_submit_v2('SELECT pg_sleep(600)') IS NOT NULL AS one;
SET ROLE regress_pgbg_one;
SELECT pg_background_submit_v2('SELECT pg_sleep(600)') IS NOT NULL AS two;
SELECT pg_background_submit_v2('SELECT pg_sleep(600)') IS NOT NULL AS three;
RESET ROLE;
CALL clear();
ALTER SYSTEM RESET pg_background.max_workers_total;
SELECT pg_reload_conf();
\c -
SET client_min_messages = warning;
SELECT count(pg_background_submit_v2('SELECT 1')) FROM generate_series(1, 3);
CALL clear();

DROP PROCEDURE clear();
\i regress/sql/include/cleanup.sql
DROP ROLE regress_pgbg_one, regress_pgbg_two;
