-- Installations of older releases, updated in place, end with the catalog of a fresh 1.8, and from there with that of a fresh 3.0.
\set VERBOSITY terse
\set SHOW_CONTEXT never

\i regress/sql/include/describe.sql
SET client_min_messages = warning;
CREATE EXTENSION pg_background VERSION '1.8';
CREATE TABLE regress_pgbg_fresh AS SELECT * FROM regress_pgbg_describe();
SELECT aspect, count(*) FROM regress_pgbg_fresh GROUP BY aspect ORDER BY aspect COLLATE "C";

CREATE VIEW regress_pgbg_differences AS
SELECT 'missing' AS what, * FROM (SELECT * FROM regress_pgbg_fresh EXCEPT ALL SELECT * FROM regress_pgbg_describe()) m
UNION ALL
SELECT 'unexpected', * FROM (SELECT * FROM regress_pgbg_describe() EXCEPT ALL SELECT * FROM regress_pgbg_fresh) u
ORDER BY 2, 3, 1;

-- Nothing installs the old versions any more, so they are put together by
-- hand: everything but v1 goes, then each version's own objects come.
CREATE PROCEDURE regress_pgbg_member(kind text, object text, definition text DEFAULT NULL) LANGUAGE plpgsql AS $$
BEGIN
    IF definition IS NULL THEN
        EXECUTE format('ALTER EXTENSION pg_background DROP %s %s', kind, object);
        EXECUTE format('DROP %s %s', kind, object);
    ELSE
        EXECUTE format('CREATE %s %s %s', kind, object, definition);
        EXECUTE format('ALTER EXTENSION pg_background ADD %s %s', kind,
                       CASE kind WHEN 'FUNCTION' THEN regexp_replace(object, ' DEFAULT [^,)]+', '', 'g') ELSE object END);
    END IF;
END
$$;

-- what was new in 1.8 goes: this is 1.7, and 1.6
CREATE PROCEDURE regress_pgbg_to_1_7(version text) LANGUAGE plpgsql AS $$
BEGIN
    CALL regress_pgbg_member('FUNCTION', 'pg_background_stats_v2()');
    CALL regress_pgbg_member('FUNCTION', 'pg_background_progress(int4, text)');
    CALL regress_pgbg_member('FUNCTION', 'pg_background_get_progress_v2(int4, int8)');
    CALL regress_pgbg_member('TYPE', 'pg_background_stats');
    CALL regress_pgbg_member('TYPE', 'pg_background_progress');
    UPDATE pg_extension SET extversion = version WHERE extname = 'pg_background';
END
$$;

-- v1 with the old default, callable by PUBLIC, and the old privilege helpers: this is 1.4
CREATE PROCEDURE regress_pgbg_to_1_4() LANGUAGE plpgsql AS $$
DECLARE
    object text;
BEGIN
    CALL regress_pgbg_to_1_7('1.4');
    FOR object IN
        SELECT d.objid::regprocedure FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
         WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
           AND e.extname = 'pg_background'
    LOOP
        CALL regress_pgbg_member('FUNCTION', object);
    END LOOP;
    CALL regress_pgbg_member('TYPE', 'pg_background_handle');
    DROP ROLE pgbackground_role;

    CALL regress_pgbg_member('FUNCTION', 'pg_background_launch(sql text, queue_size int4 DEFAULT 65536)',
                             $f$ RETURNS int4 STRICT LANGUAGE c AS '$libdir/pg_background', 'pg_background_launch' $f$);
    CALL regress_pgbg_member('FUNCTION', 'pg_background_result(pid int4)',
                             $f$ RETURNS SETOF record STRICT LANGUAGE c AS '$libdir/pg_background', 'pg_background_result' $f$);
    CALL regress_pgbg_member('FUNCTION', 'pg_background_detach(pid int4)',
                             $f$ RETURNS void STRICT LANGUAGE c AS '$libdir/pg_background', 'pg_background_detach' $f$);
    CALL regress_pgbg_member('FUNCTION', 'grant_pg_background_privileges(user_name text, print_commands boolean DEFAULT false)',
                             $f$ RETURNS boolean SECURITY DEFINER LANGUAGE plpgsql AS 'BEGIN RETURN false; END' $f$);
    CALL regress_pgbg_member('FUNCTION', 'revoke_pg_background_privileges(user_name text, print_commands boolean DEFAULT false)',
                             $f$ RETURNS boolean SECURITY DEFINER LANGUAGE plpgsql AS 'BEGIN RETURN false; END' $f$);
END
$$;

