-- Automatic progress: seen from the launching session, by conditions, while the job is held at a row that is known.
\i regress/sql/include/helpers.sql
\i regress/sql/include/gate.sql
SET client_min_messages = warning;

-- A look at each millisecond, in the jobs of this session.
SET pg_background.progress_interval = '1ms';
SET max_parallel_workers_per_gather = 0;

CREATE TABLE target AS SELECT * FROM source;
CREATE TABLE copied (LIKE source);
ANALYZE target;

-- Statements with a plan.
SELECT percent, source, ends FROM in_the_middle('SELECT count(*) FROM source WHERE gate(id)');
SELECT percent, rows, source, ends FROM in_the_middle('SELECT * FROM source WHERE gate(id)');
-- every row is expected
SELECT percent, rows, estimated, ends FROM in_the_middle('SELECT *, gate(id) FROM source');
-- Grouping sets by sorting: the groups of the second sort come when all rows have been read once.
SET enable_hashagg = off;
SELECT percent ~ '^(6\d|about three quarters)$' AS is_two_thirds FROM in_the_middle('SELECT gate(coalesce(b, 0)) FROM (SELECT id AS a, id % 1999 AS b FROM source) AS s GROUP BY GROUPING SETS ((a), (b))');
RESET enable_hashagg;
SELECT percent, rows, source, ends FROM in_the_middle('INSERT INTO copied SELECT * FROM source WHERE gate(id)');
SELECT percent, rows, source, ends FROM in_the_middle('UPDATE source SET filler = filler WHERE gate(id)');
VACUUM FULL source;
-- MERGE came with 15; before, an UPDATE does the same
SELECT CASE WHEN current_setting('server_version_num')::int >= 150000
            THEN 'MERGE INTO target t USING source s ON t.id = s.id AND gate(s.id) WHEN MATCHED THEN UPDATE SET filler = s.filler'
            ELSE 'UPDATE target t SET filler = s.filler FROM source s WHERE t.id = s.id AND gate(s.id)' END AS merge \gset
SELECT percent, rows, source, ends FROM in_the_middle(:'merge');
VACUUM FULL target;
SELECT percent, rows, source, ends FROM in_the_middle('DELETE FROM target WHERE gate(id)');
SELECT percent, rows, source, ends FROM in_the_middle('CREATE TABLE made AS SELECT * FROM source WHERE gate(id)');
-- The plan of a command is its own, and not that of a function which is evaluated for it beforehand.
CREATE FUNCTION low() RETURNS int STABLE LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT min(id) FROM source); END $$;
SELECT percent, rows, source, ends FROM in_the_middle('CREATE TABLE made_later AS SELECT * FROM source WHERE id >= low() AND gate(id)');
DROP TABLE made_later;
-- Nor is it that of a function which says, when the plan is started, which partitions are read.
CREATE FUNCTION slowly(id int) RETURNS bool LANGUAGE plpgsql COST 1000 AS $$
BEGIN
    IF id % 100 = 0 THEN
        PERFORM pg_sleep(0.002);
    END IF;
    RETURN true;
END
$$;
CREATE FUNCTION slow_at_first() RETURNS int STABLE LANGUAGE plpgsql AS $$
DECLARE
    calls int := coalesce(nullif(current_setting('my.calls', true), ''), '0')::int;
BEGIN
    PERFORM set_config('my.calls', (calls + 1)::text, true);
    RETURN CASE WHEN calls < 10 THEN (SELECT min(id) FROM source WHERE slowly(id)) ELSE 1 END;
END
$$;
CREATE TABLE parts (id int, filler text) PARTITION BY RANGE (id);
CREATE TABLE parts_below PARTITION OF parts FOR VALUES FROM (MINVALUE) TO (0);
CREATE TABLE parts_above PARTITION OF parts FOR VALUES FROM (0) TO (MAXVALUE);
INSERT INTO parts SELECT * FROM source;
ANALYZE parts;
SELECT percent, rows, source, ends FROM in_the_middle('SELECT * FROM parts WHERE id >= slow_at_first() AND gate(id)');
SELECT percent, rows, source, ends FROM in_the_middle('CREATE TABLE made_later AS SELECT * FROM parts WHERE id >= slow_at_first() AND gate(id)');
DROP TABLE parts, made_later;
-- Nor is its figure that of a loop in such a function.
CREATE FUNCTION loops_at_first() RETURNS int STABLE LANGUAGE plpgsql AS $$
DECLARE
    r record;
