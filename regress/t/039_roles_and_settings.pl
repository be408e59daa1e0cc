# Settings that depend on roles: what RESET ROLE gives.

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

healthy($node);
done_testing();
