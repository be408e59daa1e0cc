/* sql/pg_background--1.8--3.0.sql */

-- complain if the script is sourced in psql, rather than via CREATE EXTENSION or ALTER EXTENSION
\echo Use "ALTER EXTENSION pg_background UPDATE TO '3.0'" to load this file. \quit

/*
 * 3.0 adds to 1.8 and changes nothing of it. CREATE EXTENSION comes this way,
 * too, and so do the updates from 1.9, 1.10 and 2.0: see the Makefile.
 */

-- pg_background_drop_executor_role() may have dropped it; unique_violation: another database was a moment faster
DO $$
BEGIN
    CREATE ROLE pgbackground_role NOLOGIN INHERIT;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;

/*
 * Jobs by handle: what 3.0 adds to launch, wait, cancel and read. No name is one
 * of 1.8 to 2.0 with as many arguments, so a call with untyped arguments stays
 * unambiguous.
 */

CREATE FUNCTION pg_background_start(
    sql pg_catalog.text,
    params pg_catalog.record DEFAULT NULL,
    label pg_catalog.text DEFAULT NULL,
    database pg_catalog.name DEFAULT NULL,
    autocommit pg_catalog.bool DEFAULT false,
    results pg_catalog.bool DEFAULT true,
    at_commit pg_catalog.bool DEFAULT false,
    queue_size pg_catalog.int4 DEFAULT 0,
    timeout pg_catalog.interval DEFAULT NULL,
    settings pg_catalog.jsonb DEFAULT NULL,
    notify pg_catalog.text DEFAULT NULL
)
    RETURNS pg_background_handle
    AS 'MODULE_PATHNAME', 'pg_background_start'
    LANGUAGE C;

CREATE FUNCTION pg_background_exec(
    sql pg_catalog.text,
    params pg_catalog.record DEFAULT NULL,
    label pg_catalog.text DEFAULT NULL,
    database pg_catalog.name DEFAULT NULL,
    autocommit pg_catalog.bool DEFAULT false,
    timeout pg_catalog.interval DEFAULT NULL,
    settings pg_catalog.jsonb DEFAULT NULL
)
    RETURNS pg_catalog.text
    AS 'MODULE_PATHNAME', 'pg_background_exec'
    LANGUAGE C;

CREATE FUNCTION pg_background_query(
    sql pg_catalog.text,
    params pg_catalog.record DEFAULT NULL,
    label pg_catalog.text DEFAULT NULL,
    database pg_catalog.name DEFAULT NULL,
    timeout pg_catalog.interval DEFAULT NULL,
    settings pg_catalog.jsonb DEFAULT NULL
)
    RETURNS SETOF pg_catalog.record
    AS 'MODULE_PATHNAME', 'pg_background_query'
    LANGUAGE C;

CREATE FUNCTION pg_background_query_as(
    rowtype pg_catalog.anyelement,
    sql pg_catalog.text,
    params pg_catalog.record DEFAULT NULL,
    label pg_catalog.text DEFAULT NULL,
    database pg_catalog.name DEFAULT NULL,
    timeout pg_catalog.interval DEFAULT NULL,
    settings pg_catalog.jsonb DEFAULT NULL
)
    RETURNS SETOF pg_catalog.anyelement
    AS 'MODULE_PATHNAME', 'pg_background_query_as'
    LANGUAGE C;

CREATE FUNCTION pg_background_query_json(
    sql pg_catalog.text,
    params pg_catalog.record DEFAULT NULL,
    label pg_catalog.text DEFAULT NULL,
    database pg_catalog.name DEFAULT NULL,
    timeout pg_catalog.interval DEFAULT NULL,
    settings pg_catalog.jsonb DEFAULT NULL
)
    RETURNS SETOF pg_catalog.jsonb
    AS 'MODULE_PATHNAME', 'pg_background_query_json'
    LANGUAGE C;

CREATE FUNCTION pg_background_rows(
    job pg_background_handle
)
    RETURNS SETOF pg_catalog.record
    AS 'MODULE_PATHNAME', 'pg_background_rows'
    LANGUAGE C STRICT;

