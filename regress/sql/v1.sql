-- The first interface: launch, result and detach, where a job is a bare pid.
\i regress/sql/include/helpers.sql

-- rows
SELECT pg_background_launch('SELECT 1') AS pid \gset
SELECT pid = :pid AS same, state IS NOT NULL AS has_state FROM jobs;
SELECT * FROM pg_background_result(:pid) AS (i int);
SELECT * FROM jobs;
SELECT * FROM pg_background_result(pg_background_launch('SELECT i, i::text, i = 2 FROM generate_series(1, 3) i'))
    AS (i int, t text, two bool);
SELECT * FROM pg_background_result(pg_background_launch('SELECT 1 WHERE false')) AS (i int);
-- names are the caller's
SELECT mine FROM pg_background_result(pg_background_launch('SELECT 1 AS theirs')) AS (mine int);
-- the queue's size may be given
SELECT * FROM pg_background_result(pg_background_launch('SELECT 1', 100000)) AS (i int);
SELECT * FROM pg_background_result(pg_background_launch(sql => 'SELECT 1', queue_size => 0)) AS (i int);

-- command tags, for statements without rows
CREATE TABLE t (i int);
SELECT * FROM pg_background_result(pg_background_launch('INSERT INTO t VALUES (1), (2)')) AS (tag text);
SELECT * FROM pg_background_result(pg_background_launch(
    'INSERT INTO t VALUES (3); UPDATE t SET i = i + 10; DELETE FROM t WHERE i = 13; SET work_mem = 100; SELECT 1; ANALYZE t'))
    AS (tag text);
SELECT * FROM t ORDER BY i;
-- RETURNING is rows
SELECT * FROM pg_background_result(pg_background_launch('DELETE FROM t RETURNING i')) AS (i int) ORDER BY i;
-- no statement, no tag
SELECT * FROM pg_background_result(pg_background_launch('')) AS (tag text);
SELECT * FROM pg_background_result(pg_background_launch(' ; -- nothing')) AS (tag text);

-- where a result can stand
SELECT pg_background_launch('SELECT generate_series(1, 3)') AS pid \gset
SELECT g, sum(i) FROM generate_series(1, 2) g, pg_background_result(:pid) AS (i int) GROUP BY g ORDER BY g;
INSERT INTO t SELECT i FROM pg_background_result(pg_background_launch('SELECT 5')) AS (i int) RETURNING i;
SELECT * FROM ROWS FROM (pg_background_result(pg_background_launch('VALUES (1), (2)')) AS (i int), generate_series(1, 3)) AS r (i, g);
BEGIN;
SELECT pg_background_launch('SELECT generate_series(1, 3)') AS pid \gset
DECLARE c CURSOR FOR SELECT * FROM pg_background_result(:pid) AS (i int);
FETCH 2 FROM c;
COMMIT;
DO $$
DECLARE
    i int;
    total int := 0;
BEGIN
    FOR i IN SELECT r.i FROM pg_background_result(pg_background_launch('SELECT generate_series(1, 4)')) AS r (i int) LOOP
        total := total + i;
    END LOOP;
    RAISE NOTICE 'total %', total;
END
$$;
-- all rows are read, however few are wanted
SELECT pg_background_launch('SELECT generate_series(1, 100000)') AS pid \gset
SELECT * FROM pg_background_result(:pid) AS (i int) LIMIT 1;
SELECT count(*) FROM jobs;
-- several at a time, read in another order
SELECT pg_background_launch('SELECT 1') AS one, pg_background_launch('SELECT 2') AS two, pg_background_launch('SELECT 3') AS three \gset
SELECT a.i, b.i, c.i FROM pg_background_result(:three) AS a (i int), pg_background_result(:one) AS b (i int),
                          pg_background_result(:two) AS c (i int);

