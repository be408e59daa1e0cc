# Idle workers are never in the way: of what is done to databases, roles and the extension, of other workers, of a shutdown or a
# promotion.  And what was done is seen by the next job.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

# The server itself waits five seconds for a database to become empty, then gives up: a statement that succeeds has not waited so long.
my $prompt = 30;
my $conf = "pg_background.idle_timeout = '10min'\npg_background.max_idle_workers = 16\n";
my $node = server('in_the_way', preload => 1, conf => $conf . "max_worker_processes = 8\n", init => { allows_streaming => 1 });
my $session = session($node);

# A job in a database, as a role, and its worker, which is idle then.
sub idle_in
{
	my ($server, $database, $role) = @_;
	my $worker = $server->safe_psql($database, job_sql('SELECT pg_backend_pid()::text'), extra_params => $role ? [ '-U', $role ] : []);
	until_true(sub { grep { $_ == $worker } idle_workers($server) }) or die "worker $worker is not idle";
	return $worker;
}

# The error of a job of that session, or nothing.
sub job_error
{
	my ($in, $sql) = @_;
	return (ask($in, job_sql($sql)))[1];
}

# A database with the extension.
sub create_database
{
	my ($name, $options) = @_;
	value($session, "CREATE DATABASE $name " . ($options // ''));
	$node->safe_psql($name, 'CREATE EXTENSION pg_background');
	return;
}

# succeeds(STATEMENTS, SESSION): at once, whoever is idle
sub succeeds
{
	my ($sql, $in) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	my $from = time;
	my (undef, $err) = ask($in // $session, $sql);
	my $took = time - $from;
	is($err, '', "$sql: succeeds");
	cmp_ok($took, '<', $prompt, sprintf('%s: takes %.3f s', $sql, $took));
	return;
}

# goes(STATEMENTS, PID, SESSION): they succeed at once, and the worker has gone
sub goes
{
	my ($sql, $worker, $in) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	succeeds($sql, $in);
	ok(until_true(sub { is_gone($worker) }, 10), "$sql: the idle worker has gone");
	return;
}

# --- databases ---

my $tablespace = PostgreSQL::Test::Utils::tempdir();
value($session, "CREATE TABLESPACE elsewhere LOCATION '$tablespace'");
create_database('target');
goes('ALTER DATABASE target RENAME TO renamed', idle_in($node, 'target'));
is($node->safe_psql('renamed', q{SELECT * FROM pg_background_result(pg_background_launch('SELECT current_database()')) AS (x name)}),
	'renamed', 'a job runs in a database under its new name');
goes('ALTER DATABASE renamed RENAME TO target', idle_in($node, 'renamed'));
goes('ALTER DATABASE target SET TABLESPACE elsewhere', idle_in($node, 'target'));
goes('ALTER DATABASE target SET TABLESPACE pg_default', idle_in($node, 'target'));
goes('CREATE DATABASE copy TEMPLATE target', idle_in($node, 'target'));
value($session, 'CREATE ROLE owner');
idle_in($node, 'target');
succeeds('ALTER DATABASE target OWNER TO owner');
goes('DROP DATABASE copy', idle_in($node, 'copy'));
idle_in($node, 'postgres');
goes('DROP DATABASE target', idle_in($node, 'target'));

# Not only once.
{
	my $failed = '';
	my $from = time;
	for my $i (1 .. 10)
	{
		create_database('target', 'TEMPLATE template0');
		idle_in($node, 'target');
		$failed .= (ask($session, 'DROP DATABASE target'))[1];
	}
	is($failed, '', sprintf('ten databases come and go, %.3f s each', (time - $from) / 10));
}

# A worker whose job ends while the server waits leaves then.
{
	create_database('target');
	my $pid = $node->safe_psql('target', q{SELECT pid FROM pg_background_submit_v2('SELECT pg_sleep(1)')});
	ok(until_waits_for($node, $pid, 'PgSleep'), 'a job runs for a second in a database to drop');
	is((ask($session, 'DROP DATABASE target'))[1], '', 'a database can be dropped when the job in it has ended');
}

# DROP DATABASE waits until every process of the server has accepted its barrier (from 15 on). Suppose a worker gets the barrier and the
# cancel of its job in one moment: the server serves the cancel, and forgets that there is more to serve. An idle worker would not
# accept the barrier before its next job.
{
	create_database('target');
	my $elsewhere = session($node);
	my ($pid, $cookie) = launch($elsewhere, 'SELECT pg_sleep(600)');
	ok(until_waits_for($node, $pid, 'PgSleep'), 'a job runs in another database');
	kill 'STOP', $pid;
	$session->query_until(qr/begun/, "\\echo begun\nDROP DATABASE target;\n");
	until_true(sub { Jobs::look($node, q{SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'ProcSignalBarrier'}) == 1 }, 10) if $node->pg_version >= 15;
	value($elsewhere, 'SELECT pg_background_cancel_v2(:pid, :cookie)');
	kill 'CONT', $pid;
	my $from = time;
	ok(until_idle($node, $pid), 'the job is canceled while a database is being dropped');
	ok(until_true(sub { Jobs::look($node, q{SELECT count(*) FROM pg_database WHERE datname = 'target'}) == 0 }, $prompt),
		sprintf('the database has gone, in %.3f s', time - $from));
	like((ask($elsewhere, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (x text)'))[1], qr/57014/, 'the job was canceled');
	is((ask($session, ''))[1], '', 'the database was dropped');
	$elsewhere->quit;
}

# A role without the right to dismisses no worker.
{
	create_database('target');
	value($session, 'CREATE ROLE nobody LOGIN; CREATE ROLE maker LOGIN CREATEDB');
	my $theirs = idle_in($node, 'target');
	my $mine = idle_in($node, 'postgres');
	for my $role (qw(nobody maker))
	{
		my $in = session($node, extra => [ '-U', $role ]);
		for my $sql ('DROP DATABASE target', 'ALTER DATABASE target RENAME TO x', 'CREATE DATABASE y TEMPLATE target', 'ALTER DATABASE target SET TABLESPACE elsewhere',
			q{ALTER ROLE postgres SET work_mem = '1MB'}, q{ALTER DATABASE target SET work_mem = '1MB'}, 'DROP ROLE owner', 'DROP DATABASE no_such_database')
		{
			like((ask($in, $sql))[1], qr/ERROR:  (42501|3D000): /, "$role: $sql is refused");
		}
		value($in, q{ALTER ROLE CURRENT_USER SET work_mem = '2MB'});
		$in->quit;
	}
	is(idle_in($node, 'target'), $theirs, 'a worker in a database that others may not drop stays');
	is(idle_in($node, 'postgres'), $mine, 'a worker in another database stays');
	value($session, 'DROP DATABASE target; DROP ROLE nobody, maker');
}

# Not only at the top.
goes(q{DO $$ BEGIN EXECUTE 'ALTER ROLE postgres SET work_mem = $x$3MB$x$'; END $$}, idle_in($node, 'postgres'));
value($session, 'ALTER ROLE postgres RESET work_mem');

# Everything else leaves them where they are.
{
	my $pid = idle_in($node, 'postgres');
	value($session, 'CREATE TABLE t (id int); ALTER TABLE t RENAME TO u; ALTER TABLE u OWNER TO owner; GRANT SELECT ON u TO owner; CREATE SCHEMA s;'
		  . ' CREATE EXTENSION IF NOT EXISTS plpgsql; ALTER TABLE u SET SCHEMA s; DROP SCHEMA s CASCADE; VACUUM done; SET work_mem = 1000; RESET work_mem');
	is(job($session, 'SELECT pg_backend_pid()::text'), $pid, 'other commands dismiss no worker');
}

# --- roles ---

for my $role ('guest', 'owned')
{
	value($session, "CREATE ROLE $role LOGIN; SELECT grant_pg_background_privileges('$role')");
}
my $guest = session($node, extra => [ '-U', 'guest' ]);

sub idle_guest { return idle_in($node, 'postgres', 'guest') }

# What a job goes back to when it resets what its launcher has set; twice, so that a warm worker says the same as a new one.
my $reset = q{SET work_mem = '1MB'; RESET work_mem; SELECT current_setting('work_mem')};
sub goes_back
{
	my ($to, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(job($guest, $reset) . ' ' . job($guest, $reset), "$to $to", "RESET in a job gives $what");
}
value($guest, q{SET work_mem = '3MB'});
goes_back('4MB', 'the default');
goes(q{ALTER ROLE guest SET work_mem = '7MB'}, idle_guest());
goes_back('7MB', "the role's setting");
goes(q{ALTER ROLE guest RESET work_mem; ALTER DATABASE postgres SET work_mem = '8MB'}, idle_guest());
goes_back('8MB', "the database's setting");
value($session, 'ALTER DATABASE postgres RESET work_mem');

# A change counts when it is committed.
{
	my $pid = idle_guest();
	value($session, q{BEGIN; ALTER ROLE guest SET work_mem = '9MB'});
	is(idle_guest(), $pid, 'a change that is not committed dismisses no worker');
	value($session, 'COMMIT');
	ok(until_true(sub { is_gone($pid) }), 'the worker has gone when the change is committed');
	goes_back('9MB', "the role's setting that was committed later");
	value($session, 'ALTER ROLE guest RESET work_mem');
}

# What a role may do.
{
	my $count = 'SELECT count(*)::text FROM done';
	my $denied = qr/ERROR:  42501: permission denied for table done/;

	value($session, 'CREATE ROLE readers; GRANT SELECT ON done TO readers; GRANT readers TO guest');
	is(job($guest, $count), 0, 'a job of a member of the readers reads');
	value($session, 'REVOKE readers FROM guest');
	like(job_error($guest, $count), $denied, 'a job of a role that is no member any more may not read');
	value($session, 'GRANT SELECT ON done TO guest');
	is(job($guest, $count), 0, 'a job reads after a grant');
	value($session, 'REVOKE SELECT ON done FROM guest');
	like(job_error($guest, $count), $denied, 'a job may not read after a revoke');
	value($session, 'ALTER ROLE guest SUPERUSER');
	is(job($guest, $count), 0, 'a job of a superuser reads');
	value($session, 'ALTER ROLE guest NOSUPERUSER');
	like(job_error($guest, $count), $denied, 'a job of a role that is no superuser any more may not read');
}

goes('ALTER ROLE guest NOLOGIN', idle_guest());
like(job_error($guest, 'SELECT 1::text'), qr/ERROR:  28000: role "guest" is not permitted to log in/, 'a role without LOGIN has no job');
value($session, 'ALTER ROLE guest LOGIN');
is(job($guest, 'SELECT session_user::text'), 'guest', 'a role that has LOGIN again has jobs');
idle_guest();
succeeds('REVOKE CONNECT ON DATABASE postgres FROM PUBLIC');
like(job_error($guest, 'SELECT 1::text'), qr/ERROR:  42501: permission denied for database "postgres"/, 'a role without CONNECT has no job');
value($session, 'GRANT CONNECT ON DATABASE postgres TO PUBLIC');
is(job($guest, 'SELECT session_user::text'), 'guest', 'a role that has CONNECT again has jobs');
idle_guest();
succeeds('ALTER ROLE guest RENAME TO visitor');
$guest->quit;
$guest = session($node, extra => [ '-U', 'visitor' ]);
is(job($guest, 'SELECT session_user::text'), 'visitor', 'a role has jobs under its new name');

idle_in($node, 'postgres', 'owned');
$node->safe_psql('postgres', q{SELECT * FROM pg_background_result(pg_background_launch('CREATE TABLE pg_temp.mine (id int)')) AS (tag text)},
	extra_params => [ '-U', 'owned' ]);
# The server itself is not up to a table that goes meanwhile.
ok(until_true(sub { Jobs::look($node, q{SELECT count(*) FROM pg_class WHERE relname = 'mine'}) == 0 }), 'a temporary table goes with its job');
value($session, 'REASSIGN OWNED BY owned TO visitor');
goes('DROP OWNED BY owned; DROP ROLE owned', idle_in($node, 'postgres', 'owned'));
# Dropped while its worker is there.
{
	my $pid = idle_in($node, 'postgres', 'visitor');
	$guest->quit;
	goes('DROP OWNED BY visitor; DROP ROLE visitor', $pid);
}

# --- every slot is taken by idle workers, and another database wants one ---

create_database('target');
without_idle($node);
{
	my $locker = session($node);
	value($locker, 'SELECT pg_advisory_lock(1)');
	value($session, 'CREATE TABLE all_slots (pid int, cookie int8)');
	my $slots = 0;
	for my $i (1 .. 8)
	{
		my (undef, $err) = ask($session, q{WITH h AS (SELECT * FROM pg_background_launch_v2('SELECT pg_advisory_xact_lock(1)'))
		  INSERT INTO all_slots SELECT pid, cookie FROM h});
		last if $err =~ /53000: could not register background process/;
		$slots++;
	}
	cmp_ok($slots, '>=', 6, "$slots workers take all slots");
	cmp_ok($slots, '<', 8, 'not all of max_worker_processes is for jobs');
	value($locker, 'SELECT pg_advisory_unlock(1)');
	$locker->quit;
	value($session, 'SELECT pg_background_wait_v2(pid, cookie), pg_background_detach_v2(pid, cookie) FROM all_slots');
	ok(until_true(sub { idle_workers($node) == $slots }), 'idle workers take all slots');
	my $from = time;
	idle_in($node, 'target');
	cmp_ok(time - $from, '<', $prompt, sprintf('a job in another database gets one of the slots, in %.3f s', time - $from));
	is(scalar(idle_workers($node)), $slots, 'an idle worker has made room for the job in another database');
}

# --- the extension ---

goes('DROP DATABASE target', idle_in($node, 'target'));
value($session, 'CREATE DATABASE target');
$node->safe_psql('target', q{CREATE EXTENSION pg_background VERSION '1.8'});
{
	my $pid = idle_in($node, 'target');
	$node->safe_psql('target', 'ALTER EXTENSION pg_background UPDATE');
	ok(until_true(sub { is_gone($pid) }), 'ALTER EXTENSION UPDATE: the idle worker has gone');
	is($node->safe_psql('target', q{SELECT extversion FROM pg_extension WHERE extname = 'pg_background'}), '3.0', 'the extension is the new one');
	$pid = idle_in($node, 'target');
	$node->safe_psql('target', 'DROP EXTENSION pg_background');
	ok(until_true(sub { is_gone($pid) }), 'DROP EXTENSION: the idle worker has gone');
}
value($session, 'DROP DATABASE target');
value($session, 'DROP TABLESPACE elsewhere');
$session->quit;
nothing_left($node, 'databases, roles and the extension');

# --- a standby ---

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', "max_worker_processes = 16\n");
$standby->start;
$standby->{registry} = 'preloaded';
Jobs::at_rest($standby);
{
	my $pid = idle_in($standby, 'postgres');
	is(idle_in($standby, 'postgres'), $pid, 'jobs on a standby are warm');
	$node->safe_psql('postgres', 'CREATE DATABASE target');
	$node->safe_psql('target', 'CREATE EXTENSION pg_background');
	$node->wait_for_catchup($standby, 'replay', $node->lsn('write'));
	my $in_target = idle_in($standby, 'target');
	$node->safe_psql('postgres', 'DROP DATABASE target');
	my $from = time;
	$node->wait_for_catchup($standby, 'replay', $node->lsn('write'));
	cmp_ok(time - $from, '<', $prompt, sprintf('a database is dropped on the standby, in %.3f s', time - $from));
	ok(until_true(sub { is_gone($in_target) }), 'the idle worker in a database dropped on the standby has gone');
}

# A snapshot or a lock of an idle worker would hold the recovery up.
$standby->append_conf('postgresql.conf', "max_standby_streaming_delay = -1\n");
$standby->reload;
$node->safe_psql('postgres', q{CREATE TABLE doomed AS SELECT generate_series(1, 10) AS id});
$node->wait_for_catchup($standby, 'replay', $node->lsn('write'));
is($standby->safe_psql('postgres', q{SELECT * FROM pg_background_result(pg_background_launch('SELECT count(*) FROM doomed')) AS (n int8)}), 10,
	'a job on the standby reads a table');
$node->safe_psql('postgres', 'DELETE FROM doomed');
$node->safe_psql('postgres', 'VACUUM doomed');
$node->safe_psql('postgres', 'DROP TABLE doomed');
$node->wait_for_catchup($standby, 'replay', $node->lsn('write'));
pass('a table is vacuumed and dropped on the standby while its reader is idle');

# The promotion.
{
	my $after = session($standby);
	my $pid = idle_in($standby, 'postgres');
	$standby->promote;
	is(job($after, q{INSERT INTO done VALUES (1, 'promoted'); SELECT pg_is_in_recovery()::text}), 'false', 'a job runs after the promotion');
	is($standby->safe_psql('postgres', q{SELECT count(*) FROM done WHERE note = 'promoted'}), 1, 'a job has written after the promotion');
	ok(until_true(sub { is_gone($pid) }), 'the worker from before the promotion has gone');
	$pid = idle_in($standby, 'postgres');
	is(idle_in($standby, 'postgres'), $pid, 'jobs after the promotion are warm');
	$after->quit;
}
nothing_left($standby, 'standby');
healthy($standby);
$standby->stop;

# --- a shutdown ---

for my $mode ('smart', 'fast', 'immediate')
{
	for my $busy (0, 1)
	{
		# a smart shutdown ends jobs, too, once there are no clients
		my $what = "$mode, with " . ($busy ? 'idle workers and a busy one' : 'idle workers');
		my @workers = (idle_in($node, 'postgres'));
		if ($busy)
		{
			my $pid = $node->safe_psql('postgres', q{SELECT pid FROM pg_background_submit_v2('SELECT pg_sleep(600)')});
			until_waits_for($node, $pid, 'PgSleep') or die 'the job does not run';
			push @workers, $pid;
			push @workers, idle_in($node, 'postgres');
		}
		my $offset = -s $node->logfile;
		my $from = time;
		$node->stop($mode);
		my $took = time - $from;
		cmp_ok($took, '<', 20, sprintf('%s: stops in %.1f s', $what, $took));
		is(scalar(grep { !is_gone($_) } @workers), 0, "$what: no worker is left");
		is(segments($node), 0, "$what: no segment is left") unless $mode eq 'immediate';
		if (!$busy && $mode ne 'immediate')
		{
			my $pids = join '|', @workers;
			ok(!$node->log_contains(qr/\[($pids)\] |PID ($pids)\)/, $offset), "$what: the workers leave no word in the log");
		}
		$node->start;
		is(scalar(idle_workers($node)), 0, "$what: after the start there is no worker");
		is(Jobs::look($node, 'SELECT count(*) FROM pg_stat_background'), 0, "$what: after the start there is no job");
	}
}

# A smart shutdown waits for the clients only; they still have jobs, and warm ones.
{
	my $client = session($node);
	my $pid = idle_in($node, 'postgres');
	my $stopper = IPC::Run::start [ 'pg_ctl', '-D', $node->data_dir, '-m', 'smart', '-t', '120', 'stop' ], '>', '/dev/null',
	  IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default);
	ok($node->wait_for_log(qr/received smart shutdown request/), 'smart, with a client: the shutdown is requested');
	is(job($client, 'SELECT 1::text'), 1, 'smart, with a client: jobs run');
	my $from = time;
	$client->quit;
	$stopper->finish;
	cmp_ok(time - $from, '<', 20, sprintf('smart, with a client: ends when it has gone, in %.1f s', time - $from));
	$node->_update_pid(0);
	ok(is_gone($pid), 'smart, with a client: no worker is left');
}
$node->start;
nothing_left($node, 'in the end');
healthy($node);

# --- without preloading ---

# Sessions that have not loaded the library cannot dismiss an idle worker: it leaves soon enough by itself.
SKIP: {
	skip 'no registry without preloading before 17', 4 if $node->pg_version < 17;

	my $unaware = server('unaware', preload => 0, conf => $conf);
	my $in = session($unaware);
	value($in, 'CREATE DATABASE target');
	$unaware->safe_psql('target', 'CREATE EXTENSION pg_background');
	my $pid = $unaware->safe_psql('target', job_sql('SELECT pg_backend_pid()::text'));
	is($unaware->safe_psql('target', job_sql('SELECT pg_backend_pid()::text')), $pid, 'not preloaded: jobs are warm');
	goes('DROP DATABASE target', $pid, $in);
	$in->quit;
	$unaware->stop;
}
done_testing();
