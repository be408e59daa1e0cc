-- What is a job's result and what is not, and how its messages and its values come to the launcher.
\i regress/sql/include/helpers.sql

--
-- rules: the result is the statement's
--
CREATE TABLE ruled (a int);
INSERT INTO ruled VALUES (1), (2);
CREATE RULE also AS ON UPDATE TO ruled DO ALSO SELECT -999;
SELECT * FROM pg_background_result(pg_background_launch('UPDATE ruled SET a = a + 1')) AS (tag text);
SELECT * FROM pg_background_result(pg_background_launch('UPDATE ruled SET a = a + 1; UPDATE ruled SET a = a + 1')) AS (tag text);
SELECT * FROM pg_background_result(pg_background_launch('UPDATE ruled SET a = a + 1 RETURNING a')) AS (a int);
CREATE RULE twice AS ON INSERT TO ruled DO ALSO (SELECT -1; SELECT -2, 'x');
SELECT * FROM pg_background_result(pg_background_launch('INSERT INTO ruled VALUES (7)')) AS (tag text);
CREATE RULE instead AS ON DELETE TO ruled DO INSTEAD SELECT a FROM ruled;
SELECT * FROM pg_background_result(pg_background_launch('DELETE FROM ruled')) AS (tag text);
SELECT * FROM ruled ORDER BY a;
DROP TABLE ruled;

--
-- a message says where, as an error does
--
SET standard_conforming_strings = off;
SELECT * FROM pg_background_result(pg_background_launch($$SELECT 'a\\b'$$)) AS (x text);
SELECT * FROM pg_background_result(pg_background_launch($$SELECT 1;
  SELECT 'x', 'a\\b'$$)) AS (x text, y text);
SELECT * FROM pg_background_result(pg_background_launch($$SELECT 'a\\b', nonsense$$)) AS (x text);
-- in a text within the job's, it is that text's
SELECT * FROM pg_background_result(pg_background_launch($job$DO $do$ BEGIN EXECUTE $x$SELECT 'a\\b'$x$; END $do$ $job$)) AS (tag text);
RESET standard_conforming_strings;

--
-- types that no column can be declared as travel as text, wherever the pseudo-type is
--
CREATE FUNCTION as_text(query text, declared text DEFAULT 'x text') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    here text[];
    there text[];
BEGIN
    EXECUTE format('SELECT array_agg(x::text ORDER BY x::text) FROM (%s) AS q (x)', query) INTO here;
    EXECUTE format('SELECT array_agg(x::text ORDER BY x::text) FROM pg_background_result(pg_background_launch($1)) AS r (%s)', declared)
       INTO there USING query;
    RETURN CASE WHEN there IS DISTINCT FROM here THEN format('here: %s there: %s', left(here::text, 1000), left(there::text, 1000))
           ELSE format('%s rows', coalesce(cardinality(there), 0)) END;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;
CREATE TABLE measured (a int, b int);
INSERT INTO measured SELECT i % 7, i % 7 FROM generate_series(1, 1000) i;
CREATE STATISTICS measured_ab ON a, b FROM measured;
CREATE STATISTICS measured_sum ON (a + b) FROM measured;
ANALYZE measured;
-- a row type of the catalogs with an anyarray: itself, an array of it, a domain over that; a view's row
CREATE DOMAIN attributes AS pg_attribute[];
SELECT as_text($$SELECT a FROM pg_attribute a WHERE attrelid = 'measured'::regclass$$);
SELECT as_text($$SELECT array_agg(a ORDER BY attnum) FROM pg_attribute a WHERE attrelid = 'measured'::regclass$$);
SELECT as_text($$SELECT array_agg(a ORDER BY attnum)::attributes FROM pg_attribute a WHERE attrelid = 'measured'::regclass$$);
SELECT as_text($$SELECT s FROM pg_statistic s WHERE starelid = 'measured'::regclass$$);
SELECT as_text($$SELECT s FROM pg_stats s WHERE tablename = 'measured'$$);
SELECT as_text($$SELECT stavalues1 FROM pg_statistic s WHERE starelid = 'measured'::regclass$$);
SELECT as_text('SELECT stxdexpr FROM pg_statistic_ext_data');
SELECT as_text($$SELECT ARRAY['a', NULL, '"b']::cstring[]$$);
-- the server lets nobody declare them
SELECT as_text('SELECT a FROM pg_attribute a', 'x pg_attribute');
SELECT as_text($$SELECT ARRAY['a']::cstring[]$$, 'x cstring[]');
-- others are as they were, and no text
SELECT as_text('SELECT m FROM measured m', 'x measured');
SELECT as_text('SELECT array_agg(m ORDER BY a) FROM measured m', 'x measured[]');
SELECT as_text($$SELECT c FROM pg_class c WHERE relname = 'measured'$$, 'x pg_class');
SELECT as_text('SELECT m FROM measured m');
SELECT pg_background_detach_v2(pid, cookie)
  FROM pg_background_list_v2() AS (pid int4, cookie int8, launched_at timestamptz, user_id oid, queue_size int4, state text,
                                   sql_preview text, last_error text, consumed bool);
