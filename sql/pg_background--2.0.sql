/* The SQL objects of pg_background 2.0: sql/pg_background--2.0.sql */

-- complain if the script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION pg_background VERSION '2.0'" to load this file. \quit

/*
 * The surface of the C extension 2.0: for its applications, and to be there
 * before a dump of a database that has it is restored.
 *
 * The extension is relocatable. What is written in SQL is bound to its
 * functions when it is created (BEGIN ATOMIC), so it finds them in any schema
 * and under any search_path. What is written in PL/pgSQL asks the catalogs
 * where the extension lives. Those of these functions that launch jobs leave
 * search_path alone, for the job inherits it; they qualify all names instead.
 */

/*
 * Roles belong to the cluster: the role may be there from another database,
 * an earlier installation or a restored dump, and is then taken as it is.
 */
DO $$
BEGIN
    CREATE ROLE pgbackground_role NOLOGIN INHERIT;
EXCEPTION
    -- unique_violation: another database was a moment faster
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;

CREATE TYPE pg_background_handle AS (
    pid pg_catalog.int4,
    cookie pg_catalog.int8
);

CREATE TYPE pg_background_stats AS (
    workers_launched pg_catalog.int8,
    workers_completed pg_catalog.int8,
    workers_failed pg_catalog.int8,
    workers_canceled pg_catalog.int8,
    workers_timed_out pg_catalog.int8,
    workers_active pg_catalog.int4,
    avg_execution_ms pg_catalog.float8,
    max_workers pg_catalog.int4
);

CREATE TYPE pg_background_progress_info AS (
    progress_pct pg_catalog.int4,
    progress_msg pg_catalog.text
);

CREATE TYPE pg_background_result_info AS (
    row_count pg_catalog.int8,
    command_tag pg_catalog.text,
    completed pg_catalog.bool,
    has_error pg_catalog.bool,
    started_at pg_catalog.timestamptz,
    finished_at pg_catalog.timestamptz
);

CREATE TYPE pg_background_error AS (
    sqlstate pg_catalog.text,
    message pg_catalog.text,
    detail pg_catalog.text,
    hint pg_catalog.text,
    context pg_catalog.text,
    schema_name pg_catalog.text,
    table_name pg_catalog.text,
    column_name pg_catalog.text,
    constraint_name pg_catalog.text
);

CREATE TYPE pg_background_outcome AS (
    pid pg_catalog.int4,
    cookie pg_catalog.int8,
    state pg_catalog.text,
    consumed pg_catalog.bool,
    completed pg_catalog.bool,
    has_error pg_catalog.bool,
    row_count pg_catalog.int8,
    command_tag pg_catalog.text,
    sqlstate pg_catalog.text,
    error_message pg_catalog.text,
    label pg_catalog.text,
    launched_at pg_catalog.timestamptz
);

CREATE TYPE pg_background_run_result AS (
    pid pg_catalog.int4,
    cookie pg_catalog.int8,
    state pg_catalog.text,
    consumed pg_catalog.bool,
    completed pg_catalog.bool,
    has_error pg_catalog.bool,
    row_count pg_catalog.int8,
    command_tag pg_catalog.text,
    sqlstate pg_catalog.text,
    error_message pg_catalog.text,
    label pg_catalog.text,
    launched_at pg_catalog.timestamptz,
    timed_out pg_catalog.bool,
    elapsed_ms pg_catalog.int8
);

/*
 * In C, each under its own name and, as far as 1.8 has one, under that with
 * _v2.
 */

CREATE FUNCTION pg_background_launch(sql pg_catalog.text, queue_size pg_catalog.int4 DEFAULT 0)
    RETURNS pg_background_handle
    AS 'MODULE_PATHNAME', 'pg_background_launch'
    LANGUAGE C STRICT;
CREATE FUNCTION pg_background_launch_v2(sql pg_catalog.text, queue_size pg_catalog.int4 DEFAULT 0)
    RETURNS pg_background_handle
    AS 'MODULE_PATHNAME', 'pg_background_launch'
    LANGUAGE C STRICT;

CREATE FUNCTION pg_background_launch(sql pg_catalog.text, queue_size pg_catalog.int4, label pg_catalog.text)
    RETURNS pg_background_handle
    AS 'MODULE_PATHNAME', 'pg_background_launch'
    LANGUAGE C;
CREATE FUNCTION pg_background_launch_v2(sql pg_catalog.text, queue_size pg_catalog.int4, label pg_catalog.text)
    RETURNS pg_background_handle
    AS 'MODULE_PATHNAME', 'pg_background_launch'
    LANGUAGE C;

CREATE FUNCTION pg_background_submit(sql pg_catalog.text, queue_size pg_catalog.int4 DEFAULT 0)
    RETURNS pg_background_handle
    AS 'MODULE_PATHNAME', 'pg_background_submit'
    LANGUAGE C STRICT;
CREATE FUNCTION pg_background_submit_v2(sql pg_catalog.text, queue_size pg_catalog.int4 DEFAULT 0)
    RETURNS pg_background_handle
    AS 'MODULE_PATHNAME', 'pg_background_submit'
    LANGUAGE C STRICT;

