\set ECHO none
-- The test is for servers with a registry of all sessions' jobs; the Makefile leaves it out on others.
SELECT current_setting('server_version_num')::int >= 170000
       OR current_setting('shared_preload_libraries') ~ '\mpg_background\M' AS registry \gset
\if :registry
\else
\warn 'This test is for a server with a registry: put pg_background into shared_preload_libraries, or use PostgreSQL 17.'
SELECT pg_terminate_backend(pg_backend_pid());
\endif
\set ECHO all
