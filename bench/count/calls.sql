-- What is counted: a call of each kind, made n times in a row, and rows that one call of each kind returns.
CREATE EXTENSION pg_background;
CREATE SCHEMA bench;
CREATE TABLE bench.written (n int);
CREATE TABLE bench.texts AS SELECT i, 'row ' || i AS t, md5(i::text) AS m FROM generate_series(1, 10000) i;
SELECT 'CREATE TABLE bench.wide AS SELECT ' || string_agg(format(CASE n % 2 WHEN 1 THEN 'i + %s AS c%1$s' ELSE '''value '' || i + %s AS c%1$s' END, n), ', ' ORDER BY n) || ' FROM generate_series(1, 1000) i'
FROM generate_series(1, 50) n \gexec
SELECT string_agg(format('c%s %s', n, CASE n % 2 WHEN 1 THEN 'int' ELSE 'text' END), ', ' ORDER BY n) AS columns FROM generate_series(1, 50) n \gset

-- n: calls of one burst, or rows of its only call. The names of those that run no job begin with "here": they tell the server apart.
CREATE TABLE bench.path (id int PRIMARY KEY, name text, n int, is_rows bool DEFAULT false, code text);
INSERT INTO bench.path (id, name, n, code) VALUES
  (0, 'nothing', 1, 'NULL'),
  (1, 'here: SELECT 1', 100, $$EXECUTE 'SELECT 1' INTO x$$),
  (2, 'query: SELECT 1', 100, $$PERFORM FROM pg_background_query('SELECT 1') AS (x int)$$),
  (3, 'query, parameter', 100, $$PERFORM FROM pg_background_query('SELECT $1', ROW(i)) AS (x int)$$),
  (4, 'exec: INSERT, parameter', 100, $$PERFORM pg_background_exec('INSERT INTO bench.written VALUES ($1)', ROW(i))$$),
  (5, 'exec: INSERT, a new text each time', 100, $$PERFORM pg_background_exec('INSERT INTO bench.written VALUES (' || i || ')')$$),
  (6, 'launch, result: SELECT 1', 100,
   $$PERFORM r.x FROM pg_background_launch_v2('SELECT 1') h, pg_background_result_v2(h.pid, h.cookie) AS r (x int)$$),
  (7, 'submit, wait, detach: SELECT 1', 100,
   $$PERFORM pg_background_wait_v2(pid, cookie), pg_background_detach_v2(pid, cookie) FROM pg_background_submit_v2('SELECT 1')$$),
  (8, 'exec: refused by a limit', 100, $$BEGIN PERFORM pg_background_exec('SELECT 1'); EXCEPTION WHEN configuration_limit_exceeded THEN NULL; END$$);
INSERT INTO bench.path (id, name, n, is_rows, code) VALUES
  (11, 'here: rows, int', 10000, true, $$PERFORM FROM bench.srf('SELECT i FROM bench.texts') AS (i int)$$),
  (12, 'rows, int', 10000, true, $$PERFORM FROM pg_background_query('SELECT i FROM bench.texts') AS (i int)$$),
  (13, 'rows, (int, text, md5)', 10000, true, $$PERFORM FROM pg_background_query('SELECT i, t, m FROM bench.texts') AS (i int, t text, m text)$$),
  (14, 'rows, 50 columns', 1000, true, format($$PERFORM FROM pg_background_query('SELECT * FROM bench.wide') AS (%s)$$, :'columns')),
  (15, 'rows, COPY TO STDOUT', 10000, true, $$PERFORM FROM pg_background_query('COPY bench.texts TO STDOUT') AS (line text)$$);

CREATE FUNCTION bench.srf(query text) RETURNS SETOF record LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE query; END $$;
SELECT format('CREATE FUNCTION bench.path_%s(n int) RETURNS void LANGUAGE plpgsql AS $body$ DECLARE x int; BEGIN FOR i IN 1..n LOOP %s; END LOOP; END $body$', id, code)
FROM bench.path \gexec
-- While the one job runs that the limit allows.
ALTER FUNCTION bench.path_8 RENAME TO refused;
ALTER FUNCTION bench.refused SET pg_background.max_workers_per_role = 1;
ALTER FUNCTION bench.refused SET pg_background.launch_timeout = 0;
CREATE FUNCTION bench.path_8(n int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  h pg_background_handle;
BEGIN
  PERFORM pg_advisory_lock(8);
  h := pg_background_launch_v2('SELECT pg_advisory_xact_lock_shared(8)');
  PERFORM bench.refused(n);
  PERFORM pg_advisory_unlock(8);
  PERFORM pg_background_wait_v2(h.pid, h.cookie), pg_background_detach_v2(h.pid, h.cookie);
END $$;
VACUUM ANALYZE;
