# Results, messages and errors of all sizes: read or not, waited for or not, larger than the queue or not.  PGBG_BIG=1 asks for
# values of 500 MB.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# A job waits for its reader here. What it does otherwise: 031_spool.pl.
my $node = server('queue', conf => "pg_background.spool_limit = 0\n", init => { extra => [ '--encoding=UTF8', '--no-locale' ] });
my $session = session($node);
my ($out, $err, $pid);

# A job that should end and does not is told from a slow one.
value($session, "SET statement_timeout = '60s'");

sub state { return value($session, 'SELECT state FROM jobs WHERE pid = :pid AND cookie = :cookie') }
sub noted { return value($session, "SELECT count(*) FROM done WHERE note = '$_[0]'") }
sub detach { return value($session, 'SELECT pg_background_detach_v2(:pid, :cookie)') }

my $big = q{SELECT g, repeat('x', 1000) FROM generate_series(1, 5000) AS g};
my $whole = 'SELECT count(*), sum(length(x)), bool_and(g = n) FROM (SELECT g, x, row_number() OVER () AS n'
  . ' FROM pg_background_result_v2(:pid, :cookie) AS (g int, x text)) AS r';
my $rows = '5000|5000000|t';

# --- a result larger than the queue ---

for my $wait ('pg_background_wait_v2(:pid, :cookie)', 'pg_background_wait_v2_timeout(:pid, :cookie, 50000)')
{
	$pid = launch($session, "INSERT INTO done VALUES (1, 'waited for'); $big");
	ok(until_waits_for($node, $pid, 'MessageQueueSend'), 'a job is blocked on its queue');
	like(value($session, "SELECT $wait"), qr/^t?$/, "$wait returns");
	is(state(), 'stopped', "after $wait the job has ended");
	ok(until_idle($node, $pid), "after $wait the worker has no job");
	is(value($session, $whole), $rows, "after $wait all rows are there, in order");
}
is(noted('waited for'), 2, 'what the waited jobs did has committed');

value($session, q{SELECT pid, cookie FROM pg_background_submit_v2($$INSERT INTO done VALUES (1, 'submitted'); SELECT repeat('x', 1000)
  FROM generate_series(1, 5000)$$) \gset});
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM done WHERE note = 'submitted'}), 'a submitted job ends by itself');
value($session, 'SELECT pg_background_wait_v2(:pid, :cookie)');
is(state(), 'stopped', 'a submitted job has ended well');
detach();

$pid = launch($session, "INSERT INTO done VALUES (1, 'unread'); $big");
ok(until_waits_for($node, $pid, 'MessageQueueSend'), 'a result that nobody reads holds its worker');
is(value($session, q{SELECT sum(n) FROM generate_series(1, 20) AS i, LATERAL
  (SELECT * FROM pg_background_result(pg_background_launch('SELECT 1 + 0 * ' || i)) AS (n int)) AS r}), 20, 'a result that nobody reads holds no other worker');
is(state(), 'running', 'a job whose result nobody reads runs');
is(noted('unread'), 0, 'a job whose result nobody reads has not yet committed');
detach();
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM done WHERE note = 'unread'}), 'a job that is blocked on its queue goes on when it is detached');

# --- what waits have taken out of the queue outlives their transactions ---

