/* The SQL objects of pg_background 1.8: sql/pg_background--1.8.sql */

-- complain if the script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION pg_background" to load this file. \quit

/*
 * No name below carries a schema: the extension is relocatable, and the
 * functions that have to know where it lives ask the catalogs when they run.
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
    workers_active pg_catalog.int4,
    avg_execution_ms pg_catalog.float8,
    max_workers pg_catalog.int4
);

CREATE TYPE pg_background_progress AS (
    progress_pct pg_catalog.int4,
    progress_msg pg_catalog.text
);

CREATE FUNCTION pg_background_launch(sql pg_catalog.text, queue_size pg_catalog.int4 DEFAULT 0)
    RETURNS pg_catalog.int4
    AS 'MODULE_PATHNAME', 'pg_background_launch'
    LANGUAGE C STRICT;

CREATE FUNCTION pg_background_result(pid pg_catalog.int4)
    RETURNS SETOF pg_catalog.record
    AS 'MODULE_PATHNAME', 'pg_background_result'
    LANGUAGE C STRICT;

CREATE FUNCTION pg_background_detach(pid pg_catalog.int4)
    RETURNS pg_catalog.void
    AS 'MODULE_PATHNAME', 'pg_background_detach'
    LANGUAGE C STRICT;

CREATE FUNCTION pg_background_launch_v2(sql pg_catalog.text, queue_size pg_catalog.int4 DEFAULT 0)
    RETURNS pg_background_handle
    AS 'MODULE_PATHNAME', 'pg_background_launch_v2'
    LANGUAGE C STRICT;

CREATE FUNCTION pg_background_submit_v2(sql pg_catalog.text, queue_size pg_catalog.int4 DEFAULT 0)
    RETURNS pg_background_handle
    AS 'MODULE_PATHNAME', 'pg_background_submit_v2'
    LANGUAGE C STRICT;

CREATE FUNCTION pg_background_result_v2(pid pg_catalog.int4, cookie pg_catalog.int8)
    RETURNS SETOF pg_catalog.record
    AS 'MODULE_PATHNAME', 'pg_background_result_v2'
    LANGUAGE C STRICT;

CREATE FUNCTION pg_background_detach_v2(pid pg_catalog.int4, cookie pg_catalog.int8)
    RETURNS pg_catalog.void
    AS 'MODULE_PATHNAME', 'pg_background_detach_v2'
    LANGUAGE C STRICT;

CREATE FUNCTION pg_background_cancel_v2(pid pg_catalog.int4, cookie pg_catalog.int8)
    RETURNS pg_catalog.void
    AS 'MODULE_PATHNAME', 'pg_background_cancel_v2'
    LANGUAGE C STRICT;

CREATE FUNCTION pg_background_cancel_v2_grace(pid pg_catalog.int4, cookie pg_catalog.int8, grace_ms pg_catalog.int4)
    RETURNS pg_catalog.void
    AS 'MODULE_PATHNAME', 'pg_background_cancel_v2_grace'
    LANGUAGE C STRICT;

CREATE FUNCTION pg_background_wait_v2(pid pg_catalog.int4, cookie pg_catalog.int8)
    RETURNS pg_catalog.void
    AS 'MODULE_PATHNAME', 'pg_background_wait_v2'
    LANGUAGE C STRICT;

CREATE FUNCTION pg_background_wait_v2_timeout(pid pg_catalog.int4, cookie pg_catalog.int8, timeout_ms pg_catalog.int4)
    RETURNS pg_catalog.bool
    AS 'MODULE_PATHNAME', 'pg_background_wait_v2_timeout'
    LANGUAGE C STRICT;

CREATE FUNCTION pg_background_list_v2()
    RETURNS SETOF pg_catalog.record
    AS 'MODULE_PATHNAME', 'pg_background_list_v2'
    LANGUAGE C;

CREATE FUNCTION pg_background_stats_v2()
    RETURNS pg_background_stats
    AS 'MODULE_PATHNAME', 'pg_background_stats_v2'
    LANGUAGE C;

CREATE FUNCTION pg_background_progress(pct pg_catalog.int4, msg pg_catalog.text DEFAULT NULL)
    RETURNS pg_catalog.void
    AS 'MODULE_PATHNAME', 'pg_background_progress'
    LANGUAGE C;

CREATE FUNCTION pg_background_get_progress_v2(pid pg_catalog.int4, cookie pg_catalog.int8)
    RETURNS pg_background_progress
    AS 'MODULE_PATHNAME', 'pg_background_get_progress_v2'
    LANGUAGE C;

/*
 * The helpers run as the superuser that owns the extension, so nothing a
 * caller controls may decide what a name means in them: pg_temp comes last in
 * their search_path (left out, it would come first), the objects they touch
 * are found by OID among the extension's members and print with their schema,
 * and the role's name, taken exactly as given, goes through %I.
 */