BEGIN
    IF coalesce(current_setting('my.loops', true), '') = '' THEN
        PERFORM set_config('my.loops', 'done', true);
        FOR r IN SELECT id FROM source WHERE slowly(id) LOOP
            PERFORM count(*) FROM target WHERE id < r.id % 10;
        END LOOP;
    END IF;
    RETURN 1;
END
$$;
SELECT percent, rows, source, ends FROM in_the_middle('SELECT * FROM source WHERE id >= loops_at_first() AND gate(id)');
-- A prepared statement is started before it is known where its rows go.
SELECT percent, rows, source, ends FROM in_the_middle('PREPARE p AS SELECT * FROM source WHERE gate(id); CREATE TABLE made_later AS EXECUTE p', at_least => 60);
-- what gives a parameter its value runs before, and is not the statement
CREATE FUNCTION asked() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT count(*) FROM target); END $$;
SELECT percent, ends FROM in_the_middle('PREPARE p(bigint) AS SELECT count(*) FROM source WHERE gate(id) AND $1 >= 0; EXECUTE p(asked())', at_least => 60);
SELECT percent, ends FROM in_the_middle('PREPARE p(bigint) AS SELECT id FROM source WHERE gate(id) AND $1 >= 0; CREATE TABLE made_so AS EXECUTE p(asked())', at_least => 60);
CREATE FUNCTION asked_in_a_loop() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    r record;
    n bigint := 0;
BEGIN
    FOR r IN SELECT id FROM target LOOP
        n := n + 1;
    END LOOP;
    RETURN n;
END
$$;
SELECT percent, ends FROM in_the_middle('PREPARE p(bigint) AS SELECT count(*) FROM source WHERE gate(id) AND $1 >= 0; EXECUTE p(asked_in_a_loop())', at_least => 60);
DROP TABLE made_later;
-- Nor, of FETCH, that of the first query in a function.
CREATE FUNCTION counted(n int) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    RETURN CASE n WHEN 1 THEN (SELECT count(*) FROM source WHERE slowly(id)) ELSE (SELECT count(*) FROM source WHERE gate(id)) END;
END
$$;
CREATE FUNCTION opens() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    c refcursor := 'c';
BEGIN
    OPEN c FOR SELECT counted(n) FROM (VALUES (1), (2)) AS v (n);
