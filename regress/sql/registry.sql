-- What the statistics views show where there is a registry of the jobs of all sessions.
\i regress/sql/include/registry.sql
\i regress/sql/include/helpers.sql
SET client_min_messages = warning;

--
-- which statement of how many runs, and what it is
--
SELECT pg_advisory_lock(2012);
SELECT pid, cookie FROM pg_background_launch_v2($$SET work_mem = '1MB'; CREATE TEMP TABLE t AS SELECT 1 AS i FROM pg_advisory_xact_lock(2012); TABLE t$$) \gset
CALL until_waits(:pid, 'advisory');
SELECT state, statement, statements, command FROM pg_stat_background WHERE cookie = :cookie;
SELECT pg_advisory_unlock(2012);
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (i int);

--
-- the history keeps what was read, forgotten and left behind
--
CALL until_ended(:cookie);
SELECT state, row_count, query FROM pg_background_history WHERE cookie = :cookie;
SELECT pid, cookie FROM pg_background_launch_v2('SELECT generate_series(1, 10) / 0') \gset
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (i int);
CALL until_ended(:cookie);
SELECT state, sqlstate, message, query FROM pg_background_history WHERE cookie = :cookie;
-- nothing that a failed job has done counts, be it that its commit failed
CREATE TABLE checked (i int UNIQUE DEFERRABLE INITIALLY DEFERRED);
SELECT pid, cookie FROM pg_background_launch_v2('INSERT INTO checked VALUES (1), (1), (2)') \gset
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (tag text);
CALL until_ended(:cookie);
SELECT state, sqlstate, row_count FROM pg_background_history WHERE cookie = :cookie;
DROP TABLE checked;
CREATE TABLE many (i int);
SELECT pid, cookie FROM pg_background_submit_v2('INSERT INTO many SELECT generate_series(1, 1000)') \gset
SELECT pg_background_detach_v2(:pid, :cookie);
CALL until_ended(:cookie);
SELECT state, row_count, query FROM pg_background_history WHERE cookie = :cookie;
-- newest first
SELECT count(*) FROM (SELECT finished_at, lag(finished_at) OVER () AS newer FROM pg_background_history) h WHERE finished_at > newer;

--
-- totals, of a role that nobody else is
--
CREATE ROLE regress_pgbg_counted;
GRANT pgbackground_role TO regress_pgbg_counted;
GRANT INSERT ON many TO regress_pgbg_counted;
CREATE VIEW totals AS
SELECT launched, completed, failed, canceled, timed_out, rejected, queue_waits, warm_starts + cold_starts AS starts, run_time
  FROM pg_stat_background_totals WHERE usename = 'regress_pgbg_counted' AND datname = current_database();
GRANT SELECT ON totals TO regress_pgbg_counted;
SELECT count(*) FROM totals;
SET ROLE regress_pgbg_counted;
SELECT * FROM pg_background_result(pg_background_launch('SELECT 1')) AS (i int);
SELECT * FROM pg_background_result(pg_background_launch('INSERT INTO many VALUES (1)')) AS (tag text);
SELECT * FROM pg_background_result(pg_background_launch('SELECT pg_sleep(0.2)')) AS (t text);
SELECT * FROM pg_background_result(pg_background_launch('SELECT 1/0')) AS (i int);
SET pg_background.worker_timeout = '10ms';
SELECT * FROM pg_background_result(pg_background_launch('SELECT pg_sleep(600)')) AS (t text);
RESET pg_background.worker_timeout;
SELECT pid, cookie FROM pg_background_launch_v2('SELECT pg_sleep(600)') \gset
CALL until(format($$(SELECT state = 'running' FROM pg_stat_background WHERE cookie = %s)$$, :cookie));
SELECT pg_background_cancel_v2(:pid, :cookie);
CALL until_ended(:cookie);
SELECT pg_background_detach_v2(:pid, :cookie);
RESET ROLE;
-- a job that worker_timeout ended is counted as that alone
SELECT launched, completed, failed, canceled, timed_out, rejected, queue_waits, starts, run_time >= '0.2s' AND run_time < '300s' AS run_time FROM totals;
-- what was not launched is not counted as launched
SET pg_background.max_workers_per_role = 1;
SET ROLE regress_pgbg_counted;
SELECT pid, cookie FROM pg_background_launch_v2('SELECT pg_sleep(600)') \gset
SELECT pg_background_launch('SELECT 1');
SELECT pg_background_cancel_v2(:pid, :cookie);
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT pg_background_detach_v2(:pid, :cookie);
RESET ROLE;
RESET pg_background.max_workers_per_role;
CALL until('(SELECT canceled = 2 FROM totals)');
SELECT launched, completed, failed, canceled, timed_out, rejected, queue_waits, starts FROM totals;

