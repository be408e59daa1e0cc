# Nobody has to read: a job ends whatever its session does meanwhile, and its rows and messages wait on disk, until they are read or
# the session gives them up, in whatever way.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = server('spool', conf => "log_temp_files = 0\n");
my $directory = $node->data_dir . '/base/pgsql_tmp';
my $session = session($node);
my ($out, $err);

# Files of jobs in the directory, and their bytes.
sub files { return my @files = grep { -e } glob("$directory/pgsql_tmp*.pg_background.*") }
sub bytes { my $sum = 0; $sum += (-s $_) || 0 for files(); return $sum }
sub no_files { return until_true(sub { files() == 0 }) }
sub ended { my ($pid) = @_; return until_idle($node, $pid) }

my $rows = q{SELECT i, repeat('x', 1000) FROM generate_series(1, 5000) i};
my $all = 'SELECT count(*), bool_and(i = n), sum(length(x)) FROM (SELECT i, x, row_number() OVER () AS n'
  . ' FROM pg_background_result_v2(:pid, :cookie) AS (i int, x text)) AS r';

# --- messages: VACUUM VERBOSE of a thousand tables, for a session that is idle in a transaction ---

$node->safe_psql('postgres', q{DO $$ BEGIN FOR i IN 1..1000 LOOP EXECUTE format('CREATE TABLE v%s ()', i); END LOOP; END $$});
my $vacuum = 'VACUUM (VERBOSE) ' . join ', ', map { "v$_" } 1 .. 1000;
value($session, 'BEGIN');
my $pid = launch($session, $vacuum);
ok(ended($pid), 'a VACUUM VERBOSE of a thousand tables ends though nobody reads its messages');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_locks l JOIN pg_class c ON relation = c.oid WHERE relname ~ '^v[0-9]+\$'"),
	0, 'a job whose messages nobody has read holds no locks');
cmp_ok(scalar files(), '>', 0, 'the messages are on disk');
($out, $err) = ask($session, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (tag text)');
is($out, 'VACUUM', 'the job has ended well');
my @vacuumed = $err =~ /: +vacuuming "(?:postgres\.)?public\.v(\d+)"/g;
is("@vacuumed", "@{[1 .. 1000]}", 'all messages come, in their order, each once');
ok(no_files(), 'a job that was read leaves no files');
value($session, 'COMMIT');

# --- rows: ten times the queue and more, for a session that does something else ---

$node->safe_psql('postgres', 'CREATE TABLE held (i int)');
$session->{stderr} = '';
$session->query_until(qr/begun/, "SELECT pid, cookie FROM pg_background_launch_v2('LOCK TABLE held; $rows') \\gset\n"
	  =~ s/'x'/''x''/r . "\\echo begun\nSELECT pg_sleep(3);\n\\echo answered\n");
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3)%' AND state = 'active'
	AND backend_type = 'client backend' AND pid <> pg_backend_pid()}), 'the session sleeps');
$node->safe_psql('postgres', 'SELECT * FROM held');
pass('a job whose session sleeps gives its locks back');
pump_until($session->{run}, $session->{timeout}, \$session->{stdout}, qr/answered/) or die 'no answer';
$session->{stdout} = '';
is(value($session, $all), '5000|t|5000000', 'all rows come, in their order, each once');
ok(no_files(), 'rows that were read leave no files');

# --- a wait from another session ---

SKIP:
{
	skip 'without a registry no other session knows the job', 2 if !$node->{registry};
	my ($of, $cookie) = launch($session, $rows);
	is($node->safe_psql('postgres', "SELECT pg_background_await(ROW($of, $cookie)::pg_background_handle, '1 min')"), 't',
		'a wait from another session returns, though nobody reads');
	is(value($session, $all), '5000|t|5000000', 'a wait from another session takes nothing');
}

# --- many files; they go as they are read ---

