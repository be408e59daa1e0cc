# What the server knows of all jobs is true, whoever dies: slots come back, the counters are what the clients counted, a request
# reaches the job that it is meant for and no other.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $rounds = $ENV{PGBG_ROUNDS} || 400;
my $node = server('registry', preload => 1, conf => <<'END');
restart_after_crash = on
pg_background.idle_timeout = '10min'
pg_background.max_jobs = 16
pg_background.history_size = 100
END
my $session = session($node);
my $other = session($node);
my $locker = session($node);
my ($out, $err, $pid, $cookie, $from, $offset, $launcher);

# A row of pg_stat_background or pg_background_history.
sub job_of { return Jobs::look($node, "SELECT $_[1] FROM pg_stat_background WHERE cookie = $_[0]") }
sub ended { return Jobs::look($node, "SELECT $_[1] FROM pg_background_history WHERE cookie = $_[0]") }
sub count_of { return Jobs::look($node, "SELECT count(*) FROM $_[0]") }

sub all_free
{
	my ($what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok(until_slot_free($node), "$what: no slot is taken");
}

# Since the totals that were given.
sub since
{
	my ($before, @names) = @_;
	my $now = totals($node, 'postgres', $before->{role});
	return join ' ', map { "$_ " . ($now->{$_} - $before->{$_}) } @names;
}

my $role = value($session, 'SELECT current_user');
sub now { my $totals = totals($node, 'postgres', $role); $totals->{role} = $role; return $totals }

# --- a job from its launch to the history ---

$launcher = value($session, 'SELECT pg_backend_pid()');
my $before = now();
value($locker, 'SELECT pg_advisory_lock(1)');
($pid, $cookie) = launch($session, '/* seen */ SELECT pg_advisory_xact_lock(1)');
ok(until_waits_for($node, $pid, 'advisory'), 'a job to be seen runs');
is(job_of($cookie, 'pid, datname, usename, launcher_pid, state, statement, statements, wait_event, query'),
	"$pid|postgres|$role|$launcher|running|1|1|advisory|/* seen */ SELECT pg_advisory_xact_lock(1)", 'everybody can see a running job');
is(Jobs::look($node, "SELECT state FROM pg_stat_background_workers WHERE pid = $pid"), 'busy', 'the worker of a running job is seen as busy');
is(ended($cookie, 'count(*)'), 0, 'a running job is not in the history');
value($locker, 'SELECT pg_advisory_unlock(1)');
value($session, 'SELECT pg_background_wait_v2(:pid, :cookie)');
all_free('unread, ended');
is(ended($cookie, 'pid, state, sqlstate IS NULL, row_count, run_time >= interval \'0\' AND launch_latency >= interval \'0\', finished_at >= started_at, started_at >= launched_at'),
	"$pid|stopped|t|1|t|t|t", 'an unread job that ended is in the history');
is(value($session, 'SELECT count(*) FROM pg_background_result_v2(:pid, :cookie) AS (x text)'), 1, 'an unread job that is in the history can be read');
($pid, $cookie) = launch($session, 'SELECT 1 / 0');
value($session, 'SELECT pg_background_wait_v2(:pid, :cookie)');
all_free('failed');
is(ended($cookie, 'state, sqlstate, message'), 'error|22012|division by zero', 'an unread job that failed is an error in the history');
value($session, 'SELECT pg_background_detach_v2(:pid, :cookie)');
is(since($before, 'launched', 'completed', 'failed', 'canceled'), 'launched 2 completed 1 failed 1 canceled 0', 'the job that ended well and the one that failed are counted');

# --- the totals are what the clients counted ---

$before = now();
value($session, q{DO $$
DECLARE h pg_background_handle;
BEGIN
  FOR i IN 1..90 LOOP
    h := CASE i % 3
      WHEN 0 THEN pg_background_launch_v2('SELECT ' || i)
      WHEN 1 THEN pg_background_submit_v2('SELECT 1 / 0')
      ELSE pg_background_launch_v2('SELECT pg_sleep(600)') END;
    IF i % 3 = 2 THEN PERFORM pg_background_cancel_v2(h.pid, h.cookie); END IF;
    PERFORM pg_background_wait_v2(h.pid, h.cookie);
    PERFORM pg_background_detach_v2(h.pid, h.cookie);
  END LOOP;
END $$});
all_free('after 90');
is(since($before, 'launched', 'completed', 'failed', 'canceled', 'timed_out', 'rejected'),
	'launched 90 completed 30 failed 30 canceled 30 timed_out 0 rejected 0', 'the totals are what became of the jobs');
my $now = now();
is($now->{warm_starts} + $now->{cold_starts} - $before->{warm_starts} - $before->{cold_starts}, 90, 'each of 90 jobs began warm or cold');
value($session, q{SET pg_background.worker_timeout = '100ms'});
$before = now();
($pid, $cookie) = launch($session, 'SELECT pg_sleep(600)');
value($session, 'SELECT pg_background_wait_v2(:pid, :cookie), pg_background_detach_v2(:pid, :cookie)');
value($session, 'RESET pg_background.worker_timeout');
all_free('timed out');
is(since($before, 'launched', 'completed', 'canceled', 'timed_out'), 'launched 1 completed 0 canceled 0 timed_out 1', 'a job that ran out of its time is counted as timed out');

# --- the history is a ring ---

value($session, q{DO $$ BEGIN FOR i IN 1..250 LOOP
  PERFORM * FROM pg_background_result(pg_background_launch('SELECT ' || i)) AS (n int); END LOOP; END $$});
all_free('after 250');
is(Jobs::look($node, q{SELECT count(*), count(DISTINCT cookie), min(substr(query, 8)::int), max(substr(query, 8)::int) FROM pg_background_history}),
	'100|100|151|250', 'the history holds as many as it should, the last ones');

# --- max_jobs ---

value($session, 'CREATE TABLE many (pid int, cookie int8)');
value($locker, 'SELECT pg_advisory_lock(1)');
$before = now();
for my $in ($session, $other)
{
	value($in, 'SET pg_background.max_workers = 100; SET pg_background.launch_timeout = 0');
	value($in, q{INSERT INTO many SELECT h.pid, h.cookie FROM generate_series(1, 8) AS i,
	  LATERAL pg_background_launch_v2('SELECT pg_advisory_xact_lock(1), ' || i) AS h});
}
($out, $err) = ask($session, q{SELECT pg_background_launch_v2('SELECT 1')});
like($err, qr/ERROR:  53400: .*pg_background\.max_jobs/s, 'no slot is free for the seventeenth job');
is(since($before, 'launched', 'rejected'), 'launched 16 rejected 1', 'the job without a slot is counted as rejected');
is(count_of('pg_stat_background'), 16, 'sixteen jobs run with max_jobs = 16');
value($locker, 'SELECT pg_advisory_unlock(1)');
all_free('sixteen ended');
is((launch($session, 'SELECT 1'))[0] > 0, 1, 'there is room for a job when sixteen have ended');
value($session, 'SELECT pg_background_detach_v2(:pid, :cookie)');
for my $in ($session, $other)
{
	value($in, 'SELECT pg_background_detach_v2(pid, cookie) FROM jobs');
}
all_free('detached');
value($session, 'TRUNCATE many');

# --- launchers that die ---

# While the job runs.
value($locker, 'SELECT pg_advisory_lock(1)');
my $doomed = session($node);
$launcher = value($doomed, 'SELECT pg_backend_pid()');
($pid, $cookie) = launch($doomed, q{INSERT INTO done VALUES (1, 'orphan'); SELECT pg_advisory_xact_lock(1)});
ok(until_waits_for($node, $pid, 'advisory'), 'a job runs whose launcher will die');
value($other, "SELECT pg_terminate_backend($launcher)");
ok(until_true(sub { is_gone($launcher) }), 'the launcher of a running job is terminated');
is(job_of($cookie, 'state, launcher_pid'), "running|$launcher", 'a job runs on when its launcher is terminated');
value($locker, 'SELECT pg_advisory_unlock(1)');
all_free('a job without launcher');
is(ended($cookie, 'state'), 'stopped', 'a job whose launcher was terminated has ended well');
eval { $doomed->quit };

# While the worker starts, which takes its time as every new session's start does.
without_idle($node);
for my $how ('cancel', 'terminate')
{
	my $starting = session($node);
	$launcher = value($starting, 'SELECT pg_backend_pid()');
	setting($node, 'post_auth_delay', '2s');
	$starting->query_until(qr/begun/, "\\echo begun\nSELECT pg_background_launch_v2(\$\$INSERT INTO done VALUES (1, 'never')\$\$);\n\\warn over\n");
	ok(until_true(sub { value($other, 'SELECT count(*) FROM pg_stat_background') == 1 }), "$how while the worker starts: there is a slot");
	is(value($other, "SELECT pg_${how}_backend($launcher)"), 't', "$how while the worker starts");
	if ($how eq 'cancel')
	{
		pump_until($starting->{run}, $starting->{timeout}, \$starting->{stderr}, qr/over/);
		like($starting->{stderr}, qr/57014: canceling statement due to user request/, 'a launch that is cancelled while the worker starts says so');
	}
	ok(until_true(sub { value($other, 'SELECT count(*) FROM pg_stat_background') == 0 }), "$how while the worker starts: no slot is taken");
	setting($node, 'post_auth_delay', '0');
	eval { $starting->quit };
}
ok(settle($node), 'the workers of cancelled and terminated launches have gone');
is(Jobs::look($node, q{SELECT count(*) FROM done WHERE note = 'never'}), 0, 'nothing of the jobs of cancelled and terminated launches has run');
$now = now();
is($now->{completed} + $now->{failed} + $now->{canceled} + $now->{timed_out}, $now->{launched}, 'every job that was launched has ended');

# While it waits in the queue.
setting($node, 'pg_background.max_workers_total', 1);
value($locker, 'SELECT pg_advisory_lock(1)');
($pid, $cookie) = launch($session, 'SELECT pg_advisory_xact_lock(1)');
ok(until_waits_for($node, $pid, 'advisory'), 'one job may run with max_workers_total = 1');
($out, $err) = ask($other, q{SELECT pg_background_launch_v2('SELECT 1')});
like($err, qr/ERROR:  53400: too many background jobs\nDETAIL:  .*pg_background\.max_workers_total is 1/, 'another job may not run with max_workers_total = 1');
my @waiters;
for my $i (1 .. 3)
{
	my $waiter = session($node);
	my $waiter_pid = value($waiter, q{SET pg_background.launch_timeout = '10min'; SELECT pg_backend_pid()});
	$waiter->query_until(qr/begun/,
		"\\echo begun\nSELECT pid, cookie FROM pg_background_launch_v2(\$\$INSERT INTO done VALUES ($i, 'queue')\$\$) \\gset\n\\echo launched\n");
	ok(until_waits_for($node, $waiter_pid, wait_event($node, 'Launch')), "launch $i waits to be admitted");
	push @waiters, [ $waiter, $waiter_pid ];
}
SKIP: {
	skip 'no /proc', 3 unless process_field($$, 'voluntary_ctxt_switches');
	cmp_ok($_, '<=', 3, "a launch that waits to be admitted sleeps ($_ wake-ups in 2 s)") for wake_ups(2, map { $_->[1] } @waiters);
}
# The first is cancelled, the second terminated; the third is next.
value($other, "SELECT pg_cancel_backend($waiters[0][1])");
pump_until($waiters[0][0]{run}, $waiters[0][0]{timeout}, \$waiters[0][0]{stderr}, qr/57014: canceling statement due to user request/);
pass('a launch that waits is cancelled');
value($other, "SELECT pg_terminate_backend($waiters[1][1])");
ok(until_true(sub { is_gone($waiters[1][1]) }), 'a launch that waits is terminated');
value($locker, 'SELECT pg_advisory_unlock(1)');
$waiters[2][0]->query_until(qr/launched/, "\\echo\n");
pass('the launch behind two that were stopped is admitted');
all_free('after the queue');
is(Jobs::look($node, q{SELECT string_agg(id::text, ' ') FROM done WHERE note = 'queue'}), '3', 'of three launches that waited only the last has run its job');
value($session, 'SELECT pg_background_detach_v2(:pid, :cookie)');
eval { $_->[0]->quit } for @waiters;
cmp_ok(since($before, 'queue_waits') =~ s/\D//gr, '>=', 3, 'launches that waited are counted');
setting($node, 'pg_background.max_workers_total', 0);

# --- a worker that cannot connect ---

value($other, q{CREATE ROLE guest LOGIN; SELECT grant_pg_background_privileges('guest'); CREATE DATABASE closed});
$node->safe_psql('closed', 'CREATE EXTENSION pg_background');
my $guest = session($node, extra => [ '-U', 'guest' ]);
my $closed = session($node, dbname => 'closed');
for my $case (
	[ 'NOLOGIN', $guest, 'ALTER ROLE guest NOLOGIN', 'ALTER ROLE guest LOGIN', '28000', 'role "guest" is not permitted to log in' ],
	[ 'a closed database', $closed, 'ALTER DATABASE closed ALLOW_CONNECTIONS false', 'ALTER DATABASE closed ALLOW_CONNECTIONS true',
		'55000', 'database "closed" is not currently accepting connections' ])
{
	my ($what, $in, $do, $undo, $state, $message) = @$case;

	# with a worker that was idle before, and without one
	for my $warm (0, 1)
	{
		if ($warm)
		{
			launch($in, 'SELECT 1');
			value($in, 'SELECT pg_background_wait_v2(:pid, :cookie), pg_background_detach_v2(:pid, :cookie)');
		}
		value($other, $do);
		($pid, $cookie) = launch($in, 'SELECT 1');
		value($in, 'SELECT pg_background_wait_v2(:pid, :cookie)');
		($out, $err) = ask($in, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (n int)');
		like($err, qr/ERROR:  $state: \Q$message\E/, "$what: the job's error");
		all_free($what);
		is(ended($cookie, 'state, sqlstate, message'), "error|$state|$message", "$what: the job's error is in the history");
		value($other, $undo);
	}
}
$_->quit for $guest, $closed;
value($other, q{DROP DATABASE closed; SELECT revoke_pg_background_privileges('guest'); DROP ROLE guest});

# --- from another session ---

($pid, $cookie) = launch($session, 'SELECT pg_sleep(600)');
ok(until_waits_for($node, $pid, 'PgSleep'), 'a job of one session runs');
value($other, "\\set pid $pid\n\\set cookie $cookie");
is(value($other, 'SELECT pg_background_wait_v2_timeout(:pid, :cookie, 10)'), 'f', 'another session waits for the job for a moment');
my $third = session($node);
my $third_pid = value($third, q{SET deadlock_timeout = '1h'; SELECT pg_backend_pid()});
$third->query_until(qr/begun/, "\\echo begun\nSELECT pg_background_wait_v2($pid, $cookie);\n\\echo waited\n");
ok(until_waits_for($node, $third_pid, wait_event($node)), "a third session waits for the job's end");
SKIP: {
	skip 'no /proc', 1 unless process_field($$, 'voluntary_ctxt_switches');
	my ($count) = wake_ups(2, $third_pid);
	cmp_ok($count, '<=', 3, "a session that waits for another's job sleeps ($count wake-ups in 2 s)");
}
value($other, 'SELECT pg_background_cancel_v2(:pid, :cookie)');
$third->query_until(qr/waited/, "\\echo\n");
pass("the wait for another session's job ends with the job");
is(value($session, 'SELECT state FROM jobs WHERE pid = :pid'), 'canceled', 'a job that another session has cancelled is canceled');
is(value($other, 'SELECT pg_background_wait_v2_timeout(:pid, :cookie, 0)'), 't', "a wait for another session's job that has ended returns at once");
is(ended($cookie, 'state'), 'canceled', 'the history says that another session canceled the job');
value($other, 'SELECT pg_background_cancel_v2(:pid, :cookie)');
pass("a further cancel of another session's job does nothing");
value($session, 'SELECT pg_background_detach_v2(:pid, :cookie)');
($out, $err) = ask($other, 'SELECT pg_background_cancel_v2(:pid, :cookie + 1)');
like($err, qr/ERROR:  42704: PID $pid is not attached to this session/, 'a handle that never was is refused');
$third->quit;

# A wait is ended by whatever ends the job, a dead worker too.
($pid, $cookie) = launch($session, 'SELECT pg_sleep(600)');
ok(until_waits_for($node, $pid, 'PgSleep'), 'a job runs whose worker will be terminated');
$other->query_until(qr/begun/, "\\echo begun\nSELECT pg_background_wait_v2($pid, $cookie);\n\\echo waited\n");
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
$other->query_until(qr/waited/, "\\echo\n");
pass('a wait for a job whose worker is terminated ends');
value($session, 'SELECT pg_background_detach_v2(:pid, :cookie)');
like(ended($cookie, 'state, sqlstate, message'), qr/^error\|57P01\|terminating background worker/, 'the history says what a terminated job ended of');
all_free('a worker was terminated');

# --- a late cancel never hits the next job ---

setting($node, 'pg_background.max_idle_workers', 2);
value($session, <<'END');
CREATE TABLE target (pid int, cookie int8, round int);
INSERT INTO target VALUES (0, 0, 0);
CREATE TABLE rounds (i int, first text, second text, same bool);
CREATE PROCEDURE rounds(n int) LANGUAGE plpgsql AS $$
DECLARE
  a pg_background_handle;
  b pg_background_handle;
  first text;
BEGIN
  FOR i IN 1..n LOOP
    a := pg_background_launch_v2(format('SELECT pg_sleep(%s)', random() * 0.003));
    UPDATE target SET pid = a.pid, cookie = a.cookie, round = i;
    COMMIT;
    PERFORM pg_background_wait_v2(a.pid, a.cookie);
    SELECT state INTO first FROM jobs WHERE pid = a.pid AND cookie = a.cookie;
    PERFORM pg_background_detach_v2(a.pid, a.cookie);
    b := pg_background_launch_v2(format('SELECT pg_sleep(%s)', random() * 0.002));
    PERFORM pg_background_wait_v2(b.pid, b.cookie);
    INSERT INTO rounds SELECT i, first, state, a.pid = b.pid FROM jobs WHERE pid = b.pid AND cookie = b.cookie;
    PERFORM pg_background_detach_v2(b.pid, b.cookie);
  END LOOP;
  UPDATE target SET round = -1;
END $$;
-- cancels the first job of each round as often as it can, long after it has ended, too
CREATE PROCEDURE cancels() LANGUAGE plpgsql AS $$
DECLARE
  t target;
BEGIN
  LOOP
    SELECT * INTO t FROM target;
    COMMIT;
    EXIT WHEN t.round < 0;
    CONTINUE WHEN t.pid = 0;
    PERFORM pg_sleep(random() * 0.002);
    PERFORM pg_background_cancel_v2(t.pid, t.cookie);
  END LOOP;
END $$;
END
$other->query_until(qr/begun/, "\\echo begun\nCALL cancels();\n\\echo all cancelled\n");
value($session, "CALL rounds($rounds)");
$other->query_until(qr/all cancelled/, "\\echo\n");
is(value($session, q{SELECT count(*) FROM rounds WHERE second <> 'stopped'}), 0, "in $rounds rounds no cancel has hit the next job");
is(value($session, q{SELECT string_agg(DISTINCT first, ' ' ORDER BY first) FROM rounds}), 'canceled stopped', 'cancels of the rounds came early and late');
cmp_ok(value($session, 'SELECT count(*) FROM rounds WHERE same'), '>=', $rounds / 4, 'the next job often ran in the same process');
note(value($session, q{SELECT string_agg(first || ' ' || n, ', ') FROM (SELECT first, count(*) AS n FROM rounds GROUP BY 1) AS s}));

# --- processes that are killed ---

for my $whom ('an idle worker', 'a busy worker', 'a launcher')
{
	value($locker, 'SELECT pg_advisory_unlock_all()');
	value($locker, 'SELECT pg_advisory_lock(1)');
	($pid, $cookie) = launch($session, q{INSERT INTO done VALUES (1, 'killed'); SELECT pg_advisory_xact_lock(1)});
	ok(until_waits_for($node, $pid, 'advisory'), "$whom: there is a busy worker");
	value($other, q{SELECT pid, cookie FROM pg_background_launch_v2('SELECT 1') \gset});
	value($other, 'SELECT pg_background_wait_v2(:pid, :cookie)');
	my $idle = value($other, 'SELECT :pid');
	ok(until_true(sub { grep { $_ == $idle } idle_workers($node) }), "$whom: there is an idle worker");
	my %victims = ('an idle worker' => $idle, 'a busy worker' => $pid, 'a launcher' => value($session, 'SELECT pg_backend_pid()'));
	$offset = -s $node->logfile;
	kill 9, $victims{$whom};
	ok($node->wait_for_log(qr/all server processes terminated; reinitializing/, $offset), "$whom is killed: the server starts again");
	ok(until_there($node), "$whom is killed: the server is there again");
	for my $dead ($session, $other, $locker) { eval { $dead->quit } }
	is(count_of('pg_stat_background'), 0, "$whom is killed: no job is known");
	is(count_of('pg_stat_background_workers'), 0, "$whom is killed: no worker is known");
	is(count_of('pg_background_history'), 0, "$whom is killed: no history is known");
	is(count_of('pg_stat_background_totals'), 0, "$whom is killed: no totals are known");
	is(Jobs::look($node, q{SELECT count(*) FROM done WHERE note = 'killed'}), 0, "$whom is killed: nothing of the job has committed");
	($session, $other, $locker) = map { session($node) } 1 .. 3;
	is(value($session, q{SELECT sum(n) FROM generate_series(1, 20) AS i, LATERAL
	  (SELECT * FROM pg_background_result(pg_background_launch('SELECT 1 + 0 * ' || i)) AS (n int)) AS r}), 20, "$whom is killed: jobs run");
	$before = { %{ now() } };
	is("$before->{launched} $before->{completed}", '20 20', "$whom is killed: jobs are counted from nothing");
}
ok(!$node->log_contains(qr/PANIC: |TRAP: |panicked at|terminated by signal (?!9)/), 'no process has died of anything but the kills');

# --- an immediate restart ---

($pid, $cookie) = launch($session, 'SELECT pg_sleep(600)');
$node->stop('immediate');
for my $dead ($session, $other, $locker) { eval { $dead->quit } }
$node->start;
is(join(' ', map { count_of($_) } qw(pg_stat_background pg_stat_background_workers)), '0 0', 'no job or worker is known after an immediate restart');
$session = session($node);
is(value($session, q{SELECT sum(n) FROM generate_series(1, 20) AS i, LATERAL
  (SELECT * FROM pg_background_result(pg_background_launch('SELECT 1 + 0 * ' || i)) AS (n int)) AS r}), 20, 'jobs run after an immediate restart');
$session->quit;
nothing_left($node, 'in the end');
$node->stop;
is(segments($node), 0, 'no segment is left in the end');
done_testing();
