-- Where and how a job runs: the settings that it has from its launcher, parallel plans, what its process looks like.
\i regress/sql/include/helpers.sql
CREATE SCHEMA regress_pgbg;
CREATE TABLE log (i int, t text DEFAULT '');

--
-- settings
--
SET search_path = regress_pgbg, public;
SET work_mem = '123kB';
SET my.own = 'custom';
SET TimeZone = 'Asia/Tokyo';
SET DateStyle = 'German';
SET statement_timeout = '1h';
SET application_name = 'regress_pgbg';
SELECT job($$SELECT current_setting('search_path')$$) AS search_path, job($$SELECT current_setting('work_mem')$$) AS work_mem,
       job($$SELECT current_setting('my.own')$$) AS custom, job($$SELECT '2001-02-03 04:05 UTC'::timestamptz::text$$) AS date,
       job($$SELECT current_setting('statement_timeout')$$) AS statement_timeout, job($$SELECT current_setting('application_name')$$) AS application_name;
SELECT job('CREATE TABLE placed (i int)');
SELECT schemaname FROM pg_tables WHERE tablename = 'placed';
RESET ALL;
SELECT job($$SELECT current_setting('work_mem')$$) = current_setting('work_mem') AS work_mem, job($$SELECT current_setting('my.own', true)$$) = '' AS custom;
DROP TABLE regress_pgbg.placed;
-- SET LOCAL is inherited too
BEGIN;
SET LOCAL work_mem = '321kB';
SELECT job($$SELECT current_setting('work_mem')$$);
ROLLBACK;
-- the settings at the launch count, and a job's own stay its own
SET work_mem = '100kB';
SELECT pg_background_launch($$SELECT current_setting('work_mem')$$) AS pid \gset
SET work_mem = '200kB';
SELECT * FROM pg_background_result(:pid) AS (t text);
SELECT job($$SET work_mem = '300kB'; SHOW work_mem$$);
SHOW work_mem;
RESET work_mem;
-- what a function sets for itself
CREATE FUNCTION regress_pgbg.with_path() RETURNS text LANGUAGE sql SET search_path = pg_catalog, public, pg_temp
    AS $$SELECT public.job('SHOW search_path')$$;
SELECT regress_pgbg.with_path();
DROP FUNCTION regress_pgbg.with_path;
-- the transaction's isolation level and access are not inherited, the session's defaults are
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT job($$SELECT current_setting('transaction_isolation') || ' ' || current_setting('transaction_read_only')$$);
SELECT job('INSERT INTO log VALUES (1)');
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE;
SELECT job($$SELECT current_setting('transaction_isolation') || ' ' || current_setting('transaction_read_only') || ' ' || current_setting('transaction_deferrable')$$);
COMMIT;
SET default_transaction_isolation = 'serializable';
SET default_transaction_deferrable = on;
SELECT job($$SELECT current_setting('transaction_isolation') || ' ' || current_setting('transaction_read_only') || ' ' || current_setting('transaction_deferrable')$$);
SET default_transaction_read_only = on;
SELECT job($$SELECT current_setting('transaction_isolation') || ' ' || current_setting('transaction_read_only')$$);
SELECT job('INSERT INTO log VALUES (1)');
RESET default_transaction_read_only;
RESET default_transaction_isolation;
RESET default_transaction_deferrable;
-- settings that take more than a user's rights
SET session_replication_role = replica;
SELECT job('SHOW session_replication_role');
RESET session_replication_role;

--
-- parallel plans
--
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
CREATE TABLE big AS SELECT i FROM generate_series(1, 1000) i;
ALTER TABLE big SET (parallel_workers = 2);
SET parallel_leader_participation = off;
-- EXPLAIN would not do: it plans on its own account
CREATE FUNCTION in_parallel_worker(i int) RETURNS bool LANGUAGE plpgsql PARALLEL SAFE AS $$
BEGIN
    RETURN (SELECT backend_type = 'parallel worker' FROM pg_stat_activity WHERE pid = pg_backend_pid());
END
$$;
SELECT * FROM pg_background_result(pg_background_launch('SELECT bool_and(in_parallel_worker(i)) FROM big WHERE i <= 10')) AS (parallel bool);
SELECT * FROM pg_background_result(pg_background_launch('SELECT 1; SELECT bool_and(in_parallel_worker(i)) FROM big WHERE i <= 10')) AS (parallel bool);
SELECT * FROM pg_background_result(pg_background_launch('SELECT count(*), sum(i) FROM big')) AS (n int8, s int8);
DROP FUNCTION in_parallel_worker(int);
RESET parallel_leader_participation;
RESET min_parallel_table_scan_size;
RESET parallel_tuple_cost;
RESET parallel_setup_cost;
RESET max_parallel_workers_per_gather;

--
-- the process
--
SELECT job('SELECT backend_type FROM pg_stat_activity WHERE pid = pg_backend_pid()') AS backend_type;
SELECT job('SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid()') AS query;
SELECT job('SELECT state FROM pg_stat_activity WHERE pid = pg_backend_pid()') AS state;
-- what a session with a client has: no addresses, no encryption
SELECT job('SELECT num_nulls(inet_client_addr(), inet_client_port(), inet_server_addr(), inet_server_port())::text') AS no_address,
       job('SELECT count(*)::text FROM pg_stat_ssl FULL JOIN pg_stat_gssapi USING (pid) WHERE pid = pg_backend_pid()') AS encrypted,
       job('SET tcp_keepalives_idle = 7; SHOW tcp_keepalives_idle') AS keepalives;
SELECT pg_background_launch('SELECT pg_backend_pid()') AS pid \gset
SELECT pid = :pid AS same FROM pg_background_result(:pid) AS (pid int);

DROP TABLE log, big;
DROP SCHEMA regress_pgbg;
\i regress/sql/include/cleanup.sql