-- an early v2 on top: this is 1.5. Its C symbols are not in the library, so others stand for them here.
CREATE PROCEDURE regress_pgbg_to_1_5() LANGUAGE plpgsql AS $$
BEGIN
    CALL regress_pgbg_to_1_4();
    CALL regress_pgbg_member('TYPE', 'pg_background_handle', 'AS (pid int4, cookie int8)');
    CALL regress_pgbg_member('TYPE', 'pg_background_status', 'AS (state text, error text)');
    CALL regress_pgbg_member('FUNCTION', 'pg_background_launch_v2(sql text, queue_size int4 DEFAULT 65536)',
                             $f$ RETURNS pg_background_handle STRICT LANGUAGE c AS '$libdir/pg_background', 'pg_background_launch_v2' $f$);
    CALL regress_pgbg_member('FUNCTION', 'pg_background_wait_v2(pid int4, cookie int8, timeout_ms int4 DEFAULT NULL)',
                             $f$ RETURNS bool LANGUAGE c AS '$libdir/pg_background', 'pg_background_wait_v2' $f$);
    CALL regress_pgbg_member('FUNCTION', 'pg_background_status_v2(pid int4, cookie int8)',
                             $f$ RETURNS pg_background_status STRICT LANGUAGE c AS '$libdir/pg_background', 'pg_background_wait_v2' $f$);
    CALL regress_pgbg_member('FUNCTION', 'pg_background_cancel(pid int4, grace_ms int4 DEFAULT 1000)',
                             $f$ RETURNS bool STRICT LANGUAGE c AS '$libdir/pg_background', 'pg_background_cancel_v2' $f$);
    CALL regress_pgbg_member('FUNCTION', 'pg_background_cancel_v2(pid int4, cookie int8, grace_ms int4 DEFAULT 1000)',
                             $f$ RETURNS bool STRICT LANGUAGE c AS '$libdir/pg_background', 'pg_background_cancel_v2' $f$);
    UPDATE pg_extension SET extversion = '1.5' WHERE extname = 'pg_background';
END
$$;

-- 1.7; what it has works before and after
CALL regress_pgbg_to_1_7('1.7');
SELECT pid, cookie FROM pg_background_launch_v2('SELECT 17') \gset
SELECT pg_background_wait_v2_timeout(:pid, :cookie, 600000);
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (n int);
SELECT pid, cookie FROM pg_background_submit_v2('SELECT pg_sleep(600)') \gset
SELECT pg_background_cancel_v2_grace(:pid, :cookie, 1), pg_background_wait_v2(:pid, :cookie);
SELECT state FROM pg_background_list_v2() AS (pid int, cookie bigint, launched_at timestamptz, user_id oid, queue_size int, state text,
                                              sql_preview text, last_error text, consumed bool);
SELECT what, member, aspect FROM regress_pgbg_differences WHERE aspect IN ('definition', 'attributes', 'version');
ALTER EXTENSION pg_background UPDATE TO '1.8';
SELECT * FROM regress_pgbg_differences;
SELECT pg_background_detach_v2(:pid, :cookie);
SELECT * FROM pg_background_result(pg_background_launch('SELECT 18')) AS (n int);

-- 1.6
CALL regress_pgbg_to_1_7('1.6');
ALTER EXTENSION pg_background UPDATE TO '1.8';
SELECT * FROM regress_pgbg_differences;

-- 1.5
CALL regress_pgbg_to_1_5();
SELECT what, member, aspect FROM regress_pgbg_differences WHERE aspect IN ('definition', 'attributes', 'version');
ALTER EXTENSION pg_background UPDATE TO '1.8';
SELECT * FROM regress_pgbg_differences;

-- 1.5 whose launch_v2 and handle were other than 1.8's
CALL regress_pgbg_to_1_5();
CALL regress_pgbg_member('FUNCTION', 'pg_background_launch_v2(text, int4)');
CALL regress_pgbg_member('TYPE', 'pg_background_handle');
CALL regress_pgbg_member('TYPE', 'pg_background_handle', 'AS (pid int4, cookie text)');
CALL regress_pgbg_member('FUNCTION', 'pg_background_launch_v2(sql text, queue_size int4 DEFAULT 65536, OUT pid int4, OUT cookie int8)',
                         $f$ STRICT LANGUAGE c AS '$libdir/pg_background', 'pg_background_launch_v2' $f$);
ALTER EXTENSION pg_background UPDATE TO '1.8';
SELECT * FROM regress_pgbg_differences;

-- 1.4, with PUBLIC able to run everything
CALL regress_pgbg_to_1_4();
SELECT what, member, aspect FROM regress_pgbg_differences WHERE aspect IN ('definition', 'attributes', 'version');
SELECT count(*) FROM regress_pgbg_describe() WHERE aspect = 'privileges' AND value LIKE '%PUBLIC%';
SELECT * FROM pg_background_result(pg_background_launch('SELECT 14')) AS (n int);
SELECT pg_background_detach(pg_background_launch('SELECT 14', 65536));
ALTER EXTENSION pg_background UPDATE TO '1.8';
SELECT * FROM regress_pgbg_differences;

