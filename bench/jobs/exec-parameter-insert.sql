SELECT pg_background_exec('INSERT INTO bench.written VALUES ($1)', ROW(1));
