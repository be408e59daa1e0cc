-- Jobs in another database of the cluster.  This file is ASCII: other characters are made by number.
\set ECHO none
SET client_min_messages = warning;
DROP DATABASE IF EXISTS regress_pgbg_here;
DROP DATABASE IF EXISTS regress_pgbg_other;
DROP DATABASE IF EXISTS regress_pgbg_closed;
DROP DATABASE IF EXISTS regress_pgbg_latin1;
DROP DATABASE IF EXISTS regress_pgbg_any;
SELECT current_database() AS home \gset
CREATE DATABASE regress_pgbg_here TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
CREATE DATABASE regress_pgbg_other TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c regress_pgbg_here
\i regress/sql/include/helpers.sql

-- what a job in that database returns, as one text; the second argument says how it is declared
CREATE FUNCTION there(sql text, declared text DEFAULT 't text', place name DEFAULT 'regress_pgbg_other') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    h public.pg_background_handle;
    answer text;
BEGIN
    h := public.pg_background_start(sql, database => place);
    EXECUTE format('SELECT string_agg(r::text, %L) FROM public.pg_background_result_v2($1, $2) AS r (%s)', ' ', declared)
       INTO answer USING h.pid, h.cookie;
    RETURN answer;
END
$$;

--
-- where it runs
--
SELECT there('SELECT current_database()::text');
SELECT there('SELECT current_database()::text', place => 'regress_pgbg_here');
SELECT there('CREATE TABLE t (id int, note text)');
SELECT there($$INSERT INTO t VALUES (1, 'one'), (2, NULL) RETURNING id, note$$, 'id int, note text');
SELECT there('SELECT count(*)::text FROM t');
SELECT to_regclass('t') IS NULL AS not_here;
-- neither the extension nor its functions are there
SELECT there($$SELECT count(*)::text FROM pg_extension WHERE extname = 'pg_background'$$);
-- it is a job like others: state, error with its position, messages, cancel
SELECT attempt($$SELECT there('SELECT nothing')$$);
\set VERBOSITY default
SELECT there($$DO 'BEGIN RAISE NOTICE ''from %'', current_database(); END'$$);
SELECT pid, cookie FROM pg_background_start('SELECT pg_sleep(600)', database => 'regress_pgbg_other') \gset
CALL until_waits(:pid, 'PgSleep');
SELECT datname FROM pg_stat_activity WHERE pid = :pid;
SET client_min_messages = warning;
SELECT datname, state, query FROM pg_stat_background WHERE cookie = :cookie;
SELECT pg_background_cancel_v2(:pid, :cookie);
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT state, last_error FROM jobs;
SELECT datname, state, sqlstate FROM pg_background_history WHERE cookie = :cookie;
RESET client_min_messages;
SELECT pg_background_detach_v2(:pid, :cookie);
-- rolled back by itself, committed by itself
BEGIN;
SELECT there('INSERT INTO t VALUES (3)');
ROLLBACK;
SELECT there('SELECT count(*)::text FROM t');

