-- What is a job's result and what is not, and how its messages and its values come to the launcher.
SET client_min_messages = warning;
CREATE EXTENSION pg_background;
RESET client_min_messages;
\set SHOW_CONTEXT never

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

SET client_min_messages = warning;
SELECT pg_background_drop_executor_role();
DROP EXTENSION pg_background;
