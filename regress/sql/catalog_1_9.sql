-- Databases that hold the C extension 1.9 and 1.10: used, updated to 3.0, used again.
\i regress/sql/include/catalogs.sql

CALL make_catalog('1.9');
SELECT * FROM catalog_differences('1.9');
\i regress/sql/include/use_1_9.sql
SELECT * FROM update_catalog();
SELECT extversion FROM pg_extension WHERE extname = 'pg_background';
\i regress/sql/include/use_1_9.sql
-- with a label in the views of 3.0
SELECT pid, cookie FROM pg_background_submit_v2('SELECT pg_sleep(600)', 0, 'three') \gset
SET client_min_messages = warning;
SELECT label FROM pg_stat_background WHERE cookie = :cookie;
RESET client_min_messages;
SELECT pg_background_cancel_all_v2(), pg_background_detach_all_v2();
-- the helpers know the procedure that 3.0 has added
CREATE ROLE regress_pgbg_reader;
SELECT grant_pg_background_privileges('regress_pgbg_reader');
SELECT has_function_privilege('regress_pgbg_reader', 'pg_background_join(pg_background_handle, interval)', 'EXECUTE') AS procedure,
       has_function_privilege('regress_pgbg_reader', 'pg_background_stat_reset()', 'EXECUTE') AS reset;
SELECT revoke_pg_background_privileges('regress_pgbg_reader');
DROP ROLE regress_pgbg_reader;

CALL make_catalog('1.10');
SELECT * FROM catalog_differences('1.10');
CREATE TABLE catalog_used (n int);
\i regress/sql/include/use_1_9.sql
\i regress/sql/include/use_1_10.sql
SELECT * FROM update_catalog();
\i regress/sql/include/use_1_10.sql
DROP TABLE catalog_used;
CREATE ROLE regress_pgbg_reader;
SELECT grant_pg_background_privileges('regress_pgbg_reader');
SELECT has_function_privilege('regress_pgbg_reader', 'pg_background_join(pg_background_handle, interval)', 'EXECUTE') AS procedure,
       has_table_privilege('regress_pgbg_reader', 'pg_background_activity', 'SELECT') AS view;
SELECT revoke_pg_background_privileges('regress_pgbg_reader');
DROP ROLE regress_pgbg_reader;

-- another name of 3.0's is in the way: the update stops, and 1.9 is as it was
CALL make_catalog('1.9');
CREATE VIEW pg_stat_background AS SELECT 1;
\set VERBOSITY terse
ALTER EXTENSION pg_background UPDATE;
\set VERBOSITY default
SELECT * FROM catalog_differences('1.9');
DROP VIEW pg_stat_background;

\i regress/sql/include/catalogs_end.sql
