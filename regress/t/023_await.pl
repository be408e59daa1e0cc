# A session waits for a hundred jobs at once, its own and other sessions': it sleeps until one of them ends, and nothing else wakes it.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

# A job waits for its reader here. What it does otherwise: 031_spool.pl.
my $node = server('await', conf => <<'END');
pg_background.spool_limit = 0
max_worker_processes = 128
max_connections = 50
pg_background.max_workers = 200
# a wait that lasts looks for a deadlock now and then: wake-ups are counted here
deadlock_timeout = '1h'
pg_background.max_idle_workers = 4
END
if (!$node->{registry})
{
	$node->stop;
	plan skip_all => 'without a registry a session knows its own jobs only';
}

# Handles, by their number.
$node->safe_psql('postgres', q{
	CREATE TABLE handles (n int PRIMARY KEY, h pg_background_handle);
	CREATE FUNCTION h(number int) RETURNS pg_background_handle LANGUAGE sql AS 'SELECT h FROM handles WHERE n = number';
	CREATE FUNCTION hs(first int, last int) RETURNS pg_background_handle[] LANGUAGE sql AS
		'SELECT array_agg(h ORDER BY n) FROM handles WHERE n BETWEEN first AND last';
	CREATE FUNCTION number(handle pg_background_handle) RETURNS int LANGUAGE sql AS 'SELECT n FROM handles WHERE h = handle ORDER BY n LIMIT 1';
});

# A session, and the pid of its backend.
sub waiter
{
	my $session = session($node);
	return ($session, value($session, 'SELECT pg_backend_pid()'));
}

# The session makes the call; returns when it sleeps in it.
sub begin
{
	my ($session, $pid, $call) = @_;

	$session->{stderr} = '';
	$session->query_until(qr/begun/, "\\echo begun\nSELECT $call;\n\\echo answered\n");
	until_waits_for($node, $pid, wait_event($node)) or die "$call does not wait";
	return;
}

# What the call has returned, or its error.
sub answer
{
	my ($session) = @_;

	pump_until($session->{run}, $session->{timeout}, \$session->{stdout}, qr/answered/) or die 'no answer';
	my $answer = $session->{stdout};
	$session->{stdout} = '';
	$answer =~ s/begun|answered|\s//g;
	my ($error) = $session->{stderr} =~ /ERROR:  (.*)/;
	return $error // $answer;
}

my $job = q{pg_background_submit_v2('SELECT pg_sleep(600)')};
my ($one, $one_pid) = waiter();
my ($other, $other_pid) = waiter();
my ($third, $third_pid) = waiter();

# Odd ones are the other session's.
for my $n (1 .. 100)
{
	value($n % 2 ? $other : $one, "INSERT INTO handles SELECT $n, h FROM $job h");
}
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_stat_background'), 100, 'there are a hundred jobs');

# Jobs that nobody awaits among others.
value($third, "INSERT INTO handles SELECT n, $job FROM generate_series(101, 110) n");
is(value($third, 'SELECT pg_background_await_any(hs(1, 100), interval $$0$$) IS NULL'), 't', 'none of them has ended');
is(value($third, 'SELECT pg_background_await_all(hs(1, 100), interval $$0.1 s$$)'), 'f', 'nor after a moment');

# --- nobody polls, and ends of other jobs wake nobody ---

# A session whose jobs were never awaited among others.
my ($fourth, $fourth_pid) = waiter();
value($fourth, "INSERT INTO handles SELECT n, $job FROM generate_series(111, 115) n");

my %calls = (
	'any of a hundred, half of them its own' => [ $one, $one_pid, 'number(pg_background_await_any(hs(1, 100)))' ],
	'any of a hundred, for a time' => [ $other, $other_pid, q{number(pg_background_await_any(hs(1, 100), '1 hour'))} ],
	'any of a hundred of others' => [ $third, $third_pid, 'number(pg_background_await_any(hs(1, 100)))' ]);
begin(@{ $calls{$_} }) for sort keys %calls;

