# NOTIFY at the end of a job: in every ending, after the outcome can be seen, and never in the way of anything.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = server('notify', init => { allows_streaming => 1 });
my $session = session($node);
my $listener = session($node);
my $heard = '';

# start(SESSION, OPTIONS): launches a job with a notification; its handle is in the session's variables "pid" and "cookie"
sub start
{
	my ($in, $sql, $options) = @_;
	my $more = $options ? ", $options" : '';
	value($in, "SELECT pid, cookie FROM pg_background_start(\$job\$$sql\$job\$, notify => 'ends'$more) \\gset");
	return split /\|/, value($in, 'SELECT :pid, :cookie');
}

# What the listener hears of the job with that cookie: the payload, and from which process.
sub payload
{
	my ($cookie, $seconds) = @_;
	my $pattern = qr/notification "ends" with payload "(\{[^\n]*"cookie": $cookie,[^\n]*\})" received from server process with PID (\d+)/;

	until_true(sub { $heard .= value($listener, 'SELECT 1') . "\n"; $heard =~ $pattern }, $seconds);
	return $heard =~ $pattern ? ($1, $2) : ();
}

# The payload's fields as the server reads them.
sub fields
{
	my ($json) = @_;
	return '' if !defined $json;
	return value($listener, "SELECT j->>'pid', j->>'cookie', coalesce(j->>'label', '-'), j->>'state', coalesce(j->>'sqlstate', '-')"
		  . " FROM (SELECT \$json\$$json\$json\$::jsonb AS j) AS p") =~ s/\n.*//sr;
}

sub ends_as
{
	my ($what, $pid, $cookie, $label, $end) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($json, $from) = payload($cookie);

	is(fields($json), "$pid|$cookie|$label|$end", "$what: the notification says which job has ended, and how");
	is($from, $pid, "$what: the notification comes from the job's worker");
	return;
}

value($listener, 'LISTEN ends');

