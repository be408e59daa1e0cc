-- What CREATE EXTENSION makes: the objects, their flags and privileges, in any schema.
SET client_min_messages = warning;
\set VERBOSITY terse

SELECT version, superuser, trusted, relocatable, schema, requires, comment
  FROM pg_available_extension_versions
 WHERE name = 'pg_background' AND version = '1.8';

-- older versions are only ever updated from, never installed
SELECT version FROM pg_available_extension_versions
 WHERE name = 'pg_background' AND version < '1.8' ORDER BY 1;

CREATE EXTENSION pg_background VERSION '1.8';
SELECT extversion, extnamespace::regnamespace AS schema, extrelocatable, extconfig
  FROM pg_extension WHERE extname = 'pg_background';

-- every member, whatever its kind, but array types, which are members from 17 on
SELECT pg_describe_object(classid, objid, objsubid) AS member
  FROM pg_depend
 WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
   AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_background')
   AND NOT (classid = 'pg_type'::regclass AND (SELECT typcategory = 'A' FROM pg_type WHERE oid = objid))
 ORDER BY pg_describe_object(classid, objid, objsubid) COLLATE "C";

CREATE TEMP VIEW member_functions AS
SELECT p.*
  FROM pg_extension e
  JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
                  AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
  JOIN pg_proc p ON p.oid = d.objid
 WHERE e.extname = 'pg_background';

CREATE TEMP VIEW member_types AS
SELECT t.*
  FROM pg_extension e
  JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
                  AND d.classid = 'pg_type'::regclass AND d.deptype = 'e'
  JOIN pg_type t ON t.oid = d.objid AND t.typtype = 'c'
 WHERE e.extname = 'pg_background';

SELECT proname AS name, pg_get_function_arguments(oid) AS arguments, pg_get_function_result(oid) AS result
  FROM member_functions ORDER BY proname COLLATE "C";

SELECT proname AS name, l.lanname AS language, provolatile AS vol, proparallel AS par, proisstrict AS strict,
       prosecdef AS secdef, proleakproof AS leakproof, proconfig AS config, probin,
       CASE WHEN l.lanname = 'c' THEN prosrc END AS symbol
  FROM member_functions f JOIN pg_language l ON l.oid = f.prolang
 ORDER BY proname COLLATE "C";

SELECT t.typname AS name,
       string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum) AS attributes
  FROM member_types t JOIN pg_attribute a ON a.attrelid = t.typrelid AND a.attnum > 0
 GROUP BY t.typname ORDER BY t.typname COLLATE "C";

-- who may do what: the owner everything, the executor role all but the helpers, PUBLIC nothing
SELECT string_agg(name, ' ' ORDER BY name COLLATE "C") AS names, acl
  FROM (SELECT o.name,
               (SELECT string_agg(CASE a.grantee WHEN o.owner THEN 'owner' WHEN 0 THEN 'PUBLIC'
                                       ELSE a.grantee::regrole::text END
                                  || ' ' || a.privilege_type || CASE WHEN a.is_grantable THEN '*' ELSE '' END, ', '
                                  ORDER BY a.grantee <> o.owner, a.grantee::regrole::text COLLATE "C")
                  FROM aclexplode(o.acl) a) AS acl
          FROM (SELECT proname::text AS name, proowner AS owner, coalesce(proacl, acldefault('f', proowner)) AS acl
                  FROM member_functions
                UNION ALL
                SELECT 'type ' || typname, typowner, coalesce(typacl, acldefault('T', typowner))
                  FROM member_types) o) s
 GROUP BY acl ORDER BY acl COLLATE "C";

-- nothing goes without a comment
SELECT proname FROM member_functions WHERE obj_description(oid, 'pg_proc') IS NULL
UNION ALL
SELECT typname FROM member_types WHERE obj_description(oid, 'pg_type') IS NULL;

SELECT rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls
  FROM pg_roles WHERE rolname = 'pgbackground_role';

-- the role outlives the extension, and is there for the next one
DROP EXTENSION pg_background;
SELECT count(*) FROM pg_roles WHERE rolname = 'pgbackground_role';
CREATE EXTENSION pg_background VERSION '1.8';
SELECT count(*) FROM member_functions WHERE has_function_privilege('pgbackground_role', oid, 'EXECUTE');

