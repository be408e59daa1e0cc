-- What automatic progress says that a plan is doing: seen while the job is held in the middle of a table.
\i regress/sql/include/helpers.sql
\i regress/sql/include/gate.sql
SET client_min_messages = warning;
SET pg_background.progress_interval = '1ms';
SET max_parallel_workers_per_gather = 0;

CREATE TABLE target AS SELECT * FROM source;
CREATE TABLE few AS SELECT i AS id FROM generate_series(0, 99) i;
CREATE TABLE many AS SELECT i % 2000 AS id FROM generate_series(1, 20000) i;
CREATE TABLE copied (LIKE source);
ANALYZE target, few, many;

-- Joins: while the hash table is filled, and while it is asked; below the sorts of a merge join, and above.
SET enable_nestloop = off;
SET enable_mergejoin = off;
SELECT pct BETWEEN 1 AND 39 AS begins, phase FROM in_the_middle('SELECT count(*) FROM many JOIN source s USING (id) WHERE gate(s.id)', at_least => 1);
SELECT percent, phase FROM in_the_middle('SELECT count(*) FROM source s JOIN few f ON f.id = s.id % 100 WHERE gate(s.id)');
SET enable_hashjoin = off;
SET enable_mergejoin = on;
SELECT pct BETWEEN 10 AND 39 AS begins, phase FROM in_the_middle('SELECT count(*) FROM target t JOIN source s USING (id) WHERE gate(s.id)', at_least => 10);
SELECT pct > 50 AS is_late, phase ~ '^joining (source|target)$' AS joins FROM in_the_middle('SELECT count(*) FROM target t JOIN source s USING (id) WHERE gate(s.id + 0 * t.id)', at_least => 51);
RESET enable_nestloop;
RESET enable_hashjoin;
RESET enable_mergejoin;

-- What reads all of its input first, below and above.
SELECT pct BETWEEN 10 AND 50 AS begins, phase FROM in_the_middle('SELECT id FROM source WHERE gate(id) ORDER BY filler, id', at_least => 10);
SELECT pct > 50 AS is_late, phase FROM in_the_middle('SELECT gate(id) FROM (SELECT id FROM source ORDER BY id OFFSET 0) s', at_least => 51);
SET enable_sort = off;
SELECT pct BETWEEN 10 AND 60 AS begins, phase FROM in_the_middle('SELECT id, count(*) FROM source WHERE gate(id) GROUP BY id', at_least => 10);
SELECT pct > 20 AS is_late, phase FROM in_the_middle('SELECT gate(id) FROM (SELECT id, count(*) FROM source GROUP BY id OFFSET 0) s', at_least => 21);
RESET enable_sort;

-- Windows, of which 15 and later know that most rows are not wanted.
SELECT pct BETWEEN 51 AND 70 AS is_late, phase FROM in_the_middle('SELECT id, count(gate(id)) OVER (PARTITION BY id / 10 ORDER BY id) FROM source', at_least => 51);
SELECT pct BETWEEN 51 AND 70 AS is_late, phase FROM in_the_middle('SELECT * FROM (SELECT id, row_number() OVER w AS n, count(gate(id)) OVER w FROM source WINDOW w AS (PARTITION BY id / 10 ORDER BY id)) s WHERE n <= 3', at_least => 51);

-- Others: the second table of two; a limit; what is written; subplans that run once.
SELECT percent, phase FROM in_the_middle('SELECT gate(id - 2000) FROM source UNION ALL SELECT gate(id) FROM source', at_least => 60);
SELECT percent, phase FROM in_the_middle('SELECT * FROM source WHERE gate(id) LIMIT 1400', at_least => 60);
SELECT percent, phase FROM in_the_middle('INSERT INTO copied SELECT * FROM source WHERE gate(id)');
SELECT pct BETWEEN 10 AND 39 AS begins, phase FROM in_the_middle('SELECT count(*) FROM source WHERE id > (SELECT min(id) FROM source WHERE gate(id))', at_least => 10);
SELECT pct BETWEEN 10 AND 39 AS begins, phase FROM in_the_middle('SELECT count(*) FROM source WHERE id NOT IN (SELECT id FROM target WHERE gate(id))', at_least => 10);
SELECT pct BETWEEN 10 AND 60 AS begins, phase FROM in_the_middle('SELECT id FROM source WHERE gate(id) INTERSECT SELECT id FROM target', at_least => 10);