DROP DOMAIN attributes;
DROP TABLE measured;
DROP FUNCTION as_text(text, text);

--
-- rows of a type that has been altered since: an error, and nobody takes the bytes for what they are not
--
CREATE PROCEDURE until_final(pid int, cookie int8) LANGUAGE plpgsql AS $$
BEGIN
    CALL until(format($c$(SELECT state IN ('stopped', 'error') FROM jobs WHERE pid = %s AND cookie = %s)$c$, pid, cookie));
END
$$;
CREATE TABLE altered (a int, b int);
CREATE TABLE other (a int);
CREATE TYPE around AS (n int, inner_rows altered[]);
CREATE DOMAIN guarded AS around CHECK ((VALUE).n > 0);
INSERT INTO altered VALUES (4000000, 7);
INSERT INTO other VALUES (1);
-- put aside by a wait; in the queue; within other types
SELECT pid, cookie FROM pg_background_launch_v2('SELECT t FROM altered t') \gset waited_
SELECT pg_background_wait_v2(:waited_pid, :waited_cookie);
SELECT pid, cookie FROM pg_background_launch_v2('SELECT t FROM altered t') \gset queued_
CALL until_final(:queued_pid, :queued_cookie);
SELECT pid, cookie FROM pg_background_launch_v2('SELECT 1, ROW(1, ARRAY[t])::guarded FROM altered t') \gset within_
CALL until_final(:within_pid, :within_cookie);
SELECT pid, cookie FROM pg_background_launch_v2('SELECT o FROM other o') \gset other_
CALL until_final(:other_pid, :other_cookie);
ALTER TABLE altered ALTER COLUMN a TYPE text USING 'x';
SELECT * FROM pg_background_result_v2(:waited_pid, :waited_cookie) AS (r altered);
SELECT * FROM pg_background_result_v2(:queued_pid, :queued_cookie) AS (r altered);
SELECT * FROM pg_background_result_v2(:within_pid, :within_cookie) AS (n int, r guarded);
SELECT * FROM pg_background_result_v2(:other_pid, :other_cookie) AS (r other);
-- nothing was lost by that
SELECT state, consumed FROM jobs ORDER BY launched_at;
SELECT count(pg_background_detach_v2(pid, cookie)) FROM jobs;
-- columns may be added, as in stored rows; not dropped
SELECT pid, cookie FROM pg_background_launch_v2('SELECT t FROM altered t') \gset
CALL until_final(:pid, :cookie);
ALTER TABLE altered ADD COLUMN c text DEFAULT 'new';
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (r altered);
SELECT pid, cookie FROM pg_background_launch_v2('SELECT t FROM altered t') \gset
CALL until_final(:pid, :cookie);
ALTER TABLE altered DROP COLUMN b;
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (r altered);
SELECT pg_background_detach_v2(:pid, :cookie);
SELECT * FROM pg_background_result(pg_background_launch('SELECT t FROM altered t')) AS (r altered);
-- a job may alter it itself
SELECT pid, cookie FROM pg_background_launch_v2('ALTER TABLE altered ALTER COLUMN a TYPE int USING 1; SELECT t FROM altered t') \gset
CALL until_final(:pid, :cookie);
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (r altered);
-- while the rows come: the job makes them of the type alone, which nobody keeps it from altering
CREATE TYPE pair AS (a int, b int);
SET pg_background.spool_limit = 0;
SELECT pid, cookie FROM pg_background_launch_v2('SELECT ROW(4000000, i)::pair FROM generate_series(1, 100000) i', 4096) \gset
RESET pg_background.spool_limit;
SELECT pg_background_wait_v2_timeout(:pid, :cookie, 0) AS ended;
CALL until_waits(:pid, 'MessageQueueSend');
ALTER TYPE pair ALTER ATTRIBUTE a TYPE text;
SELECT count(*) FROM pg_background_result_v2(:pid, :cookie) AS (r pair) WHERE (r).a > '';
SELECT pg_background_detach_v2(:pid, :cookie);
-- from the read to the end of the transaction nobody alters it
BEGIN;
SELECT * FROM pg_background_result(pg_background_launch('SELECT t FROM altered t')) AS (r altered);
SELECT mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation = (SELECT oid FROM pg_class WHERE relname = 'altered');
COMMIT;
SELECT count(*) FROM jobs;
DROP PROCEDURE until_final(int, int8);
DROP DOMAIN guarded;
DROP TYPE around, pair;
DROP TABLE altered, other;
\i regress/sql/include/cleanup.sql
