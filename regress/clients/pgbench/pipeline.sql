\set n random(1, 1000000)
\startpipeline
SELECT pg_background_exec('INSERT INTO pgbench_jobs VALUES ($1, $2)', ROW(:n::int, :client_id::int));
SELECT pg_background_exec('INSERT INTO pgbench_jobs VALUES ($1, $2)', ROW(:n::int, :client_id::int));
SELECT count(*) FROM pg_background_query('SELECT i FROM generate_series(1, 100) AS i') AS (i int);
\endpipeline