CREATE FUNCTION pg_background_rows_as(
    rowtype pg_catalog.anyelement,
    job pg_background_handle
)
    RETURNS SETOF pg_catalog.anyelement
    AS 'MODULE_PATHNAME', 'pg_background_rows_as'
    LANGUAGE C;

CREATE FUNCTION pg_background_rows_json(
    job pg_background_handle
)
    RETURNS SETOF pg_catalog.jsonb
    AS 'MODULE_PATHNAME', 'pg_background_rows_json'
    LANGUAGE C STRICT;

CREATE FUNCTION pg_background_fetch(
    job pg_background_handle,
    max_rows pg_catalog.int4
)
    RETURNS SETOF pg_catalog.record
    AS 'MODULE_PATHNAME', 'pg_background_fetch'
    LANGUAGE C STRICT;

CREATE FUNCTION pg_background_columns(
    job pg_background_handle
)
    RETURNS TABLE (name pg_catalog.text, type pg_catalog.regtype)
    AS 'MODULE_PATHNAME', 'pg_background_columns'
    LANGUAGE C STRICT;

CREATE FUNCTION pg_background_await(
    job pg_background_handle,
    timeout pg_catalog.interval DEFAULT NULL
)
    RETURNS pg_catalog.bool
    AS 'MODULE_PATHNAME', 'pg_background_await'
    LANGUAGE C;

CREATE FUNCTION pg_background_await_any(
    jobs pg_background_handle[],
    timeout pg_catalog.interval DEFAULT NULL
)
    RETURNS pg_background_handle
    AS 'MODULE_PATHNAME', 'pg_background_await_any'
    LANGUAGE C;

CREATE FUNCTION pg_background_await_all(
    jobs pg_background_handle[],
    timeout pg_catalog.interval DEFAULT NULL
)
    RETURNS pg_catalog.bool
    AS 'MODULE_PATHNAME', 'pg_background_await_all'
    LANGUAGE C;

CREATE FUNCTION pg_background_stop(
    job pg_background_handle,
    grace pg_catalog.interval DEFAULT '0'
)
    RETURNS pg_catalog.bool
    AS 'MODULE_PATHNAME', 'pg_background_stop'
    LANGUAGE C;

CREATE FUNCTION pg_background_forget(
    job pg_background_handle
)
    RETURNS pg_catalog.void
    AS 'MODULE_PATHNAME', 'pg_background_forget'
    LANGUAGE C STRICT;

CREATE FUNCTION pg_background_outcome(
    job pg_background_handle,
    OUT state pg_catalog.text,
    OUT command_tag pg_catalog.text,
    OUT row_count pg_catalog.int8,
    OUT sqlstate pg_catalog.text,
    OUT message pg_catalog.text,
    OUT detail pg_catalog.text,
    OUT hint pg_catalog.text,
    OUT context pg_catalog.text,
    OUT schema_name pg_catalog.text,
    OUT table_name pg_catalog.text,
    OUT column_name pg_catalog.text,
    OUT constraint_name pg_catalog.text,
    OUT statement pg_catalog.int4,
    OUT inline pg_catalog.bool,
    OUT launched_at pg_catalog.timestamptz,
    OUT started_at pg_catalog.timestamptz,
    OUT finished_at pg_catalog.timestamptz
)
    AS 'MODULE_PATHNAME', 'pg_background_outcome'
    LANGUAGE C;

CREATE FUNCTION pg_background_stop_all(
    label_pattern pg_catalog.text DEFAULT '%'
)
    RETURNS pg_catalog.int4
    AS 'MODULE_PATHNAME', 'pg_background_stop_all'
    LANGUAGE C STRICT;

CREATE FUNCTION pg_background_forget_all(
    label_pattern pg_catalog.text DEFAULT '%'
)
    RETURNS pg_catalog.int4
    AS 'MODULE_PATHNAME', 'pg_background_forget_all'
    LANGUAGE C STRICT;

