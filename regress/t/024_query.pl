# A query whose session ends before it: its job is stopped, and has not committed.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = server('query');
my $watcher = session($node);
value($watcher, q{
	CREATE TYPE pair AS (n int, t text);
	CREATE FUNCTION slowly(int) RETURNS pair LANGUAGE plpgsql AS $$
	BEGIN
		RETURN ROW($1, pg_background_exec('SELECT 1'))::pair;
	END
	$$;
	CREATE CAST (int AS pair) WITH FUNCTION slowly(int) AS ASSIGNMENT;
});
value($watcher, 'SELECT pg_advisory_lock(7)');

# Rows that are read while more are awaited; rows whose conversion runs another job meanwhile; rows that have not come.
my $rows = q{SELECT i, CASE i WHEN 20000 THEN pg_advisory_xact_lock(7)::text END FROM generate_series(1, 20000) AS i};
my %queries = (
	'that waits' => q{SELECT * FROM pg_background_query($$INSERT INTO done VALUES (1, 'waits'); SELECT pg_advisory_xact_lock(7)::text$$) AS (t text)},
	'that reads' => qq{SELECT * FROM pg_background_query(\$\$INSERT INTO done VALUES (1, 'reads'); $rows\$\$) AS (i int8, t text)},
	'with another in its casts' => q{SELECT * FROM pg_background_query($$INSERT INTO done VALUES (1, 'casts');
		SELECT CASE i WHEN 2000 THEN 1 + length(pg_advisory_xact_lock(7)::text) ELSE i END FROM generate_series(1, 2000) AS i$$) AS (p pair)},
	'that execs' => q{SELECT pg_background_exec($$INSERT INTO done VALUES (1, 'execs'); SELECT pg_advisory_xact_lock(7)$$)});
my %ends = (
	'terminated' => 'SELECT pg_terminate_backend(%d)',
	'canceled' => 'SELECT pg_cancel_backend(%d)');

for my $query (sort keys %queries)
{
	for my $end (sort keys %ends)
	{
		my $session = session($node);
		my $pid = value($session, 'SELECT pg_backend_pid()');
		$session->query_until(qr/begun/, "\\echo begun\n$queries{$query};\n");
		$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted});
		value($watcher, sprintf $ends{$end}, $pid);
		ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted}),
			"a query $query, $end: the job is stopped");
		is(value($watcher, 'SELECT count(*) FROM done'), 0, "a query $query, $end: it has not committed");
		if ($end eq 'canceled')
		{
			my ($tracked) = ask($session, 'SELECT count(*) FROM jobs');
			is($tracked, 0, "a query $query, $end: the session tracks nothing");
		}
		eval { $session->quit };
	}
}
value($watcher, 'SELECT pg_advisory_unlock(7)');
nothing_left($node, 'after queries that ended early');
$watcher->quit;
$node->stop;
done_testing();