CREATE FUNCTION grant_pg_background_privileges(role_name pg_catalog.text, print_commands pg_catalog.bool DEFAULT false)
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
         WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = extension.oid
           AND d.deptype = 'e' AND t.typtype = 'c'
         ORDER BY t.typname COLLATE "C");

    commands := commands || ARRAY(
        SELECT pg_catalog.format('GRANT EXECUTE ON FUNCTION %s TO %I', p.oid::pg_catalog.regprocedure, role_name)
          FROM pg_catalog.pg_depend d
          JOIN pg_catalog.pg_proc p ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND p.oid = d.objid
         WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = extension.oid
           AND d.deptype = 'e' AND NOT p.prosecdef
         ORDER BY p.proname COLLATE "C");

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
CREATE FUNCTION revoke_pg_background_privileges(role_name pg_catalog.text, print_commands pg_catalog.bool DEFAULT false)
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
        SELECT pg_catalog.format('REVOKE EXECUTE ON FUNCTION %s FROM %I', p.oid::pg_catalog.regprocedure, role_name)
          FROM pg_catalog.pg_depend d
          JOIN pg_catalog.pg_proc p ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND p.oid = d.objid
         WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = extension.oid
           AND d.deptype = 'e' AND NOT p.prosecdef
         ORDER BY p.proname COLLATE "C");

    commands := commands || ARRAY(
        SELECT pg_catalog.format('REVOKE USAGE ON TYPE %s FROM %I', t.oid::pg_catalog.regtype, role_name)
          FROM pg_catalog.pg_depend d
          JOIN pg_catalog.pg_type t ON d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND t.oid = d.objid
         WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = extension.oid
           AND d.deptype = 'e' AND t.typtype = 'c'
         ORDER BY t.typname COLLATE "C");

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
 * DROP OWNED drops what a role owns and takes away what it was granted. It is
 * run only when this extension's privileges are all there is; anything else
 * that hangs on the role is the administrator's, and is named, not dropped.
 */
CREATE FUNCTION pg_background_drop_executor_role()
    RETURNS pg_catalog.void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    extension pg_catalog.pg_extension;
    executor pg_catalog.oid;
    database pg_catalog.oid;
    others pg_catalog.text;
