\set ECHO none
-- What the SQL tests share; nothing of it shows in their output. A test that needs it begins with
--
--   \i regress/sql/include/helpers.sql
--
-- (from the checkout's root, where make runs the tests) and ends with include/cleanup.sql. It has then the extension and
--
--   CALL until('condition')                    returns when it holds: for what no job can be waited for
--   CALL until_waits(pid, 'PgSleep')           returns when the process waits for that
--   CALL until_ended(cookie)                   returns when the job is in the history
--   attempt('command' [, pid [, cookie]])      what comes of it, which may use the numbers as $1 and $2
--   job('SELECT ...')                          the one text that a job returns
--   jobs                                       the list of this session's jobs
SET client_min_messages = warning;
CREATE EXTENSION pg_background;

CREATE PROCEDURE until(condition text) LANGUAGE plpgsql AS $$
DECLARE
    holds boolean;
    give_up timestamptz := clock_timestamp() + interval '60 s';
BEGIN
    LOOP
        PERFORM pg_stat_clear_snapshot();
        EXECUTE 'SELECT ' || condition INTO holds;
        EXIT WHEN holds;
        IF clock_timestamp() > give_up THEN
            RAISE EXCEPTION 'waited in vain for: %', condition;
        END IF;
        PERFORM pg_sleep(0.01);
    END LOOP;
END
$$;

CREATE PROCEDURE until_waits(pid int, event text) LANGUAGE plpgsql AS $$
BEGIN
    CALL until(format('EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event = %L)', pid, event));
END
$$;

CREATE PROCEDURE until_ended(cookie bigint) LANGUAGE plpgsql AS $$
BEGIN
    CALL until(format('EXISTS (SELECT FROM pg_background_history WHERE cookie = %s)', cookie));
END
$$;

-- The error line by line as a client would see it, with the numbers that vary blanked out; "fine" when there is none.
CREATE FUNCTION attempt(command text, pid int DEFAULT NULL, cookie bigint DEFAULT NULL) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    e_state text;
    e_message text;
    e_detail text;
    e_hint text;
    e_context text;
BEGIN
    EXECUTE command USING pid, cookie;
    RETURN NEXT 'fine';
EXCEPTION WHEN OTHERS OR query_canceled THEN
    GET STACKED DIAGNOSTICS e_state = RETURNED_SQLSTATE, e_message = MESSAGE_TEXT, e_detail = PG_EXCEPTION_DETAIL,
                            e_hint = PG_EXCEPTION_HINT, e_context = PG_EXCEPTION_CONTEXT;
    RETURN QUERY
    SELECT regexp_replace(regexp_replace(prefix || line, '(pid "?|at least )\d+', '\1N', 'gi'),
                          -- the range that a setting has on this machine
                          '(\d+)( B| ms)? is outside(.*) \(.*\)$', '\1 is outside\3')
      FROM (VALUES (1, e_state || ': ', e_message), (2, 'DETAIL: ', e_detail), (3, 'HINT: ', e_hint),
                   -- this function's own lines are of no interest
                   (4, 'CONTEXT: ', (SELECT string_agg(c, E'\n') FROM regexp_split_to_table(e_context, E'\n') c
                                      WHERE c !~ '^(SQL statement |PL/pgSQL function attempt)'))) AS f (n, prefix, line)
     WHERE line <> '' ORDER BY n;
END
$$;

CREATE FUNCTION job(sql text) RETURNS text LANGUAGE sql AS
    'SELECT * FROM pg_background_result(pg_background_launch(sql)) AS (t text)';

CREATE VIEW jobs AS
SELECT * FROM pg_background_list_v2()
    AS (pid int4, cookie int8, launched_at timestamptz, user_id oid, queue_size int4, state text, sql_preview text,
        last_error text, consumed bool);
GRANT SELECT ON jobs TO PUBLIC;

RESET client_min_messages;
\set SHOW_CONTEXT never
\set ECHO all