END
$$;
SELECT percent, source, ends FROM in_the_middle('SELECT opens(); FETCH ALL FROM c');
CREATE MATERIALIZED VIEW gated AS SELECT * FROM source WHERE gate(id) WITH NO DATA;
SELECT percent, rows, source, ends FROM in_the_middle('REFRESH MATERIALIZED VIEW gated');
SELECT percent, source, ends FROM in_the_middle('EXPLAIN ANALYZE SELECT * FROM source WHERE gate(id)');
-- A range of pages, of which the server counts down those that are left.
SET enable_seqscan = off;
SELECT percent, source, ends FROM in_the_middle($$SELECT count(*) FROM source WHERE ctid >= '(0,1)' AND gate(id)$$);
SELECT percent, source, ends FROM in_the_middle($$SELECT count(*) FROM source WHERE ctid >= '(8,1)' AND ctid < '(26,1)' AND gate(id)$$);
RESET enable_seqscan;
-- A CTE that is read once more; the inner side of a nested loop, which begins anew for each row of the outer one.
SELECT percent, ends FROM in_the_middle('WITH c AS MATERIALIZED (SELECT * FROM source WHERE gate(id)) SELECT * FROM c WHERE id > 0', at_least => 20);
SELECT percent, ends FROM in_the_middle('WITH c AS MATERIALIZED (SELECT * FROM source WHERE id <= 3)
    SELECT count(*) FROM source s, LATERAL (SELECT * FROM c WHERE c.id <= s.id OFFSET 0) AS x WHERE gate(s.id)');
SELECT percent, source, ends FROM in_the_middle('DECLARE c CURSOR FOR SELECT * FROM source WHERE gate(id); FETCH ALL FROM c');
-- A bitmap that outgrows its memory: of many pages all rows are fetched, and a fifth of them is wanted. And one of whole pages.
CREATE TABLE spread AS SELECT i, i * 7919 % 10000 AS v, repeat('x', 1000) AS filler FROM generate_series(1, 10000) i;
CREATE INDEX ON spread (v);
VACUUM ANALYZE spread;
CREATE TABLE ranges AS SELECT i AS id, repeat('x', 100) AS filler FROM generate_series(1, 2000) i;
CREATE INDEX ON ranges USING brin (id) WITH (pages_per_range = 1);
VACUUM ANALYZE ranges;
SET work_mem = '64kB';
SET enable_seqscan = off;
SET enable_indexscan = off;
SELECT percent, source, ends FROM in_the_middle('SELECT count(gate(i / 3)) FROM spread WHERE v BETWEEN 6000 AND 8000');
SELECT percent, source, ends FROM in_the_middle('SELECT count(filler) FROM spread WHERE v BETWEEN 6000 AND 8000 AND gate(i / 3)');
SELECT percent, source, ends FROM in_the_middle('SELECT count(filler) FROM ranges WHERE id BETWEEN 601 AND 1900 AND gate(id)');
RESET work_mem;
RESET enable_seqscan;
RESET enable_indexscan;
DROP TABLE spread, ranges;

-- Checks of a foreign key count: this one waits for a row in the middle.
CREATE TABLE referenced (id int PRIMARY KEY);
INSERT INTO referenced SELECT id FROM source;
CREATE TABLE referencing (id int REFERENCES referenced);
ANALYZE referenced;
SELECT pg_advisory_lock(1111);
SELECT pid AS holder, cookie AS holder_cookie FROM pg_background_start(
    'SELECT FROM referenced WHERE id = 1000 FOR UPDATE; SELECT pg_advisory_xact_lock_shared(1111)') \gset
CALL until_waits(:holder, 'advisory');
SELECT pid, cookie FROM pg_background_start('INSERT INTO referencing SELECT id FROM source', label => 'checks') \gset
CALL until('EXISTS (SELECT FROM pg_stat_background WHERE label = $$checks$$ AND wait_event = $$transactionid$$ AND progress_pct >= 30)');
SELECT progress_pct BETWEEN 30 AND 70 AS about_half, progress_phase FROM pg_stat_background WHERE label = 'checks';
SELECT pg_advisory_unlock(1111);
SELECT pg_background_await((:holder, :holder_cookie)::pg_background_handle);
SELECT pg_background_await((:pid, :cookie)::pg_background_handle);
SELECT state FROM pg_background_outcome((:pid, :cookie)::pg_background_handle);

-- The check of a foreign key that is added is the command's own plan, and a query that an event trigger runs before it is not.
CREATE SEQUENCE compared;
CREATE FUNCTION is_same(a int, b int) RETURNS bool LANGUAGE plpgsql COST 1000 AS $$ BEGIN PERFORM gate(nextval('compared')::int); RETURN a = b; END $$;
CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, PROCEDURE = is_same);
CREATE OPERATOR CLASS gated_ops FOR TYPE int USING btree AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 ===, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 btint4cmp(int, int);
CREATE TABLE one (id int);
CREATE UNIQUE INDEX ON one (id gated_ops);
INSERT INTO one VALUES (1);
CREATE TABLE ones AS SELECT 1 AS id FROM source;
ANALYZE one, ones;
CREATE FUNCTION looks() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM count(*) FROM source WHERE slowly(id); END $$;
CREATE EVENT TRIGGER looks ON ddl_command_start WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION looks();
SELECT percent ~ '^(2\d|3\d|about half)$' AS is_its_own, source, ends FROM in_the_middle('ALTER TABLE ones ADD FOREIGN KEY (id) REFERENCES one (id)', settings => '{"enable_indexscan": "off", "enable_bitmapscan": "off", "enable_indexonlyscan": "off"}', at_least => 20);
DROP EVENT TRIGGER looks;
DROP TABLE one, ones;
DROP OPERATOR FAMILY gated_ops USING btree;
DROP OPERATOR === (int, int);
DROP FUNCTION looks, is_same;
DROP SEQUENCE compared;

