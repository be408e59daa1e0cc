# What comes in the moments in which a job changes hands: signals, cancels, deaths.
#
# First many rounds, in which it comes by chance; then, with a library that has points (src/point.rs; PGBG_POINTS=1), each at the
# very moment.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $rounds = $ENV{PGBG_ROUNDS} || 60;
my $node = server('races', preload => 1, conf => "pg_background.idle_timeout = '10min'\npg_background.max_idle_workers = 4\n");
my $session = session($node, timeout => 300);
my $other = session($node);
my $watcher = session($node);

# The only worker there is, started by another session: idle, with the session's settings and segment, so that the session's next
# launch is sure of it.
sub one_worker
{
	my ($in) = @_;
	my $pid;

	without_idle($node);
	job($watcher, 'SELECT 1::text');
	$pid = job($in, 'SELECT pg_backend_pid()::text') for 1 .. 2;
	until_true(sub { grep { $_ == $pid } idle_workers($node) }) or die "worker $pid is not idle";
	is_deeply([ idle_workers($node) ], [$pid], 'there is one worker');
	return $pid;
}

# What a session says to arm the point "take" right before its next launch, after another job: a worker that has been idle for a
# second has forgotten the session's segment, and no launch is sure of it. Nor is one of a worker that still resets its session
# and has not promised anything, because the launcher was awake at the other job's end: so that is waited for.
sub then_take
{
	my ($order) = @_;
	return "SELECT * FROM pg_background_result(pg_background_launch('SELECT 1')) AS (x int);\n"
	  . "DO \$\$ BEGIN WHILE (SELECT state FROM pg_stat_background_workers) <> 'idle' LOOP PERFORM pg_sleep(0.001); END LOOP; END \$\$;\n"
	  . "COPY (SELECT '$order') TO '" . $node->data_dir . "/pg_background_points/take';\n";
}

sub look { return Jobs::look($node, $_[0]) }
sub done { return $node->safe_psql('postgres', "SELECT count(*) FROM done WHERE note = '$_[0]'") }
sub in_history { return look("SELECT state, sqlstate FROM pg_background_history WHERE query LIKE '%$_[0]%' ORDER BY finished_at DESC LIMIT 1") }

# Each job waits for a lock that the session keeps until the signal is sent: however late the session sends it, the job is still there.
value($session, <<'END');
CREATE PROCEDURE signal_just_launched(signal text, rounds int) LANGUAGE plpgsql AS $$
DECLARE
  h pg_background_handle;
  sent bool;
  code text;
BEGIN
  FOR n IN 1..rounds LOOP
    PERFORM pg_advisory_lock(4711);
    SELECT * INTO h FROM pg_background_launch_v2(format('INSERT INTO done VALUES (%s, %L); SELECT pg_advisory_xact_lock(4711); SELECT pg_sleep(0.02)', n, signal || ' unread'));
    EXECUTE format('SELECT %I($1)', signal) INTO sent USING h.pid;
    PERFORM pg_advisory_unlock(4711);
    code := '00000';
    BEGIN
      PERFORM * FROM pg_background_result_v2(h.pid, h.cookie) AS (x text);
    EXCEPTION WHEN query_canceled OR OTHERS THEN code := SQLSTATE;
    END;
    INSERT INTO done VALUES (n, format('%s %s: %s', signal, sent, code));
    COMMIT;
  END LOOP;
END $$;
-- jobs for another session to look at
CREATE PROCEDURE until_enough() LANGUAGE plpgsql AS $$
DECLARE
  h pg_background_handle;
BEGIN
  WHILE NOT EXISTS (SELECT FROM done WHERE note = 'enough') LOOP
    SELECT * INTO h FROM pg_background_submit_v2('INSERT INTO done VALUES (1, ''by handle'')');
    COMMIT;
    PERFORM pg_background_wait_v2(h.pid, h.cookie);
    PERFORM pg_background_detach_v2(h.pid, h.cookie);
  END LOOP;
END $$;
END

# --- by chance ---

for my $case ([ 'pg_cancel_backend', '57014' ], [ 'pg_terminate_backend', '57P01' ])
{
	my ($signal, $code) = @$case;

	one_worker($session);
	value($session, "CALL signal_just_launched('$signal', $rounds)");
	# false: a process that has the job, but has not come so far that the server knows it as a backend
	my $untrue = done("$signal f: 00000");
	is(done("$signal t: $code") + $untrue, $rounds, "$signal of a just launched job ends it, each time that it says so");
	is(done("$signal unread"), $untrue, "a job that $signal has ended commits nothing");
	cmp_ok($untrue, '<', $rounds, "$signal has found jobs");
}