CREATE FUNCTION pg_background_submit(sql pg_catalog.text, queue_size pg_catalog.int4, label pg_catalog.text)
    RETURNS pg_background_handle
    AS 'MODULE_PATHNAME', 'pg_background_submit'
    LANGUAGE C;
CREATE FUNCTION pg_background_submit_v2(sql pg_catalog.text, queue_size pg_catalog.int4, label pg_catalog.text)
    RETURNS pg_background_handle
    AS 'MODULE_PATHNAME', 'pg_background_submit'
    LANGUAGE C;

CREATE FUNCTION pg_background_result(pid pg_catalog.int4, cookie pg_catalog.int8)
    RETURNS SETOF pg_catalog.record
    AS 'MODULE_PATHNAME', 'pg_background_result'
    LANGUAGE C STRICT;
CREATE FUNCTION pg_background_result_v2(pid pg_catalog.int4, cookie pg_catalog.int8)
    RETURNS SETOF pg_catalog.record
    AS 'MODULE_PATHNAME', 'pg_background_result'
    LANGUAGE C STRICT;

CREATE FUNCTION pg_background_detach(pid pg_catalog.int4, cookie pg_catalog.int8)
    RETURNS pg_catalog.void
    AS 'MODULE_PATHNAME', 'pg_background_detach'
    LANGUAGE C STRICT;
CREATE FUNCTION pg_background_detach_v2(pid pg_catalog.int4, cookie pg_catalog.int8)
    RETURNS pg_catalog.void
    AS 'MODULE_PATHNAME', 'pg_background_detach'
    LANGUAGE C STRICT;

CREATE FUNCTION pg_background_detach_all()
    RETURNS pg_catalog.int4
    AS 'MODULE_PATHNAME', 'pg_background_detach_all'
    LANGUAGE C;
CREATE FUNCTION pg_background_detach_all_v2()
    RETURNS pg_catalog.int4
    AS 'MODULE_PATHNAME', 'pg_background_detach_all'
    LANGUAGE C;

CREATE FUNCTION pg_background_cancel(pid pg_catalog.int4, cookie pg_catalog.int8, grace_ms pg_catalog.int4 DEFAULT 0)
    RETURNS pg_catalog.void
    AS 'MODULE_PATHNAME', 'pg_background_cancel'
    LANGUAGE C STRICT;
CREATE FUNCTION pg_background_cancel_v2(pid pg_catalog.int4, cookie pg_catalog.int8, grace_ms pg_catalog.int4 DEFAULT 0)
    RETURNS pg_catalog.void
    AS 'MODULE_PATHNAME', 'pg_background_cancel'
    LANGUAGE C STRICT;

CREATE FUNCTION pg_background_cancel_all()
    RETURNS pg_catalog.int4
    AS 'MODULE_PATHNAME', 'pg_background_cancel_all'
    LANGUAGE C;
CREATE FUNCTION pg_background_cancel_all_v2()
    RETURNS pg_catalog.int4
    AS 'MODULE_PATHNAME', 'pg_background_cancel_all'
    LANGUAGE C;

CREATE FUNCTION pg_background_wait(pid pg_catalog.int4, cookie pg_catalog.int8, timeout_ms pg_catalog.int4 DEFAULT 0)
    RETURNS pg_catalog.bool
    AS 'MODULE_PATHNAME', 'pg_background_wait'
    LANGUAGE C STRICT;
CREATE FUNCTION pg_background_wait_v2(pid pg_catalog.int4, cookie pg_catalog.int8, timeout_ms pg_catalog.int4 DEFAULT 0)
    RETURNS pg_catalog.bool
    AS 'MODULE_PATHNAME', 'pg_background_wait'
    LANGUAGE C STRICT;

CREATE FUNCTION pg_background_list()
    RETURNS SETOF pg_catalog.record
    AS 'MODULE_PATHNAME', 'pg_background_list'
    LANGUAGE C;
CREATE FUNCTION pg_background_list_v2()
    RETURNS SETOF pg_catalog.record
    AS 'MODULE_PATHNAME', 'pg_background_list'
    LANGUAGE C;

CREATE FUNCTION pg_background_result_info(pid pg_catalog.int4, cookie pg_catalog.int8)
    RETURNS pg_background_result_info
    AS 'MODULE_PATHNAME', 'pg_background_result_info'
    LANGUAGE C STRICT;
CREATE FUNCTION pg_background_result_info_v2(pid pg_catalog.int4, cookie pg_catalog.int8)
    RETURNS pg_background_result_info
    AS 'MODULE_PATHNAME', 'pg_background_result_info'
    LANGUAGE C STRICT;

CREATE FUNCTION pg_background_error_info(pid pg_catalog.int4, cookie pg_catalog.int8)
    RETURNS pg_background_error
    AS 'MODULE_PATHNAME', 'pg_background_error_info'
    LANGUAGE C STRICT;
CREATE FUNCTION pg_background_error_info_v2(pid pg_catalog.int4, cookie pg_catalog.int8)
    RETURNS pg_background_error
    AS 'MODULE_PATHNAME', 'pg_background_error_info'
    LANGUAGE C STRICT;

CREATE FUNCTION pg_background_full_sql(pid pg_catalog.int4, cookie pg_catalog.int8)
    RETURNS pg_catalog.text
    AS 'MODULE_PATHNAME', 'pg_background_full_sql'
    LANGUAGE C STRICT;