-- Triggers that run for no row, or hardly for one, take no share of the statement.
CREATE TABLE with_triggers (id int UNIQUE DEFERRABLE);
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER sometimes AFTER INSERT ON with_triggers FOR EACH ROW WHEN (new.id < 0) EXECUTE FUNCTION nothing();
CREATE TRIGGER elsewhere AFTER INSERT ON with_triggers FOR EACH ROW EXECUTE FUNCTION nothing();
ALTER TABLE with_triggers ENABLE REPLICA TRIGGER elsewhere;
SELECT percent, ends FROM in_the_middle('INSERT INTO with_triggers SELECT id FROM source WHERE gate(id)');
DROP TABLE with_triggers;
DROP FUNCTION nothing, asked_in_a_loop;

-- A deferred check is no statement of the job's: what it runs is the phase.
CREATE FUNCTION checked() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM count(*) FROM source WHERE gate(id); RETURN NULL; END $$;
CREATE TABLE with_check (n int);
CREATE CONSTRAINT TRIGGER deferred AFTER INSERT ON with_check DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION checked();
SELECT percent, phase, ends FROM in_the_middle('INSERT INTO with_check VALUES (1)');
SELECT percent, phase, ends FROM in_the_middle('INSERT INTO with_check VALUES (2); SET CONSTRAINTS ALL IMMEDIATE');
SELECT percent, phase, ends FROM in_the_middle('INSERT INTO with_check VALUES (3)', autocommit => true);

-- Several statements share the percentage; where their number is not known, it is not known either.
SELECT percent, ends FROM in_the_middle('SELECT 1; SELECT count(*) FROM source WHERE gate(id); SELECT 2');
SELECT percent, source, ends FROM in_the_middle('SELECT count(*) FROM source WHERE gate(id)', autocommit => true);
SELECT percent, source, ends FROM in_the_middle('SELECT count(*) FROM source WHERE gate(id); SELECT 2', autocommit => true);

-- Of a function and DO nothing is known, but the statement in it; a loop over a cursor is as far as its cursor.
SELECT percent, phase, ends FROM in_the_middle($$DO $a$ BEGIN PERFORM count(*) FROM source WHERE gate(id); END $a$ $$);
SELECT percent, phase, ends FROM in_the_middle($$DO $a$ DECLARE r record; BEGIN
    FOR r IN SELECT * FROM source WHERE gate(0) LOOP
        PERFORM gate(r.id);
    END LOOP; END $a$ $$);
CREATE FUNCTION in_function() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM source WHERE gate(id)';
CREATE PROCEDURE in_procedure() LANGUAGE plpgsql AS $$ BEGIN PERFORM in_function(); END $$;
-- a parallel plan that waits for its workers to leave is no loop
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET cpu_tuple_cost = 1;
SELECT percent, ends FROM in_the_middle($$DO $a$ BEGIN FOR i IN 1..30 LOOP PERFORM count(*) FROM source; END LOOP;
    PERFORM count(*) FROM source WHERE gate(id); END $a$ $$);
-- a function that is asked for its rows one by one runs its parallel plan without workers
CREATE FUNCTION parallel_gate(id int) RETURNS bool PARALLEL SAFE LANGUAGE plpgsql COST 1000 AS $$ BEGIN RETURN gate(id); END $$;
CREATE FUNCTION one_by_one() RETURNS SETOF bigint LANGUAGE sql AS 'SELECT count(*) FROM source WHERE parallel_gate(id)';
SELECT pg_advisory_lock(1111);
SELECT pid, cookie FROM pg_background_start('SELECT one_by_one()', label => 'alone') \gset
CALL until('EXISTS (SELECT FROM pg_stat_background WHERE label = $$alone$$ AND wait_event = $$advisory$$
                                                      AND substring(progress_phase, $$^\d+$$)::int >= 40)');
SELECT substring(progress_phase, '^\d+')::int <= 60 AS about_half, regexp_replace(progress_phase, '^\d+ %', 'N %') AS phase
  FROM pg_stat_background WHERE label = 'alone';
SELECT pg_advisory_unlock(1111);
SELECT pg_background_await((:pid, :cookie)::pg_background_handle);
SELECT state FROM pg_background_outcome((:pid, :cookie)::pg_background_handle);
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET cpu_tuple_cost;
SET max_parallel_workers_per_gather = 0;
SELECT percent, phase, ends FROM in_the_middle('SELECT in_function()');
SELECT percent, phase, ends FROM in_the_middle('CALL in_procedure()');

