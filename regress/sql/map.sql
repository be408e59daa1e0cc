-- pg_background_map: many statements, so many at a time, a row for each.
\i regress/sql/include/helpers.sql
SET client_min_messages = warning;
CREATE TABLE t (i int);
-- what of a row does not vary
CREATE FUNCTION m(statements text[], parallel int DEFAULT 4, autocommit bool DEFAULT false, stop_on_error bool DEFAULT false)
    RETURNS TABLE (ordinal int, state text, command_tag text, row_count bigint, sqlstate text, message text, has_run bool)
    LANGUAGE sql AS $$
    SELECT ordinal, state, command_tag, row_count, sqlstate, message, run_time >= interval '0'
      FROM pg_background_map(statements, parallel, autocommit, stop_on_error)
$$;
CREATE FUNCTION left_over() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM jobs';

-- a row for each, in the order of the array, however they end
SELECT * FROM m('{SELECT i FROM generate_series(1\, 3) i,INSERT INTO t VALUES (1),SELECT 1/0,SELEC,"",-- nothing
,SELECT 1; UPDATE t SET i = i; SELECT}');
SELECT * FROM t;
SELECT left_over();
-- canceled by the server's means; its process terminated
SELECT ordinal, state, sqlstate FROM m('{SELECT pg_cancel_backend(pg_backend_pid())\, pg_sleep(600),SELECT pg_terminate_backend(pg_backend_pid())\, pg_sleep(600)}');
-- what ends late comes where it belongs
SELECT ordinal, command_tag, row_count FROM pg_background_map(ARRAY['SELECT pg_sleep(0.3)', 'SELECT FROM generate_series(1, 2)', 'SELECT 3']) ORDER BY run_time DESC LIMIT 1;
SELECT ordinal, row_count FROM pg_background_map(ARRAY['SELECT pg_sleep(0.3)', 'SELECT FROM generate_series(1, 2)', 'VALUES (1), (2), (3)']);
-- statements that cannot run in a transaction block; scripts with autocommit
CREATE SCHEMA regress_pgbg_map;
SELECT * FROM m('{VACUUM t,REINDEX SCHEMA regress_pgbg_map,VACUUM (FULL) t}', 1);
DROP SCHEMA regress_pgbg_map;
SELECT * FROM m(ARRAY['VACUUM t; VACUUM t', 'SELECT 1; COMMIT']);
-- what waits for the call's own snapshot is found out
SET deadlock_timeout = '10 ms';
\set VERBOSITY sqlstate
SELECT * FROM m(ARRAY['SELECT pg_sleep(0.1)', 'CREATE INDEX CONCURRENTLY t_i ON t (i)']);
\set VERBOSITY default
RESET deadlock_timeout;
SELECT left_over();
CALL until('NOT EXISTS (SELECT FROM pg_locks WHERE relation = ''t''::regclass)');
DROP INDEX IF EXISTS t_i;
SELECT * FROM m(ARRAY['VACUUM t; ANALYZE t', 'INSERT INTO t VALUES (3); SELECT 1/0'], autocommit => true);
SELECT * FROM t ORDER BY i;
-- each is a transaction of its own, whatever becomes of the caller's; messages are not passed on
BEGIN;
SELECT * FROM m(ARRAY['INSERT INTO t VALUES (4)', $$DO 'BEGIN RAISE WARNING ''unheard''; END'$$]);
ROLLBACK;
SELECT * FROM t ORDER BY i;

-- the first failure stops the rest: what runs is canceled, what has not begun does not begin
CREATE FUNCTION fail_late() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    CALL until('EXISTS (SELECT FROM t WHERE i = 5)');
    CALL until('EXISTS (SELECT FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = ''pg_background'' AND wait_event = ''PgSleep'')');
    RAISE EXCEPTION 'late';
END
$$;
SELECT * FROM m(ARRAY['INSERT INTO t VALUES (5)', 'INSERT INTO t VALUES (6); SELECT pg_sleep(600)', 'SELECT fail_late()', 'SELECT 1', 'SELECT 2'],
                2, stop_on_error => true);
SELECT * FROM t ORDER BY i;
SELECT * FROM m(ARRAY['SELECT 1', 'SELECT 1/0', 'SELECT 1'], 1, stop_on_error => true);
SELECT left_over();

