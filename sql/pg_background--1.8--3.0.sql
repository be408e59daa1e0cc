/* sql/pg_background--1.8--3.0.sql */

-- complain if the script is sourced in psql, rather than via CREATE EXTENSION or ALTER EXTENSION
\echo Use "ALTER EXTENSION pg_background UPDATE TO '3.0'" to load this file. \quit

/*
 * 3.0 adds to 1.8, and changes nothing of it but the bodies of two helpers.
 * CREATE EXTENSION comes this way, too, and so do the updates from 1.9, 1.10 and 2.0: see the Makefile.
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

CREATE PROCEDURE pg_background_join(
    job pg_background_handle,
    timeout pg_catalog.interval DEFAULT NULL
)
    AS 'MODULE_PATHNAME', 'pg_background_join'
    LANGUAGE C;

CREATE FUNCTION pg_background_map(
    statements pg_catalog.text[],
    parallel pg_catalog.int4 DEFAULT 4,
    autocommit pg_catalog.bool DEFAULT false,
    stop_on_error pg_catalog.bool DEFAULT false,
    label pg_catalog.text DEFAULT NULL,
    database pg_catalog.name DEFAULT NULL,
    timeout pg_catalog.interval DEFAULT NULL,
    settings pg_catalog.jsonb DEFAULT NULL
)
    RETURNS TABLE (ordinal pg_catalog.int4, state pg_catalog.text, command_tag pg_catalog.text, row_count pg_catalog.int8,
                   sqlstate pg_catalog.text, message pg_catalog.text, run_time pg_catalog.interval)
    AS 'MODULE_PATHNAME', 'pg_background_map'
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
 * The helpers of 1.8 know functions only, and would fail over a procedure that
 * is the extension's. These are they, with the word for it; what they do and
 * print for functions is as before. Views are those of 1.10; what PUBLIC may
 * read is not granted, nor are the views' row types, which are members of the
 * extension since 18. 2.0 has such helpers under other names; there, these
 * names come back.
 *
 * They run as the superuser that owns the extension, so nothing a caller
 * controls may decide what a name means in them: pg_temp comes last in their
 * search_path (left out, it would come first), the objects they touch are
 * found by OID among the extension's members and print with their schema, and
 * the role's name, taken exactly as given, goes through %I.
 */
CREATE OR REPLACE FUNCTION grant_pg_background_privileges(role_name pg_catalog.text, print_commands pg_catalog.bool DEFAULT false)
    RETURNS pg_catalog.bool
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    extension pg_catalog.pg_extension;
    role_oid pg_catalog.oid;
    commands pg_catalog.text[];
    command pg_catalog.text;
BEGIN
    IF role_name IS NULL THEN
        RAISE NOTICE 'role name must not be null';
        RETURN false;
    END IF;

    -- "public" is never found here: no role can bear that name
    SELECT r.oid INTO role_oid FROM pg_catalog.pg_roles r WHERE r.rolname = role_name;
    IF NOT FOUND THEN
        RAISE NOTICE 'role "%" does not exist', role_name;
        RETURN false;
    END IF;

    SELECT e.* INTO STRICT extension FROM pg_catalog.pg_extension e WHERE e.extname = 'pg_background';

    -- without USAGE on the schema the privileges inside it are worth nothing
    IF NOT pg_catalog.has_schema_privilege(role_oid, extension.extnamespace, 'USAGE') THEN
        commands := ARRAY[pg_catalog.format('GRANT USAGE ON SCHEMA %s TO %I',
                                            extension.extnamespace::pg_catalog.regnamespace, role_name)];
    END IF;

    commands := commands || ARRAY(
        SELECT pg_catalog.format('GRANT USAGE ON TYPE %s TO %I', t.oid::pg_catalog.regtype, role_name)
          FROM pg_catalog.pg_depend d
          JOIN pg_catalog.pg_type t ON d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND t.oid = d.objid
          JOIN pg_catalog.pg_class c ON c.oid = t.typrelid AND c.relkind = 'c'
         WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = extension.oid
           AND d.deptype = 'e'
         ORDER BY t.typname COLLATE "C");

    commands := commands || ARRAY(
        SELECT pg_catalog.format('GRANT EXECUTE ON %s %s TO %I', CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END,
                                 p.oid::pg_catalog.regprocedure, role_name)
          FROM pg_catalog.pg_depend d
          JOIN pg_catalog.pg_proc p ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND p.oid = d.objid
         WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = extension.oid
           AND d.deptype = 'e' AND NOT p.prosecdef
         ORDER BY p.proname COLLATE "C");

    commands := commands || ARRAY(
        SELECT pg_catalog.format('GRANT SELECT ON %s TO %I', v.oid::pg_catalog.regclass, role_name)
          FROM pg_catalog.pg_depend d
          JOIN pg_catalog.pg_class v ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND v.oid = d.objid
         WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = extension.oid
           AND d.deptype = 'e' AND v.relkind = 'v'
           AND NOT EXISTS (SELECT FROM pg_catalog.aclexplode(v.relacl) a WHERE a.grantee = 0)
         ORDER BY v.relname COLLATE "C");

    FOREACH command IN ARRAY commands LOOP
        IF print_commands THEN
            RAISE INFO '%', command;
        END IF;
        EXECUTE command;
    END LOOP;

    RETURN true;
END
$$;

/*
 * The mirror of the above, with one reservation: USAGE on the schema is only
 * taken back where the schema holds nothing but this extension. In a shared
 * schema, public above all, the role may need it for other things, and there
 * is no telling who gave it for what.
 */
CREATE OR REPLACE FUNCTION revoke_pg_background_privileges(role_name pg_catalog.text, print_commands pg_catalog.bool DEFAULT false)
    RETURNS pg_catalog.bool
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    extension pg_catalog.pg_extension;
    role_oid pg_catalog.oid;
    commands pg_catalog.text[];
    command pg_catalog.text;
