# Rows that never stop coming: reads and waits end all the same when they are to, and what an interrupted send has left half in the
# queue is completed before anything else.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# What is read and put aside goes into files.  A session that cannot be stopped is, by the limit, with another error.
# A job waits for its reader here. What it does otherwise: 031_spool.pl.
my $node = server('interrupts', conf => "pg_background.spool_limit = 0\ntemp_file_limit = '1GB'\nwork_mem = '1MB'\n");
my $session = session($node);
my ($out, $err);

sub state { return value($session, 'SELECT state FROM jobs WHERE pid = :pid AND cookie = :cookie') }

# Cancels the job from another session, which works whatever its own has read of it, and waits until its worker has no job.
sub end
{
	my $pid = value($session, 'SELECT :pid');
	ask($session, 'SELECT pg_background_cancel_v2(:pid, :cookie); SELECT pg_background_detach_v2(:pid, :cookie)');
	until_idle($node, $pid) or die 'a job cannot be cancelled';
	return;
}

sub until_full { return until_waits_for($node, $_[0], 'MessageQueueSend') }

# --- the launcher's end: a job that is faster than its reader, so that the queue is never empty ---

# Rows that cost their reader much more than the job: each value is converted.
my $columns = 60;
my $rows = 'SELECT ' . join(', ', ('1.5::numeric') x $columns) . ', generate_series(1, 1000000000)';
my $list = join(', ', map { "a$_ numeric(20, 2)" } 1 .. $columns) . ', n int';
my $read = "SELECT count(*) FROM pg_background_result_v2(:pid, :cookie) AS ($list)";

# Rows that must be put aside, which costs more than to make them.
my $wide = q{SELECT repeat('x', 30000), generate_series(1, 1000000000)};
my $size = 64 * 1024 * 1024;

# The queue alone takes seconds to be read.
ok(until_full(scalar launch($session, $rows, $size)), 'a job has filled its queue');
value($session, q{SET statement_timeout = '200ms'});
($out, $err) = ask($session, $read);
like($err, qr/ERROR:  57014: canceling statement due to statement timeout/, 'statement_timeout ends a read');
value($session, 'RESET statement_timeout');
end();

launch($session, $wide, $size);
value($session, q{SET statement_timeout = '200ms'});
($out, $err) = ask($session, 'SELECT pg_background_wait_v2(:pid, :cookie)');
like($err, qr/ERROR:  57014: canceling statement due to statement timeout/, 'statement_timeout ends a wait');
value($session, 'RESET statement_timeout');
is(state(), 'running', 'a job runs on when a wait for it was ended');

is(value($session, 'SELECT pg_background_wait_v2_timeout(:pid, :cookie, 300)'), 'f', 'a wait with a time limit ends');
is(value($session, 'SELECT pg_background_wait_v2_timeout(:pid, :cookie, 0)'), 'f', 'a wait of no time ends');
is(state(), 'running', 'a job runs on after waits with a time limit');
end();

launch($session, $wide, $size);
value($session, 'SELECT pg_background_cancel_v2_grace(:pid, :cookie, 300)');
value($session, 'SELECT pg_background_wait_v2(:pid, :cookie)');
is(state(), 'canceled', 'the grace of a cancel ends');
end();

for my $case (
	[ 'cancel', $rows, $read, qr/ERROR:  57014: canceling statement due to user request/ ],
	[ 'cancel', $wide, 'SELECT pg_background_wait_v2(:pid, :cookie)', qr/ERROR:  57014: canceling statement due to user request/ ],
	[ 'terminate', $rows, $read, qr/FATAL:  57P01: / ],
	[ 'terminate', $wide, 'SELECT pg_background_wait_v2(:pid, :cookie)', qr/FATAL:  57P01: / ])
{
	my ($how, $sql, $call, $said) = @$case;
	my $what = $call =~ /wait/ ? 'wait' : 'read';
	my $reader = session($node);
	my $backend = value($reader, 'SELECT pg_backend_pid()');

	my ($pid, $cookie) = split /\|/,
	  value($reader, "SELECT pid, cookie FROM pg_background_launch_v2(\$job\$$sql\$job\$, $size) \\gset\nSELECT :pid, :cookie");
	$reader->{stderr} = '';
	$reader->query_until(qr/begun/, "\\echo begun\n$call;\n\\warn answered\n");
	# it is in the middle of it when it has filled a file
	ok(until_true(sub { glob($node->data_dir . "/base/pgsql_tmp/pgsql_tmp$backend.*") }), "a $what goes on and on before the $how");
	is($node->safe_psql('postgres', "SELECT pg_${how}_backend($backend)"), 't', "the session with an endless $what is told to end by $how");
	pump_until($reader->{run}, $reader->{timeout}, \$reader->{stderr}, $how eq 'cancel' ? qr/answered/ : qr/connection to server was lost|terminating/);
	like($reader->{stderr}, $said, "an endless $what ends by $how");
	$node->safe_psql('postgres', "SELECT pg_background_cancel_v2($pid, $cookie) FROM pg_stat_background WHERE cookie = $cookie")
	  if $node->{registry};
	eval { $reader->quit };
	$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)") unless $node->{registry};
	ok(until_idle($node, $pid), "the worker of an endless $what that ended by $how has no job any more");
}

