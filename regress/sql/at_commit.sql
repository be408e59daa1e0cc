-- Jobs that start when the launching transaction has committed. Commits that find no process, sessions that end, and the
-- dispatcher's end at every point are in t/032_at_commit.pl.
\i regress/sql/include/registry.sql
\i regress/sql/include/helpers.sql
CREATE TABLE at_commit_done (id int GENERATED ALWAYS AS IDENTITY, note text);
CREATE TABLE at_commit_orders (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, note text);
-- the jobs of this file that have not ended
CREATE VIEW at_commit_left AS
SELECT label, state, pid IS NULL AS no_pid FROM pg_stat_background WHERE launcher_pid = pg_backend_pid();

-- the handle comes at once; the job sees what its transaction has committed
BEGIN;
INSERT INTO at_commit_orders VALUES (1, 'committed');
SELECT h AS job, h.pid FROM pg_background_start('SELECT note FROM at_commit_orders WHERE id = 1', label => 'at_commit 1', at_commit => true) h \gset
SELECT :pid AS pid;
SELECT state, launched_at IS NOT NULL AS launched, started_at FROM pg_background_outcome(:'job');
SELECT pid, state, consumed FROM jobs;
-- until then it cannot be waited for
SELECT attempt(format('SELECT pg_background_await(%L)', :'job'));
SELECT attempt(format('SELECT pg_background_await(%L, ''1ms'')', :'job'));
SELECT attempt(format('SELECT * FROM pg_background_rows(%L) AS (t text)', :'job'));
SELECT attempt(format('SELECT * FROM pg_background_columns(%L)', :'job'));
COMMIT;
SELECT * FROM pg_background_rows(:'job') AS (note text);
SELECT state FROM pg_background_outcome(:'job');
SELECT state FROM pg_background_history WHERE label = 'at_commit 1';

-- outside of a transaction block
SELECT h AS job FROM pg_background_start('SELECT ''at once''', at_commit => true) h \gset
SELECT pg_background_await(:'job');
-- the handle by its worker's pid names the same job
SELECT ROW(pid, (:'job'::pg_background_handle).cookie)::pg_background_handle AS by_pid
  FROM pg_background_history WHERE cookie = (:'job'::pg_background_handle).cookie \gset
SELECT state FROM pg_background_outcome(:'by_pid');
SELECT * FROM pg_background_rows(:'by_pid') AS (t text);

-- rolled back: the job never was
BEGIN;
SELECT h AS job FROM pg_background_start('INSERT INTO at_commit_done (note) VALUES (''rolled back'')', at_commit => true) h \gset
SELECT h AS unread FROM pg_background_start('INSERT INTO at_commit_done (note) VALUES (''rolled back'')', at_commit => true, results => false) h \gset
ROLLBACK;
SELECT attempt(format('SELECT pg_background_await(%L)', :'job'));
SELECT attempt(format('SELECT pg_background_await(%L)', :'unread'));
SELECT state FROM pg_background_outcome(:'job');
SELECT count(*) FROM jobs;
SELECT workers_launched FROM pg_background_stats_v2();
-- the same after an error, a savepoint, and a block with an exception handler
BEGIN;
SELECT pg_background_start('INSERT INTO at_commit_done (note) VALUES (''failed'')', at_commit => true) IS NOT NULL AS asked;
SELECT 1/0;
COMMIT;
BEGIN;
SELECT h AS first FROM pg_background_start('INSERT INTO at_commit_done (note) VALUES (''first'')', at_commit => true, results => false) h \gset
SAVEPOINT s;
SELECT h AS job FROM pg_background_start('INSERT INTO at_commit_done (note) VALUES (''in the savepoint'')', at_commit => true) h \gset
SAVEPOINT t;
SELECT pg_background_start('INSERT INTO at_commit_done (note) VALUES (''released, then rolled back'')', at_commit => true, results => false) IS NOT NULL AS asked;
RELEASE t;
ROLLBACK TO s;
SELECT state FROM pg_background_outcome(:'job');
SELECT state FROM pg_background_outcome(:'first');
SAVEPOINT u;
SELECT h AS last FROM pg_background_start('INSERT INTO at_commit_done (note) VALUES (''last'')', at_commit => true, results => false) h \gset
RELEASE u;
DO $$
BEGIN
  PERFORM pg_background_start('INSERT INTO at_commit_done (note) VALUES (''in a block'')', at_commit => true);
  RAISE EXCEPTION 'no';