# Little memory: the rows go into files.
value($session, q{SET work_mem = '64kB'; SET temp_tablespaces = ''});
for my $end ('COMMIT', 'ROLLBACK')
{
	$pid = launch($session, $big);
	value($session, "BEGIN; SELECT pg_background_wait_v2_timeout(:pid, :cookie, 1); $end");
	value($session, "BEGIN; SAVEPOINT s; SELECT pg_background_wait_v2(:pid, :cookie); ROLLBACK TO s; $end");
	is(value($session, $whole), $rows, "rows that were put aside in transactions before their $end are all there");
}
$pid = launch($session, $big);
value($session, 'SELECT pg_background_wait_v2(:pid, :cookie)');
($out, $err) = ask($session, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (g int)');
like($err, qr/ERROR:  42804: remote query result rowtype does not match/, 'a read with a wrong list fails after a wait');
is(value($session, $whole), $rows, 'a read with a wrong list has lost no row');
$pid = launch($session, $big);
value($session, 'SELECT pg_background_wait_v2(:pid, :cookie)');
my $files = sub { my @files = glob($node->data_dir . '/base/pgsql_tmp/*'); return scalar @files };
cmp_ok($files->(), '>', 0, 'rows are put aside in a file');
detach();
is($files->(), 0, 'the file of rows goes when the job is detached');
$pid = launch($session, $big);
value($session, 'SELECT pg_background_wait_v2(:pid, :cookie)');
is(value($session, $whole), $rows, 'rows that were put aside in a file can be read');
is($files->(), 0, 'the file of rows goes when the job is read');
value($session, 'RESET work_mem');

# --- queues and rows of all sizes ---

value($session, <<'END');
CREATE FUNCTION mixture(n int) RETURNS TABLE (i int, x text, y numeric) LANGUAGE sql AS
  $$SELECT g, CASE g % 7 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE repeat(md5(g::text), g * 7919 % CASE g % 50 WHEN 2 THEN 9000 ELSE 40 END) END,
           CASE g % 3 WHEN 0 THEN g::numeric ^ 20 END FROM generate_series(1, n) AS g$$;
END
my $digest = q{md5(string_agg(i || coalesce(md5(x), '-') || coalesce(y::text, '-'), ',' ORDER BY i))};
($out, $err) = ask($session, q{SELECT pg_background_launch_v2('SELECT 1', 1)});
my ($minimum) = $err =~ /queue size must be at least (\d+) bytes/;
ok($minimum, "the smallest queue has $minimum bytes");
for my $size ($minimum, 1025, 1031, 4096, 65536, 1024 * 1024)
{
	my $expected = value($session, "SELECT count(*), $digest FROM mixture(1000)");
	for my $wait (0, 1)
	{
		launch($session, 'SELECT * FROM mixture(1000)', $size);
		value($session, 'SELECT pg_background_wait_v2(:pid, :cookie)') if $wait;
		is(value($session, "SELECT count(*), $digest FROM pg_background_result_v2(:pid, :cookie) AS (i int, x text, y numeric)"),
			$expected, "a queue of $size bytes" . ($wait ? ', after a wait' : ''));
	}
}

# --- rows are read while the job makes them ---

my $locker = session($node);
value($locker, 'SELECT pg_advisory_lock(1)');
$pid = launch($session, 'SELECT g, CASE g WHEN 150000 THEN pg_advisory_xact_lock(1)::text END FROM generate_series(1, 300000) AS g');
$session->query_until(qr/begun/, "\\echo begun\nSELECT count(*), bool_and(g = n) FROM (SELECT g, row_number() OVER () AS n"
	  . " FROM pg_background_result_v2(:pid, :cookie) AS (g int, x text)) AS r;\n");
ok(until_waits_for($node, $pid, 'advisory'), 'the reader has taken what the queue cannot hold while the job runs');
value($locker, 'SELECT pg_advisory_unlock(1)');
$session->query_until(qr/300000\|t/, "\\echo\n");
pass('a stream is read as it comes');
$locker->quit;

# --- messages ---

my $notices = q{DO $do$ BEGIN FOR i IN 1..2000 LOOP RAISE NOTICE '% %', i, repeat('n', 1000); END LOOP; END $do$};
$pid = launch($session, "INSERT INTO done VALUES (1, 'notices'); $notices");
value($session, 'SELECT pg_background_wait_v2(:pid, :cookie)');
is(state(), 'stopped', '2 MB of messages that nobody reads do not keep a waited job from ending');
is(noted('notices'), 1, 'a job with 2 MB of messages has committed');
($out, $err) = ask($session, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (tag text)');
is($out, "INSERT 0 1\nDO", 'a job with 2 MB of messages has its result');
is(join(',', $err =~ /NOTICE:  00000: (\d+) n{1000}$/mg), join(',', 1 .. 2000), 'all messages come with the result, in order');
value($session, "SELECT pid, cookie FROM pg_background_submit_v2(\$job\$INSERT INTO done VALUES (1, 'quiet'); $notices\$job\$) \\gset");
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM done WHERE note = 'quiet'}), 'messages of a submitted job do not keep it from ending');
value($session, 'SELECT pg_background_wait_v2(:pid, :cookie)');
detach();
$pid = launch($session, "INSERT INTO done VALUES (1, 'detached notices'); $notices");
detach();
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM done WHERE note = 'detached notices'}), 'messages of a detached job do not keep it from ending');

