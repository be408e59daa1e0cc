-- pg_background_autonomous, called by a superuser for routines whose owners mean no good, and wrappers that others call.
\i regress/sql/include/helpers.sql
SET statement_timeout = '120s'; -- rather than hang
CREATE ROLE regress_rights_owner;
CREATE ROLE regress_rights_other;
GRANT pgbackground_role TO regress_rights_owner;
CREATE SCHEMA rights AUTHORIZATION regress_rights_owner;
CREATE SCHEMA other AUTHORIZATION regress_rights_other;
GRANT USAGE ON SCHEMA rights, other TO PUBLIC;
CREATE TABLE ran (n int GENERATED ALWAYS AS IDENTITY, what text, as_whom text DEFAULT current_user);
GRANT SELECT, INSERT ON ran TO PUBLIC;
\pset format unaligned
\pset tuples_only on

-- The text is SQL that the caller runs, with names and settings in it that the owner has chosen.
SET ROLE regress_rights_other;
SET check_function_bodies = off;
-- the copy's name ends its body
CREATE FUNCTION other."a$function$;alter role regress_rights_other superuser--"(x int) RETURNS void LANGUAGE plpgsql
    AS E'begin "A$FUNCTION$;alter role regress_rights_other superuser--".x \n--';
CREATE FUNCTION other."b$function$;alter role regress_rights_other superuser--"(x int) RETURNS int LANGUAGE plpgsql
    AS E'begin return "b$function$;alter role regress_rights_other superuser--".x; end --';
-- a name in the copy that looks as if the routine's were in it
CREATE FUNCTION other.";end;alter role regress_rights_other superuser;--"(x int) RETURNS int
    BEGIN ATOMIC SELECT 1 AS "z ;end;alter role regress_rights_other superuser;--.x"; SELECT x; END;
-- a setting as its user has typed it
CREATE FUNCTION other.settings() RETURNS text LANGUAGE plpgsql AS $$BEGIN RETURN current_setting('search_path'); END$$;
SET search_path = 'public/**/as/**/$$$$;alter/**/role/**/regress_rights_other/**/superuser;create/**/function/**/f()/**/returns/**/int/**/language/**/sql';
ALTER FUNCTION other.settings() SET search_path FROM CURRENT;
RESET search_path;
CREATE FUNCTION other.more_settings() RETURNS text LANGUAGE plpgsql SET search_path = 'a "b', "c, d", pg_catalog, '' SET temp_tablespaces = ''
    AS $$BEGIN RETURN current_setting('search_path') || '; ' || current_setting('temp_tablespaces'); END$$;
RESET check_function_bodies;
SET standard_conforming_strings = off;
CREATE FUNCTION other.strings(x text DEFAULT E'\\''') RETURNS text LANGUAGE plpgsql AS $$ BEGIN /* x */ RETURN strings.x; -- '
    END $$;
RESET ROLE;
SELECT 'made' FROM pg_proc p, pg_background_autonomous(p.oid, true) WHERE pronamespace = 'other'::regnamespace ORDER BY proname;
RESET standard_conforming_strings;
SELECT rolsuper FROM pg_roles WHERE rolname = 'regress_rights_other';
SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'other'::regnamespace AND proname LIKE '%\_atx' AND prosrc <> '' ORDER BY 1;
SELECT proname, count(*), count(DISTINCT proconfig::text) FROM (SELECT regexp_replace(proname, '_atx$', '') AS proname, proconfig FROM pg_proc WHERE pronamespace = 'other'::regnamespace) p
    WHERE proconfig IS NOT NULL GROUP BY 1 ORDER BY 1;
SELECT other."b$function$;alter role regress_rights_other superuser--"(7), other.";end;alter role regress_rights_other superuser;--"(8), other.more_settings(), other.strings();

-- A SECURITY DEFINER trigger function: the row is of a table of somebody else, with code in its type.
SET ROLE regress_rights_owner;
CREATE FUNCTION rights.fired() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$BEGIN INSERT INTO public.ran (what) VALUES (concat_ws(' ', TG_OP, TG_LEVEL, TG_NAME)); RETURN NULL; END$$;
SELECT pg_background_autonomous('rights.fired()', true) ~ 'SECURITY DEFINER' AS made;
SET ROLE regress_rights_other;
CREATE FUNCTION other.checks(x int) RETURNS bool LANGUAGE plpgsql AS $$BEGIN INSERT INTO public.ran (what) VALUES ('a domain'); RETURN true; END$$;
CREATE DOMAIN other.checked AS int CHECK (other.checks(value));
CREATE TABLE other.rows (a other.checked, b text, c int);
ALTER TABLE other.rows DROP COLUMN c;
CREATE FUNCTION other.to_text(other.rows) RETURNS text LANGUAGE plpgsql AS $$BEGIN INSERT INTO public.ran (what) VALUES ('a cast'); RETURN '(1,)'; END$$;
CREATE CAST (other.rows AS text) WITH FUNCTION other.to_text(other.rows);
CREATE FUNCTION other.of_text(text) RETURNS other.rows LANGUAGE plpgsql AS $$BEGIN INSERT INTO public.ran (what) VALUES ('a cast'); RETURN NULL; END$$;
CREATE CAST (text AS other.rows) WITH FUNCTION other.of_text(text);
CREATE TRIGGER each AFTER INSERT OR UPDATE OR DELETE ON other.rows FOR EACH ROW EXECUTE FUNCTION rights.fired();
CREATE TRIGGER statement AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON other.rows EXECUTE FUNCTION rights.fired();
INSERT INTO other.rows VALUES (1, repeat('long ', 10000));
UPDATE other.rows SET b = 'short';
DELETE FROM other.rows;
TRUNCATE other.rows;
-- a temporary table, which the job cannot read
CREATE TEMP TABLE brief (n int);
CREATE TRIGGER each_brief AFTER INSERT ON brief FOR EACH ROW EXECUTE FUNCTION rights.fired();
INSERT INTO brief VALUES (1);
RESET ROLE;
SELECT what, as_whom FROM ran ORDER BY n;

-- What a SECURITY DEFINER routine may is its wrapper's alone.
SET ROLE regress_rights_owner;
CREATE FUNCTION rights.who() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN current_user; END';
SELECT pg_background_autonomous('rights.who()', true) ~ 'SECURITY DEFINER' AS made;
SET ROLE regress_rights_other;
SELECT rights.who(), rights.who_atx();
RESET ROLE;

SET client_min_messages = warning;
DROP OWNED BY regress_rights_owner, regress_rights_other CASCADE;
DROP TABLE ran;
DROP ROLE regress_rights_owner, regress_rights_other;
\i regress/sql/include/cleanup.sql
