-- A database that holds the C extension 2.0: used, updated to 3.0, used again.
\i regress/sql/include/catalogs.sql

CALL make_catalog('2.0');
SELECT * FROM catalog_differences('2.0');
CREATE TABLE catalog_used (n int CONSTRAINT not_negative CHECK (n >= 0));
\i regress/sql/include/use_2_0.sql

-- labels
SELECT pid, cookie FROM pg_background_launch('SELECT 1', 0, NULL) \gset
SELECT label IS NULL AS no_label FROM pg_background_list WHERE cookie = :cookie;
SELECT pid, cookie FROM pg_background_launch('SELECT 1', 0, repeat('l', 64)) \gset
SELECT length(label) FROM pg_background_list WHERE cookie = :cookie;
SELECT attempt($$SELECT pg_background_launch('SELECT 1', 0, repeat('l', 65))$$);
SELECT attempt($$SELECT pg_background_submit_v2('SELECT 1', 0, repeat('ü', 33))$$);
SELECT pg_background_launch(NULL, 0, 'x') IS NULL AS nothing, pg_background_submit('SELECT 1', NULL, 'x') IS NULL AS nothing;
SELECT pg_background_detach_all();

-- what a job counts is its own
CREATE FUNCTION counted_before() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_background_run('SELECT pg_background_record_timeout()');
    RETURN n FROM pg_background_run_query('SELECT workers_timed_out FROM pg_background_stats()', col_def => 'n bigint') AS (n bigint);
END
$$;
SELECT max(counted_before()) FROM generate_series(1, 5);
DROP FUNCTION counted_before();

-- nobody but the role has it
CREATE ROLE regress_pgbg_reader;
SET ROLE regress_pgbg_reader;
SELECT attempt('SELECT pg_background_launch(''SELECT 1'')');
SELECT attempt('SELECT * FROM pg_background_list');
SELECT attempt('SELECT pg_background_run(''SELECT 1'')');
RESET ROLE;
SELECT pg_background_grant_privileges('regress_pgbg_reader');
SET ROLE regress_pgbg_reader;
SELECT state, command_tag FROM pg_background_run('SELECT 1');
SELECT count(*) FROM pg_background_activity;
-- jobs of another role in the same session: none of one's own, and not to be touched
SELECT pid, cookie FROM pg_background_submit('SELECT pg_sleep(600)', 0, 'of another role') \gset
RESET ROLE;
CREATE ROLE regress_pgbg_other;
SELECT pg_background_grant_privileges('regress_pgbg_other');
SET ROLE regress_pgbg_other;
SELECT count(*) FROM pg_background_list;
SELECT pg_background_cancel_all(), pg_background_detach_all(), pg_background_purge(), pg_background_cancel_by_label('%');
SELECT state, command_tag FROM pg_background_outcome(:pid, :cookie);
SELECT attempt('SELECT pg_background_result_info($1, $2)', :pid, :cookie);
SELECT attempt('SELECT pg_background_error_info($1, $2)', :pid, :cookie);
SELECT attempt('SELECT pg_background_full_sql($1, $2)', :pid, :cookie);
SELECT attempt('SELECT pg_background_cancel($1, $2)', :pid, :cookie);
SELECT attempt('SELECT pg_background_wait($1, $2, 1)', :pid, :cookie);
RESET ROLE;
SELECT pg_background_revoke_privileges('regress_pgbg_other');
DROP ROLE regress_pgbg_other;
SELECT pg_background_cancel_all(), pg_background_detach_all();
SELECT pg_background_revoke_privileges('regress_pgbg_reader', false);
SELECT count(*) FROM pg_shdepend WHERE refobjid = 'regress_pgbg_reader'::regrole;
SELECT pg_background_grant_privileges('no_such_role'), pg_background_revoke_privileges(NULL);
DROP ROLE regress_pgbg_reader;

-- what 3.0 adds, and the names of 1.8 that 2.0 has not
SELECT what, member FROM update_catalog() GROUP BY what, member ORDER BY member COLLATE "C";
SELECT extversion FROM pg_extension WHERE extname = 'pg_background';
\i regress/sql/include/use_2_0.sql
SELECT pid, cookie FROM pg_background_submit_v2('SELECT pg_background_progress(50); SELECT pg_sleep(600)') \gset
SELECT pg_background_wait_v2_timeout(:pid, :cookie, 0);
SELECT pg_background_cancel_v2_grace(:pid, :cookie, 0);
SELECT pg_background_wait(:pid, :cookie), pg_background_detach_all();
-- the helpers of 2.0 know what 3.0 has added
CREATE ROLE regress_pgbg_reader;
SELECT pg_background_grant_privileges('regress_pgbg_reader');
SELECT has_function_privilege('regress_pgbg_reader', 'pg_background_forget_ended()', 'EXECUTE') AS new,
       has_function_privilege('regress_pgbg_reader', 'pg_background_stat_reset()', 'EXECUTE') AS reset;
SELECT pg_background_revoke_privileges('regress_pgbg_reader');
SELECT grant_pg_background_privileges('regress_pgbg_reader'), pg_background_revoke_privileges('regress_pgbg_reader');
DROP ROLE regress_pgbg_reader;

-- in a schema that nobody looks into
CREATE SCHEMA "regress_pgbg New.";
ALTER EXTENSION pg_background SET SCHEMA "regress_pgbg New.";
SELECT state, command_tag, timed_out FROM "regress_pgbg New.".pg_background_run('SELECT current_setting(''search_path'')');
SELECT * FROM "regress_pgbg New.".pg_background_run_query_v2('SELECT current_setting(''search_path'')', col_def => 'path text') AS (path text);
SELECT pid, cookie FROM "regress_pgbg New.".pg_background_launch_v2('SELECT 1', 0, 'moved') \gset
SELECT "regress_pgbg New.".pg_background_wait_any(ARRAY[ROW(:pid, :cookie)]::"regress_pgbg New.".pg_background_handle[]) IS NOT NULL AS ended;
SELECT label, command_tag FROM "regress_pgbg New.".pg_background_drain(ARRAY[ROW(:pid, :cookie)]::"regress_pgbg New.".pg_background_handle[]);
SELECT label FROM "regress_pgbg New.".pg_background_activity;
SELECT "regress_pgbg New.".pg_background_cancel_by_label('%'), "regress_pgbg New.".pg_background_purge();
DROP TABLE catalog_used;

\i regress/sql/include/catalogs_end.sql
DROP SCHEMA "regress_pgbg New.";
