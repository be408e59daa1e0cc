# Who waits, sleeps: nobody polls, a cancel is answered at once, and nobody outlives the postmaster.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use POSIX qw(ceil);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

# A job waits for its reader here. What it does otherwise: 031_spool.pl.
my $node = server('waits', conf => "pg_background.spool_limit = 0\n");
my (@sessions, %pids);

# A session that launches SQL and then makes a call that waits; the worker waits for the event.
sub waiting
{
	my ($what, $sql, $event, $call) = @_;
	my $session = session($node);
	my $launcher = value($session, 'SELECT pg_backend_pid()');

	my $worker = launch($session, $sql);
	until_waits_for($node, $worker, $event) or die "$what: the worker does not wait";
	if ($call)
	{
		$session->query_until(qr/begun/, "\\echo begun\nSELECT * FROM $call;\n\\warn answered\n");
		until_waits_for($node, $launcher, wait_event($node)) or die "$what: the launcher does not wait";
		$pids{"a session in $what"} = $launcher;
	}
	else
	{
		$pids{"a worker that is $what"} = $worker;
	}
	push @sessions, $session;
	return ($session, $launcher);
}

my @calls = map { [ waiting(@$_) ] } (
	[ 'wait', 'SELECT pg_sleep(600)', 'PgSleep', 'pg_background_wait_v2(:pid, :cookie)' ],
	[ 'wait with a time limit', 'SELECT pg_sleep(600)', 'PgSleep', 'pg_background_wait_v2_timeout(:pid, :cookie, 600000)' ],
	[ 'cancel with grace', 'SELECT pg_sleep(600)', 'PgSleep', 'pg_background_cancel_v2_grace(:pid, :cookie, 600000)' ],
	[ 'result', 'SELECT pg_sleep(600)', 'PgSleep', 'pg_background_result_v2(:pid, :cookie) AS (x text)' ]);
waiting('blocked on its queue', q{SELECT repeat('x', 1000) FROM generate_series(1, 1000)}, 'MessageQueueSend');

# --- nobody polls ---

SKIP: {
	skip 'no /proc', scalar keys %pids unless process_field($$, 'voluntary_ctxt_switches');

	my $from = time;
	my %switches = map { $_ => process_field($pids{$_}, 'voluntary_ctxt_switches') } keys %pids;
	usleep(2_000_000);    # what is measured
	for my $what (sort keys %pids)
	{
		my $count = process_field($pids{$what}, 'voluntary_ctxt_switches') - $switches{$what};
		# it took longer on a busy machine
		my $seconds = ceil(time - $from);
		# A session looks for a deadlock each second.  A job looks for its progress, more and more rarely while there is nothing to see:
		# after 0.1, 0.2, 0.4, 0.8, 1.6 s.
		cmp_ok($count, '<=', $seconds + ($what =~ /worker/ ? 4 : 1), "$what sleeps ($count wake-ups in less than $seconds s)");
	}
}

# --- a cancel is answered ---

for my $call (@calls)
{
	my ($session, $launcher) = @$call;
	my ($what) = grep { $pids{$_} == $launcher } keys %pids;
	my $from = time;

	$session->{stderr} = '';
	is($node->safe_psql('postgres', "SELECT pg_cancel_backend($launcher)"), 't', "$what is cancelled");
	pump_until($session->{run}, $session->{timeout}, \$session->{stderr}, qr/answered/);
	my $took = time - $from;
	like($session->{stderr}, qr/ERROR:  57014: canceling statement due to user request/, "$what says that it was cancelled");
	cmp_ok($took, '<', 5, "$what answers in a moment");
	is(value($session, 'SELECT state FROM jobs WHERE pid = :pid'), 'running', "$what: the job runs on");
}

# A wait of no time at all does not wait.
my $session = $sessions[0];
my $from = time;
is(value($session, 'SELECT pg_background_wait_v2_timeout(:pid, :cookie, 0)'), 'f', 'a wait of no time does not wait');
is(value($session, 'SELECT pg_background_wait_v2_timeout(:pid, :cookie, -1)'), 'f', 'a wait of less than no time does not wait');
cmp_ok(time - $from, '<', 5, 'waits of no time return at once');
$from = time;
is(value($session, 'SELECT pg_background_wait_v2_timeout(:pid, :cookie, 500)'), 'f', 'a wait of half a second ends without the job');
cmp_ok(time - $from, '>=', 0.5, 'a wait of half a second lasts that long');

# A wait ends when the job does, not at some later look.
for my $i (1 .. 3)
{
	value($session, q{SELECT pid AS quick, cookie AS quick_cookie FROM pg_background_launch_v2('SELECT pg_sleep(0.2)') \gset});
	$from = time;
	value($session, 'SELECT pg_background_wait_v2(:quick, :quick_cookie), pg_background_detach_v2(:quick, :quick_cookie)');
	cmp_ok(time - $from, '<', 5, "a wait ends with its job, round $i");
}

# --- nobody outlives the postmaster ---

# Some wait for their jobs again.
for my $call (@calls)
{
	my ($again, $launcher) = @$call;
	$again->query_until(qr/begun/, "\\echo begun\nSELECT pg_background_wait_v2(:pid, :cookie);\n");
	until_waits_for($node, $launcher, wait_event($node)) or die 'the launcher does not wait';
}
my @all = split /\n/, $node->safe_psql('postgres',
	q{SELECT pid FROM pg_stat_activity WHERE backend_type IN ('pg_background', 'client backend') AND pid <> pg_backend_pid()});
cmp_ok(scalar @all, '>=', 10, 'there are five sessions, five workers with jobs, and idle ones');
$node->kill9;
ok(until_true(sub { !grep { !is_gone($_) } @all }), 'all processes are gone when the postmaster is');
for my $dead (@sessions) { eval { $dead->quit } }

# What they left is swept up by the next start.
ok(until_true(sub { $node->start(fail_ok => 1) }), 'the server starts again');
nothing_left($node, 'after the start');
is($node->safe_psql('postgres', q{SELECT * FROM pg_background_result(pg_background_launch('SELECT 42')) AS (n int)}), 42, 'jobs run after the postmaster was killed');
$node->stop;
done_testing();
