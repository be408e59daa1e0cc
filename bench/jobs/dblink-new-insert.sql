SELECT dblink_exec(bench.conninfo(), 'INSERT INTO bench.written VALUES (1)');
