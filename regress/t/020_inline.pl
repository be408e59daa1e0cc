# pg_background.on_exhaustion = inline, for each of the errors that say that there is no worker; and not for others.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = server('inline', conf => "max_worker_processes = 3\nmax_logical_replication_workers = 0\npg_background.max_jobs = 8\n");
my $session = session($node);
my $other = session($node);

# Keeps a place until it is stopped.
sub hold
{
	my ($in) = @_;
	value($in, q{SELECT pid, cookie FROM pg_background_start('SELECT pg_sleep(600)') \gset});
	my $pid = value($in, 'SELECT :pid');
	until_waits_for($node, $pid, 'PgSleep') or die 'the holder does not run';
	return;
}

sub release_all
{
	for my $in ($session, $other)
	{
		value($in, q{SELECT pg_background_stop_all(), pg_background_forget_all()});
	}
	settle($node);
	return;
}

# An audit row that is written while there is no worker, in a transaction that is rolled back (it goes) or committed (it stays).
sub is_inline
{
	my ($what, $detail) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	my ($out, $err) = ask($session, q{SELECT pg_background_exec('INSERT INTO done VALUES (1, ''inline'')')});
	like($err, qr/WARNING:  01000: no background worker can be had: running in the caller's transaction\n.*DETAIL:  $detail/, "$what: there is a warning");
	is($out, 'INSERT 0 1', "$what: the SQL has run");
	is(value($session, 'SELECT * FROM pg_background_query($$SELECT pg_backend_pid() = ' . value($session, 'SELECT pg_backend_pid()') . '$$) AS (here bool)'),
		't', "$what: the query runs in the session");
	value($session, 'BEGIN');
	ask($session, q{SELECT pg_background_exec('INSERT INTO done VALUES (2, ''rolled back'')')});
	value($session, 'ROLLBACK');
	is(value($session, 'SELECT count(*), min(note) FROM done'), '1|inline', "$what: a rollback takes what was inline");
	($out, $err) = ask($session, q{SET pg_background.on_exhaustion = error; SELECT pg_background_exec('SELECT 1')});
	like($err, qr/ERROR:  53[04]00/, "$what: without inline it is an error");
	value($session, q{TRUNCATE done; SET pg_background.on_exhaustion = inline});
	return;
}

value($session, q{SET pg_background.on_exhaustion = inline});

# --- processes ---

value($other, 'SET pg_background.max_workers = 100');
hold($other) for 1 .. 3;
is_inline('max_worker_processes', 'could not register background process');
my $began = time;
value($session, q{SET pg_background.launch_timeout = '2s'});
ask($session, q{SELECT pg_background_exec('SELECT 1')});
# without a registry it waits for a second, whatever the timeout
cmp_ok(time - $began, '>=', $node->{registry} ? 2 : 1, 'a launch waits for its timeout before it is inline');
value($session, 'RESET pg_background.launch_timeout');
release_all();

# --- quotas, and the session's limit ---

if ($node->{registry})
{
	hold($other);
	setting($node, 'pg_background.max_workers_total', 1);
	is_inline('max_workers_total', 'too many background jobs: 1 job runs, and pg_background.max_workers_total is 1');
	setting($node, 'pg_background.max_workers_total', 0);
	release_all();
}
value($session, 'SET pg_background.max_workers = 1');
hold($session);
is_inline('max_workers', 'too many background workers: This session tracks 1 jobs');
value($session, 'RESET pg_background.max_workers');
release_all();

# --- the rows are given to the caller once the query has ended ---

SKIP:
{
	skip 'needs a library with points', 4 if !$ENV{PGBG_POINTS};
	my $backend = value($session, q{SET work_mem = '1MB'; SET log_temp_files = 0; SET pg_background.max_workers = 1; SELECT pg_backend_pid()});
	hold($session);
	my $offset = -s $node->logfile;
	arm($node, 'inline-copy', 'hold');
	$session->{stderr} = '';
	$session->query_until(qr/begun/, "\\echo begun\n" . q{SELECT count(*) FROM pg_background_query($$SELECT repeat('x', 1000) FROM generate_series(1, 50000)$$) AS (x text);} . "\n\\warn answered\n");
	ok(until_held($node, 'inline-copy', $backend), 'a query has run inline, its rows are kept');
	is($node->safe_psql('postgres', "SELECT pg_cancel_backend($backend)"), 't', 'it is canceled');
	disarm($node, 'inline-copy');
	pump_until($session->{run}, $session->{timeout}, \$session->{stderr}, qr/answered/);
	like($session->{stderr}, qr/ERROR:  57014: canceling statement due to user request/, 'a cancel ends it');
	# those that were kept are in a file of 50 MB; a copy to its end would be in another
	my @large = grep { $_ > 25_000_000 } slurp_file($node->logfile, $offset) =~ /temporary file: path .* size (\d+)/g;
	is(scalar @large, 1, 'a cancel ends it before the rows are copied');
	value($session, 'RESET ALL; SET pg_background.on_exhaustion = inline');
	release_all();
}

# --- a worker that does not start, and what is no exhaustion ---

SKIP:
{
	skip 'needs a library with points, and a registry', 3 if !$ENV{PGBG_POINTS} || !$node->{registry};
	arm($node, 'attach', 'error');
	my ($out, $err) = ask($session, q{SELECT pg_background_exec('SELECT 1')});
	disarm($node, 'attach');
	unlike($err, qr/WARNING/, 'a job that has failed is not run again inline');
	without_idle($node);
	arm($node, 'cold-wait', 'error');
	($out, $err) = ask($session, q{SELECT pg_background_exec('SELECT 1')});
	disarm($node, 'cold-wait');
	like($err, qr/ERROR:  53200/, 'an error that is no exhaustion stays');
	unlike($err, qr/WARNING/, 'an error that is no exhaustion is not followed by a run inline');
}
my ($out, $err) = ask($session, q{SELECT pg_background_exec('DO $$BEGIN RAISE insufficient_resources; END$$')});
like($err, qr/ERROR:  53000/, "a job's own error of that class stays");
unlike($err, qr/WARNING/, "a job's own error of that class is not followed by a run inline");

is(job($session, 'SELECT 1::text'), 1, 'with a worker it is a job again');
$_->quit for $session, $other;
nothing_left($node, 'in the end');
healthy($node);
$node->stop;
done_testing();
