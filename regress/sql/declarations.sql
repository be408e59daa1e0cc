-- The declarations of the exported functions: those of a release are served, all others refused.
\i regress/sql/include/catalogs.sql
SET client_min_messages = warning;
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
    BEGIN
        EXECUTE definition;
    EXCEPTION WHEN invalid_function_definition OR datatype_mismatch THEN
        -- such a function cannot be
        RETURN 'not created';
    END;
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

-- the forms that are served: those that a catalog has, with row types of the same columns
CREATE TABLE form (symbol text, arguments text[], result text, strict text);
CREATE TABLE row_type (name text, columns text);
INSERT INTO row_type VALUES ('handle', 'pid int4, cookie int8');

CREATE FUNCTION row_type_of(of_columns text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    known text := name FROM row_type WHERE columns = of_columns;
BEGIN
    IF known IS NULL THEN
        known := 'row_' || (SELECT count(*) FROM row_type);
        EXECUTE format('CREATE TYPE %s AS (%s)', known, of_columns);
        INSERT INTO row_type VALUES (known, of_columns);
    END IF;
    RETURN known;
END
$$;

CREATE FUNCTION type_of(id oid) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    t pg_type;
BEGIN
    SELECT p.* INTO t FROM pg_type p WHERE p.oid = id;
    RETURN CASE WHEN t.typtype = 'c'
                THEN row_type_of((SELECT string_agg(a.attname || ' ' || c.typname, ', ' ORDER BY a.attnum)
                                    FROM pg_attribute a JOIN pg_type c ON c.oid = a.atttypid
                                   WHERE a.attrelid = t.typrelid AND a.attnum > 0))
                WHEN t.typcategory = 'A' THEN type_of(t.typelem) || '[]'
                ELSE t.typname END;
END
$$;

CREATE PROCEDURE note_forms() LANGUAGE sql AS $$
    INSERT INTO form
    SELECT p.prosrc, ARRAY(SELECT type_of(u.a) FROM unnest(p.proargtypes) WITH ORDINALITY AS u(a, n) ORDER BY u.n),
           CASE WHEN p.proretset THEN 'SETOF ' ELSE '' END
           || CASE WHEN p.prorettype = 'record'::regtype AND p.proargmodes IS NOT NULL
                   THEN row_type_of((SELECT string_agg(u.name || ' ' || t.typname, ', ' ORDER BY u.n)
                                       FROM unnest(p.proallargtypes, p.proargmodes, p.proargnames) WITH ORDINALITY AS u(type, mode, name, n)
                                       JOIN pg_type t ON t.oid = u.type WHERE u.mode IN ('o', 't')))
                   ELSE type_of(p.prorettype) END,
           CASE WHEN p.proisstrict THEN 'STRICT' ELSE '' END
      FROM pg_extension e
      JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.classid = 'pg_proc'::regclass
      JOIN pg_proc p ON p.oid = d.objid
      JOIN pg_language l ON l.oid = p.prolang AND l.lanname = 'c'
     WHERE e.extname = 'pg_background' AND p.prokind = 'f'
    EXCEPT SELECT * FROM form
$$;

SET search_path = public;
CALL make_catalog('1.9');
SET search_path = declarations, public;
CALL note_forms();
SET search_path = public;
CALL make_catalog('1.10');
SET search_path = declarations, public;
CALL note_forms();
SET search_path = public;
CALL make_catalog('2.0');
SET search_path = declarations, public;
CALL note_forms();
SET search_path = public;
DROP EXTENSION pg_background;
CREATE EXTENSION pg_background;
SET search_path = declarations, public;
CALL note_forms();
-- 1.5's
INSERT INTO form VALUES
    ('pg_background_cancel_v2', '{int4,int8,int4}', 'void', 'STRICT'),
    ('pg_background_wait_v2', '{int4,int8,int4}', 'bool', 'STRICT');
-- a composite may have the columns of either version, under both names of the function
INSERT INTO form
SELECT o.symbol, f.arguments, f.result, f.strict
  FROM form f JOIN form o ON replace(o.symbol, '_v2', '') = replace(f.symbol, '_v2', '')
 WHERE o.symbol ~ '(stats|result_info|error_info)'
EXCEPT SELECT * FROM form;
SELECT symbol, count(*) AS forms FROM form GROUP BY symbol HAVING count(*) > 1 ORDER BY symbol COLLATE "C";

-- one thing is otherwise
CREATE VIEW other_arguments AS
SELECT symbol, arguments, result, strict FROM (
    SELECT symbol, array_append(arguments, t) AS arguments, result, strict
      FROM form, unnest('{int4,int8,text,handle}'::text[]) t
    UNION
    SELECT symbol, trim_array(arguments, 1), result, strict FROM form WHERE arguments <> '{}'
    UNION
    SELECT symbol, arguments[:i - 1] || t || arguments[i + 1:], result, strict
      FROM form, generate_subscripts(arguments, 1) i,
           unnest('{int4,int8,int2,text,varchar,bool,float8,numeric,name,cstring,handle,int_domain,int4[],anyelement,record,oid,
                    handle[],handle_domain,swapped_handle,narrow_handle,short_handle,renamed_handle,renamed_handle[],interval,jsonb,json,
                    anyarray,regtype}'::text[]) t) f;

CREATE VIEW other_results AS
SELECT DISTINCT symbol, arguments, r AS result, strict
  FROM form,
       (SELECT unnest('{int4,int8,int2,text,bool,void,float8,record,SETOF record,SETOF int4,SETOF text,cstring,int_domain,int4[],
                        handle_domain,swapped_handle,narrow_handle,short_handle,long_handle,renamed_handle,shrunk_handle,jsonb,
                        SETOF jsonb,anyelement,SETOF anyelement}'::text[])
        UNION ALL SELECT name FROM row_type
        UNION ALL SELECT 'SETOF ' || name FROM row_type) results (r);

-- values of these types, as a call has them
CREATE FUNCTION samples(arguments text[]) RETURNS text LANGUAGE sql AS $$
    SELECT array_to_string(ARRAY(
        SELECT CASE WHEN t = 'anyelement' THEN '1' WHEN t = 'anyarray' THEN 'ARRAY[1]' WHEN t = 'record' THEN 'ROW(1, 2)'
                    WHEN t = 'short_handle' THEN 'ROW(1)::short_handle' WHEN t ~ 'handle\[\]$' THEN format('ARRAY[ROW(1, 2)]::%s', t)
                    WHEN t ~ 'handle' THEN format('ROW(1, 2)::%s', t) WHEN t = 'text' THEN $t$'SELECT 1'::text$t$
                    WHEN t = 'text[]' THEN $t$'{SELECT 1}'::text[]$t$ WHEN t = 'int4[]' THEN $t$'{1}'::int4[]$t$ WHEN t = 'bool' THEN 'true' WHEN t = 'regtype' THEN $t$'int4'::regtype$t$
                    ELSE $t$'1'::$t$ || t END
          FROM unnest(arguments) t), ', ')
$$;

CREATE FUNCTION call_of(symbol text, arguments text[], result text, strict text) RETURNS text
LANGUAGE sql AS $$
    SELECT attempt(
        format('CREATE FUNCTION declared(%s) RETURNS %s AS ''$libdir/pg_background'', %L LANGUAGE C %s',
               array_to_string(arguments, ', '), result, symbol, strict),
        format('SELECT declared(%s)', samples(arguments)))
$$;

-- each symbol is refused in many ways, and nothing else comes of it
SELECT symbol, became, count(*)
  FROM (SELECT symbol, call_of(symbol, arguments, result, strict) AS became
          FROM (SELECT * FROM other_arguments UNION SELECT * FROM other_results) o
         -- a form that need not be STRICT may be
         WHERE NOT EXISTS (SELECT FROM form f WHERE f.symbol = o.symbol AND f.arguments = o.arguments AND f.result = o.result
                              AND f.strict IN ('', o.strict))) c
 WHERE became <> 'not created'
 GROUP BY symbol, became HAVING became <> 'refused' OR count(*) < 20 ORDER BY symbol COLLATE "C", became COLLATE "C";

-- not STRICT, where NULLs mean nothing; a window function; a trigger; a procedure
SELECT DISTINCT call_of(symbol, arguments, result, '') FROM form WHERE strict <> '';
SELECT DISTINCT attempt(
    format('CREATE FUNCTION declared(%s) RETURNS %s AS ''$libdir/pg_background'', %L LANGUAGE C WINDOW %s',
           array_to_string(arguments, ', '), result, symbol, strict),
    format('SELECT declared(%s) OVER ()', samples(arguments)))
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
    format('CALL declared(%s)', samples(arguments)))
  FROM form;

-- a procedure's form is refused as anything else, and with other arguments; what serves it cannot commit here
SELECT p.parameters, attempt(format('CREATE PROCEDURE declared(%s) AS ''$libdir/pg_background'', ''pg_background_join'' LANGUAGE C', parameters),
                             format('CALL declared(%s)', samples(p.arguments))) AS became
  FROM (VALUES ('handle, interval', '{handle,interval}'::text[]), ('shrunk_handle, interval', '{shrunk_handle,interval}'),
               ('handle', '{handle}'), ('interval, handle', '{interval,handle}'), ('handle, interval, int4', '{handle,interval,int4}'),
               ('swapped_handle, interval', '{swapped_handle,interval}'), ('handle[], interval', '{handle[],interval}'),
               ('handle, text', '{handle,text}'), ('INOUT handle, interval', '{handle,interval}')) p (parameters, arguments);
SELECT r.result, attempt(format('CREATE FUNCTION declared(handle, interval) RETURNS %s AS ''$libdir/pg_background'', ''pg_background_join'' LANGUAGE C', r.result),
                         'SELECT declared(ROW(1, 2)::handle, NULL)') AS became
  FROM unnest('{void,bool,record,SETOF record,handle}'::text[]) r (result);

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

-- and the forms themselves are not refused
SELECT * FROM form WHERE call_of(symbol, arguments, result, strict) = 'refused';

-- what it says
CREATE FUNCTION launch(sql text) RETURNS int AS '$libdir/pg_background', 'pg_background_launch' LANGUAGE C STRICT;
SELECT launch('SELECT 1');
CREATE FUNCTION stats() RETURNS handle AS '$libdir/pg_background', 'pg_background_stats_v2' LANGUAGE C;
SELECT stats();
CREATE FUNCTION progress(text, int) RETURNS void AS '$libdir/pg_background', 'pg_background_progress' LANGUAGE C;
SELECT progress('half', 50);
CREATE FUNCTION workers(OUT pid int) RETURNS SETOF int AS '$libdir/pg_background', 'pg_background_get_workers' LANGUAGE C;
SELECT * FROM workers();
CREATE PROCEDURE joining(handle) AS '$libdir/pg_background', 'pg_background_join' LANGUAGE C;
CALL joining(NULL);

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

-- a declaration that is altered after it was served
CREATE FUNCTION remembered(label_pattern text) RETURNS int AS '$libdir/pg_background', 'pg_background_forget_all' LANGUAGE C STRICT;
SELECT remembered('none');
ALTER FUNCTION remembered(text) CALLED ON NULL INPUT;
SELECT remembered('none');
ALTER FUNCTION remembered(text) STRICT;
SELECT remembered('none');

DROP SCHEMA declarations, declarations_20 CASCADE;
RESET search_path;
RESET client_min_messages;
\i regress/sql/include/catalogs_end.sql
