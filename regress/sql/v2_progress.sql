-- The second interface: the progress that a job reports.
\i regress/sql/include/helpers.sql

--
-- progress
--
SELECT * FROM attempt('SELECT pg_background_progress(1)');
SELECT * FROM attempt('SELECT pg_background_progress(NULL, NULL)');
CREATE FUNCTION progress_of(sql text) RETURNS pg_background_progress LANGUAGE plpgsql AS $$
DECLARE
    h pg_background_handle := pg_background_launch_v2(sql);
    p pg_background_progress;
BEGIN
    PERFORM pg_background_wait_v2(h.pid, h.cookie);
    p := pg_background_get_progress_v2(h.pid, h.cookie);
    PERFORM * FROM pg_background_result_v2(h.pid, h.cookie) AS (v text);
    RETURN p;
END
$$;
SELECT * FROM progress_of($$SELECT pg_background_progress(50, 'half of it')$$);
SELECT * FROM progress_of('SELECT pg_background_progress(50)');
SELECT * FROM progress_of($$SELECT pg_background_progress(50, 'half'); SELECT pg_background_progress(60)$$);
SELECT * FROM progress_of($$SELECT pg_background_progress(60, 'more'); SELECT pg_background_progress(50, 'less')$$);
-- clamped
SELECT * FROM progress_of($$SELECT pg_background_progress(-5, 'too little')$$);
SELECT * FROM progress_of($$SELECT pg_background_progress(101, 'too much')$$);
SELECT * FROM progress_of('SELECT pg_background_progress(2147483647)');
-- NULL keeps the percentage
SELECT * FROM progress_of($$SELECT pg_background_progress(NULL, 'begun')$$);
SELECT * FROM progress_of($$SELECT pg_background_progress(30, 'a'); SELECT pg_background_progress(NULL, 'b')$$);
SELECT * FROM progress_of('SELECT pg_background_progress(pct => 1, msg => NULL)');
-- cut
SELECT progress_pct, length(progress_msg) FROM progress_of($$SELECT pg_background_progress(1, repeat('x', 63))$$);
SELECT progress_pct, length(progress_msg) FROM progress_of($$SELECT pg_background_progress(1, repeat('x', 64))$$);
SELECT progress_pct, length(progress_msg) FROM progress_of($$SELECT pg_background_progress(1, repeat('x', 10000000))$$);
-- nothing reported
SELECT progress_of($$SELECT 'silent'::text$$) IS NULL AS nothing;
-- while it runs: out of an open transaction, from functions, from submitted jobs
SELECT pg_advisory_lock(1);
SELECT pid, cookie FROM pg_background_submit_v2('DO $$ BEGIN PERFORM pg_background_progress(25, ''waiting''); PERFORM pg_advisory_xact_lock(1);
    PERFORM pg_background_progress(100, ''done''); END $$') \gset
CALL until(format('pg_background_get_progress_v2(%s, %s) IS NOT NULL', :pid, :cookie));
SELECT * FROM pg_background_get_progress_v2(:pid, :cookie);
SELECT pg_advisory_unlock(1);
SELECT pg_background_wait_v2(:pid, :cookie);
-- it stays after the end, and until the handle is given up
SELECT * FROM pg_background_get_progress_v2(:pid, :cookie);
SELECT pg_background_detach_v2(:pid, :cookie);
SELECT pg_background_get_progress_v2(:pid, :cookie);
-- what a failed job reported before it failed is there too
SELECT pid, cookie FROM pg_background_launch_v2($$SELECT pg_background_progress(70, 'almost'); SELECT 1/0$$) \gset
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT * FROM pg_background_get_progress_v2(:pid, :cookie);
SELECT pg_background_detach_v2(:pid, :cookie);

DROP FUNCTION progress_of(text);
\i regress/sql/include/cleanup.sql
