# Settings that depend on roles: what RESET ROLE gives, and values that need a right of the role that has set them.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = server('roles', conf => "pg_background.idle_timeout = '10min'\n");
my $admin = session($node);
value($admin, q{CREATE ROLE app LOGIN NOINHERIT; CREATE ROLE here; CREATE ROLE there; CREATE ROLE plain; GRANT here, there, plain TO app;
  SELECT count(grant_pg_background_privileges(name)) FROM unnest('{app,here,there,plain}'::text[]) AS name; CREATE DATABASE other;
  ALTER ROLE app IN DATABASE postgres SET role = here; ALTER ROLE app IN DATABASE other SET role = there});
$node->safe_psql('other', q{CREATE EXTENSION pg_background;
  SELECT grant_pg_background_privileges(name) FROM unnest('{app,here,there,plain}'::text[]) AS name});

sub app
{
	my ($dbname) = @_;
	return session($node, dbname => $dbname, extra => [ '-U', 'app' ]);
}

# In another database the settings that a session begins with there are laid beneath, the role among them. Who the launching session is
# does not stay under that name for later sessions of that database.
my $one = app('postgres');
value($admin, 'REVOKE here FROM app');
for my $change ('SELECT 1', 'RESET ROLE', 'SET work_mem = 64')
{
	without_idle($node);
	my $pid = value($one, qq{SELECT x FROM pg_background_query('$change; SELECT pg_backend_pid()', database => 'other') AS (x int)});
	until_idle($node, $pid);
	my $native = app('other');
	my $expected = value($native, 'RESET ROLE; SELECT current_user');
	value($native, 'SET ROLE NONE');
	is(job($native, 'RESET ROLE; SELECT current_user::text'), $expected, "after a job from another database, $change: RESET ROLE");
	$native->quit;
}
$one->quit;

# Two sessions began under the same name with different roles.
value($admin, 'GRANT here TO app');
$one = app('postgres');
value($admin, q{ALTER ROLE here RENAME TO gone; CREATE ROLE here; GRANT here TO app; SELECT grant_pg_background_privileges('here')});
is(job($one, 'SELECT current_user::text'), 'gone', 'the role with which the session began was renamed');
value($admin, 'REVOKE gone FROM app');
my $two = app('postgres');
value($two, 'SET ROLE plain');
is(job($two, 'RESET ROLE; SELECT current_user::text'), 'here', 'another session began with another role of that name');
value($two, 'RESET ROLE');
is(job($two, 'RESET ROLE; SELECT current_user::text'), 'here', 'another session with another role of that name');
$_->quit for $one, $two;

# A session that has set another role is served by the worker that a session with the same default has had.
$one = app('postgres');
without_idle($node);
my $worker = job($one, 'SELECT pg_backend_pid()::text');
until_idle($node, $worker);
value($one, 'SET ROLE plain');
is(job($one, 'SELECT pg_backend_pid()::text'), $worker, 'SET ROLE after a job with the default role: the same worker');
until_idle($node, $worker);
value($one, 'RESET ROLE');
is(job($one, 'SELECT pg_backend_pid()::text'), $worker, 'and RESET ROLE');
$one->quit;

# Values that need a right: the session has them, whoever had the right.
value($admin, 'ALTER ROLE app IN DATABASE postgres RESET role');
my $place = PostgreSQL::Test::Utils::tempdir();
value($admin, "CREATE TABLESPACE fast LOCATION '$place'");
value($admin, q{GRANT CREATE ON TABLESPACE fast TO there; CREATE SCHEMA private; GRANT USAGE ON SCHEMA private TO there;
  CREATE TEXT SEARCH CONFIGURATION private.cfg (COPY = simple)});
my $values = q{concat_ws(' ', current_user, current_setting('temp_tablespaces'), current_setting('default_text_search_config'))};
my %settings = ('temp_tablespaces' => 'fast', 'default_text_search_config' => "'private.cfg'");

# A job in a new worker, and in one of a session with other settings.
sub has_values
{
	my ($session, $what) = @_;
	my $expected = value($session, "SELECT $values");

	without_idle($node);
	for my $worker ('a new worker', 'a worker of this session')
	{
		my ($out, $err) = ask($session, job_sql("SELECT $values"));
		is($err =~ /ERROR:\s+(.*)/ ? $1 : $out, $expected, "$what: $worker");
	}
	my $other = app('postgres');
	without_idle($node);
	job($other, 'SELECT 1::text');
	my ($out, $err) = ask($session, job_sql("SELECT $values"));
	is($err =~ /ERROR:\s+(.*)/ ? $1 : $out, $expected, "$what: a worker of another session");
	$other->quit;
	return;
}

for my $name (sort keys %settings)
{
	for my $wholesale (0, 1)
	{
		my $app = app('postgres');
		# RESET gives another value in the worker: the server's function restores all settings
		value($admin, q{ALTER ROLE app SET statement_timeout = '10min'}) if $wholesale;
		my $how = $wholesale ? ', all settings restored' : '';
		value($app, "SET ROLE there; SET $name = $settings{$name}");
		has_values($app, "$name, with the rights of SET ROLE$how");
		value($app, 'SET ROLE plain');
		has_values($app, "$name, SET ROLE to another$how");
		value($app, 'RESET ROLE');
		has_values($app, "$name, RESET ROLE$how");
		$app->quit;
		value($admin, 'ALTER ROLE app RESET statement_timeout');
	}
}

# A client may ask for a tablespace to which its role has no right, and gets none. Nor does RESET in a job give it.
setting($node, 'log_temp_files', 0);
my $client = do { local $ENV{PGOPTIONS} = '-c temp_tablespaces=fast -c work_mem=64kB'; app('postgres') };
is(value($client, 'SHOW temp_tablespaces'), 'fast', 'the client has asked');
my $offset = -s $node->logfile;
for my $worker ('a new worker', 'a worker that has had it')
{
	is(job($client, 'RESET temp_tablespaces; SELECT count(DISTINCT n)::text FROM generate_series(1, 100000) n'), 100000, $worker);
}
my $log = slurp_file($node->logfile, $offset);
like($log, qr/temporary file: path "base\//, 'the jobs have needed files');
unlike($log, qr/temporary file: path "pg_tblspc\//, 'and had them where the session has them');
$client->quit;

healthy($node);
done_testing();