# Half a megabyte fits into the worker's own memory: it waits for nobody.
$pid = launch($session, q{DO $do$ BEGIN FOR i IN 1..500 LOOP RAISE WARNING '%', repeat('w', 1000); END LOOP; END $do$; INSERT INTO done VALUES (1, 'half')});
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM done WHERE note = 'half'}), 'half a megabyte of messages does not even delay the commit');
($out, $err) = ask($session, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (tag text)');
is(scalar(() = $err =~ /WARNING:  01000: w{1000}$/mg), 500, 'half a megabyte of messages is read to the last');

value($session, q{CREATE FUNCTION chatty(i int) RETURNS int LANGUAGE plpgsql AS
  $$BEGIN RAISE NOTICE 'row % %', i, repeat('c', 200); RETURN i; END$$});

# What a job says before it fails is what one wants to see most.
$pid = launch($session, q{DO $do$ BEGIN FOR i IN 1..3000 LOOP RAISE NOTICE 'before % %', i, repeat('b', 40); END LOOP; RAISE EXCEPTION 'boom'; END $do$});
($out, $err) = ask($session, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (tag text)');
like($err, qr/ERROR:  P0001: boom$/m, 'a job that said much before it failed throws its error');
is(join(',', $err =~ /NOTICE:  00000: before (\d+) b{40}$/mg), join(',', 1 .. 3000), 'all that a job said before it failed is read');
# The same with rows in the queue that nobody wants any more.
$pid = launch($session, q{SELECT repeat('r', 1000), chatty(g) / (2000 - g) FROM generate_series(1, 2000) AS g});
($out, $err) = ask($session, 'SELECT count(*) FROM pg_background_result_v2(:pid, :cookie) AS (r text, i int)');
like($err, qr/ERROR:  22012: division by zero$/m, 'a job that said much between rows throws its error');
is(join(',', $err =~ /NOTICE:  00000: row (\d+) c{200}$/mg), join(',', 1 .. 2000), 'all that a failed job said between its rows is read');

launch($session, 'SELECT chatty(g) FROM generate_series(1, 2000) AS g');
($out, $err) = ask($session, 'SELECT sum(i) FROM pg_background_result_v2(:pid, :cookie) AS (i int)');
is($out, 2001000, 'rows with messages between them are read');
is(join(',', $err =~ /NOTICE:  00000: row (\d+) c{200}$/mg), join(',', 1 .. 2000), 'messages with rows between them are read');

# --- errors ---

$pid = launch($session, q{INSERT INTO done VALUES (1, 'error after rows'); SELECT 100 / (50 - g) FROM generate_series(1, 100) AS g});
ok(until_idle($node, $pid), 'a job that fails after some rows holds no worker');
is(state(), 'error', 'a job that failed after some rows is an error');
($out, $err) = ask($session, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (n int)');
like($err, qr/ERROR:  22012: division by zero/, 'the read throws an error that came after some rows');
is($out, '', 'the read of a job that failed after some rows returns none of them');
$pid = launch($session, q{INSERT INTO done VALUES (1, 'error after rows'); SELECT 100 / (90000 - g), repeat('x', 100) FROM generate_series(1, 100000) AS g});
($out, $err) = ask($session, 'SELECT count(*) FROM pg_background_result_v2(:pid, :cookie) AS (n int, x text)');
like($err, qr/ERROR:  22012: division by zero/, 'the read throws an error that came after more rows than the queue holds');
$pid = launch($session, q{INSERT INTO done VALUES (1, 'error after rows'); SELECT 100 / (90000 - g), repeat('x', 100) FROM generate_series(1, 100000) AS g});
value($session, 'SELECT pg_background_wait_v2(:pid, :cookie)');
is(state(), 'error', 'a job that failed after more rows than the queue holds is an error after a wait');
($out, $err) = ask($session, 'SELECT count(*) FROM pg_background_result_v2(:pid, :cookie) AS (n int, x text)');
like($err, qr/ERROR:  22012: division by zero/, 'a wait loses nothing of an error that came after many rows');
is(noted('error after rows'), 0, 'nothing of jobs that failed after rows has committed');

my $error = q{DO $do$ BEGIN RAISE EXCEPTION '%', repeat('é', 50000) || ' end' USING DETAIL = 'the detail', ERRCODE = 'PB001'; END $do$};
for my $wait (0, 1)
{
	$pid = launch($session, $error);
	value($session, 'SELECT pg_background_wait_v2(:pid, :cookie)') if $wait;
	# a wait may have made room for the end of it
	ok($wait ? until_true(sub { state() eq 'error' }) : until_waits_for($node, $pid, 'MessageQueueSend'),
		'an error that the queue does not hold waits for its reader');
	is(state(), 'error', 'an error that the queue does not hold is known before it is read');
	like(value($session, q{SELECT length(last_error) BETWEEN 100 AND 4096, last_error ~ '^é+$' FROM jobs WHERE pid = :pid}), qr/^t\|t$/,
		'the list shows the beginning of a long error, in whole characters');
	($out, $err) = ask($session, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (tag text)');
	like($err, qr/ERROR:  PB001: (é){50000} end$/m, 'the read throws all of a long error' . ($wait ? ', after a wait' : ''));
	like($err, qr/DETAIL:  the detail/, 'a long error has its detail');
}

$pid = launch($session, $error);
detach();
ok(until_idle($node, $pid), 'a worker with a long error waits for nobody when its job is detached');
$pid = launch($session, $error);
ok(until_waits_for($node, $pid, 'MessageQueueSend'), 'a worker waits for the reader of a long error');
is($node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)"), 't', 'a worker that waits for the reader of a long error is terminated');
ok(until_idle($node, $pid), 'a terminated worker with a long error has no job any more');
is(state(), 'error', 'a job whose worker was terminated with a long error is still an error');
($out, $err) = ask($session, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (tag text)');
like($err, qr/ERROR:  PB001: (é){100,50000}/, 'the read throws as much as there is of the long error of a terminated worker');
$pid = launch($session, q{DO $do$ BEGIN RAISE EXCEPTION '%', repeat('x', 20000) || ' end'; END $do$});
ok(until_idle($node, $pid), 'an error that the queue holds waits for nobody');
($out, $err) = ask($session, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (tag text)');
like($err, qr/ERROR:  P0001: x{20000} end$/m, 'an error that the queue holds comes over whole');

# --- large values ---

my @sizes = (1_000_000, 50_000_000);
push @sizes, 500_000_000 if $ENV{PGBG_BIG};
for my $size (@sizes)
{
	for my $wait (0, 1)
	{
		launch($session, "SELECT repeat('0123456789', $size / 10), 7");
		value($session, 'SELECT pg_background_wait_v2(:pid, :cookie)') if $wait;
		is( value($session, q{SELECT length(x), right(x, 3), n FROM pg_background_result_v2(:pid, :cookie) AS (x text, n int)}),
			"$size|789|7", "a value of $size bytes" . ($wait ? ', after a wait' : ''));
	}
}

# --- a client with another encoding ---

value($session, q{SET client_encoding = 'LATIN1'});
launch($session, q{SELECT U&'\20AC'});
is(value($session, q{SELECT x = U&'\20AC', octet_length(x) FROM pg_background_result_v2(:pid, :cookie) AS (x text)}), 't|3',
	'what a LATIN1 client cannot see reaches a function');
launch($session, q{DO $do$ BEGIN RAISE EXCEPTION '%', U&'\20AC'; END $do$});
value($session, 'SELECT pg_background_wait_v2(:pid, :cookie)');
is(value($session, q{SELECT last_error = U&'\20AC' FROM jobs WHERE pid = :pid}), 't', 'what a LATIN1 client cannot see is in an error in the list');
value($session, q{CREATE FUNCTION caught(pid int, cookie int8) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM * FROM pg_background_result_v2(pid, cookie) AS (tag text);
  RETURN 'none';
EXCEPTION WHEN raise_exception THEN RETURN SQLERRM;
END $$});
is(value($session, q{SELECT caught(:pid, :cookie) = U&'\20AC'}), 't', 'what a LATIN1 client cannot see is in an error where it is caught');
launch($session, q{DO $do$ BEGIN RAISE NOTICE '%', U&'\20AC'; END $do$; SET client_encoding = 'LATIN2'; SELECT 1});
value($session, 'SELECT pg_background_wait_v2(:pid, :cookie)');
is(state(), 'stopped', 'a message that cannot be converted does no harm to the job');
detach();
launch($session, q{DO $do$ BEGIN RAISE NOTICE 'caf%', U&'\00E9'; END $do$});
($out, $err) = ask($session, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (tag text)');
like($err, qr/NOTICE:  00000: caf\xe9$/m, 'a message that can be converted is converted once');
is($out, 'DO', 'a message that can be converted is no error');
value($session, 'RESET client_encoding');

is(value($session, 'SELECT count(*) FROM jobs'), 0, 'no handle is left in the end');
$session->quit;
nothing_left($node, 'in the end');
is($files->(), 0, 'no temporary file is left');
healthy($node);
done_testing();
