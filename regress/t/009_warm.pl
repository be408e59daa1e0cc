# Workers that run one job after the other: who gets them, how long they stay, what they cost, and what reaches them while they
# are idle.  PGBG_ROUNDS asks for more jobs, PGBG_SECONDS for a longer look at an idle worker.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $rounds = $ENV{PGBG_ROUNDS} || 1000;
my $seconds = $ENV{PGBG_SECONDS} || 3;
# Idle workers stay until they are sent away, however many there are.
my $node = server('warm', preload => 1,
	conf => "pg_background.idle_timeout = '10min'\npg_background.max_idle_workers = 16\npg_background.worker_max_jobs = 1000000\n");
my $session = session($node, timeout => 180 + $rounds);
my $watcher = session($node);
my ($out, $err, @pids);

# The worker that ran a job, and is idle now.
sub worker
{
	my ($in) = @_;
	my $pid = job($in // $session, 'SELECT pg_backend_pid()::text');
	until_true(sub { grep { $_ == $pid } idle_workers($node) }) or die "worker $pid is not idle";
	return $pid;
}

# The worker that runs a job now is the one that was idle before.
sub is_warm
{
	my ($pid, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(job($session, 'SELECT pg_backend_pid()::text'), $pid, "$what: the same worker");
}

sub files { my @files = glob("/proc/$_[0]/fd/*"); return scalar @files }
sub distinct { my %seen = map { $_ => 1 } @_; return scalar keys %seen }

# --- the same worker, again and again ---

without_idle($node);
my $role = value($session, 'SELECT current_user');
my $before = totals($node, 'postgres', $role);
@pids = map { job($session, 'SELECT pg_backend_pid()::text') } 1 .. 20;
is(distinct(@pids), 1, 'twenty jobs run in one process');
my $after = totals($node, 'postgres', $role);
is($after->{launched} - $before->{launched}, 20, 'twenty jobs in one process are counted');
is($after->{cold_starts} - $before->{cold_starts}, 1, 'one of twenty jobs had to start a process');
is($after->{warm_starts} - $before->{warm_starts}, 19, 'nineteen of twenty jobs found a warm process');
ok(until_true(sub { Jobs::look($node, "SELECT state, jobs_run FROM pg_stat_background_workers WHERE pid = $pids[0]") eq 'idle|20' }),
	'the view of the workers says that one has run twenty jobs');
is(Jobs::look($node, "SELECT count(DISTINCT pid) FROM pg_background_history WHERE pid = $pids[0] AND state = 'stopped'"), 1, 'the history says that one worker has run the jobs');

# Another session takes it over; other roles and other databases do not.
is(job($watcher, 'SELECT pg_backend_pid()::text'), $pids[0], 'another session gets the warm worker');
value($session, q{CREATE ROLE guest LOGIN; SELECT grant_pg_background_privileges('guest'); CREATE DATABASE elsewhere});
$node->safe_psql('elsewhere', 'CREATE EXTENSION pg_background');
my $guest = session($node, extra => [ '-U', 'guest' ]);
my $elsewhere = session($node, dbname => 'elsewhere');
my $pid = worker();
my $guests = worker($guest);
isnt($guests, $pid, 'another role does not get the warm worker');
isnt(worker($elsewhere), $pid, 'a job in another database does not get the warm worker');
is(job($guest, 'SELECT session_user::text'), 'guest', "a role's jobs are its own");
is(job($elsewhere, 'SELECT current_database()::text'), 'elsewhere', "a database's jobs are in it");
# SET ROLE is no other session.
without_idle($node);
value($session, 'SET ROLE guest');
$guests = job($session, 'SELECT pg_backend_pid()::text');
value($session, 'RESET ROLE');
is_warm($guests, 'after SET ROLE');
$_->quit for $guest, $elsewhere;
value($session, q{DROP DATABASE elsewhere; SELECT revoke_pg_background_privileges('guest'); DROP ROLE guest});

# How the job before ended is none of the next one's business.
$pid = worker();
for my $case ([ 'an error', 'SELECT 1 / 0' ], [ 'an error in a block', 'DO $$ BEGIN RAISE EXCEPTION $x$x$x$; END $$' ],
	[ 'an error at the commit', q{CREATE TEMP TABLE IF NOT EXISTS nothing (x int) ON COMMIT DROP; SELECT no_such_function()} ])
{
	my ($what, $sql) = @$case;
	($out, $err) = ask($session, job_sql($sql));
	like($err, qr/ERROR:/, "a job has $what");
	is(job($session, 'SELECT 1::text'), 1, "a job after $what");
}
$pid = worker();
($out, $err) = ask($session, job_sql('SELECT 1 / 0'));
is_warm($pid, 'after an error');
value($session, q{SELECT pid, cookie FROM pg_background_launch_v2('SELECT pg_sleep(600)') \gset});
is(value($session, 'SELECT :pid'), $pid, 'a job to cancel has the same worker');
value($session, 'SELECT pg_background_cancel_v2(:pid, :cookie), pg_background_wait_v2(:pid, :cookie), pg_background_detach_v2(:pid, :cookie)');
is_warm($pid, 'after a cancel');
value($session, q{SELECT pid, cookie FROM pg_background_launch_v2('SELECT pg_terminate_backend(pg_backend_pid())') \gset});
is(value($session, 'SELECT :pid'), $pid, 'a job that ends its process has the same worker');
value($session, 'SELECT pg_background_wait_v2(:pid, :cookie), pg_background_detach_v2(:pid, :cookie)');
isnt(job($session, 'SELECT pg_backend_pid()::text'), $pid, 'after a FATAL error a job has another worker');

# --- a tracked pid is never given out again ---

without_idle($node);
value($session, 'CREATE TABLE tracked (pid int, cookie int8)');
for my $i (1 .. 5)
{
	value($session, q{WITH h AS (SELECT * FROM pg_background_launch_v2('SELECT 1')) INSERT INTO tracked SELECT pid, cookie FROM h});
	value($session, 'SELECT pg_background_wait_v2(pid, cookie) FROM tracked');
	settle($node);
}
is(value($session, 'SELECT count(DISTINCT pid) FROM tracked'), 5, 'a session never gets a pid that it tracks');
$pid = value($session, 'SELECT pid FROM tracked ORDER BY ctid LIMIT 1');
is(scalar(grep { $_ == $pid } idle_workers($node)), 1, 'a process whose pid is tracked is idle all the same');
my $others = job($watcher, 'SELECT pg_backend_pid()::text');
is(value($session, "SELECT count(*) FROM tracked WHERE pid = $others"), 1, 'another session gets a process whose pid is tracked');
is(value($session, 'SELECT count(*), sum(x) FROM tracked, LATERAL (SELECT * FROM pg_background_result_v2(pid, cookie) AS (x int)) AS r'), '5|5',
	'all tracked handles are good to the end');
value($session, 'TRUNCATE tracked');

# --- worker_max_jobs ---

without_idle($node);
setting($node, 'pg_background.worker_max_jobs', 5);
@pids = map { job($session, 'SELECT pg_backend_pid()::text') } 1 .. 11;
my %jobs;
$jobs{$_}++ for @pids;
is(join(' ', map { $jobs{$_} } ($pids[0], $pids[5], $pids[10])), '5 5 1', 'a worker runs worker_max_jobs jobs');
ok(until_true(sub { is_gone($pids[0]) && is_gone($pids[5]) }), 'a worker that has run worker_max_jobs jobs leaves');
setting($node, 'pg_background.worker_max_jobs', 1000000);

# --- idle_timeout ---

$pid = worker();
my $from = time;
setting($node, 'pg_background.idle_timeout', '1s');
ok(until_true(sub { is_gone($pid) }), 'an idle worker leaves after idle_timeout, be it changed while it waits');
my $offset = -s $node->logfile;
$pid = job($session, 'SELECT pg_backend_pid()::text');
$from = time;
ok(until_true(sub { is_gone($pid) }), 'a new idle worker leaves after idle_timeout');
cmp_ok(time - $from, '>=', 0.9, 'an idle worker does not leave before idle_timeout');
ok(!$node->log_contains(qr/ \[$pid\] .*(LOG|FATAL|ERROR|WARNING): /, $offset), 'a worker that leaves after idle_timeout logs nothing');
setting($node, 'pg_background.idle_timeout', '10min');

# --- max_idle_workers ---

setting($node, 'pg_background.max_idle_workers', 0);
@pids = map { job($session, 'SELECT pg_backend_pid()::text') } 1 .. 5;
is(distinct(@pids), 5, 'without idle workers each job has its own process');
ok(until_true(sub { !grep { !is_gone($_) } @pids }), 'without idle workers a process ends with its job');
is(scalar(idle_workers($node)), 0, 'without idle workers no process is idle');

# Six at a time; two stay, over all databases and roles.
setting($node, 'pg_background.max_idle_workers', 2);
value($watcher, 'SELECT pg_advisory_lock(1)');
value($session, 'INSERT INTO tracked SELECT h.pid, h.cookie FROM generate_series(1, 6) AS i,'
	  . q{ LATERAL pg_background_launch_v2('SELECT pg_advisory_xact_lock(1)::text || ' || i) AS h});
value($watcher, 'SELECT pg_advisory_unlock(1)');
value($session, 'SELECT pg_background_wait_v2(pid, cookie), pg_background_detach_v2(pid, cookie) FROM tracked');
@pids = split /\n/, value($session, 'DELETE FROM tracked RETURNING pid');
is(scalar @pids, 6, 'six jobs at a time have six workers');
ok(until_true(sub { 2 == grep { !is_gone($_) } @pids }), 'two of six workers stay with max_idle_workers = 2');
is(scalar(idle_workers($node)), 2, 'the two workers that stay are idle');
setting($node, 'pg_background.max_idle_workers', 1);
ok(until_true(sub { 1 == grep { !is_gone($_) } @pids }), 'an idle worker learns that it is one too many');
setting($node, 'pg_background.max_idle_workers', 2);

# --- memory ---

without_idle($node);
value($session, <<'END');
CREATE PROCEDURE load(rounds int) LANGUAGE plpgsql AS $$
DECLARE
  h pg_background_handle;
BEGIN
  FOR i IN 1..rounds LOOP
    IF i % 2 = 0 THEN
      PERFORM * FROM pg_background_result(pg_background_launch(format('SELECT %s', i))) AS (n int);
    ELSIF i % 11 = 0 THEN
      BEGIN
        PERFORM * FROM pg_background_result(pg_background_launch('SELECT 1 / (g - 10) FROM generate_series(1, 100) AS g')) AS (n int);
      EXCEPTION WHEN division_by_zero THEN NULL;
      END;
    ELSIF i % 5 = 0 THEN
      PERFORM * FROM pg_background_result(pg_background_launch(
        'DO $do$ DECLARE n int; BEGIN SELECT count(*) INTO n FROM done; RAISE DEBUG ''%'', n; END $do$')) AS (tag text);
    ELSIF i % 7 = 0 THEN
      PERFORM count(*) FROM pg_background_result(pg_background_launch('SELECT g, repeat(''x'', 100) FROM generate_series(1, 1000) AS g'))
        AS (g int, x text);
    ELSE
      h := pg_background_submit_v2('INSERT INTO done VALUES (1, ''memory''); PREPARE p AS SELECT 1; SET LOCAL work_mem = ''1MB''');
      PERFORM pg_background_wait_v2(h.pid, h.cookie);
      PERFORM pg_background_detach_v2(h.pid, h.cookie);
    END IF;
  END LOOP;
END $$;
END
my $memory = 'SELECT pg_backend_pid() || $$ $$ || sum(total_bytes) FROM pg_backend_memory_contexts';
value($session, "CALL load(300)");
job($session, $memory);
my ($first, $bytes) = split / /, job($session, $memory);
my $resident = process_field($first, 'RssAnon');
my $files = files($first);
$from = time;
value($session, "CALL load($rounds)");
note(sprintf '%d jobs, %.3f ms each', $rounds, (time - $from) * 1000 / $rounds);
my ($then, $bytes_then) = split / /, job($session, $memory);
my $resident_then = process_field($then, 'RssAnon');
is($then, $first, "one worker has run $rounds jobs");
cmp_ok($bytes_then - $bytes, '<=', 16384, "a worker's memory is flat ($bytes, then $bytes_then bytes)");
SKIP: {
	skip 'no /proc', 3 unless defined $resident_then;
	cmp_ok($resident_then - $resident, '<=', 256 + $rounds / 500, "a worker's process is no larger ($resident, then $resident_then kB)");
	cmp_ok(files($then), '<=', $files + 3, 'no file stays open in a warm worker');
	until_true(sub { grep { $_ == $then } idle_workers($node) }) or die "worker $then is not idle";
	# the server has some of its own
	my $mapped = sub { return scalar(() = slurp_file("/proc/$then/maps") =~ m{/pg_dynshmem/mmap\.}g) };
	ok(until_true(sub { $mapped->() <= $node->{segments_at_rest} }), 'an idle worker does not keep segments mapped for long');
}
$pid = worker();
job($session, q{SELECT length(string_agg(repeat(g::text, 100), ''))::text FROM generate_series(1, 20000) AS g});
is_warm($pid, 'after much memory that was given back');

# --- an idle worker does nothing ---

$pid = worker();
SKIP: {
	skip 'no /proc', 1 unless defined process_field($pid, 'voluntary_ctxt_switches');

	# once for statistics, which are not to wait longer than a second
	my ($count) = wake_ups($seconds, $pid);
	cmp_ok($count, '<=', 2, "an idle worker sleeps ($count wake-ups in $seconds s)");
}
is(Jobs::look($node, "SELECT count(*) FROM pg_locks WHERE pid = $pid"), 0, 'an idle worker holds no lock');
is(Jobs::look($node, "SELECT xact_start IS NULL AND backend_xid IS NULL AND backend_xmin IS NULL FROM pg_stat_activity WHERE pid = $pid"), 't',
	'an idle worker holds no snapshot');

# What its jobs did reaches the statistics without a further job.
value($watcher, 'CREATE TABLE counted (id int)');
is(job($session, 'INSERT INTO counted SELECT generate_series(1, 17); SELECT pg_backend_pid()::text'), $pid, 'a job that writes has the same worker');
ok($node->poll_query_until('postgres', q{SELECT n_tup_ins = 17 FROM pg_stat_user_tables WHERE relname = 'counted'}),
	'the statistics of a job arrive while its worker is idle');

# --- what reaches it while it is idle ---

$pid = worker();
setting($node, 'work_mem', '5MB');
value($session, 'SHOW work_mem');
is(job($session, q{SET work_mem = '1MB'; RESET work_mem; SELECT pg_backend_pid() || ' ' || current_setting('work_mem')}), "$pid 5MB",
	'a changed configuration reaches an idle worker');
setting($node, 'work_mem', '4MB');

# Others drop what it knows, and more than there is room for in the queue of messages about it.
job($session, 'CREATE FUNCTION looks() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT count(*) FROM counted); END $$');
$pid = worker();
is(job($session, 'SELECT pg_backend_pid() || $$ $$ || looks()'), "$pid 17", 'a job has a plan of a function');
ok(until_true(sub { grep { $_ == $pid } idle_workers($node) }), 'the worker with a plan is idle');
# It wakes once when it has rested for a second, and then no more.
until_true(sub { ((wake_ups(1.2, $pid))[0] // 0) == 0 }) or die "worker $pid does not rest";
my $switches = process_field($pid, 'voluntary_ctxt_switches');
value($watcher, q{DO $$ BEGIN FOR i IN 1..600 LOOP
  EXECUTE 'CREATE TABLE many (a int PRIMARY KEY, b text)'; EXECUTE 'DROP TABLE many'; COMMIT; END LOOP; END $$});
value($watcher, 'DROP TABLE counted; CREATE VIEW counted AS SELECT generate_series(1, 4) AS id');
SKIP: {
	skip 'no /proc', 1 unless defined $switches;
	cmp_ok(process_field($pid, 'voluntary_ctxt_switches'), '>', $switches, 'an idle worker catches up with what others drop');
}
is(job($session, 'SELECT pg_backend_pid() || $$ $$ || looks()'), "$pid 4", 'a plan is made anew when what it reads was exchanged');

# A barrier: the files of a dropped table keep their tablespace from being dropped until all processes have let go of them.
SKIP: {
	skip 'no barrier before 15', 2 if $node->pg_version < 15;

	my $directory = PostgreSQL::Test::Utils::tempdir();
	value($watcher, "CREATE TABLESPACE ts LOCATION '$directory'");
	value($watcher, 'CREATE TABLE there (id int) TABLESPACE ts');
	is(job($session, 'INSERT INTO there SELECT generate_series(1, 1000); SELECT pg_backend_pid()::text'), $pid, 'a job writes into a tablespace');
	value($watcher, 'DROP TABLE there');
	value($watcher, "SET statement_timeout = '30s'");
	($out, $err) = ask($watcher, 'DROP TABLESPACE ts');
	is($err, '', 'a tablespace can be dropped while the worker that wrote into it is idle');
	value($watcher, 'RESET statement_timeout');
}
is(scalar(grep { $_ == $pid } idle_workers($node)), 1, 'the idle worker is there after the drops');

$offset = -s $node->logfile;
is(value($watcher, "SELECT pg_log_backend_memory_contexts($pid)"), 't', 'an idle worker is asked for its memory');
ok($node->wait_for_log(qr/logging memory contexts of PID $pid/, $offset), 'an idle worker answers what memory it has');

# Signals.
$offset = -s $node->logfile;
# On a busy machine the worker may come to handle the signal when it has the next job, which is then meant.
$switches = process_field($pid, 'voluntary_ctxt_switches');
is(value($watcher, "SELECT pg_cancel_backend($pid)"), 't', 'an idle worker is cancelled');
until_true(sub { process_field($pid, 'voluntary_ctxt_switches') > $switches }) if defined $switches;
is_warm($pid, 'a cancel of an idle worker does nothing');
ok(until_true(sub { grep { $_ == $pid } idle_workers($node) }), 'a worker that was cancelled while idle is idle again');
is(value($watcher, "SELECT pg_terminate_backend($pid)"), 't', 'an idle worker is terminated');
ok(until_true(sub { is_gone($pid) }), 'a worker that was terminated while idle goes');
is(job($session, 'SELECT 1::text'), 1, 'a job runs after an idle worker was terminated');
ok(!$node->log_contains(qr/(ERROR|FATAL|WARNING|PANIC): |exited with exit code/, $offset), 'signals to an idle worker leave no word in the log');

# A launch and a worker that leaves meet at every moment.
setting($node, 'pg_background.idle_timeout', '1ms');
is(value($session, q{SELECT sum(n) FROM generate_series(1, 200) AS i, LATERAL
  (SELECT n, pg_sleep(i % 5 * 0.0005) FROM pg_background_result(pg_background_launch('SELECT 1 + 0 * ' || i)) AS (n int)) AS r}), 200,
	'jobs that come when their worker leaves have run');
setting($node, 'pg_background.idle_timeout', '10min');
value($session, 'CREATE TABLE dismissed (n int)');
value($watcher, 'CREATE ROLE restless');
$session->query_until(qr/begun/, "\\echo begun\nINSERT INTO dismissed SELECT sum(n) FROM generate_series(1, 300) AS i, LATERAL
  (SELECT * FROM pg_background_result(pg_background_launch('SELECT 1 + 0 * ' || i)) AS (n int)) AS r;\n");
for (my $i = 1; value($watcher, 'SELECT count(*) FROM dismissed') == 0; $i++)
{
	value($watcher, "ALTER ROLE restless SET work_mem = '${i}MB'");
	die 'the jobs do not end' if $i > 20000;
}
is(value($session, 'SELECT n FROM dismissed'), 300, 'jobs whose workers are dismissed all the time have run');
value($watcher, 'DROP ROLE restless');

# The time that a transaction may take, and that it may wait for a lock, is its own launcher's: what a worker does between two jobs, as
# the last launcher's settings are still there, counts for nobody. The worker looks for the next launcher's role, which another session
# locks. A cancel meanwhile is somebody's wish, and counts.
for my $case ('lock_timeout', 'lock_timeout, and a cancel', 'transaction_timeout')
{
	my ($timeout, $is_cancelled) = $case =~ /^(\w+)(, and)?/;
	SKIP:
	{
		skip 'transaction_timeout came with 17', 3 if $timeout eq 'transaction_timeout' && $node->pg_version < 17;
		value($session, 'CREATE ROLE regress_timed; GRANT pgbackground_role TO regress_timed');
		value($watcher, "SET $timeout = '10min'; SET ROLE regress_timed");
		job($watcher, 'SELECT 1::text');
		without_idle($node);
		# the worker is there before the limit, which a new process may take longer than
		my $pid = worker();
		value($session, "SET $timeout = '1s'");
		is(worker(), $pid, "$case: a worker has the limit of a launcher");
		value($session, "RESET $timeout; BEGIN; LOCK TABLE pg_authid");
		$watcher->{stderr} = '';
		$watcher->query_until(qr/begun/, "\\echo begun\nSELECT 'ran in ' || t FROM pg_background_result(pg_background_launch('SELECT pg_backend_pid()::text')) AS (t text);\n\\warn answered\n\\echo answered\n");
		ok(until_true(sub { value($session, "SELECT count(*) FROM pg_locks WHERE pid = $pid AND NOT granted") }), "$case: a worker waits for a look at its next role");
		value($session, 'SELECT pg_sleep(1.5)');
		value($session, "SELECT pg_cancel_backend($pid)") if $is_cancelled;
		value($session, 'COMMIT');
		pump_until($watcher->{run}, $watcher->{timeout}, \$watcher->{$_}, qr/answered/) for 'stderr', 'stdout';
		if ($is_cancelled) { like($watcher->{stderr}, qr/ERROR:  57014/, 'a job is cancelled by whoever cancels it while its worker waits') }
		else { like($watcher->{stdout}, qr/^ran in $pid$/m, "a job is not ended by the last launcher's $timeout") }
		value($watcher, "RESET ROLE; RESET $timeout");
		value($session, 'DROP OWNED BY regress_timed; DROP ROLE regress_timed');
	}
}

# Suppose that a worker reads the configuration, in which a library was added, and that a session which began with that library claims it
# meanwhile: they have the same settings by then, and not the same libraries.
SKIP:
{
	skip 'needs a library with points', 3 if !$ENV{PGBG_POINTS};
	without_idle($node);
	my $pid = worker();
	is(worker(), $pid, 'a worker is idle that has no library from its beginning');
	arm($node, 'reloaded', "hold $pid");
	setting($node, 'session_preload_libraries', 'plpgsql');
	until_held($node, 'reloaded', $pid);
	my $other = session($node);
	$other->query_until(qr/begun/, "\\echo begun\nSELECT 'in ' || t FROM (" . job_sql('SELECT pg_backend_pid()::text') . ") AS r (t);\n");
	ok(until_true(sub { !grep { $_ == $pid } idle_workers($node) }), 'a session that has the library claims the worker while that one reads the configuration');
	disarm($node, 'reloaded');
	pump_until($other->{run}, $other->{timeout}, \$other->{stdout}, qr/^in \d+$/m);
	like($other->{stdout}, qr/^in (?!$pid\b)\d+$/m, 'another process, which has the library, runs the job');
	$other->quit;
	setting($node, 'session_preload_libraries', '');
}

# A worker that is terminated while it is idle, and gets a job before it has heard of it, runs the job or ends it: nothing tells
# which was meant.  The launcher is told.
is(value($session, q{DO $$
DECLARE
    h pg_background_handle;
    jobs int := 0;
    ended int := 0;
BEGIN
    FOR i IN 1..300 LOOP
        PERFORM pg_terminate_backend(pid) FROM pg_stat_background_workers WHERE state = 'idle';
        h := pg_background_launch_v2(format('INSERT INTO done VALUES (%s, ''terminated idle'')', i));
        BEGIN
            PERFORM * FROM pg_background_result_v2(h.pid, h.cookie) AS (tag text);
            jobs := jobs + 1;
        EXCEPTION WHEN admin_shutdown THEN ended := ended + 1;
        END;
    END LOOP;
    PERFORM set_config('my.jobs', jobs::text, false), set_config('my.ended', ended::text, false);
END
$$; SELECT current_setting('my.jobs')::int + current_setting('my.ended')::int}), 300, 'jobs that come when their worker is terminated have run or ended');
is(value($session, q{SELECT count(*) - current_setting('my.jobs')::int FROM done WHERE note = 'terminated idle'}), 0, 'jobs that come when their worker is terminated have run, or their launcher was told that they have not');
note(value($session, q{SELECT current_setting('my.ended') || ' were ended'}));

$_->quit for $session, $watcher;
nothing_left($node, 'in the end');
healthy($node);
done_testing();
