SELECT FROM dblink(bench.conninfo(), 'SELECT 1') AS (x int);
