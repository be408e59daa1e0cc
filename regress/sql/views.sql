-- The statistics views, by what they show of this session's jobs: the same with and without a registry of all sessions' jobs.
\i regress/sql/include/helpers.sql
SET client_min_messages = warning;

CREATE VIEW mine AS SELECT * FROM pg_stat_background WHERE launcher_pid = pg_backend_pid();
CREATE VIEW ended AS SELECT * FROM pg_background_history WHERE launcher_pid = pg_backend_pid();
SELECT count(*) FROM mine;
SELECT count(*) FROM ended;

--
-- a job that waits: for a lock that this session holds
--
SELECT pg_advisory_lock(2011);
SELECT now() AS before \gset
SELECT pid, cookie FROM pg_background_launch_v2($$SELECT pg_background_progress(42, 'half'), pg_advisory_xact_lock(2011)$$) \gset job_
CALL until($$(SELECT wait_event = 'advisory' FROM mine)$$);
\x on
SELECT pid = :job_pid AS pid, cookie = :job_cookie AS cookie, label, datid = (SELECT oid FROM pg_database WHERE datname = current_database()) AS datid,
       datname = current_database() AS datname, usesysid = current_user::regrole AS usesysid, usename = current_user AS usename,
       launcher_pid = pg_backend_pid() AS launcher_pid, state, launched_at >= :'before' AS launched_at,
       started_at >= launched_at AND started_at <= clock_timestamp() AS started_at, rows_processed, rows_estimated,
       progress_pct, progress_phase, progress_msg, progress_source, wait_event_type, wait_event, query
  FROM mine;
\x off
-- its worker
SELECT w.datid = j.datid AS datid, w.datname, w.usesysid = session_user::regrole AS usesysid, w.usename = session_user AS usename,
       w.state, w.started_at <= clock_timestamp() AS started_at, w.idle_since
  FROM pg_stat_background_workers w JOIN mine j USING (pid);
SELECT count(*) FROM ended;
-- it ends, and is somewhere else
SELECT pg_advisory_unlock(2011);
SELECT pg_background_wait_v2(:job_pid, :job_cookie);
CALL until('NOT EXISTS (SELECT FROM mine)');
\x on
SELECT pid = :job_pid AS pid, cookie = :job_cookie AS cookie, label, datid = (SELECT oid FROM pg_database WHERE datname = current_database()) AS datid,
       datname = current_database() AS datname, usesysid = current_user::regrole AS usesysid, usename = current_user AS usename,
       launcher_pid = pg_backend_pid() AS launcher_pid, state, sqlstate, message, launched_at >= :'before' AS launched_at,
       finished_at >= started_at AND finished_at <= clock_timestamp() AS finished_at, launch_latency = started_at - launched_at AS latency,
       run_time = finished_at - started_at AS run_time, query
  FROM ended;
\x off
SELECT * FROM pg_background_result_v2(:job_pid, :job_cookie) AS (progress text, lock text);

--
-- how jobs end, as long as nobody has read it
--
CREATE TABLE one (i int PRIMARY KEY);
SELECT pid AS failed_pid, cookie AS failed_cookie FROM pg_background_launch_v2('SELECT 1/0') \gset
SELECT pid AS parse_pid, cookie AS parse_cookie FROM pg_background_launch_v2('SELEC 1') \gset
SELECT pid AS raised_pid, cookie AS raised_cookie FROM pg_background_launch_v2($$DO 'BEGIN RAISE EXCEPTION USING ERRCODE = ''PB001'', MESSAGE = ''no such luck''; END'$$) \gset
SELECT pid AS submit_pid, cookie AS submit_cookie FROM pg_background_submit_v2('INSERT INTO one SELECT generate_series(1, 5)') \gset
SELECT pid AS sleep_pid, cookie AS sleep_cookie FROM pg_background_launch_v2('SELECT pg_sleep(600)') \gset
SET pg_background.worker_timeout = '10ms';
SELECT pid AS timeout_pid, cookie AS timeout_cookie FROM pg_background_launch_v2('SELECT pg_sleep(601)') \gset
RESET pg_background.worker_timeout;
CALL until($$EXISTS (SELECT FROM mine WHERE query = 'SELECT pg_sleep(600)' AND state = 'running')$$);
SELECT pg_background_cancel_v2(:sleep_pid, :sleep_cookie);
CALL until('NOT EXISTS (SELECT FROM mine)');
SELECT state, sqlstate, message, started_at IS NOT NULL AS started, run_time >= '0' AS run_time, query
  FROM ended WHERE cookie IN (:failed_cookie, :parse_cookie, :raised_cookie, :submit_cookie, :sleep_cookie, :timeout_cookie)
 ORDER BY query COLLATE "C";
