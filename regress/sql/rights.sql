-- Who may cancel, and wait for, a job of another session.
\i regress/sql/include/registry.sql
\i regress/sql/include/helpers.sql
SET client_min_messages = warning;
CREATE ROLE regress_pgbg_owner;
CREATE ROLE regress_pgbg_member;
CREATE ROLE regress_pgbg_signal;
CREATE ROLE regress_pgbg_other;
CREATE ROLE regress_pgbg_super SUPERUSER;
GRANT regress_pgbg_owner TO regress_pgbg_member;
GRANT pg_signal_backend TO regress_pgbg_signal;
GRANT pg_read_all_stats TO regress_pgbg_other;
GRANT pgbackground_role TO regress_pgbg_owner, regress_pgbg_member, regress_pgbg_signal, regress_pgbg_other;

-- jobs of the owner and of a superuser, which go on when their session is gone
CREATE TABLE handles (job text, pid int, cookie int8);
GRANT ALL ON handles TO regress_pgbg_owner;
SET ROLE regress_pgbg_owner;
INSERT INTO handles SELECT job, h.* FROM unnest(ARRAY['one', 'two', 'three']) job, pg_background_submit_v2(format('SELECT pg_sleep(600), %L', job)) h;
RESET ROLE;
INSERT INTO handles SELECT 'super', h.* FROM pg_background_submit_v2('SELECT pg_sleep(600)') h;
CALL until($$(SELECT count(*) = 4 FROM pg_stat_background JOIN handles USING (cookie) WHERE state = 'running')$$);
\c -
SET client_min_messages = warning;

