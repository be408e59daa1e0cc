SELECT pg_background_exec('SELECT 1');
