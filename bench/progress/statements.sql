-- The statements that the estimates were made with. See bench.statement in setup.sql for what a line says.

-- One scan takes the time.
INSERT INTO bench.statement (name, class, sql, prepare, clean, settings) VALUES
('count', 'scan', 'SELECT count(*) FROM big10m', '{}', '{}', '{}'),
('filter, no row', 'scan', 'SELECT count(*) FROM big10m WHERE w < 0', '{}', '{}', '{}'),
('filter, half', 'scan', 'SELECT sum(w) FROM big10m WHERE v + 0 < 500000', '{}', '{}', '{}'),
('LIKE', 'scan', $$SELECT count(*) FROM lineitem WHERE l_comment LIKE '%abc%'$$, '{}', '{}', '{}'),
('expressions', 'scan', 'SELECT sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)), avg(l_quantity) FROM lineitem WHERE l_shipdate <= date ''1998-09-02''', '{}', '{}', '{}'),
('bitmap', 'scan', 'SELECT sum(w) FROM big10m WHERE v < 150000', '{}', '{}', '{"enable_seqscan": false, "enable_indexscan": false}'),
('bitmap of pages', 'scan', 'SELECT sum(w) FROM big10m WHERE v < 150000', '{}', '{}', '{"enable_seqscan": false, "enable_indexscan": false, "work_mem": "256kB"}'),
('index range', 'scan', 'SELECT sum(l_quantity) FROM lineitem WHERE l_orderkey < #500000#', '{}', '{}', '{"enable_seqscan": false, "enable_bitmapscan": false}'),
('pgbench, filter', 'scan', 'SELECT count(*), sum(abalance) FROM pgbench_accounts WHERE aid % 10 <> bid', '{}', '{}', '{}'),
('top ten', 'scan', 'SELECT * FROM lineitem ORDER BY l_extendedprice DESC, l_comment LIMIT 10', '{}', '{}', '{}'),
('LIMIT', 'scan', 'SELECT * FROM big10m WHERE v % 3 = 0 LIMIT #2000000#', '{}', '{}', '{}'),
('few groups', 'scan', 'SELECT l_returnflag, l_linestatus, sum(l_quantity), sum(l_extendedprice), avg(l_discount), count(*) FROM lineitem GROUP BY 1, 2', '{}', '{}', '{}'),
('rows to a session', 'scan', 'SELECT l_orderkey, l_partkey, l_comment FROM lineitem', '{}', '{}', '{}'),
('parallel count', 'scan', 'SELECT count(*) FROM big10m WHERE w > 100', '{}', '{}', '{"max_parallel_workers_per_gather": 2}');
UPDATE bench.statement SET columns = 'k int, p int, c text' WHERE name = 'rows to a session';

INSERT INTO bench.statement (name, class, sql, prepare, clean) VALUES
('INSERT SELECT', 'scan', 'INSERT INTO bench.written SELECT * FROM orders',
 '{CREATE TABLE bench.written (LIKE orders)}', '{DROP TABLE bench.written}'),
('INSERT, indexes', 'scan', 'INSERT INTO bench.written SELECT * FROM orders',
 '{CREATE TABLE bench.written (LIKE orders INCLUDING INDEXES),CREATE INDEX ON bench.written (o_custkey)}', '{DROP TABLE bench.written}'),
('UPDATE', 'scan', 'UPDATE bench.written SET o_totalprice = o_totalprice + 1 WHERE o_orderkey % 3 > 0',
 '{CREATE TABLE bench.written AS TABLE orders,VACUUM ANALYZE bench.written}', '{DROP TABLE bench.written}'),
('DELETE', 'scan', 'DELETE FROM bench.written WHERE o_custkey % 2 = 0',
 '{CREATE TABLE bench.written AS TABLE orders,VACUUM ANALYZE bench.written}', '{DROP TABLE bench.written}'),
('CREATE TABLE AS', 'scan', 'CREATE TABLE bench.written AS SELECT l_orderkey, l_partkey, l_quantity * l_extendedprice AS value FROM lineitem', '{}', '{DROP TABLE bench.written}');

