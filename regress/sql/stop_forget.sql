-- Stopping and forgetting jobs by handle: one, or all of the session by their labels.
\i regress/sql/include/helpers.sql
CREATE TABLE t (i int);
CREATE TABLE handles (n int PRIMARY KEY, h pg_background_handle);
CREATE FUNCTION h(number int) RETURNS pg_background_handle LANGUAGE sql AS 'SELECT h FROM handles WHERE n = number';
CREATE PROCEDURE launch(number int, sql text, the_label text DEFAULT NULL) LANGUAGE sql AS
    'INSERT INTO handles VALUES (number, pg_background_start(sql, label => the_label))';
CREATE PROCEDURE until_runs(number int) LANGUAGE sql AS
    $$CALL until(format('(SELECT state = ''running'' FROM jobs WHERE cookie = %s)', (h(number)).cookie))$$;
CREATE VIEW states AS
SELECT n, state, last_error FROM handles LEFT JOIN jobs ON cookie = (h).cookie ORDER BY n;

--
-- stop
--
CALL launch(1, 'INSERT INTO t VALUES (1); SELECT pg_sleep(600)');
CALL until_runs(1);
SELECT pg_background_stop(h(1));
SELECT pg_background_await(h(1));
SELECT * FROM states;
-- again: it has ended
SELECT pg_background_stop(h(1)), pg_background_stop(job => h(1), grace => '1 hour');
SELECT * FROM attempt('SELECT * FROM pg_background_result_v2($1, $2) AS (t text)', (h(1)).pid, (h(1)).cookie);
-- and so has one that was read, or that ended well
SELECT pg_background_stop(h(1));
CALL launch(2, 'SELECT 2');
SELECT pg_background_await(h(2));
SELECT pg_background_stop(h(2)), pg_background_stop(h(2), '1 hour');
SELECT state, last_error FROM states WHERE n = 2;
SELECT * FROM pg_background_result_v2((h(2)).pid, (h(2)).cookie) AS (i int);
-- a job that was launched by the other functions
INSERT INTO handles SELECT 3, h FROM pg_background_launch_v2('SELECT pg_sleep(600)') h;
INSERT INTO handles SELECT 4, h FROM pg_background_submit_v2('SELECT pg_sleep(600)') h;
SELECT pg_background_stop(h(3)), pg_background_stop(h(4));
SELECT pg_background_await_all(ARRAY[h(3), h(4)]);
SELECT * FROM states WHERE n IN (3, 4);
SELECT pg_background_forget(h(3)), pg_background_forget(job => h(4));
SELECT count(*) FROM jobs;
SELECT count(*) FROM t;

-- with grace: the last statement may finish, and the job commits
CREATE FUNCTION asked_to_stop(launcher int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    CALL until(format($c$EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s AND query ~ '^SELECT pg_background_stop'
                               AND state = 'active' AND wait_event_type = 'Extension')$c$, launcher));
    RETURN 42;
END
$$;
SELECT pg_backend_pid() AS me \gset
CALL launch(5, format('INSERT INTO t VALUES (5); SELECT asked_to_stop(%s)', :me));
CALL until_waits((h(5)).pid, 'PgSleep');
SELECT pg_background_stop(h(5), '1 hour');
SELECT * FROM states WHERE n = 5;
SELECT * FROM pg_background_result_v2((h(5)).pid, (h(5)).cookie) AS (i int);
SELECT count(*) FROM t WHERE i = 5;
-- no other statement begins, and nothing commits
CALL launch(6, format('INSERT INTO t VALUES (6); SELECT asked_to_stop(%s); SELECT 1', :me));
CALL until_waits((h(6)).pid, 'PgSleep');
SELECT pg_background_stop(h(6), '1000000 years');
SELECT * FROM states WHERE n = 6;
SELECT count(*) FROM t WHERE i = 6;
-- one that takes longer is stopped
CALL launch(7, 'INSERT INTO t VALUES (7); SELECT pg_sleep(600)');
SELECT pg_background_stop(h(7), '10 ms');
SELECT pg_background_await(h(7));
SELECT * FROM states WHERE n = 7;
-- NULL is no grace; a stop does not wait for the end of a grace that was given before
CALL launch(8, 'SELECT pg_sleep(600)');
CALL until_waits((h(8)).pid, 'PgSleep');
SET statement_timeout = '100ms';
SELECT pg_background_stop(h(8), '1 day');
RESET statement_timeout;
SELECT pg_background_stop(h(8), NULL);
SELECT pg_background_await(h(8));
SELECT * FROM states WHERE n = 8;
-- what it refuses
SELECT * FROM attempt($$SELECT pg_background_stop(h(8), '-1 s')$$);
SELECT * FROM attempt($$SELECT pg_background_stop('(1,1)')$$);
SELECT * FROM attempt($$SELECT pg_background_stop('(1,1)', '1 s')$$);
SELECT pg_background_stop(NULL), pg_background_stop(NULL, '1 s'), pg_background_stop('(,)'), pg_background_stop('(1,)'), pg_background_stop('(,1)');

--
-- forget
--
CALL launch(9, 'INSERT INTO t VALUES (9); SELECT pg_sleep(0.1); INSERT INTO t VALUES (9)');
SELECT pg_background_forget(h(9));
SELECT count(*) FROM jobs WHERE cookie = (h(9)).cookie;
-- the job runs on
CALL until('(SELECT count(*) = 2 FROM t WHERE i = 9)');
-- again is no error; nor is it of one that was read
SELECT pg_background_forget(h(9)), pg_background_forget(h(5));
SELECT * FROM attempt('SELECT * FROM pg_background_result_v2($1, $2) AS (t text)', (h(9)).pid, (h(9)).cookie);
SELECT * FROM attempt('SELECT pg_background_wait_v2($1, $2)', (h(9)).pid, (h(9)).cookie);
SELECT * FROM attempt($$SELECT pg_background_forget('(1,1)')$$);
SELECT pg_background_forget(NULL), pg_background_forget('(,)'), pg_background_forget('(1,)');

