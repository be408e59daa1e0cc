-- One call, from the session to its result.
CREATE TABLE bench.call (id int PRIMARY KEY, task text, peer text, code text);
INSERT INTO bench.call VALUES
  (1, 'SELECT 1', 'statement in the same session', $$EXECUTE 'SELECT 1' INTO x$$),
  (2, 'SELECT 1', 'dblink, connection kept open', $$PERFORM FROM dblink('kept', 'SELECT 1') AS (x int)$$),
  (3, 'SELECT 1', 'dblink, new connection', $$PERFORM FROM dblink(bench.conninfo(), 'SELECT 1') AS (x int)$$),
  (4, 'SELECT 1', 'launch, result',
   $$PERFORM r.x FROM pg_background_launch_v2('SELECT 1') h, pg_background_result_v2(h.pid, h.cookie) AS r (x int)$$),
  (5, 'SELECT 1', 'submit, wait, detach',
   $$PERFORM pg_background_wait_v2(pid, cookie), pg_background_detach_v2(pid, cookie) FROM pg_background_submit_v2('SELECT 1')$$),
  (6, 'INSERT', 'dblink, connection kept open', $$PERFORM dblink_exec('kept', 'INSERT INTO bench.written VALUES (1)')$$),
  (7, 'INSERT', 'dblink, new connection', $$PERFORM dblink_exec(bench.conninfo(), 'INSERT INTO bench.written VALUES (1)')$$),
  (8, 'INSERT', 'launch, result',
   $$PERFORM r.x FROM pg_background_launch_v2('INSERT INTO bench.written VALUES (1)') h,
             pg_background_result_v2(h.pid, h.cookie) AS r (x text)$$),
  (9, 'INSERT', 'submit, wait, detach',
   $$PERFORM pg_background_wait_v2(pid, cookie), pg_background_detach_v2(pid, cookie)
     FROM pg_background_submit_v2('INSERT INTO bench.written VALUES (1)')$$);

CREATE TABLE bench.latency (task text, fsync text, call int, repetition int, us float8);

-- n calls of each kind, in an order that changes from round to round: what a call leaves behind (a process that still
-- exits, say) must not always meet the same successor.
SELECT format($f$
CREATE FUNCTION bench.measure(which text, n int, repetition int) RETURNS void LANGUAGE plpgsql AS $body$
DECLARE
  x int; c int; started timestamptz; ended timestamptz; calls int[] := '{}'; times float8[] := '{}';
BEGIN
  FOR i IN -4..n LOOP
    FOR c IN SELECT id FROM bench.call WHERE task = which ORDER BY random() LOOP
      CASE c
%s
      END CASE;
      IF i > 0 THEN
        calls := calls || c;
        times := times || extract(epoch FROM ended - started)::float8 * 1e6;
      END IF;
    END LOOP;
  END LOOP;
  INSERT INTO bench.latency
    SELECT which, current_setting('fsync'), t.c, repetition, t.us FROM unnest(calls, times) AS t (c, us);
END $body$ $f$,
  string_agg(format('      WHEN %s THEN started := clock_timestamp(); %s; ended := clock_timestamp();', id, code), E'\n' ORDER BY id))
FROM bench.call \gexec
