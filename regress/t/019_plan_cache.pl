# Plans that a worker keeps: that they are used, and that statistics, log and views are as if they were not.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = server('plans', preload => 1, conf => <<'END');
shared_preload_libraries = 'pg_background, pg_stat_statements'
pg_stat_statements.track_planning = on
compute_query_id = on
log_min_duration_statement = -1
END
my $session = session($node);
value($session, 'CREATE EXTENSION pg_stat_statements');
value($session, 'CREATE TABLE t (i int, t text); CREATE INDEX ON t (i)');

# How often statements like that were planned and run since the last call.
sub planned
{
	my ($like) = @_;
	my $counts = value($session, "SELECT coalesce(sum(plans), 0), coalesce(sum(calls), 0) FROM pg_stat_statements WHERE query LIKE '$like'");
	value($session, 'SELECT pg_stat_statements_reset() IS NOT NULL');
	return split /\|/, $counts;
}

# How many lines of the log match, from a place on.
sub lines
{
	my ($from, $like) = @_;
	my $log = substr slurp_file($node->logfile), $from;
	return scalar(() = $log =~ /$like/g);
}

sub repeat
{
	my ($sql, $times) = @_;
	value($session, $sql) for 1 .. $times;
	return;
}

# --- a kept plan is used ---

planned('');
repeat(q{SELECT pg_background_exec('INSERT INTO t VALUES (1, ''x'')')}, 10);
is_deeply([ planned('INSERT INTO t%') ], [ 2, 10 ], 'a text that comes again is planned when it comes first, and when it is kept');
repeat(q{SELECT pg_background_exec('INSERT INTO t VALUES ($1, $2)', ROW(1, 'x'))}, 20);
my ($plans, $calls) = planned('INSERT INTO t%');
is($calls, 20, 'each execution with parameters is counted');
cmp_ok($plans, '<', 10, 'after some plans for the values comes one for all');
repeat(q{SELECT * FROM pg_background_query('SELECT t FROM t WHERE i = 1 LIMIT 1') AS (t text)}, 5);
is_deeply([ planned('SELECT t FROM t%') ], [ 2, 5 ], 'a query is kept, too');
repeat(q{SELECT * FROM pg_background_result(pg_background_launch('SELECT i FROM t LIMIT 1')) AS (i int)}, 5);
is_deeply([ planned('SELECT i FROM t%') ], [ 5, 5 ], 'a launched job is planned each time');

# --- the server invalidates it ---

value($session, 'ANALYZE t; SELECT pg_stat_statements_reset() IS NOT NULL');
repeat(q{SELECT * FROM pg_background_query('SELECT t FROM t WHERE i = 1 LIMIT 1') AS (t text)}, 5);
is_deeply([ planned('SELECT t FROM t%') ], [ 1, 5 ], 'after ANALYZE it is planned anew, once');
for my $sql ('SET enable_indexscan = off', 'RESET enable_indexscan')
{
	value($session, $sql);
	planned('');
	repeat(q{SELECT * FROM pg_background_query('SELECT t FROM t WHERE i = 1 LIMIT 1') AS (t text)}, 5);
	($plans) = planned('SELECT t FROM t%');
	is($plans, $sql =~ /^SET/ ? 2 : 0, "plans are kept for the settings that they were made with: $sql");
}

# --- what changes while a statement is analysed ---

value($session, q{CREATE SCHEMA first; CREATE TABLE late AS SELECT 'public' AS t; CREATE TABLE gate AS SELECT; SET search_path = first, public});
my $late = q{SELECT * FROM pg_background_query('SELECT t FROM late, gate') AS (t text)};
ok(without_idle($node), 'the next job has a new process, which keeps no plan yet');
is(value($session, $late), 'public', 'a text that comes first');
my $other = session($node);
value($other, q{BEGIN; LOCK TABLE gate; CREATE TABLE first.late AS SELECT 'first' AS t});
$session->query_until(qr/sent/, "\\echo sent\n$late;\n");
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE relation = 'gate'::regclass AND NOT granted}),
	'comes again, and waits in the middle of its analysis');
value($other, 'COMMIT');
value($session, 'SELECT') for 1 .. 2;
is(value($session, $late), 'first', 'what a name means since then is what it means for the next job');
value($session, 'RESET search_path');
$other->quit;

# --- what a day changes ---

