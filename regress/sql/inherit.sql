-- A job has its launcher's settings, however the two differ when the worker has connected.
CREATE EXTENSION pg_background;
CREATE FUNCTION in_job(setting text) RETURNS text LANGUAGE sql AS $$
    SELECT * FROM pg_background_result(pg_background_launch(format('SELECT current_setting(%L)', setting))) AS (value text)
$$;

-- set by the session, new in the session, set back by the session
SET work_mem = '128kB';
SET inherit.custom = $$it's mine$$;
SELECT in_job('work_mem'), in_job('inherit.custom'), in_job('application_name') = current_setting('application_name') AS same;
RESET work_mem;
SELECT in_job('work_mem') = current_setting('work_mem') AS same;

-- a RESET in the job gives what a RESET in the launcher gives
SET maintenance_work_mem = '2MB';
SELECT value = (SELECT reset_val || unit FROM pg_settings WHERE name = 'maintenance_work_mem') AS same
FROM pg_background_result(pg_background_launch(
    $$RESET maintenance_work_mem; SELECT setting || unit FROM pg_settings WHERE name = 'maintenance_work_mem'$$)) AS (value text);
RESET maintenance_work_mem;

-- the role's own settings have changed since the launcher connected: the worker starts with what the launcher has not
DO $$ BEGIN EXECUTE format('ALTER ROLE %I SET work_mem = ''192kB''', current_user); END $$;
DO $$ BEGIN EXECUTE format('ALTER ROLE %I SET statement_timeout = ''77s''', current_user); END $$;
SELECT in_job('work_mem') = current_setting('work_mem') AS same, in_job('statement_timeout') = current_setting('statement_timeout') AS same;
SET work_mem = '256kB';
SELECT in_job('work_mem'), in_job('statement_timeout');
DO $$ BEGIN EXECUTE format('ALTER ROLE %I RESET work_mem', current_user); END $$;
DO $$ BEGIN EXECUTE format('ALTER ROLE %I RESET statement_timeout', current_user); END $$;
RESET work_mem;

-- for a transaction only; its isolation level and READ ONLY are its own
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE;
SET LOCAL work_mem = '320kB';
SELECT in_job('work_mem'), in_job('transaction_isolation'), in_job('transaction_read_only'), in_job('transaction_deferrable');
COMMIT;
SET default_transaction_isolation = 'repeatable read';
SELECT in_job('transaction_isolation');

DROP FUNCTION in_job(text);
DROP EXTENSION pg_background;
DROP ROLE pgbackground_role;
