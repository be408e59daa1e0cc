# The server stops, restarts or crashes while jobs run: it does so in time, leaves nothing behind, and the tables tell the truth.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

# Seconds in which a shutdown that waits for nobody ends.
my $prompt = 30;
# A job waits for its reader here. What it does otherwise: 031_spool.pl.
my $node = server('shutdown', conf => "pg_background.spool_limit = 0\nrestart_after_crash = on\n");
my ($out, $err);

sub noted { return $node->safe_psql('postgres', "SELECT count(*) FROM done WHERE note LIKE '$_[0]'") }

# Jobs in all situations, each with a row that is not committed; gives the sessions and the workers' pids.
sub busy
{
	my ($note) = @_;
	my (@sessions, @pids);

	for my $job (
		[ 'runs', 'SELECT pg_sleep(600)', 'PgSleep', undef ],
		[ 'blocked', q{SELECT repeat('x', 1000) FROM generate_series(1, 1000)}, 'MessageQueueSend', undef ],
		[ 'failed', q{DO $$ BEGIN RAISE EXCEPTION '%', repeat('x', 100000); END $$}, 'MessageQueueSend', undef ],
		[ 'read', 'SELECT pg_sleep(600)', 'PgSleep', 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (x text);' ],
		[ 'waited for', 'SELECT pg_sleep(600)', 'PgSleep', 'SELECT pg_background_wait_v2(:pid, :cookie);' ],
		[ 'streams', 'SELECT CASE g WHEN 100000 THEN pg_sleep(600)::text ELSE g::text END FROM generate_series(1, 200000) AS g',
			'PgSleep', 'SELECT count(*) FROM pg_background_result_v2(:pid, :cookie) AS (x text);' ])
	{
		my ($what, $sql, $event, $call) = @$job;
		my $session = session($node);
		my $launcher = value($session, 'SELECT pg_backend_pid()');
		my $pid = launch($session, "INSERT INTO done VALUES (1, '$note: $what'); $sql");

		$session->query_until(qr/begun/, "\\echo begun\n$call\n") if $call;
		until_waits_for($node, $pid, $event) or die "the job that $what has not come there";
		if ($call) { until_waits_for($node, $launcher, wait_event($node)) or die 'the launcher does not wait' }
		push @sessions, $session;
		push @pids, $launcher, $pid;
	}
	return (\@sessions, \@pids);
}

sub all_gone
{
	my ($what, $pids) = @_;
	ok(until_true(sub { !grep { !is_gone($_) } @$pids }), "$what: no process is left");
	is(segments($node), 0, "$what: no shared memory segment is left") unless $what eq 'immediate';
	return;
}

# --- fast and immediate ---

for my $mode ('fast', 'immediate')
{
	my ($sessions, $pids) = busy($mode);

	# Committed before the end, so it is there after it.
	$node->safe_psql('postgres', qq{SELECT * FROM pg_background_result(pg_background_launch(
	  \$\$INSERT INTO done VALUES (1, '$mode committed')\$\$)) AS (tag text)});
	my $from = time;
	$node->stop($mode);
	my $took = time - $from;
	cmp_ok($took, '<', $prompt, sprintf('%s: stops in time (%.1f s)', $mode, $took));
	all_gone($mode, $pids);
	for my $session (@$sessions) { eval { $session->quit } }
	$node->start;
	is(noted("$mode: %"), 0, "$mode: nothing of the jobs has committed");
	is(noted("$mode committed"), 1, "$mode: what had committed is there");
	nothing_left($node, "$mode, after the start");
}
ok(!crashed($node), 'no process has crashed');

# --- restart, with jobs whose launchers are gone ---

my $session = session($node);
my $pid = launch($session, q{INSERT INTO done VALUES (1, 'restart: orphan'); SELECT pg_sleep(600)});
ok(until_waits_for($node, $pid, 'PgSleep'), 'restart: a job runs before it');
$session->quit;
my $from = time;
$node->restart;
cmp_ok(time - $from, '<', 2 * $prompt, 'restart: the server is there in time');
ok(is_gone($pid), 'restart: the job without launcher is gone');
is(noted('restart: %'), 0, 'restart: nothing of it has committed');
nothing_left($node, 'restart');

# --- smart ---

# A smart shutdown waits for the clients. When they are gone it ends the workers, as it ends all background workers.
$session = session($node);
my $idle = session($node);
$pid = launch($session, q{INSERT INTO done VALUES (1, 'smart: with launcher'); SELECT pg_advisory_xact_lock(1), pg_sleep(600)});
ok(until_waits_for($node, $pid, 'PgSleep'), 'smart: a job runs before it');
my $stopper = IPC::Run::start [ 'pg_ctl', '-D', $node->data_dir, '-m', 'smart', '-t', '120', 'stop' ], '>', '/dev/null',
  IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default);
