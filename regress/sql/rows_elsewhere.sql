-- Rows of a job are for the session that launched it.
\i regress/sql/include/helpers.sql

SELECT pid, cookie FROM pg_background_start('SELECT 1 AS a') \gset
-- a job tries to read the job of its launcher
CREATE FUNCTION elsewhere(call text, pid int, cookie bigint) RETURNS text LANGUAGE sql AS $$
    SELECT 'SELECT * FROM pg_background_query(' || quote_literal(format(call, format('(%s, %s)', pid, cookie))) || ') AS (a text)'
$$;
SELECT attempt(elsewhere('SELECT a::text FROM pg_background_rows(%s) AS (a int)', :pid, :cookie));
SELECT attempt(elsewhere('SELECT pg_background_rows_as(NULL::text, %s)', :pid, :cookie));
SELECT attempt(elsewhere('SELECT pg_background_rows_json(%s)::text', :pid, :cookie));
SELECT attempt(elsewhere('SELECT a::text FROM pg_background_fetch(%s, 1) AS (a int)', :pid, :cookie));
SELECT attempt(elsewhere('SELECT name FROM pg_background_columns(%s)', :pid, :cookie));
-- a pid that is not the job's, and the like
SELECT attempt(elsewhere('SELECT a::text FROM pg_background_rows(%s) AS (a int)', 1, :cookie));
SELECT attempt(elsewhere('SELECT a::text FROM pg_background_rows(%s) AS (a int)', :pid, 1));
-- nothing has been read
SELECT * FROM pg_background_rows((:pid, :cookie)) AS (a int);
DROP FUNCTION elsewhere(text, int, bigint);
\i regress/sql/include/cleanup.sql