CREATE FUNCTION pg_background_full_sql_v2(pid pg_catalog.int4, cookie pg_catalog.int8)
    RETURNS pg_catalog.text
    AS 'MODULE_PATHNAME', 'pg_background_full_sql'
    LANGUAGE C STRICT;

CREATE FUNCTION pg_background_stats()
    RETURNS pg_background_stats
    AS 'MODULE_PATHNAME', 'pg_background_stats'
    LANGUAGE C;
CREATE FUNCTION pg_background_stats_v2()
    RETURNS pg_background_stats
    AS 'MODULE_PATHNAME', 'pg_background_stats'
    LANGUAGE C;

CREATE FUNCTION pg_background_get_progress(pid pg_catalog.int4, cookie pg_catalog.int8)
    RETURNS pg_background_progress_info
    AS 'MODULE_PATHNAME', 'pg_background_get_progress'
    LANGUAGE C;
CREATE FUNCTION pg_background_get_progress_v2(pid pg_catalog.int4, cookie pg_catalog.int8)
    RETURNS pg_background_progress_info
    AS 'MODULE_PATHNAME', 'pg_background_get_progress'
    LANGUAGE C;

CREATE FUNCTION pg_background_report_progress(pct pg_catalog.int4, msg pg_catalog.text DEFAULT NULL)
    RETURNS pg_catalog.void
    AS 'MODULE_PATHNAME', 'pg_background_report_progress'
    LANGUAGE C;

CREATE FUNCTION pg_background_record_timeout()
    RETURNS pg_catalog.void
    AS 'MODULE_PATHNAME', 'pg_background_record_timeout'
    LANGUAGE C;

/*
 * A worker runs one job after the other. What it does is shown beside a job
 * that it runs now, not beside those that have ended.
 */
CREATE VIEW pg_background_list AS
SELECT l.pid, l.cookie, l.launched_at, l.user_id, l.queue_size, l.state, l.sql_preview, l.last_error, l.consumed, l.label
  FROM pg_background_list() AS l(pid pg_catalog.int4, cookie pg_catalog.int8, launched_at pg_catalog.timestamptz,
                                 user_id pg_catalog.oid, queue_size pg_catalog.int4, state pg_catalog.text,
                                 sql_preview pg_catalog.text, last_error pg_catalog.text, consumed pg_catalog.bool,
                                 label pg_catalog.text);

CREATE VIEW pg_background_activity AS
SELECT l.pid, l.cookie, l.launched_at, l.user_id, l.queue_size, l.state AS pgbg_state, l.sql_preview, l.last_error,
       l.consumed, l.label, a.state AS backend_state, a.wait_event_type, a.wait_event, a.xact_start, a.query_start,
       a.backend_start, a.query
  FROM pg_background_list l
  LEFT JOIN pg_catalog.pg_stat_activity a
    ON a.pid OPERATOR(pg_catalog.=) l.pid
   AND l.state OPERATOR(pg_catalog.=) ANY (ARRAY['starting'::pg_catalog.text, 'running'::pg_catalog.text]);

/*
 * In SQL: a query of this session's jobs each. A job that the list does not
 * have is one that the session does not track, or that is not the caller's.
 */

CREATE FUNCTION pg_background_outcome(p_pid pg_catalog.int4, p_cookie pg_catalog.int8)
    RETURNS pg_background_outcome
    LANGUAGE SQL
BEGIN ATOMIC
    SELECT p_pid, p_cookie, l.state, l.consumed, i.completed, i.has_error, i.row_count, i.command_tag, e.sqlstate,
           e.message, l.label, l.launched_at
      FROM (VALUES (p_pid, p_cookie)) AS h(pid, cookie)
      LEFT JOIN pg_background_list l
        ON l.pid OPERATOR(pg_catalog.=) h.pid AND l.cookie OPERATOR(pg_catalog.=) h.cookie
      LEFT JOIN LATERAL pg_background_result_info(l.pid, l.cookie) i ON true
      LEFT JOIN LATERAL pg_background_error_info(l.pid, l.cookie) e ON true;
END;

CREATE FUNCTION pg_background_cancel_by_label(pattern pg_catalog.text, grace_ms pg_catalog.int4 DEFAULT 0)
    RETURNS pg_catalog.int4
    LANGUAGE SQL
BEGIN ATOMIC
    SELECT pg_catalog.count(*)::pg_catalog.int4
      FROM pg_background_list l, LATERAL pg_background_cancel(l.pid, l.cookie, grace_ms) c
     WHERE l.state OPERATOR(pg_catalog.=) ANY (ARRAY['starting'::pg_catalog.text, 'running'::pg_catalog.text])
       AND l.label OPERATOR(pg_catalog.~~) pattern;
END;

CREATE FUNCTION pg_background_purge()
    RETURNS pg_catalog.int4
    LANGUAGE SQL
BEGIN ATOMIC
    SELECT pg_catalog.count(*)::pg_catalog.int4
      FROM pg_background_list l, LATERAL pg_background_detach(l.pid, l.cookie) d
     WHERE l.state OPERATOR(pg_catalog.<>) ALL (ARRAY['starting'::pg_catalog.text, 'running'::pg_catalog.text]);