--
-- whether it may
--
SELECT attempt($$SELECT there('SELECT 1', place => 'no such database')$$);
SELECT attempt($$SELECT there('SELECT 1', place => '')$$);
SELECT attempt($$SELECT there('SELECT 1', place => 'template0')$$);
SELECT there('SELECT current_database()::text', place => 'template1');
CREATE DATABASE regress_pgbg_closed TEMPLATE template0 ALLOW_CONNECTIONS false;
SELECT attempt($$SELECT there('SELECT 1', place => 'regress_pgbg_closed')$$);
DROP DATABASE regress_pgbg_closed;
CREATE ROLE regress_pgbg_db_user;
CREATE ROLE regress_pgbg_db_owner;
GRANT pgbackground_role TO regress_pgbg_db_user, regress_pgbg_db_owner;
REVOKE CONNECT ON DATABASE regress_pgbg_other FROM PUBLIC;
-- the session user
SET SESSION AUTHORIZATION regress_pgbg_db_user;
SELECT attempt($$SELECT there('SELECT 1')$$);
SELECT there('SELECT current_database()::text', place => 'regress_pgbg_here');
RESET SESSION AUTHORIZATION;
-- SET ROLE needs nothing: the session user could do it there
SET ROLE regress_pgbg_db_user;
SELECT there('SELECT current_user::text');
SELECT attempt($$SELECT there('SELECT * FROM t')$$);
RESET ROLE;
GRANT CONNECT ON DATABASE regress_pgbg_other TO regress_pgbg_db_user;
SET SESSION AUTHORIZATION regress_pgbg_db_user;
SELECT there('SELECT session_user || '' '' || current_user');
RESET SESSION AUTHORIZATION;
-- the owner of a SECURITY DEFINER function must have the right, as well as its caller
CREATE FUNCTION definer(sql text) RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'SELECT public.there(sql)';
ALTER FUNCTION definer(text) OWNER TO regress_pgbg_db_owner;
CREATE FUNCTION of_superuser(sql text) RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT public.there(sql)';
SET SESSION AUTHORIZATION regress_pgbg_db_user;
SELECT attempt($$SELECT definer('SELECT 1')$$);
RESET SESSION AUTHORIZATION;
REVOKE CONNECT ON DATABASE regress_pgbg_other FROM regress_pgbg_db_user;
GRANT CONNECT ON DATABASE regress_pgbg_other TO regress_pgbg_db_owner;
SET SESSION AUTHORIZATION regress_pgbg_db_user;
SELECT attempt($$SELECT definer('SELECT 1')$$);
SELECT attempt($$SELECT of_superuser('SELECT 1')$$);
RESET SESSION AUTHORIZATION;
GRANT CONNECT ON DATABASE regress_pgbg_other TO regress_pgbg_db_user;
SET SESSION AUTHORIZATION regress_pgbg_db_user;
SELECT definer('SELECT session_user || '' '' || current_user');
-- and is confined as the function is
SELECT attempt($$SELECT definer('SET ROLE regress_pgbg_db_user')$$);
SELECT of_superuser('SELECT session_user || '' '' || (current_user = session_user)::text');
RESET SESSION AUTHORIZATION;
-- what is read of a parameter there, with the check of a domain, is read as the owner too
CREATE FUNCTION is_owner(text) RETURNS bool LANGUAGE sql AS $$SELECT current_user = 'regress_pgbg_db_owner'$$;
CREATE DOMAIN for_owner AS text CHECK (is_owner(value));
SELECT there($q$CREATE FUNCTION is_owner(text) RETURNS bool LANGUAGE sql AS $$SELECT current_user = 'regress_pgbg_db_owner'$$$q$);
SELECT there('CREATE DOMAIN for_owner AS text CHECK (is_owner(value))');
CREATE FUNCTION definer_with_parameter() RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    AS $$SELECT public.pg_background_exec('SELECT $1', ROW('x'::public.for_owner), database => 'regress_pgbg_other')$$;
ALTER FUNCTION definer_with_parameter() OWNER TO regress_pgbg_db_owner;
SELECT definer_with_parameter();
GRANT CONNECT ON DATABASE regress_pgbg_other TO PUBLIC;

--
-- settings: what the session has set goes along, what the database has set is its own
--
ALTER DATABASE regress_pgbg_here SET work_mem = '7MB';
ALTER DATABASE regress_pgbg_here SET search_path = here;
ALTER DATABASE regress_pgbg_other SET work_mem = '9MB';
ALTER DATABASE regress_pgbg_other SET lock_timeout = '9s';
ALTER DATABASE regress_pgbg_other SET x.origin = 'there';
\c -
SELECT current_setting('work_mem'), current_setting('search_path');
CREATE FUNCTION public.settings_there(VARIADIC names text[]) RETURNS text LANGUAGE sql AS
    $$SELECT public.there('SELECT ' || (SELECT string_agg(format('current_setting(%L, true)', n), ' || '', '' || ') FROM unnest(names) n))$$;