BEGIN
    SELECT r.oid INTO executor FROM pg_catalog.pg_roles r WHERE r.rolname = 'pgbackground_role';
    IF NOT FOUND THEN
        RAISE NOTICE 'role "pgbackground_role" does not exist';
        RETURN;
    END IF;

    SELECT e.* INTO STRICT extension FROM pg_catalog.pg_extension e WHERE e.extname = 'pg_background';
    SELECT d.oid INTO STRICT database FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database();

    SELECT pg_catalog.string_agg(DISTINCT o.description, E'\n' ORDER BY o.description) INTO others
      FROM (SELECT CASE WHEN s.dbid IN (0, database)
                        THEN pg_catalog.pg_describe_object(s.classid, s.objid, s.objsubid)
                        ELSE pg_catalog.format('objects in database %I',
                                               (SELECT d.datname FROM pg_catalog.pg_database d WHERE d.oid = s.dbid))
                   END COLLATE "C" AS description
              FROM pg_catalog.pg_shdepend s
             WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND s.refobjid = executor
               AND NOT (s.dbid = database AND s.deptype <> 'o'
                        AND (EXISTS (
                                 SELECT FROM pg_catalog.pg_depend m
                                  WHERE m.classid = s.classid AND m.objid = s.objid
                                    AND m.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
                                    AND m.refobjid = extension.oid AND m.deptype = 'e')
                             OR (s.classid, s.objid) = ('pg_catalog.pg_namespace'::pg_catalog.regclass, extension.extnamespace)))) o;
    IF others IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'dependent_objects_still_exist',
            MESSAGE = 'role "pgbackground_role" cannot be dropped because some objects depend on it',
            DETAIL = others,
            HINT = 'Drop the objects or revoke the privileges first; in other databases, drop the extension.';
    END IF;

    -- before 17 DROP OWNED leaves the role in the initial privileges, and pg_dump would then revoke from a number
    IF pg_catalog.current_setting('server_version_num')::pg_catalog.int4 < 170000 THEN
        UPDATE pg_catalog.pg_init_privs i
           SET initprivs = ARRAY(SELECT a FROM pg_catalog.unnest(i.initprivs) a
                                  WHERE NOT EXISTS (SELECT FROM pg_catalog.aclexplode(ARRAY[a]) x
                                                     WHERE x.grantee = executor))
          FROM pg_catalog.pg_depend m
         WHERE m.classid = i.classoid AND m.objid = i.objoid
           AND m.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
           AND m.refobjid = extension.oid AND m.deptype = 'e';
    END IF;

    DROP OWNED BY pgbackground_role;
    DROP ROLE pgbackground_role;
END
$$;

/*
 * PUBLIC gets nothing, the executor role everything but the SECURITY DEFINER
 * helpers: who may call those could hand out privileges as a superuser.
 */
REVOKE ALL ON FUNCTION
    pg_background_launch(pg_catalog.text, pg_catalog.int4),
    pg_background_result(pg_catalog.int4),
    pg_background_detach(pg_catalog.int4),
    pg_background_launch_v2(pg_catalog.text, pg_catalog.int4),
    pg_background_submit_v2(pg_catalog.text, pg_catalog.int4),
    pg_background_result_v2(pg_catalog.int4, pg_catalog.int8),
    pg_background_detach_v2(pg_catalog.int4, pg_catalog.int8),
    pg_background_cancel_v2(pg_catalog.int4, pg_catalog.int8),
    pg_background_cancel_v2_grace(pg_catalog.int4, pg_catalog.int8, pg_catalog.int4),
    pg_background_wait_v2(pg_catalog.int4, pg_catalog.int8),
    pg_background_wait_v2_timeout(pg_catalog.int4, pg_catalog.int8, pg_catalog.int4),
    pg_background_list_v2(),
    pg_background_stats_v2(),
    pg_background_progress(pg_catalog.int4, pg_catalog.text),
    pg_background_get_progress_v2(pg_catalog.int4, pg_catalog.int8),
    grant_pg_background_privileges(pg_catalog.text, pg_catalog.bool),
    revoke_pg_background_privileges(pg_catalog.text, pg_catalog.bool),
    pg_background_drop_executor_role()
    FROM PUBLIC;
REVOKE ALL ON TYPE pg_background_handle, pg_background_stats, pg_background_progress FROM PUBLIC;