# --- the worker's end: an ERROR while a message is half in the queue ---

value($session, <<'END');
CREATE FUNCTION noisy(i int) RETURNS text LANGUAGE plpgsql AS
  $$ BEGIN RAISE NOTICE '% %', i, repeat('n', 300); RETURN 'row ' || i; END $$;
END

# The sender waits for room; some is made, and it waits again, in the middle of a message.
sub half_sent
{
	my ($pid) = @_;

	# often enough that some messages are through
	for my $i (1 .. 10)
	{
		ok(until_full($pid), "the queue is full, round $i") or return;
		is(value($session, 'SELECT pg_background_wait_v2_timeout(:pid, :cookie, 0)'), 'f', "a wait of no time takes some out of the queue, round $i");
	}
	return until_full($pid);
}

my $pid = launch($session, 'SELECT noisy(i) FROM generate_series(1, 100000) AS i', 1024);
half_sent($pid);
is($node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)"), 't', 'a job is cancelled in the middle of a message between rows');
ok(until_true(sub { state() eq 'error' }), 'a job that was cancelled in the middle of a message fails');
($out, $err) = ask($session, 'SELECT count(*) FROM pg_background_result_v2(:pid, :cookie) AS (r text)');
like($err, qr/ERROR:  57014: canceling statement due to user request/, 'the reader is told of a cancel in the middle of a message');
my @numbers = $err =~ /NOTICE:  00000: (\d+) n{300}$/mg;
cmp_ok(scalar @numbers, '>=', 5, 'the messages of a job that was cancelled in the middle of one are read');
is("@numbers", join(' ', 1 .. @numbers), 'messages before a cancel in the middle of one come each once, in their order');
ok(until_idle($node, $pid), 'the worker has no job after a cancel in the middle of a message');

# A megabyte of messages may wait in the worker; from there on they wait for room.
$pid = launch($session, <<'END', 1024);
DO $$
BEGIN
  FOR i IN 1..1000000 LOOP
    RAISE NOTICE '% %', i, repeat('n', 3000);
  END LOOP;
EXCEPTION WHEN query_canceled THEN
  RAISE NOTICE 'trapped';
END $$
END
half_sent($pid);
is($node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)"), 't', 'a job that traps cancels is cancelled in the middle of a message');
ok(until_true(sub { state() eq 'stopped' }), 'a job that traps a cancel in the middle of a message ends well');
($out, $err) = ask($session, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (r text)');
is($out, 'DO', 'a job that trapped a cancel in the middle of a message can be read');
@numbers = $err =~ /NOTICE:  00000: (\d+) n{3000}$/mg;
cmp_ok(scalar @numbers, '>=', 300, 'the messages of a job that trapped a cancel are read');
is("@numbers", join(' ', 1 .. @numbers), 'messages before a trapped cancel come each once, in their order');
like($err, qr/NOTICE:  00000: trapped$/m, 'the message after a trapped cancel is read');
ok(until_idle($node, $pid), 'the worker has no job after a trapped cancel');

# --- the launcher's end: what a wait has put aside cannot be read ---

launch($session, q{SELECT i, repeat('x', 1000) FROM generate_series(1, 20000) AS i});
value($session, 'SELECT pg_background_wait_v2(:pid, :cookie)');
my $backend = value($session, 'SELECT pg_backend_pid()');
my @files = glob($node->data_dir . "/base/pgsql_tmp/pgsql_tmp$backend.*");
is(scalar @files, 1, 'a wait has put rows into a file');
truncate $files[0], 0 or die "$files[0]: $!";
for my $which (qw(first next))
{
	($out, $err) = ask($session, 'SELECT count(*) FROM pg_background_result_v2(:pid, :cookie) AS (i int, x text)');
	like($err, qr/ERROR:  XX001: what was kept of the result cannot be read any more/, "the $which read of rows whose file is damaged fails");
}
ask($session, 'SELECT pg_background_detach_v2(:pid, :cookie)');

is(value($session, 'SELECT count(*) FROM jobs'), 0, 'no handle is left in the end');
$session->quit;
nothing_left($node, 'in the end');
healthy($node);
done_testing();
