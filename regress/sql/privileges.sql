-- Who may run jobs and hand out the right to, and that nobody can talk the SECURITY DEFINER helpers into more.
SET client_min_messages = warning;
\set VERBOSITY terse
CREATE EXTENSION pg_background VERSION '1.8';
CREATE ROLE regress_pgbg_plain NOLOGIN;
CREATE ROLE regress_pgbg_member NOLOGIN;
CREATE ROLE regress_pgbg_granted NOLOGIN;

-- every function called as the given role: its name and what came of it
CREATE FUNCTION regress_pgbg_attempt(role_name text) RETURNS TABLE (function text, outcome text)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    f pg_catalog.pg_proc;
BEGIN
    FOR f IN
        SELECT p.* FROM pg_extension e
          JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
                          AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
          JOIN pg_proc p ON p.oid = d.objid
         WHERE e.extname = 'pg_background'
         ORDER BY p.proname COLLATE "C"
    LOOP
        function := f.oid::regprocedure;
        outcome := 'allowed';
        BEGIN
            EXECUTE format('SET LOCAL ROLE %I', role_name);
            -- Strict functions do nothing with NULLs, the others are not run when they are allowed. The
            -- sub-selects keep the planner from folding a strict call away before its privileges are checked.
            IF f.proisstrict OR NOT has_function_privilege(f.oid, 'EXECUTE') THEN
                EXECUTE format('SELECT * FROM %s(%s)%s', f.oid::regproc,
                               (SELECT string_agg(format('(SELECT NULL::%s)', t::regtype), ', ') FROM unnest(f.proargtypes::oid[]) t),
                               CASE WHEN f.prorettype = 'record'::regtype THEN ' AS (c text)' ELSE '' END);
            END IF;
        EXCEPTION WHEN insufficient_privilege THEN
            outcome := SQLERRM;
        END;
        SET LOCAL ROLE NONE;
        RETURN NEXT;
    END LOOP;
END
$$;

-- no grant, no way in
SELECT * FROM regress_pgbg_attempt('regress_pgbg_plain');
SET ROLE regress_pgbg_plain;
SELECT pg_background_launch('SELECT 1');
SELECT pg_background_launch_v2('SELECT 1');
SELECT pg_background_progress(1);
SELECT grant_pg_background_privileges('regress_pgbg_plain');
SELECT revoke_pg_background_privileges('regress_pgbg_member');
SELECT pg_background_drop_executor_role();
CREATE TEMP TABLE regress_pgbg_t (h pg_background_handle);
CREATE TEMP TABLE regress_pgbg_t (s pg_background_stats);
CREATE TEMP TABLE regress_pgbg_t (p pg_background_progress);
GRANT EXECUTE ON FUNCTION pg_background_launch(text, int4) TO regress_pgbg_plain;
RESET ROLE;

-- members of the executor role
GRANT pgbackground_role TO regress_pgbg_member;
SELECT * FROM regress_pgbg_attempt('regress_pgbg_member');
SET ROLE regress_pgbg_member;
CREATE TEMP TABLE regress_pgbg_t (h pg_background_handle, s pg_background_stats, p pg_background_progress);
DROP TABLE regress_pgbg_t;
SELECT grant_pg_background_privileges('regress_pgbg_plain');
SELECT pg_background_drop_executor_role();
RESET ROLE;
REVOKE pgbackground_role FROM regress_pgbg_member;
SELECT count(*), bool_and(outcome LIKE 'permission denied%') AS denied FROM regress_pgbg_attempt('regress_pgbg_member');