-- what users were granted is theirs afterwards, and no part of what the extension made (pg_dump would drop it)
CALL regress_pgbg_to_1_4();
CREATE ROLE regress_pgbg_user NOLOGIN;
GRANT EXECUTE ON FUNCTION pg_background_launch(text, int4) TO regress_pgbg_user;
ALTER EXTENSION pg_background UPDATE TO '1.8';
SELECT member, aspect, value FROM regress_pgbg_differences WHERE what = 'unexpected';
REVOKE EXECUTE ON FUNCTION pg_background_launch(text, int4) FROM regress_pgbg_user;
DROP ROLE regress_pgbg_user;
SELECT * FROM regress_pgbg_differences;

-- what uses the handle is left alone, what uses an early function is named
CALL regress_pgbg_to_1_5();
CREATE TABLE regress_pgbg_jobs (job pg_background_handle);
CREATE VIEW regress_pgbg_status AS SELECT pg_background_status_v2((job).pid, (job).cookie) FROM regress_pgbg_jobs;
\set VERBOSITY default
ALTER EXTENSION pg_background UPDATE TO '1.8';
\set VERBOSITY terse
SELECT extversion FROM pg_extension WHERE extname = 'pg_background';
DROP VIEW regress_pgbg_status;
ALTER EXTENSION pg_background UPDATE TO '1.8';
SELECT * FROM regress_pgbg_differences;
DROP TABLE regress_pgbg_jobs;

-- each step by itself
CALL regress_pgbg_to_1_5();
ALTER EXTENSION pg_background UPDATE TO '1.6';
ALTER EXTENSION pg_background UPDATE TO '1.7';
ALTER EXTENSION pg_background UPDATE TO '1.8';
SELECT * FROM regress_pgbg_differences;

-- in another schema, with a name that has to be quoted, and others' objects with the same names around
CREATE SCHEMA "regress_pgbg Old.";
ALTER EXTENSION pg_background SET SCHEMA "regress_pgbg Old.";
SET search_path = "regress_pgbg Old.", public;
SELECT * FROM regress_pgbg_differences;
CALL regress_pgbg_to_1_7('1.7');
SET search_path = public;
CREATE TYPE pg_background_stats AS (mine int);
CREATE FUNCTION pg_background_stats_v2() RETURNS pg_background_stats LANGUAGE sql AS 'SELECT ROW(1)::pg_background_stats';
ALTER EXTENSION pg_background UPDATE TO '1.8';
SELECT * FROM regress_pgbg_differences;
SELECT * FROM pg_background_stats_v2();
DROP FUNCTION pg_background_stats_v2();
DROP TYPE pg_background_stats;

SET search_path = "regress_pgbg Old.", public;
CALL regress_pgbg_to_1_5();
SET search_path = public;
ALTER EXTENSION pg_background UPDATE TO '1.8';
SELECT * FROM regress_pgbg_differences;
RESET search_path;

-- a fresh installation in that schema says the same
DROP EXTENSION pg_background;
CREATE EXTENSION pg_background SCHEMA "regress_pgbg Old." VERSION '1.8';
SELECT * FROM regress_pgbg_differences;

--
-- to 3.0
--
ALTER EXTENSION pg_background SET SCHEMA public;
CREATE TABLE regress_pgbg_1_8 AS SELECT * FROM regress_pgbg_describe();
DROP EXTENSION pg_background;
CREATE EXTENSION pg_background;
TRUNCATE regress_pgbg_fresh;
INSERT INTO regress_pgbg_fresh SELECT * FROM regress_pgbg_describe();
SELECT aspect, count(*) FROM regress_pgbg_fresh GROUP BY aspect ORDER BY aspect COLLATE "C";
-- all that there was to say about 1.8's members is still so, but for the helpers, which 3.0 replaces
SELECT * FROM regress_pgbg_1_8 WHERE NOT (aspect = 'definition' AND member ~ '^(grant|revoke)_')
EXCEPT SELECT * FROM regress_pgbg_fresh;

