-- The statements that were written when the estimates stood, and were not looked at while they were made.
INSERT INTO bench.statement (name, class, sql, settings) VALUES
('semijoin', 'rest', 'SELECT count(*) FROM orders o WHERE EXISTS (SELECT FROM lineitem l WHERE l.l_orderkey = o.o_orderkey AND l_receiptdate > l_shipdate + 9)', '{}'),
('antijoin', 'rest', 'SELECT count(*) FROM part p WHERE NOT EXISTS (SELECT FROM lineitem l WHERE l_partkey = p_partkey AND l_quantity < 2)', '{}'),
('rank in groups', 'rest', 'SELECT * FROM (SELECT l_suppkey, l_orderkey, rank() OVER (PARTITION BY l_suppkey ORDER BY l_extendedprice DESC) AS place FROM lineitem) x WHERE place <= 3', '{}'),
('GROUPING SETS', 'rest', 'SELECT l_returnflag, l_shipmode, l_suppkey, sum(l_quantity) FROM lineitem GROUP BY GROUPING SETS ((l_returnflag, l_shipmode), (l_suppkey), ())', '{}'),
('percentile', 'rest', 'SELECT l_shipmode, percentile_cont(0.5) WITHIN GROUP (ORDER BY l_extendedprice::float8) FROM lineitem GROUP BY 1', '{}'),
('LATERAL', 'rest', 'SELECT count(*), sum(x.l_extendedprice) FROM orders o, LATERAL (SELECT l_extendedprice FROM lineitem l WHERE l.l_orderkey = o.o_orderkey ORDER BY l_extendedprice DESC LIMIT 1) x WHERE o_custkey % 2 = 0', '{}'),
('parallel groups', 'rest', 'SELECT l_suppkey, count(*), max(l_comment) FROM lineitem GROUP BY 1', '{"max_parallel_workers_per_gather": 2}'),
('regular expression', 'scan', $$SELECT count(*) FROM lineitem WHERE l_comment ~ '(a|b)c+[0-9]{2}f'$$, '{}'),
('UPDATE of a join', 'rest', 'UPDATE corr SET pad = o_comment FROM orders WHERE o_orderkey = id AND o_custkey % 3 = 0', '{}'),
('CREATE INDEX, expression', 'utility', 'CREATE INDEX written ON orders (md5(o_comment), o_orderdate)', '{}');
UPDATE bench.statement SET clean = '{DROP INDEX written}' WHERE name = 'CREATE INDEX, expression';