SELECT public.settings_there('work_mem', 'lock_timeout', 'search_path', 'x.origin');
SET work_mem = '11MB';
SET lock_timeout = '11s';
SET search_path = public;
SET x.origin = 'here';
SET x.own = 'own';
SELECT settings_there('work_mem', 'lock_timeout', 'search_path', 'x.origin', 'x.own');
-- RESET gives what it gives in a session there
SELECT there('RESET work_mem; RESET lock_timeout; RESET search_path; RESET x.origin; SELECT current_setting(''work_mem'') || current_setting(''lock_timeout'') || current_setting(''search_path'') || current_setting(''x.origin'')');
-- SET LOCAL and the SET of a function count
BEGIN;
SET LOCAL work_mem = '13MB';
SELECT settings_there('work_mem');
COMMIT;
SELECT settings_there('work_mem', 'x.origin');
RESET ALL;
SET search_path = public;
SELECT settings_there('work_mem', 'lock_timeout', 'search_path', 'x.origin', 'x.own');
-- what is no value there stays what it is there
CREATE TEXT SEARCH CONFIGURATION here_only (COPY = english);
SET default_text_search_config = 'public.here_only';
SELECT settings_there('default_text_search_config');
RESET default_text_search_config;
-- a SET in a job is gone with it
SELECT there('SET work_mem = ''17MB''');
SELECT settings_there('work_mem');
ALTER DATABASE regress_pgbg_here RESET ALL;
ALTER DATABASE regress_pgbg_other RESET ALL;
\c -

--
-- types
--
SELECT there($$SELECT 1, 2.50::numeric(5,2), 'x'::varchar(3), now() - now(), ARRAY[1,2], '[1,3)'::int4range, '{"a": 1}'::jsonb, ARRAY['a','b']$$,
             'a int, b numeric(5,2), c varchar(3), d interval, e int[], f int4range, g jsonb, h text[]');
SELECT attempt($$SELECT there('SELECT 1', 't text')$$);
SELECT attempt($$SELECT there('SELECT 1::bigint', 't int')$$);
-- types of users: the same in both databases, of the same name but otherwise different, and only there
\c regress_pgbg_other
CREATE TABLE filler (a int, b text);
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE pair AS (a int, m mood);
CREATE DOMAIN positive AS int CHECK (value > 0);
CREATE TYPE span AS RANGE (subtype = date);
CREATE TYPE swapped AS (a int, b int);
CREATE TYPE kind AS ENUM ('x');
CREATE TYPE lonely AS (a int, b text);
CREATE DOMAIN lonely_number AS numeric(6,2);
CREATE TYPE wider AS (a int, b text);
CREATE SCHEMA apart;
CREATE TYPE apart.mood AS ENUM ('good');
CREATE TYPE more AS ENUM ('one', 'two');
\c regress_pgbg_here
CREATE TYPE mood AS ENUM ('happy', 'sad', 'ok');
CREATE TYPE pair AS (a int, m mood);
CREATE DOMAIN positive AS int CHECK (value > 0);
CREATE TYPE span AS RANGE (subtype = date);
CREATE TYPE swapped AS (b int, a int);
CREATE DOMAIN kind AS text;
CREATE TYPE wider AS (a int, b text, c int);
CREATE TYPE more AS ENUM ('one');
SELECT there($$SELECT 'ok'::mood, ARRAY['happy','sad']::mood[], NULL::mood$$, 'a mood, b mood[], c mood');
SELECT there($$SELECT ROW(1, 'sad')::pair, ARRAY[ROW(2, NULL)::pair]$$, 'a pair, b pair[]');
SELECT there($$SELECT 5::positive, ARRAY[6]::positive[]$$, 'a positive, b positive[]');
SELECT there($$SELECT 5::positive$$, 'a int');
SELECT there($$SELECT span('2026-01-02', '2026-03-04')$$, 'a span');
SELECT attempt($$SELECT there('SELECT ''ok''::mood', 'a text')$$);
-- these are text here
SELECT there($$SELECT ROW(1, 2)::swapped, 'x'::kind, ROW(1, 'two')::lonely, ROW(3, 'four')::wider, 'good'::apart.mood, ARRAY[ROW(5, 'six')::lonely]$$,
             'a text, b text, c text, d text, e text, f text');
