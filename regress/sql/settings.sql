-- The settings: their defaults, ranges and units, and what they do.
\i regress/sql/include/helpers.sql

-- the library defines them when it is loaded
SELECT * FROM pg_background_stats_v2() WHERE workers_launched > 0;
SELECT name, setting, unit, context, vartype, min_val::int < 1000 AS small_min, max_val, boot_val
  FROM pg_settings WHERE name IN ('pg_background.max_workers', 'pg_background.default_queue_size', 'pg_background.worker_timeout')
 ORDER BY name COLLATE "C";
SELECT min_val FROM pg_settings WHERE name IN ('pg_background.max_workers', 'pg_background.worker_timeout') ORDER BY name COLLATE "C";
SHOW pg_background.max_workers;
SHOW pg_background.default_queue_size;
SHOW pg_background.worker_timeout;

-- ranges and units
SET pg_background.max_workers = 1;
SET pg_background.max_workers = 1000;
SHOW pg_background.max_workers;
SET pg_background.max_workers = 0;
SET pg_background.max_workers = 1001;
SET pg_background.max_workers = 'many';
SET pg_background.max_workers = '1s';
RESET pg_background.max_workers;
SHOW pg_background.max_workers;
SET pg_background.default_queue_size = '1MB';
SHOW pg_background.default_queue_size;
SELECT setting, unit FROM pg_settings WHERE name = 'pg_background.default_queue_size';
SET pg_background.default_queue_size = 100000;
SHOW pg_background.default_queue_size;
SET pg_background.default_queue_size = '256MB';
SHOW pg_background.default_queue_size;
SELECT min_val AS smallest FROM pg_settings WHERE name = 'pg_background.default_queue_size' \gset
SET pg_background.default_queue_size = :smallest;
SELECT * FROM attempt(format('SET pg_background.default_queue_size = %s', :smallest - 1)) AS a WHERE a NOT LIKE '22023: % is outside the valid range for parameter "pg_background.default_queue_size"';
SELECT * FROM attempt('SET pg_background.default_queue_size = 1');
SELECT * FROM attempt('SET pg_background.default_queue_size = 268435457');
SELECT * FROM attempt($$SET pg_background.default_queue_size = '1ms'$$);
RESET pg_background.default_queue_size;
SHOW pg_background.default_queue_size;
SET pg_background.worker_timeout = '5min';
SHOW pg_background.worker_timeout;
SET pg_background.worker_timeout = 1500;
SHOW pg_background.worker_timeout;
SET pg_background.worker_timeout = 2147483647;
SELECT * FROM attempt('SET pg_background.worker_timeout = -1');
SELECT * FROM attempt($$SET pg_background.worker_timeout = '1MB'$$);
RESET pg_background.worker_timeout;
SHOW pg_background.worker_timeout;
-- anybody may set them, for a transaction too
CREATE ROLE regress_pgbg_user;
SET ROLE regress_pgbg_user;
SET pg_background.max_workers = 3;
SET pg_background.default_queue_size = '1MB';
SET pg_background.worker_timeout = '1h';
RESET ROLE;
RESET ALL;
-- what the log has of a job is the administrator's
SELECT name, setting, unit, context FROM pg_settings
 WHERE name IN ('pg_background.log_min_duration', 'pg_background.history_save') ORDER BY name COLLATE "C";
SET ROLE regress_pgbg_user;
SELECT * FROM attempt('SET pg_background.log_min_duration = 0');
RESET ROLE;
SET pg_background.log_min_duration = '1min';
SHOW pg_background.log_min_duration;
SELECT * FROM attempt('SET pg_background.log_min_duration = -2');
RESET pg_background.log_min_duration;
SHOW pg_background.log_min_duration;
SELECT * FROM attempt('SET pg_background.history_save = off');
BEGIN;
SET LOCAL pg_background.max_workers = 5;
SELECT max_workers FROM pg_background_stats_v2();
COMMIT;
SELECT max_workers FROM pg_background_stats_v2();
-- the prefix is the extension's, where the server knows of such
SELECT count(*) FROM attempt('SET pg_background.no_such_setting = 1') AS a
 WHERE a LIKE '42602: invalid configuration parameter name "pg_background.no_such_setting"%'
    OR a = 'fine' AND current_setting('server_version_num')::int < 150000;

