-- Rows into the caller. Wanted: :repetitions, and :gather, the setting that puts a Gather on top of a plan.
CREATE TABLE bench.ints AS SELECT i FROM generate_series(1, 5000000) i;
CREATE TABLE bench.texts AS SELECT i, 'row ' || i AS t, md5(i::text) AS m FROM generate_series(1, 2000000) i;
SELECT 'CREATE TABLE bench.wide AS SELECT ' || string_agg(format(CASE n % 2 WHEN 1 THEN 'i + %s AS c%1$s' ELSE '''value '' || i + %s AS c%1$s' END, n), ', ' ORDER BY n) || ' FROM generate_series(1, 100000) i'
FROM generate_series(1, 50) n \gexec
VACUUM ANALYZE;

CREATE FUNCTION bench.srf(query text) RETURNS SETOF record LANGUAGE plpgsql AS
$$ BEGIN RETURN QUERY EXECUTE query; END $$;
-- One worker makes all rows; they come through the server's own tuple queue.
CREATE FUNCTION bench.srf_gather(query text) RETURNS SETOF record LANGUAGE plpgsql
SET :gather = on SET max_parallel_workers_per_gather = 1 SET parallel_leader_participation = off
SET min_parallel_table_scan_size = '1TB' AS
$$ BEGIN RETURN QUERY EXECUTE query; END $$;
-- The same plan, to see that it is one.
CREATE FUNCTION bench.gathers(query text) RETURNS bool LANGUAGE plpgsql
SET :gather = on SET max_parallel_workers_per_gather = 1 SET parallel_leader_participation = off
SET min_parallel_table_scan_size = '1TB' AS
$$ DECLARE line text; launched bool := false; BEGIN
  FOR line IN EXECUTE 'EXPLAIN (ANALYZE, TIMING OFF) ' || query LOOP
    launched := launched OR line ~ 'Workers Launched: 1';
  END LOOP;
  RETURN launched;
END $$;

CREATE TABLE bench.shape (id int, name text, rows int, query text, columns text);
INSERT INTO bench.shape VALUES
  (1, 'table, 5M × int', 5000000, 'SELECT i FROM bench.ints', 'i int'),
  (2, 'table, 2M × (int, text, md5)', 2000000, 'SELECT i, t, m FROM bench.texts', 'i int, t text, m text'),
  (3, 'table, 100k × 50 columns', 100000, 'SELECT * FROM bench.wide',
   (SELECT string_agg(format('c%s %s', n, CASE n % 2 WHEN 1 THEN 'int' ELSE 'text' END), ', ' ORDER BY n) FROM generate_series(1, 50) n)),
  (4, 'generated, 10k × 100 KB text', 10000, 'SELECT repeat(md5(i::text), 3200) FROM generate_series(1, 10000) i', 't text'),
  (5, 'generated, 5M × int', 5000000, 'SELECT i FROM generate_series(1, 5000000) i', 'i int');

CREATE TABLE bench.way (id int, name text, code text);
INSERT INTO bench.way VALUES
  (1, 'srf', 'SELECT count(*) FROM bench.srf(%L) AS (%s)'),
  (2, 'srf_gather', 'SELECT count(*) FROM bench.srf_gather(%L) AS (%s)'),
  (3, 'dblink', 'SELECT count(*) FROM dblink(''kept'', %L) AS (%s)'),
  (4, '64 KB', 'SELECT count(*) FROM pg_background_result(pg_background_launch(%L, 65536)) AS (%s)'),
  (5, '1 MB', 'SELECT count(*) FROM pg_background_result(pg_background_launch(%L, 1048576)) AS (%s)');

CREATE TABLE bench.transfer (shape int, way int, repetition int, ms float8);
SELECT dblink_connect('kept', bench.conninfo()) \g /dev/null
SELECT set_config('bench.repetitions', :'repetitions', false) \g /dev/null
DO $$
DECLARE
  s bench.shape; w bench.way; started timestamptz; n bigint;
BEGIN
  FOR s IN SELECT * FROM bench.shape ORDER BY id LOOP
    IF NOT bench.gathers(s.query) THEN
      RAISE WARNING '%: not one parallel worker makes the rows of srf_gather', s.name;
    END IF;
    FOR repetition IN 0..current_setting('bench.repetitions')::int LOOP
      FOR w IN SELECT * FROM bench.way ORDER BY id LOOP
        started := clock_timestamp();
        EXECUTE format(w.code, s.query, s.columns) INTO n;
        -- the first time only warms up
        IF repetition > 0 THEN
          INSERT INTO bench.transfer VALUES (s.id, w.id, repetition, extract(epoch FROM clock_timestamp() - started) * 1e3);
        END IF;
        IF n <> s.rows THEN
          RAISE EXCEPTION '% by %: % rows instead of %', s.name, w.name, n, s.rows;
        END IF;
      END LOOP;
    END LOOP;
  END LOOP;
END $$;