-- long texts are cut
SELECT pid AS long_pid, cookie AS long_cookie FROM pg_background_launch_v2($$SELECT '$$ || repeat('xyz', 1000) || $$'::int$$) \gset
SELECT pg_background_wait_v2(:long_pid, :long_cookie);
CALL until_ended(:long_cookie);
SELECT length(query), left(query, 20) AS query, sqlstate, length(message) BETWEEN 100 AND 3100 AS long, left(message, 50) AS message
  FROM ended WHERE cookie = :long_cookie;
SELECT count(pg_background_detach_v2(pid, cookie)) FROM jobs;

--
-- who sees what: rows all, texts those whose job it is
--
CREATE ROLE regress_pgbg_owner;
CREATE ROLE regress_pgbg_member;
CREATE ROLE regress_pgbg_noinherit NOINHERIT;
CREATE ROLE regress_pgbg_stats;
CREATE ROLE regress_pgbg_other;
GRANT regress_pgbg_owner TO regress_pgbg_member;
GRANT regress_pgbg_owner TO regress_pgbg_noinherit;
GRANT pg_read_all_stats TO regress_pgbg_stats;
GRANT pgbackground_role TO regress_pgbg_owner, regress_pgbg_other;
SELECT pg_advisory_lock(2011);
SET ROLE regress_pgbg_owner;
SELECT pid AS wait_pid, cookie AS wait_cookie FROM pg_background_launch_v2($$SELECT pg_background_progress(7, 'secret'), pg_advisory_xact_lock(2011)$$) \gset
SELECT pid AS error_pid, cookie AS error_cookie FROM pg_background_launch_v2($$SELECT 'secret'::int$$) \gset
RESET ROLE;
CALL until($$EXISTS (SELECT FROM mine WHERE wait_event = 'advisory')$$);
CALL until_ended(:error_cookie);
-- as seen by each; and no more of waits than pg_stat_activity shows
CREATE FUNCTION looks(viewer text) RETURNS TABLE (state text, usename name, query text, message text, pct int, waits bool, as_activity bool)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SET ROLE %I', viewer);
    RETURN QUERY
    SELECT j.state, j.usename, j.query, j.progress_msg, j.progress_pct, j.wait_event IS NOT NULL, j.wait_event IS NOT DISTINCT FROM a.wait_event
      FROM pg_stat_background j JOIN pg_stat_activity a USING (pid) WHERE j.launcher_pid = pg_backend_pid()
    UNION ALL
    SELECT h.state, h.usename, h.query, h.message, NULL, NULL, NULL
      FROM pg_background_history h WHERE h.launcher_pid = pg_backend_pid() AND h.usename = 'regress_pgbg_owner';
    RESET ROLE;
END
$$;
SELECT v.viewer, l.* FROM (VALUES (1, session_user::text), (2, 'regress_pgbg_owner'), (3, 'regress_pgbg_member'), (4, 'regress_pgbg_stats'),
                                  (5, 'regress_pgbg_noinherit'), (6, 'regress_pgbg_other')) v (n, viewer), looks(v.viewer) l
 WHERE v.n > 1 ORDER BY v.n, l.state COLLATE "C" DESC;
SELECT state, query, progress_msg FROM mine;
-- nor through the functions beneath, or a view of one's own
SET ROLE regress_pgbg_other;
SELECT count(*), count(query), count(progress_msg), count(label) FROM pg_background_get_jobs() WHERE launcher_pid = pg_backend_pid();
SELECT count(*), count(query), count(message), count(label) FROM pg_background_get_history() WHERE launcher_pid = pg_backend_pid() AND usesysid = 'regress_pgbg_owner'::regrole;
CREATE TEMP VIEW regress_pgbg_look AS SELECT * FROM pg_stat_background WHERE launcher_pid = pg_backend_pid();
SELECT count(*), count(query) FROM regress_pgbg_look;
RESET ROLE;
SELECT count(*), count(query) FROM regress_pgbg_look;
DROP VIEW regress_pgbg_look;
SELECT pg_advisory_unlock(2011);
SELECT pg_background_wait_v2(:wait_pid, :wait_cookie);
SELECT pg_background_detach_v2(:wait_pid, :wait_cookie), pg_background_detach_v2(:error_pid, :error_cookie);

-- as a column
SELECT count(*) >= 0 AS fine FROM (SELECT pg_background_get_jobs()) j;

DROP FUNCTION looks(text);
DROP VIEW mine, ended;
DROP TABLE one;
\i regress/sql/include/cleanup.sql
DROP ROLE regress_pgbg_owner, regress_pgbg_member, regress_pgbg_noinherit, regress_pgbg_stats, regress_pgbg_other;
