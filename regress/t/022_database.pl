# Jobs in another database: what is done to that database meanwhile, workers that stay there, limits, and rights that come and go.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = server('database', conf => "pg_background.idle_timeout = '10min'\npg_background.max_idle_workers = 8\n");
my $registry = $node->{registry};
my $session = session($node);
# Without preloading, only sessions that have used the library dismiss idle workers.
my $prompt = 4;

sub look { return Jobs::look($node, $_[0]) }

# A query that runs the job in that database and returns its only column, a text.
sub there_sql
{
	my ($sql, $database) = @_;
	$database //= 'other';
	return "SELECT x FROM pg_background_start(\$job\$$sql\$job\$, database => '$database') h,"
	  . ' pg_background_result_v2(h.pid, h.cookie) AS (x text)';
}

sub there { return value($session, there_sql(@_)) }
sub error_there { return (ask($session, there_sql(@_)))[1] }

# Launches a job there; its handle is in the session's variables.
sub start_there
{
	my ($in, $sql) = @_;
	value($in, "SELECT pid, cookie FROM pg_background_start(\$job\$$sql\$job\$, database => 'other') \\gset");
	return value($in, 'SELECT :pid');
}

my $read = 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (x text)';

value($session, 'CREATE DATABASE other');
is(there('SELECT current_database()::text'), 'other', 'a job runs in another database');

# --- idle workers there ---

SKIP:
{
	skip 'no registry, no warm workers', 9 unless $registry eq 'preloaded';

	my $worker = there('SELECT pg_backend_pid()::text');
	ok(until_idle($node, $worker), 'the worker is idle');
	is(there('SELECT pg_backend_pid()::text'), $worker, 'the next job there gets the same worker');
	is(look("SELECT datname, state FROM pg_stat_background_workers WHERE pid = $worker") =~ s/busy/idle/r, 'other|idle', 'the view has it');
	isnt(job($session, 'SELECT pg_backend_pid()::text'), $worker, 'a job of this database does not');
	value($session, "SET work_mem = '5MB'");
	is(there(q{SELECT current_setting('work_mem') || ' ' || pg_backend_pid()}), "5MB $worker", 'nor is it new for other settings');
	value($session, 'RESET work_mem');
	is(there(q{SELECT current_setting('work_mem') || ' ' || pg_backend_pid()}), "4MB $worker", 'or for these again');

	# a change of the database's row
	value($session, 'ALTER DATABASE other OWNER TO CURRENT_USER; GRANT CONNECT ON DATABASE other TO CURRENT_USER');
	isnt(there('SELECT pg_backend_pid()::text'), $worker, 'after a GRANT on the database another one is taken');
	$worker = there('SELECT pg_backend_pid()::text');
	value($session, "ALTER DATABASE other SET work_mem = '6MB'");
	is(there(q{SELECT current_setting('work_mem')}), '6MB', 'a job has what ALTER DATABASE has set');
	ok(until_true(sub { is_gone($worker) }), 'the worker from before has gone');
	value($session, 'ALTER DATABASE other RESET work_mem');
}

# --- DROP DATABASE, RENAME ---

{
	there('SELECT 1::text');
	my $from = time;
	value($session, 'ALTER DATABASE other RENAME TO renamed');
	cmp_ok(time - $from, '<', $prompt, 'no worker is in the way of a new name');
	like(error_there('SELECT 1::text'), qr/ERROR:  3D000: database "other" does not exist/, 'the old name is none');
	is(there('SELECT current_database()::text', 'renamed'), 'renamed', 'the new name is one');
	value($session, 'ALTER DATABASE renamed RENAME TO other');

	there('SELECT 1::text');
	# an unread result holds nothing there
	start_there($session, 'SELECT repeat($$x$$, 100000)');
	value($session, 'SELECT pg_background_wait_v2(:pid, :cookie)');
	$from = time;
	value($session, 'DROP DATABASE other');
	cmp_ok(time - $from, '<', $prompt, 'no worker and no result is in the way of DROP DATABASE');
	is(length(value($session, $read)), 100000, 'the result is read afterwards');
	like(error_there('SELECT 1::text'), qr/ERROR:  3D000: database "other" does not exist/, 'the database has gone');
	value($session, 'CREATE DATABASE other');
	is(there('SELECT current_database()::text'), 'other', 'one of the same name has come');
}

# A job that runs is in the way like any session, and ends with FORCE.
{
	my $pid = start_there($session, 'SELECT pg_sleep(600)');
	ok(until_waits_for($node, $pid, 'PgSleep'), 'a job runs there');
	like((ask($session, 'DROP DATABASE other'))[1], qr/ERROR:  55006: database "other" is being accessed by other users/, 'a job that runs is in the way');
	value($session, 'DROP DATABASE other WITH (FORCE)');
	like((ask($session, $read))[1], qr/ERROR:  57P01: terminating background worker/, 'it is ended by FORCE');
	value($session, 'CREATE DATABASE other');
}

# --- rights ---