END;

/*
 * The outcomes in the order of the handles, each when its job has ended or
 * the time is over. The results stay to be read.
 */
CREATE FUNCTION pg_background_drain(handles pg_background_handle[], timeout_ms pg_catalog.int4 DEFAULT 0)
    RETURNS SETOF pg_background_outcome
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    home text := e.extnamespace::regnamespace FROM pg_extension e WHERE e.extname = 'pg_background';
    deadline timestamptz := clock_timestamp() + timeout_ms * interval '1 millisecond';
    remaining int4 := timeout_ms;
    job record;
BEGIN
    FOR job IN SELECT h.pid, h.cookie FROM unnest(handles) h LOOP
        IF timeout_ms > 0 THEN
            remaining := greatest(1, ceil(extract(epoch FROM deadline - clock_timestamp()) * 1000));
        END IF;
        BEGIN
            EXECUTE format('SELECT %s.pg_background_wait($1, $2, $3)', home) USING job.pid, job.cookie, remaining;
        EXCEPTION
            -- a job that this session does not know has an outcome of NULLs
            WHEN undefined_object OR object_not_in_prerequisite_state THEN NULL;
        END;
        RETURN QUERY EXECUTE format('SELECT * FROM %s.pg_background_outcome($1, $2)', home) USING job.pid, job.cookie;
    END LOOP;
END
$$;

/*
 * The first of the jobs that has ended, NULL when the time is over before. It
 * looks at one after the other; pg_background_await_any() of 3.0 is woken.
 */
CREATE FUNCTION pg_background_wait_any(handles pg_background_handle[], timeout_ms pg_catalog.int4 DEFAULT 0)
    RETURNS pg_background_handle
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    home text := e.extnamespace::regnamespace FROM pg_extension e WHERE e.extname = 'pg_background';
    deadline timestamptz := clock_timestamp() + timeout_ms * interval '1 millisecond';
    has_ended bool;
    job record;
BEGIN
    -- a look waits a millisecond, and the first look of a round up to ten; a round without a handle is none
    WHILE EXISTS (SELECT FROM unnest(handles) h WHERE h.cookie IS NOT NULL) LOOP
        FOR job IN SELECT h.pid, h.cookie, row_number() OVER () = 1 AS is_first FROM unnest(handles) h WHERE h.cookie IS NOT NULL LOOP
            EXECUTE format('SELECT %s.pg_background_wait($1, $2, $3)', home) INTO has_ended
              USING job.pid, job.cookie, CASE WHEN job.is_first THEN 10 ELSE 1 END;
            IF has_ended THEN
                RETURN ROW(job.pid, job.cookie);
            END IF;
        END LOOP;
        EXIT WHEN timeout_ms > 0 AND clock_timestamp() >= deadline;
    END LOOP;
    RETURN NULL;
END
$$;

/*
 * Runs a job whose rows are thrown away. One that runs out of time is
 * canceled; its outcome is waited for, for some seconds at the most. When the
 * wait is interrupted the job is canceled as well.
 */
CREATE FUNCTION pg_background_run(
    sql pg_catalog.text,
    queue_size pg_catalog.int4 DEFAULT 0,
    timeout_ms pg_catalog.int4 DEFAULT 0,
    label pg_catalog.text DEFAULT NULL
)
    RETURNS pg_background_run_result
    LANGUAGE plpgsql
AS $$
DECLARE
    home pg_catalog.text := e.extnamespace::pg_catalog.regnamespace FROM pg_catalog.pg_extension e
                             WHERE e.extname OPERATOR(pg_catalog.=) 'pg_background';
    began pg_catalog.timestamptz := pg_catalog.clock_timestamp();
    job pg_catalog.record;
    result pg_catalog.record;
    in_time pg_catalog.bool;
BEGIN
    EXECUTE pg_catalog.format('SELECT j.pid, j.cookie FROM %s.pg_background_submit($1, $2, $3) j', home) INTO job
      USING sql, queue_size, label;
    IF job.cookie IS NULL THEN
        RETURN NULL;
    END IF;
    BEGIN
        EXECUTE pg_catalog.format('SELECT %s.pg_background_wait($1, $2, $3)', home) INTO in_time
          USING job.pid, job.cookie, COALESCE(timeout_ms, 0);
        IF NOT in_time THEN
            EXECUTE pg_catalog.format('SELECT %1$s.pg_background_record_timeout(), %1$s.pg_background_cancel($1, $2)', home)
              USING job.pid, job.cookie;
            EXECUTE pg_catalog.format('SELECT %s.pg_background_wait($1, $2, 5000)', home) USING job.pid, job.cookie;
        END IF;
    EXCEPTION
        WHEN OTHERS OR query_canceled OR assert_failure THEN
            EXECUTE pg_catalog.format('SELECT %1$s.pg_background_cancel($1, $2), %1$s.pg_background_detach($1, $2)', home)
              USING job.pid, job.cookie;
            RAISE;
    END;
    EXECUTE pg_catalog.format('SELECT o.*, $3, $4 FROM %s.pg_background_outcome($1, $2) o', home) INTO result
      USING job.pid, job.cookie, NOT in_time,
            (EXTRACT(EPOCH FROM pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) began)
                 OPERATOR(pg_catalog.*) 1000)::pg_catalog.int8;
    EXECUTE pg_catalog.format('SELECT %s.pg_background_detach($1, $2)', home) USING job.pid, job.cookie;
    RETURN result;