-- the helper, and its mirror; both may be repeated
SELECT grant_pg_background_privileges('regress_pgbg_granted', true);
SELECT grant_pg_background_privileges('regress_pgbg_granted');
SELECT grant_pg_background_privileges('regress_pgbg_granted', NULL);
SELECT * FROM regress_pgbg_attempt('regress_pgbg_granted');
SET ROLE regress_pgbg_granted;
CREATE TEMP TABLE regress_pgbg_t (h pg_background_handle, s pg_background_stats, p pg_background_progress);
DROP TABLE regress_pgbg_t;
-- what was granted cannot be passed on
GRANT EXECUTE ON FUNCTION pg_background_launch(text, int4) TO regress_pgbg_plain;
SELECT revoke_pg_background_privileges('regress_pgbg_granted');
RESET ROLE;
SELECT has_function_privilege('regress_pgbg_plain', 'pg_background_launch(text, int4)', 'EXECUTE');
SELECT revoke_pg_background_privileges('regress_pgbg_granted', true);
SELECT revoke_pg_background_privileges('regress_pgbg_granted');
SELECT count(*), bool_and(outcome LIKE 'permission denied%') AS denied FROM regress_pgbg_attempt('regress_pgbg_granted');
-- nothing is left behind that would keep the role
DROP ROLE regress_pgbg_granted;

-- there is no such role: a notice and false
SET client_min_messages = notice;
SELECT grant_pg_background_privileges('regress_pgbg_nobody');
SELECT revoke_pg_background_privileges('regress_pgbg_nobody', true);
SELECT grant_pg_background_privileges(NULL), revoke_pg_background_privileges(NULL, NULL);
SELECT grant_pg_background_privileges('');
-- names are taken as they are: no keyword, no folding, no list, no quoting
SELECT grant_pg_background_privileges('public');
SELECT grant_pg_background_privileges('PUBLIC', true);
SELECT grant_pg_background_privileges('current_user');
SELECT grant_pg_background_privileges('REGRESS_PGBG_PLAIN');
SELECT grant_pg_background_privileges('regress_pgbg_plain, regress_pgbg_member');
SELECT grant_pg_background_privileges('"regress_pgbg_plain"');
SELECT grant_pg_background_privileges('regress_pgbg_plain WITH GRANT OPTION; --');
SET client_min_messages = warning;
SELECT count(*), bool_and(outcome LIKE 'permission denied%') AS denied FROM regress_pgbg_attempt('regress_pgbg_plain');

-- odd names reach the role that bears them, and no other
CREATE ROLE "regress_o'brien; DROP TABLE x; --" NOLOGIN;
CREATE ROLE "regress_Mixed Case" NOLOGIN;
CREATE ROLE "regress_pgbg_plain"", regress_pgbg_member, ""x" NOLOGIN;
CREATE ROLE "regress_%I %s\$1" NOLOGIN;
SELECT r.rolname, grant_pg_background_privileges(r.rolname) AS granted
  FROM pg_roles r
 WHERE r.rolname IN ('regress_o''brien; DROP TABLE x; --', 'regress_Mixed Case', 'regress_%I %s\$1',
                     'regress_pgbg_plain", regress_pgbg_member, "x')
 ORDER BY r.rolname COLLATE "C";
SELECT r.rolname, has_function_privilege(r.oid, 'pg_background_launch(text, int4)', 'EXECUTE') AS function,
       has_type_privilege(r.oid, 'pg_background_handle', 'USAGE') AS type
  FROM pg_roles r WHERE r.rolname LIKE 'regress\_%' ORDER BY r.rolname COLLATE "C";
\set VERBOSITY default
SET client_min_messages = notice;
SELECT revoke_pg_background_privileges('regress_pgbg_plain", regress_pgbg_member, "x', true);
SET client_min_messages = warning;
\set VERBOSITY terse
SELECT r.rolname, revoke_pg_background_privileges(r.rolname) AS revoked
  FROM pg_roles r
 WHERE r.rolname IN ('regress_o''brien; DROP TABLE x; --', 'regress_Mixed Case', 'regress_%I %s\$1')
 ORDER BY r.rolname COLLATE "C";
DROP ROLE "regress_o'brien; DROP TABLE x; --", "regress_Mixed Case", "regress_pgbg_plain"", regress_pgbg_member, ""x",
          "regress_%I %s\$1";

