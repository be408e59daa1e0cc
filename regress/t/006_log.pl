# A job in the server's log, in the statistics and in the process list: what ran, for whom, with and without preloading.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = server('log', preload => 0, conf => <<'END');
log_statement = all
log_min_duration_statement = 0
log_line_prefix = '%m [%p] %b '
END
my $pkglibdir = $node->config_data('--pkglibdir');
my ($session, $launcher, $out, $err);

# The log's lines of that process since the offset, when the pattern is among them.
sub logged
{
	my ($pid, $pattern, $offset) = @_;
	my $lines;
	until_true(sub {
			my $log = slurp_file($node->logfile, $offset);
			# a line of a message begins with the prefix, a line that goes on begins with a tab
			$lines = join "\n", grep { /\[$pid\] pg_background / .. !/\[$pid\] pg_background |^\t/ } split /\n/, $log;
			return $lines =~ $pattern;
		}, 15);
	return $lines;
}

# The line of a job's end, as the reference tells a program to read it.
my ($reference) = grep { -e } map { "$FindBin::RealBin/$_" } '../reference.md', '../../docs/reference.md';
my ($end_of_job) = slurp_file($reference) =~ /^(background job ended: cookie=\(\?<cookie>.*)$/m;
$end_of_job = qr/$end_of_job/;

for my $preload ('', 'pg_background')
{
	my $with = $preload ? 'preloaded' : 'not preloaded';

	if ($preload)
	{
		$node->append_conf('postgresql.conf', "shared_preload_libraries = '$preload'");
		$node->restart;
		$node->{registry} = 'preloaded';
		Jobs::at_rest($node);
	}
	$session = session($node);
	$launcher = value($session, 'SELECT pg_backend_pid()');

	# --- the log ---

	my $offset = -s $node->logfile;
	my ($pid, $cookie) = launch($session, 'SELECT 4711 AS logged');
	value($session, 'SELECT pg_background_wait_v2(:pid, :cookie), pg_background_detach_v2(:pid, :cookie)');
	my $lines = logged($pid, qr/duration: /, $offset);
	like($lines, qr/LOG:  statement: SELECT 4711 AS logged$/m, "$with: the statement is logged");
	like($lines, qr/LOG:  duration: [\d.]+ ms$/m, "$with: the statement's duration is logged");
	like($lines, qr/DETAIL:  pg_background job $cookie launched by process $launcher$/m, "$with: a logged duration says which job it is of");
	is(scalar(() = $lines =~ /4711/g), 1, "$with: the statement is logged once");

	value($session, 'SET log_statement = none');
	$offset = -s $node->logfile;
	($pid, $cookie) = launch($session, 'SELECT 4712 AS logged');
	value($session, 'SELECT pg_background_wait_v2(:pid, :cookie), pg_background_detach_v2(:pid, :cookie)');
	$lines = logged($pid, qr/duration: /, $offset);
	like($lines, qr/LOG:  duration: [\d.]+ ms  statement: SELECT 4712 AS logged$/m, "$with: the duration is logged with a statement that was not logged before");
	like($lines, qr/DETAIL:  pg_background job $cookie /, "$with: a duration with its statement says which job it is of");

	$offset = -s $node->logfile;
	value($session, 'SET log_min_duration_statement = -1');
	($pid, $cookie) = launch($session, 'SELECT 4713 / 0 AS logged');
	value($session, 'SELECT pg_background_wait_v2(:pid, :cookie), pg_background_detach_v2(:pid, :cookie)');
	$lines = logged($pid, qr/STATEMENT: /, $offset);
	like($lines, qr/ERROR:  division by zero/, "$with: the error of a job is logged");
	is(scalar(() = $lines =~ /division by zero/g), 1, "$with: the error of a job is logged once");
	like($lines, qr/pg_background job $cookie launched by process $launcher/, "$with: a logged error says which job it is of");
	like($lines, qr/STATEMENT:  SELECT 4713 \/ 0 AS logged/, "$with: a logged error has its statement");

	$offset = -s $node->logfile;
	($pid, $cookie) = launch($session, 'SELECT 4714 AS logged');
	value($session, 'SELECT pg_background_wait_v2(:pid, :cookie), pg_background_detach_v2(:pid, :cookie)');
	# When a later job's line is there, what is not there will not come.
	value($session, q{SET log_statement = 'all'});
	my ($next) = launch($session, 'SELECT 4715 AS logged');
	value($session, 'SELECT pg_background_wait_v2(:pid, :cookie), pg_background_detach_v2(:pid, :cookie)');
	like(logged($next, qr/4715/, $offset), qr/4715/, "$with: settings are the launcher's");
	unlike(slurp_file($node->logfile, $offset), qr/\[$pid\] pg_background .*4714/, "$with: a job that should not be logged is not");
	value($session, 'RESET ALL');

	# --- the line of a job's end ---

	value($session, 'SET pg_background.log_min_duration = 0');
	$offset = -s $node->logfile;
	value($session, q{SELECT (h).pid, (h).cookie FROM (SELECT pg_background_start('SELECT 4716 AS ended', label => E'a "b"\n c') AS h) s \gset});
	($pid, $cookie) = split /\|/, value($session, 'SELECT :pid, :cookie');
	value($session, 'SELECT pg_background_wait_v2(:pid, :cookie), pg_background_detach_v2(:pid, :cookie)');
	$lines = logged($pid, qr/Query: SELECT 4716/, $offset);
	like($lines, qr/^.*LOG:  $end_of_job$/m, "$with: the end of a job is logged, in the form of the reference");
	$lines =~ $end_of_job;
	my %end = %+;
	is(join('|', @end{qw(cookie state sqlstate user database label)}), "$cookie|stopped|00000|" . value($session, 'SELECT current_user') . '|postgres|a ""b""? c',
		"$with: the line of a job's end says which, how, and whose");
	cmp_ok($end{run_time}, '>', 0, "$with: the line of a job's end says how long it ran");
	cmp_ok($end{cpu_user} + $end{cpu_system}, '>', 0, "$with: the line of a job's end says what it has used");
	like($lines, qr/DETAIL:  Query: SELECT 4716 AS ended$/m, "$with: the line of a job's end has its text");
	is(scalar(() = $lines =~ /background job ended/g), 1, "$with: the end of a job is logged once");

	value($session, q{SET pg_background.log_min_duration = '1h'});
	$offset = -s $node->logfile;
	launch($session, 'SELECT 4717 AS short');
	value($session, 'SELECT pg_background_wait_v2(:pid, :cookie), pg_background_detach_v2(:pid, :cookie)');
	($pid, $cookie) = launch($session, 'SELECT 4718 / 0 AS failed');
	value($session, 'SELECT pg_background_wait_v2(:pid, :cookie), pg_background_detach_v2(:pid, :cookie)');
	like(logged($pid, qr/Query: SELECT 4718/, $offset), qr/ended: cookie=$cookie state=error sqlstate=22012 /, "$with: a job that fails is logged, however short");
	($pid, $cookie) = launch($session, 'SELECT 4719, pg_sleep(600)');
	until_waits_for($node, $pid, 'PgSleep');
	value($session, 'SELECT pg_background_cancel_v2(:pid, :cookie), pg_background_wait_v2(:pid, :cookie), pg_background_detach_v2(:pid, :cookie)');
	like(logged($pid, qr/Query: SELECT 4719/, $offset), qr/ended: cookie=$cookie state=canceled sqlstate=57014 /, "$with: a job that is canceled is logged");
	($pid, $cookie) = launch($session, 'SELECT 4720, pg_sleep(600)');
	until_waits_for($node, $pid, 'PgSleep');
	value($session, 'SELECT pg_terminate_backend(:pid), pg_background_wait_v2(:pid, :cookie), pg_background_detach_v2(:pid, :cookie)');
	$lines = logged($pid, qr/Query: SELECT 4720/, $offset);
	like($lines, qr/ended: cookie=$cookie state=error sqlstate=57P01 /, "$with: a job whose worker is terminated is logged");
	is(scalar(() = $lines =~ /ended: cookie=$cookie /g), 1, "$with: a job whose worker is terminated is logged once");
	unlike(slurp_file($node->logfile, $offset), qr/Query: SELECT 4717/, "$with: a job that ends well in time is not logged");
	value($session, 'SET pg_background.log_min_duration = -1');
	($pid) = launch($session, 'SELECT 4721 / 0 AS failed');
	value($session, 'SELECT pg_background_wait_v2(:pid, :cookie), pg_background_detach_v2(:pid, :cookie)');
	unlike(logged($pid, qr/STATEMENT:  SELECT 4721/, $offset), qr/Query: SELECT 4721/, "$with: no end is logged where that is off");
	value($session, 'RESET ALL');

	# --- the process list ---

	($pid, $cookie) = launch($session, '/* shown */ SELECT pg_sleep(600)');
	ok($node->poll_query_until('postgres', "SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = $pid"), "$with: a job to be shown runs");
	is($node->safe_psql('postgres', "SELECT backend_type, state, query, datname, usename = current_user FROM pg_stat_activity WHERE pid = $pid"),
		'pg_background|active|/* shown */ SELECT pg_sleep(600)|postgres|t', "$with: pg_stat_activity shows it");
	SKIP: {
		skip 'no /proc', 2 unless -r "/proc/$pid/cmdline";
		(my $title = slurp_file("/proc/$pid/cmdline")) =~ s/\0+$//;
		like($title, qr/pg_background for PID $launcher/, "$with: the process's title names the launcher");
		like($title, qr/SELECT/, "$with: the process's title says what the job does");
	}
	value($session, 'SELECT pg_background_cancel_v2(:pid, :cookie), pg_background_wait_v2(:pid, :cookie), pg_background_detach_v2(:pid, :cookie)');
	$session->quit;
	nothing_left($node, $with);
}

# --- statistics ---

SKIP: {
	skip 'no pg_stat_statements', 7 unless -e "$pkglibdir/pg_stat_statements.so" && -e $node->config_data('--sharedir') . '/extension/pg_stat_statements.control';

	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_stat_statements, pg_background'");
	$node->restart;
	$session = session($node);
	value($session, 'CREATE EXTENSION pg_stat_statements; SELECT pg_stat_statements_reset()');
	for my $i (1 .. 3)
	{
		launch($session, "SELECT g, $i AS stats FROM generate_series(1, 7) AS g");
		value($session, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (g int, stats int)');
	}
	launch($session, q{INSERT INTO done VALUES (1, 'stats'); UPDATE done SET id = 2 WHERE note = 'stats'});
	value($session, 'SELECT pg_background_wait_v2(:pid, :cookie)');
	is(value($session, q{SELECT calls, rows, toplevel FROM pg_stat_statements WHERE query = 'SELECT g, $1 AS stats FROM generate_series($2, $3) AS g'}),
		'3|21|t', "pg_stat_statements counts jobs' statements as it does a client's");
	is(value($session, q{SELECT calls, rows, toplevel FROM pg_stat_statements WHERE query LIKE 'INSERT INTO done VALUES (%)'}), '1|1|t',
		'pg_stat_statements counts the first statement of a job with several');
	is(value($session, q{SELECT calls, rows, toplevel FROM pg_stat_statements WHERE query LIKE 'UPDATE done%'}), '1|1|t', 'pg_stat_statements counts the second statement of a job apart');
	is(value($session, q{SELECT userid = current_user::regrole FROM pg_stat_statements WHERE query LIKE 'UPDATE done%'}), 't',
		"pg_stat_statements counts a job's statements as its launcher's");
	value($session, q{CREATE ROLE counted; SELECT grant_pg_background_privileges('counted')});
	my @pids = map {
		value($session, "SET ROLE $_");
		value($session, q{SELECT pid FROM pg_background_result(pg_background_launch('SELECT pg_backend_pid() AS attributed')) AS (pid int)});
	} qw(counted none);
	value($session, 'RESET ROLE');
	is($pids[0], $pids[1], 'jobs of two roles run in one worker');
	is(value($session, q{SELECT string_agg(calls::text, ',') || ' ' || count(DISTINCT userid) FROM pg_stat_statements WHERE query = 'SELECT pg_backend_pid() AS attributed'}),
		'1,1 2', 'jobs of two roles in one worker are counted as each of the two');
	value($session, q{SELECT revoke_pg_background_privileges('counted'); DROP ROLE counted});
	value($session, q{SET compute_query_id = on});
	my ($pid) = launch($session, '/* identified */ SELECT pg_sleep(600)');
	ok($node->poll_query_until('postgres', "SELECT query_id IS NOT NULL FROM pg_stat_activity WHERE pid = $pid AND wait_event = 'PgSleep'"),
		'a job has a query identifier');
	value($session, 'SELECT pg_background_cancel_v2(:pid, :cookie), pg_background_wait_v2(:pid, :cookie)');
	$session->quit;
}

# --- libraries of sessions ---

SKIP: {
	skip 'no auto_explain', 3 unless -e "$pkglibdir/auto_explain.so";

	$node->append_conf('postgresql.conf', <<'END');
shared_preload_libraries = ''
session_preload_libraries = 'auto_explain'
auto_explain.log_min_duration = 0
log_statement = none
log_min_duration_statement = -1
END
	$node->restart;
	$node->{registry} = $node->pg_version >= 17 ? 'in a segment' : '';
	Jobs::at_rest($node);
	$session = session($node);
	my $offset = -s $node->logfile;
	my ($pid, $cookie) = launch($session, 'SELECT count(*) AS explained FROM pg_class WHERE oid < 100');
	is(value($session, 'SELECT n >= 0 FROM pg_background_result_v2(:pid, :cookie) AS (n int8)'), 't', 'a job runs with session_preload_libraries');
	my $lines = logged($pid, qr/plan:/, $offset);
	like($lines, qr/duration: [\d.]+ ms  plan:/, 'auto_explain logs the plan of a job');
	like($lines, qr/Query Text: SELECT count\(\*\) AS explained/, "auto_explain logs the text of a job's statement");

	# A role's own library, and a setting of it that needs a privilege, which only the catalogs know of (15 and later).
	if ($node->pg_version >= 15)
	{
		$node->safe_psql('postgres', <<'END');
CREATE ROLE preloading LOGIN IN ROLE pgbackground_role;
GRANT SET ON PARAMETER auto_explain.log_min_duration TO preloading;
ALTER ROLE preloading SET session_preload_libraries = 'auto_explain';
END
		is($node->safe_psql('postgres', <<'END', extra_params => [ '-U', 'preloading' ]), '10s', 'a job has a setting that needs a privilege, of a library of its role');
SET auto_explain.log_min_duration = '10s';
SELECT * FROM pg_background_result(pg_background_launch('SHOW auto_explain.log_min_duration')) AS (value text);
END
		$node->safe_psql('postgres', 'DROP OWNED BY preloading; DROP ROLE preloading');
	}

	# Settings of such a library are the launcher's, too.
	value($session, 'SET auto_explain.log_min_duration = -1');
	$offset = -s $node->logfile;
	launch($session, 'SELECT 1 AS not_explained');
	value($session, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (n int)');
	value($session, 'SET auto_explain.log_min_duration = 0');
	($pid) = launch($session, 'SELECT 1 AS explained_again');
	value($session, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (n int)');
	like(logged($pid, qr/explained_again/, $offset), qr/explained_again/, 'auto_explain has the settings of the launcher in a job');
	unlike(slurp_file($node->logfile, $offset), qr/\] pg_background .*plan:\s+Query Text: SELECT 1 AS not_explained/, 'auto_explain is off in a job whose launcher has it off');
	$session->quit;
}

nothing_left($node, 'in the end');
healthy($node);
done_testing();
