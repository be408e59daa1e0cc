# Jobs on a hot standby: they read, they cannot write, and they live through a promotion.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = server('primary', init => { allows_streaming => 1 });
$primary->safe_psql('postgres', q{INSERT INTO done SELECT g, 'base' FROM generate_series(1, 100) AS g; CREATE TABLE doomed (id int)});
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', "max_standby_streaming_delay = 0\n");
$standby->start;

my $session = session($standby);
my $watcher = session($standby);
value($session, 'SELECT count(*) FROM done');
$standby->{registry} = $primary->{registry};
Jobs::at_rest($standby);
my ($out, $err);

# --- reading ---

is(value($session, 'SELECT pg_is_in_recovery()'), 't', 'the session is on a standby');
is(value($session, q{SELECT * FROM pg_background_result(pg_background_launch('SELECT count(*), pg_is_in_recovery() FROM done')) AS (n int8, r bool)}),
	'100|t', 'a job reads on a standby');
launch($session, 'SELECT id FROM done ORDER BY id');
value($session, 'SELECT pg_background_wait_v2(:pid, :cookie)');
is(value($session, 'SELECT sum(id) FROM pg_background_result_v2(:pid, :cookie) AS (id int)'), 5050, 'a job on a standby is waited for and then read');
value($session, q{SELECT pid, cookie FROM pg_background_submit_v2('SELECT 1') \gset});
value($session, 'SELECT pg_background_wait_v2(:pid, :cookie)');
is(value($session, 'SELECT state FROM jobs'), 'stopped', 'a submitted job on a standby ends well');
value($session, 'SELECT pg_background_detach_v2(:pid, :cookie)');
launch($session, 'SELECT pg_sleep(600)');
value($session, 'SELECT pg_background_cancel_v2(:pid, :cookie), pg_background_wait_v2(:pid, :cookie)');
is(value($session, 'SELECT state FROM jobs'), 'canceled', 'a job on a standby can be cancelled');
value($session, 'SELECT pg_background_detach_v2(:pid, :cookie)');

# What a job on the primary commits arrives.
$primary->safe_psql('postgres',
	q{SELECT * FROM pg_background_result(pg_background_launch($$INSERT INTO done VALUES (101, 'job')$$)) AS (tag text)});
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
is(value($session, q{SELECT * FROM pg_background_result(pg_background_launch('SELECT count(*) FROM done')) AS (n int8)}), 101,
	"a job sees what the primary's job wrote");

# --- writing ---

for my $sql (q{INSERT INTO done VALUES (0, 'standby')}, 'CREATE TABLE t (id int)', 'SET default_transaction_read_only = off; DELETE FROM done')
{
	launch($session, $sql);
	value($session, 'SELECT pg_background_wait_v2(:pid, :cookie)');
	is(value($session, 'SELECT state FROM jobs'), 'error', "$sql: a job that writes on a standby is an error");
	($out, $err) = ask($session, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (tag text)');
	like($err, qr/ERROR:  25006: cannot execute [A-Z ]+ in a read-only transaction/, "$sql: the error is the server's own");
}

($out, $err) = ask($session, q{SELECT pg_background_start('SELECT 1', notify => 'ends')});
like($err, qr/ERROR:  25006: cannot execute NOTIFY during recovery/, 'a launch that would notify is refused on a standby');

# --- in the way of the recovery ---

my $pid = launch($session, 'SELECT count(*) FROM doomed; SELECT pg_sleep(600)');
ok(until_waits_for($standby, $pid, 'PgSleep'), 'a job on a standby holds a lock');
$primary->safe_psql('postgres', 'DROP TABLE doomed');
value($session, 'SELECT pg_background_wait_v2(:pid, :cookie)');
($out, $err) = ask($session, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (x text)');
like($err, qr/ERROR:  40001: canceling statement due to conflict with recovery/, 'a conflict with the recovery is the error of the job in its way');

# --- a promotion ---

value($watcher, 'SELECT pg_advisory_lock(1)');
$pid = launch($session, 'SELECT pg_is_in_recovery() AS before, pg_advisory_xact_lock(1)::text AS between, pg_is_in_recovery() AS after');
ok(until_waits_for($standby, $pid, 'advisory'), 'a job runs before the promotion');
$standby->promote;
is(value($session, 'SELECT state FROM jobs'), 'running', 'a job runs on after the promotion');
is(value($session, q{SELECT * FROM pg_background_result(pg_background_launch($$INSERT INTO done VALUES (0, 'promoted')$$)) AS (tag text)}),
	'INSERT 0 1', 'a new job writes after the promotion');
value($watcher, 'SELECT pg_advisory_unlock(1)');
is(value($session, 'SELECT before, after FROM pg_background_result_v2(:pid, :cookie) AS (before bool, between text, after bool)'), 't|f',
	'the job from before the promotion ends well');

$session->quit;
$watcher->quit;
nothing_left($standby, 'standby');
healthy($standby);
nothing_left($primary, 'primary');
done_testing();