$pid = launch($session, q{SELECT i, repeat('x', 10000) FROM generate_series(1, 6000) i});
ok(ended($pid), 'a job of 60 MB ends');
my ($before, $size) = (scalar files(), bytes());
cmp_ok($before, '>=', 3, 'many rows are in many files');
is(value($session, 'SELECT count(*), sum(i) FROM pg_background_fetch((:pid, :cookie), 3000) AS (i int, x text)'), '3000|4501500', 'half of it is read');
cmp_ok(bytes(), '<', $size, 'files that were read are gone');
is(value($session, 'SELECT count(*), min(i), max(i) FROM pg_background_rows((:pid, :cookie)) AS (i int, x text)'), '3000|3001|6000', 'the other half is read');
ok(no_files(), 'many files are gone');
ok($node->log_contains(qr/temporary file: path "base\/pgsql_tmp\/pgsql_tmp\d+\.pg_background\.[0-9a-f]{16}\.0", size \d+/), 'log_temp_files logs them');

# --- the last frame of all begins in one file and ends in the next ---

# The row travels in 64 frames of nearly 256 kB, whose heads bring the last one over the end of the first file.
$pid = launch($session, q{SELECT repeat('x', 16777000)});
ok(ended($pid), 'a job of one row of 16 MB ends');
is(scalar files(), 2, 'the row is in two files');
is(value($session, 'SELECT length(x) FROM pg_background_result_v2(:pid, :cookie) AS (x text)'), '16777000', 'the row comes');
ok(no_files(), 'the file goes in which the last frame has begun');

# --- a read of a failed job drops rows on the way to its error, and fails itself: no fetch begins in the middle then ---

$pid = launch($session, q{SELECT i, repeat('x', 10000), 1 / (3000 - i) FROM generate_series(1, 3000) i});
ok(ended($pid), 'a job of 30 MB fails at its end');
my ($second) = grep { /\.1$/ } files();
rename $second, "$directory/away" or die "$second: $!";
($out, $err) = ask($session, 'SELECT count(*) FROM pg_background_rows((:pid, :cookie)) AS (i int, x text, n int)');
like($err, qr/could not read temporary file/, 'a read fails in the middle');
rename "$directory/away", $second or die "$second: $!";
($out, $err) = ask($session, 'SELECT i FROM pg_background_fetch((:pid, :cookie), 1) AS (i int, x text, n int)');
is($out, '', 'a fetch after that gives no row from the middle');
like($err, qr/division by zero/, 'it throws the error of the job');
ok(no_files(), 'no files are left of a failed job');

# --- a reader that comes and goes, for a job that goes on: no row is lost, doubled or early ---

my $seed = $ENV{PGBG_SEED} // time;
srand $seed;
note "seed $seed";
for my $round (1 .. 12)
{
	my $queue = (4096, 6000, 8192, 20000, 65536)[ rand 5 ];
	my $wide = (10, 300, 3000, 300_000)[ rand 4 ];
	my $count = $wide > 100_000 ? 60 : 4000;
	my $stop = int rand $count;
	launch($session, "SELECT i, repeat('x', (i * 7919) % $wide), CASE WHEN i % (1 + $count / 7) = 0 THEN pg_sleep(0.02) END FROM generate_series(1, $count) i", $queue);
	my ($next, $wrong) = (1, '');
	while ($next <= $count && !$wrong)
	{
		my $what = int rand 10;
		usleep(rand 30_000) if $what < 5;
		ask($session, "SELECT pg_background_wait_v2_timeout(:pid, :cookie, @{[int rand 30]})") if $what == 6;
		my $max = 1 + int rand($what < 3 ? $count : $count / 10);
		my $got = value($session, "SELECT count(*), coalesce(bool_and(i = n + $next - 1 AND x = repeat('x', (i * 7919) % $wide)), true)"
			  . " FROM (SELECT i, x, row_number() OVER () AS n FROM pg_background_fetch((:pid, :cookie), $max) AS (i int, x text, s text)) r");
		my ($rows_now, $good) = split /\|/, $got;
		my $expected = $next + $max - 1 <= $count ? $max : $count - $next + 1;
		$wrong = "queue $queue, width $wide, at $next: $got instead of $expected" if $good ne 't' || $rows_now != $expected;
		$next += $rows_now;
	}
	is($wrong, '', "round $round: every row once, in order");
	ask($session, 'SELECT pg_background_detach_v2(:pid, :cookie)');
}
ok(no_files(), 'a reader that comes and goes leaves no files');

# --- a read that is cancelled, and another ---

