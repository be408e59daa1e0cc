-- As whom a job runs.
\i regress/sql/include/helpers.sql

CREATE ROLE regress_pgbg_login LOGIN;
CREATE ROLE regress_pgbg_group;
CREATE ROLE regress_pgbg_definer;
GRANT regress_pgbg_group TO regress_pgbg_login;
GRANT pgbackground_role TO regress_pgbg_login, regress_pgbg_group, regress_pgbg_definer;
CREATE SCHEMA regress_pgbg AUTHORIZATION regress_pgbg_definer;

--
-- identity
--
\set who '$$SELECT session_user || \' as \' || current_user$$'
SELECT job('SELECT current_database()::text') = current_database() AS database,
       job('SELECT session_user::text') = session_user AS session, job('SELECT current_user::text') = current_user AS current;
SET ROLE regress_pgbg_group;
SELECT job('SELECT session_user::text') = session_user AS session, job('SELECT current_user::text') AS current;
SELECT job($$SELECT current_setting('is_superuser')$$) AS is_superuser;
RESET ROLE;
SET SESSION AUTHORIZATION regress_pgbg_login;
SELECT job(:who);
SELECT job($$SELECT current_setting('is_superuser')$$) AS is_superuser;
SET ROLE regress_pgbg_group;
SELECT job(:who);
-- no way back to more
SELECT job('RESET ROLE; ' || :who);
SELECT job('SET ROLE regress_pgbg_definer; ' || :who);
RESET ROLE;
RESET SESSION AUTHORIZATION;

-- SECURITY DEFINER
CREATE FUNCTION regress_pgbg.as_definer(sql text) RETURNS text LANGUAGE sql SECURITY DEFINER AS
    'SELECT * FROM pg_background_result(pg_background_launch(sql)) AS (t text)';
ALTER FUNCTION regress_pgbg.as_definer OWNER TO regress_pgbg_definer;
GRANT USAGE, CREATE ON SCHEMA regress_pgbg TO PUBLIC;
SET SESSION AUTHORIZATION regress_pgbg_login;
SELECT regress_pgbg.as_definer(:who);
SET ROLE regress_pgbg_group;
SELECT regress_pgbg.as_definer(:who);
RESET ROLE;
-- what the server refuses in such a function it refuses in the job
SELECT regress_pgbg.as_definer('SET ROLE regress_pgbg_login');
SELECT regress_pgbg.as_definer('RESET ROLE');
SELECT regress_pgbg.as_definer('SET SESSION AUTHORIZATION regress_pgbg_login');
SELECT regress_pgbg.as_definer('SELECT 1; SET ROLE regress_pgbg_group');
SELECT regress_pgbg.as_definer('DO $$ BEGIN COMMIT; END $$');
-- a job that such a job launches is no different
SELECT regress_pgbg.as_definer('SELECT job(' || quote_literal(:who) || ')');
SELECT regress_pgbg.as_definer($$SELECT job('RESET ROLE')$$);
-- what is made belongs to the definer; so does the job
SELECT regress_pgbg.as_definer('CREATE TABLE regress_pgbg.made (i int)');
SELECT tableowner FROM pg_tables WHERE tablename = 'made';
CREATE FUNCTION regress_pgbg.launched() RETURNS int LANGUAGE sql SECURITY DEFINER AS $$SELECT pg_background_launch('SELECT 1')$$;
RESET SESSION AUTHORIZATION;
ALTER FUNCTION regress_pgbg.launched OWNER TO regress_pgbg_definer;
SET SESSION AUTHORIZATION regress_pgbg_login;
SELECT regress_pgbg.launched() AS pid \gset
SELECT count(*) FROM jobs;
RESET SESSION AUTHORIZATION;
SELECT user_id::regrole FROM jobs;
SELECT * FROM pg_background_result(:pid) AS (i int);
-- commands that cannot run in a function run in its job, with its rights
SET SESSION AUTHORIZATION regress_pgbg_login;
SELECT regress_pgbg.as_definer('VACUUM regress_pgbg.made');
SELECT regress_pgbg.as_definer('CREATE INDEX made_i ON regress_pgbg.made (i)');
SELECT regress_pgbg.as_definer('CLUSTER regress_pgbg.made USING made_i');
SELECT regress_pgbg.as_definer('REINDEX TABLE regress_pgbg.made');
SELECT regress_pgbg.as_definer('ALTER DATABASE template1 SET TABLESPACE pg_default');
RESET SESSION AUTHORIZATION;
-- and not with those of a caller who may do more
SET statement_timeout = '60s';
SELECT regress_pgbg.as_definer('ALTER DATABASE template1 SET TABLESPACE pg_default');
RESET statement_timeout;
SELECT regress_pgbg.as_definer('CREATE DATABASE regress_pgbg_made');
DROP TABLE regress_pgbg.made;
DROP FUNCTION regress_pgbg.as_definer, regress_pgbg.launched;

DROP SCHEMA regress_pgbg;
\i regress/sql/include/cleanup.sql
DROP ROLE regress_pgbg_login, regress_pgbg_group, regress_pgbg_definer;
