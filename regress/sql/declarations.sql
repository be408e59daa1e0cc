-- The declarations of the exported functions: those of a release are served, all others refused.
SET client_min_messages = warning;
CREATE EXTENSION pg_background;
\set SHOW_CONTEXT never

CREATE SCHEMA declarations;
SET search_path = declarations, public;
CREATE TYPE handle AS (pid int, cookie bigint);
CREATE TYPE swapped_handle AS (cookie bigint, pid int);
CREATE TYPE narrow_handle AS (pid int, cookie int);
CREATE TYPE short_handle AS (pid int);
CREATE TYPE long_handle AS (pid int, cookie bigint, label text);
CREATE TYPE renamed_handle AS (pid int, cooky bigint);
CREATE TYPE shrunk_handle AS (pid int, label text, cookie bigint);
ALTER TYPE shrunk_handle DROP ATTRIBUTE label;
CREATE DOMAIN handle_domain AS handle;
CREATE DOMAIN int_domain AS int;

-- what becomes of a call; nothing is left of it and its function
CREATE FUNCTION attempt(definition text, call text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE definition;
    BEGIN
        EXECUTE call;
    EXCEPTION WHEN invalid_function_definition THEN
        IF sqlerrm ~ '^declaration of function \S+\(.*\) does not match C function "pg_background_\w+"$' THEN
            RAISE EXCEPTION 'refused';
        END IF;
        RAISE;
    END;
    RAISE EXCEPTION 'served';
EXCEPTION WHEN OTHERS THEN
    RETURN sqlerrm;
END
$$;

-- the forms that are served
CREATE TABLE form (symbol text, arguments text[], result text, strict text);
INSERT INTO form VALUES
    ('pg_background_launch', '{text,int4}', 'int4', 'STRICT'),
    ('pg_background_launch', '{text,int4}', 'handle', 'STRICT'),
    ('pg_background_result', '{int4}', 'SETOF record', 'STRICT'),
    ('pg_background_result', '{int4,int8}', 'SETOF record', 'STRICT'),
    ('pg_background_detach', '{int4}', 'void', 'STRICT'),
    ('pg_background_detach', '{int4,int8}', 'void', 'STRICT'),
    ('pg_background_launch_v2', '{text,int4}', 'handle', 'STRICT'),
    ('pg_background_submit_v2', '{text,int4}', 'handle', 'STRICT'),
    ('pg_background_result_v2', '{int4,int8}', 'SETOF record', 'STRICT'),
    ('pg_background_detach_v2', '{int4,int8}', 'void', 'STRICT'),
    ('pg_background_cancel_v2', '{int4,int8}', 'void', 'STRICT'),
    ('pg_background_cancel_v2', '{int4,int8,int4}', 'void', 'STRICT'),
    ('pg_background_cancel_v2_grace', '{int4,int8,int4}', 'void', 'STRICT'),
    ('pg_background_wait_v2', '{int4,int8}', 'void', 'STRICT'),
    ('pg_background_wait_v2', '{int4,int8,int4}', 'bool', 'STRICT'),
    ('pg_background_wait_v2_timeout', '{int4,int8,int4}', 'bool', 'STRICT'),
    ('pg_background_list_v2', '{}', 'SETOF record', ''),
    ('pg_background_stats_v2', '{}', 'pg_background_stats', ''),
    ('pg_background_progress', '{int4,text}', 'void', ''),
    ('pg_background_get_progress_v2', '{int4,int8}', 'pg_background_progress', ''),
    ('pg_background_get_jobs', '{}', 'SETOF pg_background_get_jobs', ''),
    ('pg_background_get_history', '{}', 'SETOF pg_background_get_history', ''),
    ('pg_background_get_workers', '{}', 'SETOF pg_background_get_workers', ''),
    ('pg_background_get_totals', '{}', 'SETOF pg_background_get_totals', ''),
    ('pg_background_stat_reset', '{}', 'void', '');

-- each function of the extension has a form
SELECT p.proname
  FROM pg_extension e
  JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.classid = 'pg_proc'::regclass
  JOIN pg_proc p ON p.oid = d.objid
  JOIN pg_language l ON l.oid = p.prolang AND l.lanname = 'c'
 WHERE e.extname = 'pg_background' AND p.prosrc NOT IN (SELECT symbol FROM form);

-- one thing is otherwise
CREATE VIEW other_arguments AS
SELECT symbol, arguments, result, strict FROM (
    SELECT symbol, array_append(arguments, t) AS arguments, result, strict
      FROM form, unnest('{int4,int8,text}'::text[]) t
    UNION
    SELECT symbol, trim_array(arguments, 1), result, strict FROM form WHERE arguments <> '{}'
    UNION
    SELECT symbol, arguments[:i - 1] || t || arguments[i + 1:], result, strict
      FROM form, generate_subscripts(arguments, 1) i,
           unnest('{int4,int8,int2,text,varchar,bool,float8,numeric,name,cstring,handle,int_domain,int4[],anyelement,record,oid}'::text[]) t) f;

CREATE VIEW other_results AS
SELECT DISTINCT symbol, arguments, r AS result, strict
  FROM form,
       unnest('{int4,int8,int2,text,bool,void,float8,record,SETOF record,SETOF int4,SETOF text,cstring,int_domain,int4[],handle,
                SETOF handle,handle_domain,swapped_handle,narrow_handle,short_handle,long_handle,renamed_handle,shrunk_handle,
                pg_background_stats,pg_background_progress}'::text[]) r;

CREATE FUNCTION call_of(symbol text, arguments text[], result text, strict text) RETURNS text
LANGUAGE sql AS $$
    SELECT attempt(
        format('CREATE FUNCTION declared(%s) RETURNS %s AS ''$libdir/pg_background'', %L LANGUAGE C %s',
               array_to_string(arguments, ', '), result, symbol, strict),
        format('SELECT declared(%s)', array_to_string(ARRAY(
            SELECT CASE t WHEN 'anyelement' THEN '1' WHEN 'record' THEN 'ROW(1, 2)' WHEN 'handle' THEN 'ROW(1, 2)::handle'
                          WHEN 'int4[]' THEN '''{1}''::int4[]' WHEN 'bool' THEN 'true' WHEN 'text' THEN '''SELECT 1''::text'
                          ELSE '''1''::' || t END
              FROM unnest(arguments) t), ', ')))
$$;

SELECT symbol, became, count(*) > 20 AS many
  FROM (SELECT symbol, call_of(symbol, arguments, result, strict) AS became
          FROM (SELECT * FROM other_arguments UNION SELECT * FROM other_results EXCEPT SELECT * FROM form) f) c
 GROUP BY symbol, became ORDER BY symbol COLLATE "C", became COLLATE "C";

-- not STRICT, where NULLs mean nothing; a window function; a trigger; a procedure
SELECT DISTINCT call_of(symbol, arguments, result, '') FROM form WHERE strict <> '';
SELECT DISTINCT attempt(
    format('CREATE FUNCTION declared(%s) RETURNS %s AS ''$libdir/pg_background'', %L LANGUAGE C WINDOW %s',
           array_to_string(arguments, ', '), result, symbol, strict),
    format('SELECT declared(%s) OVER ()', array_to_string(ARRAY(SELECT '''1''::' || t FROM unnest(arguments) t), ', ')))
  FROM form WHERE result NOT LIKE 'SETOF %';
CREATE TABLE triggered (a int);
SELECT DISTINCT attempt(
    format('CREATE FUNCTION declared() RETURNS trigger AS ''$libdir/pg_background'', %L LANGUAGE C; '
           'CREATE TRIGGER declared BEFORE INSERT ON triggered FOR EACH ROW EXECUTE FUNCTION declared()', symbol),
    'INSERT INTO triggered VALUES (1)')
  FROM form;
SELECT DISTINCT attempt(
    format('CREATE FUNCTION declared() RETURNS event_trigger AS ''$libdir/pg_background'', %L LANGUAGE C; '
           'CREATE EVENT TRIGGER declared ON ddl_command_start EXECUTE FUNCTION declared()', symbol),
    'CREATE TABLE never ()')
  FROM form;
SELECT DISTINCT attempt(
    format('CREATE PROCEDURE declared(%s) AS ''$libdir/pg_background'', %L LANGUAGE C',
           array_to_string(arguments, ', '), symbol),
    format('CALL declared(%s)', array_to_string(ARRAY(SELECT '''1''::' || t FROM unnest(arguments) t), ', ')))
  FROM form;

-- other ways to be called
SELECT attempt(
    'CREATE TYPE odd;
     CREATE FUNCTION odd_in(cstring) RETURNS odd AS ''$libdir/pg_background'', ''pg_background_launch'' LANGUAGE C STRICT IMMUTABLE;
     CREATE FUNCTION odd_out(odd) RETURNS cstring AS ''$libdir/pg_background'', ''pg_background_result'' LANGUAGE C STRICT IMMUTABLE;
     CREATE TYPE odd (INPUT = odd_in, OUTPUT = odd_out, LIKE = int4)',
    'SELECT ''1''::odd') AS type_input;
SELECT attempt(
    'CREATE FUNCTION step(int, int) RETURNS int AS ''$libdir/pg_background'', ''pg_background_launch'' LANGUAGE C;
     CREATE AGGREGATE odd(int) (SFUNC = step, STYPE = int)',
    'SELECT odd(1)') AS aggregate;
SELECT attempt(
    'CREATE FUNCTION compare(int, int) RETURNS int AS ''$libdir/pg_background'', ''pg_background_wait_v2'' LANGUAGE C STRICT IMMUTABLE;
     CREATE OPERATOR CLASS odd FOR TYPE int USING btree AS
         OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 compare(int, int);
     CREATE TABLE indexed (a int); INSERT INTO indexed VALUES (1), (2)',
    'CREATE INDEX ON indexed (a odd)') AS operator_class;
SELECT attempt(
    'CREATE FUNCTION made(int) RETURNS handle AS ''$libdir/pg_background'', ''pg_background_launch_v2'' LANGUAGE C STRICT;
     CREATE CAST (int AS handle) WITH FUNCTION made(int)',
    'SELECT 1::handle') AS cast;
SELECT attempt(
    'CREATE FUNCTION handler() RETURNS language_handler AS ''$libdir/pg_background'', ''pg_background_launch'' LANGUAGE C;
     CREATE LANGUAGE odd HANDLER handler;
     CREATE FUNCTION declared(text, int) RETURNS int AS '''' LANGUAGE odd STRICT',
    'SELECT declared(''SELECT 1'', 0)') AS language_handler;

-- no job was launched by any of these
SELECT workers_launched FROM pg_background_stats_v2();

-- what it says
CREATE FUNCTION launch(sql text) RETURNS int AS '$libdir/pg_background', 'pg_background_launch' LANGUAGE C STRICT;
SELECT launch('SELECT 1');
CREATE FUNCTION stats() RETURNS handle AS '$libdir/pg_background', 'pg_background_stats_v2' LANGUAGE C;
SELECT stats();
CREATE FUNCTION progress(text, int) RETURNS void AS '$libdir/pg_background', 'pg_background_progress' LANGUAGE C;
SELECT progress('half', 50);
CREATE FUNCTION workers(OUT pid int) RETURNS SETOF int AS '$libdir/pg_background', 'pg_background_get_workers' LANGUAGE C;
SELECT * FROM workers();

-- as 2.0 of the C extension has them
CREATE SCHEMA declarations_20;
SET search_path = declarations_20, declarations, public;
CREATE FUNCTION pg_background_launch(sql text, queue_size int DEFAULT 0) RETURNS handle
    AS '$libdir/pg_background', 'pg_background_launch' LANGUAGE C STRICT;
CREATE FUNCTION pg_background_result(pid int, cookie bigint) RETURNS SETOF record
    AS '$libdir/pg_background', 'pg_background_result' LANGUAGE C STRICT;
CREATE FUNCTION pg_background_detach(pid int, cookie bigint) RETURNS void
    AS '$libdir/pg_background', 'pg_background_detach' LANGUAGE C STRICT;
SELECT (declarations_20.pg_background_launch('SELECT 1')).pid > 0 AS launched;
SELECT pid, cookie FROM pg_background_launch('SELECT ''rows''') \gset
SELECT * FROM pg_background_result(:pid, :cookie) AS (r text);
\set VERBOSITY sqlstate
SELECT * FROM pg_background_result(:pid, :cookie) AS (r text);
\set VERBOSITY default
SELECT pid, cookie FROM pg_background_launch('SELECT ''rows''') \gset
\set VERBOSITY sqlstate
SELECT pg_background_detach(:pid, :cookie + 1);
\set VERBOSITY default
SELECT pg_background_detach(:pid, :cookie);
SET search_path = declarations, public;

-- as 1.5 has them
CREATE FUNCTION wait_15(pid int, cookie bigint, timeout_ms int) RETURNS bool
    AS '$libdir/pg_background', 'pg_background_wait_v2' LANGUAGE C STRICT;
CREATE FUNCTION cancel_15(pid int, cookie bigint, grace_ms int) RETURNS void
    AS '$libdir/pg_background', 'pg_background_cancel_v2' LANGUAGE C STRICT;
SELECT pid, cookie FROM pg_background_launch_v2('SELECT pg_sleep(600)') \gset
SELECT wait_15(:pid, :cookie, 0);
SELECT cancel_15(:pid, :cookie, 0);
SELECT wait_15(:pid, :cookie, 600000);
SELECT pg_background_detach_v2(:pid, :cookie);

-- a row of OUT parameters, or as the caller has it
CREATE FUNCTION launch_out(sql text, queue_size int, OUT pid int, OUT cookie bigint)
    AS '$libdir/pg_background', 'pg_background_launch' LANGUAGE C STRICT;
SELECT pid > 0 AND cookie <> 0 AS launched FROM launch_out('SELECT 1', 0);
CREATE FUNCTION launch_record(sql text, queue_size int) RETURNS record
    AS '$libdir/pg_background', 'pg_background_launch_v2' LANGUAGE C STRICT;
SELECT pid > 0 AND cookie <> 0 AS launched FROM launch_record('SELECT 1', 0) AS (pid int, cookie bigint);
SELECT pid FROM launch_record('SELECT 1', 0) AS (pid int, cookie int) \gset wrong_
SELECT launch_record('SELECT 1', 0) \gset wrong_

-- a type that is altered between two calls of one call site
CREATE TYPE changing AS (pid int, cookie bigint);
CREATE FUNCTION launch_changing(sql text, queue_size int) RETURNS changing
    AS '$libdir/pg_background', 'pg_background_launch_v2' LANGUAGE C STRICT;
DO $$
DECLARE
    job record;
    before bigint := workers_launched FROM pg_background_stats_v2();
BEGIN
    FOR i IN 1..2 LOOP
        IF i = 2 THEN
            ALTER TYPE changing ADD ATTRIBUTE label text;
        END IF;
        BEGIN
            job := launch_changing('SELECT 1', 0);
        EXCEPTION WHEN invalid_function_definition THEN
            RAISE WARNING '%', sqlerrm;
        END;
        RAISE WARNING '% launched', (SELECT workers_launched - before FROM pg_background_stats_v2());
    END LOOP;
END
$$;

DROP SCHEMA declarations, declarations_20 CASCADE;
RESET search_path;
SELECT pg_background_drop_executor_role();
DROP EXTENSION pg_background;