-- what comes of a call by that role, in this other session
CREATE FUNCTION call_as(caller text, call text, job_name text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    h handles;
    answer text;
BEGIN
    SELECT * INTO STRICT h FROM handles WHERE job = job_name;
    EXECUTE format('SET LOCAL ROLE %I', caller);
    EXECUTE replace('SELECT ' || call, 'HANDLE', h.pid || ', ' || h.cookie) INTO answer;
    SET LOCAL ROLE NONE;
    RETURN coalesce(answer, 'null');
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ': ' || replace(SQLERRM, h.pid::text, 'PID');
END
$$;
CREATE FUNCTION states() RETURNS TABLE (job text, state text) LANGUAGE sql AS
    'SELECT job, coalesce(s.state, h.state) FROM handles LEFT JOIN pg_stat_background s USING (cookie) LEFT JOIN pg_background_history h USING (cookie) ORDER BY 1';

-- no rights on the role
SELECT call, call_as('regress_pgbg_other', call, 'one')
  FROM (VALUES (1, 'pg_background_cancel_v2(HANDLE)'), (2, 'pg_background_cancel_v2_grace(HANDLE, 10)'), (3, 'pg_background_wait_v2(HANDLE)'),
               (4, 'pg_background_wait_v2_timeout(HANDLE, 10)')) v (n, call) ORDER BY n;
-- pg_signal_backend: stop, not look; and not a superuser's
SELECT call, job, call_as('regress_pgbg_signal', call, job)
  FROM (VALUES (1, 'pg_background_wait_v2(HANDLE)', 'one'), (2, 'pg_background_wait_v2_timeout(HANDLE, 10)', 'one'),
               (3, 'pg_background_cancel_v2(HANDLE)', 'super'), (4, 'pg_background_cancel_v2_grace(HANDLE, 10)', 'super'),
               (5, 'pg_background_wait_v2_timeout(HANDLE, 10)', 'super')) v (n, call, job) ORDER BY n;
SELECT * FROM states();
SELECT call_as('regress_pgbg_signal', 'pg_background_cancel_v2(HANDLE)', 'one');
SELECT call_as('regress_pgbg_owner', 'pg_background_wait_v2(HANDLE)', 'one');
-- the role itself, its members, superusers
SELECT call_as('regress_pgbg_member', 'pg_background_wait_v2_timeout(HANDLE, 10)', 'two');
SELECT call_as('regress_pgbg_member', 'pg_background_cancel_v2(HANDLE)', 'two');
SELECT call_as('regress_pgbg_member', 'pg_background_wait_v2(HANDLE)', 'two');
SELECT call_as('regress_pgbg_member', 'pg_background_cancel_v2(HANDLE)', 'super');
SELECT call_as('regress_pgbg_super', 'pg_background_wait_v2_timeout(HANDLE, 10)', 'three');
-- with grace: the running statement is what there is
SELECT call_as('regress_pgbg_super', 'pg_background_cancel_v2_grace(HANDLE, 10)', 'three');
SELECT call_as('regress_pgbg_super', 'pg_background_wait_v2(HANDLE)', 'three');
SELECT call_as('regress_pgbg_super', 'pg_background_cancel_v2(HANDLE)', 'super');
SELECT call_as('regress_pgbg_super', 'pg_background_wait_v2_timeout(HANDLE, 60000)', 'super');
CALL until('(SELECT count(*) = 4 FROM pg_background_history JOIN handles USING (cookie))');
SELECT * FROM states();

-- ended: nothing to wait for, nothing to cancel; rights are asked for all the same
SELECT call, call_as('regress_pgbg_owner', call, 'one')
  FROM (VALUES (1, 'pg_background_cancel_v2(HANDLE)'), (2, 'pg_background_cancel_v2_grace(HANDLE, 10)'), (3, 'pg_background_wait_v2(HANDLE)'),
               (4, 'pg_background_wait_v2_timeout(HANDLE, 10)')) v (n, call) ORDER BY n;
SELECT call, call_as('regress_pgbg_other', call, 'one')
  FROM (VALUES (1, 'pg_background_cancel_v2(HANDLE)'), (2, 'pg_background_wait_v2(HANDLE)')) v (n, call) ORDER BY n;

-- the rest stays with the session that launched the job
SELECT pid AS mine_pid, cookie AS mine_cookie FROM pg_background_submit_v2('SELECT pg_sleep(600)') \gset
DELETE FROM handles;
INSERT INTO handles VALUES ('mine', :mine_pid, :mine_cookie);
\c -
SET client_min_messages = warning;
SELECT call, call_as(session_user::text, call, 'mine')
  FROM (VALUES (1, 'pg_background_result_v2(HANDLE)'), (2, 'pg_background_detach_v2(HANDLE)'), (3, 'pg_background_get_progress_v2(HANDLE)')) v (n, call) ORDER BY n;
SELECT count(*) FROM jobs;
-- a handle is both of its numbers
UPDATE handles SET pid = 0;
SELECT call, call_as(session_user::text, call, 'mine')
  FROM (VALUES (1, 'pg_background_cancel_v2(HANDLE)'), (2, 'pg_background_cancel_v2_grace(HANDLE, 10)'), (3, 'pg_background_wait_v2(HANDLE)'),
               (4, 'pg_background_wait_v2_timeout(HANDLE, 10)')) v (n, call) ORDER BY n;
UPDATE handles SET pid = :mine_pid, cookie = :mine_cookie # 1;
SELECT call, call_as(session_user::text, call, 'mine')
  FROM (VALUES (1, 'pg_background_cancel_v2(HANDLE)'), (2, 'pg_background_wait_v2_timeout(HANDLE, 10)')) v (n, call) ORDER BY n;
UPDATE handles SET cookie = 0;
SELECT call_as(session_user::text, 'pg_background_cancel_v2(HANDLE)', 'mine');
UPDATE handles SET cookie = :mine_cookie;
SELECT state FROM states();
SELECT pg_background_cancel_v2(:mine_pid, :mine_cookie), pg_background_wait_v2(:mine_pid, :mine_cookie);
CALL until('EXISTS (SELECT FROM pg_background_history JOIN handles USING (cookie))');
SELECT state FROM states();

-- what this session has forgotten is forgotten here, though the registry knows it
SELECT pid AS mine_pid, cookie AS mine_cookie FROM pg_background_submit_v2('SELECT pg_sleep(600)') \gset
UPDATE handles SET pid = :mine_pid, cookie = :mine_cookie;
SELECT pg_background_detach_v2(:mine_pid, :mine_cookie);
SELECT call_as(session_user::text, 'pg_background_wait_v2_timeout(HANDLE, 10)', 'mine');
\c -
SET client_min_messages = warning;
SELECT call_as(session_user::text, 'pg_background_wait_v2_timeout(HANDLE, 10)', 'mine');
SELECT call_as(session_user::text, 'pg_background_cancel_v2(HANDLE)', 'mine');
SELECT call_as(session_user::text, 'pg_background_wait_v2_timeout(HANDLE, 60000)', 'mine');

DROP FUNCTION call_as(text, text, text), states();
DROP OWNED BY regress_pgbg_owner;
DROP TABLE handles;
\i regress/sql/include/cleanup.sql
DROP ROLE regress_pgbg_owner, regress_pgbg_member, regress_pgbg_signal, regress_pgbg_other, regress_pgbg_super;
