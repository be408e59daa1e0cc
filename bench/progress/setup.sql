-- What bench/progress/run asks, and how it measures.
CREATE EXTENSION dblink;
CREATE EXTENSION pg_background;
CREATE SCHEMA bench;

-- One line for each statement; a new one needs nothing but a line in statements.sql or later.sql. A number as #1000# is
-- multiplied by the size of the tables; #data# is the server's data directory.
CREATE TABLE bench.statement (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text UNIQUE NOT NULL,
  -- scan: one scan, or the rows of one, take the time; utility; rest; wrong: the planner's rows are wrong by 1000 times or more;
  -- opaque: nothing may be known of it (recursion, statements within a function)
  class text NOT NULL CHECK (class IN ('scan', 'utility', 'rest', 'wrong', 'opaque')),
  sql text NOT NULL,
  -- statements that make what it needs, each in a transaction of its own, run before it is measured
  prepare text[] NOT NULL DEFAULT '{}',
  -- statements that drop it
  clean text[] NOT NULL DEFAULT '{}',
  -- of the job
  settings jsonb NOT NULL DEFAULT '{}',
  -- for rows that are read by a session, else they are thrown away: their columns, for the FROM clause that reads them
  columns text,
  -- written when the estimates stood, and not looked at while they were made
  later bool NOT NULL DEFAULT false
);

CREATE TABLE bench.run (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, statement int, repetition int, started_at timestamptz, finished_at timestamptz, row_count bigint, load float8);
CREATE TABLE bench.sample (run int, at timestamptz, pct int, source text, phase text, rows bigint, estimated bigint);

CREATE FUNCTION bench.conninfo() RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT format('host=%s port=%s user=%s dbname=%s', current_setting('unix_socket_directories'), current_setting('port'),
                 current_user, current_database()) $$;

CREATE FUNCTION bench.scaled(text text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE m text;
BEGIN
  FOR m IN SELECT DISTINCT x[1] FROM regexp_matches(text, '#(\d+)#', 'g') x LOOP
    text := replace(text, '#' || m || '#', (m::numeric * current_setting('bench.size')::numeric)::bigint::text);
  END LOOP;
  RETURN replace(text, '#data#', current_setting('data_directory'));
END $$;

-- Runs the statement as a job, and looks at the job every 20 ms, as a user of the view would. Each look is a transaction of its own:
-- CREATE INDEX CONCURRENTLY would wait for one that stays.
CREATE PROCEDURE bench.measure(which int, repetition int, interval_ms int) LANGUAGE plpgsql AS $$
DECLARE
  s bench.statement; r bench.run; j record; ended record; before timestamptz;
  l text;
  options jsonb; seen bool := false;
BEGIN
  SELECT * INTO s FROM bench.statement WHERE id = which;
  s.sql := bench.scaled(s.sql);
  options := jsonb_build_object('max_parallel_workers_per_gather', 0) || s.settings;
  IF EXISTS (SELECT FROM pg_settings WHERE name = 'pg_background.progress_interval') THEN
    options := options || jsonb_build_object('pg_background.progress_interval', interval_ms);
  END IF;
  INSERT INTO bench.run (statement, repetition) VALUES (which, repetition) RETURNING * INTO r;
  l := format('bench %s %s', r.id, clock_timestamp());
  IF s.columns IS NULL THEN
    PERFORM pg_background_start(s.sql, label => l, results => false, settings => options);
  ELSE
    PERFORM dblink_connect('reader', bench.conninfo());
    PERFORM dblink_send_query('reader', format('SELECT count(*) FROM pg_background_query(%L, label => %L, settings => %L) AS rows (%s)', s.sql, l, options, s.columns));
  END IF;
  LOOP
    before := clock_timestamp();
    SELECT pid, cookie, state, started_at, progress_pct, progress_source, progress_phase, rows_processed, rows_estimated
      INTO j FROM pg_stat_background WHERE label = l;
    IF FOUND THEN
      seen := true;
      IF j.state = 'running' AND j.started_at <= before THEN
        INSERT INTO bench.sample VALUES (r.id, before, j.progress_pct, j.progress_source, j.progress_phase, j.rows_processed, j.rows_estimated);
      END IF;
    END IF;
    SELECT * INTO ended FROM pg_background_history h WHERE h.label = l ORDER BY finished_at DESC LIMIT 1;
    EXIT WHEN FOUND;
    COMMIT;
    PERFORM pg_sleep(0.02);
  END LOOP;
  IF s.columns IS NOT NULL THEN
    PERFORM FROM dblink_get_result('reader') AS (n bigint);
    PERFORM dblink_disconnect('reader');
  END IF;
  IF ended.sqlstate IS NOT NULL THEN
    RAISE EXCEPTION '%: % %', s.name, ended.sqlstate, ended.message;
  END IF;
  UPDATE bench.run SET started_at = ended.started_at, finished_at = ended.finished_at, row_count = ended.row_count WHERE id = r.id;
  PERFORM pg_background_forget_ended();
END $$;

-- What was shown beside what was true, and how far apart they were; pct is NULL where nothing was shown.
CREATE VIEW bench.shown AS
  SELECT r.statement, r.id AS run, r.repetition, s.at, s.pct, s.source, s.phase, s.rows, s.estimated, t.truth, abs(s.pct - t.truth) AS error,
         s.pct < max(s.pct) OVER (PARTITION BY r.id ORDER BY s.at) AS backwards,
         s.pct = 100 AND r.finished_at - s.at > greatest(interval '40 ms', (r.finished_at - r.started_at) * 0.02) AS early,
         extract(epoch FROM r.finished_at - r.started_at) AS seconds
  FROM bench.run r JOIN bench.sample s ON s.run = r.id,
       LATERAL (SELECT 100 * extract(epoch FROM s.at - r.started_at) / extract(epoch FROM r.finished_at - r.started_at) AS truth) t
  WHERE s.at < r.finished_at;
CREATE VIEW bench.error_of_run AS
  SELECT statement, run, seconds, avg(error) AS mean, max(error) AS worst, bool_or(backwards) AS backwards, bool_or(early) AS early,
         count(*) FILTER (WHERE pct IS NULL) / count(*)::float8 AS unknown, count(*) AS samples
  FROM bench.shown GROUP BY statement, run, seconds;
CREATE VIEW bench.error AS
  SELECT s.id, s.name, s.class, s.later, percentile_cont(0.5) WITHIN GROUP (ORDER BY e.seconds) AS seconds,
         percentile_cont(0.5) WITHIN GROUP (ORDER BY e.mean) AS mean, max(e.worst) AS worst,
         percentile_cont(0.5) WITHIN GROUP (ORDER BY e.unknown) AS unknown, bool_or(e.backwards) AS backwards, bool_or(e.early) AS early
  FROM bench.statement s JOIN bench.error_of_run e ON e.statement = s.id
  GROUP BY s.id, s.name, s.class, s.later;
-- The targets: none for a statement of the rest that runs for less than a second, nor for one of which nothing need be known.
CREATE VIEW bench.judged AS
  SELECT e.*, t.target, t.target IS NOT NULL AND (e.mean IS NULL OR e.unknown > 0.5) AS missing, e.mean > t.target AS above
  FROM bench.error e,
       LATERAL (SELECT CASE WHEN class IN ('scan', 'utility') THEN 12 WHEN class = 'rest' AND seconds >= 1 THEN 20 WHEN class = 'wrong' THEN 30 END AS target) t;