SKIP: {
	skip 'no /proc', scalar keys %calls unless process_field($$, 'voluntary_ctxt_switches');

	my @pids = map { $calls{$_}[1] } sort keys %calls;
	my @before = map { process_field($_, 'voluntary_ctxt_switches') } @pids;
	is(value($fourth, 'SELECT count(*) FROM handles WHERE CASE WHEN n > 110 THEN pg_background_stop(h) AND pg_background_await(h) END'), 5, 'five other jobs end');
	my @in_rest = wake_ups(2, @pids);
	my @all = map { process_field($pids[$_], 'voluntary_ctxt_switches') - $before[$_] } 0 .. $#pids;
	for my $what (sort keys %calls)
	{
		my ($n) = grep { $pids[$_] == $calls{$what}[1] } 0 .. $#pids;
		cmp_ok($in_rest[$n], '<=', 3, "who waits for $what sleeps ($in_rest[$n] wake-ups in 2 s)");
		cmp_ok($all[$n], '<=', 6, "who waits for $what does not hear of other jobs ($all[$n] wake-ups)");
	}
}

# --- the end of one wakes all who wait for it among others ---

for my $n (42, 77)
{
	my $from = time;
	is($node->safe_psql('postgres', "SELECT pg_background_stop(h($n))"), 't', "job $n is asked to stop, from a fifth session");
	is(answer($calls{$_}[0]), $n, "who waits for $_ hears of $n") for sort keys %calls;
	cmp_ok(time - $from, '<', 10, 'all of them in a moment');
	is(value($third, 'SELECT number(pg_background_await_any(hs(1, 100)))'), $n, 'the next wait need not wait');
	$node->safe_psql('postgres', "DELETE FROM handles WHERE n = $n");
	begin(@{ $calls{$_} }) for sort keys %calls;
}

# --- a cancel, a timeout, the end of the session ---

is($node->safe_psql('postgres', "SELECT pg_cancel_backend($one_pid)"), 't', 'one wait is cancelled');
is(answer($one), '57014: canceling statement due to user request', 'and says so');
is(value($one, 'SELECT count(*) FROM pg_stat_background JOIN handles ON cookie = (h).cookie WHERE n <= 100'), 98, 'the jobs run on');
value($one, q{SET statement_timeout = '300 ms'});
for my $call ('pg_background_await_any(hs(1, 100))', 'pg_background_await_all(hs(1, 100))', 'pg_background_await(h(1))')
{
	my ($out, $err) = ask($one, "SELECT $call");
	like($err, qr/ERROR:  57014: canceling statement due to statement timeout/, "$call is bounded by statement_timeout");
}
value($one, 'RESET statement_timeout');
begin($one, $one_pid, 'pg_background_await_all(hs(1, 100))');
is($node->safe_psql('postgres', "SELECT pg_terminate_backend($third_pid)"), 't', 'one that waits is terminated');
ok(until_true(sub { is_gone($third_pid) }), 'and is gone');
eval { $third->quit };

# --- the launching session ends meanwhile: its jobs run on, and are waited for ---

($third, $third_pid) = waiter();
begin($third, $third_pid, 'number(pg_background_await_any(array_remove(hs(1, 100), h(1)) || h(1)))');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($other_pid)");
ok(until_true(sub { is_gone($other_pid) }), 'a session whose jobs others wait for is gone');
eval { $other->quit };
is($node->safe_psql('postgres', 'SELECT wait_event IS NOT NULL FROM pg_stat_activity WHERE pid = ' . $third_pid), 't', 'these wait on');
$node->safe_psql('postgres', 'SELECT pg_background_stop(h(55))');
is(answer($third), 55, 'and hear of the end of one of its jobs');

# --- all of them ---