--
-- max_workers
--
SET pg_background.max_workers = 2;
SELECT pg_background_launch('SELECT 1') AS one, pg_background_launch('SELECT 1') AS two \gset
SELECT * FROM attempt($$SELECT pg_background_launch('SELECT 1')$$);
SELECT * FROM attempt($$SELECT pg_background_launch_v2('SELECT 1')$$);
SELECT * FROM attempt($$SELECT pg_background_submit_v2('SELECT 1')$$);
DO $$
BEGIN
    PERFORM pg_background_launch('SELECT 1');
EXCEPTION WHEN configuration_limit_exceeded THEN
    RAISE NOTICE '%', SQLERRM;
END
$$;
SELECT count(*) FROM jobs;
-- ended jobs count until they are read or detached
SELECT count(pg_background_wait_v2(pid, cookie)) FROM jobs;
SELECT * FROM attempt($$SELECT pg_background_launch('SELECT 1')$$) LIMIT 1;
SELECT * FROM pg_background_result(:one) AS (i int);
SELECT pg_background_launch('SELECT 3') AS three \gset
SELECT * FROM attempt($$SELECT pg_background_launch('SELECT 1')$$) LIMIT 1;
SELECT pg_background_detach(:two);
SELECT pg_background_launch('SELECT 1/0') AS two \gset
SELECT * FROM attempt(format('SELECT * FROM pg_background_result(%s) AS (i int)', :two));
SELECT pg_background_launch('SELECT 4') AS two \gset
-- fewer than there are: none until enough are gone
SET pg_background.max_workers = 1;
SELECT * FROM pg_background_result(:three) AS (i int);
SELECT * FROM attempt($$SELECT pg_background_launch('SELECT 1')$$) LIMIT 1;
SELECT * FROM pg_background_result(:two) AS (i int);
SELECT * FROM pg_background_result(pg_background_launch('SELECT 5')) AS (i int);
RESET pg_background.max_workers;

--
-- max_worker_processes: the server's limit
--
SET pg_background.max_workers = 1000;
DO $$
DECLARE
    e_hint text;
BEGIN
    FOR i IN 1..current_setting('max_worker_processes')::int + 1 LOOP
        PERFORM pg_background_submit_v2('SELECT pg_sleep(600)');
    END LOOP;
    RAISE NOTICE 'there was no limit';
EXCEPTION WHEN insufficient_resources THEN
    GET STACKED DIAGNOSTICS e_hint = PG_EXCEPTION_HINT;
    RAISE NOTICE '% % (%)', SQLSTATE, SQLERRM, e_hint;
END
$$;
SELECT count(*) > 0 AS some FROM jobs;
SELECT count(pg_background_cancel_v2(pid, cookie)) > 0 AS some FROM jobs;
SELECT count(pg_background_wait_v2(pid, cookie)) > 0 AS some FROM jobs;
-- a slot that is about to be free is waited for
SELECT * FROM pg_background_result(pg_background_launch('SELECT 6')) AS (i int);
SELECT DISTINCT state FROM jobs;
SELECT count(pg_background_detach_v2(pid, cookie)) > 0 AS some FROM jobs;
DO $$
DECLARE
    total int := 0;
BEGIN
    FOR i IN 1..50 LOOP
        total := total + (SELECT r.i FROM pg_background_result(pg_background_launch('SELECT 1')) AS r (i int));
    END LOOP;
    RAISE NOTICE '% jobs', total;
END
$$;
RESET pg_background.max_workers;

--
-- default_queue_size
--
SELECT pg_background_launch('SELECT 1') AS pid \gset
SELECT queue_size FROM jobs;
SELECT pg_background_detach(:pid);
SET pg_background.default_queue_size = '8kB';
SELECT pg_background_launch('SELECT 1') AS a, pg_background_launch('SELECT 1', 0) AS b, pg_background_launch('SELECT 1', -1) AS c,
       pg_background_launch('SELECT 1', -2147483648) AS d, pg_background_launch('SELECT 1', 9000) AS e, pg_background_launch('SELECT 1', :smallest) AS f \gset
