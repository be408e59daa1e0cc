-- pg_background.max_plan_cost: a statement of a job that the planner expects to cost more is refused before it runs.
\i regress/sql/include/helpers.sql
SET pg_background.max_plan_cost = -1;
SHOW pg_background.max_plan_cost;
SELECT context, vartype, boot_val FROM pg_settings WHERE name = 'pg_background.max_plan_cost';

-- A table of one page: with this cost of a page, a scan is expected to cost 10000, and all else next to nothing.
SET client_min_messages = warning;
CREATE TABLE big (n int);
INSERT INTO big VALUES (1);
ANALYZE big;
CREATE TABLE done (n int);
CREATE FUNCTION limited() RETURNS SETOF int LANGUAGE plpgsql AS 'BEGIN RETURN QUERY SELECT n FROM big; END';
CREATE FUNCTION limited_sql() RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT count(*) FROM big WHERE random() < 2';
RESET client_min_messages;
SET seq_page_cost = 10000;
SET max_parallel_workers_per_gather = 0;
SET pg_background.max_plan_cost = 5000;
-- What comes of a job, without the numbers that are the planner's.
CREATE FUNCTION refused(sql text) RETURNS SETOF text LANGUAGE sql AS
    $$SELECT regexp_replace(l, '(total cost of )\d+\.\d\d', '\1N') FROM attempt(format('SELECT pg_background_exec(%L)', sql)) l WHERE l !~ '^ ?(HINT|CONTEXT)'$$;

