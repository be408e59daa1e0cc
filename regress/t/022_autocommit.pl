# Jobs with autocommit that are stopped, terminated or timed out in the middle: what was committed stays, the rest is gone.  What others
# see of their statements: notifications, the log, the views.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = server('autocommit', conf => <<'END');
max_prepared_transactions = 2
lc_messages = 'C'
log_line_prefix = '%m [%p] %b '
END
my $session = session($node);
my $other = session($node);

# start(SQL): launches an autocommit job, whose handle is in the session's variables then; returns the worker's pid
sub start
{
	my ($sql) = @_;
	value($session, "SELECT pid, cookie FROM pg_background_start(\$job\$$sql\$job\$, autocommit => true) \\gset");
	return value($session, 'SELECT :pid');
}

# The state of the last job, once it has ended, and what it has left in the table, which is empty afterwards.
sub outcome
{
	value($session, 'SELECT pg_background_wait_v2(:pid, :cookie)');
	my $state = value($session, 'SELECT state FROM jobs WHERE pid = :pid AND cookie = :cookie');
	return join ' ', $state, value($session, "WITH gone AS (DELETE FROM done RETURNING id) SELECT coalesce(string_agg(id::text, ' ' ORDER BY id), '') FROM gone");
}

sub message
{
	my ($out, $err) = ask($session, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (r text)');
	return $err;
}

sub logged
{
	my ($pid, $offset) = @_;
	return join "\n", grep { /\[$pid\]|^\t/ } split /\n/, slurp_file($node->logfile, $offset);
}

# --- stopped in the middle ---

my $long = 'INSERT INTO done VALUES (1); INSERT INTO done VALUES (2); SELECT pg_sleep(600); INSERT INTO done VALUES (3)';
my $block = 'INSERT INTO done VALUES (1); BEGIN; INSERT INTO done VALUES (2); SELECT pg_sleep(600); COMMIT';

my $pid = start($long);
until_waits_for($node, $pid, 'PgSleep');
is($node->safe_psql('postgres', 'SELECT count(*) FROM done'), 2, 'what is committed is seen while the job runs');
value($session, 'SELECT pg_background_cancel_v2(:pid, :cookie)');
is(outcome(), 'canceled 1 2', 'a cancel leaves what was committed');
like(message(), qr/ERROR:  57014: canceling statement due to user request/, 'a cancelled job has the error of a cancel');

until_waits_for($node, start($block), 'PgSleep');
value($session, 'SELECT pg_background_cancel_v2(:pid, :cookie)');
is(outcome(), 'canceled 1', 'a cancel rolls a transaction block back');

$pid = start('INSERT INTO done VALUES (1); DO $$BEGIN INSERT INTO done VALUES (2); PERFORM pg_sleep(600); EXCEPTION WHEN query_canceled THEN NULL; END$$; INSERT INTO done VALUES (3)');
until_waits_for($node, $pid, 'PgSleep');
value($session, 'SELECT pg_background_cancel_v2(:pid, :cookie)');
is(outcome(), 'canceled 1', 'a statement that traps the cancel is rolled back');

$pid = start('INSERT INTO done VALUES (1); SELECT pg_sleep(2); INSERT INTO done VALUES (2)');
until_waits_for($node, $pid, 'PgSleep');
my $before = time;
value($session, 'SELECT pg_background_cancel_v2_grace(:pid, :cookie, 60000)');
is(outcome(), 'canceled 1', 'a cancel with a grace ends the job after its statement');
cmp_ok(time - $before, '<', 30, 'the job ends before the grace does');

$pid = start('BEGIN; INSERT INTO done VALUES (1); SELECT pg_sleep(1); COMMIT; INSERT INTO done VALUES (2)');
until_waits_for($node, $pid, 'PgSleep');
value($session, 'SELECT pg_background_cancel_v2_grace(:pid, :cookie, 60000)');
is(outcome(), 'canceled ', 'a cancel with a grace does not wait for the end of a transaction block');

until_waits_for($node, start($long), 'PgSleep');
value($other, "SELECT pg_cancel_backend(" . value($session, 'SELECT :pid') . ')');
is(outcome(), 'error 1 2', 'pg_cancel_backend leaves what was committed');

$pid = start($block);
until_waits_for($node, $pid, 'PgSleep');
value($other, "SELECT pg_terminate_backend($pid)");
is(outcome(), 'error 1', 'a termination leaves what was committed');
like(message(), qr/ERROR:  57P01: terminating /, 'a terminated job has the error of a termination');

$pid = start("SET statement_timeout = '100ms'; $long");
is(outcome(), 'error 1 2', 'statement_timeout ends a statement of the job');
like(message(), qr/statement timeout/, 'a statement that ran too long is the error');

SKIP: {
	skip 'no transaction_timeout', 3 if $node->pg_version < 17;

	start("SET transaction_timeout = '1s'; INSERT INTO done VALUES (1); SELECT pg_sleep(0.6); SELECT pg_sleep(0.6); INSERT INTO done VALUES (2);"
		  . ' BEGIN; INSERT INTO done VALUES (3); SELECT pg_sleep(600); COMMIT');
	is(outcome(), 'error 1 2', 'transaction_timeout bounds each transaction');
	like(message(), qr/ERROR:  25P04: terminating connection due to transaction timeout/, 'a transaction that ran too long is the error');
	start("SET transaction_timeout = '1s'; INSERT INTO done VALUES (1)");
	is(outcome(), 'stopped 1', 'a job after that is well');
}

# --- prepared transactions ---

start("BEGIN; INSERT INTO done VALUES (1); PREPARE TRANSACTION 'one'; BEGIN; INSERT INTO done VALUES (2); PREPARE TRANSACTION 'two';"
	  . " COMMIT PREPARED 'one'; ROLLBACK PREPARED 'two'; INSERT INTO done VALUES (3)");
is(outcome(), 'stopped 1 3', 'a job prepares transactions, and ends them');
start("BEGIN; INSERT INTO done VALUES (4); PREPARE TRANSACTION 'left'; SELECT pg_sleep(600)");
until_waits_for($node, value($session, 'SELECT :pid'), 'PgSleep');
value($session, 'SELECT pg_background_cancel_v2(:pid, :cookie)');
is(outcome(), 'canceled ', 'a prepared transaction is not committed by the end of the job');
start("COMMIT PREPARED 'left'");
is(outcome(), 'stopped 4', 'another job commits it');

# --- notifications ---

value($other, 'LISTEN news');
$pid = start("NOTIFY news, 'first'; BEGIN; NOTIFY news, 'second'; ROLLBACK; BEGIN; NOTIFY news, 'third'; NOTIFY news, 'third'; COMMIT;"
	  . " SELECT pg_sleep(600); NOTIFY news, 'last'");
until_waits_for($node, $pid, 'PgSleep');
my $heard = '';
until_true(sub { $heard .= $other->query('SELECT 1'); $heard =~ /third/ });
is(join(' ', $heard =~ /payload "(\w+)"/g), 'first third', 'a notification is delivered when its transaction commits');
value($session, 'SELECT pg_background_cancel_v2(:pid, :cookie)');
is(outcome(), 'canceled ', 'a job without effect on the table has none');
value($other, 'UNLISTEN news');

# --- what others see ---

$pid = start("/* it's */ INSERT INTO done\nVALUES (1);\n\n-- now; wait\nSELECT pg_sleep(600), 2;  SELECT 3");
until_waits_for($node, $pid, 'PgSleep');
is($node->safe_psql('postgres', "SELECT query FROM pg_stat_activity WHERE pid = $pid"), "-- now; wait\nSELECT pg_sleep(600), 2;", 'pg_stat_activity shows the statement');
SKIP: {
	skip 'no registry', 2 unless $node->{registry};
	is($node->safe_psql('postgres', "SELECT statement, statements IS NULL, command FROM pg_stat_background WHERE pid = $pid"), '2|t|SELECT',
		'the view shows which statement runs; how many there are is not known yet');
	value($session, 'SELECT pg_background_cancel_v2(:pid, :cookie)');
	outcome();
	$pid = start('SELECT 1; SELECT pg_sleep(600);');
	until_waits_for($node, $pid, 'PgSleep');
	is($node->safe_psql('postgres', "SELECT statement, statements, command FROM pg_stat_background WHERE pid = $pid"), '2|2|SELECT',
		'the view shows how many statements there are when the last one runs');
}
value($session, 'SELECT pg_background_cancel_v2(:pid, :cookie)');
outcome();

value($session, "SET log_statement = 'all'; SET log_min_duration_statement = 0");
my $offset = -s $node->logfile;
$pid = start("INSERT INTO done VALUES (1);\n /* second */ BEGIN; COMMIT; SELECT nothing; SELECT 1");
outcome();
value($session, 'RESET log_statement; RESET log_min_duration_statement');
my $lines = logged($pid, $offset);
is(join("\n", map { s/ ms.*//r =~ s/duration: [\d.]+/duration/r } $lines =~ /LOG:  (.*)/g), <<'END' =~ s/\n$//r, 'each statement is logged as a session logs it');
statement: INSERT INTO done VALUES (1);
duration
statement: /* second */ BEGIN;
duration
statement: COMMIT;
duration
statement: SELECT nothing;
END
like($lines, qr/ERROR:  column "nothing" does not exist at character 8\n.*STATEMENT:  SELECT nothing;/s, 'an error is logged with its statement');

# --- the configuration, read again between two statements ---

$pid = start("ALTER SYSTEM SET work_mem = '1234kB'; SELECT pg_reload_conf(); DO \$\$BEGIN FOR i IN 1..100 LOOP PERFORM pg_sleep(0.02); END LOOP; END\$\$;"
	  . " INSERT INTO done SELECT pg_size_bytes(current_setting('work_mem')) / 1024; ALTER SYSTEM RESET work_mem; SELECT pg_reload_conf()");
is(outcome(), 'stopped 1234', 'a job sees a changed configuration file from its next statement on');
SKIP: {
	skip 'no registry', 1 unless $node->{registry};
	ok($node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)"),
		'a worker that has read the configuration in a job serves no other');
}

$_->quit foreach $session, $other;
nothing_left($node, 'in the end');
healthy($node);
done_testing();