-- until it is dropped, with the privileges it has here
SELECT pg_background_drop_executor_role();
SELECT count(*) FROM pg_roles WHERE rolname = 'pgbackground_role';
SELECT count(*) FROM member_functions f, aclexplode(f.proacl) a WHERE a.grantee <> f.proowner;
SELECT count(*) FROM member_types t, aclexplode(t.typacl) a WHERE a.grantee <> t.typowner;
-- nothing remembers its OID: pg_dump would write it out
SELECT count(*), count(*) FILTER (WHERE a.grantee <> m.owner) AS others
  FROM (SELECT 'pg_proc'::regclass AS class, oid, proowner AS owner FROM member_functions
        UNION ALL SELECT 'pg_type'::regclass, oid, typowner FROM member_types) m
  JOIN pg_init_privs i ON i.classoid = m.class AND i.objoid = m.oid,
       aclexplode(i.initprivs) a;
-- a second time there is nothing to do
SET client_min_messages = notice;
SELECT pg_background_drop_executor_role();
SET client_min_messages = warning;

-- the next installation makes it anew
DROP EXTENSION pg_background;
CREATE EXTENSION pg_background VERSION '1.8';
SELECT count(*) FROM member_functions WHERE has_function_privilege('pgbackground_role', oid, 'EXECUTE');

-- what else hangs on the role is named, and nothing of it is touched
\set VERBOSITY default
\set SHOW_CONTEXT never
CREATE TABLE regress_pgbg_granted (i int);
GRANT SELECT ON regress_pgbg_granted TO pgbackground_role;
CREATE SCHEMA regress_pgbg_owned AUTHORIZATION pgbackground_role;
SELECT pg_background_drop_executor_role();
SELECT has_table_privilege('pgbackground_role', 'regress_pgbg_granted', 'SELECT') AS still_granted,
       has_function_privilege('pgbackground_role', 'pg_background_launch(text, int4)', 'EXECUTE') AS still_executor;
DROP SCHEMA regress_pgbg_owned;
DROP TABLE regress_pgbg_granted;
\set VERBOSITY terse
-- privileges that the helper gave are not in the way, those on the schema included
CREATE SCHEMA regress_pgbg_one;
ALTER EXTENSION pg_background SET SCHEMA regress_pgbg_one;
SELECT regress_pgbg_one.grant_pg_background_privileges('pgbackground_role');
SELECT has_schema_privilege('pgbackground_role', 'regress_pgbg_one', 'USAGE');
SELECT regress_pgbg_one.pg_background_drop_executor_role();
SELECT count(*) FROM pg_roles WHERE rolname = 'pgbackground_role';
DROP EXTENSION pg_background;

-- a schema of its own, with a name that has to be quoted; then another
CREATE SCHEMA "regress_pgbg Two.";
CREATE ROLE regress_pgbg_user NOLOGIN;
CREATE EXTENSION pg_background SCHEMA regress_pgbg_one VERSION '1.8';
SELECT (ROW(123, 456789)::regress_pgbg_one.pg_background_handle).*;
SELECT DISTINCT pronamespace::regnamespace FROM member_functions
UNION SELECT typnamespace::regnamespace FROM member_types;
SELECT regress_pgbg_one.grant_pg_background_privileges('regress_pgbg_user');
SELECT bool_and(has_function_privilege('regress_pgbg_user', oid, 'EXECUTE') = NOT prosecdef) AS functions,
       has_schema_privilege('regress_pgbg_user', 'regress_pgbg_one', 'USAGE') AS schema
  FROM member_functions;
ALTER EXTENSION pg_background SET SCHEMA "regress_pgbg Two.";
SELECT DISTINCT pronamespace::regnamespace FROM member_functions
UNION SELECT typnamespace::regnamespace FROM member_types;
SELECT "regress_pgbg Two.".revoke_pg_background_privileges('regress_pgbg_user');
SELECT bool_or(has_function_privilege('regress_pgbg_user', oid, 'EXECUTE')) AS functions FROM member_functions;
SET client_min_messages = notice;
SELECT "regress_pgbg Two.".grant_pg_background_privileges('regress_pgbg_user', true);
SELECT "regress_pgbg Two.".revoke_pg_background_privileges('regress_pgbg_user', true);
SET client_min_messages = warning;
-- USAGE on the schema it was moved out of is left to whoever moved it
REVOKE USAGE ON SCHEMA regress_pgbg_one FROM regress_pgbg_user;
DROP ROLE regress_pgbg_user;

DROP VIEW member_functions, member_types;
SELECT "regress_pgbg Two.".pg_background_drop_executor_role();
DROP EXTENSION pg_background;
DROP SCHEMA regress_pgbg_one, "regress_pgbg Two.";