-- Objects that shadow what the helpers use, in pg_temp and in a schema that the
-- caller puts before pg_catalog: no trap springs, and the role gets what it should.
CREATE SCHEMA regress_pgbg_evil;
CREATE FUNCTION regress_pgbg_evil.trap() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'trap sprung';
END
$$;
CREATE FUNCTION regress_pgbg_evil.format(text, VARIADIC "any") RETURNS text LANGUAGE internal AS 'text_format';
CREATE FUNCTION regress_pgbg_evil.format(text, regprocedure, text) RETURNS text LANGUAGE sql AS 'SELECT regress_pgbg_evil.trap()';
CREATE FUNCTION regress_pgbg_evil.format(text, regtype, text) RETURNS text LANGUAGE sql AS 'SELECT regress_pgbg_evil.trap()';
CREATE FUNCTION regress_pgbg_evil.quote_ident(text) RETURNS text LANGUAGE sql AS 'SELECT regress_pgbg_evil.trap()';
CREATE FUNCTION regress_pgbg_evil.has_schema_privilege(oid, oid, text) RETURNS bool LANGUAGE sql AS 'SELECT regress_pgbg_evil.trap()::bool';
CREATE FUNCTION regress_pgbg_evil.current_setting(text) RETURNS text LANGUAGE sql AS 'SELECT regress_pgbg_evil.trap()';
CREATE FUNCTION regress_pgbg_evil.current_database() RETURNS text LANGUAGE sql AS 'SELECT regress_pgbg_evil.trap()';
CREATE FUNCTION regress_pgbg_evil.name_text(name, text) RETURNS bool LANGUAGE sql AS 'SELECT regress_pgbg_evil.trap()::bool';
CREATE FUNCTION regress_pgbg_evil.oid_oid(oid, oid) RETURNS bool LANGUAGE sql AS 'SELECT regress_pgbg_evil.trap()::bool';
CREATE FUNCTION regress_pgbg_evil.oid_class(oid, regclass) RETURNS bool LANGUAGE sql AS 'SELECT regress_pgbg_evil.trap()::bool';
CREATE OPERATOR regress_pgbg_evil.= (LEFTARG = name, RIGHTARG = text, FUNCTION = regress_pgbg_evil.name_text);
CREATE OPERATOR regress_pgbg_evil.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = regress_pgbg_evil.oid_oid);
CREATE OPERATOR regress_pgbg_evil.= (LEFTARG = oid, RIGHTARG = regclass, FUNCTION = regress_pgbg_evil.oid_class);
CREATE DOMAIN regress_pgbg_evil.text AS pg_catalog.text CHECK (regress_pgbg_evil.trap() IS NULL);
CREATE TEMP TABLE pg_roles AS SELECT oid, 'regress_pgbg_plain'::name AS rolname FROM pg_catalog.pg_roles;
CREATE TEMP TABLE pg_proc AS SELECT * FROM pg_catalog.pg_proc WHERE proname IN ('pg_read_file', 'lo_import');
CREATE TEMP TABLE pg_type AS SELECT * FROM pg_catalog.pg_type LIMIT 0;
CREATE TEMP TABLE pg_depend AS SELECT * FROM pg_catalog.pg_depend LIMIT 0;
CREATE TEMP TABLE pg_extension AS SELECT * FROM pg_catalog.pg_extension LIMIT 0;
CREATE TEMP TABLE pg_namespace AS SELECT * FROM pg_catalog.pg_namespace LIMIT 0;
CREATE TEMP TABLE pg_shdepend AS SELECT * FROM pg_catalog.pg_shdepend LIMIT 0;
CREATE TEMP TABLE pg_init_privs AS SELECT * FROM pg_catalog.pg_init_privs LIMIT 0;
CREATE FUNCTION pg_temp.format(text, VARIADIC "any") RETURNS text LANGUAGE internal AS 'text_format';
CREATE TYPE pg_temp.pg_background_handle AS (pid int4, cookie int8);
CREATE FUNCTION pg_temp.pg_background_launch(text, int4) RETURNS int4 LANGUAGE sql AS 'SELECT 1';

