-- A session waits for a job, and the job for a lock of the session: an error, instead of a wait without an end. deadlock_chain.sql has
-- jobs that launch jobs; the spec and the TAP file of this name have other sessions.
\i regress/sql/include/helpers.sql
\i regress/sql/include/deadlock.sql

CREATE TABLE place (id int PRIMARY KEY, note text);
INSERT INTO place VALUES (1, 'one');

--
-- locks of each kind
--
-- a transaction: a row that it has changed, a key that it has inserted
BEGIN;
UPDATE place SET note = 'here' WHERE id = 1;
SELECT told('SELECT pg_background_exec($q$UPDATE place SET note = ''there'' WHERE id = 1$q$)');
INSERT INTO place VALUES (2, 'here');
SELECT told('SELECT pg_background_exec($q$INSERT INTO place VALUES (2, ''there'')$q$)');
SELECT told_in_short('SELECT pg_background_exec($q$INSERT INTO place VALUES (2, ''there'')$q$, autocommit => true)');
SELECT id, note FROM place ORDER BY id;
ROLLBACK;
-- a relation
BEGIN;
LOCK TABLE place;
SELECT told('SELECT * FROM pg_background_query($q$SELECT id FROM place$q$) AS (id int)');
ROLLBACK;
-- a relation that it has only read
BEGIN;
SELECT count(*) FROM place;
SELECT told_in_short('SELECT pg_background_exec($q$TRUNCATE place$q$)');
SELECT told_in_short('SELECT pg_background_exec($q$VACUUM FULL place$q$, autocommit => true)');
ROLLBACK;
-- advisory locks, of the transaction and of the session
BEGIN;
SELECT pg_advisory_xact_lock(1);
SELECT told('SELECT pg_background_exec($q$SELECT pg_advisory_xact_lock(1)$q$)');
ROLLBACK;
SELECT pg_advisory_lock_shared(2, 3);
SELECT told('SELECT pg_background_exec($q$SELECT pg_advisory_xact_lock(2, 3)$q$)');
SELECT pg_advisory_unlock_shared(2, 3);
-- an object that all databases share, from another database
CREATE ROLE regress_pgbg_shared;
BEGIN;
COMMENT ON ROLE regress_pgbg_shared IS 'here';
SELECT told_in_short('SELECT pg_background_exec($q$COMMENT ON ROLE regress_pgbg_shared IS ''there''$q$, database => ''postgres'')');
ROLLBACK;
DROP ROLE regress_pgbg_shared;
-- a virtual transaction: the job waits for its launcher's snapshot, and goes on when that is gone
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT 1 AS snapshot;
SELECT pid, cookie FROM pg_background_start('CREATE INDEX CONCURRENTLY place_note ON place (note)', autocommit => true) \gset
SELECT told('SELECT pg_background_await(($1, $2)::pg_background_handle)', :pid, :cookie);
COMMIT;
SELECT pg_background_await((:pid, :cookie)::pg_background_handle);
SELECT state, command_tag FROM pg_background_outcome((:pid, :cookie)::pg_background_handle);
SELECT pg_background_forget((:pid, :cookie)::pg_background_handle);
SELECT indisvalid FROM pg_index WHERE indexrelid = 'place_note'::regclass;
-- a wait with a time limit ends, and its snapshot with it: it is no deadlock
SELECT pid, cookie FROM pg_background_start('CREATE INDEX CONCURRENTLY place_note_again ON place (note)', autocommit => true) \gset
SELECT pg_background_await((:pid, :cookie)::pg_background_handle, '1 s') IS NOT NULL AS no_error;
SELECT pg_background_await((:pid, :cookie)::pg_background_handle, '1 s') IS NOT NULL AS no_error;
SELECT pg_background_forget((:pid, :cookie)::pg_background_handle);
-- a safe snapshot
BEGIN ISOLATION LEVEL SERIALIZABLE;
UPDATE place SET note = 'here';
CREATE FUNCTION safely() RETURNS jsonb LANGUAGE sql AS $$SELECT '{"default_transaction_isolation": "serializable",
    "default_transaction_read_only": "on", "default_transaction_deferrable": "on"}'::jsonb$$;
SELECT told('SELECT pg_background_exec($q$SELECT count(*) FROM place$q$, settings => safely())');
ROLLBACK;

--
-- every wait
--
SELECT pg_advisory_lock(10);
CREATE FUNCTION stuck() RETURNS pg_background_handle LANGUAGE sql AS
    'SELECT pg_background_start(''SELECT pg_advisory_xact_lock(10) IS NULL AS has_waited'')';