BEGIN
    IF role_name IS NULL THEN
        RAISE NOTICE 'role name must not be null';
        RETURN false;
    END IF;

    SELECT r.oid INTO role_oid FROM pg_catalog.pg_roles r WHERE r.rolname = role_name;
    IF NOT FOUND THEN
        RAISE NOTICE 'role "%" does not exist', role_name;
        RETURN false;
    END IF;

    SELECT e.* INTO STRICT extension FROM pg_catalog.pg_extension e WHERE e.extname = 'pg_background';

    commands := ARRAY(
        SELECT pg_catalog.format('REVOKE EXECUTE ON %s %s FROM %I', CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END,
                                 p.oid::pg_catalog.regprocedure, role_name)
          FROM pg_catalog.pg_depend d
          JOIN pg_catalog.pg_proc p ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND p.oid = d.objid
         WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = extension.oid
           AND d.deptype = 'e' AND NOT p.prosecdef
         ORDER BY p.proname COLLATE "C");

    commands := commands || ARRAY(
        SELECT pg_catalog.format('REVOKE USAGE ON TYPE %s FROM %I', t.oid::pg_catalog.regtype, role_name)
          FROM pg_catalog.pg_depend d
          JOIN pg_catalog.pg_type t ON d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND t.oid = d.objid
          JOIN pg_catalog.pg_class c ON c.oid = t.typrelid AND c.relkind = 'c'
         WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = extension.oid
           AND d.deptype = 'e'
         ORDER BY t.typname COLLATE "C");

    commands := commands || ARRAY(
        SELECT pg_catalog.format('REVOKE SELECT ON %s FROM %I', v.oid::pg_catalog.regclass, role_name)
          FROM pg_catalog.pg_depend d
          JOIN pg_catalog.pg_class v ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND v.oid = d.objid
         WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = extension.oid
           AND d.deptype = 'e' AND v.relkind = 'v'
           AND NOT EXISTS (SELECT FROM pg_catalog.aclexplode(v.relacl) a WHERE a.grantee = 0)
         ORDER BY v.relname COLLATE "C");

    commands := commands || ARRAY(
        SELECT pg_catalog.format('REVOKE USAGE ON SCHEMA %I FROM %I', n.nspname, role_name)
          FROM pg_catalog.pg_namespace n,
               LATERAL pg_catalog.aclexplode(n.nspacl) a
         WHERE n.oid = extension.extnamespace AND n.nspname <> 'public'
           AND a.grantee = role_oid AND a.grantor = n.nspowner AND a.grantee <> n.nspowner
           AND a.privilege_type = 'USAGE'
           AND NOT EXISTS (
               SELECT FROM pg_catalog.pg_depend d
                WHERE d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.refobjid = n.oid
                  AND (d.classid, d.objid) <> ('pg_catalog.pg_extension'::pg_catalog.regclass, extension.oid)
                  AND NOT EXISTS (
                      SELECT FROM pg_catalog.pg_depend m
                       WHERE m.classid = d.classid AND m.objid = d.objid
                         AND m.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
                         AND m.refobjid = extension.oid AND m.deptype = 'e')));

    FOREACH command IN ARRAY commands LOOP
        IF print_commands THEN
            RAISE INFO '%', command;
        END IF;
        EXECUTE command;
    END LOOP;

    RETURN true;
END
$$;

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
    OUT query pg_catalog.text,
    OUT spooled_bytes pg_catalog.int8
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
    OUT query pg_catalog.text,
    OUT spooled_bytes pg_catalog.int8,
    OUT cpu_user pg_catalog.interval,
    OUT cpu_system pg_catalog.interval,
    OUT shared_blks_hit pg_catalog.int8,
    OUT shared_blks_read pg_catalog.int8,
    OUT shared_blks_dirtied pg_catalog.int8,
    OUT temp_blks_written pg_catalog.int8,
    OUT wal_bytes pg_catalog.int8,
    OUT max_rss_kb pg_catalog.int8
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
    OUT stats_reset pg_catalog.timestamptz,
    OUT cpu_user pg_catalog.interval,
    OUT cpu_system pg_catalog.interval,
    OUT shared_blks_hit pg_catalog.int8,
    OUT shared_blks_read pg_catalog.int8,
    OUT shared_blks_dirtied pg_catalog.int8,
    OUT temp_blks_written pg_catalog.int8,
    OUT wal_bytes pg_catalog.int8,
    OUT max_rss_kb pg_catalog.int8
)
    RETURNS SETOF pg_catalog.record
    AS 'MODULE_PATHNAME', 'pg_background_get_totals'
    LANGUAGE C ROWS 16 PARALLEL RESTRICTED;

/*
 * A picture of what the views show. Not STRICT: NULL is as far back as the
 * history goes.
 */
CREATE FUNCTION pg_background_timeline(since pg_catalog.interval DEFAULT '1 hour')
    RETURNS pg_catalog.text
    AS 'MODULE_PATHNAME', 'pg_background_timeline'
    LANGUAGE C PARALLEL RESTRICTED;

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
       j.progress_pct, j.progress_phase, j.progress_msg, j.progress_source, a.wait_event_type, a.wait_event, j.query,
       j.spooled_bytes
  FROM pg_background_get_jobs() j
  LEFT JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) j.datid
  LEFT JOIN pg_catalog.pg_roles u ON u.oid OPERATOR(pg_catalog.=) j.usesysid
  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) j.pid;