--
-- all of them
--
SELECT pg_background_forget_all();
SELECT count(*) FROM jobs;
SELECT pg_background_stop_all(), pg_background_forget_all(), pg_background_forget_ended();
DELETE FROM handles;
CALL launch(1, 'SELECT pg_sleep(600)', 'import a');
CALL launch(2, 'SELECT pg_sleep(600)', 'import_b');
CALL launch(3, 'SELECT pg_sleep(600)', 'éxport');
CALL launch(4, 'SELECT pg_sleep(600)');
CALL launch(5, 'SELECT 1', 'import c');
CALL until_runs(1);
CALL until_runs(2);
CALL until_runs(3);
CALL until_runs(4);
SELECT pg_background_await(h(5));
-- as LIKE has it; jobs that have ended are not counted
SELECT pg_background_stop_all(''), pg_background_stop_all('import'), pg_background_stop_all('Import%'), pg_background_stop_all('%z%');
SELECT pg_background_stop_all('import\_%');
SELECT pg_background_await(h(2));
SELECT n, state FROM states;
SELECT pg_background_stop_all(label_pattern => '_xport');
SELECT pg_background_await(h(3));
SELECT n, state FROM states;
-- it ends with its escape character
SELECT * FROM attempt($$SELECT pg_background_stop_all('import\')$$);
-- those that have ended are forgotten, whatever they left
SELECT pg_background_forget_ended(), pg_background_forget_ended();
SELECT n, state FROM states;
-- without a label: '%' only
SELECT pg_background_stop_all('_%');
SELECT pg_background_await(h(1));
SELECT pg_background_stop_all('%%'), pg_background_await(h(4), '0');
SELECT pg_background_forget_all('%%'), pg_background_forget_all('%');
SELECT pg_background_stop_all(NULL), pg_background_forget_all(NULL);
SELECT count(*) FROM jobs;
-- the last one runs on; it can be stopped by its pid alone
SELECT pg_cancel_backend((h(4)).pid);

--
-- whose jobs: a caller's own, those of roles whose privileges the caller has; to stop them it is enough to be a member of pg_signal_backend
--
SET client_min_messages = warning;
CREATE ROLE regress_pgbg_a;
CREATE ROLE regress_pgbg_b;
CREATE ROLE regress_pgbg_signal;
GRANT pgbackground_role TO regress_pgbg_a, regress_pgbg_b, regress_pgbg_signal;
GRANT pg_signal_backend TO regress_pgbg_signal;
GRANT ALL ON handles TO regress_pgbg_a, regress_pgbg_b, regress_pgbg_signal;
RESET client_min_messages;
DELETE FROM handles;
CALL launch(1, 'SELECT pg_sleep(600)', 'of a superuser');
CALL until_runs(1);
SET ROLE regress_pgbg_a;
CALL launch(2, 'SELECT pg_sleep(600)', 'of a');
CALL launch(3, 'SELECT pg_sleep(600)', 'of a');
SET ROLE regress_pgbg_b;
SELECT * FROM attempt('SELECT pg_background_stop(h(1))');
SELECT * FROM attempt('SELECT pg_background_stop(h(2))');
SELECT * FROM attempt('SELECT pg_background_forget(h(2))');
SELECT pg_background_stop_all(), pg_background_forget_all(), pg_background_forget_ended();
SET ROLE regress_pgbg_signal;
SELECT * FROM attempt('SELECT pg_background_stop(h(1))');
SELECT * FROM attempt('SELECT pg_background_await(h(2))');
SELECT * FROM attempt('SELECT pg_background_forget(h(2))');
SELECT pg_background_stop(h(2)), pg_background_forget_all();
SET ROLE regress_pgbg_a;
SELECT pg_background_await(h(2));
SET ROLE regress_pgbg_signal;
SELECT pg_background_stop(h(2)), pg_background_stop_all();
RESET ROLE;
SELECT pg_background_await(h(3));
SELECT n, state FROM states;
SET ROLE regress_pgbg_a;
SELECT pg_background_forget_ended(), pg_background_forget_all();
RESET ROLE;
SELECT pg_background_stop_all('of a superuser'), pg_background_await(h(1)), pg_background_forget_ended();

-- prepared, and in a query over many
PREPARE stop (pg_background_handle) AS SELECT pg_background_stop($1);
DELETE FROM handles;
CALL launch(1, 'SELECT pg_sleep(600)');
CALL launch(2, 'SELECT pg_sleep(600)');
CALL launch(3, 'SELECT 1');
SELECT pg_background_await(h(3));
EXECUTE stop (h(1));
SELECT n, pg_background_stop(h, '0 s') AND pg_background_await(h) AS stopped FROM handles WHERE n > 1 ORDER BY n;
SELECT pg_background_await(h(1)), pg_background_forget_all();
DEALLOCATE stop;

DROP VIEW states;
DROP PROCEDURE launch(int, text, text), until_runs(int);
DROP FUNCTION h(int), asked_to_stop(int);
DROP OWNED BY regress_pgbg_a, regress_pgbg_b, regress_pgbg_signal;
DROP TABLE t, handles;
\i regress/sql/include/cleanup.sql
DROP ROLE regress_pgbg_a, regress_pgbg_b, regress_pgbg_signal;