-- Turned off, nothing is seen; a job's own progress wins.
SET pg_background.auto_progress = off;
SELECT percent, rows, source, phase, ends FROM in_the_middle('SELECT count(*) FROM source WHERE gate(id) /* nothing */');
-- a job keeps what it began with
SELECT percent, source, phase, ends
  FROM in_the_middle('DO $$BEGIN SET pg_background.auto_progress = on; PERFORM count(*) FROM source WHERE gate(id); END$$ /* nothing */');
-- and what its own settings say
SELECT percent, ends FROM in_the_middle('SELECT count(*) FROM source WHERE gate(id)', settings => '{"pg_background.auto_progress": true}');
RESET pg_background.auto_progress;
SELECT percent, ends FROM in_the_middle('SELECT count(*) FROM source WHERE gate(id) /* nothing */', settings => '{"pg_background.auto_progress": false}');
SELECT percent, source, ends
  FROM in_the_middle($$SELECT pg_background_progress(42, 'mine'); SELECT count(*) FROM source WHERE gate(id)$$);

-- Errors, in the plan, and in subtransactions, many times.
CREATE FUNCTION fails(id int) RETURNS bool LANGUAGE plpgsql COST 1000 AS $$
BEGIN
    RETURN 1 / (id % 100 - 99) < 2;
END
$$;
CREATE FUNCTION caught() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    errors int := 0;
BEGIN
    FOR i IN 1..200 LOOP
        BEGIN
            PERFORM count(*) FROM source WHERE fails(id);
        EXCEPTION WHEN division_by_zero THEN
            errors := errors + 1;
        END;
    END LOOP;
    RETURN errors;
END
$$;
SELECT job('SELECT caught()::text');
CREATE FUNCTION deep(n int) RETURNS bigint LANGUAGE plpgsql COST 1000 AS $$
BEGIN
    RETURN CASE WHEN n = 0 THEN (SELECT count(*) FROM source WHERE fails(1) AND id > 0) ELSE (SELECT sum(deep(n - 1)) FROM source WHERE id <= 3) END;
END
$$;
SELECT job('SELECT deep(5)::text');
SELECT * FROM attempt($$SELECT pg_background_exec('SELECT count(*) FROM source WHERE fails(id)')$$);
-- they leave nothing behind
SELECT percent, ends FROM in_the_middle('SELECT caught(); SELECT count(*) FROM source WHERE gate(id)', at_least => 60);

-- A row that another session has changed meanwhile (EvalPlanQual has a plan of its own); parallel workers, the leader of
-- which only waits; compiled expressions, where the server has JIT.
BEGIN;
UPDATE source SET filler = repeat('y', 100) WHERE id = 1500;
SELECT pid, cookie FROM pg_background_start('UPDATE source SET filler = repeat($$z$$, 100) WHERE fails(1) AND filler > $$a$$') \gset
CALL until('EXISTS (SELECT FROM pg_stat_background WHERE wait_event = $$transactionid$$)');
COMMIT;
SELECT pg_background_await((:pid, :cookie)::pg_background_handle);
SELECT state, row_count FROM pg_background_outcome((:pid, :cookie)::pg_background_handle);
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SET parallel_leader_participation = off;
SET jit_above_cost = 0;
CREATE FUNCTION slow(id int) RETURNS bool LANGUAGE plpgsql PARALLEL SAFE COST 1000 AS $$
BEGIN
    IF id % 100 = 0 THEN
        PERFORM pg_sleep(0.001);
    END IF;
    RETURN true;
END
$$;
SELECT job('SELECT count(*)::text FROM source a JOIN source b USING (id) WHERE slow(id)');
SELECT job('SELECT string_agg(id::text, $$ $$) FROM (SELECT id FROM source WHERE slow(id) ORDER BY id LIMIT 3) AS top');
SELECT job('SELECT (SELECT count(*) FROM source WHERE slow(id) AND id > m)::text FROM (SELECT max(id) - 2 AS m FROM source) AS most');
SET parallel_leader_participation = on;
SELECT job('SELECT count(*)::text FROM source a JOIN source b USING (id) WHERE slow(id)');
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET parallel_leader_participation;
RESET jit_above_cost;
SET max_parallel_workers_per_gather = 0;

