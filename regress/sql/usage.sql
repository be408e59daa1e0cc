-- What jobs have used of the machine: processor, blocks, WAL, memory. The same with and without a registry, and in warm workers.
\i regress/sql/include/helpers.sql
SET client_min_messages = warning;

CREATE VIEW used AS SELECT * FROM pg_background_history WHERE launcher_pid = pg_backend_pid();
-- Runs a job to its end, with a label.
CREATE PROCEDURE run(label text, sql text, settings jsonb DEFAULT NULL) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_background_await(pg_background_start(sql, label => label, settings => settings, results => false));
    CALL until(format('EXISTS (SELECT FROM used WHERE label = %L)', label));
END
$$;

-- processor
CALL run('computes', 'SELECT count(md5(i::text)) FROM generate_series(1, 100000) AS i');
SELECT state, cpu_user + cpu_system BETWEEN '1 ms' AND run_time + '100 ms' AS cpu, cpu_user >= '0' AS cpu_user, cpu_system >= '0' AS cpu_system,
       max_rss_kb BETWEEN 1000 AND 1000000000 AS max_rss_kb
  FROM used WHERE label = 'computes';
-- blocks that are changed, and WAL
CREATE TABLE written (id int);
CALL run('writes', 'INSERT INTO written SELECT generate_series(1, 10000)');
SELECT state, shared_blks_hit >= 10000 AS hit, shared_blks_dirtied BETWEEN 40 AND 1000 AS dirtied, wal_bytes BETWEEN 590000 AND 10000000 AS wal,
       temp_blks_written
  FROM used WHERE label = 'writes';
-- temporary files
CALL run('spills', 'SELECT i FROM generate_series(1, 100000) AS i ORDER BY i DESC', '{"work_mem": "64kB"}');
SELECT state, temp_blks_written BETWEEN 100 AND 10000 AS temp_blks_written FROM used WHERE label = 'spills';
-- blocks that are not in the cache: a new table is written through a part of it
CREATE TABLE large AS SELECT repeat('x', 1000) AS x FROM generate_series(1, 40000);
CALL run('reads', 'SELECT count(*) FROM large', '{"max_parallel_workers_per_gather": "0"}');
SELECT state, shared_blks_read > 0 AS read, shared_blks_hit + shared_blks_read >= pg_relation_size('large') / current_setting('block_size')::int AS all
  FROM used WHERE label = 'reads';
-- parallel workers' blocks are the job's
CALL run('reads in parallel', 'SELECT count(*) FROM large', '{"max_parallel_workers_per_gather": "2", "parallel_setup_cost": "0",
         "parallel_tuple_cost": "0", "min_parallel_table_scan_size": "0", "parallel_leader_participation": "off"}');
SELECT state, shared_blks_hit + shared_blks_read >= pg_relation_size('large') / current_setting('block_size')::int AS all
  FROM used WHERE label = 'reads in parallel';
-- and earlier jobs' in the same process are not
CALL run('does nothing', 'SELECT 1');
SELECT state, shared_blks_hit < 2000 AS hit, wal_bytes < 100000 AS wal, temp_blks_written, cpu_user + cpu_system < '1 s' AS cpu
  FROM used WHERE label = 'does nothing';
-- a job that fails, or is canceled, has used as much
CALL run('fails', 'INSERT INTO written SELECT generate_series(1, 10000); SELECT 1/0');
SELECT pg_background_start('INSERT INTO written SELECT generate_series(1, 10000); SELECT pg_sleep(600)', label => 'canceled') AS job \gset
CALL until_waits((:'job'::pg_background_handle).pid, 'PgSleep');
SELECT pg_background_stop(:'job');
CALL until($$EXISTS (SELECT FROM used WHERE label = 'canceled')$$);
-- statements that commit on their own
CALL run('commits', 'VACUUM (FREEZE) written', '{"vacuum_cost_delay": "0"}');
SELECT label, state, shared_blks_hit > 40 AS hit, wal_bytes > CASE label WHEN 'commits' THEN 0 ELSE 590000 END AS wal, max_rss_kb > 1000 AS max_rss_kb
  FROM used WHERE label IN ('fails', 'canceled', 'commits') ORDER BY label;

-- the sums, which only a registry keeps
SELECT (t.timed_out IS NULL) = (t.wal_bytes IS NULL) AS known,
       coalesce(t.wal_bytes >= u.wal AND t.cpu_user + t.cpu_system >= u.cpu AND t.shared_blks_hit >= u.hit AND t.shared_blks_read >= u.read
                AND t.shared_blks_dirtied >= u.dirtied AND t.temp_blks_written >= u.temp AND t.max_rss_kb >= u.rss, true) AS sums
  FROM pg_stat_background_totals t,
       (SELECT sum(wal_bytes) AS wal, sum(cpu_user + cpu_system) AS cpu, sum(shared_blks_hit) AS hit, sum(shared_blks_read) AS read,
               sum(shared_blks_dirtied) AS dirtied, sum(temp_blks_written) AS temp, max(max_rss_kb) AS rss FROM used) u
 WHERE t.datname = current_database() AND t.usename = current_user;

-- jobs that follow one another at once: each has its own part of the worker's time, and no more than its run
DO $$
BEGIN
    FOR i IN 1..50 LOOP
        PERFORM pg_background_exec('SELECT 1', label => 'short');
        PERFORM pg_background_exec('INSERT INTO written VALUES (1)', label => 'short');
        PERFORM pg_background_exec('SELECT count(md5(i::text)) FROM generate_series(1, 1000) AS i', label => 'less short');
    END LOOP;
END
$$;
SELECT (count(*) > 20) = EXISTS (SELECT FROM pg_stat_background_totals WHERE timed_out IS NOT NULL) AS known,
       coalesce(bool_and(cpu_user + cpu_system <= run_time + '10 us') AND bool_and(max_rss_kb > 1000 IS TRUE), true) AS no_more,
       coalesce(max(cpu_user + cpu_system) > '0' AND max(cpu_user + cpu_system) FILTER (WHERE label = 'less short') > '100 us', true) AS no_less
  FROM used WHERE label IN ('short', 'less short');

DROP TABLE written, large;
DROP PROCEDURE run(text, text, jsonb);
DROP VIEW used;
\i regress/sql/include/cleanup.sql