SET search_path = pg_temp, regress_pgbg_evil, pg_catalog, public;
-- the traps are in working order
SELECT format('%s %s', 'regress_pgbg_evil.trap()'::regprocedure, 'x'::pg_catalog.text);
SELECT public.grant_pg_background_privileges('regress_pgbg_plain'::pg_catalog.text, true);
SET search_path = public;
SELECT * FROM regress_pgbg_attempt('regress_pgbg_plain');
SELECT has_function_privilege('regress_pgbg_plain', 'pg_catalog.pg_read_file(pg_catalog.text)', 'EXECUTE') AS read_file,
       has_type_privilege('regress_pgbg_plain', 'public.pg_background_handle', 'USAGE') AS handle;
SET search_path = pg_temp, regress_pgbg_evil, pg_catalog, public;
SELECT public.revoke_pg_background_privileges('regress_pgbg_plain'::pg_catalog.text);
SELECT public.pg_background_drop_executor_role();
RESET search_path;
SELECT count(*), bool_and(outcome LIKE 'permission denied%') AS denied FROM regress_pgbg_attempt('regress_pgbg_plain');
SELECT count(*) FROM pg_catalog.pg_roles WHERE rolname = 'pgbackground_role';
DISCARD TEMP;
DROP SCHEMA regress_pgbg_evil CASCADE;

-- an overload in the extension's schema that is not the extension's gets nothing
CREATE FUNCTION pg_background_launch(text) RETURNS int4 LANGUAGE sql AS 'SELECT 1';
REVOKE ALL ON FUNCTION pg_background_launch(text) FROM PUBLIC;
SELECT grant_pg_background_privileges('regress_pgbg_plain');
SELECT has_function_privilege('regress_pgbg_plain', 'pg_background_launch(text)', 'EXECUTE') AS overload,
       has_function_privilege('regress_pgbg_plain', 'pg_background_launch(text, int4)', 'EXECUTE') AS own;
SELECT revoke_pg_background_privileges('regress_pgbg_plain');
DROP FUNCTION pg_background_launch(text);

-- USAGE on the schema: given where it is missing, taken back where nothing else is in the schema
CREATE SCHEMA regress_pgbg_ext;
ALTER EXTENSION pg_background SET SCHEMA regress_pgbg_ext;
SET client_min_messages = notice;
SELECT regress_pgbg_ext.grant_pg_background_privileges('regress_pgbg_plain', true);
SET client_min_messages = warning;
SET ROLE regress_pgbg_plain;
SELECT regress_pgbg_ext.pg_background_launch(NULL);
RESET ROLE;
CREATE TABLE regress_pgbg_ext.other (i int);
SELECT regress_pgbg_ext.revoke_pg_background_privileges('regress_pgbg_plain');
SELECT has_schema_privilege('regress_pgbg_plain', 'regress_pgbg_ext', 'USAGE');
DROP TABLE regress_pgbg_ext.other;
SELECT regress_pgbg_ext.revoke_pg_background_privileges('regress_pgbg_plain');
SELECT has_schema_privilege('regress_pgbg_plain', 'regress_pgbg_ext', 'USAGE');

-- 3.0 has a procedure: the same helpers, with the word for it
ALTER EXTENSION pg_background SET SCHEMA public;
ALTER EXTENSION pg_background UPDATE;
SELECT grant_pg_background_privileges('regress_pgbg_plain');
SET ROLE regress_pgbg_plain;
CALL pg_background_join(NULL);
SELECT * FROM pg_background_map('{}');
RESET ROLE;
SELECT revoke_pg_background_privileges('regress_pgbg_plain');
SET ROLE regress_pgbg_plain;
CALL pg_background_join(NULL);
SELECT * FROM pg_background_map('{}');
RESET ROLE;
SELECT grant_pg_background_privileges('regress_pgbg_plain'), revoke_pg_background_privileges('regress_pgbg_plain');

DROP EXTENSION pg_background;
DROP SCHEMA regress_pgbg_ext;
DROP FUNCTION regress_pgbg_attempt(text);
DROP ROLE regress_pgbg_plain, regress_pgbg_member;