END
$$;

/*
 * Runs a job and returns its rows. col_def is a column definition list in
 * SQL, "a int, b text", the same as the caller's; without one, the job's
 * command tags are returned.
 */
CREATE FUNCTION pg_background_run_query(
    sql pg_catalog.text,
    queue_size pg_catalog.int4 DEFAULT 0,
    timeout_ms pg_catalog.int4 DEFAULT 0,
    label pg_catalog.text DEFAULT NULL,
    col_def pg_catalog.text DEFAULT NULL
)
    RETURNS SETOF pg_catalog.record
    LANGUAGE plpgsql
AS $$
DECLARE
    home pg_catalog.text := e.extnamespace::pg_catalog.regnamespace FROM pg_catalog.pg_extension e
                             WHERE e.extname OPERATOR(pg_catalog.=) 'pg_background';
    job pg_catalog.record;
    in_time pg_catalog.bool;
BEGIN
    EXECUTE pg_catalog.format('SELECT j.pid, j.cookie FROM %s.pg_background_launch($1, $2, $3) j', home) INTO job
      USING sql, queue_size, label;
    IF job.cookie IS NULL THEN
        RETURN;
    END IF;
    BEGIN
        EXECUTE pg_catalog.format('SELECT %s.pg_background_wait($1, $2, $3)', home) INTO in_time
          USING job.pid, job.cookie, COALESCE(timeout_ms, 0);
        IF NOT in_time THEN
            EXECUTE pg_catalog.format('SELECT %s.pg_background_record_timeout()', home);
            RAISE query_canceled USING
                MESSAGE = pg_catalog.format('background job did not end within %s ms', timeout_ms);
        END IF;
        RETURN QUERY EXECUTE pg_catalog.format('SELECT * FROM %s.pg_background_result($1, $2) AS (%s)', home,
                                               COALESCE(col_def, 'command_tag pg_catalog.text'))
          USING job.pid, job.cookie;
    EXCEPTION
        -- the job ends with the call
        WHEN OTHERS OR query_canceled OR assert_failure THEN
            EXECUTE pg_catalog.format('SELECT %1$s.pg_background_cancel($1, $2), %1$s.pg_background_detach($1, $2)', home)
              USING job.pid, job.cookie;
            RAISE;
    END;
END
$$;

/*
 * The same under the names with _v2.
 */

CREATE FUNCTION pg_background_outcome_v2(p_pid pg_catalog.int4, p_cookie pg_catalog.int8)
    RETURNS pg_background_outcome
    LANGUAGE SQL
    RETURN pg_background_outcome(p_pid, p_cookie);

CREATE FUNCTION pg_background_cancel_by_label_v2(pattern pg_catalog.text, grace_ms pg_catalog.int4 DEFAULT 0)
    RETURNS pg_catalog.int4
    LANGUAGE SQL
    RETURN pg_background_cancel_by_label(pattern, grace_ms);

CREATE FUNCTION pg_background_purge_v2()
    RETURNS pg_catalog.int4
    LANGUAGE SQL
    RETURN pg_background_purge();

CREATE FUNCTION pg_background_drain_v2(handles pg_background_handle[], timeout_ms pg_catalog.int4 DEFAULT 0)
    RETURNS SETOF pg_background_outcome
    LANGUAGE SQL
BEGIN ATOMIC
    SELECT d.* FROM pg_background_drain(handles, timeout_ms) d;
END;

CREATE FUNCTION pg_background_wait_any_v2(handles pg_background_handle[], timeout_ms pg_catalog.int4 DEFAULT 0)
    RETURNS pg_background_handle
    LANGUAGE SQL
    RETURN pg_background_wait_any(handles, timeout_ms);

CREATE FUNCTION pg_background_run_v2(
    sql pg_catalog.text,
    queue_size pg_catalog.int4 DEFAULT 0,
    timeout_ms pg_catalog.int4 DEFAULT 0,
    label pg_catalog.text DEFAULT NULL
)
    RETURNS pg_background_run_result
    LANGUAGE SQL
    RETURN pg_background_run(sql, queue_size, timeout_ms, label);

CREATE FUNCTION pg_background_run_query_v2(
    sql pg_catalog.text,
    queue_size pg_catalog.int4 DEFAULT 0,
    timeout_ms pg_catalog.int4 DEFAULT 0,
    label pg_catalog.text DEFAULT NULL,
    col_def pg_catalog.text DEFAULT NULL
)
    RETURNS SETOF pg_catalog.record
    LANGUAGE plpgsql
AS $$
DECLARE
    home pg_catalog.text := e.extnamespace::pg_catalog.regnamespace FROM pg_catalog.pg_extension e
                             WHERE e.extname OPERATOR(pg_catalog.=) 'pg_background';
BEGIN
    RETURN QUERY EXECUTE pg_catalog.format('SELECT * FROM %s.pg_background_run_query($1, $2, $3, $4, $5) AS (%s)', home,
                                           COALESCE(col_def, 'command_tag pg_catalog.text'))
      USING sql, queue_size, timeout_ms, label, col_def;
