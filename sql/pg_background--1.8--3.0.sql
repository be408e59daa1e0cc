/* sql/pg_background--1.8--3.0.sql */

-- complain if the script is sourced in psql, rather than via CREATE EXTENSION or ALTER EXTENSION
\echo Use "ALTER EXTENSION pg_background UPDATE TO '3.0'" to load this file. \quit

/*
 * 3.0 adds to 1.8 and changes nothing of it. CREATE EXTENSION comes this way,
 * too.
 *
 * The statistics are for everybody, as pg_stat_activity is: the functions
 * themselves leave out the texts of jobs that are not the caller's to read.
 * They run as the caller also when the views call them, so the views, which
 * read nothing as their owner that PUBLIC may not read, show nobody more.
 */

CREATE FUNCTION pg_background_get_jobs(
    OUT pid pg_catalog.int4,
    OUT cookie pg_catalog.int8,
    OUT label pg_catalog.text,
    OUT datid pg_catalog.oid,
    OUT usesysid pg_catalog.oid,
    OUT launcher_pid pg_catalog.int4,
    OUT state pg_catalog.text,
    OUT launched_at pg_catalog.timestamptz,
    OUT started_at pg_catalog.timestamptz,
    OUT statement pg_catalog.int4,
    OUT statements pg_catalog.int4,
    OUT command pg_catalog.text,
    OUT rows_processed pg_catalog.int8,
    OUT rows_estimated pg_catalog.int8,
    OUT progress_pct pg_catalog.int4,
    OUT progress_phase pg_catalog.text,
    OUT progress_msg pg_catalog.text,
    OUT progress_source pg_catalog.text,
    OUT query pg_catalog.text
)
    RETURNS SETOF pg_catalog.record
    AS 'MODULE_PATHNAME', 'pg_background_get_jobs'
    LANGUAGE C ROWS 16 PARALLEL RESTRICTED;

CREATE FUNCTION pg_background_get_history(
    OUT pid pg_catalog.int4,
    OUT cookie pg_catalog.int8,
    OUT label pg_catalog.text,
    OUT datid pg_catalog.oid,
    OUT usesysid pg_catalog.oid,
    OUT launcher_pid pg_catalog.int4,
    OUT state pg_catalog.text,
    OUT sqlstate pg_catalog.text,
    OUT message pg_catalog.text,
    OUT launched_at pg_catalog.timestamptz,
    OUT started_at pg_catalog.timestamptz,
    OUT finished_at pg_catalog.timestamptz,
    OUT row_count pg_catalog.int8,
    OUT query pg_catalog.text
)
    RETURNS SETOF pg_catalog.record
    AS 'MODULE_PATHNAME', 'pg_background_get_history'
    LANGUAGE C ROWS 1000 PARALLEL RESTRICTED;

CREATE FUNCTION pg_background_get_workers(
    OUT pid pg_catalog.int4,
    OUT datid pg_catalog.oid,
    OUT usesysid pg_catalog.oid,
    OUT state pg_catalog.text,
    OUT jobs_run pg_catalog.int8,
    OUT started_at pg_catalog.timestamptz,
    OUT idle_since pg_catalog.timestamptz,
    OUT ends_because pg_catalog.text
)
    RETURNS SETOF pg_catalog.record
    AS 'MODULE_PATHNAME', 'pg_background_get_workers'
    LANGUAGE C ROWS 16 PARALLEL RESTRICTED;

CREATE FUNCTION pg_background_get_totals(
    OUT datid pg_catalog.oid,
    OUT usesysid pg_catalog.oid,
    OUT launched pg_catalog.int8,
    OUT completed pg_catalog.int8,
    OUT failed pg_catalog.int8,
    OUT canceled pg_catalog.int8,
    OUT timed_out pg_catalog.int8,
    OUT rejected pg_catalog.int8,
    OUT queue_waits pg_catalog.int8,
    OUT warm_starts pg_catalog.int8,
    OUT cold_starts pg_catalog.int8,
    OUT run_time_us pg_catalog.int8,
    OUT stats_reset pg_catalog.timestamptz
)
    RETURNS SETOF pg_catalog.record
    AS 'MODULE_PATHNAME', 'pg_background_get_totals'
    LANGUAGE C ROWS 16 PARALLEL RESTRICTED;

/*
 * For the owner, and whom the owner grants it. It needs nobody's rights;
 * SECURITY DEFINER marks it as the administrator's, as the other functions
 * that grant_pg_background_privileges() is not to hand out.
 */
