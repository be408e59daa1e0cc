# pg_background.enabled: off refuses each launch, also one that waits, sends idle workers away, and lets jobs that run end.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = server('door', conf => <<'END');
restart_after_crash = on
pg_background.idle_timeout = '10min'
max_worker_processes = 4
max_logical_replication_workers = 0
END
my $preloaded = $node->{registry} eq 'preloaded';
my $session = session($node);
my $disabled = '53400 background jobs are disabled';

# What comes of a command: an error, or "fine".
value($session, <<'END');
CREATE TABLE outcome (who text, what text);
CREATE FUNCTION attempt(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE command;
  RETURN 'fine';
EXCEPTION WHEN OTHERS THEN
  RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
END

sub enabled { return setting($node, 'pg_background.enabled', $_[0]) }
sub attempt { return value($session, "SELECT attempt(\$sql\$$_[0]\$sql\$)") }
sub outcome { return Jobs::look($node, "SELECT what FROM outcome WHERE who = '$_[0]'") }

# A session that waits in a launch, and notes what comes of it.
sub waits
{
	my ($who, $settings, $launch) = @_;
	my $waiter = session($node);
	my $pid = value($waiter, "SET pg_background.launch_timeout = '1h'; $settings SELECT pg_backend_pid()");
	$waiter->query_until(qr/begun/, "\\echo begun\nINSERT INTO outcome SELECT '$who', attempt(\$sql\$$launch\$sql\$);\n");
	until_waits_for($node, $pid, 'PgBackgroundLaunch', 'Extension') or die "$who does not wait";
	return $waiter;
}

# --- the door closes while jobs run and launches wait ---

value($session, 'SELECT pg_advisory_lock(1)');
my $launcher = session($node);
launch($launcher, "SELECT pg_advisory_xact_lock_shared(1); INSERT INTO done VALUES (1, 'ran on')");
# This job launches one once the door is closed.
launch($launcher, "SELECT pg_advisory_xact_lock_shared(1); INSERT INTO outcome SELECT 'nested', attempt('SELECT pg_background_submit_v2(''SELECT 1'')')");
until_true(sub { Jobs::look($node, q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted}) == 2 }) or die 'the jobs do not run';
my @waiting;
SKIP: {
	skip 'launches wait for these only with a registry', 1 unless $node->{registry};

	push @waiting, waits('for a quota', 'SET pg_background.max_workers_per_role = 1;', q{SELECT pg_background_launch('SELECT 1')});
	# Two jobs run, and two more take the last processes.
	launch($launcher, 'SELECT pg_advisory_xact_lock_shared(1)') for 1 .. 2;
	push @waiting, waits('for a process', '', q{SELECT pg_background_exec('SELECT 1')});
	is(outcome('for a quota') . outcome('for a process'), '', 'two launches wait');
}
# This one needs no process: its session tracks as many jobs as it may.
my $full = session($node);
value($full, 'SET pg_background.max_workers = 1');
SKIP: {
	skip 'no process is left', 1 if $node->{registry};
	value($full, q{SELECT pg_background_submit_v2('SELECT pg_advisory_xact_lock_shared(1)')});
}

enabled('off');
if ($node->{registry})
{
	# Where the postmaster cannot tell those that wait, a look at the jobs does.
	Jobs::look($node, 'SELECT count(*) FROM pg_stat_background');
	ok(until_true(sub { outcome($_) eq $disabled }), "a launch that waits $_ is refused") for 'for a quota', 'for a process';
}
is(attempt($_), $disabled, "$_ is refused")
  for q{SELECT pg_background_launch('SELECT 1')}, q{SELECT pg_background_launch_v2('SELECT 1')}, q{SELECT pg_background_submit_v2('SELECT 1')},
  q{SELECT pg_background_start('SELECT 1')}, q{SELECT pg_background_exec('SELECT 1')},
  q{SELECT * FROM pg_background_query('SELECT 1') AS (n int)}, q{SELECT pg_background_query_json('SELECT 1')};
value($session, 'SET pg_background.on_exhaustion = inline');
is(attempt(q{SELECT pg_background_exec('SELECT 1')}), $disabled, 'on_exhaustion is for launches that find no room, not for a closed door');
value($session, "RESET pg_background.on_exhaustion; SET pg_background.launch_timeout = '1h'");
is(attempt(q{SELECT pg_background_exec('SELECT 1')}), $disabled, 'launch_timeout does not wait for the door');
my (undef, $err) = ask($session, q{SELECT pg_background_exec('SELECT 1')});
like($err, qr/HINT:  Jobs can be launched when the configuration has set pg_background\.enabled to on\./, 'the hint names the setting');
($_, $err) = ask($session, 'SET pg_background.enabled = on');
like($err, qr/parameter "pg_background.enabled" cannot be changed now/, 'no session opens the door for itself');