value($session, 'SELECT pg_advisory_lock(31)');
my $gate = session($node);
value($session, 'SELECT pg_advisory_unlock(31)');
value($gate, 'SELECT pg_advisory_lock(31)');
$pid = launch($session, q{SELECT i, repeat('x', 1000), CASE WHEN i = 4000 THEN pg_advisory_xact_lock_shared(31) END FROM generate_series(1, 5000) i});
ok(until_waits_for($node, $pid, 'advisory'), 'a job waits with some rows on disk');
cmp_ok(scalar files(), '>', 0, 'the rows of a job that waits are on disk');
my $me = value($session, 'SELECT pg_backend_pid()');
is(value($session, 'SELECT count(*), max(i) FROM pg_background_fetch((:pid, :cookie), 100) AS (i int, x text, s text)'), '100|100', 'some are fetched');
for my $read ('pg_background_fetch((:pid, :cookie), 5000)', 'pg_background_fetch((:pid, :cookie), 4900)')
{
	$session->{stderr} = '';
	$session->query_until(qr/begun/, "\\echo begun\nSELECT count(*) FROM $read AS (i int, x text, s text);\n\\echo answered\n");
	ok(until_waits_for($node, $me, wait_event($node)), "$read waits");
	$node->safe_psql('postgres', "SELECT pg_cancel_backend($me)");
	pump_until($session->{run}, $session->{timeout}, \$session->{stdout}, qr/answered/) or die 'no answer';
	$session->{stdout} = '';
	like($session->{stderr}, qr/canceling statement due to user request/, "$read is cancelled");
}
is(value($session, 'SELECT count(*), min(i) FROM pg_background_fetch((:pid, :cookie), 50) AS (i int, x text, s text)'), '50|101', 'a cancelled fetch has taken nothing');
value($gate, 'SELECT pg_advisory_unlock(31)');
is(value($session, 'SELECT count(*), min(i), max(i) FROM pg_background_rows((:pid, :cookie)) AS (i int, x text, s text)'), '4850|151|5000', 'the rest comes after it');
ok(no_files(), 'a read after a cancelled one leaves no files');

# --- the ends of sessions and workers ---

for my $end ('ends', 'is terminated')
{
	my $other = session($node);
	my $of = launch($other, $rows);
	ok(ended($of), "a job has ended before its session $end");
	cmp_ok(scalar files(), '>', 0, "files are there before the session $end");
	my $backend = value($other, 'SELECT pg_backend_pid()');
	$end eq 'ends' ? $other->quit : $node->safe_psql('postgres', "SELECT pg_terminate_backend($backend)");
	ok(no_files(), "no files are there after the session $end");
	eval { $other->quit } if $end ne 'ends';
}
{
	my $other = session($node);
	value($gate, 'SELECT pg_advisory_lock(31)');
	my $of = launch($other, q{SELECT i, repeat('x', 1000), CASE WHEN i = 2000 THEN pg_advisory_xact_lock_shared(31) END FROM generate_series(1, 5000) i});
	ok(until_waits_for($node, $of, 'advisory'), 'a job is in the midst of its rows');
	cmp_ok(scalar files(), '>', 0, 'files are there before the session of a running job ends');
	$other->quit;
	value($gate, 'SELECT pg_advisory_unlock(31)');
	ok(ended($of), 'a job whose session has ended ends');
	ok(no_files(), 'the job makes no files that stay');
}
value($gate, 'SELECT pg_advisory_lock(31)');
$pid = launch($session, q{SELECT i, repeat('x', 1000), CASE WHEN i = 2000 THEN pg_advisory_xact_lock_shared(31) END FROM generate_series(1, 5000) i});
ok(until_waits_for($node, $pid, 'advisory'), 'a worker is in the midst of its rows');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
ok(ended($pid), 'a worker is terminated');
value($gate, 'SELECT pg_advisory_unlock(31)');
($out, $err) = ask($session, $all);
like($err, qr/57P01: terminating background worker/, 'the read says what became of the job');
ok(no_files(), 'a job whose worker was terminated leaves no files');

# --- another database, long rows ---

$node->safe_psql('postgres', 'CREATE DATABASE other');
value($session, q{SELECT pid, cookie FROM pg_background_start($$SELECT i, repeat(md5(i::text), 30000) FROM generate_series(1, 20) i$$, database => 'other') \gset});
ok(ended(value($session, 'SELECT :pid')), 'a job in another database ends');
is(value($session, 'SELECT count(*), bool_and(x = repeat(md5(i::text), 30000)) FROM pg_background_rows((:pid, :cookie)) AS (i int, x text)'), '20|t',
	'long rows of another database come from the disk');
