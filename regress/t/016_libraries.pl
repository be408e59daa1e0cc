# Libraries that keep state in the session: no job may find what another one has left in them, whenever they were loaded.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = server('libraries', preload => 1, conf => "pg_background.idle_timeout = '10min'\nmax_prepared_transactions = 2\n");
my $libraries = $node->config_data('--pkglibdir');
for my $library (qw(dblink auto_explain pg_stat_statements pg_prewarm passwordcheck))
{
	plan skip_all => "no $library here" unless -e "$libraries/$library.so" || -e "$libraries/$library.dylib";
}
my $host = $node->host;
my $port = $node->port;

# What a job in a session of its own returns, or its error.
sub outcome
{
	my ($sql, @options) = @_;
	my ($status, $out, $err) = $node->psql('postgres', job_sql($sql), @options);
	return $status == 0 ? $out : $err;
}

# Restarts with these lines in the configuration file; returns where the log begins.
sub restart
{
	$node->append_conf('postgresql.conf', join("\n", @_, ''));
	$node->stop;
	my $offset = -s $node->logfile;
	$node->start;
	return $offset;
}

sub distinct { my %seen = map { $_ => 1 } @_; return scalar keys %seen }
sub processes { return distinct(map { outcome('SELECT pg_backend_pid()::text') } 1 .. 5) }
sub lines { my ($offset, $what) = @_; my @found = substr(slurp_file($node->logfile), $offset) =~ /$what/g; return scalar @found }

my $says = qr/LOG:  background workers end after each job because of library "\w+"/;

$node->safe_psql('postgres', q{
	CREATE EXTENSION dblink;
	CREATE ROLE tenant LOGIN;
	SELECT grant_pg_background_privileges('tenant');
	CREATE FUNCTION connect(name text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
	DECLARE j pg_background_handle;
	BEGIN
		SELECT * INTO j FROM pg_background_launch_v2(format('SELECT dblink_connect(%L, ''user=postgres dbname=postgres host=} . $host . q{ port=} . $port . q{'')', name));
		PERFORM * FROM pg_background_result_v2(j.pid, j.cookie) AS (r text);
	END $$;
	ALTER FUNCTION connect(text) OWNER TO } . $node->safe_psql('postgres', 'SELECT current_user') . q{;});
my $owner = $node->safe_psql('postgres', 'SELECT current_user');
$node->safe_psql('postgres', "CREATE ROLE postgres SUPERUSER LOGIN") if $owner ne 'postgres';

# A role's job finds the connection of a superuser that another session's job of the same role has left in the library.
sub stays
{
	my $name = 'left';
	my ($status, $out, $err) = $node->psql('postgres', "SELECT connect('$name')", extra_params => [ '-U', 'tenant' ]);
	is($status, 0, "$_[0]: a job has connected") or diag $err;
	my $found = outcome("SELECT u || ' by ' || current_user FROM dblink('$name', 'SELECT current_user') AS (u text)", extra_params => [ '-U', 'tenant' ]);
	unlike($found, qr/postgres by tenant/, "$_[0]: the connection is not found by a later job");
	return;
}

# --- loaded by a job ---

stays('loaded by a job');

# --- preloaded, by each of the ways ---

my $offset = restart("shared_preload_libraries = 'pg_background, dblink'");
stays('for all sessions');
is(processes(), 5, 'five jobs have five processes with dblink preloaded for all sessions');
is(lines($offset, $says), 1, 'the log says once that workers end because of a library');
is(lines($offset, qr/because of library "dblink"/), 1, 'the log names the library');
is(outcome(q{SELECT ends_because FROM pg_stat_background_workers WHERE pid = pg_backend_pid()}), 'library "dblink" may keep state', 'the view says that workers end because of dblink');

restart("shared_preload_libraries = 'pg_background'", "session_preload_libraries = 'dblink'");
stays('for each session');
is(processes(), 5, 'five jobs have five processes with dblink preloaded for each session');

restart("session_preload_libraries = ''");
is(processes(), 1, 'five jobs have one process without dblink');
$node->safe_psql('postgres', "ALTER DATABASE postgres SET session_preload_libraries = 'dblink'");
stays('for the sessions of a database');
$node->safe_psql('postgres', 'ALTER DATABASE postgres RESET session_preload_libraries');
# a worker that is idle hears of the change: a new session has the library, and so must its jobs
processes();
ok(until_true(sub { scalar idle_workers($node) }), 'a worker without auto_explain is idle');
setting($node, 'session_preload_libraries', 'auto_explain');
ok(until_true(sub { !idle_workers($node) }), 'an idle worker leaves when a new session has another library');
is(outcome(q{SELECT count(*)::text FROM pg_settings WHERE name = 'auto_explain.log_min_duration'}), 1, 'a job has the library that its session has');
setting($node, 'session_preload_libraries', '');

# --- those that keep nothing ---

$offset = restart("shared_preload_libraries = 'pg_stat_statements, auto_explain, pg_background, pg_prewarm, passwordcheck'");
is(processes(), 1, 'five jobs run in one process with libraries that have hooks and keep nothing');
is(outcome(q{SELECT coalesce(ends_because, 'nothing') FROM pg_stat_background_workers WHERE pid = pg_backend_pid()}), 'nothing', 'the view says nothing of libraries that keep nothing');
is(lines($offset, $says), 0, 'the log says nothing of libraries that keep nothing');
# that a job loads one is another thing: the next would have its hooks
restart("shared_preload_libraries = 'pg_background'");
is(distinct(map { outcome("LOAD 'auto_explain'; SELECT pg_backend_pid()::text") } 1 .. 3), 3, 'a hook that a job has brought goes with its process');

# --- and those that an administrator vouches for ---

$offset = restart("shared_preload_libraries = 'pg_background, dblink'", "pg_background.stateless_libraries = 'something, dblink'");
is(processes(), 1, 'five jobs have one process with a library that the setting names');
is(lines($offset, $says), 0, 'the log says nothing of a library that the setting names');
like(outcome(q{SET pg_background.stateless_libraries = 'dblink'}), qr/cannot be changed now/, 'no job can name a stateless library');
# a worker that is idle hears of the change: it is for no other job
$node->safe_psql('postgres', "SELECT connect('vouched for')", extra_params => [ '-U', 'tenant' ]);
ok(until_true(sub { scalar idle_workers($node) }), 'a worker with a connection is idle');
setting($node, 'pg_background.stateless_libraries', '');
ok(until_true(sub { !idle_workers($node) }), 'an idle worker leaves when nobody vouches for its library any more');
stays('not named any more');
is(processes(), 5, 'five jobs have five processes when nobody vouches for dblink any more');

healthy($node);
$node->stop;
done_testing();