CREATE VIEW pg_background_history AS
SELECT h.pid, h.cookie, h.label, h.datid, d.datname, h.usesysid, u.rolname AS usename, h.launcher_pid, h.state,
       h.sqlstate, h.message, h.launched_at, h.started_at, h.finished_at, h.row_count,
       h.started_at OPERATOR(pg_catalog.-) h.launched_at AS launch_latency,
       h.finished_at OPERATOR(pg_catalog.-) h.started_at AS run_time, h.query,
       h.spooled_bytes, h.cpu_user, h.cpu_system, h.shared_blks_hit, h.shared_blks_read, h.shared_blks_dirtied,
       h.temp_blks_written, h.wal_bytes, h.max_rss_kb
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
       t.run_time_us::pg_catalog.float8 OPERATOR(pg_catalog.*) pg_catalog.interval '1 microsecond' AS run_time, t.stats_reset,
       t.cpu_user, t.cpu_system, t.shared_blks_hit, t.shared_blks_read, t.shared_blks_dirtied, t.temp_blks_written,
       t.wal_bytes, t.max_rss_kb
  FROM pg_background_get_totals() t
  LEFT JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) t.datid
  LEFT JOIN pg_catalog.pg_roles u ON u.oid OPERATOR(pg_catalog.=) t.usesysid;

/*
 * For psql's \watch: lines that fit a terminal. The bar is ASCII, which every
 * client's encoding has. How long a job will run on is told when that much of
 * it is known, and in steps that do not change at every look.
 */
CREATE VIEW pg_background_watch AS
SELECT p.pid, p.state,
       pg_catalog.concat('[', pg_catalog.repeat('#', p.cells), pg_catalog.repeat('.', 20 OPERATOR(pg_catalog.-) p.cells), ']') AS progress,
       p.progress_pct AS pct, p.rows_processed AS rows,
       pg_catalog.date_trunc('second', p.elapsed) AS elapsed,
       pg_catalog.make_interval(secs =>
           pg_catalog.ceil(p.seconds_left OPERATOR(pg_catalog./) s.step) OPERATOR(pg_catalog.*) s.step) AS time_left,
       pg_catalog.left(pg_catalog.regexp_replace(coalesce(p.progress_msg, p.progress_phase), '[[:space:]]+', ' ', 'g'), 40) AS phase,
       pg_catalog.left(pg_catalog.regexp_replace(coalesce(p.label, p.query), '[[:space:]]+', ' ', 'g'), 50) AS job
  FROM (SELECT j.*, t.elapsed,
               coalesce(j.progress_pct, 0) OPERATOR(pg_catalog./) 5 AS cells,
               CASE WHEN j.progress_pct OPERATOR(pg_catalog.>=) 5 AND j.progress_pct OPERATOR(pg_catalog.<) 100
                         AND t.elapsed OPERATOR(pg_catalog.>=) pg_catalog.interval '3 seconds'
                    THEN pg_catalog.date_part('epoch', t.elapsed)
                         OPERATOR(pg_catalog.*) (100 OPERATOR(pg_catalog.-) j.progress_pct)
                         OPERATOR(pg_catalog./) j.progress_pct
               END AS seconds_left
          FROM pg_stat_background j,
               LATERAL (SELECT pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) j.started_at AS elapsed) t) p,
       LATERAL (SELECT CASE WHEN p.seconds_left OPERATOR(pg_catalog.<) 10 THEN 1
                            WHEN p.seconds_left OPERATOR(pg_catalog.<) 60 THEN 5
                            WHEN p.seconds_left OPERATOR(pg_catalog.<) 600 THEN 10
                            WHEN p.seconds_left OPERATOR(pg_catalog.<) 3600 THEN 60
                            ELSE 300 END AS step) s
 ORDER BY p.launched_at, p.cookie;

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

REVOKE ALL ON PROCEDURE pg_background_join(pg_background_handle, pg_catalog.interval) FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE pg_background_join(pg_background_handle, pg_catalog.interval) TO pgbackground_role;
REVOKE ALL ON FUNCTION pg_background_map(pg_catalog.text[], pg_catalog.int4, pg_catalog.bool, pg_catalog.bool, pg_catalog.text, pg_catalog.name, pg_catalog.interval, pg_catalog.jsonb)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_background_map(pg_catalog.text[], pg_catalog.int4, pg_catalog.bool, pg_catalog.bool, pg_catalog.text, pg_catalog.name, pg_catalog.interval, pg_catalog.jsonb)
    TO pgbackground_role;
REVOKE ALL ON FUNCTION grant_pg_background_privileges(pg_catalog.text, pg_catalog.bool),
                       revoke_pg_background_privileges(pg_catalog.text, pg_catalog.bool) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION pg_background_get_jobs(), pg_background_get_history(), pg_background_get_workers(),
                          pg_background_get_totals(), pg_background_timeline(pg_catalog.interval) TO PUBLIC;
GRANT SELECT ON pg_stat_background, pg_background_history, pg_stat_background_workers, pg_stat_background_totals,
                pg_background_watch TO PUBLIC;
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
COMMENT ON FUNCTION pg_background_timeline(pg_catalog.interval)
    IS 'background jobs of all sessions as a picture (SVG)';
COMMENT ON VIEW pg_background_watch
    IS 'background jobs that have not ended as lines for the \watch of psql';
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
COMMENT ON PROCEDURE pg_background_join(pg_background_handle, pg_catalog.interval)
    IS 'commit, and wait without a transaction until a background job has ended';
COMMENT ON FUNCTION pg_background_map(pg_catalog.text[], pg_catalog.int4, pg_catalog.bool, pg_catalog.bool, pg_catalog.text, pg_catalog.name, pg_catalog.interval, pg_catalog.jsonb)
    IS 'run many statements in background workers, some at a time, return how each has ended';
COMMENT ON FUNCTION grant_pg_background_privileges(pg_catalog.text, pg_catalog.bool)
    IS 'let a role run background jobs';