# Another session looks for the job as soon as it is there.
one_worker($session);
my ($seen, $without_pid, $wrong) = (0, 0, 0);
$session->query_until(qr/begun/, "\\echo begun\nCALL until_enough();\n");
ok(until_true(sub {
	my ($out, $err) = ask($other, q{DO $$ DECLARE j record; BEGIN
  FOR n IN 1..200 LOOP
    SELECT pid, cookie INTO j FROM pg_stat_background WHERE launcher_pid <> pg_backend_pid();
    CONTINUE WHEN NOT FOUND;
    BEGIN
      PERFORM pg_background_cancel_v2(1, j.cookie);
      RAISE NOTICE 'wrong pid';
    EXCEPTION WHEN undefined_object THEN
      RAISE NOTICE '%', CASE WHEN j.pid IS NULL THEN 'without a pid' ELSE 'right' END;
    END;
  END LOOP; END $$;});
	$without_pid += () = $err =~ /without a pid/g;
	$wrong += () = $err =~ /wrong pid/g;
	$seen += () = $err =~ /right/g;
	return $seen >= 50;
}), 'jobs of another session are seen with their pid');
value($other, "INSERT INTO done VALUES (1, 'enough')");
value($session, 'SELECT 1');
note("$seen jobs seen with their pid, $without_pid before a worker was certain");
is($wrong, 0, 'no other pid is taken for the worker\'s');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_background_history WHERE state = 'canceled' AND query LIKE '%by handle%'}), 0,
	'no job was cancelled by a wrong pid');

if (!$ENV{PGBG_POINTS})
{
	$_->quit for $session, $other, $watcher;
	healthy($node);
	done_testing();
	exit;
}

# --- a job that its worker is just taking ---

mkdir $node->data_dir . '/pg_background_points';

my $pid = one_worker($session);
for my $case ([ 'pg_cancel_backend', '57014' ], [ 'pg_terminate_backend', '57P01' ])
{
	my ($signal, $code) = @$case;

	$pid = one_worker($session);
	my ($cookie) = value($session, then_take("hold $pid") . "SELECT cookie FROM pg_background_launch_v2('INSERT INTO done VALUES (1, ''held $signal'')')") =~ /(-?\d+)$/;
	until_held($node, 'take', $pid);
	is(value($other, "SELECT pid FROM pg_stat_background WHERE cookie = $cookie"), $pid, 'a job that its worker is just taking has its pid in the view');
	is(value($other, "SELECT $signal($pid)"), 't', "$signal of a job that its worker is just taking says true");
	disarm($node, 'take');
	like((ask($session, "SELECT * FROM pg_background_result_v2($pid, $cookie) AS (x text)"))[1], qr/ERROR:  $code/m, "$signal ends a job that its worker is just taking");
	is(done("held $signal"), 0, "nothing is committed of a job that $signal ended while it was taken");
}

$pid = one_worker($session);
my ($cookie) = value($session, then_take("hold $pid") . q{SELECT cookie FROM pg_background_launch_v2('INSERT INTO done VALUES (1, ''by the view'')')}) =~ /(-?\d+)$/;
until_held($node, 'take', $pid);
for my $wrong (0, $pid + 1)
{
	like((ask($other, "SELECT pg_background_cancel_v2($wrong, $cookie)"))[1], qr/ERROR:  42704/m, 'a handle with another pid is none of a job that its worker is just taking');
}
value($other, "SELECT pg_background_cancel_v2(pid, cookie) FROM pg_stat_background WHERE cookie = $cookie");
disarm($node, 'take');
value($session, "SELECT pg_background_wait_v2($pid, $cookie)");
like(in_history('by the view'), qr/^canceled\|57014$/, 'the handle that the view shows cancels it');
value($session, "SELECT pg_background_detach_v2($pid, $cookie)");

# --- a job whose worker finds that it cannot take it, and which goes to another process ---

