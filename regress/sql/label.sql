-- Labels of jobs: where they show, to whom, and how long they may be.
\i regress/sql/include/helpers.sql
SET client_min_messages = warning;
CREATE ROLE regress_pgbg_label;
GRANT pgbackground_role TO regress_pgbg_label;

SELECT h AS job, h.cookie FROM pg_background_start('SELECT pg_sleep(600)', label => 'night "run"') h \gset
SELECT label, query FROM pg_stat_background WHERE cookie = :cookie;
-- not to others
SET ROLE regress_pgbg_label;
SELECT label, query FROM pg_stat_background WHERE cookie = :cookie;
RESET ROLE;
SELECT pg_background_stop(:'job');
SELECT pg_background_await(:'job');
SELECT label, state FROM pg_background_history WHERE cookie = :cookie;
SET ROLE regress_pgbg_label;
SELECT label, state FROM pg_background_history WHERE cookie = :cookie;
RESET ROLE;
SELECT pg_background_forget(:'job');
-- in the job; application_name is what it was
SELECT * FROM pg_background_query('SELECT label FROM pg_background_current()', label => 'here') AS (label text);
SET application_name = 'regress';
SELECT * FROM pg_background_query('SHOW application_name', label => 'x') AS (name text);
SELECT * FROM pg_background_query('SHOW application_name', label => 'x', settings => '{"application_name": "y"}') AS (name text);
-- 64 bytes
SELECT attempt(format('SELECT pg_background_exec(%L, label => %L)', 'SELECT', repeat('x', n))) FROM (VALUES (64), (65), (10000)) AS t (n);
-- an empty one is none
SELECT * FROM pg_background_query('SELECT label IS NULL FROM pg_background_current()', label => '') AS (none bool);
SELECT h AS job, h.cookie FROM pg_background_start('SELECT 1', label => '') h \gset
SELECT pg_background_await(:'job');
SELECT label IS NULL AS none FROM pg_background_history WHERE cookie = :cookie;
SELECT pg_background_forget(:'job');
-- several may have the same
SELECT count(pg_background_start('SELECT pg_sleep(600)', label => 'same')) FROM generate_series(1, 3);
SELECT pg_background_stop_all('same');

SELECT pg_background_forget_all();
RESET application_name;
DROP OWNED BY regress_pgbg_label;
DROP ROLE regress_pgbg_label;
\i regress/sql/include/cleanup.sql
