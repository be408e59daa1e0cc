-- NOTIFY at the end of a job: what a launch refuses, and that the job itself is as without.  What arrives is in t/019_notify.pl.
\i regress/sql/include/helpers.sql

-- names are checked as NOTIFY checks them
SELECT attempt(format('SELECT pg_background_start(%L, notify => %L)', 'SELECT 1', channel))
  FROM (VALUES (''), (repeat('x', 63)), (repeat('x', 64))) AS c (channel);
SELECT pg_background_await_all(array_agg(ROW(pid, cookie)::pg_background_handle)) FROM jobs;
SELECT pg_background_forget_all();
-- a job that fails, and one whose results nobody wants
SELECT h AS job FROM pg_background_start('SELECT 1/0', notify => 'regress', label => 'with a channel') h \gset
SELECT pg_background_await(:'job');
SELECT state, sqlstate, message FROM pg_background_outcome(:'job');
SELECT pg_background_forget(:'job');
SELECT h AS job FROM pg_background_start('SELECT 1', results => false, notify => 'regress') h \gset
SELECT pg_background_await(:'job');
SELECT state FROM pg_background_outcome(:'job');
SELECT pg_background_forget(:'job');
-- jobs after it, in the same worker where that stays
SELECT job('SELECT ''fine'''), job('SELECT current_setting(''synchronous_commit'')');
-- settings of the job do not keep it from being told
SELECT h AS job FROM pg_background_start('SELECT 1', notify => 'regress', settings => '{"default_transaction_read_only": true,
    "default_transaction_isolation": "serializable", "default_transaction_deferrable": true, "lock_timeout": "1ms", "statement_timeout": "1s"}') h \gset
SELECT pg_background_await(:'job');
SELECT * FROM pg_background_rows(:'job') AS (n int);
-- a job that notifies by itself, too
SELECT pg_background_exec('NOTIFY regress');
\i regress/sql/include/cleanup.sql