for my $case ([ 'pg_cancel_backend', '57014' ], [ 'pg_terminate_backend', '57P01' ])
{
	my ($signal, $code) = @$case;

	$pid = one_worker($session);
	# an option that the session does not have: no worker for it any more
	job($session, 'SET my.own = 1; SELECT 1::text');
	until_true(sub { grep { $_ == $pid } idle_workers($node) }) or die "worker $pid is not idle";
	arm($node, 'refuse', "hold $pid");
	$session->query_until(qr/begun/, "\\echo begun\nSELECT * FROM pg_background_result(pg_background_launch('INSERT INTO done VALUES (1, ''refused $signal'')')) AS (x text);\n");
	until_held($node, 'refuse', $pid);
	is(value($other, "SELECT $signal($pid)"), 't', "$signal of a job that its worker is about to refuse says true");
	disarm($node, 'refuse');
	like((ask($session, 'SELECT 1'))[1], qr/ERROR:  $code/m, "$signal ends a job that its worker was about to refuse");
	is(done("refused $signal"), 0, "nothing is committed of a job that $signal ended before it was refused");
}

# --- a termination in a job's last moment ---

$pid = one_worker($session);
arm($node, 'end', "hold $pid");
$session->query_until(qr/begun/, "\\echo begun\nSELECT * FROM pg_background_result(pg_background_launch('INSERT INTO done VALUES (1, ''first'')')) AS (x text);"
	  . " SELECT * FROM pg_background_result(pg_background_launch('INSERT INTO done VALUES (1, ''second'')')) AS (x text);\n");
until_held($node, 'end', $pid);
value($other, "SELECT pg_terminate_backend($pid)");
disarm($node, 'end');
my (undef, $err) = ask($session, 'SELECT 1');
is($err, '', 'a termination after the job has ended, but before that is known, hits neither it nor the next job');
is(done('first') + done('second'), 2, 'both jobs around a termination have committed');
ok(until_true(sub { is_gone($pid) }), 'a worker that was terminated between jobs leaves');

# --- a launch that is cancelled while its process starts, which then runs another session's job ---

without_idle($node);
my $launcher = value($session, 'SELECT pg_backend_pid()');
arm($node, 'attach', 'hold');
arm($node, 'cold-failed', "hold $launcher");
$session->query_until(qr/begun/, "\\echo begun\nSELECT pid FROM pg_background_launch_v2('SELECT ''never heard of''');\n");
until_held($node, 'attach');
value($other, "SELECT pg_cancel_backend($launcher)");
until_held($node, 'cold-failed', $launcher);
disarm($node, 'attach');
ok(until_true(sub { scalar idle_workers($node) == 1 }), 'the process has come, has seen that its launcher gave up, and is idle');
($pid) = idle_workers($node);
value($watcher, 'SELECT pg_advisory_lock(77)');
my ($busy, $busy_cookie) = split /\|/, value($other, q{SELECT pid, cookie FROM pg_background_launch_v2('SELECT pg_advisory_lock(77); INSERT INTO done VALUES (1, ''another session'')')});
is($busy, $pid, 'a process whose launcher gave up runs a job of another session');
disarm($node, 'cold-failed');
like((ask($session, 'SELECT 1'))[1], qr/ERROR:  57014/m, 'the launch was cancelled');
# The postmaster would have ended the process by the time that it has started another one.
is(job($session, 'SELECT 42::text'), 42, 'a session that gave up a launch has another process for its next job');
value($watcher, 'SELECT pg_advisory_unlock(77)');
value($other, "SELECT pg_background_wait_v2($busy, $busy_cookie)");
is(done('another session'), 1, 'the job of another session has run though its process was started by a launch given up');
value($other, "SELECT pg_background_detach_v2($busy, $busy_cookie)");

# --- a launch that fails though its worker has come ---

without_idle($node);
arm($node, 'attach', 'hold');
arm($node, 'cold-wait', "hold $launcher");
$session->query_until(qr/begun/, "\\echo begun\nSELECT pid FROM pg_background_launch_v2('INSERT INTO done VALUES (1, ''launch failed'')');\n");
until_held($node, 'attach');
until_held($node, 'cold-wait', $launcher);
arm($node, 'cold-wait', "error $launcher");
like((ask($session, 'SELECT 1'))[1], qr/ERROR:  53200/m, 'a launch fails for want of memory when its worker has taken the job');
disarm($node, 'cold-wait');
disarm($node, 'attach');
ok(until_slot_free($node), 'the job of a failed launch is stopped');
like(in_history('launch failed'), qr/^canceled\|57014$/, 'the job of a failed launch was canceled');
is(done('launch failed'), 0, 'the job of a failed launch has not run');

