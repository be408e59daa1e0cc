\i regress/sql/include/helpers.sql
\i regress/sql/include/describe.sql
\set ECHO none
-- The catalogs of the C extension 1.9, 1.10 and 2.0. A test that needs them includes this file, and has then what helpers.sql
-- makes, but for the view of the jobs, and
--
--   CALL make_catalog('1.9')                   in place of the extension that is there: one with the objects of that version
--   catalog_facts                              the versions' objects, a line each
--   catalog_objects                            the extension's objects, as such lines
--   catalog_differences('1.9')                 the difference between the two
--   update_catalog()                           updates the extension, and tells of what is not just added
--
-- and ends with include/catalogs_end.sql.
SET client_min_messages = warning;

-- type: T, function: F, view: V; [language and C symbol, "strict" or "secdef"]
CREATE TABLE catalog_facts (versions text[], line text);
INSERT INTO catalog_facts VALUES
    ('{1.9,1.10}', $$T pg_background_error(sqlstate text, message text, detail text, hint text, context text)$$),
    ('{1.9,1.10,2.0}', $$T pg_background_handle(pid integer, cookie bigint)$$),
    ('{1.9,1.10}', $$T pg_background_progress(progress_pct integer, progress_msg text)$$),
    ('{1.9,1.10}', $$T pg_background_result_info(row_count bigint, command_tag text, completed boolean, has_error boolean)$$),
    ('{1.9,1.10}', $$T pg_background_stats(workers_launched bigint, workers_completed bigint, workers_failed bigint, workers_canceled bigint, workers_active integer, avg_execution_ms double precision, max_workers integer)$$),
    ('{1.9,1.10}', $$F grant_pg_background_privileges(role_name text, print_commands boolean DEFAULT false) -> boolean [plpgsql secdef]$$),
    ('{1.9,1.10}', $$F pg_background_cancel_all_v2() -> integer [c pg_background_cancel_all_v2]$$),
    ('{1.9,1.10}', $$F pg_background_cancel_v2(pid integer, cookie bigint) -> void [c pg_background_cancel_v2 strict]$$),
    ('{1.9,1.10}', $$F pg_background_cancel_v2_grace(pid integer, cookie bigint, grace_ms integer) -> void [c pg_background_cancel_v2_grace strict]$$),
    ('{1.9,1.10}', $$F pg_background_detach(pid integer) -> void [c pg_background_detach strict]$$),
    ('{1.9,1.10}', $$F pg_background_detach_all_v2() -> integer [c pg_background_detach_all_v2]$$),
    ('{1.9,1.10}', $$F pg_background_detach_v2(pid integer, cookie bigint) -> void [c pg_background_detach_v2 strict]$$),
    ('{1.9,1.10,2.0}', $$F pg_background_drop_executor_role() -> void [plpgsql secdef]$$),
    ('{1.9,1.10}', $$F pg_background_error_info_v2(pid integer, cookie bigint) -> pg_background_error [c pg_background_error_info_v2 strict]$$),
    ('{1.9,1.10}', $$F pg_background_get_progress_v2(pid integer, cookie bigint) -> pg_background_progress [c pg_background_get_progress_v2]$$),
    ('{1.9,1.10}', $$F pg_background_launch(sql text, queue_size integer DEFAULT 0) -> integer [c pg_background_launch strict]$$),
    ('{1.9,1.10}', $$F pg_background_launch_v2(sql text, queue_size integer DEFAULT 0) -> pg_background_handle [c pg_background_launch_v2 strict]$$),
    ('{1.9,1.10}', $$F pg_background_launch_v2(sql text, queue_size integer, label text) -> pg_background_handle [c pg_background_launch_v2]$$),
    ('{1.9,1.10}', $$F pg_background_list_v2() -> SETOF record [c pg_background_list_v2]$$),
    ('{1.9,1.10}', $$F pg_background_progress(pct integer, msg text DEFAULT NULL::text) -> void [c pg_background_progress]$$),
    ('{1.9,1.10}', $$F pg_background_result(pid integer) -> SETOF record [c pg_background_result strict]$$),
    ('{1.9,1.10}', $$F pg_background_result_info_v2(pid integer, cookie bigint) -> pg_background_result_info [c pg_background_result_info_v2 strict]$$),
    ('{1.9,1.10}', $$F pg_background_result_v2(pid integer, cookie bigint) -> SETOF record [c pg_background_result_v2 strict]$$),
    ('{1.9,1.10}', $$F pg_background_stats_v2() -> pg_background_stats [c pg_background_stats_v2]$$),
    ('{1.9,1.10}', $$F pg_background_submit_v2(sql text, queue_size integer DEFAULT 0) -> pg_background_handle [c pg_background_submit_v2 strict]$$),
    ('{1.9,1.10}', $$F pg_background_submit_v2(sql text, queue_size integer, label text) -> pg_background_handle [c pg_background_submit_v2]$$),
    ('{1.9,1.10}', $$F pg_background_wait_v2(pid integer, cookie bigint) -> void [c pg_background_wait_v2 strict]$$),
    ('{1.9,1.10}', $$F pg_background_wait_v2_timeout(pid integer, cookie bigint, timeout_ms integer) -> boolean [c pg_background_wait_v2_timeout strict]$$),
    ('{1.9,1.10}', $$F revoke_pg_background_privileges(role_name text, print_commands boolean DEFAULT false) -> boolean [plpgsql secdef]$$),
    ('{1.10,2.0}', $$T pg_background_outcome(pid integer, cookie bigint, state text, consumed boolean, completed boolean, has_error boolean, row_count bigint, command_tag text, sqlstate text, error_message text, label text, launched_at timestamp with time zone)$$),
    ('{1.10}', $$T pg_background_run_result(pid integer, completed boolean, timed_out boolean, has_error boolean, row_count bigint, command_tag text, sqlstate text, error_message text, elapsed_ms bigint)$$),
    ('{1.10}', $$F pg_background_cancel_by_label_v2(pattern text, grace_ms integer DEFAULT 0) -> integer [plpgsql]$$),
    ('{1.10}', $$F pg_background_drain_v2(handles pg_background_handle[], timeout_ms integer DEFAULT 0) -> SETOF pg_background_outcome [plpgsql]$$),
    ('{1.10}', $$F pg_background_full_sql_v2(pid integer, cookie bigint) -> text [c pg_background_full_sql_v2 strict]$$),
    ('{1.10}', $$F pg_background_outcome_v2(p_pid integer, p_cookie bigint) -> pg_background_outcome [plpgsql]$$),
    ('{1.10}', $$F pg_background_purge_v2() -> integer [plpgsql]$$),
    ('{1.10,2.0}', $$F pg_background_run_query_v2(sql text, queue_size integer DEFAULT 0, timeout_ms integer DEFAULT 0, label text DEFAULT NULL::text, col_def text DEFAULT NULL::text) -> SETOF record [plpgsql]$$),
    ('{1.10}', $$F pg_background_run_v2(sql text, queue_size integer DEFAULT 0, timeout_ms integer DEFAULT 0, label text DEFAULT NULL::text) -> pg_background_run_result [plpgsql]$$),
    ('{1.10}', $$F pg_background_status_v2(p_pid integer, p_cookie bigint) -> jsonb [sql]$$),
    ('{1.10}', $$F pg_background_wait_any_v2(handles pg_background_handle[], timeout_ms integer DEFAULT 0) -> pg_background_handle [plpgsql]$$),
    ('{1.10,2.0}', $$V pg_background_activity(pid integer, cookie bigint, launched_at timestamp with time zone, user_id oid, queue_size integer, pgbg_state text, sql_preview text, last_error text, consumed boolean, label text, backend_state text, wait_event_type text, wait_event text, xact_start timestamp with time zone, query_start timestamp with time zone, backend_start timestamp with time zone, query text)$$),
    ('{1.10,2.0}', $$V pg_background_list(pid integer, cookie bigint, launched_at timestamp with time zone, user_id oid, queue_size integer, state text, sql_preview text, last_error text, consumed boolean, label text)$$),
    ('{2.0}', $$T pg_background_error(sqlstate text, message text, detail text, hint text, context text, schema_name text, table_name text, column_name text, constraint_name text)$$),
    ('{2.0}', $$T pg_background_progress_info(progress_pct integer, progress_msg text)$$),
    ('{2.0}', $$T pg_background_result_info(row_count bigint, command_tag text, completed boolean, has_error boolean, started_at timestamp with time zone, finished_at timestamp with time zone)$$),
    ('{2.0}', $$T pg_background_run_result(pid integer, cookie bigint, state text, consumed boolean, completed boolean, has_error boolean, row_count bigint, command_tag text, sqlstate text, error_message text, label text, launched_at timestamp with time zone, timed_out boolean, elapsed_ms bigint)$$),
    ('{2.0}', $$T pg_background_stats(workers_launched bigint, workers_completed bigint, workers_failed bigint, workers_canceled bigint, workers_timed_out bigint, workers_active integer, avg_execution_ms double precision, max_workers integer)$$),
    ('{2.0}', $$F pg_background_cancel(pid integer, cookie bigint, grace_ms integer DEFAULT 0) -> void [c pg_background_cancel strict]$$),
    ('{2.0}', $$F pg_background_cancel_all() -> integer [c pg_background_cancel_all]$$),
    ('{2.0}', $$F pg_background_cancel_all_v2() -> integer [c pg_background_cancel_all]$$),
    ('{2.0}', $$F pg_background_cancel_by_label(pattern text, grace_ms integer DEFAULT 0) -> integer [plpgsql]$$),
    ('{2.0}', $$F pg_background_cancel_by_label_v2(pattern text, grace_ms integer DEFAULT 0) -> integer [sql]$$),
    ('{2.0}', $$F pg_background_cancel_v2(pid integer, cookie bigint, grace_ms integer DEFAULT 0) -> void [c pg_background_cancel strict]$$),
    ('{2.0}', $$F pg_background_detach(pid integer, cookie bigint) -> void [c pg_background_detach strict]$$),
    ('{2.0}', $$F pg_background_detach_all() -> integer [c pg_background_detach_all]$$),
    ('{2.0}', $$F pg_background_detach_all_v2() -> integer [c pg_background_detach_all]$$),
    ('{2.0}', $$F pg_background_detach_v2(pid integer, cookie bigint) -> void [c pg_background_detach strict]$$),
    ('{2.0}', $$F pg_background_drain(handles pg_background_handle[], timeout_ms integer DEFAULT 0) -> SETOF pg_background_outcome [plpgsql]$$),
    ('{2.0}', $$F pg_background_drain_v2(handles pg_background_handle[], timeout_ms integer DEFAULT 0) -> SETOF pg_background_outcome [sql]$$),
    ('{2.0}', $$F pg_background_error_info(pid integer, cookie bigint) -> pg_background_error [c pg_background_error_info strict]$$),
    ('{2.0}', $$F pg_background_error_info_v2(pid integer, cookie bigint) -> pg_background_error [c pg_background_error_info strict]$$),
    ('{2.0}', $$F pg_background_full_sql(pid integer, cookie bigint) -> text [c pg_background_full_sql strict]$$),
    ('{2.0}', $$F pg_background_full_sql_v2(pid integer, cookie bigint) -> text [c pg_background_full_sql strict]$$),
    ('{2.0}', $$F pg_background_get_progress(pid integer, cookie bigint) -> pg_background_progress_info [c pg_background_get_progress]$$),
    ('{2.0}', $$F pg_background_get_progress_v2(pid integer, cookie bigint) -> pg_background_progress_info [c pg_background_get_progress]$$),
    ('{2.0}', $$F pg_background_grant_privileges(role_name text, print_commands boolean DEFAULT false) -> boolean [plpgsql secdef]$$),
    ('{2.0}', $$F pg_background_launch(sql text, queue_size integer DEFAULT 0) -> pg_background_handle [c pg_background_launch strict]$$),
    ('{2.0}', $$F pg_background_launch(sql text, queue_size integer, label text) -> pg_background_handle [c pg_background_launch]$$),
    ('{2.0}', $$F pg_background_launch_v2(sql text, queue_size integer DEFAULT 0) -> pg_background_handle [c pg_background_launch strict]$$),
    ('{2.0}', $$F pg_background_launch_v2(sql text, queue_size integer, label text) -> pg_background_handle [c pg_background_launch]$$),
    ('{2.0}', $$F pg_background_list() -> SETOF record [c pg_background_list]$$),
    ('{2.0}', $$F pg_background_list_v2() -> SETOF record [c pg_background_list]$$),
    ('{2.0}', $$F pg_background_outcome(p_pid integer, p_cookie bigint) -> pg_background_outcome [plpgsql]$$),
    ('{2.0}', $$F pg_background_outcome_v2(p_pid integer, p_cookie bigint) -> pg_background_outcome [sql]$$),
    ('{2.0}', $$F pg_background_purge() -> integer [plpgsql]$$),
    ('{2.0}', $$F pg_background_purge_v2() -> integer [sql]$$),
    ('{2.0}', $$F pg_background_record_timeout() -> void [c pg_background_record_timeout]$$),
    ('{2.0}', $$F pg_background_report_progress(pct integer, msg text DEFAULT NULL::text) -> void [c pg_background_report_progress]$$),
    ('{2.0}', $$F pg_background_result(pid integer, cookie bigint) -> SETOF record [c pg_background_result strict]$$),
    ('{2.0}', $$F pg_background_result_info(pid integer, cookie bigint) -> pg_background_result_info [c pg_background_result_info strict]$$),
    ('{2.0}', $$F pg_background_result_info_v2(pid integer, cookie bigint) -> pg_background_result_info [c pg_background_result_info strict]$$),
    ('{2.0}', $$F pg_background_result_v2(pid integer, cookie bigint) -> SETOF record [c pg_background_result strict]$$),
    ('{2.0}', $$F pg_background_revoke_privileges(role_name text, print_commands boolean DEFAULT false) -> boolean [plpgsql secdef]$$),
    ('{2.0}', $$F pg_background_run(sql text, queue_size integer DEFAULT 0, timeout_ms integer DEFAULT 0, label text DEFAULT NULL::text) -> pg_background_run_result [plpgsql]$$),
    ('{2.0}', $$F pg_background_run_query(sql text, queue_size integer DEFAULT 0, timeout_ms integer DEFAULT 0, label text DEFAULT NULL::text, col_def text DEFAULT NULL::text) -> SETOF record [plpgsql]$$),
    ('{2.0}', $$F pg_background_run_v2(sql text, queue_size integer DEFAULT 0, timeout_ms integer DEFAULT 0, label text DEFAULT NULL::text) -> pg_background_run_result [sql]$$),
    ('{2.0}', $$F pg_background_stats() -> pg_background_stats [c pg_background_stats]$$),
    ('{2.0}', $$F pg_background_stats_v2() -> pg_background_stats [c pg_background_stats]$$),
    ('{2.0}', $$F pg_background_submit(sql text, queue_size integer DEFAULT 0) -> pg_background_handle [c pg_background_submit strict]$$),
    ('{2.0}', $$F pg_background_submit(sql text, queue_size integer, label text) -> pg_background_handle [c pg_background_submit]$$),
    ('{2.0}', $$F pg_background_submit_v2(sql text, queue_size integer DEFAULT 0) -> pg_background_handle [c pg_background_submit strict]$$),
    ('{2.0}', $$F pg_background_submit_v2(sql text, queue_size integer, label text) -> pg_background_handle [c pg_background_submit]$$),
    ('{2.0}', $$F pg_background_wait(pid integer, cookie bigint, timeout_ms integer DEFAULT 0) -> boolean [c pg_background_wait strict]$$),
    ('{2.0}', $$F pg_background_wait_any(handles pg_background_handle[], timeout_ms integer DEFAULT 0) -> pg_background_handle [plpgsql]$$),
    ('{2.0}', $$F pg_background_wait_any_v2(handles pg_background_handle[], timeout_ms integer DEFAULT 0) -> pg_background_handle [sql]$$),
    ('{2.0}', $$F pg_background_wait_v2(pid integer, cookie bigint, timeout_ms integer DEFAULT 0) -> boolean [c pg_background_wait strict]$$);

