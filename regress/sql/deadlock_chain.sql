-- Deadlocks through jobs that launch jobs and wait for them; and jobs that wait for each other.
\i regress/sql/include/helpers.sql
\i regress/sql/include/deadlock.sql

CREATE TABLE place (id int PRIMARY KEY, note text);
INSERT INTO place VALUES (1, 'one');

-- the job of a job waits for this session
BEGIN;
LOCK TABLE place;
SELECT told('SELECT pg_background_exec($a$SELECT pg_background_exec($b$DELETE FROM place$b$)$a$)');
ROLLBACK;
-- and the job of a job of a job; a few things before it are of no importance
SELECT pg_advisory_lock(1);
CREATE FUNCTION deep(levels int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_sleep(0.1);
    IF levels = 0 THEN
        PERFORM pg_advisory_xact_lock(1);
        RETURN 'done';
    END IF;
    RETURN pg_background_exec(format('SELECT deep(%s)', levels - 1));
END
$$;
SELECT told('SELECT deep(3)');

-- a job that waits for all of some jobs, and one that waits for any
CREATE FUNCTION of_two(wait text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    h pg_background_handle[];
BEGIN
    h[1] := pg_background_start('SELECT pg_sleep(0.5)');
    h[2] := pg_background_start('SELECT pg_advisory_xact_lock(1)');
    EXECUTE format('SELECT pg_background_await_%s($1)', wait) USING h;
    PERFORM pg_background_stop(h[2]);
    RETURN 'done';
END
$$;
SELECT told_in_short('SELECT pg_background_exec($a$SELECT of_two($b$all$b$)$a$)');
SELECT told_in_short('SELECT pg_background_exec($a$SELECT of_two($b$any$b$)$a$)');
-- nobody waits for these any longer
SELECT pg_advisory_unlock(1);
CALL until('NOT EXISTS (SELECT FROM pg_stat_background)');

-- a job that waits for itself: the job has the error, and its launcher has it from the job
SELECT told('SELECT pg_background_exec($a$SELECT pg_background_await((pid, cookie)::pg_background_handle) FROM pg_background_current()$a$)');
-- two that wait for each other: one of them has it, or both
CREATE FUNCTION wait_for(other text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    h pg_background_handle;
BEGIN
    WHILE h IS NULL LOOP
        SELECT pid, cookie INTO h FROM pg_stat_background WHERE label = other AND pid IS NOT NULL;
        PERFORM pg_sleep(0.01);
    END LOOP;
    PERFORM pg_background_await(h);
END
$$;
SELECT pid, cookie FROM pg_background_start('SELECT wait_for($$right$$)', label => 'left') \gset left_
SELECT pid, cookie FROM pg_background_start('SELECT wait_for($$left$$)', label => 'right') \gset right_
SELECT pg_background_await_all(ARRAY[(:left_pid, :left_cookie)::pg_background_handle, (:right_pid, :right_cookie)::pg_background_handle]);
SELECT bool_or(sqlstate = '40P01') AS found, bool_and(coalesce(sqlstate, '40P01') = '40P01') AS nothing_else
  FROM (VALUES ((:left_pid, :left_cookie)::pg_background_handle), ((:right_pid, :right_cookie)::pg_background_handle)) AS h (h),
       pg_background_outcome(h.h);
SELECT pg_background_forget_ended();

DROP FUNCTION wait_for, of_two, deep;
DROP TABLE place;
DROP FUNCTION told_in_short, told;
\i regress/sql/include/cleanup.sql