CREATE FUNCTION pg_background_stat_reset()
    RETURNS pg_catalog.void
    AS 'MODULE_PATHNAME', 'pg_background_stat_reset'
    LANGUAGE C SECURITY DEFINER SET search_path = pg_catalog, pg_temp;

/*
 * Names are joined to the rows from the left: a database or a role may be
 * gone. pg_stat_activity is used as a view, by its columns' names, so that
 * pg_upgrade can take these definitions to a server where it has others.
 */
CREATE VIEW pg_stat_background AS
SELECT j.pid, j.cookie, j.label, j.datid, d.datname, j.usesysid, u.rolname AS usename, j.launcher_pid, j.state,
       j.launched_at, j.started_at, j.statement, j.statements, j.command, j.rows_processed, j.rows_estimated,
       j.progress_pct, j.progress_phase, j.progress_msg, j.progress_source, a.wait_event_type, a.wait_event, j.query
  FROM pg_background_get_jobs() j
  LEFT JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) j.datid
  LEFT JOIN pg_catalog.pg_roles u ON u.oid OPERATOR(pg_catalog.=) j.usesysid
  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) j.pid;

CREATE VIEW pg_background_history AS
SELECT h.pid, h.cookie, h.label, h.datid, d.datname, h.usesysid, u.rolname AS usename, h.launcher_pid, h.state,
       h.sqlstate, h.message, h.launched_at, h.started_at, h.finished_at, h.row_count,
       h.started_at OPERATOR(pg_catalog.-) h.launched_at AS launch_latency,
       h.finished_at OPERATOR(pg_catalog.-) h.started_at AS run_time, h.query
  FROM pg_background_get_history() h
  LEFT JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) h.datid
  LEFT JOIN pg_catalog.pg_roles u ON u.oid OPERATOR(pg_catalog.=) h.usesysid;

CREATE VIEW pg_stat_background_workers AS
SELECT w.pid, w.datid, d.datname, w.usesysid, u.rolname AS usename, w.state, w.jobs_run, w.started_at, w.idle_since,
       w.ends_because
  FROM pg_background_get_workers() w
  LEFT JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) w.datid
  LEFT JOIN pg_catalog.pg_roles u ON u.oid OPERATOR(pg_catalog.=) w.usesysid;

CREATE VIEW pg_stat_background_totals AS
SELECT t.datid, d.datname, t.usesysid, u.rolname AS usename, t.launched, t.completed, t.failed, t.canceled, t.timed_out,
       t.rejected, t.queue_waits, t.warm_starts, t.cold_starts,
       t.run_time_us::pg_catalog.float8 OPERATOR(pg_catalog.*) pg_catalog.interval '1 microsecond' AS run_time, t.stats_reset
  FROM pg_background_get_totals() t
  LEFT JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) t.datid
  LEFT JOIN pg_catalog.pg_roles u ON u.oid OPERATOR(pg_catalog.=) t.usesysid;

-- whatever the default privileges are
GRANT EXECUTE ON FUNCTION pg_background_get_jobs(), pg_background_get_history(), pg_background_get_workers(),
                          pg_background_get_totals() TO PUBLIC;
GRANT SELECT ON pg_stat_background, pg_background_history, pg_stat_background_workers, pg_stat_background_totals TO PUBLIC;
REVOKE ALL ON FUNCTION pg_background_stat_reset() FROM PUBLIC;

COMMENT ON FUNCTION pg_background_get_jobs()
    IS 'for the view pg_stat_background';
COMMENT ON FUNCTION pg_background_get_history()
    IS 'for the view pg_background_history';
COMMENT ON FUNCTION pg_background_get_workers()
    IS 'for the view pg_stat_background_workers';
COMMENT ON FUNCTION pg_background_get_totals()
    IS 'for the view pg_stat_background_totals';
COMMENT ON FUNCTION pg_background_stat_reset()
    IS 'set the counters of pg_stat_background_totals to zero';
COMMENT ON VIEW pg_stat_background
    IS 'background jobs of all sessions that have not ended';
COMMENT ON VIEW pg_background_history
    IS 'the last background jobs of all sessions that have ended';
COMMENT ON VIEW pg_stat_background_workers
    IS 'worker processes for background jobs';
COMMENT ON VIEW pg_stat_background_totals
    IS 'counters of background jobs, by database and role';
