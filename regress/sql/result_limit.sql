-- pg_background.max_result_rows: a job that returns more rows fails.
\i regress/sql/include/helpers.sql
SET pg_background.max_result_rows = -1;
SHOW pg_background.max_result_rows;
SELECT context, vartype, boot_val FROM pg_settings WHERE name = 'pg_background.max_result_rows';

SET pg_background.max_result_rows = 3;
SELECT * FROM pg_background_query('SELECT generate_series(1, 3)') AS (n int);
SELECT attempt($$SELECT * FROM pg_background_query('SELECT generate_series(1, 4)') AS (n int)$$);
-- nothing of a job that has failed counts: its work is rolled back, its rows are not given
CREATE TABLE kept (n int);
SELECT attempt($$SELECT * FROM pg_background_query('INSERT INTO kept SELECT generate_series(1, 4) RETURNING n') AS (n int)$$);
SELECT attempt($$SELECT * FROM pg_background_result(pg_background_launch('SELECT generate_series(1, 100000)')) AS (n int)$$);
SELECT count(*) FROM kept;
-- only what is returned counts: neither rows that change something, nor those of other statements, nor those that nobody wants
SELECT pg_background_exec('INSERT INTO kept SELECT generate_series(1, 4)');
SELECT pg_background_exec('SELECT generate_series(1, 4); SELECT 1');
SELECT h AS job FROM pg_background_start('SELECT generate_series(1, 4)', results => false) h \gset
SELECT pg_background_await(:'job');
SELECT state FROM pg_background_outcome(:'job');
SELECT pg_background_forget(:'job');
-- the job's own settings come last
SELECT count(*) FROM pg_background_query('SELECT generate_series(1, 4)', settings => '{"pg_background.max_result_rows": 0}') AS (n int);
SELECT attempt($$SELECT * FROM pg_background_query('SELECT generate_series(1, 4)', settings => '{"pg_background.max_result_rows": 1}') AS (n int)$$);
-- it fails at the first row too many, and makes no other
SELECT attempt($$SELECT * FROM pg_background_query('SELECT 1 / (5 - i) FROM generate_series(1, 9) i', settings => '{"pg_background.max_result_rows": 3}') AS (n int)$$);
-- each job by itself
SELECT * FROM pg_background_query('SELECT generate_series(1, 3)') AS (n int);
RESET pg_background.max_result_rows;
SELECT count(*) FROM pg_background_query('SELECT generate_series(1, 4)') AS (n int);
DROP TABLE kept;
\i regress/sql/include/cleanup.sql
