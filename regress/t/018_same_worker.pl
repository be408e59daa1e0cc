# Which jobs keep their worker: neither what they do nor what their session has set costs a process each time without need.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = server('same', preload => 1, conf => "pg_background.idle_timeout = '10min'\npg_background.max_idle_workers = 1\n");
my $libraries = $node->config_data('--pkglibdir');
plan skip_all => 'no pg_trgm here' unless -e "$libraries/pg_trgm.so" || -e "$libraries/pg_trgm.dylib";
$node->safe_psql('postgres', 'CREATE EXTENSION pg_trgm');

# The number of processes that eight jobs of one session need.
sub processes
{
	my ($session, $sql) = @_;
	my %seen;

	for (1 .. 8)
	{
		$seen{ job($session, "$sql; SELECT pg_backend_pid()::text") } = 1;
	}
	return scalar keys %seen;
}

# A session that has set something before, and whose first job is a new process's.
sub session_with
{
	my ($set, @options) = @_;
	without_idle($node);
	my $session = session($node, @options);
	value($session, $set) if $set;
	return $session;
}

my $plain = session_with('');
for my $sql (
	'SELECT 1',
	'SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SELECT 1',
	'SET TRANSACTION READ ONLY, DEFERRABLE, ISOLATION LEVEL REPEATABLE READ',
	"SET work_mem = '1MB'",
	"SET LOCAL work_mem = '1MB'",
	'SET default_transaction_isolation = serializable',
	"SELECT 'abc' % 'abd'",
	"LOAD 'pg_trgm'; SET pg_trgm.similarity_threshold = 0.25")
{
	is(processes($plain, $sql), 1, "eight jobs in one process: $sql");
}
is(job($plain, 'SHOW transaction_isolation'), 'read committed',
	'the transaction of the next job has the default isolation');
is(job($plain, "SELECT source FROM pg_settings WHERE name = 'transaction_isolation'"),
	value($plain, "SELECT source FROM pg_settings WHERE name = 'transaction_isolation'"), 'the isolation of the next job has the source of a session that has not set it');

# The session has set something of a library that is loaded by the job alone, or by the session alone, or by both.
my $job = "SELECT 'abc' % 'abd'";
for my $value ('0.5', '0.3', '1', "'0.30'")
{
	is(processes(session_with("SET pg_trgm.similarity_threshold = $value"), $job), 1, "eight jobs in one process: the session has set pg_trgm.similarity_threshold = $value");
}
my $session = session_with('SET plpgsql.check_asserts = off');
is(processes($session, 'DO $do$ BEGIN ASSERT false; END $do$'), 1, 'eight jobs in one process: the session has set plpgsql.check_asserts = off');
value($session, 'SET plpgsql.check_asserts = no');
is(processes($session, 'DO $do$ BEGIN ASSERT false; END $do$'), 1, 'eight jobs in one process: the session has set plpgsql.check_asserts in other words');
is(processes(session_with("SET pg_trgm.similarity_threshold = 0.3; SELECT 'abc' % 'abd'"), $job), 1, 'eight jobs in one process: the library is loaded by session and job');
is(processes(session_with("LOAD 'pg_trgm'; SET pg_trgm.similarity_threshold = 0.3"), 'SELECT 1'), 1, 'eight jobs in one process: the library is loaded by the session alone');

# What RESET gives is the client's.
$session = session_with("SET work_mem = '7MB'", extra => [ '-d', "options='-c work_mem=2MB -c pg_trgm.similarity_threshold=0.3'" ]);
is(processes($session, $job), 1, 'eight jobs in one process: the client has set something');
is(processes($session, 'RESET work_mem'), 1, 'eight jobs in one process: the jobs reset what the client has set');
value($session, 'SET pg_trgm.similarity_threshold = 0.5');
is(processes($session, $job), 1, 'eight jobs in one process: the session has set something over what the client has set');
value($session, 'SET my.own = 1; RESET my.own');
is(processes($session, 'SHOW my.own'), 1, 'eight jobs in one process: the session has an option without a value');

# A customized option that a job has made stays known to its process, which is then for sessions that know it, too.
sub pid
{
	my ($in, $sql) = @_;
	return job($in, "${sql}SELECT pg_backend_pid()::text");
}

my $maker = session_with('');
my $knower = session($node);
value($knower, "SET my.option = 'the session''s'");
my $pid = pid($maker, "SET my.option = 'the job''s'; ");
ok(until_true(sub { grep { $_ == $pid } idle_workers($node) }), 'a worker whose job has made an option stays');
is(job($knower, "SELECT pg_backend_pid() || current_setting('my.option')"),
	"${pid}the session's", 'the worker whose job has made an option is for a session that has it, with its value');
is(pid($knower, "SET my.option = 'the job''s'; "), $pid, 'the worker with an option is for a session that has it, whose job sets it');
is(pid($knower, ''), $pid, 'the worker with an option is for a session that has it, once more');
isnt(pid($maker, ''), $pid, 'the worker with an option is not for a session that has it not');
ok(until_true(sub { is_gone($pid) }), 'the launch of a session without the option ends the worker that has it');
is(job($maker, "SELECT (current_setting('my.option', true) IS NULL)::text"),
	'true', "a job of a session without the option knows nothing of it");
is(processes($maker, "SELECT set_config('my.option', 'x', false)"), 8, 'a session without the option has a new process for each job that makes one');

# The same of the configuration file, and of the role.
$node->append_conf('postgresql.conf', "pg_trgm.similarity_threshold = 0.3\nplpgsql.check_asserts = yes\n");
$node->restart;
is(processes(session_with(''), $job), 1, 'eight jobs in one process: the configuration file has set something');
is(processes(session_with('DO $do$ BEGIN END $do$'), $job), 1, 'eight jobs in one process: the session has loaded another library of the configuration file');
is(processes(session_with("SELECT 'abc' % 'abd'"), 'SELECT 1'), 1, 'eight jobs in one process: the session has loaded the library of the configuration file');
# one worker for those who have loaded it and those who have not
my $with = session_with("SELECT 'abc' % 'abd'");
my $without = session($node);
my %seen;
$seen{ job($_, 'SELECT pg_backend_pid()::text') } = 1 for ($with, $without, $with, $without);
is(scalar keys %seen, 1, 'sessions that have loaded a library and sessions that have not share one worker');
$node->safe_psql('postgres', 'ALTER DATABASE postgres SET plpgsql.check_asserts = off');
is(processes(session_with(''), 'DO $do$ BEGIN ASSERT false; END $do$'), 1, 'eight jobs in one process: ALTER DATABASE has set something');

healthy($node);
$node->stop;
done_testing();
