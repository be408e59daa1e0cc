-- A job on a warm worker beside a dblink connection that stays open. Calls 6 and later are those of the parts exec and targets.
CREATE TABLE bench.warm_call (id int PRIMARY KEY, task text, by text, code text);
INSERT INTO bench.warm_call VALUES
  (1, 'SELECT 1', 'dblink', $$PERFORM FROM dblink('kept', 'SELECT 1') AS (x int)$$),
  (2, 'SELECT 1', 'launch, result',
   $$PERFORM r.x FROM pg_background_launch_v2('SELECT 1') h, pg_background_result_v2(h.pid, h.cookie) AS r (x int)$$),
  (3, 'INSERT', 'dblink', $$PERFORM dblink_exec('kept', 'INSERT INTO bench.written VALUES (1)')$$),
  (4, 'INSERT', 'launch, result',
   $$PERFORM r.x FROM pg_background_launch_v2('INSERT INTO bench.written VALUES (1)') h,
             pg_background_result_v2(h.pid, h.cookie) AS r (x text)$$),
  (5, 'INSERT', 'submit, wait, detach',
   $$PERFORM pg_background_wait_v2(pid, cookie), pg_background_detach_v2(pid, cookie)
     FROM pg_background_submit_v2('INSERT INTO bench.written VALUES (1)')$$),
  (6, 'SELECT 1', 'query', $$PERFORM FROM pg_background_query('SELECT 1') AS (x int)$$),
  (7, 'SELECT 1', 'query, parameter', $$PERFORM FROM pg_background_query('SELECT $1', ROW(i)) AS (x int)$$),
  (8, 'INSERT', 'exec', $$PERFORM pg_background_exec('INSERT INTO bench.written VALUES (1)')$$),
  (9, 'INSERT', 'exec, parameter', $$PERFORM pg_background_exec('INSERT INTO bench.written VALUES ($1)', ROW(i))$$),
  (10, 'INSERT', 'exec, a new text each time',
   $$PERFORM pg_background_exec('INSERT INTO bench.written VALUES (' || (random() * 1e9)::int || ')')$$),
  (11, 'SELECT 1', 'exec', $$PERFORM pg_background_exec('SELECT 1')$$);

-- What bench.burst saw in a session of the given name: its calls, in order.
CREATE UNLOGGED TABLE bench.burst (session text, call int, us float8[]);

-- n calls of one kind in a row; the first ones, which may find a core asleep or at other work, are not counted.
SELECT format($f$
CREATE FUNCTION bench.burst(session text, call int, skip int, n int) RETURNS void LANGUAGE plpgsql AS $body$
DECLARE
  x int; started timestamptz; ended timestamptz; times float8[] := '{}';
BEGIN
  FOR i IN 1..skip + n LOOP
    CASE call
%s
    END CASE;
    IF i > skip THEN
      times := times || extract(epoch FROM ended - started)::float8 * 1e6;
    END IF;
  END LOOP;
  INSERT INTO bench.burst VALUES (session, call, times);
END $body$ $f$,
  string_agg(format('    WHEN %s THEN started := clock_timestamp(); %s; ended := clock_timestamp();', id, code), E'\n' ORDER BY id))
FROM bench.warm_call \gexec

-- A session's name is REGIME/SPIN/FSYNC/REPETITION.
CREATE VIEW bench.warm_quantile AS
SELECT split_part(session, '/', 1) AS regime, split_part(session, '/', 2) AS spin, split_part(session, '/', 3) AS fsync,
       split_part(session, '/', 4)::int AS repetition, call, q[1] AS p50, q[2] AS p95, q[3] AS p99, calls
FROM (SELECT session, call, count(*) AS calls, percentile_cont('{0.5,0.95,0.99}'::float8[]) WITHIN GROUP (ORDER BY u) AS q
      FROM bench.burst, unnest(us) u WHERE session <> '' GROUP BY 1, 2) s;
