\set ECHO none
-- What helpers.sql has made goes, and the extension with its roles.
SET client_min_messages = warning;
DROP VIEW jobs;
DROP FUNCTION job(text), attempt(text, int, bigint);
DROP PROCEDURE until_ended(bigint), until_waits(int, text), until(text);
SELECT pg_background_drop_executor_role() \gset
DROP EXTENSION pg_background;
RESET client_min_messages;
\set ECHO all