SELECT attempt($$SELECT there('SELECT ROW(1, 2)::swapped', 'a swapped')$$);
-- a domain whose check is that of a domain here runs it only for a caller who declares it
CREATE FUNCTION checked(int) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE NOTICE 'checked'; RETURN true; END $$;
CREATE DOMAIN watched AS int CHECK (checked(value));
SELECT there('CREATE DOMAIN watched AS int');
SELECT there('SELECT 7::watched, ARRAY[8]::watched[]', 'a int, b int[]');
SELECT there('SELECT 7::watched, ARRAY[8]::watched[]', 'a watched, b watched[]');
SELECT there('DROP DOMAIN positive; CREATE DOMAIN positive AS int');
SELECT attempt($$SELECT there('SELECT (-1)::positive', 'a positive')$$);
SELECT there('SELECT (-1)::positive', 'a int');
-- so do ranges
SELECT there($$SELECT span('2026-01-02', '2026-03-04')$$, 'a text');
-- of a domain that is not here, the type beneath
SELECT there($$SELECT 5.5::lonely_number, ARRAY[1, 2.25]::lonely_number[]$$, 'a numeric, b numeric[]');
-- a label that is not here
SELECT attempt($$SELECT there('SELECT ''two''::more', 'a more')$$);
SELECT there($$SELECT 'one'::more$$, 'a more');
-- tables' rows
SELECT there($$SELECT f FROM (VALUES (1, 'x')) v (a, b), LATERAL (SELECT ROW(v.a, v.b)::filler) s (f)$$, 'f text');
-- names of objects are names, numbers are numbers
SELECT there($$SELECT 't'::regclass, ARRAY['t', 'pg_class']::regclass[], 'int4pl'::regproc, 'pg_catalog.int4'::regtype$$, 'a text, b text[], c text, d text');
SELECT attempt($$SELECT there('SELECT ''pg_class''::regclass', 'a regclass')$$);
SELECT there($$SELECT 'pg_class'::regclass::oid, 'regress_pgbg_db_user'::regrole$$, 'a oid, b regrole');
SELECT there('SELECT conbin FROM pg_constraint WHERE conbin IS NOT NULL LIMIT 1', 'a text') LIKE '%{%' AS is_a_tree;
-- records and pseudo-types
SELECT there($$SELECT ROW(1, 'x')$$, 'a text');
-- the styles of the job do not matter
SET lc_monetary = 'C';
SELECT there($$SET DateStyle = 'SQL, DMY'; SET IntervalStyle = 'sql_standard'; SELECT span('2026-01-02', '2026-03-04'), '1 day -2 hours'::interval$$, 'a span, b interval');
-- many rows, long ones, NULLs
SELECT count(*), sum(length(x)), count(m), min(m)
  FROM pg_background_start($$SELECT CASE WHEN i % 3 > 0 THEN ((ARRAY['sad','ok'])[i % 3])::mood END, repeat('x', i) FROM generate_series(1, 3000) i$$,
                           database => 'regress_pgbg_other') h,
       pg_background_result_v2(h.pid, h.cookie) AS (m mood, x text);
SELECT length(there($$SELECT ROW(1, repeat('y', 3000000))::lonely$$, 't text'));