# --- a session that ends by FATAL in the middle of a launch ---

without_idle($node);
my $doomed = session($node);
my $doomed_pid = value($doomed, 'SELECT pg_backend_pid()');
arm($node, 'attach', 'hold');
$doomed->query_until(qr/begun/, "\\echo begun\nSELECT pid FROM pg_background_launch_v2('INSERT INTO done VALUES (1, ''launcher died'')');\n");
until_held($node, 'attach');
value($other, "SELECT pg_terminate_backend($doomed_pid)");
ok(until_true(sub { is_gone($doomed_pid) }), 'a session ends while its launch waits for a worker that has just taken the job');
disarm($node, 'attach');
ok(until_slot_free($node), 'the job that nobody was given is stopped');
like(in_history('launcher died'), qr/^canceled\|57014$/, 'the job of a launcher that died was canceled');
is(done('launcher died'), 0, 'nothing of the job of a launcher that died is committed');
eval { $doomed->quit };

# --- a worker that dies before it takes a job that it was promised for; the slot is given to another job at once ---

# Nothing but the worker may wake the launcher.  A timer would: that of statistics that wait to be sent, ten seconds after the
# session's last command, though another one has begun, and that of its authentication, a minute after its start.
my $sleeper = session($node, extra => [ '-d', "options='-c track_counts=off'" ]);
my $sleeper_pid = value($sleeper, 'SELECT pg_backend_pid()');
$pid = one_worker($sleeper);
arm($node, 'exited', "hold $pid");
$sleeper->query_until(qr/begun/, "\\echo begun\n" . then_take("hold $pid") . "SELECT * FROM pg_background_result(pg_background_launch('INSERT INTO done VALUES (1, ''promised'')')) AS (x text);\n");
until_held($node, 'take', $pid);
ok(until_waits_for($node, $sleeper_pid, wait_event($node)), 'the launcher sleeps until its job is taken');
arm($node, 'take', "error $pid");
until_held($node, 'exited', $pid);
($busy, $busy_cookie) = split /\|/, value($other, q{SELECT pid, cookie FROM pg_background_launch_v2('SELECT pg_sleep(600)')});
disarm($node, 'exited');
ok(until_true(sub { look("SELECT state FROM pg_stat_activity WHERE pid = $sleeper_pid") eq 'idle' }, 20), 'the launcher is woken')
  or value($other, "SELECT pg_cancel_backend($sleeper_pid)");
disarm($node, 'take');
like((ask($sleeper, 'SELECT 1'))[1], qr/ERROR:  53200/m, 'the launcher is told what the worker died of');
is(in_history('promised'), 'error|53200', 'the history says what the worker died of');
value($other, "SELECT pg_background_cancel_v2($busy, $busy_cookie)");
value($other, "SELECT pg_background_wait_v2($busy, $busy_cookie)");
value($other, "SELECT pg_background_detach_v2($busy, $busy_cookie)");
$sleeper->quit;

# --- a worker that cannot map the segment: nothing was promised ---

$pid = one_worker($session);
arm($node, 'map', "hold $pid");
$session->query_until(qr/begun/, "\\echo begun\nSELECT * FROM pg_background_result(pg_background_launch('SELECT 43', 8388608)) AS (x int);\n");
until_held($node, 'map', $pid);
$cookie = value($other, 'SELECT cookie FROM pg_stat_background WHERE pid IS NULL');
like((ask($other, "SELECT pg_background_cancel_v2(0, $cookie)"))[1], qr/ERROR:  42704/m, 'a job that has no worker yet has no handle, not one with the pid 0 either');
disarm($node, 'map');
is((ask($session, 'SELECT 1'))[1], '', 'a job whose worker maps its segment late runs');
until_true(sub { grep { $_ == $pid } idle_workers($node) }) or die "worker $pid is not idle";
arm($node, 'map', "error $pid");
is(value($session, q{SELECT * FROM pg_background_result(pg_background_launch('SELECT 42', 8388608)) AS (x int)}), 42, 'a job whose worker cannot map its segment runs in another one');
disarm($node, 'map');

$_->quit for $session, $other, $watcher;
nothing_left($node, 'after the races');
healthy($node);
done_testing();