# The jobs that run come to their end, and no worker stays.
is(Jobs::look($node, q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_background'}), $node->{registry} ? 4 : 3, 'jobs that run are let run');
value($session, 'SELECT pg_advisory_unlock(1)');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM done WHERE note = 'ran on'}), 'a job that runs commits');
ok(until_true(sub { outcome('nested') ne '' }), 'a job that launches another runs');
SKIP: {
	skip 'without a registry a job that runs does not know', 1 unless $preloaded;
	is(outcome('nested'), $disabled, 'what a job launches is refused');
}
ok(until_true(sub { Jobs::look($node, q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_background'}) == 0 }), 'no worker stays');
$_->quit for @waiting;

# --- it opens again ---

enabled('on');
is(attempt(q{SELECT pg_background_exec('SELECT 1')}), 'fine', 'a job is launched when the door is open');
value($launcher, 'SELECT pg_background_forget_all()');

# --- idle workers leave ---

SKIP: {
	skip 'without a registry no worker is idle', 1 unless $preloaded;

	my @idle = idle_workers($node);
	cmp_ok(scalar @idle, '>', 0, 'a worker is idle');
	enabled('off');
	ok(until_true(sub { !grep { !is_gone($_) } @idle }), 'an idle worker leaves');
	enabled('on');
}

# --- a session in the midst of a statement ---

SKIP: {
	skip 'only the postmaster can tell', 1 unless $preloaded;

	my $looping = session($node);
	value($session, 'SELECT pg_advisory_lock(2)');
	$looping->query_until(qr/begun/, <<'END');
\echo begun
DO $$
BEGIN
  INSERT INTO outcome SELECT 'before', attempt('SELECT pg_background_exec(''SELECT 1'')');
  COMMIT;
  PERFORM pg_advisory_lock(2);
  INSERT INTO outcome SELECT 'after', attempt('SELECT pg_background_exec(''SELECT 1'')');
  COMMIT;
  PERFORM pg_advisory_lock(3);
  INSERT INTO outcome SELECT 'again', attempt('SELECT pg_background_exec(''SELECT 1'')');
END $$;
END
	value($session, 'SELECT pg_advisory_lock(3)');
	ok(until_true(sub { outcome('before') eq 'fine' }), 'a statement launches as long as the door is open');
	enabled('off');
	value($session, 'SELECT pg_advisory_unlock(2)');
	ok(until_true(sub { outcome('after') eq $disabled }), 'the same statement is refused when it is closed');
	enabled('on');
	value($session, 'SELECT pg_advisory_unlock(3)');
	ok(until_true(sub { outcome('again') eq 'fine' }), 'the same statement launches when it is open again');
	$looping->quit;
}

# --- a launch that waits for its session's limit ---

value($full, q{SELECT pg_background_forget_all(); SELECT pg_background_submit_v2('SELECT pg_sleep(600)')});
$full->query_until(qr/begun/, <<'END');
\echo begun
SET pg_background.launch_timeout = '1h';
INSERT INTO outcome SELECT 'full', attempt('SELECT pg_background_submit_v2(''SELECT 1'')');
END
ok(until_true(sub { Jobs::look($node, q{SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%''full''%' AND wait_event IN ('PgBackgroundLaunch', 'Extension')}) == 1 }), 'a launch waits for the limit of its session');
enabled('off');
SKIP: {
	skip 'without a registry a session that waits does not know', 1 unless $preloaded;
	ok(until_true(sub { outcome('full') eq $disabled }), 'a launch that waits for the limit of its session is refused');
}
value($session, q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_background'});
ok(until_true(sub { outcome('full') =~ /^(fine|53400 background jobs are disabled)$/ }), 'the launch has come to an end');

# --- a server that starts with a closed door ---

$_->quit for $session, $launcher, $full;
$node->restart;
$session = session($node);
is(attempt(q{SELECT pg_background_exec('SELECT 1')}), $disabled, 'a server starts with the door closed');
enabled('on');
is(attempt(q{SELECT pg_background_exec('SELECT 1')}), 'fine', 'it opens as always');
$session->quit;
nothing_left($node, 'in the end');
healthy($node);
done_testing();
