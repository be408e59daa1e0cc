-- pg_background_autonomous: a routine in an autonomous transaction, under its own name.
\i regress/sql/include/helpers.sql
SET statement_timeout = '120s'; -- rather than hang
CREATE SCHEMA auto;
CREATE ROLE regress_auto_owner;
CREATE ROLE regress_auto_caller;
GRANT pgbackground_role TO regress_auto_owner, regress_auto_caller;
GRANT USAGE, CREATE ON SCHEMA auto TO regress_auto_owner;
GRANT USAGE ON SCHEMA auto TO regress_auto_caller;
SET search_path = auto, public;
CREATE TABLE log (id int GENERATED ALWAYS AS IDENTITY, line text);
GRANT SELECT, INSERT ON log TO PUBLIC;
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN positive AS int CHECK (value > 0);
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on

-- what is said of a routine that cannot be made autonomous
CREATE FUNCTION refused(arguments text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT line FROM public.attempt(format('SELECT public.pg_background_autonomous(%s)', arguments)) line WHERE line NOT LIKE '%pg_background_autonomous(%line%'
$$;

-- the text
CREATE FUNCTION audit(line text, n int DEFAULT 1) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO log (line) VALUES (audit.line); -- a name that the copy would not know
    RETURN n + 1;
END $$;
SELECT pg_background_autonomous('audit(text,int)');
-- it has done nothing
SELECT count(*) FROM pg_proc WHERE proname = 'audit_atx';
SELECT pg_background_autonomous('audit(text,int)', apply => true) = pg_background_autonomous('audit(text,int)', wrapper => 'other') AS same;
BEGIN;
SELECT audit('one'), audit('two', 2), audit(n => 3, line => 'three');
ROLLBACK;
SELECT line FROM log ORDER BY id;
-- twice
SELECT refused($$'audit(text,int)', true$$);

-- Makes it autonomous, calls it in a transaction that rolls back, undoes it, and says what came of it.
CREATE FUNCTION undo(sql text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE replace(substring(sql FROM E'-- To undo it:\n-- (.*?)\n\n'), E'\n-- ', E'\n');
END $$;
CREATE PROCEDURE try(routine regprocedure, call text, answers boolean DEFAULT true) LANGUAGE plpgsql AS $$
DECLARE
    before text := pg_get_functiondef(routine);
    sql text;
    answer text;
    plain text;
BEGIN
    TRUNCATE log;
    IF answers THEN
        EXECUTE call INTO plain;
    END IF;
    TRUNCATE log;
    COMMIT;
    sql := pg_background_autonomous(routine, true);
    COMMIT;
    BEGIN
        IF answers THEN
            EXECUTE call INTO answer;
        ELSE
            EXECUTE call;
        END IF;
        RAISE EXCEPTION USING ERRCODE = 'ZZZZZ';
    EXCEPTION WHEN SQLSTATE 'ZZZZZ' THEN
    END;
    RAISE NOTICE '% -> %, % line(s)', call, answer, (SELECT count(*) FROM log);
    IF answer IS DISTINCT FROM plain THEN
        RAISE NOTICE 'and without: %', plain;
    END IF;
    COMMIT;
    PERFORM undo(sql);
    IF before <> pg_get_functiondef(routine) THEN
        RAISE NOTICE 'was % is %', before, pg_get_functiondef(routine);
    END IF;
    IF EXISTS (SELECT FROM pg_proc WHERE proname ~ '_atx$' AND proname <> 'audit_atx') THEN
        RAISE NOTICE 'left over';
    END IF;
END $$;
SET client_min_messages = notice;

-- forms of parameters and results
CREATE FUNCTION note(VARIADIC lines text[]) RETURNS void LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log (line) SELECT unnest(lines); END $$;
CREATE FUNCTION f_void() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM note('f_void'); END $$;
CALL try('f_void()', 'SELECT f_void()');
CALL try('note(text[])', $$SELECT note('a', 'b', 'c')$$);
CALL try('note(text[])', $$SELECT note(VARIADIC '{a,b}')$$);
CREATE FUNCTION f_out(a int, OUT b int) LANGUAGE plpgsql AS $$ BEGIN PERFORM note('f_out'); b := a * 2; END $$;
CALL try('f_out(int)', 'SELECT * FROM f_out(4)');
CREATE FUNCTION f_outs(OUT x text, INOUT "y z" int, result int, OUT p pair) LANGUAGE plpgsql AS $$
BEGIN PERFORM note('f_outs'); x := $2 || '.' || $3; p := ROW(result, 'p'); "y z" := "y z" + 1; END $$;
CALL try('f_outs(int,int)', 'SELECT f_outs(4, 5)');
CREATE FUNCTION f_unnamed(int, text, "char") RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM note('f_unnamed'); RETURN $2 || $1 || $3::text; END $$;
CALL try('f_unnamed(int,text,"char")', $$SELECT f_unnamed(1, 'it''s \ $wrapper$', 'c')$$);
CREATE FUNCTION f_pair(p pair) RETURNS pair LANGUAGE plpgsql AS $$ BEGIN PERFORM note('f_pair'); RETURN p; END $$;
CALL try('f_pair(pair)', $$SELECT f_pair(ROW(1, 'x,y"'))$$);
CALL try('f_pair(pair)', $$SELECT f_pair(NULL)$$);
CALL try('f_pair(pair)', $$SELECT b FROM f_pair(ROW(1, 'x'))$$);
CREATE FUNCTION f_out_pair(OUT p pair) LANGUAGE plpgsql AS $$ BEGIN PERFORM note('f_out_pair'); p := ROW(7, 'seven'); END $$;
CALL try('f_out_pair()', 'SELECT f_out_pair()');
CREATE FUNCTION f_domain(d positive) RETURNS positive LANGUAGE plpgsql AS $$ BEGIN PERFORM note('f_domain'); RETURN d; END $$;
CALL try('f_domain(positive)', 'SELECT f_domain(3)');
CREATE FUNCTION f_array(a int[], b bpchar, c bit, v varchar) RETURNS bpchar LANGUAGE plpgsql AS $$ BEGIN PERFORM note('f_array'); RETURN b || a[2] || c || v; END $$;
CALL try('f_array(int[],bpchar,bit,varchar)', $$SELECT f_array('{1,2}', 'long', B'101', 'v')$$);
CREATE FUNCTION f_set(n int) RETURNS SETOF int LANGUAGE plpgsql AS $$ BEGIN PERFORM note('f_set'); RETURN QUERY SELECT generate_series(1, n); END $$;
CALL try('f_set(int)', 'SELECT array_agg(f_set) FROM f_set(3)');
CALL try('f_set(int)', 'SELECT array_agg(f_set) FROM f_set(0)');
CREATE FUNCTION f_pairs() RETURNS SETOF pair LANGUAGE plpgsql AS $$ BEGIN PERFORM note('f_pairs'); RETURN NEXT ROW(1, 'one'::text); RETURN NEXT NULL::pair; END $$;
CALL try('f_pairs()', 'SELECT array_agg(f_pairs) FROM f_pairs()');
CREATE FUNCTION f_table() RETURNS TABLE (log text, n int) LANGUAGE plpgsql AS $$ BEGIN PERFORM note('f_table'); RETURN QUERY VALUES ('a', 1), (NULL, 2); END $$;
CALL try('f_table()', 'SELECT array_agg(f_table) FROM f_table()');
CREATE FUNCTION f_table_1() RETURNS TABLE (p pair) LANGUAGE plpgsql AS $$ BEGIN PERFORM note('f_table_1'); RETURN QUERY SELECT 1, 'one'; END $$;
CALL try('f_table_1()', 'SELECT array_agg(f_table_1) FROM f_table_1()');
CREATE FUNCTION f_lines() RETURNS SETOF log LANGUAGE plpgsql AS $$ BEGIN PERFORM note('f_lines'); RETURN QUERY SELECT * FROM log; END $$;
CALL try('f_lines()', 'SELECT line FROM f_lines()');
CREATE FUNCTION f_strict(a text, b text DEFAULT 'd') RETURNS text LANGUAGE plpgsql STRICT AS $$ BEGIN PERFORM note('f_strict'); RETURN a || b; END $$;
CALL try('f_strict(text,text)', 'SELECT f_strict(NULL)');
CALL try('f_strict(text,text)', $$SELECT f_strict(b => 'b', a => 'a')$$);
CREATE FUNCTION f_sql(a int) RETURNS text LANGUAGE sql AS $$ INSERT INTO log (line) VALUES ('f_sql ' || a) RETURNING line $$;
CALL try('f_sql(int)', 'SELECT f_sql(1)');
CREATE FUNCTION f_atomic(a int) RETURNS text BEGIN ATOMIC; INSERT INTO log (line) VALUES ('f_atomic ' || a) RETURNING line; END;
CALL try('f_atomic(int)', 'SELECT f_atomic(1)');
CREATE FUNCTION log(line text) RETURNS bigint LANGUAGE sql AS $$
    INSERT INTO log (line) VALUES ('log'); SELECT count(*) FROM log WHERE log.line IS NOT NULL $$;
CALL try('log(text)', $q$SELECT log('x'::text) + 1 - 1$q$);
DROP FUNCTION log(text);
CREATE FUNCTION "F 1; --
x$wrapper$"("A""a" int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM note('odd'); RETURN "A""a"; END $$;
CALL try('"F 1; --
x$wrapper$"(int)', $$SELECT "F 1; --
x$wrapper$"(1)$$);

-- types are meant as they were when the wrapper was made, whatever the search_path
CREATE SCHEMA auto_other;
CREATE DOMAIN auto_other.text AS pg_catalog.text CHECK (value = 'of another');
CREATE DOMAIN auto_other.record AS int;
CREATE FUNCTION f_types(OUT a text, OUT b text[]) LANGUAGE plpgsql AS $$ BEGIN a := 'a'; b := '{b}'; END $$;
CREATE FUNCTION f_type() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN 'c'; END $$;
SELECT length(pg_background_autonomous('f_types()', true)) > 0, length(pg_background_autonomous('f_type()', true)) > 0;
SET search_path = auto_other, auto, public, pg_catalog;
SELECT f_types(), f_type();
SET search_path = auto, public;
DROP FUNCTION f_types, f_types_atx, f_type, f_type_atx;
DROP DOMAIN auto_other.text, auto_other.record;
DROP SCHEMA auto_other;

-- procedures, which may commit
CREATE PROCEDURE p_plain(line text) LANGUAGE plpgsql AS $$ BEGIN PERFORM note(line); END $$;
CALL try('p_plain(text)', $$CALL p_plain('plain')$$, false);
CREATE PROCEDURE p_out(a int, OUT b int) LANGUAGE plpgsql AS $$ BEGIN PERFORM note('p_out'); b := a + 1; END $$;
CALL try('p_out(int)', 'CALL p_out(1, NULL)');
CREATE PROCEDURE p_outs(OUT x pair, INOUT y int DEFAULT 3, VARIADIC z int[] DEFAULT '{}') LANGUAGE plpgsql AS $$
BEGIN PERFORM note('p_outs'); x := ROW(y, z[2]); y := y + 1; END $$;
CALL try('p_outs(int,int[])', 'CALL p_outs(NULL, 1, 2, 3)');
CALL try('p_outs(int,int[])', 'CALL p_outs(NULL)');
CREATE PROCEDURE p_commits(n int, INOUT kept int DEFAULT 0) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..n LOOP
        PERFORM note('p_commits ' || i);
        IF i % 2 = 0 THEN
            ROLLBACK;
        ELSE
            kept := kept + 1;
            COMMIT AND CHAIN;
        END IF;
    END LOOP;
END $$;
SELECT pg_background_autonomous('p_commits(int,int)', true) AS made \gset
BEGIN;
CALL p_commits(5);
ROLLBACK;
SELECT line FROM log ORDER BY id;
SELECT undo(:'made');
-- its error is the job's
CREATE PROCEDURE p_fails() LANGUAGE plpgsql AS $$ BEGIN PERFORM note('kept'); COMMIT; PERFORM note('lost'); RAISE EXCEPTION 'no' USING ERRCODE = 'ZZ001', HINT = 'none'; END $$;
SELECT pg_background_autonomous('p_fails()', true) AS made \gset
TRUNCATE log;
SELECT attempt('CALL p_fails()');
SELECT line FROM log;
DROP PROCEDURE p_fails, p_fails_atx;

-- what stays as it was
CREATE FUNCTION kept(a int) RETURNS int LANGUAGE plpgsql STABLE STRICT COST 7 SECURITY DEFINER
    SET search_path = auto, "$user", pg_temp SET work_mem = '1MB' SET temp_tablespaces = '' SET DateStyle = 'ISO, DMY' AS $$
BEGIN
    IF a = 0 THEN
        RAISE NOTICE '% % % % "%"', current_user, current_setting('search_path'), current_setting('work_mem'), current_setting('DateStyle'),
            current_setting('temp_tablespaces');
    END IF;
    RETURN a;
END $$;
REVOKE ALL ON FUNCTION kept(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION kept(int) TO regress_auto_caller WITH GRANT OPTION;
ALTER FUNCTION kept(int) OWNER TO regress_auto_owner;
COMMENT ON FUNCTION kept(int) IS 'a comment';
CREATE VIEW uses AS SELECT kept(1) AS k;
CREATE TABLE defaults (a int DEFAULT kept(2));
CREATE TABLE same (proc pg_proc, comment text);
INSERT INTO same SELECT p, obj_description(oid, 'pg_proc') FROM pg_proc p WHERE p.oid = 'kept(int)'::regprocedure;
SET client_min_messages = warning;
ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO pg_monitor;
SELECT pg_background_autonomous('kept(int)', true) ~ 'SECURITY DEFINER' AS made;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM pg_monitor;
SELECT d.key, d.value, n.value FROM same, jsonb_each_text(to_jsonb(proc)) d JOIN jsonb_each_text((SELECT to_jsonb(p) FROM pg_proc p WHERE oid = 'kept(int)'::regprocedure)) n USING (key)
 WHERE n.value IS DISTINCT FROM d.value AND key <> 'prosrc';
SELECT obj_description('kept(int)'::regprocedure, 'pg_proc') = comment AS same FROM same;
SELECT (p.proowner, p.proacl) = ((proc).proowner, (proc).proacl) AS same, p.proacl, p.prosecdef, p.proconfig, p.provolatile, p.procost FROM pg_proc p, same WHERE p.oid = 'kept_atx(int)'::regprocedure;
SET client_min_messages = notice;
SET ROLE regress_auto_caller;
SELECT kept(0);
RESET ROLE;
SELECT kept_atx(0);
SELECT * FROM uses;
INSERT INTO defaults DEFAULT VALUES RETURNING a;
DROP VIEW uses;
DROP TABLE defaults, same;


-- a procedure's SECURITY DEFINER and SET are the wrapper's alone: with them it could not commit
CREATE PROCEDURE definer(OUT who text) LANGUAGE plpgsql SECURITY DEFINER SET search_path = auto, pg_temp AS $$
BEGIN
    PERFORM note('kept');
    COMMIT;
    who := current_user || ' ' || current_setting('search_path');
    PERFORM note('lost: ' || who);
    ROLLBACK;
    PERFORM note('kept: ' || who);
END $$;
ALTER PROCEDURE definer OWNER TO regress_auto_owner;
SELECT attempt('CALL definer(NULL)');
SELECT pg_background_autonomous('definer()', true) AS made \gset
TRUNCATE log;
SELECT proname, prosecdef, proconfig FROM pg_proc WHERE proname ~ '^definer' ORDER BY proname;
SET ROLE regress_auto_caller;
BEGIN;
CALL definer(NULL);
ROLLBACK;
RESET ROLE;
SELECT line FROM log ORDER BY id;
SELECT undo(:'made');
SELECT proname, prosecdef, proconfig FROM pg_proc WHERE proname ~ '^definer' ORDER BY proname;

-- under another name
CREATE PROCEDURE base_atx(a int, INOUT b int DEFAULT 2) LANGUAGE plpgsql AS $$ BEGIN PERFORM note('base'); COMMIT; b := a + b; END $$;
REVOKE ALL ON PROCEDURE base_atx FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE base_atx TO regress_auto_caller;
SELECT pg_background_autonomous('base_atx(int,int)', true, 'base') AS made \gset
\echo :made
TRUNCATE log;
SET ROLE regress_auto_caller;
BEGIN;
CALL base(1);
ROLLBACK;
RESET ROLE;
SELECT line FROM log;
SELECT undo(:'made');
SELECT proname FROM pg_proc WHERE proname ~ '^base';

-- triggers
CREATE FUNCTION fired() RETURNS trigger LANGUAGE plpgsql STRICT AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        INSERT INTO log (line) VALUES (concat_ws(' ', TG_OP, TG_WHEN, TG_LEVEL, TG_NAME, TG_TABLE_NAME, NEW IS NULL, OLD IS NULL));
        RETURN NULL;
    END IF;
    INSERT INTO log (line) VALUES (concat_ws(' ', TG_OP, TG_WHEN, TG_LEVEL, TG_NAME, TG_RELID = 'rows'::regclass, TG_RELNAME, TG_TABLE_SCHEMA,
                                             TG_TABLE_NAME, TG_NARGS, TG_ARGV[0], TG_ARGV[1], TG_ARGV[2], '', NEW, OLD, '', NEW.a, fired.OLD."B b"));
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    NEW.a := 0;
    RETURN NEW;
END $$;
CREATE TABLE rows (gone int, a int, "B b" text DEFAULT 'it''s, ("', c int[], g int GENERATED ALWAYS AS (a + 1) STORED);
ALTER TABLE rows DROP COLUMN gone;
CREATE TABLE more (LIKE rows);
CREATE TRIGGER each AFTER INSERT OR UPDATE OR DELETE ON rows FOR EACH ROW EXECUTE FUNCTION fired('x', 'y z');
CREATE TRIGGER empties AFTER TRUNCATE ON rows EXECUTE FUNCTION fired();
CREATE TRIGGER statement AFTER UPDATE OR DELETE ON rows EXECUTE FUNCTION fired();
CREATE TRIGGER each AFTER INSERT ON more FOR EACH ROW WHEN (NEW.a > 1) EXECUTE FUNCTION fired();
CREATE PROCEDURE fire() LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO rows VALUES (1, DEFAULT, '{1,NULL}'), (2, NULL, NULL);
    UPDATE rows SET a = a + 10 WHERE a = 1;
    DELETE FROM rows WHERE a = 2;
    INSERT INTO more SELECT 1, '1' UNION SELECT 2, '2';
    TRUNCATE rows;
END $$;
TRUNCATE log;
CALL fire();
CREATE TABLE plain AS SELECT line FROM log ORDER BY id;
TRUNCATE log, more;
SELECT pg_background_autonomous('fired()', true) AS made \gset
\echo :made
BEGIN;
CALL fire();
ROLLBACK;
SELECT line FROM log ORDER BY id;
SELECT (SELECT array_agg(line ORDER BY id) FROM log) = (SELECT array_agg(line) FROM plain) AS same;
-- attached to another table, and otherwise
CREATE TRIGGER early BEFORE INSERT ON more FOR EACH ROW EXECUTE FUNCTION fired();
SELECT attempt('INSERT INTO more VALUES (1)');
DROP TRIGGER early ON more;
SELECT undo(:'made');
TRUNCATE log;
BEGIN;
CALL fire();
SELECT count(*) FROM log;
ROLLBACK;
SELECT count(*) FROM log;
SELECT refused($$'fired()', wrapper => 'other'$$);
CREATE TRIGGER late AFTER UPDATE ON more REFERENCING NEW TABLE AS n EXECUTE FUNCTION fired();
SELECT refused($$'fired()'$$);
DROP TRIGGER late ON more;
CREATE TRIGGER early BEFORE INSERT ON more FOR EACH ROW EXECUTE FUNCTION fired();
SELECT refused($$'fired()'$$);
CREATE FUNCTION event() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
SELECT refused($$'event()'$$);

-- what cannot be
CREATE FUNCTION commits_first() RETURNS void LANGUAGE plpgsql AS $$ <<a>> BEGIN
    COMMIT; ROLLBACK; END $$;
SELECT refused($$'commits_first()'$$);
CREATE FUNCTION commits() RETURNS int LANGUAGE plpgsql AS $$
-- COMMIT;
DECLARE
    "COMMIT" text := 'COMMIT;' || e'it\'s; COMMIT;' || $q$; COMMIT;$q$; /* ;
    COMMIT; */
BEGIN
    IF true THEN commit
        AND CHAIN;
    END IF;
    RETURN 1;
END $$;
SELECT refused($$'commits()'$$);
SELECT attempt('SELECT commits()');
CREATE OR REPLACE FUNCTION commits() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    RETURN 1;
EXCEPTION WHEN OTHERS THEN
    ROLLBACK;
    RAISE;
END $$;
SELECT refused($$'commits()'$$);
CREATE PROCEDURE hides() LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        PERFORM CASE WHEN true THEN 1 END;
        CASE WHEN true THEN NULL; ELSE COMMIT; END CASE;
    END;
    FOR i IN 1..1 LOOP
        COMMIT;
    END LOOP;
EXCEPTION
    WHEN OTHERS THEN ROLLBACK;
END $$;
SELECT refused($$'hides()'$$);
CREATE OR REPLACE PROCEDURE hides() LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        PERFORM CASE WHEN true THEN 1 END;
        RAISE EXCEPTION 'caught';
    EXCEPTION WHEN raise_exception THEN
        PERFORM note('handled');
        COMMIT;
    END;
    COMMIT;
END $$;
SELECT length(pg_background_autonomous('hides()', true)) > 0;
TRUNCATE log;
CALL hides();
SELECT line FROM log;
SET check_function_bodies = off;
CREATE FUNCTION pragma() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    PRAGMA AUTONOMOUS_TRANSACTION; -- PRAGMA AUTONOMOUS_TRANSACTION
BEGIN
    RETURN 1;
END $$;
RESET check_function_bodies;
SELECT refused($$'pragma()'$$);
CREATE PROCEDURE restricted() LANGUAGE plpgsql SET search_path = auto AS 'BEGIN COMMIT; END';
SELECT refused($$'restricted()', wrapper => 'free'$$);
CREATE FUNCTION any_type(a anyelement) RETURNS anyelement LANGUAGE sql AS 'SELECT a';
SELECT refused($$'any_type(anyelement)'$$);
CREATE FUNCTION any_row(a record) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
SELECT refused($$'any_row(record)'$$);
CREATE FUNCTION rows() RETURNS SETOF record LANGUAGE sql AS 'SELECT 1';
SELECT refused($$'rows()'$$);
CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int);
SELECT refused($$'total(int)'$$);
SELECT refused($$'row_number()'$$);
SELECT refused($$'lower(text)'$$);
SELECT refused($$'pg_catalog.overlay(text,text,int)'$$);
SELECT refused($$'grant_pg_background_privileges(text,bool)'$$);
CREATE FUNCTION c_add(int, int) RETURNS int LANGUAGE internal AS 'int4pl';
SELECT refused($$'c_add(int,int)'$$);
SELECT refused($$NULL$$);
SELECT refused($$'4294967295'$$);
CREATE FUNCTION a23456789012345678901234567890123456789012345678901234567890() RETURNS int LANGUAGE sql AS 'SELECT 1';
SELECT refused($$'a23456789012345678901234567890123456789012345678901234567890()'$$);
SELECT pg_background_autonomous('a23456789012345678901234567890123456789012345678901234567890()', true, 'short') IS NOT NULL;
SELECT short();
SELECT refused($$'audit_atx(text,int)', wrapper => 'audit'$$);
CREATE FUNCTION fired_atx(anyelement, anyelement, text, text, text, name, oid, name, name, name, int, text[]) RETURNS int LANGUAGE sql AS 'SELECT 1';
DROP TRIGGER early ON more;
SELECT refused($$'fired()'$$);
-- an overload is another function
CREATE FUNCTION audit(line text) RETURNS text LANGUAGE sql AS 'SELECT line';
SELECT length(pg_background_autonomous('audit(text)', true)) > 0;
DROP FUNCTION audit(text), audit_atx(text);

-- whose it may be
SET ROLE regress_auto_caller;
SELECT refused($$'note(text[])'$$);
RESET ROLE;
ALTER FUNCTION note OWNER TO regress_auto_owner;
GRANT regress_auto_owner TO regress_auto_caller;
SET ROLE regress_auto_caller;
SELECT length(pg_background_autonomous('note(text[])', true)) > 0;
BEGIN;
SELECT note('by the caller');
ROLLBACK;
RESET ROLE;
SELECT proname, proowner::regrole, proacl FROM pg_proc WHERE proname ~ '^note' ORDER BY 1;
SELECT line FROM log ORDER BY id DESC LIMIT 1;
REVOKE ALL ON FUNCTION pg_background_autonomous FROM pgbackground_role;
SET ROLE regress_auto_caller;
SELECT refused($$'note(text[])'$$);
RESET ROLE;

SET client_min_messages = warning;
DROP SCHEMA auto CASCADE;
RESET search_path;
DROP ROLE regress_auto_owner, regress_auto_caller;
\i regress/sql/include/cleanup.sql