SELECT pid, cookie FROM stuck() \gset
SELECT told_in_short('SELECT * FROM pg_background_result($1) AS (has_waited bool)', :pid);
SELECT told_in_short('SELECT * FROM pg_background_result_v2($1, $2) AS (has_waited bool)', :pid, :cookie);
SELECT told_in_short('SELECT pg_background_wait_v2($1, $2)', :pid, :cookie);
SELECT told_in_short('SELECT pg_background_wait_v2_timeout($1, $2, 60000)', :pid, :cookie);
SELECT told_in_short('SELECT pg_background_await(($1, $2)::pg_background_handle)', :pid, :cookie);
SELECT told_in_short('SELECT pg_background_await(($1, $2)::pg_background_handle, ''1 min'')', :pid, :cookie);
SELECT told_in_short('SELECT pg_background_await_all(ARRAY[($1, $2)::pg_background_handle])', :pid, :cookie);
SELECT told_in_short('SELECT pg_background_await_any(ARRAY[($1, $2)::pg_background_handle])', :pid, :cookie);
SELECT told_in_short('SELECT * FROM pg_background_rows(($1, $2)::pg_background_handle) AS (has_waited bool)', :pid, :cookie);
SELECT told_in_short('SELECT * FROM pg_background_rows_as(NULL::bool, ($1, $2)::pg_background_handle)', :pid, :cookie);
SELECT told_in_short('SELECT * FROM pg_background_rows_json(($1, $2)::pg_background_handle)', :pid, :cookie);
SELECT told_in_short('SELECT * FROM pg_background_fetch(($1, $2)::pg_background_handle, 1) AS (has_waited bool)', :pid, :cookie);
SELECT told_in_short('SELECT * FROM pg_background_query_as(NULL::text, $q$SELECT pg_advisory_xact_lock(10)::text$q$)');
SELECT told_in_short('SELECT * FROM pg_background_query_json($q$SELECT pg_advisory_xact_lock(10)$q$)');
-- the job has not been stopped, and the session has lost nothing of it
SELECT state FROM pg_background_outcome((:pid, :cookie)::pg_background_handle);
SELECT pg_advisory_unlock(10);
SELECT * FROM pg_background_rows((:pid, :cookie)::pg_background_handle) AS (has_waited bool);
-- those of the synchronous calls have
SELECT state, count(*) FROM jobs GROUP BY state;

-- of several jobs, one that ends is enough for a wait for any, and one that is stuck too much for a wait for all
SELECT pg_advisory_lock(10);
SELECT pid, cookie FROM stuck() \gset
SELECT pid AS other_pid, cookie AS other_cookie FROM pg_background_start('SELECT pg_sleep(0.5)') \gset
SELECT (pg_background_await_any(ARRAY[(:pid, :cookie)::pg_background_handle, (:other_pid, :other_cookie)::pg_background_handle])).cookie
     = :other_cookie AS the_other;
SELECT pg_background_forget((:other_pid, :other_cookie)::pg_background_handle);
SELECT pid AS other_pid, cookie AS other_cookie FROM pg_background_start('SELECT pg_sleep(0.5)') \gset
SELECT told_in_short(format('SELECT pg_background_await_all(ARRAY[($1, $2)::pg_background_handle, (%s, %s)::pg_background_handle])',
    :other_pid, :other_cookie), :pid, :cookie);
SELECT pg_background_await((:other_pid, :other_cookie)::pg_background_handle);
SELECT pg_background_forget((:other_pid, :other_cookie)::pg_background_handle);
SELECT pid AS other_pid, cookie AS other_cookie FROM stuck() \gset
SELECT told_in_short(format('SELECT pg_background_await_any(ARRAY[($1, $2)::pg_background_handle, (%s, %s)::pg_background_handle])',
    :other_pid, :other_cookie), :pid, :cookie);

-- a wait before a stop looks for no deadlock: the job is stopped
SELECT pg_background_stop((:pid, :cookie)::pg_background_handle, '200 ms');
SELECT pg_background_stop((:other_pid, :other_cookie)::pg_background_handle, '200 ms');
SELECT pg_background_await_all(ARRAY[(:pid, :cookie)::pg_background_handle, (:other_pid, :other_cookie)::pg_background_handle]);
SELECT pg_background_forget_ended();
-- a wait that ends before has no error
SET deadlock_timeout = '1h';
SELECT pid, cookie FROM stuck() \gset
SELECT pg_background_await((:pid, :cookie)::pg_background_handle, '100 ms');
SET deadlock_timeout = '20ms';
SELECT pg_advisory_unlock(10);
SELECT pg_background_await((:pid, :cookie)::pg_background_handle);
SELECT pg_background_forget_ended();

--
-- no false alarm
--
-- the session holds locks that the job does not wait for, and the job works for much longer than deadlock_timeout
BEGIN;
LOCK TABLE place;
SELECT pg_background_exec('SELECT pg_sleep(0.5)');
ROLLBACK;
-- the job waits for a lock of another job, which ends
SELECT pid, cookie FROM pg_background_start('SELECT pg_advisory_xact_lock(11), pg_sleep(1)') \gset
CALL until_waits(:pid, 'PgSleep');
BEGIN;
LOCK TABLE place;
SELECT pg_background_exec('SELECT pg_advisory_xact_lock(11)');
ROLLBACK;
SELECT pg_background_await((:pid, :cookie)::pg_background_handle);
SELECT pg_background_forget_ended();

--
-- after the error
--
-- the transaction goes on from a savepoint, and what it then does lets the job go on
BEGIN;
SAVEPOINT before_lock;
LOCK TABLE place;
SELECT pid, cookie FROM pg_background_start('SELECT count(*) FROM place') \gset
\set VERBOSITY terse
SELECT pg_background_await((:pid, :cookie)::pg_background_handle);
\set VERBOSITY default
ROLLBACK TO before_lock;
SELECT * FROM pg_background_rows((:pid, :cookie)::pg_background_handle) AS (n bigint);
COMMIT;
-- in a block that catches the error, whose locks go
DO $$
DECLARE
    h pg_background_handle;
BEGIN
    BEGIN
        LOCK TABLE place;
        h := pg_background_start('INSERT INTO place VALUES (3, $q$three$q$)');
        PERFORM pg_background_await(h);
    EXCEPTION WHEN deadlock_detected THEN
        RAISE WARNING '%', SQLERRM;
    END;
    PERFORM pg_background_await(h);
    RAISE WARNING 'it is %', (pg_background_outcome(h)).state;
    PERFORM pg_background_forget(h);
END
$$;
SELECT id, note FROM place ORDER BY id;
SELECT count(*) AS left_over FROM jobs;

DROP FUNCTION stuck;
DROP TABLE place;
DROP FUNCTION told_in_short, told;
\i regress/sql/include/cleanup.sql