END
$$;

/*
 * The helpers run as the superuser that owns the extension, so nothing a
 * caller controls may decide what a name means in them: pg_temp comes last in
 * their search_path (left out, it would come first), the objects they touch
 * are found by OID among the extension's members and print with their schema,
 * and the role's name, taken exactly as given, goes through %I.
 *
 * Views are granted as well as functions and types; not those that PUBLIC may
 * read anyway.
 */
CREATE FUNCTION pg_background_grant_privileges(role_name pg_catalog.text, print_commands pg_catalog.bool DEFAULT false)
    RETURNS pg_catalog.bool
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    extension pg_extension;
    role_oid oid;
    command text;
BEGIN
    SELECT r.oid INTO role_oid FROM pg_roles r WHERE r.rolname = role_name;
    IF NOT FOUND THEN
        RAISE NOTICE '%', CASE WHEN role_name IS NULL THEN 'role name must not be null'
                               ELSE format('role "%s" does not exist', role_name) END;
        RETURN false;
    END IF;
    SELECT e.* INTO STRICT extension FROM pg_extension e WHERE e.extname = 'pg_background';

    FOR command IN
        -- without USAGE on the schema the privileges inside it are worth nothing
        SELECT format('GRANT USAGE ON SCHEMA %s TO %I', extension.extnamespace::regnamespace, role_name)
         WHERE NOT has_schema_privilege(role_oid, extension.extnamespace, 'USAGE')
        UNION ALL
        SELECT m.command FROM (
            SELECT format('GRANT %s TO %I', CASE
                       WHEN p.oid IS NOT NULL THEN format('EXECUTE ON ROUTINE %s', p.oid::regprocedure)
                       WHEN t.oid IS NOT NULL THEN format('USAGE ON TYPE %s', t.oid::regtype)
                       ELSE format('SELECT ON %s', v.oid::regclass) END, role_name)
              FROM pg_depend d
              LEFT JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid AND NOT p.prosecdef
              LEFT JOIN pg_class v ON d.classid = 'pg_class'::regclass AND v.oid = d.objid AND v.relkind = 'v'
                                  AND NOT EXISTS (SELECT FROM aclexplode(v.relacl) a WHERE a.grantee = 0)
              LEFT JOIN (pg_type t JOIN pg_class c ON c.oid = t.typrelid AND c.relkind = 'c')
                     ON d.classid = 'pg_type'::regclass AND t.oid = d.objid
             WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = extension.oid AND d.deptype = 'e'
               AND coalesce(p.oid, v.oid, t.oid) IS NOT NULL
             ORDER BY 1) m(command)
    LOOP
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
CREATE FUNCTION pg_background_revoke_privileges(role_name pg_catalog.text, print_commands pg_catalog.bool DEFAULT false)
    RETURNS pg_catalog.bool
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    extension pg_extension;
    role_oid oid;
    command text;
BEGIN
    SELECT r.oid INTO role_oid FROM pg_roles r WHERE r.rolname = role_name;
    IF NOT FOUND THEN
        RAISE NOTICE '%', CASE WHEN role_name IS NULL THEN 'role name must not be null'
                               ELSE format('role "%s" does not exist', role_name) END;
        RETURN false;
    END IF;
    SELECT e.* INTO STRICT extension FROM pg_extension e WHERE e.extname = 'pg_background';

    FOR command IN
        SELECT m.command FROM (
            SELECT format('REVOKE %s FROM %I', CASE
                       WHEN p.oid IS NOT NULL THEN format('EXECUTE ON ROUTINE %s', p.oid::regprocedure)
                       WHEN t.oid IS NOT NULL THEN format('USAGE ON TYPE %s', t.oid::regtype)
                       ELSE format('SELECT ON %s', v.oid::regclass) END, role_name)
              FROM pg_depend d
              LEFT JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid AND NOT p.prosecdef
              LEFT JOIN pg_class v ON d.classid = 'pg_class'::regclass AND v.oid = d.objid AND v.relkind = 'v'
                                  AND NOT EXISTS (SELECT FROM aclexplode(v.relacl) a WHERE a.grantee = 0)
              LEFT JOIN (pg_type t JOIN pg_class c ON c.oid = t.typrelid AND c.relkind = 'c')
                     ON d.classid = 'pg_type'::regclass AND t.oid = d.objid
             WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = extension.oid AND d.deptype = 'e'
               AND coalesce(p.oid, v.oid, t.oid) IS NOT NULL
             ORDER BY 1) m(command)
        UNION ALL
        SELECT format('REVOKE USAGE ON SCHEMA %I FROM %I', n.nspname, role_name)
          FROM pg_namespace n, LATERAL aclexplode(n.nspacl) a
         WHERE n.oid = extension.extnamespace AND n.nspname <> 'public'
           AND a.grantee = role_oid AND a.grantor = n.nspowner AND a.grantee <> n.nspowner AND a.privilege_type = 'USAGE'
           AND NOT EXISTS (
               SELECT FROM pg_depend d
                WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid
                  AND (d.classid, d.objid) <> ('pg_extension'::regclass, extension.oid)
                  AND NOT EXISTS (
                      SELECT FROM pg_depend m
                       WHERE m.classid = d.classid AND m.objid = d.objid AND m.deptype = 'e'
                         AND m.refclassid = 'pg_extension'::regclass AND m.refobjid = extension.oid))
    LOOP
        IF print_commands THEN
            RAISE INFO '%', command;
        END IF;
        EXECUTE command;
    END LOOP;
    RETURN true;