ok($node->wait_for_log(qr/received smart shutdown request/), 'smart: the shutdown is requested');
is(value($idle, "SELECT count(*) FROM pg_stat_activity WHERE pid = $pid"), 1, 'smart: the job runs while clients are there');
is(value($session, 'SELECT state FROM jobs WHERE pid = :pid'), 'running', 'smart: a job that runs on says so');
value($session, 'SELECT pg_background_cancel_v2(:pid, :cookie), pg_background_wait_v2(:pid, :cookie)');
is(value($session, 'SELECT state FROM jobs WHERE pid = :pid'), 'canceled', 'smart: a job that runs on can be cancelled');
is(value($session, q{SELECT * FROM pg_background_result(pg_background_launch('SELECT 1')) AS (n int)}), 1, 'smart: jobs are started while clients are there');
$session->quit;
$pid = value($idle, 'SELECT pg_backend_pid()');
$idle->quit;
$from = time;
$stopper->finish;
cmp_ok(time - $from, '<', $prompt, 'smart: ends when the clients are gone');
ok(is_gone($pid), 'smart: no client is left');
is(segments($node), 0, 'smart: no shared memory segment is left');
$node->_update_pid(0);
$node->start;
is(noted('smart: %'), 0, 'smart: nothing of the cancelled job has committed');

# The same with a job that nobody will read.
$session = session($node);
$pid = launch($session, q{INSERT INTO done VALUES (1, 'smart: blocked'); SELECT repeat('x', 1000) FROM generate_series(1, 1000)});
ok(until_waits_for($node, $pid, 'MessageQueueSend'), 'a job is blocked on its queue');
my $runs = launch($session, q{INSERT INTO done VALUES (1, 'smart: endless'); SELECT pg_sleep(600)});
ok(until_waits_for($node, $runs, 'PgSleep'), 'another job runs before a smart shutdown');
$session->quit;
$from = time;
$node->stop('smart');
cmp_ok(time - $from, '<', $prompt, 'smart: ends jobs without launcher');
ok(is_gone($pid) && is_gone($runs), 'smart: no worker is left');
$node->start;
is(noted('smart: endless'), 0, 'smart: nothing of what ran has committed');
nothing_left($node, 'smart');
ok(!crashed($node), 'no process has crashed');

# --- a worker is killed, which no tidy server does to it ---

my $offset = -s $node->logfile;
my ($sessions, $pids) = busy('crash');
$node->safe_psql('postgres', q{SELECT * FROM pg_background_result(pg_background_launch(
  $$INSERT INTO done VALUES (1, 'committed before the crash')$$)) AS (tag text)});
kill 9, $pids->[1];
ok($node->wait_for_log(qr/all server processes terminated; reinitializing/, $offset), 'crash: the server starts again');
ok(until_there($node), 'crash: the server is there again');
ok(until_true(sub { !grep { !is_gone($_) } @$pids }), 'crash: no process is left');
for my $old (@$sessions) { eval { $old->quit } }
note('segments: ' . segments($node) . ", at rest $node->{segments_at_rest}");
is(noted('crash: %'), 0, 'crash: nothing of the jobs has committed');
is(noted('committed before the crash'), 1, 'crash: what had committed is there');
$session = session($node);
is(value($session, q{SELECT sum(n) FROM generate_series(1, 20) AS i, LATERAL
  (SELECT * FROM pg_background_result(pg_background_launch('SELECT 1 + 0 * ' || i)) AS (n int)) AS r}), 20, 'crash: jobs run again');
$session->quit;
nothing_left($node, 'crash');

$node->stop;
is(segments($node), 0, 'no segment is left in the end');
done_testing();
