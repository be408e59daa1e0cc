-- What scripts/demo.sql leans on; not part of the show.
CREATE EXTENSION pg_background;

-- fails the demo when something is not as it should be
CREATE FUNCTION expect(what text, ok boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF ok IS NOT TRUE THEN RAISE EXCEPTION 'the demo expected: %', what; END IF;
  RAISE INFO 'as it should be: %', what;
END $$;

-- Follows a job from the launching session until it has ended: prints what QUERY says about its pid whenever that changes, and
-- returns how many different lines there were. The wait is the job's own: no sleeping.
CREATE FUNCTION follow(pid int, cookie bigint, query text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  line text;
  last text := '';
  lines int := 0;
  ended boolean := false;
BEGIN
  WHILE NOT ended LOOP
    ended := pg_background_wait_v2_timeout(pid, cookie, 10);
    PERFORM pg_stat_clear_snapshot();
    EXECUTE query INTO line USING pid, cookie;
    IF line <> last THEN
      RAISE INFO 'seen from here, pid %: %', pid, line;
      last := line;
      lines := lines + 1;
    END IF;
  END LOOP;
  RETURN lines;
END $$;

-- Shows the lines of pg_background_watch until all of the jobs have ended. Returns how many looks there were, and how many different
-- percentages of a job.
CREATE FUNCTION watch(jobs pg_background_handle[], OUT looks int, OUT moves int) LANGUAGE plpgsql AS $$
DECLARE
  line record;
  seen text[] := '{}';
BEGIN
  looks := 0;
  WHILE NOT pg_background_await_all(jobs, '0.7 s') LOOP
    looks := looks + 1;
    FOR line IN SELECT * FROM pg_background_watch LOOP
      RAISE INFO '% % % %  %', line.progress, lpad(coalesce(line.pct || ' %', '?'), 5), line.elapsed, rpad(line.job, 15), coalesce(line.phase, '');
      IF line.pct IS NOT NULL THEN seen := seen || (line.pid || ' ' || line.pct); END IF;
    END LOOP;
  END LOOP;
  moves := count(DISTINCT s) FROM unnest(seen) s;
END $$;

CREATE VIEW jobs AS
  SELECT * FROM pg_background_list_v2() AS (pid int, cookie bigint, launched_at timestamptz, user_id oid, queue_size int,
                                            state text, sql_preview text, last_error text, consumed boolean);
