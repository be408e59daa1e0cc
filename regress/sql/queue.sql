-- Launches that wait for a quota: first come, first served; they can be cancelled, and give up in time.
\i regress/sql/include/registry.sql
\i regress/sql/include/helpers.sql
SET client_min_messages = warning;
CREATE ROLE regress_pgbg_queue;
CREATE ROLE regress_pgbg_beside;
GRANT pgbackground_role TO regress_pgbg_queue, regress_pgbg_beside;

-- Those who wait are jobs themselves, of the superuser. Each launches one job, which holds its place until the gate is open.
CREATE TABLE ran (n serial, who text);
CREATE TABLE waiters (who text, pid int, cookie int8);
GRANT ALL ON ran, ran_n_seq TO regress_pgbg_queue, regress_pgbg_beside;
CREATE FUNCTION enter(me text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(2014);
    INSERT INTO ran (who) VALUES (me);
END
$$;
CREATE FUNCTION launch(me text, launcher_role text DEFAULT 'regress_pgbg_queue', launch_timeout text DEFAULT '60s', quota int DEFAULT 1) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO waiters
    SELECT me, h.*
      FROM format('SELECT enter(%L)', me) AS entering,
           pg_background_launch_v2(format($job$
               SET pg_background.max_workers_per_role = %s;
               SET pg_background.launch_timeout = %L;
               SET ROLE %I;
               SELECT 'launched' FROM pg_background_submit_v2(%L)
           $job$, quota, launch_timeout, launcher_role, entering)) AS h
$$;
-- until that one's job has a place, or so many wait for one: then the next to come is behind them
CREATE FUNCTION running(me text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    CALL until(format('EXISTS (SELECT FROM pg_stat_background WHERE query = %L)', format('SELECT enter(%L)', me)));
    RETURN 'yes';
END
$$;
CREATE FUNCTION waiting(n int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    CALL until(format($c$(SELECT count(*) = %s FROM pg_stat_background JOIN waiters USING (cookie)
                          WHERE wait_event IN ('PgBackgroundLaunch', 'Extension'))$c$, n));
    RETURN 'yes';
END
$$;
CREATE FUNCTION came_of(me text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer text;
BEGIN
    SELECT r.answer INTO STRICT answer FROM waiters w, LATERAL pg_background_result_v2(w.pid, w.cookie) r (answer text) WHERE w.who = me;
    RETURN answer;
EXCEPTION WHEN OTHERS OR query_canceled THEN
    RETURN SQLSTATE || ': ' || SQLERRM;
END
$$;
-- opens the gate, and says who came through, in that order
CREATE FUNCTION open() RETURNS TABLE (who text, answer text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_unlock(2014);
    CREATE TEMP TABLE answers ON COMMIT DROP AS SELECT w.who, came_of(w.who) AS answer FROM waiters w;
    CALL until('NOT EXISTS (SELECT FROM pg_stat_background WHERE datname = current_database())');
    RETURN QUERY SELECT a.who, coalesce(r.place::text, a.answer)
                   FROM answers a LEFT JOIN (SELECT ran.who, row_number() OVER (ORDER BY n) AS place FROM ran) r ON r.who = a.who ORDER BY 1;
    TRUNCATE ran, waiters;
END
$$;

-- one at a time, in the order in which they came
SELECT pg_advisory_lock(2014);
SELECT launch('a'), running('a');
SELECT launch('d'), waiting(1);
SELECT launch('b'), waiting(2);
SELECT launch('c'), waiting(3);
SELECT * FROM open();

-- the place of a job that is cancelled is free, too
SELECT pg_advisory_lock(2014);
SELECT launch('a'), running('a');
SELECT launch('b'), waiting(1);
SELECT pg_background_cancel_v2(pid, cookie) FROM pg_stat_background WHERE query LIKE 'SELECT enter(%';
SELECT came_of('b');
DELETE FROM waiters WHERE who = 'b';
SELECT * FROM open();

-- who is cancelled, or gives up, is out of the queue; those behind move up
SELECT pg_advisory_lock(2014);
SELECT launch('a'), running('a');
SELECT launch('b'), waiting(1);
SELECT launch('c'), waiting(2);
SELECT launch('d', launch_timeout => '50ms'), came_of('d');
SELECT launch('e', launch_timeout => '0'), came_of('e');
SELECT launch('f'), waiting(3);
SELECT pg_background_cancel_v2(pid, cookie) FROM waiters WHERE who = 'b';
SELECT came_of('b');
-- one whose process is gone is, too
SELECT pg_terminate_backend(pid) FROM waiters WHERE who = 'c';
SELECT came_of('c');
SELECT waiting(1);
DELETE FROM waiters WHERE who IN ('b', 'c', 'd', 'e');
SELECT * FROM open();

-- who is kept out by a quota of his own keeps nobody else out
SELECT pg_advisory_lock(2014);
SELECT launch('a'), running('a');
SELECT launch('b'), waiting(1);
SELECT launch('c', launcher_role => 'regress_pgbg_beside'), came_of('c');
SELECT pg_background_cancel_v2(pid, cookie), pg_background_wait_v2(pid, cookie) FROM pg_stat_background WHERE usename = 'regress_pgbg_beside';
SELECT launch('d', quota => 0), came_of('d');
SELECT launch('e', quota => 3), came_of('e');
SELECT waiting(1);
DELETE FROM waiters WHERE who IN ('c', 'd', 'e');
SELECT * FROM open() WHERE who = 'b';

SELECT count(*) FROM pg_stat_background WHERE datname = current_database();
DROP FUNCTION launch(text, text, text, int), running(text), waiting(int), came_of(text), open(), enter(text);
DROP TABLE ran, waiters;
DROP OWNED BY regress_pgbg_queue, regress_pgbg_beside;
DROP ROLE regress_pgbg_queue, regress_pgbg_beside;
\i regress/sql/include/cleanup.sql
