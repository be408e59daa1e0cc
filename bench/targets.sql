-- The targets: what was measured beside what is wanted.
CREATE TABLE bench.target (place serial, path text, what text, figure text, wanted text, is_met bool);

-- A row of the table: the middle of the values against the limit, "<=", "<" or ">=".
CREATE FUNCTION bench.target(path text, what text, seen float8[], compare text, bound float8, unit text DEFAULT ' ×') RETURNS void LANGUAGE sql AS $$
  INSERT INTO bench.target (path, what, figure, wanted, is_met)
  SELECT path, what, coalesce(bench.ratio(seen) || unit, 'not measured'), CASE compare WHEN '<=' THEN '≤ ' WHEN '<' THEN '< ' ELSE '≥ ' END || bound || unit,
    CASE compare WHEN '<=' THEN round(bench.middle(seen)::numeric, 2) <= bound::numeric WHEN '<' THEN round(bench.middle(seen)::numeric, 2) < bound::numeric ELSE round(bench.middle(seen)::numeric, 2) >= bound::numeric END
$$;

-- Jobs per second, and microseconds of processor time that a job takes of the whole machine but pgbench.
CREATE TABLE bench.target_jobs (by text, clients int, repetition int, tps float8, errors int, cpu float8);

-- A row trigger that writes an audit, by a plain INSERT and by exec.
CREATE TABLE bench.target_audit (id int, name text, noted timestamptz DEFAULT now());
CREATE TABLE bench.plainly (id int, name text);
CREATE TABLE bench.by_exec (id int, name text);
CREATE FUNCTION bench.note_plainly() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO bench.target_audit VALUES (NEW.id, NEW.name); RETURN NULL; END $$;
CREATE FUNCTION bench.note_by_exec() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_background_exec('INSERT INTO bench.target_audit VALUES ($1, $2)', ROW(NEW.id, NEW.name)); RETURN NULL; END $$;
CREATE TRIGGER note AFTER INSERT ON bench.plainly FOR EACH ROW EXECUTE FUNCTION bench.note_plainly();
CREATE TRIGGER note AFTER INSERT ON bench.by_exec FOR EACH ROW EXECUTE FUNCTION bench.note_by_exec();

-- What a statement takes, in microseconds.
CREATE FUNCTION bench.timed(statement text) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE started timestamptz := clock_timestamp(); BEGIN
  EXECUTE statement;
  RETURN extract(epoch FROM clock_timestamp() - started) * 1e6;
END $$;

-- The middle of n launches with their results, in microseconds; the first few are not counted.
CREATE FUNCTION bench.launch_latency(n int) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE started timestamptz; times float8[] := '{}'; BEGIN
  FOR i IN -9..n LOOP
    started := clock_timestamp();
    PERFORM r.x FROM pg_background_launch_v2('SELECT 1') h, pg_background_result_v2(h.pid, h.cookie) AS r (x int);
    IF i > 0 THEN times := times || extract(epoch FROM clock_timestamp() - started)::float8 * 1e6; END IF;
  END LOOP;
  RETURN bench.middle(times);
END $$;

-- The same of n new connections that run a statement, to a server that has no dblink itself.
CREATE FUNCTION bench.connect_latency(server text, n int) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE started timestamptz; times float8[] := '{}'; BEGIN
  FOR i IN -9..n LOOP
    started := clock_timestamp();
    PERFORM FROM dblink(server, 'SELECT 1') AS (x int);
    IF i > 0 THEN times := times || extract(epoch FROM clock_timestamp() - started)::float8 * 1e6; END IF;
  END LOOP;
  RETURN bench.middle(times);
END $$;

-- The middle of n calls of the statement.
CREATE FUNCTION bench.middle_of(statement text, n int) RETURNS float8 LANGUAGE sql AS
$$ SELECT bench.middle(array_agg(bench.timed(statement))) FROM generate_series(1, n) $$;

-- n jobs by exec.
CREATE FUNCTION bench.execs(n int) RETURNS void LANGUAGE plpgsql AS
$$ BEGIN FOR i IN 1..n LOOP PERFORM pg_background_exec('SELECT 1'); END LOOP; END $$;

-- Private memory of this process, kB.
CREATE FUNCTION bench.private_kb() RETURNS int LANGUAGE sql VOLATILE AS
$$ SELECT substring(pg_read_file('/proc/self/status') FROM 'RssAnon:\s+(\d+)')::int $$;