EXCEPTION WHEN raise_exception THEN
  PERFORM pg_background_start('INSERT INTO at_commit_done (note) VALUES (''in the handler'')', at_commit => true, results => false);
END $$;
COMMIT;
SELECT pg_background_await_all(ARRAY[:'first', :'last']::pg_background_handle[]);
CALL until('(SELECT count(*) FROM at_commit_left) = 0');
SELECT DISTINCT note FROM at_commit_done ORDER BY note;
TRUNCATE at_commit_done;

-- a commit that fails late: no job
BEGIN;
SELECT h AS job FROM pg_background_start('INSERT INTO at_commit_done (note) VALUES (''too late'')', at_commit => true) h \gset
INSERT INTO at_commit_orders VALUES (1, 'again');
COMMIT;
SELECT state FROM pg_background_outcome(:'job');
-- in a trigger that is called by the commit
CREATE FUNCTION at_commit_trigger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_background_start('INSERT INTO at_commit_done (note) SELECT note FROM at_commit_orders WHERE id = $1', ROW(NEW.id),
    label => 'at_commit trigger', at_commit => true, results => false);
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER ordered AFTER INSERT ON at_commit_orders DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION at_commit_trigger();
INSERT INTO at_commit_orders SELECT n, 'order ' || n FROM generate_series(2, 6) n;
CALL until('(SELECT count(*) FROM at_commit_done) = 5');
SELECT note FROM at_commit_done ORDER BY note;
TRUNCATE at_commit_done;
-- a procedure that commits, and rolls back
DO $$
BEGIN
  FOR n IN 1..4 LOOP
    PERFORM pg_background_start(format('INSERT INTO at_commit_done (note) VALUES (%L)', n), at_commit => true, results => false);
    IF n % 2 = 0 THEN COMMIT; ELSE ROLLBACK; END IF;
  END LOOP;
END $$;
CALL until('(SELECT count(*) FROM at_commit_done) = 2');
SELECT note FROM at_commit_done ORDER BY note;
TRUNCATE at_commit_done;

-- with all other options
BEGIN;
SELECT h AS job FROM pg_background_start('CREATE TABLE at_commit_t (); VACUUM at_commit_t; SHOW work_mem', label => 'at_commit options',
  autocommit => true, at_commit => true, timeout => '1min', settings => '{"work_mem": "77MB"}', queue_size => 65536, notify => 'at_commit') h \gset
SELECT h AS bound FROM pg_background_start('SELECT $1 + 1, current_user::text', ROW(41), at_commit => true) h \gset
SELECT h AS elsewhere FROM pg_background_start('SELECT current_database()::text', database => 'postgres', at_commit => true) h \gset
SELECT h AS slow FROM pg_background_start('SELECT pg_sleep(600)', at_commit => true, timeout => '10ms') h \gset
-- what is set after the call is not the job's
SET work_mem = '66MB';
COMMIT;
SELECT * FROM pg_background_rows(:'job') AS (work_mem text);
SELECT * FROM pg_background_rows(:'bound') AS (n int, who text) WHERE who = current_user;
SELECT * FROM pg_background_rows(:'elsewhere') AS (database text);
SELECT attempt(format('SELECT * FROM pg_background_rows(%L) AS (t text)', :'slow'));
RESET work_mem;
DROP TABLE at_commit_t;
-- arguments are checked at the call
BEGIN;
SELECT attempt($$SELECT pg_background_start('SELECT 1', at_commit => true, label => repeat('x', 65))$$);
SELECT attempt($$SELECT pg_background_start('SELECT 1', at_commit => true, database => 'none such')$$);
COMMIT;
-- an error of the job is the job's
SELECT h AS job FROM pg_background_start('SELECT 1/0', at_commit => true, results => false, label => 'at_commit error') h \gset
SELECT pg_background_await(:'job');
SELECT state, sqlstate, message FROM pg_background_outcome(:'job');
-- messages
SELECT h AS job FROM pg_background_start($$DO 'BEGIN RAISE NOTICE ''from the job''; END'$$, at_commit => true) h \gset
SELECT * FROM pg_background_rows(:'job') AS (tag text);

