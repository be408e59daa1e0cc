-- The picture of the jobs, and the view for \watch: what they show of this session's jobs, with and without a registry.
\i regress/sql/include/helpers.sql
SET client_min_messages = warning;
SET TIME ZONE INTERVAL '-02:30' HOUR TO MINUTE;

-- A picture's bars: state and details of each
CREATE FUNCTION unescaped(t text) RETURNS text LANGUAGE sql AS $$
    SELECT replace(replace(replace(replace(replace(replace(t, '&#10;', E'\n'), '&lt;', '<'), '&gt;', '>'), '&quot;', '"'), '&#39;', ''''), '&amp;', '&')
$$;
CREATE FUNCTION bars(svg text) RETURNS TABLE (state text, pid int, cookie bigint, details text) LANGUAGE sql AS $$
    SELECT m[1], m[2]::int, m[3]::bigint, unescaped(m[4])
    FROM regexp_matches(svg, '<g class="job (\w+)" data-pid="(\d+)" data-cookie="(-?\d+)"><title>([^<]*)</title>', 'g') m
$$;
-- its lines, but for what differs from run to run
CREATE FUNCTION said(details text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT line FROM regexp_split_to_table(details, '\n') line
    WHERE line !~ '^(cookie|worker|launched|started|ended|run time|rows|user): '
$$;

--
-- arguments, and no jobs
--
SELECT pg_background_timeline('-1 s');
SELECT svg ~ '^<svg xmlns="http://www.w3.org/2000/svg" .*</svg>$' AS svg, svg ~ '^[ -\[\]-~]*$' AS one_line_of_ascii,
       svg ~ ' UTC-02:30<' AS zone
  FROM (VALUES (pg_background_timeline()), (pg_background_timeline('0')), (pg_background_timeline(NULL)),
               (pg_background_timeline('178000000 years'))) v (svg);

--
-- a job of each state
--
SELECT pg_advisory_lock(2012);
CREATE TEMP TABLE started AS
SELECT what, h.pid, h.cookie FROM (VALUES
    ('done', 'SELECT generate_series(1, 3)', NULL),
    ('failed', 'SELECT 1 / 0 AS "</svg><script>alert(''x'')</script>"', 'label & "more"'),
    ('canceled', E'SELECT\n\tpg_sleep(600)', NULL),
    ('waits', 'SELECT pg_background_progress(42, ''half''), pg_advisory_xact_lock(2012)', NULL)) v (what, sql, label),
    pg_background_start(sql, label => v.label) h;
CALL until($$(SELECT count(*) = 2 FROM pg_stat_background JOIN started USING (cookie)) AND
             (SELECT wait_event = 'advisory' FROM pg_stat_background JOIN started USING (cookie) WHERE what = 'waits') AND
             (SELECT state = 'running' FROM pg_stat_background JOIN started USING (cookie) WHERE what = 'canceled')$$);
SELECT pg_background_cancel_v2(pid, cookie) FROM started WHERE what = 'canceled';
CALL until($$(SELECT count(*) = 1 FROM pg_stat_background JOIN started USING (cookie))$$);
CREATE TEMP TABLE picture AS SELECT pg_background_timeline() AS svg;
SELECT what, state, b.pid = s.pid AS pid, said(details) FROM picture, bars(svg) b JOIN started s USING (cookie) ORDER BY what;
SELECT what, details ~ format(E'\nuser: %s, database: %s\n', session_user, current_database()) AS owner,
       details ~ E'\nlaunched: [-\\d]{10} [\\d:]{8}\\.\\d{3}\nstarted: .*\\(after .* m?s\\)\n' AS times, details ~ E'\nended: ' AS ended,
       details ~ E'\nrun time: [\\d.]+ (ms|s|min)' AS run_time
  FROM picture, bars(svg) b JOIN started s USING (cookie) ORDER BY what;
-- nothing that a text could do
SELECT svg ~ '<script' AS script, svg ~* '(href|onload|url\((?!#))' AS links, svg ~ '^[ -\[\]-~]*$' AS one_line_of_ascii,
       drawn = expected AS bars
  FROM picture, LATERAL (SELECT count(*) AS drawn FROM regexp_matches(svg, '<rect class="bar" ', 'g')) c,
       LATERAL (SELECT count(*) + 5 AS expected FROM bars(svg)) b; -- those of the legend
-- what has ended before is left out
SELECT what FROM bars(pg_background_timeline('0')) JOIN started USING (cookie);

--
-- the view for \watch
--
SELECT state, progress, pct, elapsed < '1 hour' AS elapsed, phase, job FROM pg_background_watch w JOIN started USING (pid);
-- time left: of a job that has run for three seconds, and is at 5 % or more
SELECT h.* FROM pg_background_start('SELECT pg_background_progress(4, ''four''), pg_advisory_xact_lock(2012)', label => E'two\nlines') h \gset four_
SELECT h.* FROM pg_background_start('SELECT pg_background_progress(5, ''five''), pg_advisory_xact_lock(2012)') h \gset five_
CALL until('EXISTS (SELECT FROM pg_background_watch WHERE phase = ''five'' AND time_left IS NOT NULL)
    AND EXISTS (SELECT FROM pg_background_watch WHERE phase = ''four'' AND elapsed >= ''3 s'')');
SELECT pct, progress, elapsed >= '3 s' AS elapsed, extract(second FROM elapsed) % 1 = 0 AS whole_seconds,
       time_left >= elapsed * 19 AS time_left, extract(epoch FROM time_left)::int % 5 AS rounded, phase, job
  FROM pg_background_watch WHERE phase IN ('four', 'five') ORDER BY pct;

--
-- of other roles' jobs: all but the texts
--
CREATE ROLE regress_pgbg_other;
GRANT SELECT ON started TO regress_pgbg_other;
SET ROLE regress_pgbg_other;
SELECT what, state, said(details) FROM bars(pg_background_timeline()) JOIN pg_temp.started USING (cookie) WHERE what IN ('failed', 'waits') ORDER BY what;
SELECT state, progress, pct, phase, job FROM pg_background_watch WHERE pid = :five_pid;
RESET ROLE;

SELECT pg_advisory_unlock(2012);
SELECT pg_background_await_all(array_agg(ROW(pid, cookie)::pg_background_handle)) FROM jobs;
SELECT pg_background_forget_ended() > 0 AS forgotten;
DROP FUNCTION bars(text), said(text), unescaped(text);
DROP TABLE started, picture;
DROP ROLE regress_pgbg_other;
\i regress/sql/include/cleanup.sql
