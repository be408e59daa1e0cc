# Progress of utility commands, seen from another session.  Each command is held in a phase by a lock, by a program that waits, or by
# VACUUM's own cost delay; then the view must show that phase, and what figure is known by then.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = server('utility', conf => <<'END');
pg_background.progress_interval = '1ms'
max_parallel_maintenance_workers = 0
END
my $dir = PostgreSQL::Test::Utils::tempdir;
my $since17 = $node->pg_version >= 17;

# gate() holds who comes by as long as lock 1 is held.  Every page of t has a little more than 200 rows.
$node->safe_psql('postgres', <<'END');
CREATE FUNCTION gate(n int, at int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  IF n = at THEN PERFORM pg_advisory_lock_shared(1); PERFORM pg_advisory_unlock_shared(1); END IF;
  RETURN n;
END $$;
-- The same, and an error is caught before: the server then says of the command that it counts nothing any more.
CREATE FUNCTION caught(n int, at int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  IF n = 1 THEN
    BEGIN
      PERFORM 1 / (n - 1);
    EXCEPTION WHEN division_by_zero THEN NULL;
    END;
  END IF;
  RETURN public.gate(n, at);
END $$;
CREATE TABLE t (n int PRIMARY KEY, s text) WITH (autovacuum_enabled = off);
INSERT INTO t SELECT n, 'x' FROM generate_series(1, 20000) n;
ANALYZE t;
CREATE TABLE indexed (n int, s text) WITH (autovacuum_enabled = off);
INSERT INTO indexed SELECT n, 'x' FROM generate_series(1, 20000) n;
CREATE INDEX indexed_n ON indexed (n);
CREATE INDEX indexed_s ON indexed (caught(n, 15000), s);
ANALYZE indexed (s);
END
my ($holder, $launcher, $watcher) = map { session($node) } 1 .. 3;

# Launches a job and returns what the view shows another session of it once its phase is like that.
sub held
{
	my ($sql, $phase) = @_;
	my $pid = launch($launcher, $sql);
	return shown($pid, $phase);
}

sub shown
{
	my ($pid, $phase) = @_;
	my $row = '';
	until_true(sub {
		$row = value($watcher, 'SELECT command, progress_pct, progress_phase, progress_source, rows_processed'
			  . " FROM pg_stat_background WHERE pid = $pid");
		return $row =~ $phase || $row eq '';
	});
	like($row, $phase, "the view shows $phase");
	return split /\|/, $row;
}

# The job ends, and says so.
sub ends
{
	my ($what) = @_;

	# Before it is asked for its result: a command that waits for all snapshots would wait for that query's.
	until_true(sub { value($launcher, 'SELECT count(*) FROM pg_stat_background WHERE pid = :pid') == 0 });
	my ($out) = ask($launcher, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (tag text)');
	like($out, $what, "the job returns $what");
	return;
}

sub canceled
{
	value($launcher, 'SELECT pg_background_cancel_v2(:pid, :cookie)');
	ask($launcher, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (tag text)');
	return;
}

sub lock   { value($holder, 'SELECT pg_advisory_lock(1)'); return }
sub unlock { value($holder, 'SELECT pg_advisory_unlock(1)'); return }

# A percentage between two.
sub between
{
	my ($percent, $low, $high, $what) = @_;
	ok(defined $percent && $percent ne '' && $percent >= $low && $percent <= $high, "$what: $percent % is in $low to $high");
	return;
}

lock();

# CREATE INDEX: row 10000 of 20000 is in the middle of the scan, which is 72 %
my @row = held('CREATE INDEX i ON t (gate(n, 10000))', qr/CREATE INDEX: building index: scanning table: waiting/);
between($row[1], 30, 40, 'half of the scan');
is($row[3], 'automatic', 'the figure is automatic');
unlock();
ends(qr/CREATE INDEX/);

# REINDEX TABLE: the primary key, then the index with a function. That of the TOAST table is the last, on 18 the first.
lock();
@row = held('REINDEX TABLE t', qr/REINDEX, index [23] of 3: building index: scanning table: waiting/);
between($row[1], 65, 71, 'one index and a third of the other');
unlock();
ends(qr/REINDEX/);

# concurrently all builds are 68 %, and the TOAST index is the last
lock();
@row = held('REINDEX TABLE CONCURRENTLY t', qr/REINDEX, index 2 of 3: building index: scanning table: waiting/);
between($row[1], 43, 49, 'one build and a third of the other');
unlock();
ends(qr/REINDEX/);

# VACUUM FULL and CLUSTER
lock();
for my $command ('VACUUM FULL indexed', 'CLUSTER indexed USING indexed_n')
{
	my ($name) = split / /, $command;
	@row = held($command, qr/$name, index 2 of 2: rebuilding index: scanning table: waiting/);
	between($row[1], 65, 95, "$name: the heap, an index and a half");
	unlock();
	ends(qr/$name/);
	lock();
}

# ANALYZE evaluates the index's function on the sample
@row = held('ANALYZE indexed', qr/ANALYZE: computing statistics: waiting/);
between($row[1], 1, 99, 'ANALYZE: computing');
unlock();
ends(qr/ANALYZE/);

# REINDEX of one index: its part of the other one's time does not count
lock();
@row = held('REINDEX INDEX indexed_s', qr/REINDEX: building index: scanning table: waiting/);
between($row[1], 45, 60, 'three quarters of the scan');
unlock();
ends(qr/REINDEX/);

# CREATE INDEX CONCURRENTLY waits for a writer, and in the end for an old snapshot.  Neither is a circle, for no job is awaited.
value($holder, 'BEGIN; INSERT INTO t VALUES (0)');
@row = held('CREATE INDEX CONCURRENTLY c ON t (s)', qr/CREATE INDEX, \d of \d: waiting for writers before build/);
is($row[1], 0, 'nothing is done before the build');
my $snapshot = session($node);
value($snapshot, 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM t');
value($holder, 'ROLLBACK');
@row = shown(value($launcher, 'SELECT :pid'), qr/CREATE INDEX, \d of \d: waiting for old snapshots/);
between($row[1], 95, 99, 'all is done before the last wait');
value($snapshot, 'COMMIT');
$snapshot->quit;
ends(qr/CREATE INDEX/);

value($holder, 'BEGIN; INSERT INTO t VALUES (0)');
@row = held('REINDEX TABLE CONCURRENTLY t', qr/REINDEX, \d of \d: waiting for writers before build/);
is($row[1], 0, 'nothing is done before the first build');
value($holder, 'ROLLBACK');
ends(qr/REINDEX/);

# COPY from a program: no percentage, but rows.  The program waits for a file.
my $rows = q{sh -c "seq 1 50000; until [ -e } . "$dir/go" . q{ ]; do sleep 0.05; done"};
$node->safe_psql('postgres', 'CREATE TABLE copied (n int)');
@row = held("COPY copied FROM PROGRAM '$rows'", qr/COPY: copying rows\|automatic\|[1-9]/);
is($row[1], '', 'nobody knows how much a program has to say');
append_to_file("$dir/go", '');
ends(qr/COPY 50000/);
unlink "$dir/go";

# COPY to a program that does not read yet: the pipe holds a part, which may be a page of it where a user has many pipes
my $reader = q{sh -c "until [ -e } . "$dir/go" . q{ ]; do sleep 0.05; done; cat >/dev/null"};
$node->safe_psql('postgres', 'ANALYZE copied');
@row = held("COPY copied TO PROGRAM '$reader'", qr/COPY: copying rows\|automatic\|[1-9]\d{2,4}$/);
between($row[1], $row[4] / 500 - 1, $row[4] / 500 + 1, 'rows of those in the table');
append_to_file("$dir/go", '');
ends(qr/COPY 50000/);

# COPY from a file, held by a trigger that has caught an error before. What another trigger does before says nothing of the rows to
# come.
$node->safe_psql('postgres', <<'END');
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM caught(NEW.n, 50000); RETURN NEW; END';
CREATE TRIGGER hold BEFORE INSERT ON copied FOR EACH ROW EXECUTE FUNCTION hold();
CREATE FUNCTION looks() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM copied WHERE n < 0; RETURN NULL; END';
CREATE TRIGGER looks BEFORE INSERT ON copied EXECUTE FUNCTION looks();
END
append_to_file("$dir/rows", join '', map { "$_\n" } 1 .. 100_000);
lock();
@row = held("COPY copied FROM '$dir/rows'", qr/COPY: copying rows: waiting for a lock\|automatic\|\d+/);
between($row[1], 45, 60, 'bytes of those in the file');
between($row[4], 49_000, 50_000, 'rows so far, not a percentage');
is(value($watcher, 'SELECT rows_estimated FROM pg_stat_background'), '', 'nobody knows how many there will be');
unlock();
ends(qr/COPY 100000/);

# A command around a query shows the query's progress
lock();
@row = held('CREATE TABLE made AS SELECT gate(n, 10000) FROM t', qr/\|CREATE TABLE AS.*\|automatic/);
is($row[3], 'automatic', 'a query in a command is observed');
unlock();
ends(qr/SELECT 20000/);

lock();
@row = held("COPY (SELECT gate(n, 10000) FROM t) TO '/dev/null'", qr/\|\d+\|COPY: waiting for a lock: scanning t\|/);
between($row[1], 0, 52, 'half of the query, or as much as the last look saw');
unlock();
ends(qr/COPY 20000/);

# Not that of an event trigger which runs before it
$node->safe_psql('postgres', <<'END');
CREATE FUNCTION asks() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN PERFORM count(*) FROM copied; END';
CREATE EVENT TRIGGER asks ON ddl_command_start EXECUTE FUNCTION asks();
END
lock();
for my $command ('CREATE TABLE made_after AS', 'CREATE MATERIALIZED VIEW seen AS')
{
	held("$command SELECT gate(n, 10000) FROM t", qr/^[^|]*\|[45]\d\|.*: waiting for a lock:.*\|automatic/);
	unlock();
	ends(qr/SELECT 20000/);
	lock();
}
unlock();
$node->safe_psql('postgres', 'DROP EVENT TRIGGER asks');

# ALTER TABLE that rewrites: no percentage, but the phase
lock();
@row = held('ALTER TABLE t ALTER s TYPE varchar(9) USING gate(n, 10000)::text', qr/ALTER TABLE: waiting for a lock/);
is($row[1], '', 'a rewrite is not counted');
unlock();
ends(qr/ALTER TABLE/);

# Each look at a job that waits for a lock makes the server write a line, with log_lock_waits: there are few.
setting($node, 'deadlock_timeout', '10ms');
setting($node, 'log_lock_waits', 'on');
lock();
my $offset = -s $node->logfile;
held('ALTER TABLE t ALTER s TYPE varchar(8) USING gate(n, 10000)::text', qr/ALTER TABLE: waiting for a lock/);
ok(until_true(sub { $node->log_contains(qr/still waiting for/, $offset) }), 'the log says that the job waits');
value($watcher, 'SELECT pg_sleep(2)');
my $lines = () = substr(slurp_file($node->logfile), $offset) =~ /still waiting for/g;
cmp_ok($lines, '<', 50, 'the log says so a few times');
unlock();
ends(qr/ALTER TABLE/);
setting($node, 'log_lock_waits', 'off');
setting($node, 'deadlock_timeout', '1s');

# A foreign key of a partitioned table is checked by a query for each partition: the figure of one is not the command's.  The cast holds it.
$node->safe_psql('postgres', <<'END');
CREATE TYPE held AS (n int);
CREATE FUNCTION as_int(held) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT gate($1.n, 15000)';
CREATE CAST (held AS int) WITH FUNCTION as_int(held) AS IMPLICIT;
CREATE TABLE referred (n int PRIMARY KEY);
CREATE TABLE referring (k int, h held) PARTITION BY RANGE (k);
CREATE TABLE referring_1 PARTITION OF referring FOR VALUES FROM (1) TO (10001);
CREATE TABLE referring_2 PARTITION OF referring DEFAULT;
INSERT INTO referred SELECT generate_series(1, 20000);
INSERT INTO referring SELECT n, ROW(n)::held FROM generate_series(1, 20000) n;
ANALYZE referred, referring;
END
lock();
@row = held('ALTER TABLE referring ADD FOREIGN KEY (h) REFERENCES referred', qr/ALTER TABLE: validating constraint: waiting/);
is($row[1], '', 'nobody knows how many checks there are');
unlock();
ends(qr/ALTER TABLE/);

$node->safe_psql('postgres', 'DROP TABLE referring, referred');

# The same check of one table, later
$node->safe_psql('postgres', <<'END');
CREATE TABLE referred (n int PRIMARY KEY);
CREATE TABLE referring (h held);
INSERT INTO referred SELECT generate_series(1, 20000);
INSERT INTO referring SELECT ROW(n)::held FROM generate_series(1, 20000) n;
ALTER TABLE referring ADD CONSTRAINT refers FOREIGN KEY (h) REFERENCES referred NOT VALID;
ANALYZE referred, referring;
END
lock();
@row = held('ALTER TABLE referring VALIDATE CONSTRAINT refers', qr/\|\d+\|ALTER TABLE: validating constraint: waiting/);
between($row[1], 0, 99, 'rows without a match');
unlock();
ends(qr/ALTER TABLE/);
$node->safe_psql('postgres', 'DROP TABLE referring, referred');

# UNIQUE and PRIMARY KEY build an index, whose sort compares; the type holds that
$node->safe_psql('postgres', <<'END');
CREATE TYPE compared AS (n int);
CREATE FUNCTION compare(a compared, b compared) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT btint4cmp(public.gate(a.n, 15000), b.n)';
CREATE FUNCTION equal(a compared, b compared) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT a.n = b.n';
CREATE FUNCTION less(a compared, b compared) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT a.n < b.n';
CREATE OPERATOR === (LEFTARG = compared, RIGHTARG = compared, FUNCTION = equal);
CREATE OPERATOR <<< (LEFTARG = compared, RIGHTARG = compared, FUNCTION = less);
CREATE OPERATOR CLASS compared_ops DEFAULT FOR TYPE compared USING btree AS OPERATOR 1 <<<, OPERATOR 3 ===, FUNCTION 1 compare(compared, compared);
CREATE TABLE keyed (c compared NOT NULL, n int);
INSERT INTO keyed SELECT ROW(n)::compared, n FROM generate_series(1, 20000) n;
ANALYZE keyed;
END
for my $key ('PRIMARY KEY', 'UNIQUE')
{
	lock();
	@row = held("ALTER TABLE keyed ADD $key (c)", qr/ALTER TABLE: building index: sorting/);
	between($row[1], 60, 95, "$key: after the scan");
	unlock();
	ends(qr/ALTER TABLE/);
}
$node->safe_psql('postgres', 'DROP TABLE keyed');

# CLUSTER without a name: all tables that were clustered
$node->safe_psql('postgres', 'ALTER TABLE indexed CLUSTER ON indexed_n');
lock();
held('CLUSTER', qr/CLUSTER.*: rebuilding index: scanning table: waiting/);
unlock();
ends(qr/CLUSTER/);

# REFRESH CONCURRENTLY: the query is the first of its parts
$node->safe_psql('postgres', <<'END');
CREATE MATERIALIZED VIEW refreshed AS SELECT gate(n, 10000) AS n FROM t;
CREATE UNIQUE INDEX ON refreshed (n);
END
lock();
@row = held('REFRESH MATERIALIZED VIEW CONCURRENTLY refreshed', qr/\|\d+\|REFRESH MATERIALIZED VIEW: waiting for a lock: scanning t\|/);
between($row[1], 0, 32, 'half of the query, which is 60 %');
unlock();
ends(qr/REFRESH MATERIALIZED VIEW/);
$node->safe_psql('postgres', 'DROP MATERIALIZED VIEW refreshed');

# CREATE INDEX on two levels of partitions: before 16 the server counts those of each level alone
$node->safe_psql('postgres', <<'END');
CREATE TABLE deep (n int) PARTITION BY RANGE (n);
CREATE TABLE deep_1 PARTITION OF deep FOR VALUES FROM (1) TO (10001) PARTITION BY RANGE (n);
CREATE TABLE deep_1_1 PARTITION OF deep_1 DEFAULT;
CREATE TABLE deep_2 PARTITION OF deep FOR VALUES FROM (10001) TO (20001);
INSERT INTO deep SELECT generate_series(1, 20000);
END
lock();
@row = held('CREATE INDEX ON deep (gate(n, 15000))', qr/CREATE INDEX.*: building index: scanning table: waiting/);
if ($node->pg_version >= 16) { between($row[1], 66, 90, 'the first subtree, and a third of the other partition') }
else                         { is($row[1], '', 'before 16 nobody knows how many partitions there are') }
unlock();
ends(qr/CREATE INDEX/);
$node->safe_psql('postgres', 'DROP TABLE deep');

# A command in a DO: the phase alone
lock();
@row = held('DO $$BEGIN CREATE INDEX d ON copied (gate(n, 500)); CREATE INDEX ON copied (n); END$$', qr/CREATE INDEX: building index/);
is($row[1], '', 'nobody knows what follows in a DO');
unlock();
ends(qr/DO/);

# VACUUM, slowed down: a page costs 1 at least, and so a pause
value($launcher, "SET vacuum_cost_limit = 1; SET vacuum_cost_delay = '10ms'");
$node->safe_psql('postgres', 'DROP INDEX c, i; DELETE FROM t WHERE n % 2 = 0');
@row = held('VACUUM t', qr/\|[1-9]\d?\|VACUUM: scanning heap/);
between($row[1], 1, 98, 'VACUUM has begun');
my $indexes = $since17 ? 'VACUUM, index \d of 1: vacuuming indexes' : 'VACUUM: vacuuming indexes';
my @later = shown(value($launcher, 'SELECT :pid'), qr/$indexes/);
ok($later[1] >= $row[1], 'the figure has not fallen');
canceled();
@row = held('ANALYZE t', qr/\|[1-9]\d?\|ANALYZE: acquiring sample rows/);
between($row[1], 1, 98, 'ANALYZE has begun');
canceled();
@row = held('VACUUM (ANALYZE, INDEX_CLEANUP OFF) t, copied', qr/VACUUM, part \d of \d: ANALYZE: acquiring/);
canceled();

# Since 18 a table is analyzed with those that inherit from it, and ONLY leaves the partitions out
if ($node->pg_version >= 18)
{
	$node->safe_psql('postgres', <<'END');
CREATE TABLE parent (n int) WITH (autovacuum_enabled = off);
CREATE TABLE child () INHERITS (parent) WITH (autovacuum_enabled = off);
CREATE TABLE parted (n int) PARTITION BY RANGE (n);
CREATE TABLE part PARTITION OF parted DEFAULT WITH (autovacuum_enabled = off);
INSERT INTO child SELECT generate_series(1, 50000);
INSERT INTO part SELECT generate_series(1, 50000);
END
	held('ANALYZE parent', qr/ANALYZE, part \d of 2: acquiring (inherited )?sample rows/);
	canceled();
	held('ANALYZE parted', qr/ANALYZE, part \d of 2: acquiring (inherited )?sample rows/);
	canceled();
	held('ANALYZE ONLY parted', qr/\|ANALYZE: acquiring inherited sample rows/);
	canceled();
	$node->safe_psql('postgres', 'DROP TABLE parent, child, parted');
}

# What does not exist, or may not be seen, is the command's own error
for my $sql ('VACUUM nowhere', 'REINDEX TABLE nowhere', 'CLUSTER nowhere', 'COPY nowhere TO STDOUT', 'REINDEX SCHEMA nowhere',
	'REFRESH MATERIALIZED VIEW nowhere', 'ANALYZE no.where', 'CREATE INDEX ON nowhere (n)')
{
	launch($launcher, $sql);
	my ($out, $err) = ask($launcher, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (tag text)');
	like($err, qr/ERROR:  (42P01|3F000|0A000)/, "$sql fails by itself");
}

# all tables of a database, by their pages
$node->safe_psql('postgres', 'CREATE DATABASE small');
value($launcher, 'SET vacuum_cost_delay = 0');
launch($launcher, 'VACUUM');
ends(qr/VACUUM/);
launch($launcher, 'ANALYZE');
ends(qr/ANALYZE/);
launch($launcher, 'REINDEX SCHEMA public');
ends(qr/REINDEX/);

# The TOAST tables of a schema's own tables, and no others; since 16 REINDEX DATABASE leaves the catalogs out
$node->safe_psql('postgres', <<'END');
CREATE SCHEMA apart;
CREATE TABLE apart.t (n int, s text);
INSERT INTO apart.t SELECT n, 'x' FROM generate_series(1, 20000) n;
CREATE INDEX ON apart.t (gate(n, 10000));
END
my $own = $node->pg_version < 16 ? '' : q{WHERE coalesce(o.relnamespace, c.relnamespace) <> 'pg_catalog'::regnamespace};
my $number = $node->safe_psql('postgres', 'SELECT count(*) FROM pg_index JOIN pg_class c ON c.oid = indrelid'
	  . " LEFT JOIN pg_class o ON o.reltoastrelid = c.oid $own");
lock();
held('REINDEX SCHEMA apart', qr/REINDEX, index [12] of 2: building index: scanning table: waiting/);
unlock();
ends(qr/REINDEX/);
# concurrently: all is built before the wait for writers
lock();
held('REINDEX SCHEMA CONCURRENTLY apart', qr/REINDEX, index 1 of 2: building index: scanning table: waiting/);
my $writer = session($node);
value($writer, 'BEGIN; INSERT INTO apart.t VALUES (0)');
unlock();
@row = shown(value($launcher, 'SELECT :pid'), qr/REINDEX, \d of \d: waiting for writers before validation/);
between($row[1], 67, 69, 'all builds, and no validation');
value($writer, 'ROLLBACK');
$writer->quit;
ends(qr/REINDEX/);
lock();
held('REINDEX DATABASE postgres', qr/REINDEX, index \d+ of $number: building index: scanning table: waiting/);
unlock();
ends(qr/REINDEX/);

$_->quit foreach $holder, $launcher, $watcher;
nothing_left($node, 'in the end');
done_testing();
