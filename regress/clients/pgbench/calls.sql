\set n random(1, 1000000)
SELECT pg_background_exec('INSERT INTO pgbench_jobs VALUES ($1, $2)', ROW(:n::int, :client_id::int));
SELECT a FROM pg_background_query('SELECT $1 + 1', ROW(:n::int)) AS (a int) \gset
SELECT 1 / (:a = :n + 1)::int AS query;
SELECT pid, cookie FROM pg_background_launch_v2('SELECT 7') \gset
SELECT pg_background_wait_v2_timeout(:pid, :cookie, 60000);
SELECT 1 / (a = 7)::int AS result FROM pg_background_result_v2(:pid, :cookie) AS (a int);