for my $how ($node->{registry} ? ('new', 'warm') : 'new')
{
	without_idle($node);
	setting($node, 'pg_background.max_idle_workers', $how eq 'warm' ? 8 : 0) if $node->{registry};
	my ($pid, $cookie) = start($session, 'SELECT 1');
	ends_as("$how, well", $pid, $cookie, '-', 'stopped|-');
	is(value($session, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (n int)'), 1, "$how: the job's rows are there");

	($pid, $cookie) = start($session, 'SELECT 1 / 0', q{label => 'a "quoted" \ label'});
	ends_as("$how, failed", $pid, $cookie, 'a "quoted" \ label', 'error|22012');
	ok($node->log_contains(qr/CONTEXT:  pg_background job $cookie "a "quoted" \\ label" launched by process \d+$/m), "$how: the log names the label");
	($pid, $cookie) = start($session, 'CREATE TABLE t (a int UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO t VALUES (1), (1)');
	ends_as("$how, failed at its commit", $pid, $cookie, '-', 'error|23505');
	($pid, $cookie) = start($session, 'SELECT count(*) FROM generate_series(1, 10)', 'results => false');
	ends_as("$how, without results", $pid, $cookie, '-', 'stopped|-');
	($pid, $cookie) = start($session, 'SELEC');
	ends_as("$how, with a syntax error", $pid, $cookie, '-', 'error|42601');
	($pid, $cookie) = start($session, 'SELECT pg_sleep(600)', q{timeout => '20 ms'});
	ends_as("$how, timed out", $pid, $cookie, '-', 'error|57014');
	($pid, $cookie) = start($session, 'SELECT 1; SELECT pg_sleep(600)', q{label => 'stopped'});
	until_waits_for($node, $pid, 'PgSleep');
	value($session, 'SELECT pg_background_cancel_v2(:pid, :cookie)');
	ends_as("$how, canceled", $pid, $cookie, 'stopped', 'canceled|57014');
	($pid, $cookie) = start($session, 'SELECT pg_sleep(600)');
	until_waits_for($node, $pid, 'PgSleep');
	$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
	ends_as("$how, canceled as a process", $pid, $cookie, '-', 'error|57014');
	($pid, $cookie) = start($session, 'SELECT pg_sleep(600)', q{label => 'killed'});
	until_waits_for($node, $pid, 'PgSleep');
	$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
	ends_as("$how, terminated", $pid, $cookie, 'killed', 'error|57P01');
	value($session, q{SELECT pg_background_detach_v2(pid, cookie) FROM jobs});

	# the launcher is gone before the end
	my $launcher = session($node);
	value($session, 'SELECT pg_advisory_lock(1)');
	($pid, $cookie) = start($launcher, 'SELECT pg_advisory_xact_lock(1)');
	until_waits_for($node, $pid, 'advisory');
	$launcher->quit;
	value($session, 'SELECT pg_advisory_unlock(1)');
	ends_as("$how, without its launcher", $pid, $cookie, '-', 'stopped|-');

	# nothing is told where nothing is asked for
	value($session, 'SELECT pid, cookie FROM pg_background_start($$SELECT 1$$) \gset');
	value($session, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (n int)');
	is(value($listener, 'SELECT 1'), 1, "$how: a job without a channel is not told of");
}

# --- who hears of the end sees the outcome ---

SKIP:
{
	skip 'without a registry no other session sees an outcome', 1 if !$node->{registry};
	value($listener, "SET client_min_messages = warning");
	my $seen = 0;
	for my $n (1 .. 20)
	{
		my ($pid, $cookie) = start($session, "SELECT $n");
		payload($cookie);
		$seen += value($listener, "SELECT count(*) FROM pg_background_history WHERE cookie = $cookie AND state = 'stopped'");
		value($session, 'SELECT pg_background_detach_v2(:pid, :cookie)');
	}
	is($seen, 20, 'whoever hears of the end finds the outcome');
}

# --- in another database ---

{
	$node->safe_psql('postgres', 'CREATE DATABASE elsewhere');
	my $there = session($node, dbname => 'elsewhere');
	value($there, 'LISTEN ends');
	my ($pid, $cookie) = start($session, 'SELECT current_database()', q{database => 'elsewhere', label => 'there'});
	is(value($session, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (name name)'), 'elsewhere', 'a job with a channel runs in another database');
	my $said = '';
	ok(until_true(sub { $said .= value($there, 'SELECT 1'); $said =~ /"cookie": $cookie, "label": "there", "state": "stopped"/ }, 10),
		'its end is told in its database');
	unlike($heard . value($listener, 'SELECT 1'), qr/"cookie": $cookie,/, "its end is not told in the launcher's");
	$there->quit;
}

# --- a commit with a NOTIFY that does not come to its end: the others wait for it ---

{
	my $stuck = session($node);
	my $stuck_pid = value($stuck, 'SELECT pg_backend_pid()');
	setting($node, 'synchronous_standby_names', 'nobody');
	$stuck->query_until(qr/go/, "\\echo go\nINSERT INTO done VALUES (0, 'stuck') \\; NOTIFY ends, 'stuck';\n");
	ok(until_waits_for($node, $stuck_pid, 'SyncRep'), 'a NOTIFY waits at its commit');

	my ($pid, $cookie) = start($session, 'SELECT 1');
	is(value($session, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (n int)'), 1, 'a job is read while its notification waits');
	ok(kill(0, $pid), 'the worker that has the notification is there');
	is(job($session, 'SELECT 1::text'), 1, 'other jobs run meanwhile');
	my $offset = -s $node->logfile;
	$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
	ok(until_true(sub { is_gone($pid) }), 'a worker that waits to notify leaves when it is told to');
	ok($node->log_contains(qr/WARNING:  could not notify of the end of pg_background job $cookie\n.*DETAIL:  other notifications were not committed in time/, $offset),
		'the log says that nothing was told of the end');

	($pid, $cookie) = start($session, 'SELECT pg_sleep(600)');
	until_waits_for($node, $pid, 'PgSleep');
	$offset = -s $node->logfile;
	$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
	ok(until_true(sub { is_gone($pid) }), 'a worker that is terminated waits no longer either');
	ok(!crashed($node, $offset), 'a worker that is terminated while its notification waits ends well');

	# a job's transaction_timeout is for the job, not for a notification that waits longer
	my @timed = $node->pg_version < 17 ? () : start($session, 'SELECT 1', q{settings => '{"transaction_timeout": "3s"}'});
	if (@timed)
	{
		value($session, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (n int)');
		value($session, 'SELECT pg_sleep(4)');
		ok(kill(0, $timed[0]), 'transaction_timeout does not end a worker that waits to notify');
	}
	($pid, $cookie) = start($session, 'SELECT 1', q{settings => '{"synchronous_commit": "local"}'});
	$node->safe_psql('postgres', "SELECT pg_cancel_backend($stuck_pid)");
	ends_as('after the wait', $pid, $cookie, '-', 'stopped|-');
	ends_as('after the longer wait', @timed, '-', 'stopped|-') if @timed;
	setting($node, 'synchronous_standby_names', '');
	$stuck->quit;
	value($session, q{SELECT pg_background_detach_v2(pid, cookie) FROM jobs});
}

# --- at the very moment ---

SKIP:
{
	skip 'needs a library with points, and a registry', 10 if !$ENV{PGBG_POINTS} || !$node->{registry};
	arm($node, 'notify', 'hold');
	my ($pid, $cookie) = start($session, 'SELECT 1');
	is(until_held($node, 'notify'), $pid, 'the worker is about to notify');
	is(Jobs::look($node, "SELECT state FROM pg_background_history WHERE cookie = $cookie"), 'stopped', 'the history has the job before the notification is sent');
	is(value($session, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (n int)'), 1, 'the launcher reads the job before the notification is sent');
	disarm($node, 'notify');
	ends_as('held', $pid, $cookie, '-', 'stopped|-');

	my $offset = -s $node->logfile;
	arm($node, 'notify', 'error');
	($pid, $cookie) = start($session, 'SELECT 2');
	is(value($session, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (n int)'), 2, 'a job whose notification fails has ended well');
	ok(until_true(sub { $node->log_contains(qr/WARNING:  could not notify of the end of pg_background job $cookie/, $offset) }),
		'a notification that fails is a warning in the log');
	($pid, $cookie) = start($session, 'SELECT pg_sleep(600)');
	until_waits_for($node, $pid, 'PgSleep');
	$offset = -s $node->logfile;
	$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
	ok(until_true(sub { is_gone($pid) }), 'a worker that cannot notify at its exit exits');
	ok($node->log_contains(qr/WARNING:  could not notify of the end of pg_background job $cookie/, $offset), 'the log has a warning of that');
	disarm($node, 'notify');
	is(job($session, 'SELECT 1::text'), 1, 'the session goes on after a notification that has failed');
}

value($listener, 'UNLISTEN ends');
$_->quit for $session, $listener;
nothing_left($node, 'in the end');
healthy($node);
$node->stop;
done_testing();