-- the objects that the extension has, as lines
CREATE VIEW catalog_objects AS
WITH extension AS (
    SELECT e.oid, n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_background'
), members AS (
    SELECT d.classid, d.objid, e.nspname FROM extension e
      JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
)
SELECT format('F %s(%s) -> %s [%s%s%s%s]', p.proname, replace(pg_get_function_arguments(p.oid), quote_ident(nspname) || '.', ''),
              replace(pg_get_function_result(p.oid), quote_ident(nspname) || '.', ''), l.lanname,
              CASE WHEN l.lanname = 'c' THEN ' ' || p.prosrc END, CASE WHEN p.proisstrict THEN ' strict' END,
              CASE WHEN p.prosecdef THEN ' secdef' END) AS line
  FROM members m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid JOIN pg_language l ON l.oid = p.prolang
UNION ALL
SELECT format('%s %s(%s)', CASE c.relkind WHEN 'v' THEN 'V' ELSE 'T' END, c.relname,
              (SELECT string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum)
                 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped))
  FROM members m
  LEFT JOIN pg_type t ON m.classid = 'pg_type'::regclass AND t.oid = m.objid
  JOIN pg_class c ON c.oid = CASE WHEN m.classid = 'pg_class'::regclass THEN m.objid ELSE t.typrelid END
 WHERE NOT (c.relkind = 'v' AND m.classid = 'pg_type'::regclass);