END
$$;

/*
 * DROP OWNED drops what a role owns and takes away what it was granted. It is
 * run only when this extension's privileges are all there is; anything else
 * that hangs on the role is the administrator's, and is named, not dropped.
 */
CREATE FUNCTION pg_background_drop_executor_role()
    RETURNS pg_catalog.void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    extension pg_extension;
    executor oid;
    database oid;
    others text;
BEGIN
    SELECT r.oid INTO executor FROM pg_roles r WHERE r.rolname = 'pgbackground_role';
    IF NOT FOUND THEN
        RAISE NOTICE 'role "pgbackground_role" does not exist';
        RETURN;
    END IF;
    SELECT e.* INTO STRICT extension FROM pg_extension e WHERE e.extname = 'pg_background';
    SELECT d.oid INTO STRICT database FROM pg_database d WHERE d.datname = current_database();

    SELECT string_agg(DISTINCT o.description, E'\n' ORDER BY o.description) INTO others
      FROM (SELECT CASE WHEN s.dbid IN (0, database) THEN pg_describe_object(s.classid, s.objid, s.objsubid)
                        ELSE format('objects in database %I', (SELECT d.datname FROM pg_database d WHERE d.oid = s.dbid))
                   END COLLATE "C" AS description
              FROM pg_shdepend s
             WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = executor
               AND NOT (s.dbid = database AND s.deptype <> 'o'
                        AND (EXISTS (SELECT FROM pg_depend m
                                      WHERE m.classid = s.classid AND m.objid = s.objid AND m.deptype = 'e'
                                        AND m.refclassid = 'pg_extension'::regclass AND m.refobjid = extension.oid)
                             OR (s.classid, s.objid) = ('pg_namespace'::regclass, extension.extnamespace)))) o;
    IF others IS NOT NULL THEN
        RAISE dependent_objects_still_exist USING
            MESSAGE = 'role "pgbackground_role" cannot be dropped because some objects depend on it',
            DETAIL = others,
            HINT = 'Drop the objects or revoke the privileges first; in other databases, drop the extension.';
    END IF;

    -- before 17 DROP OWNED leaves the role in the initial privileges, and pg_dump would then revoke from a number
    IF current_setting('server_version_num')::int4 < 170000 THEN
        UPDATE pg_init_privs i
           SET initprivs = ARRAY(SELECT a FROM unnest(i.initprivs) a
                                  WHERE NOT EXISTS (SELECT FROM aclexplode(ARRAY[a]) x WHERE x.grantee = executor))
          FROM pg_depend m
         WHERE m.classid = i.classoid AND m.objid = i.objoid AND m.deptype = 'e'
           AND m.refclassid = 'pg_extension'::regclass AND m.refobjid = extension.oid;
    END IF;

    DROP OWNED BY pgbackground_role;
    DROP ROLE pgbackground_role;
END
$$;

/*
 * PUBLIC gets nothing, the executor role everything but the SECURITY DEFINER
 * helpers: who may call those could hand out privileges as a superuser.
 */
DO $$
DECLARE
    member pg_catalog.record;
BEGIN
    FOR member IN
        SELECT CASE WHEN p.oid IS NOT NULL THEN pg_catalog.format('FUNCTION %s', p.oid::pg_catalog.regprocedure)
                    WHEN t.oid IS NOT NULL THEN pg_catalog.format('TYPE %s', t.oid::pg_catalog.regtype)
                    ELSE pg_catalog.format('TABLE %s', v.oid::pg_catalog.regclass) END AS object,
               CASE WHEN p.oid IS NOT NULL THEN 'EXECUTE' WHEN t.oid IS NOT NULL THEN 'USAGE' ELSE 'SELECT' END AS privilege,
               COALESCE(p.prosecdef, false) AS is_helper
          FROM pg_catalog.pg_extension e
          JOIN pg_catalog.pg_depend d
            ON d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
           AND d.refobjid OPERATOR(pg_catalog.=) e.oid AND d.deptype OPERATOR(pg_catalog.=) 'e'
          LEFT JOIN pg_catalog.pg_proc p
            ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
           AND p.oid OPERATOR(pg_catalog.=) d.objid
          LEFT JOIN pg_catalog.pg_class v
            ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
           AND v.oid OPERATOR(pg_catalog.=) d.objid
          LEFT JOIN (pg_catalog.pg_type t
                     JOIN pg_catalog.pg_class c
                       ON c.oid OPERATOR(pg_catalog.=) t.typrelid AND c.relkind OPERATOR(pg_catalog.=) 'c')
            ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass
           AND t.oid OPERATOR(pg_catalog.=) d.objid
         WHERE e.extname OPERATOR(pg_catalog.=) 'pg_background' AND COALESCE(p.oid, v.oid, t.oid) IS NOT NULL
    LOOP
        EXECUTE pg_catalog.format('REVOKE ALL ON %s FROM PUBLIC', member.object);
        IF NOT member.is_helper THEN
            EXECUTE pg_catalog.format('GRANT %s ON %s TO pgbackground_role', member.privilege, member.object);
        END IF;
    END LOOP;