-- row types within row types: their columns are not described without end
SELECT string_agg(format('CREATE TYPE nest%s AS (%s)', level, (SELECT string_agg(format('c%s %s', i, type), ', ') FROM generate_series(1, 60) i)), '; ') AS nest
  FROM (VALUES (0, 'int'), (1, 'nest0'), (2, 'nest1')) AS v (level, type) \gset
:nest;
SELECT there(:'nest');
SELECT attempt($$SELECT pg_background_exec('SELECT $1 IS NULL', ROW(NULL::nest2), database => 'regress_pgbg_other')$$);
SELECT attempt($$SELECT pg_background_exec('SELECT $1 IS NULL', ROW(NULL::nest1), database => 'regress_pgbg_other')$$);
-- all parameters count
SELECT attempt(format('SELECT pg_background_exec(''SELECT $30 IS NULL'', ROW(%s), database => ''regress_pgbg_other'')',
                      (SELECT string_agg('NULL::nest1', ', ') FROM generate_series(1, 30))));
SELECT attempt($$SELECT there('SELECT NULL::nest2')$$);
SELECT there('SELECT NULL::nest1', 'a nest1');
-- all columns count
SELECT attempt(format('SELECT there(%L)', 'SELECT ' || (SELECT string_agg('NULL::nest1', ', ') FROM generate_series(1, 30))));
-- a type of this database that is not described is not the same
SELECT there('DROP TYPE nest2; CREATE TYPE nest2 AS (a int)');
SELECT there('SELECT ROW(1)::nest2');
DROP TYPE nest2, nest1, nest0;

--
-- the readers of 3.0
--
SELECT pg_background_exec('INSERT INTO t VALUES (4)', database => 'regress_pgbg_other');
SELECT attempt($$SELECT pg_background_exec('INSERT INTO t VALUES (1/0)', database => 'regress_pgbg_other')$$);
SELECT * FROM pg_background_query($$SELECT 'sad'::mood, 5, ROW(1, 2)::swapped, 7::watched, '[1,3)'::int4range$$, database => 'regress_pgbg_other')
    AS (m mood, n bigint, s text, w numeric, r text);
SELECT * FROM pg_background_query_as(NULL::pair, $$SELECT 1, 'sad'::mood$$, database => 'regress_pgbg_other');
SELECT * FROM pg_background_query_json($$SELECT 'sad'::mood AS m, ROW(1, 'ok')::pair AS p, 7::watched AS w, ROW(1, 2)::swapped AS s,
    't'::regclass AS r, ARRAY['ok']::mood[] AS a, NULL::mood AS z, span('2026-01-02', '2026-03-04') AS d, '{"x": [1]}'::jsonb AS j$$,
    database => 'regress_pgbg_other') AS j;
SELECT c.* FROM pg_background_start($$SELECT 'sad'::mood AS m, ROW(1, 'ok')::pair AS p, 7::watched AS w, ROW(1, 2)::swapped AS s, 't'::regclass AS r$$,
                                    database => 'regress_pgbg_other') h, pg_background_columns(h) c;
SELECT pg_background_detach_v2(pid, cookie) FROM jobs WHERE sql_preview ~ 'sad.*AS m, ROW';
-- each statement by itself
SELECT pg_background_exec('VACUUM t; CREATE INDEX CONCURRENTLY t_id ON t (id); VACUUM t', autocommit => true, database => 'regress_pgbg_other');
-- settings of the job, in a schema that is only there
SELECT * FROM pg_background_query('SELECT ''good''::mood', settings => '{"search_path": "apart"}', database => 'regress_pgbg_other') AS (m text);

--
-- parameters
--
SELECT * FROM pg_background_query('SELECT $1, $2, $3, $4, $5, $6, $7', database => 'regress_pgbg_other',
    params => ROW('sad'::mood, ROW(1, 'ok')::pair, 5::watched, DATE '2026-02-03', '[2026-02-03,2026-03-04)'::daterange, 'x', ARRAY['ok']::mood[]))
    AS (m mood, p pair, n int, d date, r daterange, t text, a mood[]);