-- whether a function is written in SQL or PL/pgSQL is not what a version is known by
CREATE FUNCTION catalog_differences(version text) RETURNS TABLE (what text, object text) LANGUAGE sql AS $$
    WITH there AS (
        SELECT regexp_replace(line, '\[(plpgsql|sql)', '[sql') AS line FROM catalog_objects
    ), expected AS (
        SELECT regexp_replace(line, '\[(plpgsql|sql)', '[sql') AS line FROM catalog_facts WHERE version = ANY (versions)
    )
    SELECT 'missing', e.line FROM (SELECT * FROM expected EXCEPT SELECT * FROM there) e
    UNION ALL
    SELECT 'unexpected', t.line FROM (SELECT * FROM there EXCEPT SELECT * FROM expected) t
    ORDER BY 2
$$;

-- Nothing installs 1.9 and 1.10 any more. They are put together: 1.8 without what these have not, but for its helpers, then
-- each line's object. What 1.10 has in SQL and PL/pgSQL does here what its name says, in short.
CREATE TABLE catalog_bodies (name text, body text);
INSERT INTO catalog_bodies VALUES
    ('pg_background_outcome_v2', $$
DECLARE
    o pg_background_outcome;
    job record;
BEGIN
    o.pid := p_pid;
    o.cookie := p_cookie;
    SELECT l.* INTO job FROM pg_background_list l WHERE l.pid = p_pid AND l.cookie = p_cookie;
    IF NOT FOUND THEN
        RETURN o;
    END IF;
    SELECT p_pid, p_cookie, job.state, job.consumed, i.completed, i.has_error, i.row_count, i.command_tag, e.sqlstate, e.message,
           job.label, job.launched_at
      INTO o
      FROM pg_background_result_info_v2(p_pid, p_cookie) i, pg_background_error_info_v2(p_pid, p_cookie) e;
    RETURN o;
END $$),
    ('pg_background_run_v2', $$
DECLARE
    job pg_background_handle;
    i pg_background_result_info;
    e pg_background_error;
    in_time boolean := true;
BEGIN
    job := pg_background_launch_v2(sql, queue_size, label);
    IF timeout_ms > 0 THEN
        in_time := pg_background_wait_v2_timeout(job.pid, job.cookie, timeout_ms);
    ELSE
        PERFORM pg_background_wait_v2(job.pid, job.cookie);
    END IF;
    IF NOT in_time THEN
        PERFORM pg_background_cancel_v2(job.pid, job.cookie);
        PERFORM pg_background_wait_v2(job.pid, job.cookie);
    END IF;
    i := pg_background_result_info_v2(job.pid, job.cookie);
    e := pg_background_error_info_v2(job.pid, job.cookie);
    PERFORM pg_background_detach_v2(job.pid, job.cookie);
    RETURN ROW(job.pid, i.completed, NOT in_time, i.has_error, i.row_count, i.command_tag, e.sqlstate, e.message, 0::bigint);
END $$),
    ('pg_background_run_query_v2', $$
DECLARE
    job pg_background_handle := pg_background_launch_v2(sql, queue_size, label);
BEGIN
    RETURN QUERY EXECUTE format('SELECT * FROM pg_background_result_v2($1, $2) AS (%s)', col_def) USING job.pid, job.cookie;
END $$),
    ('pg_background_drain_v2', $$
DECLARE
    job record;
BEGIN
    FOR job IN SELECT * FROM unnest(handles) LOOP
        PERFORM pg_background_wait_v2(job.pid, job.cookie);
        RETURN NEXT pg_background_outcome_v2(job.pid, job.cookie);
    END LOOP;
END $$),
    ('pg_background_wait_any_v2', $$
DECLARE
    job record;
BEGIN
    LOOP
        FOR job IN SELECT * FROM unnest(handles) LOOP
            IF pg_background_wait_v2_timeout(job.pid, job.cookie, 5) THEN
                RETURN ROW(job.pid, job.cookie);
            END IF;
        END LOOP;
    END LOOP;
END $$),
    ('pg_background_cancel_by_label_v2', $$
DECLARE
    canceled int;
BEGIN
    PERFORM pg_background_cancel_v2_grace(l.pid, l.cookie, grace_ms) FROM pg_background_list l
      WHERE l.label LIKE pattern AND l.state IN ('starting', 'running');
    GET DIAGNOSTICS canceled = ROW_COUNT;
    RETURN canceled;
END $$),
    ('pg_background_purge_v2', $$
DECLARE
    ended int;
BEGIN
    PERFORM pg_background_detach_v2(l.pid, l.cookie) FROM pg_background_list l WHERE l.state NOT IN ('starting', 'running');
    GET DIAGNOSTICS ended = ROW_COUNT;
    RETURN ended;
END $$),
    ('pg_background_status_v2', $$ SELECT to_jsonb(pg_background_outcome_v2(p_pid, p_cookie)) - 'pid' - 'cookie' - 'launched_at' $$),
    ('pg_background_list', $$
SELECT * FROM pg_background_list_v2()
    AS (pid int, cookie bigint, launched_at timestamptz, user_id oid, queue_size int, state text, sql_preview text, last_error text,
        consumed bool, label text) $$),
    ('pg_background_activity', $$
SELECT l.pid, l.cookie, l.launched_at, l.user_id, l.queue_size, l.state AS pgbg_state, l.sql_preview, l.last_error, l.consumed, l.label,
       a.state AS backend_state, a.wait_event_type, a.wait_event, a.xact_start, a.query_start, a.backend_start, a.query
  FROM pg_background_list l LEFT JOIN pg_stat_activity a USING (pid) $$);

