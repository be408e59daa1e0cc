-- What became of a job, asked by its handle; and which job it is, asked in the job.
\i regress/sql/include/helpers.sql
CREATE TABLE t (i int, CONSTRAINT positive CHECK (i > 0));
CREATE TABLE handles (n int PRIMARY KEY, h pg_background_handle);
CREATE FUNCTION h(number int) RETURNS pg_background_handle LANGUAGE sql AS 'SELECT h FROM handles WHERE n = number';
CREATE PROCEDURE launch(number int, sql text) LANGUAGE sql AS 'INSERT INTO handles VALUES (number, pg_background_start(sql))';
-- without what differs from run to run; the times in their order
CREATE FUNCTION outcome(handle pg_background_handle) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT e.key || ': ' || regexp_replace(e.value #>> '{}', '(pid "?|PID )\d+', '\1N', 'gi')
      FROM pg_background_outcome(handle) o, jsonb_each(jsonb_strip_nulls(to_jsonb(o))) WITH ORDINALITY e
     WHERE e.key !~ '_at$'
    UNION ALL
    SELECT 'times: ' || concat_ws(' ', CASE WHEN launched_at <= now() THEN 'launched' END,
                                  CASE WHEN started_at >= launched_at THEN 'started' END,
                                  CASE WHEN finished_at >= coalesce(started_at, launched_at) THEN 'finished' END)
      FROM pg_background_outcome(handle) WHERE launched_at IS NOT NULL
$$;

-- ended well: the tag and the rows of the last statement
CALL launch(1, 'SELECT 1');
SELECT pg_background_await(h(1));
SELECT * FROM outcome(h(1));
-- nothing is consumed
SELECT * FROM outcome(h(1));
SELECT * FROM pg_background_result_v2((h(1)).pid, (h(1)).cookie) AS (i int);
CALL launch(2, 'SELECT 1; INSERT INTO t SELECT generate_series(1, 7); UPDATE t SET i = i + 1 WHERE i > 4');
SELECT pg_background_await(h(2));
SELECT * FROM outcome(h(2));
CALL launch(3, 'SELECT FROM t; CREATE TABLE made AS SELECT 1; DROP TABLE made');
SELECT pg_background_await(h(3));
SELECT * FROM outcome(h(3));
CALL launch(4, 'DELETE FROM t WHERE i > 4 RETURNING i');
SELECT pg_background_await(h(4));
SELECT * FROM outcome(h(4));
CALL launch(5, '');
SELECT pg_background_await(h(5));
SELECT * FROM outcome(h(5));
-- tags that have no room in the outcome: the last one is there
CALL launch(6, repeat('SET application_name = ''x'';', 3000) || 'TRUNCATE t');
SELECT pg_background_await(h(6));
SELECT * FROM outcome(h(6));
SELECT tag, count(*) FROM pg_background_result_v2((h(6)).pid, (h(6)).cookie) AS (tag text) GROUP BY tag ORDER BY tag;
-- more rows than the queue holds
INSERT INTO handles SELECT 7, h FROM pg_background_launch_v2('SELECT i, repeat(''x'', 100) FROM generate_series(1, 20000) i', 4096) h;
SELECT pg_background_await(h(7));
SELECT * FROM outcome(h(7));
-- rows that nobody wants
INSERT INTO handles SELECT 8, h FROM pg_background_submit_v2('SELECT generate_series(1, 5)') h;
SELECT pg_background_await(h(8));
SELECT * FROM outcome(h(8));

-- failed: which statement, and all that an error has
CALL launch(11, 'SELECT 1; SELECT 2; INSERT INTO t VALUES (0); SELECT 4');
SELECT pg_background_await(h(11));
SELECT * FROM outcome(h(11));
CALL launch(12, $sql$DO $$ BEGIN RAISE 'no' USING ERRCODE = 'AB123', DETAIL = 'it is a test', HINT = 'read on',
                  SCHEMA = 's', TABLE = 't', COLUMN = 'c', CONSTRAINT = 'k'; END $$$sql$);
SELECT pg_background_await(h(12));
SELECT * FROM outcome(h(12));
CALL launch(13, 'SELECT 1; SELEC 2');
SELECT pg_background_await(h(13));
SELECT * FROM outcome(h(13));
-- a message that has no room in the outcome is cut
CALL launch(14, $sql$DO $$ BEGIN RAISE '%', repeat('é', 10000); END $$$sql$);
SELECT pg_background_await(h(14));
SELECT state, sqlstate, length(message) BETWEEN 1000 AND 4000 AS is_cut, message ~ '^é+$' AS whole_characters FROM pg_background_outcome(h(14));
-- its error is the same when it is read
SELECT * FROM attempt('SELECT * FROM pg_background_result_v2($1, $2) AS (t text)', (h(12)).pid, (h(12)).cookie);

-- statements that have committed before it
INSERT INTO handles SELECT 17, pg_background_start('INSERT INTO t VALUES (1); SELECT 1/0; INSERT INTO t VALUES (2)', autocommit => true);
SELECT pg_background_await(h(17));
SELECT * FROM outcome(h(17));
INSERT INTO handles SELECT 18, pg_background_start('INSERT INTO t VALUES (1); COMMIT; SELECT 1, 2; SELEC 1', autocommit => true);
SELECT pg_background_await(h(18));
SELECT * FROM outcome(h(18));
INSERT INTO handles SELECT 19, pg_background_start('INSERT INTO t VALUES (1); SELECT 1, 2; TRUNCATE t', autocommit => true);
SELECT pg_background_await(h(19));
SELECT * FROM outcome(h(19));

-- running, then canceled
CALL launch(15, 'SELECT 1; SELECT pg_sleep(600)');
CALL until_waits((h(15)).pid, 'PgSleep');
SELECT * FROM outcome(h(15));
SELECT pg_background_stop(h(15)), pg_background_await(h(15));
SELECT * FROM outcome(h(15));
-- ended by the server's own means
CALL launch(16, 'SELECT pg_sleep(600)');
CALL until_waits((h(16)).pid, 'PgSleep');
SELECT pg_terminate_backend((h(16)).pid), pg_background_await(h(16));
SELECT * FROM outcome(h(16));

-- unknown handles, and none
SELECT num_nulls(VARIADIC ARRAY[state, command_tag, row_count::text, sqlstate, message, detail, hint, context, schema_name, table_name, column_name,
                                constraint_name, statement::text, inline::text, launched_at::text, started_at::text, finished_at::text])
  FROM pg_background_outcome('(1,1)');
SELECT o IS NULL AS nulls FROM (VALUES ('(0,0)'::pg_background_handle), ('(,)'), ('(1,)'), ('(,1)'), (NULL)) v (h), pg_background_outcome(v.h) o;
SELECT o IS NULL AS nulls FROM pg_background_outcome(('(1,' || (h(12)).cookie || ')')::pg_background_handle) o;
SELECT o IS NULL AS nulls FROM pg_background_outcome(job => ('(' || (h(11)).pid || ',1)')::pg_background_handle) o;

-- prepared, and in a query over many
PREPARE outcome (pg_background_handle) AS SELECT state, command_tag, row_count FROM pg_background_outcome($1);
EXECUTE outcome (h(2));
EXECUTE outcome (NULL);
SELECT n, (pg_background_outcome(h)).state FROM handles WHERE n IN (2, 3, 11, 15) ORDER BY n;
SELECT n, state, sqlstate, statement FROM handles, pg_background_outcome(job => h) WHERE n IN (2, 3, 11, 15) ORDER BY n;
DEALLOCATE outcome;

-- to roles without the privileges of the job's role, texts are not shown
SET client_min_messages = warning;
CREATE ROLE regress_pgbg_other;
CREATE ROLE regress_pgbg_stats;
GRANT pgbackground_role TO regress_pgbg_other, regress_pgbg_stats;
GRANT pg_read_all_stats TO regress_pgbg_stats;
GRANT SELECT ON handles TO regress_pgbg_other, regress_pgbg_stats;
RESET client_min_messages;
SET ROLE regress_pgbg_other;
SELECT * FROM outcome(h(11));
SELECT * FROM outcome(h(2));
SET ROLE regress_pgbg_stats;
SELECT * FROM outcome(h(11));
RESET ROLE;

--
-- which job this is
--
SELECT pg_background_current() IS NULL AS nulls, pg_background_current();
SELECT pg_backend_pid() AS me \gset
INSERT INTO handles SELECT 20, pg_background_start(format($$SELECT c.pid = pg_backend_pid() AS pid, c.cookie, c.label, c.launcher_pid = %s AS launcher,
    c.launcher_user FROM pg_background_current() c$$, :me), label => 'who am I?');
SELECT pid, cookie = (h(20)).cookie AS cookie, label, launcher, launcher_user = session_user AS launcher_user
  FROM pg_background_result_v2((h(20)).pid, (h(20)).cookie) AS (pid bool, cookie int8, label text, launcher bool, launcher_user name);
INSERT INTO handles SELECT 21, pg_background_launch_v2('SELECT c.label, c.launcher_pid > 0 FROM pg_background_current() c');
SELECT * FROM pg_background_result_v2((h(21)).pid, (h(21)).cookie) AS (label text, has_launcher bool);
-- the launching session's session user, whoever launched it
CREATE FUNCTION launch_as_definer(sql text) RETURNS pg_background_handle LANGUAGE sql SECURITY DEFINER AS 'SELECT pg_background_start(sql)';
SET client_min_messages = warning;
GRANT ALL ON SCHEMA public TO regress_pgbg_other;
ALTER FUNCTION launch_as_definer(text) OWNER TO regress_pgbg_other;
RESET client_min_messages;
INSERT INTO handles SELECT 22, launch_as_definer('SELECT launcher_user, current_user FROM pg_background_current()');
SELECT launcher_user = session_user AS launcher_user, "current_user"
  FROM pg_background_result_v2((h(22)).pid, (h(22)).cookie) AS (launcher_user name, "current_user" name);
SET ROLE regress_pgbg_other;
SELECT pg_background_start('SELECT launcher_user, current_user FROM pg_background_current()') AS h \gset
SELECT launcher_user = session_user AS launcher_user, "current_user"
  FROM pg_background_result_v2((:'h'::pg_background_handle).pid, (:'h'::pg_background_handle).cookie) AS (launcher_user name, "current_user" name);
RESET ROLE;
-- a job of a job has the outer job's worker as its launcher
SELECT job($$SELECT ((SELECT launcher_pid FROM pg_background_result(pg_background_launch('SELECT launcher_pid FROM pg_background_current()'))
                     AS (launcher_pid int)) = pg_backend_pid())::text$$);

DROP FUNCTION launch_as_definer(text), outcome(pg_background_handle), h(int);
DROP PROCEDURE launch(int, text);
DROP OWNED BY regress_pgbg_other, regress_pgbg_stats;
DROP TABLE t, handles;
\i regress/sql/include/cleanup.sql
DROP ROLE regress_pgbg_other, regress_pgbg_stats;