-- stopped before the commit, and forgotten before it
BEGIN;
SELECT h AS job FROM pg_background_start('INSERT INTO at_commit_done (note) VALUES (''stopped'')', at_commit => true) h \gset
SELECT h AS unread FROM pg_background_start('INSERT INTO at_commit_done (note) VALUES (''stopped'')', at_commit => true, results => false, label => 'at_commit stopped') h \gset
SELECT h AS forgotten FROM pg_background_start('INSERT INTO at_commit_done (note) VALUES (''forgotten'')', at_commit => true) h \gset
SELECT pg_background_stop(:'job'), pg_background_stop(:'unread', '1 min');
SELECT pg_background_forget(:'forgotten');
COMMIT;
SELECT pg_background_await_all(ARRAY[:'job', :'unread', :'forgotten']::pg_background_handle[]);
SELECT state, sqlstate, message FROM pg_background_outcome(:'job');
SELECT state, sqlstate, message FROM pg_background_outcome(:'unread');
SELECT state FROM pg_background_outcome(:'forgotten');
SELECT pg_background_stop(:'job'), pg_background_stop(:'unread');
SELECT attempt(format('SELECT * FROM pg_background_rows(%L) AS (t text)', :'job'));
SELECT note FROM at_commit_done ORDER BY note;
TRUNCATE at_commit_done;

-- stopped while they wait for their turn: each had not ended, and was asked
SET pg_background.max_workers_per_role = 1;
SELECT h AS job FROM pg_background_start('SELECT pg_sleep(600)', results => false) h \gset
BEGIN;
SELECT count(pg_background_start('SELECT 1', at_commit => true, results => false, label => 'at_commit waits')) FROM generate_series(1, 20);
COMMIT;
SELECT count(*), bool_and(pg_background_stop((coalesce(pid, 0), cookie)::pg_background_handle)) AS all_asked
  FROM pg_stat_background WHERE label = 'at_commit waits';
SELECT pg_background_stop(:'job'), pg_background_await(:'job');
CALL until($$(SELECT count(*) FROM pg_stat_background WHERE label = 'at_commit waits') = 0$$);
SELECT state, count(*) FROM pg_background_history WHERE label = 'at_commit waits' GROUP BY 1;
RESET pg_background.max_workers_per_role;

-- in a job, for a later one
SELECT pg_background_exec($$SELECT pg_background_start('INSERT INTO at_commit_done (note) VALUES (''of a job'')', at_commit => true)$$);
CALL until('(SELECT count(*) FROM at_commit_done) = 1');
SELECT note FROM at_commit_done;
SELECT pg_background_exec($$
  SELECT pg_background_start('INSERT INTO at_commit_done (note) VALUES (''of a job that fails'')', at_commit => true); SELECT 1/0 $$);

-- many jobs whose results nobody wants: the session's limit is not theirs
SET pg_background.max_workers = 2;
TRUNCATE at_commit_done;
BEGIN;
SELECT count(pg_background_start(format('INSERT INTO at_commit_done (note) VALUES (%L)', n), at_commit => true, results => false, label => 'at_commit many'))
  FROM generate_series(1, 100) n;
SELECT pg_background_start('SELECT 1', at_commit => true) IS NOT NULL AS first, pg_background_start('SELECT 1', at_commit => true) IS NOT NULL AS second;
SAVEPOINT s;
SELECT attempt($$SELECT pg_background_start('SELECT 1', at_commit => true)$$);
COMMIT;
CALL until('(SELECT count(*) FROM at_commit_left) = 0');
SELECT count(*), count(DISTINCT note) FROM at_commit_done;
SELECT pg_background_await_all(array_agg(ROW(pid, cookie)::pg_background_handle)) FROM jobs;
SELECT pg_background_forget_all();
RESET pg_background.max_workers;

-- nothing is left
SELECT * FROM at_commit_left;
SELECT count(*) FROM jobs;
DROP VIEW at_commit_left;
DROP TABLE at_commit_done, at_commit_orders;
DROP FUNCTION at_commit_trigger();
\i regress/sql/include/cleanup.sql
