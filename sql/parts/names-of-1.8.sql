
/*
 * 2.0 has dropped these names of 1.8. They come back, so that what is written
 * for 1.8 and 3.0 with handles works in a database that comes from 2.0, too.
 */

CREATE FUNCTION pg_background_cancel_v2_grace(pid pg_catalog.int4, cookie pg_catalog.int8, grace_ms pg_catalog.int4)
    RETURNS pg_catalog.void
    AS 'MODULE_PATHNAME', 'pg_background_cancel_v2_grace'
    LANGUAGE C STRICT;

CREATE FUNCTION pg_background_wait_v2_timeout(pid pg_catalog.int4, cookie pg_catalog.int8, timeout_ms pg_catalog.int4)
    RETURNS pg_catalog.bool
    AS 'MODULE_PATHNAME', 'pg_background_wait_v2_timeout'
    LANGUAGE C STRICT;

CREATE FUNCTION pg_background_progress(pct pg_catalog.int4, msg pg_catalog.text DEFAULT NULL)
    RETURNS pg_catalog.void
    AS 'MODULE_PATHNAME', 'pg_background_progress'
    LANGUAGE C;

REVOKE ALL ON FUNCTION
    pg_background_cancel_v2_grace(pg_catalog.int4, pg_catalog.int8, pg_catalog.int4),
    pg_background_wait_v2_timeout(pg_catalog.int4, pg_catalog.int8, pg_catalog.int4),
    pg_background_progress(pg_catalog.int4, pg_catalog.text)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    pg_background_cancel_v2_grace(pg_catalog.int4, pg_catalog.int8, pg_catalog.int4),
    pg_background_wait_v2_timeout(pg_catalog.int4, pg_catalog.int8, pg_catalog.int4),
    pg_background_progress(pg_catalog.int4, pg_catalog.text)
    TO pgbackground_role;

COMMENT ON FUNCTION pg_background_cancel_v2_grace(pg_catalog.int4, pg_catalog.int8, pg_catalog.int4)
    IS 'cancel a background job, giving its running statement time to finish';
COMMENT ON FUNCTION pg_background_wait_v2_timeout(pg_catalog.int4, pg_catalog.int8, pg_catalog.int4)
    IS 'wait for a background job, true when it has ended in time';
COMMENT ON FUNCTION pg_background_progress(pg_catalog.int4, pg_catalog.text)
    IS 'report the progress of the background job that calls this';
