-- The tables that the statements read: pgbench's, which bench/progress/run makes, and these, shaped like TPC-H's. :size is 1, or what
-- they are multiplied by. All values follow from the row's number, so each run has the same.
SET synchronous_commit = off;
SET max_parallel_workers_per_gather = 0;

-- An even spread of 0 to n - 1 without an order, always the same.
CREATE FUNCTION bench.spread(i bigint, n bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT (i * 2654435761 % 4294967296) * n / 4294967296 $$;
-- How many rows a table of n rows has.
SELECT (750000 * :size)::int AS orders, (75000 * :size)::int AS customers, (100000 * :size)::int AS parts, (5000 * :size)::int AS suppliers,
       (10000000 * :size)::int AS big, (1000000 * :size)::int AS corr \gset

CREATE TABLE supplier (s_suppkey int, s_name text, s_nationkey int, s_acctbal numeric);
INSERT INTO supplier SELECT i, 'Supplier ' || i, i % 25, bench.spread(i, 1100000) / 100.0 FROM generate_series(1, :suppliers) i;

CREATE TABLE part (p_partkey int, p_name text, p_brand text, p_type text, p_size int, p_retailprice numeric);
INSERT INTO part
  SELECT i, 'part ' || md5(i::text), 'Brand ' || i % 25, 'type ' || i % 150, 1 + bench.spread(i, 50), 900 + i % 1000 FROM generate_series(1, :parts) i;

CREATE TABLE customer (c_custkey int, c_name text, c_nationkey int, c_acctbal numeric, c_mktsegment text, c_comment text);
INSERT INTO customer
  SELECT i, 'Customer ' || i, i % 25, bench.spread(i, 1100000) / 100.0, 'SEGMENT ' || i % 5, repeat(md5(i::text), 2) FROM generate_series(1, :customers) i;

CREATE TABLE orders (o_orderkey int, o_custkey int, o_orderstatus text, o_totalprice numeric, o_orderdate date, o_orderpriority text, o_comment text);
INSERT INTO orders
  SELECT i, 1 + bench.spread(i, :customers), substr('FOP', 1 + i % 3, 1), bench.spread(i + 7, 50000000) / 100.0,
         date '1992-01-01' + bench.spread(i + 11, 2400)::int, i % 5 || '-PRIORITY', md5(i::text)
  FROM generate_series(1, :orders) i;

-- four of each order
CREATE TABLE lineitem (
  l_orderkey int, l_partkey int, l_suppkey int, l_linenumber int, l_quantity numeric, l_extendedprice numeric, l_discount numeric, l_tax numeric,
  l_returnflag text, l_linestatus text, l_shipdate date, l_receiptdate date, l_shipmode text, l_comment text);
INSERT INTO lineitem
  SELECT o, 1 + bench.spread(4 * o + l, :parts), 1 + bench.spread(4 * o + l + 5, :suppliers), l, 1 + bench.spread(4 * o + l + 9, 50),
         (90000 + bench.spread(4 * o + l + 3, 9000000)) / 100.0, (o % 11) / 100.0, (o % 9) / 100.0, substr('ANR', 1 + (o + l) % 3, 1), substr('FO', 1 + o % 2, 1),
         date '1992-01-02' + bench.spread(o + 11, 2400)::int + l, date '1992-01-12' + bench.spread(o + 11, 2400)::int + l, 'MODE ' || (o + l) % 7, md5((4 * o + l)::text)
  FROM generate_series(1, :orders) o, generate_series(1, 4) l;

CREATE TABLE big10m (id int, v int, w float8);
INSERT INTO big10m SELECT i, bench.spread(i, 1000000), i / 7.0 FROM generate_series(1, :big) i;

-- a and b are one value, so are d and e: the planner takes a condition on both for a hundred, for a thousand times rarer than it is.
CREATE TABLE corr (id int, a int, b int, d int, e int, pad text);
INSERT INTO corr SELECT i, i % 100, i % 100, i % 1000, i % 1000, md5(i::text) FROM generate_series(1, :corr) i;

ALTER TABLE supplier ADD PRIMARY KEY (s_suppkey);
ALTER TABLE part ADD PRIMARY KEY (p_partkey);
ALTER TABLE customer ADD PRIMARY KEY (c_custkey);
ALTER TABLE orders ADD PRIMARY KEY (o_orderkey);
ALTER TABLE corr ADD PRIMARY KEY (id);
CREATE INDEX lineitem_order ON lineitem (l_orderkey);
CREATE INDEX lineitem_part ON lineitem (l_partkey);
CREATE INDEX orders_customer ON orders (o_custkey);
CREATE INDEX big10m_v ON big10m (v);

-- What a loop in a function does with its rows.
CREATE FUNCTION bench.loop_of_rows() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE o record; n bigint := 0;
BEGIN
  FOR o IN SELECT o_orderkey FROM orders WHERE o_orderkey % 5 = 0 LOOP
    SELECT n + count(*) INTO n FROM lineitem WHERE l_orderkey = o.o_orderkey;
  END LOOP;
  RETURN n;
END $$;
CREATE FUNCTION bench.loop_of_numbers(rounds bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n bigint := 0;
BEGIN
  FOR i IN 1 .. rounds LOOP
    SELECT n + count(*) INTO n FROM lineitem WHERE l_orderkey = i;
  END LOOP;
  RETURN n;
END $$;
CREATE FUNCTION bench.three_statements() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n bigint;
BEGIN
  SELECT count(*) INTO n FROM lineitem WHERE l_comment LIKE '%abc%';
  SELECT count(*) INTO n FROM lineitem l JOIN orders o ON o.o_orderkey = l.l_orderkey;
  SELECT count(DISTINCT l_partkey) INTO n FROM lineitem;
  RETURN n;
END $$;
VACUUM ANALYZE;
CHECKPOINT;