begin($third, $third_pid, q{pg_background_await_all(hs(1, 100), '1 hour')});
is($node->safe_psql('postgres', 'SELECT count(*) FROM handles WHERE CASE WHEN n <= 100 AND n % 2 = 1 THEN pg_background_stop(h) END'), 48, 'those of the session that is gone are stopped');
is(value($fourth, 'SELECT pg_background_await_all((SELECT array_agg(h) FROM handles WHERE n <= 100 AND n % 2 = 1))'), 't', 'and have ended');
for my $pid ($one_pid, $third_pid)
{
	ok(until_waits_for($node, $pid, wait_event($node)), 'who waits for all waits on');
}
# by the server's own means, for the launcher is busy
is($node->safe_psql('postgres', 'SELECT count(*) FROM handles WHERE CASE WHEN n <= 100 AND n % 2 = 0 THEN pg_cancel_backend((h).pid) END'), 49, 'the others are cancelled');
is(answer($_), 't', 'then all have ended') for $one, $third;

# --- a job of another session whose queue is full ends only when it is read: others cannot empty it ---

value($fourth, q{INSERT INTO handles SELECT 201, h FROM pg_background_launch_v2($$SELECT repeat('x', 1000) FROM generate_series(1, 1000)$$, 4096) h});
until_waits_for($node, value($fourth, 'SELECT (h(201)).pid'), 'MessageQueueSend') or die 'the queue is not full';
begin($third, $third_pid, 'number(pg_background_await_any(hs(201, 201)))');
is(value($fourth, 'SELECT number(pg_background_await_any(hs(201, 201)))'), 201, 'the launcher keeps what it sends');
is(answer($third), 201, 'and so it ends');
is(value($fourth, 'SELECT count(*) FROM pg_background_result_v2((h(201)).pid, (h(201)).cookie) AS (t text)'), 1000, 'no row is lost');

# --- others' jobs: outcome, forgotten ones, rights ---

