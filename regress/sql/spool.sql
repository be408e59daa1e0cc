-- While a launcher waits it keeps what the job sends; what it cannot keep is lost, and said to be.
CREATE EXTENSION pg_background;
-- the jobs wait for it; otherwise: spill.sql
SET pg_background.spool_limit = 0;
\set rows 'WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r WHERE i < 30000) SELECT i, repeat(''x'', 100) FROM r'

-- beyond work_mem it spills, also across transactions
SET work_mem = '64kB';
BEGIN;
SELECT pid, cookie FROM pg_background_launch_v2(:'rows') \gset
SELECT pg_background_wait_v2(:pid, :cookie);
COMMIT;
SELECT count(*), sum(i), sum(length(x)) FROM pg_background_result_v2(:pid, :cookie) AS (i int, x text);

-- a read that does not fit takes nothing of what was kept
SELECT pid, cookie FROM pg_background_launch_v2(:'rows') \gset
SELECT pg_background_wait_v2(:pid, :cookie);
\set VERBOSITY sqlstate
SELECT count(*) FROM pg_background_result_v2(:pid, :cookie) AS (i int);
SELECT count(*) FROM pg_background_result_v2(:pid, :cookie) AS (i text, x text);
\set VERBOSITY default
SELECT count(*), sum(i), sum(length(x)) FROM pg_background_result_v2(:pid, :cookie) AS (i int, x text);

-- kept in a subtransaction that rolls back
SELECT pid, cookie FROM pg_background_launch_v2(:'rows') \gset
BEGIN;
SAVEPOINT s;
SELECT pg_background_wait_v2(:pid, :cookie);
ROLLBACK TO s;
ROLLBACK;
SELECT count(*), sum(i), sum(length(x)) FROM pg_background_result_v2(:pid, :cookie) AS (i int, x text);

-- no room: the wait fails, the job ends well all the same, its rows cannot be read
SELECT pid, cookie FROM pg_background_launch_v2(:'rows') \gset
SET temp_file_limit = '256kB';
\set VERBOSITY sqlstate
SELECT pg_background_wait_v2(:pid, :cookie);
RESET temp_file_limit;
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT state, consumed
FROM pg_background_list_v2() AS (pid int, cookie bigint, launched_at timestamptz, user_id oid, queue_size int, state text,
                                 sql_preview text, last_error text, consumed bool);
SELECT count(*) FROM pg_background_result_v2(:pid, :cookie) AS (i int, x text);
SELECT pg_background_detach_v2(:pid, :cookie);

-- a read that fails after rows were given away, likewise
SELECT pid, cookie FROM pg_background_launch_v2($$SELECT i, repeat('x', 100)::varchar FROM generate_series(1, 30000) i$$) \gset
SELECT count(*) FROM pg_background_result_v2(:pid, :cookie) AS (i int, x varchar(3));
SELECT count(*) FROM pg_background_result_v2(:pid, :cookie) AS (i int, x varchar);
SELECT pg_background_detach_v2(:pid, :cookie);

-- and the job, which then has no reader, is still waited for
SELECT pid, cookie FROM pg_background_launch_v2($$
    SELECT i, repeat('x', 100)::varchar, CASE WHEN i = 30000 THEN pg_sleep(0.5) END FROM generate_series(1, 30000) i
$$) \gset
SELECT count(*) FROM pg_background_result_v2(:pid, :cookie) AS (i int, x varchar(3), sleep text);
SELECT pg_background_wait_v2_timeout(:pid, :cookie, 60000);
SELECT pg_background_detach_v2(:pid, :cookie);

DROP EXTENSION pg_background;
DROP ROLE pgbackground_role;