-- results are read once
SELECT pg_background_launch('SELECT 1') AS pid \gset
SELECT * FROM pg_background_result(:pid) AS (i int);
SELECT * FROM attempt('SELECT * FROM pg_background_result($1) AS (i int)', :pid);
SELECT * FROM attempt('SELECT * FROM pg_background_result($1) AS (wrong text)', :pid);
-- and read is read, when the reading transaction rolls back too
SELECT pg_background_launch('SELECT 1') AS pid \gset
BEGIN;
SELECT * FROM pg_background_result(:pid) AS (i int);
ROLLBACK;
SELECT * FROM attempt('SELECT * FROM pg_background_result($1) AS (i int)', :pid);
-- to detach it does nothing, however often
SELECT pg_background_detach(:pid);
SELECT pg_background_detach(:pid);

-- bad input loses nothing
SELECT pg_background_launch($$SELECT 1, 'one'::text$$) AS pid \gset
SELECT * FROM attempt('SELECT * FROM pg_background_result($1) AS (i int)', :pid);
SELECT * FROM attempt('SELECT * FROM pg_background_result($1) AS (i int, t text, x int)', :pid);
SELECT * FROM attempt('SELECT * FROM pg_background_result($1) AS (t text, i int)', :pid);
SELECT * FROM attempt('SELECT * FROM pg_background_result($1) AS (i bigint, t text)', :pid);
SELECT * FROM attempt('SELECT * FROM pg_background_result($1) AS (i int, t varchar)', :pid);
SELECT * FROM attempt('SELECT pg_background_result($1)', :pid);
SELECT * FROM attempt('SELECT * FROM pg_background_result($1)', :pid);
SELECT count(*) FROM jobs;
SELECT * FROM pg_background_result(:pid) AS (i int, t text);
SELECT pg_background_launch('INSERT INTO t VALUES (6)') AS pid \gset
SELECT * FROM attempt('SELECT * FROM pg_background_result($1) AS (i int)', :pid);
SELECT * FROM attempt('SELECT * FROM pg_background_result($1) AS (a text, b text)', :pid);
SELECT * FROM attempt('SELECT * FROM pg_background_result($1) AS (v varchar)', :pid);
SELECT * FROM attempt('SELECT pg_background_result($1)', :pid);
SELECT * FROM pg_background_result(:pid) AS (tag text);
-- many rows too
SELECT pg_background_launch('SELECT generate_series(1, 50000)') AS pid \gset
SELECT * FROM attempt('SELECT * FROM pg_background_result($1) AS (t text)', :pid);
SELECT count(*), sum(i) FROM pg_background_result(:pid) AS (i int);
-- a read that is cancelled while it waits
SELECT pg_advisory_lock(1);
SELECT pg_background_launch('SELECT pg_advisory_xact_lock(1); SELECT 7') AS pid \gset
SET statement_timeout = '100ms';
SELECT * FROM pg_background_result(:pid) AS (i int);
RESET statement_timeout;
SELECT pg_advisory_unlock(1);
SELECT * FROM pg_background_result(:pid) AS (i int);
-- a launch that is refused launches nothing
SELECT * FROM attempt($$SELECT pg_background_launch('SELECT 1', 1)$$);
SELECT count(*) FROM jobs;

-- errors: thrown where the result is read, whatever columns are declared; the job is released
SELECT pg_background_launch('SELECT 1/0') AS pid \gset
SELECT * FROM attempt('SELECT * FROM pg_background_result($1) AS (i int)', :pid);
SELECT count(*) FROM jobs;
SELECT * FROM attempt('SELECT * FROM pg_background_result($1) AS (i int)', :pid);
SELECT pg_background_detach(:pid);
SELECT * FROM attempt($$SELECT * FROM pg_background_result(pg_background_launch('SELECT 1/0')) AS (a text, b text)$$);
-- rows that came before the error are not given away
SELECT * FROM attempt($$SELECT * FROM pg_background_result(pg_background_launch('SELECT 1/(5000 - i) FROM generate_series(1, 10000) i')) AS (i int)$$);

