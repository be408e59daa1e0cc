\set ECHO none
-- What catalogs.sql has made goes, and the extension with its role.
SET client_min_messages = warning;
DROP EXTENSION pg_background CASCADE;
CREATE EXTENSION pg_background;
SELECT pg_background_drop_executor_role() \gset
DROP EXTENSION pg_background;
DROP FUNCTION job(text), attempt(text, int, bigint), update_catalog(), catalog_differences(text), regress_pgbg_describe();
DROP PROCEDURE until_ended(bigint), until_waits(int, text), until(text), make_catalog(text);
DROP VIEW catalog_objects;
DROP TABLE catalog_facts, catalog_bodies, catalog_1_8, catalog_additions;
RESET client_min_messages;
\set ECHO all