CREATE PROCEDURE make_catalog(version text) LANGUAGE plpgsql AS $make$
DECLARE
    helpers CONSTANT text := '^(grant_pg_background|revoke_pg_background|pg_background_drop_executor)';
    member record;
    object record;
BEGIN
    DROP EXTENSION IF EXISTS pg_background CASCADE;
    IF version = '2.0' THEN
        CREATE EXTENSION pg_background VERSION '2.0';
        RETURN;
    END IF;
    CREATE EXTENSION pg_background VERSION '1.8';
    FOR member IN
        SELECT CASE WHEN p.oid IS NOT NULL THEN format('FUNCTION %s', p.oid::regprocedure) ELSE format('TYPE %s', t.oid::regtype) END AS name
          FROM pg_extension e
          JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
          LEFT JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid AND p.proname !~ helpers
          LEFT JOIN pg_type t ON d.classid = 'pg_type'::regclass AND t.oid = d.objid AND t.typtype = 'c'
         WHERE e.extname = 'pg_background' AND coalesce(p.oid, t.oid) IS NOT NULL
         ORDER BY p.oid IS NULL
    LOOP
        EXECUTE format('ALTER EXTENSION pg_background DROP %s', member.name);
        EXECUTE format('DROP %s', member.name);
    END LOOP;
    SET LOCAL check_function_bodies = off;
    FOR object IN
        SELECT f.line[1] AS kind, f.line[2] AS name, f.line[3] AS arguments, f.line[5] AS result,
               f.line[7] AS language, f.line[8] AS symbol, f.line[9] <> '' AS is_strict, b.body
          FROM (SELECT regexp_match(line, '^(\w) (\w+)\((.*)\)( -> (.*?) \[((\w+) ?(pg_background_\w+)?( strict)?( secdef)?)\])?$') AS line
                  FROM catalog_facts WHERE version = ANY (versions)) f
          LEFT JOIN catalog_bodies b ON b.name = f.line[2]
         WHERE f.line[2] !~ helpers
         -- types, functions in C, views, the others
         ORDER BY CASE WHEN f.line[1] = 'T' THEN 1 WHEN f.line[7] = 'c' THEN 2 WHEN f.line[1] = 'V' THEN 3 ELSE 4 END,
                  f.line[2] DESC
    LOOP
        CASE object.kind
            WHEN 'T' THEN
                EXECUTE format('CREATE TYPE %s AS (%s)', object.name, object.arguments);
                EXECUTE format('ALTER EXTENSION pg_background ADD TYPE %s', object.name);
                EXECUTE format('REVOKE ALL ON TYPE %1$s FROM PUBLIC; GRANT USAGE ON TYPE %1$s TO pgbackground_role', object.name);
            WHEN 'V' THEN
                EXECUTE format('CREATE VIEW %s AS %s', object.name, object.body);
                EXECUTE format('ALTER EXTENSION pg_background ADD VIEW %s', object.name);
                EXECUTE format('GRANT SELECT ON %s TO pgbackground_role', object.name);
            ELSE
                EXECUTE format('CREATE FUNCTION %s(%s) RETURNS %s AS %s LANGUAGE %s %s', object.name, object.arguments, object.result,
                               CASE object.language WHEN 'c' THEN format('''$libdir/pg_background'', %L', object.symbol)
                                                    ELSE format('%L', object.body) END,
                               object.language, CASE WHEN object.is_strict THEN 'STRICT' END);
                object.arguments := regexp_replace(object.arguments, ' DEFAULT [^,]+', '', 'g');
                EXECUTE format('ALTER EXTENSION pg_background ADD FUNCTION %s(%s)', object.name, object.arguments);
                EXECUTE format('REVOKE ALL ON FUNCTION %1$s(%2$s) FROM PUBLIC; GRANT EXECUTE ON FUNCTION %1$s(%2$s) TO pgbackground_role',
                               object.name, object.arguments);
        END CASE;
    END LOOP;
    UPDATE pg_extension SET extversion = version WHERE extname = 'pg_background';
END
$make$;

-- what a fresh 3.0 has beyond 1.8
DROP EXTENSION pg_background CASCADE;
CREATE EXTENSION pg_background VERSION '1.8';
CREATE TABLE catalog_1_8 AS SELECT * FROM regress_pgbg_describe();
DROP EXTENSION pg_background;
CREATE EXTENSION pg_background;
CREATE TABLE catalog_additions AS SELECT * FROM regress_pgbg_describe() EXCEPT SELECT * FROM catalog_1_8;

-- the update, and what it has done: nothing but to add these
CREATE FUNCTION update_catalog() RETURNS TABLE (what text, member text, aspect text, value text) LANGUAGE plpgsql AS $$
BEGIN
    CREATE TEMPORARY TABLE catalog_before ON COMMIT DROP AS SELECT * FROM regress_pgbg_describe();
    ALTER EXTENSION pg_background UPDATE;
    RETURN QUERY
    -- the helpers of 1.8 are replaced
    SELECT 'changed', b.* FROM (SELECT * FROM catalog_before EXCEPT SELECT * FROM regress_pgbg_describe()) b
     WHERE b.aspect <> 'version' AND NOT (b.aspect = 'definition' AND b.member ~ '^(grant|revoke)_')
    UNION ALL
    SELECT 'missing', m.* FROM (SELECT * FROM catalog_additions EXCEPT SELECT * FROM regress_pgbg_describe()) m
    UNION ALL
    SELECT 'more', m.* FROM (SELECT * FROM regress_pgbg_describe() EXCEPT SELECT * FROM catalog_before EXCEPT SELECT * FROM catalog_additions) m
    ORDER BY 1, 2, 3;
END
$$;

\set SHOW_CONTEXT never
RESET client_min_messages;
\set ECHO all