SELECT attempt($$SELECT pg_background_exec('SELECT n FROM big')$$);
SELECT pg_background_exec('SELECT 1');
-- before it runs: what comes before it is rolled back with the job, what comes after it does not run
SELECT refused('INSERT INTO done VALUES (1); DELETE FROM big; INSERT INTO done VALUES (2)');
SELECT count(*) FROM done;
SELECT count(*) FROM big;
-- not what is not run
SELECT pg_background_exec('PREPARE p AS SELECT n FROM big; CREATE TABLE no_data AS EXECUTE p WITH NO DATA');
SELECT refused('PREPARE p AS SELECT n FROM big; CREATE TABLE with_data AS EXECUTE p');
-- what changes rows
SELECT refused('UPDATE big SET n = 2');
SELECT refused('INSERT INTO done SELECT n FROM big');
SELECT refused('WITH d AS (DELETE FROM big RETURNING n) INSERT INTO done SELECT n FROM d');
-- queries in commands
SELECT refused('CREATE TABLE made AS SELECT n FROM big');
SELECT refused('SELECT n INTO made FROM big');
SELECT refused('CREATE MATERIALIZED VIEW made AS SELECT n FROM big');
SELECT pg_background_exec('CREATE MATERIALIZED VIEW later AS SELECT n FROM big WITH NO DATA');
SELECT refused('REFRESH MATERIALIZED VIEW later');
SELECT refused($$COPY (SELECT n FROM big) TO PROGRAM 'cat >/dev/null'$$);
SELECT refused('SELECT 1; DECLARE c CURSOR FOR SELECT n FROM big; FETCH c');
SELECT refused('EXPLAIN (ANALYZE, COSTS off) SELECT n FROM big');
SELECT refused('PREPARE p AS SELECT n FROM big; EXECUTE p');
-- commands without a query, and a statement that is only explained
SELECT pg_background_exec('ANALYZE big');
SELECT pg_background_exec('CREATE INDEX ON big (n); DROP INDEX big_n_idx');
SELECT pg_background_exec('EXPLAIN SELECT n FROM big');
SELECT pg_background_exec('PREPARE p AS SELECT n FROM big; EXPLAIN EXECUTE p');
-- nested in functions and triggers
SELECT refused('SELECT limited()');
SELECT refused('SELECT limited_sql()');
SELECT refused('DO $d$ DECLARE i int; BEGIN FOR i IN SELECT n FROM big LOOP NULL; END LOOP; END $d$');
SELECT refused('DO $d$ BEGIN EXECUTE $e$SELECT n FROM big$e$; END $d$');
CREATE FUNCTION looks() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM n FROM big; RETURN NULL; END';
CREATE TRIGGER looks AFTER INSERT ON done FOR EACH ROW EXECUTE FUNCTION looks();
SELECT refused('INSERT INTO done VALUES (3)');
DROP TRIGGER looks ON done;
-- a job may catch it, and goes on
SELECT pg_background_exec('DO $d$ BEGIN
    BEGIN PERFORM n FROM big; EXCEPTION WHEN configuration_limit_exceeded THEN INSERT INTO done VALUES (4); END;
END $d$');
SELECT n FROM done;
-- Plans that are kept: the job's own, generic ones of its prepared statements, and those of a warm worker. Each is made
-- while there is no limit.
SELECT refused($$
    SET plan_cache_mode = force_generic_plan; SET pg_background.max_plan_cost = 0; PREPARE p(int) AS SELECT n FROM big WHERE n > $1;
    EXECUTE p(1); EXECUTE p(2); SET pg_background.max_plan_cost = 100; EXECUTE p(3)$$);
SET pg_background.max_plan_cost = 0;
SELECT count(*) FROM generate_series(1, 4) i, LATERAL (SELECT pg_background_exec('SELECT n FROM big WHERE n > $1', ROW(i))) e;
SET pg_background.max_plan_cost = 5000;
SELECT attempt($$SELECT pg_background_exec('SELECT n FROM big WHERE n > $1', ROW(1))$$);
-- each plan for itself
SET pg_background.max_plan_cost = 15000;
SELECT pg_background_exec('SELECT n FROM big; SELECT n FROM big; SELECT limited()');
SELECT refused('SELECT n FROM big UNION ALL SELECT n FROM big');
-- the job's own settings come last
SELECT pg_background_exec('SELECT n FROM big', settings => '{"pg_background.max_plan_cost": 20000}');
SELECT attempt($$SELECT pg_background_exec('SELECT 1 FROM big', settings => '{"pg_background.max_plan_cost": 0.5}')$$);
-- SQL that runs in its launcher's transaction, as it would as a job; and nothing else of the session
SET pg_background.max_plan_cost = 5000;
SET pg_background.max_workers = 1;
SET pg_background.on_exhaustion = inline;
SET client_min_messages = error;
SELECT h AS holder FROM pg_background_start('SELECT pg_sleep(600)') h \gset
SELECT refused('SELECT n FROM big');
SELECT count(*) FROM pg_background_query('SELECT 1') AS (n int), big;
SELECT count(*) FROM big;
SELECT pg_background_stop(:'holder');
SELECT pg_background_forget(:'holder');
RESET client_min_messages;
RESET pg_background.on_exhaustion;
RESET pg_background.max_workers;

-- A superuser's setting: it is inherited, and no other user's job gets around it.
SET client_min_messages = warning;
CREATE ROLE regress_limited;
RESET client_min_messages;
GRANT pgbackground_role TO regress_limited;
GRANT ALL ON big, done TO regress_limited;
SET ROLE regress_limited;
SELECT refused('SELECT n FROM big');
SET ROLE NONE;
SET SESSION AUTHORIZATION regress_limited;
SET pg_background.max_plan_cost = 0;
SELECT refused('SELECT n FROM big');
SELECT refused('SET pg_background.max_plan_cost = 0');
SELECT refused('SELECT set_config($$pg_background.max_plan_cost$$, $$0$$, false)');
SELECT attempt($$SELECT pg_background_exec('SELECT n FROM big', settings => '{"pg_background.max_plan_cost": 0}')$$);
RESET pg_background.max_plan_cost;
SELECT refused('SELECT n FROM big');
-- cheaper plans are for all to choose
SELECT pg_background_exec('SELECT n FROM big', settings => '{"seq_page_cost": 1}');
RESET SESSION AUTHORIZATION;
-- RESET ALL resets also what its user could not set: the limit that the job began with stays, where the user is no superuser
SET pg_background.max_plan_cost = 5000;
SELECT refused('SET ROLE regress_limited; RESET ALL; SET seq_page_cost = 10000; SELECT n FROM big');
SELECT refused('SET ROLE regress_limited; RESET ALL; SET seq_page_cost = 10000; SET ROLE NONE; SELECT n FROM big');
-- the rights come before the cost, which tells of what is in the table
CREATE TABLE secret AS SELECT * FROM big;
ANALYZE secret;
SELECT refused('SET ROLE regress_limited; SELECT n FROM secret');
-- a superuser's job may
SELECT pg_background_exec('SET pg_background.max_plan_cost = 0; SELECT n FROM big');
RESET pg_background.max_plan_cost;
SELECT pg_background_exec('SELECT n FROM big');
SET client_min_messages = warning;
DROP TABLE big, done, secret CASCADE;
DROP FUNCTION limited(), limited_sql(), refused(text), looks();
DROP ROLE regress_limited;
RESET client_min_messages;
\i regress/sql/include/cleanup.sql