-- Joins, sorts, aggregates, windows, set operations.
INSERT INTO bench.statement (name, class, sql, settings) VALUES
('hash join, 2', 'rest', 'SELECT count(*) FROM lineitem l JOIN orders o ON o.o_orderkey = l.l_orderkey', '{"work_mem": "256MB", "enable_mergejoin": false}'),
('hash join, batches', 'rest', 'SELECT count(*), max(o_comment) FROM lineitem l JOIN orders o ON o.o_orderkey = l.l_orderkey', '{"enable_mergejoin": false}'),
('hash join, 3', 'rest', 'SELECT c_mktsegment, sum(l_extendedprice) FROM customer JOIN orders ON o_custkey = c_custkey JOIN lineitem ON l_orderkey = o_orderkey GROUP BY 1', '{"work_mem": "64MB"}'),
('hash join, 5', 'rest', 'SELECT s_nationkey, p_brand, sum(l_extendedprice * (1 - l_discount)) FROM lineitem JOIN orders ON o_orderkey = l_orderkey JOIN customer ON c_custkey = o_custkey
   JOIN supplier ON s_suppkey = l_suppkey JOIN part ON p_partkey = l_partkey WHERE o_orderdate < date ''1996-01-01'' GROUP BY 1, 2', '{}'),
('nested loop, index', 'rest', 'SELECT count(*), sum(l_quantity) FROM orders JOIN lineitem ON l_orderkey = o_orderkey WHERE o_orderpriority < ''2''', '{"enable_hashjoin": false, "enable_mergejoin": false}'),
('nested loop, no index', 'rest', 'SELECT count(*) FROM supplier s JOIN customer c ON s.s_acctbal + 10990 < c.c_acctbal WHERE s_suppkey <= 300', '{}'),
('merge join, indexes', 'rest', 'SELECT count(*) FROM orders JOIN lineitem ON l_orderkey = o_orderkey', '{"enable_hashjoin": false, "enable_nestloop": false}'),
('merge join, sorts', 'rest', 'SELECT count(*) FROM orders JOIN lineitem ON l_orderkey + 0 = o_orderkey + 0', '{"enable_hashjoin": false}'),
('pgbench, join', 'rest', 'SELECT b.bid, count(*), max(a.filler) FROM pgbench_accounts a JOIN pgbench_branches b USING (bid) JOIN pgbench_accounts c ON c.aid = a.aid + 1 GROUP BY 1', '{}'),
('left join', 'rest', 'SELECT count(o_orderkey), count(*) FROM customer LEFT JOIN orders ON o_custkey = c_custkey AND o_comment NOT LIKE ''%abc%''', '{}'),
('sort', 'rest', 'SELECT l_comment, l_orderkey, l_partkey FROM lineitem ORDER BY l_comment', '{}'),
('sort, in memory', 'rest', 'SELECT o_comment FROM orders ORDER BY o_comment', '{"work_mem": "1GB"}'),
('sort, then aggregate', 'rest', 'SELECT count(*) FROM (SELECT l_comment FROM lineitem ORDER BY l_comment OFFSET 0) x', '{}'),
('many groups', 'rest', 'SELECT l_partkey, count(*), sum(l_quantity) FROM lineitem GROUP BY 1', '{"work_mem": "256MB"}'),
('many groups, spilled', 'rest', 'SELECT l_orderkey, sum(l_extendedprice), count(*) FROM lineitem GROUP BY 1 HAVING sum(l_quantity) > 150', '{"enable_sort": false, "enable_indexscan": false}'),
('sorted groups', 'rest', 'SELECT l_partkey, l_suppkey, count(*) FROM lineitem GROUP BY 1, 2', '{"enable_hashagg": false}'),
('DISTINCT', 'rest', 'SELECT DISTINCT l_partkey, l_shipmode FROM lineitem', '{}'),
('count of DISTINCT', 'rest', 'SELECT count(DISTINCT l_partkey) FROM lineitem', '{}'),
('window', 'rest', 'SELECT o_custkey, sum(o_totalprice) OVER (PARTITION BY o_custkey ORDER BY o_orderdate) FROM orders', '{}'),
('UNION', 'rest', 'SELECT l_partkey, l_suppkey FROM lineitem WHERE l_linenumber < 3 UNION SELECT o_custkey, o_orderkey FROM orders', '{}'),
('EXCEPT', 'rest', 'SELECT o_orderkey FROM orders EXCEPT SELECT l_orderkey FROM lineitem WHERE l_returnflag = ''R''', '{}'),
('subquery for each row', 'rest', 'SELECT count(*) FROM customer c WHERE c_acctbal < (SELECT sum(o_totalprice) / 100 FROM orders WHERE o_custkey = c_custkey)', '{}'),
('IN, hashed', 'rest', 'SELECT count(*) FROM lineitem WHERE l_partkey NOT IN (SELECT p_partkey FROM part WHERE p_size < 20)', '{"work_mem": "64MB"}'),
('generate_series', 'rest', 'SELECT count(*), sum(i) FROM generate_series(1, #5000000#) i', '{}'),
('parallel hash join', 'rest', 'SELECT count(*) FROM lineitem l JOIN orders o ON o.o_orderkey = l.l_orderkey', '{"max_parallel_workers_per_gather": 2, "work_mem": "64MB", "enable_mergejoin": false}'),
('parallel sort', 'rest', 'SELECT l_comment FROM lineitem ORDER BY l_comment OFFSET #2999000#', '{"max_parallel_workers_per_gather": 2, "work_mem": "64MB"}');
UPDATE bench.statement SET columns = 'c text, o int, p int' WHERE name = 'sort';

INSERT INTO bench.statement (name, class, sql, prepare, clean) VALUES
('CREATE TABLE AS, join', 'rest', 'CREATE TABLE bench.written AS SELECT l_orderkey, o_custkey, l_extendedprice, o_comment FROM lineitem JOIN orders ON o_orderkey = l_orderkey',
 '{}', '{DROP TABLE bench.written}'),
('REFRESH', 'rest', 'REFRESH MATERIALIZED VIEW bench.parts_sold',
 '{CREATE MATERIALIZED VIEW bench.parts_sold AS SELECT l_partkey\, p_name\, sum(l_quantity) AS sold\, max(l_comment) FROM lineitem JOIN part ON p_partkey = l_partkey GROUP BY 1\, 2 WITH NO DATA}',
 '{DROP MATERIALIZED VIEW bench.parts_sold}'),
('INSERT, foreign key', 'rest', 'INSERT INTO bench.written SELECT o_orderkey, o_custkey FROM orders WHERE o_orderkey % 3 = 0',
 '{CREATE TABLE bench.written (o int\, c int REFERENCES customer)}', '{DROP TABLE bench.written}');

-- The planner's rows are wrong: by a hundred times, and by a thousand and more.
INSERT INTO bench.statement (name, class, sql, settings) VALUES
('wrong 100, join', 'rest', 'SELECT count(*), max(l_comment) FROM corr JOIN lineitem ON l_orderkey = id WHERE a % 2 = 0', '{}'),
('wrong 100, sort', 'rest', 'SELECT l_comment FROM lineitem WHERE l_orderkey % 2 = 0 ORDER BY l_comment', '{}'),
('wrong 1000, nested loop', 'wrong', 'SELECT count(*), max(l_comment) FROM corr JOIN lineitem ON l_orderkey = id WHERE a % 1 = 0 AND b % 40 < 30 AND d + 0 >= 0 AND e + 0 >= 0', '{}'),
('wrong 1000, sort', 'wrong', 'SELECT l_comment FROM lineitem WHERE l_orderkey % 1 = 0 AND l_partkey + 0 > 0 AND l_suppkey + 0 > 0 ORDER BY l_comment', '{}'),
('wrong 1000, groups', 'wrong', 'SELECT l_comment, count(*) FROM lineitem WHERE l_orderkey % 1 = 0 AND l_partkey + 0 > 0 AND l_suppkey + 0 > 0 GROUP BY l_comment', '{}'),
('wrong 1000, CTE join', 'wrong', 'WITH a AS MATERIALIZED (SELECT o_orderkey + 0 AS k, o_totalprice FROM orders WHERE o_orderkey <= #250000#),
   b AS MATERIALIZED (SELECT o_orderkey + 0 AS k, o_comment FROM orders WHERE o_orderkey <= #250000#) SELECT count(*), max(o_comment) FROM a JOIN b USING (k)', '{}');

-- Of these nothing may be known.
INSERT INTO bench.statement (name, class, sql) VALUES
('recursive', 'opaque', 'WITH RECURSIVE r (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < #2000000#) SELECT count(*) FROM r'),
('function, loop of rows', 'opaque', 'SELECT bench.loop_of_rows()'),
('function, loop of numbers', 'opaque', 'SELECT bench.loop_of_numbers(#200000#)'),
('function, three statements', 'opaque', 'SELECT bench.three_statements()'),
('DO, loop of rows', 'opaque', 'DO $$ DECLARE o record; BEGIN FOR o IN SELECT o_orderkey FROM orders WHERE o_orderkey % 5 = 0 LOOP
   PERFORM count(*) FROM lineitem WHERE l_orderkey = o.o_orderkey; END LOOP; END $$');

-- Utility commands.
INSERT INTO bench.statement (name, class, sql, prepare, clean, settings) VALUES
('VACUUM', 'utility', 'VACUUM bench.written',
 '{CREATE TABLE bench.written AS TABLE lineitem,DELETE FROM bench.written WHERE l_orderkey % 3 = 0}', '{DROP TABLE bench.written}', '{}'),
('VACUUM, indexes', 'utility', 'VACUUM bench.written',
 '{CREATE TABLE bench.written AS TABLE lineitem,CREATE INDEX ON bench.written (l_partkey),CREATE INDEX ON bench.written (l_orderkey),DELETE FROM bench.written WHERE l_orderkey % 2 = 0}',
 '{DROP TABLE bench.written}', '{"maintenance_work_mem": "64MB"}'),
('VACUUM, indexes, passes', 'utility', 'VACUUM bench.written',
 '{CREATE TABLE bench.written AS TABLE lineitem,CREATE INDEX ON bench.written (l_partkey),CREATE INDEX ON bench.written (l_orderkey),DELETE FROM bench.written WHERE l_orderkey % 2 = 0}',
 '{DROP TABLE bench.written}', '{"maintenance_work_mem": "2MB"}'),
('VACUUM ANALYZE', 'utility', 'VACUUM ANALYZE bench.written',
 '{CREATE TABLE bench.written AS TABLE lineitem,CREATE INDEX ON bench.written (l_partkey),DELETE FROM bench.written WHERE l_orderkey % 2 = 0}', '{DROP TABLE bench.written}', '{}'),
('ANALYZE', 'utility', 'ANALYZE lineitem', '{}', '{}', '{}'),
('ANALYZE, target 1000', 'utility', 'ANALYZE lineitem', '{}', '{}', '{"default_statistics_target": 1000}'),
('CREATE INDEX', 'utility', 'CREATE INDEX written ON lineitem (l_partkey)', '{}', '{DROP INDEX written}', '{}'),
('CREATE INDEX, text', 'utility', 'CREATE INDEX written ON lineitem (l_comment)', '{}', '{DROP INDEX written}', '{}'),
('CREATE INDEX, parallel', 'utility', 'CREATE INDEX written ON big10m (w)', '{}', '{DROP INDEX written}', '{"max_parallel_maintenance_workers": 2}'),
('CREATE INDEX, GIN', 'utility', 'CREATE INDEX written ON bench.arrays USING gin (a)',
 '{CREATE TABLE bench.arrays AS SELECT ARRAY[o_custkey\, o_orderkey % 1000\, o_orderkey % 77] AS a FROM orders}', '{DROP TABLE bench.arrays}', '{}'),
('CREATE INDEX, BRIN', 'utility', 'CREATE INDEX written ON big10m USING brin (id)', '{}', '{DROP INDEX written}', '{}'),
('CREATE INDEX CONCURRENTLY', 'utility', 'CREATE INDEX CONCURRENTLY written ON lineitem (l_suppkey)', '{}', '{DROP INDEX written}', '{}'),
('REINDEX TABLE', 'utility', 'REINDEX TABLE lineitem', '{}', '{}', '{}'),
('CLUSTER', 'utility', 'CLUSTER bench.written USING written_key',
 '{CREATE TABLE bench.written AS TABLE orders,CREATE INDEX written_key ON bench.written (o_custkey),CREATE INDEX ON bench.written (o_orderkey),ANALYZE bench.written}', '{DROP TABLE bench.written}', '{}'),
('VACUUM FULL', 'utility', 'VACUUM FULL bench.written',
 '{CREATE TABLE bench.written AS TABLE lineitem,CREATE INDEX ON bench.written (l_partkey),CREATE INDEX ON bench.written (l_comment),DELETE FROM bench.written WHERE l_orderkey % 3 = 0}',
 '{DROP TABLE bench.written}', '{}'),
('COPY FROM a file', 'utility', $$COPY bench.written FROM '#data#/bench.orders'$$,
 '{CREATE TABLE bench.written (LIKE orders INCLUDING INDEXES),COPY orders TO ''#data#/bench.orders''}', '{DROP TABLE bench.written,COPY (SELECT 1 WHERE false) TO ''#data#/bench.orders''}', '{}'),
('COPY TO a file', 'utility', $$COPY lineitem TO '/dev/null'$$, '{}', '{}', '{}'),
('COPY a query', 'utility', $$COPY (SELECT l.*, o_comment FROM lineitem l JOIN orders ON o_orderkey = l_orderkey) TO '/dev/null'$$, '{}', '{}', '{}'),
('FOREIGN KEY', 'utility', 'ALTER TABLE bench.written ADD FOREIGN KEY (l_partkey) REFERENCES part',
 '{CREATE TABLE bench.written AS TABLE lineitem,VACUUM ANALYZE bench.written}', '{DROP TABLE bench.written}', '{}');