# A zone where it is midnight in so many seconds, and where clocks are put forward then, by an hour or a little more: the server
# takes no zone that is not whole minutes off UTC on 2000-01-01.  Not on days about that.
sub zone
{
	my ($seconds) = @_;
	my $now = time;
	my $west = ($now + $seconds) % 86400;
	$west -= 86400 if $west > 43200;
	my $day = (gmtime($now - $west))[7];
	return if $day < 1 || $day > 363;

	my $offset = sub { my ($west) = @_; return sprintf '%s%d:%02d:%02d', $west < 0 ? '-' : '', (gmtime abs $west)[2, 1, 0] };
	my $later = $west - 3600;
	return sprintf '<LATER>%s<NOW>%s,%d/0,%d/0', $offset->($later - $later % 60), $offset->($west), $day, $day + 1;
}

my $noon = q{SELECT * FROM pg_background_query('SELECT ''12:00''::timetz::text') AS (t text)};
for my $seconds (5, 20, 60)
{
	my $zone = zone($seconds) or last;
	value($session, "SET TimeZone = '$zone'");
	my $today = value($session, 'SELECT current_date');
	my @noons = map { value($session, $noon) } 1 .. 3;
	next if value($session, 'SELECT current_date') ne $today;

	ok(until_true(sub { value($session, 'SELECT current_date') ne $today }, 2 * $seconds), 'it is midnight');
	my $other_noon = value($session, $noon);
	isnt($other_noon, $noons[2], 'a time of day is read anew on another day');
	is($other_noon, value($session, q{SELECT '12:00'::timetz::text}), 'as the session reads it');
	last;
}
value($session, 'RESET TimeZone');

# --- what others see of it ---

my $mine = q{SELECT * FROM pg_background_query('SELECT query_id <> 0 FROM pg_stat_activity WHERE pid = pg_backend_pid()') AS (b bool)};
is(join(' ', map { value($session, $mine) } 1 .. 5), 't t t t t', 'a kept statement shows its query identifier');
value($session, q{SET log_statement = 'all'});
my $from = -s $node->logfile;
repeat(q{SELECT pg_background_exec('INSERT INTO t /* logged */ VALUES ($1, $2)', ROW(7, 'it''s'))}, 5);
is(lines($from, qr/LOG:  statement: INSERT INTO t \/\* logged \*\/ VALUES \(\$1, \$2\)\n/), 5, 'log_statement has each of them');
is(lines($from, qr/Parameters: \$1 = '7', \$2 = 'it''s'\n/), 5, 'with the values of its parameters');
value($session, q{SET log_parameter_max_length = 2; SET log_statement = 'none'; SET log_min_duration_statement = 0});
$from = -s $node->logfile;
repeat(q{SELECT pg_background_exec('INSERT INTO t /* timed */ VALUES ($1, $2)', ROW(7, 'abcdef'))}, 5);
is(lines($from, qr/LOG:  duration: \S+ ms  statement: INSERT INTO t \/\* timed \*\/ VALUES \(\$1, \$2\)\n/), 5, 'log_min_duration_statement has each of them');
is(lines($from, qr/Parameters: \$1 = '7', \$2 = 'ab\.\.\.'\n/), 5, 'with values as long as log_parameter_max_length says');
value($session, 'RESET log_min_duration_statement; RESET log_parameter_max_length; RESET log_statement');

# --- bounds ---

my $pid = q{SELECT * FROM pg_background_query('SELECT pg_backend_pid()') AS (pid int)};
my $before = value($session, $pid);
my $contexts = q{SELECT * FROM pg_background_query('SELECT count(*)::int FROM pg_backend_memory_contexts WHERE name = ''CachedPlanSource''') AS (n int)};
for my $i (1 .. 100)
{
	repeat("SELECT pg_background_exec('INSERT INTO t SELECT $i, ''x'' WHERE $i > 0')", 2);
}
is(value($session, $pid), $before, 'many texts do not end the worker');
cmp_ok(value($session, $contexts), '<=', 40, 'and only some of them are kept');
my $wide = join ', ', map { "$_ AS c$_" } 1 .. 600;
for my $i (1 .. 40)
{
	repeat("SELECT pg_background_exec('SELECT $i, $wide')", 2);
}
is(value($session, $pid), $before, 'nor do large plans');

nothing_left($node, 'at the end', 1);
healthy($node);
$session->quit;
$node->stop;
done_testing();