-- Parallel plans: how far the workers are is seen while the leader waits for them. (The one that comes to
-- the middle is held there, and so is the other, behind it.)
CREATE FUNCTION held(id int) RETURNS bool PARALLEL SAFE LANGUAGE plpgsql COST 1000 AS $$
BEGIN
    IF id % 20 = 0 AND id <= 1000 THEN
        PERFORM pg_sleep(0.002);
    END IF;
    WHILE id >= 1000 AND EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 1111) LOOP
        PERFORM pg_sleep(0.01);
    END LOOP;
    RETURN true;
END
$$;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SET parallel_leader_participation = off;
SELECT percent, phase, ends FROM in_the_middle('SELECT count(*) FROM source WHERE held(id)', events => '{ExecuteGather,MessageQueueReceive}');
SELECT pct BETWEEN 10 AND 60 AS begins, phase, ends
  FROM in_the_middle('SELECT id FROM source WHERE held(id) ORDER BY filler', at_least => 10, events => '{ExecuteGather,MessageQueueReceive}');
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET parallel_leader_participation;
SET max_parallel_workers_per_gather = 0;

-- The statement in the body of a loop is the phase, how far the loop's own is, is the percentage.
SELECT percent, phase FROM in_the_middle($$DO $a$ DECLARE r record; BEGIN
    FOR r IN SELECT id FROM source LOOP
        PERFORM count(*) FROM few f WHERE f.id = 0 AND gate(r.id);
    END LOOP; END $a$ $$, settings => '{"cpu_tuple_cost": 100}');

-- Errors leave nothing behind of what plans count. (The first statement is half of the job.)
CREATE INDEX ON source (id);
CREATE FUNCTION caught() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    errors int := 0;
BEGIN
    FOR i IN 1..100 LOOP
        BEGIN
            PERFORM count(*) FROM source WHERE id > 0 AND 1 / (id - 500) < 2;
        EXCEPTION WHEN division_by_zero THEN
            errors := errors + 1;
        END;
    END LOOP;
    RETURN errors;
END
$$;
SELECT percent, phase, ends FROM in_the_middle('SELECT caught(); SELECT count(*) FROM source WHERE id > 0 AND gate(id) IS NOT NULL', at_least => 60,
    settings => '{"enable_seqscan": "off", "enable_bitmapscan": "off"}');

-- The text of a statement that runs as somebody else is not shown to the job's role.
CREATE ROLE regress_pgbg_caller;
CREATE ROLE regress_pgbg_other;
GRANT pgbackground_role, pg_read_all_stats TO regress_pgbg_caller;
CREATE FUNCTION definer() RETURNS bigint SECURITY DEFINER LANGUAGE plpgsql AS $$
DECLARE
    n bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM source WHERE gate(id) AND filler <> %L', 'secret') INTO n;
    RETURN n;
END
$$;
CREATE FUNCTION invoker() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT count(*) FROM source WHERE gate(id)); END $$;
GRANT SELECT ON source TO regress_pgbg_caller;
SET ROLE regress_pgbg_caller;
SELECT phase, ends FROM in_the_middle('SELECT definer()', at_least => NULL);
SELECT phase, ends FROM in_the_middle('SELECT invoker()', at_least => NULL);
RESET ROLE;
-- the other way round it is
ALTER FUNCTION definer() OWNER TO regress_pgbg_caller;
SELECT phase, ends FROM in_the_middle('SELECT definer()', at_least => NULL);
-- and nothing of a phase to those who may not see the job's text
SELECT pg_advisory_lock(1111);
SELECT pid, cookie FROM pg_background_start('SELECT count(*) FROM source WHERE gate(id)', label => 'secret') \gset
CALL until('EXISTS (SELECT FROM pg_stat_background WHERE label = $$secret$$ AND wait_event = $$advisory$$ AND progress_pct >= 40)');
SELECT progress_phase FROM pg_stat_background WHERE label = 'secret';
SELECT progress, pct BETWEEN 40 AND 60 AS about_half, phase FROM pg_background_watch WHERE pid = :pid;
SET ROLE regress_pgbg_other;
SELECT progress_pct BETWEEN 40 AND 60 AS about_half, progress_phase FROM pg_stat_background WHERE pid = :pid;
SELECT pct BETWEEN 40 AND 60 AS about_half, phase FROM pg_background_watch WHERE pid = :pid;
RESET ROLE;
SELECT pg_advisory_unlock(1111);
SELECT pg_background_await((:pid, :cookie)::pg_background_handle);

DROP FUNCTION held, caught, definer, invoker;
DROP TABLE target, few, many, copied;
REVOKE ALL ON source FROM regress_pgbg_caller;
DROP OWNED BY regress_pgbg_caller;
DROP ROLE regress_pgbg_caller, regress_pgbg_other;
\i regress/sql/include/gate_end.sql
\i regress/sql/include/cleanup.sql
