\if :open = 0
SELECT dblink_connect('kept', bench.conninfo());
\set open 1
\endif
SELECT FROM dblink('kept', 'SELECT 1') AS (x int);
