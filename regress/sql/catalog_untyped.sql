-- Drivers send parameters without types. Each function of 1.8 and of 2.0 is found by its name and the number of its arguments
-- alone, also among those of 3.0.
\i regress/sql/include/catalogs.sql

-- a function with some of its arguments, as a driver would prepare the call, and the types that the server finds
CREATE FUNCTION prepared(name text, arguments int, result text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    parameters text := (SELECT string_agg('$' || n, ', ') FROM generate_series(1, arguments) n);
    found text;
BEGIN
    EXECUTE format('PREPARE untyped AS SELECT %s %s(%s)%s', CASE WHEN result = 'SETOF record' THEN '* FROM' END, name, parameters,
                   CASE WHEN result = 'SETOF record' THEN ' AS (t text)' END);
    SELECT coalesce(nullif(array_to_string(parameter_types, ', '), ''), 'none') INTO found FROM pg_prepared_statements WHERE pg_prepared_statements.name = 'untyped';
    DEALLOCATE untyped;
    RETURN found;
EXCEPTION WHEN OTHERS THEN
    RETURN sqlerrm;
END
$$;

CREATE TABLE callable (version text, name text, arguments int, result text);
CREATE PROCEDURE note_callable(version text) LANGUAGE sql AS $$
    INSERT INTO callable
    SELECT DISTINCT version, p.proname, n, pg_get_function_result(p.oid)
      FROM pg_extension e
      JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e' AND d.classid = 'pg_proc'::regclass
      JOIN pg_proc p ON p.oid = d.objid
     CROSS JOIN generate_series(p.pronargs::int - p.pronargdefaults, p.pronargs::int) n
     WHERE e.extname = 'pg_background'
$$;

CALL make_catalog('2.0');
CALL note_callable('2.0');
ALTER EXTENSION pg_background UPDATE;
SELECT name, arguments, prepared(name, arguments, result) FROM callable WHERE version = '2.0' ORDER BY name COLLATE "C", arguments;

-- the function of 3.0, not a cast to the type of 2.0
SELECT prepared('pg_background_outcome', 1, '');

DROP EXTENSION pg_background;
CREATE EXTENSION pg_background VERSION '1.8';
CALL note_callable('1.8');
ALTER EXTENSION pg_background UPDATE;
SELECT name, arguments, prepared(name, arguments, result) FROM callable WHERE version = '1.8' ORDER BY name COLLATE "C", arguments;

-- and they run
PREPARE launch_v1 AS SELECT pg_background_launch($1);
EXECUTE launch_v1('SELECT 1') \gset
PREPARE result_v1 AS SELECT * FROM pg_background_result($1) AS (n int);
EXECUTE result_v1(:pg_background_launch);
PREPARE launch_v2 AS SELECT * FROM pg_background_launch_v2($1, $2);
EXECUTE launch_v2('SELECT 2', '0') \gset
PREPARE wait_v2 AS SELECT pg_background_wait_v2_timeout($1, $2, $3);
EXECUTE wait_v2(:pid, :cookie, 60000);
PREPARE detach_v2 AS SELECT pg_background_detach_v2($1, $2);
EXECUTE detach_v2(:pid, :cookie);
DEALLOCATE ALL;

DROP TABLE callable;
DROP FUNCTION prepared(text, int, text);
DROP PROCEDURE note_callable(text);
\i regress/sql/include/catalogs_end.sql
