# What an interrupted send has left half in the queue is completed before anything else.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = server('interrupts');
my $session = session($node);
my ($out, $err);

sub launch
{
	my ($sql, $size) = @_;
	value($session, "SELECT pid, cookie FROM pg_background_launch_v2(\$job\$$sql\$job\$, $size) \\gset");
	return value($session, 'SELECT :pid');
}

sub state { return value($session, 'SELECT state FROM jobs WHERE pid = :pid AND cookie = :cookie') }

sub until_full
{
	my ($pid) = @_;
	return $node->poll_query_until('postgres', "SELECT wait_event = 'MessageQueueSend' FROM pg_stat_activity WHERE pid = $pid");
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
		ok(until_full($pid), 'the queue is full') or return;
		is(value($session, 'SELECT pg_background_wait_v2_timeout(:pid, :cookie, 0)'), 'f', 'some of it is taken out');
	}
	return until_full($pid);
}

my $pid = launch('SELECT noisy(i) FROM generate_series(1, 100000) AS i', 1024);
half_sent($pid);
is($node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)"), 't', 'it is cancelled in the middle of that');
ok(until_true(sub { state() eq 'error' }), 'and fails');
($out, $err) = ask($session, 'SELECT count(*) FROM pg_background_result_v2(:pid, :cookie) AS (r text)');
like($err, qr/ERROR:  57014: canceling statement due to user request/, 'which is what its reader is told');
my @numbers = $err =~ /NOTICE:  00000: (\d+) n{300}$/mg;
cmp_ok(scalar @numbers, '>=', 5, 'after its messages');
is("@numbers", join(' ', 1 .. @numbers), 'all of them, each once, in their order');
ok(until_idle($node, $pid), 'the worker has no job any more');

# A megabyte of messages may wait in the worker; from there on they wait for room.
$pid = launch(<<'END', 1024);
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
is($node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)"), 't', 'it is cancelled in the middle of that');
ok(until_true(sub { state() eq 'stopped' }), 'and traps it, and ends well');
($out, $err) = ask($session, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (r text)');
is($out, 'DO', 'it can be read');
@numbers = $err =~ /NOTICE:  00000: (\d+) n{3000}$/mg;
cmp_ok(scalar @numbers, '>=', 300, 'with its messages');
is("@numbers", join(' ', 1 .. @numbers), 'all of them, each once, in their order');
like($err, qr/NOTICE:  00000: trapped$/m, 'to the last');
ok(until_idle($node, $pid), 'the worker has no job any more');

is(value($session, 'SELECT count(*) FROM jobs'), 0, 'no handle is left');
$session->quit;
nothing_left($node, 'in the end');
healthy($node);
done_testing();
