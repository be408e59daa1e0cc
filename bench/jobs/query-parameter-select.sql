SELECT r.x FROM pg_background_query('SELECT $1', ROW(1)) AS r (x int);
