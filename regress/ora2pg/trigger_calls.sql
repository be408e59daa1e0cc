-- Orders whose transaction rolls back.
\pset format unaligned
\pset tuples_only on
\set QUIET on
SET statement_timeout = '120s';
TRUNCATE app_log;
BEGIN;
INSERT INTO orders VALUES (1, 10), (2, 20);
UPDATE orders SET amount = 11 WHERE id = 1;
DELETE FROM orders WHERE id = 2;
ROLLBACK;
SELECT line FROM app_log ORDER BY id;
SELECT count(*) FROM orders;