COMMENT ON FUNCTION revoke_pg_background_privileges(pg_catalog.text, pg_catalog.bool)
    IS 'take back what grant_pg_background_privileges gave';
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

/*
 * The SQL of a wrapper, made of what the catalogs say of a routine. It runs
 * with the caller's rights: what it creates, the caller could create. Names are
 * written in full, for search_path is pg_catalog while they are; bodies are the
 * user's own, so they are not checked under that path.
 *
 * The routine's own OID stays with its name, that is with the wrapper, so that
 * whatever depends on it, its grants and its comment stay as they are.
 */
CREATE FUNCTION pg_background_autonomous(
    function pg_catalog.regprocedure,
    apply pg_catalog.bool DEFAULT false,
    wrapper pg_catalog.name DEFAULT NULL
)
    RETURNS pg_catalog.text
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on SET check_function_bodies = off
AS $$
DECLARE
    routine pg_catalog.pg_proc;
    title text := function::text;
    kind text;
    lang name;
    is_trigger boolean;
    trigger_types CONSTANT text := 'anyelement, anyelement, text, text, text, name, oid, name, name, name, integer, text[]';
    schema_name name;
    ours text;                          -- the extension's schema
    inner_name text;                    -- of what the job runs
    outer_name text;                    -- of the wrapper
    user_of text;
    source text;
    rest text;
    opening text;
    closing text;
    skipped text;
    kept text;
    lines text[] := '{}';
    code text;
    token text[];
    word text;
    line int := 1;
    kinds text[] := '{}';               -- the blocks and CASEs around the present place: begin, handlers, case
    commits int[] := '{}';              -- the line of the first COMMIT in each, 0 without one
    depth int;
    ends_transaction boolean := false;
    own_name text;
    tokens text[] := array_fill(''::text, ARRAY[4]);
    places int[] := array_fill(0, ARRAY[4]);
    place int := 1;
    copied text := '';                  -- the source, for the copy
    copied_to int := 1;
    mark text := '';                    -- what is before the source in the definition, and behind it
    copied_mark text := '';
    i int;
    argument_type oid;
    argument_mode "char";
    type_name text;
    is_pseudo boolean;
    returns_row boolean;
    returns_nothing boolean;
    inputs text[] := '{}';              -- what the wrapper passes to the job
    actual text[] := '{}';              -- what stands for it in the job's text
    outputs text[] := '{}';
    columns text[] := '{}';             -- of the job's result, if there are OUT parameters
    arguments text;
    job_sql text;
    params text;
    job_rows text;
    body text;
    tag text := 'wrapper';
    settings text;
    wrapper_definition text;
    definition text;
    head text;                          -- how it begins, up to the parameters
    made text;                          -- the routine that is new
    others text;
    undo text;
    statements text[] := '{}';
    statement text;
