\set ECHO none
-- For tests that look at a job in the middle: a table, a function that holds a job at its row 1000, and one that looks then. Nothing of
-- it shows. After helpers.sql; gate_end.sql drops it.
SET client_min_messages = warning;
CREATE TABLE source (id int, filler text);
INSERT INTO source SELECT i, repeat('x', 100) FROM generate_series(1, 2000) i;
ANALYZE source;

-- Lets the rows of the first half pass, slowly enough for some looks, and holds the job in the middle.
CREATE FUNCTION gate(id int) RETURNS bool LANGUAGE plpgsql COST 1000 AS $$
BEGIN
    IF id % 20 = 0 AND id <= 1000 THEN
        PERFORM pg_sleep(0.002);
    END IF;
    IF id = 1000 THEN
        PERFORM pg_advisory_xact_lock_shared(1111);
    END IF;
    RETURN true;
END
$$;

-- Runs a job up to the gate, and says what is seen there; then lets it go on to its end.
CREATE FUNCTION in_the_middle(sql text, results bool DEFAULT false, autocommit bool DEFAULT false, at_least int DEFAULT 40, settings jsonb DEFAULT '{}',
                              events text[] DEFAULT '{advisory}',
                              OUT percent text, OUT rows bool, OUT estimated bigint, OUT source text, OUT phase text, OUT ends text, OUT pct int)
LANGUAGE plpgsql AS $$
DECLARE
    j pg_background_handle;
    seen pg_stat_background;
    last int;
    goes_back bool := false;
    give_up timestamptz := clock_timestamp() + interval '60 s';
BEGIN
    PERFORM pg_advisory_lock(1111);
    j := pg_background_start(sql, results => results, autocommit => autocommit, settings => settings);
    LOOP
        PERFORM pg_stat_clear_snapshot();
        SELECT * INTO seen FROM pg_stat_background s WHERE s.cookie = j.cookie;
        goes_back := goes_back OR seen.progress_pct < last;
        last := seen.progress_pct;
        -- the last look before the gate may be some rows before it; where there is a percentage, others can have come without one
        EXIT WHEN seen.wait_event = ANY (events) AND
                  coalesce(seen.progress_pct >= at_least, events = '{advisory}' AND (seen.progress_source IS NOT NULL OR sql ~ 'nothing')) OR clock_timestamp() > give_up;
        PERFORM pg_sleep(0.005);
    END LOOP;
    percent := CASE WHEN goes_back THEN 'goes back' WHEN seen.progress_pct BETWEEN 40 AND 60 THEN 'about half'
                    WHEN seen.progress_pct BETWEEN 65 AND 85 THEN 'about three quarters'
                    ELSE seen.progress_pct::text END;
    pct := seen.progress_pct;
    rows := seen.rows_processed > 0;
    estimated := seen.rows_estimated;
    source := seen.progress_source;
    phase := regexp_replace(seen.progress_phase, '^\d+ %', 'N %');
    PERFORM pg_advisory_unlock(1111);
    PERFORM pg_background_await(j);
    SELECT o.state INTO ends FROM pg_background_outcome(j) o;
    PERFORM pg_background_forget(j);
END
$$;
\set ECHO all
