-- pg_background.on_exhaustion = inline: exec and query run in the caller's transaction when no worker can be had.
\i regress/sql/include/helpers.sql
SHOW pg_background.on_exhaustion;
SET pg_background.on_exhaustion = always;
CREATE TABLE audit (n int, note text);
-- no worker can be had: the session tracks as many jobs as it may
SET pg_background.max_workers = 1;
SELECT h AS holder FROM pg_background_start('SELECT pg_sleep(600)') h \gset
SELECT attempt($$SELECT pg_background_exec('SELECT 1')$$);

SET pg_background.on_exhaustion = inline;
SELECT pg_background_exec('INSERT INTO audit VALUES (1, ''inline'')');
SELECT * FROM audit;
-- in the caller's transaction, and with it rolled back
BEGIN;
SELECT pg_background_exec('INSERT INTO audit VALUES (2, ''rolled back'')');
ROLLBACK;
SELECT count(*) FROM audit;
SET client_min_messages = error;
-- command tags, of the last statement
\pset null '(null)'
SELECT pg_background_exec(sql) FROM (VALUES ('SELECT 1 FROM generate_series(1, 3)'), ('INSERT INTO audit SELECT 2, ''x'' FROM generate_series(1, 2)'),
    ('UPDATE audit SET note = ''y'' WHERE n = 2'), ('DELETE FROM audit WHERE n = 2'), ('CREATE TABLE regress_inline AS SELECT 1 AS a'),
    ('TRUNCATE regress_inline; DROP TABLE regress_inline'), (''), (';')) AS s (sql);
\pset null ''
-- rows
SELECT * FROM pg_background_query('SELECT n, note FROM audit') AS (n int, note text);
SELECT * FROM pg_background_query('SELECT 1; INSERT INTO audit VALUES (3, NULL) RETURNING n, note') AS (n int8, note varchar(3));
SELECT * FROM pg_background_query('SHOW work_mem', settings => '{"work_mem": "5MB"}') AS (work_mem text);
SHOW work_mem;
SELECT * FROM pg_background_query_as(NULL::audit, 'SELECT * FROM audit ORDER BY n');
SELECT * FROM pg_background_query_json('SELECT * FROM audit ORDER BY n');
SELECT * FROM pg_background_query_json('INSERT INTO audit VALUES (4, ''no rows'')');
SELECT count(*), sum(length(t)) FROM pg_background_query('SELECT repeat(''x'', 300000) FROM generate_series(1, 4)') AS (t text);
-- parameters are values
SELECT pg_background_exec('INSERT INTO audit VALUES ($1, $2)', ROW(5, 'it''s'));
SELECT * FROM pg_background_query('SELECT n, note FROM audit WHERE n = $1 AND $2 IS NULL', ROW(5, NULL::int[])) AS (n int, note text);
-- errors are the caller's, and roll back what it has done
SELECT attempt($$SELECT pg_background_exec('INSERT INTO audit VALUES (6, ''lost''); SELECT 1/0')$$);
SELECT attempt($$SELECT * FROM pg_background_query('SELECT 1') AS (a int, b int)$$);
SELECT attempt($$SELECT * FROM pg_background_query('SELECT 1') AS (a point)$$);
SELECT attempt($$SELECT pg_background_exec('SELEC 1')$$);
SELECT attempt($$SELECT pg_background_exec('INSERT INTO audit VALUES (7, ''lost''); COMMIT')$$);
SELECT attempt($$SELECT pg_background_exec('COPY audit TO STDOUT')$$);
SELECT attempt($$SELECT pg_background_exec('VACUUM audit')$$);
SELECT attempt($$SELECT pg_background_exec('SELECT $1, $2', ROW(1))$$);
SELECT attempt($$SELECT pg_background_exec('SELECT', settings => '{"work_mem": "much"}')$$);
BEGIN READ ONLY;
SELECT count(*) FROM pg_background_query('SELECT n FROM audit') AS (n int);
SELECT attempt($$SELECT pg_background_exec('INSERT INTO audit VALUES (8, ''lost'')')$$);
COMMIT;
SELECT n FROM audit ORDER BY n;
-- in functions and triggers
CREATE FUNCTION note(n int) RETURNS text LANGUAGE plpgsql AS $$BEGIN RETURN pg_background_exec('INSERT INTO audit VALUES ($1, ''by a function'')', ROW(n)); END$$;
SELECT note(9), note(10);
CREATE FUNCTION note_all() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM note(NEW.a); RETURN NULL; END$$;
CREATE TABLE watched (a int);
CREATE TRIGGER t AFTER INSERT ON watched FOR EACH ROW EXECUTE FUNCTION note_all();
INSERT INTO watched SELECT generate_series(11, 13);
SELECT n, note FROM audit WHERE n > 8 ORDER BY n;
-- the limit on rows holds here, too
SET pg_background.max_result_rows = 2;
SELECT attempt($$SELECT * FROM pg_background_query('SELECT generate_series(1, 3)') AS (n int)$$);
RESET pg_background.max_result_rows;
-- where it cannot be inline, the error stays; and a launch is never inline
SELECT attempt($$SELECT pg_background_exec('SELECT 1', autocommit => true)$$);
SELECT attempt($$SELECT pg_background_exec('SELECT 1', database => 'template1')$$);
SELECT attempt($$SELECT pg_background_start('SELECT 1')$$);
SELECT attempt($$SELECT pg_background_launch('SELECT 1')$$);
-- with a worker it is a job again
SELECT pg_background_stop(:'holder');
SELECT pg_background_forget(:'holder');
RESET client_min_messages;
SELECT * FROM pg_background_query('SELECT pg_backend_pid() <> $1', ROW(pg_backend_pid())) AS (elsewhere bool);
RESET pg_background.on_exhaustion;
DROP TABLE watched, audit;
DROP FUNCTION note_all, note;
\i regress/sql/include/cleanup.sql
