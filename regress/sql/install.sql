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
DROP SCHEMA "regress_pgbg Two.";

--
-- 3.0, which comes by way of 1.8
--
SELECT version, superuser, trusted, relocatable, schema, requires
  FROM pg_available_extension_versions
 WHERE name = 'pg_background' AND version > '1.8';
SELECT default_version FROM pg_available_extensions WHERE name = 'pg_background';
SELECT path FROM pg_extension_update_paths('pg_background') WHERE source = '1.4' AND target = '3.0';

-- members, but for the views' types and array types, which are members from 17 on
CREATE TEMP VIEW members AS
SELECT d.classid, d.objid, pg_describe_object(d.classid, d.objid, d.objsubid) AS member
  FROM pg_depend d
  LEFT JOIN pg_type t ON d.classid = 'pg_type'::regclass AND t.oid = d.objid
  LEFT JOIN pg_class c ON c.oid = t.typrelid
 WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
   AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_background')
   AND t.typcategory IS DISTINCT FROM 'A' AND c.relkind IS DISTINCT FROM 'v';

-- names are shown without the schema
SET search_path = regress_pgbg_one, public;
CREATE EXTENSION pg_background SCHEMA regress_pgbg_one VERSION '1.8';
CREATE TEMP TABLE members_1_8 AS SELECT member FROM members;
DROP EXTENSION pg_background;
CREATE EXTENSION pg_background SCHEMA regress_pgbg_one;
SELECT extversion, extnamespace::regnamespace AS schema, extrelocatable, extconfig
  FROM pg_extension WHERE extname = 'pg_background';
-- what goes beyond 1.8; nothing of it is gone
SELECT member FROM members EXCEPT SELECT member FROM members_1_8 ORDER BY 1;
SELECT member FROM members_1_8 EXCEPT SELECT member FROM members;

CREATE TEMP VIEW new_functions AS
SELECT p.* FROM pg_proc p JOIN members m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
 WHERE m.member NOT IN (SELECT member FROM members_1_8);
CREATE TEMP VIEW new_views AS
SELECT c.* FROM pg_class c JOIN members m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid;

SELECT f.proname AS name, a.name AS column, a.type::regtype
  FROM new_functions f, unnest(f.proargnames, f.proallargtypes, f.proargmodes) WITH ORDINALITY a (name, type, mode, n)
 ORDER BY f.proname COLLATE "C", a.n;
SELECT proname AS name, l.lanname AS language, pronargs AS args, pg_get_function_result(f.oid) = 'SETOF record' AS rows,
       provolatile AS vol, proparallel AS par, proisstrict AS strict, prosecdef AS secdef, proleakproof AS leakproof,
       proconfig AS config, probin, CASE WHEN l.lanname = 'c' THEN prosrc END AS symbol
  FROM new_functions f JOIN pg_language l ON l.oid = f.prolang
 ORDER BY proname COLLATE "C";
SELECT v.relname AS view, a.attname AS column, a.atttypid::regtype AS type
  FROM new_views v JOIN pg_attribute a ON a.attrelid = v.oid AND a.attnum > 0
 ORDER BY v.relname COLLATE "C", a.attnum;

-- who may do what: everybody look, nobody else set to zero
SELECT string_agg(name, ' ' ORDER BY name COLLATE "C") AS names, acl
  FROM (SELECT o.name,
               (SELECT string_agg(format('%s %s%s', CASE grantee WHEN o.owner THEN 'owner' WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END,
                                         privilege_type, CASE WHEN is_grantable THEN '*' END), ', ' ORDER BY grantee::regrole::text COLLATE "C")
                  FROM aclexplode(o.acl) WHERE grantee <> o.owner) AS acl
          FROM (SELECT proname AS name, proowner AS owner, coalesce(proacl, acldefault('f', proowner)) AS acl FROM new_functions
                UNION ALL
                SELECT relname, relowner, coalesce(relacl, acldefault('r', relowner)) FROM new_views) o) s
 GROUP BY acl ORDER BY acl COLLATE "C";
-- pg_dump leaves all of it to the script: what it would write is what differs from the initial privileges
SELECT o.name, o.acl, i.initprivs
  FROM (SELECT 'pg_proc'::regclass AS class, oid, proname AS name, proacl AS acl FROM new_functions
        UNION ALL SELECT 'pg_class', oid, relname, relacl FROM new_views) o
  LEFT JOIN pg_init_privs i ON i.classoid = o.class AND i.objoid = o.oid AND i.objsubid = 0
 WHERE o.acl IS DISTINCT FROM i.initprivs;
SELECT member FROM members WHERE obj_description(objid, classid::regclass::name) IS NULL;
-- no view shows what is its owner's alone
SELECT DISTINCT d.refobjid::regclass AS "relation", has_table_privilege('pgbackground_role', d.refobjid, 'SELECT') AS "readable"
  FROM new_views v JOIN pg_rewrite r ON r.ev_class = v.oid
  JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
 WHERE d.refobjid <> v.oid ORDER BY 1;

-- the helper gives what lets a role run jobs, not what is the administrator's
CREATE ROLE regress_pgbg_user NOLOGIN;
SELECT grant_pg_background_privileges('regress_pgbg_user');
SELECT has_function_privilege('regress_pgbg_user', 'pg_background_launch(text, int4)', 'EXECUTE') AS launch,
       has_function_privilege('regress_pgbg_user', 'pg_background_stat_reset()', 'EXECUTE') AS reset;
SELECT revoke_pg_background_privileges('regress_pgbg_user');
SELECT has_function_privilege('regress_pgbg_user', 'pg_background_launch(text, int4)', 'EXECUTE') AS launch,
       has_function_privilege('regress_pgbg_user', 'pg_background_get_jobs()', 'EXECUTE') AS jobs,
       has_schema_privilege('regress_pgbg_user', 'regress_pgbg_one', 'USAGE') AS schema;
DROP ROLE regress_pgbg_user;

-- default privileges do not change any of it
DROP EXTENSION pg_background;
CREATE ROLE regress_pgbg_user NOLOGIN;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
CREATE EXTENSION pg_background SCHEMA regress_pgbg_one;
ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC;
GRANT USAGE ON SCHEMA regress_pgbg_one TO regress_pgbg_user;
SET ROLE regress_pgbg_user;
SELECT (SELECT count(*) FROM pg_stat_background) >= 0 AND (SELECT count(*) FROM pg_background_history) >= 0
   AND (SELECT count(*) FROM pg_stat_background_workers) >= 0 AND (SELECT count(*) FROM pg_stat_background_totals) >= 0 AS "everybody";
SELECT pg_background_stat_reset();
SELECT pg_background_launch('SELECT 1');
RESET ROLE;
REVOKE USAGE ON SCHEMA regress_pgbg_one FROM regress_pgbg_user;
DROP ROLE regress_pgbg_user;

-- it moves as a whole
ALTER EXTENSION pg_background SET SCHEMA public;
SELECT DISTINCT pronamespace::regnamespace FROM new_functions UNION SELECT relnamespace::regnamespace FROM new_views;
SELECT count(*) >= 0 AS "still works" FROM public.pg_stat_background;
SELECT pg_background_drop_executor_role();
SELECT count(*) FROM pg_roles WHERE rolname = 'pgbackground_role';
RESET search_path;
DROP VIEW new_functions, new_views, members;
DROP TABLE members_1_8;
DROP EXTENSION pg_background;
DROP SCHEMA regress_pgbg_one;