CREATE FUNCTION pg_background_forget_ended()
    RETURNS pg_catalog.int4
    AS 'MODULE_PATHNAME', 'pg_background_forget_ended'
    LANGUAGE C;

CREATE FUNCTION pg_background_current(
    OUT pid pg_catalog.int4,
    OUT cookie pg_catalog.int8,
    OUT label pg_catalog.text,
    OUT launcher_pid pg_catalog.int4,
    OUT launcher_user pg_catalog.name
)
    AS 'MODULE_PATHNAME', 'pg_background_current'
    LANGUAGE C;

/*
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
REVOKE ALL ON FUNCTION
    pg_background_start(pg_catalog.text, pg_catalog.record, pg_catalog.text, pg_catalog.name, pg_catalog.bool, pg_catalog.bool, pg_catalog.bool, pg_catalog.int4, pg_catalog.interval, pg_catalog.jsonb, pg_catalog.text),
    pg_background_exec(pg_catalog.text, pg_catalog.record, pg_catalog.text, pg_catalog.name, pg_catalog.bool, pg_catalog.interval, pg_catalog.jsonb),
    pg_background_query(pg_catalog.text, pg_catalog.record, pg_catalog.text, pg_catalog.name, pg_catalog.interval, pg_catalog.jsonb),
    pg_background_query_as(pg_catalog.anyelement, pg_catalog.text, pg_catalog.record, pg_catalog.text, pg_catalog.name, pg_catalog.interval, pg_catalog.jsonb),
    pg_background_query_json(pg_catalog.text, pg_catalog.record, pg_catalog.text, pg_catalog.name, pg_catalog.interval, pg_catalog.jsonb),
    pg_background_rows(pg_background_handle),
    pg_background_rows_as(pg_catalog.anyelement, pg_background_handle),
    pg_background_rows_json(pg_background_handle),
    pg_background_fetch(pg_background_handle, pg_catalog.int4),
    pg_background_columns(pg_background_handle),
    pg_background_await(pg_background_handle, pg_catalog.interval),
    pg_background_await_any(pg_background_handle[], pg_catalog.interval),
    pg_background_await_all(pg_background_handle[], pg_catalog.interval),
    pg_background_stop(pg_background_handle, pg_catalog.interval),
    pg_background_forget(pg_background_handle),
    pg_background_outcome(pg_background_handle),
    pg_background_stop_all(pg_catalog.text),
    pg_background_forget_all(pg_catalog.text),
    pg_background_forget_ended(),
    pg_background_current()
    FROM PUBLIC;

GRANT EXECUTE ON FUNCTION
    pg_background_start(pg_catalog.text, pg_catalog.record, pg_catalog.text, pg_catalog.name, pg_catalog.bool, pg_catalog.bool, pg_catalog.bool, pg_catalog.int4, pg_catalog.interval, pg_catalog.jsonb, pg_catalog.text),
    pg_background_exec(pg_catalog.text, pg_catalog.record, pg_catalog.text, pg_catalog.name, pg_catalog.bool, pg_catalog.interval, pg_catalog.jsonb),
    pg_background_query(pg_catalog.text, pg_catalog.record, pg_catalog.text, pg_catalog.name, pg_catalog.interval, pg_catalog.jsonb),
    pg_background_query_as(pg_catalog.anyelement, pg_catalog.text, pg_catalog.record, pg_catalog.text, pg_catalog.name, pg_catalog.interval, pg_catalog.jsonb),
    pg_background_query_json(pg_catalog.text, pg_catalog.record, pg_catalog.text, pg_catalog.name, pg_catalog.interval, pg_catalog.jsonb),
    pg_background_rows(pg_background_handle),
    pg_background_rows_as(pg_catalog.anyelement, pg_background_handle),
    pg_background_rows_json(pg_background_handle),
    pg_background_fetch(pg_background_handle, pg_catalog.int4),
    pg_background_columns(pg_background_handle),
    pg_background_await(pg_background_handle, pg_catalog.interval),
    pg_background_await_any(pg_background_handle[], pg_catalog.interval),
    pg_background_await_all(pg_background_handle[], pg_catalog.interval),
    pg_background_stop(pg_background_handle, pg_catalog.interval),
    pg_background_forget(pg_background_handle),
    pg_background_outcome(pg_background_handle),
    pg_background_stop_all(pg_catalog.text),
    pg_background_forget_all(pg_catalog.text),
    pg_background_forget_ended(),
    pg_background_current()
    TO pgbackground_role;

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
COMMENT ON FUNCTION pg_background_start(pg_catalog.text, pg_catalog.record, pg_catalog.text, pg_catalog.name, pg_catalog.bool, pg_catalog.bool, pg_catalog.bool, pg_catalog.int4, pg_catalog.interval, pg_catalog.jsonb, pg_catalog.text)
    IS 'start SQL in a background worker, return its handle';
COMMENT ON FUNCTION pg_background_exec(pg_catalog.text, pg_catalog.record, pg_catalog.text, pg_catalog.name, pg_catalog.bool, pg_catalog.interval, pg_catalog.jsonb)
    IS 'run SQL in a background worker, return its last command tag';
COMMENT ON FUNCTION pg_background_query(pg_catalog.text, pg_catalog.record, pg_catalog.text, pg_catalog.name, pg_catalog.interval, pg_catalog.jsonb)
    IS 'run a query in a background worker, return its rows';
COMMENT ON FUNCTION pg_background_query_as(pg_catalog.anyelement, pg_catalog.text, pg_catalog.record, pg_catalog.text, pg_catalog.name, pg_catalog.interval, pg_catalog.jsonb)
    IS 'run a query in a background worker, return its rows as values of a type';
COMMENT ON FUNCTION pg_background_query_json(pg_catalog.text, pg_catalog.record, pg_catalog.text, pg_catalog.name, pg_catalog.interval, pg_catalog.jsonb)
    IS 'run a query in a background worker, return its rows as JSON objects';
COMMENT ON FUNCTION pg_background_rows(pg_background_handle)
    IS 'return the rows of a background job';
COMMENT ON FUNCTION pg_background_rows_as(pg_catalog.anyelement, pg_background_handle)
    IS 'return the rows of a background job as values of a type';
COMMENT ON FUNCTION pg_background_rows_json(pg_background_handle)
    IS 'return the rows of a background job as JSON objects';
COMMENT ON FUNCTION pg_background_fetch(pg_background_handle, pg_catalog.int4)
    IS 'return the next rows of a background job';
COMMENT ON FUNCTION pg_background_columns(pg_background_handle)
    IS 'return the result columns of a background job';
COMMENT ON FUNCTION pg_background_await(pg_background_handle, pg_catalog.interval)
    IS 'wait until a background job has ended';
COMMENT ON FUNCTION pg_background_await_any(pg_background_handle[], pg_catalog.interval)
    IS 'wait until one of several background jobs has ended, return its handle';
COMMENT ON FUNCTION pg_background_await_all(pg_background_handle[], pg_catalog.interval)
    IS 'wait until several background jobs have ended';
COMMENT ON FUNCTION pg_background_stop(pg_background_handle, pg_catalog.interval)
    IS 'stop a background job';
COMMENT ON FUNCTION pg_background_forget(pg_background_handle)
    IS 'stop tracking a background job, which runs on';
COMMENT ON FUNCTION pg_background_outcome(pg_background_handle)
    IS 'how a background job has ended';
COMMENT ON FUNCTION pg_background_stop_all(pg_catalog.text)
    IS 'stop the background jobs of this session whose label matches';
COMMENT ON FUNCTION pg_background_forget_all(pg_catalog.text)
    IS 'stop tracking the background jobs of this session whose label matches';
COMMENT ON FUNCTION pg_background_forget_ended()
    IS 'stop tracking the background jobs of this session that have ended';
COMMENT ON FUNCTION pg_background_current()
    IS 'the background job that this session runs';