my $columns = 'state, command_tag, row_count, sqlstate, message, statement, inline, finished_at >= started_at AND started_at >= launched_at';
my $outcome = sub { my ($n, $by) = @_; return value($by, "SELECT $columns FROM pg_background_outcome(h($n))") };
value($fourth, q{INSERT INTO handles SELECT 202, h FROM pg_background_launch_v2('SELECT generate_series(1, 3)') h});
value($fourth, q{INSERT INTO handles SELECT 203, h FROM pg_background_launch_v2('SELECT 1; SELECT 1/0') h});
value($fourth, q{INSERT INTO handles SELECT 204, h FROM pg_background_launch_v2('SELECT pg_sleep(600)') h});
value($fourth, q{SELECT pg_background_await_all(hs(202, 203))});
is($outcome->(202, $fourth), 'stopped|SELECT 3|3||||f|t', 'the outcome of an own job');
is($outcome->(202, $third), 'stopped||3||||f|t', q{of another's});
is($outcome->(203, $fourth), 'error|||22012|division by zero|2|f|t', 'of an own job that failed');
is($outcome->(203, $third), 'error|||22012|division by zero||f|t', q{of another's that failed});
ok(until_true(sub { $outcome->(204, $third) eq 'running||||||f|' }), q{of another's that runs});
value($fourth, 'SELECT count(*) FROM pg_background_result_v2((h(202)).pid, (h(202)).cookie) AS (i int)');
is($outcome->(202, $fourth), 'stopped||3||||f|t', 'of one that was read');
value($fourth, 'SELECT pg_background_forget(h(203)), pg_background_forget(h(204))');
is($outcome->(203, $fourth), 'error|||22012|division by zero||f|t', 'of a forgotten one');
is($outcome->(204, $fourth), 'running||||||f|', 'of a forgotten one that runs');
is(value($fourth, q{SELECT pg_background_await(h(204), '0'), pg_background_await(h(203))}), 'f|t', 'forgotten ones can be waited for');
like((ask($fourth, 'SELECT pg_background_wait_v2((h(204)).pid, (h(204)).cookie)'))[1], qr/ERROR:  42704: PID \d+ is not attached to this session/, 'not by wait_v2');
is(value($fourth, 'SELECT pg_background_stop(h(204)), pg_background_await(h(204)), pg_background_stop(h(204))'), 't|t|f', 'and stopped');
is($outcome->(204, $third), 'canceled|||57014|canceling statement due to user request||f|t', 'which its outcome says');
like((ask($third, 'SELECT pg_background_forget(h(204))'))[1], qr/ERROR:  42704: PID \d+ is not attached to this session/, q{another's job cannot be forgotten});

$node->safe_psql('postgres', q{CREATE ROLE other; GRANT pgbackground_role TO other; GRANT SELECT ON handles TO other; CREATE ROLE signal IN ROLE pg_signal_backend, other;
	GRANT pgbackground_role TO signal});
value($fourth, "INSERT INTO handles SELECT 205, h FROM $job h");
value($fourth, 'SET ROLE other');
my $of_other = value($fourth, "SELECT h FROM $job h");
value($fourth, 'RESET ROLE');
$node->safe_psql('postgres', "INSERT INTO handles VALUES (206, '$of_other')");
value($third, 'SET ROLE other');
for my $call ('pg_background_await(h(205))', 'pg_background_await_any(hs(205, 206))', 'pg_background_await_all(hs(205, 206))', 'pg_background_stop(h(205))')
{
	like((ask($third, "SELECT $call"))[1], qr/ERROR:  42501: permission denied for background worker with PID/, "$call is for who may");
}
is($outcome->(203, $third), 'error|||22012|||f|t', 'texts are not for all');
value($third, 'SET ROLE signal');
like((ask($third, 'SELECT pg_background_stop(h(205))'))[1], qr/ERROR:  42501: permission denied/, q{a superuser's job is stopped by superusers only});
is(value($third, 'SELECT pg_background_stop(h(206)), pg_background_await(h(206))'), 't|t', 'pg_signal_backend is enough for other jobs');
value($third, 'RESET ROLE');
is(value($third, 'SELECT pg_background_stop(h(205)), pg_background_await(h(205))'), 't|t', 'superusers may all');

# A wait fails in the middle, for what an own job sends cannot be kept. The next wait is as any other.
value($fourth, q{INSERT INTO handles SELECT 207, h FROM pg_background_launch_v2($$SELECT i, repeat('x', 100) FROM generate_series(1, 30000) i$$, 4096) h});
value($third, "INSERT INTO handles SELECT 208, h FROM $job h");
value($fourth, q{SET work_mem = '64kB'; SET temp_file_limit = '256kB'});
like((ask($fourth, 'SELECT pg_background_await_all(hs(207, 208))'))[1], qr/ERROR:  53400: temporary file size exceeds "?temp_file_limit/, 'a wait fails');
value($fourth, 'RESET temp_file_limit');
begin($fourth, $fourth_pid, 'number(pg_background_await_any(hs(208, 208)))');
$node->safe_psql('postgres', 'SELECT pg_background_stop(h(208))');
is(answer($fourth), 208, 'the next one hears of the end');
is(value($fourth, 'SELECT pg_background_await_all(hs(207, 208))'), 't', 'the other job has ended as well');

# What the registry has forgotten is unknown.
my $gone = value($fourth, q{SELECT h FROM pg_background_submit_v2('SELECT 1') h});
$fourth->quit;
is(value($third, "SELECT pg_background_await('$gone')"), 't', 'it is known as long as the history has it');
value($third, "SELECT pg_background_await(h), pg_background_forget(h) FROM (SELECT pg_background_submit_v2('SELECT 1') AS h FROM generate_series(1, 1024)) s");
like((ask($third, "SELECT pg_background_await('$gone')"))[1], qr/ERROR:  (42704: PID \d+ is not attached to this session|55000: cookie mismatch for PID \d+)/, 'and not longer');
is(value($third, "SELECT o IS NULL FROM pg_background_outcome('$gone') o"), 't', 'nor is its outcome');

is($node->safe_psql('postgres', 'SELECT count(*) FROM handles WHERE CASE WHEN n BETWEEN 101 AND 110 THEN pg_background_stop(h) END'), 10,
	'the jobs of a session that was terminated have run on');
$_->quit for $one, $third;
nothing_left($node, 'in the end');
healthy($node);
$node->stop;
done_testing();