{
	value($session, 'CREATE ROLE someone LOGIN; GRANT pgbackground_role TO someone');
	my $in = session($node, extra => [ '-U', 'someone' ]);
	is(value($in, there_sql('SELECT session_user::text')), 'someone', 'a role with CONNECT runs a job there');
	value($session, 'REVOKE CONNECT ON DATABASE other FROM PUBLIC');
	like((ask($in, there_sql('SELECT 1::text')))[1],
		qr/ERROR:  42501: permission denied for database "other"\nDETAIL:  User does not have CONNECT privilege/, 'without, it does not');
	is(there('SELECT session_user::text'), look('SELECT current_user'), 'a superuser does');
	value($session, 'GRANT CONNECT ON DATABASE other TO someone');
	is(value($in, there_sql('SELECT session_user::text')), 'someone', 'with CONNECT again it does');
	value($session, 'ALTER DATABASE other ALLOW_CONNECTIONS false');
	like((ask($in, there_sql('SELECT 1::text')))[1],
		qr/ERROR:  55000: database "other" is not currently accepting connections/, 'a database without connections');
	like(error_there('SELECT 1::text'), qr/ERROR:  55000: database "other" is not currently accepting connections/, 'also for superusers');
	value($session, 'ALTER DATABASE other ALLOW_CONNECTIONS true');
	# as for other background workers
	value($session, 'ALTER DATABASE other CONNECTION LIMIT 0');
	is(value($in, there_sql('SELECT session_user::text')), 'someone', 'CONNECTION LIMIT does not count jobs');
	value($session, 'ALTER DATABASE other CONNECTION LIMIT -1');
	# what an interrupted DROP DATABASE leaves
	my $was = value($session, q{UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'other' RETURNING 'done'});
	like(error_there('SELECT 1::text'), qr/ERROR:  55000: cannot connect to invalid database "other"/, 'an invalid database');
	value($session, q{UPDATE pg_database SET datconnlimit = -1 WHERE datname = 'other'});
	$in->quit;
}

# --- limits and counters ---

SKIP:
{
	skip 'no registry', 4 unless $registry;

	my $before = totals($node, 'other', look('SELECT current_user'))->{launched} // 0;
	there('SELECT 1::text');
	is(totals($node, 'other', look('SELECT current_user'))->{launched}, $before + 1, 'the job counts in its database');
	setting($node, 'pg_background.max_workers_per_database', 1);
	my $pid = start_there($session, 'SELECT pg_sleep(600)');
	like(error_there('SELECT 1::text'),
		qr/53400: too many background jobs\nDETAIL:  1 job runs in database "other", and pg_background.max_workers_per_database is 1/,
		'it counts against the limit of its database');
	is(job($session, 'SELECT 1::text'), '1', 'not against that of the launcher');
	value($session, 'SELECT pg_background_cancel_v2(:pid, :cookie); SELECT pg_background_wait_v2(:pid, :cookie)');
	value($session, 'SELECT pg_background_detach_v2(:pid, :cookie)');
	setting($node, 'pg_background.max_workers_per_database', 0);
	is(there('SELECT 1::text'), '1', 'when it has ended there is room again');
}

# --- names and texts that are not UTF-8 ---

{
	my $with = q{TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C' ENCODING};
	value($session, "CREATE DATABASE utf8 $with 'UTF8'");
	value($session, "CREATE DATABASE latin1 $with 'LATIN1'");
	# the name is stored in the encoding of the database in which it is given
	$node->safe_psql('latin1', "SET client_encoding = 'LATIN1'; CREATE DATABASE caf\xe9 $with 'LATIN1'");
	my $there = sub {
		my (undef, $out, $err) = $node->psql("caf\xe9", "SET client_encoding = 'LATIN1'; $_[0]", on_error_stop => 0);
		return $out . $err;
	};
	is($there->("CREATE EXTENSION pg_background; CREATE TYPE \"t\xe9\" AS (a int)"), '', 'a database with such a name');
	is($there->(q{SELECT relname FROM pg_background_query('SELECT relname FROM pg_class WHERE oid = $1', ROW('pg_class'::regclass), database => current_database()) AS (relname name)}),
		'pg_class', 'a job in the same database that is named gets parameters as they are');
	like($there->("SELECT * FROM pg_background_query('SELECT ROW(1)::\"t\xe9\"') AS (a int)"), qr/Column 1 is of type "?t\xe9"?, but is declared as integer/,
		'errors have names as they are');
	like($there->("CREATE ROLE \"r\xe9\" SUPERUSER; SET ROLE \"r\xe9\"; SET pg_background.max_workers_per_role = 1;"
		  . " SELECT pg_background_launch('SELECT pg_sleep(600)'); SELECT pg_background_launch('SELECT 1'); SELECT pg_background_stop_all()"),
		$registry ? qr/too many background jobs\nDETAIL:  1 job runs for role "r\xe9", and/ : qr//, 'of roles, too');
	like($there->("SELECT pg_background_start('SELECT 1', database => 'utf8', notify => repeat(chr(233), 40))"),
		qr/ERROR:  channel name too long/, 'a channel is as long as it is in the other database');
	like($there->("SELECT pg_background_start('SELECT 1', database => 'utf8', notify => repeat(chr(233), 30))"), qr/^\(\d+,-?\d+\)$/, 'and no longer');
	until_slot_free($node) if $registry;
}

# --- between the look and the connection ---

SKIP:
{
	skip 'needs a library with points', 4 unless $ENV{PGBG_POINTS};

	my $in = session($node);
	without_idle($node);
	arm($node, 'attach', 'hold');
	$in->{stdin} .= there_sql('SELECT 1::text') . ";\n\\echo done\n";
	$in->{run}->pump_nb;
	my $pid = until_held($node, 'attach');
	value($session, 'DROP DATABASE other');
	disarm($node, 'attach');
	ok(until_true(sub { $in->{run}->pump_nb; $in->{stderr} =~ /ERROR/ }), 'the job ends');
	like($in->{stderr}, qr/ERROR:  3D000: database \d+ does not exist/, 'a database that was dropped in between: the error is the job\'s');
	ok(until_true(sub { is_gone($pid) }), 'its process ends');
	$in->{run}->kill_kill;
	value($session, 'CREATE DATABASE other');
	is(there('SELECT 1::text'), '1', 'the next one runs');
}

$session->quit;
nothing_left($node, 'jobs in another database');
healthy($node);
done_testing();