SELECT * FROM pg_background_query('SELECT pg_typeof($1), pg_typeof($2), pg_typeof($3), pg_typeof($4), $1, $4, $5', database => 'regress_pgbg_other',
    params => ROW(ROW(1, 2)::swapped, 'x'::kind, NULL::mood, 'pg_class'::regclass, 5.5::numeric(4,2)))
    AS (a text, b text, c text, d text, e text, f text, n numeric);
-- types that every database has, as they are stored or as text
SELECT * FROM pg_background_query('SELECT pg_typeof($1), $1, pg_typeof($2), $2, pg_typeof($3), $3, pg_typeof($4), $4, pg_typeof($5), $5, pg_typeof($6), $6',
    database => 'regress_pgbg_other', params => ROW('[0:1]={1,NULL}'::int[], '{[1,3)}'::int4multirange, ARRAY[point '(1,2)'], '1 2'::oidvector,
    7::information_schema.cardinal_number, '[1.50,2)'::numrange))
    AS (t1 text, v1 text, t2 text, v2 text, t3 text, v3 text, t4 text, v4 text, t5 text, v5 text, t6 text, v6 text) \gx
SELECT * FROM pg_background_query('SELECT pg_typeof($1), $1, pg_typeof($2), $2, pg_typeof($3), $3, pg_typeof($4), $4, pg_typeof($5), $5, pg_typeof($6), $6',
    database => 'regress_pgbg_other', params => ROW(ARRAY['x'::name], ARRAY['pg_class'::regclass], 'x'::"char", '{"a": "b"}'::jsonb, 'YES'::information_schema.yes_or_no, B'101'))
    AS (t1 text, v1 text, t2 text, v2 text, t3 text, v3 text, t4 text, v4 text, t5 text, v5 text, t6 text, v6 text) \gx
SELECT there($$ALTER TYPE mood RENAME VALUE 'happy' TO 'glad'$$);
SELECT attempt($$SELECT pg_background_exec('SELECT $1', ROW('happy'::mood), database => 'regress_pgbg_other')$$);
SELECT there($$ALTER TYPE mood RENAME VALUE 'glad' TO 'happy'$$);

--
-- encodings
--
CREATE DATABASE regress_pgbg_latin1 TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C';
CREATE DATABASE regress_pgbg_any TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C';
CREATE FUNCTION latin1(sql text, declared text DEFAULT 't text') RETURNS text LANGUAGE sql AS
    $$SELECT there(sql, declared, 'regress_pgbg_latin1')$$;
-- the text of the job, and its rows
SELECT latin1($$SELECT '$$ || chr(228) || $$'::text || chr(246)$$) = '(' || chr(228) || chr(246) || ')' AS same;
SELECT latin1($$SELECT ascii('$$ || chr(228) || $$'), octet_length('$$ || chr(228) || $$')$$, 'a int, b int');
SELECT latin1($$SELECT chr(228)::text, chr(228)::varchar(5), chr(228)::name, to_jsonb(chr(228)), ARRAY[chr(228)], 1, 2.5, '\xe4'::bytea, DATE '2026-01-02'$$,
              'a text, b varchar(5), c name, d jsonb, e text[], f int, g numeric, h bytea, i date') =
       format('(%1$s,%1$s,%1$s,"""%1$s""",{%1$s},1,2.5,"\\xe4",2026-01-02)', chr(228)) AS same;