-- no statements, and what it refuses
SELECT * FROM m('{}');
SELECT * FROM m(NULL);
SELECT * FROM attempt($$SELECT * FROM pg_background_map('{SELECT 1,NULL,NULL}')$$);
SELECT * FROM attempt($$SELECT * FROM pg_background_map('{{SELECT 1},{SELECT 2}}')$$);
SELECT * FROM attempt($$SELECT * FROM pg_background_map('{SELECT 1}', parallel => 0)$$);
SELECT * FROM attempt($$SELECT * FROM pg_background_map('{}', parallel => -1)$$);
SELECT * FROM attempt($$SELECT * FROM pg_background_map('{SELECT 1}', database => 'regress_no_such')$$);
SELECT * FROM attempt($$SELECT * FROM pg_background_map('{SELECT 1}', settings => '{"work_mem": "much"}')$$);
SELECT * FROM attempt($$SELECT * FROM pg_background_map('{SELECT 1}', timeout => '0')$$);
SELECT * FROM attempt($$SELECT * FROM pg_background_map('{SELECT 1}', label => repeat('x', 65))$$);
-- other lower bounds, and NULLs for what has a default
SELECT ordinal, state FROM pg_background_map('[5:6]={SELECT 1,SELECT 2}', NULL, NULL, NULL, NULL, NULL, NULL, NULL);
-- timeout and settings are those of each
SELECT ordinal, state, sqlstate FROM pg_background_map(ARRAY['SELECT pg_sleep(600)', 'SELECT 1'], timeout => '100 ms', parallel => 1);
SELECT ordinal, state FROM pg_background_map(array_fill('SELECT 1/(current_setting(''work_mem'') = ''77kB'')::int'::text, '{2}'), settings => '{"work_mem": 77}');
SELECT ordinal, state FROM pg_background_map(ARRAY['SELECT 1/count(*) FROM pg_database WHERE datname = current_database() AND datname = ''postgres'''], database => 'postgres');

-- many
SELECT count(*), count(*) FILTER (WHERE state = 'stopped' AND command_tag = 'INSERT 0 1') AS good, min(ordinal), max(ordinal)
  FROM pg_background_map(ARRAY(SELECT format('INSERT INTO t VALUES (%s)', i) FROM generate_series(1001, 2000) i), 8);
SELECT count(DISTINCT i), min(i), max(i) FROM t WHERE i > 1000;
-- more at a time than the session may have: those that it may
SET pg_background.max_workers = 2;
SELECT count(*), count(*) FILTER (WHERE state = 'stopped') AS good FROM pg_background_map(array_fill('SELECT 1'::text, '{30}'), 1000);
-- one that the session has is counted, and none is left then
SELECT pid, cookie FROM pg_background_launch_v2('SELECT pg_sleep(600)') \gset
SELECT count(*), count(*) FILTER (WHERE state = 'stopped') AS good FROM pg_background_map(array_fill('SELECT 1'::text, '{3}'), 2);
SET pg_background.max_workers = 1;
SELECT * FROM attempt($$SELECT * FROM pg_background_map('{SELECT 1,SELECT 2}')$$);
-- in the caller's transaction it does not run
SET pg_background.on_exhaustion = 'inline';
SELECT * FROM attempt($$SELECT * FROM pg_background_map('{SELECT 1}')$$);
RESET pg_background.on_exhaustion;
RESET pg_background.max_workers;
SELECT pg_background_cancel_v2(:pid, :cookie), pg_background_detach_v2(:pid, :cookie);

-- all statements run, however many rows are wanted of it, and where it stands in the query; nothing is left over
TRUNCATE t;
SELECT ordinal, state FROM pg_background_map(ARRAY['INSERT INTO t VALUES (1)', 'INSERT INTO t VALUES (2)'], 1) LIMIT 1;
SELECT (m).state FROM (SELECT pg_background_map(ARRAY['INSERT INTO t VALUES (3)', 'INSERT INTO t VALUES (4)'], 1) AS m) s LIMIT 1;
SELECT EXISTS (SELECT FROM pg_background_map(ARRAY['INSERT INTO t VALUES (5)', 'INSERT INTO t VALUES (6)'], 1));
BEGIN;
DECLARE c CURSOR FOR SELECT ordinal FROM pg_background_map(ARRAY['INSERT INTO t VALUES (7)', 'INSERT INTO t VALUES (8)'], 1);
FETCH c;
CLOSE c;
COMMIT;
SELECT array_agg(i ORDER BY i), left_over() FROM t;
-- it stops with its caller: by a timeout, or an error that is caught
SET statement_timeout = '100ms';
SELECT * FROM attempt($$SELECT * FROM pg_background_map(array_fill('SELECT pg_sleep(600)'::text, '{20}'), 3, label => 'stops')$$);
RESET statement_timeout;
SELECT left_over();
-- and the session goes on
SELECT state FROM m('{SELECT 1}');

DROP FUNCTION m(text[], int, bool, bool), left_over(), fail_late();
DROP TABLE t;
RESET client_min_messages;
\i regress/sql/include/cleanup.sql