-- set to zero, for all at once; whoever was granted it
SELECT stats_reset AS reset_before FROM pg_stat_background_totals LIMIT 1 \gset
SET ROLE regress_pgbg_counted;
SELECT pg_background_stat_reset();
RESET ROLE;
GRANT EXECUTE ON FUNCTION pg_background_stat_reset() TO regress_pgbg_counted;
SET ROLE regress_pgbg_counted;
SELECT pg_background_stat_reset();
RESET ROLE;
SELECT count(*) FROM totals;
SET ROLE regress_pgbg_counted;
SELECT * FROM pg_background_result(pg_background_launch('SELECT 2')) AS (i int);
RESET ROLE;
CALL until('(SELECT completed = 1 FROM totals)');
SELECT launched, completed, failed, canceled, timed_out, rejected, queue_waits, starts FROM totals;
SELECT min(stats_reset) > :'reset_before' AS later FROM pg_stat_background_totals;
-- the history stays
SELECT state, query FROM pg_background_history WHERE cookie = :cookie;

--
-- other sessions, other databases
--
-- a job goes on without its session
SELECT pid, cookie FROM pg_background_submit_v2('SELECT pg_sleep(600)') \gset
CALL until_waits(:pid, 'PgSleep');
SELECT pg_backend_pid() AS before \gset
\c -
SET client_min_messages = warning;
SELECT state, launcher_pid = :before AS launcher, query FROM pg_stat_background WHERE cookie = :cookie;
-- whoever may not wait for it by the functions of 3.0 may not by that of the C extension 2.0
CREATE FUNCTION wait_of_2_0(pid int, cookie bigint, timeout_ms int) RETURNS bool STRICT LANGUAGE c AS '$libdir/pg_background', 'pg_background_wait';
CREATE ROLE regress_pgbg_nobody;
GRANT pgbackground_role TO regress_pgbg_nobody;
SET ROLE regress_pgbg_nobody;
SELECT attempt('SELECT pg_background_await(($1, $2), ''1ms'')', :pid, :cookie);
SELECT attempt('SELECT wait_of_2_0($1, $2, 1)', :pid, :cookie);
RESET ROLE;
SELECT wait_of_2_0(:pid, :cookie, 1);
DROP FUNCTION wait_of_2_0(int, bigint, int);
DROP ROLE regress_pgbg_nobody;
SELECT pg_background_cancel_v2(:pid, :cookie);
SELECT pg_background_wait_v2(:pid, :cookie);
CALL until_ended(:cookie);
SELECT state, sqlstate FROM pg_background_history WHERE cookie = :cookie;

-- detached here after another session's cancel, and before it has ended: canceled
SELECT pg_advisory_lock(2013), pg_advisory_lock(2014);
SELECT pid, cookie FROM pg_background_launch_v2($sql$DO $$ BEGIN PERFORM pg_advisory_xact_lock(2013);
    EXCEPTION WHEN query_canceled THEN PERFORM pg_advisory_xact_lock(2014); END $$ $sql$) \gset
CALL until($$EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 2013 AND NOT granted)$$);
SELECT * FROM pg_background_result(pg_background_launch(format('SELECT pg_background_cancel_v2(%s, %s)', :pid, :cookie))) AS (v text);
CALL until($$EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 2014 AND NOT granted)$$);
SELECT pg_background_detach_v2(:pid, :cookie);
SELECT workers_launched, workers_completed, workers_canceled FROM pg_background_stats_v2();
SELECT pg_advisory_unlock(2013), pg_advisory_unlock(2014);

-- of a database with another encoding: what is no text here is not shown as one
SELECT current_database() AS this \gset
CREATE DATABASE regress_pgbg_latin1 TEMPLATE template0 ENCODING LATIN1 LC_COLLATE 'C' LC_CTYPE 'C';
\c regress_pgbg_latin1
SET client_min_messages = warning;
CREATE EXTENSION pg_background;
SELECT * FROM pg_background_result(pg_background_launch(format('SELECT 1 AS %I', 'caf' || chr(233)))) AS (i int);
SELECT pid, cookie FROM pg_background_launch_v2($$SELECT 'caf$$ || chr(233) || $$'::int$$) \gset
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT datname FROM pg_background_history WHERE cookie = :cookie;
\c :this
SET client_min_messages = warning;
CALL until_ended(:cookie);
SELECT datname, state, sqlstate, message, query FROM pg_background_history WHERE cookie = :cookie;
-- names of what is gone are unknown
DROP DATABASE regress_pgbg_latin1;
SELECT datid > 0 AS datid, datname, state FROM pg_background_history WHERE cookie = :cookie;
SELECT oid AS counted FROM pg_roles WHERE rolname = 'regress_pgbg_counted' \gset
DROP OWNED BY regress_pgbg_counted;
DROP ROLE regress_pgbg_counted;
SELECT usename, datname = current_database() AS datname, launched FROM pg_stat_background_totals WHERE usesysid = :counted;

DROP VIEW totals;
DROP TABLE many;
\i regress/sql/include/cleanup.sql