SELECT CASE queue_size WHEN :smallest THEN 'the smallest' ELSE queue_size::text END AS queue_size FROM jobs ORDER BY array_position(ARRAY[:a, :b, :c, :d, :e, :f], pid);
SELECT sum(i) FROM jobs, pg_background_result(pid) AS (i int);
RESET pg_background.default_queue_size;
-- bounds
SELECT * FROM attempt($$SELECT pg_background_launch('SELECT 1', 1)$$);
SELECT * FROM attempt(format($$SELECT pg_background_launch('SELECT 1', %s)$$, :smallest - 1));
SELECT * FROM attempt($$SELECT pg_background_launch_v2('SELECT 1', 268435457)$$);
SELECT * FROM attempt($$SELECT pg_background_submit_v2('SELECT 1', 2147483647)$$);
SELECT * FROM pg_background_result(pg_background_launch('SELECT 1', 268435456)) AS (i int);
-- sizes that are no multiple of anything
SELECT sum(i) FROM generate_series(2000, 2020) AS s, LATERAL (SELECT pg_background_launch('SELECT 1', s) AS pid OFFSET 0) l, LATERAL pg_background_result(pid) AS (i int);

--
-- worker_timeout
--
SET pg_background.worker_timeout = '100ms';
SELECT pid, cookie FROM pg_background_launch_v2('SELECT pg_sleep(600)') \gset
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT state, last_error FROM jobs;
SELECT * FROM attempt(format('SELECT * FROM pg_background_result(%s) AS (t text)', :pid));
-- of the whole job, however many statements it has
SELECT * FROM attempt($$SELECT * FROM pg_background_result(pg_background_launch('$$ || repeat('SELECT pg_sleep(0.02);', 1000) || $$')) AS (t text)$$);
-- of submitted ones too
SELECT pid, cookie FROM pg_background_submit_v2('SELECT pg_sleep(600)') \gset
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT state, last_error FROM jobs;
SELECT pg_background_detach_v2(:pid, :cookie);
-- it wins over statement_timeout, which it may be longer than
SET pg_background.worker_timeout = '1h';
SET statement_timeout = '60s';
SELECT * FROM pg_background_result(pg_background_launch('SET statement_timeout = 1; SELECT pg_sleep(0.05), 7')) AS (t text, i int);
SET statement_timeout = 0;
-- without it statement_timeout applies to each statement
RESET pg_background.worker_timeout;
SET statement_timeout = '3s';
SELECT pid, cookie FROM pg_background_launch_v2('SELECT pg_sleep(1.1); SELECT pg_sleep(1.1); SELECT pg_sleep(1.1), 8') \gset
SET statement_timeout = 0;
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (t text, i int);
SET statement_timeout = '1s';
SELECT pid, cookie FROM pg_background_launch_v2('SELECT 1; SELECT pg_sleep(600)') \gset
SET statement_timeout = 0;
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT state, last_error FROM jobs;
SELECT * FROM attempt(format('SELECT * FROM pg_background_result(%s) AS (t text)', :pid));
-- a job may set its own
SELECT * FROM attempt($$SELECT * FROM pg_background_result(pg_background_launch('SET statement_timeout = 50; SELECT pg_sleep(600)')) AS (t text)$$);
SET statement_timeout = '1500ms';
SELECT pid, cookie FROM pg_background_launch_v2('SET statement_timeout = 0; SELECT pg_sleep(1.7), 9') \gset
SET statement_timeout = 0;
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (t text, i int);
RESET statement_timeout;
-- other timeouts of the session apply as well
CREATE TABLE locked (i int);
BEGIN;
LOCK TABLE locked;
SET LOCAL lock_timeout = '10ms';
SELECT * FROM attempt($$SELECT * FROM pg_background_result(pg_background_launch('TABLE locked')) AS (i int)$$);
COMMIT;
DROP TABLE locked;
SELECT count(*) FROM jobs;

--
-- set before the library is loaded (if it is not preloaded), in whatever case; afterwards all settings are found by their
-- names, also those that come just before and after
--
\c
SET "PG_Background.max_workers" = 7;
SET pg_background.worker_timeout = '1min';
SET pg_backgroun.before = 'b';
SET pg_background_.after = 'a';
LOAD 'pg_background';
SELECT max_workers FROM pg_background_stats_v2();
SHOW pg_background.worker_timeout;
SHOW pg_backgroun.before;
SHOW pg_background_.after;
SELECT name FROM pg_settings WHERE current_setting(name, true) IS NULL;
RESET pg_background.max_workers;
SHOW pg_background.max_workers;
SELECT * FROM attempt('SET pg_background.max_workers = 0');

DROP ROLE regress_pgbg_user;
\i regress/sql/include/cleanup.sql