SELECT count(*) FROM pg_background_query('COPY (SELECT chr(228), 1) TO STDOUT (FORMAT csv)', database => 'regress_pgbg_latin1') AS (line text) WHERE line = chr(228) || ',1';
SELECT count(*) FROM pg_background_query('COPY (SELECT chr(228)) TO STDOUT (FORMAT csv, ENCODING ''UTF8'')', database => 'regress_pgbg_latin1') AS (line text) WHERE line = chr(228);
SELECT * FROM pg_background_query('COPY (SELECT chr(228)) TO STDOUT (FORMAT binary)', database => 'regress_pgbg_latin1') AS (data bytea);
-- what LATIN1 lacks
SELECT replace(attempt, chr(8364), 'euro') FROM attempt(format('SELECT latin1(%L)', $$SELECT '$$ || chr(8364) || $$'::text$$));
-- names, types, messages and errors
SELECT latin1($$CREATE TYPE "t$$ || chr(228) || $$" AS ENUM ('$$ || chr(246) || $$')$$);
DO $$ BEGIN EXECUTE format('CREATE TYPE %I AS ENUM (%L)', 't' || chr(228), chr(246)); END $$;
SELECT latin1($$SELECT '$$ || chr(246) || $$'::"t$$ || chr(228) || '"', 'a "t' || chr(228) || '"') = '(' || chr(246) || ')' AS same;
SELECT replace(attempt, chr(228), 'ae') FROM attempt(format('SELECT latin1(%L)', 'SELECT * FROM "' || chr(228) || '"'));
SELECT replace(attempt, chr(228), 'ae') FROM attempt(format('SELECT latin1(%L)', $$DO 'BEGIN RAISE EXCEPTION ''%'', ''$$ || chr(228) || $$'' USING DETAIL = chr(228); END'$$));
SELECT pg_background_query_json($$SELECT '$$ || chr(228) || $$' AS "$$ || chr(246) || '"', database => 'regress_pgbg_latin1') =
       jsonb_build_object(chr(246), chr(228)) AS same;
-- parameters
SELECT * FROM pg_background_query('SELECT $1 = chr(228), octet_length($2), pg_typeof($2)', ROW(chr(228), chr(246)::varchar), database => 'regress_pgbg_latin1')
    AS (same bool, bytes int, type text);
SELECT replace(attempt, chr(8364), 'euro') FROM attempt($$SELECT pg_background_exec('SELECT $1', ROW(chr(8364)), database => 'regress_pgbg_latin1')$$);
-- settings of the job
SELECT latin1($$SELECT current_setting('x.text', true)$$) = '()' AS none;
SELECT * FROM pg_background_query('SELECT current_setting(''x.text'') = chr(228)', settings => jsonb_build_object('x.text', chr(228)),
                                  database => 'regress_pgbg_latin1') AS (same bool);
-- settings
SELECT set_config('x.text', chr(228), false) = chr(228) AS same;
SELECT latin1($$SELECT current_setting('x.text')$$) = '(' || chr(228) || ')' AS same;
SELECT set_config('x.text', chr(8364), false) = chr(8364) AS same;
SELECT replace(attempt, chr(8364), 'euro') FROM attempt('SELECT latin1(''SELECT 1'')');
RESET x.text;
-- any bytes: those that are no text here are refused, in messages they become ?
SELECT there($$SELECT convert_from('\xc3a4', 'SQL_ASCII')$$, 't text', 'regress_pgbg_any') = '(' || chr(228) || ')' AS same;
SELECT attempt($x$SELECT there($$SELECT convert_from('\xe4', 'SQL_ASCII')$$, 't text', 'regress_pgbg_any')$x$);
SELECT attempt($x$SELECT there($$DO 'BEGIN RAISE EXCEPTION ''%'', convert_from(''\xe4'', ''SQL_ASCII''); END'$$, 't text', 'regress_pgbg_any')$x$);

--
SELECT count(*) AS left_behind FROM jobs;
\c :home
\set ECHO none
SET client_min_messages = warning;
DROP DATABASE regress_pgbg_here;
DROP DATABASE regress_pgbg_other;
DROP DATABASE regress_pgbg_latin1;
DROP DATABASE regress_pgbg_any;
REVOKE pgbackground_role FROM regress_pgbg_db_user, regress_pgbg_db_owner;
DROP ROLE regress_pgbg_db_user, regress_pgbg_db_owner;
DROP ROLE pgbackground_role;
