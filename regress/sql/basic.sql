-- The main path in few jobs: also run on a server that keeps no caches, where each costs seconds.
CREATE EXTENSION pg_background;

SELECT * FROM pg_background_result(pg_background_launch($$SELECT 42, 'text'::text, NULL::int$$)) AS (n int, t text, nothing int);

-- an autonomous transaction
CREATE TABLE basic (n int);
BEGIN;
SELECT pid, cookie FROM pg_background_submit_v2('INSERT INTO basic VALUES (1); INSERT INTO basic SELECT generate_series(2, 3)') \gset
SELECT pg_background_wait_v2(:pid, :cookie);
ROLLBACK;
SELECT sum(n) FROM basic;
SELECT pg_background_detach_v2(:pid, :cookie);

-- an error, with everything that it has
DO $$
DECLARE
    code text;
    message text;
    context text;
BEGIN
    PERFORM * FROM pg_background_result(pg_background_launch('SELECT n / 0 FROM basic')) AS (n int);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, context = PG_EXCEPTION_CONTEXT;
    RAISE NOTICE '% %: %', code, message, regexp_replace(split_part(context, E'\n', 1), '\d+', 'N');
END $$;

-- a cancel
SELECT pid, cookie FROM pg_background_launch_v2('SELECT pg_sleep(600)') \gset
SELECT pg_background_cancel_v2(:pid, :cookie);
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT state, last_error
FROM pg_background_list_v2() AS (pid int, cookie bigint, launched_at timestamptz, user_id oid, queue_size int, state text,
                                 sql_preview text, last_error text, consumed bool);
SELECT pg_background_detach_v2(:pid, :cookie);

-- more rows than the queue holds
SELECT count(*), sum(n), sum(length(t))
FROM pg_background_result(pg_background_launch($$SELECT n, repeat('x', 100) FROM generate_series(1, 2000) n$$)) AS (n int, t text);

SELECT workers_launched, workers_completed, workers_failed, workers_canceled, workers_active FROM pg_background_stats_v2();
DROP TABLE basic;
DROP EXTENSION pg_background;
DROP ROLE pgbackground_role;