-- detached jobs run on
SELECT pg_advisory_lock(1);
SELECT pg_background_launch('SELECT pg_advisory_xact_lock(1); INSERT INTO t VALUES (77)') AS pid \gset
SELECT pg_background_detach(:pid);
SELECT count(*) FROM jobs;
SELECT pg_advisory_unlock(1);
CALL until('EXISTS (SELECT FROM t WHERE i = 77)');
-- to detach one again does nothing, but there is nothing to read
SELECT pg_background_detach(:pid);
SELECT * FROM attempt('SELECT * FROM pg_background_result($1) AS (i int)', :pid);
-- a detached job whose result is larger than its queue is not held back
SELECT pg_background_detach(pg_background_launch($$INSERT INTO t VALUES (88); SELECT repeat('x', 1000) FROM generate_series(1, 1000)$$));
CALL until('EXISTS (SELECT FROM t WHERE i = 88)');

-- pids of no job of this session
SELECT * FROM attempt('SELECT * FROM pg_background_result(0) AS (i int)');
SELECT * FROM attempt('SELECT * FROM pg_background_result(-1) AS (i int)');
SELECT * FROM attempt('SELECT * FROM pg_background_result(pg_backend_pid()) AS (i int)');
SELECT * FROM attempt('SELECT pg_background_detach(2147483647)');
-- an ended session's jobs are not the next one's
SELECT pg_background_launch('SELECT 1') AS pid \gset
\c -
\set SHOW_CONTEXT never
SELECT * FROM attempt('SELECT * FROM pg_background_result($1) AS (i int)', :pid);
SELECT * FROM attempt('SELECT pg_background_detach($1)', :pid);

-- NULLs do nothing
SELECT pg_background_launch(NULL) IS NULL AS launch, pg_background_launch('SELECT 1', NULL) IS NULL AS launch_2;
SELECT * FROM pg_background_result(NULL) AS (i int);
SELECT pg_background_detach(NULL);
SELECT count(*) FROM jobs;

-- rights: those who have the privileges of the role that launched the job
CREATE ROLE regress_pgbg_owner;
CREATE ROLE regress_pgbg_member IN ROLE regress_pgbg_owner;
CREATE ROLE regress_pgbg_other;
GRANT pgbackground_role TO regress_pgbg_owner, regress_pgbg_other;
SET ROLE regress_pgbg_owner;
SELECT pg_background_launch('SELECT current_user::text') AS pid \gset
SET ROLE regress_pgbg_other;
SELECT * FROM attempt('SELECT * FROM pg_background_result($1) AS (t text)', :pid);
SELECT * FROM attempt('SELECT pg_background_detach($1)', :pid);
SET ROLE regress_pgbg_member;
SELECT * FROM pg_background_result(:pid) AS (t text);
SET ROLE regress_pgbg_owner;
SELECT pg_background_launch('SELECT 1') AS pid \gset
RESET ROLE;
SELECT * FROM pg_background_result(:pid) AS (i int);
-- a superuser's job is nobody else's
SELECT pg_background_launch('SELECT 1') AS pid \gset
SET ROLE regress_pgbg_owner;
SELECT * FROM attempt('SELECT pg_background_detach($1)', :pid);
RESET ROLE;
SELECT pg_background_detach(:pid);

-- v1 jobs are v2 jobs
SELECT pg_background_launch('SELECT 1') AS pid \gset
SELECT cookie FROM jobs WHERE pid = :pid \gset
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (i int);
SELECT pid, cookie FROM pg_background_launch_v2('SELECT 2') \gset
SELECT * FROM pg_background_result(:pid) AS (i int);
SELECT pid, cookie FROM pg_background_submit_v2('SELECT 2') \gset
SELECT * FROM attempt('SELECT * FROM pg_background_result($1) AS (i int)', :pid);
SELECT pg_background_detach(:pid);
SELECT count(*) FROM jobs;

-- a plan that remembers what a pid gave (Memoize) must not take one job's rows for another's
SELECT s, i FROM generate_series(1, 5) AS s, LATERAL (SELECT pg_background_launch('SELECT ' || s) AS pid OFFSET 0) l,
    LATERAL pg_background_result(pid) AS (i int);
SELECT count(*) FROM jobs;

DROP TABLE t;
\i regress/sql/include/cleanup.sql
DROP ROLE regress_pgbg_owner, regress_pgbg_member, regress_pgbg_other;