-- A cancel.
SELECT pg_advisory_lock(1111);
SELECT pid, cookie FROM pg_background_start('SELECT count(*) FROM source WHERE gate(id)', label => 'to cancel') \gset
CALL until('EXISTS (SELECT FROM pg_stat_background WHERE label = $$to cancel$$ AND wait_event = $$advisory$$)');
SELECT pg_background_stop((:pid, :cookie)::pg_background_handle);
SELECT pg_background_await((:pid, :cookie)::pg_background_handle);
SELECT state, sqlstate FROM pg_background_outcome((:pid, :cookie)::pg_background_handle);
SELECT pg_advisory_unlock(1111);
-- (since the UPDATE, the second half of the table has the rows)
SELECT percent, source, ends FROM in_the_middle('SELECT count(*) FROM source WHERE gate(id)');

-- The settings.
SELECT name, setting, unit, context, min_val FROM pg_settings
 WHERE name IN ('pg_background.auto_progress', 'pg_background.progress_interval', 'pg_background.observe_session')
 ORDER BY name;

-- A session that is observed as a job is.
SET pg_background.observe_session = on;
SELECT count(*) FROM source WHERE fails(1);
SELECT caught();
-- A cursor whose rewinding fails in an exception block is not read any more: its tables are closed.
CREATE TABLE small AS SELECT i AS x FROM generate_series(1, 10) i;
CREATE INDEX ON source (id);
ANALYZE small, source;
CREATE FUNCTION lowest() RETURNS int STABLE LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('regress.fails', true) = 'on' THEN RAISE division_by_zero; END IF;
    RETURN 1;
END
$$;
CREATE FUNCTION rewound() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    c SCROLL CURSOR FOR SELECT x FROM small UNION ALL SELECT id FROM source WHERE id >= lowest();
    n int;
    result text;
BEGIN
    OPEN c;
    FOR i IN 1..50 LOOP FETCH c INTO n; END LOOP;
    BEGIN
        SET LOCAL regress.fails = on;
        FETCH FIRST FROM c INTO n;
    EXCEPTION WHEN division_by_zero THEN result := 'caught';
    END;
    EXECUTE 'DROP TABLE small';
    PERFORM count(*) FROM generate_series(1, 500000);
    RETURN result;
END
$$;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET cpu_tuple_cost = 100;
SELECT rewound();
RESET cpu_tuple_cost;
RESET enable_seqscan;
RESET enable_bitmapscan;
-- A function in SQL whose plan an error left. (No third call: before 18 the server would go on with that plan, whose memory
-- and whose reference to the table are gone, and may end there by itself.)
CREATE TYPE boxed AS (x int);
CREATE TABLE counted AS SELECT i FROM generate_series(1, 200000) i;
ANALYZE counted;
CREATE FUNCTION equals(boxed, boxed) RETURNS bool STABLE LANGUAGE sql AS $$
    SELECT count(*) >= 0 AND 1 / (($1).x - 5) IS NOT NULL FROM counted AS a JOIN counted AS b USING (i)
$$;
CREATE FUNCTION compares(boxed, boxed) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 0';
CREATE OPERATOR = (LEFTARG = boxed, RIGHTARG = boxed, FUNCTION = equals);
CREATE OPERATOR CLASS boxed_ops DEFAULT FOR TYPE boxed USING btree AS
    OPERATOR 3 = (boxed, boxed), FUNCTION 1 compares(boxed, boxed);
CREATE FUNCTION called_twice() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    fine boxed[] := ARRAY[row(1)::boxed];
    failing boxed[] := ARRAY[row(5)::boxed];
    result text;
BEGIN
    PERFORM array_eq(fine, fine);
    BEGIN
        PERFORM array_eq(failing, failing);
    EXCEPTION WHEN division_by_zero THEN result := 'caught';
    END;
    RETURN result;
END
$$;
SET pg_background.progress_interval = '1ms';
SELECT called_twice();
\connect -
SET client_min_messages = warning;

DROP MATERIALIZED VIEW gated;
DROP TYPE boxed CASCADE;
DROP TABLE target, copied, made, counted, referenced, referencing;
DROP FUNCTION slow, parallel_gate, one_by_one, in_function, fails, caught, deep, lowest, rewound, called_twice;
DROP PROCEDURE in_procedure;
\i regress/sql/include/gate_end.sql
\i regress/sql/include/cleanup.sql