BEGIN
    IF function IS NULL THEN
        RAISE EXCEPTION 'argument "function" must not be null' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    SELECT p.* INTO routine FROM pg_proc p WHERE p.oid = function;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'function with OID % does not exist', title USING ERRCODE = 'undefined_function';
    END IF;
    SELECT l.lanname INTO STRICT lang FROM pg_language l WHERE l.oid = routine.prolang;
    SELECT n.nspname INTO STRICT schema_name FROM pg_namespace n WHERE n.oid = routine.pronamespace;
    SELECT quote_ident(n.nspname) INTO STRICT ours
      FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_background';
    kind := CASE routine.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END;
    is_trigger := routine.prorettype = 'trigger'::regtype;

    -- whose it may be, and of what kind

    IF NOT pg_has_role(routine.proowner, 'USAGE') THEN
        RAISE EXCEPTION 'must be owner of % %', lower(kind), title USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF routine.prokind IN ('a', 'w') THEN
        RAISE EXCEPTION '% is an aggregate or a window function', title USING ERRCODE = 'wrong_object_type',
            HINT = 'An autonomous transaction can run a function, a procedure or a trigger function.';
    END IF;
    IF EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = function AND d.deptype = 'e')
       OR function::oid < 16384 THEN
        RAISE EXCEPTION '% % belongs to the system or to an extension', lower(kind), title USING ERRCODE = 'feature_not_supported',
            HINT = 'Write a function that calls it, and make that one autonomous.';
    END IF;
    IF lang IN ('c', 'internal') THEN
        RAISE EXCEPTION '% % is written in language %', lower(kind), title, lang USING ERRCODE = 'feature_not_supported',
            HINT = 'Write a function that calls it, and make that one autonomous.';
    END IF;
    IF is_trigger THEN
        IF lang <> 'plpgsql' THEN
            RAISE EXCEPTION 'trigger function % is written in language %', title, lang USING ERRCODE = 'feature_not_supported',
                HINT = 'Only trigger functions in PL/pgSQL can be made autonomous. Others can call a function that is.';
        END IF;
        IF wrapper IS NOT NULL THEN
            RAISE EXCEPTION 'trigger function % cannot keep its name', title USING ERRCODE = 'feature_not_supported',
                DETAIL = 'A trigger function cannot be called by a wrapper.',
                HINT = 'Leave out the argument "wrapper".';
        END IF;
        -- the transaction has done already what a trigger BEFORE or INSTEAD OF could change
        SELECT format('%s on %s', t.tgname, t.tgrelid::regclass) INTO user_of
          FROM pg_trigger t WHERE t.tgfoid = function AND t.tgtype & 66 <> 0 ORDER BY 1 LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'trigger function % is used by trigger %, which is not an AFTER trigger', title, user_of
                USING ERRCODE = 'feature_not_supported',
                DETAIL = 'An autonomous transaction cannot change the row that the trigger is to return.',
                HINT = 'Make it an AFTER trigger, or move what is to be autonomous into a procedure that the trigger function calls.';
        END IF;
        SELECT format('%s on %s', t.tgname, t.tgrelid::regclass) INTO user_of FROM pg_trigger t
         WHERE t.tgfoid = function AND (t.tgoldtable IS NOT NULL OR t.tgnewtable IS NOT NULL) ORDER BY 1 LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'trigger function % is used by trigger %, which has transition tables', title, user_of
                USING ERRCODE = 'feature_not_supported', DETAIL = 'Another transaction cannot see them.';
        END IF;
    END IF;

    -- names

    inner_name := CASE WHEN wrapper IS NULL THEN routine.proname || '_atx' ELSE routine.proname END;
    outer_name := coalesce(wrapper, routine.proname);
    IF octet_length(inner_name) > 63 THEN
        RAISE EXCEPTION 'name "%" is too long', inner_name USING ERRCODE = 'name_too_long',
            HINT = 'Rename the routine' || CASE WHEN is_trigger THEN '.' ELSE ', or give a name for the wrapper, so that the routine keeps its own.' END;
    END IF;
    SELECT p.oid::regprocedure::text INTO title FROM pg_proc p
     WHERE p.pronamespace = routine.pronamespace AND p.proname = coalesce(wrapper, inner_name)
       AND (p.proargtypes = routine.proargtypes
            OR is_trigger AND oidvectortypes(p.proargtypes) = trigger_types);
    IF FOUND THEN
        RAISE EXCEPTION 'function % already exists', title USING ERRCODE = 'duplicate_function',
            HINT = 'Drop or rename it' || CASE WHEN is_trigger THEN '.' WHEN wrapper IS NOT NULL THEN ', or give another name for the wrapper.'
                                               ELSE ', or give a name for the wrapper, so that the routine keeps its own.' END;
    END IF;
    title := function::text;

    -- the source: what the server would refuse when it runs

    IF lang IN ('plpgsql', 'sql') THEN
        source := coalesce(pg_get_function_sqlbody(function), routine.prosrc);
        -- without comments and literals, every character in its place
        FOREACH rest IN ARRAY string_to_array(source, E'\n') LOOP
            kept := '';
            LOOP
                IF closing IS NULL THEN
                    opening := (regexp_match(rest, '--|/\*|[eE]?''|"|\$(?:[[:alpha:]_]\w*)?\$'))[1];
                    EXIT WHEN opening IS NULL;
                    i := position(opening IN rest);
                    kept := kept || left(rest, i - 1) || CASE opening WHEN '"' THEN opening ELSE repeat(' ', length(opening)) END;
                    rest := substr(rest, i + length(opening));
                    closing := CASE opening
                        WHEN '--' THEN '^[^\r]*'
                        WHEN '/*' THEN '^.*?\*/'
                        WHEN '"' THEN '^[^"]*"'
                        WHEN '''' THEN '^[^'']*'''
                        WHEN 'e''' THEN '^(?:[^''\\]|\\.|'''')*'''
                        WHEN 'E''' THEN '^(?:[^''\\]|\\.|'''')*'''
                        ELSE '^.*?' || replace(opening, '$', '\$') END;
                END IF;
                skipped := (regexp_match(rest, closing))[1];
                i := length(coalesce(skipped, rest));
                kept := kept || CASE opening WHEN '"' THEN left(rest, i) ELSE repeat(' ', i) END;
                rest := substr(rest, i + 1);
                -- without an end in this line it goes on in the next
                EXIT WHEN skipped IS NULL;
                closing := NULL;
            END LOOP;
            lines := lines || (kept || rest);
        END LOOP;
        code := array_to_string(lines, E'\n');

        -- every block is on a stack while its end is looked for; the line breaks say which line it is
        FOR token IN
            SELECT regexp_matches(code, '(\m(?:begin|case|exception\s+when|end\s+(?:if|loop|case)|end|pragma\s+autonomous_transaction)\M'
                '|(?:^|;|>>|\m(?:begin|then|else|loop)\M)\s*(?:commit|rollback)\M(?=\s*(?:;|and\M))|\n)', 'gi')
        LOOP
            line := line + length(token[1]) - length(replace(token[1], E'\n', ''));
            word := lower(regexp_replace(token[1], '\s+', ' ', 'g'));
            IF word IN ('begin', 'case', 'begin commit', 'begin rollback') THEN
                kinds := kinds || left(word, 5);
                commits := commits || 0;
            END IF;
            depth := cardinality(kinds);
            IF word IN ('end', 'end case') THEN
                kinds := trim_array(kinds, least(depth, 1));
                commits := trim_array(commits, least(depth, 1));
            ELSIF word LIKE 'pragma%' THEN
                RAISE EXCEPTION '% % has % in line %', lower(kind), title, upper(word), line
                    USING ERRCODE = 'feature_not_supported', HINT = 'Take it out: PL/pgSQL has no such pragma.';
            ELSIF word ~ '(commit|rollback)$' THEN
                word := substring(word FROM '\w+$');
                IF routine.prokind <> 'p' THEN
                    RAISE EXCEPTION 'function % has % in line %', title, upper(word), line
                        USING ERRCODE = 'invalid_transaction_termination',
                        DETAIL = 'A function cannot end a transaction, in a background worker either.',
                        HINT = CASE WHEN word = 'commit' AND is_trigger
                                    THEN 'Take it out: the autonomous transaction commits when the function returns.'
                                    WHEN word = 'commit'
                                    THEN 'Take it out: the autonomous transaction commits when the function returns. What must commit more than once is a procedure.'
                                    ELSE 'Take it out: the autonomous transaction rolls back when the function raises an error, and a block with EXCEPTION when it has caught one.' END;
                END IF;
                ends_transaction := true;
                FOR i IN 1..depth LOOP
                    IF kinds[i] = 'begin' AND commits[i] = 0 THEN
                        commits[i] := line;
                    END IF;
                END LOOP;
            ELSIF word = 'exception when' AND kinds[depth] = 'begin' THEN
                IF commits[depth] > 0 THEN
                    RAISE EXCEPTION 'procedure % has a COMMIT or ROLLBACK in line %, in a block with EXCEPTION', title, commits[depth]
                        USING ERRCODE = 'invalid_transaction_termination',
                        DETAIL = 'PostgreSQL cannot end a transaction there, and WHEN OTHERS would hide that it has not.',
                        HINT = 'Take a last COMMIT out: the autonomous transaction commits when the procedure returns. Others go behind the END of the block.';
                END IF;
                kinds[depth] := 'handlers';
            END IF;
        END LOOP;

        -- PL/pgSQL and SQL know a parameter by the routine's name, too; in the copy by that of the copy. A table of
        -- that name is meant first. A name in quotes is one token, whatever is in it.
        own_name := '"?' || regexp_replace(routine.proname, '(\W)', '\\\1', 'g') || '"?';
        IF wrapper IS NULL AND code !~* ('\m(from|join|update|into|using)\s+(only\s+)?([\w"]+\.)?' || own_name || '(?![\w$.("])') THEN
            FOR token IN SELECT regexp_matches(code || ';', '"(?:[^"]|"")*"?|[\w$]+|\s+|.', 'g') LOOP
                IF token[1] !~ '^\s' THEN
                    -- the last four are what is before the name, the name, a point, and the parameter
                    IF tokens[2] IN (routine.proname::text, '"' || replace(routine.proname, '"', '""') || '"')
                       AND tokens[1] <> '.' AND tokens[3] = '.' AND token[1] <> '('
                       AND (CASE WHEN tokens[4] LIKE '"%' THEN replace(substr(tokens[4], 2, length(tokens[4]) - 2), '""', '"') ELSE tokens[4] END
                                = ANY (routine.proargnames || ARRAY['found'])
                            OR is_trigger AND tokens[4] ~ '^"?(new|old|tg_\w+)"?$') THEN
                        copied := copied || substr(source, copied_to, places[2] - copied_to) || quote_ident(inner_name);
                        copied_to := places[2] + length(tokens[2]);
                    END IF;
                    tokens := tokens[2:4] || CASE WHEN token[1] LIKE '"%' THEN token[1] ELSE lower(token[1]) END;
                    places := places[2:4] || place;
                END IF;
                place := place + length(token[1]);
            END LOOP;
            copied := copied || substr(source, copied_to);
        END IF;
    END IF;
    IF wrapper IS NOT NULL AND ends_transaction AND (routine.prosecdef OR routine.proconfig IS NOT NULL) THEN
        RAISE EXCEPTION 'procedure % cannot commit, as it is SECURITY DEFINER or has a SET clause', title
            USING ERRCODE = 'invalid_transaction_termination',
            HINT = 'Leave out the argument "wrapper": then the wrapper has them, and the procedure has not.';
    END IF;

    -- parameters and result

    FOR i IN 1..coalesce(cardinality(routine.proallargtypes), routine.pronargs) LOOP
        argument_type := CASE WHEN routine.proallargtypes IS NULL THEN routine.proargtypes[i - 1] ELSE routine.proallargtypes[i] END;
        argument_mode := coalesce(routine.proargmodes[i], 'i');
        -- in full, as the wrapper may run under any search_path
        SELECT format('%I.%I', n.nspname, t.typname), t.typtype = 'p' INTO STRICT type_name, is_pseudo
          FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.oid = argument_type;
        IF is_pseudo THEN
            RAISE EXCEPTION '% % has a parameter of type %', lower(kind), title, format_type(argument_type, -1) USING ERRCODE = 'feature_not_supported',
                DETAIL = 'The wrapper must know the types of the values that it passes.',
                HINT = 'Write a function with parameters of the types that are used, which calls it, and make that one autonomous.';
        END IF;
        IF argument_mode IN ('i', 'b', 'v') THEN
            inputs := inputs || format('$%s', i);
            actual := actual || format('%s$%s', CASE argument_mode WHEN 'v' THEN 'VARIADIC ' ELSE '' END, cardinality(inputs));
        ELSIF routine.prokind = 'p' THEN
            actual := actual || format('NULL::%s', type_name);
        END IF;
        IF argument_mode IN ('o', 'b', 't') THEN
            outputs := outputs || format('$%s', i);
            columns := columns || format('column%s %s', cardinality(outputs), type_name);
        END IF;
    END LOOP;
    SELECT format('%I.%I', n.nspname, t.typname), t.typtype = 'p', t.typtype = 'c' INTO STRICT type_name, is_pseudo, returns_row
      FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.oid = routine.prorettype;
    returns_nothing := routine.prorettype = 'void'::regtype;
    IF routine.prokind = 'f' AND is_pseudo
       AND NOT (is_trigger OR returns_nothing OR routine.prorettype = 'record'::regtype AND columns <> '{}') THEN
        RAISE EXCEPTION 'function % returns %', title, format_type(routine.prorettype, -1) USING ERRCODE = 'feature_not_supported',
            HINT = CASE routine.prorettype WHEN 'record'::regtype THEN 'Declare the columns with OUT parameters or RETURNS TABLE.'
                                  ELSE 'Move what is to be autonomous into a procedure that it calls.' END;
    END IF;
    arguments := pg_get_function_identity_arguments(function);

    -- the wrapper's body

    job_sql := format('%I.%I(%s)', schema_name, inner_name, array_to_string(actual, ', '));
    params := CASE WHEN inputs <> '{}' THEN format(', params => ROW(%s)', array_to_string(inputs, ', ')) ELSE '' END;
    job_sql := CASE
        WHEN routine.prokind = 'p' THEN 'CALL '
        WHEN routine.prorettype = 'record'::regtype OR routine.proretset AND returns_row THEN 'SELECT * FROM '
        ELSE 'SELECT ' END || job_sql;
    -- what the job returns, as a row source
    job_rows := format('%s.pg_background_query(%L%s) AS (%s)', ours, job_sql, params,
                   CASE WHEN columns = '{}' THEN 'result ' || type_name ELSE array_to_string(columns, ', ') END);
    body := CASE
        WHEN is_trigger THEN format(E'    IF TG_WHEN OPERATOR(pg_catalog.<>) \'AFTER\' THEN\n'
            '        RAISE EXCEPTION \'trigger function %%.%% can only be fired AFTER\', %L, %L\n'
            '            USING ERRCODE = \'trigger_protocol_violated\', DETAIL = \'It runs in an autonomous transaction.\';\n'
            '    END IF;\n'
            -- The rows go as they are: to make them texts and back would run casts and domains of the table's owner with
            -- the rights of the function's. The lock of a TRUNCATE keeps the job from the table's row type.
            '    PERFORM %s.pg_background_exec(pg_catalog.format(%L,\n'
            '            CASE WHEN TG_LEVEL OPERATOR(pg_catalog.=) \'ROW\' THEN \'$1, $2\'\n'
            '                 WHEN TG_OP OPERATOR(pg_catalog.=) \'TRUNCATE\' THEN \'NULL::pg_catalog.record, NULL::pg_catalog.record\'\n'
            '                 ELSE pg_catalog.format(\'NULL::%%1$I.%%2$I, NULL::%%1$I.%%2$I\', TG_TABLE_SCHEMA, TG_TABLE_NAME) END),\n'
            '        params => CASE WHEN TG_LEVEL OPERATOR(pg_catalog.=) \'ROW\' THEN ROW(NEW, OLD, %s)\n'
            '                       ELSE ROW(NULL, NULL, %5$s) END);\n'
            '    RETURN NULL;\n',
            schema_name, outer_name, ours,
            format('SELECT %s.%s(%%s, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) IS NULL',
                   replace(quote_ident(schema_name), '%', '%%'), replace(quote_ident(inner_name), '%', '%%')),
            'TG_OP, TG_WHEN, TG_LEVEL, TG_NAME, TG_RELID, TG_RELNAME, TG_TABLE_NAME, TG_TABLE_SCHEMA, TG_NARGS, TG_ARGV')
        WHEN columns = '{}' AND returns_nothing OR routine.prokind = 'p' AND columns = '{}'
            THEN format(E'    PERFORM %s.pg_background_exec(%L%s);\n', ours, job_sql, params)
        WHEN routine.proretset AND returns_row
            THEN format(E'    RETURN QUERY SELECT * FROM %s.pg_background_query_as(NULL::%s, %L%s);\n', ours, type_name, job_sql, params)
        WHEN routine.proretset
            THEN format(E'    RETURN QUERY SELECT * FROM %s;\n', job_rows)
        WHEN columns = '{}'
            THEN format(E'    RETURN (SELECT * FROM %s);\n', job_rows)
        WHEN cardinality(columns) = 1
            THEN format(E'    %s := (SELECT * FROM %s);\n', outputs[1], job_rows)
        ELSE format(E'    SELECT * INTO result FROM %s;\n', job_rows) || (
            SELECT string_agg(format(E'    %s := result.column%s;\n', o.target, o.n), '' ORDER BY o.n)
              FROM unnest(outputs) WITH ORDINALITY o (target, n)) END;
    body := CASE WHEN cardinality(columns) > 1 AND NOT routine.proretset THEN E'DECLARE\n    result pg_catalog.record;\nBEGIN\n' ELSE E'BEGIN\n' END || body || E'END\n';

    -- the wrapper, and the statements around it

    WHILE position(format('$%s$', tag) IN body) > 0 LOOP
        tag := tag || '_';
    END LOOP;
    SELECT string_agg(format(E' SET %I TO %s\n', s.name, CASE
               WHEN s.name NOT IN ('search_path', 'temp_tablespaces', 'local_preload_libraries', 'session_preload_libraries',
                                   'shared_preload_libraries', 'unix_socket_directories') THEN quote_literal(s.value)
               -- A list of names. What was set FROM CURRENT is as its user has typed it: any text that has no blank
               WHEN s.value = '' THEN ''''''
               ELSE (SELECT string_agg(quote_literal(coalesce(replace(e.name[1], '""', '"'), rtrim(e.name[2]))), ', ')
                       FROM regexp_matches(s.value, '"((?:[^"]|"")*)"|([^,\s][^,]*)', 'g') e (name)) END), '' ORDER BY s.n)
      INTO settings
      FROM (SELECT split_part(c.setting, '=', 1), substr(c.setting, position('=' IN c.setting) + 1), c.n
              FROM unnest(routine.proconfig) WITH ORDINALITY c (setting, n)) s (name, value, n);
    wrapper_definition := format(E'%s %s %I.%I(%s)\n', CASE WHEN wrapper IS NULL THEN 'CREATE OR REPLACE' ELSE 'CREATE' END, kind,
                                 schema_name, outer_name, pg_get_function_arguments(function))
        || CASE WHEN routine.prokind = 'f' THEN format(E' RETURNS %s\n', pg_get_function_result(function)) ELSE '' END
        || ' LANGUAGE plpgsql'
        || CASE WHEN routine.provolatile = 'i' THEN ' IMMUTABLE' WHEN routine.provolatile = 's' THEN ' STABLE' ELSE '' END
        || CASE WHEN routine.proisstrict THEN ' STRICT' ELSE '' END
        || CASE WHEN routine.prosecdef THEN ' SECURITY DEFINER' ELSE '' END
        || CASE WHEN routine.prokind = 'f' AND routine.procost <> 100 THEN format(' COST %s', routine.procost) ELSE '' END
        || CASE WHEN routine.proretset AND routine.prorows <> 1000 THEN format(' ROWS %s', routine.prorows) ELSE '' END
        || E'\n' || coalesce(settings, '') || format(E'AS $%s$\n%s$%1$s$', tag, body);

    definition := rtrim(pg_get_functiondef(function), E'\n');
    IF source IS NOT NULL AND routine.prosqlbody IS NULL THEN
        -- the mark around the copied body must not be in it, be it through a name in the copy
        mark := substring(definition FROM '[$]\w+[$]$');
        copied_mark := left(mark, -1);
        WHILE position(copied_mark IN copied) > 0 LOOP
            copied_mark := copied_mark || 'x';
        END LOOP;
        copied_mark := copied_mark || '$';
    END IF;
    IF wrapper IS NULL THEN
        made := format('%s %I.%I(%s)', kind, schema_name, inner_name, CASE WHEN is_trigger THEN trigger_types ELSE arguments END);
        head := format('CREATE OR REPLACE %s %I.%I(%s', kind, schema_name, routine.proname,
                       CASE WHEN is_trigger THEN E')\n RETURNS trigger\n' ELSE '' END);
        -- what a trigger function's body finds by these names are parameters there
        statements := statements || (format('CREATE %s %I.%I(%s', kind, schema_name, inner_name, CASE WHEN is_trigger THEN
                E'new anyelement, old anyelement, tg_op text, tg_when text, tg_level text, tg_name name, tg_relid oid, tg_relname name, '
                'tg_table_name name, tg_table_schema name, tg_nargs integer, tg_argv text[])\n RETURNS record\n' ELSE '' END)
                                     || CASE WHEN copied <> '' THEN left(substr(definition, length(head) + 1), -length(mark || source || mark))
                                                                        || copied_mark || copied || copied_mark
                                             ELSE substr(definition, length(head) + 1) END);
        IF routine.prokind = 'p' AND (routine.prosecdef OR routine.proconfig IS NOT NULL) THEN
            -- with them it could not commit; the wrapper has them, and the job is launched under them
            statements := statements || format('ALTER %s SECURITY INVOKER RESET ALL', made);
        ELSIF routine.prosecdef THEN
            -- the job is the owner's; called by others without the wrapper it is theirs, whoever may call it
            statements := statements || format('ALTER %s SECURITY INVOKER', made);
        END IF;
        IF is_trigger AND routine.proisstrict THEN
            statements := statements || format('ALTER %s CALLED ON NULL INPUT', made);
        END IF;
    ELSE
        made := format('%s %I.%I(%s)', kind, schema_name, outer_name, arguments);
        statements := statements || wrapper_definition;
    END IF;
    statements := statements || format('ALTER %s OWNER TO %I', made, pg_get_userbyid(routine.proowner));
    -- what the new one is given by default is not what the old one has
    SELECT string_agg(DISTINCT format(', %I', pg_get_userbyid(a.grantee)), '') INTO others
      FROM pg_default_acl d, aclexplode(d.defaclacl) a
     WHERE d.defaclobjtype = 'f' AND a.grantee NOT IN (0, routine.proowner);
    IF routine.proacl IS NOT NULL OR EXISTS (SELECT FROM pg_default_acl d WHERE d.defaclobjtype = 'f') THEN
        statements := statements || format('REVOKE ALL ON %s FROM PUBLIC%s', made, coalesce(others, '')) || ARRAY(
            SELECT format('GRANT EXECUTE ON %s TO %s%s', made,
                          CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
                          CASE WHEN bool_or(a.is_grantable) THEN ' WITH GRANT OPTION' ELSE '' END)
              FROM aclexplode(coalesce(routine.proacl, acldefault('f', routine.proowner))) a
             WHERE a.grantee <> routine.proowner AND a.privilege_type = 'EXECUTE'
             GROUP BY a.grantee ORDER BY a.grantee);
    END IF;
    statements := statements || format('COMMENT ON %s IS %L', made,
        CASE WHEN wrapper IS NULL THEN 'what ' || title || ' runs in an autonomous transaction'
             ELSE 'runs ' || title || ' in an autonomous transaction' END);
    IF wrapper IS NULL THEN
        statements := statements || wrapper_definition;
    END IF;

    IF apply THEN
        FOREACH statement IN ARRAY statements LOOP
            EXECUTE statement;
        END LOOP;
    END IF;
    undo := CASE WHEN wrapper IS NULL THEN E'\n' || definition || ';' ELSE '' END || format(E'\nDROP %s;', made);
    -- a line of the text may end in the middle of a name or a literal
    RETURN regexp_replace(format(E'-- %s %s in an autonomous transaction\nTo undo it:%s', lower(kind), title, undo),
                          '(\r\n|\r|\n)', E'\\1-- ', 'g')
        || E'\n\n' || array_to_string(statements, E';\n\n') || E';\n';
END
$$;
REVOKE ALL ON FUNCTION pg_background_autonomous(pg_catalog.regprocedure, pg_catalog.bool, pg_catalog.name) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_background_autonomous(pg_catalog.regprocedure, pg_catalog.bool, pg_catalog.name) TO pgbackground_role;
COMMENT ON FUNCTION pg_background_autonomous(pg_catalog.regprocedure, pg_catalog.bool, pg_catalog.name)
    IS 'the SQL of a wrapper that runs a routine in an autonomous transaction';