END
$$;

COMMENT ON FUNCTION pg_background_launch(pg_catalog.text, pg_catalog.int4)
    IS 'run SQL in a background worker, return the handle of the job';
COMMENT ON FUNCTION pg_background_launch(pg_catalog.text, pg_catalog.int4, pg_catalog.text)
    IS 'run SQL in a background worker under a label, return the handle of the job';
COMMENT ON FUNCTION pg_background_submit(pg_catalog.text, pg_catalog.int4)
    IS 'run SQL in a background worker whose rows nobody reads';
COMMENT ON FUNCTION pg_background_submit(pg_catalog.text, pg_catalog.int4, pg_catalog.text)
    IS 'run SQL under a label in a background worker whose rows nobody reads';
COMMENT ON FUNCTION pg_background_result(pg_catalog.int4, pg_catalog.int8)
    IS 'read the rows of a background job, once';
COMMENT ON FUNCTION pg_background_detach(pg_catalog.int4, pg_catalog.int8)
    IS 'stop tracking a background job, which runs on';
COMMENT ON FUNCTION pg_background_detach_all()
    IS 'stop tracking all background jobs of this session';
COMMENT ON FUNCTION pg_background_cancel(pg_catalog.int4, pg_catalog.int8, pg_catalog.int4)
    IS 'cancel a background job, giving its running statement time to finish';
COMMENT ON FUNCTION pg_background_cancel_all()
    IS 'cancel all background jobs of this session';
COMMENT ON FUNCTION pg_background_cancel_by_label(pg_catalog.text, pg_catalog.int4)
    IS 'cancel the background jobs of this session whose label is like the pattern';
COMMENT ON FUNCTION pg_background_wait(pg_catalog.int4, pg_catalog.int8, pg_catalog.int4)
    IS 'wait for a background job, true when it has ended in time';
COMMENT ON FUNCTION pg_background_wait_any(pg_background_handle[], pg_catalog.int4)
    IS 'wait for the first of some background jobs to end';
COMMENT ON FUNCTION pg_background_drain(pg_background_handle[], pg_catalog.int4)
    IS 'wait for background jobs, return their outcomes';
COMMENT ON FUNCTION pg_background_list()
    IS 'background jobs tracked by this session';
COMMENT ON FUNCTION pg_background_outcome(pg_catalog.int4, pg_catalog.int8)
    IS 'what became of a background job';
COMMENT ON FUNCTION pg_background_result_info(pg_catalog.int4, pg_catalog.int8)
    IS 'row count and command tag of a background job';
COMMENT ON FUNCTION pg_background_error_info(pg_catalog.int4, pg_catalog.int8)
    IS 'error of a background job';
COMMENT ON FUNCTION pg_background_full_sql(pg_catalog.int4, pg_catalog.int8)
    IS 'text of a background job';
COMMENT ON FUNCTION pg_background_run(pg_catalog.text, pg_catalog.int4, pg_catalog.int4, pg_catalog.text)
    IS 'run SQL in a background worker, wait, return the outcome';
COMMENT ON FUNCTION pg_background_run_query(pg_catalog.text, pg_catalog.int4, pg_catalog.int4, pg_catalog.text, pg_catalog.text)
    IS 'run SQL in a background worker, wait, return its rows';
COMMENT ON FUNCTION pg_background_purge()
    IS 'stop tracking the background jobs of this session that have ended';
COMMENT ON FUNCTION pg_background_stats()
    IS 'counts of background jobs of this session';
COMMENT ON FUNCTION pg_background_record_timeout()
    IS 'count a wait of this session that has timed out';
COMMENT ON FUNCTION pg_background_report_progress(pg_catalog.int4, pg_catalog.text)
    IS 'report the progress of the background job that calls this';
COMMENT ON FUNCTION pg_background_get_progress(pg_catalog.int4, pg_catalog.int8)
    IS 'progress that a background job has reported';
COMMENT ON FUNCTION pg_background_grant_privileges(pg_catalog.text, pg_catalog.bool)
    IS 'let a role run background jobs';
COMMENT ON FUNCTION pg_background_revoke_privileges(pg_catalog.text, pg_catalog.bool)
    IS 'take back what pg_background_grant_privileges gave';
COMMENT ON FUNCTION pg_background_drop_executor_role()
    IS 'drop the role pgbackground_role with its privileges on this extension';
COMMENT ON VIEW pg_background_list
    IS 'background jobs tracked by this session';
COMMENT ON VIEW pg_background_activity
    IS 'background jobs tracked by this session, and what their workers do';
COMMENT ON TYPE pg_background_handle
    IS 'identity of a background job';
COMMENT ON TYPE pg_background_stats
    IS 'counts of background jobs of a session';
COMMENT ON TYPE pg_background_progress_info
    IS 'progress of a background job';
COMMENT ON TYPE pg_background_result_info
    IS 'row count and command tag of a background job';
COMMENT ON TYPE pg_background_error
    IS 'error of a background job';
COMMENT ON TYPE pg_background_outcome
    IS 'what became of a background job';
COMMENT ON TYPE pg_background_run_result
    IS 'what became of a background job that was waited for';
