-- The second interface: whose job it is. (A job of another session: rights.sql.)
\i regress/sql/include/helpers.sql

--
-- rights
--
CREATE ROLE regress_pgbg_owner;
CREATE ROLE regress_pgbg_member IN ROLE regress_pgbg_owner;
CREATE ROLE regress_pgbg_noinherit NOINHERIT IN ROLE regress_pgbg_owner;
CREATE ROLE regress_pgbg_other;
GRANT pgbackground_role TO regress_pgbg_owner, regress_pgbg_noinherit WITH ADMIN OPTION;
GRANT pgbackground_role TO regress_pgbg_other;
SELECT grant_pg_background_privileges('regress_pgbg_noinherit');
CREATE FUNCTION visible() RETURNS TABLE (who text, sql_preview text) LANGUAGE sql AS
    'SELECT user_id::regrole::text, sql_preview FROM jobs';
SELECT pid AS super_pid, cookie AS super_cookie FROM pg_background_launch_v2($$SELECT 'the superuser''s'$$) \gset
SET ROLE regress_pgbg_owner;
SELECT pid, cookie FROM pg_background_launch_v2('SELECT pg_background_progress(50, current_user::text); SELECT current_user::text') \gset
SELECT * FROM visible();
SELECT pg_background_wait_v2(:pid, :cookie);
SET ROLE regress_pgbg_other;
SELECT * FROM visible();
SELECT * FROM attempt('SELECT * FROM pg_background_result_v2($1, $2) AS (i int)', :pid, :cookie);
SELECT * FROM attempt('SELECT pg_background_detach_v2($1, $2)', :pid, :cookie);
SELECT * FROM attempt('SELECT pg_background_cancel_v2($1, $2)', :pid, :cookie);
SELECT * FROM attempt('SELECT pg_background_cancel_v2_grace($1, $2, 1000)', :pid, :cookie);
SELECT * FROM attempt('SELECT pg_background_wait_v2($1, $2)', :pid, :cookie);
SELECT * FROM attempt('SELECT pg_background_wait_v2_timeout($1, $2, 1000)', :pid, :cookie);
SELECT * FROM attempt('SELECT pg_background_get_progress_v2($1, $2)', :pid, :cookie);
-- membership that is not inherited is none
SET ROLE regress_pgbg_noinherit;
SELECT * FROM visible();
SELECT * FROM attempt('SELECT pg_background_detach_v2($1, $2)', :pid, :cookie);
SET ROLE regress_pgbg_member;
SELECT * FROM visible();
SELECT * FROM pg_background_get_progress_v2(:pid, :cookie);
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT pg_background_cancel_v2(:pid, :cookie);
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (t text);
SELECT * FROM attempt('SELECT pg_background_detach_v2($1, $2)', :super_pid, :super_cookie);
RESET ROLE;
SELECT * FROM visible();
SELECT * FROM pg_background_result_v2(:super_pid, :super_cookie) AS (t text);

-- the session as another user: its jobs are those of the session
SET SESSION AUTHORIZATION regress_pgbg_owner;
SELECT pid, cookie FROM pg_background_launch_v2('SELECT session_user::text') \gset
RESET SESSION AUTHORIZATION;
SELECT * FROM visible();
SET SESSION AUTHORIZATION regress_pgbg_other;
SELECT * FROM attempt('SELECT * FROM pg_background_result_v2($1, $2) AS (i int)', :pid, :cookie);
SET SESSION AUTHORIZATION regress_pgbg_member;
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (t text);
RESET SESSION AUTHORIZATION;

-- jobs may launch jobs
SELECT * FROM pg_background_result(pg_background_launch($$SELECT * FROM pg_background_result(pg_background_launch('SELECT 1')) AS (i int)$$)) AS (i int);
SELECT count(*) FROM jobs;

DROP FUNCTION visible();
\i regress/sql/include/cleanup.sql
DROP ROLE regress_pgbg_owner, regress_pgbg_member, regress_pgbg_noinherit, regress_pgbg_other;