-- from 1.8, with what users were granted, which is neither taken away nor made the extension's
DROP EXTENSION pg_background;
CREATE EXTENSION pg_background VERSION '1.8';
CREATE ROLE regress_pgbg_user NOLOGIN;
GRANT EXECUTE ON FUNCTION pg_background_launch(text, int4) TO regress_pgbg_user WITH GRANT OPTION;
REVOKE EXECUTE ON FUNCTION pg_background_cancel_v2(int4, int8) FROM pgbackground_role;
GRANT EXECUTE ON FUNCTION pg_background_stats_v2() TO PUBLIC;
COMMENT ON TYPE pg_background_handle IS 'ours';
TRUNCATE regress_pgbg_1_8;
INSERT INTO regress_pgbg_1_8 SELECT * FROM regress_pgbg_describe();
CREATE TABLE regress_pgbg_jobs AS SELECT ROW(1, 2)::pg_background_handle AS job;
ALTER EXTENSION pg_background UPDATE;
SELECT * FROM regress_pgbg_1_8 WHERE NOT (aspect = 'definition' AND member ~ '^(grant|revoke)_')
EXCEPT SELECT * FROM regress_pgbg_describe();
SELECT * FROM regress_pgbg_jobs;
DROP TABLE regress_pgbg_jobs;
REVOKE EXECUTE ON FUNCTION pg_background_launch(text, int4) FROM regress_pgbg_user;
GRANT EXECUTE ON FUNCTION pg_background_cancel_v2(int4, int8) TO pgbackground_role;
REVOKE EXECUTE ON FUNCTION pg_background_stats_v2() FROM PUBLIC;
SELECT * FROM regress_pgbg_differences;
DROP ROLE regress_pgbg_user;
-- there is nothing more to do
ALTER EXTENSION pg_background UPDATE;

-- from older ones
DROP EXTENSION pg_background;
CREATE EXTENSION pg_background VERSION '1.8';
CALL regress_pgbg_to_1_4();
ALTER EXTENSION pg_background UPDATE;
SELECT * FROM regress_pgbg_differences;
DROP EXTENSION pg_background;
CREATE EXTENSION pg_background VERSION '1.8';
CALL regress_pgbg_to_1_5();
ALTER EXTENSION pg_background UPDATE TO '1.6';
ALTER EXTENSION pg_background UPDATE TO '3.0';
SELECT * FROM regress_pgbg_differences;
DROP EXTENSION pg_background;
CREATE EXTENSION pg_background VERSION '1.8';
CALL regress_pgbg_to_1_7('1.7');
ALTER EXTENSION pg_background UPDATE TO '3.0';
SELECT * FROM regress_pgbg_differences;

-- the role was dropped: it is made anew, for what is new
DROP EXTENSION pg_background;
CREATE EXTENSION pg_background VERSION '1.8';
SELECT pg_background_drop_executor_role();
ALTER EXTENSION pg_background UPDATE;
SELECT has_function_privilege('pgbackground_role', 'pg_background_forget_ended()', 'EXECUTE') AS new,
       has_function_privilege('pgbackground_role', 'pg_background_launch(text, int4)', 'EXECUTE') AS old;

-- somebody's object bears a new name: the update stops, and 1.8 is as it was
DROP EXTENSION pg_background;
CREATE EXTENSION pg_background VERSION '1.8';
CREATE VIEW pg_stat_background AS SELECT 1;
ALTER EXTENSION pg_background UPDATE;
SELECT extversion FROM pg_extension WHERE extname = 'pg_background';
SELECT * FROM pg_background_result(pg_background_launch('SELECT 18')) AS (i int);
DROP VIEW pg_stat_background;

-- in another schema, and with others' functions and operators in it
ALTER EXTENSION pg_background SET SCHEMA "regress_pgbg Old.";
SET search_path = "regress_pgbg Old.", public;
CREATE FUNCTION "regress_pgbg Old.".trap(int8, interval) RETURNS interval LANGUAGE plpgsql AS $$ BEGIN RAISE 'trap sprung'; END $$;
CREATE OPERATOR "regress_pgbg Old.".* (LEFTARG = int8, RIGHTARG = interval, FUNCTION = "regress_pgbg Old.".trap);
ALTER EXTENSION pg_background UPDATE;
SELECT * FROM regress_pgbg_differences;
SELECT count(*) FROM pg_depend WHERE refobjid = '"regress_pgbg Old.".*(int8, interval)'::regoperator;
DROP OPERATOR "regress_pgbg Old.".* (int8, interval);
DROP FUNCTION "regress_pgbg Old.".trap(int8, interval);
RESET search_path;

SELECT "regress_pgbg Old.".pg_background_drop_executor_role();
DROP EXTENSION pg_background;
DROP SCHEMA "regress_pgbg Old.";
DROP VIEW regress_pgbg_differences;
DROP TABLE regress_pgbg_1_8;
DROP TABLE regress_pgbg_fresh;
DROP PROCEDURE regress_pgbg_to_1_4(), regress_pgbg_to_1_5(), regress_pgbg_to_1_7(text), regress_pgbg_member(text, text, text);
DROP FUNCTION regress_pgbg_describe();