GRANT EXECUTE ON FUNCTION
    pg_background_launch(pg_catalog.text, pg_catalog.int4),
    pg_background_result(pg_catalog.int4),
    pg_background_detach(pg_catalog.int4),
    pg_background_launch_v2(pg_catalog.text, pg_catalog.int4),
    pg_background_submit_v2(pg_catalog.text, pg_catalog.int4),
    pg_background_result_v2(pg_catalog.int4, pg_catalog.int8),
    pg_background_detach_v2(pg_catalog.int4, pg_catalog.int8),
    pg_background_cancel_v2(pg_catalog.int4, pg_catalog.int8),
    pg_background_cancel_v2_grace(pg_catalog.int4, pg_catalog.int8, pg_catalog.int4),
    pg_background_wait_v2(pg_catalog.int4, pg_catalog.int8),
    pg_background_wait_v2_timeout(pg_catalog.int4, pg_catalog.int8, pg_catalog.int4),
    pg_background_list_v2(),
    pg_background_stats_v2(),
    pg_background_progress(pg_catalog.int4, pg_catalog.text),
    pg_background_get_progress_v2(pg_catalog.int4, pg_catalog.int8)
    TO pgbackground_role;
GRANT USAGE ON TYPE pg_background_handle, pg_background_stats, pg_background_progress TO pgbackground_role;

COMMENT ON FUNCTION pg_background_launch(pg_catalog.text, pg_catalog.int4)
    IS 'run SQL in a background worker, return its PID';
COMMENT ON FUNCTION pg_background_result(pg_catalog.int4)
    IS 'read the rows of a background job, once';
COMMENT ON FUNCTION pg_background_detach(pg_catalog.int4)
    IS 'stop tracking a background job, which runs on';
COMMENT ON FUNCTION pg_background_launch_v2(pg_catalog.text, pg_catalog.int4)
    IS 'run SQL in a background worker, return the handle of the job';
COMMENT ON FUNCTION pg_background_submit_v2(pg_catalog.text, pg_catalog.int4)
    IS 'run SQL in a background worker whose rows nobody reads';
COMMENT ON FUNCTION pg_background_result_v2(pg_catalog.int4, pg_catalog.int8)
    IS 'read the rows of a background job, once';
COMMENT ON FUNCTION pg_background_detach_v2(pg_catalog.int4, pg_catalog.int8)
    IS 'stop tracking a background job, which runs on';
COMMENT ON FUNCTION pg_background_cancel_v2(pg_catalog.int4, pg_catalog.int8)
    IS 'cancel a background job';
COMMENT ON FUNCTION pg_background_cancel_v2_grace(pg_catalog.int4, pg_catalog.int8, pg_catalog.int4)
    IS 'cancel a background job, giving its running statement time to finish';
COMMENT ON FUNCTION pg_background_wait_v2(pg_catalog.int4, pg_catalog.int8)
    IS 'wait until a background job has ended';
COMMENT ON FUNCTION pg_background_wait_v2_timeout(pg_catalog.int4, pg_catalog.int8, pg_catalog.int4)
    IS 'wait for a background job, true when it has ended in time';
COMMENT ON FUNCTION pg_background_list_v2()
    IS 'background jobs tracked by this session';
COMMENT ON FUNCTION pg_background_stats_v2()
    IS 'counts of background jobs of this session';
COMMENT ON FUNCTION pg_background_progress(pg_catalog.int4, pg_catalog.text)
    IS 'report the progress of the background job that calls this';
COMMENT ON FUNCTION pg_background_get_progress_v2(pg_catalog.int4, pg_catalog.int8)
    IS 'progress that a background job has reported';
COMMENT ON FUNCTION grant_pg_background_privileges(pg_catalog.text, pg_catalog.bool)
    IS 'let a role run background jobs';
COMMENT ON FUNCTION revoke_pg_background_privileges(pg_catalog.text, pg_catalog.bool)
    IS 'take back what grant_pg_background_privileges gave';
COMMENT ON FUNCTION pg_background_drop_executor_role()
    IS 'drop the role pgbackground_role with its privileges on this extension';
COMMENT ON TYPE pg_background_handle
    IS 'identity of a background job';
COMMENT ON TYPE pg_background_stats
    IS 'counts of background jobs of a session';
COMMENT ON TYPE pg_background_progress
    IS 'progress of a background job';
