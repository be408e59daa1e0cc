\if :open = 0
SELECT dblink_connect('kept', bench.conninfo());
\set open 1
\endif
SELECT dblink_exec('kept', 'INSERT INTO bench.written VALUES (1)');