ok(no_files(), 'a job in another database leaves no files');

# --- temp_tablespaces, temp_file_limit of a role, a directory in which nobody can write ---

my $place = PostgreSQL::Test::Utils::tempdir;
$node->safe_psql('postgres', "CREATE TABLESPACE elsewhere LOCATION '$place'");
value($session, 'SET temp_tablespaces = elsewhere');
$pid = launch($session, $rows);
value($session, 'RESET temp_tablespaces');
ok(ended($pid), 'a job with temp_tablespaces ends');
cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM pg_ls_tmpdir((SELECT oid FROM pg_tablespace WHERE spcname = 'elsewhere')) WHERE name ~ 'pg_background'"),
	'>', 0, 'its files are where temp_tablespaces says');
is(value($session, $all), '5000|t|5000000', 'its rows are read from there');
$node->safe_psql('postgres', 'DROP TABLESPACE elsewhere');

$node->safe_psql('postgres', q{CREATE ROLE frugal LOGIN; GRANT pgbackground_role TO frugal; ALTER ROLE frugal SET temp_file_limit = '1MB'});
my $frugal = session($node, extra => [ '-U', 'frugal' ]);
$pid = launch($frugal, $rows);
ok(ended($pid), 'a job of a role with a temp_file_limit ends');
($out, $err) = ask($frugal, $all);
like($err, qr/ERROR:  53400: temporary file size exceeds temp_file_limit \(1024kB\)/, 'it fails by the limit of its role');
$frugal->quit;

chmod 0500, $directory or die "chmod: $!";
$node->safe_psql('postgres', 'TRUNCATE held');
$pid = launch($session, "INSERT INTO held VALUES (1); $rows");
ok(ended($pid), 'a job that cannot write ends');
chmod 0700, $directory or die "chmod: $!";
($out, $err) = ask($session, $all);
like($err, qr/ERROR:  42501: could not write temporary file "base\/pgsql_tmp\/pgsql_tmp.*": Permission denied/, 'it fails by the error of the system');
is($node->safe_psql('postgres', 'SELECT count(*) FROM held'), 0, 'what it did is rolled back');
# messages alone come after the commit: the worker waits for the reader then
chmod 0500, $directory or die "chmod: $!";
$pid = launch($session, q{INSERT INTO held VALUES (1); DO $do$ BEGIN FOR i IN 1..20 LOOP RAISE NOTICE '% %', i, repeat('m', 10000); END LOOP; END $do$});
ok(until_true(sub { value($session, 'SELECT state FROM jobs WHERE pid = :pid') eq 'stopped' }), 'a job whose messages cannot be written commits');
($out, $err) = ask($session, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (tag text)');
is(join(' ', $err =~ /^(?:psql:\S+ )?NOTICE:  (?:00000: )?(\d+) m/mg), "@{[1 .. 20]}", 'the messages wait for their reader');
chmod 0700, $directory or die "chmod: $!";

# --- a server that starts again ---

$pid = launch($session, $rows);
ok(ended($pid), 'a job has ended before the server is stopped');
cmp_ok(scalar files(), '>', 0, 'files are there before the server is stopped');
$node->stop('immediate');
cmp_ok(scalar files(), '>', 0, 'a server that is stopped at once removes nothing');
$node->start;
is(scalar files(), 0, 'a server that starts removes the files');
eval { $session->quit };
eval { $gate->quit };

# --- a server that starts again by itself, after a process has crashed ---

my $crashed = server('crash', conf => "restart_after_crash = on\nremove_temp_files_after_crash = on\n");
my $left = $crashed->data_dir . '/base/pgsql_tmp/pgsql_tmp*.pg_background.*';
$session = session($crashed);
$pid = launch($session, $rows);
ok(until_idle($crashed, $pid), 'a job has ended before a process crashes');
cmp_ok(scalar(() = glob $left), '>', 0, 'files are there before a process crashes');
kill 'ABRT', value($session, 'SELECT pg_backend_pid()');
ok(until_true(sub { !grep { -e } glob $left }), 'the server that starts again removes the files');
ok(until_there($crashed), 'it is there again');
eval { $session->quit };
$crashed->stop;

nothing_left($node, 'at the end');
healthy($node);
done_testing();
