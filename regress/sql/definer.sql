-- Jobs that a SECURITY DEFINER function launches: its rights and restrictions, until the job's end and no longer.
CREATE EXTENSION pg_background;
CREATE ROLE regress_definer;
GRANT pgbackground_role TO regress_definer;
CREATE SCHEMA definer AUTHORIZATION regress_definer;
CREATE FUNCTION definer.run(sql text) RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, definer, pg_temp AS $$
DECLARE
    job pg_background_handle;
BEGIN
    job := pg_background_launch_v2(sql);
    RETURN QUERY SELECT * FROM pg_background_result_v2(job.pid, job.cookie) AS (line text);
END $$;
ALTER FUNCTION definer.run(text) OWNER TO regress_definer;

SELECT definer.run($$SELECT format('%s %s', current_user, session_user = current_user)$$);
-- temporary tables are dropped when the worker exits
SELECT definer.run('CREATE TEMP TABLE t AS SELECT 1 AS n');
-- commands that commit while they run
SELECT definer.run('CREATE TABLE definer.kept (n int)');
SELECT definer.run('VACUUM definer.kept');
SELECT definer.run('ANALYZE definer.kept');
SELECT definer.run('CLUSTER');
SELECT definer.run('REINDEX TABLE definer.kept');
-- a procedure commits there (definer_commits has more)
CREATE PROCEDURE definer.commits() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$;
GRANT EXECUTE ON PROCEDURE definer.commits() TO regress_definer;
\set VERBOSITY terse
SELECT definer.run('CALL definer.commits()');
-- neither can a job leave the function's user
SELECT definer.run('RESET ROLE; SELECT current_user::text');
SELECT definer.run('RESET SESSION AUTHORIZATION; SELECT current_user::text');

SELECT definer.run('CREATE INDEX ON definer.kept (n)');
ALTER FUNCTION definer.run(text) OWNER TO CURRENT_USER;
SELECT definer.run('DROP INDEX CONCURRENTLY definer.kept_n_idx');

-- an operation that runs users' code restricted launches nothing
CREATE FUNCTION definer.launches(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    IF n > 0 THEN
        PERFORM public.pg_background_launch('SELECT 1');
    END IF;
    RETURN n;
END $$;
INSERT INTO definer.kept VALUES (1);
CREATE INDEX launching ON definer.kept (definer.launches(n));

DROP PROCEDURE definer.commits();
DROP FUNCTION definer.launches(int);
DROP FUNCTION definer.run(text);
DROP TABLE definer.kept;
DROP SCHEMA definer;
DROP EXTENSION pg_background;
DROP ROLE regress_definer;
DROP ROLE pgbackground_role;
